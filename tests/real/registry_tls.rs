//! The registry client over TLS: whom it trusts, and how it says who it is.
//!
//! The server is `openssl s_server`, which answers with a file as it is; the certificates are made for the test.

use crate::support::certificates::{both_sides, certificate};
use datamesh_conformance::testing::{RealClock, context};
use datamesh_provider::{ConnectRequest, ErrorKind, Facts, Located, ProviderError};
use datamesh_schema_registry::DEF;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// Stops the server with the test.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A registry that knows its default level, and nothing else.
fn serve(folder: &Path, certificate: &str, more: &[&str]) -> Server {
    let body = r#"{"compatibilityLevel":"FULL"}"#;
    let head = "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    fs::write(folder.join("config"), format!("{head}content-length: {}\r\n\r\n{body}", body.len()))
        .expect("writes");
    let (pem, key) = (format!("{certificate}.pem"), format!("{certificate}.key"));
    let mut child = Command::new("openssl")
        .args(["s_server", "-HTTP", "-accept", "127.0.0.1:0", "-cert", &pem, "-key", &key])
        .args(more)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let port = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("ACCEPT ")?.rsplit_once(':')?.1.trim().parse().ok());
    // It says more with every connection, and stops where nobody reads.
    std::thread::spawn(move || lines.for_each(drop));
    Server { child, port: port.expect("openssl says where it listens") }
}

async fn facts(folder: &Path, host: &str, port: u16, tls: Value) -> Result<Facts, ProviderError> {
    let settings = json!({"url": format!("https://{host}:{port}"), "tls": tls});
    let cx = context(Arc::new(RealClock::default()));
    let settings = Located { value: settings, ..Located::default() };
    assert!((DEF.validate_config)(&settings).is_empty());
    let request = ConnectRequest {
        name: "registry.default".into(),
        settings,
        root: folder.into(),
        context: cx.clone(),
    };
    (DEF.connect)(request).await?.facts(&cx).await
}

/// The certificates, or nothing where there is no `openssl`: said aloud on a person's machine, a failure in CI.
fn certificates() -> Option<TempDir> {
    if Command::new("openssl").arg("version").output().is_err() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "openssl is missing");
        let _ = writeln!(std::io::stderr(), "\nSKIPPED, no TLS server here: openssl is missing");
        return None;
    }
    let folder = TempDir::new().expect("a folder");
    both_sides(folder.path());
    certificate(folder.path(), "elsewhere", "ours", "DNS:elsewhere.example");
    Some(folder)
}

fn refused(result: Result<Facts, ProviderError>, hint: &str) {
    let error = result.expect_err("not trusted");
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error:?}");
    assert!(error.hint.as_deref().is_some_and(|words| words.contains(hint)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_certificate_of_a_named_authority_for_this_host_is_trusted() {
    let Some(folder) = certificates() else { return };
    let folder = folder.path();
    let server = serve(folder, "server", &[]);
    let found =
        facts(folder, "127.0.0.1", server.port, json!({"ca_file": "ours.pem"})).await.expect("trusted");
    assert_eq!(found.capabilities["default_compatibility"], "FULL");
    refused(facts(folder, "127.0.0.1", server.port, json!({"ca_file": "other.pem"})).await, "tls.ca_file");
    refused(facts(folder, "127.0.0.1", server.port, json!({})).await, "tls.ca_file");
    refused(facts(folder, "localhost", server.port, json!({"ca_file": "ours.pem"})).await, "for this name");
    let elsewhere = serve(folder, "elsewhere", &[]);
    refused(
        facts(folder, "127.0.0.1", elsewhere.port, json!({"ca_file": "ours.pem"})).await,
        "for this name",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_opens_the_door_and_a_strangers_does_not() {
    let Some(folder) = certificates() else { return };
    let folder = folder.path();
    let server = serve(folder, "server", &["-Verify", "2", "-verify_return_error", "-CAfile", "ours.pem"]);
    let with = |name: &str| json!({"ca_file": "ours.pem", "cert_file": format!("{name}.pem"), "key_file": format!("{name}.key")});
    facts(folder, "127.0.0.1", server.port, with("client")).await.expect("known");
    facts(folder, "127.0.0.1", server.port, with("stranger")).await.expect_err("signed by somebody else");
    facts(folder, "127.0.0.1", server.port, json!({"ca_file": "ours.pem"}))
        .await
        .expect_err("no certificate");
}
