//! What it takes to get a subject from live to desired.

use super::verdict::{self, Promised};
use super::{
    DEFAULT_LEVEL, Reference, STEP_DELETE, STEP_LEVEL, STEP_MODE, STEP_PURGE, STEP_SCHEMA, SubjectAttrs,
    explain::explain, mode,
};
use crate::codes::{BAD_SUBJECT, TYPE_CHANGE};
use crate::equality::same_schema;
use crate::level::Level;
use datamesh_provider::{
    AttributeChange, ChangeSpec, Class, Diagnostic, Diagnostics, Facts, Planned, SpanMap, View,
};
use serde_json::{Map, Value};

pub(super) fn diff(view: View<'_, SubjectAttrs>, facts: &Facts, at: &SpanMap) -> (ChangeSpec, Diagnostics) {
    match view {
        View::Create { desired } | View::Gone { desired: Some(desired), .. } => create(desired, facts, at),
        View::Gone { desired: None, .. } => (ChangeSpec::no_op(), Diagnostics::default()),
        View::Remove { prior, live } => (remove(prior, live, facts), Diagnostics::default()),
        View::Adopt { live, desired } => update(None, live, desired, facts, at),
        // A level or mode that is no longer declared stays: what was last applied decides nothing but what was promised.
        View::Update { prior, live, desired } => {
            update(prior.compatibility.as_deref(), live, desired, facts, at)
        }
    }
}

/// First the schema, then the level, then the mode, which may forbid both. A level of its own can exist before the
/// subject on some registries only, where it would stay behind if the schema is then refused; and the first version is
/// judged by nobody anyway.
fn create(desired: &SubjectAttrs, facts: &Facts, at: &SpanMap) -> (ChangeSpec, Diagnostics) {
    if desired.schema.is_none() {
        let detail = "A subject begins with a schema, and none is declared.";
        let error = Diagnostic::error(BAD_SUBJECT, detail)
            .at(at.at(&[]), "without a schema")
            .help("Declare the contract's `fields` or its `source`.");
        return (ChangeSpec::in_place(Vec::new(), &[STEP_SCHEMA]), error.into());
    }
    let set = |name: &str, value: &Option<String>| {
        let value = value.clone()?;
        Some(AttributeChange::new(&[name], None, Planned::Value(Value::String(value))))
    };
    let changes = [
        set("schema", &desired.schema),
        set("schema_type", &desired.schema_type),
        (!desired.references.is_empty()).then(|| of_references(&[], &desired.references)),
        set("compatibility", &desired.compatibility),
        set("mode", &desired.mode),
    ];
    let changes = changes.into_iter().flatten().collect();
    let mut steps = vec![STEP_SCHEMA];
    steps.extend(desired.compatibility.is_some().then_some(STEP_LEVEL));
    match desired.mode.as_deref().map(|wanted| mode::to_set(mode::without_own(facts), wanted, facts, at)) {
        Some(Ok(true)) => steps.push(STEP_MODE),
        Some(Err(no_modes)) => return (ChangeSpec::in_place(changes, &steps), (*no_modes).into()),
        Some(Ok(false)) | None => {}
    }
    (ChangeSpec::in_place(changes, &steps), Diagnostics::default())
}

/// What becomes of the references.
fn of_references(before: &[Reference], after: &[Reference]) -> AttributeChange {
    // By the names that the schema uses.
    let list = |all: &[Reference]| -> Value {
        all.iter()
            .map(|one| (one.name.clone(), Value::String(one.subject.clone())))
            .collect::<Map<_, _>>()
            .into()
    };
    let after = if after.is_empty() { Planned::Unset } else { Planned::Value(list(after)) };
    AttributeChange::new(&["references"], (!before.is_empty()).then(|| list(before)), after)
}

/// Mode and level are taken away first: the one may forbid the rest, and some registries keep them for whoever uses the
/// name next.
fn remove(prior: &SubjectAttrs, live: &SubjectAttrs, facts: &Facts) -> ChangeSpec {
    let mut steps = Vec::new();
    if live.deleted.is_none() {
        steps.extend((live.mode.is_some() && !mode::has_none(facts)).then_some(STEP_MODE));
        steps.extend(live.compatibility.is_some().then_some(STEP_LEVEL));
        steps.push(STEP_DELETE);
    }
    steps.extend(prior.purge.map(|_| STEP_PURGE));
    let note =
        "It is deleted for good once its topics are gone: records with its ids cannot be read any more.";
    let notes = prior.purge.iter().map(|_| note.to_owned()).collect();
    ChangeSpec { notes, ..ChangeSpec::in_place(Vec::new(), &steps) }
}

