//! What is recorded is read while the manifests are being loaded, and counts where the plan asks the same.

use crate::world::{EVENTS, FACTS, Mesh, PROFILE, SYSTEMS};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many objects of each system were read at once, one time after the other.
type Reads = BTreeMap<String, Vec<u64>>;

fn reads(mesh: &Mesh, args: &[&str], exit: i32) -> Reads {
    let run = mesh.run(args).ends(exit);
    let mut reads = Reads::new();
    for line in run.out.lines() {
        let event: Value = serde_json::from_str(line).expect("an event");
        if event["type"] == "refresh_start" {
            let system = event["system"].as_str().expect("a system").to_owned();
            reads.entry(system).or_default().push(event["objects"].as_u64().expect("a number"));
        }
    }
    reads
}

const PLAN: &[&str] = &["plan", "--json"];

/// All that is recorded, read once.
fn once(mesh: &Mesh) -> Reads {
    let mut counts = BTreeMap::<String, u64>::new();
    for record in mesh.records().values() {
        *counts.entry(record.system.to_string()).or_default() += 1;
    }
    counts.into_iter().map(|(system, count)| (system, vec![count])).collect()
}

/// The same, and after that something again.
fn and_again(mut once: Reads, system: &str, objects: u64) -> Reads {
    once.get_mut(system).expect("a system").push(objects);
    once
}

#[test]
fn what_is_declared_as_it_is_recorded_is_read_once() {
    let mesh = Mesh::applied();
    let all = once(&mesh);
    assert_eq!(all.len(), SYSTEMS.len(), "{all:?}");
    for command in [PLAN, &["drift", "--json"]] {
        assert_eq!(reads(&mesh, command, 0), all, "{command:?}");
    }
}

#[test]
fn what_is_declared_otherwise_is_read_again_and_so_is_what_is_new_or_gone() {
    let mesh = Mesh::applied();
    let all = once(&mesh);
    mesh.replace(EVENTS, "retention: 7d", "retention: 8d");
    assert_eq!(reads(&mesh, PLAN, 0), all, "its retention was read");
    mesh.replace(EVENTS, "retention: 8d", "retention: 8d, config: {max.message.bytes: 1000000}");
    assert_eq!(
        reads(&mesh, PLAN, 0),
        and_again(all.clone(), "kafka.default", 1),
        "nobody asked for that config"
    );
    mesh.run(&["plan"]).ends(0).says(&["config.max.message.bytes", "(8d)", "Plan: 0 to create, 1 to update"]);
    mesh.replace(EVENTS, "retention: 8d, config: {max.message.bytes: 1000000}", "retention: 7d");
    mesh.write("domains/orders/more.yaml", &mesh.read(FACTS).replace("name: facts", "name: more"));
    let with_more = reads(&mesh, PLAN, 0);
    assert_eq!(with_more["kafka.default"], all["kafka.default"]);
    assert_eq!(with_more["iceberg.default"], [all["iceberg.default"][0], 1]);
    mesh.remove("domains/orders/more.yaml");
    mesh.remove(PROFILE);
    let with_less = reads(&mesh, PLAN, 0);
    assert_eq!(with_less["kafka.default"], [all["kafka.default"][0], 1]);
    assert_eq!(with_less["iceberg.default"], all["iceberg.default"]);
}

#[test]
fn a_change_made_outside_is_seen_in_what_was_read_ahead() {
    let mesh = Mesh::applied();
    mesh.edit("kafka.default", |system| {
        for topic in system.objects.get_mut("kafka_topic").expect("topics").values_mut() {
            let config = json!({"retention.ms": "7", "cleanup.policy": "delete"});
            topic.attributes.insert("config".to_owned(), config);
        }
    });
    assert_eq!(reads(&mesh, &["drift", "--json"], 2), once(&mesh));
    mesh.run(&["drift"]).ends(2).says(&["retention.ms", "1 resource drifted"]);
}

#[test]
fn what_is_asked_in_part_or_of_a_snapshot_is_not_read_ahead() {
    let mesh = Mesh::applied();
    let topics = Reads::from([("kafka.default".to_owned(), vec![2])]);
    for command in ["plan", "drift"] {
        assert_eq!(
            reads(&mesh, &[command, "--json", "--target", "type:kafka_topic"], 0),
            topics,
            "{command}"
        );
    }
    let below = reads(&mesh, &["plan", "--json", PROFILE], 0);
    assert_eq!(below["kafka.default"], [1]);
    mesh.run(&["plan", "--snapshot-out", "live.json"]).ends(0);
    assert_eq!(reads(&mesh, &["plan", "--json", "--snapshot", "live.json"], 0), Reads::new());
}

#[test]
fn what_an_interrupted_apply_left_is_judged_before_its_domain_is_read() {
    let mesh = Mesh::applied();
    let all = once(&mesh);
    mesh.replace(PROFILE, "Who orders.", "Who orders what.");
    mesh.run_with(&["apply", "--auto-approve"], &[("DATAMESH_FAKE_KILL", "1:after-call")]);
    assert!(mesh.is_pending());
    let found = reads(&mesh, PLAN, 0);
    assert!(all.iter().all(|(system, counts)| found[system].starts_with(counts)), "{found:?}");
    // All of the domain that was at work, and nothing of the other.
    let customers = mesh.records().into_iter().filter(|(address, _)| address.domain() == "customers");
    let again: u64 = found.values().flat_map(|counts| &counts[1..]).sum();
    assert_eq!(again, customers.count() as u64, "{found:?}");
    mesh.apply();
    mesh.is_converged();
}

#[test]
fn a_mesh_document_that_is_hidden_or_broken_is_said_to_be_that() {
    let mesh = Mesh::applied();
    mesh.write(".datameshignore", "datamesh.yaml\n");
    mesh.run(&["plan"]).ends(1).says(&["No `datamesh.yaml` with a Mesh document"]);
    mesh.remove(".datameshignore");
    mesh.replace("datamesh.yaml", "kafka: {default:", "kafkaa: {default:");
    assert_eq!(reads(&mesh, PLAN, 1), Reads::new());
}
