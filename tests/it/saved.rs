//! Saved plans: applied once, refused when something they rely on moved, resumed when they were cut off, and never
//! believed.

use crate::world::{EVENTS, FACTS, Mesh, PROFILE};
use datamesh::engine::PlanFile;
use datamesh_provider::{canonical_json, digest};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

const TOPIC: &str = "orders/events@3:kafka_topic.kafka";
const LIVE_TOPIC: &str = "kafka.default kafka_topic orders.events.v3";
const LIVE_PROFILE: &str = "kafka.default kafka_topic customers.profile.v1";
const SAVED: &[&str] = &["apply", "saved.plan"];

/// An applied mesh with a change in each domain, and a saved plan for it.
fn planned() -> Mesh {
    let mesh = Mesh::applied();
    mesh.replace(EVENTS, "partitions: 3", "partitions: 6");
    mesh.replace(PROFILE, "partitions: 1", "partitions: 2");
    mesh.plan(&[]).run.ends(0);
    mesh
}

/// The saved plan is refused, and neither a system nor the state was written.
#[track_caller]
fn refused(mesh: &Mesh, words: &[&str]) {
    let before = (mesh.world(), mesh.shards());
    mesh.run(SAVED).ends(5).says(&["stale", "Nothing was done."]).says(words);
    assert_eq!((mesh.world(), mesh.shards()), before);
}

/// Changes one attribute of a live object behind the program's back.
fn meddle(mesh: &Mesh, system: &str, ty: &str, id: &str, pointer: &[&str], value: Value) {
    mesh.edit(system, |world| {
        let thing = world.objects.get_mut(ty).and_then(|things| things.get_mut(id)).expect("an object");
        let (last, path) = pointer.split_last().expect("a path");
        let mut at = &mut thing.attributes;
        for part in path {
            at = at.entry((*part).to_owned()).or_insert_with(|| json!({})).as_object_mut().expect("a map");
        }
        at.insert((*last).to_owned(), value);
    });
}

fn retention(mesh: &Mesh, value: &str) {
    let path = ["config", "retention.ms"];
    meddle(mesh, "kafka.default", "kafka_topic", "orders.events.v3", &path, json!(value));
}

#[test]
fn a_saved_plan_is_applied_once_and_without_a_question() {
    let mesh = planned();
    mesh.run(SAVED).ends(0);
    assert_eq!(mesh.objects()[LIVE_TOPIC]["partitions"], 6);
    mesh.is_converged();
    refused(&mesh, &["this plan was applied by run"]);
    // Also after everything was taken back by hand.
    meddle(&mesh, "kafka.default", "kafka_topic", "orders.events.v3", &["partitions"], json!(3));
    refused(&mesh, &["this plan was applied by run"]);
}

/// The same change at another time is another plan.
#[test]
fn a_plan_that_comes_again_is_not_taken_for_the_one_that_was_applied() {
    let mesh = Mesh::new();
    let destroy = ["destroy", "--all", "--auto-approve"];
    let mut ids = BTreeSet::new();
    for _ in 0..2 {
        mesh.plan(&[]).run.ends(0);
        ids.insert(PlanFile::read(&mesh.path("saved.plan")).expect("a plan file").plan.id);
        mesh.run(SAVED).ends(0);
        mesh.is_sound(&[]);
        mesh.run(&destroy).ends(0);
    }
    assert_eq!(ids.len(), 2);
}

#[test]
fn a_plan_without_changes_is_applied_as_often_as_one_likes() {
    let mesh = Mesh::applied();
    mesh.plan(&[]).run.ends(0);
    mesh.run(SAVED).ends(0);
    mesh.run(SAVED).ends(0);
}

#[test]
fn a_saved_plan_is_refused_after_an_edit() {
    let mesh = planned();
    mesh.replace(FACTS, "One row an order.", "One row for each order.");
    refused(&mesh, &["the manifests are not the ones it was made from"]);
    mesh.replace(FACTS, "One row for each order.", "One row an order.");
    mesh.run(SAVED).ends(0);
}

#[test]
fn a_saved_plan_is_refused_after_another_apply_of_what_it_changes() {
    let mesh = planned();
    mesh.run(&["apply", "--auto-approve", "--target", "domain:customers"]).ends(0);
    refused(&mesh, &["customers/profile@1:kafka_topic.kafka", "its record was written since"]);
}

