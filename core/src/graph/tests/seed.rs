use super::{World, domain, world};
use serde_json::json;
use snapbox::{assert_data_eq, file};
use std::fmt::Write as _;

const PRODUCT: &str = include_str!("../../manifest/tests/seed/orders-facts.yaml");
const POLICY: &str = include_str!("../../manifest/tests/seed/global-data-standards.yaml");

fn seed(extra: &[(&str, &str)]) -> World {
    let owner = domain("order-management", "{ aliases: [orders-domain], owner: order-team@example.com }");
    let mut files = vec![
        ("domains/order-management/domain.yaml", owner.as_str()),
        ("domains/order-management/orders-facts.yaml", PRODUCT),
        ("policies/global.yaml", POLICY),
    ];
    files.extend(extra);
    world(&files)
}

#[test]
fn the_seed_resolves_to_everything_it_names() {
    let seed = seed(&[]);
    let mut text = String::new();
    for (address, resource) in &seed.graph.resources {
        let object = &resource.object;
        writeln!(text, "{address}\n  {} `{}`", object.system, object.id.as_str()).expect("text");
        writeln!(text, "  {}", object.attributes.text()).expect("text");
        if !object.on_create.is_empty() {
            writeln!(text, "  on create {}", object.on_create.text()).expect("text");
        }
        for dependency in &resource.depends_on {
            writeln!(text, "  after {dependency}").expect("text");
        }
    }
    assert_data_eq!(text, file!["../../../tests/golden/resolve/seed.txt"].raw());
    assert!(seed.graph.complete && seed.graph.held_back.is_empty());
}

#[test]
fn the_seeds_names_are_as_promised() {
    let seed = seed(&[]);
    let of = |rest: &str| format!("order-management/orders-facts@3:{rest}");
    assert_eq!(seed.id(&of("kafka_topic.kafka")), "orders-domain.orders-facts.v3");
    assert_eq!(seed.id(&of("schema_subject.contract")), "orders-facts");
    assert_eq!(seed.id("order-management:iceberg_namespace.order_management"), "order_management");
    let table = of("iceberg_table.iceberg");
    assert_eq!(seed.id(&table), "order_management.orders_facts");
    let day = json!([{"source": "created_at", "transform": "day", "name": "created_date"}]);
    assert_eq!(seed.attribute(&table, "partition_by"), Some(&day));
    assert_eq!(
        seed.attribute(&table, "location"),
        Some(&json!("file:/mesh/.datamesh/warehouse/orders/facts"))
    );
    let sources = json!([
        {"name": "orders-db.public.orders"},
        {"name": "orders-db.public.order_items"},
        {"name": "payments-domain.payment-events.v2"},
    ]);
    assert_eq!(seed.attribute(&of("catalog_lineage.self"), "sources"), Some(&sources));
    let found: Vec<_> = seed.found.iter().map(|d| d.code.id).collect();
    // The bare decimal of the product, and the policy that has no effect yet.
    assert_eq!(found, ["DM0204", "DM0240"]);
}

#[test]
fn a_source_of_a_declared_domain_is_a_product() {
    let payments = domain("payments-domain", "{}");
    let events = super::product("payments-domain", "payment-events", "  schema: { version: 2 }\n");
    let seed =
        seed(&[("domains/payments-domain/d.yaml", &payments), ("domains/payments-domain/p.yaml", &events)]);
    let lineage = seed.resource("order-management/orders-facts@3:catalog_lineage.self");
    let third = &lineage.object.attributes["sources"][2];
    assert_eq!(third["product"], "payments-domain/payment-events@2");
    let after: Vec<_> = lineage.depends_on.iter().map(ToString::to_string).collect();
    assert!(after.contains(&"payments-domain/payment-events@2:catalog_product.self".to_owned()));
}
