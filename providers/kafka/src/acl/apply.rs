//! Making and removing bindings: many in one call, then waiting until brokers show it.

use super::binding::Binding;
use super::diff::{STEP_CREATE, STEP_DELETE};
use super::read::{self, Bindings, Listed, explain, new_binding, object};
use crate::client::{Cluster, Failure};
use crate::errors::code;
use crate::provider::SETTLE;
use crate::sys::{Coded, NewBinding};
use datamesh_provider::{
    Context, ErrorKind, Interruption, OpAction, OpOutcome, Operation, Outcome, ProviderError, Refusal, Sink,
};
use std::time::Duration;

/// The first pause between two looks, doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    Delete,
}

/// One operation, decoded.
#[derive(Debug)]
struct Task<'a> {
    op: &'a Operation,
    step: Step,
    binding: Binding,
}

impl<'a> Task<'a> {
    fn new(op: &'a Operation) -> Result<Self, String> {
        let (step, attributes) = match (op.action, op.step.as_str()) {
            (OpAction::Create, STEP_CREATE) => (Step::Create, &op.planned),
            (OpAction::Delete, STEP_DELETE) => (Step::Delete, &op.live),
            (action, step) => return Err(format!("the step `{step}` is none of a {action:?} of this type")),
        };
        let attributes = attributes.as_ref().or(op.prior.as_ref()).ok_or("an operation without a binding")?;
        let binding: Binding = attributes.decode().map_err(|error| error.to_string())?;
        // Only what the plan named is touched: all of a binding is its name.
        if binding.canonical() != op.object.as_str() {
            return Err(format!(
                "{} is not the binding that {} names",
                binding.canonical(),
                op.object.as_str()
            ));
        }
        Ok(Self { op, step, binding })
    }

    fn name(&self) -> &str {
        self.op.object.as_str()
    }

    fn during(&self) -> String {
        let verb = if self.step == Step::Create { "make" } else { "remove" };
        format!("{verb} the access control binding {}", self.name())
    }

    fn shows_in(&self, all: &Bindings) -> bool {
        all.contains_key(self.name()) == (self.step == Step::Create)
    }

    fn done(&self) -> Outcome {
        match self.step {
            Step::Create => Outcome::Done(object(&self.binding)),
            Step::Delete => Outcome::Deleted,
        }
    }
}

struct Run<'a> {
    cluster: &'a Cluster,
    cx: &'a Context,
    out: &'a dyn Sink<OpOutcome>,
}

pub(crate) async fn apply(cluster: &Cluster, cx: &Context, ops: &[&Operation], out: &dyn Sink<OpOutcome>) {
    let run = Run { cluster, cx, out };
    let mut tasks = Vec::new();
    for op in ops {
        match Task::new(op) {
            Ok(task) => tasks.push(task),
            Err(why) => {
                run.reject(op, cluster.problem(ErrorKind::Invalid).during("prepare a change").message(why))
            }
        }
    }
    let tasks = run.not_done_yet(tasks).await;
    for step in [Step::Create, Step::Delete] {
        let of_step: Vec<&Task<'_>> = tasks.iter().filter(|task| task.step == step).collect();
        if !of_step.is_empty() {
            run.change(step, &of_step).await;
        }
    }
}

