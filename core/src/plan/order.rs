//! The order of execution: which operation waits for which, and the groups they run in.

use super::codes;
use super::types::{Action, ExecutionGraph, Plan, PlannedOperation, PriorResource};
use super::{PlanInput, Types};
use datamesh_provider::{Address, Diagnostic, OpAction, OperationId, digest_json};
use std::collections::{BTreeMap, BTreeSet};

/// At most this many operations in a group, unless something else is asked for: what one state write has to hold.
pub const GROUP_LIMIT: usize = 250;

/// The id of a plan: a digest of what it does and of what it was made from.
pub fn plan_id(plan: &Plan) -> String {
    let Plan { environment, changes, pins, shards, basis, inputs_digest, .. } = plan;
    digest_json(&(environment, changes, pins, shards, basis, inputs_digest))
}

/// Candidates in an order in which whatever depends on another comes before it.
pub(crate) fn dependents_first<'a>(
    candidates: &BTreeMap<&'a Address, &'a PriorResource>,
) -> Vec<&'a Address> {
    let mut waiting: BTreeMap<&Address, usize> = candidates.keys().map(|address| (*address, 0)).collect();
    for record in candidates.values() {
        for target in &record.depends_on {
            if let Some(count) = waiting.get_mut(target) {
                *count += 1;
            }
        }
    }
    let mut ready: BTreeSet<&Address> = waiting.iter().filter(|(_, n)| **n == 0).map(|(a, _)| *a).collect();
    let mut order = Vec::with_capacity(candidates.len());
    while let Some(address) = ready.pop_first() {
        order.push(address);
        waiting.remove(address);
        for target in &candidates[address].depends_on {
            let Some((target, _)) = candidates.get_key_value(target) else { continue };
            if let Some(count) = waiting.get_mut(*target) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(target);
                }
            }
        }
    }
    // A circle in an edited state: in name order, so that every one is still decided about.
    order.extend(waiting.into_keys());
    order
}

/// The operations of a plan with what each waits for, in groups of one dependency level.
pub(crate) fn execution_graph(plan: &Plan, input: &PlanInput<'_>) -> Result<ExecutionGraph, Box<Diagnostic>> {
    let mut graph = Builder::new(plan, input.types);
    graph.add_operations();
    graph.link(input);
    graph.finish(input.options.group.unwrap_or(GROUP_LIMIT))
}

/// First and last operation of each change, by rank.
type Ranks = BTreeMap<u32, Vec<(usize, usize)>>;

struct Builder<'a> {
    plan: &'a Plan,
    types: &'a Types,
    operations: Vec<PlannedOperation>,
    /// First and last operation of each change, by address: what others wait for.
    ends: BTreeMap<&'a Address, (usize, usize)>,
    /// The first operation of a deletion that waits until what it depends on is gone.
    late: BTreeMap<&'a Address, usize>,
}

impl<'a> Builder<'a> {
    fn new(plan: &'a Plan, types: &'a Types) -> Self {
        Self { plan, types, operations: Vec::new(), ends: BTreeMap::new(), late: BTreeMap::new() }
    }

    fn add_operations(&mut self) {
        for change in &self.plan.changes {
            let Some(action) = op_action(change.action) else { continue };
            let first = self.operations.len();
            for step in &change.steps {
                let index = self.operations.len();
                let after = if index > first { vec![index - 1] } else { Vec::new() };
                let id = OperationId::derive(&self.plan.id, &change.address, action, step);
                let (address, step) = (change.address.clone(), step.clone());
                self.operations.push(PlannedOperation { id, address, action, step, after, last: false });
            }
            let Some(last) = self.operations.len().checked_sub(1).filter(|last| *last >= first) else {
                continue;
            };
            self.operations[last].last = true;
            let late = self.types.late_from(&change.ty, &change.steps).map(|at| first + at);
            let late = late.filter(|_| action == OpAction::Delete);
            self.late.extend(late.map(|late| (&change.address, late)));
            // Who waits for this change does not wait for what waits for others.
            if late != Some(first) {
                self.ends.insert(&change.address, (first, late.map_or(last, |late| late - 1)));
            }
        }
    }

