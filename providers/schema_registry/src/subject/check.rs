//! Asks the registry in advance.

use super::STEP_SCHEMA;
use super::verdict::{self, Promised, Text};
use crate::client::{Api, CallError, NewSchema, Registered, Verdict};
use crate::codes::{BAD_SCHEMA, INCOMPATIBLE, NOT_JUDGED, REVERT};
use crate::level::Level;
use datamesh_provider::{Context, Diagnostic, OpAction, Operation, ProviderError};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;

/// What was found, each with the attribute it is about.
type Found = Vec<(Vec<String>, Diagnostic)>;

/// What registering the planned schema would break, as far as the plan could not know. Has no effect.
///
/// Only a new version of a subject that is there can be judged. The plan has judged it against the latest version;
/// where a level promises something about every version, the earlier ones are read here. Then the registry is asked:
/// it has the last word, and the only one about languages other than Avro.
pub(crate) async fn check(api: &Api, cx: &Context, op: &Operation) -> Found {
    if op.action != OpAction::Update || op.step != STEP_SCHEMA {
        return Found::new();
    }
    let Some((planned, text)) = super::apply::planned_schema(op) else { return Found::new() };
    let mut found = Found::new();
    let of_schema = |diagnostic: Diagnostic| (vec!["schema".to_owned()], diagnostic);
    let pinned = match api.pinned(cx, &planned.references).await {
        Ok(pinned) => pinned,
        // It may be made by the same plan.
        Err(error) => return vec![of_schema(not_judged(&error.to_string()))],
    };
    let new = NewSchema { text: &text, language: planned.language(), references: &pinned };
    let mut whole = |diagnostic: Diagnostic| found.push(of_schema(diagnostic));
    let subject = op.object.as_str();
    match older_version(api, cx, subject, new).await {
        Ok(Some((older, latest))) => {
            whole(Diagnostic::error(REVERT, revert_words(subject, older, latest)).help(REVERT_HELP));
            return found;
        }
        Ok(None) => {}
        Err(error) => whole(not_judged(&format!("whether it is an older version is not known: {error}"))),
    }
    let live = match level_in_force(api, cx, subject).await {
        Ok(live) => live,
        Err(error) => {
            whole(not_judged(&error.to_string()));
            return found;
        }
    };
    let before = op.prior.as_ref().and_then(|prior| prior.get("compatibility")).and_then(Value::as_str);
    let promised =
        Promised { desired: planned.compatibility.as_deref(), live: Some(live.name()), applied: before };
    let live_alone = super::apply::decode(op.live.as_ref()).references.is_empty();
    // Where no types of other subjects are in play, the plan has judged the latest.
    let latest_too = !(live_alone && new.references.is_empty());
    if new.language == "AVRO"
        && promised.level() != Level::None
        && (latest_too || promised.level().transitive())
    {
        match unjudged_breaks(api, cx, subject, &promised, new, latest_too).await {
            Ok(breaks) if !breaks.is_empty() => {
                found.extend(breaks);
                return found;
            }
            Ok(_) => {}
            Err(error) => {
                let why = format!("earlier versions could not be read: {error}");
                found.push(of_schema(not_judged(&why)));
            }
        }
    }
    let desired = planned.compatibility.as_deref().and_then(Level::from_name).unwrap_or(live);
    found.extend(
        if desired.implies(live) {
            told(api, subject, live, new, api.judge(cx, subject, new, live.transitive()).await)
        } else {
            // The plan judged it by the level that is loosened, too.
            Some(not_judged("its level is loosened before it is registered"))
        }
        .map(of_schema),
    );
    found
}

/// What the new text breaks of the promises about versions that the plan could not judge: those before the latest, where
/// they count; and the latest, where types of other subjects are in it or in the new one.
async fn unjudged_breaks(
    api: &Api,
    cx: &Context,
    subject: &str,
    promised: &Promised<'_>,
    new: NewSchema<'_>,
    latest_too: bool,
) -> Result<Found, ProviderError> {
    let mut versions = api.versions(cx, subject).await?;
    let latest = versions.pop();
    if !promised.level().transitive() {
        versions.clear();
    }
    versions.extend(latest.filter(|_| latest_too));
    let reads = versions.into_iter().map(|version| async move {
        let Some(old) = api.version(cx, subject, version).await? else { return Ok(None) };
        let references = api.texts(cx, &old.references).await?;
        Ok(Some((old, references)))
    });
    let read = stream::iter(reads).buffered(cx.budget.parallelism.max(1));
    let old: Vec<Option<(Registered, Vec<String>)>> = read.try_collect().await?;
    let references = api.texts(cx, new.references).await?;
    let new = Text { text: new.text, references: &references };
    let breaks = old.iter().flatten().flat_map(|(old, references)| {
        let text = Text { text: &old.schema, references };
        verdict::of_version(promised, new, text, old.version)
    });
    Ok(breaks.take(verdict::SHOWN).collect())
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

/// The subject's own level, or else the registry's default.
async fn level_in_force(api: &Api, cx: &Context, subject: &str) -> Result<Level, ProviderError> {
    let name = match api.level(cx, subject).await? {
        Some(name) => Some(name),
        None => api.default_level(cx).await?,
    };
    Ok(name.as_deref().and_then(Level::from_name).unwrap_or(Level::None))
}

fn told(
    api: &Api,
    subject: &str,
    level: Level,
    new: NewSchema<'_>,
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
        // Apicurio registers what uses schemas of other subjects, and cannot judge all of it. Avro we judged.
        Err(CallError::Refused { error, code: Some(42201), .. }) if !new.references.is_empty() => {
            let why = format!("it cannot judge a schema with references in advance ({})", error.message);
            (new.language != "AVRO").then(|| not_judged(&why))
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
