//! Edits made to a table's current schema: by the columns that are there, so that what is not ours stays as it is.

use super::{Metadata, MetadataError, word};
use crate::table::ColumnEdit;
use crate::types::fields_to_spec;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The schema with the edits made to it, and the highest column id then.
pub(super) fn edited(
    base: &Metadata,
    edits: &[ColumnEdit],
) -> Result<(Map<String, Value>, i64), MetadataError> {
    let mut schema = base.schema()?.clone();
    let mut last_column_id = base.number("last-column-id")?;
    let mut next = || {
        last_column_id += 1;
        last_column_id
    };
    let mut fields =
        schema.remove("fields").ok_or_else(|| MetadataError("its schema has no fields".into()))?;
    // All paths are those of the table as it is: names change last, the innermost first.
    let mut edits: Vec<&ColumnEdit> = edits.iter().collect();
    edits.sort_by_key(|edit| turn(edit));
    for edit in edits {
        make(&mut fields, edit, &mut next)?;
    }
    schema.insert("fields".into(), fields);
    let ids =
        base.list("schemas").iter().filter_map(|schema| schema.get("schema-id").and_then(Value::as_i64));
    schema.insert("schema-id".into(), json!(ids.max().map_or(1, |highest| highest + 1)));
    Ok((schema, last_column_id))
}

fn turn(edit: &ColumnEdit) -> (u8, usize) {
    match edit {
        ColumnEdit::Doc { .. } | ColumnEdit::Widen { .. } | ColumnEdit::Loosen { .. } => (0, 0),
        ColumnEdit::Add { .. } => (1, 0),
        ColumnEdit::Drop { .. } => (2, 0),
        ColumnEdit::Order { .. } => (3, 0),
        ColumnEdit::Rename { path, .. } => (4, usize::MAX - path.len()),
    }
}

fn make(fields: &mut Value, edit: &ColumnEdit, next: &mut dyn FnMut() -> i64) -> Result<(), MetadataError> {
    match edit {
        ColumnEdit::Add { parent, field } => {
            let added = fields_to_spec(std::slice::from_ref(field), next);
            struct_at(fields, parent)?.extend(added);
        }
        ColumnEdit::Drop { path, .. } => {
            let (name, parent) = path.split_last().ok_or_else(|| not_there(path))?;
            struct_at(fields, parent)?.retain(|column| word(column, "name") != name);
        }
        ColumnEdit::Rename { path, to } => {
            column_at(fields, path)?.insert("name".into(), json!(to));
        }
        ColumnEdit::Doc { path, doc, .. } => {
            let column = column_at(fields, path)?;
            match doc {
                Some(doc) => column.insert("doc".into(), json!(doc)),
                None => column.remove("doc"),
            };
        }
        ColumnEdit::Widen { path, to, .. } => {
            let (holder, key) = holder_at(fields, path)?;
            holder.insert(key.to_owned(), json!(to.to_string()));
        }
        ColumnEdit::Loosen { path } => {
            let (holder, key) = holder_at(fields, path)?;
            let flag = if key == OF_COLUMN { "required".to_owned() } else { format!("{key}-required") };
            holder.insert(flag, json!(false));
        }
        ColumnEdit::Order { parent, names, .. } => order(struct_at(fields, parent)?, names),
    }
    Ok(())
}

/// The named columns in this order; each of the others behind the one that it follows now.
fn order(level: &mut Vec<Value>, names: &[String]) {
    let named: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    // Each named column with those behind it; the first entry has what comes before all of them.
    let mut runs: Vec<(String, Vec<Value>)> = vec![(String::new(), Vec::new())];
    for column in level.drain(..) {
        let name = word(&column, "name").to_owned();
        match runs.last_mut() {
            Some((_, run)) if !named.contains(name.as_str()) => run.push(column),
            _ => runs.push((name, vec![column])),
        }
    }
    let place = |name: &str| names.iter().position(|other| other == name).map_or(0, |at| at + 1);
    runs.sort_by_cached_key(|(name, _)| place(name));
    level.extend(runs.into_iter().flat_map(|(_, run)| run));
}

fn not_there(path: &[String]) -> MetadataError {
    MetadataError(format!("it has no column `{}` to edit", path.join(".")))
}

/// The fields of the struct at a path of names, `element`, `key` and `value`; the empty path is the table.
fn struct_at<'a>(fields: &'a mut Value, path: &[String]) -> Result<&'a mut Vec<Value>, MetadataError> {
    let level = match path {
        [] => Some(fields),
        _ => {
            let (holder, key) = holder_at(fields, path)?;
            holder.get_mut(key).and_then(|ty| ty.get_mut("fields"))
        }
    };
    level.and_then(Value::as_array_mut).ok_or_else(|| not_there(path))
}

fn column_at<'a>(
    fields: &'a mut Value,
    path: &[String],
) -> Result<&'a mut Map<String, Value>, MetadataError> {
    let (column, key) = holder_at(fields, path)?;
    if key == OF_COLUMN { Ok(column) } else { Err(not_there(path)) }
}

/// The key of a column's type.
const OF_COLUMN: &str = "type";

/// What says the type at a path, and under which key: a column under `type`, a list under `element`, a map under
/// `key` or `value`.
fn holder_at<'a, 'p>(
    fields: &'a mut Value,
    path: &'p [String],
) -> Result<(&'a mut Map<String, Value>, &'p str), MetadataError> {
    let mut level = fields;
    let mut steps = path.iter().peekable();
    while let Some(step) = steps.next() {
        let mut holder = named(level, step).ok_or_else(|| not_there(path))?;
        let mut key = OF_COLUMN;
        loop {
            let Some(inside) = steps.peek() else {
                return Ok((holder.as_object_mut().ok_or_else(|| not_there(path))?, key));
            };
            if holder.get(key).is_some_and(|ty| ty.get("fields").is_some()) {
                break;
            }
            holder = holder.get_mut(key).ok_or_else(|| not_there(path))?;
            key = inside.as_str();
            steps.next();
        }
        level = holder.get_mut(key).and_then(|ty| ty.get_mut("fields")).ok_or_else(|| not_there(path))?;
    }
    Err(not_there(path))
}

fn named<'a>(fields: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    fields.as_array_mut()?.iter_mut().find(|column| word(column, "name") == name)
}
