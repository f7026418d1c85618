//! `catalog_lineage`: what a product is made from.

use super::normalize::Entity;
use super::schema::{blank, optional, required, schema};
use datamesh_provider::Schema;
use serde::{Deserialize, Serialize};

/// The lineage of a product. Its id is `domain/name@version#lineage`.
#[derive(Clone, Copy, Debug)]
pub struct CatalogLineage;

/// What can be declared of a lineage. Absent: not managed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineageAttrs {
    /// The product it is about: `domain/name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// What the product is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<LineageSource>>,
    /// What makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transformation: Option<String>,
}

/// One thing that a product is made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineageSource {
    /// As the manifest names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The product of this mesh it is, if it is one: `domain/name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
}

const SCHEMA: Schema = schema(
    &[
        required("product", "The product it is about: `domain/name@version`."),
        optional("sources", "What the product is made from."),
        optional("transformation", "What makes it."),
    ],
    60,
);

impl Entity for LineageAttrs {
    fn lacks(&self) -> Vec<&'static str> {
        blank(self.product.as_deref()).then_some("product").into_iter().collect()
    }
}

super::entity!(CatalogLineage, LineageAttrs, "catalog_lineage", SCHEMA);
