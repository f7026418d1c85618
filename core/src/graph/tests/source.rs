//! Contracts that stand in a file beside the manifest.

use super::{World, product, world};

const AVSC: &str = r#"{"type":"record","name":"Order","fields":[]}"#;
const SUBJECT: &str = "orders/facts@1:schema_subject.kafka";

fn of(schema: &str, port: &str, files: &[(&str, &str)]) -> World {
    let spec = format!("  schema: {{ {schema} }}\n  output_ports: [{{ technology: {port} }}]\n");
    let document = product("orders", "facts", &spec);
    let mut all = vec![("orders/facts.yaml", document.as_str())];
    all.extend_from_slice(files);
    world(&all)
}

#[test]
fn a_file_is_registered_as_it_is_written() {
    for (schema, path, text, language) in [
        ("source: order.avsc", "orders/order.avsc", AVSC, "AVRO"),
        ("source: s/order.json, format: json", "orders/s/order.json", "{ }", "JSON"),
        ("source: ./o.proto, format: protobuf", "orders/o.proto", "syntax = \"proto3\";\r\n", "PROTOBUF"),
    ] {
        let world = of(schema, "kafka", &[(path, text)]);
        assert_eq!(world.codes(), Vec::<&str>::new(), "{schema}: {}", world.details());
        assert_eq!(world.attribute(SUBJECT, "schema").and_then(|s| s.as_str()), Some(text));
        assert_eq!(world.attribute(SUBJECT, "schema_type").and_then(|s| s.as_str()), Some(language));
    }
}

#[test]
fn what_a_file_says_is_an_input() {
    let one = of("source: o.avsc", "kafka", &[("orders/o.avsc", AVSC)]);
    let other = of("source: o.avsc", "kafka", &[("orders/o.avsc", r#""string""#)]);
    assert!(one.load.inputs.contains_key("orders/o.avsc"));
    assert_ne!(one.load.inputs_digest(), other.load.inputs_digest());
}

#[test]
fn many_manifests_cannot_name_one_large_file() {
    let large = " ".repeat(1 << 20);
    let products: Vec<(String, String)> = (0..260)
        .map(|n| {
            let spec = "  schema: { source: o.json, format: json }\n";
            (format!("orders/p{n}.yaml"), product("orders", &format!("p{n}"), spec))
        })
        .collect();
    let load = |count: usize| {
        let mut files = vec![("datamesh.yaml", super::MESH), ("orders/o.json", large.as_str())];
        files.extend(products[..count].iter().map(|(path, text)| (path.as_str(), text.as_str())));
        super::load_files(&files)
    };
    assert!(!load(20).stopped);
    let over = load(260);
    assert!(
        over.stopped && over.diagnostics.iter().any(|d| d.code.id == "DM0004"),
        "{:#?}",
        over.diagnostics
    );
}

#[test]
fn what_is_wrong_with_a_file_holds_the_product_back() {
    let avsc = [("orders/o.avsc", AVSC)];
    let wrong = |schema: &str, port: &str, words: &str| {
        let world = of(schema, port, &avsc);
        assert!(world.details().contains(words), "{schema}: {}", world.details());
        assert_eq!(world.held(), ["orders/facts@1"], "{schema}");
        assert!(world.found.errors().all(|error| error.labels.iter().any(|label| !label.text.is_empty())));
        world.codes()
    };
    assert_eq!(wrong("source: none.avsc", "kafka", "no such file"), ["DM0259"]);
    assert_eq!(wrong("source: ../o.avsc", "kafka", "without `..`"), ["DM0259"]);
    assert_eq!(wrong("source: o.avsc, format: json", "kafka", "`format: avro`"), ["DM0259"]);
    assert_eq!(wrong("source: o.sql", "kafka", "`.proto`"), ["DM0259"]);
    assert_eq!(wrong("source: o.avsc, record: a.B", "kafka", "Remove `record`"), ["DM0259"]);
    assert_eq!(wrong("source: o.avsc, primary_key: [id]", "kafka", "Declare `fields`"), ["DM0259"]);
    let both = "source: o.avsc, fields: [{name: id, type: int}]";
    assert_eq!(wrong(both, "kafka", "only one of them"), ["DM0259"]);
    assert_eq!(wrong("source: o.avsc", "iceberg", "out of a file"), ["DM0256"]);
    assert_eq!(wrong("source: o.avsc", "kafka, key: { fields: [id] }", "`uuid`"), ["DM0259"]);
    let plain = of("source: o.avsc", "kafka, key: { fields: [id], format: string }", &avsc);
    assert_eq!(plain.codes(), Vec::<&str>::new());
}
