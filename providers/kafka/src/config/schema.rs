//! The JSON Schema of one cluster's settings, for editors.

use super::properties;
use serde_json::{Map, Value, json};

pub(crate) fn config_schema() -> Value {
    let text = json!({ "type": ["string", "number", "boolean"] });
    let known: Map<String, Value> = properties::names().map(|name| (name.to_owned(), text.clone())).collect();
    let path = |doc: &str| json!({ "type": "string", "minLength": 1, "description": doc });
    json!({
        "type": "object",
        "description": "One Kafka cluster.",
        "required": ["bootstrap_servers"],
        "additionalProperties": false,
        "properties": {
            "bootstrap_servers": {
                "type": "string",
                "minLength": 1,
                "description": "Addresses to begin with, `HOST:PORT` with commas between them.",
                "examples": ["127.0.0.1:9092", "kafka-1:9093,kafka-2:9093"]
            },
            "properties": {
                "type": "object",
                "description": "Properties of the client library, librdkafka. Values may hold `${env:NAME}` and `${file:PATH}`.",
                "additionalProperties": false,
                "properties": known
            },
            "tls": {
                "type": "object",
                "description": "Certificates, as files in PEM form. Relative paths are relative to the root of the mesh.",
                "additionalProperties": false,
                "properties": {
                    "ca_file": path("Who may have signed the brokers' certificates. Default: the system's certificates."),
                    "cert_file": path("The client's own certificate."),
                    "key_file": path("The key of the client's own certificate.")
                }
            },
            "insecure": {
                "type": "boolean",
                "default": false,
                "description": "Must be `true` where a property switches off a check of certificates; every run warns."
            }
        }
    })
}
