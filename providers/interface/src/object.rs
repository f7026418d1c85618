//! Desired and live objects, as providers and core exchange them.

use crate::address::{Address, SystemName};
use crate::packed::Packed;
use crate::span::SpanMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The attributes of an object as plain JSON. A provider decodes them into a struct of its own.
pub type Attributes = Map<String, Value>;

/// The physical name of an object in its system: a topic, a subject, `namespace.table`, a qualified name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ObjectId(pub String);

impl ObjectId {
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a manifest declares: one desired object.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    pub address: Address,
    pub system: SystemName,
    pub id: ObjectId,
    /// Only what somebody declared. What is absent here is not managed and never drift.
    pub attributes: Packed,
    /// Defaults of the environment and the tool: they fill a create, and are never compared.
    pub on_create: Packed,
    pub spans: SpanMap,
}

/// What a system answered about one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LiveObject {
    pub id: ObjectId,
    /// What tells this object from a later one of the same name: topic id, table uuid. `None` where the system
    /// has no such thing, or where it is read only when it matters.
    pub incarnation: Option<String>,
    pub attributes: Packed,
    /// Facts the system assigns (schema id, version, location): shown and recorded, never compared.
    #[serde(default, skip_serializing_if = "Packed::is_empty")]
    pub computed: Packed,
    /// The `datamesh.owner` the object itself carries, where its system can hold one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// The lineage in a `datamesh.owner` mark: `<lineage>/<address>`.
pub fn lineage_of(mark: &str) -> &str {
    mark.split_once('/').map_or(mark, |(lineage, _)| lineage)
}

/// An object that exists, and what its system's list says of it besides its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub id: ObjectId,
    pub details: Attributes,
}

impl From<ObjectId> for Listed {
    fn from(id: ObjectId) -> Self {
        Self { id, details: Attributes::new() }
    }
}