/// Another run changed something else: in the same shard, in another one, with the same manifests or with others.
#[test]
fn an_unrelated_apply_voids_nothing() {
    let mesh = Mesh::applied();
    mesh.replace(EVENTS, "partitions: 3", "partitions: 6");
    mesh.replace(PROFILE, "partitions: 1", "partitions: 2");
    let field = "\"decimal(18,2)\", pii: false}\n";
    mesh.replace(FACTS, field, &format!("{field}      - {{name: note, type: string, pii: false}}\n"));
    let narrow = ["--target", TOPIC];
    mesh.plan(&narrow).run.ends(0);
    for other in ["orders/facts@1:iceberg_table.iceberg", "customers/profile@1:kafka_topic.kafka"] {
        mesh.run(&["apply", "--auto-approve", "--target", other]).ends(0).says(&["1 operation done"]);
    }
    mesh.run(SAVED).ends(0);
    assert_eq!(mesh.objects()[LIVE_TOPIC]["partitions"], 6);
    assert_eq!(mesh.objects()[LIVE_PROFILE]["partitions"], 2);

    // A plan of everything, and somebody with other manifests, who also makes and removes things.
    let mesh = planned();
    let mine = [EVENTS, FACTS, PROFILE].map(|file| (file, mesh.read(file)));
    mesh.replace(EVENTS, "partitions: 6", "partitions: 3");
    mesh.replace(PROFILE, "partitions: 2", "partitions: 1");
    mesh.replace(FACTS, "One row an order.", "One row for each order.");
    mesh.write("domains/orders/more.yaml", &mine[1].1.replace("facts", "more"));
    mesh.apply();
    mesh.remove("domains/orders/more.yaml");
    for (file, text) in mine {
        mesh.write(file, &text);
    }
    mesh.run(SAVED).ends(0);
    assert_eq!(mesh.objects()[LIVE_TOPIC]["partitions"], 6);
    let facts = &mesh.objects()["catalog.default catalog_product orders/facts@1"];
    assert!(facts.to_string().contains("One row for each order."), "{facts}");
}

#[test]
fn a_saved_plan_is_refused_when_what_it_relies_on_moved() {
    let mesh = planned();
    retention(&mesh, "5");
    refused(&mesh, &[TOPIC, "it was changed outside"]);
    // What it does not change may move.
    retention(&mesh, "604800000");
    let summary = ["description"];
    meddle(&mesh, "catalog.default", "catalog_domain", "orders", &summary, json!("changed"));
    mesh.run(SAVED).ends(0);

    // A direct dependency that it does not change, either.
    let mesh = Mesh::applied();
    mesh.replace(FACTS, "One row an order.", "One row for each order.");
    let plan = mesh.plan(&[]);
    assert_eq!(plan.actions(), ["update orders/facts@1:catalog_product.self"]);
    let table = mesh.objects().remove("iceberg.default iceberg_table orders.facts").expect("a table");
    let pins = PlanFile::read(&mesh.path("saved.plan")).expect("a plan file").plan.pins;
    let table_pin = pins.keys().any(|address| address.to_string() == "orders/facts@1:iceberg_table.iceberg");
    assert!(table_pin, "{:?}", pins.keys());
    meddle(&mesh, "iceberg.default", "iceberg_table", "orders.facts", &["fields"], json!([]));
    refused(&mesh, &["orders/facts@1:iceberg_table.iceberg", "it was changed outside"]);
    // What writers leave there is nobody's business.
    meddle(&mesh, "iceberg.default", "iceberg_table", "orders.facts", &["fields"], table["fields"].clone());
    meddle(&mesh, "iceberg.default", "iceberg_table", "orders.facts", &["properties", "rows"], json!("7"));
    mesh.run(SAVED).ends(0);
}

#[test]
fn a_saved_plan_is_refused_when_an_object_was_made_again() {
    let mesh = planned();
    mesh.edit("kafka.default", |kafka| {
        let topic = kafka.objects.get_mut("kafka_topic").and_then(|all| all.get_mut("orders.events.v3"));
        topic.expect("a topic").incarnation = Some("theirs".into());
    });
    refused(&mesh, &[TOPIC, "deleted and made again by somebody else"]);
}

