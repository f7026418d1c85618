//! The pure half, with plain values.

use super::*;
use datamesh_provider::{Class, FileId, Packed, Planned, ResourceType as _, Span, erase};
use proptest::prelude::*;
use serde_json::{Value, json};

fn topic(value: Value) -> TopicAttrs {
    KafkaTopic::normalize(serde_json::from_value(value).expect("attributes"))
}

fn verdict(view: View<'_, TopicAttrs>) -> (ChangeSpec, Diagnostics) {
    KafkaTopic::diff(view, &Facts::default(), &SpanMap::default())
}

fn update(prior: Value, live: Value, desired: Value) -> (ChangeSpec, Diagnostics) {
    let (prior, live, desired) = (topic(prior), topic(live), topic(desired));
    verdict(View::Update { prior: &prior, live: &live, desired: &desired })
}

fn config(pairs: &[(&str, &str)]) -> Value {
    let map: serde_json::Map<String, Value> =
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
    json!({ "config": map })
}

/// Path, before, after and class of each change, in short.
fn shown(spec: &ChangeSpec) -> Vec<(String, Value, Planned, Class)> {
    let one = |c: &datamesh_provider::AttributeChange| {
        (c.path.join("/"), c.before.clone().unwrap_or_default(), c.after.clone(), c.class)
    };
    spec.changes.iter().map(one).collect()
}

#[test]
fn a_create_writes_what_is_declared_over_the_defaults() {
    let declared = json!({"partitions": 6, "config": {"retention.ms": "7d"}});
    let defaults =
        json!({"partitions": 3, "replication_factor": 1, "config": {"retention.ms": "1d", "flush.ms": "1s"}});
    let ty = erase::<KafkaTopic>();
    let object = |v: &Value| Packed::encode(v).expect("map");
    let filled = ty.fill(&object(&declared), &object(&defaults)).expect("fill");
    let want = json!({"partitions": 6, "replication_factor": 1, "config": {"flush.ms": "1000", "retention.ms": "604800000"}});
    assert_eq!(filled, object(&want));

    let (spec, found) =
        ty.diff(View::Create { desired: &filled }, &Facts::default(), &SpanMap::default()).expect("diff");
    assert_eq!((spec.steps.as_slice(), found.len()), (&["create".to_owned()][..], 0));
    assert_eq!(spec.changes.len(), 4);
    let gone = View::Gone { prior: &filled, desired: Some(&filled) };
    assert_eq!(ty.diff(gone, &Facts::default(), &SpanMap::default()).expect("diff").0, spec);
}

#[test]
fn spelling_is_no_difference() {
    let live = config(&[("retention.ms", "604800000"), ("cleanup.policy", "delete,compact")]);
    let desired = config(&[("retention.ms", "7d"), ("cleanup.policy", "compact, delete")]);
    let (spec, found) = update(desired.clone(), live, desired);
    assert!(spec.is_no_op() && found.is_empty(), "{spec:?}");
}

#[test]
fn a_key_nobody_declared_is_never_in_the_plan() {
    let live = config(&[("retention.ms", "1000"), ("segment.bytes", "14")]);
    let desired = config(&[("retention.ms", "1000")]);
    assert!(update(desired.clone(), live.clone(), desired.clone()).0.is_no_op());
    let (live, desired) = (topic(live), topic(desired));
    assert!(verdict(View::Adopt { live: &live, desired: &desired }).0.is_no_op());
    assert_eq!(KafkaTopic::managed(&live, &desired), desired);
}

#[test]
fn a_key_of_ours_that_is_declared_no_more_is_unset() {
    let ours = config(&[("flush.ms", "5"), ("segment.ms", "7")]);
    let (spec, _) = update(ours.clone(), ours, config(&[("segment.ms", "7")]));
    assert_eq!(shown(&spec), [("config/flush.ms".into(), json!("5"), Planned::Unset, Class::Safe)]);
    assert_eq!(spec.steps, ["config"]);
}

#[test]
fn a_key_that_only_the_cluster_sets_is_pinned() {
    let live = json!({"config": {}, "inherited": {"min.insync.replicas": "1"}});
    let desired = config(&[("min.insync.replicas", "1")]);
    let (spec, _) = update(desired.clone(), live, desired);
    let want = Planned::Value(json!("1"));
    assert_eq!(shown(&spec), [("config/min.insync.replicas".into(), Value::Null, want, Class::Safe)]);
    assert!(spec.changes[0].reason.as_deref().is_some_and(|r| r.contains("pins")), "{spec:?}");
}

