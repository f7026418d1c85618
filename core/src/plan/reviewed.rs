//! A plan of now, held against one that was reviewed.

use super::types::{Action, Plan, ResourceChange};
use datamesh_provider::AttributeChange;

/// A change that is planned now, and was not reviewed as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unreviewed<'a> {
    pub now: &'a ResourceChange,
    /// What was reviewed of the same resource; `None`: nothing.
    pub reviewed: Option<&'a ResourceChange>,
}

/// What a plan does, or writes into the state, that is not what was reviewed. That it does less is nothing to object
/// to.
pub fn unreviewed<'a>(reviewed: &'a Plan, now: &'a Plan) -> Vec<Unreviewed<'a>> {
    let seen = |address| reviewed.change(address).filter(|change| change.is_work());
    let all = now.work().map(|now| Unreviewed { now, reviewed: seen(&now.address) });
    all.filter(|one| one.reviewed.is_none_or(|reviewed| effect(reviewed) != effect(one.now))).collect()
}

/// The reviewed changes that are not planned any more: others made them, or nobody wants them now.
pub fn no_longer_planned<'a>(reviewed: &'a Plan, now: &Plan) -> Vec<&'a ResourceChange> {
    reviewed
        .work()
        .filter(|change| !now.change(&change.address).is_some_and(ResourceChange::is_work))
        .collect()
}

/// What a change does: without what only explains it, and without how often the record was written before.
fn effect(change: &ResourceChange) -> ResourceChange {
    let ends = matches!(change.action, Action::Delete | Action::Replace);
    let without_words = |attribute: &AttributeChange| AttributeChange { reason: None, ..attribute.clone() };
    ResourceChange {
        attributes: change.attributes.iter().map(without_words).collect(),
        reason: String::new(),
        notes: Vec::new(),
        unchanged: 0,
        generation: 0,
        prior: None,
        // What is taken away is part of what was reviewed.
        live: change.live.clone().filter(|_| ends),
        ..change.clone()
    }
}
