//! What holds data is not lost by accident, and what belongs to somebody else is not touched.

use crate::world::{EVENTS, FACTS, Mesh, PROFILE};
use datamesh_conformance::Thing;
use serde_json::{Value, json};

const TOPIC: &str = "orders/events@3:kafka_topic.kafka";
const PROFILE_TOPIC: &str = "customers/profile@1:kafka_topic.kafka";
const LIVE_TOPIC: &str = "kafka.default kafka_topic orders.events.v3";
const LIVE_PROFILE: &str = "kafka.default kafka_topic customers.profile.v1";

/// What a removal must never cost: topics, subjects and tables that are live.
fn data(mesh: &Mesh) -> Vec<String> {
    let holds_data = |object: &&String| {
        ["kafka_topic", "schema_subject", "iceberg_table"].iter().any(|ty| object.contains(ty))
    };
    mesh.objects().keys().filter(holds_data).cloned().collect()
}

/// The plan deletes nothing, and applying it costs no data.
#[track_caller]
fn costs_nothing(mesh: &Mesh, args: &[&str]) -> crate::world::PlanView {
    let before = data(mesh);
    let plan = mesh.plan(args);
    plan.deletes_nothing();
    let applied = mesh.run(&["apply", "--auto-approve"]);
    assert!(matches!(applied.code, Some(0 | 1)), "{}", applied.text());
    let after = data(mesh);
    assert!(before.iter().all(|object| after.contains(object)), "{before:#?}\n{after:#?}");
    plan
}

fn note(mesh: &Mesh, text: &str) {
    mesh.write("decisions.yaml", &format!("apiVersion: datamesh.example.com/v1\n{text}\n"));
}

fn foreign(value: Value) -> Thing {
    let attributes = value.as_object().cloned().expect("a map");
    Thing { incarnation: Some("theirs".into()), attributes, ..Thing::default() }
}

