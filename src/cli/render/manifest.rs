//! A live table as the manifest that declares it.

use super::escape;
use datamesh_provider::{Address, Attributes, ObjectId, SystemName};
use serde_json::Value;
use std::fmt::Write as _;

/// What a manifest is made from.
#[derive(Debug)]
pub struct Table<'a> {
    pub address: &'a Address,
    pub system: &'a SystemName,
    pub id: &'a ObjectId,
    /// Of the environment, which manifests do not write.
    pub prefix: &'a str,
    pub live: &'a Attributes,
}

/// A DataProduct document with the table as it is. What no manifest can say is told in comments, and stays as it is.
pub fn product(table: &Table<'_>) -> String {
    let mut left = Vec::new();
    let (product, version) = table.address.product().unwrap_or_default();
    let fields: Vec<String> =
        entries(table.live, "fields").iter().filter_map(|field| column(field, "", &mut left)).collect();
    let key: Vec<String> = texts(table.live, "identifier_fields");
    let mut out = String::from("apiVersion: datamesh.example.com/v1\nkind: DataProduct\nmetadata:\n");
    let _ = writeln!(out, "  name: {}\n  domain: {}", text(product), text(table.address.domain()));
    out.push_str("spec:\n  schema:\n");
    let _ = writeln!(out, "    version: {version}");
    if key.iter().any(|name| name.contains('.')) {
        left.push(format!("the primary key ({}): it names fields of structs", key.join(", ")));
    } else if !key.is_empty() {
        let _ = writeln!(out, "    primary_key: {}", list(key.iter().map(|name| text(name))));
    }
    out.push_str("    fields:\n");
    for field in fields {
        let _ = writeln!(out, "      - {field}");
    }
    out.push_str("  output_ports:\n");
    port(table, &mut out, &mut left);
    if left.is_empty() {
        return out;
    }
    let mut comment =
        format!("# Not in this manifest, and left as it is in {}:\n", escape::line(table.id.as_str()));
    for what in left {
        let _ = writeln!(comment, "# - {}", escape::line(&what));
    }
    comment + &out
}

fn port(table: &Table<'_>, out: &mut String, left: &mut Vec<String>) {
    let _ = writeln!(out, "    - type: batch\n      technology: iceberg");
    if table.address.name() != "iceberg" {
        let _ = writeln!(out, "      name: {}", text(table.address.name()));
    }
    if table.system.name.as_str() != "default" {
        let _ = writeln!(out, "      cluster: {}", text(table.system.name.as_str()));
    }
    let id = table.id.as_str();
    let _ = writeln!(out, "      table: {}", text(id.strip_prefix(table.prefix).unwrap_or(id)));
    if let Some(version) =
        table.live.get("format_version").and_then(Value::as_u64).filter(|version| *version > 2)
    {
        let _ = writeln!(out, "      format_version: {version}");
    }
    let parts = entries(table.live, "partition_by");
    match parts.iter().map(partition).collect::<Option<Vec<_>>>() {
        Some(parts) if !parts.is_empty() => {
            let _ = writeln!(out, "      partition_by: {}", list(parts.into_iter()));
        }
        Some(_) => {}
        None => left.push(
            "the partitioning: it goes by a field of a struct, or in a way manifests do not know".into(),
        ),
    }
    let sort = entries(table.live, "sort_by");
    match sort.iter().map(sorting).collect::<Option<Vec<_>>>() {
        Some(sort) if !sort.is_empty() => {
            let _ = writeln!(out, "      sort_by: {}", list(sort.into_iter()));
        }
        Some(_) => {}
        None => left
            .push("the sort order: it goes by a field of a struct, or in a way manifests do not know".into()),
    }
    let properties = table.live.get("properties").and_then(Value::as_object);
    let names = properties.into_iter().flat_map(|map| map.keys()).map(String::as_str);
    // Those are written with the manifest's own.
    let names: Vec<&str> = names.filter(|name| !name.starts_with("datamesh.")).collect();
    if !names.is_empty() {
        left.push(format!("properties, which whoever set them may change: {}", names.join(", ")));
    }
}

