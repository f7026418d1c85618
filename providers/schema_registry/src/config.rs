//! The settings of one registry in the Mesh document.
//!
//! ```yaml
//! registry:
//!   default:
//!     url: https://registry.example.com
//!     auth: { basic: { username: mesh, password: "${env:REGISTRY_PASSWORD}" } }   # or { bearer: "${file:token}" }
//!     tls: { ca_file: ca.pem, cert_file: client.pem, key_file: client.key }
//!     insecure: false
//! ```

use crate::codes::{BAD_SETTING, INSECURE, UNKNOWN_SETTING};
use datamesh_provider::{Diagnostic, Diagnostics, Located, SecretText, is_loopback_host};
use serde_json::{Map, Value, json};
use url::Url;

/// The settings of one registry, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the API begins: without user, query, fragment or trailing slash.
    pub url: Url,
    pub auth: Option<Auth>,
    pub tls: Tls,
    /// Plain `http` to a host that is not this machine was allowed.
    pub insecure: bool,
}

/// How to say who we are.
#[derive(Clone, Debug)]
pub enum Auth {
    Basic { username: SecretText, password: SecretText },
    Bearer(SecretText),
}

/// Files in PEM, relative to the root of the mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates to trust beside the public ones.
    pub ca_file: Option<String>,
    /// The client's own certificate, and its key.
    pub cert_file: Option<String>,
    pub key_file: Option<String>,
}

/// Checks one registry's settings.
pub(crate) fn validate(settings: &Located) -> Diagnostics {
    decode(settings).1
}

/// The settings, if none is in error, and everything found on the way.
pub(crate) fn decode(located: &Located) -> (Option<Settings>, Diagnostics) {
    let mut reader = Reader { located, found: Diagnostics::default() };
    let Some(map) = reader.map(&located.value, &[], &["url", "auth", "tls", "insecure"]) else {
        return (None, reader.found);
    };
    let insecure = reader.boolean(map, "insecure");
    let url = reader.url(map, insecure);
    let auth = map.get("auth").and_then(|auth| reader.auth(auth));
    let tls = map.get("tls").map_or_else(Tls::default, |tls| reader.tls(tls));
    let settings = url.map(|url| Settings { url, auth, tls, insecure });
    (settings.filter(|_| !reader.found.has_errors()), reader.found)
}

/// Whether a host can only be this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(is_loopback_host)
}

struct Reader<'a> {
    located: &'a Located,
    found: Diagnostics,
}

impl<'a> Reader<'a> {
    fn wrong(&mut self, path: &[&str], why: String, help: &str) {
        let place = self.located.spans.at(path);
        self.found.push(Diagnostic::error(BAD_SETTING, why).at(place, "here").help(help));
    }

    /// A map with none but these keys.
    fn map(&mut self, value: &'a Value, path: &[&str], known: &[&str]) -> Option<&'a Map<String, Value>> {
        let Value::Object(map) = value else {
            let name = path.last().copied().unwrap_or("registry");
            self.wrong(path, format!("`{name}` must be a map."), &format!("Its keys are {}.", list(known)));
            return None;
        };
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let mut at = path.to_vec();
            at.push(key);
            let near = known.iter().find(|name| strsim::damerau_levenshtein(name, key) <= 2);
            let help = near.map_or_else(
                || format!("The keys here are {}.", list(known)),
                |near| format!("Did you mean `{near}`?"),
            );
            let place = self.located.spans.at(&at);
            let detail = format!("`{key}` is no setting of a schema registry.");
            self.found.push(Diagnostic::error(UNKNOWN_SETTING, detail).at(place, "unknown key").help(help));
        }
        Some(map)
    }

