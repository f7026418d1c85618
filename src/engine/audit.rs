//! The audit records of a run: what it is about to do, and what became of it.

use super::apply::ApplyReport;
use super::planning::Planned;
use super::recover::Settled;
use super::session::{Session, SessionOptions};
use crate::identity;
use crate::source::Repository;
use datamesh_core::plan::{Action, Plan, ResourceChange};
use datamesh_provider::{OpAction, OperationId, Outcome};
use datamesh_state::{
    Actor, Begun, Edited, Ended, Entry, Locked, Recovery, RunResult, StateError, Step, StepOutcome, Trail,
};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::{BTreeMap, BTreeSet};

/// What the surroundings of a run say about where it comes from. Nobody vouches for any of it.
#[derive(Clone, Debug, Default)]
pub struct RunOrigin {
    pub commit: Option<String>,
    pub change_request: Option<String>,
    pub job: Option<String>,
}

/// A name, and whether somebody vouches for it.
#[derive(Clone, Debug)]
pub struct Who {
    pub name: String,
    pub verified: bool,
}

impl Session {
    /// Who runs this. Fails where that has to be proven and is not, and on a token that proves nothing: that is no reason
    /// to go on without one. Whatever writes asks this first.
    pub async fn who(&self) -> Result<&Who, StateError> {
        let find_out = async || {
            let SessionOptions { id_tokens, root, who, .. } = &self.options;
            match identity::prove(id_tokens, &self.environment.audit, root, self.cx()).await {
                Ok(Some(name)) => Ok(Who { name, verified: true }),
                Ok(None) => Ok(Who { name: who.clone(), verified: false }),
                Err(error) => Err(StateError::Unproven { why: error.to_string() }),
            }
        };
        self.who.get_or_try_init(find_out).await
    }

    async fn actor(&self, reason: Option<&str>) -> Result<Actor, StateError> {
        let Who { name, verified } = self.who().await?.clone();
        let origin = &self.options.origin;
        let head = || {
            let git = Repository::owning(&self.options.root).ok().flatten();
            git.and_then(|git| git.head_commit())
        };
        Ok(Actor {
            name,
            verified,
            host: self.options.host.clone(),
            commit: origin.commit.clone().or_else(head),
            change_request: origin.change_request.clone(),
            job: origin.job.clone(),
            reason: reason.map(str::to_owned),
        })
    }

    async fn file(&self, trail: &mut Trail, name: &str, run: &str, entry: Entry) -> Result<(), StateError> {
        let now = self.cx().clock.now();
        self.store.file_record(trail, name, &self.environment.name, run, now, entry).await
    }

    /// What is on record of this environment by now.
    pub(crate) async fn trail(&self) -> Result<Trail, StateError> {
        self.store.trail(&self.environment.name).await
    }

    /// Says what a run is about to do. No system may have been asked to change anything yet.
    pub(crate) async fn record_start(
        &self,
        trail: &mut Trail,
        planned: &Planned,
        run: &str,
        reason: Option<&str>,
    ) -> Result<(), StateError> {
        let plan = &planned.plan;
        let operation = match &planned.reviewed {
            _ if planned.asked.destroy => "destroy".to_owned(),
            Some(published) => format!("apply --reviewed {published}"),
            None => "apply".to_owned(),
        };
        let step = |planned: &datamesh_core::plan::PlannedOperation| Step {
            id: planned.id.clone(),
            address: planned.address.clone(),
            action: planned.action,
            step: planned.step.clone(),
        };
        let begun = Begun {
            operation,
            actor: self.actor(reason).await?,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            plan: plan.id.clone(),
            inputs_digest: plan.inputs_digest.clone(),
            operations: plan.graph.operations.iter().map(step).collect(),
            bookkeeping: bookkeeping(plan),
        };
        self.file(trail, run, run, Entry::Begun(begun)).await
    }

    /// Says what became of it.
    pub(crate) async fn record_end(
        &self,
        trail: Result<Trail, StateError>,
        plan: &Plan,
        run: &str,
        mut report: ApplyReport,
    ) -> ApplyReport {
        let entry = Entry::Ended(ended(plan, &report));
        let filed = match trail {
            Ok(mut trail) => self.file(&mut trail, &self.end_name(run), run, entry).await,
            Err(error) => Err(error),
        };
        if let Err(error) = filed {
            report.state_errors.push(error);
        }
        report
    }

    /// Says of runs that were killed what became of their operations. A run that began, did not end, and whose shards
    /// are all locked by this one is dead: it held these locks until it ended. The trail must be from after they were taken.
    pub(crate) async fn close_dead_runs(
        &self,
        trail: &mut Trail,
        locked: &Locked,
        by: &str,
        settled: &[Settled],
    ) -> Result<(), StateError> {
        let read = |name: String| async move { self.store.record(&self.environment.name, &name).await };
        let open = stream::iter(open(&trail.names)).map(read).buffered(READS);
        for filed in open.try_collect::<Vec<_>>().await?.into_iter().flatten() {
            let (name, Entry::Begun(begun)) = (filed.name, filed.record.entry) else { continue };
            let domains = || begun.operations.iter().map(|step| step.address.domain());
            if !domains().all(|domain| locked.shard(domain).is_some()) {
                continue;
            }
            let outcome = |step: &Step| outcome_of(step, &begun.operations, locked, settled);
            let outcomes = begun.operations.iter().map(outcome).collect();
            let (result, settled_by) = (RunResult::Killed, Some(by.to_owned()));
            let ended = Ended { result, settled_by, outcomes, state_errors: Vec::new() };
            self.file(trail, &self.end_name(&name), &name, Entry::Ended(ended)).await?;
        }
        Ok(())
    }

