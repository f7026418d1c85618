//! Changing topics: many in one call, the outcome of each as soon as it is known.

use super::read::{self, Wanted};
use super::settle::settle;
use super::task::{Step, Task};
use crate::client::{Cluster, Failure, backoff, silent};
use crate::errors::code;
use crate::sys::{Coded, Limits, NewTopic};
use datamesh_provider::{
    Context, ErrorKind, Interruption, OpOutcome, Operation, Outcome, ProviderError, Refusal, Sink,
};
use std::collections::{BTreeMap, HashMap};

/// Partitions in one request to create topics: controllers refuse more than 10,000 as a whole.
const PARTITIONS_A_CALL: i64 = 5_000;
/// What a topic counts for whose partitions are the broker's choice.
const UNKNOWN_PARTITIONS: i64 = 10;
/// Topics in one request.
const TOPICS_A_CALL: usize = 1_000;
/// How often an item is sent that the cluster provably put off.
const TRIES: u32 = 4;

/// One batch under way.
pub(super) struct Run<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) cx: &'a Context,
    out: &'a dyn Sink<OpOutcome>,
}

pub(crate) async fn apply(cluster: &Cluster, cx: &Context, ops: &[&Operation], out: &dyn Sink<OpOutcome>) {
    let run = Run { cluster, cx, out };
    let mut steps: BTreeMap<Step, Vec<Task<'_>>> = BTreeMap::new();
    for op in ops {
        match Task::new(op) {
            Ok(task) => steps.entry(task.step).or_default().push(task),
            Err(why) => {
                let error = cluster.problem(ErrorKind::Invalid).during("prepare a change").message(why);
                out.put(OpOutcome { id: op.id.clone(), outcome: Outcome::Rejected(Refusal { error }) });
            }
        }
    }
    for (step, tasks) in steps {
        let tasks = if step == Step::Create { tasks } else { run.same_incarnation(tasks).await };
        for part in parts(tasks, TOPICS_A_CALL) {
            run.change(step, part).await;
        }
    }
}

