//! The attributes of a table.

use crate::location::normalize;
use crate::transform::Transform;
use crate::types::Field;
use datamesh_provider::{AttributeSchema, Packed, Schema};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug)]
pub(crate) struct IcebergTable;

/// The step of an update that does nothing but take away, or call otherwise, what writers write.
pub(super) const NARROW: &str = "narrow";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attrs {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fields: Option<Vec<Field>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) format_version: Option<u8>,
    /// Names of the primary key's columns; a set, kept sorted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) identifier_fields: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) partition_by: Option<Vec<PartitionField>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) properties: Option<BTreeMap<String, String>>,
    /// Whether the files go with the table: about a deletion to come, so that no catalog knows of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) purge: Option<bool>,
    /// Live alone: ids of the columns that any partition spec or sort order of the table's history goes by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) referenced: Option<BTreeSet<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sort_by: Option<Vec<SortField>>,
}

/// The location in its canonical spelling, where it is managed: what is recorded has that, what is declared may not.
pub(super) fn location(attrs: &Packed) -> Option<String> {
    #[derive(Deserialize)]
    struct Located {
        location: Option<String>,
    }
    attrs.decode::<Located>().ok()?.location.map(|location| normalize(&location))
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartitionField {
    pub(crate) name: String,
    /// A column's name; dotted for a field of a struct.
    pub(crate) source: String,
    pub(crate) transform: Transform,
}

impl PartitionField {
    /// Whether it is the column itself: only then may it be called like one.
    pub(super) fn is_its_column(&self) -> bool {
        self.transform == Transform::Identity && self.name == self.source
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    #[default]
    Asc,
    Desc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NullOrder {
    NullsFirst,
    NullsLast,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SortField {
    pub(crate) source: String,
    #[serde(default = "identity")]
    pub(crate) transform: Transform,
    #[serde(default)]
    pub(crate) direction: Direction,
    /// Filled in by normalisation: nulls come first when ascending, last when descending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) null_order: Option<NullOrder>,
}

fn identity() -> Transform {
    Transform::Identity
}

const fn attribute(name: &'static str, doc: &'static str) -> AttributeSchema {
    AttributeSchema { name, required: false, computed: false, immutable: false, doc }
}

pub(crate) const SCHEMA: Schema = Schema {
    version: 1,
    attributes: &[
        AttributeSchema {
            required: true,
            ..attribute(
                "fields",
                "Columns, in order: name, type, required, doc. `renamed_from` tells a rename from a new column.",
            )
        },
        attribute("identifier_fields", "Names of the columns of the primary key."),
        attribute("partition_by", "Partition fields: source column, transform, name; of new files."),
        attribute(
            "sort_by",
            "Sort fields: source column, transform, direction, order of nulls; of new files.",
        ),
        attribute("properties", "Table properties; only declared ones are managed."),
        AttributeSchema {
            immutable: true,
            ..attribute("location", "Where the files lie; the catalog chooses when absent.")
        },
        attribute("format_version", "Version of the table format; 2 unless declared. It only goes up."),
        attribute("purge", "Whether the catalog is asked to delete the files with the table."),
        AttributeSchema { computed: true, ..attribute("uuid", "The table's own identity.") },
    ],
    data_bearing: true,
    rank: 20,
    // After the subject, before access and the catalog.
    step_ranks: &[(NARROW, 35)],
    batch: 50,
    late: &[],
};
