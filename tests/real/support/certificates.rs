//! Certificates made for a test, by `openssl`.

use std::fs;
use std::path::Path;
use std::process::Command;

fn openssl(folder: &Path, args: &[&str]) {
    let out = Command::new("openssl").args(args).current_dir(folder).output().expect("openssl runs");
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// An authority of this name: `name.pem` and `name.key`.
fn authority(folder: &Path, name: &str) {
    let (key, pem, subject) = (format!("{name}.key"), format!("{name}.pem"), format!("/CN={name}"));
    let new =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    openssl(folder, &[&new[..], &["-keyout", &key, "-out", &pem, "-subj", &subject]].concat());
}

/// Two authorities, `ours` and `other`; of the first one the certificates of a server, and of a client, of the second
/// one that of a stranger.
pub(crate) fn both_sides(folder: &Path) {
    ["ours", "other"].iter().for_each(|name| authority(folder, name));
    certificate(folder, "server", "ours", "IP:127.0.0.1");
    certificate(folder, "client", "ours", "DNS:client");
    certificate(folder, "stranger", "other", "DNS:client");
}

/// A certificate for a host, signed by an authority.
pub(crate) fn certificate(folder: &Path, name: &str, by: &str, host: &str) {
    let (key, request, pem, extensions) =
        (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"), format!("{name}.ext"));
    let (ca, ca_key) = (format!("{by}.pem"), format!("{by}.key"));
    fs::write(folder.join(&extensions), format!("subjectAltName={host}\nbasicConstraints=CA:FALSE\n"))
        .expect("writes");
    let new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x"];
    openssl(folder, &[&new[..], &["-keyout", &key, "-out", &request]].concat());
    let sign = ["x509", "-req", "-days", "2", "-CAcreateserial", "-in", &request, "-out", &pem];
    openssl(folder, &[&sign[..], &["-CA", &ca, "-CAkey", &ca_key, "-extfile", &extensions]].concat());
}
