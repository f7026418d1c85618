//! Plans built by hand, for the tests of every renderer.

use datamesh_core::plan::{Action, Drift, ExecutionGraph, Plan, ResourceChange};
use datamesh_provider::{Address, AttributeChange, Class, ObjectId, Packed, Planned, SystemName, TypeName};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) fn map(value: Value) -> Packed {
    Packed::encode(&value).expect("a map")
}

pub(crate) fn change(address: &str, id: &str, action: Action, reason: &str) -> ResourceChange {
    let address: Address = address.parse().expect(address);
    let system = match address.ty().as_str() {
        "kafka_topic" => "kafka",
        "schema_subject" => "registry",
        "iceberg_table" | "iceberg_namespace" => "iceberg",
        _ => "catalog",
    };
    ResourceChange {
        ty: address.ty().clone(),
        address,
        system: SystemName::new(system, "default"),
        id: ObjectId::new(id),
        action,
        class: Class::Safe,
        reason: reason.to_owned(),
        attributes: Vec::new(),
        unchanged: 0,
        notes: Vec::new(),
        computed: Vec::new(),
        prior: None,
        live: None,
        planned: None,
        declared: None,
        incarnation: None,
        generation: 0,
        moved_from: None,
        record: None,
        bookkeeping: false,
        steps: Vec::new(),
    }
}

pub(crate) fn set(path: &[&str], value: Value) -> AttributeChange {
    AttributeChange::new(path, None, Planned::Value(value))
}

pub(crate) fn plan(mut changes: Vec<ResourceChange>) -> Plan {
    changes.sort_by(|a, b| a.address.cmp(&b.address));
    Plan {
        environment: "sandbox".into(),
        id: "sha256:1234".into(),
        changes,
        drift: Vec::new(),
        graph: ExecutionGraph::default(),
        held_back: BTreeMap::new(),
        being_changed: BTreeMap::new(),
        pins: BTreeMap::new(),
        shards: BTreeMap::new(),
        basis: "sha256:0".into(),
        inputs_digest: "sha256:abcd".into(),
    }
}

/// One of everything.
pub(crate) fn full() -> Plan {
    let mut changes = creates();
    changes.extend(updates());
    changes.extend(endings());
    let mut plan = plan(changes);
    plan.drift = vec![
        Drift {
            address: "orders/lines@1:kafka_topic.kafka".parse().expect("an address"),
            ty: TypeName::new("kafka_topic"),
            id: ObjectId::new("orders.lines.v1"),
            deleted: false,
            attributes: vec![AttributeChange::new(
                &["config", "retention.ms"],
                Some(json!("604800000")),
                Planned::Value(json!("3600000")),
            )],
        },
        Drift {
            address: "orders/lines@1:schema_subject.kafka".parse().expect("an address"),
            ty: TypeName::new("schema_subject"),
            id: ObjectId::new("orders.lines.v1-value"),
            deleted: true,
            attributes: Vec::new(),
        },
    ];
    plan.held_back.insert("shipping/parcels@1".into(), "its manifest has an error".into());
    plan
}

fn creates() -> Vec<ResourceChange> {
    let mut topic = change(
        "orders/facts@3:kafka_topic.kafka",
        "orders.facts.v3",
        Action::Create,
        "declared, and not there yet",
    );
    topic.attributes = vec![
        set(&["partitions"], json!(3)),
        set(&["config", "cleanup.policy"], json!("compact")),
        set(&["config", "retention.ms"], json!("604800000")),
    ];
    topic.planned = Some(map(json!({"partitions": 3, "config": {"retention.ms": "604800000"}})));
    topic.computed = vec!["topic_id".into()];
    let mut subject = change(
        "orders/facts@3:schema_subject.contract",
        "facts",
        Action::Create,
        "declared, and not there yet",
    );
    subject.attributes = vec![
        set(&["schema"], json!(avro(&[("id", json!("string")), ("placed_at", timestamp())]))),
        set(&["schema_type"], json!("AVRO")),
        set(&["compatibility"], json!("BACKWARD")),
    ];
    vec![topic, subject]
}

