//! What is different between two Avro texts, in words for the reader of a plan.

use crate::equality::avro;
use datamesh_provider::canonical_json;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Long lists help nobody: the rest is counted.
const SHOWN: usize = 12;

/// The differences, a line each; empty where the texts are not Avro records or only their shape differs.
pub(super) fn explain(live: &str, desired: &str) -> Vec<String> {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok().map(|tree| avro(&tree));
    let (Some(live), Some(desired)) = (parse(live), parse(desired)) else { return Vec::new() };
    let mut lines = Vec::new();
    compare("", &live, &desired, &mut lines);
    if lines.len() > SHOWN {
        let rest = lines.len() - (SHOWN - 1);
        lines.truncate(SHOWN - 1);
        lines.push(format!("and {rest} more differences in the schema"));
    }
    lines
}

fn fields(value: &Value) -> Option<Vec<(&str, &Value)>> {
    let fields = value.get("fields")?.as_array()?;
    fields.iter().map(|field| Some((field.get("name")?.as_str()?, field))).collect()
}

fn compare(path: &str, live: &Value, desired: &Value, lines: &mut Vec<String>) {
    let (Some(old), Some(new)) = (fields(live), fields(desired)) else { return };
    let here = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let known: BTreeMap<&str, &Value> = old.iter().copied().collect();
    let today: BTreeSet<&str> = new.iter().map(|(name, _)| *name).collect();
    let mut renamed: BTreeSet<&str> = BTreeSet::new();
    for (name, field) in &new {
        let alias = aliases(field).find(|alias| known.contains_key(alias) && !today.contains(alias));
        match (known.get(name), alias) {
            (Some(before), _) => compare_field(&here(name), before, field, lines),
            (None, Some(alias)) => {
                renamed.insert(alias);
                lines.push(format!("field `{}` is called `{name}`, and `{alias}` is its alias", here(alias)));
                compare_field(&here(name), known[alias], field, lines);
            }
            (None, None) => {
                lines.push(format!("field `{}` is new: {}", here(name), shown(field.get("type"))));
            }
        }
    }
    let gone = old.iter().filter(|(name, _)| !today.contains(name) && !renamed.contains(name));
    lines.extend(gone.map(|(name, _)| format!("field `{}` goes away", here(name))));
    let order = |list: &[(&str, &Value)], other: &[(&str, &Value)]| -> Vec<String> {
        list.iter().filter(|(n, _)| other.iter().any(|(o, _)| o == n)).map(|(n, _)| (*n).to_owned()).collect()
    };
    if order(&old, &new) != order(&new, &old) {
        lines.push(if path.is_empty() {
            "the fields change places".to_owned()
        } else {
            format!("the fields of `{path}` change places")
        });
    }
    let whole = if path.is_empty() { "the record".to_owned() } else { format!("the record `{path}`") };
    attributes(&whole, live, desired, &["fields"], lines);
}

