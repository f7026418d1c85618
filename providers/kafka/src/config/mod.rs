//! The settings of one cluster in the Mesh document.

mod properties;
mod schema;
#[cfg(test)]
mod tests;
mod validate;

#[cfg(feature = "client")]
mod resolve;

pub(crate) use schema::config_schema;
pub(crate) use validate::validate_config;

#[cfg(feature = "client")]
pub(crate) use resolve::resolve;

use datamesh_provider::{Located, SecretText};
use serde_json::Value;
use std::collections::BTreeMap;

/// The keys of a cluster.
const KEYS: &[&str] = &["bootstrap_servers", "properties", "tls", "insecure"];
/// The keys of its `tls` block, with the client property each stands for.
const TLS_KEYS: &[(&str, &str)] = &[
    ("ca_file", "ssl.ca.location"),
    ("cert_file", "ssl.certificate.location"),
    ("key_file", "ssl.key.location"),
];

/// The settings of one cluster, as written. Every text may hold secret references.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    #[cfg_attr(
        not(feature = "client"),
        expect(dead_code, reason = "only a client needs the resolved addresses")
    )]
    pub(crate) bootstrap_servers: Option<SecretText>,
    /// Client properties by name.
    pub(crate) properties: BTreeMap<String, SecretText>,
    /// Paths by key of the `tls` block, when there is one.
    pub(crate) tls: Option<BTreeMap<&'static str, SecretText>>,
    pub(crate) insecure: bool,
}

impl Settings {
    /// Takes what has the right shape; [`validate_config`] has said what has not.
    pub(crate) fn read(located: &Located) -> Self {
        let value = &located.value;
        let properties = value.get("properties").and_then(Value::as_object);
        let properties = properties.into_iter().flatten();
        let tls = value.get("tls").and_then(Value::as_object).map(|tls| {
            let path = |(key, _): &(&'static str, &str)| Some((*key, scalar(tls.get(*key)?)?));
            TLS_KEYS.iter().filter_map(path).collect()
        });
        Self {
            bootstrap_servers: value.get("bootstrap_servers").and_then(scalar),
            properties: properties.filter_map(|(k, v)| Some((k.clone(), scalar(v)?))).collect(),
            tls,
            insecure: value.get("insecure").and_then(Value::as_bool).unwrap_or(false),
        }
    }

    /// A property in lower case, where it is written out and not a reference.
    fn plain(&self, name: &str) -> Option<String> {
        self.properties.get(name)?.plain().map(|text| text.trim().to_ascii_lowercase())
    }

    /// The mechanism, under either of the two names the client library has for it.
    fn mechanism(&self) -> Option<String> {
        let text =
            ["sasl.mechanism", "sasl.mechanisms"].iter().find_map(|name| self.properties.get(*name))?;
        Some(text.plain().unwrap_or_default().trim().to_ascii_uppercase())
    }
}

/// The client library takes texts only, so a number or a boolean is taken as it is written.
fn scalar(value: &Value) -> Option<SecretText> {
    match value {
        Value::String(text) => Some(SecretText::new(text.clone())),
        Value::Number(number) => Some(SecretText::new(number.to_string())),
        Value::Bool(flag) => Some(SecretText::new(flag.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
