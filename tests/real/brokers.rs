//! Kafka clusters as others set them up: with TLS and every way to log in, open to whom no binding names, making topics
//! that are asked for, and without any access control.

use crate::kafka::topics_may_come_back;
use crate::mesh_folder::{Mesh, Systems};
use crate::support::broker::{Broker, Setup};
use crate::support::certificates::{both_sides, certificate};
use crate::support::servers::servers;
use crate::witness::Witness;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use datamesh_conformance::testing::{RealClock, context};
use datamesh_kafka::DEF;
use datamesh_provider::{Clock as _, ConnectRequest, ErrorKind, Facts, Located, ProviderError, SystemName};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Logs in and asks who the cluster is.
async fn facts(root: &Path, settings: Value) -> Result<Facts, ProviderError> {
    let settings = Located { value: settings, ..Located::default() };
    let mut cx = context(Arc::new(RealClock::default()));
    cx.budget.call_timeout = Duration::from_secs(10);
    let name = SystemName::new("kafka", "default").to_string();
    let request = ConnectRequest { name, settings, root: root.to_owned(), context: cx.clone() };
    (DEF.connect)(request).await?.facts(&cx).await
}

/// Whoever comes gets this token.
struct Issuer {
    url: String,
    keys: Value,
}

const AUDIENCE: &str = "kafka";

impl Issuer {
    fn start() -> Self {
        let random = SystemRandom::new();
        let text = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, text.as_ref(), &random)
            .expect("a key");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let part = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
        let point = key.public_key().as_ref().to_vec();
        let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "k1",
                                    "x": part(&point[1..33]), "y": part(&point[33..])}]});
        let issuer = url.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let now = RealClock::default().now().as_second();
                let claims = json!({"iss": issuer, "sub": "oauth", "aud": AUDIENCE, "iat": now, "exp": now + 300, "scope": "mesh"});
                let text = |value: &Value| part(value.to_string().as_bytes());
                let signed = format!("{}.{}", text(&json!({"alg": "ES256", "kid": "k1"})), text(&claims));
                let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).expect("signed");
                let token = format!("{signed}.{}", part(signature.as_ref()));
                let _ = answer(&stream.expect("a connection"), &token);
            }
        });
        Self { url, keys }
    }
}

/// The token, to whom knows the secret (`client:secret`, as in HTTP's basic authentication).
fn answer(stream: &TcpStream, token: &str) -> std::io::Result<()> {
    let (mut length, mut known) = (0, false);
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        let (name, value) = line.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => known = value.trim() == "Basic Y2xpZW50OnNlY3JldA==",
            _ => {}
        }
        line.clear();
    }
    reader.take(length).read_to_end(&mut Vec::new())?;
    let (status, body) = match known {
        true => ("200 OK", json!({"access_token": token, "token_type": "Bearer", "expires_in": 300})),
        false => ("401 Unauthorized", json!({"error": "invalid_client"})),
    };
    let (body, mut stream) = (body.to_string(), stream);
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// TLS, TLS that asks for a certificate, and the three ways to log in over TLS; open to whom no binding names, and making
/// the topics that are asked for.
fn open_broker(issuer: &Issuer) -> Option<Broker> {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().to_owned();
    both_sides(&home);
    certificate(&home, "elsewhere", "ours", "DNS:elsewhere.example");
    for name in ["server", "elsewhere"] {
        let read = |ending: &str| fs::read_to_string(home.join(format!("{name}.{ending}"))).expect("text");
        fs::write(home.join(format!("{name}.store")), read("key") + &read("pem")).expect("writes");
    }
    let keys = home.join("keys.json");
    fs::write(&keys, issuer.keys.to_string()).expect("writes");
    let keys = format!("file://{}", keys.display());
    let mut settings = String::from(
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS;User:CN=x;User:plain;User:scram;User:oauth\n\
         allow.everyone.if.no.acl.found=true\nauto.create.topics.enable=true\n",
    );
    for (listener, store) in
        [("tls", "server"), ("mtls", "server"), ("sasl", "server"), ("wrong", "elsewhere")]
    {
        settings += &format!(
            "listener.name.{listener}.ssl.keystore.type=PEM\nlistener.name.{listener}.ssl.keystore.location={store}.store\n\
             listener.name.{listener}.ssl.truststore.type=PEM\nlistener.name.{listener}.ssl.truststore.location=ours.pem\n"
        );
    }
    settings += "listener.name.mtls.ssl.client.auth=required\n";
    let module = "org.apache.kafka.common.security";
    settings += &format!(
        "listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512,OAUTHBEARER\n\
         listener.name.sasl.plain.sasl.jaas.config={module}.plain.PlainLoginModule required user_plain=\"plain-secret\";\n\
         listener.name.sasl.scram-sha-512.sasl.jaas.config={module}.scram.ScramLoginModule required;\n\
         listener.name.sasl.oauthbearer.sasl.jaas.config={module}.oauthbearer.OAuthBearerLoginModule required;\n\
         listener.name.sasl.oauthbearer.sasl.server.callback.handler.class={module}.oauthbearer.OAuthBearerValidatorCallbackHandler\n\
         listener.name.sasl.oauthbearer.sasl.oauthbearer.jwks.endpoint.url={keys}\n\
         listener.name.sasl.oauthbearer.sasl.oauthbearer.expected.audience={AUDIENCE}\n\
         listener.name.sasl.oauthbearer.sasl.oauthbearer.expected.issuer={}\n",
        issuer.url
    );
    let listeners = [("TLS", "SSL"), ("MTLS", "SSL"), ("SASL", "SASL_SSL"), ("WRONG", "SSL")];
    let java = ["urls", "files"].map(|of| {
        format!(
            "-Dorg.apache.kafka.sasl.oauthbearer.allowed.{of}={keys},{}",
            home.join("keys.json").display()
        )
    });
    let (users, java) = ([("scram", "scram-secret")], java);
    Broker::start(folder, &Setup { listeners: &listeners, settings: &settings, users: &users, java: &java })
}

