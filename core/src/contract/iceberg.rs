//! The columns of a table, in Iceberg's types and without ids: those are assigned when the table is created.

use crate::contract::{Contract, ContractField, ContractType, pii_word, protection_word};
use serde_json::{Map, Value, json};

impl Contract {
    /// The attribute `fields` of a table.
    pub fn columns(&self) -> Value {
        columns(&self.fields)
    }

    /// Every field about a person, with its path as tables spell it.
    pub fn personal(&self) -> Vec<(String, &ContractField)> {
        let mut out = Vec::new();
        personal(&self.fields, "", &mut out);
        out
    }
}

fn personal<'a>(fields: &'a [ContractField], prefix: &str, out: &mut Vec<(String, &'a ContractField)>) {
    for field in fields {
        let path = format!("{prefix}{}", field.name);
        if field.pii == Some(true) {
            out.push((path.clone(), field));
        }
        personal_inside(&field.ty, &path, out);
    }
}

fn personal_inside<'a>(ty: &'a ContractType, path: &str, out: &mut Vec<(String, &'a ContractField)>) {
    match ty {
        ContractType::Struct(fields) => personal(fields, &format!("{path}."), out),
        ContractType::Array(element) => personal_inside(&element.ty, &format!("{path}.element"), out),
        ContractType::Map(entry) => {
            personal_inside(&entry.0, &format!("{path}.key"), out);
            personal_inside(&entry.1.ty, &format!("{path}.value"), out);
        }
        _ => {}
    }
}

fn columns(fields: &[ContractField]) -> Value {
    Value::Array(fields.iter().map(column).collect())
}

fn column(field: &ContractField) -> Value {
    let mut column = Map::new();
    column.insert("name".into(), field.name.as_str().into());
    column.insert("type".into(), of_type(&field.ty));
    column.insert("required".into(), field.required.into());
    if let Some(doc) = doc(field) {
        column.insert("doc".into(), doc.into());
    }
    if let Some(earlier) = &field.renamed_from {
        column.insert("renamed_from".into(), earlier.as_slice().into());
    }
    Value::Object(column)
}

/// The description, with what is personal about the column behind it: a published form, which `import` reads back.
fn doc(field: &ContractField) -> Option<String> {
    let description = field.description.as_deref().filter(|doc| !doc.is_empty());
    if field.pii != Some(true) {
        return description.map(str::to_owned);
    }
    let mut tag = "[PII".to_owned();
    if let Some(ty) = field.pii_type {
        tag.push_str(": ");
        tag.push_str(pii_word(ty));
    }
    if let Some(how) = field.governance {
        tag.push_str(", ");
        tag.push_str(protection_word(how));
    }
    tag.push(']');
    Some(description.map_or_else(|| tag.clone(), |description| format!("{description} {tag}")))
}

fn of_type(ty: &ContractType) -> Value {
    match ty {
        ContractType::Timestamp => "timestamptz".into(),
        ContractType::TimestampNtz => "timestamp".into(),
        ContractType::Enum(_) | ContractType::OneOf(_) => "string".into(),
        ContractType::Array(element) => {
            json!({"type": "list", "element": of_type(&element.ty), "element_required": element.required})
        }
        ContractType::Map(entry) => {
            let (key, value) = &**entry;
            json!({
                "type": "map", "key": of_type(key), "value": of_type(&value.ty), "value_required": value.required
            })
        }
        ContractType::Struct(fields) => json!({"type": "struct", "fields": columns(fields)}),
        plain => plain.to_string().into(),
    }
}
