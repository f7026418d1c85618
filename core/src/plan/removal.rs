//! What to do about recorded resources that no manifest declares. Absence is not deletion.

use super::codes;
use super::decide::{Decision, other_incarnation};
use super::index::{Index, LiveSide, PriorSide, Sides};
use super::types::{Action, Mode, Origin, PlanOptions, ResourceChange};
use crate::manifest::model::OnRemove;
use datamesh_provider::{Address, Class, Diagnostic, SpanMap, View};
use std::collections::BTreeSet;

/// Who else would miss a resource.
#[derive(Debug)]
pub(crate) struct Survivors<'a> {
    /// Recorded or declared resources that stay and depend on it.
    pub(crate) dependents: Vec<&'a Address>,
    /// A manifest that claims the same physical object under another address, or a record that shares it.
    pub(crate) claimed_by: Option<&'a Address>,
    /// What it gives access to, where that is held: whoever uses the data goes on using it.
    pub(crate) kept_with: Option<&'a Address>,
}

/// What shall happen to a resource that vanished, and who decided.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Destroy(String),
    Forget(String),
    Hold(String),
}

/// Decides about a recorded resource that is not declared (or is to be destroyed).
pub(crate) fn undeclared(
    index: &Index<'_>,
    sides: &Sides<'_>,
    prior: &PriorSide<'_>,
    survivors: &Survivors<'_>,
    options: &PlanOptions,
) -> Decision {
    if let LiveSide::Unreadable(why) = sides.live {
        return Decision { unreadable: Some(why.to_owned()), ..Decision::default() };
    }
    let fate = fate(index, sides, prior, options);
    let change = |action, reason: String| base(prior, action, reason);
    let decision = |change: ResourceChange| Decision { change: Some(change), ..Decision::default() };
    if let Some(claimant) = survivors.claimed_by {
        return decision(change(
            Action::Forget,
            format!("{claimant} has the same object: it is only forgotten here"),
        ));
    }
    if let (Fate::Destroy(reason), Some(kept)) = (&fate, survivors.kept_with) {
        return decision(change(Action::Hold, format!("{reason}; kept with {kept}, which is held")));
    }
    match (fate, &sides.live) {
        (Fate::Hold(reason), _) => {
            let mut held = change(Action::Hold, reason);
            held.notes.push(way_out(sides.address));
            decision(held)
        }
        (Fate::Forget(reason), _) => decision(change(Action::Forget, reason)),
        // Not read is not gone: only the system's own "does not exist" is.
        (Fate::Destroy(_), LiveSide::Unknown) => {
            Decision { unreadable: Some("it was not read".to_owned()), ..Decision::default() }
        }
        (Fate::Destroy(_), LiveSide::Absent) => {
            decision(change(Action::Forget, "gone already: only forgotten".to_owned()))
        }
        (Fate::Destroy(_), LiveSide::Present(object)) if other_incarnation(prior.record, object) => {
            let reason =
                "replaced outside: what is there now is not ours, so it is only forgotten".to_owned();
            decision(change(Action::Forget, reason))
        }
        (Fate::Destroy(reason), LiveSide::Present(object)) => {
            let attributes = &object.attributes;
            if let Some(kept) = kept_for_others(sides, prior, survivors, options) {
                return kept;
            }
            let mut delete = change(Action::Delete, reason);
            delete.live = sides.ty.managed(attributes, &prior.attributes).ok();
            delete.incarnation = object.incarnation.clone().or(delete.incarnation);
            delete.class = if sides.ty.schema().data_bearing { Class::DataLoss } else { Class::Safe };
            let view = View::Remove { prior: &prior.known(), live: attributes };
            let mut result = Decision::default();
            if let Ok((spec, diagnostics)) = sides.ty.diff(view, sides.facts, &SpanMap::default()) {
                delete.steps = spec.steps;
                delete.notes = spec.notes;
                result.diagnostics = diagnostics.scoped(&sides.address.owner());
            }
            result.change = Some(delete);
            result
        }
        (Fate::Destroy(_), LiveSide::Unreadable(why)) => {
            Decision { unreadable: Some((*why).to_owned()), ..Decision::default() }
        }
    }
}

