//! What every entity must have, and attributes that an older version recorded.

use super::normalize::Entity;
use crate::codes::BAD_ENTITY;
use datamesh_provider::{AttributeSchema, Attributes, DecodeError, Diagnostic, Diagnostics, Schema, SpanMap};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The version of the attributes' shape; the same for every type of this crate.
pub(super) const VERSION: u32 = 1;
/// Entities are small files: a whole group of operations fits into one batch.
const BATCH: usize = 250;

pub(super) const fn required(name: &'static str, doc: &'static str) -> AttributeSchema {
    AttributeSchema { name, required: true, computed: false, immutable: false, doc }
}

pub(super) const fn optional(name: &'static str, doc: &'static str) -> AttributeSchema {
    AttributeSchema { name, required: false, computed: false, immutable: false, doc }
}

/// Entities are made again from manifests at any time, so none bears data.
pub(super) const fn schema(attributes: &'static [AttributeSchema], rank: u32) -> Schema {
    Schema {
        version: VERSION,
        attributes,
        data_bearing: false,
        rank,
        step_ranks: &[],
        batch: BATCH,
        late: &[],
    }
}

pub(super) fn validate<A: Entity>(ty: &str, schema: &Schema, attrs: &A, at: &SpanMap) -> Diagnostics {
    let lacks = attrs.lacks();
    let missing = schema.attributes.iter().filter(|attribute| lacks.contains(&attribute.name));
    let told = |attribute: &AttributeSchema| {
        let detail = format!("A {ty} needs `{}`: {}", attribute.name, attribute.doc);
        Diagnostic::error(BAD_ENTITY, detail)
            .at(at.at(&[attribute.name]), "missing")
            .help(format!("Declare `{}`; it may not be empty.", attribute.name))
    };
    missing.map(told).collect()
}

/// Whether a required text says nothing.
pub(super) fn blank(text: Option<&str>) -> bool {
    text.is_none_or(|text| text.trim().is_empty())
}

pub(super) fn upgrade<A: DeserializeOwned>(
    ty: &'static str,
    from: u32,
    raw: Attributes,
) -> Result<A, DecodeError> {
    let bad = |why: String| DecodeError { ty, why };
    match from {
        VERSION => serde_json::from_value(Value::Object(raw)).map_err(|error| bad(error.to_string())),
        other => Err(bad(format!("version {other} of their shape is not known to this program"))),
    }
}
