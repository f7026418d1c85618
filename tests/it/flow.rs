//! The program from plan to destroy, on fake systems with the real pure halves.

use snapbox::cmd::{Command, OutputAssert};
use std::fs;
use std::path::Path;

fn datamesh(dir: &Path, args: &[&str]) -> OutputAssert {
    Command::new(env!("CARGO_BIN_EXE_datamesh-fake"))
        .args(args)
        .current_dir(dir)
        .env_remove("DATAMESH_ENV")
        .env("COLUMNS", "100")
        .assert()
}

fn out(run: &OutputAssert) -> String {
    String::from_utf8_lossy(&run.get_output().stdout).into_owned()
}

fn err(run: &OutputAssert) -> String {
    String::from_utf8_lossy(&run.get_output().stderr).into_owned()
}

const MESH: &str = "apiVersion: datamesh.example.com/v1
kind: Mesh
metadata: { name: acme }
spec:
  environments:
    dev:
      state: { backend: local, path: .datamesh/state }
      kafka: { default: { fake: .datamesh/world.json } }
      registry: { default: { fake: .datamesh/world.json } }
      iceberg: { default: { fake: .datamesh/world.json } }
      catalog: { fake: .datamesh/world.json }
      defaults: { kafka: { partitions: 3, replication_factor: 1 } }
";

/// A mesh with one product, on fakes.
fn mesh() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("datamesh.yaml"), MESH).expect("written");
    fs::create_dir_all(dir.path().join(".datamesh")).expect("made");
    datamesh(dir.path(), &["new", "domain", "orders"]).code(0);
    datamesh(dir.path(), &["new", "product", "orders/lines", "--template", "source-aligned"]).code(0);
    dir
}

const PRODUCT: &str = "domains/orders/lines.yaml";

fn edit(dir: &Path, from: &str, to: &str) {
    let path = dir.join(PRODUCT);
    let text = fs::read_to_string(&path).expect("there");
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).expect("written");
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or_default()
}

#[test]
fn plan_apply_and_nothing_left_to_do() {
    let dir = mesh();
    let root = dir.path();
    let run = datamesh(root, &["plan", "--detailed-exitcode"]).code(2);
    assert_eq!(
        last_line(&out(&run)),
        "Plan: 7 to create, 0 to update, 0 to replace, 0 to delete, 0 to adopt, 0 to forget."
    );
    let run = datamesh(root, &["apply"]).code(1);
    assert!(err(&run).contains("--auto-approve=dev"), "nobody can be asked: {}", err(&run));
    let run = datamesh(root, &["apply", "--auto-approve", "--input=false"]).code(0);
    assert!(out(&run).contains("Applied."), "{}", out(&run));
    let run = datamesh(root, &["plan", "--detailed-exitcode"]).code(0);
    assert_eq!(last_line(&out(&run)), "No changes. 7 resources match.");
    let run = datamesh(root, &["drift"]).code(0);
    assert!(out(&run).contains("No drift. 7 in sync"), "{}", out(&run));
    let run = datamesh(root, &["state", "list"]).code(0);
    assert!(
        out(&run).contains("orders/lines@1:kafka_topic.kafka") && out(&run).contains("7 resources."),
        "{}",
        out(&run)
    );
    let run = datamesh(root, &["state", "show", "orders/lines@1:kafka_topic.kafka"]).code(0);
    assert!(out(&run).contains("orders.lines.v1"), "{}", out(&run));
    datamesh(root, &["state", "show", "orders/lines@9:kafka_topic.kafka"]).code(1);
}

#[test]
fn a_saved_plan_is_shown_and_applied_as_it_is() {
    let dir = mesh();
    let root = dir.path();
    datamesh(root, &["plan", "--out", "plan.bin"]).code(0);
    let shown = datamesh(root, &["show", "plan.bin"]).code(0);
    assert!(last_line(&out(&shown)).starts_with("Plan: 7 to create"), "{}", out(&shown));
    let document = datamesh(root, &["show", "--json", "plan.bin"]).code(0);
    let document: serde_json::Value = serde_json::from_str(&out(&document)).expect("JSON");
    assert_eq!(document["resource_changes"].as_array().map(Vec::len), Some(7));
    datamesh(root, &["apply", "plan.bin", "--input=false"]).code(0);
    let run = datamesh(root, &["plan", "--out", "later.bin"]).code(0);
    assert!(last_line(&out(&run)).starts_with("No changes"));
    datamesh(root, &["show", PRODUCT]).code(1);
}

