//! What is said about documents that do not fit.

use super::{load_text, show, with_spec};

fn said(spec: &str) -> String {
    show(&load_text(&with_spec(spec)))
}

#[test]
fn all_errors_of_a_document_come_at_once() {
    let load = load_text(&with_spec(
        "descripton: x\nclassification: secret\nschema: {version: three, fields: {}}\noutput_ports: [{type: batch}]",
    ));
    let codes: Vec<_> = load.diagnostics.iter().map(|d| d.code.id).collect();
    assert_eq!(codes, ["DM0110", "DM0113", "DM0111", "DM0111", "DM0112"], "{}", show(&load));
    assert!(load.diagnostics.iter().all(|d| d.scope.as_deref() == Some("orders/facts")));
}

#[test]
fn unknown_keys_name_the_nearest_key() {
    assert_eq!(
        said("outputPorts: []"),
        "DM0110 `spec` has no key `outputPorts`.\n  a.yaml:7:3 did you mean `output_ports`?\n  help: Write `output_ports`.\n"
    );
    assert_eq!(
        said("schema: {fields: [{name: a, type: int, pi: true}]}"),
        "DM0110 `spec.schema.fields[0]` has no key `pi`.\n  a.yaml:7:42 did you mean `pii`?\n  help: Write `pii`.\n"
    );
    assert!(
        said("lineage: {whatever: 1}").contains("help: The keys known here are `sources`, `transformation`.")
    );
}

#[test]
fn missing_keys_are_named() {
    assert_eq!(
        said("schema: {fields: [{description: a}]}"),
        "DM0112 `spec.schema.fields[0]` needs the key `name`, and it is not there.\n  a.yaml:7:22 no `name` in this map\n  help: Add `name: …`.\n\
         DM0112 `spec.schema.fields[0]` needs the key `type`, and it is not there.\n  a.yaml:7:22 no `type` in this map\n  help: Add `type: …`.\n"
    );
    let bare = show(&load_text("apiVersion: datamesh.example.com/v1\nkind: DataProduct\n"));
    assert!(bare.contains("needs the key `metadata`") && bare.contains("needs the key `spec`"), "{bare}");
}

#[test]
fn wrong_types_say_what_was_expected_and_what_was_found() {
    let cases = [
        (
            "description: 1.0",
            "`spec.description` must be a text, but it is the decimal number `1.0`.",
            "Write \"1.0\" in quotes",
        ),
        ("description: true", "must be a text, but it is the boolean `true`.", "Write \"true\" in quotes"),
        ("description: [a]", "must be a text, but it is a list.", "Write a text here."),
        (
            "lifecycle: {purge: yes}",
            "must be `true` or `false`, but it is the text `yes`.",
            "Write `true`; `yes` is a text in YAML 1.2.",
        ),
        ("lifecycle: {purge: \"false\"}", "but it is the text `false`.", "Write `false`"),
        (
            "schema: {version: 3.0}",
            "must be a whole number, but it is the decimal number `3.0`.",
            "Write `3` without a decimal point.",
        ),
        (
            "schema: {version: \"3\"}",
            "must be a whole number, but it is the text `3`.",
            "Write `3` without quotes",
        ),
        ("schema: {version: 007}", "must be a whole number without leading zeros", "Write `7`"),
        (
            "schema: {version: -1}",
            "`spec.schema.version` is -1, but must be from 0 to 4294967295.",
            "from 0 to 4294967295",
        ),
        (
            "output_ports: [{technology: kafka, partitions: 1_000}]",
            "must be a whole number, but it is the text `1_000`.",
            "Write `1000`",
        ),
        ("output_ports: {technology: kafka}", "must be a list, but it is a map.", "Write a list here."),
        ("lineage: {sources: a.b}", "must be a list, but it is the text `a.b`.", "Write a list: `[a.b]`."),
        ("lineage: {sources: }", "must be a list, but it is empty.", "Write `[]` for an empty list"),
        ("slo: fast", "must be a map, but it is the text `fast`.", "Write a map here."),
        ("slo: {availability: [1]}", "must be a text, a number, or `true` or `false`, but it is a list.", ""),
        (
            "schema: {format: Avro}",
            "is `Avro`, which is not one of `avro`, `json`, `protobuf`.",
            "Write `avro`.",
        ),
        ("schema: {compatibility: backward_transitive}", "not one of", "Write `BACKWARD_TRANSITIVE`."),
        (
            "schema: {fields: [{name: a, type: array, items: [x]}]}",
            "must be a text or a map, but it is a list.",
            "",
        ),
    ];
    for (spec, detail, help) in cases {
        let said = said(spec);
        assert!(said.contains(detail) && said.contains(help), "{spec}\n{said}");
        assert_eq!(said.matches("DM0").count(), 1, "{said}");
    }
}

#[test]
fn owners_of_broken_documents_are_told_as_far_as_they_can_be_read() {
    let owner = |text: String| load_text(&text).broken[0].owner.clone();
    assert_eq!(owner(with_spec("nope: 1\nschema: {version: 2}")).as_deref(), Some("orders/facts@2"));
    assert_eq!(owner(with_spec("nope: 1")).as_deref(), Some("orders/facts@1"));
    assert_eq!(owner(with_spec("schema: {version: x}")).as_deref(), Some("orders/facts"));
    assert_eq!(owner(with_spec("nope: 1").replace("domain: orders", "domain: [x]")), None);
}