async fn every_way_in_and_no_other(broker: &Broker, issuer: &Issuer) {
    let root = broker.folder();
    let plain = facts(root, json!({"bootstrap_servers": broker.address("PLAINTEXT")})).await.expect("open");
    let tls = |listener: &str, tls: Value, more: Value| {
        let mut properties = json!({"security.protocol": "ssl"});
        properties.as_object_mut().expect("a map").extend(more.as_object().cloned().unwrap_or_default());
        json!({"bootstrap_servers": broker.address(listener), "tls": tls, "properties": properties})
    };
    let ours = || json!({"ca_file": "ours.pem"});
    let with = |name: &str| json!({"ca_file": "ours.pem", "cert_file": format!("{name}.pem"), "key_file": format!("{name}.key")});
    let sasl = |mechanism: &str, more: Value| {
        let mut properties = json!({"security.protocol": "sasl_ssl", "sasl.mechanism": mechanism});
        properties.as_object_mut().expect("a map").extend(more.as_object().cloned().unwrap_or_default());
        tls("SASL", ours(), properties)
    };
    let login = |name: &str, password: &str| json!({"sasl.username": name, "sasl.password": password});
    let oauth = |secret: &str| {
        json!({"sasl.oauthbearer.method": "oidc", "sasl.oauthbearer.client.id": "client",
               "sasl.oauthbearer.client.secret": secret,
               "sasl.oauthbearer.token.endpoint.url": format!("{}/token", issuer.url)})
    };
    for settings in [
        tls("TLS", ours(), json!({})),
        tls("MTLS", with("client"), json!({})),
        sasl("PLAIN", login("plain", "plain-secret")),
        sasl("SCRAM-SHA-512", login("scram", "scram-secret")),
        sasl("OAUTHBEARER", oauth("secret")),
    ] {
        assert_eq!(facts(root, settings.clone()).await.as_ref(), Ok(&plain), "{settings:#}");
    }
    for (settings, words) in [
        (tls("TLS", json!({"ca_file": "other.pem"}), json!({})), "certificate"),
        (tls("TLS", json!({}), json!({})), "certificate"),
        (tls("WRONG", ours(), json!({})), "certificate"),
        (tls("MTLS", ours(), json!({})), "certificate"),
        (tls("MTLS", with("stranger"), json!({})), "certificate"),
        (sasl("PLAIN", login("plain", "wrong-secret")), "uthentication"),
        (sasl("SCRAM-SHA-512", login("nobody", "wrong-secret")), "uthentication"),
        (sasl("OAUTHBEARER", oauth("wrong-secret")), "invalid_client"),
    ] {
        let error = facts(root, settings.clone()).await.expect_err("nobody is let in like that");
        let said = format!("{error:?}");
        assert!(said.contains(words), "{settings:#}: {said}");
        assert!(!said.contains("wrong-secret"), "{said}");
        assert!(
            matches!(error.kind, ErrorKind::Unauthenticated | ErrorKind::Config | ErrorKind::Unreachable),
            "{said}"
        );
    }
}

fn product(topic: &str, more: &str) -> String {
    format!(
        "schema:\n  fields:\n    - {{ name: id, type: string }}\n\
         output_ports:\n  - {{ technology: kafka, topic: {topic}{more} }}\n"
    )
}

