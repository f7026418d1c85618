use super::*;
use proptest::prelude::*;
use serde_json::json;

fn same(a: &Value, b: &Value) -> bool {
    same_schema("AVRO", &a.to_string(), &b.to_string())
}

fn record(fields: Value) -> Value {
    json!({"type": "record", "name": "shop.Order", "fields": fields})
}

#[test]
fn ways_to_write_one_schema() {
    let nested = json!({"type": "enum", "name": "Status", "symbols": ["A", "B"]});
    let cases = [
        (json!("string"), json!({"type": "string"})),
        (json!({"type": {"type": "string"}}), json!("string")),
        (json!(["null", {"type": "long"}]), json!(["null", "long"])),
        (json!({"type": "array", "items": {"type": "int"}}), json!({"items": "int", "type": "array"})),
        (json!({"type": "map", "values": {"type": "int"}}), json!({"values": "int", "type": "map"})),
        (
            json!({"type": "record", "name": "Order", "namespace": "shop", "fields": []}),
            json!({"name": "shop.Order", "type": "record", "fields": []}),
        ),
        (
            json!({"type": "record", "name": "shop.Order", "namespace": "ignored", "fields": []}),
            json!({"name": "shop.Order", "type": "record", "fields": []}),
        ),
        (
            json!({"type": "record", "name": "Order", "namespace": "", "fields": []}),
            json!({"name": "Order", "type": "record", "fields": []}),
        ),
        (
            record(json!([{"name": "s", "type": nested}, {"name": "t", "type": "Status"}])),
            record(json!([
                {"name": "s", "type": {"type": "enum", "name": "shop.Status", "symbols": ["A", "B"]}},
                {"type": "shop.Status", "name": "t"},
            ])),
        ),
        (
            json!({"type": "record", "name": "a.X", "aliases": ["Y", "b.Z"], "fields": []}),
            json!({"type": "record", "name": "a.X", "aliases": ["a.Y", "b.Z"], "fields": []}),
        ),
        (
            record(json!([{"name": "d", "type": "double", "default": 0}])),
            record(json!([{"name": "d", "type": "double", "default": 0.0}])),
        ),
    ];
    for (a, b) in cases {
        assert!(same(&a, &b), "{a} and {b}");
    }
}

#[test]
fn a_simple_reference_falls_back_to_the_name_without_a_name_space() {
    let with = |reference: &str| {
        json!({"type": "record", "name": "Outer", "fields": [
            {"name": "a", "type": {"type": "fixed", "name": "F", "size": 2}},
            {"name": "b", "type": {"type": "record", "name": "in.Inner", "fields": [{"name": "c", "type": reference}]}},
        ]})
    };
    assert_eq!(avro(&with("F"))["fields"][1]["type"]["fields"][0]["type"], json!("F"));
    assert_eq!(avro(&with("G"))["fields"][1]["type"]["fields"][0]["type"], json!("in.G"));
}

#[test]
fn what_people_declare_is_a_difference() {
    let base = record(json!([{"name": "a", "type": "string"}]));
    let different = [
        record(json!([{"name": "a", "type": "string", "doc": "x"}])),
        record(json!([{"name": "a", "type": "string", "doc": ""}])),
        record(json!([{"name": "a", "type": "string", "default": ""}])),
        record(json!([{"name": "a", "type": "string", "default": null}])),
        record(json!([{"name": "a", "type": "string", "aliases": ["b"]}])),
        record(json!([{"name": "a", "type": "string", "order": "ignore"}])),
        record(json!([{"name": "a", "type": "string", "datamesh.pii": "email"}])),
        record(json!([{"name": "a", "type": {"type": "string", "logicalType": "uuid"}}])),
        record(json!([{"name": "a", "type": {"type": "string", "avro.java.string": "String"}}])),
        record(json!([{"name": "a", "type": ["null", "string"]}])),
        record(json!([{"name": "b", "type": "string"}])),
        record(json!([{"name": "a", "type": "bytes"}])),
        record(json!([])),
        json!({"type": "record", "name": "Order", "fields": [{"name": "a", "type": "string"}]}),
        json!({"type": "record", "name": "shop.Order", "doc": "d", "fields": [{"name": "a", "type": "string"}]}),
        json!({"type": "error", "name": "shop.Order", "fields": [{"name": "a", "type": "string"}]}),
    ];
    for (at, other) in different.iter().enumerate() {
        assert!(!same(&base, other), "{other}");
        for third in &different[..at] {
            assert!(!same(third, other), "{third} and {other}");
        }
    }
}

#[test]
fn order_matters_where_it_means_something() {
    assert!(!same(&json!(["null", "string"]), &json!(["string", "null"])));
    let symbols = |s: &[&str]| json!({"type": "enum", "name": "E", "symbols": s});
    assert!(!same(&symbols(&["A", "B"]), &symbols(&["B", "A"])));
    let (a, b) = (json!({"name": "a", "type": "int"}), json!({"name": "b", "type": "int"}));
    assert!(!same(&record(json!([a, b])), &record(json!([b, a]))));
}

