//! Bindings that give access: several products may own one, and it goes with the last of them.

use super::*;
use datamesh_conformance::KAFKA;
use datamesh_provider::TypeName;

const ONE: &str = "d/p@1:kafka_acl.read@group-prefix=x@User:x";
const TWO: &str = "d/q@1:kafka_acl.read@group-prefix=x@User:x";
const ID: &str = "read@group-prefix=x@User:x";
const DATA: &str = "d/p@1:kafka_topic.t";

fn there(world: &mut World) {
    let live = LiveObject { incarnation: None, ..object(ID, "", json!({"name": "x"})) };
    let (ty, id) = (TypeName::new("kafka_acl"), ObjectId::new(ID));
    world.live.objects.push(SnapshotEntry { system: system(), ty, id, reading: Reading::Present(live) });
}

fn recorded<'w>(world: &'w mut World, at: &str) -> &'w mut PriorResource {
    let record = world.records(at, ID, json!({"name": "x"}));
    record.incarnation = None;
    record
}

fn whole_plan(world: &World) -> Plan {
    let types = Types::new(KAFKA.types.iter().copied());
    let (plan, found) = plan(&PlanInput {
        types: &types,
        desired: &world.desired,
        prior: &world.prior,
        live: &world.live,
        options: &world.options,
        environment: "test",
        inputs_digest: "sha256:0",
        again: None,
    });
    assert!(!found.has_errors(), "{found:?}");
    plan
}

/// Each change as `address action`, and the reasons beside them.
fn planned(world: &World) -> (Vec<String>, Vec<String>) {
    let plan = whole_plan(world);
    let all = plan.changes.iter().filter(|change| change.action != Action::NoOp);
    (
        all.clone().map(|change| format!("{} {:?}", change.address.owner(), change.action)).collect(),
        all.map(|change| change.reason.clone()).collect(),
    )
}

#[test]
fn two_products_make_one_together() {
    let mut world = World::new();
    world.declares(ONE, ID, json!({"name": "x"}));
    world.declares(TWO, ID, json!({"name": "x"}));
    let (ty, id) = (TypeName::new("kafka_acl"), ObjectId::new(ID));
    world.live.objects.push(SnapshotEntry { system: system(), ty, id, reading: Reading::Absent });
    assert_eq!(planned(&world).0, ["d/p@1 Create", "d/q@1 Create"]);
}

#[test]
fn a_second_owner_shares_what_the_first_one_made() {
    let mut world = World::new();
    there(&mut world);
    world.declares(ONE, ID, json!({"name": "x"}));
    recorded(&mut world, ONE);
    world.declares(TWO, ID, json!({"name": "x"}));
    let plan = whole_plan(&world);
    let change = plan.change(&address(TWO)).expect("planned");
    assert_eq!(change.action, Action::Adopt);
    assert_eq!(
        change.record.as_ref().expect("a record").origin,
        Origin::Created,
        "it goes with the last one"
    );
    // Made by nobody of ours, it stays when it is no longer wanted.
    world.prior.resources.clear();
    world.desired.resources.remove(&address(ONE));
    assert_eq!(planned(&world).0, ["d/q@1 Adopt"]);
}

#[test]
fn it_goes_with_the_last_of_its_owners() {
    let mut world = World::new();
    there(&mut world);
    recorded(&mut world, ONE);
    recorded(&mut world, TWO);
    world.declares(TWO, ID, json!({"name": "x"}));
    let (changes, reasons) = planned(&world);
    assert_eq!(changes, ["d/p@1 Forget"]);
    assert!(reasons[0].contains("d/q@1"), "{reasons:?}");
    // Both at once: one of them deletes it, and only one.
    world.desired.resources.clear();
    let mut changes = planned(&world).0;
    changes.sort();
    assert_eq!(changes, ["d/p@1 Forget", "d/q@1 Delete"]);
    // A destroy of one product leaves the other's access alone.
    world.options.mode = Mode::Destroy;
    world.options.scope = Scope { only: Some([address(ONE)].into()) };
    assert_eq!(planned(&world).0, ["d/p@1 Forget"]);
}

#[test]
fn who_uses_data_that_is_held_goes_on_using_it() {
    let mut world = World::new();
    there(&mut world);
    recorded(&mut world, ONE).depends_on.insert(address(DATA));
    world.records(DATA, "t", json!({}));
    let (ty, id) = (TypeName::new("kafka_topic"), ObjectId::new("t"));
    let reading = Reading::Present(object("t", "i1", json!({})));
    world.live.objects.push(SnapshotEntry { system: system(), ty, id, reading });
    let (changes, reasons) = planned(&world);
    assert_eq!(changes, ["d/p@1 Hold", "d/p@1 Hold"]);
    assert!(reasons[0].contains("kept with d/p@1:kafka_topic.t"), "{reasons:?}");
    // A consumer that is taken out of a manifest that is there loses its access.
    world.declares(DATA, "t", json!({}));
    assert_eq!(planned(&world).0, ["d/p@1 Delete"]);
}
