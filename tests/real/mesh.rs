//! A mesh that changes, on real servers: everything that is updated in place, taken over, refused and repaired.

use crate::mesh_folder::{Mesh, Systems, unique};
use crate::support::servers::servers;
use crate::witness::Witness;
use datamesh_conformance::testing::RealClock;
use datamesh_provider::Clock as _;
use serde_json::{Value, json};
use std::io::Write as _;

/// A mesh with names of its own, and who looks at it; nothing where either is missing.
fn start(test: &str) -> Option<(Mesh, Witness, String)> {
    let servers = servers()?;
    let prefix = unique(test);
    let witness = Witness::of(servers)?;
    Some((Mesh::with(&Systems::shared(servers, &prefix)), witness, prefix))
}

const FIELDS: &str = "\
schema:
  fields:
    - { name: order_id, type: string, required: true }
    - { name: amount, type: long }
";

/// A product with one topic.
fn streaming(port: &str) -> String {
    format!("{FIELDS}output_ports:\n  - {{ type: streaming, technology: kafka{port} }}\n")
}

/// A product with one table.
fn batch(fields: &str, port: &str) -> String {
    format!(
        "schema:\n  fields:\n    - {{ name: order_id, type: string, required: true }}\n{fields}\
         output_ports:\n  - {{ type: batch, technology: iceberg{port} }}\n"
    )
}

#[test]
fn a_topic_is_changed_in_place_and_what_others_set_stays() {
    let Some((mesh, witness, prefix)) = start("topics") else { return };
    let topic = format!("{prefix}sales.orders.v1");
    let others = format!("{prefix}of-somebody-else");
    witness.make_topic(&others, 1, &json!({"retention.ms": "1000000"}));
    mesh.product(
        "orders",
        &streaming(", partitions: 2, retention: 7d, config: { max.message.bytes: 200000 }"),
    );
    mesh.product("returns", &streaming(""));
    mesh.apply_settles();
    witness.set_config(&topic, "segment.bytes", "20000000");

    // One changed, one added, one taken away, and more partitions.
    mesh.product("orders", &streaming(", partitions: 5, retention: 8d, config: { min.insync.replicas: 1 }"));
    let plan = mesh.run(&["plan", "--detailed-exitcode"]).exits(2);
    let plan = plan.says(&["partitions: 2 -> 5", "min.insync.replicas", "max.message.bytes"]);
    plan.keeps_quiet_about(&["segment.bytes", "of-somebody-else", "returns"]);
    mesh.apply_settles();
    let config =
        json!({"retention.ms": "691200000", "min.insync.replicas": "1", "segment.bytes": "20000000"});
    assert_eq!(witness.topic(&topic), json!({"partitions": 5, "replicas": [1], "config": config}));

    // The way back is refused, and the way out is named; nothing of the product is touched.
    for (port, words) in [
        (", partitions: 3", ["cannot have fewer partitions", "new version of the product"]),
        (
            ", partitions: 5, replication_factor: 2",
            ["replication factor cannot be changed", "kafka-reassign-partitions.sh"],
        ),
    ] {
        mesh.product("orders", &streaming(port));
        mesh.run(&["plan"]).exits(1).says(&words).says(&["domains/sales/orders.yaml:", "sales/orders@1"]);
        mesh.run(&["apply", "--auto-approve"]).exits(1);
        assert_eq!(witness.topic(&topic)["config"], config, "nothing was written");
    }

    mesh.product("orders", &streaming(""));
    mesh.apply_settles();
    mesh.destroy();
    assert_eq!(witness.topics(&prefix), [others.as_str()]);
    assert_eq!(witness.topic(&others)["config"], json!({"retention.ms": "1000000"}));
    witness.delete_topic(&others);
}

