//! The text of the Avro schema: a published format.
//!
//! Compact JSON in one fixed order of keys. What is written for a given contract never changes, since every change
//! of the text would register a new version for every product.

use crate::contract::{
    Contract, ContractField, ContractType, Element, RecordName, names, pascal_case, pii_word, protection_word,
};
use datamesh_provider::canonical_json;
use serde_json::Value;

impl Contract {
    /// The schema as it is registered.
    pub fn avro(&self, record: &RecordName, doc: Option<&str>) -> String {
        let mut out = String::with_capacity(128 + 96 * self.fields.len());
        out.push_str(r#"{"type":"record","name":"#);
        text(&record.name, &mut out);
        if !record.namespace.is_empty() {
            out.push_str(r#","namespace":"#);
            text(&record.namespace, &mut out);
        }
        if let Some(doc) = doc.map(str::trim_end).filter(|doc| !doc.is_empty()) {
            out.push_str(r#","doc":"#);
            text(doc, &mut out);
        }
        fields(&self.fields, &Naming { name: record.name.clone(), earlier: Vec::new() }, &mut out);
        out.push('}');
        out
    }
}

/// At most this many earlier names of one type: each renamed field around it doubles them.
const EARLIER_NAMES: usize = 32;

/// What the type of a field is called, and was called while fields on the way to it had other names.
struct Naming {
    name: String,
    earlier: Vec<String>,
}

impl Naming {
    fn below(&self, field: &ContractField) -> Self {
        let name = self.with(&pascal_case(&field.name)).name;
        let parts = std::iter::once(field.name.as_str()).chain(field.aliases());
        let parts: Vec<String> = parts.map(pascal_case).collect();
        let parents = std::iter::once(&self.name).chain(&self.earlier);
        let all = parents.flat_map(|parent| parts.iter().map(move |part| format!("{parent}{part}")));
        let mut earlier: Vec<String> = all.skip(1).take(EARLIER_NAMES).collect();
        earlier.retain(|other| *other != name);
        Self { name, earlier }
    }

    fn with(&self, suffix: &str) -> Self {
        let longer = |name: &String| format!("{name}{suffix}");
        Self { name: longer(&self.name), earlier: self.earlier.iter().map(longer).collect() }
    }

    /// As the keys of a record or an enum.
    fn write(&self, out: &mut String) {
        text(&self.name, out);
        aliases(self.earlier.iter().map(String::as_str), out);
    }
}

/// The names under which readers find what was written before (Avro specification, "Aliases").
fn aliases<'a>(names: impl Iterator<Item = &'a str>, out: &mut String) {
    let names: Vec<&str> = names.collect();
    if !names.is_empty() {
        out.push_str(r#","aliases":"#);
        list(&names, out, |name, out| text(name, out));
    }
}

/// A JSON string.
fn text(text: &str, out: &mut String) {
    let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        // Nearly every one: nothing to escape.
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&Value::from(text).to_string());
    }
}

fn list<T>(items: &[T], out: &mut String, mut each: impl FnMut(&T, &mut String)) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        each(item, out);
    }
    out.push(']');
}

