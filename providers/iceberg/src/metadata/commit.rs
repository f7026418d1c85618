//! Commits: updates that hold together, and what they rely on.

use super::layout::{self, ColumnIds};
use super::update::Update;
use super::{Metadata, MetadataError, name_mapping, schema_edit};
use crate::table::Comparison;
use serde_json::{Value, json};

/// How many earlier metadata files a table remembers (`write.metadata.previous-versions-max`).
const PREVIOUS_VERSIONS: usize = 100;

/// Updates that hold together, and what must still be true for them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Commit {
    pub(crate) updates: Vec<Update>,
    requirements: Vec<Value>,
}

impl Commit {
    /// The commit that makes these edits to this table. What it relies on is what they are made from; a snapshot is
    /// never among that, so that writers of data do not stand in its way.
    pub(crate) fn plan(
        base: &Metadata,
        found: &Comparison,
        owner: Option<(&str, &str)>,
    ) -> Result<Self, MetadataError> {
        let mut requirements = vec![json!({"type": "assert-table-uuid", "uuid": base.uuid()})];
        let mut set = found.properties.set.clone();
        let mut updates: Vec<Update> =
            found.layout.format_version.map(Update::FormatVersion).into_iter().collect();
        let upgraded = updates.first().map(|upgrade| base.after(upgrade));
        let base = upgraded.as_ref().unwrap_or(base);
        let mut schema = base.schema()?.clone();
        if !found.columns.is_empty() || found.layout.identifiers.is_some() {
            let (edited, last_column_id) = schema_edit::edited(base, &found.columns)?;
            schema = edited;
            if let Some(names) = &found.layout.identifiers {
                let ids = ColumnIds::of(&schema).all(names)?;
                schema.insert("identifier-field-ids".into(), json!(ids));
            }
            if let Some(mapping) = name_mapping::edited(base, &found.columns, &schema) {
                set.entry(name_mapping::PROPERTY.to_owned()).or_insert(mapping);
            }
            updates.push(Update::Schema { schema: schema.clone(), last_column_id });
            requirements.push(json!({"type": "assert-current-schema-id",
                                     "current-schema-id": base.number("current-schema-id").unwrap_or_default()}));
            requirements.push(json!({"type": "assert-last-assigned-field-id",
                                     "last-assigned-field-id": base.number("last-column-id")?}));
        }
        let ids = ColumnIds::of(&schema);
        if let Some(fields) = &found.layout.partition {
            updates.push(layout::partition(base, fields, &ids)?);
            let last = base.number("last-partition-id").unwrap_or(layout::FIRST_PARTITION_ID - 1);
            requirements.push(json!({"type": "assert-default-spec-id",
                                     "default-spec-id": base.number("default-spec-id").unwrap_or_default()}));
            requirements.push(json!({"type": "assert-last-assigned-partition-id",
                                     "last-assigned-partition-id": last}));
        }
        if let Some(fields) = &found.layout.sort {
            updates.push(layout::sort(base, fields, &ids)?);
            requirements.push(json!({"type": "assert-default-sort-order-id",
                                     "default-sort-order-id": base.number("default-sort-order-id").unwrap_or_default()}));
        }
        set.extend(owner.map(|(key, value)| (key.to_owned(), value.to_owned())));
        if !set.is_empty() {
            updates.push(Update::SetProperties(set));
        }
        if !found.properties.unset.is_empty() {
            updates.push(Update::RemoveProperties(found.properties.unset.clone()));
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
