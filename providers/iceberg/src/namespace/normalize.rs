//! Creation defaults, and the managed part of a live namespace.

use super::schema::Attrs;
use crate::table::{managed_properties, merge_properties};

pub(super) fn fill(declared: Attrs, on_create: Attrs) -> Attrs {
    Attrs { properties: merge_properties(declared.properties, on_create.properties) }
}

pub(super) fn managed(live: &Attrs, like: &Attrs) -> Attrs {
    Attrs { properties: managed_properties(live.properties.as_ref(), like.properties.as_ref()) }
}
