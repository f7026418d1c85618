//! The invariants of ARCHITECTURE.md, each by its name. That pure crates do no IO is in `tidy`.

use crate::world::{EVENTS, Mesh, PROFILE, Run, hanging};
use datamesh::engine::PlanFile;
use datamesh_conformance::Thing;
use datamesh_provider::{OpAction, Secret, SecretText};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::marker::PhantomData;
use std::path::Path;

const APPLY: &[&str] = &["apply", "--auto-approve"];
const TOPIC: &str = "orders/events@3:kafka_topic.kafka";
const LIVE_TOPIC: &str = "kafka.default kafka_topic orders.events.v3";

/// What is under way according to the state: `system action type id step`, as effects are told.
fn intents(mesh: &Mesh) -> BTreeSet<String> {
    let shards = mesh.shards();
    let pending = shards.values().flat_map(|shard| shard.pending.values());
    pending
        .map(|i| format!("{} {:?} {} {} {}", i.system, i.action, i.ty, i.object.as_str(), i.step))
        .collect()
}

/// Killed after its n-th call, the program has left that call's effect: the state must know of it already.
#[test]
fn no_call_may_change_a_system_without_a_stored_intent() {
    let base = Mesh::new();
    let mut before: BTreeSet<String> = BTreeSet::new();
    for n in 1.. {
        let mesh = base.copy();
        let run = mesh.run_with(APPLY, &[("DATAMESH_FAKE_KILL", &format!("{n}:after-call"))]);
        let effects: BTreeSet<String> = mesh.effects().into_iter().collect();
        if run.signal.is_none() {
            assert!(n > 15, "only {n} calls");
            return;
        }
        assert_eq!(effects.len(), n, "one effect a call");
        let known = intents(&mesh);
        let records = mesh.records();
        let recorded = |effect: &str| {
            records.values().any(|record| {
                let object = format!("{} Create {} {} ", record.system, record.ty, record.object.as_str());
                effect.starts_with(&object)
            })
        };
        let unknown: Vec<_> = effects.iter().filter(|e| !known.contains(*e) && !recorded(e)).collect();
        assert!(unknown.is_empty(), "after call {n}: {unknown:?}");
        // The last one had no time to be recorded.
        let last: Vec<_> = effects.difference(&before).collect();
        if let [last] = last.as_slice() {
            assert!(known.contains(*last), "after call {n}: {last} is not in {known:?}");
        }
        before = effects;
    }
}

/// Somebody else's write in the middle of an apply is never written over.
#[test]
fn every_state_write_is_a_compare_and_swap() {
    let mesh = Mesh::new();
    let (child, frozen) = hanging(&mesh);
    let mut theirs = mesh.shards().remove("orders").expect("a shard");
    theirs.serial += 1;
    theirs.write_id = "somebody-elses".to_owned();
    let place = format!("state/test/orders/{}.json", theirs.serial);
    fs::write(mesh.path(&place), datamesh_state::encode(&theirs).expect("encoded")).expect("written");
    frozen.thaw();
    let run = Run::of(&child.wait_with_output().expect("it ends"));
    run.ends(6).says(&["was changed by somebody else"]);
    let now = mesh.shards();
    assert_eq!(now["orders"], theirs);
    // The other domain went on, and the next run finds out about this one.
    assert!(now["customers"].pending.is_empty());
    mesh.apply();
    mesh.is_sound(&[]);
    mesh.is_converged();
}

#[test]
fn apply_executes_only_the_plans_graph() {
    let mesh = Mesh::applied();
    mesh.replace(EVENTS, "partitions: 3, retention: 7d", "partitions: 6, retention: 14d");
    mesh.replace(PROFILE, "partitions: 1", "partitions: 2");
    mesh.plan(&["--target", "domain:orders"]).run.ends(0);
    let plan = PlanFile::read(&mesh.path("saved.plan")).expect("a plan file").plan;
    let before = mesh.effects().len();
    mesh.run(&["apply", "saved.plan"]).ends(0);
    let planned: BTreeSet<String> = plan
        .graph
        .operations
        .iter()
        .map(|operation| {
            let change = plan.change(&operation.address).expect("a change");
            let id = change.id.as_str();
            format!("{} {:?} {} {id} {}", change.system, operation.action, change.ty, operation.step)
        })
        .collect();
    let effects = mesh.effects();
    let updates: BTreeSet<String> = effects
        .iter()
        .filter(|effect| effect.contains(&format!("{:?}", OpAction::Update)))
        .cloned()
        .collect();
    assert!(planned.len() >= 2, "{planned:?}");
    assert_eq!(updates, planned);
    assert_eq!(effects.len() - before, planned.len());
}

#[test]
fn after_a_whole_apply_the_plan_has_no_actions_but_hold() {
    let mesh = Mesh::applied();
    mesh.remove(PROFILE);
    mesh.apply();
    let plan = mesh.plan(&["--detailed-exitcode"]);
    plan.run.ends(0);
    let plan = mesh.plan(&[]);
    assert!(!plan.actions().is_empty());
    assert!(plan.actions().iter().all(|action| action.starts_with("held ")), "{:?}", plan.actions());
}

