//! The resource types of the catalog. Their attributes differ; what happens to them does not.

mod diff;
pub(crate) mod domain;
pub(crate) mod lineage;
mod normalize;
pub(crate) mod product;
mod schema;

pub(crate) const STEP_CREATE: &str = "create";
pub(crate) const STEP_UPDATE: &str = "update";
pub(crate) const STEP_DELETE: &str = "delete";

/// Implements [`datamesh_provider::Resource`] for a type by the shared functions.
macro_rules! entity {
    ($ty:ident, $attrs:ident, $name:literal, $schema:expr) => {
        impl datamesh_provider::Resource for $ty {
            type Attrs = $attrs;

            const NAME: &'static str = $name;

            fn schema() -> datamesh_provider::Schema {
                $schema
            }

            fn validate(attrs: &$attrs, at: &datamesh_provider::SpanMap) -> datamesh_provider::Diagnostics {
                super::schema::validate($name, &$schema, attrs, at)
            }

            fn normalize(attrs: $attrs) -> $attrs {
                super::normalize::normalize(attrs)
            }

            fn fill(declared: $attrs, on_create: $attrs) -> $attrs {
                super::normalize::fill(declared, &on_create)
            }

            fn diff(
                view: datamesh_provider::View<'_, $attrs>,
                _: &datamesh_provider::Facts,
                _: &datamesh_provider::SpanMap,
            ) -> (datamesh_provider::ChangeSpec, datamesh_provider::Diagnostics) {
                (super::diff::diff(view), datamesh_provider::Diagnostics::default())
            }

            fn managed(live: &$attrs, like: &$attrs) -> $attrs {
                super::normalize::managed(live, like)
            }

            fn upgrade(
                from: u32,
                raw: datamesh_provider::Attributes,
            ) -> Result<$attrs, datamesh_provider::DecodeError> {
                super::schema::upgrade($name, from, raw)
            }
        }
    };
}

pub(crate) use entity;

#[cfg(test)]
#[path = "entity_tests.rs"]
mod tests;
