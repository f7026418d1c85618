//! What is recorded is read while the manifests are being loaded, and counts where the plan asks the same.

use crate::world::{EVENTS, FACTS, Mesh, PROFILE, SYSTEMS};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many objects of each system were read before the manifests were resolved, and how many after.
fn reads(mesh: &Mesh, args: &[&str], exit: i32) -> [BTreeMap<String, u64>; 2] {
    let run = mesh.run(args).ends(exit);
    let mut counts = [BTreeMap::new(), BTreeMap::new()];
    let mut resolved = 0;
    for line in run.out.lines() {
        let event: Value = serde_json::from_str(line).expect("an event");
        match event["type"].as_str() {
            Some("phase") if event["phase"] == "resolve" => resolved = 1,
            Some("refresh_start") => {
                let system = event["system"].as_str().expect("a system").to_owned();
                *counts[resolved].entry(system).or_default() += event["objects"].as_u64().expect("a number");
            }
            _ => {}
        }
    }
    counts
}

const PLAN: &[&str] = &["plan", "--json"];

fn recorded(mesh: &Mesh) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for record in mesh.records().values() {
        *counts.entry(record.system.to_string()).or_default() += 1;
    }
    counts
}

fn of(system: &str, objects: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([(system.to_owned(), objects)])
}

#[test]
fn what_is_declared_as_it_is_recorded_is_read_once() {
    let mesh = Mesh::applied();
    let all = recorded(&mesh);
    assert_eq!(all.len(), SYSTEMS.len(), "{all:?}");
    for command in [PLAN, &["drift", "--json"]] {
        assert_eq!(reads(&mesh, command, 0), [all.clone(), BTreeMap::new()], "{command:?}");
    }
}

#[test]
fn what_is_declared_otherwise_is_read_again_and_so_is_what_is_new_or_gone() {
    let mesh = Mesh::applied();
    let all = recorded(&mesh);
    mesh.replace(EVENTS, "retention: 7d", "retention: 8d");
    assert_eq!(reads(&mesh, PLAN, 0), [all.clone(), BTreeMap::new()], "its retention was read");
    mesh.replace(EVENTS, "retention: 8d", "retention: 8d, config: {max.message.bytes: 1000000}");
    assert_eq!(reads(&mesh, PLAN, 0), [all.clone(), of("kafka.default", 1)], "nobody asked for that config");
    mesh.run(&["plan"]).ends(0).says(&["config.max.message.bytes", "(8d)", "Plan: 0 to create, 1 to update"]);
    mesh.replace(EVENTS, "retention: 8d, config: {max.message.bytes: 1000000}", "retention: 7d");
    mesh.write("domains/orders/more.yaml", &mesh.read(FACTS).replace("name: facts", "name: more"));
    let [ahead, after] = reads(&mesh, PLAN, 0);
    assert_eq!((ahead, after.get("kafka.default")), (all.clone(), None));
    assert_eq!(after.get("iceberg.default"), Some(&1));
    mesh.remove("domains/orders/more.yaml");
    mesh.remove(PROFILE);
    let [ahead, after] = reads(&mesh, PLAN, 0);
    assert_eq!((ahead, after.get("kafka.default")), (all, Some(&1)));
}

#[test]
fn a_change_made_outside_is_seen_in_what_was_read_ahead() {
    let mesh = Mesh::applied();
    mesh.edit("kafka.default", |system| {
        for topic in system.objects.get_mut("kafka_topic").expect("topics").values_mut() {
            topic
                .attributes
                .insert("config".to_owned(), json!({"retention.ms": "7", "cleanup.policy": "delete"}));
        }
    });
    assert_eq!(reads(&mesh, &["drift", "--json"], 2), [recorded(&mesh), BTreeMap::new()]);
    mesh.run(&["drift"]).ends(2).says(&["retention.ms", "1 resource drifted"]);
}

#[test]
fn what_is_asked_in_part_or_of_a_snapshot_is_not_read_ahead() {
    let mesh = Mesh::applied();
    let nothing = BTreeMap::new();
    for narrow in [
        &["plan", "--json", "--target", "type:kafka_topic"],
        &["drift", "--json", "--target", "type:kafka_topic"],
    ] {
        let [ahead, after] = reads(&mesh, narrow, 0);
        assert_eq!((ahead, after.get("kafka.default")), (nothing.clone(), Some(&2)), "{narrow:?}");
    }
    let [ahead, after] = reads(&mesh, &["plan", "--json", EVENTS], 0);
    assert!(ahead.is_empty() && !after.is_empty());
    mesh.run(&["plan", "--snapshot-out", "live.json"]).ends(0);
    assert_eq!(reads(&mesh, &["plan", "--json", "--snapshot", "live.json"], 0), [nothing.clone(), nothing]);
}

#[test]
fn what_an_interrupted_apply_left_is_judged_before_its_domain_is_read() {
    let mesh = Mesh::applied();
    let all = recorded(&mesh);
    mesh.replace(PROFILE, "Who orders.", "Who orders what.");
    mesh.run_with(&["apply", "--auto-approve"], &[("DATAMESH_FAKE_KILL", "1:after-call")]);
    assert!(mesh.is_pending());
    let [ahead, after] = reads(&mesh, PLAN, 0);
    assert_eq!(ahead, all);
    // All of the domain that was at work, and nothing of the other.
    let customers = mesh.records().into_iter().filter(|(address, _)| address.domain() == "customers");
    assert_eq!(after.values().sum::<u64>(), customers.count() as u64, "{after:?}");
    mesh.apply();
    mesh.is_converged();
}

#[test]
fn a_mesh_document_that_is_hidden_or_broken_reads_nothing_in_the_end() {
    let mesh = Mesh::applied();
    mesh.write(".datameshignore", "datamesh.yaml\n");
    mesh.run(&["plan"]).ends(1).says(&["No `datamesh.yaml` with a Mesh document"]);
    mesh.remove(".datameshignore");
    mesh.replace("datamesh.yaml", "kafka: {default:", "kafkaa: {default:");
    assert_eq!(reads(&mesh, PLAN, 1), [BTreeMap::new(), BTreeMap::new()]);
}