#[test]
fn the_registry_judges_a_new_version_before_anything_is_written() {
    let Some((mesh, witness, prefix)) = start("subjects") else { return };
    let versions = format!("/subjects/{prefix}sales.orders.v1-value/versions");
    let level = format!("/config/{prefix}sales.orders.v1-value");
    mesh.product("orders", &streaming(""));
    mesh.apply_settles();
    assert_eq!(witness.registry("GET", &versions), (200, json!([1])));

    let with_note = FIELDS.to_owned() + "    - { name: note, type: string }\n";
    let port = "output_ports:\n  - { type: streaming, technology: kafka";
    mesh.product("orders", &format!("{with_note}{port} }}\n"));
    mesh.apply_settles();
    assert_eq!(witness.registry("GET", &versions), (200, json!([1, 2])));

    // Readers of the new version could not read what is there: refused before the topic is touched.
    let required = FIELDS.to_owned()
        + "    - { name: note, type: string }\n    - { name: buyer, type: string, required: true }\n";
    mesh.product("orders", &format!("{required}{port}, config: {{ retention.bytes: 1000000 }} }}\n"));
    mesh.product("returns", &streaming(""));
    let plan = mesh.run(&["plan"]).exits(1);
    plan.says(&[
        "field `buyer` is new and has no default",
        "reader-field-missing-default-value",
        "BACKWARD",
        "domains/sales/orders.yaml:10:9",
        "datamesh new version sales/orders",
        "1 error",
        "sales/returns@1",
        "Held back",
    ]);
    mesh.run(&["apply", "--auto-approve", "--strict"]).exits(1);
    assert_eq!(witness.registry("GET", &versions), (200, json!([1, 2])));
    assert_eq!(witness.topic(&format!("{prefix}sales.orders.v1"))["config"], json!({}));
    assert_eq!(
        witness.topic(&format!("{prefix}sales.returns.v1")),
        Value::Null,
        "--strict does nothing at all"
    );
    mesh.run(&["apply", "--auto-approve"]).exits(1);
    assert_eq!(witness.registry("GET", &versions), (200, json!([1, 2])));
    assert_eq!(
        witness.topic(&format!("{prefix}sales.returns.v1"))["partitions"],
        json!(1),
        "the rest is applied"
    );

    // The level alone.
    let full = with_note.replace("schema:\n", "schema:\n  compatibility: FULL\n");
    mesh.product("orders", &format!("{full}{port} }}\n"));
    mesh.apply_settles();
    assert_eq!(witness.registry("GET", &level), (200, json!({"compatibilityLevel": "FULL"})));
    assert_eq!(witness.registry("GET", &versions), (200, json!([1, 2])));
    mesh.destroy();
    assert_eq!(witness.registry("GET", &versions).0, 404);
}

