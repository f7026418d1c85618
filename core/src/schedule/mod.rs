//! The schedule: a pure state machine that says which operations run next, given how earlier ones ended.
//!
//! It never decides what to do, only when: it walks the plan's own groups. An operation whose predecessor did not
//! succeed is skipped; the others go on.

use crate::plan::{ExecutionGraph, PlannedOperation};
use std::collections::BTreeSet;

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Waiting,
    Running,
    Done,
    /// Provably without effect, or the world was not what the plan saw.
    Failed,
    /// Nobody knows whether it happened.
    Indeterminate,
    /// Not started: something it waits for did not succeed, or the run was stopped.
    Skipped,
}

/// How an operation ended, as far as the schedule cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Done,
    Failed,
    Indeterminate,
}

/// How many operations ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub done: usize,
    pub failed: usize,
    pub indeterminate: usize,
    pub skipped: usize,
}

/// The state machine over one execution graph.
#[derive(Clone, Debug)]
pub struct Schedule<'p> {
    graph: &'p ExecutionGraph,
    status: Vec<Status>,
    next_group: usize,
    stopping: bool,
    /// Domains whose shard can no longer be written.
    fenced: BTreeSet<String>,
}

impl<'p> Schedule<'p> {
    pub fn new(graph: &'p ExecutionGraph) -> Self {
        let status = vec![Status::Waiting; graph.operations.len()];
        Self { graph, status, next_group: 0, stopping: false, fenced: BTreeSet::new() }
    }

    /// The next operations to run together, or `None` when nothing is left. Every operation of an earlier group
    /// must have ended, or have come with [`Schedule::group_ahead`].
    pub fn next_group(&mut self) -> Option<Vec<usize>> {
        while let Some(group) = self.graph.groups.get(self.next_group) {
            self.next_group += 1;
            let mut ready = Vec::with_capacity(group.len());
            for at in group {
                if self.may_run(*at) {
                    self.status[*at] = Status::Running;
                    ready.push(*at);
                } else {
                    self.status[*at] = Status::Skipped;
                }
            }
            if !ready.is_empty() {
                return Some(ready);
            }
        }
        None
    }

    /// The next operations where none of them waits for one that runs: they can be made ready meanwhile.
    pub fn group_ahead(&mut self) -> Option<Vec<usize>> {
        let group = self.graph.groups.get(self.next_group)?;
        let waits = |at: &usize| {
            self.graph.operations[*at].after.iter().any(|earlier| self.status[*earlier] == Status::Running)
        };
        if group.iter().any(waits) { None } else { self.next_group() }
    }

    fn may_run(&self, at: usize) -> bool {
        let operation = &self.graph.operations[at];
        !self.stopping
            && !self.fenced.contains(operation.address.domain())
            && operation.after.iter().all(|earlier| self.status[*earlier] == Status::Done)
    }

    /// Records how a running operation ended.
    pub fn end(&mut self, at: usize, end: End) {
        self.status[at] = match end {
            End::Done => Status::Done,
            End::Failed => Status::Failed,
            End::Indeterminate => Status::Indeterminate,
        };
    }

    /// Puts an operation that was handed out back as never started.
    pub fn skip(&mut self, at: usize) {
        self.status[at] = Status::Skipped;
    }

    /// Starts nothing new from here on.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Starts nothing new in a domain; others go on.
    pub fn fence(&mut self, domain: &str) {
        self.fenced.insert(domain.to_owned());
    }

    pub fn status(&self, at: usize) -> Status {
        self.status[at]
    }

    pub fn operation(&self, at: usize) -> &'p PlannedOperation {
        &self.graph.operations[at]
    }

    pub fn groups(&self) -> usize {
        self.graph.groups.len()
    }

    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for status in &self.status {
            match status {
                Status::Done => tally.done += 1,
                Status::Failed => tally.failed += 1,
                Status::Indeterminate | Status::Running => tally.indeterminate += 1,
                Status::Waiting | Status::Skipped => tally.skipped += 1,
            }
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datamesh_provider::{OpAction, OperationId};

    fn graph(after: &[&[usize]], groups: &[&[usize]]) -> ExecutionGraph {
        let operation = |(at, after): (usize, &&[usize])| PlannedOperation {
            id: OperationId(at.to_string()),
            address: format!("d{}/p@1:t.n{at}", at % 2).parse().expect("an address"),
            action: OpAction::Create,
            step: "create".into(),
            after: after.to_vec(),
            last: true,
        };
        ExecutionGraph {
            operations: after.iter().enumerate().map(operation).collect(),
            groups: groups.iter().map(|g| g.to_vec()).collect(),
        }
    }

    #[test]
    fn a_failure_skips_what_waits_for_it_and_nothing_else() {
        let graph = graph(&[&[], &[], &[0], &[1], &[2]], &[&[0, 1], &[2, 3], &[4]]);
        let mut schedule = Schedule::new(&graph);
        assert_eq!(schedule.next_group(), Some(vec![0, 1]));
        schedule.end(0, End::Failed);
        schedule.end(1, End::Done);
        assert_eq!(schedule.next_group(), Some(vec![3]));
        schedule.end(3, End::Done);
        assert_eq!(schedule.next_group(), None);
        assert_eq!(schedule.tally(), Tally { done: 2, failed: 1, indeterminate: 0, skipped: 2 });
    }

    #[test]
    fn what_is_indeterminate_counts_as_neither_success_nor_failure() {
        let graph = graph(&[&[], &[0]], &[&[0], &[1]]);
        let mut schedule = Schedule::new(&graph);
        schedule.next_group();
        schedule.end(0, End::Indeterminate);
        assert_eq!(schedule.next_group(), None);
        assert_eq!(schedule.tally(), Tally { indeterminate: 1, skipped: 1, ..Tally::default() });
    }

    #[test]
    fn what_waits_for_nothing_that_runs_is_handed_out_ahead() {
        let graph = graph(&[&[], &[], &[0], &[]], &[&[0], &[1], &[2, 3]]);
        let mut schedule = Schedule::new(&graph);
        assert_eq!(schedule.next_group(), Some(vec![0]));
        assert_eq!(schedule.group_ahead(), Some(vec![1]));
        assert_eq!(schedule.group_ahead(), None);
        schedule.end(0, End::Failed);
        assert_eq!(schedule.group_ahead(), Some(vec![3]));
        assert_eq!(schedule.group_ahead(), None);
        assert_eq!(schedule.status(2), Status::Skipped);
    }

    #[test]
    fn a_stop_starts_nothing_new_and_a_fence_stops_its_domain_only() {
        let graph = graph(&[&[], &[], &[], &[]], &[&[0], &[1], &[2], &[3]]);
        let mut schedule = Schedule::new(&graph);
        schedule.next_group();
        schedule.end(0, End::Done);
        schedule.fence("d1");
        assert_eq!(schedule.next_group(), Some(vec![2]));
        schedule.end(2, End::Done);
        schedule.stop();
        assert_eq!(schedule.next_group(), None);
        assert_eq!(schedule.tally(), Tally { done: 2, skipped: 2, ..Tally::default() });
    }
}
