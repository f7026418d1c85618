//! When two schema texts are one schema.
//!
//! A registry and its clients may write one schema in several ways: other key order, other white space,
//! `{"type": "string"}` for `"string"`, a `namespace` attribute for a dotted name. None of these is a difference.
//! Everything else is, whether or not readers of data would notice: documentation, defaults, aliases, order,
//! logical types and attributes that no specification knows (`datamesh.pii` is one) are what people declare and
//! want to see registered. The canonical form of the Avro specification drops most of these, so it is no judge.

use datamesh_provider::canonical_json;
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The types that are words of the Avro language: never qualified by a name space.
pub(crate) const PRIMITIVES: [&str; 8] =
    ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// Whether two texts of one schema type (`AVRO`, `JSON`, `PROTOBUF`) are the same schema.
pub fn same_schema(schema_type: &str, a: &str, b: &str) -> bool {
    a == b || canonical(schema_type, a) == canonical(schema_type, b)
}

/// A text that is equal for equal schemas, and different for different ones. Not itself meant to be registered.
pub(crate) fn canonical(schema_type: &str, text: &str) -> String {
    let tree = match schema_type {
        "AVRO" => serde_json::from_str::<Value>(text).ok().map(|tree| avro(&tree)),
        "JSON" => serde_json::from_str::<Value>(text).ok().map(|tree| numbers(&tree)),
        _ => None,
    };
    tree.map_or_else(|| plain(text), |tree| canonical_json(&tree))
}

/// Protobuf, and whatever does not parse: white space at line ends and around the text is no difference.
fn plain(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// The tree of an Avro schema with full names and without redundant wrapping.
pub(crate) fn avro(tree: &Value) -> Value {
    Reducer::default().schema(tree, "")
}

/// Equal numbers become equal values: `1.0` and `1` are one number in JSON.
fn numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(number_form(number)),
        Value::Array(items) => items.iter().map(numbers).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), numbers(value))).collect(),
        other => other.clone(),
    }
}

fn number_form(number: &Number) -> Number {
    // Beyond 2^53 a float no longer tells neighbouring integers apart, so it stays a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64().filter(|_| number.is_f64()) {
        #[expect(clippy::cast_possible_truncation, reason = "integral and below 2^53")]
        Some(float) if float.fract() == 0.0 && float.abs() <= EXACT => Number::from(float as i64),
        _ => number.clone(),
    }
}

/// Qualifies a simple name. The empty name space is the one without a name.
pub(crate) fn full_name<'a>(name: &'a str, space: &str) -> Cow<'a, str> {
    if name.contains('.') || space.is_empty() {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("{space}.{name}"))
    }
}

/// Full name and name space of a definition: a dotted name wins over the attribute `namespace`, which wins over
/// the name space around it.
pub(crate) fn defined_name(map: &Map<String, Value>, outer: &str) -> Option<(String, String)> {
    let name = map.get("name")?.as_str()?;
    if let Some((space, _)) = name.rsplit_once('.') {
        return Some((name.to_owned(), space.to_owned()));
    }
    let space = map.get("namespace").and_then(Value::as_str).unwrap_or(outer);
    Some((full_name(name, space).into_owned(), space.to_owned()))
}

#[derive(Default)]
struct Reducer {
    /// Full names defined so far: a reference to a simple name means the one of the name space around it, and
    /// where there is none, the one without a name space.
    defined: BTreeSet<String>,
}

impl Reducer {
    fn schema(&mut self, value: &Value, space: &str) -> Value {
        match value {
            Value::String(name) => Value::String(self.reference(name, space)),
            Value::Array(branches) => branches.iter().map(|branch| self.schema(branch, space)).collect(),
            Value::Object(map) => self.object(map, space),
            other => other.clone(),
        }
    }

    fn reference(&self, name: &str, space: &str) -> String {
        if PRIMITIVES.contains(&name) {
            return name.to_owned();
        }
        let qualified = full_name(name, space);
        if !self.defined.contains(qualified.as_ref()) && self.defined.contains(name) {
            return name.to_owned();
        }
        qualified.into_owned()
    }

    fn object(&mut self, map: &Map<String, Value>, space: &str) -> Value {
        match map.get("type") {
            Some(Value::String(kind)) => match kind.as_str() {
                "record" | "error" | "enum" | "fixed" => self.named(map, space),
                "array" => self.container(map, space, "items"),
                "map" => self.container(map, space, "values"),
                _ => self.wrapped(map, space),
            },
            Some(Value::Object(_) | Value::Array(_)) => self.wrapped(map, space),
            _ => numbers(&Value::Object(map.clone())),
        }
    }

    /// A type with attributes; without any, just the type.
    fn wrapped(&mut self, map: &Map<String, Value>, space: &str) -> Value {
        let inner = map.get("type").map_or(Value::Null, |inner| self.schema(inner, space));
        if map.len() == 1 {
            return inner;
        }
        let mut out = attributes(map, &["type"]);
        out.insert("type".to_owned(), inner);
        Value::Object(out)
    }

    fn container(&mut self, map: &Map<String, Value>, space: &str, part: &str) -> Value {
        let mut out = attributes(map, &[part]);
        if let Some(inner) = map.get(part) {
            out.insert(part.to_owned(), self.schema(inner, space));
        }
        Value::Object(out)
    }

    fn named(&mut self, map: &Map<String, Value>, outer: &str) -> Value {
        let Some((name, space)) = defined_name(map, outer) else {
            return numbers(&Value::Object(map.clone()));
        };
        self.defined.insert(name.clone());
        let mut out = attributes(map, &["name", "namespace", "fields", "aliases"]);
        out.insert("name".to_owned(), Value::String(name));
        if space.is_empty() && !outer.is_empty() {
            // A name without a name space, inside one: only the attribute can say so.
            out.insert("namespace".to_owned(), Value::String(String::new()));
        }
        if let Some(aliases) = map.get("aliases") {
            out.insert("aliases".to_owned(), qualified_aliases(aliases, &space));
        }
        if let Some(fields) = map.get("fields") {
            let fields = fields.as_array().map_or_else(
                || numbers(fields),
                |fields| fields.iter().map(|field| self.field(field, &space)).collect(),
            );
            out.insert("fields".to_owned(), fields);
        }
        Value::Object(out)
    }

    fn field(&mut self, field: &Value, space: &str) -> Value {
        let Value::Object(map) = field else { return numbers(field) };
        let mut out = attributes(map, &["type"]);
        if let Some(ty) = map.get("type") {
            out.insert("type".to_owned(), self.schema(ty, space));
        }
        Value::Object(out)
    }
}

fn qualified_aliases(aliases: &Value, space: &str) -> Value {
    let Value::Array(items) = aliases else { return aliases.clone() };
    let qualify = |alias: &Value| match alias {
        Value::String(name) => Value::String(full_name(name, space).into_owned()),
        other => other.clone(),
    };
    items.iter().map(qualify).collect()
}

/// Everything but these keys, as it is.
fn attributes(map: &Map<String, Value>, without: &[&str]) -> Map<String, Value> {
    let kept = map.iter().filter(|(key, _)| !without.contains(&key.as_str()));
    kept.map(|(key, value)| (key.clone(), numbers(value))).collect()
}

#[cfg(test)]
#[path = "equality_tests.rs"]
mod tests;
