//! Moves between two shards: three writes, and what is found when they were cut off.

use crate::support::{address, edit, intent, kafka, op, record, shard};
use datamesh_provider::{ObjectId, OpAction};
use datamesh_state::{Arrival, Incoming, Objection, Others, Record, Shard, ShardError, decode, encode};
use jiff::Timestamp;
use serde_json::json;

const FROM: &str = "orders/facts@1:kafka_topic.stream";
const USER: &str = "orders/facts@1:catalog_product.self";
const TO: &str = "sales/facts@1:kafka_topic.stream";
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn orders() -> Shard {
    let mut orders = Shard { write_id: "w".into(), ..shard() };
    orders.bind(&kafka(), "one-cluster").expect("bound");
    orders
        .resources
        .insert(address(FROM), Record { generation: 4, ..record(FROM, json!({"partitions": 3})) }.into());
    let mut user = Record { object: ObjectId::new("facts"), ..record(USER, json!({})) };
    user.dependencies.insert(address(FROM));
    orders.resources.insert(address(USER), user.into());
    orders
}

fn sales() -> Shard {
    Shard { domain: "sales".into(), write_id: "w".into(), ..shard() }
}

fn incoming(orders: &Shard) -> Incoming {
    Incoming::of(orders, &address(FROM), &address(TO), "run-1", NOW).expect("recorded")
}

/// One write, given the source and the destination.
type Step<'a> = dyn Fn(&mut Shard, &mut Shard) -> Result<(), ShardError> + 'a;

/// Both shards after so many of the three writes.
fn after(writes: usize) -> (Shard, Shard, Incoming) {
    let (mut orders, mut sales) = (orders(), sales());
    let incoming = incoming(&orders);
    let steps: [&Step<'_>; 3] = [
        &|orders, sales| sales.expect(incoming.clone(), orders.identity_of(&kafka())),
        &|orders, _| orders.hand_over(&[&incoming], NOW),
        &|_, sales| sales.receive(&[&incoming]),
    ];
    for step in &steps[..writes] {
        let before = (orders.clone(), sales.clone());
        step(&mut orders, &mut sales).expect("a step");
        orders.verify_after(&before.0).expect("may follow");
        sales.verify_after(&before.1).expect("may follow");
    }
    (orders, sales, incoming)
}

#[test]
fn a_whole_move_keeps_what_is_recorded() {
    let (before, (orders, sales, _)) = (orders(), after(3));
    let (was, is) = (&before.resources[&address(FROM)], &sales.resources[&address(TO)]);
    assert_eq!(is.generation, was.generation + 1);
    assert_eq!(is.product.as_deref(), Some("sales/facts@1"));
    assert_eq!(
        (&is.object, &is.incarnation, &is.attributes),
        (&was.object, &was.incarnation, &was.attributes)
    );
    assert!(!orders.resources.contains_key(&address(FROM)));
    assert!(
        orders.resources[&address(USER)].dependencies.contains(&address(TO)),
        "what depends on it follows"
    );
    assert_eq!(sales.systems, orders.systems, "it is in the same cluster");
    assert!(sales.incoming.is_empty());
}

#[test]
fn the_tombstone_tells_who_owns_what_was_cut_off() {
    for (writes, arrival) in [(1, Arrival::Dropped), (2, Arrival::Received)] {
        let (orders, mut sales, incoming) = after(writes);
        let settled = sales.settle_moves(|domain| (domain == "orders").then_some(&orders)).expect("settled");
        assert_eq!(settled, [(incoming, arrival)]);
        let owners =
            [orders.resources.contains_key(&address(FROM)), sales.resources.contains_key(&address(TO))];
        assert_eq!(owners, [arrival == Arrival::Dropped, arrival == Arrival::Received], "one owner");
        assert!(sales.incoming.is_empty());
        sales.verify().expect("makes sense");
    }
    let (_, mut sales, _) = after(1);
    assert_eq!(sales.settle_moves(|_| None), Ok(Vec::new()), "nobody knows without the source");
    assert_eq!(sales.incoming.len(), 1);
}

