//! Carries out one step on one subject.

use super::check::{REVERT_HELP, older_version, revert_words};
use super::read::{Found, Wanted, subject};
use super::{STEP_DELETE, STEP_LEVEL, STEP_MODE, STEP_PURGE, STEP_SCHEMA, SubjectAttrs};
use crate::client::{Api, CallError, NewSchema, Pinned};
use datamesh_provider::{
    Context, ErrorKind, Interruption, OpAction, Operation, Outcome, Packed, ProviderError, Refusal,
};
use std::time::Duration;

const FIRST_LOOK: Duration = Duration::from_millis(20);
const SLOWEST_LOOK: Duration = Duration::from_secs(1);

/// What a step leaves behind when it is done.
#[derive(Clone, Copy, Debug)]
enum Goal<'a> {
    Schema(&'a SubjectAttrs),
    Level(&'a str),
    Mode(&'a str),
    /// No level of its own. It cannot always be read: some registries answer their default.
    NoLevel,
    /// No mode of its own. Which one is in force then is the registry's affair.
    NoMode,
    Gone,
    /// Not even deleted softly.
    Purged,
}

impl Goal<'_> {
    fn reached(self, live: Option<&SubjectAttrs>) -> bool {
        match (self, live) {
            (Self::Gone | Self::Purged, live) => live.is_none(),
            (Self::Schema(planned), Some(live)) => live.same_schema(planned),
            (Self::Level(level), Some(live)) => live.compatibility.as_deref() == Some(level),
            (Self::Mode(mode), Some(live)) => live.mode.as_deref() == Some(mode),
            (Self::NoLevel | Self::NoMode, _) => true,
            (_, None) => false,
        }
    }
}

/// One step: looks whether the subject is what the plan saw, sends one change, and waits until it can be read.
pub(crate) async fn apply(api: &Api, cx: &Context, op: &Operation, settle: Duration) -> Outcome {
    let planned = decode(op.planned.as_ref());
    let (goal, pinned) = match ready(api, cx, op, &planned).await {
        Ok(Ready::Send(goal, pinned)) => (goal, pinned),
        Ok(Ready::Nothing(outcome)) => return *outcome,
        // Nothing was sent yet.
        Err(error) => return Outcome::Rejected(Refusal { error }),
    };
    let name = op.object.as_str();
    let sent = match goal {
        Goal::Schema(planned) => {
            let text = planned.schema.as_deref().unwrap_or_default();
            let new = NewSchema { text, language: planned.language(), references: &pinned };
            api.register(cx, name, new).await
        }
        Goal::Level(level) => api.set_level(cx, name, level).await,
        Goal::Mode(mode) => api.set_mode(cx, name, mode).await,
        Goal::NoLevel => api.unset_level(cx, name).await,
        Goal::NoMode => api.unset_mode(cx, name).await,
        Goal::Gone => api.delete(cx, name).await,
        Goal::Purged => api.purge(cx, name).await,
    };
    let unknown = match sent {
        Ok(()) => None,
        Err(error @ CallError::Unknown(_)) => Some(error.into_outcome()),
        Err(error) => return error.into_outcome(),
    };
    visible(api, cx, op, goal, settle, unknown).await
}

enum Ready<'a> {
    /// With where the references of a schema lead.
    Send(Goal<'a>, Vec<Pinned>),
    Nothing(Box<Outcome>),
}

/// Everything that can be found out before the change is sent.
async fn ready<'a>(
    api: &Api,
    cx: &Context,
    op: &Operation,
    planned: &'a SubjectAttrs,
) -> Result<Ready<'a>, ProviderError> {
    let goal = goal(api, op, planned)?;
    let found = subject(api, cx, op.object.as_str(), wanted(op)).await?;
    if let Some(outcome) = settled_before(op, goal, found.as_ref()) {
        return Ok(Ready::Nothing(Box::new(outcome)));
    }
    let pinned = match goal {
        Goal::Schema(planned) => api.pinned(cx, &planned.references).await?,
        _ => Vec::new(),
    };
    if let (Goal::Schema(_), OpAction::Update) = (goal, op.action) {
        refuse_revert(api, cx, op.object.as_str(), planned, &pinned).await?;
    }
    Ok(Ready::Send(goal, pinned))
}

/// What has to be read: not everybody who may register may see level and mode.
fn wanted(op: &Operation) -> Wanted {
    let sides = [&op.planned, &op.live, &op.prior];
    let Wanted { level, mode, .. } = Wanted::by(sides.into_iter().flatten());
    Wanted {
        level: level || op.step == STEP_LEVEL,
        mode: mode || op.step == STEP_MODE,
        remains: op.step == STEP_PURGE,
    }
}

fn goal<'a>(api: &Api, op: &Operation, planned: &'a SubjectAttrs) -> Result<Goal<'a>, ProviderError> {
    let goal = match (op.action, op.step.as_str()) {
        (OpAction::Delete, STEP_LEVEL) => Some(Goal::NoLevel),
        (OpAction::Delete, STEP_MODE) => Some(Goal::NoMode),
        (OpAction::Delete, STEP_DELETE) => Some(Goal::Gone),
        (OpAction::Delete, STEP_PURGE) => Some(Goal::Purged),
        (_, STEP_LEVEL) => planned.compatibility.as_deref().map(Goal::Level),
        (_, STEP_MODE) => planned.mode.as_deref().map(Goal::Mode),
        (OpAction::Create | OpAction::Update, STEP_SCHEMA) => {
            planned.schema.is_some().then_some(Goal::Schema(planned))
        }
        _ => None,
    };
    match goal {
        Some(goal) => Ok(goal),
        None => {
            let why = format!("the step `{}` is none of a {:?} of this type", op.step, op.action);
            Err(api.http.error(ErrorKind::Invalid, "carry out a step").message(why))
        }
    }
}