    /// Records an edit of the state, or of a lock.
    pub(super) async fn record_edit(
        &self,
        operation: &str,
        run: &str,
        what: Vec<String>,
    ) -> Result<(), StateError> {
        let edited = Edited { operation: operation.to_owned(), actor: self.actor(None).await?, what };
        self.file(&mut self.trail().await?, &format!("{run}{EDIT}"), run, Entry::Edited(edited)).await
    }

    /// Sorts by the time it is written at, and is unique to the run.
    fn end_name(&self, run: &str) -> String {
        format!("{}{}", self.cx().clock.now().strftime("%Y%m%dT%H%M%SZ"), end_of(run))
    }
}

/// The part of the name of a run's second record that only that run has.
fn end_of(run: &str) -> String {
    let own = run.rsplit_once('-').map_or(run, |(_, own)| own);
    format!("-{own}-end")
}

/// What the name of the record of an edit ends in: it is complete as it is.
const EDIT: &str = "-edit";
/// Records that are read at a time.
const READS: usize = 16;

/// Whether there are runs that began, and of which nobody says how they ended.
pub(super) fn has_open_runs(trail: &Trail) -> bool {
    !open(&trail.names).is_empty()
}

/// The first records of runs that have no second one.
fn open(names: &[String]) -> Vec<String> {
    let own = |name: &str| name.trim_end_matches("-end").rsplit('-').next().unwrap_or_default().to_owned();
    let (ends, begins): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| name.ends_with("-end"));
    let ended: BTreeSet<String> = ends.into_iter().map(|name| own(name)).collect();
    let is_open = |name: &&String| !name.ends_with(EDIT) && !ended.contains(&own(name));
    begins.into_iter().filter(is_open).cloned().collect()
}

/// What changes in the state alone.
fn bookkeeping(plan: &Plan) -> BTreeMap<datamesh_provider::Address, String> {
    let word = |change: &ResourceChange| match (&change.moved_from, change.action) {
        (Some(from), _) => Some(format!("move from {from}")),
        _ if !change.steps.is_empty() => None,
        (None, Action::Adopt) => Some("adopt".to_owned()),
        (None, Action::Forget) => Some("forget".to_owned()),
        _ => Some("record".to_owned()),
    };
    plan.work().filter_map(|change| Some((change.address.clone(), word(change)?))).collect()
}

fn ended(plan: &Plan, report: &ApplyReport) -> Ended {
    let outcome = |planned: &datamesh_core::plan::PlannedOperation| match report.ended.get(&planned.id) {
        Some(ended) => StepOutcome {
            id: planned.id.clone(),
            outcome: word(&ended.outcome).to_owned(),
            why: ended.outcome.why(),
            at: Some(ended.at),
        },
        None => {
            StepOutcome { id: planned.id.clone(), outcome: "not_started".to_owned(), why: None, at: None }
        }
    };
    let outcomes: Vec<StepOutcome> = plan.graph.operations.iter().map(outcome).collect();
    let unknown = outcomes.iter().any(|outcome| outcome.outcome == "unknown");
    let result = match report {
        _ if unknown => RunResult::Unknown,
        report if report.interrupted => RunResult::Interrupted,
        report if report.is_complete() => RunResult::Complete,
        _ => RunResult::Partial,
    };
    let state_errors = report.state_errors.iter().map(ToString::to_string).collect();
    Ended { result, settled_by: None, outcomes, state_errors }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done(_) | Outcome::Deleted => "done",
        Outcome::Stale(_) | Outcome::Rejected(_) | Outcome::Partial(..) => "failed",
        Outcome::Indeterminate(_) => "unknown",
    }
}

/// What became of an operation of a run that is dead: what was found out about it now, else what the state says.
fn outcome_of(step: &Step, all: &[Step], locked: &Locked, settled: &[Settled]) -> StepOutcome {
    let of = |outcome: &str, why: Option<String>| StepOutcome {
        id: step.id.clone(),
        outcome: outcome.to_owned(),
        why,
        at: None,
    };
    if let Some(found) = settled.iter().find(|found| found.id == step.id) {
        return match &found.verdict {
            Err(why) => of("unknown", Some(why.clone())),
            Ok(Recovery::Created(_) | Recovery::Deleted) => of("done", None),
            Ok(Recovery::NotCreated | Recovery::NotDeleted) => of("not_done", None),
            Ok(Recovery::Conflict { .. }) => {
                of("unknown", Some("what is there is not what was planned".to_owned()))
            }
            Ok(_) => of("settled", None),
        };
    }
    let shard = locked.shard(step.address.domain());
    let record = shard.and_then(|shard| shard.resources.get(&step.address));
    // The steps of one change come one after another: those before one that was reached are done.
    let steps: Vec<&Step> = all.iter().filter(|other| other.address == step.address).collect();
    let place = |id: &OperationId| steps.iter().position(|step| step.id == *id);
    let last = record.and_then(|record| place(record.last_op.as_ref()?));
    let begun = settled.iter().filter_map(|found| place(&found.id)).max();
    let own = place(&step.id);
    let done = own <= last || own < begun || (step.action == OpAction::Delete && record.is_none());
    of(if done { "done" } else { "not_started" }, None)
}
