//! What to do about one resource that manifests declare.

use super::codes;
use super::index::{Index, LiveSide, PriorSide, Sides, physical};
use super::types::{Action, Drift, Origin, PlanOptions, PriorResource, RecordSpec, ResourceChange};
use crate::graph::DesiredResource;
use datamesh_provider::{
    Address, AttributeChange, Attributes, ChangeSpec, Class, DecodeError, Diagnostic, Diagnostics,
    Disposition, LiveObject, Packed, Planned, SpanMap, View, lineage_of,
};
use serde_json::Value;

/// The verdict on one resource.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    pub(crate) change: Option<ResourceChange>,
    pub(crate) drift: Option<Drift>,
    pub(crate) diagnostics: Diagnostics,
    /// The live object could not be read; reported once for the whole system.
    pub(crate) unreadable: Option<String>,
}

impl Decision {
    fn error(diagnostic: Diagnostic) -> Self {
        Self { diagnostics: diagnostic.into(), ..Self::default() }
    }
}

/// Decides about a declared resource.
pub(crate) fn declared(
    index: &Index<'_>,
    sides: &Sides<'_>,
    wanted: &DesiredResource,
    options: &PlanOptions,
) -> Decision {
    if let Some(diagnostic) = conflict(index, sides, wanted) {
        return Decision::error(diagnostic);
    }
    let decision = match (&sides.prior, &sides.live) {
        (_, LiveSide::Unreadable(why)) => {
            return Decision { unreadable: Some((*why).to_owned()), ..Decision::default() };
        }
        (_, LiveSide::Unknown) => {
            return Decision { unreadable: Some("it was not read".to_owned()), ..Decision::default() };
        }
        (None, LiveSide::Absent) => create(sides, wanted, "declared, and not there yet"),
        (None, LiveSide::Present(object)) => adopt(index, sides, wanted, object, options),
        (Some(prior), LiveSide::Absent) => recreate(sides, wanted, prior),
        (Some(prior), LiveSide::Present(object)) => {
            if let Some(decision) = not_ours_anymore(index, sides, wanted, prior, object) {
                decision
            } else {
                update(sides, wanted, prior, object)
            }
        }
    };
    brake(decision, wanted, options)
}

/// Declared under another name, or in another system, than it was made.
fn name_is_fixed(address: &Address, record: &PriorResource, wanted: &DesiredResource) -> Diagnostic {
    let (was, is) = (record.id.as_str(), wanted.object.id.as_str());
    let (there, here) = (&record.system, &wanted.object.system);
    let (detail, help) = if there == here {
        (
            format!(
                "{address} was created as `{was}` in {there}, and is now declared as `{is}`. Renaming it would leave the \
                 data behind under the old name."
            ),
            format!(
                "Spell the old name `{was}` to keep it, or publish the new name as a new version of the product."
            ),
        )
    } else {
        (
            format!(
                "{address} was created as `{was}` in {there}, and is now declared as `{is}` in {here}. Moving it would \
                 leave the data behind in {there}."
            ),
            format!("Put it back into {there}, or publish it in {here} as a new version of the product."),
        )
    };
    Diagnostic::error(codes::NAME_IS_FIXED, detail).help(help)
}

/// Claims and names that make any plan for this resource wrong.
fn conflict(index: &Index<'_>, sides: &Sides<'_>, wanted: &DesiredResource) -> Option<Diagnostic> {
    let address = sides.address;
    let place = |d: Diagnostic| d.at(wanted.span, "declared here").scoped(address.owner());
    if let Some(prior) = &sides.prior {
        let record = prior.record;
        if record.id != wanted.object.id || record.system != wanted.object.system {
            return Some(place(name_is_fixed(address, record, wanted)));
        }
        return None;
    }
    let owner = index.owner(physical(wanted)).filter(|owner| *owner != address)?;
    if sides.ty.uses_existing() || sides.ty.shared() {
        return None;
    }
    let detail = format!(
        "`{}` in {} is recorded in the state as {owner}. A physical object has one owner.",
        wanted.object.id.as_str(),
        wanted.object.system
    );
    let help = if index.desired.resources.contains_key(owner) {
        format!("Give one of {address} and {owner} another name.")
    } else {
        format!("To hand it over, say so in a Moved document: `from: \"{owner}\"`, `to: \"{address}\"`.")
    };
    Some(place(Diagnostic::error(codes::OWNED_ELSEWHERE, detail).help(help)))
}

