//! `catalog_domain`: a domain of the mesh.

use super::normalize::Entity;
use super::schema::{blank, optional, required, schema};
use datamesh_provider::Schema;
use serde::{Deserialize, Serialize};

/// A domain. Its id is its name.
#[derive(Clone, Copy, Debug)]
pub struct CatalogDomain;

/// What can be declared of a domain. Absent: not managed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainAttrs {
    /// The name products refer to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the domain is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Other names it is known by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aliases: Option<Vec<String>>,
    /// How to reach its people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contacts: Option<Vec<String>>,
    /// Who reviews its manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_owners: Option<Vec<String>>,
}

const SCHEMA: Schema = schema(
    &[
        required("name", "The name products refer to."),
        optional("description", "What the domain is about."),
        optional("owner", "Who answers for it."),
        optional("aliases", "Other names it is known by."),
        optional("contacts", "How to reach its people."),
        optional("code_owners", "Who reviews its manifests."),
    ],
    50,
);

impl Entity for DomainAttrs {
    fn lacks(&self) -> Vec<&'static str> {
        blank(self.name.as_deref()).then_some("name").into_iter().collect()
    }
}

super::entity!(CatalogDomain, DomainAttrs, "catalog_domain", SCHEMA);
