//! Asks the registry in advance.

use super::{STEP_SCHEMA, SubjectAttrs};
use crate::client::{Api, CallError, NewSchema, Verdict};
use crate::codes::{BAD_SCHEMA, INCOMPATIBLE, NOT_JUDGED, REVERT};
use crate::level::Level;
use datamesh_provider::{Context, Diagnostic, Diagnostics, OpAction, Operation, ProviderError};

/// What the registry thinks of registering the planned schema. Has no effect.
///
/// Only a new version of a subject that is there can be judged. It is judged at the level that is in force when
/// it will be registered: where the plan loosens the level first, nobody can be asked before that is done.
pub(crate) async fn check(api: &Api, cx: &Context, op: &Operation) -> Diagnostics {
    let mut found = Diagnostics::default();
    if op.action != OpAction::Update || op.step != STEP_SCHEMA {
        return found;
    }
    let Some((planned, text)) = super::apply::planned_schema(op) else { return found };
    let new = NewSchema { text: &text, language: planned.language() };
    let subject = op.object.as_str();
    match older_version(api, cx, subject, new).await {
        Ok(Some((older, latest))) => {
            found.push(Diagnostic::error(REVERT, revert_words(subject, older, latest)).help(REVERT_HELP));
            return found;
        }
        Ok(None) => {}
        Err(error) => {
            found.push(not_judged(&format!("whether it is an older version is not known: {error}")))
        }
    }
    match level_at_registration(api, cx, op, &planned).await {
        Ok(Some(level)) => {
            let every_version = level.transitive();
            let verdict = api.judge(cx, subject, new, every_version).await;
            found.extend(told(api, subject, level, verdict));
        }
        Ok(None) => found.push(not_judged("its level is loosened before it is registered")),
        Err(error) => found.push(not_judged(&error.to_string())),
    }
    found
}

/// Version that holds this text, and the latest, where they differ. Registering it would answer with the older
/// one and change nothing.
pub(crate) async fn older_version(
    api: &Api,
    cx: &Context,
    subject: &str,
    new: NewSchema<'_>,
) -> Result<Option<(i64, i64)>, ProviderError> {
    let Some(version) = api.version_of(cx, subject, new).await? else { return Ok(None) };
    let latest = api.latest(cx, subject).await?.map(|latest| latest.version);
    Ok(latest.filter(|latest| version < *latest).map(|latest| (version, latest)))
}

pub(crate) fn revert_words(subject: &str, older: i64, latest: i64) -> String {
    format!(
        "The declared schema is version {older} of {subject}, and version {latest} is the latest. The registry \
         answers the registration of an older text with its old version, and the latest stays the latest."
    )
}

pub(crate) const REVERT_HELP: &str = "Go forward instead: keep the newer schema and change it so that it differs from every earlier \
     version (a `description` is enough), or start a new major version: `datamesh new version PRODUCT`.";

/// The level that judges, or `None` where it is set only by this apply.
async fn level_at_registration(
    api: &Api,
    cx: &Context,
    op: &Operation,
    planned: &SubjectAttrs,
) -> Result<Option<Level>, ProviderError> {
    let own = api.level(cx, op.object.as_str()).await?;
    let name = match own {
        Some(name) => Some(name),
        None => api.default_level(cx).await?,
    };
    let live = name.as_deref().and_then(Level::from_name).unwrap_or(Level::None);
    let desired = planned.compatibility.as_deref().and_then(Level::from_name).unwrap_or(live);
    Ok(desired.implies(live).then_some(live))
}

fn told(
    api: &Api,
    subject: &str,
    level: Level,
    verdict: Result<Option<Verdict>, CallError>,
) -> Option<Diagnostic> {
    match verdict {
        Ok(None) => None,
        Ok(Some(verdict)) if verdict.is_compatible => None,
        Ok(Some(verdict)) => {
            let words = if verdict.messages.is_empty() {
                "It gives no details.".to_owned()
            } else {
                format!("Its words: {}", verdict.messages.join("; "))
            };
            let detail = format!(
                "The registry judges the new schema of {subject} incompatible at level {}. {words}",
                level.name()
            );
            let help = "Make the change compatible (under BACKWARD: add fields as optional, remove none that lack a \
                        default, keep types), or start a new major version beside this one: `datamesh new version PRODUCT`.";
            Some(Diagnostic::error(INCOMPATIBLE, detail).help(help))
        }
        Err(CallError::Refused { error, code: Some(42201), .. }) => {
            let detail = format!("The registry cannot read the new schema of {subject}: {}", error.message);
            Some(Diagnostic::error(BAD_SCHEMA, detail).help("Correct the schema."))
        }
        Err(error) => Some(not_judged(&error.into_error(api, "judge a schema").to_string())),
    }
}

fn not_judged(why: &str) -> Diagnostic {
    let detail = format!("The registry will judge the new schema when it is registered: {why}.");
    Diagnostic::note(NOT_JUDGED, detail)
}