#[test]
fn names_inside_a_default_are_data() {
    let with = |default: Value| record(json!([{"name": "a", "type": "string", "default": default}]));
    assert!(!same(&with(json!("shop.Order")), &with(json!("Order"))));
    let schema = json!({"type": "string"});
    assert!(!same(&with(schema), &with(json!("string"))), "a default is never reduced like a type");
}

#[test]
fn big_numbers_stay_apart() {
    let with = |text: &str| {
        format!(r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":"long","default":{text}}}]}}"#)
    };
    assert!(!same_schema("AVRO", &with("9007199254740993"), &with("9007199254740992")));
    assert!(!same_schema("AVRO", &with("9223372036854775807"), &with("9223372036854775806")));
}

#[test]
fn other_types_and_broken_texts() {
    assert!(same_schema("JSON", r#"{"a":1,"b":[1.0]}"#, r#"{ "b":[1], "a":1 }"#));
    assert!(!same_schema("JSON", r#"{"type":"string"}"#, r#""string""#), "reducing is Avro's alone");
    assert!(same_schema(
        "PROTOBUF",
        "syntax = \"proto3\";\r\nmessage A {}\r\n",
        "syntax = \"proto3\";\nmessage A {}"
    ));
    assert!(!same_schema("PROTOBUF", "message A {}", "message B {}"));
    assert!(same_schema("AVRO", "{broken", "{broken "));
    assert!(!same_schema("AVRO", "{broken", "{broken]"));
    assert!(!same_schema("AVRO", "{broken", "\"string\""));
}

/// Avro types by depth, some of them defining names. `n` makes names unique.
fn schemas() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        proptest::sample::select(&PRIMITIVES[..]).prop_map(|p| json!(p)),
        Just(json!({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2})),
        Just(json!({"type": "long", "logicalType": "timestamp-micros"})),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|t| json!({"type": "array", "items": t})),
            inner.clone().prop_map(|t| json!({"type": "map", "values": t, "doc": "m"})),
            inner.clone().prop_map(|t| json!(["null", t])),
            ("[A-Z][a-z]{1,6}", proptest::option::of("[a-z]{1,4}"), proptest::collection::vec(inner, 0..4)).prop_map(
                |(name, space, types)| {
                    let fields: Vec<Value> = types
                        .into_iter()
                        .enumerate()
                        .map(|(n, t)| json!({"name": format!("f{n}"), "type": t, "doc": "a field", "default": 1.5}))
                        .collect();
                    let mut map = json!({"type": "record", "name": name, "fields": fields, "aliases": ["Old"]});
                    if let Some(space) = space {
                        map["namespace"] = json!(space);
                    }
                    map
                }
            ),
        ]
    })
}

/// The same schema, written differently: wrapped primitives, dotted names, keys in another order.
fn disguise(value: &Value, space: &str) -> Value {
    match value {
        Value::String(name) => json!({"type": name}),
        Value::Array(items) => items.iter().map(|item| disguise(item, space)).collect(),
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.reverse();
            let named = defined_name(map, space);
            let inner = named.as_ref().map_or(space, |(_, space)| space);
            let mut out = Map::new();
            for key in keys {
                let old = &map[key];
                let new = match key.as_str() {
                    "namespace" => continue,
                    "name" => {
                        let name = named.as_ref().map(|(name, _)| name.clone()).unwrap_or_default();
                        if !name.contains('.') && !space.is_empty() {
                            out.insert("namespace".into(), json!(""));
                        }
                        json!(name)
                    }
                    "items" | "values" => disguise(old, space),
                    "fields" => old
                        .as_array()
                        .expect("fields")
                        .iter()
                        .map(|f| {
                            let mut f = f.clone();
                            f["type"] = disguise(&f["type"], inner);
                            f
                        })
                        .collect(),
                    _ => old.clone(),
                };
                out.insert(key.clone(), new);
            }
            Value::Object(out)
        }
        other => other.clone(),
    }
}

/// Every place in a tree whose change must show.
fn mutate(value: &mut Value, at: &mut usize) -> bool {
    if *at == 0 {
        if let Value::Object(map) = value {
            map.insert("x-other".into(), json!(true));
        } else {
            *value = json!([value.clone(), "x-other"]);
        }
        return true;
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| mutate(item, at)),
        Value::Object(map) => map.iter_mut().any(|(_, item)| mutate(item, at)),
        _ => false,
    }
}

proptest! {
    #[test]
    fn a_disguise_is_the_same_schema(schema in schemas()) {
        let other = disguise(&schema, "");
        prop_assert!(same(&schema, &other), "{} and {}", schema, other);
    }

    #[test]
    fn reducing_is_idempotent(schema in schemas()) {
        let once = avro(&schema);
        prop_assert_eq!(avro(&once), once);
    }

    #[test]
    fn every_change_shows(schema in schemas(), at in 0usize..40) {
        let mut other = schema.clone();
        let mut at = at;
        if mutate(&mut other, &mut at) {
            prop_assert!(!same(&schema, &other), "{} and {}", schema, other);
        }
    }

    #[test]
    fn any_json_is_survived(text in ".{0,200}") {
        prop_assert!(same_schema("AVRO", &text, &text));
    }
}
