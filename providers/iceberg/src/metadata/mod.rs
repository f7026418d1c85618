//! Table metadata: the JSON document of the table specification, kept as it is.
//!
//! Only what is compared or edited is looked at; everything else (snapshots, statistics, fields of later
//! versions) goes through a commit unread and unchanged.

mod commit;
mod create;
mod layout;
mod name_mapping;
mod schema_edit;
mod update;

pub(crate) use commit::Commit;
pub(crate) use create::NewTable;

use self::update::Update;
use crate::owner;
use crate::table::{Attrs, Direction, NullOrder, PartitionField, SortField};
use crate::transform::Transform;
use crate::types::fields_from_spec;
use datamesh_provider::{Attributes, DecodeError, Resource, decode};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A table's metadata. Construction checks what every reader relies on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Metadata {
    raw: Map<String, Value>,
}

/// A document that is not the metadata of a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the table's metadata cannot be understood: {0}")]
pub(crate) struct MetadataError(pub(crate) String);

impl Metadata {
    pub(crate) fn parse(value: Value) -> Result<Self, MetadataError> {
        let Value::Object(raw) = value else {
            return Err(MetadataError("it is not a JSON object".into()));
        };
        let metadata = Self { raw };
        for key in ["table-uuid", "location"] {
            metadata.text(key)?;
        }
        metadata.number("format-version")?;
        metadata.schema()?;
        Ok(metadata)
    }

    /// With an update made to it.
    fn after(&self, update: &Update) -> Self {
        let mut raw = self.raw.clone();
        update.apply(&mut raw);
        Self { raw }
    }