fn fields(all: &[ContractField], parent: &Naming, out: &mut String) {
    out.push_str(r#","fields":"#);
    list(all, out, |one, out| field(one, parent, out));
}

fn field(field: &ContractField, parent: &Naming, out: &mut String) {
    let name = parent.below(field);
    out.push_str(r#"{"name":"#);
    text(&field.name, out);
    out.push_str(r#","type":"#);
    let has_value = field.default.as_ref().is_some_and(|default| !default.is_null());
    match (field.required, has_value) {
        (true, _) => of_type(&field.ty, &name, out),
        (false, false) => nullable(&field.ty, &name, out),
        (false, true) => {
            out.push('[');
            of_type(&field.ty, &name, out);
            out.push_str(r#","null"]"#);
        }
    }
    if let Some(doc) = field.description.as_deref().filter(|doc| !doc.is_empty()) {
        out.push_str(r#","doc":"#);
        text(doc, out);
    }
    match &field.default {
        Some(default) if has_value => {
            out.push_str(r#","default":"#);
            out.push_str(&canonical_json(default));
        }
        _ if !field.required => out.push_str(r#","default":null"#),
        _ => {}
    }
    aliases(field.aliases(), out);
    tags(field, out);
    out.push('}');
}

impl ContractField {
    /// Earlier names that Avro can spell, the newest first.
    fn aliases(&self) -> impl Iterator<Item = &str> {
        let earlier = self.renamed_from.iter().flatten().rev().map(String::as_str);
        earlier.filter(|name| names::is_avro_name(name))
    }
}

fn tags(field: &ContractField, out: &mut String) {
    if field.pii == Some(true) {
        out.push_str(r#","datamesh.pii":"#);
        text(field.pii_type.map_or("true", pii_word), out);
    }
    if let Some(governance) = field.governance {
        out.push_str(r#","datamesh.governance":"#);
        text(protection_word(governance), out);
    }
}

fn nullable(ty: &ContractType, name: &Naming, out: &mut String) {
    out.push_str(r#"["null","#);
    of_type(ty, name, out);
    out.push(']');
}

fn element(element: &Element, name: &Naming, out: &mut String) {
    if element.required { of_type(&element.ty, name, out) } else { nullable(&element.ty, name, out) }
}

fn of_type(ty: &ContractType, name: &Naming, out: &mut String) {
    out.push_str(match ty {
        ContractType::Boolean => r#""boolean""#,
        ContractType::Int => r#""int""#,
        ContractType::Long => r#""long""#,
        ContractType::Float => r#""float""#,
        ContractType::Double => r#""double""#,
        ContractType::String => r#""string""#,
        ContractType::Binary => r#""bytes""#,
        ContractType::Date => r#"{"type":"int","logicalType":"date"}"#,
        ContractType::Time => r#"{"type":"long","logicalType":"time-micros"}"#,
        ContractType::Timestamp => r#"{"type":"long","logicalType":"timestamp-micros"}"#,
        ContractType::TimestampNtz => r#"{"type":"long","logicalType":"local-timestamp-micros"}"#,
        ContractType::Uuid => r#"{"type":"string","logicalType":"uuid"}"#,
        ContractType::Decimal { precision, scale } => {
            out.push_str(r#"{"type":"bytes","logicalType":"decimal","precision":"#);
            out.push_str(&format!("{precision},\"scale\":{scale}}}"));
            return;
        }
        nested => return of_nested(nested, name, out),
    });
}

fn of_nested(ty: &ContractType, name: &Naming, out: &mut String) {
    match ty {
        ContractType::Enum(symbols) => {
            out.push_str(r#"{"type":"enum","name":"#);
            name.write(out);
            out.push_str(r#","symbols":"#);
            list(symbols, out, |symbol, out| text(symbol, out));
        }
        ContractType::OneOf(values) => {
            out.push_str(r#"{"type":"string","datamesh.values":"#);
            list(values, out, |value, out| text(value, out));
        }
        ContractType::Array(items) => {
            out.push_str(r#"{"type":"array","items":"#);
            element(items, name, out);
        }
        ContractType::Map(entry) if entry.0 == ContractType::String => {
            out.push_str(r#"{"type":"map","values":"#);
            element(&entry.1, name, out);
        }
        ContractType::Map(entry) => entries(&entry.0, &entry.1, name, out),
        ContractType::Struct(nested) => {
            out.push_str(r#"{"type":"record","name":"#);
            name.write(out);
            fields(nested, name, out);
        }
        _ => return,
    }
    out.push('}');
}

/// A map whose keys are no strings: Iceberg's convention for Avro, an array of entries.
fn entries(key: &ContractType, value: &Element, name: &Naming, out: &mut String) {
    out.push_str(r#"{"type":"array","items":{"type":"record","name":"#);
    name.write(out);
    out.push_str(r#","fields":[{"name":"key","type":"#);
    of_type(key, &name.with("Key"), out);
    out.push_str(r#"},{"name":"value","type":"#);
    element(value, &name.with("Value"), out);
    out.push_str(if value.required { "}]}" } else { r#","default":null}]}"# });
    out.push_str(r#","logicalType":"map""#);
}
