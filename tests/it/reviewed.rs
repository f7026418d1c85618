//! Published plans: what was reviewed under a name is what is applied under it, whatever was merged since.

use crate::world::{EVENTS, FACTS, Mesh, PROFILE, Run};
use serde_json::Value;

const TOPIC: &str = "orders/events@3:kafka_topic.kafka";
const LIVE_TOPIC: &str = "kafka.default kafka_topic orders.events.v3";
const LIVE_PROFILE: &str = "kafka.default kafka_topic customers.profile.v1";
const REVIEWED: &[&str] = &["apply", "--reviewed", "pr-7"];

fn publish(mesh: &Mesh) -> Run {
    mesh.run(&["plan", "--publish", "pr-7"]).ends(0)
}

/// An applied mesh whose topic is to grow, and the plan of that published.
fn published() -> Mesh {
    let mesh = Mesh::applied();
    mesh.replace(EVENTS, "partitions: 3", "partitions: 6");
    publish(&mesh).says(&["published as `pr-7`, version 1", "datamesh apply --reviewed pr-7"]);
    mesh
}

#[track_caller]
fn refused(mesh: &Mesh, words: &[&str]) {
    let before = (mesh.world(), mesh.shards());
    mesh.run(REVIEWED).ends(5).says(&["not what was reviewed as `pr-7`", "Nothing was done."]).says(words);
    assert_eq!((mesh.world(), mesh.shards()), before);
}

#[test]
fn what_was_reviewed_is_applied_without_a_question() {
    let mesh = published();
    // What has no effect voids nothing: a squashed merge is another commit.
    mesh.replace(EVENTS, "kind: DataProduct", "# Reviewed.\nkind: DataProduct");
    mesh.run(REVIEWED).ends(0).says(&["Plan: 0 to create, 1 to update"]);
    assert_eq!(mesh.objects()[LIVE_TOPIC]["partitions"], 6);
    mesh.is_converged();
    mesh.run(&["history"]).ends(0).says(&["apply --reviewed pr-7"]);
    mesh.run(REVIEWED).ends(0).says(&["1 reviewed change is not planned any more", TOPIC, "No changes."]);
}

#[test]
fn the_newest_version_of_a_name_counts() {
    let mesh = published();
    publish(&mesh).says(&["version 1"]);
    mesh.replace(EVENTS, "partitions: 6", "partitions: 12");
    refused(&mesh, &["kafka_topic.kafka"]);
    publish(&mesh).says(&["version 2"]);
    mesh.run(REVIEWED).ends(0);
    assert_eq!(mesh.objects()[LIVE_TOPIC]["partitions"], 12);
}

#[test]
fn what_nobody_reviewed_is_refused_with_what_was_reviewed_of_the_same() {
    let mesh = published();
    mesh.replace(PROFILE, "partitions: 1", "partitions: 2");
    let profile = "customers/profile@1";
    refused(&mesh, &[profile, "not reviewed: the reviewed plan does nothing about it", "1 change is"]);
    mesh.replace(PROFILE, "partitions: 2", "partitions: 1");
    mesh.replace(EVENTS, "partitions: 6", "partitions: 9");
    refused(&mesh, &["kafka_topic.kafka", "reviewed:", "partitions: 3 -> 6", "now:", "partitions: 3 -> 9"]);
    // Here the removal is refused by the plan itself, and what was reviewed is not planned.
    mesh.remove(EVENTS);
    mesh.run(REVIEWED).ends(1).says(&["1 reviewed change is not planned any more", TOPIC]);
    assert_eq!(mesh.objects()[LIVE_TOPIC]["partitions"], 3);
}

#[test]
fn what_is_live_now_is_part_of_it() {
    let mesh = published();
    mesh.edit("kafka.default", |world| {
        let topic =
            world.objects.get_mut("kafka_topic").and_then(|topics| topics.get_mut("orders.events.v3"));
        topic.expect("a topic").attributes.insert("partitions".into(), Value::from(4));
    });
    refused(&mesh, &["kafka_topic.kafka", "partitions: 3 -> 6", "partitions: 4 -> 6"]);
}

#[test]
fn less_than_was_reviewed_is_applied() {
    let mesh = Mesh::applied();
    mesh.replace(EVENTS, "partitions: 3", "partitions: 6");
    mesh.replace(PROFILE, "partitions: 1", "partitions: 2");
    publish(&mesh);
    mesh.replace(PROFILE, "partitions: 2", "partitions: 1");
    mesh.run(REVIEWED).ends(0).says(&["1 reviewed change is not planned any more"]);
    let objects = mesh.objects();
    assert_eq!(
        (&objects[LIVE_TOPIC]["partitions"], &objects[LIVE_PROFILE]["partitions"]),
        (&6.into(), &1.into())
    );
}

/// What a plan was narrowed to is what is planned again.
#[test]
fn a_published_plan_keeps_what_was_asked() {
    let mesh = Mesh::applied();
    mesh.replace(EVENTS, "partitions: 3", "partitions: 6");
    mesh.replace(PROFILE, "partitions: 1", "partitions: 2");
    mesh.run(&["plan", "--publish", "pr-7", "--target", "domain:orders"]).ends(0);
    mesh.replace(PROFILE, "partitions: 2", "partitions: 3");
    mesh.run(REVIEWED).ends(0);
    assert_eq!(mesh.objects()[LIVE_PROFILE]["partitions"], 1);
    assert_eq!(mesh.objects()[LIVE_TOPIC]["partitions"], 6);
}

#[test]
fn programs_are_told_what_differs() {
    let mesh = published();
    mesh.replace(FACTS, "One row an order.", "One row for each order.");
    let run = mesh.run(&["apply", "--reviewed", "pr-7", "--json"]).ends(5);
    let events = run.out.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object"));
    let events: Vec<Value> = events.filter(|event| event["type"] == "not_reviewed").collect();
    assert!(!events.is_empty(), "{}", run.text());
    for event in &events {
        assert!(
            event["address"].as_str().is_some_and(|address| address.starts_with("orders/facts@")),
            "{event}"
        );
        assert!(event["reviewed_actions"].is_null(), "{event}");
    }
}

#[test]
fn a_name_that_nobody_published_is_an_error() {
    let mesh = published();
    let missing = ["No plan was published as `pr-8`", "Did you mean `pr-7`?"];
    mesh.run(&["apply", "--reviewed", "pr-8"]).ends(1).says(&missing);
    let other = ["No plan was published", "datamesh plan --publish release_of_may"];
    mesh.run(&["apply", "--reviewed", "release_of_may"]).ends(1).says(&other);
    for wrong in ["a/b", "", "..", "a b"] {
        mesh.run(&["plan", "--publish", wrong]).ends(64).says(&["letters, digits"]);
    }
    mesh.run(&["apply", "--reviewed", "pr-7", "--target", "domain:orders"]).ends(64);
    mesh.run(&["plan", "--publish", "pr-7", "--snapshot", "live.json"]).ends(64);
}

#[test]
fn what_has_errors_is_not_published_under_strict() {
    let mesh = published();
    mesh.replace(PROFILE, "partitions: 1", "partitions: none");
    mesh.replace(EVENTS, "partitions: 6", "partitions: 8");
    mesh.run(&["plan", "--strict", "--publish", "pr-7"]).ends(1).says(&["The plan is not saved"]);
    mesh.run(&["plan", "--publish", "pr-7"]).ends(1).says(&["version 2"]);
}