#[test]
fn a_saved_plan_of_another_environment_state_or_system_or_none_at_all_is_refused() {
    let mesh = planned();
    mesh.edit("kafka.default", |kafka| kafka.identity = Some("another cluster".into()));
    refused(&mesh, &["kafka.default is another system"]);
    let mesh = planned();
    let other = mesh.copy();
    fs::remove_dir_all(other.path("state/test/customers")).expect("removed");
    refused(&other, &["the state of customers is gone"]);
    reseal(&mesh, |file| file["plan"]["environment"] = json!("prod"));
    refused(&mesh, &["another environment"]);
    mesh.write("saved.plan", "{}");
    mesh.run(SAVED).ends(1).says(&["no plan file"]);
    mesh.run(&["apply", "nowhere.plan"]).ends(1).says(&["nowhere.plan"]);
}

#[test]
fn show_renders_a_stale_plan_with_a_warning() {
    let mesh = planned();
    let fresh = mesh.run(&["show", "saved.plan"]).ends(0);
    assert!(!fresh.err.contains("stale"), "{}", fresh.err);
    mesh.run(&["apply", "--auto-approve", "--target", "domain:customers"]).ends(0);
    let stale = mesh.run(&["show", "saved.plan"]).ends(0).says(&["This plan is stale", "record was written"]);
    assert_eq!(stale.out, fresh.out);
    let json = mesh.run(&["show", "--json", "saved.plan"]).ends(0).says(&["This plan is stale"]);
    serde_json::from_str::<Value>(&json.out).expect("a document");
    mesh.replace(FACTS, "One row an order.", "One row for each order.");
    mesh.run(&["show", "saved.plan"]).ends(0).says(&["the manifests are not the ones"]);
}

/// A failure in the middle: the same file goes on where it stopped, and is done once.
#[test]
fn a_saved_plan_that_failed_in_part_is_resumed() {
    let mesh = Mesh::new();
    mesh.plan(&[]).run.ends(0);
    for refused in [["orders.events.v3", "customers.profile.v1"].as_slice(), &["customers.profile.v1"]] {
        let refused = refused.iter().map(|id| (*id).to_owned()).collect();
        mesh.edit("kafka.default", |kafka| kafka.faults.rejected = refused);
        mesh.run(SAVED).ends(6).says(&["refused on purpose"]);
    }
    mesh.edit("kafka.default", |kafka| kafka.faults = Default::default());
    mesh.run(SAVED).ends(0).says(&["An earlier run of this plan did"]);
    let reference = Mesh::applied();
    assert_eq!(mesh.objects(), reference.objects());
    assert_eq!(mesh.effects(), reference.effects());
    mesh.is_converged();
    refused(&mesh, &["this plan was applied by run"]);
}

/// What was done is not done again, and what somebody changed since is not taken for it.
#[test]
fn a_resumed_plan_looks_at_what_it_did() {
    let begun = || {
        let mesh = planned();
        mesh.edit("kafka.default", |kafka| {
            kafka.faults.rejected = ["customers.profile.v1".to_owned()].into()
        });
        mesh.run(SAVED).ends(6);
        mesh.edit("kafka.default", |kafka| kafka.faults = Default::default());
        assert_eq!(mesh.objects()[LIVE_TOPIC]["partitions"], 6);
        mesh
    };
    let mesh = begun();
    meddle(&mesh, "kafka.default", "kafka_topic", "orders.events.v3", &["partitions"], json!(3));
    refused(&mesh, &[TOPIC, "changed outside"]);
    let mesh = begun();
    meddle(&mesh, "kafka.default", "kafka_topic", "orders.events.v3", &["partitions"], json!(9));
    refused(&mesh, &[TOPIC]);
    let mesh = begun();
    mesh.run(SAVED).ends(0);
    let updates = mesh.effects().iter().filter(|effect| effect.contains("Update")).count();
    assert_eq!(updates, 2);
}

