//! Kafka: the type `kafka_topic`.

pub mod codes;
mod config;
mod suggest;
mod topic;

pub use topic::{KafkaTopic, TopicAttrs};

use datamesh_provider::{Erased, ProviderDef, erase};

static TOPIC: Erased<KafkaTopic> = erase();

/// Kafka clusters, `kafka` in an environment of the Mesh document.
pub static DEF: ProviderDef = ProviderDef {
    system: "kafka",
    types: &[&TOPIC],
    validate_config: config::validate_config,
    config_schema: config::config_schema,
    connect,
};

use datamesh_provider::{BoxFuture, ConnectRequest, ErrorKind, Provider, ProviderError};
use std::sync::Arc;

fn connect(request: ConnectRequest) -> BoxFuture<'static, Result<Arc<dyn Provider>, ProviderError>> {
    Box::pin(async move { Err(ProviderError::new(ErrorKind::Config, request.name, "")) })
}