#[test]
fn a_table_is_changed_in_place_and_what_others_added_stays() {
    let Some((mesh, witness, _)) = start("tables") else { return };
    let catalog = mesh.sql_catalog();
    mesh.product(
        "orders",
        &batch(
            "",
            ", properties: { commit.retry.num-retries: \"5\", history.expire.min-snapshots-to-keep: \"3\" }",
        ),
    );
    mesh.apply_settles();
    let made = witness.table(&catalog, "sales.orders");
    witness.add_column(&catalog, "sales.orders", "theirs");
    mesh.is_settled();

    // A property changed, one added, one taken away; a column, and what the catalog says of the product.
    let note = "    - { name: note, type: string, description: Free text }\n";
    mesh.product(
        "orders",
        &batch(
            note,
            ", properties: { commit.retry.num-retries: \"6\", read.split.target-size: \"1000000\" }",
        ),
    );
    mesh.run(&["plan"]).exits(0).says(&["0 to create, 2 to update", "1 column not ours"]);
    mesh.apply_settles();
    let now = witness.table(&catalog, "sales.orders");
    let columns = json!([
        ["order_id", "string", true, null],
        ["theirs", "string", false, null],
        ["note", "string", false, "Free text"]
    ]);
    assert_eq!((&now["columns"], &now["uuid"]), (&columns, &made["uuid"]));
    let property = |name: &str| now["properties"][name].as_str();
    assert_eq!(property("commit.retry.num-retries"), Some("6"));
    assert_eq!(property("read.split.target-size"), Some("1000000"));
    assert_eq!(
        (property("history.expire.min-snapshots-to-keep"), property("theirs")),
        (None, Some("theirs"))
    );

    // Made stricter, made new and required: none of these is done, each says what to do.
    for (fields, words) in [
        (
            "    - { name: note, type: string, required: true }\n",
            ["cannot require a column", "Leave `note` optional"],
        ),
        (
            &format!("{note}    - {{ name: buyer, type: string, required: true }}\n"),
            ["`buyer` is required", "without `required`"],
        ),
    ] {
        mesh.product("orders", &batch(fields, ""));
        mesh.run(&["plan"]).exits(1).says(&words);
        mesh.run(&["apply", "--auto-approve"]).exits(1);
    }
    assert_eq!(witness.table(&catalog, "sales.orders"), now);

    // Declared no more: it goes, unless the manifest forbids that data is lost; what others added stays.
    let guarded = format!("lifecycle: {{ prevent_destroy: true }}\n{}", batch("", ""));
    mesh.product("orders", &guarded);
    mesh.run(&["plan"]).exits(1).says(&["prevent_destroy"]);
    mesh.run(&["apply", "--auto-approve"]).exits(1);
    assert_eq!(witness.table(&catalog, "sales.orders"), now);
    mesh.product("orders", &batch("", ""));
    mesh.run(&["plan"]).exits(0).says(&["- field note", "its values can no longer be read", "1 loses data"]);
    mesh.apply_settles();
    let columns = json!([["order_id", "string", true, null], ["theirs", "string", false, null]]);
    assert_eq!(witness.table(&catalog, "sales.orders")["columns"], columns);
    mesh.destroy();
    assert_eq!(witness.tables(&catalog, "sales"), None);
}

#[test]
fn what_one_system_cannot_take_stops_all_of_them() {
    let Some((mesh, witness, prefix)) = start("joint") else { return };
    let catalog = mesh.sql_catalog();
    let product = |fields: &str| {
        format!(
            "schema: {{ fields: [{{ name: id, type: string, required: true }}, {fields}] }}\noutput_ports: [{{ technology: kafka }}, {{ technology: iceberg }}]\n"
        )
    };
    mesh.product("orders", &product("{ name: note, type: string }, { name: tax, type: int }"));
    mesh.apply_settles();
    let subject = format!("/subjects/{prefix}sales.orders.v1-value/versions");
    let state = || (witness.registry("GET", &subject), witness.table(&catalog, "sales.orders"));
    let before = state();
    // The registry would take the first, and the table the second; neither of them is touched by either.
    for (fields, words) in [
        ("{ name: note, type: binary }, { name: tax, type: int }", "binary here, string in the table"),
        (
            "{ name: note, type: string, required: true }, { name: tax, type: long }",
            "cannot require a column",
        ),
    ] {
        mesh.product("orders", &product(fields));
        mesh.run(&["plan"]).exits(1).says(&[words, "Held back"]);
        mesh.run(&["apply", "--auto-approve"]).exits(1);
        assert_eq!(state(), before, "{fields}");
    }
    let forward =
        |fields: &str| product(fields).replace("schema: {", "schema: { compatibility: FORWARD_TRANSITIVE,");
    mesh.product("orders", &forward("{ name: note, type: string }, { name: tax, type: int }"));
    mesh.apply_settles();
    let before = state();
    mesh.product("orders", &forward("{ name: note, type: string }, { name: tax, type: long }"));
    mesh.run(&["plan"]).exits(1).says(&["FORWARD_TRANSITIVE", "Held back"]);
    mesh.run(&["apply", "--auto-approve"]).exits(1);
    assert_eq!(state(), before, "the table could have become wider");
    mesh.destroy();
}

