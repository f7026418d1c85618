//! The columns of a table, in Iceberg's types and without ids: those are assigned when the table is created.

use crate::contract::{Contract, ContractField, ContractType};
use serde_json::{Map, Value, json};

impl Contract {
    /// The attribute `fields` of a table.
    pub fn columns(&self) -> Value {
        columns(&self.fields)
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
    if let Some(doc) = field.description.as_deref().filter(|doc| !doc.is_empty()) {
        column.insert("doc".into(), doc.into());
    }
    if let Some(earlier) = &field.renamed_from {
        column.insert("renamed_from".into(), earlier.as_slice().into());
    }
    Value::Object(column)
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
