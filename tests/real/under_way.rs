//! The program while it works, so that something can happen to it.

use crate::mesh_folder::{Mesh, Ran};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Stdio};
use tempfile::NamedTempFile;

/// A run under way: its progress is read line by line.
#[derive(Debug)]
pub(crate) struct UnderWay {
    pub(crate) child: Child,
    progress: BufReader<ChildStderr>,
    /// The plan may be longer than a pipe holds.
    out: NamedTempFile,
    err: String,
}

impl UnderWay {
    pub(crate) fn apply(mesh: &Mesh) -> Self {
        Self::start(mesh, &["apply", "--auto-approve"])
    }

    pub(crate) fn start(mesh: &Mesh, args: &[&str]) -> Self {
        let out = NamedTempFile::new().expect("a file");
        let mut command = mesh.command(args);
        command.stdin(Stdio::null()).stdout(out.reopen().expect("a file")).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let progress = BufReader::new(child.stderr.take().expect("piped"));
        Self { child, progress, out, err: String::new() }
    }

    /// Reads on until so many operations are done; false where the run ended before.
    pub(crate) fn until_done(&mut self, mut operations: usize) -> bool {
        while operations > 0 {
            let before = self.err.len();
            if self.progress.read_line(&mut self.err).expect("text") == 0 {
                return false;
            }
            operations -= usize::from(self.err[before..].contains(" done in "));
        }
        true
    }

    pub(crate) fn end(mut self) -> Ran {
        self.progress.read_to_string(&mut self.err).expect("text");
        let code = self.child.wait().expect("ends").code();
        Ran { code, out: std::fs::read_to_string(self.out.path()).expect("text"), err: self.err }
    }
}
