//! The published schemas and the decoder agree, because both come from the same types.

use super::{SEED_POLICY, SEED_PRODUCT, load_text};
use crate::manifest::{Kind, combined_schema, json_schemas};
use serde_json::Value as Json;

fn visit(schema: &Json, found: &mut impl FnMut(&serde_json::Map<String, Json>)) {
    match schema {
        Json::Object(object) => {
            found(object);
            object.values().for_each(|value| visit(value, found));
        }
        Json::Array(items) => items.iter().for_each(|item| visit(item, found)),
        _ => {}
    }
}

#[test]
fn every_kind_has_a_closed_schema_with_descriptions() {
    let schemas = json_schemas();
    assert_eq!(schemas.len(), Kind::ALL.len());
    for (kind, schema) in &schemas {
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["title"], kind.as_str());
        assert_eq!(schema["properties"]["kind"]["const"], kind.as_str());
        assert_eq!(schema["additionalProperties"], false, "{kind}");
        visit(schema, &mut |object| {
            if object.get("type").and_then(Json::as_str) == Some("object")
                && object.contains_key("properties")
            {
                assert_eq!(object.get("additionalProperties"), Some(&Json::Bool(false)), "{object:?}");
            }
        });
    }
    let field = &schemas["DataProduct"]["$defs"]["Field"]["properties"];
    assert_eq!(field["required"]["description"], "NOT NULL. Default: false.");
}

#[test]
fn the_combined_schema_resolves_every_reference() {
    let schema = combined_schema();
    assert_eq!(schema["oneOf"].as_array().map(Vec::len), Some(Kind::ALL.len()));
    visit(&schema, &mut |object| {
        if let Some(reference) = object.get("$ref").and_then(Json::as_str) {
            let name = reference.strip_prefix("#/$defs/").expect("a local reference");
            assert!(schema["$defs"].get(name).is_some(), "{name}");
        }
    });
    for (kind, own) in json_schemas() {
        for (name, definition) in own.get("$defs").and_then(Json::as_object).into_iter().flatten() {
            assert_eq!(definition, &schema["$defs"][name], "{kind}: {name} means two things");
        }
    }
}

/// Judges a value by a schema, for the words our schemas use. Small on purpose, and independent of the decoder.
fn valid(root: &Json, schema: &Json, value: &Json) -> bool {
    let Some(object) = schema.as_object() else { return schema != &Json::Bool(false) };
    object.iter().all(|(word, rule)| match word.as_str() {
        "$ref" => {
            let name = rule.as_str().and_then(|r| r.strip_prefix("#/$defs/")).expect("a reference");
            valid(root, &root["$defs"][name], value)
        }
        "anyOf" => rule.as_array().expect("options").iter().any(|option| valid(root, option, value)),
        "oneOf" => rule.as_array().expect("options").iter().filter(|o| valid(root, o, value)).count() == 1,
        "const" => rule == value,
        "enum" => rule.as_array().expect("values").contains(value),
        "type" => {
            let named = |ty: &Json| match ty.as_str().expect("a type") {
                "null" => value.is_null(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "number" => value.is_number(),
                "integer" => value.is_i64() || value.is_u64(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                other => panic!("{other}"),
            };
            rule.as_array().map_or_else(|| named(rule), |types| types.iter().any(named))
        }
        "minimum" => value.as_f64().is_none_or(|v| v >= rule.as_f64().expect("a number")),
        "maximum" => value.as_f64().is_none_or(|v| v <= rule.as_f64().expect("a number")),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| valid(root, rule, item))),
        "required" => value.as_object().is_none_or(|map| {
            rule.as_array()
                .expect("names")
                .iter()
                .all(|name| map.contains_key(name.as_str().expect("a name")))
        }),
        "properties" => value.as_object().is_none_or(|map| {
            map.iter().all(|(key, item)| rule.get(key).is_none_or(|schema| valid(root, schema, item)))
        }),
        "additionalProperties" => value.as_object().is_none_or(|map| {
            let known = object.get("properties").and_then(Json::as_object);
            let mut extra = map.iter().filter(|(key, _)| known.is_none_or(|known| !known.contains_key(*key)));
            extra.all(|(_, item)| valid(root, rule, item))
        }),
        "pattern" | "title" | "description" | "default" | "format" | "$defs" | "$schema" => true,
        other => panic!("a word this test does not know: {other}"),
    })
}

/// The document as JSON, read by the decoder's own tree.
fn as_json(text: &str) -> Json {
    use crate::manifest::de::NodeReader;
    use crate::manifest::values::Node;
    use serde::Deserialize;
    let file = datamesh_provider::FileId(0);
    let parsed = crate::manifest::tree::parse(text, file, &crate::manifest::Limits::default());
    let tree = parsed.first().and_then(|parsed| parsed.tree.as_ref()).expect("a document");
    Node::deserialize(NodeReader { tree, id: tree.root, file }).expect("a value").0.value
}

/// Lines put under `spec:` of the product, beside what is there or in place of it.
const VARIANTS: &[&str] = &[
    "",
    "  only_environments: [prod]",
    "  only_environments: prod",
    "  only_environments:",
    "  data_class: 3",
    "  lifecycle: {purge: true, on_remove: hold, allow: [data-loss]}",
    "  lifecycle: {purge: yes}",
    "  lifecycle: {on_remove: keep}",
    "  environments: {prod: {ports: {kafka: {partitions: 12, config: {a: 1, b: true, c: x}}}}}",
    "  environments: {prod: {ports: {kafka: {partitions: -1}}}}",
    "  environments: {prod: {ports: {kafka: {config: {a: [1]}}}}}",
    "  environments: {prod: {schema: {}}}",
    "  deprecated: {since: 2026-01-01, replaced_by: a/b@2}",
    "  deprecated: 2026",
    "  unknown: 1",
];

#[test]
fn the_decoder_accepts_what_the_schema_accepts() {
    let combined = combined_schema();
    let schemas = json_schemas();
    let mut verdicts = Vec::new();
    let variants = VARIANTS.iter().map(|lines| (format!("{SEED_PRODUCT}{lines}\n"), "DataProduct"));
    for (text, kind) in variants.chain([(SEED_POLICY.to_owned(), "GovernancePolicy")]) {
        let (decoded, value) = (load_text(&text).complete(), as_json(&text));
        assert_eq!(valid(&schemas[kind], &schemas[kind], &value), decoded, "{text}");
        assert_eq!(valid(&combined, &combined, &value), decoded, "{text}");
        verdicts.push(decoded);
    }
    assert!(verdicts.contains(&true) && verdicts.contains(&false));
}
