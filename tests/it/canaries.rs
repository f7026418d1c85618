//! Secrets are planted in every place of a Mesh document that takes one, and looked for in everything that is printed,
//! kept, or could be printed by a panic.

use crate::journal::overtaken;
use crate::world::{EVENTS, Mesh};
use datamesh::engine::{OsEntropy, RunOrigin, Secrets, Session, SessionOptions, SystemClock};
use datamesh::identity::{IdTokens, TokenRequest};
use datamesh::providers::Providers;
use datamesh_provider::{CallBudget, Cancel, Context, NoEvents, OpenGate, Secret, base64};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Of 32 bytes, as a key of the state has to be.
const STATE_KEY: &str = "Q0FOQVJZLXN0YXRlLWtleS0tLS0tLS0tLS0tLTg4MTE=";

/// Every secret, by the variable it is in.
const SECRETS: &[(&str, &str)] = &[
    ("KAFKA_PASSWORD", "CANARY-kafka-password-8811"),
    ("KAFKA_KEY_PASSWORD", "CANARY-kafka-key-password-8811"),
    ("KAFKA_TOKEN_SECRET", "CANARY-kafka-token-secret-8811"),
    ("REGISTRY_PASSWORD", "CANARY-registry-password-8811"),
    ("REGISTRY_TOKEN", "CANARY-registry-token-8811"),
    ("CATALOG_SECRET", "CANARY-catalog-secret-8811"),
    ("CATALOG_TOKEN", "CANARY-catalog-token-8811"),
    ("STATE_KEY", STATE_KEY),
    ("STATE_PASSPHRASE", "CANARY state passphrase 8811"),
    ("AWS_ACCESS_KEY_ID", "CANARYACCESSKEY8811"),
    ("AWS_SECRET_ACCESS_KEY", "CANARY-aws-secret-8811"),
    ("AWS_SESSION_TOKEN", "CANARY-aws-session-8811"),
];

/// A key file: what is between the lines is no key, so that reading it fails.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nQ0FOQVJZLWtleS1maWxlLTg4MTE=\n-----END PRIVATE KEY-----\n";

/// What must be nowhere: secrets as they are, and as they are sent.
fn canaries() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (name, value) in SECRETS {
        all.insert((*name).to_owned(), (*value).to_owned());
        all.insert(
            format!("{name} in base64"),
            base64(format!("mesh:{value}").as_bytes()).trim_end_matches('=').to_owned(),
        );
        all.insert(format!("{name} in hexadecimal digits"), hex(value.as_bytes()));
        all.insert(
            format!("{name} as bytes"),
            format!("{:?}", value.as_bytes()).trim_matches(['[', ']']).to_owned(),
        );
    }
    // The bytes of the key itself.
    let bytes = b"CANARY-state-key------------8811";
    all.insert("the state's key".to_owned(), String::from_utf8_lossy(bytes).into_owned());
    all.insert("the state's key in hexadecimal digits".to_owned(), hex(bytes));
    all.insert("a key file".to_owned(), "Q0FOQVJZLWtleS1maWxlLTg4MTE".to_owned());
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What of it is in this text.
fn found_in(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    canaries().into_iter().filter(|(_, canary)| text.contains(canary)).map(|(name, _)| name).collect()
}

#[track_caller]
fn is_clean(what: &str, text: &[u8]) {
    let found = found_in(text);
    assert!(found.is_empty(), "{what} shows {found:?}:\n{}", String::from_utf8_lossy(text));
}

/// Every file below a folder, but those that hold the secrets.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true if path.ends_with("keys") => {}
            true => all.extend(files(&path)),
            false => all.push(path),
        }
    }
    all
}

#[track_caller]
fn files_are_clean(folder: &Path) {
    let all = files(folder);
    assert!(all.len() > 2);
    for path in all {
        is_clean(&path.display().to_string(), &fs::read(&path).expect("read"));
    }
}

