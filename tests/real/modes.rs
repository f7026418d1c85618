//! Modes of subjects, on a registry that has them and on one that has none.

use crate::mesh_folder::{Mesh, Systems, unique};
use crate::support::http::{http, latest, send};
use crate::support::servers::{servers, with_registry2};
use reqwest::Method;
use serde_json::json;

fn product(mesh: &Mesh, mode: &str, fields: &str) {
    mesh.product(
        "orders",
        &format!(
            "schema:\n  mode: {mode}\n  fields:\n    - {{ name: id, type: string, required: true }}\n{fields}\
             output_ports: [{{ technology: kafka }}]\n"
        ),
    );
}

const NOTE: &str = "    - { name: note, type: string }\n";
const MORE: &str = "    - { name: note, type: string }\n    - { name: more, type: string }\n";

#[test]
fn a_subject_is_opened_for_a_change_and_closed_again() {
    let Some((servers, registry)) = with_registry2() else { return };
    let prefix = unique("modes");
    let mesh = Mesh::with(&Systems { registry: registry.to_owned(), ..Systems::shared(servers, &prefix) });
    let subject = format!("{prefix}sales.orders.v1-value");
    let is = |mode: &str, version: u64| {
        assert_eq!(http(Method::GET, &format!("{registry}/mode/{subject}"))["mode"], mode);
        assert_eq!(latest(registry, &subject)["version"], version);
    };
    product(&mesh, "READONLY", "");
    mesh.apply_settles().says(&["READONLY"]);
    is("READONLY", 1);

    product(&mesh, "READONLY", NOTE);
    mesh.run(&["plan"]).exits(1).says(&["DM0541", "mode: READONLY", "mode: READWRITE"]);
    mesh.run(&["apply", "--auto-approve"]).exits(1);
    is("READONLY", 1);

    product(&mesh, "READWRITE", NOTE);
    mesh.apply_settles().says(&["READONLY", "READWRITE"]);
    is("READWRITE", 2);

    // Registered first, then closed.
    product(&mesh, "readonly", MORE);
    mesh.apply_settles();
    is("READONLY", 3);

    // Somebody opens it behind our back.
    send(Method::PUT, &format!("{registry}/mode/{subject}"), Some(json!({"mode": "READWRITE"})));
    mesh.run(&["drift"]).exits(2).says(&["mode", "READWRITE"]);
    mesh.apply_settles();
    is("READONLY", 3);

    mesh.destroy();
    assert_eq!(http(Method::GET, &format!("{registry}/mode/{subject}"))["mode"], "READWRITE");
}

#[test]
fn where_there_are_no_modes_none_is_promised() {
    let Some(servers) = servers() else { return };
    let prefix = unique("modeless");
    let mesh = Mesh::with(&Systems::shared(servers, &prefix));
    product(&mesh, "READONLY", "");
    mesh.run(&["plan"]).exits(1).says(&["DM0540", "mode: READONLY", "Apicurio from"]);
    product(&mesh, "SHUT", "");
    mesh.run(&["validate"]).exits(1).says(&["DM0533", "SHUT", "READWRITE"]);
    // As it is anyway.
    product(&mesh, "READWRITE", "");
    mesh.apply_settles();
    mesh.destroy();
}