fn updates() -> Vec<ResourceChange> {
    let mut shrink =
        change("orders/lines@1:kafka_topic.kafka", "orders.lines.v1", Action::Update, "the manifest changed");
    shrink.class = Class::DataLoss;
    shrink.unchanged = 4;
    shrink.attributes = vec![
        AttributeChange::new(
            &["config", "retention.ms"],
            Some(json!("604800000")),
            Planned::Value(json!("86400000")),
        )
        .class(Class::DataLoss, "retention shrinks: records older than 1d are discarded"),
    ];
    shrink.prior = Some(map(json!({"config": {"retention.ms": "604800000"}})));
    shrink.planned = Some(map(json!({"config": {"retention.ms": "86400000"}})));
    let mut table = change(
        "orders/lines@1:iceberg_table.iceberg",
        "orders.lines",
        Action::Update,
        "the manifest changed",
    );
    table.attributes = vec![
        set(&["fields", "total"], json!({"name": "total", "type": "decimal(38,9)", "required": false})),
        AttributeChange::new(
            &["properties", "owner"],
            Some(json!("a@example.com")),
            Planned::Value(json!("b@example.com")),
        ),
    ];
    table.notes = vec!["2 columns not ours".into()];
    vec![shrink, table]
}

fn endings() -> Vec<ResourceChange> {
    let mut delete = change(
        "orders/old@1:kafka_topic.kafka",
        "orders.old.v1",
        Action::Delete,
        "a Removed document says to destroy it",
    );
    delete.class = Class::DataLoss;
    let adopt = change(
        "payments/events@2:schema_subject.kafka",
        "payments-value",
        Action::Adopt,
        "exists already, equal to what is declared: taken over",
    );
    let forget = change(
        "payments/events@1:schema_subject.kafka",
        "payments1-value",
        Action::Forget,
        "gone already: only forgotten",
    );
    let mut hold = change(
        "payments/refunds@1:kafka_topic.kafka",
        "payments.refunds.v1",
        Action::Hold,
        "no manifest declares it any more (it was in domains/payments/refunds.yaml); absence alone never deletes data",
    );
    hold.notes = vec!["To decide: a Removed document with `address: payments/refunds@1:kafka_topic.kafka` and `destroy: true` (delete) or `false` (forget).".into()];
    let mut moved = change("orders/renamed@1:kafka_topic.kafka", "orders.renamed", Action::NoOp, "");
    moved.moved_from = "orders/before@1:kafka_topic.kafka".parse().ok();
    moved.bookkeeping = true;
    let still = change("orders:catalog_domain.self", "orders", Action::NoOp, "");
    vec![delete, adopt, forget, hold, moved, still]
}

fn timestamp() -> Value {
    json!(["null", {"type": "long", "logicalType": "timestamp-micros"}])
}

fn avro(fields: &[(&str, Value)]) -> String {
    let fields: Vec<Value> = fields.iter().map(|(name, ty)| json!({"name": name, "type": ty})).collect();
    json!({"type": "record", "name": "Facts", "namespace": "orders", "fields": fields}).to_string()
}

/// A plan whose every free text is the given one.
pub(crate) fn hostile(text: &str) -> Plan {
    let mut plan = full();
    for change in &mut plan.changes {
        change.id = ObjectId::new(text);
        change.reason = text.to_owned();
        change.notes = vec![text.to_owned()];
        change.computed = vec![text.to_owned()];
        change.system = SystemName::new(text, text);
        change.attributes.push(set(&[text, text], json!({ text: text })));
        change.planned = Some(map(json!({ text: text })));
    }
    for drift in &mut plan.drift {
        drift.id = ObjectId::new(text);
        drift.attributes = vec![set(&[text], json!(text))];
    }
    plan.held_back.insert(text.to_owned(), text.to_owned());
    plan.environment = text.to_owned();
    plan
}