#[test]
fn indeterminate_is_never_reported_as_success_or_as_failure() {
    let mesh = Mesh::new();
    mesh.edit("kafka.default", |kafka| kafka.faults.lost = ["orders.events.v3".to_owned()].into());
    let run = mesh.run(&["apply", "--auto-approve", "--json"]).ends(7);
    let mut lines = run.out.lines().map(|line| serde_json::from_str::<Value>(line).expect("an event"));
    let summary = lines.next_back().expect("a summary");
    assert_eq!((&summary["failed"], &summary["indeterminate"]), (&0.into(), &1.into()), "{summary}");
    assert_eq!(summary["failures"][0]["outcome"], "indeterminate");
    assert!(!mesh.records().contains_key(&TOPIC.parse().expect("an address")));
    let human = Mesh::new();
    human.edit("kafka.default", |kafka| kafka.faults.lost = ["orders.events.v3".to_owned()].into());
    let run = human.run(APPLY).ends(7).says(&[&format!("not known {TOPIC}")]);
    assert!(!run.out.contains("failed"), "{}", run.out);
}

/// Which of our crates each of them is built with, tests aside.
#[test]
fn providers_never_see_the_state_and_the_state_never_sees_clients() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ours = |folder: &str| -> BTreeSet<String> {
        let text = fs::read_to_string(root.join(folder).join("Cargo.toml")).expect("a manifest");
        let text = text.split("[dev-dependencies]").next().unwrap_or_default();
        let names = text.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
        names.filter(|name| name.starts_with("datamesh-")).map(str::to_owned).collect()
    };
    for provider in ["kafka", "schema_registry", "iceberg", "catalog"] {
        let found = ours(&format!("providers/{provider}"));
        assert!(found.contains("datamesh-provider"), "{provider}: {found:?}");
        for never in ["datamesh-state", "datamesh-core"] {
            assert!(!found.contains(never), "{provider} sees {never}");
        }
    }
    assert_eq!(ours("state"), BTreeSet::from(["datamesh-provider".to_owned()]));
}

/// Answers whether a type has a trait: the inherent function exists only where it does.
struct Has<T>(PhantomData<T>);

impl<T: Display> Has<T> {
    fn display(&self) -> bool {
        true
    }
}

impl<T: serde::Serialize> Has<T> {
    fn serialize(&self) -> bool {
        true
    }
}

trait HasNot {
    fn display(&self) -> bool {
        false
    }
    fn serialize(&self) -> bool {
        false
    }
}

impl<T> HasNot for Has<T> {}

#[test]
fn secrets_cannot_be_serialized_or_displayed() {
    assert!(Has::<String>(PhantomData).display() && Has::<String>(PhantomData).serialize());
    assert!(!Has::<Secret>(PhantomData).display() && !Has::<Secret>(PhantomData).serialize());
    assert!(!Has::<SecretText>(PhantomData).display() && !Has::<SecretText>(PhantomData).serialize());
    let shown = format!("{:?} {:?}", Secret::new("hunter2"), SecretText::new("hunter2"));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn equal_inputs_give_byte_equal_plans() {
    let mesh = Mesh::new();
    let plan = |mesh: &Mesh, file: &str| {
        mesh.run(&["plan", "--out", file]).ends(0);
        mesh.read(file)
    };
    assert_eq!(plan(&mesh, "one.plan"), plan(&mesh, "two.plan"));
    mesh.apply();
    mesh.replace(EVENTS, "partitions: 3", "partitions: 4");
    let before = plan(&mesh, "one.plan");
    assert_eq!(before, plan(&mesh, "two.plan"));
    // In another folder, on another day.
    assert_eq!(before, plan(&mesh.copy(), "one.plan"));
    mesh.replace(EVENTS, "partitions: 4", "partitions: 5");
    assert_ne!(before, plan(&mesh, "two.plan"));
}

#[test]
fn only_what_is_owned_in_its_incarnation_is_deleted_and_absence_alone_deletes_no_data() {
    let mesh = Mesh::with("on_remove: destroy");
    mesh.apply();
    let theirs = Thing { incarnation: Some("theirs".to_owned()), ..Thing::default() };
    mesh.edit("kafka.default", |kafka| {
        let topics = kafka.objects.get_mut("kafka_topic").expect("topics");
        topics.insert("customers.profile.v1".to_owned(), theirs);
    });
    mesh.remove(PROFILE);
    mesh.apply();
    let left = mesh.objects();
    assert!(left.contains_key("kafka.default kafka_topic customers.profile.v1"), "{:?}", left.keys());
    assert!(!left.keys().any(|object| object.contains("customers.profile.v1-value")), "{:?}", left.keys());
    assert!(mesh.records().keys().all(|address| address.owner() != "customers/profile@1"));

    let mesh = Mesh::applied();
    let before: Vec<String> = mesh.objects().into_keys().filter(|key| !key.starts_with("catalog")).collect();
    for file in ["domains/orders/events.yaml", "domains/orders/facts.yaml", "domains/customers/profile.yaml"]
    {
        mesh.remove(file);
    }
    mesh.apply();
    let after: Vec<String> = mesh.objects().into_keys().filter(|key| !key.starts_with("catalog")).collect();
    assert!(after.contains(&LIVE_TOPIC.to_owned()));
    assert_eq!(before, after);
}