/// Leaves the steps of a deletion out that come after something else is gone, since that stays.
pub(super) fn cut_short(change: &mut ResourceChange, first: usize, stays: &Address) {
    let left_out = change.steps.split_off(first).join(", ");
    if change.steps.is_empty() {
        change.action = Action::Forget;
        change.reason =
            format!("{left_out} is left out, since {stays} stays: what is left is only forgotten");
        return;
    }
    change.notes.push(format!("without {left_out}, since {stays} stays"));
}

/// A delete that must not happen: protected, or used by something that stays.
fn kept_for_others(
    sides: &Sides<'_>,
    prior: &PriorSide<'_>,
    survivors: &Survivors<'_>,
    options: &PlanOptions,
) -> Option<Decision> {
    let address = sides.address;
    let error = |code, detail: String, help: String| {
        let diagnostic = Diagnostic::error(code, detail).help(help).scoped(address.owner());
        Some(Decision { diagnostics: diagnostic.into(), ..Decision::default() })
    };
    if prior.record.prevent_destroy {
        let detail = format!(
            "{address} (`{}`) is to be deleted, but its manifest said `prevent_destroy`.",
            prior.record.id.as_str()
        );
        let help = "Bring the manifest back without `lifecycle.prevent_destroy`, apply, and then remove it."
            .to_owned();
        return error(codes::PREVENT_DESTROY, detail, help);
    }
    if survivors.dependents.is_empty() || options.allow_destroy.contains(address) {
        return None;
    }
    let names: Vec<String> = survivors.dependents.iter().map(ToString::to_string).collect();
    if sides.ty.uses_existing() {
        let mut held = base(prior, Action::Hold, format!("still used by {}", names.join(", ")));
        held.notes.push("It is deleted when nothing uses it any more.".to_owned());
        return Some(Decision { change: Some(held), ..Decision::default() });
    }
    let detail = format!("{address} is to be deleted, but is still used by {}.", names.join(", "));
    error(
        codes::STILL_USED,
        detail,
        format!("Remove what uses it first, or say `--allow-destroy {address}`."),
    )
}

/// The order of decisions: the command, `Removed`, what the manifest said when it was last applied, the
/// environment, `hold`.
fn fate(index: &Index<'_>, sides: &Sides<'_>, prior: &PriorSide<'_>, options: &PlanOptions) -> Fate {
    let record = prior.record;
    let adopted = record.origin == Origin::Adopted;
    if options.mode == Mode::Destroy {
        return match adopted {
            true => Fate::Forget("it was adopted, not created: forgotten, never deleted".to_owned()),
            false => Fate::Destroy("destroy was asked for".to_owned()),
        };
    }
    if let Some(destroy) = index.removal(sides.address) {
        return match (destroy, adopted) {
            (false, _) => Fate::Forget("a Removed document says to forget it".to_owned()),
            (true, true) => Fate::Forget("it was adopted, not created: forgotten, never deleted".to_owned()),
            (true, false) => Fate::Destroy("a Removed document says to destroy it".to_owned()),
        };
    }
    if let Some(why) = not_inferable(index, prior, options) {
        return Fate::Hold(why);
    }
    let data = sides.ty.schema().data_bearing;
    let gone = format!("no manifest declares it any more (it was in {})", record.source_path);
    match (record.on_remove, options.on_remove) {
        (Some(OnRemove::Destroy), _) => {
            Fate::Destroy(format!("{gone}, and its manifest said `on_remove: destroy`"))
        }
        (Some(OnRemove::Forget), _) => {
            Fate::Forget(format!("{gone}, and its manifest said `on_remove: forget`"))
        }
        (None, _) if adopted => {
            Fate::Forget(format!("{gone}; it was adopted, so it is forgotten, never deleted"))
        }
        (None, Some(OnRemove::Destroy)) => {
            Fate::Destroy(format!("{gone}, and the environment says `on_remove: destroy`"))
        }
        (None, Some(OnRemove::Forget)) => {
            Fate::Forget(format!("{gone}, and the environment says `on_remove: forget`"))
        }
        _ if !data => Fate::Destroy(format!("{gone}, and it holds no data")),
        _ => Fate::Hold(format!("{gone}; absence alone never deletes data")),
    }
}

