//! Settings that must not be written out: passwords, tokens and keys are references, nothing else.

use crate::graph::codes;
use crate::manifest::model::StateSettings;
use datamesh_provider::{Diagnostic, Diagnostics, Located, SecretText, Span, SystemName};
use serde_json::Value;

/// The last word of settings whose value nobody may read in a repository.
const SECRET_WORDS: &[&str] = &["password", "secret", "bearer", "token"];
/// The same, in librdkafka's own names.
const SECRET_KEYS: &[&str] = &["ssl.key.pem", "sasl.oauthbearer.config", "sasl.jaas.config"];

/// Everything of a system's settings that is written out although it is secret, or refers to nothing.
pub(crate) fn check(system: &SystemName, settings: &Located, found: &mut Diagnostics) {
    walk(system, settings, &settings.value, &mut Vec::new(), found);
}

/// The same for the keys of a state.
pub(crate) fn check_state(settings: &StateSettings, found: &mut Diagnostics) {
    let Some(encryption) = &settings.encryption else { return };
    for key in &encryption.keys {
        for (name, text) in [("ref", &key.reference), ("passphrase", &key.passphrase)] {
            let Some(text) = text else { continue };
            let what = format!("`{name}` of the state's key `{}`", key.id.value);
            if let Err(error) = text.value.check() {
                let detail = format!("{what} cannot be read: {error}.");
                let wrong = Diagnostic::error(codes::BAD_SETTING, detail).on(text, "here");
                found.push(wrong.help("Write `${env:NAME}` or `${file:PATH}`."));
            } else if !text.value.has_reference() {
                found.push(plain(format!("{what} is a secret, and here everybody can read it."), text.span));
            }
        }
    }
}

fn walk<'a>(
    system: &SystemName,
    settings: &Located,
    value: &'a Value,
    path: &mut Vec<&'a str>,
    found: &mut Diagnostics,
) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                path.push(key);
                walk(system, settings, value, path, found);
                path.pop();
            }
        }
        Value::String(text) => found.extend(text_of(system, settings, text, path)),
        Value::Number(_) if path.last().is_some_and(|key| is_secret(key)) => {
            found.push(written_out(system, settings, path));
        }
        _ => {}
    }
}

fn text_of(system: &SystemName, settings: &Located, text: &str, path: &[&str]) -> Option<Diagnostic> {
    let secret = SecretText::new(text);
    if let Err(error) = secret.check() {
        let detail = format!("`{}` of {system} cannot be read: {error}.", path.join("."));
        let wrong = Diagnostic::error(codes::BAD_SETTING, detail).at(settings.spans.at(path), "here");
        return Some(wrong.help("Write `${env:NAME}` or `${file:PATH}`."));
    }
    let plain = !secret.has_reference() && path.last().is_some_and(|key| is_secret(key));
    plain.then(|| written_out(system, settings, path))
}

fn is_secret(key: &str) -> bool {
    let last = key.rsplit(['.', '_', '-']).next().unwrap_or(key).to_ascii_lowercase();
    // `x-api-key`: a header, where other keys are files or names.
    SECRET_WORDS.contains(&last.as_str()) || SECRET_KEYS.contains(&key) || key.contains('-') && last == "key"
}

fn written_out(system: &SystemName, settings: &Located, path: &[&str]) -> Diagnostic {
    let detail = format!("`{}` of {system} is a secret, and here everybody can read it.", path.join("."));
    plain(detail, settings.spans.at(path))
}

fn plain(detail: String, span: Option<Span>) -> Diagnostic {
    Diagnostic::error(codes::PLAIN_SECRET, detail)
        .at(span, "written out")
        .help("Refer to it with `${env:NAME}` or `${file:PATH}`, and change it: it is in the history of the repository.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(value: Value) -> Vec<String> {
        let located = Located { value, ..Located::default() };
        let mut found = Diagnostics::default();
        check(&SystemName::new("kafka", "default"), &located, &mut found);
        let all: Vec<String> = found.iter().map(|d| format!("{} {}", d.code.id, d.detail)).collect();
        assert!(all.iter().all(|text| !text.contains("hunter2")), "{all:?}");
        all
    }

    #[test]
    fn secrets_are_references() {
        for clean in [
            json!({"properties": {"sasl.username": "u", "sasl.password": "${env:PW}", "ssl.ca.location": "ca.pem"}}),
            json!({"auth": {"basic": {"username": "u", "password": "a-${file:pw}"}}}),
            json!({"auth": {"oauth2": {"client_id": "u", "client_secret": "${env:X}"}}, "insecure": true}),
            json!({"headers": {"x-tenant": "acme", "x-api-key": "${env:KEY}"}, "tls": {"key_file": "client.key"}}),
        ] {
            assert!(found(clean.clone()).is_empty(), "{clean}");
        }
        for plain in [
            json!({"properties": {"sasl.password": "hunter2"}}),
            json!({"properties": {"ssl.key.password": "hunter2"}}),
            json!({"properties": {"ssl.key.pem": "hunter2"}}),
            json!({"properties": {"sasl.oauthbearer.client.secret": "hunter2"}}),
            json!({"auth": {"basic": {"username": "u", "password": "hunter2"}}}),
            json!({"auth": {"basic": {"username": "u", "password": 4711}}}),
            json!({"auth": {"bearer": "hunter2"}}),
            json!({"auth": {"oauth2": {"client_id": "u", "client_secret": "hunter2"}}}),
            json!({"headers": {"X-Api-Key": "hunter2"}}),
            json!({"headers": {"x-auth-token": "hunter2"}}),
        ] {
            let all = found(plain.clone());
            assert!(all.len() == 1 && all[0].starts_with("DM0228"), "{plain}: {all:?}");
        }
        for broken in ["${vault:x}", "${env:}", "${PW}", "${env:PW"] {
            let all = found(json!({"url": broken}));
            assert!(all.len() == 1 && all[0].starts_with("DM0222"), "{broken}: {all:?}");
        }
    }
}