fn create(sides: &Sides<'_>, wanted: &DesiredResource, reason: &str) -> Decision {
    let filled = sides.filled.clone().unwrap_or_default();
    let known = sides.prior.as_ref().map(PriorSide::known);
    let view = match &known {
        None => View::Create { desired: &filled },
        Some(prior) => View::Gone { prior, desired: Some(&filled) },
    };
    let (spec, diagnostics) = match diff(sides, view, &wanted.object.spans) {
        Ok(found) => found,
        Err(decision) => return *decision,
    };
    let mut change = blank(sides, wanted, Action::Create, reason);
    change.computed = computed_names(sides);
    (change.prior, change.planned) = (known, Some(filled));
    change.incarnation = None;
    change.attributes = spec.changes;
    change.notes.extend(spec.notes);
    change.steps = or_default(spec.steps, "create");
    Decision { change: Some(change), diagnostics, ..Decision::default() }
}

fn recreate(sides: &Sides<'_>, wanted: &DesiredResource, prior: &PriorSide<'_>) -> Decision {
    let mut decision = create(sides, wanted, "deleted outside: will be created again");
    decision.drift = Some(Drift {
        address: sides.address.clone(),
        ty: sides.address.ty().clone(),
        id: prior.record.id.clone(),
        deleted: true,
        attributes: Vec::new(),
    });
    decision
}

fn adopt(
    index: &Index<'_>,
    sides: &Sides<'_>,
    wanted: &DesiredResource,
    object: &LiveObject,
    options: &PlanOptions,
) -> Decision {
    let live = &object.attributes;
    if sides.ty.uses_existing() && !carries_our_mark(index, sides.address, object) {
        return Decision::default();
    }
    if let Some(diagnostic) = foreign(index, sides.address, wanted, object) {
        return Decision::error(diagnostic);
    }
    let desired = sides.declared.clone().unwrap_or_default();
    let (spec, diagnostics) = match diff(sides, View::Adopt { live, desired: &desired }, &wanted.object.spans)
    {
        Ok(found) => found,
        Err(decision) => return *decision,
    };
    let asked = options.adopt.contains(sides.address)
        || index.desired.imports.iter().any(|import| import.address == *sides.address);
    if !spec.is_no_op() && !asked && !diagnostics.has_errors() {
        return Decision::error(exists_and_differs(sides.address, wanted, &spec));
    }
    let reason = match spec.is_no_op() {
        true => "exists already, equal to what is declared: taken over",
        false => "exists already: taken over and changed, as asked",
    };
    let mut change = changed(sides, wanted, Action::Adopt, reason, spec);
    change.live = sides.ty.managed(live, &desired).ok();
    change.incarnation.clone_from(&object.incarnation);
    change.bookkeeping = true;
    change.unchanged = unchanged(sides, &change);
    share(index, wanted, &mut change);
    Decision { change: Some(change), diagnostics, ..Decision::default() }
}

/// What another resource of ours made is ours here as well, and goes when the last of its owners does.
fn share(index: &Index<'_>, wanted: &DesiredResource, change: &mut ResourceChange) {
    let made = index.sharers(physical(wanted)).into_iter().find(|record| record.origin == Origin::Created);
    if let (Some(made), Some(record)) = (made, &mut change.record) {
        record.origin = Origin::Created;
        change.reason = format!("made for {} already: shared with it", made.address);
    }
}

fn exists_and_differs(address: &Address, wanted: &DesiredResource, spec: &ChangeSpec) -> Diagnostic {
    let paths: Vec<String> = spec.changes.iter().map(|change| change.path.join(".")).collect();
    let detail = format!(
        "`{}` exists in {} and was not made by this mesh. Taking it over would change it: {}.",
        wanted.object.id.as_str(),
        wanted.object.system,
        paths.join(", ")
    );
    Diagnostic::error(codes::EXISTS_AND_DIFFERS, detail)
        .at(wanted.span, "declared here")
        .help(format!(
            "Declare what is live, or allow the change with `--adopt {address}` or an Import document for it."
        ))
        .scoped(address.owner())
}