#[test]
fn partitions_grow_before_configs_change() {
    let (spec, found) = update(
        json!({"partitions": 3}),
        json!({"partitions": 3, "replication_factor": 1}),
        json!({"partitions": 6, "config": {"flush.ms": "1"}}),
    );
    assert!(found.is_empty());
    assert_eq!(spec.steps, ["partitions", "config"]);
    assert!(spec.notes[0].contains("order by key"), "{:?}", spec.notes);
}

#[test]
fn shrinking_and_another_replication_factor_are_forbidden_at_their_place() {
    let span = |start| Some(Span { file: FileId(0), start, end: start + 1 });
    let mut at = SpanMap::of_object(span(0));
    at.insert(&["partitions"], span(10));
    at.insert(&["replication_factor"], span(20));
    let live = topic(json!({"partitions": 6, "replication_factor": 1}));
    let desired = topic(json!({"partitions": 3, "replication_factor": 3}));
    let view = View::Update { prior: &live, live: &live, desired: &desired };
    let (spec, found) = KafkaTopic::diff(view, &Facts::default(), &at);
    assert!(spec.is_no_op());
    let places: Vec<_> = found.errors().map(|d| (d.code.id, d.labels[0].span.start)).collect();
    assert_eq!(places, [("DM0516", 10), ("DM0517", 20)]);
    assert!(found.iter().all(|d| d.help.is_some()));
    let help = found.iter().nth(1).and_then(|d| d.help.as_deref()).expect("help");
    assert!(help.contains("kafka-reassign-partitions.sh"), "{help}");
}

#[test]
fn what_makes_brokers_discard_records_is_data_loss() {
    let class = |live: Value, desired: Value| update(desired.clone(), live, desired).0.class();
    let cases = [
        ("retention.ms", "7d", "1d", Class::DataLoss),
        ("retention.ms", "forever", "1000y", Class::DataLoss),
        ("retention.ms", "1d", "7d", Class::Safe),
        ("retention.ms", "1d", "forever", Class::Safe),
        ("retention.bytes", "1GiB", "1MiB", Class::DataLoss),
        ("retention.bytes", "-1", "1MiB", Class::DataLoss),
        ("retention.bytes", "1MiB", "-1", Class::Safe),
        ("cleanup.policy", "compact", "delete", Class::DataLoss),
        ("cleanup.policy", "compact", "compact,delete", Class::DataLoss),
        ("cleanup.policy", "delete", "compact", Class::DataLoss),
        ("cleanup.policy", "compact,delete", "delete", Class::Safe),
        ("segment.ms", "7d", "1d", Class::Safe),
    ];
    for (key, from, to, want) in cases {
        assert_eq!(class(config(&[(key, from)]), config(&[(key, to)])), want, "{key}: {from} -> {to}");
    }
    let compacted = |ms| config(&[("cleanup.policy", "compact"), ("retention.ms", ms)]);
    assert_eq!(class(compacted("7d"), compacted("1d")), Class::Safe, "a compacted topic expires nothing");
}

#[test]
fn what_the_cluster_would_do_counts() {
    let live = |own: Value| json!({"config": own, "inherited": {"retention.ms": "30d"}});
    let desired = config(&[("retention.ms", "14d")]);
    let first = update(desired.clone(), live(json!({})), desired).0;
    assert_eq!(first.class(), Class::DataLoss, "the cluster keeps 30 days so far");
    assert_eq!(
        first.changes[0].reason.as_deref(),
        Some("retention shrinks from 30d to 14d: what is beyond is discarded")
    );
    let unset =
        |ms: &str| update(config(&[("retention.ms", ms)]), live(json!({"retention.ms": ms})), json!({})).0;
    assert_eq!(unset("60d").class(), Class::DataLoss);
    assert_eq!(unset("7d").class(), Class::Safe);
    let untold = update(config(&[("retention.ms", "1s")]), config(&[("retention.ms", "1s")]), json!({})).0;
    assert_eq!(untold.class(), Class::DataLoss, "nobody knows what holds then");
}