#[test]
fn a_plan_of_other_manifests_is_stale() {
    let dir = mesh();
    let root = dir.path();
    datamesh(root, &["plan", "--out", "plan.bin"]).code(0);
    edit(root, "classification: internal", "classification: public");
    let run = datamesh(root, &["apply", "plan.bin"]).code(5);
    assert!(err(&run).contains("stale") && err(&run).contains("Nothing was done"), "{}", err(&run));
    let run = datamesh(root, &["state", "list"]).code(0);
    assert!(out(&run).contains("Nothing is recorded"), "{}", out(&run));
}

#[test]
fn data_loss_is_marked_and_counted() {
    let dir = mesh();
    let root = dir.path();
    edit(root, "      technology: kafka\n", "      technology: kafka\n      retention: 7d\n");
    datamesh(root, &["apply", "--auto-approve"]).code(0);
    edit(root, "retention: 7d", "retention: 1d");
    let run = datamesh(root, &["plan"]).code(0);
    let text = out(&run);
    assert!(text.contains("!   ~ kafka_topic.kafka"), "{text}");
    assert!(text.contains("\"604800000\" (7d) -> \"86400000\" (1d)"), "{text}");
    assert!(last_line(&text).ends_with("1 loses data."), "{text}");
}

#[test]
fn a_manifest_that_vanishes_holds_what_holds_data() {
    let dir = mesh();
    let root = dir.path();
    datamesh(root, &["apply", "--auto-approve"]).code(0);
    fs::remove_file(root.join(PRODUCT)).expect("there");
    let run = datamesh(root, &["plan"]).code(0);
    let text = out(&run);
    assert!(
        text.contains("= orders/lines@1:kafka_topic.kafka") && text.contains("Removed document"),
        "{text}"
    );
    for data in ["- kafka_topic", "- iceberg_table", "- schema_subject"] {
        assert!(!text.contains(data), "{text}");
    }
}

#[test]
fn errors_hold_back_their_product_and_the_rest_is_planned() {
    let dir = mesh();
    let root = dir.path();
    datamesh(root, &["new", "product", "orders/broken"]).code(0);
    let path = root.join("domains/orders/broken.yaml");
    let text = fs::read_to_string(&path).expect("there").replace("type: timestamp", "type: timestmp");
    fs::write(path, text).expect("written");
    let run = datamesh(root, &["plan", "--strict", "--out", "plan.bin"]).code(1);
    assert!(out(&run).contains("Held back") && out(&run).contains("x orders/broken@1"), "{}", out(&run));
    assert!(last_line(&out(&run)).starts_with("Plan: 7 to create"), "{}", out(&run));
    assert!(!root.join("plan.bin").exists(), "--strict writes no plan of a broken mesh");
    datamesh(root, &["apply", "--strict", "--auto-approve"]).code(1);
    assert!(out(&datamesh(root, &["state", "list"])).contains("Nothing is recorded"));
    let run = datamesh(root, &["apply", "--auto-approve"]).code(1);
    assert!(
        out(&run).contains("Applied."),
        "the rest is applied, and the exit code still says what is wrong"
    );
}

#[test]
fn targets_and_paths_narrow_the_plan() {
    let dir = mesh();
    let root = dir.path();
    let run = datamesh(root, &["plan", "--target", "type:kafka_topic"]).code(0);
    assert!(last_line(&out(&run)).starts_with("Plan: 1 to create"), "{}", out(&run));
    let run = datamesh(root, &["plan", "domains/orders/domain.yaml"]).code(0);
    assert!(!out(&run).contains("kafka_topic"), "{}", out(&run));
    datamesh(root, &["plan", "--target", "not a selector"]).code(1);
    datamesh(root, &["graph", "--target", ""]).code(1);
}

#[test]
fn a_recorded_snapshot_stands_for_the_systems() {
    let dir = mesh();
    let root = dir.path();
    let first = datamesh(root, &["plan", "--snapshot-out", "live.json"]).code(0);
    datamesh(root, &["apply", "--auto-approve"]).code(0);
    fs::remove_dir_all(root.join(".datamesh/state")).expect("there");
    let again = datamesh(root, &["plan", "--snapshot", "live.json"]).code(0);
    assert_eq!(out(&first), out(&again));
    fs::write(root.join("live.json"), "{}").expect("written");
    datamesh(root, &["plan", "--snapshot", "live.json"]).code(1);
}

