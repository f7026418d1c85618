//! Samples and short cuts.

use datamesh_conformance::testing::{SeededEntropy, jumping_context};
use datamesh_provider::{
    Address, Attributes, Context, LiveObject, ObjectId, OpAction, OperationId, Packed, Secret, SystemName,
    TypeName,
};
use datamesh_state::{
    Becomes, Codec, Intent, KeyRing, LockInfo, LockRequest, Origin, Record, Shard, StateKey,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const REPOSITORY: &str = "7d1f0c35a2b1f7e0c9a4b3d2e1f0a9b8c7d6e5f4";

/// Keys by id, each of one byte thirty-two times.
pub(crate) fn ring(keys: &[(&str, u8)]) -> KeyRing {
    let key = |(id, byte): &(&str, u8)| {
        StateKey::new(id, &Secret::new(format!("{byte:02x}").repeat(32))).expect("a key")
    };
    KeyRing::new(keys.iter().map(key).collect()).expect("keys")
}

/// Encrypts with the first of these, and compresses.
pub(crate) fn codec(keys: &[(&str, u8)]) -> Codec {
    Codec::default().compressing(true).encrypting(ring(keys), context(99).entropy)
}

pub(crate) fn map(value: Value) -> Packed {
    Packed::encode(&value).expect("a map")
}

pub(crate) fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

pub(crate) fn kafka() -> SystemName {
    SystemName::new("kafka", "default")
}

/// A context with entropy of its own.
pub(crate) fn context(seed: u64) -> Context {
    Context { entropy: Arc::new(SeededEntropy::new(seed)), ..jumping_context() }
}

pub(crate) fn info(operation: &str) -> LockInfo {
    LockInfo {
        id: format!("lock-{operation}"),
        who: "ada".into(),
        host: "workbench".into(),
        process: 4711,
        operation: operation.into(),
        since: "2026-03-01T08:15:00Z".parse().expect("a time"),
    }
}

pub(crate) fn request<'a>(domains: &'a [String], wait: Duration) -> LockRequest<'a> {
    LockRequest { environment: "prod", domains, repository: REPOSITORY, info: info("apply"), wait }
}

pub(crate) fn becomes() -> Becomes {
    Becomes {
        schema_version: 1,
        source: Some("domains/orders/facts.yaml".into()),
        product: Some("orders/facts@1".into()),
        dependencies: BTreeSet::new(),
        prevent_destroy: false,
        on_remove: None,
        declared: Packed::default(),
    }
}

pub(crate) fn intent(of: &str, action: OpAction, planned: Option<Value>) -> Intent {
    let address = address(of);
    Intent {
        run: "run-1".into(),
        plan: "sha256:plan".into(),
        ty: address.ty().clone(),
        system: kafka(),
        object: ObjectId::new(address.name()),
        action,
        step: match action {
            OpAction::Create => "create".into(),
            OpAction::Update => "config".into(),
            OpAction::Delete => "delete".into(),
        },
        before: None,
        becomes: planned.clone().map(|declared| Becomes { declared: map(declared), ..becomes() }),
        planned: planned.map(map),
        incarnation: None,
        before_gen: None,
        epoch: 0,
        started_at: "2026-03-01T08:15:01.5Z".parse().expect("a time"),
        remaining: Vec::new(),
        address,
    }
}

pub(crate) fn record(of: &str, attributes: Value) -> Record {
    let address = address(of);
    Record {
        ty: address.ty().clone(),
        schema_version: 1,
        source: Some("domains/orders/facts.yaml".into()),
        product: Some("orders/facts@1".into()),
        system: kafka(),
        object: ObjectId::new(address.name()),
        incarnation: Some("one".into()),
        attributes: map(attributes),
        computed: Default::default(),
        dependencies: BTreeSet::new(),
        generation: 1,
        last_op: None,
        origin: Origin::Created,
        prevent_destroy: false,
        on_remove: None,
        unfinished: Vec::new(),
    }
}

