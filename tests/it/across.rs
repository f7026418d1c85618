//! Runs of two domains whose operations exclude each other.

use crate::world::{Mesh, Run, hanging_in, pause};
use std::process::Child;

const ORDERS: &str = "domain:orders";
const CUSTOMERS: &str = "domain:customers";
const FACTS: &str = "orders/facts@1:catalog_product.self";
const LINEAGE: &str = "customers/profile@1:catalog_lineage.self";

fn only(domain: &str) -> [&str; 4] {
    ["apply", "--auto-approve", "--target", domain]
}

#[test]
fn what_an_operation_depends_on_goes_away_before_it_begins() {
    let mesh = Mesh::new();
    mesh.run(&only(ORDERS)).ends(0);
    let (child, frozen) = hanging_in(&mesh, &only(CUSTOMERS), 1);
    mesh.run(&["state", "rm", FACTS, "--auto-approve"]).ends(0);
    frozen.thaw();
    let run = Run::of(&child.wait_with_output().expect("it ends"));
    run.ends(6).says(&["stale", LINEAGE, FACTS, "not recorded any more", "Applied in part"]);
    assert!(!mesh.is_pending(), "the intent was taken back");
    assert!(mesh.records().keys().all(|address| address.to_string() != LINEAGE));
    mesh.apply();
    mesh.is_sound(&[]);
    mesh.is_converged();
}

/// Starts both at once, from checkouts of their own.
fn both(one: (&Mesh, &[&str]), other: (&Mesh, &[&str])) {
    let children: [Child; 2] = [one, other].map(|(mesh, args)| mesh.start(args));
    for child in children {
        let run = Run::of(&child.wait_with_output().expect("it ends"));
        assert!(matches!(run.code, Some(0..=6)), "{}", run.text());
    }
}

#[test]
fn what_is_deleted_here_is_not_depended_on_there() {
    for _ in 0..6 {
        let mesh = Mesh::new();
        mesh.run(&only(ORDERS)).ends(0);
        let destroy = ["destroy", "--target", "product:orders/facts", "--auto-approve"];
        both((&mesh, &destroy), (&mesh, &only(CUSTOMERS)));
        assert!(!mesh.is_pending());
        let records = mesh.records();
        for (address, record) in &records {
            let missing: Vec<_> = record.dependencies.iter().filter(|at| !records.contains_key(at)).collect();
            assert!(missing.is_empty(), "{address} depends on {missing:?}");
        }
        mesh.apply();
        mesh.is_sound(&[]);
        mesh.is_converged();
    }
}

/// A second checkout of the same mesh, with the state and the systems of the first.
fn checkout(here: &Mesh) -> Mesh {
    let there = here.copy();
    let shared = here.root().to_str().expect("a path");
    there.replace("datamesh.yaml", "path: state", &format!("path: {shared}/state"));
    there.replace("datamesh.yaml", "fake: world.json", &format!("fake: {shared}/world.json"));
    there
}

#[test]
fn a_topic_that_is_being_made_in_one_domain_is_not_made_in_another() {
    let here = Mesh::new();
    let there = checkout(&here);
    here.replace("domains/orders/events.yaml", "technology: kafka,", "technology: kafka, topic: one.topic,");
    there.replace(
        "domains/customers/profile.yaml",
        "technology: kafka,",
        "technology: kafka, topic: one.topic,",
    );
    let topic = |selector| ["apply", "--auto-approve", "--target", selector];
    let (child, frozen) = hanging_in(&here, &topic("orders/**:kafka_topic.*"), 1);
    // Its plan was free to see no such topic; its intent is not.
    let other = there.run(&topic("customers/**:kafka_topic.*"));
    frozen.thaw();
    Run::of(&child.wait_with_output().expect("it ends")).ends(0);
    other.ends(5).says(&["stale", "one.topic belongs to orders/events@3:kafka_topic.kafka by now"]);
    let records = here.records();
    let owners: Vec<_> = records.iter().filter(|(_, record)| record.object.as_str() == "one.topic").collect();
    assert_eq!(owners.len(), 1, "{owners:#?}");
    assert!(!here.is_pending());
}

#[test]
fn domains_are_applied_side_by_side() {
    let mesh = Mesh::new();
    mesh.replace("domains/customers/profile.yaml", "orders.facts.v1", "crm.public.customers");
    let (orders, frozen) = hanging_in(&mesh, &only(ORDERS), 1);
    let customers = mesh.start(&only(CUSTOMERS));
    let both = (0..2000).any(|_| {
        pause(10);
        mesh.shards().values().filter(|shard| !shard.pending.is_empty()).count() == 2
    });
    frozen.thaw();
    for child in [orders, customers] {
        Run::of(&child.wait_with_output().expect("it ends")).ends(0);
    }
    assert!(both, "the second run waited for the first");
    mesh.is_sound(&[]);
    mesh.is_converged();
}

#[test]
fn what_another_run_is_at_work_on_is_left_to_it_and_the_rest_is_done() {
    let mesh = Mesh::new();
    mesh.replace("domains/customers/profile.yaml", "orders.facts.v1", "crm.public.customers");
    mesh.run(&only(CUSTOMERS)).ends(0);
    let (orders, frozen) = hanging_in(&mesh, &only(ORDERS), 1);
    let all = mesh.run(&["apply", "--auto-approve", "--target", "domain:customers"]).ends(0);
    assert!(!all.text().contains("locked"), "{}", all.text());
    mesh.run(&["apply", "--auto-approve"]).ends(4).says(&["domain orders", "is locked by tester"]);
    frozen.thaw();
    Run::of(&orders.wait_with_output().expect("it ends")).ends(0);
    mesh.apply();
    mesh.is_sound(&[]);
    mesh.is_converged();
}
