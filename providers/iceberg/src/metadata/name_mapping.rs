//! The mapping of names to column ids, for data files that carry no ids (table specification, "Column Projection").
//!
//! Where a table has one, a column that is missing in it reads as null from such files, whatever they hold. So a
//! column that is added is added to it, too.

use super::commit::Update;
use super::{Metadata, word};
use crate::table::ColumnEdit;
use serde_json::{Value, json};

pub(super) const PROPERTY: &str = "schema.name-mapping.default";

/// The table's mapping with the added columns in it; `None` where it has none, or one that cannot be read.
pub(super) fn extended(base: &Metadata, edits: &[ColumnEdit], update: &Update) -> Option<String> {
    let Update::Schema { schema, .. } = update else { return None };
    let mut mapping: Value = serde_json::from_str(base.properties().get(PROPERTY)?).ok()?;
    let mut added = false;
    for edit in edits {
        let ColumnEdit::Add { parent, field } = edit else { continue };
        let column = find(schema.get("fields")?, parent, &field.name)?;
        let level = parent.iter().try_fold(&mut mapping, |level, step| {
            let entry = level.as_array_mut()?.iter_mut().find(|entry| has_name(entry, step))?;
            Some(entry.as_object_mut()?.entry("fields").or_insert_with(|| json!([])))
        });
        let Some(level) = level.and_then(Value::as_array_mut) else { continue };
        if !level.iter().any(|entry| has_name(entry, &field.name)) {
            level.push(entry(&field.name, column.get("id")?, column.get("type")?));
            added = true;
        }
    }
    added.then(|| mapping.to_string())
}

fn has_name(entry: &Value, name: &str) -> bool {
    entry.get("names").and_then(Value::as_array).is_some_and(|names| names.iter().any(|known| known == name))
}

/// The column of this name in the struct at this path of names, `element`, `key` and `value`.
fn find<'a>(fields: &'a Value, parent: &[String], name: &str) -> Option<&'a Value> {
    let named =
        |fields: &'a Value, name: &str| fields.as_array()?.iter().find(|field| word(field, "name") == name);
    let mut level = fields;
    let mut steps = parent.iter();
    while let Some(step) = steps.next() {
        let mut ty = named(level, step)?.get("type")?;
        while ty.get("fields").is_none() {
            ty = ty.get(steps.next()?.as_str())?;
        }
        level = ty.get("fields")?;
    }
    named(level, name)
}

/// One column's entry, with those of the columns inside of it.
fn entry(name: &str, id: &Value, ty: &Value) -> Value {
    let mut inside = Vec::new();
    for field in ty.get("fields").and_then(Value::as_array).into_iter().flatten() {
        if let (Some(id), Some(ty)) = (field.get("id"), field.get("type")) {
            inside.push(entry(word(field, "name"), id, ty));
        }
    }
    for (key, id_key) in [("element", "element-id"), ("key", "key-id"), ("value", "value-id")] {
        if let (Some(ty), Some(id)) = (ty.get(key), ty.get(id_key)) {
            inside.push(entry(key, id, ty));
        }
    }
    match inside.is_empty() {
        true => json!({"field-id": id, "names": [name]}),
        false => json!({"field-id": id, "names": [name], "fields": inside}),
    }
}
