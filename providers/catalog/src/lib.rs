//! The data catalog: domains, products and lineage, kept by a portal of plain files.
//!
//! | module | what |
//! |---|---|
//! | `entity` | the resource types `catalog_domain`, `catalog_product`, `catalog_lineage` |
//! | `tree` | compares, merges and narrows their attributes, alike for all of them |
//! | `config` | the settings of the catalog in the Mesh document |
//! | `site` | a static site made from the entities: plain values in, files out |
//! | `portal` | the backend: one JSON document an entity, and the site beside them |
//!
//! Without the feature `client` only the pure half is built.

pub mod codes;
mod config;
mod entity;
mod site;
mod tree;

#[cfg(feature = "client")]
mod portal;

pub use config::Settings;
pub use entity::domain::{CatalogDomain, DomainAttrs};
pub use entity::lineage::{CatalogLineage, LineageAttrs, LineageSource};
pub use entity::product::{
    CatalogProduct, ContractAttrs, ContractField, Deprecation, Port, ProductAttrs, SloAttrs,
};
pub use site::{Entities, site};

use datamesh_provider::{Erased, ProviderDef, erase};

static DOMAIN: Erased<CatalogDomain> = erase();
static PRODUCT: Erased<CatalogProduct> = erase();
static LINEAGE: Erased<CatalogLineage> = erase();

/// The provider of system `catalog`.
pub static DEF: ProviderDef = ProviderDef {
    system: "catalog",
    types: &[&DOMAIN, &PRODUCT, &LINEAGE],
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
    Box::pin(std::future::ready(portal::connect(&request)))
}

#[cfg(not(feature = "client"))]
fn connect(
    request: datamesh_provider::ConnectRequest,
) -> datamesh_provider::BoxFuture<
    'static,
    Result<std::sync::Arc<dyn datamesh_provider::Provider>, datamesh_provider::ProviderError>,
> {
    use datamesh_provider::{ErrorKind, ProviderError};
    let error = ProviderError::new(ErrorKind::Config, request.name, "nowhere");
    Box::pin(async move { Err(error.message("this build has no catalog backend")) })
}