    /// The document's bytes, for catalogs where the client writes it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        Value::Object(self.raw.clone()).to_string().into_bytes()
    }

    fn text(&self, key: &str) -> Result<&str, MetadataError> {
        let text = self.raw.get(key).and_then(Value::as_str);
        text.ok_or_else(|| MetadataError(format!("it has no `{key}`")))
    }

    fn number(&self, key: &str) -> Result<i64, MetadataError> {
        let number = self.raw.get(key).and_then(Value::as_i64);
        number.ok_or_else(|| MetadataError(format!("it has no `{key}`")))
    }

    pub(crate) fn uuid(&self) -> &str {
        self.text("table-uuid").unwrap_or_default()
    }

    pub(crate) fn location(&self) -> &str {
        self.text("location").unwrap_or_default()
    }

    /// An entry of a list of the document that has this id.
    fn entry(&self, list: &str, id_key: &str, id: i64) -> Option<&Value> {
        let entries = self.raw.get(list)?.as_array()?;
        entries.iter().find(|entry| entry.get(id_key).and_then(Value::as_i64) == Some(id))
    }

    /// The entries of a list of the document.
    fn list(&self, key: &str) -> &[Value] {
        self.raw.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// Dotted names of the current columns by id.
    pub(crate) fn column_names(&self) -> BTreeMap<i64, String> {
        let fields = self.schema().ok().and_then(|schema| schema.get("fields"));
        column_names(fields.unwrap_or(&Value::Null))
    }

    /// Ids of the columns that any partition spec or sort order of the history goes by.
    fn referenced(&self) -> BTreeSet<i64> {
        let lists = ["partition-specs", "sort-orders"].into_iter().flat_map(|key| self.list(key));
        let fields = lists.filter_map(|entry| entry.get("fields")?.as_array()).flatten();
        fields.filter_map(|field| source_id(field)?.as_i64()).collect()
    }

    /// The current schema. Version 1 documents may carry it under `schema` alone.
    pub(crate) fn schema(&self) -> Result<&Map<String, Value>, MetadataError> {
        let current = self.number("current-schema-id");
        let found = match current {
            Ok(id) => self.entry("schemas", "schema-id", id),
            Err(_) => None,
        };
        let schema = found.or_else(|| self.raw.get("schema")).and_then(Value::as_object);
        schema.ok_or_else(|| MetadataError("it has no current schema".into()))
    }

    /// The partition fields of the default spec.
    fn partition_fields(&self) -> &[Value] {
        let default = self.number("default-spec-id").unwrap_or_default();
        let spec = self.entry("partition-specs", "spec-id", default).and_then(|spec| spec.get("fields"));
        let fields = spec.or_else(|| self.raw.get("partition-spec")).and_then(Value::as_array);
        fields.map(Vec::as_slice).unwrap_or_default()
    }

    /// The sort fields of the default sort order.
    fn sort_fields(&self) -> &[Value] {
        let default = self.number("default-sort-order-id").unwrap_or_default();
        let order = self.entry("sort-orders", "order-id", default).and_then(|order| order.get("fields"));
        order.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn properties(&self) -> BTreeMap<String, String> {
        let map = self.raw.get("properties").and_then(Value::as_object);
        let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
        map.into_iter().flatten().filter_map(text).collect()
    }

    /// The table as attributes, and the owner it carries. `void` partition fields, which format version 1 leaves
    /// behind where a field was removed, count as removed.
    pub(crate) fn attributes(&self) -> Result<(Attrs, Option<String>), MetadataError> {
        let schema = self.schema()?;
        let columns = schema.get("fields").unwrap_or(&Value::Null);
        let names = column_names(columns);
        let name_of = |id: Option<&Value>| -> Result<String, MetadataError> {
            let id = id.and_then(Value::as_i64).unwrap_or_default();
            let name = names.get(&id).cloned();
            name.ok_or_else(|| MetadataError(format!("it refers to a column of id {id} that is not there")))
        };
        let identifiers = schema.get("identifier-field-ids").and_then(Value::as_array);
        let identifier_fields =
            identifiers.into_iter().flatten().map(|id| name_of(Some(id))).collect::<Result<_, _>>()?;
        let mut partition_by = Vec::new();
        for field in self.partition_fields() {
            let transform = Transform::parse(word(field, "transform"));
            if transform.is_void() {
                continue;
            }
            let source = name_of(source_id(field))?;
            partition_by.push(PartitionField { source, transform, name: word(field, "name").to_owned() });
        }
        let sort_by = self
            .sort_fields()
            .iter()
            .map(|field| {
                Ok(SortField {
                    source: name_of(source_id(field))?,
                    transform: Transform::parse(word(field, "transform")),
                    direction: match word(field, "direction") {
                        "desc" => Direction::Desc,
                        _ => Direction::Asc,
                    },
                    null_order: match word(field, "null-order") {
                        "nulls-first" => Some(NullOrder::NullsFirst),
                        "nulls-last" => Some(NullOrder::NullsLast),
                        _ => None,
                    },
                })
            })
            .collect::<Result<_, _>>()?;
        let (properties, owner) = owner::split(self.properties(), owner::reserved_of_tables);
        let attrs = Attrs {
            fields: Some(fields_from_spec(columns).map_err(MetadataError)?),
            identifier_fields: Some(identifier_fields),
            partition_by: Some(partition_by),
            sort_by: Some(sort_by),
            properties: Some(properties),
            location: Some(self.location().to_owned()),
            format_version: u8::try_from(self.number("format-version")?).ok(),
            purge: None,
            referenced: Some(self.referenced()).filter(|ids| !ids.is_empty()),
        };
        Ok((crate::table::IcebergTable::normalize(attrs), owner))
    }
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The one source column; version 3 may spell it as a list of one.
fn source_id(field: &Value) -> Option<&Value> {
    field.get("source-id").or_else(|| field.get("source-ids")?.as_array()?.first())
}

/// Dotted names of all columns by id, through structs, lists (`element`) and maps (`key`, `value`).
fn column_names(fields: &Value) -> BTreeMap<i64, String> {
    fn level(fields: &Value, prefix: &str, out: &mut BTreeMap<i64, String>) {
        for field in fields.as_array().into_iter().flatten() {
            let name = format!("{prefix}{}", word(field, "name"));
            if let Some(ty) = field.get("type") {
                inner(ty, &name, out);
            }
            if let Some(id) = field.get("id").and_then(Value::as_i64) {
                out.insert(id, name);
            }
        }
    }
    fn inner(ty: &Value, name: &str, out: &mut BTreeMap<i64, String>) {
        if let Some(fields) = ty.get("fields") {
            level(fields, &format!("{name}."), out);
        }
        for (key, id_key) in [("element", "element-id"), ("key", "key-id"), ("value", "value-id")] {
            if let (Some(ty), Some(id)) = (ty.get(key), ty.get(id_key).and_then(Value::as_i64)) {
                let name = format!("{name}.{key}");
                inner(ty, &name, out);
                out.insert(id, name);
            }
        }
    }
    let mut out = BTreeMap::new();
    level(fields, "", &mut out);
    out
}

/// Reads attributes recorded by an older version of the tool. There has been one shape so far.
pub(crate) fn upgrade<R: Resource>(from: u32, raw: Attributes) -> Result<R::Attrs, DecodeError> {
    let current = R::schema().version;
    if from > current {
        let why = format!("they were recorded as version {from}, and this program knows {current}");
        return Err(DecodeError { ty: R::NAME, why });
    }
    decode::<R>(&raw.into())
}

#[cfg(test)]
mod evolution_tests;
#[cfg(test)]
mod tests;
