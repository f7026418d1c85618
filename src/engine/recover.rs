//! Recovery: what became of operations that an interrupted apply left without an outcome.
//!
//! The verdict compares only what the intent names. Only a lock holder writes it; a plan judges in memory.

use super::refresh::in_words;
use super::systems::Systems;
use datamesh_core::plan::Types;
use datamesh_provider::{
    Address, Context, Event, Facts, LiveObject, OpAction, OperationId, Packed, ReadRequest, ReadResult,
    SpanMap, SystemName, TypeName, View,
};
use datamesh_state::{Intent, Others, Recovery, Shard, ShardError};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What was found out about one operation.
#[derive(Clone, Debug)]
pub struct Settled {
    pub address: Address,
    pub action: OpAction,
    pub step: String,
    /// `Err`: the system could not be asked, in words.
    pub verdict: Result<Recovery, String>,
    /// The operation, and the run that began it.
    pub id: OperationId,
    pub run: String,
}

/// How often a system is asked while it may still show a write.
const POLL: Duration = Duration::from_secs(1);

type Answers = BTreeMap<OperationId, Result<Option<LiveObject>, String>>;

/// Judges every pending operation of a shard, and applies the verdicts to it in memory.
///
/// `others`: every other shard, so that nothing is taken for ours that is recorded there.
/// With `wait`, a call that shows no effect is believed to have none only after the provider's `settle` bound: until
/// then it may still be on its way.
pub(crate) async fn recover(
    shard: &mut Shard,
    systems: &Systems,
    types: &Types,
    cx: &Context,
    others: &Others,
    wait: bool,
) -> Result<Vec<Settled>, ShardError> {
    let pending: Vec<(OperationId, Intent)> = shard.pending.clone().into_iter().collect();
    if pending.is_empty() {
        return Ok(Vec::new());
    }
    let mut answers = ask(&pending, systems, cx).await;
    if wait {
        wait_for_effects(&pending, &mut answers, systems, types, cx).await;
    }
    let mut settled = Vec::with_capacity(pending.len());
    for (id, intent) in pending {
        let managed = |live: &LiveObject, like: &Packed| managed(types, &intent.ty, live, like);
        let answer = answers.remove(&id).unwrap_or_else(|| Err("it was not answered".to_owned()));
        let verdict = answer.map(|live| match claimed_elsewhere(shard, &intent, others) {
            // Whoever has it stored an intent of its own, and saw that nobody else had: ours was never begun.
            true => Recovery::NotCreated,
            false => half_made(types, &intent, shard.judge(&intent, live.as_ref(), &managed)),
        });
        if let Ok(verdict) = &verdict {
            shard.apply_recovery(&id, verdict, &managed)?;
        }
        let Intent { address, action, step, run, .. } = intent;
        settled.push(Settled { address, action, step, verdict, id, run });
    }
    Ok(settled)
}

fn claimed_elsewhere(shard: &Shard, intent: &Intent, others: &Others) -> bool {
    intent.action == OpAction::Create
        && others.owner(shard, &intent.system, &intent.ty, &intent.object).is_some()
}

/// A creation of several steps was cut off after one of them: what the next steps are to set may show whatever the
/// system gives by itself. What only those steps would change is ours, half made.
fn half_made(types: &Types, intent: &Intent, verdict: Recovery) -> Recovery {
    let Recovery::Conflict { live, differs } = verdict else { return verdict };
    let (Some(ty), Some(planned)) = (types.get(&intent.ty), &intent.planned) else {
        return Recovery::Conflict { live, differs };
    };
    let view = View::Adopt { live: &live.attributes, desired: planned };
    match ty.diff(view, &Facts::default(), &SpanMap::default()) {
        Ok((spec, found))
            if !found.has_errors() && spec.steps.iter().all(|s| intent.remaining.contains(s)) =>
        {
            Recovery::Created(live)
        }
        _ => Recovery::Conflict { live, differs },
    }
}