impl Run<'_> {
    fn put(&self, op: &Operation, outcome: Outcome) {
        self.out.put(OpOutcome { id: op.id.clone(), outcome });
    }

    fn reject(&self, op: &Operation, error: ProviderError) {
        self.put(op, Outcome::Rejected(Refusal { error }));
    }

    /// Why no call may start now.
    fn closed(&self) -> Option<ProviderError> {
        let stopped = || self.cluster.problem(ErrorKind::Cancelled);
        if self.cx.cancel.is_draining() {
            return Some(stopped().message("the run is being stopped; nothing was sent"));
        }
        let lost = self.cx.lease.permit(self.cx.budget.call_timeout).err()?;
        Some(stopped().message(lost.to_string()))
    }

    /// Leaves out what needs no call. A binding that is there would be made again without a word, and would then be
    /// taken for ours; what this connection made itself is ours.
    async fn not_done_yet<'t>(&self, tasks: Vec<Task<'t>>) -> Vec<Task<'t>> {
        if tasks.is_empty() {
            return tasks;
        }
        let all = match read::all(self.cluster, self.cx).await {
            Ok(Listed::Bindings(all)) => all,
            Ok(Listed::Disabled) => Bindings::new(),
            Err(failure) => {
                tasks.iter().for_each(|task| {
                    self.reject(task.op, explain(self.cluster, &failure).during(task.during()));
                });
                return Vec::new();
            }
        };
        let mut left = Vec::new();
        for task in tasks {
            match (task.step, task.shows_in(&all)) {
                (_, false) => left.push(task),
                (Step::Create, true) if !self.cluster.made(task.name()) => {
                    self.put(task.op, Outcome::Stale(Some(object(&task.binding))));
                }
                (_, true) => self.put(task.op, task.done()),
            }
        }
        left
    }

    async fn change(&self, step: Step, tasks: &[&Task<'_>]) {
        if let Some(error) = self.closed() {
            tasks.iter().for_each(|task| self.reject(task.op, error.clone().during(task.during())));
            return;
        }
        let mut taken = Vec::new();
        for (task, answer) in tasks.iter().zip(self.send(step, tasks).await) {
            match answer {
                Ok(()) => {
                    self.cluster.note_made(task.name(), step == Step::Create);
                    taken.push(*task);
                }
                Err(Failure::Error(error))
                    if step == Step::Delete && error.code == code::SECURITY_DISABLED =>
                {
                    self.put(task.op, Outcome::Deleted);
                }
                Err(failure) => self.put(task.op, self.failed(task, &failure)),
            }
        }
        self.settle(taken).await;
    }

    /// One request with many bindings, and what became of each.
    async fn send(&self, step: Step, tasks: &[&Task<'_>]) -> Vec<Result<(), Failure>> {
        let bindings: Vec<NewBinding<'_>> =
            tasks.iter().filter_map(|task| new_binding(&task.binding)).collect();
        let timeout = self.cx.budget.call_timeout;
        let handle = self.cluster.handle();
        let answer = match step {
            Step::Create => handle.create_acls(&bindings, timeout),
            Step::Delete => handle.delete_acls(&bindings, timeout),
        };
        let silent = || {
            let message = "the broker answered nothing about it".to_owned();
            Coded { code: code::UNKNOWN_SERVER_ERROR, name: "UNKNOWN".into(), message }
        };
        match self.cluster.ask(self.cx, answer).await {
            Ok(results) => {
                let told = results.into_iter().map(|error| error.map_or(Ok(()), |e| Err(Failure::Error(e))));
                let missing = std::iter::repeat_with(|| Err(Failure::Error(silent())));
                told.chain(missing).take(tasks.len()).collect()
            }
            Err(failure) => tasks.iter().map(|_| Err(failure.clone())).collect(),
        }
    }

    fn failed(&self, task: &Task<'_>, failure: &Failure) -> Outcome {
        match failure {
            Failure::Stopped => Outcome::Indeterminate(Interruption::Stopped),
            Failure::Error(coded) => {
                let mut error = self.cluster.error(coded, task.during());
                if error.kind == ErrorKind::Forbidden {
                    error = error.hint("the principal needs ALTER on the cluster");
                }
                if coded.leaves_doubt() {
                    Outcome::Indeterminate(Interruption::NoAnswer(error))
                } else {
                    Outcome::Rejected(Refusal { error })
                }
            }
        }
    }

    /// Waits until what was taken shows. Brokers learn of bindings one after the other.
    async fn settle(&self, mut waiting: Vec<&Task<'_>>) {
        let bound = self.cx.budget.settle.unwrap_or(SETTLE);
        let start = self.cx.clock.monotonic();
        let mut pause = FIRST_PAUSE;
        while !waiting.is_empty() {
            let mut last = None;
            match read::all(self.cluster, self.cx).await {
                Ok(Listed::Bindings(all)) => waiting.retain(|task| {
                    let shows = task.shows_in(&all);
                    if shows {
                        self.put(task.op, task.done());
                    }
                    !shows
                }),
                Ok(Listed::Disabled) => {}
                Err(failure) => last = Some(failure),
            }
            let waited = self.cx.clock.monotonic().saturating_sub(start);
            if waited >= bound || !self.cx.pause(pause).await {
                waiting.iter().for_each(|task| self.put(task.op, self.late(task, last.as_ref())));
                return;
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Taken, and not seen in time.
    fn late(&self, task: &Task<'_>, last: Option<&Failure>) -> Outcome {
        if self.cx.cancel.is_draining() {
            return Outcome::Indeterminate(Interruption::Stopped);
        }
        let error = match last {
            Some(failure) => explain(self.cluster, failure),
            None => self
                .cluster
                .problem(ErrorKind::Unreachable)
                .message("the cluster took it, and does not show it yet")
                .hint("apply again when the cluster has calmed down"),
        };
        Outcome::Indeterminate(Interruption::NoAnswer(error.during(task.during())))
    }
}
