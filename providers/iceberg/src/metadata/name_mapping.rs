//! The mapping of names to column ids, for data files that carry no ids (table specification, "Column Projection").
//!
//! Where a table has one, a column that is missing in it reads as null from such files, whatever they hold. So a
//! column that is added is added to it, too, and one that is renamed is there under both names.

use super::{Metadata, word};
use crate::table::ColumnEdit;
use serde_json::{Map, Value, json};

pub(super) const PROPERTY: &str = "schema.name-mapping.default";

/// The table's mapping after the edits; `None` where it has none, or one that cannot be read, or it stays. Paths are
/// those of the table before them. `schema`: after them.
pub(super) fn edited(base: &Metadata, edits: &[ColumnEdit], schema: &Map<String, Value>) -> Option<String> {
    let before: Value = serde_json::from_str(base.properties().get(PROPERTY)?).ok()?;
    let mut mapping = before.clone();
    let fields = schema.get("fields")?;
    for edit in edits {
        match edit {
            ColumnEdit::Add { parent, field } => add(&mut mapping, fields, parent, edits, &field.name),
            ColumnEdit::Rename { path, to } => rename(&mut mapping, path, to),
            _ => None,
        };
    }
    (mapping != before).then(|| mapping.to_string())
}

fn add(
    mapping: &mut Value,
    fields: &Value,
    parent: &[String],
    edits: &[ColumnEdit],
    name: &str,
) -> Option<()> {
    let column = find(fields, &as_renamed(parent, edits), name)?;
    let level = parent.iter().try_fold(mapping, |level, step| {
        let entry = level.as_array_mut()?.iter_mut().find(|entry| has_name(entry, step))?;
        Some(entry.as_object_mut()?.entry("fields").or_insert_with(|| json!([])))
    });
    let level = level?.as_array_mut()?;
    if !level.iter().any(|entry| has_name(entry, name)) {
        level.push(entry(name, column.get("id")?, column.get("type")?));
    }
    Some(())
}

fn rename(mapping: &mut Value, path: &[String], to: &str) -> Option<()> {
    let mut level = mapping;
    for (at, step) in path.iter().enumerate() {
        let entry = level.as_array_mut()?.iter_mut().find(|entry| has_name(entry, step))?;
        if at + 1 == path.len() {
            let names = entry.get_mut("names")?.as_array_mut()?;
            if !names.iter().any(|known| known == to) {
                names.push(json!(to));
            }
            return Some(());
        }
        level = entry.get_mut("fields")?;
    }
    None
}

/// A path of the table before the edits, as it is called after them.
fn as_renamed(path: &[String], edits: &[ColumnEdit]) -> Vec<String> {
    let renamed = |at: usize| {
        let mut renames = edits.iter().filter_map(ColumnEdit::renamed);
        renames.find(|(old, _)| *old == &path[..=at]).map(|(_, to)| to.to_owned())
    };
    (0..path.len()).map(|at| renamed(at).unwrap_or_else(|| path[at].clone())).collect()
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
