//! What is left of a change, one rule at a time.

use super::types::{Action, Drift, Origin, Pin, RecordSpec, ResourceChange, Seen};
use super::{continues, is_the_same};
use datamesh_provider::{AttributeChange, Class, ObjectId, Packed, Planned, SystemName, TypeName};
use serde_json::{Value, json};

fn set(path: &str, before: Value, after: Value) -> AttributeChange {
    AttributeChange::new(&[path], Some(before), Planned::Value(after))
}

fn map(value: &Value) -> Packed {
    Packed::encode(value).expect("a map")
}

/// Size and colour change, one step each.
fn reviewed() -> ResourceChange {
    let planned = map(&json!({"size": 6, "colour": "red"}));
    ResourceChange {
        address: "d/p@1:fake_thing.a".parse().expect("an address"),
        ty: TypeName::new("fake_thing"),
        system: SystemName::new("kafka", "default"),
        id: ObjectId::new("a"),
        action: Action::Update,
        class: Class::Safe,
        reason: "the manifest changed".into(),
        attributes: vec![set("size", json!(3), json!(6)), set("colour", json!("blue"), json!("red"))],
        unchanged: 0,
        notes: Vec::new(),
        computed: Vec::new(),
        prior: Some(map(&json!({"size": 3, "colour": "blue"}))),
        live: Some(map(&json!({"size": 3, "colour": "blue"}))),
        planned: Some(planned.clone()),
        declared: Some(planned),
        incarnation: Some("i1".into()),
        generation: 1,
        moved_from: None,
        record: Some(RecordSpec {
            source_path: "d/p.yaml".into(),
            depends_on: std::collections::BTreeSet::new(),
            prevent_destroy: false,
            on_remove: None,
            origin: Origin::Created,
        }),
        bookkeeping: false,
        steps: vec!["size".into(), "colour".into()],
    }
}

fn drift(path: &str, applied: Value, live: Value) -> Drift {
    let change = reviewed();
    let attributes = vec![set(path, applied, live)];
    Drift { address: change.address, ty: change.ty, id: change.id, deleted: false, attributes }
}

#[test]
fn words_and_counts_make_no_other_change() {
    let now = ResourceChange { reason: "other words".into(), unchanged: 3, ..reviewed() };
    assert!(is_the_same(&reviewed(), &now));
    for other in [
        ResourceChange { class: Class::DataLoss, ..reviewed() },
        ResourceChange { incarnation: Some("i2".into()), ..reviewed() },
        ResourceChange { steps: vec!["size".into()], ..reviewed() },
        ResourceChange { live: None, ..reviewed() },
    ] {
        assert!(!is_the_same(&reviewed(), &other));
    }
}

#[test]
fn what_is_left_is_a_part_of_what_was_reviewed() {
    let left = || ResourceChange {
        attributes: vec![set("colour", json!("blue"), json!("red"))],
        steps: vec!["colour".into()],
        ..reviewed()
    };
    let between = drift("size", json!(3), json!(6));
    continues(&reviewed(), Some(&left()), Some(&between)).expect("the second step is left");
    let done =
        ResourceChange { action: Action::NoOp, attributes: Vec::new(), steps: Vec::new(), ..reviewed() };
    continues(&reviewed(), Some(&done), None).expect("nothing is left");
    let refused =
        |now: &ResourceChange, drift: Option<&Drift>| continues(&reviewed(), Some(now), drift).is_err();
    // Somebody set the first attribute to something else again.
    assert!(refused(&left(), Some(&drift("size", json!(3), json!(5)))));
    assert!(refused(&done, Some(&drift("colour", json!("red"), json!("blue")))));
    let other = |attributes| ResourceChange { attributes, ..left() };
    // From, or to, another value; or another attribute altogether.
    assert!(refused(&other(vec![set("colour", json!("green"), json!("red"))]), None));
    assert!(refused(&other(vec![set("colour", json!("blue"), json!("pink"))]), None));
    assert!(refused(&other(vec![set("weight", json!(1), json!(2))]), None));
    assert!(refused(&ResourceChange { steps: vec!["weight".into()], ..left() }, None));
    assert!(refused(&ResourceChange { planned: None, ..left() }, None));
    for action in [Action::Create, Action::Delete, Action::Hold, Action::Forget, Action::Adopt] {
        assert!(refused(&ResourceChange { action, ..left() }, None), "{action:?}");
    }
    continues(&reviewed(), None, None).expect_err("an update does not end in nothing");
}

#[test]
fn a_deletion_ends_in_nothing_or_goes_on() {
    let delete = ResourceChange { action: Action::Delete, steps: vec!["delete".into()], ..reviewed() };
    continues(&delete, None, None).expect("done");
    continues(&delete, Some(&delete), None).expect("still to do");
    let half = ResourceChange { live: Some(map(&json!({"size": 3}))), ..delete.clone() };
    continues(&delete, Some(&half), None).expect("an early step took something away");
    let other = ResourceChange { live: Some(map(&json!({"size": 4}))), ..delete.clone() };
    continues(&delete, Some(&other), None).expect_err("somebody changed it");
    let kept = ResourceChange { action: Action::Hold, steps: Vec::new(), ..delete.clone() };
    continues(&delete, Some(&kept), None).expect_err("something uses it now");
}

#[test]
fn a_pin_says_what_moved() {
    let pin = |generation, incarnation: &str, seen: &str| Pin {
        generation: Some(generation),
        incarnation: Some(incarnation.into()),
        seen: Seen::Present(seen.into()),
    };
    let was = pin(1, "i1", "a");
    assert_eq!(was.moved(&was), None);
    let absent = Pin { seen: Seen::Absent, incarnation: None, ..was.clone() };
    let unread = Pin { seen: Seen::Unread, incarnation: None, ..was.clone() };
    for (now, word) in [
        (pin(2, "i1", "a"), "`gen` was 1 and is 2"),
        (pin(1, "i2", "b"), "made again by somebody else"),
        (pin(1, "i1", "b"), "changed outside"),
        (absent.clone(), "now it is not"),
        (unread, "cannot be read"),
    ] {
        let why = was.moved(&now).expect("it moved");
        assert!(why.contains(word), "{why}");
    }
    assert!(absent.moved(&was).expect("it moved").contains("now it is"));
}
