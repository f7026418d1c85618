//! Check: asking the systems whether they would take the planned operations. No effect on any of them.

use super::apply::operation;
use super::systems::Systems;
use datamesh_core::graph::DesiredGraph;
use datamesh_core::plan::{Plan, ResourceChange};
use datamesh_provider::{
    Context, Diagnostic, Diagnostics, OpDiagnostics, Operation, OperationId, Severity, SystemName,
};
use futures::future::join_all;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What every system says about its part of the plan, scoped to the products it is about.
pub(crate) async fn check(
    plan: &Plan,
    desired: &DesiredGraph,
    systems: &Systems,
    cx: &Context,
) -> Diagnostics {
    let mut by_system: BTreeMap<&SystemName, Vec<Operation>> = BTreeMap::new();
    let mut changes: BTreeMap<OperationId, &ResourceChange> = BTreeMap::new();
    for planned in &plan.graph.operations {
        let Some(change) = plan.change(&planned.address) else { continue };
        changes.insert(planned.id.clone(), change);
        by_system.entry(&change.system).or_default().push(operation(change, planned, String::new()));
    }
    let parts = join_all(by_system.into_iter().map(|(system, operations)| async move {
        let out: Mutex<Vec<OpDiagnostics>> = Mutex::default();
        // A system that cannot be reached was reported by the refresh already.
        if let Ok(client) = systems.get(system) {
            client.check(cx, &operations, &out).await;
        }
        out.into_inner().unwrap_or_else(PoisonError::into_inner)
    }))
    .await;
    let mut found: Vec<Diagnostic> = Vec::new();
    for verdict in parts.into_iter().flatten() {
        match changes.get(&verdict.id) {
            Some(change) => {
                let told = verdict.diagnostics.scoped(&change.address.owner());
                let about = &verdict.about;
                found.extend(told.into_iter().map(|diagnostic| placed(diagnostic, about, change, desired)));
            }
            None => found.extend(verdict.diagnostics),
        }
    }
    let mut found: Diagnostics = found.into_iter().collect();
    found.sort();
    found
}

/// The verdict, with what was allowed as warnings.
pub(crate) fn allowed(verdict: Diagnostics, lockout: bool) -> Diagnostics {
    let soften = |mut diagnostic: Diagnostic| {
        if lockout && diagnostic.code == datamesh_kafka::codes::LOCKOUT {
            diagnostic.severity = Severity::Warning;
        }
        diagnostic
    };
    verdict.into_iter().map(soften).collect()
}

/// A system knows neither where something is declared, nor what is different from before.
fn placed(
    mut diagnostic: Diagnostic,
    about: &[String],
    change: &ResourceChange,
    desired: &DesiredGraph,
) -> Diagnostic {
    if !diagnostic.is_error() {
        return diagnostic;
    }
    diagnostic = diagnostic.naming(&change.address.product_path());
    let declared = desired.resources.get(&change.address);
    if !about.is_empty() {
        let path: Vec<&str> = about.iter().map(String::as_str).collect();
        return diagnostic.at(declared.and_then(|wanted| wanted.object.spans.at(&path)), "this");
    }
    if !change.notes.is_empty() {
        diagnostic.detail += &format!(" What changes: {}.", change.notes.join("; "));
    }
    let declared = declared.and_then(|wanted| wanted.span);
    if diagnostic.labels.is_empty() { diagnostic.at(declared, "declared here") } else { diagnostic }
}