fn update(
    applied: Option<&str>,
    live: &SubjectAttrs,
    desired: &SubjectAttrs,
    facts: &Facts,
    at: &SpanMap,
) -> (ChangeSpec, Diagnostics) {
    let mut spec = ChangeSpec::no_op();
    let mut found = Diagnostics::default();
    let new_schema = desired.schema.as_ref().filter(|_| !live.same_schema(desired));
    if let Some(text) = new_schema {
        if live.schema.is_some() && live.language() != desired.language() {
            found.push(type_change(live, desired, at));
            return (spec, found);
        }
        let same_text = |before: &String| same_schema(desired.language(), before, text);
        if !live.schema.as_ref().is_some_and(same_text) {
            let before = live.schema.clone().map(Value::String);
            let after = Planned::Value(Value::String(text.clone()));
            spec.changes.push(AttributeChange::new(&["schema"], before, after));
        }
        if live.references != desired.references {
            spec.changes.push(of_references(&live.references, &desired.references));
        }
        // Types of other subjects are not known here: with references it is judged when the registry is asked.
        let alone = live.references.is_empty() && desired.references.is_empty();
        if let (Some(before), "AVRO") = (&live.schema, desired.language()) {
            spec.notes = explain(before, text);
            let promised = Promised {
                desired: desired.compatibility.as_deref(),
                live: live.compatibility.as_deref().or(default_level(facts)),
                applied,
            };
            if alone {
                found.extend(verdict::of_latest(&promised, text, before, at));
            }
        }
    }
    let level = desired.compatibility.as_ref().filter(|_| desired.compatibility != live.compatibility);
    let loosens = level.is_some_and(|level| change_level(live, level, facts, &mut spec));
    let mut steps = match (new_schema.is_some(), level.is_some()) {
        (false, false) => vec![],
        (true, false) => vec![STEP_SCHEMA],
        (false, true) => vec![STEP_LEVEL],
        // What promises less is set before the version that needs it, what promises more after it.
        (true, true) if loosens => vec![STEP_LEVEL, STEP_SCHEMA],
        (true, true) => vec![STEP_SCHEMA, STEP_LEVEL],
    };
    found.extend(mode::change(live, desired, facts, at, &mut spec.changes, &mut steps));
    if steps.is_empty() {
        return (spec, found);
    }
    let (changes, notes) = (spec.changes, spec.notes);
    (ChangeSpec { notes, ..ChangeSpec::in_place(changes, &steps) }, found)
}

/// The level of subjects that have none of their own.
fn default_level(facts: &Facts) -> Option<&str> {
    facts.capabilities.get(DEFAULT_LEVEL).map(String::as_str)
}

/// Notes the change of level; whether it promises less than what is live.
fn change_level(live: &SubjectAttrs, desired: &str, facts: &Facts, spec: &mut ChangeSpec) -> bool {
    let before = live.compatibility.clone().map(Value::String);
    let after = Planned::Value(Value::String(desired.to_owned()));
    let change = AttributeChange::new(&["compatibility"], before, after);
    let in_force = live.compatibility.as_deref().or(default_level(facts)).and_then(Level::from_name);
    let lost = match (in_force, Level::from_name(desired)) {
        (Some(old), Some(new)) if !new.implies(old) => Some((old, new)),
        _ => None,
    };
    spec.changes.push(match lost {
        Some((old, new)) => {
            let reason = format!(
                "{} does not promise what {} does: later versions may break those who rely on it",
                new.name(),
                old.name()
            );
            change.class(Class::ConsumerBreaking, reason)
        }
        None => change,
    });
    lost.is_some()
}

fn type_change(live: &SubjectAttrs, desired: &SubjectAttrs, at: &SpanMap) -> Diagnostic {
    let detail = format!(
        "The subject holds {} schemas, and {} is declared. Its versions could not be compared, and no reader could \
         read both.",
        live.language(),
        desired.language()
    );
    Diagnostic::error(TYPE_CHANGE, detail).at(at.at(&["schema_type"]), "another language").help(
        "Keep the format, or start a new major version beside this one: `datamesh new version PRODUCT`.",
    )
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