/// The mark is the last thing that is written. Without it the next run finds nothing left, and writes it.
#[test]
fn a_kill_before_the_mark_is_made_good() {
    let mesh = planned();
    mesh.run(SAVED).ends(0);
    let marks = || fs::read_dir(mesh.path("state/_done/test")).expect("marks").count();
    assert_eq!(marks(), 1);
    fs::remove_dir_all(mesh.path("state/_done")).expect("removed");
    let effects = mesh.effects();
    mesh.run(SAVED).ends(0).says(&["An earlier run of this plan did 2 of its 2 operations"]);
    assert_eq!((marks(), mesh.effects()), (1, effects));
    refused(&mesh, &["this plan was applied by run"]);
}

// Untrusted input.

fn sealed(value: &Value) -> String {
    let body = canonical_json(value);
    format!("{{\"_checksum\":\"{}\",{}\n", digest(body.as_bytes()), &body[1..])
}

fn document(mesh: &Mesh) -> Value {
    let mut value: Value = serde_json::from_str(&mesh.read("saved.plan")).expect("JSON");
    value.as_object_mut().expect("a map").remove("_checksum");
    value
}

/// Changes the file and makes its checksum right again.
fn reseal(mesh: &Mesh, change: impl FnOnce(&mut Value)) {
    let mut value = document(mesh);
    change(&mut value);
    mesh.write("saved.plan", &sealed(&value));
}

/// The place of every leaf, as a JSON pointer.
fn leaves(value: &Value, at: &str, out: &mut Vec<String>) {
    let part = |key: &str| format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Object(map) if !map.is_empty() => map.iter().for_each(|(key, v)| leaves(v, &part(key), out)),
        Value::Array(list) if !list.is_empty() => {
            list.iter().enumerate().for_each(|(at, v)| leaves(v, &part(&at.to_string()), out));
        }
        _ => out.push(at.to_owned()),
    }
}

/// Where two leaves are of the same kind: places in lists, and addresses, do not count.
fn kind(pointer: &str) -> String {
    let some = |part: &str| part.parse::<u32>().is_ok() || part.contains(':');
    let parts = pointer.split('/').map(|part| if some(part) { "*" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Other values for one leaf: near ones, and what others of its kind say.
fn others(value: &Value, kin: &BTreeSet<String>) -> Vec<Value> {
    match value {
        Value::Bool(is) => vec![json!(!is)],
        Value::Number(number) => vec![json!(number.as_u64().unwrap_or(0) + 1), json!(0)],
        Value::String(text) => {
            let other = kin.iter().find(|other| *other != text).map(|other| json!(other));
            vec![other.unwrap_or_else(|| json!("")), json!(format!("{text}x"))]
        }
        Value::Null => vec![json!("x")],
        Value::Array(_) => vec![json!(["x"])],
        Value::Object(_) => vec![json!({"x": "y"})],
    }
}

/// Every change of one leaf, with its place.
fn mutations(document: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    leaves(document, "", &mut all);
    // What follows the last `/` tells values that may stand for each other.
    let mut kin: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for pointer in &all {
        if let Some(text) = document.pointer(pointer).and_then(Value::as_str) {
            kin.entry(pointer.rsplit('/').next().unwrap_or("")).or_default().insert(text.to_owned());
        }
    }
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for pointer in &all {
        if !seen.insert(kind(pointer)) {
            continue;
        }
        let none = BTreeSet::new();
        let kin = kin.get(pointer.rsplit('/').next().unwrap_or("")).unwrap_or(&none);
        let value = document.pointer(pointer).expect("a leaf");
        out.extend(others(value, kin).into_iter().map(|other| (pointer.clone(), other)));
    }
    out
}

/// A plan that makes, changes, takes over, lets go of and deletes, narrowed to stay small.
fn rich() -> Mesh {
    let mesh = Mesh::with("on_remove: destroy");
    mesh.apply();
    mesh.remove(PROFILE);
    mesh.replace(EVENTS, "partitions: 3, retention: 7d", "partitions: 6, retention: 14d");
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
    mesh.write("domains/orders/more.yaml", &mesh.read(FACTS).replace("facts", "more"));
    mesh.plan(&[]).run.ends(0);
    mesh
}

/// No careless edit passes the checksum; and whoever makes that right again gets what was planned, or nothing.
#[test]
fn no_field_of_a_saved_plan_is_believed() {
    let base = rich();
    let document = document(&base);
    let reference = base.copy();
    reference.run(SAVED).ends(0);
    let (effects, objects) = (reference.effects(), reference.objects());
    let mutations = mutations(&document);
    assert!(mutations.len() > 300, "only {} mutations", mutations.len());
    let (next, same) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some((pointer, other)) = mutations.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut value = document.clone();
                    *value.pointer_mut(pointer).expect("a leaf") = other.clone();
                    let careless =
                        canonical_json(&value).replacen('{', "{\"_checksum\":\"sha256:0\",", 1) + "\n";
                    PlanFile::decode("it", careless.as_bytes()).expect_err("the checksum is wrong");
                    let mesh = base.copy();
                    mesh.write("saved.plan", &sealed(&value));
                    let before = (mesh.world(), mesh.shards());
                    let run = mesh.run(SAVED);
                    let what = || format!("{pointer} = {other}: {:?}\n{}", run.code, run.text());
                    if run.code == Some(0) {
                        same.fetch_add(1, Ordering::Relaxed);
                        assert_eq!(
                            (mesh.effects(), mesh.objects()),
                            (effects.clone(), objects.clone()),
                            "{}",
                            what()
                        );
                    } else {
                        assert!(matches!(run.code, Some(1 | 5)), "{}", what());
                        let equal = (mesh.world(), mesh.shards()) == before;
                        assert!(equal, "it is refused too late: {}", what());
                    }
                }
            });
        }
    });
    // Otherwise everything is refused for some reason that has nothing to do with the change.
    let same = same.into_inner();
    assert!(same > 0 && same < mutations.len() / 10, "{same} of {} do the same", mutations.len());
}

