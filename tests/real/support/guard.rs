//! A guard before a real server, as companies have it: a certificate asked of every client, and a login.

use super::python::python;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub(crate) struct Guard {
    child: Child,
    port: String,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The end of its input is what it waits for.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Guard {
    /// Lets in who has a certificate of `ours.pem` and says this; shows `server.pem`. All are files of the folder.
    pub(crate) fn before(server: &str, folder: &Path, authorization: &str) -> Option<Self> {
        let script = format!("{}/tests/real/guard.py", env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new(python()?)
            .args([&script, server, "server.pem", "server.key", "ours.pem", authorization])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let mut port = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut port).expect("it speaks");
        Some(Self { child, port: port.trim().to_owned() })
    }

    /// The address of the server behind it, as seen from before it.
    pub(crate) fn url(&self, server: &str) -> String {
        let (_, rest) = server.split_once("://").expect("an address");
        let path = rest.find('/').map_or("", |at| &rest[at..]);
        format!("https://127.0.0.1:{}{path}", self.port)
    }
}
