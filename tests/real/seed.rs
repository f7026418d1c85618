//! The two manifests the format comes from, byte for byte, on real servers, with their exact names.

use crate::mesh_folder::{Mesh, sql_settings};
use crate::support::servers::{Servers, servers};
use crate::witness::{Catalog, Witness};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;

const PRODUCT: &str = include_str!("seed/orders-facts.yaml");
const POLICY: &str = include_str!("seed/global-data-standards.yaml");
const DOMAIN: &str = "apiVersion: datamesh.example.com/v1\nkind: Domain\nmetadata: { name: order-management }\n\
    spec: { description: Orders from basket to doorstep, owner: order-team@example.com, aliases: [orders-domain] }\n";

const TOPIC: &str = "orders-domain.orders-facts.v3";
const NEXT_TOPIC: &str = "orders-domain.orders-facts.v4";
const TABLE: &str = "order_management.orders_facts";

/// These names exist once on the shared servers: one test at a time, in all processes, holds this lock.
fn alone() -> File {
    let path = format!("{}/seed.lock", env!("CARGO_TARGET_TMPDIR"));
    let file = File::options().create(true).append(true).open(path).expect("a lock file");
    file.lock().expect("lockable");
    file
}

/// What a run that was cut off left behind.
fn tidy_up(witness: &Witness) {
    for topic in [TOPIC, NEXT_TOPIC] {
        if !witness.topic(topic).is_null() {
            witness.delete_topic(topic);
            // Gone for the controller is not yet gone for the broker.
            while !witness.topic(topic).is_null() {}
        }
    }
    for subject in ["orders-facts", "orders-facts-v4"] {
        for how in ["", "?permanent=true"] {
            witness.registry("DELETE", &format!("/subjects/{subject}{how}"));
        }
    }
}

fn mesh(servers: &Servers, iceberg: &Value, data_lake: &str) -> Mesh {
    let mesh = Mesh::new();
    mesh.mesh_document(&json!({
        "state": {"backend": "local", "path": ".datamesh/state"},
        "kafka": {"default": {"bootstrap_servers": servers.kafka()}},
        "registry": {"default": {"url": servers.registry()}},
        "iceberg": {"default": iceberg},
        "catalog": {"backend": "portal", "path": ".datamesh/catalog"},
        "defaults": {"kafka": {"partitions": 3, "replication_factor": 1}},
        "endpoints": {"https://schema-registry.internal": servers.registry(), "s3://data-lake": data_lake},
    }));
    mesh.file("domains/order-management/domain.yaml", DOMAIN);
    mesh.file("domains/order-management/orders-facts.yaml", PRODUCT);
    mesh.file("policies/global-data-standards.yaml", POLICY);
    mesh
}

/// Addresses after those they depend on, within each list.
const ORDER: [&[&str]; 3] = [
    &[":kafka_topic.kafka", ":schema_subject.contract", ":catalog_product.self", ":catalog_lineage.self"],
    &[":iceberg_namespace.order_management", ":iceberg_table.iceberg", ":catalog_product.self"],
    &[":catalog_domain.self", ":catalog_product.self"],
];

/// The plan names everything, and its graph has each thing after what it depends on.
fn planned_in_order(mesh: &Mesh) {
    let plan = mesh.run(&["plan", "--out", "p.bin"]).exits(0);
    assert!(plan.last_line().starts_with("Plan: 7 to create, 0 to update"), "{plan}");
    assert!(plan.out.contains("`value.subject.name.strategy`"), "how clients find the subject:\n{plan}");
    let document = mesh.run(&["show", "--json", "p.bin"]).exits(0).out;
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let mut last = BTreeMap::new();
    for (at, group) in document["groups"].as_array().expect("groups").iter().enumerate() {
        for operation in group.as_array().expect("operations") {
            let address = operation["address"].as_str().expect("an address");
            let name = address.split_once(':').map(|(_, name)| format!(":{name}")).expect("a name");
            last.insert(name, at);
        }
    }
    assert_eq!(last.len(), 7, "{last:?}");
    for chain in ORDER {
        assert!(chain.windows(2).all(|pair| last[pair[0]] < last[pair[1]]), "{chain:?} in {last:?}");
    }
    let shown = |name: &str| plan.out.find(name.trim_start_matches(':')).expect("shown");
    let product = plan.out.find("order-management/orders-facts@3").expect("shown");
    let own = ORDER[0].windows(2).filter(|pair| shown(pair[0]) > product);
    for pair in own {
        assert!(shown(pair[0]) < shown(pair[1]), "{pair:?} in\n{plan}");
    }
}