fn update(
    sides: &Sides<'_>,
    wanted: &DesiredResource,
    prior: &PriorSide<'_>,
    object: &LiveObject,
) -> Decision {
    let live = &object.attributes;
    let declared = sides.declared.clone().unwrap_or_default();
    let unfinished = prior.record.unfinished;
    // A creation that was cut off goes on: what it was to give is still to come.
    let filled = sides.filled.clone().filter(|_| unfinished);
    let desired = filled.unwrap_or_else(|| declared.clone());
    let declared_changed = declared != prior.attributes;
    let at = &wanted.object.spans;
    let found = match desired == prior.attributes {
        true => judged(sides, drift(sides, prior, live, at)),
        false => diff(sides, View::Update { prior: &prior.known(), live, desired: &desired }, at),
    };
    let (spec, diagnostics) = match found {
        Ok(found) => found,
        Err(decision) => return *decision,
    };
    let drift = match declared_changed || unfinished {
        true => drift_of(sides, prior, live),
        // What is declared is what was applied: the difference is the drift.
        false => drifted(sides, prior, spec.changes.clone()),
    };
    let action = if spec.is_no_op() { Action::NoOp } else { Action::Update };
    let reason = match (action, declared_changed, drift.is_some()) {
        (Action::NoOp, ..) => "",
        _ if unfinished => "its creation was cut off: completed",
        (_, true, false) => "the manifest changed",
        (_, false, _) => "changed outside: set back to what is declared",
        (_, true, true) => "the manifest changed, and it was changed outside",
    };
    let mut change = changed(sides, wanted, action, reason, spec);
    change.incarnation = object.incarnation.clone().or_else(|| prior.record.incarnation.clone());
    change.bookkeeping = stale_record(prior, &change, &declared);
    // Of most resources there is nothing to do, and what is declared says it all.
    (change.prior, change.live, change.planned) = (None, None, None);
    if change.is_work() {
        change.unchanged = unchanged(sides, &change);
        // What is no longer declared is still ours, until the provider has seen it there and taken it away.
        let ours = either(&desired, &prior.attributes).into();
        change.live = sides.ty.managed(live, &ours).or_else(|_| sides.ty.managed(live, &desired)).ok();
        change.prior = Some(prior.known());
        change.planned = Some(desired);
    }
    Decision { change: Some(change), drift, diagnostics, unreadable: None }
}

/// All that one of two sides names: maps by key, lists of named entries by name, anything else as the first has it.
pub(crate) fn either(first: &Attributes, second: &Attributes) -> Attributes {
    let mut both = first.clone();
    for (key, theirs) in second {
        match both.get_mut(key) {
            Some(Value::Object(ours)) if !ours.contains_key("type") => {
                if let Value::Object(theirs) = theirs {
                    *ours = either(ours, theirs);
                }
            }
            Some(Value::Array(ours)) => {
                let known = |name: &Value| ours.iter().any(|entry| entry.get("name") == Some(name));
                let more = theirs.as_array().into_iter().flatten();
                let more: Vec<Value> = more
                    .filter(|entry| entry.get("name").is_some_and(|name| !known(name)))
                    .cloned()
                    .collect();
                ours.extend(more);
            }
            Some(_) => {}
            None => {
                both.insert(key.clone(), theirs.clone());
            }
        }
    }
    both
}

/// What differs live from what was last applied, read from applied to live.
pub(crate) fn drift_of(sides: &Sides<'_>, prior: &PriorSide<'_>, live: &Packed) -> Option<Drift> {
    let (spec, _) = drift(sides, prior, live, &SpanMap::default()).ok()?;
    drifted(sides, prior, spec.changes)
}

fn drift(
    sides: &Sides<'_>,
    prior: &PriorSide<'_>,
    live: &Packed,
    at: &SpanMap,
) -> Result<(ChangeSpec, Diagnostics), DecodeError> {
    sides.ty.drift(&prior.attributes, &prior.record.computed, live, sides.facts, at)
}

/// The same where it is known already what differs from what was applied.
fn drifted(sides: &Sides<'_>, prior: &PriorSide<'_>, changes: Vec<AttributeChange>) -> Option<Drift> {
    if changes.is_empty() {
        return None;
    }
    let attributes = changes
        .into_iter()
        .map(|mut change| {
            let live_value = change.before.take();
            change.before = match change.after {
                Planned::Value(value) => Some(value),
                _ => None,
            };
            change.after = live_value.map_or(Planned::Unset, Planned::Value);
            change.class = Class::Safe;
            change.reason = None;
            change
        })
        .collect();
    let record = prior.record;
    Some(Drift {
        address: sides.address.clone(),
        ty: record.ty.clone(),
        id: record.id.clone(),
        deleted: false,
        attributes,
    })
}

/// Whether the record must be written although nothing live changes.
fn stale_record(prior: &PriorSide<'_>, change: &ResourceChange, desired: &Packed) -> bool {
    let record: &PriorResource = prior.record;
    let meta = change.record.as_ref().is_some_and(|spec| {
        spec.source_path != record.source_path
            || spec.depends_on != record.depends_on
            || spec.prevent_destroy != record.prevent_destroy
            || spec.on_remove != record.on_remove
    });
    meta || prior.moved_from.is_some()
        || record.unfinished
        || *desired != prior.attributes
        || change.incarnation != record.incarnation
}

