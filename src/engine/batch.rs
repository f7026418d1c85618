//! Runs the operations of one group: systems side by side, and within a system one batch after the other.

use super::systems::Systems;
use datamesh_core::plan::Types;
use datamesh_provider::{
    Context, Event, Interruption, OpOutcome, Operation, OperationId, Outcome, Provider, Refusal, Sink,
    SystemName,
};
use futures::FutureExt;
use futures::future::join_all;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How one operation ended.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
}

/// Runs them all. Every operation has an outcome afterwards: one its provider did not report is indeterminate.
pub(crate) async fn run(
    systems: &Systems,
    types: &Types,
    operations: Vec<Operation>,
    cx: &Context,
) -> BTreeMap<OperationId, Ran> {
    let mut by_system: BTreeMap<SystemName, Vec<Operation>> = BTreeMap::new();
    for operation in operations {
        by_system.entry(operation.system.clone()).or_default().push(operation);
    }
    let parts =
        join_all(by_system.iter().map(|(system, ops)| one_system(systems, types, system, ops, cx))).await;
    parts.into_iter().flatten().collect()
}

async fn one_system(
    systems: &Systems,
    types: &Types,
    system: &SystemName,
    operations: &[Operation],
    cx: &Context,
) -> Vec<(OperationId, Ran)> {
    let client = match systems.get(system) {
        Ok(client) => client,
        Err(error) => {
            let refused = |operation: &Operation| {
                let outcome = Outcome::Rejected(Refusal { error: error.clone() });
                announce(operation, &outcome, Duration::ZERO, cx);
                (operation.id.clone(), Ran { outcome })
            };
            return operations.iter().map(refused).collect();
        }
    };
    let mut ended = Vec::with_capacity(operations.len());
    // A group is sorted by type, action and step, so that what belongs into one call stands together.
    for same in operations.chunk_by(|a, b| (&a.ty, a.action, &a.step) == (&b.ty, b.action, &b.step)) {
        let limit =
            same.first().and_then(|first| types.get(&first.ty)).map_or(1, |ty| ty.schema().batch.max(1));
        for batch in same.chunks(limit) {
            ended.extend(one_batch(client.as_ref(), batch, cx).await);
        }
    }
    ended
}

async fn one_batch(client: &dyn Provider, batch: &[Operation], cx: &Context) -> Vec<(OperationId, Ran)> {
    for operation in batch {
        let Operation { address, action, step, .. } = operation;
        cx.events.event(Event::OperationStart {
            address: address.clone(),
            action: *action,
            step: step.clone(),
        });
    }
    let outcomes = Outcomes { batch, cx, start: cx.clock.monotonic(), seen: Mutex::default() };
    // A panic in a provider leaves its calls indeterminate; the state must still be written.
    let panicked = AssertUnwindSafe(client.apply(cx, batch, &outcomes)).catch_unwind().await.is_err();
    let mut seen = outcomes.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    batch
        .iter()
        .map(|operation| {
            let outcome = seen.remove(&operation.id).unwrap_or_else(|| {
                let stopped = cx.cancel.is_draining() && !panicked;
                let why = if stopped { Interruption::Stopped } else { Interruption::Unreported };
                let outcome = Outcome::Indeterminate(why);
                announce(operation, &outcome, Duration::ZERO, cx);
                outcome
            });
            (operation.id.clone(), Ran { outcome })
        })
        .collect()
}

/// Takes outcomes as they come; the first one of an operation counts.
struct Outcomes<'a> {
    batch: &'a [Operation],
    cx: &'a Context,
    start: Duration,
    seen: Mutex<BTreeMap<OperationId, Outcome>>,
}

impl Sink<OpOutcome> for Outcomes<'_> {
    fn put(&self, item: OpOutcome) {
        let Some(operation) = self.batch.iter().find(|operation| operation.id == item.id) else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains_key(&item.id) {
            return;
        }
        announce(operation, &item.outcome, self.cx.clock.monotonic().saturating_sub(self.start), self.cx);
        seen.insert(item.id, item.outcome);
    }
}

fn announce(operation: &Operation, outcome: &Outcome, took: Duration, cx: &Context) {
    cx.events.event(Event::OperationComplete {
        address: operation.address.clone(),
        action: operation.action,
        step: operation.step.clone(),
        outcome: Box::new(outcome.clone()),
        took,
    });
}
