//! The attributes of a namespace.

use datamesh_provider::{AttributeSchema, Schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
pub(crate) struct IcebergNamespace;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attrs {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) properties: Option<BTreeMap<String, String>>,
}

/// `exists` is how SQL catalogs mark a namespace that has no properties.
pub(crate) fn reserved(key: &str) -> bool {
    key == "exists"
}

pub(super) const SCHEMA: Schema = Schema {
    version: 1,
    attributes: &[AttributeSchema {
        name: "properties",
        required: false,
        computed: false,
        immutable: false,
        doc: "Namespace properties; only declared ones are managed.",
    }],
    data_bearing: false,
    rank: 10,
    step_ranks: &[],
    batch: 50,
    late: &[],
};
