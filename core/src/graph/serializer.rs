//! What clients have to be told about a subject they would not look for by themselves.

use crate::graph::recorded::full_name;
use serde_json::Value;

/// Which half of a topic's records a subject is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    Key,
    Value,
}

impl Half {
    /// As in the names of subjects and of settings.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
        }
    }
}

/// The package of the strategies that come with Confluent's serializers.
const STRATEGIES: &str = "io.confluent.kafka.serializers.subject";

/// The setting with which the clients of a topic find a subject; `None` where they find it without one, by
/// `TopicNameStrategy`. `schema` tells the name of the record that the other strategies go by.
pub(crate) fn setting(topic: &str, subject: &str, half: Half, schema: &str) -> Option<String> {
    let half = half.word();
    let looked_for = format!("{topic}-{half}");
    if subject == looked_for {
        return None;
    }
    let record = record(schema);
    let strategy = match &record {
        Some(record) if subject == record => Some("RecordNameStrategy"),
        Some(record) if subject == format!("{topic}-{record}") => Some("TopicRecordNameStrategy"),
        _ => None,
    };
    Some(match strategy {
        Some(strategy) => format!(
            "serializers for `{topic}` look for `{looked_for}`: clients need `{half}.subject.name.strategy={STRATEGIES}.{strategy}`"
        ),
        None => format!(
            "serializers for `{topic}` look for `{looked_for}`: producers need a `{half}.subject.name.strategy` that answers \
             `{subject}`, `auto.register.schemas=false` and `use.latest.version=true`; consumers need nothing"
        ),
    })
}

/// The full name of an Avro record.
fn record(schema: &str) -> Option<String> {
    let schema: Value = serde_json::from_str(schema).ok()?;
    full_name(&schema).filter(|_| schema.get("type").is_some_and(|ty| ty == "record"))
}

#[cfg(test)]
mod tests {
    use super::{Half, setting};

    const SCHEMA: &str = r#"{"type": "record", "namespace": "shop", "name": "Orders", "fields": []}"#;

    #[track_caller]
    fn says(subject: &str, words: &str) {
        let said = setting("orders.v1", subject, Half::Value, SCHEMA).expect("a setting");
        assert!(said.contains("look for `orders.v1-value`") && said.contains(words), "{said}");
    }

    #[test]
    fn only_a_subject_that_clients_do_not_find_needs_a_setting() {
        assert_eq!(setting("orders.v1", "orders.v1-value", Half::Value, SCHEMA), None);
        assert_eq!(setting("orders.v1", "orders.v1-key", Half::Key, SCHEMA), None);
        says(
            "shop.Orders",
            "`value.subject.name.strategy=io.confluent.kafka.serializers.subject.RecordNameStrategy`",
        );
        says("orders.v1-shop.Orders", "subject.TopicRecordNameStrategy`");
        says("orders", "that answers `orders`");
        // Another record's name is a name like any other.
        says("shop.Other", "that answers `shop.Other`");
        says("orders.v1.shop.Orders", "that answers `orders.v1.shop.Orders`");
    }

    #[test]
    fn a_name_with_dots_has_no_other_namespace() {
        let dotted = r#"{"type": "record", "namespace": "ignored", "name": "shop.Orders", "fields": []}"#;
        let said = setting("t", "shop.Orders", Half::Value, dotted).expect("a setting");
        assert!(said.contains(".RecordNameStrategy"), "{said}");
        let said = setting("t", "shop.Orders", Half::Key, r#"syntax = "proto3";"#).expect("a setting");
        assert!(said.contains("`key.subject.name.strategy` that answers"), "{said}");
    }
}
