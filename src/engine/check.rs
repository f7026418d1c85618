//! Check: asking the systems whether they would take the planned operations. No effect on any of them.

use super::apply::operation;
use super::systems::Systems;
use datamesh_core::graph::DesiredGraph;
use datamesh_core::plan::{Mode, Plan, PlanOptions, ResourceChange};
use datamesh_kafka::codes;
use datamesh_provider::{
    Address, Context, Diagnostic, Diagnostics, OpDiagnostics, Operation, OperationId, Severity, SystemName,
};
use futures::future::join_all;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Which verdicts are warnings because somebody said so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed<'a> {
    /// Access may be taken from whoever no binding names.
    pub(crate) lockout: bool,
    pub(crate) options: &'a PlanOptions,
}

impl Allowed<'_> {
    /// An error that was allowed is a warning; one that was not says how to.
    fn judge(&self, mut diagnostic: Diagnostic, address: &Address) -> Diagnostic {
        let allowed = match diagnostic.code {
            codes::LOCKOUT => self.lockout,
            // Who types `destroy` asks for it; elsewhere it follows from a change of manifests.
            codes::IN_USE => {
                self.options.mode == Mode::Destroy || self.options.allow_destroy.contains(address)
            }
            _ => return diagnostic,
        };
        if diagnostic.is_error() && allowed {
            diagnostic.severity = Severity::Warning;
        } else if diagnostic.is_error() && diagnostic.code == codes::IN_USE {
            let help = diagnostic.help.take().unwrap_or_default();
            diagnostic = diagnostic.help(format!("{help}; or say `--allow-destroy {address}`"));
        }
        diagnostic
    }
}

/// What every system says about its part of the plan, scoped to the products it is about.
pub(crate) async fn check(
    plan: &Plan,
    desired: &DesiredGraph,
    systems: &Systems,
    allowed: Allowed<'_>,
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
                let told = told.into_iter().map(|diagnostic| allowed.judge(diagnostic, &change.address));
                found.extend(told.map(|diagnostic| placed(diagnostic, about, change, desired)));
            }
            None => found.extend(verdict.diagnostics),
        }
    }
    let mut found: Diagnostics = found.into_iter().collect();
    found.sort();
    found
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
