//! What became of an operation that was cut off, judged by what is there now.
//!
//! Only the holder of the lock recovers, and only after the provider's `settle` bound: before that, "absent" proves
//! nothing.

use crate::format::{Intent, Shard};
use crate::shard::ShardError;
use crate::shared::SharedRecord;
use datamesh_provider::{Attributes, LiveObject, OpAction, OperationId, Packed};
use serde_json::Value;

/// The verdict on one intent.
#[derive(Clone, Debug, PartialEq)]
pub enum Recovery {
    /// It is not there: the call had no effect. The plan makes it again.
    NotCreated,
    /// It is there and is what was planned, or what the steps so far make: it is ours.
    Created(LiveObject),
    /// Something of that name is there that differs from the plan in these attributes: a person has to decide.
    Conflict { live: LiveObject, differs: Vec<String> },
    /// It is ours and there. The plan goes on from what its attributes now are.
    Updated { live: LiveObject, prior: Packed },
    /// It was ours and is gone: deleted by somebody else.
    DeletedOutside,
    /// The deletion happened.
    Deleted,
    /// The deletion did not happen. The plan makes it again.
    NotDeleted,
    /// Another object has its name now: not ours, not touched.
    ReplacedOutside(LiveObject),
}

/// `live`: what a read answers now; `None` only when the system said that it does not exist.
/// `managed`: the part of a live object that some attributes speak of, normalised.
pub fn recover(
    intent: &Intent,
    live: Option<&LiveObject>,
    managed: &dyn Fn(&LiveObject, &Packed) -> Packed,
) -> Recovery {
    let replaced = |live: &LiveObject| matches!((&intent.incarnation, &live.incarnation), (Some(ours), Some(theirs)) if ours != theirs);
    let nothing = Packed::default();
    let planned = intent.planned.as_ref().unwrap_or(&nothing);
    match (intent.action, live) {
        (OpAction::Create, None) => Recovery::NotCreated,
        (OpAction::Create, Some(live)) => {
            let differs = differences(&managed(live, planned), planned, intent.remaining.is_empty());
            if differs.is_empty() {
                Recovery::Created(live.clone())
            } else {
                Recovery::Conflict { live: live.clone(), differs }
            }
        }
        (OpAction::Update, None) => Recovery::DeletedOutside,
        (OpAction::Delete, None) => Recovery::Deleted,
        (_, Some(live)) if replaced(live) => Recovery::ReplacedOutside(live.clone()),
        (OpAction::Update, Some(live)) => {
            let declared = intent.becomes.as_ref().map_or(planned, |becomes| &becomes.declared);
            let mut prior = managed(live, declared);
            let before = intent.before.as_ref().unwrap_or(&nothing);
            // What we had stays known as ours, so that what the change withdraws is withdrawn in the end.
            merge(&mut prior, &managed(live, before));
            Recovery::Updated { live: live.clone(), prior }
        }
        (OpAction::Delete, Some(_)) => Recovery::NotDeleted,
    }
}

/// The attributes that are not as planned. Where steps were still to come, an absent one is no difference.
fn differences(live: &Attributes, planned: &Attributes, complete: bool) -> Vec<String> {
    let differs = |key: &&String| match live.get(*key) {
        None => complete,
        Some(value) => Some(value) != planned.get(*key),
    };
    planned.keys().filter(differs).cloned().collect()
}

fn merge(base: &mut Attributes, top: &Attributes) {
    for (key, value) in top {
        match (base.get_mut(key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

impl Shard {
    /// The verdict on an intent of this shard. A later step of a creation is about what is recorded as ours
    /// already: what it lacks is no conflict, but what is still to be done.
    pub fn judge(
        &self,
        intent: &Intent,
        live: Option<&LiveObject>,
        managed: &dyn Fn(&LiveObject, &Packed) -> Packed,
    ) -> Recovery {
        let begun = self.resources.get(&intent.address).is_some_and(|record| !record.unfinished.is_empty());
        match recover(intent, live, managed) {
            Recovery::Conflict { .. } if begun => Recovery::NotCreated,
            verdict => verdict,
        }
    }

    /// Stores a verdict. A [`Recovery::Conflict`] leaves the intent pending: it is for a person. What a deletion
    /// left to others ([`Recovery::ReplacedOutside`]) is forgotten.
    pub fn apply_recovery(
        &mut self,
        id: &OperationId,
        verdict: &Recovery,
        managed: &dyn Fn(&LiveObject, &Packed) -> Packed,
    ) -> Result<(), ShardError> {
        let Some(intent) = self.pending.get(id).cloned() else {
            return Err(ShardError::NotPending { id: id.0.clone() });
        };
        match verdict {
            Recovery::Conflict { .. } => return Ok(()),
            Recovery::NotCreated => {}
            // An early step of it may be done.
            Recovery::NotDeleted => self.touch(id, &intent.address),
            // The record stays: the plan sees that its object is gone, or another, and says so.
            Recovery::DeletedOutside => {}
            Recovery::ReplacedOutside(_) if intent.action == OpAction::Update => {}
            Recovery::Created(live) => self.record(id, &intent, live, managed)?,
            Recovery::Updated { live, prior } => {
                if let Some(record) = self.resources.get_mut(&intent.address).map(SharedRecord::make_mut) {
                    record.attributes = prior.clone();
                    record.computed = live.computed.clone();
                    record.generation += 1;
                    // Done or not, what is recorded now is what this operation left.
                    record.last_op = Some(id.clone());
                }
            }
            Recovery::Deleted | Recovery::ReplacedOutside(_) => {
                self.resources.remove(&intent.address);
            }
        }
        self.pending.remove(id);
        Ok(())
    }
}
