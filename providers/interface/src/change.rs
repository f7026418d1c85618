//! What a provider's pure `diff` says about one object.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How much a change can hurt.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    #[default]
    Safe,
    ConsumerBreaking,
    DataLoss,
}

/// How a difference is brought about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Disposition {
    /// Live already is what is desired.
    #[default]
    NoOp,
    /// The system can change the object where it is.
    InPlace,
    /// Only deleting and creating again gets there; never silent.
    Replace { reason: String },
}

/// The value an attribute will have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Planned {
    Value(Value),
    /// The attribute goes back to the system's own default.
    Unset,
    /// Only the system can tell, after the apply.
    KnownAfterApply,
    /// There, but not to be shown.
    Sensitive,
}

/// One attribute that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributeChange {
    pub path: Vec<String>,
    /// `None`: not set so far.
    pub before: Option<Value>,
    pub after: Planned,
    pub class: Class,
    /// Why, in words, where it is not plain: "retention shrinks: records older than 7 days are discarded".
    pub reason: Option<String>,
}

impl AttributeChange {
    pub fn new(path: &[&str], before: Option<Value>, after: Planned) -> Self {
        let path = path.iter().map(|s| (*s).to_owned()).collect();
        Self { path, before, after, class: Class::Safe, reason: None }
    }

    #[must_use]
    pub fn class(mut self, class: Class, reason: impl Into<String>) -> Self {
        self.class = class;
        self.reason = Some(reason.into());
        self
    }
}

/// The verdict of a diff. What is forbidden is an error diagnostic beside it, with the reason and the way out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChangeSpec {
    pub disposition: Disposition,
    pub changes: Vec<AttributeChange>,
    /// The remote side effects in order, one each: a topic update is `partitions`, then `config`.
    /// Empty for a no-op. For a create or a delete, usually just `create` or `delete`.
    pub steps: Vec<String>,
    /// Remarks for the reader, such as "2 columns not ours".
    pub notes: Vec<String>,
}

impl ChangeSpec {
    pub fn no_op() -> Self {
        Self::default()
    }

    pub fn in_place(changes: Vec<AttributeChange>, steps: &[&str]) -> Self {
        let steps = steps.iter().map(|s| (*s).to_owned()).collect();
        Self { disposition: Disposition::InPlace, changes, steps, notes: Vec::new() }
    }

    pub fn is_no_op(&self) -> bool {
        self.disposition == Disposition::NoOp
    }

    /// The worst class of any attribute.
    pub fn class(&self) -> Class {
        self.changes.iter().map(|c| c.class).max().unwrap_or_default()
    }
}

/// What a diff looks at. Three-way: `prior` (what we last applied) separates "removed from the manifest" from
/// "a default that was never ours".
#[derive(Debug)]
pub enum View<'a, A> {
    /// Nothing is there. `desired` has the creation defaults filled in.
    Create { desired: &'a A },
    /// Something is there that we never applied.
    Adopt { live: &'a A, desired: &'a A },
    /// Ours, and there. With `desired` = `prior` the answer is the drift.
    Update { prior: &'a A, live: &'a A, desired: &'a A },
    /// Ours, there, and no longer wanted.
    Remove { prior: &'a A, live: &'a A },
    /// Ours, but gone behind our back. `desired`, if still wanted, has the creation defaults filled in.
    Gone { prior: &'a A, desired: Option<&'a A> },
}

impl<A> Clone for View<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for View<'_, A> {}
