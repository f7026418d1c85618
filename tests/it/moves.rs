//! What one domain hands over to another: the same objects, the same data, another owner.

use crate::world::{EVENTS, FACTS, Mesh, PROFILE, Run, hanging_in};
use std::collections::BTreeSet;

const MOVED_FACTS: &str = "domains/customers/facts.yaml";
const TABLE: &str = "orders/facts@1:iceberg_table.iceberg";
const MOVED_TABLE: &str = "customers/facts@1:iceberg_table.iceberg";

const MOVED: &str = "apiVersion: datamesh.example.com/v1
kind: Moved
metadata: {name: facts}
spec: {from: orders/facts@1, to: customers/facts@1}
";

/// A mesh in which a product is about to go to another domain.
pub(crate) fn handing_over() -> Mesh {
    let mesh = Mesh::applied();
    let text = mesh.read(FACTS).replace("domain: orders", "domain: customers");
    mesh.remove(FACTS);
    mesh.write(MOVED_FACTS, &text);
    mesh.replace(PROFILE, "orders.facts.v1", "customers.facts.v1");
    mesh.write("decisions.yaml", MOVED);
    mesh
}

fn of_data(mesh: &Mesh) -> BTreeSet<String> {
    let objects = mesh.objects().into_iter();
    objects
        .filter(|(key, _)| !key.contains("catalog"))
        .map(|(key, object)| format!("{key} {object}"))
        .collect()
}

#[test]
fn a_product_goes_to_another_domain_with_its_data() {
    let mesh = handing_over();
    let (data, effects) = (of_data(&mesh), mesh.effects().len());
    let plan = mesh.plan(&[]);
    plan.deletes_nothing();
    assert_eq!(plan.changes[MOVED_TABLE]["previous_address"], TABLE);
    plan.run.ends(0);
    mesh.run(&["apply", "saved.plan"]).ends(0);
    mesh.is_sound(&[]);
    mesh.is_converged();
    assert_eq!(of_data(&mesh), data, "nothing that holds data was touched");
    assert!(mesh.effects().len() - effects <= 4, "{:#?}", mesh.effects());
    let records = mesh.records();
    assert!(records.keys().all(|address| !address.to_string().starts_with("orders/facts@1")));
    assert_eq!(
        records[&MOVED_TABLE.parse().expect("an address")].product.as_deref(),
        Some("customers/facts@1")
    );
    mesh.run(&["apply", "saved.plan"]).ends(5).says(&["was applied by run"]);
    mesh.run(&["history", MOVED_TABLE]).ends(0).says(&[&format!("move from {TABLE}")]);
    mesh.run(&["plan"]).ends(0).says(&["Nothing is recorded", "delete this document"]);
}

/// All that a domain has goes to a new one, and with it the namespace its tables are in.
#[test]
fn a_domain_gets_another_name() {
    let mesh = Mesh::applied();
    let data = of_data(&mesh);
    for path in [EVENTS, FACTS, "domains/orders/domain.yaml"] {
        let text = mesh
            .read(path)
            .replace("domain: orders", "domain: sales")
            .replace("name: orders}", "name: sales}");
        mesh.remove(path);
        mesh.write(&path.replace("/orders/", "/sales/"), &text);
    }
    mesh.replace("domains/sales/facts.yaml", "orders.events.v3", "sales.events.v3");
    mesh.replace(PROFILE, "orders.facts.v1", "sales.facts.v1");
    let products = ["events@3", "facts@1"]
        .map(|product| MOVED.replace("facts@1", product).replace("customers", "sales"));
    mesh.write("decisions.yaml", &products.join("---\n"));
    mesh.plan(&[]).deletes_nothing();
    mesh.apply();
    mesh.is_sound(&[]);
    mesh.is_converged();
    // But for the name of the domain, which the namespace says.
    let renamed = |text: &String| text.replace(r#""domain":"orders""#, r#""domain":"sales""#);
    assert_eq!(of_data(&mesh), data.iter().map(renamed).collect());
    assert!(
        mesh.records().keys().all(|address| address.domain() != "orders"),
        "{:#?}",
        mesh.records().keys()
    );
}

#[test]
fn what_is_still_declared_or_was_not_read_is_not_taken() {
    let mesh = handing_over();
    mesh.write(FACTS, &mesh.read(MOVED_FACTS).replace("domain: customers", "domain: orders"));
    mesh.run(&["plan"]).ends(1).says(&["cannot move", "still declared"]);
    // A file with an error has not vanished.
    mesh.replace(FACTS, "decimal(18,2)", "decimal(18,99)");
    let plan = mesh.run(&["plan"]).ends(1);
    assert!(!plan.text().contains("moved here from"), "{}", plan.text());
    let (objects, effects) = (mesh.objects(), mesh.effects());
    mesh.run(&["apply", "--auto-approve"]).ends(1);
    let table = |object: &str| object.contains("iceberg");
    assert!(mesh.effects()[effects.len()..].iter().all(|effect| !table(effect)), "{:#?}", mesh.effects());
    assert_eq!(mesh.objects().len(), objects.len());
    assert!(mesh.records().contains_key(&TABLE.parse().expect("an address")));
}

#[test]
fn a_record_is_handed_over_by_hand_and_back() {
    let mesh = Mesh::applied();
    let (objects, effects) = (mesh.objects(), mesh.effects());
    mesh.run(&["state", "mv", TABLE, MOVED_TABLE, "--auto-approve"]).ends(0).says(&["Done: move"]);
    mesh.run(&["state", "show", MOVED_TABLE]).ends(0);
    mesh.run(&["state", "show", TABLE]).ends(1);
    mesh.run(&["state", "mv", TABLE, MOVED_TABLE, "--auto-approve"]).ends(1).says(&["only what is recorded"]);
    mesh.run(&["state", "mv", MOVED_TABLE, TABLE, "--auto-approve"]).ends(0);
    assert_eq!((mesh.objects(), mesh.effects()), (objects, effects), "nothing live was touched");
    mesh.apply();
    mesh.is_sound(&[]);
    mesh.is_converged();
    mesh.run(&["audit", "verify"]).ends(0).says(&["unbroken"]);
}

/// Who moves something holds both domains.
#[test]
fn a_move_waits_for_whoever_is_at_work_on_either_side() {
    let mesh = handing_over();
    mesh.replace(EVENTS, "retention: 7d", "retention: 14d");
    let (orders, frozen) =
        hanging_in(&mesh, &["apply", "--auto-approve", "--target", "product:orders/events"], 1);
    let waits = mesh.run(&["apply", "--auto-approve", "--target", "customers/facts@1:**"]);
    frozen.thaw();
    Run::of(&orders.wait_with_output().expect("it ends")).ends(0);
    waits.ends(4).says(&["orders"]);
    mesh.apply();
    mesh.is_sound(&[]);
    mesh.is_converged();
}
