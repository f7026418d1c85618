//! A record as all versions of its shard share it, with its text once it was written.
//!
//! A run writes a large shard again and again, and changes a few of its records each time.

use crate::format::Record;
use datamesh_provider::canonical_text;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// Cheap to clone. What is changed is a record of its own from then on.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(transparent)]
pub struct SharedRecord(#[schemars(with = "Record")] Arc<Written>);

#[derive(Debug)]
struct Written {
    record: Record,
    /// In its canonical form.
    text: OnceLock<Box<RawValue>>,
}

impl SharedRecord {
    /// The record, to be changed.
    pub fn make_mut(&mut self) -> &mut Record {
        let Written { record, text } = Arc::make_mut(&mut self.0);
        *text = OnceLock::new();
        record
    }
}

impl Clone for Written {
    fn clone(&self) -> Self {
        Self { record: self.record.clone(), text: OnceLock::new() }
    }
}

impl From<Record> for SharedRecord {
    fn from(record: Record) -> Self {
        Self(Arc::new(Written { record, text: OnceLock::new() }))
    }
}

impl Deref for SharedRecord {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.0.record
    }
}

impl PartialEq for SharedRecord {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.record == other.0.record
    }
}

impl Eq for SharedRecord {}

impl Serialize for SharedRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(text) = self.0.text.get() {
            return text.serialize(serializer);
        }
        let text = canonical_text(&self.0.record).and_then(RawValue::from_string);
        let text = text.map_err(serde::ser::Error::custom)?;
        self.0.text.get_or_init(|| text).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SharedRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Record::deserialize(deserializer).map(Self::from)
    }
}