#[test]
fn the_catalog_follows_what_is_said_of_a_product() {
    let Some((mesh, _, prefix)) = start("catalog") else { return };
    mesh.product("orders", &format!("description: Orders\nslo: {{ freshness: 15m }}\n{}", streaming("")));
    mesh.product(
        "lines",
        &format!(
            "description: Lines\n{}lineage: {{ sources: [sales.orders.v1, erp.public.lines] }}\n",
            streaming("")
        ),
    );
    mesh.apply_settles();
    let entity = |kind: &str| {
        let folder = mesh.path().join(".datamesh/catalog/entities").join(kind);
        let files = std::fs::read_dir(folder).expect("entities").map(|file| file.expect("readable").path());
        files.map(|path| std::fs::read_to_string(path).expect("text")).collect::<String>()
    };
    assert!(
        entity("product").contains("15m") && entity("product").contains(&prefix),
        "{}",
        entity("product")
    );
    assert!(entity("lineage").contains("sales/orders@1") && entity("lineage").contains("erp.public.lines"));

    mesh.product(
        "orders",
        &format!(
            "description: All orders\nclassification: restricted\nslo: {{ freshness: 5m }}\n{}",
            streaming("")
        ),
    );
    mesh.product(
        "lines",
        &format!("description: Lines\n{}lineage: {{ sources: [sales.orders.v1] }}\n", streaming("")),
    );
    mesh.run(&["plan"]).exits(0).says(&[
        "0 to create, 3 to update",
        "15m",
        "5m",
        "All orders",
        "erp.public.lines",
    ]);
    mesh.apply_settles();
    assert!(entity("product").contains("All orders") && !entity("product").contains("15m"));
    assert!(!entity("lineage").contains("erp.public.lines"));
    mesh.destroy();
    assert_eq!(entity("product") + &entity("lineage") + &entity("domain"), "");
}

#[test]
fn an_equal_topic_is_taken_over_a_different_one_only_when_asked_and_neither_is_destroyed() {
    let Some((mesh, witness, prefix)) = start("adopted") else { return };
    let (same, other) = (format!("{prefix}sales.orders.v1"), format!("{prefix}sales.returns.v1"));
    witness.make_topic(&same, 2, &json!({"retention.ms": "86400000", "segment.bytes": "20000000"}));
    witness.make_topic(&other, 1, &json!({}));
    mesh.product("orders", &streaming(", partitions: 2, retention: 1d"));
    mesh.run(&["plan"]).exits(0).says(&["1 to adopt", "equal to what is declared"]);
    mesh.apply_settles();

    mesh.product("returns", &streaming(", partitions: 3"));
    mesh.run(&["plan"]).exits(1).says(&[
        "was not made by this mesh",
        "partitions",
        "--adopt sales/returns@1:kafka_topic.kafka",
    ]);
    mesh.run(&["apply", "--auto-approve", "--adopt", "sales/returns@1:kafka_topic.kafka"]).exits(0);
    mesh.is_settled();
    assert_eq!(witness.topic(&other)["partitions"], json!(3));

    mesh.destroy().says(&["2 to forget"]);
    assert_eq!(
        witness.topics(&prefix),
        [same.clone(), other.clone()],
        "what others made is forgotten, not deleted"
    );
    assert_eq!(witness.topic(&same)["config"]["segment.bytes"], json!("20000000"));
    witness.delete_topic(&same);
    witness.delete_topic(&other);
}