#[test]
fn the_search_finds_what_is_planted() {
    for (name, canary) in canaries() {
        assert!(found_in(format!("x{canary}y").as_bytes()).contains(&name), "{name}");
    }
    assert!(found_in(b"CANARY").is_empty());
}

/// Nobody listens there.
fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    drop(listener);
    address
}

/// Whatever is sent to it, it sends back, with a status that says no.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.set_read_timeout(Some(Duration::from_millis(300)));
            let mut request = vec![0; 1 << 16];
            let length = stream.read(&mut request).unwrap_or(0);
            let body = String::from_utf8_lossy(&request[..length]).into_owned();
            let quoted = serde_json::to_string(&body).expect("JSON");
            let body = format!("{{\"error_code\": 40101, \"message\": {quoted}}}");
            let head = "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\nconnection: close\r\n";
            let _ = write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len());
        }
    });
    address
}

/// A mesh on real providers, with a secret in every place that takes one.
fn mesh(address: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    };
    write("datamesh.yaml", &MESH.replace("ADDRESS", address));
    write("domains/orders/domain.yaml", DOMAIN);
    for (port, name) in PRODUCTS {
        write(&format!("domains/orders/{name}.yaml"), &PRODUCT.replace("NAME", name).replace("PORT", port));
    }
    write("keys/client.key", PEM);
    write("keys/state", STATE_KEY);
    folder
}

fn run(folder: &Path, args: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_datamesh"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .envs(SECRETS.iter().copied())
        .envs([
            ("USER", "tester"),
            ("RUST_LOG", "trace"),
            ("RUST_BACKTRACE", "full"),
            ("DATAMESH_LOG", "trace"),
        ])
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    assert!(
        output.status.code().is_some(),
        "{args:?} ended by a signal:\n{}",
        String::from_utf8_lossy(&text)
    );
    text
}

const COMMANDS: &[&[&str]] = &[
    &["validate"],
    &["graph"],
    &["doctor"],
    &["plan", "--out", "saved.plan", "--snapshot-out", "snapshot.json"],
    &["plan", "--json", "--explain"],
    &["show", "saved.plan"],
    &["apply", "--auto-approve"],
    &["apply", "--auto-approve", "--json"],
    &["apply", "saved.plan"],
    &["drift"],
    &["state", "list"],
    &["state", "pull", "orders"],
    &["state", "rebind", "kafka.default", "--auto-approve"],
    &["state", "upgrade", "--auto-approve"],
    &["history"],
    &["audit", "verify"],
    &["audit", "export"],
    &["lock", "list"],
    &["recover", "20260101T000000Z-00000000"],
    &["destroy", "--auto-approve"],
];

/// Where each of them waits for somebody who is not there.
const FEW: &[&[&str]] = &[
    &["doctor"],
    &["plan", "--json", "--explain", "--out", "saved.plan"],
    &["apply", "--auto-approve"],
    &["state", "list"],
];

/// Everything that was printed.
#[track_caller]
fn nothing_is_told(environment: &str, address: &str, commands: &[&[&str]]) -> String {
    let folder = mesh(address);
    let mut all = Vec::new();
    for args in commands {
        let args = [*args, &["--env", environment]].concat();
        let text = run(folder.path(), &args);
        is_clean(&format!("{args:?}"), &text);
        all.extend(text);
    }
    files_are_clean(folder.path());
    String::from_utf8_lossy(&all).into_owned()
}

/// Some were sent, came back, and were taken out.
#[track_caller]
fn are_hidden(text: &str, systems: &[&str]) {
    for system in systems {
        let hidden = text.lines().any(|line| line.contains(system) && line.contains("(sensitive)"));
        assert!(hidden, "{system} was sent nothing:\n{text}");
    }
}

#[test]
fn systems_that_do_not_answer() {
    nothing_is_told("local", &closed(), FEW);
}

#[test]
fn systems_that_repeat_what_they_are_sent() {
    are_hidden(&nothing_is_told("local", &echo(), COMMANDS), &["iceberg.default", "registry.default"]);
}