fn entries<'a>(attributes: &'a Attributes, key: &str) -> &'a [Value] {
    attributes.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn texts(attributes: &Attributes, key: &str) -> Vec<String> {
    entries(attributes, key).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A text as YAML that is nothing else than this text: bare where it is a plain word, quoted as JSON otherwise.
fn text(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    // Words that YAML 1.1 takes for something else.
    let taken = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    match plain && !taken.contains(&text.to_ascii_lowercase().as_str()) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// As JSON, which YAML reads as well; what could not be seen is spelled by its number.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for c in Value::from(text).to_string().chars() {
        match escape::replacement(c) {
            Some(_) => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                let _ = write!(out, "\\u{unit:04x}");
            }),
            None => out.push(c),
        }
    }
    out
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A field as a flow mapping; `None` where no manifest can declare it.
fn column(field: &Value, path: &str, left: &mut Vec<String>) -> Option<String> {
    let name = word(field, "name");
    let here = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if !is_field_name(name) {
        left.push(format!("the column `{here}`: schemas know no such names"));
        return None;
    }
    let Some(ty) = keys_of(field.get("type")?, &here, left) else {
        left.push(format!("the column `{here}`: manifests have no such type"));
        return None;
    };
    let mut parts = vec![format!("name: {}", text(name)), ty];
    if field.get("required") == Some(&Value::Bool(true)) {
        parts.push("required: true".to_owned());
    }
    if let Some(doc) = field.get("doc").and_then(Value::as_str) {
        let (description, keys) = personal(doc);
        parts.extend((!description.is_empty()).then(|| format!("description: {}", quoted(description))));
        parts.extend(keys);
    }
    Some(format!("{{ {} }}", parts.join(", ")))
}

/// What is personal about a column stands behind its description: `[PII: email, tokenize]`.
fn personal(doc: &str) -> (&str, Option<String>) {
    let whole = (doc, None);
    let Some((description, tag)) = doc.strip_suffix(']').and_then(|doc| doc.rsplit_once("[PII")) else {
        return whole;
    };
    let words: Vec<&str> = tag.split([':', ',']).map(str::trim).collect();
    let plain = |word: &&str| {
        word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
    };
    if !words.iter().all(plain) {
        return whole;
    }
    let mut keys = "pii: true".to_owned();
    match (words.as_slice(), tag.starts_with(':')) {
        ([_], _) => {}
        ([_, ty], true) => keys.push_str(&format!(", pii_type: {ty}")),
        ([_, how], false) => keys.push_str(&format!(", governance: {how}")),
        ([_, ty, how], true) => keys.push_str(&format!(", pii_type: {ty}, governance: {how}")),
        _ => return whole,
    }
    (description.trim_end(), Some(keys))
}

fn is_field_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The keys that say a type; `None` where manifests have none for it.
fn keys_of(ty: &Value, path: &str, left: &mut Vec<String>) -> Option<String> {
    if let Value::String(primitive) = ty {
        return primitive_word(primitive).map(|word| format!("type: {word}"));
    }
    let inside = |key: &str, required: &str, left: &mut Vec<String>| {
        let keys = keys_of(ty.get(key)?, &format!("{path}.{key}"), left)?;
        let required = ty.get(required) == Some(&Value::Bool(true));
        Some(format!("{{ {keys}{} }}", if required { ", required: true" } else { "" }))
    };
    match word(ty, "type") {
        "list" => Some(format!("type: array, items: {}", inside("element", "element_required", left)?)),
        "map" => {
            let key = inside("key", "", left)?;
            Some(format!("type: map, keys: {key}, values: {}", inside("value", "value_required", left)?))
        }
        "struct" => {
            let fields = ty.get("fields")?.as_array()?;
            let fields: Vec<String> = fields.iter().filter_map(|field| column(field, path, left)).collect();
            (!fields.is_empty()).then(|| format!("type: struct, fields: {}", list(fields.into_iter())))
        }
        _ => None,
    }
}

/// The word of manifests for a primitive type of Iceberg.
fn primitive_word(ty: &str) -> Option<String> {
    let same = ["boolean", "int", "long", "float", "double", "date", "time", "string", "uuid", "binary"];
    match ty {
        "timestamptz" => Some("timestamp".to_owned()),
        "timestamp" => Some("timestamp_ntz".to_owned()),
        _ if same.contains(&ty) => Some(ty.to_owned()),
        _ if ty.starts_with("decimal(") => Some(quoted(ty)),
        _ => None,
    }
}

/// A transform as manifests write it: `bucket[4]` of `id` is `bucket(4, id)`.
fn transformed(field: &Value) -> Option<String> {
    let source = Some(word(field, "source")).filter(|source| is_field_name(source))?;
    match word(field, "transform") {
        "identity" => Some(source.to_owned()),
        timely @ ("year" | "month" | "day" | "hour") => Some(format!("{timely}({source})")),
        other => {
            let (name, number) = other.strip_suffix(']')?.split_once('[')?;
            ["bucket", "truncate"].contains(&name).then(|| format!("{name}({number}, {source})"))
        }
    }
}

fn partition(field: &Value) -> Option<String> {
    let name = Some(word(field, "name")).filter(|name| is_field_name(name))?;
    Some(format!("{{ transform: {}, name: {} }}", text(&transformed(field)?), text(name)))
}

