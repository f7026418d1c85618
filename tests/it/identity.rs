//! Who did it, where an issuer of ID tokens vouches for that: an issuer on loopback, with a key of its own.

use crate::world::{Mesh, Run};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use datamesh_conformance::testing::RealClock;
use datamesh_provider::Clock as _;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

const SUBJECT: &str = "repo:acme/mesh:environment:prod";
const BEARER: &str = "CANARY-bearer-of-the-job";

/// Of what was asked, the first lines and the authorization.
type Asked = Arc<Mutex<Vec<String>>>;

/// An issuer of ID tokens, until the test ends.
struct Issuer {
    url: String,
    key: EcdsaKeyPair,
    asked: Asked,
}

fn encoded(value: &Value) -> String {
    Base64UrlUnpadded::encode_string(value.to_string().as_bytes())
}

fn key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let text = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, text.as_ref(), &random).expect("a key")
}

fn signed_by(key: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", encoded(header), encoded(claims));
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).expect("signed");
    format!("{signed}.{}", Base64UrlUnpadded::encode_string(signature.as_ref()))
}

impl Issuer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let issuer = Self { url, key: key(), asked: Asked::default() };
        let point = issuer.key.public_key().as_ref();
        let part = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
        let jwk = json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": "k1", "x": part(&point[1..33]),
                         "y": part(&point[33..])});
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA"}, jwk]});
        let discovery = json!({"issuer": issuer.url, "jwks_uri": format!("{}/keys", issuer.url)});
        // Whatever audience is asked for.
        let token = json!({"value": issuer.token(&json!({}))});
        let asked = Arc::clone(&issuer.asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let answer = |path: &str| match path.split('?').next() {
                    Some("/.well-known/openid-configuration") => Some(&discovery),
                    Some("/keys") => Some(&keys),
                    Some("/token") => Some(&token),
                    _ => None,
                };
                let _ = serve(&stream.expect("a connection"), &asked, answer);
            }
        });
        issuer
    }

    /// A token that is right but for these claims.
    fn token(&self, other: &Value) -> String {
        let mut claims = self.claims();
        claims.as_object_mut().expect("claims").extend(other.as_object().expect("claims").clone());
        signed_by(&self.key, &json!({"alg": "ES256", "kid": "k1"}), &claims)
    }

    fn claims(&self) -> Value {
        let now = RealClock::default().now().as_second();
        json!({"iss": self.url, "sub": SUBJECT, "aud": ["else", "datamesh"], "nbf": now, "exp": now + 300, "actor": "ada"})
    }

    /// A mesh whose records this issuer vouches for.
    fn mesh(&self, more: &str) -> Mesh {
        Mesh::with(&format!("audit: {{identity: [{{issuer: '{}', audience: datamesh}}]{more}}}", self.url))
    }
}

fn serve<'v>(
    stream: &TcpStream,
    asked: &Asked,
    answer: impl Fn(&str) -> Option<&'v Value>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let mut note = first.clone();
    for line in lines.by_ref() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if line.to_ascii_lowercase().starts_with("authorization:") {
            note = format!("{note} {line}");
        }
    }
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    let body = answer(first.split(' ').nth(1).unwrap_or_default()).map(Value::to_string);
    let (status, body) = body.map_or(("404 Not Found", String::new()), |body| ("200 OK", body));
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn actor(mesh: &Mesh) -> Value {
    let out = mesh.run(&["audit", "export"]).ends(0).out;
    let first: Value = serde_json::from_str(out.lines().next().expect("a record")).expect("a record");
    first["entry"]["actor"].clone()
}

/// Every file of the mesh, and what was printed.
#[track_caller]
fn nowhere(secret: &str, run: &Run, folder: &Path) {
    assert!(!run.text().contains(secret), "{}", run.text());
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => nowhere(secret, run, &path),
            false => assert!(
                !String::from_utf8_lossy(&fs::read(&path).expect("read")).contains(secret),
                "{path:?}"
            ),
        }
    }
}

/// What only this token has: its signature.
fn signature(token: &str) -> &str {
    token.rsplit('.').next().expect("a part")
}

#[test]
fn a_record_names_whom_the_issuer_vouches_for() {
    let issuer = Issuer::start();
    let mesh = issuer.mesh(", required: true");
    let token = issuer.token(&json!({}));
    let run = mesh.run_with(&["apply", "--auto-approve"], &[("DATAMESH_ID_TOKEN", &token)]).ends(0);
    nowhere(signature(&token), &run, mesh.root());
    let host = issuer.url.trim_start_matches("http://");
    let actor = actor(&mesh);
    assert_eq!(actor["name"], format!("ada as {SUBJECT} ({host})"));
    assert_eq!(actor["verified"], true);
    mesh.run(&["history"]).ends(0).says(&["ada as repo:acme/mesh:environment:prod", "proven by an ID token"]);
    mesh.run(&["audit", "verify"]).ends(0);
    for (given, code, says) in [
        (token.as_str(), 0, "proven by an ID token"),
        ("x", 1, "identity: the ID token is not one that is believed"),
        ("", 0, "identity: no ID token here: from here nothing can be written"),
    ] {
        mesh.run_with(&["doctor"], &[("DATAMESH_ID_TOKEN", given)]).ends(code).says(&[says]);
    }
    // Where nothing is written nobody has to be anybody.
    mesh.run(&["plan"]).ends(0);
    mesh.run(&["drift"]).ends(0);
}