/// A recorded object that is no longer the one we applied.
fn not_ours_anymore(
    index: &Index<'_>,
    sides: &Sides<'_>,
    wanted: &DesiredResource,
    prior: &PriorSide<'_>,
    object: &LiveObject,
) -> Option<Decision> {
    if let Some(diagnostic) = foreign(index, sides.address, wanted, object) {
        return Some(Decision::error(diagnostic));
    }
    if !other_incarnation(prior.record, object) {
        return None;
    }
    let detail = format!(
        "`{}` in {} was deleted and made again by somebody else since it was last applied: its identity was {} and is \
         now {}. It is not ours, so it is not touched.",
        prior.record.id.as_str(),
        prior.record.system,
        prior.record.incarnation.as_deref().unwrap_or("unknown"),
        object.incarnation.as_deref().unwrap_or("unknown"),
    );
    let diagnostic = Diagnostic::error(codes::REPLACED_OUTSIDE, detail)
        .at(wanted.span, "declared here")
        .help(format!(
            "To take the new one over, first forget the old one: a Removed document with `address: {}`, \
             `destroy: false`, applied once.",
            sides.address
        ))
        .scoped(sides.address.owner());
    Some(Decision::error(diagnostic))
}

/// Whether both sides know an incarnation and it is not the same.
pub(crate) fn other_incarnation(record: &PriorResource, object: &LiveObject) -> bool {
    matches!((&record.incarnation, &object.incarnation), (Some(was), Some(is)) if was != is)
}

fn carries_our_mark(index: &Index<'_>, address: &Address, object: &LiveObject) -> bool {
    let ours = index.prior.shards.get(address.domain());
    matches!((&object.owner, ours), (Some(mark), Some(shard)) if lineage_of(mark) == shard.lineage)
}

fn foreign(
    index: &Index<'_>,
    address: &Address,
    wanted: &DesiredResource,
    object: &LiveObject,
) -> Option<Diagnostic> {
    let mark = object.owner.as_deref()?;
    if index.prior.shards.values().any(|shard| shard.lineage == lineage_of(mark)) {
        return None;
    }
    let detail = format!(
        "`{}` in {} carries the mark of another state: `{mark}`. Two meshes must not manage one object.",
        wanted.object.id.as_str(),
        wanted.object.system
    );
    Some(
        Diagnostic::error(codes::FOREIGN_OWNER, detail)
            .at(wanted.span, "declared here")
            .help("Use another name, or have the other mesh forget it and remove its `datamesh.owner` mark.")
            .scoped(address.owner()),
    )
}

/// Data loss obeys `prevent_destroy`, and in a protected environment needs to be allowed.
fn brake(mut decision: Decision, wanted: &DesiredResource, options: &PlanOptions) -> Decision {
    let Some(change) = &decision.change else { return decision };
    if change.class != Class::DataLoss || !change.action.is_change() {
        return decision;
    }
    let losses: Vec<_> = change.attributes.iter().filter(|a| a.class == Class::DataLoss).collect();
    let what: Vec<String> =
        losses.iter().map(|a| a.reason.clone().unwrap_or_else(|| a.path.join("."))).collect();
    let span = losses.first().and_then(|first| {
        let path: Vec<&str> = first.path.iter().map(String::as_str).collect();
        wanted.object.spans.at(&path)
    });
    let address = &change.address;
    let (code, why, help) = if wanted.lifecycle.prevent_destroy {
        (
            codes::PREVENT_DESTROY,
            "`prevent_destroy` forbids that",
            "Take the change back, or remove `prevent_destroy` first.".to_owned(),
        )
    } else if options.protected
        && !wanted.lifecycle.allow_data_loss
        && !options.allow_destroy.contains(address)
    {
        let help = format!(
            "Allow it with `lifecycle.allow: [data-loss]` in the manifest or `--allow-destroy {address}`."
        );
        (codes::DATA_LOSS_BRAKED, "the environment is protected", help)
    } else {
        return decision;
    };
    let detail =
        format!("This change of {address} makes its system discard data ({}), and {why}.", what.join("; "));
    let diagnostic = Diagnostic::error(code, detail)
        .at(span.or(wanted.span), "this change")
        .help(help)
        .scoped(address.owner());
    decision.diagnostics.push(diagnostic);
    decision
}

