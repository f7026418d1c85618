//! The resource type `schema_subject`.

mod diff;
mod explain;
mod mode;
mod normalize;
mod schema;
mod verdict;

#[cfg(feature = "client")]
pub(crate) mod apply;
#[cfg(feature = "client")]
pub(crate) mod check;
#[cfg(feature = "client")]
pub(crate) mod read;

use datamesh_provider::{
    Attributes, ChangeSpec, DecodeError, Diagnostics, Facts, Resource, Schema, SpanMap, View,
};
#[cfg(feature = "client")]
pub(crate) use mode::WRITABLE;
use serde::{Deserialize, Serialize};

/// Registers a text as a new version, or sets up a new subject with it.
pub(crate) const STEP_SCHEMA: &str = "schema";
/// Sets the subject's compatibility level; before a delete, takes it away.
pub(crate) const STEP_LEVEL: &str = "level";
/// Sets the subject's mode; before a delete, takes it away.
pub(crate) const STEP_MODE: &str = "mode";
/// Deletes the subject softly: its versions stay readable by id.
pub(crate) const STEP_DELETE: &str = "delete";

/// Deletes for good what was deleted softly.
pub(crate) const STEP_PURGE: &str = "purge";

/// The capability in [`Facts`] that holds the registry's default level.
pub(crate) const DEFAULT_LEVEL: &str = "default_compatibility";
/// The capability in [`Facts`] that holds the registry's own mode, or [`NO_MODES`].
pub(crate) const DEFAULT_MODE: &str = "default_mode";
/// This registry takes every change, and cannot be told otherwise.
pub(crate) const NO_MODES: &str = "none";

/// A subject: a named line of versions of one schema.
#[derive(Clone, Copy, Debug)]
pub struct SchemaSubject;

/// What can be declared of a subject. Absent: not managed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectAttrs {
    /// The text of the latest version, registered as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// `AVRO` (where a schema is given without a type), `JSON` or `PROTOBUF`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_type: Option<String>,
    /// Schemas of other subjects that this one uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// The subject's own compatibility level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compatibility: Option<String>,
    /// The subject's own mode: which changes the registry takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Whether a deletion is for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge: Option<bool>,
    /// Only live: its versions are deleted softly, and nothing else is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<bool>,
}

/// A schema of another subject, under the name that this one uses for it. Which version is meant is decided when this
/// one is registered: the latest of then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// In Avro the full name of a type, in Protobuf the path of an import, in JSON Schema what `$ref` says.
    pub name: String,
    pub subject: String,
}

impl SubjectAttrs {
    /// The language of the schema: AVRO unless said otherwise, as in the API.
    pub(crate) fn language(&self) -> &str {
        self.schema_type.as_deref().unwrap_or("AVRO")
    }

    /// Whether both hold the same schema, however it is written.
    pub(crate) fn same_schema(&self, other: &Self) -> bool {
        match (&self.schema, &other.schema) {
            (Some(a), Some(b)) => {
                self.language() == other.language()
                    && self.references == other.references
                    && crate::equality::same_schema(self.language(), a, b)
            }
            (a, b) => a.is_none() && b.is_none(),
        }
    }
}

impl Resource for SchemaSubject {
    type Attrs = SubjectAttrs;

    const NAME: &'static str = "schema_subject";

    fn schema() -> Schema {
        schema::SCHEMA
    }

    fn validate(attrs: &SubjectAttrs, at: &SpanMap) -> Diagnostics {
        schema::validate(attrs, at)
    }

    fn normalize(attrs: SubjectAttrs) -> SubjectAttrs {
        normalize::normalize(attrs)
    }

    fn fill(declared: SubjectAttrs, on_create: SubjectAttrs) -> SubjectAttrs {
        // The type goes with the text: a default type must not change the language of a declared schema.
        let (schema, schema_type, references) = match declared.schema {
            Some(schema) => (Some(schema), declared.schema_type, declared.references),
            None => (on_create.schema, declared.schema_type.or(on_create.schema_type), on_create.references),
        };
        SubjectAttrs {
            schema,
            schema_type,
            references,
            compatibility: declared.compatibility.or(on_create.compatibility),
            mode: declared.mode.or(on_create.mode),
            purge: declared.purge.or(on_create.purge),
            deleted: None,
        }
    }

    fn diff(view: View<'_, SubjectAttrs>, facts: &Facts, at: &SpanMap) -> (ChangeSpec, Diagnostics) {
        diff::diff(view, facts, at)
    }

    fn managed(live: &SubjectAttrs, like: &SubjectAttrs) -> SubjectAttrs {
        normalize::managed(live, like)
    }

    fn upgrade(from: u32, raw: Attributes) -> Result<SubjectAttrs, DecodeError> {
        let bad = |why: String| DecodeError { ty: Self::NAME, why };
        match from {
            1 => serde_json::from_value(raw.into()).map_err(|error| bad(error.to_string())),
            other => Err(bad(format!("version {other} of their shape is not known to this program"))),
        }
    }
}
