//! Subjects of a schema registry that speaks the Confluent API.
//!
//! | module | what |
//! |---|---|
//! | `equality` | when two schema texts are one schema |
//! | `avro` | what makes an Avro text unfit to register, told before any registry sees it |
//! | `compat` | whether readers of one Avro schema can read what was written with another |
//! | `level` | compatibility levels and which of two promises more |
//! | `config` | the settings of one registry in the Mesh document |
//! | `subject` | the resource type `schema_subject`: `{schema, normalize, diff, read, check, apply}` |
//! | `http`, `client` | one place that sends, and the calls of the API on top of it |
//!
//! Without the feature `client` only the pure half is built.

mod avro;
pub mod codes;
pub mod compat;
mod config;
mod equality;
mod level;
mod subject;

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod http;
#[cfg(feature = "client")]
mod provider;

pub use config::{Auth, Settings, Tls};
pub use equality::same_schema;
pub use level::Level;
pub use subject::{SchemaSubject, SubjectAttrs};

use datamesh_provider::{Erased, ProviderDef, erase};

static SUBJECT: Erased<SchemaSubject> = erase();

/// The provider of system `registry`.
pub static DEF: ProviderDef = ProviderDef {
    system: "registry",
    types: &[&SUBJECT],
    validate_config: config::validate,
    config_schema: config::json_schema,
    connect,
};

#[cfg(feature = "client")]
fn connect(
    request: datamesh_provider::ConnectRequest,
) -> datamesh_provider::BoxFuture<
    'static,
    Result<std::sync::Arc<dyn datamesh_provider::Provider>, datamesh_provider::ProviderError>,
> {
    Box::pin(provider::connect(request))
}

#[cfg(not(feature = "client"))]
fn connect(
    request: datamesh_provider::ConnectRequest,
) -> datamesh_provider::BoxFuture<
    'static,
    Result<std::sync::Arc<dyn datamesh_provider::Provider>, datamesh_provider::ProviderError>,
> {
    use datamesh_provider::{ErrorKind, ProviderError};
    Box::pin(async move {
        Err(ProviderError::new(ErrorKind::Config, request.name, "nowhere")
            .message("this build has no registry client"))
    })
}
