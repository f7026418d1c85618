//! What tables say of their data.

use super::{World, product, world};
use serde_json::{Value, json};

const TABLE: &str = "orders/facts@1:iceberg_table.iceberg";

fn policy(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: governance.datamesh.example.com/v1\nkind: GovernancePolicy\nmetadata: {{ name: {name} }}\nspec: {spec}\n"
    )
}

fn with(fields: &str, more: &str, policies: &[&str]) -> World {
    let spec =
        format!("{more}  schema: {{ fields: [{fields}] }}\n  output_ports: [{{ technology: iceberg }}]\n");
    let facts = product("orders", "facts", &spec);
    let policies: Vec<(String, String)> = policies
        .iter()
        .enumerate()
        .map(|(n, spec)| (format!("p{n}.yaml"), policy(&format!("p{n}"), spec)))
        .collect();
    let mut files: Vec<(&str, &str)> =
        policies.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    files.push(("a.yaml", &facts));
    world(&files)
}

fn properties(world: &World) -> Value {
    world.attribute(TABLE, "properties").cloned().unwrap_or_default()
}

const PLAIN: &str = "{ name: id, type: int }";
const PERSONAL: &str = "{ name: who, type: struct, fields: [{ name: mail, type: string, pii: true, pii_type: email, governance: tokenize }] }, \
                        { name: seen, type: array, items: { type: struct, fields: [{ name: ip, type: string, pii: true }] } }";

#[test]
fn personal_columns_say_so_at_every_depth() {
    let found = with(PERSONAL, "", &[]);
    assert_eq!(
        properties(&found),
        json!({"datamesh.pii.who.mail": "email", "datamesh.governance.who.mail": "tokenize",
               "datamesh.pii.seen.element.ip": "true"})
    );
    let fields = found.attribute(TABLE, "fields").expect("columns");
    assert_eq!(fields[0]["type"]["fields"][0]["doc"], json!("[PII: email, tokenize]"));
    assert_eq!(fields[1]["type"]["element"]["fields"][0]["doc"], json!("[PII]"));
    assert_eq!(properties(&with(PLAIN, "", &[])), Value::Null);
}

#[test]
fn a_default_is_for_the_schema_alone_and_that_is_said() {
    let notes = |fields: &str| with(fields, "", &[]).resource(TABLE).notes.clone();
    assert!(notes(PLAIN).is_empty() && notes("{ name: a, type: int, default: null }").is_empty());
    let [said] = &notes("{ name: a, type: int, default: 3 }, { name: b, type: string, default: x }")[..]
    else {
        panic!("one note")
    };
    assert!(said.contains("`a`, `b`"), "{said}");
}

#[test]
fn tables_carry_the_shortest_retention_of_their_class() {
    let of = |fields: &str, more: &str, policies: &[&str]| {
        let found = with(fields, more, policies);
        assert_eq!(found.codes(), Vec::<&str>::new(), "{}", found.details());
        properties(&found)["datamesh.retention"].clone()
    };
    let (all, short) = (
        "{ retention: { default: 7_years, pii_data: 3_years, logs: 90_days } }",
        "{ retention: { default: 1y } }",
    );
    assert_eq!(of(PLAIN, "", &[all]), json!("7y"));
    assert_eq!(of(PLAIN, "", &[all, short]), json!("1y"));
    assert_eq!(of(PERSONAL, "", &[all]), json!("3y"));
    assert_eq!(of(PLAIN, "  data_class: logs\n", &[all]), json!("90d"));
    assert_eq!(of(PERSONAL, "  data_class: logs\n", &[all]), json!("90d"), "the shorter of both");
    assert_eq!(of(PERSONAL, "", &[short]), json!("1y"), "a class that no policy names has the default");
    for none in [
        "{}",
        "{ retention: { default: forever } }",
        "{ retention: { logs: 1d } }",
        "{ selector: { domains: [x] }, retention: { default: 1d } }",
    ] {
        assert_eq!(of(PLAIN, "", &[none]), Value::Null, "{none}");
    }
    let wrong = with(PLAIN, "", &["{ retention: { default: a while } }"]);
    assert_eq!(wrong.codes(), ["DM0217"], "{}", wrong.details());
}
