//! Contracts in files that use the schema of another product, in each language, on both registries.

use crate::mesh_folder::{Mesh, Systems, unique};
use crate::support::http::{http, latest};
use crate::support::servers::{Servers, servers, with_registry2};
use reqwest::Method;
use serde_json::json;

struct Language {
    format: &'static str,
    ending: &'static str,
    /// What the order calls the other schema.
    name: &'static str,
    /// Two versions of what is referred to, and of what refers to it.
    money: [&'static str; 2],
    order: [&'static str; 2],
}

const LANGUAGES: [Language; 3] = [
    Language {
        format: "avro",
        ending: "avsc",
        name: "sales.Money",
        money: [
            r#"{"type":"record","name":"Money","namespace":"sales","fields":[{"name":"amount","type":"long"}]}"#,
            r#"{"type":"record","name":"Money","namespace":"sales","fields":[{"name":"amount","type":"long"},{"name":"currency","type":"string","default":"EUR"}]}"#,
        ],
        order: [
            r#"{"type":"record","name":"Order","namespace":"sales","fields":[{"name":"total","type":"sales.Money"}]}"#,
            r#"{"type":"record","name":"Order","namespace":"sales","fields":[{"name":"total","type":"sales.Money"},{"name":"note","type":"string","default":""}]}"#,
        ],
    },
    Language {
        format: "json",
        ending: "json",
        name: "money.json",
        money: [
            r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","additionalProperties":false,"properties":{"amount":{"type":"integer"}}}"#,
            r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","additionalProperties":false,"properties":{"amount":{"type":"integer"},"currency":{"type":"string"}}}"#,
        ],
        order: [
            r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","additionalProperties":false,"properties":{"total":{"$ref":"money.json"}}}"#,
            r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","additionalProperties":false,"properties":{"total":{"$ref":"money.json"},"note":{"type":"string"}}}"#,
        ],
    },
    Language {
        format: "protobuf",
        ending: "proto",
        name: "money.proto",
        money: [
            "syntax = \"proto3\";\npackage sales;\n\nmessage Money {\n  int64 amount = 1;\n}\n",
            "syntax = \"proto3\";\npackage sales;\n\nmessage Money {\n  int64 amount = 1;\n  string currency = 2;\n}\n",
        ],
        order: [
            "syntax = \"proto3\";\npackage sales;\n\nimport \"money.proto\";\n\nmessage Order {\n  Money total = 1;\n}\n",
            "syntax = \"proto3\";\npackage sales;\n\nimport \"money.proto\";\n\nmessage Order {\n  Money total = 1;\n  string note = 2;\n}\n",
        ],
    },
];

fn an_order_refers_to_money(servers: &Servers, test: &str, registry: &str, language: &Language) {
    let Language { format, ending, name, money, order } = language;
    let prefix = unique(&format!("{test}-{format}"));
    let mesh = Mesh::with(&Systems { registry: registry.to_owned(), ..Systems::shared(servers, &prefix) });
    let schema = |file: &str, more: &str| {
        format!(
            "schema: {{ format: {format}, source: {file}.{ending}, compatibility: BACKWARD{more} }}\noutput_ports: [{{ technology: kafka }}]\n"
        )
    };
    let file = |name: &str, text: &str| mesh.file(&format!("domains/sales/{name}.{ending}"), text);
    let latest = |product: &str| latest(registry, &format!("{prefix}sales.{product}.v1-value"));
    let refers = |version: u64| json!([{"name": name, "subject": format!("{prefix}sales.money.v1-value"), "version": version}]);
    mesh.product(
        "order",
        &schema("order", &format!(", references: [{{ name: {name}, product: sales/money@1 }}]")),
    );
    file("order", order[0]);
    mesh.run(&["plan"]).exits(1).says(&["DM0265", "No manifest that can be read declares `sales/money@1`"]);
    mesh.product("money", &schema("money", ""));
    file("money", money[0]);
    mesh.run(&["plan"]).exits(0).says(&["+ references"]);
    mesh.apply_settles();
    assert_eq!((&latest("order")["version"], &latest("order")["references"]), (&json!(1), &refers(1)));

    // Who refers to the first version goes on doing so; a new version refers to the latest.
    file("money", money[1]);
    mesh.apply_settles();
    assert_eq!(latest("money")["version"], 2);
    assert_eq!((&latest("order")["version"], &latest("order")["references"]), (&json!(1), &refers(1)));
    if *format == "avro" {
        // Judged by us, with the types of both versions: this registry could not.
        file("order", &order[1].replace("\"type\":\"sales.Money\"", "\"type\":\"long\""));
        mesh.run(&["plan"]).exits(1).says(&["DM0536", "`total`", "datamesh new version"]);
    }
    file("order", order[1]);
    mesh.apply_settles();
    assert_eq!((&latest("order")["version"], &latest("order")["references"]), (&json!(2), &refers(2)));
    // What is used stays, also where the user was deleted, softly.
    mesh.run(&["destroy", "--all", "--auto-approve"]).exits(6).says(&["42206", "?permanent=true"]);
    assert!(latest("order")["error_code"].is_u64() && latest("money")["version"] == 2);
    let gone = format!("{registry}/subjects/{prefix}sales.order.v1-value?permanent=true");
    assert!(http(Method::DELETE, &gone).is_array());
    mesh.destroy();
    assert!(latest("money")["error_code"].is_u64());
}

#[test]
fn schemas_refer_to_each_other() {
    let Some(servers) = servers() else { return };
    for language in &LANGUAGES {
        an_order_refers_to_money(servers, "refers", servers.registry(), language);
    }
}

#[test]
fn schemas_refer_to_each_other_on_the_second_registry() {
    let Some((servers, registry)) = with_registry2() else { return };
    for language in &LANGUAGES {
        an_order_refers_to_money(servers, "refers2", registry, language);
    }
}