/// Cut so that no request is refused for its size, and none is about more topics than this.
pub(super) fn parts(tasks: Vec<Task<'_>>, topics: usize) -> Vec<Vec<Task<'_>>> {
    let mut parts: Vec<Vec<Task<'_>>> = Vec::new();
    let mut partitions = 0;
    for task in tasks {
        let weight = task.planned.partitions.unwrap_or(UNKNOWN_PARTITIONS);
        partitions += weight;
        match parts.last_mut() {
            Some(last) if last.len() < topics && partitions <= PARTITIONS_A_CALL => last.push(task),
            _ => {
                partitions = weight;
                parts.push(vec![task]);
            }
        }
    }
    parts
}

impl Run<'_> {
    pub(super) fn put(&self, task: &Task<'_>, outcome: Outcome) {
        self.out.put(OpOutcome { id: task.op.id.clone(), outcome });
    }

    pub(super) fn during(task: &Task<'_>) -> String {
        format!("{} the topic {}", task.step.verb(), task.name())
    }

    fn reject(&self, task: &Task<'_>, error: ProviderError) {
        self.put(task, Outcome::Rejected(Refusal { error: error.during(Self::during(task)) }));
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

    /// Keeps those whose topic is the one the plan saw. Nothing is sent for the others.
    async fn same_incarnation<'t>(&self, tasks: Vec<Task<'t>>) -> Vec<Task<'t>> {
        if self.cx.cancel.is_draining() {
            return tasks;
        }
        let only_id = Wanted { topic_id: true, ..Wanted::default() };
        let names = tasks.iter().map(|task| (task.name(), only_id.clone())).collect();
        let mut found = read::by_name(self.cluster, self.cx, &names).await;
        let (mut same, mut stale) = (Vec::new(), Vec::new());
        for task in tasks {
            match found.remove(task.name()) {
                Some(Ok(None)) => self.put(&task, Outcome::Stale(None)),
                Some(Ok(Some(live)))
                    if task.op.incarnation.is_none() || live.topic_id == task.op.incarnation =>
                {
                    same.push(task);
                }
                Some(Ok(Some(_))) => stale.push(task),
                Some(Err(failure)) => {
                    self.reject(&task, self.cluster.failure(&failure, ""));
                }
                None => self.reject(&task, self.cluster.error(&silent(task.name()), "")),
            }
        }
        self.stale(stale).await;
        same
    }

    /// The world is not what the plan saw: says what is there instead.
    async fn stale(&self, tasks: Vec<Task<'_>>) {
        let names = tasks.iter().map(|task| (task.name(), task.wanted())).collect();
        let mut found = read::by_name(self.cluster, self.cx, &names).await;
        for task in &tasks {
            let live = found.remove(task.name()).and_then(Result::ok).flatten();
            self.put(task, Outcome::Stale(live.map(|live| live.object(task.name()))));
        }
    }

    /// Sends one request, and again what the cluster put off; then waits for what was taken.
    async fn change(&self, step: Step, mut tasks: Vec<Task<'_>>) {
        let mut taken = Vec::new();
        let mut stale = Vec::new();
        for tried in 1..=TRIES {
            if let Some(error) = self.closed() {
                tasks.iter().for_each(|task| self.reject(task, error.clone()));
                break;
            }
            let answer = self.send(step, &tasks).await;
            let mut put_off = Vec::new();
            for (task, answer) in pair(tasks, answer) {
                match answer {
                    Ok(()) => taken.push(task),
                    Err(Failure::Error(error)) if is_put_off(&error) && tried < TRIES => put_off.push(task),
                    Err(Failure::Error(error)) if is_stale(step, &error) => stale.push(task),
                    Err(failure) => self.put(&task, self.failed(&task, &failure)),
                }
            }
            tasks = put_off;
            if tasks.is_empty() {
                break;
            }
            // When the run is being stopped, the gate of the next round is closed.
            self.cx.pause(backoff(self.cx, tried + 2)).await;
        }
        self.stale(stale).await;
        settle(self, step, taken).await;
    }

    fn failed(&self, task: &Task<'_>, failure: &Failure) -> Outcome {
        match failure {
            Failure::Stopped => Outcome::Indeterminate(Interruption::Stopped),
            Failure::Error(coded) => {
                let error = self.cluster.error(coded, Self::during(task));
                if coded.leaves_doubt() {
                    Outcome::Indeterminate(Interruption::NoAnswer(error))
                } else {
                    Outcome::Rejected(Refusal { error })
                }
            }
        }
    }

    /// One request with many topics.
    async fn send(&self, step: Step, tasks: &[Task<'_>]) -> Result<Vec<(String, Option<Coded>)>, Failure> {
        let timeout = self.cx.budget.call_timeout;
        let handle = self.cluster.handle();
        let answer = match step {
            Step::Create => {
                handle.create_topics(&new_topics(tasks), Limits { timeout, validate_only: false })
            }
            Step::Partitions => {
                let total = |task: &Task<'_>| {
                    usize::try_from(task.partitions.unwrap_or_default()).unwrap_or_default()
                };
                let topics: Vec<_> = tasks.iter().map(|task| (task.name(), total(task))).collect();
                handle.create_partitions(&topics, timeout)
            }
            Step::Config => {
                let edits: Vec<_> = tasks.iter().map(|task| (task.name(), task.edits())).collect();
                handle.alter_configs(&edits, Limits { timeout, validate_only: false })
            }
            Step::Delete => {
                let names: Vec<_> = tasks.iter().map(Task::name).collect();
                handle.delete_topics(&names, timeout)
            }
        };
        self.cluster.ask(self.cx, answer).await
    }
}

pub(super) fn new_topics<'t>(tasks: &'t [Task<'t>]) -> Vec<NewTopic<'t>> {
    let new = |task: &'t Task<'t>| NewTopic {
        name: task.name(),
        partitions: task.partitions,
        replication_factor: task.replication_factor,
        config: &task.planned.config,
    };
    tasks.iter().map(new).collect()
}

/// Each task with its part of the answer.
fn pair<'t>(
    tasks: Vec<Task<'t>>,
    answer: Result<Vec<(String, Option<Coded>)>, Failure>,
) -> Vec<(Task<'t>, Result<(), Failure>)> {
    match answer {
        Err(failure) => tasks.into_iter().map(|task| (task, Err(failure.clone()))).collect(),
        Ok(results) => {
            let mut results: HashMap<String, Option<Coded>> = results.into_iter().collect();
            let mut one = |task: Task<'t>| {
                let result = results.remove(task.name()).unwrap_or_else(|| Some(silent(task.name())));
                (task, result.map_or(Ok(()), |error| Err(Failure::Error(error))))
            };
            tasks.into_iter().map(&mut one).collect()
        }
    }
}

/// The cluster says that it did nothing, and that it will later.
fn is_put_off(error: &Coded) -> bool {
    matches!(error.code, code::NOT_CONTROLLER | code::THROTTLED)
}

/// The cluster says that the topic is not what the plan saw.
fn is_stale(step: Step, error: &Coded) -> bool {
    match step {
        Step::Create => error.code == code::TOPIC_EXISTS,
        Step::Partitions => matches!(error.code, code::UNKNOWN_TOPIC | code::INVALID_PARTITIONS),
        Step::Config | Step::Delete => error.code == code::UNKNOWN_TOPIC,
    }
}