#[test]
fn a_job_of_github_gets_its_token_itself() {
    let issuer = Issuer::start();
    let mesh = issuer.mesh("");
    let url = format!("{}/token?api-version=2.0", issuer.url);
    let variables =
        [("ACTIONS_ID_TOKEN_REQUEST_URL", url.as_str()), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", BEARER)];
    let run = mesh.run_with(&["apply", "--auto-approve"], &variables).ends(0);
    nowhere(BEARER, &run, mesh.root());
    assert_eq!(actor(&mesh)["verified"], true);
    let asked = issuer.asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let (token, others): (Vec<_>, Vec<_>) = asked.iter().partition(|line| line.contains("/token"));
    assert_eq!(token.len(), 1, "{asked:?}");
    assert!(token[0].contains("api-version=2.0&audience=datamesh") && token[0].contains(BEARER), "{asked:?}");
    assert!(others.iter().all(|line| !line.contains(BEARER)), "{asked:?}");
}

#[test]
fn what_proves_nothing_stops_a_run_before_it_writes() {
    let issuer = Issuer::start();
    let now = RealClock::default().now().as_second();
    let with = |header: Value| signed_by(&issuer.key, &header, &issuer.claims());
    let (own, unsigned) = (
        issuer.token(&json!({})),
        format!("{}.{}.", encoded(&json!({"alg": "none"})), encoded(&issuer.claims())),
    );
    let changed = {
        let parts: Vec<&str> = own.split('.').collect();
        let mut claims = issuer.claims();
        claims["sub"] = "somebody else".into();
        format!("{}.{}.{}", parts[0], encoded(&claims), parts[2])
    };
    for (token, why) in [
        (issuer.token(&json!({"exp": now - 120})), "it has expired"),
        (issuer.token(&json!({"nbf": now + 120})), "it is not valid yet"),
        (issuer.token(&json!({"aud": "datamesh2"})), "it is not for `datamesh`"),
        (issuer.token(&json!({"iss": "https://example.com"})), "it is issued by `https://example.com`"),
        (issuer.token(&json!({"sub": ""})), "the name in it is empty"),
        (issuer.token(&json!({"actor": "a\u{1b}[2Jb"})), "not of plain characters"),
        (
            signed_by(&key(), &json!({"alg": "ES256", "kid": "k1"}), &issuer.claims()),
            "its signature is not its issuer's",
        ),
        (changed, "its signature is not its issuer's"),
        (with(json!({"alg": "ES256", "kid": "k2"})), "its issuer has no such key"),
        (with(json!({"alg": "RS256", "kid": "k1"})), "its issuer has no such key"),
        (with(json!({"alg": "HS256", "kid": "k1"})), "it is signed by `HS256`"),
        (with(json!({"alg": "ES256", "crit": ["x"]})), "extensions that are not understood"),
        (unsigned, "it is signed by `none`"),
        ("CANARY-no-token-at-all".to_owned(), "it is no JSON Web Token"),
        ("AAAA.AAAA.AAAA".to_owned(), "its header cannot be read"),
    ] {
        let mesh = issuer.mesh("");
        let run = mesh.run_with(&["apply", "--auto-approve"], &[("DATAMESH_ID_TOKEN", &token)]).ends(1);
        let run = run.says(&["DM0417", why]);
        assert!(mesh.effects().is_empty() && !mesh.path("state").join("test").exists(), "{why}");
        if signature(&token).len() > 20 {
            nowhere(signature(&token), &run, mesh.root());
        }
    }
}

#[test]
fn without_a_token_a_record_says_so_or_there_is_none() {
    let issuer = Issuer::start();
    let mesh = issuer.mesh("");
    mesh.apply();
    assert_eq!((&actor(&mesh)["name"], &actor(&mesh)["verified"]), (&json!("tester"), &json!(false)));
    let mesh = issuer.mesh(", required: true");
    mesh.run(&["apply", "--auto-approve"]).ends(1).says(&["DM0417", "has no ID token"]);
    mesh.run(&["destroy", "--all", "--auto-approve"]).ends(1).says(&["DM0417"]);
    mesh.run(&["plan"]).ends(0);
    assert!(mesh.effects().is_empty() && mesh.audit_records() == 0);
    // The issuer does not answer.
    let mesh = Mesh::with("audit: {identity: [{issuer: 'http://127.0.0.1:9', audience: datamesh}]}");
    let token = issuer.token(&json!({"iss": "http://127.0.0.1:9"}));
    let run = mesh.run_with(&["apply", "--auto-approve"], &[("DATAMESH_ID_TOKEN", &token)]).ends(1);
    run.says(&["DM0417", "the keys of http://127.0.0.1:9 cannot be had"]);
}

#[test]
fn settings_that_cannot_be_are_errors_at_their_place() {
    for (settings, why) in [
        ("audit: {identity: [{issuer: 'http://ci.example.com', audience: a}]}", "without TLS"),
        ("audit: {identity: [{issuer: 'https://ci.example.com', audience: ''}]}", "for anybody"),
        ("audit: {required: true}", "nobody's is believed"),
    ] {
        Mesh::with(settings).run(&["plan"]).ends(1).says(&["datamesh.yaml:12:", why]);
    }
}
