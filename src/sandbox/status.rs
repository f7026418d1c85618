//! What `status` tells.

use super::site::reveal;
use datamesh_provider::Secret;
use serde::Serialize;

/// The state of a sandbox: what runs, where, and with which credentials.
///
/// Serialized, it is the output of `datamesh sandbox status --json`: credentials included, since it is there to
/// tell them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    pub servers: Vec<ServerStatus>,
}

/// One service of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerStatus {
    /// `kafka`, `registry`, `registry2`, `s3`, `iceberg-rest` or `iceberg-java`.
    pub name: &'static str,
    /// `host:port` for Kafka's listener without credentials, a URL for all others.
    pub endpoint: String,
    /// The process; nothing when it does not run.
    pub pid: Option<u32>,
    /// Whether it answered just now.
    pub ready: bool,
    /// What a client needs besides the endpoint.
    #[serde(flatten)]
    pub access: Access,
}

/// What a client needs besides the endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Access {
    /// Nothing.
    Open {},
    /// A second listener that asks for SCRAM-SHA-256 without TLS.
    Sasl {
        sasl_endpoint: String,
        sasl_mechanism: &'static str,
        username: &'static str,
        #[serde(serialize_with = "reveal")]
        password: Secret,
    },
    /// S3: path-style addresses, any region.
    Keys {
        access_key: String,
        #[serde(serialize_with = "reveal")]
        secret_key: Secret,
        bucket: &'static str,
    },
    /// Iceberg REST without credentials; its tables lie in a folder of this machine.
    Warehouse { warehouse: String },
    /// Iceberg REST: OAuth2 client credentials at `/v1/oauth/tokens` of the endpoint.
    OAuth2 {
        warehouse: &'static str,
        client_id: String,
        #[serde(serialize_with = "reveal")]
        client_secret: Secret,
    },
}

impl Status {
    /// The service of this name, if the sandbox has it.
    pub fn server(&self, name: &str) -> Option<&ServerStatus> {
        self.servers.iter().find(|s| s.name == name)
    }

    /// Whether every service answers; false when there is none.
    pub fn is_ready(&self) -> bool {
        !self.servers.is_empty() && self.servers.iter().all(|s| s.ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_published_shape() {
        let server = |name, access| ServerStatus {
            name,
            endpoint: "127.0.0.1:1".to_owned(),
            pid: Some(7),
            ready: true,
            access,
        };
        let keys = Access::Keys { access_key: "a".to_owned(), secret_key: Secret::new("s"), bucket: "b" };
        let status = Status { servers: vec![server("registry", Access::Open {}), server("s3", keys)] };
        assert_eq!(
            serde_json::to_value(&status).unwrap(),
            serde_json::json!({"servers": [
                {"name": "registry", "endpoint": "127.0.0.1:1", "pid": 7, "ready": true},
                {"name": "s3", "endpoint": "127.0.0.1:1", "pid": 7, "ready": true,
                 "access_key": "a", "secret_key": "s", "bucket": "b"},
            ]})
        );
        assert!(!format!("{status:?}").contains("\"s\""));
    }
}
