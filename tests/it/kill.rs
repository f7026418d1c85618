//! The program is killed at every call to a system and at every write of the state, before and after it. The same
//! command again must then end where an undisturbed run ends: the same objects, each made once, the same records.

use crate::moves::handing_over;
use crate::world::{EVENTS, FACTS, Mesh, PROFILE};
use datamesh_state::Record;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// As much as keeps two cores busy while files are synced.
const THREADS: usize = 6;

/// SIGABRT, how a process ends that is told to.
const ABORTED: i32 = 6;

/// One moment at which the program ends.
type Moment = (&'static str, String);

/// What matters of a record: neither counters nor the ids of runs and objects.
fn essence(record: &Record) -> Value {
    json!({
        "object": record.object, "system": record.system.to_string(), "attributes": record.attributes,
        "dependencies": record.dependencies, "source": record.source, "product": record.product,
        "adopted": record.origin == datamesh_state::Origin::Adopted, "incarnation": record.incarnation.is_some(),
    })
}

fn essences(mesh: &Mesh) -> BTreeMap<String, Value> {
    mesh.records().iter().map(|(address, record)| (address.to_string(), essence(record))).collect()
}

fn serials(mesh: &Mesh) -> u64 {
    mesh.shards().values().map(|shard| shard.serial).sum()
}

/// Every effect there was. A creation of several steps that was cut off is completed by an update.
fn writes(mesh: &Mesh) -> Vec<String> {
    let mut all: Vec<String> =
        mesh.effects().into_iter().map(|effect| effect.replace(" Update ", " Create ")).collect();
    all.sort();
    all
}

/// Every moment of the run from `base` to `end`: each effect was one call, each serial one write.
fn moments(base: &Mesh, end: &Mesh) -> Vec<Moment> {
    let calls = end.effects().len() - base.effects().len();
    let records = end.audit_records() - base.audit_records();
    let writes = serials(end) - serials(base) + u64::from(is_marked(end)) + records;
    let at_calls = (1..=calls).flat_map(|n| ["before-call", "after-call"].map(|when| format!("{n}:{when}")));
    let at_writes = (1..=writes).flat_map(|n| ["before", "after"].map(|when| format!("{n}:{when}")));
    let calls = at_calls.map(|moment| ("DATAMESH_FAKE_KILL", moment));
    calls.chain(at_writes.map(|moment| ("DATAMESH_FAKE_KILL_WRITE", moment))).collect()
}

/// Who was killed after the mark of a saved plan had nothing left to do.
fn is_marked(mesh: &Mesh) -> bool {
    mesh.path("state/_done").exists()
}

/// Kills `command` at every moment it has on a copy of `base`, and repeats it.
fn sweep(base: &Mesh, command: &[&str], foreign: &[&str], at_least: usize) {
    let end = base.copy();
    end.run(command).ends(0);
    end.is_sound(foreign);
    let moments = moments(base, &end);
    assert!(moments.len() >= at_least, "only {} moments", moments.len());
    let (effects, objects, records) = (writes(&end), end.objects(), essences(&end));
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((variable, moment)) = moments.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mesh = base.copy();
                    let killed = mesh.run_with(command, &[(variable, moment)]);
                    assert_eq!(killed.signal, Some(ABORTED), "{variable}={moment}\n{}", killed.text());
                    match is_marked(&mesh) {
                        true => mesh.run(command).ends(5).says(&["this plan was applied by run"]),
                        false => mesh.run(command).ends(0),
                    };
                    mesh.is_sound(foreign);
                    assert_eq!(writes(&mesh), effects, "after {variable}={moment}");
                    assert_eq!(mesh.objects(), objects, "after {variable}={moment}");
                    assert_eq!(essences(&mesh), records, "after {variable}={moment}");
                    if command[0] == "apply" {
                        mesh.is_converged();
                    }
                    mesh.run(&["audit", "verify"]).ends(0).says(&["unbroken"]);
                }
            });
        }
    });
}

const APPLY: &[&str] = &["apply", "--auto-approve"];

#[test]
fn killed_anywhere_in_the_first_apply() {
    sweep(&Mesh::new(), APPLY, &[], 60);
}