/// The outcome where there is nothing to send: the world is not what the plan saw, or already what it wants.
fn settled_before(op: &Operation, goal: Goal<'_>, found: Option<&Found>) -> Option<Outcome> {
    let Some(found) = found else {
        return match (goal, op.action) {
            (Goal::Schema(_), OpAction::Create) => None,
            (Goal::Gone | Goal::Purged, _) => Some(Outcome::Deleted),
            _ => Some(Outcome::Stale(None)),
        };
    };
    let seen = op.live.as_ref().map(|live| decode(Some(live))).unwrap_or_default();
    let same_schema = seen.schema.is_none() || found.attrs.same_schema(&seen);
    let same_level = seen.compatibility.is_none() || found.attrs.compatibility == seen.compatibility;
    let same_mode = seen.mode.is_none() || found.attrs.mode == seen.mode;
    let as_planned = match (goal, op.action) {
        // What is there already is somebody else's, even where it is the same: the next plan adopts it.
        (Goal::Schema(_), OpAction::Create) => false,
        // Our own step before made the subject; its level and mode are whatever the registry gives.
        (Goal::Level(_) | Goal::Mode(_), OpAction::Create) => true,
        (Goal::Schema(_) | Goal::Level(_) | Goal::Mode(_), _) if goal.reached(Some(&found.attrs)) => {
            return Some(Outcome::Done(found.live()));
        }
        (Goal::Level(_), _) => same_level,
        (Goal::Mode(_), _) => same_mode,
        (Goal::Schema(_) | Goal::NoLevel | Goal::NoMode | Goal::Gone, _) => same_schema,
        // Somebody uses the name again.
        (Goal::Purged, _) => found.attrs.deleted.is_some(),
    };
    if as_planned { None } else { Some(Outcome::Stale(Some(found.live()))) }
}

async fn refuse_revert(
    api: &Api,
    cx: &Context,
    name: &str,
    planned: &SubjectAttrs,
    pinned: &[Pinned],
) -> Result<(), ProviderError> {
    let text = planned.schema.as_deref().unwrap_or_default();
    let new = NewSchema { text, language: planned.language(), references: pinned };
    match older_version(api, cx, name, new).await? {
        None => Ok(()),
        Some((older, latest)) => {
            let error = api.http.error(ErrorKind::Invalid, &format!("register a version of {name}"));
            Err(error.message(revert_words(name, older, latest)).hint(REVERT_HELP))
        }
    }
}

/// Reads until the change shows. `unknown` is the outcome of a call without an answer: what is read then decides.
async fn visible(
    api: &Api,
    cx: &Context,
    op: &Operation,
    goal: Goal<'_>,
    settle: Duration,
    unknown: Option<Outcome>,
) -> Outcome {
    let name = op.object.as_str();
    let began = cx.clock.monotonic();
    let mut pause = FIRST_LOOK;
    loop {
        let read = subject(api, cx, name, wanted(op)).await;
        let last = match read {
            Ok(found) if goal.reached(found.as_ref().map(|found| &found.attrs)) => {
                // After a lost answer, "none of its own" proves nothing: it may have been read before the change.
                match (found, goal, unknown) {
                    (None, ..) => return Outcome::Deleted,
                    (Some(_), Goal::NoLevel | Goal::NoMode, Some(outcome)) => return outcome,
                    (Some(found), ..) => return Outcome::Done(found.live()),
                }
            }
            Ok(_) => None,
            Err(error) => Some(error),
        };
        let waited = cx.clock.monotonic().saturating_sub(began) >= settle;
        if waited || !cx.pause(pause).await {
            return unknown.unwrap_or_else(|| not_visible(api, cx, name, settle, last));
        }
        pause = (pause * 2).min(SLOWEST_LOOK);
    }
}

/// The registry took the change, and it cannot be read.
fn not_visible(
    api: &Api,
    cx: &Context,
    name: &str,
    settle: Duration,
    last: Option<ProviderError>,
) -> Outcome {
    if cx.cancel.is_draining() {
        return Outcome::Indeterminate(Interruption::Stopped);
    }
    let error = last.unwrap_or_else(|| {
        api.http
            .error(ErrorKind::Unreachable, &format!("wait for the change of {name}"))
            .message(format!(
                "the registry took the change, and after {} s it still does not show",
                settle.as_secs()
            ))
            .hint("Another writer may have changed the subject at the same time. Plan again.")
    });
    Outcome::Indeterminate(Interruption::NoAnswer(error))
}

pub(super) fn decode(attrs: Option<&Packed>) -> SubjectAttrs {
    let attrs = attrs.and_then(|attrs| attrs.decode().ok()).unwrap_or_default();
    super::normalize::normalize(attrs)
}

/// The planned attributes and the text in them.
pub(crate) fn planned_schema(op: &Operation) -> Option<(SubjectAttrs, String)> {
    let planned = decode(op.planned.as_ref());
    let text = planned.schema.clone()?;
    Some((planned, text))
}
