//! Partition specs and sort orders: new ones beside those of the table's history, with numbers of their own.

use super::update::Update;
use super::{Metadata, MetadataError, column_names, source_id, word};
use crate::table::{NullOrder, PartitionField, SortField};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Partition field ids start here (table specification, "Partitioning").
pub(super) const FIRST_PARTITION_ID: i64 = 1000;

/// The ids of a schema's columns by dotted name.
pub(super) struct ColumnIds(BTreeMap<String, i64>);

impl ColumnIds {
    pub(super) fn of(schema: &Map<String, Value>) -> Self {
        let names = column_names(schema.get("fields").unwrap_or(&Value::Null));
        Self(names.into_iter().map(|(id, name)| (name, id)).collect())
    }

    pub(super) fn get(&self, name: &str) -> Result<i64, MetadataError> {
        let id = self.0.get(name).copied();
        id.ok_or_else(|| MetadataError(format!("there is no column `{name}` to refer to")))
    }

    /// Of the columns of a primary key, in the order of their numbers.
    pub(super) fn all(&self, names: &[String]) -> Result<Vec<i64>, MetadataError> {
        let mut ids = names.iter().map(|name| self.get(name)).collect::<Result<Vec<_>, _>>()?;
        ids.sort_unstable();
        Ok(ids)
    }
}

/// The sort fields in the table specification's JSON.
pub(super) fn sort_fields(fields: &[SortField], ids: &ColumnIds) -> Result<Vec<Value>, MetadataError> {
    let field = |field: &SortField| {
        Ok(json!({
            "transform": field.transform.to_string(), "source-id": ids.get(&field.source)?,
            "direction": field.direction, "null-order": field.null_order.unwrap_or(NullOrder::NullsFirst),
        }))
    };
    fields.iter().map(field).collect()
}

/// The update that makes these the fields of the default partition spec. A spec of the history that is equal is used
/// again, and so is the number of a field that any of them has (table specification, "Partition Evolution").
pub(super) fn partition(
    base: &Metadata,
    fields: &[PartitionField],
    ids: &ColumnIds,
) -> Result<Update, MetadataError> {
    let specs = base.list("partition-specs");
    let mut last = base.number("last-partition-id").unwrap_or(FIRST_PARTITION_ID - 1);
    let mut numbered = Vec::with_capacity(fields.len());
    for field in fields {
        let (source, transform) = (ids.get(&field.source)?, field.transform.to_string());
        let known = specs.iter().flat_map(fields_of).find(|known| {
            source_id(known).and_then(Value::as_i64) == Some(source) && word(known, "transform") == transform
        });
        let id = known.and_then(|known| known.get("field-id")?.as_i64()).unwrap_or_else(|| {
            last += 1;
            last
        });
        let field = json!({"source-id": source, "field-id": id, "transform": transform, "name": field.name});
        numbered.push(field);
    }
    let parts = ["source-id", "field-id", "transform", "name"];
    let (id, new) = known_or_next(specs, "spec-id", &numbered, &parts, 0);
    let added = new.then(|| json!({"spec-id": id, "fields": numbered}));
    Ok(Update::Spec { id, added, last_partition_id: last })
}

/// The update that makes these the fields of the default sort order.
pub(super) fn sort(base: &Metadata, fields: &[SortField], ids: &ColumnIds) -> Result<Update, MetadataError> {
    let fields = sort_fields(fields, ids)?;
    let orders = base.list("sort-orders");
    let parts = ["source-id", "transform", "direction", "null-order"];
    // Order 0 is reserved for "unsorted".
    let first = i64::from(!fields.is_empty());
    let (id, new) = known_or_next(orders, "order-id", &fields, &parts, first);
    let id = if fields.is_empty() { 0 } else { id };
    let added = new.then(|| json!({"order-id": id, "fields": fields}));
    Ok(Update::SortOrder { id, added })
}

/// The id of the entry that has these fields, or the next one and that it is new.
fn known_or_next(list: &[Value], id_key: &str, fields: &[Value], parts: &[&str], first: i64) -> (i64, bool) {
    let id = |entry: &Value| entry.get(id_key).and_then(Value::as_i64);
    let same = |a: &Value, b: &Value| parts.iter().all(|part| a.get(*part) == b.get(*part));
    let equal = |entry: &&Value| {
        let known = fields_of(entry);
        known.len() == fields.len() && known.iter().zip(fields).all(|(a, b)| same(a, b))
    };
    match list.iter().find(equal).and_then(id) {
        Some(id) => (id, false),
        None => (list.iter().filter_map(id).max().map_or(first, |highest| (highest + 1).max(first)), true),
    }
}

fn fields_of(entry: &Value) -> &[Value] {
    entry.get("fields").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