#[test]
fn programs_read_a_stream_of_events() {
    let dir = mesh();
    let run = datamesh(dir.path(), &["apply", "--auto-approve", "--json"]).code(0);
    let kinds: Vec<String> = out(&run)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect(line)["type"].to_string())
        .collect();
    assert_eq!(kinds.first().map(String::as_str), Some("\"version\""));
    assert_eq!(kinds.last().map(String::as_str), Some("\"apply_summary\""));
    for kind in ["\"refresh_complete\"", "\"planned_change\"", "\"change_summary\"", "\"apply_complete\""] {
        assert!(kinds.iter().any(|have| have == kind), "{kind} in {kinds:?}");
    }
}

#[test]
fn destroy_wants_to_know_what_and_takes_what_we_made() {
    let dir = mesh();
    let root = dir.path();
    datamesh(root, &["apply", "--auto-approve"]).code(0);
    let run = datamesh(root, &["destroy", "--auto-approve"]).code(64);
    assert!(err(&run).contains("--all"), "{}", err(&run));
    let run = datamesh(root, &["destroy", "--all", "--auto-approve"]).code(0);
    assert!(out(&run).contains("7 to delete") && out(&run).contains("Applied."), "{}", out(&run));
    assert!(out(&datamesh(root, &["state", "list"])).contains("Nothing is recorded"));
}

#[test]
fn a_protected_environment_is_careful() {
    let dir = mesh();
    let root = dir.path();
    let protected = MESH.replace("    dev:\n", "    dev:\n      protected: true\n");
    fs::write(root.join("datamesh.yaml"), protected).expect("written");
    for args in [
        &["apply", "--auto-approve"][..],
        &["apply", "--auto-approve=dev"],
        &["apply", "--auto-approve", "--reason", "first"],
        &["apply", "--auto-approve=prod", "--reason", "first"],
        &["destroy", "--all", "--auto-approve=dev", "--reason", "first"],
    ] {
        datamesh(root, args).code(1);
        assert!(out(&datamesh(root, &["state", "list"])).contains("Nothing is recorded"), "{args:?}");
    }
    datamesh(root, &["apply", "--auto-approve=dev", "--reason", "first"]).code(0);
}

/// In which group of the plan the table's and the subject's operations are.
fn turns(root: &Path) -> (usize, usize) {
    datamesh(root, &["plan", "--out", "plan.bin"]).code(0);
    let document = datamesh(root, &["show", "--json", "plan.bin"]).code(0);
    let document: serde_json::Value = serde_json::from_str(&out(&document)).expect("JSON");
    let groups = document["groups"].as_array().expect("groups");
    let at = |ty: &str| {
        let has = |group: &serde_json::Value| {
            let operations = group.as_array().expect("operations");
            operations.iter().any(|one| one["address"].as_str().is_some_and(|address| address.contains(ty)))
        };
        groups.iter().position(has).unwrap_or_else(|| panic!("no {ty} in {document}"))
    };
    (at(":iceberg_table."), at(":schema_subject."))
}

#[test]
fn what_writers_get_comes_before_their_schema_and_what_they_lose_after_it() {
    let dir = mesh();
    let root = dir.path();
    datamesh(root, &["apply", "--auto-approve"]).code(0);
    let field = "      - { name: hint, type: string }\n";
    edit(root, "    fields:\n", &format!("    fields:\n{field}"));
    let (table, subject) = turns(root);
    assert!(table < subject, "a column is there before anybody writes it: {table}, {subject}");
    datamesh(root, &["apply", "--auto-approve"]).code(0);
    edit(root, field, "");
    let (table, subject) = turns(root);
    assert!(subject < table, "nobody writes a column any more when it goes: {table}, {subject}");
    datamesh(root, &["apply", "--auto-approve"]).code(0);
    datamesh(root, &["plan", "--detailed-exitcode"]).code(0);
    // Both at once: one commit, and a column too many harms nobody.
    edit(root, "    fields:\n", &format!("    fields:\n{field}"));
    datamesh(root, &["apply", "--auto-approve"]).code(0);
    edit(root, field, "      - { name: other, type: date }\n");
    let (table, subject) = turns(root);
    assert!(table < subject);
}
