//! The audit records of a run: what it is about to do, and what became of it.

use super::apply::ApplyReport;
use super::planning::Planned;
use super::recover::Settled;
use super::session::Session;
use crate::source::Repository;
use datamesh_core::plan::{Action, Plan};
use datamesh_provider::Outcome;
use datamesh_state::{
    Actor, Begun, DocumentKind, Edited, Ended, Entry, Recovery, RunResult, StateError, Step, StepOutcome,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the surroundings of a run say about where it comes from. Nobody vouches for any of it.
#[derive(Clone, Debug, Default)]
pub struct RunOrigin {
    pub commit: Option<String>,
    pub change_request: Option<String>,
    pub job: Option<String>,
}

impl Session {
    fn actor(&self, reason: Option<&str>) -> Actor {
        let origin = &self.options.origin;
        let head = || {
            let git = Repository::owning(&self.options.root).ok().flatten();
            git.and_then(|git| git.head_commit())
        };
        Actor {
            name: self.options.who.clone(),
            verified: false,
            host: self.options.host.clone(),
            commit: origin.commit.clone().or_else(head),
            change_request: origin.change_request.clone(),
            job: origin.job.clone(),
            reason: reason.map(str::to_owned),
        }
    }

    async fn file(&self, name: &str, run: &str, entry: Entry) -> Result<(), StateError> {
        let now = self.cx().clock.now();
        self.store.file_record(name, &self.environment.name, run, now, entry).await
    }

    /// Says what a run is about to do. Nothing may have been done yet.
    pub(crate) async fn record_start(
        &self,
        planned: &Planned,
        run: &str,
        reason: Option<&str>,
    ) -> Result<(), StateError> {
        let plan = &planned.plan;
        let operation = if planned.asked.destroy { "destroy" } else { "apply" };
        let step = |planned: &datamesh_core::plan::PlannedOperation| Step {
            id: planned.id.clone(),
            address: planned.address.clone(),
            action: planned.action,
            step: planned.step.clone(),
        };
        let begun = Begun {
            operation: operation.to_owned(),
            actor: self.actor(reason),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            plan: plan.id.clone(),
            inputs_digest: plan.inputs_digest.clone(),
            operations: plan.graph.operations.iter().map(step).collect(),
            bookkeeping: bookkeeping(plan),
        };
        self.file(run, run, Entry::Begun(begun)).await
    }

    /// Says what became of it.
    pub(crate) async fn record_end(&self, plan: &Plan, run: &str, mut report: ApplyReport) -> ApplyReport {
        let entry = Entry::Ended(ended(plan, &report));
        if let Err(error) = self.file(&self.end_name(run), run, entry).await {
            report.state_errors.push(error);
        }
        report
    }

    /// Says of runs that were killed what became of the operations they left.
    pub(crate) async fn record_settled(&self, by: &str, settled: &[Settled]) -> Result<(), StateError> {
        let runs: BTreeSet<&str> = settled.iter().map(|one| one.run.as_str()).collect();
        let names = self.store.documents(DocumentKind::Run, &self.environment.name).await?;
        for run in runs {
            let end = end_of(run);
            let begun = names.iter().any(|name| name == run);
            if !begun || names.iter().any(|name| name.ends_with(&end)) {
                continue;
            }
            let outcomes = settled.iter().filter(|one| one.run == run).map(outcome_of).collect();
            let ended = Ended {
                result: RunResult::Killed,
                settled_by: Some(by.to_owned()),
                outcomes,
                state_errors: Vec::new(),
            };
            self.file(&self.end_name(run), run, Entry::Ended(ended)).await?;
        }
        Ok(())
    }

    /// Records an edit of the state, or of a lock.
    pub async fn record_edit(&self, operation: &str, what: Vec<String>) -> Result<(), StateError> {
        let run = self.run_id();
        let edited = Edited { operation: operation.to_owned(), actor: self.actor(None), what };
        self.file(&run, &run, Entry::Edited(edited)).await
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

fn bookkeeping(plan: &Plan) -> BTreeMap<datamesh_provider::Address, String> {
    let word = |action: Action| match action {
        Action::Adopt => "adopt",
        Action::Forget => "forget",
        _ => "record",
    };
    let only = |change: &&datamesh_core::plan::ResourceChange| change.steps.is_empty();
    plan.work().filter(only).map(|change| (change.address.clone(), word(change.action).to_owned())).collect()
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

fn outcome_of(settled: &Settled) -> StepOutcome {
    let (outcome, why) = match &settled.verdict {
        Err(why) => ("unknown", Some(why.clone())),
        Ok(Recovery::Created(_) | Recovery::Deleted) => ("done", None),
        Ok(Recovery::NotCreated | Recovery::NotDeleted) => ("not_done", None),
        Ok(Recovery::Conflict { .. }) => {
            ("unknown", Some("what is there is not what was planned".to_owned()))
        }
        Ok(_) => ("settled", None),
    };
    StepOutcome { id: settled.id.clone(), outcome: outcome.to_owned(), why, at: None }
}
