//! Carries out one step on one entity.

use super::document::Document;
use super::store::{Store, WriteLock};
use crate::entity::{STEP_CREATE, STEP_DELETE, STEP_UPDATE};
use crate::tree;
use datamesh_provider::{Attributes, ErrorKind, OpAction, Operation, Outcome, ProviderError, Refusal};

/// One step. Everything before the write is a refusal; a write that fails is one too, since a document is
/// renamed into place whole or not at all.
pub(super) fn apply(store: &Store, lock: &WriteLock, op: &Operation, nonce: &str) -> Outcome {
    step(store, lock, op, nonce).unwrap_or_else(|error| Outcome::Rejected(Refusal { error }))
}

fn step(store: &Store, lock: &WriteLock, op: &Operation, nonce: &str) -> Result<Outcome, ProviderError> {
    let found = store.read(&op.ty, &op.object)?;
    let planned = op.planned.as_deref().cloned().unwrap_or_default();
    let document = match (op.action, op.step.as_str(), found) {
        (OpAction::Create, STEP_CREATE, Some(found)) => return Ok(Outcome::Stale(Some(found.live()))),
        (OpAction::Create, STEP_CREATE, None) => Document {
            ty: op.ty.clone(),
            id: op.object.clone(),
            incarnation: Some(nonce.to_owned()),
            owner: Some(op.owner.clone()),
            attributes: planned,
            edited: false,
        },
        (OpAction::Update, STEP_UPDATE, None) => return Ok(Outcome::Stale(None)),
        (OpAction::Update, STEP_UPDATE, Some(found)) => {
            let done = tree::changes(op.prior.as_deref(), &found.live().attributes, &planned).is_empty();
            if another(op, &found) || (!done && moved(op, &found)) {
                return Ok(Outcome::Stale(Some(found.live())));
            }
            let attributes = tree::merge(op.prior.as_deref(), &found.attributes, &planned);
            Document { attributes, owner: Some(op.owner.clone()), edited: false, ..found }
        }
        (OpAction::Delete, STEP_DELETE, None) => return Ok(Outcome::Deleted),
        (OpAction::Delete, STEP_DELETE, Some(found)) => {
            if another(op, &found) || moved(op, &found) {
                return Ok(Outcome::Stale(Some(found.live())));
            }
            store.delete(lock, &op.ty, &op.object)?;
            return Ok(Outcome::Deleted);
        }
        (action, step, _) => {
            let why = format!("the step `{step}` is none of a {action:?} of this type");
            return Err(store.error(ErrorKind::Invalid, "carry out a step").message(why));
        }
    };
    store.write(lock, &document, nonce)?;
    Ok(Outcome::Done(document.live()))
}

/// Whether what is there is a later document than the plan saw.
fn another(op: &Operation, found: &Document) -> bool {
    op.incarnation.is_some() && op.incarnation != found.incarnation
}

/// Whether somebody changed it since. Compared is what the operation is about; the plan may have recorded no more
/// of what it saw.
fn moved(op: &Operation, found: &Document) -> bool {
    let Some(seen) = &op.live else { return false };
    let like = op.planned.as_ref().or(op.prior.as_ref()).unwrap_or(seen);
    let narrowed = |attributes: &Attributes| {
        let mut narrow = tree::managed(attributes, like);
        tree::tidy(&mut narrow);
        narrow
    };
    narrowed(seen) != narrowed(&found.live().attributes)
}
