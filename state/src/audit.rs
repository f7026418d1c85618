//! Audit records: who did what, when and why. Each names the one before it and its digest, so that a record that was
//! changed or taken away is noticed.
//!
//! A run leaves two: what it is about to do, before its first effect, and what became of it. A run that was killed
//! has no second one until the run that settles its operations writes it.

use crate::StateError;
use crate::document::{Created, DocumentKey, DocumentKind};
use crate::store::StateStore;
use datamesh_provider::{Address, OpAction, OperationId, canonical_text, digest};
use futures::{StreamExt as _, TryStreamExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The format this version reads and writes.
pub const AUDIT_FORMAT: u64 = 1;
/// Runs that began within this time may not have seen each other.
const AT_ONCE: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
/// Reads under way at once.
const READS: usize = 16;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditRecord {
    pub format: u64,
    pub environment: String,
    /// Of the run it is about.
    pub run: String,
    pub at: jiff::Timestamp,
    /// The record before this one; `None`: the first of its environment.
    pub previous: Option<Link>,
    pub entry: Entry,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// A run is about to change something.
    Begun(Begun),
    /// What became of it.
    Ended(Ended),
    /// The state was edited, or a lock taken away.
    Edited(Edited),
}

/// Another record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    pub name: String,
    pub digest: String,
}

/// Who, from where, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    pub name: String,
    /// Whether somebody vouches for the name. What a job or a shell says of itself nobody vouches for.
    pub verified: bool,
    pub host: String,
    /// The commit of the manifests.
    pub commit: Option<String>,
    /// The pull request or merge request, where the job says so.
    pub change_request: Option<String>,
    /// The address of the job.
    pub job: Option<String>,
    pub reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// `apply`, `apply --reviewed NAME` or `destroy`.
    pub operation: String,
    pub actor: Actor,
    pub tool_version: String,
    pub plan: String,
    pub inputs_digest: String,
    /// Every operation that is to be carried out.
    pub operations: Vec<Step>,
    /// What changes in the state alone, by address.
    pub bookkeeping: BTreeMap<Address, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub id: OperationId,
    pub address: Address,
    pub action: OpAction,
    pub step: String,
}

/// How a run went, as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    /// All of it is done.
    Complete,
    /// Some of it is not.
    Partial,
    /// Of some of it nobody knows yet.
    Unknown,
    /// It was stopped by a signal.
    Interrupted,
    /// It was killed; another run settled what it left.
    Killed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    pub result: RunResult,
    /// The run that settled what this one left; `None`: it ended by itself.
    pub settled_by: Option<String>,
    pub outcomes: Vec<StepOutcome>,
    /// Shards that could not be written any more, in words.
    pub state_errors: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepOutcome {
    pub id: OperationId,
    /// `done`, `failed`, `unknown`, `not_started`, or what a recovery found.
    pub outcome: String,
    pub why: Option<String>,
    /// When it ended.
    pub at: Option<jiff::Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edited {
    /// The command: `force-unlock`, `state mv`.
    pub operation: String,
    pub actor: Actor,
    /// What it was about, in words.
    pub what: Vec<String>,
}

/// A record under its name, with the digest of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    pub name: String,
    pub digest: String,
    pub record: AuditRecord,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub name: String,
    pub what: String,
}

/// What is on record, as whoever is about to file more found it.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// The names of all records, oldest first.
    pub names: Vec<String>,
    /// What the next record names as the one before it.
    newest: Option<Link>,
}

impl StateStore {
    /// What is on record by now.
    pub async fn trail(&self, environment: &str) -> Result<Trail, StateError> {
        let names = self.documents(DocumentKind::Run, environment).await?;
        let newest = match names.last() {
            Some(newest) => self.link(environment, newest).await?,
            None => None,
        };
        Ok(Trail { names, newest })
    }

    /// Writes a record behind the newest one of a trail, which it is then.
    pub async fn file_record(
        &self,
        trail: &mut Trail,
        name: &str,
        environment: &str,
        run: &str,
        at: jiff::Timestamp,
        entry: Entry,
    ) -> Result<(), StateError> {
        let (environment, run, previous) = (environment.to_owned(), run.to_owned(), trail.newest.clone());
        let key = DocumentKey::new(DocumentKind::Run, environment.clone(), name);
        let record = AuditRecord { format: AUDIT_FORMAT, environment, run, at, previous, entry };
        let bytes = encode(&record);
        // Names of runs do not repeat: where there is one, somebody else wrote what became of this run.
        trail.newest = match self.create_document(&key, &bytes).await? {
            Created::Yes => Some(Link { digest: digest(&bytes), name: name.to_owned() }),
            Created::Exists => self.link(&record.environment, name).await?,
        };
        trail.names.push(name.to_owned());
        Ok(())
    }