fn aliases(field: &Value) -> impl Iterator<Item = &str> {
    field.get("aliases").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn compare_field(path: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    attributes(&format!("field `{path}`"), before, after, &["type", "name", "aliases"], lines);
    let (old, new) = (before.get("type"), after.get("type"));
    if old == new {
        return;
    }
    let (inner_old, inner_new) = (record_in(old), record_in(new));
    if let (Some(old), Some(new)) = (inner_old, inner_new)
        && same_around(before.get("type"), after.get("type"))
    {
        return compare(path, old, new, lines);
    }
    match (symbols(old), symbols(new)) {
        (Some(old), Some(new)) if old != new => {
            let more: Vec<&str> = new.difference(&old).copied().collect();
            let less: Vec<&str> = old.difference(&new).copied().collect();
            let part = |word: &str, list: Vec<&str>| {
                (!list.is_empty()).then(|| format!("{word} {}", list.join(", ")))
            };
            let parts: Vec<String> =
                [part("gains", more), part("loses", less)].into_iter().flatten().collect();
            lines.push(format!("field `{path}` {}", parts.join(" and ")));
        }
        _ => lines.push(format!("field `{path}`: {} becomes {}", shown(old), shown(new))),
    }
}

/// Attributes other than the structural ones: `doc`, `default`, `datamesh.pii` …
fn attributes(what: &str, before: &Value, after: &Value, without: &[&str], lines: &mut Vec<String>) {
    let none = Map::new();
    let (before, after) = (before.as_object().unwrap_or(&none), after.as_object().unwrap_or(&none));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys.into_iter().filter(|key| !without.contains(&key.as_str())) {
        let line = match (before.get(key), after.get(key)) {
            (a, b) if a == b => continue,
            (None, _) => format!("{what} gets a `{key}`"),
            (_, None) => format!("{what} loses its `{key}`"),
            _ => format!("{what} changes its `{key}`"),
        };
        lines.push(line);
    }
}

/// The record in a type, alone or as the only record of a union.
fn record_in(ty: Option<&Value>) -> Option<&Value> {
    let is_record = |value: &&Value| value.get("fields").is_some();
    match ty? {
        Value::Array(branches) => branches.iter().find(is_record),
        other => Some(other).filter(is_record),
    }
}

/// Whether two types are alike but for the inside of a record of the same name.
fn same_around(a: Option<&Value>, b: Option<&Value>) -> bool {
    let outline = |ty: Option<&Value>| {
        let branch = |value: &Value| match value.get("fields") {
            Some(_) => value.get("name").cloned().unwrap_or_default(),
            None => value.clone(),
        };
        match ty {
            Some(Value::Array(branches)) => branches.iter().map(branch).collect(),
            Some(other) => branch(other),
            None => Value::Null,
        }
    };
    outline(a) == outline(b)
}

fn symbols(ty: Option<&Value>) -> Option<BTreeSet<&str>> {
    let find = |value: &'_ Value| value.get("symbols").is_some();
    let value = match ty? {
        Value::Array(branches) => branches.iter().find(|branch| find(branch))?,
        other => other,
    };
    value.get("symbols")?.as_array()?.iter().map(Value::as_str).collect()
}

/// A type in few words: `long (timestamp-micros)`, `null or string`, `record Address`.
fn shown(ty: Option<&Value>) -> String {
    match ty {
        Some(Value::String(name)) => name.clone(),
        Some(Value::Array(branches)) => {
            branches.iter().map(|branch| shown(Some(branch))).collect::<Vec<_>>().join(" or ")
        }
        Some(Value::Object(map)) => {
            let text = |key: &str| map.get(key).and_then(Value::as_str);
            let base = shown(map.get("type"));
            match (text("logicalType"), text("name"), map.get("items").or(map.get("values"))) {
                (Some("decimal"), ..) => {
                    let number = |key: &str| map.get(key).map_or_else(|| "0".to_owned(), Value::to_string);
                    format!("decimal({}, {})", number("precision"), number("scale"))
                }
                (Some(logical), ..) => format!("{base} ({logical})"),
                (None, Some(name), _) => format!("{base} {name}"),
                (None, None, Some(inner)) => format!("{base} of {}", shown(Some(inner))),
                _ => base,
            }
        }
        Some(other) => canonical_json(other),
        None => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(fields: &Value) -> Value {
        json!({"type": "record", "name": "R", "fields": fields})
    }

    fn lines(a: &Value, b: &Value) -> Vec<String> {
        explain(&record(a).to_string(), &record(b).to_string())
    }

    #[test]
    fn every_kind_of_difference_has_words() {
        let inner = |fields: Value| json!(["null", {"type": "record", "name": "A", "fields": fields}]);
        let before = json!([
            {"name": "keep", "type": "int"},
            {"name": "gone", "type": "int"},
            {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
            {"name": "status", "type": ["null", {"type": "enum", "name": "S", "symbols": ["A", "B"]}]},
            {"name": "address", "type": inner(json!([{"name": "zip", "type": "string"}]))},
        ]);
        let after = json!([
            {"name": "keep", "type": {"type": "int"}, "doc": "d"},
            {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
            {"name": "status", "type": ["null", {"type": "enum", "name": "S", "symbols": ["A", "C"]}]},
            {"name": "address", "type": inner(json!([{"name": "zip", "type": "string"}, {"name": "city", "type": ["null", "string"]}]))},
            {"name": "tags", "type": {"type": "array", "items": "string"}},
        ]);
        assert_eq!(
            lines(&before, &after),
            [
                "field `keep` gets a `doc`",
                "field `amount`: decimal(9, 2) becomes decimal(12, 2)",
                "field `status` gains C and loses B",
                "field `address.city` is new: null or string",
                "field `tags` is new: array of string",
                "field `gone` goes away",
            ]
        );
        assert_eq!(lines(&before, &before), Vec::<String>::new());
    }

    #[test]
    fn a_field_with_an_alias_was_there_before() {
        let (a, b) = (
            json!({"name": "a", "type": "int"}),
            json!({"name": "b", "type": "long", "aliases": ["x", "a"]}),
        );
        let expected = ["field `a` is called `b`, and `a` is its alias", "field `b`: int becomes long"];
        assert_eq!(lines(&json!([a]), &json!([b])), expected);
        // Where the old name is a field as well, the other one is new.
        assert_eq!(lines(&json!([a]), &json!([a, b])), ["field `b` is new: long"]);
    }

    #[test]
    fn places_and_long_lists() {
        let (a, b) = (json!({"name": "a", "type": "int"}), json!({"name": "b", "type": "int"}));
        assert_eq!(lines(&json!([a, b]), &json!([b, a])), ["the fields change places"]);
        let many: Vec<Value> = (0..40).map(|n| json!({"name": format!("f{n}"), "type": "int"})).collect();
        let found = lines(&json!([]), &json!(many));
        assert_eq!(found.len(), SHOWN);
        assert_eq!(found[SHOWN - 1], "and 29 more differences in the schema");
    }
}
