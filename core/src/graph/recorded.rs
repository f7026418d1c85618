//! What the state already says: physical names are fixed when a thing is created, and what is declared as it was
//! applied is kept once.

use crate::graph::{ImportRequest, Move};
use datamesh_provider::{Address, Object, ObjectId, Packed};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// The objects the state records, as far as manifests are resolved over them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    pub objects: BTreeMap<Address, RecordedObject>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedObject {
    pub id: ObjectId,
    /// Of a subject: the full name of the record in the schema last applied.
    pub record: Option<String>,
    /// As last applied.
    pub attributes: Packed,
}

impl Recorded {
    /// Notes one record of the state, with the attributes last applied.
    pub fn insert(&mut self, address: Address, id: ObjectId, attributes: &Packed) {
        let subject = attributes.decode::<Subject>().ok();
        let record = subject.and_then(|subject| full_name(&serde_json::from_str(&subject.schema).ok()?));
        self.objects.insert(address, RecordedObject { id, record, attributes: attributes.clone() });
    }
}

/// What a subject has, and nothing else.
#[derive(Deserialize)]
struct Subject {
    schema: String,
}

/// The full name of what an Avro schema defines.
pub(crate) fn full_name(schema: &Value) -> Option<String> {
    let name = schema.get("name")?.as_str()?;
    match schema.get("namespace").and_then(Value::as_str) {
        Some(namespace) if !namespace.is_empty() && !name.contains('.') => {
            Some(format!("{namespace}.{name}"))
        }
        _ => Some(name.to_owned()),
    }
}

/// Names that hold whatever the defaults are: recorded ones, also through a move, and imported ones.
#[derive(Debug, Default)]
pub(crate) struct FixedNames<'a> {
    recorded: Option<&'a Recorded>,
    moved: HashMap<&'a Address, &'a Address>,
    imported: HashMap<&'a Address, &'a str>,
}

impl<'a> FixedNames<'a> {
    pub(crate) fn new(recorded: &'a Recorded, moves: &'a [Move], imports: &'a [ImportRequest]) -> Self {
        Self {
            recorded: Some(recorded),
            moved: moves.iter().map(|m| (&m.to, &m.from)).collect(),
            imported: imports.iter().map(|i| (&i.address, i.id.as_str())).collect(),
        }
    }

    fn object(&self, address: &Address) -> Option<&'a RecordedObject> {
        let objects = &self.recorded?.objects;
        objects.get(address).or_else(|| objects.get(*self.moved.get(address)?))
    }

    /// The physical name this address has, or is to take over.
    pub(crate) fn id(&self, address: &Address) -> Option<&'a str> {
        let recorded = self.object(address).map(|object| object.id.as_str());
        recorded.or_else(|| self.imported.get(address).copied())
    }

    /// Whether this is recorded, and not moved elsewhere.
    pub(crate) fn stays(&self, address: &Address) -> bool {
        let recorded = self.recorded.is_some_and(|recorded| recorded.objects.contains_key(address));
        recorded && !self.moved.values().any(|from| *from == address)
    }

    /// Everything the state records.
    pub(crate) fn recorded(&self) -> impl Iterator<Item = (&'a Address, &'a RecordedObject)> {
        self.recorded.into_iter().flat_map(|recorded| &recorded.objects)
    }

    /// Thousands of things are declared as they are recorded: to have all of them twice would double the memory.
    pub(crate) fn share(&self, object: &mut Object) {
        let recorded = self.object(&object.address).map(|recorded| &recorded.attributes);
        if let Some(recorded) = recorded.filter(|recorded| **recorded == object.attributes) {
            object.attributes = recorded.clone();
        }
    }

    pub(crate) fn record(&self, address: &Address) -> Option<&'a str> {
        self.object(address)?.record.as_deref()
    }
}
