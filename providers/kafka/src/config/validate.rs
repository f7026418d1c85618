//! Everything wrong with a cluster's settings, each at its place.

use super::properties::{Standing, names, standing};
use super::{KEYS, Settings, TLS_KEYS, scalar};
use crate::codes;
use crate::suggest::did_you_mean;
use datamesh_provider::{Diagnostic, Diagnostics, Located};
use serde_json::{Map, Value};

const PROTOCOLS: &[&str] = &["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];
const MECHANISMS: &[&str] = &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];

pub(crate) fn validate_config(located: &Located) -> Diagnostics {
    let mut check = Check { located, found: Diagnostics::default() };
    match located.value.as_object() {
        Some(map) => check.cluster(map),
        None => check.bad(&[], "A cluster is a map of settings.", "write `bootstrap_servers: HOST:PORT`"),
    }
    check.found
}

struct Check<'a> {
    located: &'a Located,
    found: Diagnostics,
}

impl Check<'_> {
    fn bad(&mut self, path: &[&str], detail: impl Into<String>, help: impl Into<String>) {
        self.found.push(
            Diagnostic::error(codes::BAD_SETTING, detail).at(self.located.spans.at(path), "here").help(help),
        );
    }

    fn unknown(&mut self, path: &[&str], what: &str, names: &mut dyn Iterator<Item = &'static str>) {
        let key = path.last().copied().unwrap_or_default();
        let names: Vec<_> = names.collect();
        let help = match did_you_mean(key, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.len() < 8 => format!("the keys are {}", names.join(", ")),
            None => "the families sasl.*, ssl.*, socket.*, request.* and https.ca.* may be set, and security.protocol and client.id".to_owned(),
        };
        let found = Diagnostic::error(codes::UNKNOWN_SETTING, format!("`{key}` is no {what}."));
        self.found.push(found.at(self.located.spans.at(path), "unknown").help(help));
    }

    fn cluster(&mut self, map: &Map<String, Value>) {
        for key in map.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            self.unknown(&[key], "setting of a Kafka cluster", &mut KEYS.iter().copied());
        }
        self.bootstrap(map.get("bootstrap_servers"));
        match map.get("properties") {
            None | Some(Value::Null) => {}
            Some(Value::Object(properties)) => self.properties(properties),
            Some(_) => self.bad(
                &["properties"],
                "`properties` is a map of client properties.",
                "write `properties: { security.protocol: sasl_ssl }`",
            ),
        }
        match map.get("tls") {
            None | Some(Value::Null) => {}
            Some(Value::Object(tls)) => self.tls(tls),
            Some(_) => {
                self.bad(&["tls"], "`tls` is a map.", "write `tls: { ca_file: PATH }`");
            }
        }
        if !matches!(map.get("insecure"), None | Some(Value::Bool(_))) {
            self.bad(&["insecure"], "`insecure` is `true` or `false`.", "write `insecure: true`");
        }
        let settings = Settings::read(self.located);
        self.security(&settings);
        self.certificates(&settings);
    }

    fn bootstrap(&mut self, value: Option<&Value>) {
        let example = "write `bootstrap_servers: HOST:PORT`, several with commas between them";
        let path = &["bootstrap_servers"];
        let Some(Value::String(text)) = value else {
            let detail = match value {
                None => "A cluster needs `bootstrap_servers`: where to begin.",
                Some(_) => "`bootstrap_servers` is a text.",
            };
            return self.bad(path, detail, example);
        };
        // A reference is checked when it is resolved.
        if text.contains("${") {
            return;
        }
        for address in text.split(',').map(str::trim) {
            if !is_address(address) {
                let detail = format!("`{address}` is no address of a broker: a host and a port are wanted.");
                self.bad(path, detail, example);
            }
        }
    }

    fn properties(&mut self, properties: &Map<String, Value>) {
        for (name, value) in properties {
            let path = &["properties", name.as_str()];
            match standing(name) {
                Standing::Allowed if scalar(value).is_none() => {
                    self.bad(path, format!("`{name}` is a text, a number or a boolean."), "give one value");
                }
                Standing::Allowed => {}
                Standing::Unknown => {
                    let what = "client property that a Mesh document may set";
                    self.unknown(path, what, &mut names());
                }
                Standing::Refused(why) => {
                    let detail = format!("`{name}` is refused in manifests: {why}.");
                    let place = self.located.spans.at(path);
                    self.found.push(
                        Diagnostic::error(codes::REFUSED_PROPERTY, detail)
                            .at(place, "refused")
                            .help("take it out"),
                    );
                }
            }
        }
    }

    fn tls(&mut self, tls: &Map<String, Value>) {
        for (key, value) in tls {
            let Some((_, property)) = TLS_KEYS.iter().find(|(name, _)| name == key) else {
                let mut keys = TLS_KEYS.iter().map(|(name, _)| *name);
                self.unknown(&["tls", key], "key of `tls`", &mut keys);
                continue;
            };
            if value.as_str().is_none_or(str::is_empty) {
                let detail = format!("`{key}` is the path of a file in PEM form.");
                self.bad(&["tls", key], detail, "give the path of a file");
            }
            if self.located.value.pointer(&format!("/properties/{property}")).is_some() {
                let detail = format!("`tls.{key}` and the property `{property}` say the same thing.");
                self.bad(&["tls", key], detail, "keep one of them");
            }
        }
        if tls.contains_key("cert_file") != tls.contains_key("key_file") {
            let detail = "A client certificate needs its key, and a key its certificate.";
            self.bad(&["tls"], detail, "give both `cert_file` and `key_file`");
        }
    }

    /// Protocol and mechanism: the library takes odd combinations silently, or fails with a riddle.
    fn security(&mut self, settings: &Settings) {
        let protocol = settings.plain("security.protocol");
        let at_protocol = &["properties", "security.protocol"];
        if let Some(protocol) = protocol.as_deref().filter(|p| !PROTOCOLS.contains(p)) {
            let detail = format!("`{protocol}` is no protocol of Kafka.");
            let near = did_you_mean(protocol, PROTOCOLS.iter().copied());
            let all = format!("one of {}", PROTOCOLS.join(", "));
            self.bad(at_protocol, detail, near.map_or(all, |near| format!("did you mean `{near}`?")));
        }
        if let (Some("plaintext" | "sasl_plaintext"), Some(_)) = (protocol.as_deref(), &settings.tls) {
            let detail = "`tls` has no effect with this protocol: nothing would be encrypted.";
            self.bad(at_protocol, detail, "write `ssl` or `sasl_ssl`, or take `tls` out");
        }
        let mechanism = settings.mechanism();
        let at_mechanism = ["sasl.mechanism", "sasl.mechanisms"]
            .into_iter()
            .find(|name| settings.properties.contains_key(*name))
            .unwrap_or("sasl.mechanism");
        match (protocol.as_deref(), mechanism.as_deref()) {
            (Some("sasl_plaintext" | "sasl_ssl"), None) => {
                let help = format!("add `sasl.mechanism`, one of {}", MECHANISMS.join(", "));
                self.bad(at_protocol, "This protocol needs a mechanism; there is no default.", help);
            }
            (Some("plaintext" | "ssl"), Some(_)) => {
                let detail = "With this protocol nobody logs in: the mechanism would have no effect.";
                self.bad(at_protocol, detail, "write `sasl_plaintext` or `sasl_ssl`");
            }
            (None, Some(_))
                if !settings.properties.contains_key("security.protocol") && settings.tls.is_none() =>
            {
                let detail =
                    "Without `security.protocol` nobody logs in: the mechanism would have no effect.";
                self.bad(
                    &["properties", at_mechanism],
                    detail,
                    "add `security.protocol: sasl_ssl` (or `sasl_plaintext`)",
                );
            }
            _ => {}
        }
        if let Some(mechanism) = mechanism.as_deref().filter(|m| !m.is_empty() && !MECHANISMS.contains(m)) {
            let why = match mechanism {
                "GSSAPI" | "AWS_MSK_IAM" => "is not in this build",
                _ => "is no mechanism this tool knows",
            };
            let help = format!("one of {}", MECHANISMS.join(", "));
            self.bad(&["properties", at_mechanism], format!("`{mechanism}` {why}."), help);
        }
    }

    /// A check of certificates may be switched off only by saying so twice.
    fn certificates(&mut self, settings: &Settings) {
        let checks = [
            ("enable.ssl.certificate.verification", "true", "any certificate is taken"),
            ("ssl.endpoint.identification.algorithm", "https", "a certificate for another host is taken"),
        ];
        let mut off = false;
        for (name, on, meaning) in checks {
            let Some(text) = settings.properties.get(name) else { continue };
            let path = &["properties", name];
            match text.plain().map(|t| t.trim().eq_ignore_ascii_case(on)) {
                Some(true) => {}
                Some(false) if settings.insecure => {
                    off = true;
                    let detail = format!(
                        "`{name}` is switched off: {meaning}, so anybody on the way can read and change everything."
                    );
                    let place = self.located.spans.at(path);
                    self.found.push(
                        Diagnostic::warning(codes::INSECURE, detail)
                            .at(place, "switched off")
                            .help("give the certificate authority with `tls: { ca_file: PATH }` instead"),
                    );
                }
                Some(false) => {
                    let detail = format!("`{name}` switches a check off: {meaning}.");
                    let help = "give the certificate authority with `tls: { ca_file: PATH }`, or write `insecure: true` beside `properties` to accept the risk";
                    self.bad(path, detail, help);
                }
                None => {
                    let detail = format!("`{name}` decides over security, so it must be written out.");
                    self.bad(path, detail, "write the value itself, not a reference");
                }
            }
        }
        if settings.insecure && !off {
            let detail = "`insecure: true` switches nothing off by itself, and here nothing is switched off.";
            let place = self.located.spans.at(&["insecure"]);
            self.found.push(
                Diagnostic::warning(codes::INSECURE, detail).at(place, "without effect").help("take it out"),
            );
        }
    }
}

/// `host:port`, `[::1]:port`, optionally behind a listener's name as in `SSL://host:port`.
pub(super) fn is_address(text: &str) -> bool {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let v6 = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.');
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let good_host = match bracketed {
        Some(inside) => !inside.is_empty() && inside.chars().all(v6),
        None => !host.is_empty() && host.chars().all(name),
    };
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    good_host && digits && port.parse::<u16>().is_ok_and(|port| port > 0)
}
