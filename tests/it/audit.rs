//! What is on record of each run, however it ended.

use crate::world::{EVENTS, Mesh};
use serde_json::Value;

const TOPIC: &str = "orders/events@3:kafka_topic.kafka";

fn records(mesh: &Mesh) -> Vec<Value> {
    let exported = mesh.run(&["audit", "export"]).ends(0);
    exported.out.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
}

fn of_kind<'r>(records: &'r [Value], kind: &str) -> Vec<&'r Value> {
    records.iter().filter(|record| record["entry"]["kind"] == kind).collect()
}

#[test]
fn a_run_says_what_it_is_about_to_do_why_and_what_became_of_it() {
    let mesh = Mesh::new();
    mesh.run(&["apply", "--auto-approve", "--reason", "the first release"]).ends(0);
    let records = records(&mesh);
    let (begun, ended) = (of_kind(&records, "begun"), of_kind(&records, "ended"));
    assert_eq!((records.len(), begun.len(), ended.len()), (2, 1, 1));
    let (begun, ended) = (&begun[0]["entry"], &ended[0]["entry"]);
    assert_eq!(begun["actor"]["name"], "tester");
    assert_eq!(begun["actor"]["verified"], false);
    assert_eq!(begun["actor"]["reason"], "the first release");
    assert_eq!(ended["result"], "complete");
    let ids = |list: &Value| -> Vec<Value> {
        list.as_array().expect("a list").iter().map(|entry| entry["id"].clone()).collect()
    };
    assert!(!ids(&begun["operations"]).is_empty());
    assert_eq!(ids(&begun["operations"]), ids(&ended["outcomes"]));
    assert!(ended["outcomes"].as_array().expect("a list").iter().all(|one| one["outcome"] == "done"));
    mesh.run(&["history"]).ends(0).says(&["apply", "tester", "complete", "the first release", "1 run."]);
    mesh.run(&["history", TOPIC]).ends(0).says(&["create", TOPIC, "done"]);
    mesh.run(&["history", "orders/nothing@1:kafka_topic.kafka"]).ends(0).says(&["No run is recorded"]);
    mesh.run(&["audit", "verify"]).ends(0).says(&["2 records: unbroken."]);
}

#[test]
fn a_run_that_changes_nothing_leaves_no_record() {
    let mesh = Mesh::applied();
    let before = mesh.audit_records();
    mesh.apply();
    mesh.run(&["plan"]).ends(0);
    mesh.run(&["drift"]).ends(0);
    assert_eq!(mesh.audit_records(), before);
}

#[test]
fn what_failed_is_on_record_with_its_reason() {
    let mesh = Mesh::new();
    mesh.edit("kafka.default", |world| world.faults.rejected = ["orders.events.v3".to_owned()].into());
    mesh.run(&["apply", "--auto-approve"]).ends(6);
    let all = records(&mesh);
    let ended = &of_kind(&all, "ended")[0]["entry"];
    assert_eq!(ended["result"], "partial");
    let outcomes = ended["outcomes"].as_array().expect("a list");
    let words = |word: &str| outcomes.iter().filter(|one| one["outcome"] == word).count();
    assert!(words("done") > 0 && words("failed") == 1 && words("not_started") > 0, "{ended}");
    let failed = outcomes.iter().find(|one| one["outcome"] == "failed").expect("one");
    assert!(failed["why"].as_str().expect("why").contains("refused on purpose"));
    mesh.run(&["history"]).ends(0).says(&["in part", TOPIC, "refused on purpose"]);
}

#[test]
fn of_a_run_that_was_killed_the_next_one_says_what_became_of_it() {
    let mesh = Mesh::new();
    mesh.run_with(&["apply", "--auto-approve"], &[("DATAMESH_FAKE_KILL", "4:after-call")]);
    mesh.run(&["audit", "verify"]).ends(0).says(&["open", "no record says how it ended"]);
    mesh.apply();
    let all = records(&mesh);
    let killed: Vec<&Value> =
        of_kind(&all, "ended").into_iter().filter(|one| one["entry"]["result"] == "killed").collect();
    assert_eq!(killed.len(), 1, "{all:?}");
    let outcomes = killed[0]["entry"]["outcomes"].as_array().expect("a list");
    let done = outcomes.iter().filter(|one| one["outcome"] == "done").count();
    let left =
        outcomes.iter().filter(|one| ["not_started", "not_done"].iter().any(|word| one["outcome"] == *word));
    assert!(done >= 4, "{outcomes:?}");
    assert_eq!(done + left.count(), outcomes.len(), "{outcomes:?}");
    mesh.run(&["history"]).ends(0).says(&["killed; settled by run", "complete"]);
    let verdict = mesh.run(&["audit", "verify", "--json"]).ends(0);
    let verdict: Value = serde_json::from_str(&verdict.out).expect("an object");
    assert_eq!((verdict["broken"].as_array(), verdict["open"].as_array()), (Some(&vec![]), Some(&vec![])));
}

#[test]
fn a_run_that_was_killed_after_all_was_done_is_closed_by_the_next_that_changes_something() {
    let mesh = Mesh::new();
    let end = mesh.copy();
    end.apply();
    let writes: u64 = end.shards().values().map(|shard| shard.serial).sum::<u64>() + end.audit_records();
    mesh.run_with(&["apply", "--auto-approve"], &[("DATAMESH_FAKE_KILL_WRITE", &format!("{writes}:before"))]);
    mesh.apply();
    mesh.run(&["audit", "verify"]).ends(0).says(&["open"]);
    mesh.run(&["destroy", "--all", "--auto-approve"]).ends(0);
    mesh.run(&["history"]).ends(0).says(&["destroy", "killed; settled by run"]);
    let open = mesh.run(&["audit", "verify"]).ends(0);
    assert!(!open.text().contains("open "), "{}", open.text());
}

#[test]
fn a_record_that_was_changed_is_found() {
    let mesh = Mesh::applied();
    mesh.replace(EVENTS, "retention: 7d", "retention: 14d");
    mesh.apply();
    mesh.run(&["audit", "verify"]).ends(0);
    let all = records(&mesh);
    let first = all.iter().find(|record| record["previous"].is_null()).expect("the first");
    let (environment, first) = (first["environment"].as_str(), first["name"].as_str());
    let first = first.expect("a name");
    let folder = mesh.path(&format!("state/_runs/{}/{first}", environment.expect("a name")));
    let path = folder.read_dir().expect("a folder").next().expect("a file").expect("an entry").path();
    let text = std::fs::read_to_string(&path).expect("read");
    std::fs::write(&path, text.replace("tester", "nobody")).expect("written");
    mesh.run(&["audit", "verify"]).ends(1).says(&["broken", first, "it was changed", "1 place broken"]);
}
