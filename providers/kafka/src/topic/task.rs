//! One operation, decoded and ready to be sent.

use super::diff::config_edits;
use super::read::{Wanted, encode};
use super::{KafkaTopic, TopicAttrs};
use crate::sys::Edit;
use datamesh_provider::{LiveObject, ObjectId, Operation, Packed, Resource as _};

/// The steps of a topic's changes, by the names the diff gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Create,
    Partitions,
    Config,
    Delete,
}

impl Step {
    pub(crate) fn of(op: &Operation) -> Option<Self> {
        match op.step.as_str() {
            "create" => Some(Self::Create),
            "partitions" => Some(Self::Partitions),
            "config" => Some(Self::Config),
            "delete" => Some(Self::Delete),
            _ => None,
        }
    }

    /// What it does, to go before the name of a topic.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Partitions => "add partitions to",
            Self::Config => "configure",
            Self::Delete => "delete",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Task<'a> {
    pub(crate) op: &'a Operation,
    pub(crate) step: Step,
    prior: TopicAttrs,
    live: TopicAttrs,
    pub(crate) planned: TopicAttrs,
    /// `planned.partitions` and `planned.replication_factor` as the protocol has them.
    pub(crate) partitions: Option<i32>,
    pub(crate) replication_factor: Option<i32>,
}

impl<'a> Task<'a> {
    /// Decodes an operation; what cannot be sent says why.
    pub(crate) fn new(op: &'a Operation) -> Result<Self, String> {
        let step = Step::of(op).ok_or_else(|| format!("a topic has no step `{}`", op.step))?;
        let name = op.object.as_str();
        if !is_topic_name(name) {
            return Err(format!(
                "`{name}` cannot be a topic: 1 to 249 letters, digits, dots, dashes and underscores are wanted"
            ));
        }
        let planned = decode(op.planned.as_ref())?;
        let number = |what: &str, value: Option<i64>| {
            let fits = |n: i64| i32::try_from(n).map_err(|_| format!("{n} is too large a number of {what}"));
            value.map(fits).transpose()
        };
        let partitions = number("partitions", planned.partitions)?;
        if step == Step::Partitions && partitions.is_none() {
            return Err("the plan does not say how many partitions the topic shall have".into());
        }
        Ok(Self {
            op,
            step,
            prior: decode(op.prior.as_ref())?,
            live: decode(op.live.as_ref())?,
            partitions,
            replication_factor: number("replicas", planned.replication_factor)?,
            planned,
        })
    }

    pub(crate) fn name(&self) -> &'a str {
        self.op.object.as_str()
    }

    /// The partitions the topic has, as the plan saw it.
    pub(crate) fn partitions_now(&self) -> i32 {
        let partitions = self.live.partitions.or(self.prior.partitions);
        partitions.and_then(|count| i32::try_from(count).ok()).unwrap_or(1)
    }

    /// The configs to set and to unset, as the plan saw them.
    pub(crate) fn edits(&self) -> Vec<Edit<'_>> {
        config_edits(&self.prior, &self.live, &self.planned).collect()
    }

    /// What is to be read of the topic to tell how it is.
    pub(crate) fn wanted(&self) -> Wanted {
        let sides = [&self.prior, &self.planned];
        let keys = sides.into_iter().flat_map(|side| side.config.keys().cloned()).collect();
        Wanted { keys, topic_id: true }
    }

    /// Whether the topic shows what this step did.
    pub(crate) fn shows_in(&self, live: &TopicAttrs) -> bool {
        match self.step {
            Step::Create => KafkaTopic::managed(live, &self.planned) == self.planned,
            Step::Partitions => live.partitions >= self.planned.partitions,
            Step::Config => {
                let mut edits = config_edits(&self.prior, &self.live, &self.planned);
                edits.all(|(key, value)| live.config.get(key).map(String::as_str) == value)
            }
            Step::Delete => false,
        }
    }

    /// The topic as it must be now that the broker has acknowledged this step, for want of a look at it.
    pub(crate) fn acknowledged(&self) -> LiveObject {
        let mut attrs = self.live.clone();
        match self.step {
            Step::Create => attrs = self.planned.clone(),
            Step::Partitions => attrs.partitions = self.planned.partitions,
            Step::Config => {
                for (key, value) in self.edits() {
                    match value {
                        Some(value) => attrs.config.insert(key.to_owned(), value.to_owned()),
                        None => attrs.config.remove(key),
                    };
                }
            }
            Step::Delete => {}
        }
        LiveObject {
            id: ObjectId::new(self.name()),
            incarnation: self.op.incarnation.clone(),
            attributes: encode(&attrs),
            computed: Packed::default(),
            owner: None,
        }
    }
}

fn decode(attrs: Option<&Packed>) -> Result<TopicAttrs, String> {
    let attrs = attrs.map_or_else(|| Ok(TopicAttrs::default()), Packed::decode);
    attrs.map(KafkaTopic::normalize).map_err(|e| format!("the attributes do not decode: {e}"))
}

/// What a broker takes as the name of a topic.
pub(crate) fn is_topic_name(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=249).contains(&name.len()) && name.bytes().all(good) && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use super::*;
    use datamesh_provider::{OpAction, OperationId, SystemName, TypeName};
    use serde_json::{Value, json};

    fn op(name: &str, step: &str, planned: Value) -> Operation {
        Operation {
            id: OperationId(name.into()),
            address: "d/p@1:kafka_topic.kafka".parse().expect("address"),
            ty: TypeName::new("kafka_topic"),
            system: SystemName::new("kafka", "default"),
            object: ObjectId::new(name),
            action: OpAction::Update,
            step: step.into(),
            prior: Packed::encode(&json!({"config": {"a": "1", "b": "2"}})).ok(),
            live: Packed::encode(&json!({"partitions": 1, "config": {"a": "1", "b": "2", "c": "3"}})).ok(),
            planned: Packed::encode(&planned).ok(),
            incarnation: Some("id".into()),
            owner: String::new(),
        }
    }

    #[test]
    fn what_cannot_be_sent_says_why() {
        for (name, step, planned) in [
            ("a b", "create", json!({})),
            ("", "create", json!({})),
            ("..", "create", json!({})),
            ("a\0", "create", json!({})),
            ("a", "nonsense", json!({})),
            ("a", "partitions", json!({})),
            ("a", "create", json!({"partitions": 3_000_000_000_u64})),
            ("a", "create", json!({"unknown": 1})),
        ] {
            assert!(Task::new(&op(name, step, planned)).is_err(), "{name:?} {step}");
        }
        assert!(Task::new(&op(&"a".repeat(249), "delete", json!({}))).is_ok());
        assert!(Task::new(&op(&"a".repeat(250), "delete", json!({}))).is_err());
    }

    #[test]
    fn an_acknowledged_step_is_what_the_topic_must_be() {
        let op = op("t", "config", json!({"partitions": 4, "config": {"a": "9"}}));
        let config = Task::new(&op).expect("task");
        let now: TopicAttrs = config.acknowledged().attributes.decode().expect("attributes");
        assert_eq!(now.config, [("a", "9"), ("c", "3")].map(|(k, v)| (k.to_owned(), v.to_owned())).into());
        assert!(config.shows_in(&now));
        assert!(!config.shows_in(&config.live));

        let partitions = Task { step: Step::Partitions, ..config };
        assert!(!partitions.shows_in(&now), "one partition is not four");
        assert!(partitions.shows_in(&TopicAttrs { partitions: Some(4), ..now }));
    }
}
