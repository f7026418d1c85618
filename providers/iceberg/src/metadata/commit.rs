//! Commits: typed updates that REST catalogs take as JSON and that are applied to the document for SQL ones.

use super::{Metadata, MetadataError, name_mapping};
use crate::table::{ColumnEdit, PropertyEdits};
use crate::types::fields_to_spec;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How many earlier metadata files a table remembers (`write.metadata.previous-versions-max`).
const PREVIOUS_VERSIONS: usize = 100;

/// One update of a table's metadata (`TableUpdate` of the REST specification).
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Update {
    SetProperties(BTreeMap<String, String>),
    RemoveProperties(Vec<String>),
    /// A new current schema, whole, with the highest column id there is now.
    Schema {
        schema: Map<String, Value>,
        last_column_id: i64,
    },
}

/// Updates that hold together, and what must still be true for them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Commit {
    pub(crate) updates: Vec<Update>,
    requirements: Vec<Value>,
}

impl Commit {
    /// The commit that makes these edits to this table.
    pub(crate) fn plan(
        base: &Metadata,
        columns: &[ColumnEdit],
        properties: &PropertyEdits,
        owner: Option<(&str, &str)>,
    ) -> Result<Self, MetadataError> {
        let mut updates = Vec::new();
        let mut set = properties.set.clone();
        let mut requirements = vec![json!({"type": "assert-table-uuid", "uuid": base.uuid()})];
        if !columns.is_empty() {
            let schema = edit_schema(base, columns)?;
            if let Some(mapping) = name_mapping::extended(base, columns, &schema) {
                set.entry(name_mapping::PROPERTY.to_owned()).or_insert(mapping);
            }
            updates.push(schema);
            requirements.push(json!({"type": "assert-current-schema-id",
                                     "current-schema-id": base.number("current-schema-id").unwrap_or_default()}));
            requirements.push(json!({"type": "assert-last-assigned-field-id",
                                     "last-assigned-field-id": base.number("last-column-id")?}));
        }
        set.extend(owner.map(|(key, value)| (key.to_owned(), value.to_owned())));
        if !set.is_empty() {
            updates.push(Update::SetProperties(set));
        }
        if !properties.unset.is_empty() {
            updates.push(Update::RemoveProperties(properties.unset.clone()));
        }
        Ok(Self { updates, requirements })
    }

    /// The body of a REST commit (`CommitTableRequest`).
    pub(crate) fn request(&self, namespace: &[String], name: &str) -> Value {
        let updates: Vec<Value> = self.updates.iter().flat_map(Update::to_rest).collect();
        json!({
            "identifier": {"namespace": namespace, "name": name},
            "requirements": self.requirements,
            "updates": updates,
        })
    }

    /// The document after the commit, for catalogs where the client writes it. `from` is the file of `base`.
    pub(crate) fn apply(&self, base: &Metadata, from: &str, now_ms: i64) -> Result<Metadata, MetadataError> {
        let mut raw = base.raw.clone();
        for update in &self.updates {
            update.apply(&mut raw);
        }
        let before = raw.get("last-updated-ms").and_then(Value::as_i64).unwrap_or_default();
        // Readers order the log by time, so it never goes back even where a clock does.
        raw.insert("last-updated-ms".into(), json!(now_ms.max(before)));
        let keep = base.properties().get("write.metadata.previous-versions-max").and_then(|n| n.parse().ok());
        let keep = keep.unwrap_or(PREVIOUS_VERSIONS).max(1);
        let log = raw.entry("metadata-log").or_insert_with(|| json!([]));
        if let Some(log) = log.as_array_mut() {
            log.push(json!({"timestamp-ms": before, "metadata-file": from}));
            log.drain(..log.len().saturating_sub(keep));
        }
        Metadata::parse(Value::Object(raw))
    }
}

impl Update {
    fn to_rest(&self) -> Vec<Value> {
        match self {
            Self::SetProperties(updates) => vec![json!({"action": "set-properties", "updates": updates})],
            Self::RemoveProperties(removals) => {
                vec![json!({"action": "remove-properties", "removals": removals})]
            }
            Self::Schema { schema, last_column_id } => vec![
                json!({"action": "add-schema", "schema": schema, "last-column-id": last_column_id}),
                // -1: the one just added, whatever id the server gave it.
                json!({"action": "set-current-schema", "schema-id": -1}),
            ],
        }
    }