#[test]
fn a_removal_is_one_delete_and_shows_what_goes() {
    let ours = topic(config(&[("flush.ms", "5")]));
    let live = topic(json!({"partitions": 3, "config": {"flush.ms": "6", "segment.ms": "7"}}));
    let (spec, _) = verdict(View::Remove { prior: &ours, live: &live });
    assert_eq!(spec.steps, ["delete"]);
    assert_eq!(shown(&spec), [("config/flush.ms".into(), json!("6"), Planned::Unset, Class::Safe)]);
    assert!(verdict(View::Gone { prior: &ours, desired: None }).0.is_no_op());
}

#[test]
fn declarations_are_checked_at_their_place() {
    let span = |start| Some(Span { file: FileId(0), start, end: start + 1 });
    let mut at = SpanMap::of_object(span(0));
    at.insert(&["config", "retention.ms"], span(30));
    let attrs = topic(json!({"partitions": 0, "replication_factor": 10_001, "config": {
        "retention.ms": "7 dayss", "retenton.bytes": "1", "vendor.tiering": "on"}}));
    let found = KafkaTopic::validate(&attrs, &at);
    let codes: Vec<_> = found.iter().map(|d| (d.code.id, d.is_error(), d.labels[0].span.start)).collect();
    assert_eq!(codes, [("DM0514", true, 0), ("DM0514", true, 0), ("DM0514", true, 30), ("DM0515", false, 0)]);
    assert_eq!(found.iter().last().and_then(|d| d.help.as_deref()), Some("did you mean `retention.bytes`?"));
    assert!(KafkaTopic::validate(&topic(json!({"partitions": 100_000})), &at).is_empty());
}

#[test]
fn only_the_known_shape_decodes() {
    let raw = |v: Value| v.as_object().expect("map").clone();
    assert!(KafkaTopic::upgrade(1, raw(json!({"partitions": 3}))).is_ok());
    assert!(KafkaTopic::upgrade(2, raw(json!({"partitions": 3}))).is_err());
    assert!(KafkaTopic::upgrade(1, raw(json!({"partition": 3}))).is_err());
}

#[test]
fn the_request_edits_what_the_plan_says() {
    let prior = topic(config(&[("flush.ms", "5"), ("segment.ms", "7")]));
    let planned = topic(config(&[("segment.ms", "8"), ("retention.ms", "9")]));
    let live = topic(config(&[
        ("flush.ms", "5"),
        ("segment.ms", "7"),
        ("retention.ms", "9"),
        ("preallocate", "true"),
    ]));
    let edits: Vec<_> = diff::config_edits(&prior, &live, &planned).collect();
    assert_eq!(edits, [("segment.ms", Some("8")), ("flush.ms", None)]);
}

fn values() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        "[0-9]{1,4}(ms|s|d|y|KiB|GB| months)?",
        "(compact|delete|, )*",
        "(TRUE|False|forever|0\\.50|1e3| x )",
        ".{0,8}",
    ]
}

fn any_key() -> impl Strategy<Value = String> {
    let known: Vec<&str> = keys::names().collect();
    prop_oneof![prop::sample::select(known).prop_map(str::to_owned), "[a-z.]{1,8}"]
}

prop_compose! {
    fn attrs()(
        partitions in prop::option::of(1i64..50),
        replication_factor in prop::option::of(1i64..4),
        config in prop::collection::btree_map(any_key(), values(), 0..6),
    ) -> TopicAttrs {
        TopicAttrs { partitions, replication_factor, config, inherited: Default::default() }
    }
}

proptest! {
    #[test]
    fn normalizing_twice_changes_nothing(attrs in attrs()) {
        let once = KafkaTopic::normalize(attrs);
        prop_assert_eq!(KafkaTopic::normalize(once.clone()), once);
    }

    #[test]
    fn equal_sides_need_nothing(attrs in attrs()) {
        let attrs = KafkaTopic::normalize(attrs);
        let (spec, found) = verdict(View::Update { prior: &attrs, live: &attrs, desired: &attrs });
        prop_assert!(spec.is_no_op() && found.is_empty());
        let adopted = verdict(View::Adopt { live: &attrs, desired: &attrs }).0;
        prop_assert!(adopted.is_no_op());
    }

    #[test]
    fn what_is_not_managed_needs_nothing(live in attrs(), like in attrs()) {
        let (live, like) = (KafkaTopic::normalize(live), KafkaTopic::normalize(like));
        let ours = KafkaTopic::managed(&live, &like);
        let unchanged = verdict(View::Update { prior: &ours, live: &live, desired: &ours }).0;
        prop_assert!(unchanged.is_no_op());
    }
}