/// Runs the type's diff.
fn diff(
    sides: &Sides<'_>,
    view: View<'_, Packed>,
    at: &SpanMap,
) -> Result<(ChangeSpec, Diagnostics), Box<Decision>> {
    judged(sides, sides.ty.diff(view, sides.facts, at))
}

/// What a diff found; attributes that do not decode, or a replacement, are an error.
fn judged(
    sides: &Sides<'_>,
    found: Result<(ChangeSpec, Diagnostics), DecodeError>,
) -> Result<(ChangeSpec, Diagnostics), Box<Decision>> {
    let owner = sides.address.owner();
    let span = sides.desired.and_then(|d| d.span);
    match found {
        Err(error) => {
            let detail = format!(
                "{error} (for {}). This is a bug of the tool, or the state was edited by hand.",
                sides.address
            );
            Err(failed(
                Diagnostic::error(codes::BAD_ATTRIBUTES, detail).at(span, "declared here").scoped(owner),
            ))
        }
        Ok((spec, diagnostics)) => {
            if let Disposition::Replace { reason } = &spec.disposition {
                let detail =
                    format!("{} would have to be deleted and created again: {reason}.", sides.address);
                let diagnostic = Diagnostic::error(codes::NO_REPLACE, detail)
                    .at(span, "declared here")
                    .help("Publish the change as a new version of the product, beside this one.")
                    .scoped(owner);
                return Err(failed(diagnostic));
            }
            let product = sides.address.product_path();
            let named = diagnostics.into_iter().map(|diagnostic| diagnostic.naming(&product));
            Ok((spec, named.collect::<Diagnostics>().scoped(&owner)))
        }
    }
}

fn failed(diagnostic: Diagnostic) -> Box<Decision> {
    Box::new(Decision::error(diagnostic))
}

fn blank(sides: &Sides<'_>, wanted: &DesiredResource, action: Action, reason: &str) -> ResourceChange {
    let prior = sides.prior.as_ref();
    let origin = match (action, prior) {
        (Action::Create, _) => Origin::Created,
        (_, Some(prior)) => prior.record.origin,
        (_, None) => Origin::Adopted,
    };
    let moved_from = prior.and_then(|prior| prior.moved_from);
    let mut notes: Vec<String> = moved_from.map(|from| format!("moved from {from}")).into_iter().collect();
    if matches!(action, Action::Create | Action::Adopt) {
        notes.extend(wanted.notes.iter().cloned());
    }
    ResourceChange {
        address: sides.address.clone(),
        ty: sides.address.ty().clone(),
        system: wanted.object.system.clone(),
        id: wanted.object.id.clone(),
        action,
        class: Class::Safe,
        reason: reason.to_owned(),
        attributes: Vec::new(),
        unchanged: 0,
        notes,
        computed: Vec::new(),
        prior: None,
        live: None,
        planned: sides.declared.clone(),
        declared: sides.declared.clone(),
        incarnation: prior.and_then(|prior| prior.record.incarnation.clone()),
        generation: prior.map_or(0, |prior| prior.record.generation),
        moved_from: moved_from.cloned(),
        record: Some(RecordSpec {
            source_path: wanted.source_path.clone(),
            depends_on: wanted.depends_on.clone(),
            prevent_destroy: wanted.lifecycle.prevent_destroy,
            on_remove: wanted.lifecycle.on_remove,
            origin,
        }),
        bookkeeping: false,
        steps: Vec::new(),
    }
}

fn changed(
    sides: &Sides<'_>,
    wanted: &DesiredResource,
    action: Action,
    reason: &str,
    spec: ChangeSpec,
) -> ResourceChange {
    let mut change = blank(sides, wanted, action, reason);
    change.class = spec.class();
    change.attributes = spec.changes;
    change.notes.extend(spec.notes);
    change.steps = spec.steps;
    change
}

fn or_default(steps: Vec<String>, name: &str) -> Vec<String> {
    if steps.is_empty() { vec![name.to_owned()] } else { steps }
}

fn computed_names(sides: &Sides<'_>) -> Vec<String> {
    sides.ty.schema().attributes.iter().filter(|a| a.computed).map(|a| a.name.to_owned()).collect()
}

/// How many of the managed attributes stay as they are: a map of scalars counts its keys.
fn unchanged(sides: &Sides<'_>, change: &ResourceChange) -> usize {
    let count = |value: &Value| match value {
        Value::Object(map) if map.values().all(|v| !v.is_object() && !v.is_array()) => map.len(),
        _ => 1,
    };
    let managed: usize = sides.declared.iter().flat_map(|map| map.values().map(count)).sum();
    managed.saturating_sub(change.attributes.len())
}