fn put(mesh: &Mesh, system: &str, ty: &str, id: &str, thing: Thing) {
    mesh.edit(system, |world| {
        world.objects.entry(ty.into()).or_default().insert(id.into(), thing);
    });
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

// Absence is not deletion.

#[test]
fn a_renamed_file_changes_nothing() {
    let mesh = Mesh::applied();
    mesh.write("domains/orders/renamed.yaml", &mesh.read(EVENTS));
    mesh.remove(EVENTS);
    let plan = costs_nothing(&mesh, &["--detailed-exitcode"]);
    assert_eq!(plan.actions(), Vec::<String>::new());
    plan.run.ends(0).says(&["No changes."]);
    let record = mesh.records()[&TOPIC.parse().expect("an address")].clone();
    assert_eq!(record.source.as_deref(), Some("domains/orders/renamed.yaml"));
}

#[test]
fn reordered_documents_change_nothing() {
    let mesh = Mesh::applied();
    let (events, facts) = (mesh.read(EVENTS), mesh.read(FACTS));
    mesh.remove(FACTS);
    for text in [format!("{facts}---\n{events}"), format!("{events}---\n{facts}")] {
        mesh.write(EVENTS, &text);
        let plan = costs_nothing(&mesh, &["--detailed-exitcode"]);
        assert_eq!(plan.actions(), Vec::<String>::new());
        plan.run.ends(0).says(&["No changes."]);
    }
}

#[test]
fn a_typo_in_the_api_version_deletes_nothing() {
    let mesh = Mesh::applied();
    mesh.replace(EVENTS, "datamesh.example.com", "datamesh.exmaple.com");
    let plan = costs_nothing(&mesh, &[]);
    assert_eq!(plan.action(TOPIC), Some("held"));
    assert!(plan.reason(TOPIC).contains(EVENTS), "{}", plan.reason(TOPIC));
    plan.run.ends(1).says(&["datamesh.exmaple.com", "datamesh.example.com", "Held"]);
}

#[test]
fn a_deleted_manifest_holds_what_it_declared_and_says_the_way_out() {
    let mesh = Mesh::applied();
    mesh.remove(PROFILE);
    let plan = costs_nothing(&mesh, &["--detailed-exitcode"]);
    assert_eq!(plan.action(PROFILE_TOPIC), Some("held"));
    plan.run.says(&["Held", "To decide: a Removed document", PROFILE_TOPIC]);
    assert!(mesh.objects().contains_key(LIVE_PROFILE));
    mesh.run(&["plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn a_narrowed_plan_infers_no_removal() {
    let mesh = Mesh::with("on_remove: destroy");
    mesh.apply();
    mesh.remove(PROFILE);
    mesh.replace(EVENTS, "partitions: 3", "partitions: 4");
    for narrow in [["domains/orders"].as_slice(), &["--target", "domain:orders"]] {
        let plan = mesh.plan(narrow);
        plan.deletes_nothing();
        assert_eq!(plan.action(TOPIC), Some("update"));
        assert_eq!(plan.action(PROFILE_TOPIC), None);
    }
    // Even where what vanished is meant itself.
    let plan = mesh.plan(&["--target", "domain:customers"]);
    plan.deletes_nothing();
    let plan = mesh.plan(&["domains/customers"]);
    plan.deletes_nothing();
    assert_eq!(mesh.plan(&[]).action(PROFILE_TOPIC), Some("delete"));
}

#[test]
fn a_version_changed_in_place_is_an_error_that_names_both() {
    for settings in ["", "on_remove: destroy"] {
        let mesh = Mesh::with(settings);
        mesh.apply();
        mesh.replace(EVENTS, "version: 3", "version: 4");
        let plan = costs_nothing(&mesh, &[]);
        let what = ["orders/events@3 is recorded but no longer declared", "Keep both documents side by side"];
        plan.run.ends(1).says(&what).says(&["orders/events@4"]);
    }
}

/// A file that is there and cannot be read proves nothing about what it declared.
#[test]
fn a_broken_manifest_removes_nothing_even_where_absence_destroys() {
    for broken in ["\u{0}", "kind: [", "apiVersion: datamesh.example.com/v1\nkind: DataProdukt\n"] {
        let mesh = Mesh::with("on_remove: destroy");
        mesh.apply();
        mesh.write(EVENTS, &format!("# datamesh.example.com\n{broken}"));
        costs_nothing(&mesh, &[]).run.ends(1);
    }
}

// What a removal needs.

#[test]
fn on_remove_destroy_deletes_what_vanished_and_nothing_else() {
    let mesh = Mesh::with("on_remove: destroy");
    mesh.apply();
    mesh.remove(PROFILE);
    let plan = mesh.plan(&["--detailed-exitcode"]);
    assert_eq!(plan.action(PROFILE_TOPIC), Some("delete"));
    assert!(plan.actions().iter().all(|action| action.contains("customers")), "{:?}", plan.actions());
    plan.run.ends(2).says(&["4 to delete"]);
    mesh.apply();
    assert!(!mesh.objects().contains_key(LIVE_PROFILE));
    assert!(mesh.objects().contains_key(LIVE_TOPIC));
    mesh.is_sound(&[]);
    mesh.is_converged();
}

#[test]
fn what_others_consume_is_not_deleted_with_its_manifest() {
    let mesh = Mesh::with("on_remove: destroy");
    mesh.apply();
    mesh.remove(EVENTS);
    let plan = mesh.plan(&[]);
    plan.deletes_nothing();
    plan.run.ends(1).says(&["is still used by orders/facts@1:catalog_lineage.self", "--allow-destroy"]);
    let allowed = mesh.plan(&["--allow-destroy", "orders/events@3:**"]);
    assert_eq!(allowed.action(TOPIC), Some("delete"), "{}", allowed.run.text());
}

#[test]
fn a_removed_document_deletes_and_forgets() {
    let mesh = Mesh::applied();
    mesh.remove(PROFILE);
    note(&mesh, "kind: Removed\nspec: {address: 'customers/profile@1:**', destroy: true}");
    let plan = mesh.plan(&[]);
    assert_eq!(plan.action(PROFILE_TOPIC), Some("delete"));
    note(&mesh, "kind: Removed\nspec: {address: 'customers/profile@1:**', destroy: false}");
    assert_eq!(mesh.plan(&[]).action(PROFILE_TOPIC), Some("forget"));
    mesh.apply();
    assert!(mesh.objects().contains_key(LIVE_PROFILE));
    assert!(mesh.records().keys().all(|address| address.owner() != "customers/profile@1"));
    // Forgotten is not ours any more: even a request to destroy everything leaves it.
    mesh.run(&["destroy", "--all", "--auto-approve"]).ends(0);
    assert!(mesh.objects().contains_key(LIVE_PROFILE));
}

#[test]
fn a_removed_document_for_what_is_declared_still_removes_nothing() {
    let mesh = Mesh::applied();
    note(&mesh, "kind: Removed\nspec: {address: 'customers/profile@1:**', destroy: true}");
    costs_nothing(&mesh, &[]);
}

#[test]
fn a_moved_product_keeps_its_objects() {
    let mesh = Mesh::applied();
    let before = mesh.objects();
    mesh.replace(PROFILE, "name: profile", "name: person");
    note(&mesh, "kind: Moved\nspec: {from: customers/profile@1, to: customers/person@1}");
    let plan = costs_nothing(&mesh, &[]);
    plan.run.ends(0);
    let after = mesh.objects();
    assert_eq!(before.get(LIVE_PROFILE), after.get(LIVE_PROFILE));
    assert!(
        before
            .keys()
            .filter(|key| key.starts_with("kafka") || key.starts_with("iceberg"))
            .eq(after.keys().filter(|key| key.starts_with("kafka") || key.starts_with("iceberg")))
    );
    assert!(
        mesh.records().contains_key(&"customers/person@1:kafka_topic.kafka".parse().expect("an address"))
    );
    mesh.is_converged();
}

/// Another apply would make again what is destroyed.
#[test]
fn a_destroy_that_failed_in_part_says_how_to_go_on() {
    let mesh = Mesh::applied();
    let refused = ["orders.events.v3", "customers.profile.v1"].map(str::to_owned).into();
    mesh.edit("kafka.default", |kafka| kafka.faults.rejected = refused);
    let run = mesh.run(&["destroy", "--all", "--auto-approve"]).ends(6);
    let run = run.says(&["Run `datamesh destroy` again to go on."]);
    assert_eq!(run.text().matches("fix: kafka.default: ask for it again").count(), 1, "{}", run.text());
    mesh.edit("kafka.default", |kafka| kafka.faults = Default::default());
    mesh.run(&["destroy", "--all", "--auto-approve"]).ends(0);
}

#[test]
fn prevent_destroy_stops_removals_and_the_command_destroy() {
    let mesh = Mesh::with("on_remove: destroy");
    mesh.replace(EVENTS, "  lineage:", "  lifecycle: {prevent_destroy: true}\n  lineage:");
    mesh.apply();
    let destroyed = mesh.run(&["destroy", "--all", "--auto-approve"]);
    assert!(matches!(destroyed.code, Some(1 | 6)), "{}", destroyed.text());
    destroyed.says(&["prevent_destroy", TOPIC]);
    assert!(mesh.objects().contains_key(LIVE_TOPIC), "{:#?}", mesh.objects().keys());
    // What uses it goes, and what it uses stays with it.
    assert!(mesh.objects().keys().all(|object| !object.contains("facts") && !object.contains("customers")));
    for needed in ["catalog.default catalog_domain orders", "iceberg.default iceberg_namespace orders"] {
        assert!(mesh.objects().contains_key(needed), "{:#?}", mesh.objects().keys());
    }
    mesh.remove(EVENTS);
    mesh.remove(FACTS);
    mesh.remove(PROFILE);
    mesh.plan(&[]).deletes_nothing();
    mesh.run(&["apply", "--auto-approve"]).ends(1).says(&["prevent_destroy"]);
    assert!(mesh.objects().contains_key(LIVE_TOPIC));
}

#[test]
fn a_protected_environment_keeps_its_data() {
    let mesh = Mesh::with("protected: true");
    let approve = ["apply", "--auto-approve=test", "--reason", "a test"];
    mesh.run(&["apply", "--auto-approve", "--reason", "a test"]).ends(1).says(&["--auto-approve=test"]);
    mesh.run(&["apply", "--auto-approve=test"]).ends(1).says(&["--reason"]);
    assert!(mesh.objects().is_empty());
    mesh.run(&approve).ends(0);
    mesh.replace(EVENTS, "retention: 7d", "retention: 1d");
    mesh.run(&approve).ends(1).says(&["the environment is protected", "--allow-destroy"]);
    assert_eq!(mesh.objects()[LIVE_TOPIC]["config"]["retention.ms"], "604800000");
    mesh.run(&["destroy", "--all", "--auto-approve=test", "--reason", "a test"]).ends(1).says(&["protected"]);
    mesh.run(&[approve.as_slice(), &["--allow-destroy", TOPIC]].concat()).ends(0);
    assert_eq!(mesh.objects()[LIVE_TOPIC]["config"]["retention.ms"], "86400000");
}

// What belongs to somebody else.

#[test]
fn what_others_made_is_never_planned_and_survives_the_end() {
    let mesh = Mesh::applied();
    put(
        &mesh,
        "kafka.default",
        "kafka_topic",
        "orders.theirs.v1",
        foreign(json!({"partitions": 1, "config": {}})),
    );
    let table = json!({"fields": [{"name": "x", "type": "string", "required": false}]});
    put(&mesh, "iceberg.default", "iceberg_table", "orders.theirs", foreign(table));
    let key = ["config", "max.message.bytes"];
    meddle(&mesh, "kafka.default", "kafka_topic", "orders.events.v3", &key, json!("2000000"));
    let property = ["properties", "their.mark"];
    meddle(&mesh, "iceberg.default", "iceberg_table", "orders.facts", &property, json!("x"));
    mesh.edit("iceberg.default", |world| {
        let table = world.objects.get_mut("iceberg_table").and_then(|all| all.get_mut("orders.facts"));
        let fields = table.expect("a table").attributes.get_mut("fields").and_then(Value::as_array_mut);
        fields.expect("fields").push(json!({"name": "theirs", "type": "string", "required": false}));
    });
    let plan = mesh.plan(&["--detailed-exitcode"]);
    assert_eq!(plan.actions(), Vec::<String>::new());
    plan.run.ends(0);
    mesh.run(&["drift"]).ends(0);

    // A change of ours beside theirs leaves theirs.
    mesh.replace(EVENTS, "retention: 7d", "retention: 8d");
    mesh.apply();
    assert_eq!(mesh.objects()[LIVE_TOPIC]["config"]["max.message.bytes"], "2000000");
    let table = &mesh.objects()["iceberg.default iceberg_table orders.facts"];
    assert_eq!(table["properties"]["their.mark"], "x");
    assert!(table["fields"].to_string().contains("theirs"), "{table}");

    mesh.run(&["destroy", "--all", "--auto-approve"]).ends(0);
    let left: Vec<String> = mesh.objects().into_keys().collect();
    assert_eq!(
        left,
        ["iceberg.default iceberg_table orders.theirs", "kafka.default kafka_topic orders.theirs.v1"]
    );
    assert!(mesh.records().is_empty());
}

#[test]
fn an_equal_object_is_adopted_and_forgotten_at_the_end() {
    let mesh = Mesh::new();
    let thing =
        foreign(json!({"partitions": 3, "replication_factor": 1, "config": {"retention.ms": "604800000"}}));
    put(&mesh, "kafka.default", "kafka_topic", "orders.events.v3", thing);
    let plan = mesh.plan(&["--detailed-exitcode"]);
    assert_eq!(plan.action(TOPIC), Some("adopt"));
    plan.run.ends(2).says(&["1 to adopt", "taken over"]);
    mesh.apply();
    mesh.is_converged();
    assert!(mesh.effects().iter().all(|effect| !effect.contains("kafka_topic orders.events.v3")));
    mesh.run(&["destroy", "--all", "--auto-approve"]).ends(0);
    assert_eq!(mesh.objects().into_keys().collect::<Vec<_>>(), [LIVE_TOPIC]);
}

#[test]
fn a_different_object_is_adopted_only_where_somebody_asks() {
    let mesh = Mesh::new();
    let thing = foreign(json!({"partitions": 1, "config": {"retention.ms": "5"}}));
    put(&mesh, "kafka.default", "kafka_topic", "orders.events.v3", thing.clone());
    let plan = mesh.plan(&[]);
    assert_eq!(plan.action(TOPIC), None);
    let flag = format!("--adopt {TOPIC}");
    plan.run.ends(1).says(&["was not made by this mesh", &flag, "Import"]);
    // The rest is applied, and theirs stays as it was.
    mesh.run(&["apply", "--auto-approve"]).ends(1).says(&["Held back"]);
    assert!(mesh.objects().contains_key("catalog.default catalog_domain orders"));
    assert_eq!(mesh.objects()[LIVE_TOPIC], Value::Object(thing.attributes));

    assert_eq!(mesh.plan(&["--adopt", TOPIC]).action(TOPIC), Some("adopt"));
    note(&mesh, &format!("kind: Import\nspec: {{address: '{TOPIC}', id: orders.events.v3}}"));
    assert_eq!(mesh.plan(&[]).action(TOPIC), Some("adopt"));
    mesh.apply();
    assert_eq!(mesh.objects()[LIVE_TOPIC]["partitions"], 3);
    mesh.is_converged();
    mesh.run(&["destroy", "--all", "--auto-approve"]).ends(0);
    assert!(mesh.objects().contains_key(LIVE_TOPIC));
}

/// Deleted and made again by somebody else: the name is the same, the object is not ours.
#[test]
fn another_incarnation_is_neither_changed_nor_deleted() {
    let mesh = Mesh::applied();
    let theirs = foreign(json!({"partitions": 9, "config": {}}));
    put(&mesh, "kafka.default", "kafka_topic", "orders.events.v3", theirs.clone());
    let plan = mesh.plan(&[]);
    assert_eq!(plan.action(TOPIC), None);
    plan.run.ends(1).says(&["deleted and made again by somebody else"]);
    mesh.run(&["destroy", "--all", "--auto-approve"]);
    assert_eq!(mesh.objects()[LIVE_TOPIC], Value::Object(theirs.attributes));
}

#[test]
fn another_system_under_the_same_name_is_not_touched() {
    let mesh = Mesh::applied();
    mesh.edit("kafka.default", |kafka| kafka.identity = Some("another cluster".into()));
    mesh.replace(EVENTS, "partitions: 3", "partitions: 4");
    let effects = mesh.world().systems["kafka.default"].effects.clone();
    mesh.run(&["apply", "--auto-approve"]).ends(1).says(&["another cluster", "kafka.default"]);
    mesh.run(&["destroy", "--all", "--auto-approve"]);
    assert_eq!(mesh.world().systems["kafka.default"].effects, effects);
}

// Errors and scopes.

#[test]
fn what_is_held_back_does_not_keep_the_rest() {
    let mesh = Mesh::new();
    mesh.replace(PROFILE, "type: string", "type: strnig");
    mesh.run(&["apply", "--auto-approve", "--strict"]).ends(1).says(&["--strict"]);
    assert!(mesh.objects().is_empty());
    mesh.run(&["plan", "--strict", "--out", "strict.plan"]).ends(1).says(&["The plan is not saved"]);
    assert!(!mesh.path("strict.plan").exists());
    mesh.run(&["apply", "--auto-approve"]).ends(1).says(&["customers/profile@1", "Did you mean `string`"]);
    assert!(mesh.objects().contains_key(LIVE_TOPIC));
    assert!(!mesh.objects().contains_key(LIVE_PROFILE));
    mesh.replace(PROFILE, "type: strnig", "type: string");
    mesh.apply();
    mesh.is_sound(&[]);
}

#[test]
fn targets_and_paths_bring_what_they_depend_on_and_nothing_else() {
    for narrow in [["--target", "product:orders/events"].as_slice(), &["domains/orders/events.yaml"]] {
        let mesh = Mesh::new();
        let plan = mesh.plan(narrow);
        let of = |text: &str| plan.actions().iter().any(|action| action.contains(text));
        assert!(of("orders/events@3:kafka_topic") && of("orders:iceberg_namespace"), "{:?}", plan.actions());
        assert!(!of("customers") && !of("orders/facts"), "{:?}", plan.actions());
        mesh.run(&["apply", "saved.plan"]).ends(0);
        assert!(!mesh.objects().contains_key(LIVE_PROFILE));
        mesh.is_sound(&[]);
        mesh.apply();
        mesh.is_converged();
    }
    let mesh = Mesh::new();
    mesh.run(&["plan", "--target", "product:orders/evnts"]).ends(1).says(&["matches no declared"]);
    mesh.run(&["plan", "domains/nowhere"]).ends(1).says(&["domains/nowhere"]);
}

#[test]
fn destroy_wants_to_know_what() {
    let mesh = Mesh::applied();
    mesh.run(&["destroy", "--auto-approve"]).ends(64).says(&["--all"]);
    mesh.run(&["destroy", "--all"]).ends(1).says(&["needs an approval"]);
    mesh.run(&["apply"]).ends(0);
    mesh.run(&["destroy", "customers/**", "--auto-approve"]).ends(0);
    assert!(!mesh.objects().contains_key(LIVE_PROFILE));
    assert!(mesh.objects().contains_key(LIVE_TOPIC));
    mesh.is_sound(&[]);
}

// Drift.

#[test]
fn drift_tells_what_was_changed_from_what_is_not_applied_yet() {
    let mesh = Mesh::applied();
    mesh.run(&["drift"]).ends(0);
    mesh.replace(PROFILE, "partitions: 1", "partitions: 2");
    mesh.run(&["drift"]).ends(0).says(&["pending"]);
    retention(&mesh, "5");
    mesh.run(&["drift"]).ends(2).says(&["~ kafka_topic.kafka orders.events.v3", "retention.ms", "1 pending"]);
    mesh.run(&["drift", "--target", "domain:customers"]).ends(0);
    mesh.edit("iceberg.default", |world| world.faults.forbidden = ["orders.facts".to_owned()].into());
    mesh.run(&["drift"]).ends(1).says(&[
        "~ kafka_topic.kafka orders.events.v3",
        "orders/facts@1:iceberg_table.iceberg",
        "not allowed",
    ]);
    mesh.edit("iceberg.default", |world| world.faults = Default::default());
    // Drift alone writes nothing, and the next apply sets it back.
    mesh.apply();
    assert_eq!(mesh.objects()[LIVE_TOPIC]["config"]["retention.ms"], "604800000");
    mesh.run(&["drift"]).ends(0);
}

#[test]
fn what_was_deleted_outside_is_drift_and_is_made_again() {
    let mesh = Mesh::applied();
    mesh.edit("kafka.default", |kafka| {
        kafka.objects.get_mut("kafka_topic").and_then(|all| all.remove("orders.events.v3")).expect("a topic");
    });
    mesh.run(&["drift"]).ends(2).says(&["orders.events.v3 was deleted"]);
    let plan = mesh.plan(&["--detailed-exitcode"]);
    assert_eq!(plan.action(TOPIC), Some("create"));
    plan.run.ends(2);
    mesh.apply();
    mesh.is_sound(&[]);
    mesh.is_converged();
}
