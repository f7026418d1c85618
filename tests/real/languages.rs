//! Contracts from files, in each language, on both registries.

use crate::mesh_folder::{Mesh, Systems, unique};
use crate::support::http::latest;
use crate::support::servers::{Servers, servers, with_registry2};
use serde_json::Value;

struct Language {
    format: &'static str,
    schema_type: &'static str,
    file: &'static str,
    first: &'static str,
    /// What readers of the new schema can read as well.
    compatible: &'static str,
    breaking: &'static str,
}

const LANGUAGES: [Language; 3] = [
    Language {
        format: "avro",
        schema_type: "AVRO",
        file: "order.avsc",
        first: r#"{"type": "record", "name": "Order", "namespace": "sales", "fields": [{"name": "id", "type": "string"}]}"#,
        compatible: r#"{"type": "record", "name": "Order", "namespace": "sales", "fields": [
            {"name": "id", "type": "string"}, {"name": "note", "type": "string", "default": ""}]}"#,
        breaking: r#"{"type": "record", "name": "Order", "namespace": "sales", "fields": [{"name": "id", "type": "int"}]}"#,
    },
    Language {
        format: "json",
        schema_type: "JSON",
        file: "order.json",
        first: r#"{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "additionalProperties": false,
            "properties": {"id": {"type": "string"}}, "required": ["id"]}"#,
        compatible: r#"{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "additionalProperties": false,
            "properties": {"id": {"type": "string"}, "note": {"type": "string"}}, "required": ["id"]}"#,
        breaking: r#"{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "additionalProperties": false,
            "properties": {"id": {"type": "integer"}}, "required": ["id"]}"#,
    },
    Language {
        format: "protobuf",
        schema_type: "PROTOBUF",
        file: "schemas/order.proto",
        first: "syntax = \"proto3\";\npackage sales;\n\n// One order.\nmessage Order {\n  string id = 1;\n}\n",
        compatible: "syntax = \"proto3\";\npackage sales;\n\n// One order.\nmessage Order {\n  string id = 1;\n  string note = 2;\n}\n",
        breaking: "syntax = \"proto3\";\npackage sales;\n\nmessage Order {\n  int32 id = 1;\n}\n",
    },
];

fn a_contract_is_taken_from_its_file(servers: &Servers, name: &str, registry: &str, language: &Language) {
    let prefix = unique(&format!("{name}-{}", language.format));
    let mesh = Mesh::with(&Systems { registry: registry.to_owned(), ..Systems::shared(servers, &prefix) });
    let Language { format, schema_type, file, first, compatible, breaking } = language;
    mesh.product(
        "orders",
        &format!(
            "schema: {{ format: {format}, source: {file}, compatibility: BACKWARD }}\noutput_ports: [{{ technology: kafka }}]\n"
        ),
    );
    let (path, subject) = (format!("domains/sales/{file}"), format!("{prefix}sales.orders.v1-value"));
    let registered = |text: &str, version: u64| {
        let found = latest(registry, &subject);
        let stored = found["schema"].as_str().unwrap_or_default();
        // Apicurio 3.3.3 takes the white space out of what is JSON.
        let json = |text: &str| serde_json::from_str::<Value>(text).ok();
        assert!(stored == text || json(text).is_some_and(|tree| json(stored) == Some(tree)), "{found}");
        assert_eq!(found["version"], version);
        assert_eq!(found["schemaType"].as_str().unwrap_or("AVRO"), *schema_type);
    };
    mesh.run(&["plan"]).exits(1).says(&["DM0259", file]);
    mesh.file(&path, first);
    mesh.apply_settles();
    registered(first, 1);

    mesh.file(&path, breaking);
    mesh.run(&["plan"]).exits(1).says(&[
        "DM0536",
        "BACKWARD",
        &format!("source: {file}"),
        "datamesh new version",
    ]);
    mesh.run(&["apply", "--auto-approve"]).exits(1);
    registered(first, 1);

    mesh.file(&path, compatible);
    mesh.apply_settles();
    registered(compatible, 2);
    mesh.destroy();
}

#[test]
fn contracts_are_taken_from_their_files() {
    let Some(servers) = servers() else { return };
    for language in &LANGUAGES {
        a_contract_is_taken_from_its_file(servers, "first", servers.registry(), language);
    }
}

#[test]
fn contracts_are_taken_from_their_files_on_the_second_registry() {
    let Some((servers, registry)) = with_registry2() else { return };
    for language in &LANGUAGES {
        a_contract_is_taken_from_its_file(servers, "second", registry, language);
    }
}

#[test]
fn record_keys_have_a_subject_of_their_own() {
    let Some(servers) = servers() else { return };
    let prefix = unique("keyed");
    let mesh = Mesh::with(&Systems::shared(servers, &prefix));
    let product = |key: &str, more: &str| {
        mesh.product(
            "orders",
            &format!(
                "schema:\n  fields:\n    - {{ name: region, type: string, required: true }}\n    - {{ name: id, type: long, required: true }}\n\
                 {more}output_ports:\n  - {{ technology: kafka, key: {{ fields: [{key}] }} }}\n"
            ),
        );
    };
    product("region, id", "");
    mesh.apply_settles();
    let of = |part: &str| {
        let found = latest(servers.registry(), &format!("{prefix}sales.orders.v1-{part}"));
        let schema: Value =
            serde_json::from_str(found["schema"].as_str().expect("a schema")).expect("Avro is JSON");
        let fields = schema["fields"].as_array().expect("fields").iter();
        let names: Vec<String> = fields.map(|f| f["name"].as_str().unwrap_or_default().to_owned()).collect();
        (schema["name"].as_str().unwrap_or_default().to_owned(), names)
    };
    assert_eq!(of("key"), ("OrdersKey".to_owned(), vec!["region".to_owned(), "id".to_owned()]));
    // The value grows, and the key stays what it is.
    product("region, id", "    - { name: note, type: string }\n");
    mesh.apply_settles();
    assert_eq!((of("value").1.len(), of("key").1.len()), (3, 2));
    // Another key would send the records of one thing to two partitions.
    product("id", "    - { name: note, type: string }\n");
    mesh.run(&["plan"]).says(&["-key"]);
    mesh.destroy();
}
