//! `iceberg_namespace`: a namespace and its properties.

#[cfg(feature = "client")]
pub(crate) mod apply;
mod diff;
mod normalize;
#[cfg(feature = "client")]
pub(crate) mod read;
mod schema;

pub(crate) use diff::compare;
pub(crate) use schema::{Attrs, IcebergNamespace};

use crate::table::validate_properties;
use datamesh_provider::{
    Attributes, ChangeSpec, DecodeError, Diagnostics, Facts, Packed, Resource, Schema, SpanMap, View,
};

impl Resource for IcebergNamespace {
    type Attrs = Attrs;

    const NAME: &'static str = "iceberg_namespace";

    fn schema() -> Schema {
        schema::SCHEMA
    }

    fn validate(attrs: &Attrs, at: &SpanMap) -> Diagnostics {
        let mut out = Diagnostics::default();
        if let Some(map) = &attrs.properties {
            validate_properties(map, schema::reserved, at, &mut out);
        }
        out
    }

    fn normalize(attrs: Attrs) -> Attrs {
        attrs
    }

    fn fill(declared: Attrs, on_create: Attrs) -> Attrs {
        normalize::fill(declared, on_create)
    }

    fn diff(view: View<'_, Attrs>, _: &Facts, _: &SpanMap) -> (ChangeSpec, Diagnostics) {
        (diff::diff(view), Diagnostics::default())
    }

    fn managed(live: &Attrs, like: &Attrs) -> Attrs {
        normalize::managed(live, like)
    }

    /// A read brings all there is.
    fn reads_alike(_: &Packed, _: &Packed) -> bool {
        true
    }

    fn upgrade(from: u32, raw: Attributes) -> Result<Attrs, DecodeError> {
        crate::metadata::upgrade::<Self>(from, raw)
    }

    /// Others put their tables into it, too.
    fn uses_existing() -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