/// Even a plan that is sound in itself is held against what this program decides.
#[test]
fn a_forged_plan_is_not_carried_out() {
    let forge = |change: fn(&mut PlanFile)| {
        let mesh = planned();
        let mut file = PlanFile::read(&mesh.path("saved.plan")).expect("a plan file");
        change(&mut file);
        file.plan.id = datamesh_core::plan::plan_id(&file.plan);
        for operation in &mut file.plan.graph.operations {
            let (id, step) = (&file.plan.id, &operation.step);
            operation.id =
                datamesh_provider::OperationId::derive(id, &operation.address, operation.action, step);
        }
        file.write(&mesh.path("saved.plan"), &datamesh_state::Codec::default()).expect("written");
        refused(&mesh, &[]);
    };
    forge(|file| {
        let change = file.plan.changes.iter_mut().find(|change| change.address.to_string() == TOPIC);
        change.expect("a change").planned.as_mut().expect("planned").insert("partitions".into(), json!(7));
    });
    // A record the state does not have.
    forge(|file| {
        let address = TOPIC.parse().expect("an address");
        let record = file.records.get_mut(&address).expect("a record").make_mut();
        record.object.0 = "somebody.elses".into();
    });
    // A snapshot of what never was.
    forge(|file| file.snapshot.objects.clear());
    // Fewer pins.
    forge(|file| drop(file.plan.pins.pop_last()));
}

#[test]
fn a_file_that_is_no_plan_or_one_of_another_version_is_refused_with_words() {
    let mesh = planned();
    let document = document(&mesh);
    let with = |key: &str, value: Value| {
        let mut document = document.clone();
        document[key] = value;
        mesh.write("saved.plan", &sealed(&document));
        mesh.run(SAVED)
    };
    with("format", json!(3)).ends(1).says(&["has plan format 3; this version knows format 2", "plan again"]);
    with("format", json!("2")).ends(1).says(&["does not say which format"]);
    with("more", json!(1)).ends(1).says(&["unknown field `more`"]);
    for (text, word) in
        [("", "EOF"), ("[]", "format"), ("\u{0}", "expected value"), ("{\"format\":2}", "checksum")]
    {
        mesh.write("saved.plan", text);
        mesh.run(SAVED).ends(1).says(&["no plan file of this tool", word]);
    }
    let deep = format!("{{\"format\":2,\"plan\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    mesh.write("saved.plan", &deep);
    mesh.run(SAVED).ends(1).says(&["recursion limit"]);
}
