//! The type `kafka_topic`.

#[cfg(feature = "client")]
pub(crate) mod apply;
#[cfg(feature = "client")]
pub(crate) mod check;
mod diff;
mod keys;
mod normalize;
#[cfg(feature = "client")]
pub(crate) mod read;
mod schema;
#[cfg(feature = "client")]
mod settle;
#[cfg(feature = "client")]
mod task;
#[cfg(test)]
mod tests;
#[cfg(feature = "client")]
pub(crate) mod usage;

pub use schema::TopicAttrs;

use datamesh_provider::{
    Attributes, ChangeSpec, DecodeError, Diagnostics, Facts, Packed, Resource, Schema, SpanMap, View,
};

/// A Kafka topic: partitions, replication factor, and the configs somebody declared.
#[derive(Clone, Copy, Debug)]
pub struct KafkaTopic;

impl Resource for KafkaTopic {
    type Attrs = TopicAttrs;

    const NAME: &'static str = "kafka_topic";

    fn schema() -> Schema {
        schema::SCHEMA
    }

    fn validate(attrs: &TopicAttrs, at: &SpanMap) -> Diagnostics {
        schema::validate(attrs, at)
    }

    fn normalize(attrs: TopicAttrs) -> TopicAttrs {
        normalize::normalize(attrs)
    }

    fn fill(declared: TopicAttrs, on_create: TopicAttrs) -> TopicAttrs {
        normalize::fill(declared, on_create)
    }

    fn diff(view: View<'_, TopicAttrs>, _: &Facts, at: &SpanMap) -> (ChangeSpec, Diagnostics) {
        diff::diff(view, at)
    }

    fn managed(live: &TopicAttrs, like: &TopicAttrs) -> TopicAttrs {
        normalize::managed(live, like)
    }

    /// Of the configs those are read that are managed; anything else always is.
    fn reads_alike(before: &Packed, now: &Packed) -> bool {
        let read = schema::configs(before);
        schema::configs(now).is_subset(&read)
    }

    fn upgrade(from: u32, raw: Attributes) -> Result<TopicAttrs, DecodeError> {
        let bad = |why: String| DecodeError { ty: Self::NAME, why };
        if from != schema::SCHEMA.version {
            return Err(bad(format!("version {from} was written by another version of the tool")));
        }
        serde_json::from_value(serde_json::Value::Object(raw)).map_err(|e| bad(e.to_string()))
    }
}