    fn link(&mut self, input: &PlanInput<'_>) {
        let mut edges: Vec<(usize, usize)> = Vec::new();
        for change in &self.plan.changes {
            let address = &change.address;
            let ends = self.ends.get(address).copied();
            if change.action == Action::Delete {
                let depends_on = input.prior.resources.get(address).map(|record| &record.depends_on);
                let gone = depends_on.into_iter().flatten().filter_map(|target| self.ends.get(target));
                for (first, last) in gone.filter(|(first, _)| self.deletes(*first)) {
                    edges.extend(ends.map(|(_, own)| (*first, own)));
                    edges.extend(self.late.get(address).map(|late| (*late, *last)));
                }
            } else if let Some((first, _)) = ends {
                for target in change.record.iter().flat_map(|record| &record.depends_on) {
                    edges.extend(
                        self.ends.get(target).filter(|(f, _)| !self.deletes(*f)).map(|(_, l)| (first, *l)),
                    );
                }
            }
        }
        self.link_by_rank(&mut edges);
        for (later, earlier) in edges {
            self.operations[later].after.push(earlier);
        }
        for operation in &mut self.operations {
            operation.after.sort_unstable();
            operation.after.dedup();
        }
    }

    fn deletes(&self, operation: usize) -> bool {
        self.operations[operation].action == OpAction::Delete
    }

    /// Within one owner, systems take turns: topic and table before subject before catalog; deletes the other way. Who
    /// writes with a schema finds the columns for it, and nobody writes any more what a table has no column for.
    fn link_by_rank(&self, edges: &mut Vec<(usize, usize)>) {
        let mut by_owner: BTreeMap<(String, bool), Ranks> = BTreeMap::new();
        for (address, ends) in &self.ends {
            let step = &self.operations[ends.0].step;
            let rank = self.types.get(address.ty()).map_or(0, |ty| ty.schema().rank_of(step));
            let key = (address.owner(), self.deletes(ends.0));
            by_owner.entry(key).or_default().entry(rank).or_default().push(*ends);
        }
        for ((_, delete), ranks) in by_owner {
            let steps: Vec<_> =
                if delete { ranks.into_values().rev().collect() } else { ranks.into_values().collect() };
            for pair in steps.windows(2) {
                for (first, _) in &pair[1] {
                    edges.extend(pair[0].iter().map(|(_, last)| (*first, *last)));
                }
            }
        }
    }

    fn finish(self, limit: usize) -> Result<ExecutionGraph, Box<Diagnostic>> {
        let levels = levels(&self.operations).map_err(|stuck| {
            let names: BTreeSet<String> =
                stuck.iter().map(|at| self.operations[*at].address.to_string()).collect();
            let names: Vec<String> = names.into_iter().collect();
            Box::new(Diagnostic::error(
                codes::CYCLE,
                format!("These wait for each other: {}.", names.join(", ")),
            ))
        })?;
        let mut by_level: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (operation, level) in levels.iter().enumerate() {
            by_level.entry(*level).or_default().push(operation);
        }
        let system = |at: usize| self.plan.change(&self.operations[at].address).map(|c| (&c.system, &c.ty));
        let mut groups = Vec::new();
        for (_, mut level) in by_level {
            level.sort_by(|a, b| {
                let key = |at: usize| {
                    let operation = &self.operations[at];
                    (system(at), operation.action, &operation.step, &operation.address)
                };
                key(*a).cmp(&key(*b))
            });
            groups.extend(level.chunks(limit.max(1)).map(<[usize]>::to_vec));
        }
        Ok(ExecutionGraph { operations: self.operations, groups })
    }
}

/// What a change does to its system, if anything.
fn op_action(action: Action) -> Option<OpAction> {
    match action {
        Action::Create => Some(OpAction::Create),
        Action::Update | Action::Adopt => Some(OpAction::Update),
        Action::Delete => Some(OpAction::Delete),
        Action::Replace | Action::Forget | Action::Hold | Action::NoOp => None,
    }
}

/// The longest path to each operation; the ones in a circle, if there is one.
fn levels(operations: &[PlannedOperation]) -> Result<Vec<usize>, Vec<usize>> {
    let mut later: Vec<Vec<usize>> = vec![Vec::new(); operations.len()];
    let mut waits: Vec<usize> = operations.iter().map(|operation| operation.after.len()).collect();
    for (index, operation) in operations.iter().enumerate() {
        for earlier in &operation.after {
            later[*earlier].push(index);
        }
    }
    let mut levels = vec![0; operations.len()];
    let mut ready: Vec<usize> = (0..operations.len()).filter(|at| waits[*at] == 0).collect();
    let mut done = 0;
    while let Some(at) = ready.pop() {
        done += 1;
        for next in &later[at] {
            levels[*next] = levels[*next].max(levels[at] + 1);
            waits[*next] -= 1;
            if waits[*next] == 0 {
                ready.push(*next);
            }
        }
    }
    if done == operations.len() {
        Ok(levels)
    } else {
        Err((0..operations.len()).filter(|at| waits[*at] > 0).collect())
    }
}
