//! Updates of a table's metadata (`TableUpdate` of the REST specification): as REST catalogs take them, and made to
//! the document for catalogs where the client writes it.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// One update.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Update {
    /// The version of the table format; it only goes up.
    FormatVersion(u8),
    /// A new current schema, whole, with the highest column id there is now.
    Schema {
        schema: Map<String, Value>,
        last_column_id: i64,
    },
    /// Another default partition spec: a new one, or one of the table's history by its id.
    Spec {
        id: i64,
        added: Option<Value>,
        last_partition_id: i64,
    },
    /// Another default sort order, in the same way.
    SortOrder {
        id: i64,
        added: Option<Value>,
    },
    SetProperties(BTreeMap<String, String>),
    RemoveProperties(Vec<String>),
}

/// The one just added, whatever id the server gave it.
const LAST_ADDED: i64 = -1;

impl Update {
    pub(super) fn to_rest(&self) -> Vec<Value> {
        match self {
            Self::FormatVersion(version) => {
                vec![json!({"action": "upgrade-format-version", "format-version": version})]
            }
            Self::Schema { schema, last_column_id } => vec![
                json!({"action": "add-schema", "schema": schema, "last-column-id": last_column_id}),
                json!({"action": "set-current-schema", "schema-id": LAST_ADDED}),
            ],
            Self::Spec { id, added, .. } => {
                let add = added.as_ref().map(|spec| json!({"action": "add-spec", "spec": spec}));
                let id = added.as_ref().map_or(*id, |_| LAST_ADDED);
                add.into_iter().chain([json!({"action": "set-default-spec", "spec-id": id})]).collect()
            }
            Self::SortOrder { id, added } => {
                let add =
                    added.as_ref().map(|order| json!({"action": "add-sort-order", "sort-order": order}));
                let id = added.as_ref().map_or(*id, |_| LAST_ADDED);
                add.into_iter()
                    .chain([json!({"action": "set-default-sort-order", "sort-order-id": id})])
                    .collect()
            }
            Self::SetProperties(updates) => vec![json!({"action": "set-properties", "updates": updates})],
            Self::RemoveProperties(removals) => {
                vec![json!({"action": "remove-properties", "removals": removals})]
            }
        }
    }

    pub(super) fn apply(&self, raw: &mut Map<String, Value>) {
        match self {
            Self::FormatVersion(version) => upgrade(raw, *version),
            Self::Schema { schema, last_column_id } => set_schema(raw, schema, *last_column_id),
            Self::Spec { id, added, last_partition_id } => {
                push(raw, "partition-specs", added.as_ref());
                raw.insert("default-spec-id".into(), json!(id));
                raw.insert("last-partition-id".into(), json!(last_partition_id));
            }
            Self::SortOrder { id, added } => {
                push(raw, "sort-orders", added.as_ref());
                raw.insert("default-sort-order-id".into(), json!(id));
            }
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
        }
    }
}

fn push(raw: &mut Map<String, Value>, list: &str, added: Option<&Value>) {
    let list = raw.entry(list).or_insert_with(|| json!([]));
    if let (Some(list), Some(added)) = (list.as_array_mut(), added) {
        list.push(added.clone());
    }
}

/// Makes a schema current: an equal one of the table's history again, or a new one.
fn set_schema(raw: &mut Map<String, Value>, schema: &Map<String, Value>, last_column_id: i64) {
    let same = |a: &Map<String, Value>| {
        ["fields", "identifier-field-ids"].iter().all(|key| a.get(*key) == schema.get(*key))
    };
    let known = raw.get("schemas").and_then(Value::as_array);
    let known = known.into_iter().flatten().filter_map(Value::as_object).find(|known| same(known)).cloned();
    let current = known.clone().unwrap_or_else(|| schema.clone());
    let id = current.get("schema-id").cloned().unwrap_or_else(|| json!(0));
    if known.is_none() {
        push(raw, "schemas", Some(&Value::Object(schema.clone())));
    }
    raw.insert("current-schema-id".into(), id);
    raw.insert("last-column-id".into(), json!(last_column_id));
    // Version 1 repeats the current schema outside the list.
    if raw.contains_key("schema") {
        raw.insert("schema".into(), Value::Object(current));
    }
}

/// What later versions require (table specification, "Format Versioning" and appendix E).
fn upgrade(raw: &mut Map<String, Value>, version: u8) {
    raw.insert("format-version".into(), json!(version));
    if version >= 2 {
        // What version 1 may say outside of its lists.
        if let Some(mut schema) = raw.remove("schema").filter(|_| !raw.contains_key("schemas")) {
            let id = schema.get("schema-id").cloned().unwrap_or_else(|| json!(0));
            schema["schema-id"] = id.clone();
            raw.insert("schemas".into(), json!([schema]));
            raw.insert("current-schema-id".into(), id);
        }
        if let Some(fields) = raw.remove("partition-spec").filter(|_| !raw.contains_key("partition-specs")) {
            raw.insert("partition-specs".into(), json!([{"spec-id": 0, "fields": fields}]));
            raw.insert("default-spec-id".into(), json!(0));
        }
        for (key, value) in [
            ("last-sequence-number", json!(0)),
            ("sort-orders", json!([{"order-id": 0, "fields": []}])),
            ("default-sort-order-id", json!(0)),
        ] {
            raw.entry(key).or_insert(value);
        }
    }
    if version >= 3 {
        raw.entry("next-row-id").or_insert_with(|| json!(0));
    }
}