/// The part of a live object that some attributes speak of, or all of it.
pub(super) fn managed(types: &Types, ty: &TypeName, live: &LiveObject, like: &Packed) -> Packed {
    types
        .get(ty)
        .and_then(|ty| ty.managed(&live.attributes, like).ok())
        .unwrap_or_else(|| live.attributes.clone())
}

async fn ask(pending: &[(OperationId, Intent)], systems: &Systems, cx: &Context) -> Answers {
    let mut by_system: BTreeMap<&SystemName, Vec<&(OperationId, Intent)>> = BTreeMap::new();
    for entry in pending {
        by_system.entry(&entry.1.system).or_default().push(entry);
    }
    let mut answers = Answers::new();
    for (system, entries) in by_system {
        let client = match systems.get(system) {
            Ok(client) => client,
            Err(error) => {
                answers.extend(entries.iter().map(|(id, _)| (id.clone(), Err(in_words(&error)))));
                continue;
            }
        };
        let requests: Vec<ReadRequest> = entries.iter().map(|(_, intent)| request(intent)).collect();
        let out: Mutex<Vec<ReadResult>> = Mutex::default();
        client.read(cx, &requests, &out).await;
        let out = out.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut found: BTreeMap<_, _> = out.into_iter().map(|r| ((r.ty, r.id), r.result)).collect();
        for (id, intent) in entries {
            let result = found.remove(&(intent.ty.clone(), intent.object.clone()));
            let answer = result.map(|result| result.map_err(|error| in_words(&error)));
            answers.insert(id.clone(), answer.unwrap_or_else(|| Err("it was not answered".to_owned())));
        }
    }
    answers
}

fn request(intent: &Intent) -> ReadRequest {
    ReadRequest {
        ty: intent.ty.clone(),
        id: intent.object.clone(),
        managed: intent.planned.iter().chain(&intent.before).cloned().collect(),
        want_incarnation: true,
        remains: intent.action == OpAction::Delete,
    }
}

/// Whether the whole effect is there to be seen. An early step of a change shows less than was planned.
fn shows(types: &Types, intent: &Intent, live: Option<&LiveObject>) -> bool {
    match (intent.action, live, &intent.planned) {
        (OpAction::Delete, live, _) => live.is_none(),
        (_, Some(live), Some(planned)) => managed(types, &intent.ty, live, planned) == *planned,
        _ => false,
    }
}

/// What was sent may take effect late, and what took effect may show late: asks again until the bound is over.
async fn wait_for_effects(
    pending: &[(OperationId, Intent)],
    answers: &mut Answers,
    systems: &Systems,
    types: &Types,
    cx: &Context,
) {
    let start = cx.clock.monotonic();
    // How old the first answers were when the last ones were asked for. Not when these came: a machine may sleep.
    let mut asked = Duration::ZERO;
    loop {
        let open: Vec<(OperationId, Intent)> = pending
            .iter()
            .filter(|(id, intent)| {
                let bound = systems.get(&intent.system).map_or(Duration::ZERO, |client| client.settle());
                let open = matches!(answers.get(id), Some(Ok(live)) if !shows(types, intent, live.as_ref()));
                open && asked < bound
            })
            .cloned()
            .collect();
        if open.is_empty() {
            return;
        }
        let calls = if open.len() == 1 { "1 call".to_owned() } else { format!("{} calls", open.len()) };
        let what = format!("{calls} of an interrupted apply that may still take effect");
        cx.events.event(Event::Waiting { what, for_how_long: asked });
        if !cx.pause(POLL).await {
            // Who is told to stop has not waited long enough to judge.
            let why = || Err("its effect may still show, and waiting for that was interrupted".to_owned());
            answers.extend(open.into_iter().map(|(id, _)| (id, why())));
            return;
        }
        asked = cx.clock.monotonic().saturating_sub(start);
        answers.extend(ask(&open, systems, cx).await);
    }
}
