//! A table that was there before: `import` prints its manifest, and with it nothing is left to do.

use super::{RESTS, witness};
use crate::mesh_folder::Mesh;
use crate::support::python::python;
use serde_json::{Value, json};

const ADDRESS: &str = "sales/made@1:iceberg_table.iceberg";
const MANIFEST: &str = "domains/sales/made.yaml";

fn taken_over_as_it_is(iceberg: &Value, properties: impl Fn(&Mesh) -> Value, namespace: &str) {
    let mut mesh = Mesh::new();
    let mut iceberg = iceberg.clone();
    if let Some(secret) = iceberg.pointer_mut("/auth/oauth2/client_secret") {
        mesh.set("CATALOG_SECRET", secret.as_str().expect("a secret"));
        *secret = json!("${env:CATALOG_SECRET}");
    }
    mesh.mesh_document(&json!({
        "state": {"backend": "local", "path": ".datamesh/state"},
        "iceberg": {"default": iceberg},
    }));
    let id = format!("{namespace}.made");
    let properties = properties(&mesh);
    let before = witness(&properties, &id, "make");
    let manifest = mesh.run(&["import", ADDRESS, "--id", &id]).exits(0).out;
    assert!(manifest.contains("{ name: id, type: long, required: true }"), "{manifest}");
    mesh.file(MANIFEST, &manifest);
    let plan = mesh.run(&["plan"]).exits(0);
    assert!(plan.last_line().starts_with("Plan: 0 to create, 0 to update"), "{plan}");
    assert!(plan.last_line().contains("1 to adopt"), "{plan}");
    mesh.run(&["apply", "--auto-approve"]).exits(0);
    mesh.run(&["plan", "--detailed-exitcode"]).exits(0);
    assert_eq!(witness(&properties, &id, "show"), before, "nothing was touched");
    // What is recorded is found without its name, and says the same.
    assert_eq!(mesh.run(&["import", ADDRESS]).exits(0).out, manifest);
    // Rows that come between a plan and its turn void nothing.
    let more = manifest.replace("    fields:\n", "    fields:\n      - { name: tier, type: int }\n");
    mesh.file(MANIFEST, &more);
    mesh.run(&["plan", "--out", "saved.plan"]).exits(0);
    witness(&properties, &id, "write_made");
    mesh.run(&["apply", "saved.plan"]).exits(0);
    let now = witness(&properties, &id, "show");
    assert_eq!(
        (&now["rows"], &now["columns"][0][0], &now["uuid"]),
        (&json!(2), &json!("tier"), &before["uuid"])
    );
    mesh.run(&["drift"]).exits(0);
    // It was there before us: it is forgotten, and stays.
    mesh.run(&["destroy", "--all", "--auto-approve"]).exits(0);
    assert_eq!(witness(&properties, &id, "show"), now);
}

#[test]
fn a_sql_table_is_imported() {
    if python().is_none() {
        return;
    }
    let settings =
        json!({"catalog": "sql", "name": "mesh", "uri": "sqlite:iceberg.db", "warehouse": "file:w"});
    let properties = |mesh: &Mesh| {
        let root = mesh.path().display();
        json!({"type": "sql", "uri": format!("sqlite:///{root}/iceberg.db"), "warehouse": format!("file://{root}/w")})
    };
    taken_over_as_it_is(&settings, properties, "legacy");
}

#[test]
fn a_rest_table_is_imported() {
    for rest in RESTS {
        let (Some((settings, properties)), Some(_)) = (rest.settings(), python()) else { continue };
        let namespace = format!("ice_{}_import", std::process::id());
        taken_over_as_it_is(&settings, |_| properties.clone(), &namespace);
    }
}