/// Whether a recorded resource holds data and stays although no manifest declares it.
pub(crate) fn is_held(
    index: &Index<'_>,
    sides: &Sides<'_>,
    prior: &PriorSide<'_>,
    options: &PlanOptions,
) -> bool {
    sides.ty.schema().data_bearing && matches!(fate(index, sides, prior, options), Fate::Hold(_))
}

/// Why nothing may be concluded from this resource not being declared.
fn not_inferable(index: &Index<'_>, prior: &PriorSide<'_>, options: &PlanOptions) -> Option<String> {
    let path = &prior.record.source_path;
    if !options.scope.is_whole() {
        return Some("not declared, but this plan looks at a part of the mesh only".to_owned());
    }
    if index.desired.unread_paths.contains(path) {
        return Some(format!(
            "its manifest {path} is there, but was not read (ignored, or not a manifest any more)"
        ));
    }
    if index.desired.missing_paths.contains(path) {
        return Some(format!(
            "git still tracks its manifest {path}, which is not there: `git rm` makes that final"
        ));
    }
    if !index.desired.complete {
        return Some("not declared, but some manifests could not be read or are not there".to_owned());
    }
    None
}

fn way_out(address: &Address) -> String {
    format!(
        "To decide: a Removed document with `address: {address}` and `destroy: true` (delete) or `false` (forget)."
    )
}

fn base(prior: &PriorSide<'_>, action: Action, reason: String) -> ResourceChange {
    let record = prior.record;
    ResourceChange {
        address: record.address.clone(),
        ty: record.ty.clone(),
        system: record.system.clone(),
        id: record.id.clone(),
        action,
        class: Class::Safe,
        reason,
        attributes: Vec::new(),
        unchanged: 0,
        notes: Vec::new(),
        computed: Vec::new(),
        prior: Some(prior.known()),
        live: None,
        planned: None,
        declared: None,
        incarnation: record.incarnation.clone(),
        generation: record.generation,
        moved_from: None,
        record: None,
        bookkeeping: false,
        steps: Vec::new(),
    }
}

/// Turns a delete into a hold.
pub(crate) fn hold(change: &mut ResourceChange, reason: String) {
    change.action = Action::Hold;
    change.class = Class::Safe;
    change.reason = reason;
    change.notes = vec!["It is deleted when nothing uses it any more.".to_owned()];
    change.steps.clear();
}

/// A version that vanished while another of the same product appeared: `(domain/product, gone, new)`.
pub(crate) fn vanished_versions(index: &Index<'_>) -> Vec<(String, u32, u32)> {
    let versions = |addresses: &mut dyn Iterator<Item = &Address>| {
        let mut set: BTreeSet<(String, u32)> = BTreeSet::new();
        for address in addresses {
            if let Some((product, version)) = address.product() {
                set.insert((format!("{}/{product}", address.domain()), version));
            }
        }
        set
    };
    let recorded = versions(&mut index.prior.resources.keys());
    let declared = versions(&mut index.desired.resources.keys());
    let removed = |product: &str, version: u32| {
        let owner = format!("{product}@{version}");
        index.prior.resources.keys().filter(|address| address.owner() == owner).all(|address| {
            index.removal(address).is_some() || index.desired.moves.iter().any(|m| m.from == *address)
        })
    };
    let mut found = Vec::new();
    for (product, gone) in recorded.difference(&declared) {
        let range = (product.clone(), 0)..=(product.clone(), u32::MAX);
        let new = declared.range(range).find(|version| !recorded.contains(version));
        if let Some((_, new)) = new
            && !index.desired.held_back.contains_key(&format!("{product}@{gone}"))
            && !removed(product, *gone)
        {
            found.push((product.clone(), *gone, *new));
        }
    }
    found
}
