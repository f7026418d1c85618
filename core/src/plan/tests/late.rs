//! Steps of a deletion that wait until what it depends on is gone.

use super::*;

/// A, and B that depends on it and is to be deleted for good.
fn world(on_remove: OnRemove) -> World {
    let mut world = World::new();
    world.options.on_remove = Some(OnRemove::Destroy);
    world.records(A, "a", json!({"size": 1})).on_remove = Some(on_remove);
    world.records(B, "b", json!({"config": {"purge": "yes"}})).depends_on = BTreeSet::from([address(A)]);
    world.is_live("b", json!({"config": {"purge": "yes"}}));
    world
}

fn steps(plan: &Plan) -> Vec<String> {
    let say = |operation: &PlannedOperation| {
        let after: Vec<String> = operation.after.iter().map(usize::to_string).collect();
        format!("{} {} after [{}]", operation.address.name(), operation.step, after.join(", "))
    };
    plan.graph.operations.iter().map(say).collect()
}

#[test]
fn they_come_after_it_and_it_does_not_wait_for_them() {
    let mut world = world(OnRemove::Destroy);
    world.is_live("a", json!({"size": 1}));
    let (plan, found) = world.plan();
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(steps(&plan), ["a delete after [1]", "b delete after []", "b purge after [0, 1]"]);
    assert_eq!(plan.graph.groups, [vec![1], vec![0], vec![2]]);
}

#[test]
fn they_are_left_out_where_it_stays() {
    let mut world = world(OnRemove::Hold);
    world.is_live("a", json!({"size": 1}));
    let (plan, _) = world.plan();
    assert_eq!(steps(&plan), ["b delete after []"]);
    let change = plan.change(&address(B)).expect("planned");
    assert!(change.notes.iter().any(|note| note.contains("without purge") && note.contains(A)), "{change:?}");
}

#[test]
fn they_are_not_where_it_is_gone_already() {
    let mut world = world(OnRemove::Destroy);
    world.reads("a", Reading::Absent);
    let (plan, _) = world.plan();
    assert_eq!(steps(&plan), ["b delete after []", "b purge after [0]"]);
}