#[test]
fn the_tombstone_of_another_move_is_none() {
    let (mut orders, mut sales, incoming) = after(1);
    let other = Incoming::of(&orders, &address(FROM), &address(TO), "run-2", NOW).expect("recorded");
    assert_ne!(other.move_id, incoming.move_id);
    orders.hand_over(&[&other], NOW).expect("let go");
    let settled = sales.settle_moves(|_| Some(&orders)).expect("settled");
    assert_eq!(settled[0].1, Arrival::Dropped);
}

#[test]
fn nobody_else_takes_what_is_on_its_way() {
    let (orders, mut sales, _) = after(2);
    let busy = ShardError::Busy { address: address(TO) };
    let create = || intent(TO, OpAction::Create, Some(json!({"partitions": 3})));
    assert_eq!(sales.begin(op("1"), create()), Err(busy.clone()));
    assert_eq!(sales.restore(&sales.clone()), Err(busy));
    let third = Shard { domain: "billing".into(), systems: orders.systems.clone(), ..shard() };
    let create = intent("billing/x@1:kafka_topic.stream", OpAction::Create, Some(json!({})));
    let create = datamesh_state::Intent { object: create_object(), ..create };
    let objection = Others::new([&orders, &sales]).objection(&third, &create, &|_| false);
    assert_eq!(objection, Some(Objection::Owned { object: create_object(), owner: address(TO) }));
}

fn create_object() -> ObjectId {
    record(FROM, json!({})).object
}

#[test]
fn what_depends_on_the_old_address_protects_the_new_one() {
    let (mut orders, sales, _) = after(3);
    orders.resources.clear();
    let mut third = Shard { domain: "billing".into(), ..shard() };
    let mut user = record("billing/x@1:kafka_topic.stream", json!({}));
    user.dependencies.insert(address(FROM));
    third.resources.insert(address("billing/x@1:kafka_topic.stream"), user.into());
    let mut delete = intent(TO, OpAction::Delete, None);
    delete.becomes = None;
    let objection = Others::new([&orders, &third]).objection(&sales, &delete, &|_| false);
    assert_eq!(objection, Some(Objection::Needed { by: address("billing/x@1:kafka_topic.stream") }));
}

#[test]
fn nothing_is_handed_over_that_changed_meanwhile() {
    let (mut orders, _, incoming) = after(1);
    edit(&mut orders, FROM).generation += 1;
    let refused = orders.hand_over(&[&incoming], NOW).expect_err("changed");
    assert_eq!(refused, ShardError::Generation { address: address(FROM), expected: Some(4), found: Some(5) });
    assert!(orders.resources.contains_key(&address(FROM)));
}

#[test]
fn an_older_version_does_not_bring_back_what_was_moved_away() {
    let older = orders();
    let (mut orders, ..) = after(3);
    orders.restore(&older).expect("restored");
    assert!(!orders.resources.contains_key(&address(FROM)));
    assert!(orders.resources.contains_key(&address(USER)));
}

#[test]
fn what_is_on_its_way_survives_the_store() {
    let (_, mut sales, _) = after(1);
    sales.serial = 1;
    let text = encode(&sales).expect("encoded");
    assert_eq!(decode("sample", &text).expect("decoded"), sales);
}

/// What is moved together and depends on each other stays so.
#[test]
fn what_moves_together_depends_on_each_other_as_before() {
    let (mut orders, mut sales) = (orders(), sales());
    let moved_user = USER.replace("orders", "sales");
    let all: Vec<Incoming> = [(FROM, TO), (USER, moved_user.as_str())]
        .map(|(from, to)| {
            Incoming::of(&orders, &address(from), &address(to), "run-1", NOW).expect("recorded")
        })
        .into();
    for incoming in &all {
        sales.expect(incoming.clone(), None).expect("expected");
    }
    let all: Vec<&Incoming> = all.iter().collect();
    orders.hand_over(&all, NOW).expect("let go");
    assert!(orders.resources.is_empty());
    sales.receive(&all).expect("received");
    assert_eq!(sales.resources[&address(&moved_user)].dependencies, [address(TO)].into());
    sales.verify().expect("makes sense");
}
