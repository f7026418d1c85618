use super::super::escape::{HOSTILE, is_clean};
use super::super::samples;
use super::*;
use snapbox::{assert_data_eq, str};

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn one_of_everything() {
    assert_data_eq!(
        plain(&plan(&samples::full(), Options::default())),
        str![[r#"
Changed outside
Live systems differ from what was last applied.

orders/lines@1
    ~ kafka_topic.kafka  orders.lines.v1
      ~ config.retention.ms: "604800000" (7d) -> "3600000" (1h)

    - schema_subject.kafka  orders.lines.v1-value was deleted

Planned

orders/facts@3
    + kafka_topic.kafka  orders.facts.v3 in kafka.default
      create: declared, and not there yet
      + partitions            = 3
      + config.cleanup.policy = "compact"
      + config.retention.ms   = "604800000" (7d)
      + topic_id              = (known after apply)

    + schema_subject.contract  facts in registry.default
      create: declared, and not there yet
      + schema = record orders.Facts
          + field id         string
          + field placed_at  timestamp-micros?
      + schema_type   = "AVRO"
      + compatibility = "BACKWARD"

orders/lines@1
    ~ iceberg_table.iceberg  orders.lines in iceberg.default
      update: the manifest changed
      + field total  decimal(38,9)
      ~ properties.owner: "a@example.com" -> "b@example.com"
      note: 2 columns not ours

!   ~ kafka_topic.kafka  orders.lines.v1 in kafka.default
      update: the manifest changed
!     ~ config.retention.ms: "604800000" (7d) -> "86400000" (1d)
!         retention shrinks: records older than 1d are discarded
      (4 attributes unchanged)

orders/old@1
!   - kafka_topic.kafka  orders.old.v1 in kafka.default
      delete: a Removed document says to destroy it
!     its data is lost

payments/events@1
    . schema_subject.kafka  payments1-value in registry.default
      forget: gone already: only forgotten

payments/events@2
    > schema_subject.kafka  payments-value in registry.default
      adopt: exists already, equal to what is declared: taken over

Held
Nothing happens to these until somebody decides.

    = payments/refunds@1:kafka_topic.kafka  payments.refunds.v1
      no manifest declares it any more (it was in domains/payments/refunds.yaml); absence alone never
      deletes data
      To decide: a Removed document with `address: payments/refunds@1:kafka_topic.kafka` and `destroy:
      true` (delete) or `false` (forget).

Held back
Nothing is planned for these because of the errors above; the rest is.

    x shipping/parcels@1
      its manifest has an error

Moved in the state only: orders/before@1:kafka_topic.kafka -> orders/renamed@1:kafka_topic.kafka

Plan: 2 to create, 2 to update, 0 to replace, 1 to delete, 1 to adopt, 1 to forget. 1 held, 2 lose data.

"#]]
    );
}

#[test]
fn concise_is_one_block_a_resource() {
    assert_data_eq!(
        plain(&plan(&samples::full(), Options { concise: true })),
        str![[r#"
Changed outside
Live systems differ from what was last applied.

orders/lines@1
    ~ kafka_topic.kafka  orders.lines.v1
      ~ config.retention.ms: "604800000" (7d) -> "3600000" (1h)

    - schema_subject.kafka  orders.lines.v1-value was deleted

Planned

orders/facts@3
    + kafka_topic.kafka  orders.facts.v3 in kafka.default
      create: declared, and not there yet
    + schema_subject.contract  facts in registry.default
      create: declared, and not there yet

orders/lines@1
    ~ iceberg_table.iceberg  orders.lines in iceberg.default
      update: the manifest changed
!   ~ kafka_topic.kafka  orders.lines.v1 in kafka.default
      update: the manifest changed

orders/old@1
!   - kafka_topic.kafka  orders.old.v1 in kafka.default
      delete: a Removed document says to destroy it
!     its data is lost

payments/events@1
    . schema_subject.kafka  payments1-value in registry.default
      forget: gone already: only forgotten

payments/events@2
    > schema_subject.kafka  payments-value in registry.default
      adopt: exists already, equal to what is declared: taken over

Held
Nothing happens to these until somebody decides.

    = payments/refunds@1:kafka_topic.kafka  payments.refunds.v1
      no manifest declares it any more (it was in domains/payments/refunds.yaml); absence alone never
      deletes data
      To decide: a Removed document with `address: payments/refunds@1:kafka_topic.kafka` and `destroy:
      true` (delete) or `false` (forget).

Held back
Nothing is planned for these because of the errors above; the rest is.

    x shipping/parcels@1
      its manifest has an error

Moved in the state only: orders/before@1:kafka_topic.kafka -> orders/renamed@1:kafka_topic.kafka

Plan: 2 to create, 2 to update, 0 to replace, 1 to delete, 1 to adopt, 1 to forget. 1 held, 2 lose data.

"#]]
    );
}

#[test]
fn the_last_line_is_exact() {
    let sum = Summary { create: 3, update: 1, adopt: 2, held: 1, loses_data: 1, ..Summary::default() };
    assert_eq!(
        summary(&sum),
        "Plan: 3 to create, 1 to update, 0 to replace, 0 to delete, 2 to adopt, 0 to forget. 1 held, 1 loses data."
    );
    let sum = Summary { unchanged: 41, held: 1, ..Summary::default() };
    assert_eq!(summary(&sum), "No changes. 41 resources match, 1 held.");
    let sum = Summary { unchanged: 1, ..Summary::default() };
    assert_eq!(summary(&sum), "No changes. 1 resource matches.");
    let sum = Summary { forget: 1, loses_data: 2, ..Summary::default() };
    assert!(summary(&sum).ends_with("1 to forget. 2 lose data."));
}

#[test]
fn nothing_hostile_reaches_the_terminal() {
    for text in HOSTILE {
        let shown = plan(&samples::hostile(text), Options::default());
        assert!(is_clean(&shown), "{text:?}: {shown:?}");
        let lines: Vec<String> = plain(&shown).lines().map(str::to_owned).collect();
        assert!(!lines.iter().any(|line| line.starts_with("error[DM9999]")), "{text:?}");
        assert_eq!(lines.iter().filter(|line| line.starts_with("Plan: ")).count(), 1, "{text:?}");
    }
}

#[test]
fn colours_are_there_to_be_taken_away() {
    let shown = plan(&samples::full(), Options::default());
    assert!(shown.contains("\u{1b}[32m") && shown.contains("\u{1b}[33m") && shown.contains("\u{1b}[31m"));
}
