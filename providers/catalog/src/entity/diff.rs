//! What it takes to get an entity from live to desired: always in place, never harmful.

use super::normalize::encode;
use super::{STEP_CREATE, STEP_DELETE, STEP_UPDATE};
use crate::tree;
use datamesh_provider::{AttributeChange, Attributes, ChangeSpec, View};
use serde::Serialize;

pub(super) fn diff<A: Serialize>(view: View<'_, A>) -> ChangeSpec {
    match view {
        View::Create { desired } | View::Gone { desired: Some(desired), .. } => {
            ChangeSpec::in_place(changes(None, &Attributes::new(), desired), &[STEP_CREATE])
        }
        View::Gone { desired: None, .. } => ChangeSpec::no_op(),
        View::Remove { .. } => ChangeSpec::in_place(Vec::new(), &[STEP_DELETE]),
        View::Adopt { live, desired } => update(changes(None, &encode(live), desired)),
        View::Update { prior, live, desired } => update(changes(Some(prior), &encode(live), desired)),
    }
}

fn changes<A: Serialize>(prior: Option<&A>, live: &Attributes, desired: &A) -> Vec<AttributeChange> {
    tree::changes(prior.map(encode).as_ref(), live, &encode(desired))
}

fn update(changes: Vec<AttributeChange>) -> ChangeSpec {
    if changes.is_empty() { ChangeSpec::no_op() } else { ChangeSpec::in_place(changes, &[STEP_UPDATE]) }
}