#[test]
fn drift_is_shown_and_repaired() {
    let Some((mesh, witness, prefix)) = start("drift") else { return };
    let (orders, returns) = (format!("{prefix}sales.orders.v1"), format!("{prefix}sales.returns.v1"));
    mesh.product("orders", &streaming(", retention: 1d"));
    mesh.product("returns", &streaming(""));
    mesh.apply();
    mesh.run(&["drift"]).exits(0).says(&["No drift."]);

    witness.set_config(&orders, "retention.ms", "99000");
    witness.set_config(&orders, "segment.bytes", "20000000");
    witness.delete_topic(&returns);
    let drift = mesh.run(&["drift"]).exits(2);
    let drift =
        drift.says(&["2 resources drifted", "retention.ms", "86400000", "99000", "was deleted", &returns]);
    drift.keeps_quiet_about(&["segment.bytes"]);
    mesh.apply_settles().says(&["1 to create, 1 to update", "changed outside", "deleted outside"]);
    mesh.run(&["drift"]).exits(0).says(&["No drift."]);
    let config = json!({"retention.ms": "86400000", "segment.bytes": "20000000"});
    assert_eq!(witness.topic(&orders)["config"], config);
    assert_eq!(witness.topic(&returns)["partitions"], json!(1));

    // What nobody declares is listed on request, and is no drift.
    let others = format!("{prefix}of-somebody-else");
    witness.make_topic(&others, 3, &json!({}));
    witness.make_acl(&format!("User:{prefix}stranger"), &format!("READ TOPIC LITERAL {others}"));
    let listed = mesh.run(&["drift", "--unmanaged"]).exits(0);
    let listed = listed.says(&[
        &format!("kafka_topic {others} partitions 3, replication factor 1"),
        &format!("kafka_acl read@topic={others}@User:{prefix}stranger"),
    ]);
    listed.keeps_quiet_about(&[&orders, &returns, "__consumer_offsets"]);
    let events = mesh.run(&["drift", "--unmanaged", "--json"]).exits(0);
    assert!(
        events.out.lines().any(|line| line.contains("\"unmanaged\"") && line.contains(&others)),
        "{events}"
    );
    mesh.destroy();
    assert_eq!(witness.topics(&prefix), [others.as_str()], "no destroy touches it");
}

#[test]
fn absence_is_not_deletion() {
    let Some((mesh, witness, prefix)) = start("absence") else { return };
    let topic = format!("{prefix}sales.orders.v1");
    mesh.product("orders", &streaming(""));
    mesh.product("returns", &streaming(""));
    mesh.apply_settles();
    let manifest = std::fs::read_to_string(mesh.path().join("domains/sales/orders.yaml")).expect("written");

    // The same document in another file.
    mesh.remove("domains/sales/orders.yaml");
    mesh.file("domains/sales/renamed.yaml", &manifest);
    mesh.is_settled();
    // Not there: what holds data is held, in words that say how to get rid of it.
    mesh.remove("domains/sales/renamed.yaml");
    mesh.run(&["plan"]).exits(0).says(&["absence alone never deletes data", "held"]);
    mesh.run(&["apply", "--auto-approve"]).exits(0);
    assert_eq!(witness.topic(&topic)["partitions"], json!(1));
    // A typo in the group's name.
    mesh.file("domains/sales/orders.yaml", &manifest.replace("datamesh.example.com", "datamesh.exmaple.com"));
    let plan = mesh.run(&["plan"]).exits(1);
    plan.says(&["datamesh.exmaple.com"]);
    // A part of the mesh.
    mesh.run(&["plan", "domains/sales/returns.yaml"]);
    mesh.file("domains/sales/orders.yaml", &manifest);
    mesh.apply_settles();
    mesh.file("domains/sales/removed.yaml", "apiVersion: datamesh.example.com/v1\nkind: Removed\nspec: { address: \"sales/orders@1:**\", destroy: true }\n");
    mesh.remove("domains/sales/orders.yaml");
    mesh.apply();
    assert_eq!(witness.topic(&topic), Value::Null);
    mesh.destroy();
}

