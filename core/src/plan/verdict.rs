//! Drift: what is live against what was last applied, resource by resource.

use super::decide::{drift_of, other_incarnation};
use super::held;
use super::index::{self, Index, LiveSide};
use super::types::{Drift, PriorResource};
use super::{PlanInput, codes};
use datamesh_provider::{Address, Diagnostic, Diagnostics};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How one resource stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Live is what was applied, and what is declared.
    InSync,
    /// Live is not what was applied.
    Drifted,
    /// Declared is not what was applied: merged, but not applied yet.
    Pending,
    /// Nobody knows.
    Unreadable,
}

/// One resource of a drift report.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftEntry {
    pub address: Address,
    pub verdict: Verdict,
    /// What differs, where it drifted.
    pub drift: Option<Drift>,
    /// In words, where the verdict alone does not say it.
    pub why: Option<String>,
}

/// Every recorded and every declared resource in scope.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DriftReport {
    pub entries: Vec<DriftEntry>,
}

impl DriftReport {
    pub fn count(&self, verdict: Verdict) -> usize {
        self.entries.iter().filter(|entry| entry.verdict == verdict).count()
    }
}

/// Compares every record with what is live. Plans nothing.
pub fn drift_report(input: &PlanInput<'_>) -> (DriftReport, Diagnostics) {
    let index = Index::new(input.types, input.desired, input.prior, input.live);
    let mut diagnostics = Diagnostics::default();
    let priors = index::prior_of(&index, &mut diagnostics);
    let addresses: BTreeSet<&Address> =
        priors.keys().copied().chain(input.desired.resources.keys()).collect();
    let mut report = DriftReport::default();
    let under_way = input.prior.under_way();
    for address in addresses {
        if !input.options.scope.contains(address) {
            continue;
        }
        // Somebody's apply is at it: what it shows now is neither what it was nor what it is to be.
        if let Some(holder) = under_way.get(address) {
            report.entries.push(DriftEntry {
                address: address.clone(),
                verdict: Verdict::Pending,
                drift: None,
                why: Some(format!("being changed by {holder}")),
            });
            continue;
        }
        match index.sides(address, priors.get(address).copied()) {
            Ok(sides) => report.entries.extend(judge(&index, &sides)),
            Err(diagnostic) => diagnostics.push(*diagnostic),
        }
    }
    diagnostics.extend(unreadable(&report));
    diagnostics.sort();
    (report, diagnostics)
}

/// One finding for all that could not be read for the same reason: a system that is down is one error.
fn unreadable(report: &DriftReport) -> Vec<Diagnostic> {
    let mut by_reason: BTreeMap<&str, Vec<&Address>> = BTreeMap::new();
    for entry in report.entries.iter().filter(|entry| entry.verdict == Verdict::Unreadable) {
        by_reason.entry(entry.why.as_deref().unwrap_or("it was not read")).or_default().push(&entry.address);
    }
    let finding = |(why, addresses): (&str, Vec<&Address>)| {
        let detail = format!("What is live of {} is not known: {why}.", held::few(&addresses));
        let owners: BTreeSet<String> = addresses.iter().map(|address| address.owner()).collect();
        owners
            .into_iter()
            .map(move |owner| Diagnostic::error(codes::UNREADABLE, detail.clone()).scoped(owner))
    };
    by_reason.into_iter().flat_map(finding).collect()
}

fn judge(index: &Index<'_>, sides: &index::Sides<'_>) -> Option<DriftEntry> {
    let entry = |verdict, drift, why: Option<String>| {
        Some(DriftEntry { address: sides.address.clone(), verdict, drift, why })
    };
    let Some(prior) = &sides.prior else {
        // A container that others made is used as it is and never recorded.
        let used = sides.ty.uses_existing() && matches!(sides.live, LiveSide::Present(_));
        let why = "declared, not applied yet".to_owned();
        return if used { None } else { entry(Verdict::Pending, None, Some(why)) };
    };
    let gone = |record: &PriorResource| Drift {
        address: sides.address.clone(),
        ty: record.ty.clone(),
        id: record.id.clone(),
        deleted: true,
        attributes: Vec::new(),
    };
    match &sides.live {
        LiveSide::Unreadable(why) => return entry(Verdict::Unreadable, None, Some((*why).to_owned())),
        LiveSide::Unknown => return entry(Verdict::Unreadable, None, None),
        LiveSide::Absent => {
            return entry(Verdict::Drifted, Some(gone(prior.record)), Some("deleted outside".to_owned()));
        }
        LiveSide::Present(object) if other_incarnation(prior.record, object) => {
            let why = "deleted and made again outside".to_owned();
            return entry(Verdict::Drifted, Some(gone(prior.record)), Some(why));
        }
        LiveSide::Present(object) => {
            let attributes = &object.attributes;
            if let Some(drift) = drift_of(sides, prior, attributes) {
                return entry(Verdict::Drifted, Some(drift), None);
            }
        }
    }
    let held_back = index.desired.held_back.contains_key(&sides.address.owner());
    match &sides.declared {
        Some(declared) if *declared != prior.attributes => {
            entry(Verdict::Pending, None, Some("the manifest changed, not applied yet".to_owned()))
        }
        None if !held_back => {
            entry(Verdict::Pending, None, Some("no manifest declares it any more".to_owned()))
        }
        _ => entry(Verdict::InSync, None, None),
    }
}