    fn apply(&self, raw: &mut Map<String, Value>) {
        match self {
            Self::SetProperties(updates) => {
                let map = raw.entry("properties").or_insert_with(|| json!({}));
                if let Some(map) = map.as_object_mut() {
                    map.extend(updates.iter().map(|(key, value)| (key.clone(), json!(value))));
                }
            }
            Self::RemoveProperties(removals) => {
                if let Some(map) = raw.get_mut("properties").and_then(Value::as_object_mut) {
                    removals.iter().for_each(|key| {
                        map.remove(key);
                    });
                }
            }
            Self::Schema { schema, last_column_id } => set_schema(raw, schema, *last_column_id),
        }
    }
}

/// Makes a schema current: an equal one of the table's history again, or a new one.
fn set_schema(raw: &mut Map<String, Value>, schema: &Map<String, Value>, last_column_id: i64) {
    let same = |a: &Map<String, Value>| {
        ["fields", "identifier-field-ids"].iter().all(|key| a.get(*key) == schema.get(*key))
    };
    let known = raw.get("schemas").and_then(Value::as_array).cloned().unwrap_or_default();
    let known = known.iter().filter_map(Value::as_object).find(|known| same(known)).cloned();
    let current = known.clone().unwrap_or_else(|| schema.clone());
    let id = current.get("schema-id").cloned().unwrap_or_else(|| json!(0));
    if known.is_none() {
        let schemas = raw.entry("schemas").or_insert_with(|| json!([]));
        if let Some(schemas) = schemas.as_array_mut() {
            schemas.push(Value::Object(schema.clone()));
        }
    }
    raw.insert("current-schema-id".into(), id);
    raw.insert("last-column-id".into(), json!(last_column_id));
    // Version 1 repeats the current schema outside the list.
    if raw.contains_key("schema") {
        raw.insert("schema".into(), Value::Object(current));
    }
}

/// The live schema with the edits made to it: by id, so that what is not ours stays as it is.
fn edit_schema(base: &Metadata, edits: &[ColumnEdit]) -> Result<Update, MetadataError> {
    let mut schema = base.schema()?.clone();
    let mut last_column_id = base.number("last-column-id")?;
    let mut next = || {
        last_column_id += 1;
        last_column_id
    };
    for edit in edits {
        let fields =
            schema.get_mut("fields").ok_or_else(|| MetadataError("its schema has no fields".into()))?;
        match edit {
            ColumnEdit::Add { parent, field } => {
                let added = fields_to_spec(std::slice::from_ref(field), &mut next);
                let level = struct_at(fields, parent)?;
                level.extend(added);
            }
            ColumnEdit::Doc { path, doc, .. } => {
                let column = column_at(fields, path)?;
                match doc {
                    Some(doc) => column.insert("doc".into(), json!(doc)),
                    None => column.remove("doc"),
                };
            }
        }
    }
    let ids = base.raw.get("schemas").and_then(Value::as_array);
    let ids = ids.into_iter().flatten().filter_map(|schema| schema.get("schema-id").and_then(Value::as_i64));
    let id = ids.max().map_or(1, |highest| highest + 1);
    schema.insert("schema-id".into(), json!(id));
    Ok(Update::Schema { schema, last_column_id })
}

fn not_there(path: &[String]) -> MetadataError {
    MetadataError(format!("it has no column `{}` to edit", path.join(".")))
}

/// The fields of the struct at a path of names, `element`, `key` and `value`; the empty path is the table.
fn struct_at<'a>(fields: &'a mut Value, path: &[String]) -> Result<&'a mut Vec<Value>, MetadataError> {
    let mut level = fields;
    let mut steps = path.iter();
    while let Some(step) = steps.next() {
        let mut ty =
            named(level, step).and_then(|column| column.get_mut("type")).ok_or_else(|| not_there(path))?;
        while ty.get("fields").is_none() {
            let inside = steps.next().ok_or_else(|| not_there(path))?;
            ty = ty.get_mut(inside.as_str()).ok_or_else(|| not_there(path))?;
        }
        level = ty.get_mut("fields").ok_or_else(|| not_there(path))?;
    }
    level.as_array_mut().ok_or_else(|| not_there(path))
}

fn column_at<'a>(
    fields: &'a mut Value,
    path: &[String],
) -> Result<&'a mut Map<String, Value>, MetadataError> {
    let (name, parent) = path.split_last().ok_or_else(|| not_there(path))?;
    let level = struct_at(fields, parent)?;
    let column = level.iter_mut().find(|column| super::word(column, "name") == name);
    column.and_then(Value::as_object_mut).ok_or_else(|| not_there(path))
}

fn named<'a>(fields: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    fields.as_array_mut()?.iter_mut().find(|column| super::word(column, "name") == name)
}