/// Says how long plan and apply of many topics take; whether that is long is for people to judge.
#[test]
fn two_hundred_topics_are_planned_and_applied() {
    let Some((mesh, witness, prefix)) = start("many") else { return };
    for n in 0..200 {
        mesh.product(&format!("p{n:03}"), &streaming(", retention: 3d"));
    }
    let clock = RealClock::default();
    let plan = mesh.run(&["plan"]).exits(0);
    let planned = clock.monotonic();
    assert!(plan.last_line().starts_with("Plan: 601 to create"), "{}", plan.last_line());
    mesh.apply();
    let applied = clock.monotonic();
    mesh.is_settled();
    let again = clock.monotonic();
    assert_eq!(witness.topics(&prefix).len(), 200);
    let _ = writeln!(
        std::io::stderr(),
        "\n200 topics with a subject each: plan {:.1} s, plan and apply {:.1} s, plan again {:.1} s",
        planned.as_secs_f32(),
        (applied - planned).as_secs_f32(),
        (again - applied).as_secs_f32()
    );
    mesh.destroy();
    assert_eq!(witness.topics(&prefix), [""; 0]);
}

#[test]
fn what_moved_to_another_domain_can_be_changed_and_destroyed() {
    let Some((mesh, witness, prefix)) = start("handed-over") else { return };
    let product = |domain: &str, more: &str| {
        format!(
            "apiVersion: datamesh.example.com/v1\nkind: DataProduct\n\
             metadata: {{ name: facts, domain: {domain}, owner: o@example.com }}\n\
             spec:\n  schema:\n    fields:\n      - {{ name: id, type: string }}\n{more}\
             \x20 output_ports:\n    - {{ technology: kafka }}\n    - {{ technology: iceberg }}\n"
        )
    };
    mesh.file("domains/sales/facts.yaml", &product("sales", ""));
    mesh.apply_settles();
    let mark = |of: &str| {
        let table = witness.table(&mesh.sql_catalog(), "sales.facts");
        let mark = table["properties"]["datamesh.owner"].as_str().unwrap_or_default().to_owned();
        assert!(mark.ends_with(of), "{mark}");
    };
    mark("/sales/facts@1:iceberg_table.iceberg");
    mesh.remove("domains/sales/facts.yaml");
    mesh.file(
        "domains/finance/domain.yaml",
        "apiVersion: datamesh.example.com/v1\nkind: Domain\nmetadata: { name: finance }\n\
         spec: { description: Money, owner: f@example.com }\n",
    );
    mesh.file(
        "domains/finance/moved.yaml",
        "apiVersion: datamesh.example.com/v1\nkind: Moved\nspec: { from: sales/facts@1, to: finance/facts@1 }\n",
    );
    mesh.file("domains/finance/facts.yaml", &product("finance", ""));
    mesh.apply_settles();
    // The next change takes the mark over as well.
    mesh.file("domains/finance/facts.yaml", &product("finance", "      - { name: note, type: string }\n"));
    mesh.apply_settles();
    mark("/finance/facts@1:iceberg_table.iceberg");
    mesh.destroy();
    assert_eq!(witness.topics(&prefix), Vec::<String>::new());
}

#[test]
fn what_moved_to_another_domain_can_be_destroyed_at_once() {
    let Some((mesh, witness, _)) = start("passed-on") else { return };
    let product = |domain: &str| {
        format!(
            "apiVersion: datamesh.example.com/v1\nkind: DataProduct\n\
             metadata: {{ name: facts, domain: {domain}, owner: o@example.com }}\n\
             spec:\n  schema: {{ fields: [{{ name: id, type: string }}] }}\n\
             \x20 output_ports: [{{ technology: iceberg }}]\n"
        )
    };
    mesh.file("domains/sales/facts.yaml", &product("sales"));
    mesh.apply_settles();
    mesh.remove("domains/sales/facts.yaml");
    mesh.file(
        "domains/finance/domain.yaml",
        "apiVersion: datamesh.example.com/v1\nkind: Domain\nmetadata: { name: finance }\n\
         spec: { description: Money, owner: f@example.com }\n---\n\
         apiVersion: datamesh.example.com/v1\nkind: Moved\nspec: { from: sales/facts@1, to: finance/facts@1 }\n",
    );
    mesh.file("domains/finance/facts.yaml", &product("finance"));
    mesh.apply_settles();
    mesh.destroy();
    assert_eq!(witness.tables(&mesh.sql_catalog(), "sales"), None);
}
