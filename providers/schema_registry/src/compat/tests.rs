use super::*;
use serde_json::{Value, json};

fn record(fields: &Value) -> Value {
    json!({"type": "record", "name": "R", "fields": fields})
}

fn found(level: Level, new: &Value, old: &Value) -> Vec<String> {
    let read = |schema: &Value| Schema::read(&schema.to_string(), &[]).unwrap();
    breaks(level, &read(new), &read(old)).iter().map(ToString::to_string).collect()
}

#[test]
fn each_rule_has_words_for_both_directions() {
    let decimal =
        |scale: u8| json!({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": scale});
    let symbols = |list: Value| json!({"type": "enum", "name": "S", "symbols": list});
    let fixed = |name: &str, size: u8| json!({"type": "fixed", "name": name, "size": size});
    let one = |ty: Value| record(&json!([{"name": "a", "type": ty}]));
    let cases = [
        (
            record(&json!([{"name": "a", "type": "int"}, {"name": "b", "type": "int"}])),
            one(json!("int")),
            "field `b` is new and has no default: older data gives a reader no value for it \
             [reader-field-missing-default-value]",
            "field `b` goes away, and had no default: new data gives an older reader no value for it \
             [reader-field-missing-default-value]",
        ),
        (
            one(json!("string")),
            one(json!("long")),
            "field `a`: long becomes string, which cannot read older data [type-mismatch]",
            "field `a`: string becomes long, which an older reader cannot read [type-mismatch]",
        ),
        (
            one(symbols(json!(["A"]))),
            one(symbols(json!(["A", "B", "C"]))),
            "field `a` loses B, C: a reader can make nothing of older data with it [missing-enum-symbols]",
            "field `a` gains B, C: an older reader can make nothing of it [missing-enum-symbols]",
        ),
        (
            one(json!(["null", "int"])),
            one(json!(["null", "string"])),
            "field `a`: string becomes null or int, which cannot read older data [missing-union-branch]",
            "field `a`: null or int becomes string, which an older reader cannot read [missing-union-branch]",
        ),
        (
            one(decimal(2)),
            one(decimal(3)),
            "field `a`: decimal(9, 3) becomes decimal(9, 2), which cannot read older data [logical-type-mismatch]",
            "field `a`: decimal(9, 2) becomes decimal(9, 3), which an older reader cannot read \
             [logical-type-mismatch]",
        ),
        (
            one(fixed("F", 3)),
            one(fixed("F", 4)),
            "field `a`: fixed F of 4 bytes becomes fixed F of 3 bytes, which cannot read older data \
             [fixed-size-mismatch]",
            "field `a`: fixed F of 3 bytes becomes fixed F of 4 bytes, which an older reader cannot read \
             [fixed-size-mismatch]",
        ),
        (
            one(fixed("F", 3)),
            one(fixed("G", 3)),
            "field `a`: the type `G` becomes `F`, and types match by name [name-mismatch]",
            "field `a`: the type `F` becomes `G`, and types match by name [name-mismatch]",
        ),
    ];
    for (new, old, backward, forward) in cases {
        assert_eq!(found(Level::Backward, &new, &old), [backward]);
        assert_eq!(found(Level::Forward, &old, &new), [forward]);
        assert_eq!(found(Level::None, &new, &old), Vec::<String>::new());
    }
}

#[test]
fn what_is_nested_is_named_by_its_path() {
    let inner = |ty: &str| json!({"type": "record", "name": "In", "fields": [{"name": "zip", "type": ty}]});
    for wrap in [
        (|ty: Value| ty) as fn(Value) -> Value,
        |ty| json!(["null", ty]),
        |ty| json!({"type": "array", "items": ["null", ty]}),
        |ty| json!({"type": "map", "values": ty}),
    ] {
        let schema = |ty| record(&json!([{"name": "address", "type": wrap(inner(ty))}]));
        let told = found(Level::Full, &schema("string"), &schema("boolean"));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told.iter().all(|line| line.starts_with("field `address.zip`: boolean becomes string")),
            "{told:?}"
        );
    }
}

#[test]
fn a_schema_that_refers_to_itself_comes_to_an_end() {
    let list =
        |ty: &str| record(&json!([{"name": "value", "type": ty}, {"name": "next", "type": ["null", "R"]}]));
    assert_eq!(found(Level::FullTransitive, &list("int"), &list("int")), Vec::<String>::new());
    assert_eq!(found(Level::Backward, &list("long"), &list("int")), Vec::<String>::new());
    let told = found(Level::Forward, &list("long"), &list("int"));
    assert_eq!(told, ["field `value`: int becomes long, which an older reader cannot read [type-mismatch]"]);
}

/// What was taken to fit while a record was being judged does not stay so when the record does not.
#[test]
fn an_assumption_that_fails_takes_its_consequences_along() {
    // `B` fits only if `A` does; `A` does not, for its last field. The union's other branch saves the first field.
    let schema = |ty: &str| {
        record(&json!([
            {"name": "first", "type": ["null", {"type": "record", "name": "A", "fields": [
                {"name": "b", "type": {"type": "record", "name": "B", "fields": [
                    {"name": "a", "type": ["null", "A"]}]}},
                {"name": "last", "type": ty}]}, {"type": "map", "values": "int"}]},
            {"name": "second", "type": "B"},
        ]))
    };
    let told = found(Level::Backward, &schema("int"), &schema("string"));
    assert!(told.iter().any(|line| line.contains("`first.last`")), "{told:?}");
    assert!(told.iter().all(|line| line.contains("string becomes int")), "{told:?}");
}

#[test]
fn schemas_refer_to_others() {
    let address =
        json!({"type": "record", "name": "acme.Address", "fields": [{"name": "zip", "type": "int"}]});
    let wider =
        json!({"type": "record", "name": "acme.Address", "fields": [{"name": "zip", "type": "long"}]});
    let text = record(&json!([{"name": "home", "type": "acme.Address"}])).to_string();
    let read = |reference: &Value| Schema::read(&text, &[&reference.to_string()]).unwrap();
    assert_eq!(breaks(Level::Backward, &read(&wider), &read(&address)), []);
    let told = breaks(Level::Backward, &read(&address), &read(&wider));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].path, ["home", "zip"]);
    assert!(Schema::read(&text, &[]).unwrap_err().contains("`acme.Address` is not defined"));
}

