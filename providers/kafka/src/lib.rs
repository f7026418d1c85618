//! Kafka: the types `kafka_topic` and `kafka_acl`.

mod acl;
#[cfg(feature = "client")]
mod client;
pub mod codes;
mod config;
#[cfg(feature = "client")]
mod errors;
#[cfg(feature = "client")]
mod provider;
mod suggest;
#[cfg(feature = "client")]
#[expect(unsafe_code, reason = "librdkafka's admin calls that no safe crate has; see the module")]
mod sys;
mod topic;

pub use acl::{Binding, KafkaAcl};
pub use topic::{KafkaTopic, TopicAttrs};

use datamesh_provider::{BoxFuture, ConnectRequest, Erased, Provider, ProviderDef, ProviderError, erase};
use std::sync::Arc;

static TOPIC: Erased<KafkaTopic> = erase();
static ACL: Erased<KafkaAcl> = erase();

/// Kafka clusters, `kafka` in an environment of the Mesh document.
pub static DEF: ProviderDef = ProviderDef {
    system: "kafka",
    types: &[&TOPIC, &ACL],
    validate_config: config::validate_config,
    config_schema: config::config_schema,
    connect,
};

type Connected = Result<Arc<dyn Provider>, ProviderError>;

#[cfg(feature = "client")]
fn connect(request: ConnectRequest) -> BoxFuture<'static, Connected> {
    Box::pin(async move {
        let cluster = client::Cluster::connect(&request)?;
        Ok(Arc::new(cluster) as Arc<dyn Provider>)
    })
}

#[cfg(not(feature = "client"))]
fn connect(request: ConnectRequest) -> BoxFuture<'static, Connected> {
    let error = ProviderError::new(datamesh_provider::ErrorKind::Config, request.name, "");
    Box::pin(async move { Err(error.during("connect").message("this build has no Kafka client")) })
}