fn subject_is_exact(witness: &Witness) {
    let (status, latest) = witness.registry("GET", "/subjects/orders-facts/versions/latest");
    let versions = witness.registry("GET", "/subjects/orders-facts/versions");
    assert_eq!((status, versions), (200, (200, json!([latest["version"]]))));
    let (_, level) = witness.registry("GET", "/config/orders-facts");
    assert_eq!(level["compatibilityLevel"], json!("BACKWARD"));
    let schema: Value =
        serde_json::from_str(latest["schema"].as_str().expect("a schema")).expect("Avro is JSON");
    assert_eq!((&schema["namespace"], &schema["name"]), (&json!("order_management"), &json!("OrdersFacts")));
    let fields = schema["fields"].as_array().expect("fields");
    let names: Vec<_> = fields.iter().map(|field| field["name"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["order_id", "customer_id", "total_amount", "status", "created_at"]);
    assert!(fields.iter().all(|field| field["type"][0] == "null" && field["default"].is_null()));
    assert_eq!(fields[1]["datamesh.pii"], json!("true"));
    assert_eq!(fields[1]["datamesh.governance"], json!("hash-before-publish"));
    let amount = &fields[2]["type"][1];
    let amount = [&amount["type"], &amount["logicalType"], &amount["precision"], &amount["scale"]];
    assert_eq!(amount, [&json!("bytes"), &json!("decimal"), &json!(38), &json!(9)]);
    let symbols = json!(["placed", "confirmed", "shipped", "delivered", "cancelled"]);
    assert_eq!((&fields[3]["type"][1]["type"], &fields[3]["type"][1]["symbols"]), (&json!("enum"), &symbols));
    let at = &fields[4]["type"][1];
    assert_eq!((&at["type"], &at["logicalType"]), (&json!("long"), &json!("timestamp-micros")));
}

fn table_is_exact(witness: &Witness, catalog: &Catalog, location: &str) {
    let table = witness.table(catalog, TABLE);
    assert_eq!(table["tables"], json!([TABLE]));
    assert_eq!(
        table["columns"],
        json!([
            ["order_id", "string", false, "Unique order identifier"],
            ["customer_id", "string", false, "Customer identifier (hashed) [PII, hash-before-publish]"],
            ["total_amount", "decimal(38, 9)", false, "Order total in USD"],
            ["status", "string", false, null],
            ["created_at", "timestamptz", false, "Order creation timestamp (UTC)"],
        ])
    );
    assert_eq!(table["partitions"], json!([[1000, "created_date", "day", "created_at"]]));
    let property = |name: &str| table["properties"][format!("datamesh.{name}")].as_str();
    assert_eq!(
        ["pii.customer_id", "governance.customer_id", "retention"].map(property),
        [Some("true"), Some("hash-before-publish"), Some("3y")],
        "the policy's retention of personal data"
    );
    assert_eq!((&table["version"], &table["location"]), (&json!(2), &json!(location)));
}

fn catalog_is_exact(mesh: &Mesh) {
    let entities = mesh.path().join(".datamesh/catalog/entities");
    let mut found: Vec<String> = Vec::new();
    for kind in ["domain", "product", "lineage"] {
        for file in std::fs::read_dir(entities.join(kind)).into_iter().flatten() {
            found.push(std::fs::read_to_string(file.expect("readable").path()).expect("text"));
        }
    }
    assert_eq!(found.len(), 3);
    for words in [
        &["catalog_domain", "\"orders-domain\""][..],
        &["quality_score", TOPIC, TABLE, "oauth2"],
        &["payments-domain.payment-events.v2"],
    ] {
        let count = found.iter().filter(|text| words.iter().all(|word| text.contains(word))).count();
        assert_eq!(count, 1, "{words:?} in {found:?}");
    }
}

/// From nothing to everything and back.
fn lives_and_dies(mesh: &Mesh, witness: &Witness, catalog: &Catalog, location: &str) {
    planned_in_order(mesh);
    mesh.run(&["apply", "p.bin"]).exits(0);
    let topic = json!({"partitions": 3, "replicas": [1], "config": {}});
    assert_eq!(witness.topic(TOPIC), topic);
    subject_is_exact(witness);
    table_is_exact(witness, catalog, location);
    catalog_is_exact(mesh);
    mesh.is_settled();
    mesh.run(&["drift"]).exits(0);

    mesh.destroy().says(&["0 to create, 0 to update, 0 to replace, 7 to delete"]);
    assert_eq!(witness.topic(TOPIC), Value::Null);
    assert_eq!(witness.registry("GET", "/subjects/orders-facts/versions").0, 404);
    assert_eq!(witness.tables(catalog, "order_management"), None, "the namespace was ours and is empty");
    let left = mesh.run(&["state", "list"]).exits(0);
    assert!(!left.out.contains("order-management"), "{left}");
    assert_eq!(
        std::fs::read_to_string(mesh.path().join("domains/order-management/orders-facts.yaml"))
            .ok()
            .as_deref(),
        Some(PRODUCT)
    );
}

#[test]
fn the_seed_lives_on_a_sql_catalog() {
    let Some(servers) = servers() else { return };
    let Some(witness) = Witness::of(servers) else { return };
    let _alone = alone();
    tidy_up(&witness);
    let mesh = mesh(servers, &sql_settings(), "file:.datamesh/warehouse");
    let location = format!("file://{}/.datamesh/warehouse/orders/facts", mesh.path().display());
    lives_and_dies(&mesh, &witness, &mesh.sql_catalog(), &location);
}

#[test]
fn the_seed_lives_on_a_rest_catalog() {
    let Some(servers) = servers() else { return };
    if servers.status.server("iceberg-rest").is_none() {
        return;
    }
    let Some(witness) = Witness::of(servers) else { return };
    let _alone = alone();
    tidy_up(&witness);
    let (uri, warehouse, id, secret) = servers.iceberg_rest();
    let auth = json!({"oauth2": {"client_id": id, "client_secret": "${env:CATALOG_SECRET}"}});
    let settings = json!({"catalog": "rest", "uri": uri, "warehouse": warehouse, "auth": auth});
    let mut mesh = mesh(servers, &settings, &warehouse);
    mesh.set("CATALOG_SECRET", secret);
    let properties = json!({
        "type": "rest", "uri": uri, "warehouse": warehouse, "credential": format!("{id}:{secret}"),
        "s3.endpoint": servers.s3(), "s3.access-key-id": id, "s3.secret-access-key": secret,
        "s3.region": "us-east-1",
    });
    let catalog = Catalog { name: "mesh".to_owned(), properties: properties.to_string() };
    lives_and_dies(&mesh, &witness, &catalog, &format!("{warehouse}/orders/facts"));
    let secret_in = |text: &str| text.contains(secret);
    assert!(!secret_in(&mesh.run(&["plan", "--explain"]).err), "a secret is shown");
}

/// Another type, and a field that goes: nothing that readers of version 3 could take.
fn broken(product: &str) -> String {
    let amount = "type: decimal\n        description: Order total in USD";
    let status = "      - name: status\n        type: enum\n        values: [placed, confirmed, shipped, delivered, cancelled]\n";
    assert!(product.contains(amount) && product.contains(status), "{product}");
    product.replace(amount, &amount.replace("decimal", "long")).replace(status, "")
}

#[test]
fn a_breaking_version_lives_beside_the_one_that_is_read() {
    let Some(servers) = servers() else { return };
    let Some(witness) = Witness::of(servers) else { return };
    let _alone = alone();
    tidy_up(&witness);
    let mesh = mesh(servers, &sql_settings(), "file:.datamesh/warehouse");
    mesh.apply_settles();
    let record = json!({"order_id": "o-1", "customer_id": null, "total_amount": null, "status": "shipped",
                        "created_at": null});
    witness.write("orders-facts", TOPIC, &record);
    assert_eq!(witness.read("orders-facts", TOPIC), record);

    // In place it is refused, whatever the level says by then.
    let path = "domains/order-management/orders-facts.yaml";
    mesh.file(path, &broken(PRODUCT));
    mesh.run(&["plan"]).exits(1).says(&["DM0536", "total_amount", "datamesh new version"]);
    mesh.file(path, PRODUCT);

    mesh.run(&["new", "version", "order-management/orders-facts"]).exits(0);
    let next = "domains/order-management/orders-facts-v4.yaml";
    let written = std::fs::read_to_string(mesh.path().join(next)).expect("written");
    mesh.file(next, &broken(&written));
    let plan = mesh.run(&["plan"]).exits(0);
    assert!(plan.last_line().starts_with("Plan: 5 to create, 0 to update"), "{plan}");
    mesh.apply_settles();
    mesh.run(&["drift"]).exits(0);
    let versions = |subject: &str| witness.registry("GET", &format!("/subjects/{subject}/versions")).1;
    assert_eq!((versions("orders-facts"), versions("orders-facts-v4")), (json!([1]), json!([1])));
    witness.write(
        "orders-facts-v4",
        NEXT_TOPIC,
        &json!({"order_id": "o-2", "customer_id": null,
                                                         "total_amount": 1250, "created_at": null}),
    );
    assert_eq!(witness.read("orders-facts-v4", NEXT_TOPIC)["total_amount"], "1250");
    assert_eq!(witness.read("orders-facts", TOPIC), record, "who reads version 3 reads on");
    mesh.destroy();
}
