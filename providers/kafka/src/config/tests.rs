use super::*;
use datamesh_provider::{Diagnostics, FileId, Span, SpanMap};
use serde_json::json;

/// Settings whose keys stand at 10, 20, … in the order of `paths`.
fn at(value: Value, paths: &[&[&str]]) -> Located {
    let span = |start: u32| Some(Span { file: FileId(0), start, end: start + 1 });
    let mut spans = SpanMap::of_object(span(0));
    for (path, start) in paths.iter().zip((10..).step_by(10)) {
        spans.insert(path, span(start));
    }
    Located { value, spans }
}

fn findings(found: &Diagnostics) -> Vec<(&'static str, u32)> {
    found.iter().map(|d| (d.code.id, d.labels[0].span.start)).collect()
}

fn errors(value: Value) -> Vec<String> {
    validate_config(&at(value, &[])).errors().map(|d| d.detail.clone()).collect()
}

#[test]
fn good_settings_pass() {
    for value in [
        json!({"bootstrap_servers": "127.0.0.1:9092"}),
        json!({"bootstrap_servers": "a:1, [::1]:65535,SSL://b-1.c_d:9093"}),
        json!({"bootstrap_servers": "${env:BOOTSTRAP}", "properties": {"socket.timeout.ms": 5000}}),
        json!({"bootstrap_servers": "a:1", "insecure": false, "properties": {
            "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "u", "sasl.password": "${env:PW}"}}),
        json!({"bootstrap_servers": "a:1", "tls": {"ca_file": "ca.pem", "cert_file": "c", "key_file": "k"}}),
        json!({"bootstrap_servers": "a:1", "tls": {}, "properties": {"sasl.mechanisms": "${env:M}"}}),
    ] {
        assert_eq!(errors(value.clone()), Vec::<String>::new(), "{value}");
    }
}

#[test]
fn everything_wrong_is_found_at_its_place() {
    let value = json!({
        "bootstrap_server": "x", "bootstrap_servers": "host",
        "properties": {"sasl.pasword": "x", "debug": "all", "ssl.engine.location": "/x.so", "socket.timeout.ms": [1]},
        "tls": {"cafile": "x", "key_file": ""},
    });
    let located = at(
        value,
        &[
            &["bootstrap_server"],
            &["bootstrap_servers"],
            &["properties", "debug"],
            &["properties", "sasl.pasword"],
            &["properties", "socket.timeout.ms"],
            &["properties", "ssl.engine.location"],
            &["tls"],
            &["tls", "cafile"],
            &["tls", "key_file"],
        ],
    );
    let found = validate_config(&located);
    let want = [
        ("DM0511", 10),
        ("DM0510", 20),
        ("DM0512", 30),
        ("DM0511", 40),
        ("DM0510", 50),
        ("DM0512", 60),
        ("DM0511", 80),
        ("DM0510", 90),
        ("DM0510", 70),
    ];
    assert_eq!(findings(&found), want);
    let help = |n: usize| found.iter().nth(n).and_then(|d| d.help.clone()).unwrap_or_default();
    assert_eq!(help(0), "did you mean `bootstrap_servers`?");
    assert_eq!(help(3), "did you mean `sasl.password`?");
    assert_eq!(help(6), "did you mean `ca_file`?");
}

#[test]
fn shapes_that_are_wrong_do_not_stop_the_rest() {
    assert_eq!(errors(json!([])).len(), 1);
    assert_eq!(errors(json!({})).len(), 1);
    let wrong = json!({"bootstrap_servers": 9092, "properties": [], "tls": "x", "insecure": "yes"});
    assert_eq!(errors(wrong).len(), 4);
}

#[test]
fn addresses_need_a_host_and_a_port() {
    for text in ["", "a", "a:", ":1", "a:0", "a:65536", "a:b", "a b:1", "a:1,,b:1", "[]:1", "u@h:1"] {
        assert!(!errors(json!({"bootstrap_servers": text})).is_empty(), "{text:?}");
    }
}

#[test]
fn protocol_and_mechanism_must_fit() {
    let with = |properties: Value| json!({"bootstrap_servers": "a:1", "properties": properties});
    for properties in [
        json!({"security.protocol": "sasl"}),
        json!({"security.protocol": "sasl_ssl"}),
        json!({"security.protocol": "ssl", "sasl.mechanism": "PLAIN"}),
        json!({"sasl.mechanism": "PLAIN"}),
        json!({"security.protocol": "sasl_ssl", "sasl.mechanism": "GSSAPI"}),
        json!({"security.protocol": "sasl_ssl", "sasl.mechanism": "PLAIM"}),
    ] {
        assert_eq!(errors(with(properties.clone())).len(), 1, "{properties}");
    }
    let tls =
        json!({"bootstrap_servers": "a:1", "tls": {}, "properties": {"security.protocol": "plaintext"}});
    assert_eq!(errors(tls).len(), 1);
    let twice =
        json!({"bootstrap_servers": "a:1", "tls": {"ca_file": "x"}, "properties": {"ssl.ca.location": "y"}});
    assert_eq!(errors(twice).len(), 1);
}

#[test]
fn a_check_is_switched_off_only_by_saying_so_twice_and_warns() {
    for (name, value) in [
        ("enable.ssl.certificate.verification", json!(false)),
        ("ssl.endpoint.identification.algorithm", json!("none")),
    ] {
        let settings = |insecure: bool| json!({"bootstrap_servers": "a:1", "insecure": insecure, "properties": {name: value}});
        assert_eq!(errors(settings(false)).len(), 1, "{name}");
        let found = validate_config(&at(settings(true), &[]));
        assert!(!found.has_errors(), "{name}");
        assert_eq!(findings(&found), [("DM0513", 0)], "{name}");
    }
    let hidden = json!({"bootstrap_servers": "a:1", "insecure": true,
        "properties": {"enable.ssl.certificate.verification": "${env:CHECK}"}});
    assert_eq!(errors(hidden).len(), 1);
    let idle = validate_config(&at(json!({"bootstrap_servers": "a:1", "insecure": true}), &[]));
    assert_eq!(findings(&idle), [("DM0513", 0)]);
}

#[test]
fn secrets_are_never_shown() {
    let value = json!({"bootstrap_servers": "a:1", "properties": {
        "security.protocol": "sasl_ssl", "sasl.mechanism": "PLAIN", "sasl.password": "hunter2", "sasl.passwort": "hunter2"}});
    let found = validate_config(&at(value.clone(), &[]));
    assert!(found.has_errors());
    assert!(!format!("{found:?}").contains("hunter2"));
    assert!(!format!("{:?}", Settings::read(&at(value, &[]))).contains("hunter2"));
}

#[test]
fn the_schema_names_every_key() {
    let schema = config_schema();
    for key in KEYS {
        assert!(schema["properties"].get(key).is_some(), "{key}");
    }
    for (key, _) in TLS_KEYS {
        assert!(schema["properties"]["tls"]["properties"].get(key).is_some(), "{key}");
    }
}

#[cfg(feature = "client")]
mod resolved {
    use super::*;
    use datamesh_provider::{SecretError, SecretResolver};
    use std::path::Path;

    struct Env;

    impl SecretResolver for Env {
        fn env(&self, name: &str) -> Result<String, SecretError> {
            match name {
                "SERVERS" => Ok("a:1, b:2".into()),
                "PW" => Ok("hunter2".into()),
                _ => Err(SecretError::NoVariable { name: name.into() }),
            }
        }

        fn file(&self, path: &str) -> Result<String, SecretError> {
            Err(SecretError::NoFile { path: path.into(), why: "no".into() })
        }
    }

    fn resolved(value: Value) -> Result<Vec<(String, String)>, String> {
        let settings = Settings::read(&at(value, &[]));
        let resolved = resolve(&settings, Path::new("/mesh"), &Env).map_err(|e| e.to_string())?;
        Ok(resolved.properties.into_iter().map(|(k, v)| (k, v.expose().to_owned())).collect())
    }

    #[test]
    fn references_and_paths_are_filled_in() {
        let value = json!({"bootstrap_servers": "${env:SERVERS}", "tls": {"ca_file": "certs/ca.pem"},
            "properties": {"sasl.mechanism": "PLAIN", "sasl.password": "${env:PW}", "https.ca.location": "/etc/ca", "ssl.crl.location": "probe"}});
        let pairs = resolved(value).expect("resolves");
        let want = [
            ("client.id", "datamesh"),
            ("reconnect.backoff.max.ms", "1000"),
            ("bootstrap.servers", "a:1,b:2"),
            ("https.ca.location", "/etc/ca"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.password", "hunter2"),
            ("ssl.crl.location", "probe"),
            ("ssl.ca.location", "/mesh/certs/ca.pem"),
            ("security.protocol", "sasl_ssl"),
        ];
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, want);
    }

    #[test]
    fn without_an_authority_of_its_own_the_systems_are_looked_for() {
        let value = |more: Value| json!({"bootstrap_servers": "a:1", "properties": more});
        let has = |pairs: &[(String, String)], name: &str| {
            pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone())
        };
        let pairs = resolved(value(json!({"security.protocol": "ssl"}))).expect("resolves");
        assert_eq!(has(&pairs, "ssl.ca.location").as_deref(), Some("probe"));
        assert_eq!(has(&pairs, "https.ca.location"), None);
        let pairs =
            resolved(value(json!({"sasl.mechanism": "OAUTHBEARER", "ssl.ca.pem": "x"}))).expect("resolves");
        assert_eq!(has(&pairs, "ssl.ca.location"), None);
        assert_eq!(has(&pairs, "https.ca.location").as_deref(), Some("probe"));
    }

    #[test]
    fn what_does_not_resolve_is_named_but_not_quoted() {
        let error =
            resolved(json!({"bootstrap_servers": "a:1", "properties": {"sasl.password": "${env:NO}"}}));
        assert_eq!(error, Err("`sasl.password`: the environment variable NO is not set".into()));
        let error = resolved(json!({"bootstrap_servers": "${env:PW}"})).expect_err("no address");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
