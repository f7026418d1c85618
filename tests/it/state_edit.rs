//! The state corrected by hand: under its locks, with a record, and without touching anything live.

use crate::world::{EVENTS, Mesh};
use serde_json::Value;

const TOPIC: &str = "orders/events@3:kafka_topic.kafka";
const ELSEWHERE: &str = "orders/events@3:kafka_topic.elsewhere";

fn newest_serial(mesh: &Mesh) -> u64 {
    let history = mesh.run(&["state", "history", "orders", "--json"]).ends(0);
    let history: Value = serde_json::from_str(&history.out).expect("an object");
    history["serials"][0].as_u64().expect("a serial")
}

#[test]
fn a_record_moves_within_its_domain_and_back() {
    let mesh = Mesh::applied();
    let (objects, effects) = (mesh.objects(), mesh.effects());
    mesh.run(&["state", "mv", TOPIC, ELSEWHERE, "--auto-approve"]).ends(0).says(&["Done: move"]);
    mesh.run(&["state", "show", ELSEWHERE]).ends(0);
    mesh.run(&["state", "show", TOPIC]).ends(1);
    mesh.run(&["state", "mv", TOPIC, ELSEWHERE, "--auto-approve"]).ends(1).says(&["nothing is recorded"]);
    mesh.run(&["history"]).ends(0).says(&["state mv", "tester", TOPIC, ELSEWHERE]);
    mesh.run(&["state", "mv", ELSEWHERE, TOPIC, "--auto-approve"]).ends(0);
    mesh.is_converged();
    assert_eq!((mesh.objects(), mesh.effects()), (objects, effects), "nothing live was touched");
    mesh.run(&["audit", "verify"]).ends(0).says(&["unbroken"]);
}

#[test]
fn a_record_that_is_forgotten_leaves_its_object_to_be_taken_over_again() {
    let mesh = Mesh::applied();
    let objects = mesh.objects();
    mesh.run(&["state", "rm", TOPIC, "--auto-approve"]).ends(0).says(&["Done: forget"]);
    assert_eq!(mesh.objects(), objects);
    assert_eq!(mesh.plan(&[]).action(TOPIC), Some("adopt"));
    mesh.apply();
    mesh.is_converged();
    assert_eq!(mesh.objects(), objects);
}

#[test]
fn an_older_version_is_put_in_the_place_of_todays() {
    let mesh = Mesh::applied();
    let serial = newest_serial(&mesh);
    let pulled = mesh.run(&["state", "pull", "orders"]).ends(0);
    mesh.replace(EVENTS, "retention: 7d", "retention: 14d");
    mesh.apply();
    assert!(newest_serial(&mesh) > serial);
    let text = serial.to_string();
    let older = mesh.run(&["state", "pull", "orders", "--serial", &text]).ends(0);
    assert_eq!(older.out, pulled.out);
    mesh.run(&["state", "restore", "orders", &text, "--auto-approve"]).ends(0).says(&["Done: put version"]);
    let retention = |out: &str| -> Value {
        let shard: Value = serde_json::from_str(out).expect("a shard");
        shard["resources"][TOPIC]["attributes"]["config"]["retention.ms"].clone()
    };
    let now = mesh.run(&["state", "pull", "orders"]).ends(0);
    assert_eq!(retention(&now.out), retention(&pulled.out));
    assert!(newest_serial(&mesh) > serial, "it is a new version");
    mesh.apply();
    mesh.is_converged();
    mesh.run(&["state", "restore", "orders", "999999", "--auto-approve"]).ends(1).says(&["is not kept"]);
}

#[test]
fn an_edit_wants_an_approval_and_something_to_edit() {
    let mesh = Mesh::applied();
    let before = mesh.records();
    mesh.run(&["state", "rm", TOPIC]).ends(1).says(&["needs an approval"]);
    mesh.run(&["state", "rm", TOPIC, "--auto-approve=other"]).ends(1).says(&["names `other`"]);
    mesh.run(&["state", "rm", "nonsense", "--auto-approve"]).ends(1).says(&["not an address"]);
    mesh.run(&["state", "rm", "nowhere/x@1:kafka_topic.kafka", "--auto-approve"])
        .ends(1)
        .says(&["nothing is recorded of the domain nowhere"]);
    mesh.run(&["state", "mv", TOPIC, "customers/x@1:kafka_topic.kafka", "--auto-approve"])
        .ends(1)
        .says(&["another domain"]);
    mesh.run(&["state", "mv", TOPIC, "orders/events@3:iceberg_table.x", "--auto-approve"])
        .ends(1)
        .says(&["keeps the type"]);
    assert_eq!(mesh.records(), before);
    assert!(mesh.shards().keys().all(|domain| domain != "nowhere"), "nothing was made");
}

/// What is under way is settled by an apply, not overruled by hand.
#[test]
fn an_operation_without_an_outcome_keeps_its_record() {
    let mesh = Mesh::new();
    mesh.run_with(&["apply", "--auto-approve"], &[("DATAMESH_FAKE_KILL", "2:after-call")]);
    let shards = mesh.shards();
    let busy = shards.values().flat_map(|shard| shard.pending.values()).next().expect("one is under way");
    let address = busy.address.to_string();
    mesh.run(&["state", "rm", &address, "--auto-approve"]).ends(1).says(&["Nothing was done"]);
    mesh.run(&["doctor"]).says(&["without an outcome"]);
    mesh.apply();
    mesh.is_converged();
}
