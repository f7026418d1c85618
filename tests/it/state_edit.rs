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

fn pulled(mesh: &Mesh) -> Value {
    serde_json::from_str(&mesh.run(&["state", "pull", "orders"]).ends(0).out).expect("a shard")
}

#[test]
fn what_was_pulled_and_edited_is_pushed_over_the_version_it_was_pulled_from() {
    let mesh = Mesh::applied();
    let mut edited = pulled(&mesh);
    edited["resources"][TOPIC]["prevent_destroy"] = true.into();
    mesh.write("edited.json", &edited.to_string());
    let push = ["state", "push", "edited.json", "--auto-approve"];
    mesh.run(&push).ends(0).says(&["Done: put edited.json"]);
    let now = pulled(&mesh);
    assert_eq!(now["resources"][TOPIC]["prevent_destroy"], true);
    assert_eq!(
        now["resources"][TOPIC]["gen"].as_u64(),
        edited["resources"][TOPIC]["gen"].as_u64().map(|generation| generation + 1)
    );
    mesh.run(&push).ends(5).says(&["by now", "Pull it again"]);
    assert_eq!(pulled(&mesh), now, "nothing was done, and what others pulled holds");
    mesh.apply();
    mesh.is_converged();
    mesh.run(&["history"]).ends(0).says(&["state push"]);
}

type Change = fn(&mut Value);

#[test]
fn only_records_are_pushed_and_only_sound_ones() {
    let mesh = Mesh::applied();
    let before = mesh.shards();
    let changes: [(Change, &str); 5] = [
        (|shard| shard["domain"] = "customers".into(), ""),
        (|shard| shard["systems"]["kafka.default"] = "another".into(), "state rebind"),
        (|shard| shard["lineage"] = "another".into(), "lineage"),
        (|shard| shard["resources"][TOPIC]["no_such_field"] = 0.into(), "no_such_field"),
        (
            |shard| {
                let twin = shard["resources"][TOPIC].clone();
                shard["resources"][ELSEWHERE] = twin;
            },
            "claimed by",
        ),
    ];
    for (change, word) in changes {
        let mut edited = pulled(&mesh);
        change(&mut edited);
        mesh.write("edited.json", &edited.to_string());
        let run = mesh.run(&["state", "push", "edited.json", "--auto-approve"]);
        assert!(matches!(run.code, Some(1 | 5)), "{}", run.text());
        run.says(&[word]);
        let records = |shards: &std::collections::BTreeMap<String, datamesh_state::Shard>| {
            shards.values().flat_map(|shard| shard.resources.clone()).collect::<Vec<_>>()
        };
        assert_eq!(records(&mesh.shards()), records(&before));
    }
}

#[test]
fn another_cluster_is_the_rightful_one_once_somebody_says_so() {
    let mesh = Mesh::applied();
    mesh.edit("kafka.default", |world| world.identity = Some("the new cluster".into()));
    mesh.run(&["plan"]).ends(1).says(&["the new cluster", "datamesh state rebind kafka.default"]);
    let rebind = ["state", "rebind", "kafka.default", "--auto-approve"];
    mesh.run(&rebind).ends(0).says(&["Done: take `the new cluster`", "the test's kafka.default"]);
    mesh.run(&rebind).ends(0).says(&["Nothing to do"]);
    mesh.is_converged();
    mesh.run(&["state", "rebind", "kafka", "--auto-approve"]).ends(1).says(&["not the name of a system"]);
    mesh.run(&["state", "rebind", "kafka.other", "--auto-approve"]).ends(1).says(&["no such system"]);
}

#[test]
fn the_shard_of_another_mesh_is_refused_until_it_is_adopted() {
    let mesh = Mesh::applied();
    mesh.replace("datamesh.yaml", "name: testmesh", "name: renamed");
    for args in [&["plan"][..], &["apply", "--auto-approve"], &["state", "rm", TOPIC, "--auto-approve"]] {
        mesh.run(args).ends(1).says(&["belongs to testmesh", "adopt-shard"]);
    }
    for domain in ["orders", "customers"] {
        mesh.run(&["state", "adopt-shard", domain, "--auto-approve"]).ends(0).says(&["no more to testmesh"]);
        mesh.run(&["state", "adopt-shard", domain, "--auto-approve"])
            .ends(0)
            .says(&["belongs to renamed already"]);
    }
    mesh.is_converged();
    mesh.replace("datamesh.yaml", "name: renamed", "name: testmesh");
    mesh.run(&["plan"]).ends(1).says(&["belongs to renamed"]);
}

#[test]
fn two_meshes_share_a_storage_as_long_as_their_domains_differ() {
    let mesh = Mesh::with("on_remove: destroy");
    mesh.apply();
    let objects = mesh.objects();
    mesh.replace("datamesh.yaml", "name: testmesh", "name: other");
    for path in ["domains/orders/domain.yaml", EVENTS, "domains/orders/facts.yaml"] {
        mesh.remove(path);
    }
    for path in ["domains/customers/domain.yaml", "domains/customers/profile.yaml"] {
        let text = mesh.read(path).replace("customers", "clients").replace("orders.facts.v1", "crm.public.x");
        mesh.remove(path);
        mesh.write(&path.replace("customers", "clients"), &text);
    }
    let plan = mesh.plan(&[]);
    assert!(plan.actions().iter().all(|action| action.starts_with("create ")), "{:?}", plan.actions());
    mesh.apply();
    assert!(
        objects.keys().all(|object| mesh.objects().contains_key(object)),
        "nothing of the other mesh went"
    );
}

#[test]
fn there_is_nothing_to_upgrade_yet() {
    Mesh::applied().run(&["state", "upgrade"]).ends(0).says(&["Nothing to do: 2 domains of format 1"]);
}
