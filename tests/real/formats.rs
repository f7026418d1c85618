//! What the program keeps is what its published schemas say: judged by a validator that others wrote.

use crate::mesh_folder::{Mesh, Systems, unique};
use crate::support::servers::servers;
use crate::witness::Witness;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;

const ORDERS: &str = "\
schema:
  fields:
    - { name: order_id, type: string, required: true }
    - { name: amount, type: \"decimal(18,2)\" }
output_ports:
  - { type: streaming, technology: kafka, partitions: 2, retention: 7d }
  - { type: batch, technology: iceberg }
lineage: { sources: [shop.public.orders] }
";

#[test]
fn state_plans_and_records_follow_their_schemas() {
    let Some(servers) = servers() else { return };
    let Some(witness) = Witness::of(servers) else { return };
    let mesh = Mesh::with(&Systems::shared(servers, &unique("formats")));
    mesh.product("orders", ORDERS);
    mesh.run(&["plan", "--out", "plan.bin"]).exits(0);
    mesh.run(&["apply", "plan.bin"]).exits(0);
    let text = |path: &str| std::fs::read_to_string(mesh.path().join(path)).expect("a file");
    let document = |text: &str| -> Value { serde_json::from_str(text).expect("JSON") };
    let records = mesh.run(&["audit", "export"]).exits(0).out;
    // What is exported says beside each record under which name it is kept, and with which digest.
    let record = |line: &str| {
        let mut line = document(line);
        let kept = line.as_object_mut().map(|map| (map.remove("name"), map.remove("digest")));
        assert!(matches!(kept, Some((Some(_), Some(_)))), "{line}");
        line
    };
    let records: Vec<Value> = records.lines().map(record).collect();
    assert_eq!(records.len(), 2, "{records:#?}");
    let state = mesh.run(&["state", "pull", "sales"]).exits(0).out;
    for (format, mut documents) in [
        ("State", vec![document(&state)]),
        ("Plan", vec![document(&text("plan.bin"))]),
        ("AuditRecord", records),
        ("Journal", vec![document(include_str!("../../state/tests/samples/journal-v1.json"))]),
    ] {
        let schema = document(&mesh.run(&["schema", "--kind", format]).exits(0).out);
        assert_eq!(witness.complaints(&schema, &documents), json!([]), "{format}");
        documents[0]["more"] = json!(1);
        documents[0]["format"] = json!("one");
        let complaints = witness.complaints(&schema, &documents).to_string();
        assert!(complaints.contains("more") && complaints.contains("was expected"), "{format}: {complaints}");
    }
}

#[test]
fn what_is_printed_for_programs_follows_its_schemas() {
    let Some(servers) = servers() else { return };
    let Some(witness) = Witness::of(servers) else { return };
    let mesh = Mesh::with(&Systems::shared(servers, &unique("printed")));
    mesh.product("orders", ORDERS);
    let document = |text: &str| -> Value { serde_json::from_str(text).expect("JSON") };
    let mut events: Vec<Value> = Vec::new();
    let mut print = |args: &[&str], code: i32| {
        let ran = mesh.run(&[args, &["--json"]].concat()).exits(code);
        events.extend(ran.out.lines().map(document));
    };
    print(&["validate"], 0);
    print(&["plan", "--out", "plan.bin", "--publish", "first"], 0);
    print(&["apply", "plan.bin"], 0);
    mesh.product("orders", &ORDERS.replace("retention: 7d", "retention: 8d"));
    print(&["drift"], 0);
    print(&["apply", "--reviewed", "first"], 5);
    mesh.product("orders", &ORDERS.replace("decimal(18,2)", "no such type"));
    print(&["plan"], 1);
    let kinds: BTreeSet<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    for kind in ["version", "diagnostic", "validate_summary", "planned_change", "change_summary", "published"]
    {
        assert!(kinds.contains(kind), "no {kind} among {kinds:?}");
    }
    for kind in
        ["refresh_complete", "group_start", "apply_complete", "apply_summary", "not_reviewed", "drift"]
    {
        assert!(kinds.contains(kind), "no {kind} among {kinds:?}");
    }
    let shown = document(&mesh.run(&["show", "plan.bin", "--json"]).exits(0).out);
    mesh.product("orders", ORDERS);
    for args in [&["init", "-q"][..], &["add", "domains", "datamesh.yaml"], &["commit", "-qm", "as it was"]] {
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let git = Command::new("git").args(who).args(args).current_dir(mesh.path()).status().expect("git");
        assert!(git.success(), "{args:?}");
    }
    mesh.product("orders", &ORDERS.replace("decimal(18,2)", "boolean"));
    let changed = document(&mesh.run(&["breaking", "--json"]).exits(3).out);
    for (format, key, mut documents) in [
        ("Event", "message", events),
        ("PlanDocument", "environment", vec![shown]),
        ("ChangelogDocument", "breaking", vec![changed]),
    ] {
        let schema = document(&mesh.run(&["schema", "--kind", format]).exits(0).out);
        assert_eq!(witness.complaints(&schema, &documents), json!([]), "{format}");
        documents[0][key] = json!(1);
        assert_ne!(witness.complaints(&schema, &documents), json!([]), "{format}");
    }
}