#[test]
fn systems_with_other_kinds_of_secrets() {
    are_hidden(&nothing_is_told("tokens", &echo(), COMMANDS), &["iceberg.default", "registry.default"]);
}

#[test]
fn a_storage_that_does_not_answer() {
    nothing_is_told("s3", &closed(), FEW);
}

#[test]
fn a_storage_that_repeats_what_it_is_sent() {
    are_hidden(&nothing_is_told("s3", &echo(), COMMANDS), &["kafka.default"]);
}

/// Of a job that can prove who it is.
fn id_tokens() -> IdTokens {
    let request = TokenRequest { url: "http://127.0.0.1:9".to_owned(), bearer: Secret::new(SECRETS[0].1) };
    IdTokens { token: Some(Secret::new(SECRETS[1].1)), request: Some(request) }
}

/// What a panic would print.
#[test]
fn no_value_of_the_program_shows_them() {
    let folder = mesh(&closed());
    // References to files, since a test cannot set variables of its own process.
    let path = folder.path().join("datamesh.yaml");
    let mut text = fs::read_to_string(&path).expect("read");
    for (name, value) in SECRETS {
        fs::write(folder.path().join("keys").join(name), value).expect("written");
        text = text.replace(&format!("${{env:{name}}}"), &format!("${{file:keys/{name}}}"));
    }
    fs::write(&path, text).expect("written");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for environment in ["local", "tokens", "s3"] {
        let context = Context {
            clock: Arc::new(SystemClock::new()),
            entropy: Arc::new(OsEntropy),
            cancel: Cancel::default(),
            lease: Arc::new(OpenGate),
            secrets: Arc::new(Secrets::new(folder.path())),
            events: Arc::new(NoEvents),
            budget: CallBudget::default(),
            lineages: Arc::default(),
        };
        let options = SessionOptions {
            root: folder.path().to_owned(),
            environment: Some(environment.to_owned()),
            providers: Providers::real(),
            context,
            parallelism: None,
            who: "tester".to_owned(),
            host: "here".to_owned(),
            origin: RunOrigin::default(),
            id_tokens: id_tokens(),
        };
        let session = Session::open(options).expect("a session");
        let shown = format!("{session:#?} {session:?}");
        assert!(shown.contains("StateKey(k1, …)"), "the keys are resolved");
        is_clean(environment, shown.as_bytes());
        let probed = runtime.block_on(session.probe());
        assert!(probed.iter().any(|(_, answer)| answer.is_err()));
        is_clean(environment, format!("{probed:#?}").as_bytes());
    }
}

/// The same of a mesh in which something happens, on fake systems.
#[test]
fn a_state_that_is_changed_recovered_and_edited() {
    let mesh = Mesh::new();
    mesh.write("keys/k1", STATE_KEY);
    let state =
        "state: {backend: local, path: state, encryption: {keys: [{id: k1, ref: '${file:keys/k1}'}]}}";
    mesh.replace("datamesh.yaml", "state: {backend: local, path: state}", state);
    let mut all = Vec::new();
    let mut note = |run: crate::world::Run| all.push(run.text());
    note(mesh.run(&["plan", "--out", "saved.plan"]));
    note(mesh.run_with(&["apply", "saved.plan"], &[("DATAMESH_FAKE_KILL", "3:after-call")]));
    let run = overtaken(&mesh);
    for args in [
        &["recover", &run][..],
        &["apply", "--auto-approve", "--json"],
        &["drift"],
        &["show", "saved.plan"],
        &["state", "list"],
        &["state", "pull", "orders"],
        &["state", "history", "orders"],
        &["history"],
        &["audit", "export"],
        &["lock", "list"],
    ] {
        note(mesh.run(args));
    }
    mesh.replace(EVENTS, "retention: 7d", "retention: 14d");
    note(mesh.run_with(&["apply", "--auto-approve"], &[("DATAMESH_FAKE_KILL_WRITE", "2:after")]));
    note(mesh.run(&["apply", "--auto-approve"]));
    mesh.write("keys/k1", "CANARY-state-key-that-is-none-8811");
    note(mesh.run(&["plan"]));
    let text = all.concat();
    assert!(text.contains("is 32 bytes"), "{text}");
    is_clean("the program", text.as_bytes());
    assert!(!text.contains("CANARY"), "{text}");
    files_are_clean(mesh.root());
}

