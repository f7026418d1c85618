//! What other shards say against an operation.

use crate::support::{address, becomes, edit, intent, kafka, op, record, shard};
use datamesh_provider::{Address, OpAction, SystemName};
use datamesh_state::{Intent, Objection, Others, Shard};
use serde_json::json;

const FACTS: &str = "orders/facts@1:kafka_topic.stream";
const COPY: &str = "sales/copy@1:kafka_topic.stream";

/// A shard of the domain `sales`.
fn sales() -> Shard {
    let mut sales = Shard { domain: "sales".into(), ..shard() };
    sales.bind(&kafka(), "one-cluster").expect("bound");
    sales
}

fn orders() -> Shard {
    let mut orders = shard();
    orders.bind(&kafka(), "one-cluster").expect("bound");
    orders
}

fn create(of: &str) -> Intent {
    intent(of, OpAction::Create, Some(json!({"partitions": 3})))
}

fn objection(of: &Intent, others: &[Shard]) -> Option<Objection> {
    Others::new(others).objection(&orders(), of, &|_| true)
}

/// An operation of `orders` on what it has, that depends on something of `sales`.
fn depending() -> Intent {
    let mut update = intent(FACTS, OpAction::Update, Some(json!({"partitions": 6})));
    let mut becomes = becomes();
    becomes.dependencies = [address(COPY)].into();
    update.becomes = Some(becomes);
    update
}

#[test]
fn an_object_has_one_owner_by_record_or_by_intent() {
    let owned = |owner: &str| Some(Objection::Owned { object: create(FACTS).object, owner: address(owner) });
    let mut by_record = sales();
    by_record.resources.insert(address(COPY), record(COPY, json!({})).into());
    let mut by_intent = sales();
    by_intent.begin(op("1"), create(COPY)).expect("begun");
    for other in [by_record, by_intent] {
        assert_eq!(objection(&create(FACTS), &[other]), owned(COPY));
    }
    assert_eq!(objection(&create(FACTS), &[sales()]), None);
}

#[test]
fn one_system_has_two_names_and_one_name_is_two_systems() {
    let mut other = sales();
    other.resources.insert(address(COPY), record(COPY, json!({})).into());
    let mirror = SystemName::new("kafka", "mirror");
    other.bind(&mirror, "one-cluster").expect("bound");
    edit(&mut other, COPY).system = mirror;
    assert!(objection(&create(FACTS), std::slice::from_ref(&other)).is_some(), "the same cluster");
    other.systems.insert("kafka.mirror".into(), "another-cluster".into());
    assert_eq!(objection(&create(FACTS), &[other]), None);
}

#[test]
fn what_is_depended_on_must_stay() {
    let mut other = sales();
    assert_eq!(objection(&depending(), &[other.clone()]), Some(Objection::Gone(address(COPY))));
    other.resources.insert(address(COPY), record(COPY, json!({})).into());
    assert_eq!(objection(&depending(), &[other.clone()]), None);
    other.begin(op("1"), intent(COPY, OpAction::Delete, None)).expect("begun");
    assert_eq!(objection(&depending(), &[other]), Some(Objection::Going(address(COPY))));
}

#[test]
fn what_the_plan_used_without_a_record_is_used_without_one() {
    let others = Others::new(&[sales()]);
    assert_eq!(others.objection(&orders(), &depending(), &|_: &Address| false), None);
}

#[test]
fn what_is_needed_elsewhere_is_not_deleted() {
    let delete = intent(FACTS, OpAction::Delete, None);
    let needed = Some(Objection::Needed { by: address(COPY) });
    let mut by_record = sales();
    by_record.resources.insert(address(COPY), record(COPY, json!({})).into());
    let dependencies = &mut edit(&mut by_record, COPY).dependencies;
    dependencies.insert(address(FACTS));
    assert_eq!(objection(&delete, &[by_record]), needed);
    let mut by_intent = sales();
    let mut begun = create(COPY);
    begun.object.0 = "another".into();
    begun.becomes.as_mut().expect("there").dependencies.insert(address(FACTS));
    by_intent.begin(op("1"), begun).expect("begun");
    assert_eq!(objection(&delete, &[by_intent]), needed);
    assert_eq!(objection(&delete, &[sales()]), None);
}

#[test]
fn a_delete_of_what_somebody_else_claims_is_refused() {
    let mut other = sales();
    other.resources.insert(address(COPY), record(COPY, json!({})).into());
    let delete = intent(FACTS, OpAction::Delete, None);
    assert!(matches!(objection(&delete, &[other]), Some(Objection::Owned { .. })));
}

#[test]
fn an_intent_that_is_taken_back_leaves_nothing() {
    let mut orders = orders();
    orders.begin(op("1"), create(FACTS)).expect("begun");
    assert!(orders.withdraw(&op("1")).is_some());
    assert!(orders.pending.is_empty() && orders.resources.is_empty());
    assert!(orders.withdraw(&op("1")).is_none());
}
