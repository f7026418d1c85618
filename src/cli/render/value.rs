//! JSON values as a person wants to read them: column types, schema fields, durations.

use super::escape;
use datamesh_provider::show_duration_ms;
use serde_json::{Map, Value};

/// Longer texts are cut, and what is missing is counted.
const LONGEST: usize = 160;

/// A value on one line. `key` is what it is the value of.
pub(crate) fn show(key: &str, value: &Value) -> String {
    match value {
        Value::String(text) => with_unit(key, text),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            let items: Vec<String> = items.iter().map(|item| show("", item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) if is_type(map) => type_name(value),
        Value::Object(_) | Value::Array(_) => escape::clipped(&value.to_string(), LONGEST),
        other => other.to_string(),
    }
}

/// A quoted text, with what a count of milliseconds means.
fn with_unit(key: &str, text: &str) -> String {
    let quoted = format!("\"{}\"", escape::clipped(text, LONGEST));
    let is_duration = key.ends_with(".ms") || key.ends_with("_ms");
    match text.parse::<u64>() {
        Ok(ms) if is_duration && ms > 0 && ms < 1 << 60 => format!("{quoted} ({})", show_duration_ms(ms)),
        Ok(_) | Err(_) if is_duration && text == "-1" => format!("{quoted} (forever)"),
        _ => quoted,
    }
}

fn is_type(map: &Map<String, Value>) -> bool {
    matches!(map.get("type"), Some(Value::String(_)))
        && ["fields", "element", "key", "items", "values", "symbols", "logicalType"]
            .iter()
            .any(|key| map.contains_key(*key))
}

/// A column or Avro type: `decimal(38,9)`, `list<string>`, `enum[a, b]`, `string?` for one that may be null.
pub(crate) fn type_name(ty: &Value) -> String {
    match ty {
        Value::String(name) => escape::line(name).into_owned(),
        Value::Array(branches) => union(branches),
        Value::Object(map) => composite(map),
        other => other.to_string(),
    }
}

fn union(branches: &[Value]) -> String {
    let is_null = |branch: &&Value| branch.as_str() == Some("null");
    let others: Vec<String> = branches.iter().filter(|b| !is_null(b)).map(type_name).collect();
    match (branches.iter().any(|b| is_null(&b)), others.as_slice()) {
        (true, [one]) => format!("{one}?"),
        (true, _) => format!("({})?", others.join(" | ")),
        (false, _) => others.join(" | "),
    }
}

fn composite(map: &Map<String, Value>) -> String {
    let inner = |key: &str| map.get(key).map_or_else(|| "?".to_owned(), type_name);
    let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default();
    let optional = |key: &str| if map.get(key) == Some(&Value::Bool(false)) { "?" } else { "" };
    match (text("type"), text("logicalType")) {
        (_, "decimal") => format!("decimal({},{})", number(map, "precision"), number(map, "scale")),
        ("struct" | "record", _) => {
            let fields = map.get("fields").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let fields: Vec<String> = fields.iter().map(field_of_struct).collect();
            format!("struct<{}>", fields.join(", "))
        }
        ("list", _) => format!("list<{}{}>", inner("element"), optional("element_required")),
        ("map", _) if map.contains_key("key") => {
            format!("map<{}, {}{}>", inner("key"), inner("value"), optional("value_required"))
        }
        ("array", _) => format!("list<{}>", inner("items")),
        ("map", _) => format!("map<string, {}>", inner("values")),
        ("enum", _) => {
            let symbols = map.get("symbols").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let symbols: Vec<String> = symbols.iter().map(type_name).collect();
            format!("enum[{}]", symbols.join(", "))
        }
        (plain, "") => escape::line(plain).into_owned(),
        (_, logical) => escape::line(logical).into_owned(),
    }
}

fn number(map: &Map<String, Value>, key: &str) -> u64 {
    map.get(key).and_then(Value::as_u64).unwrap_or_default()
}

fn field_of_struct(field: &Value) -> String {
    let name = field.get("name").and_then(Value::as_str).unwrap_or("?");
    let ty = field.get("type").map_or_else(|| "?".to_owned(), type_name);
    let optional = if field.get("required") == Some(&Value::Bool(false)) { "?" } else { "" };
    format!("{}: {ty}{optional}", escape::line(name))
}

/// An entry of a named list on one line, without its name: `string, required, "what it is"`.
pub(crate) fn entry(item: &Map<String, Value>) -> String {
    let mut parts = Vec::new();
    for (key, value) in item {
        let part = match (key.as_str(), value) {
            ("name", _) | (_, Value::Null) => continue,
            ("type", ty) => type_name(ty),
            ("doc" | "description", Value::String(text)) => format!("\"{}\"", escape::clipped(text, 60)),
            ("default", value) => format!("default {}", show("", value)),
            (_, Value::Bool(false)) => continue,
            (key, Value::Bool(true)) => escape::line(key).into_owned(),
            (key, value) => format!("{} {}", escape::line(key), bare(key, value)),
        };
        parts.push((rank(key), part));
    }
    parts.sort_by_key(|(rank, _)| *rank);
    parts.into_iter().map(|(_, part)| part).collect::<Vec<_>>().join(", ")
}

/// The type first, remarks last.
fn rank(key: &str) -> u8 {
    match key {
        "type" => 0,
        "doc" | "description" => 2,
        _ => 1,
    }
}

/// A short word needs no quotes.
fn bare(key: &str, value: &Value) -> String {
    match value {
        Value::String(text)
            if !text.is_empty()
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@[]".contains(c)) =>
        {
            text.clone()
        }
        other => show(key, other),
    }
}

/// The schema in an attribute, where its text is JSON: an Avro record or a JSON Schema.
pub(crate) fn parsed(text: &str) -> Option<Value> {
    serde_json::from_str::<Value>(text).ok().filter(|value| value.is_object() || value.is_array())
}

#[cfg(test)]
mod tests {
    use super::super::escape::{HOSTILE, is_clean};
    use super::*;
    use serde_json::json;

    #[test]
    fn types_read_like_declarations() {
        let cases = [
            (json!("decimal(38,9)"), "decimal(38,9)"),
            (json!(["null", "string"]), "string?"),
            (json!({"type":"bytes","logicalType":"decimal","precision":38,"scale":9}), "decimal(38,9)"),
            (json!(["null", {"type":"long","logicalType":"timestamp-micros"}]), "timestamp-micros?"),
            (json!({"type":"enum","name":"S","symbols":["a","b"]}), "enum[a, b]"),
            (json!({"type":"array","items":"string"}), "list<string>"),
            (json!({"type":"list","element":"string","element_required":false}), "list<string?>"),
            (json!({"type":"map","key":"string","value":"int","value_required":true}), "map<string, int>"),
            (json!({"type":"map","values":"long"}), "map<string, long>"),
            (
                json!({"type":"struct","fields":[{"name":"a","type":"int","required":false}]}),
                "struct<a: int?>",
            ),
            (json!({"type":"string","datamesh.pii":"email"}), "string"),
            (json!(["int", "string"]), "int | string"),
        ];
        for (ty, shown) in cases {
            assert_eq!(type_name(&ty), shown);
        }
    }

    #[test]
    fn milliseconds_say_what_they_mean() {
        assert_eq!(show("retention.ms", &json!("604800000")), "\"604800000\" (7d)");
        assert_eq!(show("retention.ms", &json!("-1")), "\"-1\" (forever)");
        assert_eq!(show("segment.bytes", &json!("604800000")), "\"604800000\"");
        assert_eq!(show("partitions", &json!(3)), "3");
        assert_eq!(show("identifier_fields", &json!(["a", "b"])), "[\"a\", \"b\"]");
    }

    #[test]
    fn entries_put_the_type_first_and_the_remark_last() {
        let field = json!({"name":"id","doc":"who","required":true,"type":"string","pii":false});
        assert_eq!(entry(field.as_object().expect("a map")), "string, required, \"who\"");
        let part = json!({"name":"created_date","source":"created_at","transform":"day"});
        assert_eq!(entry(part.as_object().expect("a map")), "source created_at, transform day");
    }

    #[test]
    fn hostile_values_are_harmless() {
        for text in HOSTILE {
            let values = [
                json!(text),
                json!([text]),
                json!({"x": text}),
                json!({"type": text, "fields": [{"name": text, "type": {"type":"enum","symbols":[text]}}]}),
            ];
            for value in values {
                assert!(is_clean(&show(text, &value)) && is_clean(&type_name(&value)), "{value}");
                let map = value.as_object().cloned().unwrap_or_default();
                assert!(is_clean(&entry(&map)), "{value}");
            }
        }
    }
}
