//! `iceberg_table`: columns, primary key, partitioning, sort order, properties, location.

#[cfg(feature = "client")]
pub(crate) mod apply;
mod columns;
mod diff;
mod edit;
mod matching;
mod normalize;
#[cfg(feature = "client")]
pub(crate) mod read;
mod recall;
mod schema;
#[cfg(feature = "client")]
mod tries;
mod validate;

pub(crate) use diff::{Comparison, PropertyEdits, compare, not_ours};
pub(crate) use edit::ColumnEdit;
pub(crate) use normalize::{managed_properties, merge as merge_properties};
pub(crate) use schema::{Attrs, Direction, IcebergTable, NullOrder, PartitionField, SortField};
pub(crate) use validate::properties as validate_properties;

use datamesh_provider::{
    Attributes, ChangeSpec, DecodeError, Diagnostics, Facts, Packed, Resource, Schema, SpanMap, View,
};

impl Resource for IcebergTable {
    type Attrs = Attrs;

    const NAME: &'static str = "iceberg_table";

    fn schema() -> Schema {
        schema::SCHEMA
    }

    fn validate(attrs: &Attrs, at: &SpanMap) -> Diagnostics {
        validate::validate(attrs, at)
    }

    fn normalize(attrs: Attrs) -> Attrs {
        normalize::normalize(attrs)
    }

    fn fill(declared: Attrs, on_create: Attrs) -> Attrs {
        normalize::fill(declared, on_create)
    }

    fn diff(view: View<'_, Attrs>, facts: &Facts, at: &SpanMap) -> (ChangeSpec, Diagnostics) {
        diff::diff(view, facts, at)
    }

    fn managed(live: &Attrs, like: &Attrs) -> Attrs {
        normalize::managed(live, like)
    }

    fn recall(prior: Attrs, computed: &Packed) -> Option<Attrs> {
        recall::recall(prior, computed)
    }

    /// A read brings all there is; how its location is spelled is the manifest's.
    fn reads_alike(before: &Packed, now: &Packed) -> bool {
        schema::location(before) == schema::location(now)
    }

    fn upgrade(from: u32, raw: Attributes) -> Result<Attrs, DecodeError> {
        crate::metadata::upgrade::<Self>(from, raw)
    }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
