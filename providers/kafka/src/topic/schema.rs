//! What a topic is made of, and what can be told about a declaration without a broker.

use super::keys;
use crate::codes;
use crate::suggest::did_you_mean;
use datamesh_provider::{AttributeSchema, Diagnostic, Diagnostics, Packed, Schema, SpanMap};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The attributes of a topic. Absent means "not managed".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicAttrs {
    /// How many partitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i64>,
    /// How many replicas each partition has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i64>,
    /// Configs set on the topic itself. A live topic shows only those, never what it takes from its broker.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
    /// Live only: what would hold for a managed key if the topic did not set it. Never compared and never
    /// recorded; it tells whether a change shortens the life of records.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inherited: BTreeMap<String, String>,
}

/// The names of the configs that are managed.
pub(super) fn configs(attrs: &Packed) -> BTreeSet<String> {
    #[derive(Deserialize)]
    struct Configs {
        #[serde(default)]
        config: BTreeMap<String, IgnoredAny>,
    }
    attrs.decode::<Configs>().map(|managed| managed.config.into_keys().collect()).unwrap_or_default()
}

/// Beyond these the client library refuses a request.
const MOST_PARTITIONS: i64 = 100_000;
const MOST_REPLICAS: i64 = 10_000;

pub(super) const SCHEMA: Schema = Schema {
    version: 1,
    attributes: &[
        AttributeSchema {
            name: "partitions",
            required: false,
            computed: false,
            immutable: false,
            doc: "How many partitions the topic has. It can grow, and never shrink.",
        },
        AttributeSchema {
            name: "replication_factor",
            required: false,
            computed: false,
            immutable: true,
            doc: "How many brokers hold each partition.",
        },
        AttributeSchema {
            name: "config",
            required: false,
            computed: false,
            immutable: false,
            doc: "Topic configs by name. Keys that nobody declares are left as they are.",
        },
    ],
    data_bearing: true,
    rank: 20,
    step_ranks: &[],
    batch: 1000,
    late: &[],
};

pub(super) fn validate(attrs: &TopicAttrs, at: &SpanMap) -> Diagnostics {
    let mut found = Diagnostics::default();
    let numbers = [
        ("partitions", attrs.partitions, MOST_PARTITIONS),
        ("replication_factor", attrs.replication_factor, MOST_REPLICAS),
    ];
    for (name, value, most) in numbers {
        if let Some(value) = value.filter(|value| !(1..=most).contains(value)) {
            let detail = format!("`{name}` is {value}; a topic can have 1 to {most}.");
            let help = format!("give a number from 1 to {most}, or leave `{name}` out to take the default");
            found.push(Diagnostic::error(codes::BAD_TOPIC, detail).at(at.at(&[name]), "here").help(help));
        }
    }
    for (key, value) in &attrs.config {
        found.extend(validate_config(key, value, at));
    }
    found
}

fn validate_config(key: &str, value: &str, at: &SpanMap) -> Option<Diagnostic> {
    let place = at.at(&["config", key]);
    match keys::kind(key) {
        Some(kind) if kind.canonical(value).is_none() => {
            let detail = format!("`{key}` is `{value}`; it wants {}.", kind.wants());
            let help = format!("write {}", kind.wants());
            Some(Diagnostic::error(codes::BAD_TOPIC, detail).at(place, "not a value of this key").help(help))
        }
        Some(_) => None,
        None => {
            let near = did_you_mean(key, keys::names())?;
            let detail = format!(
                "`{key}` is no topic config of Apache Kafka; a broker refuses what it does not know, unless its vendor added it."
            );
            let warning = Diagnostic::warning(codes::UNKNOWN_CONFIG, detail);
            Some(warning.at(place, "unknown key").help(format!("did you mean `{near}`?")))
        }
    }
}
