//! The type `kafka_acl`: one binding of an access control list.

#[cfg(feature = "client")]
pub(crate) mod apply;
pub(crate) mod binding;
#[cfg(feature = "client")]
pub(crate) mod check;
mod diff;
#[cfg(feature = "client")]
pub(crate) mod read;
mod schema;

pub use binding::Binding;

use datamesh_provider::{
    Attributes, ChangeSpec, DecodeError, Diagnostics, Facts, Resource, Schema, SpanMap, View,
};

/// One thing that one principal may do, or may not.
#[derive(Clone, Copy, Debug)]
pub struct KafkaAcl;

impl Resource for KafkaAcl {
    type Attrs = Binding;

    const NAME: &'static str = "kafka_acl";

    fn schema() -> Schema {
        schema::SCHEMA
    }

    fn validate(binding: &Binding, at: &SpanMap) -> Diagnostics {
        schema::validate(binding, at)
    }

    fn normalize(binding: Binding) -> Binding {
        binding
    }

    fn fill(declared: Binding, _: Binding) -> Binding {
        declared
    }

    fn diff(view: View<'_, Binding>, _: &Facts, _: &SpanMap) -> (ChangeSpec, Diagnostics) {
        (diff::diff(view), Diagnostics::default())
    }

    fn managed(live: &Binding, _: &Binding) -> Binding {
        live.clone()
    }

    /// Products of several domains may let one principal use one group.
    fn shared() -> bool {
        true
    }

    fn upgrade(from: u32, raw: Attributes) -> Result<Binding, DecodeError> {
        let bad = |why: String| DecodeError { ty: Self::NAME, why };
        if from != schema::SCHEMA.version {
            return Err(bad(format!("version {from} was written by another version of the tool")));
        }
        serde_json::from_value(serde_json::Value::Object(raw)).map_err(|e| bad(e.to_string()))
    }
}