/// The file of a saved plan is all that is needed to go on.
#[test]
fn killed_anywhere_in_a_saved_plan() {
    let mesh = Mesh::new();
    mesh.plan(&[]).run.ends(0);
    sweep(&mesh, &["apply", "saved.plan"], &[], 60);
}

#[test]
fn killed_anywhere_in_a_saved_plan_of_many_kinds_of_changes() {
    let mesh = updated();
    mesh.remove(PROFILE);
    mesh.write(
        "decisions.yaml",
        "apiVersion: datamesh.example.com/v1
kind: Removed
metadata: {name: profile}
spec: {address: 'customers/profile@1:**', destroy: true}
---
apiVersion: datamesh.example.com/v1
kind: Moved
metadata: {name: facts}
spec: {from: orders/facts@1, to: orders/order-facts@1}
",
    );
    mesh.replace(FACTS, "name: facts", "name: order-facts");
    mesh.plan(&[]).run.ends(0);
    sweep(&mesh, &["apply", "saved.plan"], &[], 40);
}

#[test]
fn killed_anywhere_in_an_update() {
    sweep(&updated(), APPLY, &[], 30);
}

/// An applied mesh with a change of every kind of resource.
fn updated() -> Mesh {
    let mesh = Mesh::applied();
    mesh.replace(EVENTS, "partitions: 3, retention: 7d", "partitions: 6, retention: 14d");
    mesh.replace(EVENTS, "compatibility: BACKWARD", "compatibility: FULL");
    let field = "timestamp, pii: false}\n";
    mesh.replace(EVENTS, field, &format!("{field}      - {{name: note, type: string, pii: false}}\n"));
    mesh.replace(EVENTS, "freshness: 5m", "freshness: 10m");
    mesh.replace(FACTS, "One row an order.", "One row for each order.");
    mesh.replace(PROFILE, "config: {cleanup.policy: delete}", "config: {max.message.bytes: 2000000}");
    mesh
}

#[test]
fn killed_anywhere_while_everything_is_destroyed() {
    sweep(&Mesh::applied(), &["destroy", "--all", "--auto-approve"], &[], 60);
}

#[test]
fn killed_anywhere_while_a_product_that_vanished_is_deleted() {
    let mesh = Mesh::with("on_remove: destroy");
    mesh.apply();
    mesh.remove(PROFILE);
    mesh.remove("domains/customers/domain.yaml");
    sweep(&mesh, APPLY, &[], 15);
}

/// What changes in the state alone is as safe: taking over, moving, letting go.
#[test]
fn killed_anywhere_while_records_are_adopted_moved_and_forgotten() {
    let mesh = Mesh::applied();
    let topic = "kafka.default kafka_topic customers.profile.v1";
    mesh.remove(PROFILE);
    mesh.write(
        "decisions.yaml",
        "apiVersion: datamesh.example.com/v1
kind: Removed
metadata: {name: profile}
spec: {address: 'customers/profile@1:kafka_topic.kafka', destroy: false}
---
apiVersion: datamesh.example.com/v1
kind: Moved
metadata: {name: facts}
spec: {from: orders/facts@1, to: orders/order-facts@1}
",
    );
    mesh.replace(FACTS, "name: facts", "name: order-facts");
    mesh.replace(
        EVENTS,
        "  lineage:",
        "    - {name: raw, type: streaming, technology: kafka, topic: raw.orders}\n  lineage:",
    );
    mesh.edit("kafka.default", |kafka| {
        let topics = kafka.objects.entry("kafka_topic".into()).or_default();
        let mut raw = topics["orders.events.v3"].clone();
        (raw.owner, raw.incarnation) = (None, Some("theirs".into()));
        topics.insert("raw.orders".into(), raw);
    });
    sweep(&mesh, APPLY, &[topic], 10);
}

/// Three writes of two shards are one move.
#[test]
fn killed_anywhere_while_a_product_goes_to_another_domain() {
    sweep(&handing_over(), APPLY, &[], 20);
}

#[test]
fn killed_anywhere_in_a_saved_plan_that_hands_a_product_over() {
    let mesh = handing_over();
    mesh.plan(&[]).run.ends(0);
    sweep(&mesh, &["apply", "saved.plan"], &[], 20);
}
