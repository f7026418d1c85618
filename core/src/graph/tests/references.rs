//! Contracts in files that use the schemas of other products.

use super::{World, product, world};
use serde_json::json;

const ORDER: &str = r#"{"type":"record","name":"Order","fields":[{"name":"total","type":"common.Money"}]}"#;
const MONEY: &str = r#"{"type":"record","name":"Money","namespace":"common","fields":[]}"#;
const SUBJECT: &str = "orders/facts@1:schema_subject.kafka";

/// `orders/facts`, which refers to others like that, and `orders/money` with its own schema.
fn with(references: &str, money: &str) -> World {
    let ports = "  output_ports: [{ technology: kafka }]\n";
    let facts = format!("  schema: {{ source: o.avsc, references: [{references}] }}\n{ports}");
    let facts = product("orders", "facts", &facts);
    let money = product("orders", "money", money);
    world(&[
        ("orders/facts.yaml", facts.as_str()),
        ("orders/money.yaml", money.as_str()),
        ("orders/o.avsc", ORDER),
        ("orders/m.avsc", MONEY),
        ("orders/m.json", "{}"),
    ])
}

const TO_MONEY: &str = "{ name: common.Money, product: orders/money@1 }";
const REGISTERED: &str = "  schema: { source: m.avsc }\n  output_ports: [{ technology: kafka }]\n";

#[test]
fn a_reference_leads_to_the_subject_that_is_registered_before() {
    let found = with(TO_MONEY, REGISTERED);
    assert_eq!(found.codes(), Vec::<&str>::new(), "{}", found.details());
    let money = "orders/money@1:schema_subject.kafka".parse().expect("an address");
    let id = found.graph.resources[&money].object.id.as_str();
    let wanted = json!([{"name": "common.Money", "subject": id}]);
    assert_eq!(found.attribute(SUBJECT, "references"), Some(&wanted));
    let facts = &found.graph.resources[&SUBJECT.parse().expect("an address")];
    assert!(facts.depends_on.contains(&money), "{:?}", facts.depends_on);
    // Fields of the manifest will do as well, and a subject without a topic.
    let fields = "  schema: { registry: 'https://schema-registry.internal/subjects/money', fields: [{ name: a, type: int }] }\n";
    let found = with(TO_MONEY, fields);
    let subject = found.attribute(SUBJECT, "references").map(|list| list[0]["subject"].clone());
    assert_eq!((found.codes(), subject), (vec![], Some(json!("money"))), "{}", found.details());
}

#[test]
fn what_cannot_be_referred_to_holds_the_product_back() {
    let twice = format!("{TO_MONEY}, {TO_MONEY}");
    let two_ports = "  schema: { source: m.avsc }\n  output_ports: [{ technology: kafka }, { name: b, technology: kafka, topic: other }]\n";
    for (references, money, words) in [
        ("{ name: n, product: money }", REGISTERED, "Write `domain/product@version`"),
        ("{ name: n, product: nowhere/money@1 }", REGISTERED, "no domain `nowhere`"),
        ("{ name: n, product: orders/monei@1 }", REGISTERED, "money"),
        ("{ name: n, product: orders/money@2 }", REGISTERED, "`orders/money@2`"),
        ("{ name: n, product: orders/facts@1 }", REGISTERED, "refer to itself"),
        (TO_MONEY, "  description: none\n", "registers no schema"),
        (TO_MONEY, two_ports, "several subjects"),
        (&twice, REGISTERED, "Two references"),
        (
            TO_MONEY,
            "  schema: { source: m.json, format: json }\n  output_ports: [{ technology: kafka }]\n",
            "is written in json",
        ),
    ] {
        let found = with(references, money);
        assert!(found.details().contains(words), "{references}: {}", found.details());
        assert_eq!((found.codes(), found.held()), (vec!["DM0265"], vec!["orders/facts@1"]), "{references}");
    }
}

#[test]
fn who_refers_to_a_product_that_is_held_back_is_held_back_with_it() {
    let broken = "  schema: { source: none.avsc }\n  output_ports: [{ technology: kafka }]\n";
    assert_eq!(with(TO_MONEY, broken).held(), ["orders/facts@1", "orders/money@1"]);
}

#[test]
fn a_circle_is_an_error_of_each_in_it_and_of_nobody_else() {
    let back = "  schema: { source: m.avsc, references: [{ name: Order, product: orders/facts@1 }] }\n  output_ports: [{ technology: kafka }]\n";
    let found = with(TO_MONEY, back);
    assert_eq!(found.codes(), ["DM0265", "DM0265"], "{}", found.details());
    assert!(found.details().contains("refers back to it"), "{}", found.details());
    assert_eq!(found.held(), ["orders/facts@1", "orders/money@1"]);
}
