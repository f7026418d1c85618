//! `catalog_product`: one version of a data product.

use super::normalize::Entity;
use super::schema::{blank, optional, required, schema};
use datamesh_provider::Schema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A data product. Its id is `domain/name@version`.
#[derive(Clone, Copy, Debug)]
pub struct CatalogProduct;

/// What can be declared of a product. Absent: not managed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductAttrs {
    /// The domain it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Its name within the domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The major version of its contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What it offers, and to whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who may see it: public, internal, confidential or restricted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
    /// Words to select it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, Value>>,
    /// Anything else worth knowing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, Value>>,
    /// Since when it should no longer be used, and what to use instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<Deprecation>,
    /// What its data looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<ContractAttrs>,
    /// What its owner promises.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<SloAttrs>,
    /// Where its data can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<Port>>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// That a product should no longer be used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deprecation {
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When it goes away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sunset: Option<String>,
    /// What to use instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
}

/// What the data of a product looks like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractAttrs {
    /// avro, json or protobuf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The registry that holds the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// The subjects it is registered under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects: Option<Vec<String>>,
    /// What the next version of the schema may change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compatibility: Option<String>,
    /// The fields that tell one record from another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_key: Option<Vec<String>>,
    /// The fields of a record, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<ContractField>>,
}

/// One field of a record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractField {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The type: a word, or a tree where it is nested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "type")]
    pub ty: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it is always there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// Whether it tells about a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pii: Option<bool>,
    /// What it tells: email, phone, name, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pii_type: Option<String>,
    /// How it must be treated: mask-last-4, encrypt, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governance: Option<String>,
    /// What it can be, where that is a short list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<String>>,
}

/// What the owner of a product promises.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SloAttrs {
    /// How old the newest data may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Value>,
    /// How much of the time it can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Value>,
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_score: Option<Value>,
    /// 0 to 1: how much of what is required is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completeness: Option<Value>,
    /// Predicates that hold for every record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_checks: Option<Vec<String>>,
}

/// One place where the data of a product can be had.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// streaming, batch or api.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "type")]
    pub ty: Option<String>,
    /// kafka, iceberg or rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technology: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Of a Kafka port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Of an Iceberg port: `namespace.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Of an Iceberg port: where its files are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Of a REST port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Of a REST port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
    /// Of a REST port: where its OpenAPI document is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openapi: Option<String>,
    /// Which of the live systems holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
}

const SCHEMA: Schema = schema(
    &[
        required("domain", "The domain it belongs to."),
        required("name", "Its name within the domain."),
        required("version", "The major version of its contract."),
        optional("owner", "Who answers for it."),
        optional("description", "What it offers, and to whom."),
        optional("classification", "Who may see it: public, internal, confidential or restricted."),
        optional("labels", "Words to select it by."),
        optional("annotations", "Anything else worth knowing."),
        optional("deprecated", "Since when it should no longer be used, and what to use instead."),
        optional("contract", "What its data looks like."),
        optional("slo", "What its owner promises."),
        optional("ports", "Where its data can be had."),
        optional("tags", "Words to find it by."),
    ],
    50,
);

impl Entity for ProductAttrs {
    fn lacks(&self) -> Vec<&'static str> {
        let texts = [("domain", &self.domain), ("name", &self.name)];
        let blank = texts.into_iter().filter(|(_, text)| blank(text.as_deref())).map(|(key, _)| key);
        blank.chain(self.version.is_none().then_some("version")).collect()
    }

    fn is_tidy(&self) -> bool {
        let tidy = |map: &BTreeMap<String, Value>| !map.is_empty() && !map.values().any(Value::is_object);
        let slo = |slo: &SloAttrs| {
            let values = [&slo.freshness, &slo.availability, &slo.quality_score, &slo.completeness];
            *slo != SloAttrs::default() && !values.into_iter().flatten().any(Value::is_object)
        };
        self.labels.as_ref().is_none_or(tidy)
            && self.annotations.as_ref().is_none_or(tidy)
            && self.deprecated.as_ref().is_none_or(|deprecated| *deprecated != Deprecation::default())
            && self.contract.as_ref().is_none_or(|contract| *contract != ContractAttrs::default())
            && self.slo.as_ref().is_none_or(slo)
    }
}

super::entity!(CatalogProduct, ProductAttrs, "catalog_product", SCHEMA);