const MESH: &str = r#"apiVersion: datamesh.example.com/v1
kind: Mesh
metadata: {name: canaries}
spec:
  environments:
    local:
      state:
        backend: local
        path: .datamesh/state
        encryption: {keys: [{id: k1, ref: "${env:STATE_KEY}"}, {id: p1, passphrase: "${env:STATE_PASSPHRASE}"}]}
      kafka:
        default:
          bootstrap_servers: ADDRESS
          properties:
            security.protocol: SASL_PLAINTEXT
            sasl.mechanism: PLAIN
            sasl.username: mesh
            sasl.password: "${env:KAFKA_PASSWORD}"
      registry:
        default: {url: "http://ADDRESS", auth: {basic: {username: mesh, password: "${env:REGISTRY_PASSWORD}"}}}
      iceberg:
        default:
          catalog: rest
          uri: "http://ADDRESS"
          warehouse: w
          auth: {oauth2: {client_id: mesh, client_secret: "${env:CATALOG_SECRET}"}}
      catalog: {backend: portal, path: .datamesh/catalog}
    tokens:
      state:
        backend: local
        path: .datamesh/state
        encryption: {keys: [{id: k1, ref: "${file:keys/state}"}]}
      kafka:
        default:
          bootstrap_servers: ADDRESS
          properties:
            security.protocol: SSL
            ssl.key.password: "${env:KAFKA_KEY_PASSWORD}"
            ssl.key.pem: "${file:keys/client.key}"
      registry:
        default: {url: "http://ADDRESS", auth: {bearer: "${env:REGISTRY_TOKEN}"}}
      iceberg:
        default: {catalog: rest, uri: "http://ADDRESS", warehouse: w, auth: {bearer: "${env:CATALOG_TOKEN}"}}
      catalog: {backend: portal, path: .datamesh/catalog-2}
      names: {topic_prefix: t., subject_prefix: t., namespace_prefix: t_}
    s3:
      state:
        backend: s3
        bucket: canaries
        region: us-east-1
        endpoint: "http://ADDRESS"
        path_style: true
        encryption: {keys: [{id: k1, ref: "${env:STATE_KEY}"}]}
      kafka:
        default:
          bootstrap_servers: ADDRESS
          properties:
            security.protocol: SASL_PLAINTEXT
            sasl.mechanism: OAUTHBEARER
            sasl.oauthbearer.method: oidc
            sasl.oauthbearer.client.id: mesh
            sasl.oauthbearer.client.secret: "${env:KAFKA_TOKEN_SECRET}"
            sasl.oauthbearer.token.endpoint.url: "http://ADDRESS/token"
      registry:
        default:
          url: "https://ADDRESS"
          tls: {cert_file: keys/client.key, key_file: keys/client.key}
      names: {topic_prefix: s., subject_prefix: s.}
      catalog: {backend: portal, path: .datamesh/catalog-3}
"#;

const DOMAIN: &str = "apiVersion: datamesh.example.com/v1
kind: Domain
metadata: {name: orders}
spec: {description: Orders, owner: orders@example.com}
";

const PRODUCTS: &[(&str, &str)] = &[
    ("{type: streaming, technology: kafka}", "events"),
    ("{type: batch, technology: iceberg}", "facts"),
    ("{type: api, technology: rest, endpoint: 'https://api.example.com/orders'}", "lookup"),
];

const PRODUCT: &str = "apiVersion: datamesh.example.com/v1
kind: DataProduct
metadata: {name: NAME, domain: orders, owner: orders@example.com}
spec:
  description: One row an order.
  schema:
    version: 1
    fields:
      - {name: id, type: string, required: true, pii: false}
  output_ports:
    - PORT
";