    async fn link(&self, environment: &str, name: &str) -> Result<Option<Link>, StateError> {
        let key = DocumentKey::new(DocumentKind::Run, environment, name);
        let bytes = self.document(&key).await?;
        Ok(bytes.map(|bytes| Link { digest: digest(&bytes), name: name.to_owned() }))
    }

    /// One record; `None`: there is none of that name.
    pub async fn record(&self, environment: &str, name: &str) -> Result<Option<Filed>, StateError> {
        let key = DocumentKey::new(DocumentKind::Run, environment, name);
        self.document(&key).await?.map(|bytes| decode(name.to_owned(), &bytes)).transpose()
    }

    /// Every record of an environment, oldest first.
    pub async fn records(&self, environment: &str) -> Result<Vec<Filed>, StateError> {
        let names = self.documents(DocumentKind::Run, environment).await?;
        let read = |name: String| async move { self.record(environment, &name).await };
        let all = futures::stream::iter(names).map(read).buffered(READS);
        all.try_filter_map(|filed| async move { Ok(filed) }).try_collect().await
    }
}

fn encode(record: &AuditRecord) -> Vec<u8> {
    // Records hold text, numbers and lists of them: nothing that could not be written.
    (canonical_text(record).unwrap_or_default() + "\n").into_bytes()
}

fn decode(name: String, bytes: &[u8]) -> Result<Filed, StateError> {
    let place = format!("the audit record {name}");
    let corrupt = |why: String| StateError::Corrupt { place: place.clone(), why };
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|error| corrupt(error.to_string()))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(AUDIT_FORMAT) => {}
        Some(found) => return Err(StateError::Unsupported { place, found, known: AUDIT_FORMAT }),
        None => return Err(corrupt("it does not say which format it has".into())),
    }
    let record = serde_json::from_value(value).map_err(|error| corrupt(error.to_string()))?;
    Ok(Filed { name, digest: digest(bytes), record })
}

/// Holds the records against each other: everything that was changed, is missing, or never ended.
pub fn verify(records: &[Filed]) -> Vec<Finding> {
    let by_name: BTreeMap<&str, &Filed> = records.iter().map(|filed| (filed.name.as_str(), filed)).collect();
    let mut found = Vec::new();
    let mut say = |name: &str, what: String| found.push(Finding { name: name.to_owned(), what });
    let first = records.iter().map(|filed| filed.record.at).min();
    for filed in records {
        match &filed.record.previous {
            // Several runs may have been the first at the same moment.
            None if first.is_none_or(|first| filed.record.at.duration_since(first) <= AT_ONCE) => {}
            None => say(&filed.name, "it names none before it, although there are some".to_owned()),
            Some(link) => match by_name.get(link.name.as_str()) {
                None => say(&filed.name, format!("the record before it, {}, is gone", link.name)),
                Some(before) if before.digest != link.digest => {
                    say(&link.name, format!("it was changed after {} was written", filed.name));
                }
                Some(_) => {}
            },
        }
    }
    let runs = |wanted: fn(&Entry) -> bool| -> BTreeSet<&str> {
        records.iter().filter(|f| wanted(&f.record.entry)).map(|f| f.record.run.as_str()).collect()
    };
    let begun = runs(|entry| matches!(entry, Entry::Begun(_)));
    let ended = runs(|entry| matches!(entry, Entry::Ended(_)));
    for run in ended.difference(&begun) {
        say(run, "it ended, and the record of its beginning is gone".to_owned());
    }
    found
}

/// The runs that began, and of which nobody says how they ended: under way, killed, or their record is gone.
pub fn open_runs(records: &[Filed]) -> Vec<&str> {
    let ended: BTreeSet<&str> = records
        .iter()
        .filter(|filed| matches!(filed.record.entry, Entry::Ended(_)))
        .map(|filed| filed.record.run.as_str())
        .collect();
    let begun = records.iter().filter(|filed| matches!(filed.record.entry, Entry::Begun(_)));
    begun.map(|filed| filed.record.run.as_str()).filter(|run| !ended.contains(run)).collect()
}
