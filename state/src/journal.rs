//! Outcomes of operations that the state refused to take: kept beside it, to be merged once it takes writes again.

use crate::StateError;
use crate::document::{Created, DocumentKey, DocumentKind};
use crate::format::Shard;
use crate::shard::ShardError;
use crate::store::StateStore;
use datamesh_provider::{
    Address, ErrorKind, LiveObject, OpAction, OperationId, Outcome, Packed, ProviderError, Refusal,
    SystemName, canonical_text,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The format this version reads and writes.
pub const JOURNAL_FORMAT: u64 = 1;

/// What one run knew, and could not store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    pub format: u64,
    pub environment: String,
    pub run: String,
    pub entries: Vec<JournalEntry>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JournalEntry {
    pub id: OperationId,
    pub address: Address,
    pub system: SystemName,
    pub action: OpAction,
    pub step: String,
    pub known: Known,
}

/// How an operation ended, as far as its record is concerned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "ended", rename_all = "snake_case", deny_unknown_fields)]
pub enum Known {
    Done { object: LiveObject },
    Partial { object: LiveObject, why: String },
    Deleted,
    NotDone { why: String },
}

impl Known {
    /// `None`: nobody knows.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let why = || outcome.why().unwrap_or_default();
        match outcome {
            Outcome::Done(object) => Some(Self::Done { object: object.clone() }),
            Outcome::Partial(object, _) => Some(Self::Partial { object: object.clone(), why: why() }),
            Outcome::Deleted => Some(Self::Deleted),
            Outcome::Stale(_) | Outcome::Rejected(_) => Some(Self::NotDone { why: why() }),
            Outcome::Indeterminate(_) => None,
        }
    }

    fn outcome(&self, system: &SystemName) -> Outcome {
        let error = |why: &str| {
            ProviderError::new(ErrorKind::Invalid, system.to_string(), "as an earlier run saw it")
                .message(why)
        };
        match self {
            Self::Done { object } => Outcome::Done(object.clone()),
            Self::Partial { object, why } => Outcome::Partial(object.clone(), error(why)),
            Self::Deleted => Outcome::Deleted,
            Self::NotDone { why } => Outcome::Rejected(Refusal { error: error(why) }),
        }
    }
}

impl Journal {
    pub fn encode(&self) -> Vec<u8> {
        // Text, numbers and lists of them: nothing that could not be written.
        (canonical_text(self).unwrap_or_default() + "\n").into_bytes()
    }

    /// `place` is where it was found, for the errors.
    pub fn decode(place: &str, bytes: &[u8]) -> Result<Self, StateError> {
        let corrupt = |why: String| StateError::Corrupt { place: place.to_owned(), why };
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|error| corrupt(format!("it is not JSON: {error}")))?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(JOURNAL_FORMAT) => {}
            Some(found) => {
                return Err(StateError::Unsupported {
                    place: place.to_owned(),
                    found,
                    known: JOURNAL_FORMAT,
                });
            }
            None => return Err(corrupt("it does not say which format it has".into())),
        }
        serde_json::from_value(value).map_err(|error| corrupt(error.to_string()))
    }

    /// Merges what concerns a shard: operations of this run that still wait for their outcome there. How many.
    pub fn merge(
        &self,
        shard: &mut Shard,
        managed: &dyn Fn(&JournalEntry, &LiveObject, &Packed) -> Packed,
    ) -> Result<usize, ShardError> {
        let mut merged = 0;
        for entry in &self.entries {
            let waits = shard.pending.get(&entry.id).is_some_and(|intent| intent.run == self.run);
            if waits {
                let managed = |live: &LiveObject, like: &Packed| managed(entry, live, like);
                shard.complete(&entry.id, &entry.known.outcome(&entry.system), &managed)?;
                merged += 1;
            }
        }
        Ok(merged)
    }
}

impl StateStore {
    /// Keeps a journal. A run has one.
    pub async fn keep_journal(&self, journal: &Journal) -> Result<(), StateError> {
        let key = DocumentKey::new(DocumentKind::Recovery, &journal.environment, &journal.run);
        match self.create_document(&key, &journal.encode()).await? {
            Created::Yes => Ok(()),
            Created::Exists => Err(StateError::Fenced {
                place: self.blobs.place(&format!("_recovery/{}/{}", journal.environment, journal.run)),
                why: "the journal of this run is there already".into(),
            }),
        }
    }

    /// The journal of a run; `None`: it has none.
    pub async fn journal(&self, environment: &str, run: &str) -> Result<Option<Journal>, StateError> {
        let key = DocumentKey::new(DocumentKind::Recovery, environment, run);
        let place = self.blobs.place(&format!("_recovery/{environment}/{run}"));
        self.document(&key).await?.map(|bytes| Journal::decode(&place, &bytes)).transpose()
    }
}