fn sorting(field: &Value) -> Option<String> {
    let nulls = word(field, "null_order");
    let nulls = if nulls.is_empty() { String::new() } else { format!(" {nulls}") };
    Some(text(&format!("{} {}{nulls}", transformed(field)?, word(field, "direction"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(live: Value) -> String {
        let address = "sales/order-lines@2:iceberg_table.lake".parse().expect("an address");
        let (system, id) = (SystemName::new("iceberg", "lake"), ObjectId::new("dev_sales.orders"));
        let live = live.as_object().cloned().expect("a map");
        product(&Table { address: &address, system: &system, id: &id, prefix: "dev_", live: &live })
    }

    #[test]
    fn a_table_becomes_the_document_that_declares_it() {
        let text = manifest(json!({
            "fields": [
                {"name": "id", "type": "long", "required": true, "doc": "Key: \"unique\""},
                {"name": "no", "type": "decimal(9,2)", "required": false},
                {"name": "at", "type": "timestamptz", "required": false},
                {"name": "buyer", "type": {"type": "struct", "fields": [{"name": "mail", "type": "string", "required": true}]}},
                {"name": "tags", "type": {"type": "list", "element": "string", "element_required": true}},
                {"name": "notes", "type": {"type": "map", "key": "string", "value": "timestamp", "value_required": false}},
            ],
            "identifier_fields": ["id"],
            "partition_by": [{"source": "at", "transform": "day", "name": "at_day"}, {"source": "id", "transform": "bucket[4]", "name": "b"}],
            "sort_by": [{"source": "id", "transform": "identity", "direction": "desc", "null_order": "nulls-last"}],
            "format_version": 3,
        }));
        let expected = r#"apiVersion: datamesh.example.com/v1
kind: DataProduct
metadata:
  name: order-lines
  domain: sales
spec:
  schema:
    version: 2
    primary_key: [id]
    fields:
      - { name: id, type: long, required: true, description: "Key: \"unique\"" }
      - { name: "no", type: "decimal(9,2)" }
      - { name: at, type: timestamp }
      - { name: buyer, type: struct, fields: [{ name: mail, type: string, required: true }] }
      - { name: tags, type: array, items: { type: string, required: true } }
      - { name: notes, type: map, keys: { type: string }, values: { type: timestamp_ntz } }
  output_ports:
    - type: batch
      technology: iceberg
      name: lake
      cluster: lake
      table: sales.orders
      format_version: 3
      partition_by: [{ transform: "day(at)", name: at_day }, { transform: "bucket(4, id)", name: b }]
      sort_by: ["id desc nulls-last"]
"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn what_is_personal_is_read_back() {
        for (doc, description, keys) in [
            ("Who [PII: email, tokenize]", "Who", Some("pii: true, pii_type: email, governance: tokenize")),
            ("[PII: national_id]", "", Some("pii: true, pii_type: national_id")),
            ("Who [PII, mask-last-4]", "Who", Some("pii: true, governance: mask-last-4")),
            ("Who [PII]", "Who", Some("pii: true")),
            ("Who [PII: a, b, c]", "Who [PII: a, b, c]", None),
            ("Who [PII: {evil}]", "Who [PII: {evil}]", None),
            ("PII]", "PII]", None),
        ] {
            assert_eq!(personal(doc), (description, keys.map(str::to_owned)), "{doc}");
        }
    }

    #[test]
    fn whatever_a_table_calls_itself_is_text_and_stays_itself() {
        for hostile in escape::HOSTILE {
            let text = manifest(json!({
                "fields": [{"name": "a", "type": "int", "doc": hostile}, {"name": hostile, "type": "int"}],
                "partition_by": [{"source": hostile, "transform": hostile, "name": hostile}],
                "properties": {(*hostile): hostile},
            }));
            assert!(escape::is_clean(&text), "{text:?}");
            let line = text.lines().find(|line| line.contains("name: a,")).expect("the field");
            let (_, doc) = line.split_once("description: ").expect("its comment");
            let doc: String = serde_json::from_str(doc.trim_end_matches(" }")).expect("JSON");
            assert_eq!(doc, *hostile);
        }
    }

    #[test]
    fn what_no_manifest_can_say_is_told_and_left() {
        let text = manifest(json!({
            "fields": [
                {"name": "ok", "type": "int"},
                {"name": "not ok", "type": "int"},
                {"name": "raw", "type": "fixed[4]"},
                {"name": "s", "type": {"type": "struct", "fields": [{"name": "x", "type": "timestamp_ns"}, {"name": "y", "type": "int"}]}},
            ],
            "partition_by": [{"source": "s.y", "transform": "identity", "name": "s.y"}],
            "properties": {"owner": "x\n# y"},
        }));
        for words in ["`not ok`", "`raw`", "`s.x`", "partitioning", "properties"] {
            assert!(
                text.lines().any(|line| line.starts_with("# - ") && line.contains(words)),
                "{words}: {text}"
            );
        }
        assert!(
            text.contains("fields: [{ name: \"y\", type: int }]") && !text.contains("partition_by"),
            "{text}"
        );
    }
}
