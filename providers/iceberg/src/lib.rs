//! Iceberg namespaces and tables, in SQL and REST catalogs.
//!
//! The pure half (`types`, `metadata`, `namespace`, `table`, `config`) knows the table format; the IO half
//! (`client`, behind the feature of that name) knows the two catalogs. Table metadata and commits are kept as the
//! JSON the [table specification] and the [REST catalog specification] define: what this crate does not know of
//! a table's metadata survives a commit untouched.
//!
//! [table specification]: https://iceberg.apache.org/spec/
//! [REST catalog specification]: https://github.com/apache/iceberg/blob/main/open-api/rest-catalog-open-api.yaml

#![cfg_attr(
    not(feature = "client"),
    expect(
        dead_code,
        unused_imports,
        reason = "the pure half alone leaves out the users of what the client needs"
    )
)]

pub mod codes;
mod config;
mod ident;
mod location;
mod metadata;
mod namespace;
mod owner;
mod table;
mod transform;
mod types;

#[cfg(feature = "client")]
mod client;

#[cfg(feature = "client")]
use datamesh_provider::ProviderDef;
use datamesh_provider::{Erased, ResourceType, erase};

static NAMESPACE: Erased<namespace::IcebergNamespace> = erase();
static TABLE: Erased<table::IcebergTable> = erase();

/// The resource types of this provider, as the core sees them: no connection is needed for any of it.
pub static TYPES: &[&dyn ResourceType] = &[&NAMESPACE, &TABLE];

/// The provider of the `iceberg` systems of an environment.
#[cfg(feature = "client")]
pub static DEF: ProviderDef = ProviderDef {
    system: "iceberg",
    types: TYPES,
    validate_config: config::validate,
    config_schema: config::schema,
    connect: client::connect,
};