pub(crate) fn live(id: &str, incarnation: &str, attributes: Value) -> LiveObject {
    LiveObject {
        id: ObjectId::new(id),
        incarnation: Some(incarnation.into()),
        attributes: map(attributes),
        computed: Packed::default(),
        owner: None,
    }
}

pub(crate) fn op(id: &str) -> OperationId {
    OperationId(id.into())
}

pub(crate) fn ty(name: &str) -> TypeName {
    TypeName::new(name)
}

/// Maps by key, everything else as a whole.
pub(crate) fn managed(live: &LiveObject, like: &Packed) -> Packed {
    fn restrict(live: &Attributes, like: &Attributes) -> Attributes {
        let part = |(key, like): (&String, &Value)| match (live.get(key)?, like) {
            (Value::Object(live), Value::Object(like)) => Some((key.clone(), restrict(live, like).into())),
            (live, _) => Some((key.clone(), live.clone())),
        };
        like.iter().filter_map(part).collect()
    }
    restrict(&live.attributes, like).into()
}

/// A shard with a head that verifies.
pub(crate) fn shard() -> Shard {
    let mut shard = Shard::empty("prod", "orders", "6f1c7c1e-4a55-4bd1-9f4e-0f9a3b1c2d3e".into(), REPOSITORY);
    shard.write_id = "0d6c9f2a-1b3c-4d5e-8f70-112233445566".into();
    shard.serial = 1;
    shard.epoch = 1;
    shard
}

/// A shard in which every field says something.
pub(crate) fn full_shard() -> Shard {
    let mut shard = shard();
    (shard.serial, shard.epoch) = (42, 7);
    shard.bind(&kafka(), "lkc-4k2Jt0aBQ0mFh3").expect("bound");
    let mut topic =
        record("orders/facts@1:kafka_topic.stream", json!({"partitions": 3, "config": {"a": "ä\n"}}));
    topic.generation = 5;
    topic.last_op = Some(op("sha256:aa"));
    topic.on_remove = Some(datamesh_state::OnRemove::Destroy);
    topic.computed = map(json!({"share": 0.95}));
    let mut subject = record("orders/facts@1:schema_subject.stream", json!({"schema": "{}"}));
    subject.incarnation = None;
    subject.dependencies.insert(address("orders/facts@1:kafka_topic.stream"));
    subject.origin = Origin::Adopted;
    subject.prevent_destroy = true;
    subject.system = SystemName::new("registry", "default");
    shard.resources.insert(address("orders/facts@1:kafka_topic.stream"), topic.into());
    shard.resources.insert(address("orders/facts@1:schema_subject.stream"), subject.into());
    let mut update =
        intent("orders/facts@1:kafka_topic.stream", OpAction::Update, Some(json!({"partitions": 6})));
    update.before = Some(map(json!({"partitions": 3})));
    update.remaining = vec!["config".into()];
    update.step = "partitions".into();
    update.incarnation = Some("one".into());
    shard.begin(op("sha256:bb"), update).expect("begun");
    let (from, to) = (address("orders:catalog_domain.self"), address("sales:catalog_domain.self"));
    let at = "2026-02-01T00:00:00Z".parse().expect("a time");
    shard.tombstones.push(datamesh_state::Tombstone { move_id: "m1".into(), from, to, at });
    let (from, to) = (address("sales:catalog_domain.x"), address("orders:catalog_domain.x"));
    let record = Record {
        ty: to.ty().clone(),
        object: ObjectId::new("sales/x"),
        ..record("orders:catalog_domain.x", json!({}))
    };
    shard.incoming.push(datamesh_state::Incoming {
        move_id: "m2".into(),
        from,
        to,
        started_at: at,
        record: record.into(),
    });
    shard
}

/// A record of a shard, to be changed behind the back of the rules.
pub(crate) fn edit<'s>(shard: &'s mut Shard, at: &str) -> &'s mut Record {
    shard.resources.get_mut(&address(at)).expect("there").make_mut()
}
