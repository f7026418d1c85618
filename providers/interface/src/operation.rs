//! Operations: the steps of a change, each with at most one remote side effect, and how they can end.

use crate::address::{Address, SystemName, TypeName};
use crate::canonical::digest_json;
use crate::diagnostic::Diagnostics;
use crate::error::ProviderError;
use crate::object::{LiveObject, ObjectId};
use crate::packed::Packed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What an operation does to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpAction {
    Create,
    Update,
    Delete,
}

/// `hash(plan, address, action, step)`: the same plan gives the same ids again, so that a repeated apply knows
/// what it has done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct OperationId(pub String);

impl OperationId {
    pub fn derive(plan: &str, address: &Address, action: OpAction, step: &str) -> Self {
        Self(digest_json(&json!([plan, address, action, step])))
    }
}

/// One step of one change, ready to be carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    pub id: OperationId,
    pub address: Address,
    pub ty: TypeName,
    pub system: SystemName,
    pub object: ObjectId,
    pub action: OpAction,
    /// Which step of the change: one of the names the diff gave.
    pub step: String,
    /// What we last applied; `None` for a create and an adoption.
    pub prior: Option<Packed>,
    /// What the plan saw live.
    pub live: Option<Packed>,
    /// What the object shall be when the whole change is done, normalised, creation defaults filled in for a
    /// create. `None` for a delete.
    pub planned: Option<Packed>,
    /// The incarnation the plan saw: another one live is [`Outcome::Stale`].
    pub incarnation: Option<String>,
    /// What to write as `datamesh.owner` where the system can hold it: `<lineage>/<address>`.
    pub owner: String,
}

/// A refusal that provably had no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub error: ProviderError,
}

/// Why nobody knows whether a call had its effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// Sent, but not answered in time or the connection broke.
    NoAnswer(ProviderError),
    /// The run was stopped while the call was under way.
    Stopped,
    /// The provider ended or panicked without saying.
    Unreported,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Done, and visible (or the wait for visibility was cut short by a stop). The object as it now is.
    Done(LiveObject),
    Deleted,
    /// The world is not what the plan saw; nothing was done. What is there instead, if anything.
    Stale(Option<LiveObject>),
    /// The system refused, provably without effect. A timeout cannot be one.
    Rejected(Refusal),
    /// Some of it happened. What is there now, and what failed.
    Partial(LiveObject, ProviderError),
    /// Nobody knows yet. Never reported as success or failure.
    Indeterminate(Interruption),
}

impl Outcome {
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Deleted)
    }

    /// What its system said, where it said something.
    pub fn error(&self) -> Option<&ProviderError> {
        match self {
            Self::Rejected(refusal) => Some(&refusal.error),
            Self::Partial(_, error) | Self::Indeterminate(Interruption::NoAnswer(error)) => Some(error),
            Self::Done(_) | Self::Deleted | Self::Stale(_) | Self::Indeterminate(_) => None,
        }
    }

    /// What went wrong, in words; `None`: nothing did.
    pub fn why(&self) -> Option<String> {
        match self {
            Self::Done(_) | Self::Deleted => None,
            Self::Stale(Some(_)) => Some("it is not what the plan saw; nothing was done".to_owned()),
            Self::Stale(None) => Some("it is gone; nothing was done".to_owned()),
            Self::Rejected(refusal) => Some(refusal.error.to_string()),
            Self::Partial(_, error) => Some(format!("only a part was done: {error}")),
            Self::Indeterminate(Interruption::NoAnswer(error)) => Some(format!("no answer: {error}")),
            Self::Indeterminate(Interruption::Stopped) => Some("stopped while it was under way".to_owned()),
            Self::Indeterminate(Interruption::Unreported) => Some("its outcome was not reported".to_owned()),
        }
    }
}

/// The outcome of one operation of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct OpOutcome {
    pub id: OperationId,
    pub outcome: Outcome,
}

/// What `check` found about one operation, or about one attribute of it.
#[derive(Clone, Debug, PartialEq)]
pub struct OpDiagnostics {
    pub id: OperationId,
    /// The attribute, as a path into the planned ones, so that its place in a manifest is found; empty: the whole.
    pub about: Vec<String>,
    pub diagnostics: Diagnostics,
}
