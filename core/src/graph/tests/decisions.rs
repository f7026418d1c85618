use super::{FIELDS, MESH, Recorded, World, product, recorded, world_in};

fn document(kind: &str, spec: &str) -> String {
    format!("apiVersion: datamesh.example.com/v1\nkind: {kind}\nspec: {spec}\n")
}

fn facts(name: &str) -> String {
    product("orders", name, &format!("{FIELDS}  output_ports: [{{ technology: kafka }}]\n"))
}

fn decide(name: &str, kind: &str, spec: &str, state: &Recorded) -> World {
    let (facts, decision) = (facts(name), document(kind, spec));
    world_in(&[("datamesh.yaml", MESH), ("p.yaml", &facts), ("x.yaml", &decision)], None, state)
}

fn state() -> Recorded {
    recorded(&[
        ("orders/facts@1:kafka_topic.kafka", "orders.facts.v1", None),
        ("orders/facts@1:schema_subject.kafka", "orders.facts.v1-value", None),
        ("orders/facts@1:catalog_product.self", "orders/facts@1", None),
    ])
}

#[test]
fn a_renamed_product_keeps_its_physical_names() {
    let world =
        decide("order-facts", "Moved", "{ from: orders/facts@1, to: orders/order-facts@1 }", &state());
    assert_eq!(world.codes(), Vec::<&str>::new());
    assert_eq!(world.graph.moves.len(), 3);
    assert_eq!(world.id("orders/order-facts@1:kafka_topic.kafka"), "orders.facts.v1");
    assert_eq!(world.id("orders/order-facts@1:schema_subject.kafka"), "orders.facts.v1-value");
}

#[test]
fn one_resource_can_move_within_its_domain() {
    let spec = "{ from: 'orders/facts@1:kafka_topic.kafka', to: 'orders/order-facts@1:kafka_topic.kafka' }";
    let world = decide("order-facts", "Moved", spec, &state());
    assert_eq!(world.id("orders/order-facts@1:kafka_topic.kafka"), "orders.facts.v1");
    for (spec, code) in [
        ("{ from: 'orders/facts@1:kafka_topic.kafka', to: 'orders/facts@1:iceberg_table.kafka' }", "DM0270"),
        ("{ from: 'orders/facts@1:kafka_topic.kafka', to: 'orders/facts@1:kafka_topic.kafka' }", "DM0270"),
        ("{ from: here, to: there }", "DM0271"),
    ] {
        let world = decide("facts", "Moved", spec, &state());
        assert!(
            world.codes().iter().all(|found| *found == code) && !world.codes().is_empty(),
            "{spec}: {}",
            world.details()
        );
        assert!(!world.graph.complete, "nothing may be inferred while a decision cannot be read");
    }
    assert_eq!(
        decide("facts", "Moved", "{ from: orders/gone@1, to: orders/new@1 }", &state()).codes(),
        ["DM0272"]
    );
}

#[test]
fn an_imported_name_is_the_name() {
    let spec = "{ address: 'orders/facts@1:kafka_topic.kafka', id: legacy.orders }";
    let world = decide("facts", "Import", spec, &Recorded::default());
    assert_eq!(world.id("orders/facts@1:kafka_topic.kafka"), "legacy.orders");
    assert_eq!(world.id("orders/facts@1:schema_subject.kafka"), "legacy.orders-value");
    assert_eq!(world.graph.imports.len(), 1);
    assert_eq!(decide("facts", "Import", "{ address: nope, id: x }", &state()).codes(), ["DM0271"]);
}

#[test]
fn removals_are_globs_over_what_is_recorded() {
    let gone = decide("other", "Removed", "{ address: 'orders/facts@1:**', destroy: true }", &state());
    assert_eq!(gone.codes(), Vec::<&str>::new());
    assert!(gone.graph.removals[0].destroy);
    let stale = decide("other", "Removed", "{ address: 'orders/gone@1:**', destroy: false }", &state());
    assert_eq!(stale.codes(), ["DM0272"]);
    let declared = decide("facts", "Removed", "{ address: 'orders/facts@1:**', destroy: true }", &state());
    assert_eq!(declared.codes(), ["DM0273"]);
    let bad = decide("facts", "Removed", "{ address: 'orders/facts@1', destroy: true }", &state());
    assert_eq!(bad.codes(), ["DM0271"]);
}