    fn text(&mut self, map: &'a Map<String, Value>, path: &[&str], key: &str) -> Option<&'a str> {
        let value = map.get(key)?;
        let mut at = path.to_vec();
        at.push(key);
        match value.as_str().filter(|text| !text.is_empty()) {
            Some(text) => Some(text),
            None => {
                self.wrong(
                    &at,
                    format!("`{key}` must be a text that is not empty."),
                    "Write a text, in quotes.",
                );
                None
            }
        }
    }

    fn boolean(&mut self, map: &Map<String, Value>, key: &str) -> bool {
        match map.get(key) {
            None => false,
            Some(Value::Bool(value)) => *value,
            Some(_) => {
                self.wrong(&[key], format!("`{key}` must be `true` or `false`."), "Write it without quotes.");
                false
            }
        }
    }

    fn url(&mut self, map: &'a Map<String, Value>, insecure: bool) -> Option<Url> {
        if !map.contains_key("url") {
            self.wrong(
                &[],
                "`url` is missing.".into(),
                "Write where the registry's API begins: `url: https://…`.",
            );
            return None;
        }
        let text = self.text(map, &[], "url")?;
        // The text may hold a password: it is never repeated, only marked.
        let mut url = match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => {
                let help = "Write where the registry's API begins, such as `https://registry.example.com`.";
                self.wrong(&["url"], "`url` is not an absolute http or https URL.".into(), help);
                return None;
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            let help = "Take it out of the URL and write `auth: { basic: { username: …, password: \"${env:NAME}\" } }`.";
            self.wrong(
                &["url"],
                "`url` carries a user or password, which would end up in logs.".into(),
                help,
            );
            return None;
        }
        if url.query().is_some() || url.fragment().is_some() {
            let help = "Take away what follows `?` or `#`.";
            self.wrong(&["url"], "`url` has a query or a fragment; the API has neither.".into(), help);
            return None;
        }
        if url.scheme() == "http" && !is_loopback(&url) && !self.allow_plain(insecure) {
            return None;
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Some(url)
    }

    fn allow_plain(&mut self, insecure: bool) -> bool {
        let place = self.located.spans.at(&["url"]);
        if insecure {
            let detail = "Schemas and credentials travel in plain `http`, readable for everybody on the way.";
            let help = "Use an `https` URL, and `tls.ca_file` where the certificate is your own.";
            self.found.push(Diagnostic::warning(INSECURE, detail).at(place, "not encrypted").help(help));
        } else {
            let help =
                "Use `https`. Where that is impossible, `insecure: true` beside it allows plain `http`.";
            self.wrong(&["url"], "Plain `http` is for this machine only.".into(), help);
        }
        insecure
    }

    fn auth(&mut self, value: &'a Value) -> Option<Auth> {
        let map = self.map(value, &["auth"], &["basic", "bearer"])?;
        match (map.get("basic"), map.contains_key("bearer")) {
            (Some(basic), false) => {
                let path = ["auth", "basic"];
                let basic = self.map(basic, &path, &["username", "password"])?;
                let username = self.text(basic, &path, "username");
                let password = self.text(basic, &path, "password");
                if let (Some(username), Some(password)) = (username, password) {
                    let (username, password) = (SecretText::new(username), SecretText::new(password));
                    return Some(Auth::Basic { username, password });
                }
                let help = "Write both, the password as a reference: `\"${env:REGISTRY_PASSWORD}\"`.";
                self.wrong(&path, "`basic` needs a `username` and a `password`.".into(), help);
                None
            }
            (None, true) => {
                self.text(map, &["auth"], "bearer").map(|token| Auth::Bearer(SecretText::new(token)))
            }
            _ => {
                let help = "Write `{ basic: { username, password } }` or `{ bearer: \"${env:TOKEN}\" }`.";
                self.wrong(&["auth"], "`auth` needs exactly one of `basic` and `bearer`.".into(), help);
                None
            }
        }
    }

    fn tls(&mut self, value: &'a Value) -> Tls {
        let path = ["tls"];
        let Some(map) = self.map(value, &path, &["ca_file", "cert_file", "key_file"]) else {
            return Tls::default();
        };
        let mut file = |key| self.text(map, &path, key).map(str::to_owned);
        let tls = Tls { ca_file: file("ca_file"), cert_file: file("cert_file"), key_file: file("key_file") };
        if tls.cert_file.is_some() != tls.key_file.is_some() {
            let help = "Write both, or neither.";
            self.wrong(&path, "A client certificate needs `cert_file` and `key_file`.".into(), help);
        }
        tls
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// JSON Schema of one registry's settings.
pub(crate) fn json_schema() -> Value {
    let text = |about: &str| json!({"type": "string", "minLength": 1, "description": about});
    json!({
        "type": "object",
        "description": "A schema registry that speaks the Confluent API.",
        "additionalProperties": false,
        "required": ["url"],
        "properties": {
            "url": text("Where the API begins. https, unless the host is this machine."),
            "auth": {"oneOf": [
                {"type": "object", "additionalProperties": false, "required": ["basic"], "properties": {"basic": {
                    "type": "object", "additionalProperties": false, "required": ["username", "password"],
                    "properties": {"username": text("User name."), "password": text("A reference: ${env:NAME} or ${file:PATH}.")},
                }}},
                {"type": "object", "additionalProperties": false, "required": ["bearer"], "properties": {
                    "bearer": text("A token, as a reference: ${env:NAME} or ${file:PATH}."),
                }},
            ]},
            "tls": {"type": "object", "additionalProperties": false, "properties": {
                "ca_file": text("Certificates to trust beside the public ones, in PEM."),
                "cert_file": text("The client's certificate, in PEM."),
                "key_file": text("The key of the client's certificate, in PEM."),
            }, "dependentRequired": {"cert_file": ["key_file"], "key_file": ["cert_file"]}},
            "insecure": {"type": "boolean", "default": false, "description": "Allows plain http to another machine."},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> (Option<Settings>, Vec<(&'static str, String)>) {
        let (settings, found) = decode(&Located { value, ..Located::default() });
        (settings, found.into_iter().map(|d| (d.code.id, d.detail)).collect())
    }

    #[test]
    fn good_settings() {
        for (url, normal) in [
            ("https://Registry.Example.com:443/", "https://registry.example.com/"),
            ("http://127.0.0.1:18081/apis/ccompat/v7/", "http://127.0.0.1:18081/apis/ccompat/v7"),
            ("http://[::1]:1", "http://[::1]:1/"),
            ("http://localhost", "http://localhost/"),
        ] {
            let (settings, found) = read(json!({"url": url}));
            assert_eq!(settings.map(|s| s.url.to_string()).as_deref(), Some(normal), "{found:?}");
            assert!(found.is_empty());
        }
        let (settings, found) =
            read(json!({"url": "http://far.example", "insecure": true, "auth": {"bearer": "hunter2"}}));
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert!(settings.is_some() && found.len() == 1 && found[0].0 == "DM0532");
    }

    #[test]
    fn bad_settings_are_all_told_and_never_repeat_a_secret() {
        let cases = [
            (json!("x"), "DM0530", "must be a map"),
            (json!({}), "DM0530", "`url` is missing"),
            (json!({"url": ""}), "DM0530", "not empty"),
            (json!({"url": "ftp://x"}), "DM0530", "absolute"),
            (json!({"url": "https://u:hunter2@x"}), "DM0530", "user or password"),
            (json!({"url": "https://x/?a=hunter2"}), "DM0530", "query"),
            (json!({"url": "http://far.example"}), "DM0530", "this machine"),
            (json!({"url": "https://x", "atuh": {}}), "DM0531", "`atuh`"),
            (json!({"url": "https://x", "auth": {}}), "DM0530", "exactly one"),
            (
                json!({"url": "https://x", "auth": {"basic": {"username": "u"}}}),
                "DM0530",
                "a `username` and a `password`",
            ),
            (json!({"url": "https://x", "tls": {"cert_file": "c"}}), "DM0530", "`key_file`"),
            (json!({"url": "https://x", "insecure": "yes"}), "DM0530", "`true` or `false`"),
        ];
        for (value, code, text) in cases {
            let (settings, found) = read(value.clone());
            assert!(settings.is_none(), "{value}");
            assert!(
                found.iter().any(|(id, detail)| *id == code && detail.contains(text)),
                "{value}: {found:?}"
            );
            assert!(!format!("{found:?}").contains("hunter2"));
        }
        let (_, found) = read(json!({"url": 1, "insecure": 2, "x": 3, "tls": 4}));
        assert_eq!(found.len(), 4, "{found:?}");
    }
}