fn mesh_on(broker: &Broker, registry: &str, prefix: &str) -> Mesh {
    Mesh::with(&Systems {
        kafka: broker.address("PLAINTEXT"),
        registry: registry.to_owned(),
        prefix: prefix.to_owned(),
    })
}

/// Asking for a topic by name makes it there: nobody may ask like that.
fn looking_makes_nothing(mesh: &Mesh, witness: &Witness) {
    mesh.product("looked-at", &product("looked-at", ""));
    mesh.run(&["plan", "--detailed-exitcode"]).exits(2);
    mesh.run(&["plan", "--target", "type:kafka_topic"]).exits(0);
    assert_eq!(witness.topics("looked"), Vec::<String>::new());
    mesh.apply_settles();
    assert_eq!(witness.topics("looked"), ["looked-at"]);
    witness.delete_topic("looked-at");
    mesh.run(&["drift"]).exits(2);
    mesh.run(&["plan"]).exits(0);
    assert_eq!(witness.topics("looked"), Vec::<String>::new());
    mesh.destroy();
    assert_eq!(witness.topics("looked"), Vec::<String>::new());
}

fn nobody_is_locked_out_by_accident(mesh: &Mesh, witness: &Witness) {
    witness.make_topic("in-use", 1, &json!({}));
    let consumer = ", consumers: [{ principal: 'User:billing' }]";
    mesh.product("looked-at", &product("in-use", consumer));
    let refused = [
        "DM0522",
        "in-use",
        "cannot be read there, and may be true",
        "User:billing",
        "--allow-lockout",
        "User:*",
    ];
    mesh.run(&["plan"]).exits(1).says(&refused);
    mesh.run(&["apply", "--auto-approve"]).exits(1);
    assert_eq!(witness.acls("User:billing"), Vec::<String>::new());
    mesh.run(&["apply", "--auto-approve", "--allow-lockout"]).exits(0);
    assert_eq!(witness.acls("User:billing").len(), 3);
    mesh.is_settled();
    a_group_in_use_is_guarded_too(mesh, witness);
    // From now on it is not the first one.
    let both = ", consumers: [{ principal: 'User:billing' }, { principal: 'User:audit' }]";
    mesh.product("looked-at", &product("in-use", both));
    mesh.apply_settles();
    mesh.destroy();
    assert_eq!(witness.acls("User:billing"), Vec::<String>::new());
    assert_eq!(witness.topics("in-use"), ["in-use"], "it was there before");
}

#[test]
fn an_open_cluster_with_every_way_to_log_in() {
    let Some(witness) = servers().and_then(Witness::of) else { return };
    let issuer = Issuer::start();
    let Some(broker) = open_broker(&issuer) else { return };
    let registry = servers().expect("they run").registry();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(every_way_in_and_no_other(&broker, &issuer));
    runtime.block_on(topics_may_come_back(&broker.address("PLAINTEXT")));
    let (mesh, witness) = (mesh_on(&broker, registry, ""), witness.at(&broker.address("PLAINTEXT")));
    looking_makes_nothing(&mesh, &witness);
    nobody_is_locked_out_by_accident(&mesh, &witness);
}

fn a_group_in_use_is_guarded_too(mesh: &Mesh, witness: &Witness) {
    let reader = witness.reader("in-use", "reports-nightly");
    mesh.product("report", &product("made-now", ", consumers: [{ principal: 'User:reports' }]"));
    mesh.run(&["plan"]).exits(1).says(&["DM0522", "The consumer group reports-nightly", "User:reports"]);
    drop(reader);
    mesh.run(&["plan"]).exits(0).keeps_quiet_about(&["DM0522"]);
    mesh.remove("domains/sales/report.yaml");
}

#[test]
fn a_cluster_without_access_control() {
    let Some(witness) = servers().and_then(Witness::of) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(broker) = Broker::start(folder, &Setup::default()) else { return };
    let mesh = mesh_on(&broker, servers().expect("they run").registry(), "");
    let witness = witness.at(&broker.address("PLAINTEXT"));
    mesh.product("unguarded", &product("unguarded", ", consumers: [{ principal: 'User:billing' }]"));
    mesh.run(&["plan"]).exits(0).says(&["DM0521", "enforces no access control"]);
    mesh.apply();
    let plan = mesh.run(&["plan", "--detailed-exitcode"]).exits(0);
    assert!(plan.last_line().starts_with("No changes."), "{plan}");
    assert_eq!(witness.topics("unguarded"), ["unguarded"]);
    mesh.run(&["drift"]).exits(0);
    mesh.destroy();
    assert_eq!(witness.topics("unguarded"), Vec::<String>::new());
}
