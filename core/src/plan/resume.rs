//! What is left of a change that a saved plan was begun with, compared with what was reviewed.

use super::types::{Action, Drift, ResourceChange};
use datamesh_provider::{AttributeChange, Attributes, Planned};
use serde_json::Value;

/// Whether a change that was decided now is the reviewed one: all that is carried out or recorded is equal.
pub fn is_the_same(reviewed: &ResourceChange, now: &ResourceChange) -> bool {
    let plain = |change: &ResourceChange| ResourceChange {
        // Words and counts may speak of what is not managed.
        reason: String::new(),
        notes: Vec::new(),
        unchanged: 0,
        ..change.clone()
    };
    plain(reviewed) == plain(now)
}

/// Whether what is left to do about a resource, decided now, is a part of the reviewed change, and what is done is as
/// it left it. `Err` says in words what is another.
pub fn continues(
    reviewed: &ResourceChange,
    now: Option<&ResourceChange>,
    drift: Option<&Drift>,
) -> Result<(), String> {
    let ends = matches!(reviewed.action, Action::Delete | Action::Forget);
    let Some(now) = now else {
        return if ends { Ok(()) } else { Err("nothing can be decided about it now".to_owned()) };
    };
    if ends {
        if now.action != reviewed.action || !is_part(&now.steps, &reviewed.steps) {
            return Err(format!("it is {} now", now.action.words()));
        }
        return match (&now.live, &reviewed.live) {
            (Some(now), Some(then)) if !is_left_of(now, then) => {
                Err("it was changed outside since".to_owned())
            }
            _ => Ok(()),
        };
    }
    let fits = match now.action {
        Action::NoOp => true,
        Action::Update => now.planned == reviewed.planned && is_part(&now.steps, &reviewed.steps),
        _ => return Err(format!("it is {} now", now.action.words())),
    };
    let as_reviewed = |left: &AttributeChange| reviewed.attributes.iter().any(|seen| seen.is_like(left));
    if !fits || now.declared != reviewed.declared || !now.attributes.iter().all(as_reviewed) {
        return Err("what is left to do is more than, or other than, what was reviewed".to_owned());
    }
    if drift.is_some_and(|drift| !is_our_work(reviewed, drift)) {
        return Err("it was changed outside since".to_owned());
    }
    Ok(())
}

fn is_part(steps: &[String], of: &[String]) -> bool {
    steps.iter().all(|step| of.contains(step))
}

/// Whether attributes are what they were, as far as they are there: an early step of a deletion takes some away.
fn is_left_of(now: &Attributes, then: &Attributes) -> bool {
    now.iter().all(|(key, value)| match (value, then.get(key)) {
        (Value::Object(now), Some(Value::Object(then))) => is_left_of(now, then),
        (now, then) => Some(now) == then,
    })
}

/// Between two steps the record still says what was applied before: what differs live is then what was planned.
fn is_our_work(reviewed: &ResourceChange, drift: &Drift) -> bool {
    !drift.deleted
        && drift.attributes.iter().all(|found| {
            let planned = reviewed.attributes.iter().find(|planned| planned.path == found.path);
            planned.is_some_and(|planned| planned.after == found.after)
        })
}

/// The same attribute, from and to the same value.
trait Like {
    fn is_like(&self, other: &Self) -> bool;
}

impl Like for AttributeChange {
    fn is_like(&self, other: &Self) -> bool {
        let from = self.before == other.before || self.before.is_none();
        let to = self.after == other.after || matches!(self.after, Planned::KnownAfterApply);
        self.path == other.path && from && to
    }
}

impl Action {
    /// As in "it is … now".
    fn words(self) -> &'static str {
        match self {
            Self::Create => "to be created",
            Self::Update => "to be updated",
            Self::Replace => "to be replaced",
            Self::Delete => "to be deleted",
            Self::Adopt => "to be taken over",
            Self::Forget => "to be forgotten",
            Self::Hold => "held",
            Self::NoOp => "as it is declared",
        }
    }
}