#[test]
fn hostile_schemas_are_answered_soon() {
    // A chain of records, each defined beside the others, deeper than any stack.
    let mut fields = vec![json!({"name": "f0", "type": {"type": "record", "name": "T0", "fields": []}})];
    for n in 1..5_000 {
        let inner = json!([{"name": "x", "type": format!("T{}", n - 1)}]);
        fields.push(json!({"name": format!("f{n}"), "type": {"type": "record", "name": format!("T{n}"), "fields": inner}}));
    }
    fields.reverse();
    let forward_only = record(&json!(fields));
    assert!(Schema::read(&forward_only.to_string(), &[]).is_err(), "a name is used before it is defined");
    fields.reverse();
    let deep = record(&json!([{"name": "all", "type": {"type": "record", "name": "All", "fields": fields}},
        {"name": "last", "type": "T4999"}]));
    assert_eq!(found(Level::Full, &deep, &deep), Vec::<String>::new(), "each link is judged once");
    // Unions of records that all refer to all.
    let names: Vec<String> = (0..60).map(|n| format!("U{n}")).collect();
    let mut known = Vec::new();
    let mut fields = Vec::new();
    for (n, name) in names.iter().enumerate() {
        known.push(name.clone());
        let ty = json!({"type": "record", "name": name, "fields": [
            {"name": "all", "type": {"type": "array", "items": known}}, {"name": format!("own{n}"), "type": "int"}]});
        fields.push(json!({"name": name, "type": ty}));
    }
    let wide = record(&json!(fields));
    assert_eq!(found(Level::Full, &wide, &wide), Vec::<String>::new());
    let wrong = wide.to_string().replacen("\"own0\",\"type\":\"int\"", "\"own0\",\"type\":\"string\"", 1);
    let wrong: Value = serde_json::from_str(&wrong).unwrap();
    assert!(!found(Level::Backward, &wide, &wrong).is_empty());
}

/// A pair of the table that Avro's own checker and real registries judge as well.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    name: String,
    old: Value,
    new: Value,
    backward: bool,
    forward: bool,
    /// What Avro's checker says, where that is not what we say, and why we do not.
    avro: Option<Value>,
    why: Option<String>,
}

#[test]
fn the_table_of_pairs_is_judged_as_it_says() {
    let table = include_str!("../../tests/compatibility.jsonl");
    let pairs: Vec<Pair> = table.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(pairs.len() >= 200);
    for Pair { name, old, new, backward, forward, avro, why } in &pairs {
        assert_eq!(found(Level::Backward, new, old).is_empty(), *backward, "{name}, backward");
        assert_eq!(found(Level::Forward, new, old).is_empty(), *forward, "{name}, forward");
        assert_eq!(found(Level::Full, new, old).is_empty(), *backward && *forward, "{name}, full");
        assert_eq!(avro.is_some(), why.as_ref().is_some_and(|why| why.contains('.')), "{name}");
    }
}
