//! The first metadata of a new table.

use super::layout::{self, ColumnIds, FIRST_PARTITION_ID};
use super::{Metadata, MetadataError};
use crate::owner;
use crate::table::Attrs;
use crate::types::fields_to_spec;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What catalogs make where nothing is asked for.
const DEFAULT_VERSION: u8 = 2;

/// Everything a catalog wants to know of a table to be made, in the table specification's JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NewTable {
    pub(crate) schema: Value,
    pub(crate) partition_spec: Value,
    pub(crate) sort_order: Value,
    pub(crate) properties: BTreeMap<String, String>,
    /// Absent: the catalog chooses.
    pub(crate) location: Option<String>,
    pub(crate) format_version: u8,
    last_column_id: i64,
    last_partition_id: i64,
}

impl NewTable {
    /// Numbers the columns and resolves every name to its number.
    pub(crate) fn plan(attrs: &Attrs, owner_mark: &str) -> Result<Self, MetadataError> {
        let mut last_column_id = 0;
        let fields = fields_to_spec(attrs.fields.as_deref().unwrap_or_default(), &mut || {
            last_column_id += 1;
            last_column_id
        });
        let mut schema = Map::from_iter([
            ("type".to_owned(), json!("struct")),
            ("schema-id".to_owned(), json!(0)),
            ("fields".to_owned(), Value::Array(fields)),
        ]);
        let ids = ColumnIds::of(&schema);
        let identifiers = ids.all(attrs.identifier_fields.as_deref().unwrap_or_default())?;
        if !identifiers.is_empty() {
            schema.insert("identifier-field-ids".into(), json!(identifiers));
        }
        let mut last_partition_id = FIRST_PARTITION_ID - 1;
        let mut partition_fields = Vec::new();
        for field in attrs.partition_by.iter().flatten() {
            last_partition_id += 1;
            partition_fields.push(json!({
                "source-id": ids.get(&field.source)?, "field-id": last_partition_id,
                "transform": field.transform.to_string(), "name": field.name,
            }));
        }
        let sort_fields = layout::sort_fields(attrs.sort_by.as_deref().unwrap_or_default(), &ids)?;
        let mut properties = attrs.properties.clone().unwrap_or_default();
        properties.insert(owner::PROPERTY.to_owned(), owner_mark.to_owned());
        Ok(Self {
            schema: Value::Object(schema),
            partition_spec: json!({"spec-id": 0, "fields": partition_fields}),
            // Order 0 is reserved for "unsorted".
            sort_order: json!({"order-id": i32::from(!sort_fields.is_empty()), "fields": sort_fields}),
            properties,
            location: attrs.location.clone(),
            format_version: attrs.format_version.unwrap_or(DEFAULT_VERSION),
            last_column_id,
            last_partition_id,
        })
    }

    /// The first metadata document, for catalogs where the client writes it.
    pub(crate) fn metadata(
        &self,
        uuid: &str,
        location: &str,
        now_ms: i64,
    ) -> Result<Metadata, MetadataError> {
        let mut sort_orders = vec![self.sort_order.clone()];
        let sort_order_id = self.sort_order["order-id"].clone();
        if sort_order_id != json!(0) {
            sort_orders.insert(0, json!({"order-id": 0, "fields": []}));
        }
        let mut document = json!({
            "format-version": self.format_version,
            "table-uuid": uuid,
            "location": location,
            "last-sequence-number": 0,
            "last-updated-ms": now_ms,
            "last-column-id": self.last_column_id,
            "current-schema-id": 0,
            "schemas": [self.schema],
            "default-spec-id": 0,
            "partition-specs": [self.partition_spec],
            "last-partition-id": self.last_partition_id,
            "default-sort-order-id": sort_order_id,
            "sort-orders": sort_orders,
            "properties": self.properties,
            "refs": {},
            "snapshots": [],
            "statistics": [],
            "partition-statistics": [],
            "snapshot-log": [],
            "metadata-log": [],
        });
        if self.format_version >= 3 {
            document["next-row-id"] = json!(0);
        }
        Metadata::parse(document)
    }

    /// The body of a REST create request (`CreateTableRequest`).
    pub(crate) fn request(&self, name: &str) -> Value {
        let mut body = Map::new();
        body.insert("name".into(), json!(name));
        if let Some(location) = &self.location {
            body.insert("location".into(), json!(location));
        }
        body.insert("schema".into(), self.schema.clone());
        body.insert("partition-spec".into(), self.partition_spec.clone());
        body.insert("write-order".into(), self.sort_order.clone());
        body.insert("stage-create".into(), json!(false));
        let mut properties = self.properties.clone();
        if self.format_version != DEFAULT_VERSION {
            // How the protocol asks for a version; it is no property of the table.
            properties.insert("format-version".into(), self.format_version.to_string());
        }
        body.insert("properties".into(), json!(properties));
        Value::Object(body)
    }
}
