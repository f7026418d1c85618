//! Modes: which changes a registry takes from anybody.

use super::{DEFAULT_MODE, NO_MODES, STEP_MODE, SubjectAttrs};
use crate::codes::{NO_MODES as NO_MODES_CODE, READ_ONLY};
use datamesh_provider::{AttributeChange, Diagnostic, Diagnostics, Facts, Planned, SpanMap};
use serde_json::Value;

/// Everything is taken.
pub(crate) const WRITABLE: &str = "READWRITE";
/// As the Confluent API names them; not every registry knows all.
pub(super) const MODES: [&str; 5] = [WRITABLE, "READONLY", "READONLY_OVERRIDE", "IMPORT", "FORWARD"];

/// Whether the registry said that it has no modes.
pub(super) fn has_none(facts: &Facts) -> bool {
    facts.capabilities.get(DEFAULT_MODE).is_some_and(|mode| mode == NO_MODES)
}

/// The mode of subjects that have none of their own, as far as it is known.
pub(super) fn without_own(facts: &Facts) -> Option<&str> {
    let default = facts.capabilities.get(DEFAULT_MODE).map(String::as_str)?;
    Some(if default == NO_MODES { WRITABLE } else { default })
}

/// Whether a mode is to be set where another may be in force; the error where it cannot be.
pub(super) fn to_set(
    in_force: Option<&str>,
    wanted: &str,
    facts: &Facts,
    at: &SpanMap,
) -> Result<bool, Box<Diagnostic>> {
    if in_force == Some(wanted) {
        return Ok(false);
    }
    if !has_none(facts) {
        return Ok(true);
    }
    let detail = format!("`{wanted}` is declared, and this registry takes every change from everybody.");
    let error = Diagnostic::error(NO_MODES_CODE, detail)
        .at(at.at(&["mode"]), "cannot be set here")
        .help("Remove `mode`, or use a registry that has modes (Confluent, Redpanda, Apicurio from 3.2 on).");
    Err(Box::new(error))
}

/// Puts the change of mode among the other steps: what takes more comes before them, what takes less after them.
pub(super) fn change(
    live: &SubjectAttrs,
    desired: &SubjectAttrs,
    facts: &Facts,
    at: &SpanMap,
    changes: &mut Vec<AttributeChange>,
    steps: &mut Vec<&str>,
) -> Diagnostics {
    let Some(wanted) = desired.mode.as_deref() else { return Diagnostics::default() };
    let set = match to_set(live.mode.as_deref(), wanted, facts, at) {
        Ok(set) => set,
        Err(no_modes) => return (*no_modes).into(),
    };
    if set {
        let before = live.mode.clone().map(Value::String);
        changes.push(AttributeChange::new(
            &["mode"],
            before,
            Planned::Value(Value::String(wanted.to_owned())),
        ));
    }
    let closed = live.mode.as_deref().filter(|mode| *mode != WRITABLE);
    match closed {
        Some(closed) if wanted != WRITABLE && !steps.is_empty() => {
            return read_only(closed, wanted, at).into();
        }
        _ if set && wanted == WRITABLE => steps.insert(0, STEP_MODE),
        _ => steps.extend(set.then_some(STEP_MODE)),
    }
    Diagnostics::default()
}

fn read_only(closed: &str, wanted: &str, at: &SpanMap) -> Diagnostic {
    let detail = format!(
        "The subject is in mode {closed} and stays in {wanted}: no version and no level can be set in it."
    );
    Diagnostic::error(READ_ONLY, detail).at(at.at(&["mode"]), "keeps the change out").help(
        "Write `mode: READWRITE` together with the change; close the subject again with the commit after it.",
    )
}
