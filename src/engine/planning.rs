//! Planning: state and systems are read without a lock, and the core decides.

use super::check::{self, Allowed};
use super::codes;
use super::plan_file::{Asked, PLAN_FORMAT, PlanFile};
use super::preparing::Prepared;
use super::session::Session;
use super::systems::Systems;
use super::unmanaged::UnmanagedReport;
use datamesh_core::graph::DesiredGraph;
use datamesh_core::graph::selector::AddressGlob;
use datamesh_core::plan::{
    self, DriftReport, Mode, Plan, PlanInput, PlanOptions, Prior, Scope, ShardVersion, Snapshot,
};
use datamesh_provider::{Address, Diagnostic, Diagnostics, Event, SystemName};
use datamesh_state::{Shard, SharedRecord, StateError};
use std::collections::{BTreeMap, BTreeSet};

/// What a plan is asked for.
#[derive(Clone, Debug, Default)]
pub struct PlanRequest {
    pub asked: Asked,
    /// A recorded snapshot instead of reading the systems.
    pub snapshot: Option<Snapshot>,
    /// Whether to ask the systems for their verdict.
    pub check: bool,
    /// Whether access may be taken from those who have it only because nobody is named yet.
    pub allow_lockout: bool,
}

/// A plan with everything it was made from.
#[derive(Debug)]
pub struct Planned {
    pub plan: Plan,
    pub diagnostics: Diagnostics,
    pub snapshot: Snapshot,
    pub desired: DesiredGraph,
    pub asked: Asked,
    /// The records of what the plan relies on.
    pub records: BTreeMap<Address, SharedRecord>,
    /// What the state was when it was read.
    pub(crate) versions: BTreeMap<String, ShardVersion>,
    /// The id of the saved plan that this is what is left of.
    pub(crate) saved: Option<String>,
    /// The published plan whose changes these are.
    pub(crate) reviewed: Option<String>,
    pub(crate) systems: Systems,
}

impl Planned {
    /// The plan as it is saved.
    pub fn file(&self) -> PlanFile {
        PlanFile {
            format: PLAN_FORMAT,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            asked: self.asked.clone(),
            plan: self.plan.clone(),
            records: self.records.clone(),
            snapshot: self.snapshot.clone(),
        }
    }

    /// The saved plan that this is what is left of.
    pub fn of_saved(&self) -> Option<&str> {
        self.saved.as_deref()
    }

    /// Identity of each system, as it was read.
    pub(crate) fn identities(&self) -> BTreeMap<SystemName, String> {
        self.snapshot.systems.iter().map(|s| (s.system.clone(), s.facts.identity.clone())).collect()
    }
}

impl Session {
    /// Plans. Errors about manifests and systems are diagnostics; only a state that cannot be read is an error.
    pub async fn plan(&self, request: &PlanRequest) -> Result<Planned, StateError> {
        let mut prepared = self.prepare(request).await?;
        self.cx().events.event(Event::Phase { name: "plan" });
        let (mut plan, mut found) = self.decide(&prepared);
        if request.check && request.snapshot.is_none() && plan.has_changes() {
            self.cx().events.event(Event::Phase { name: "check" });
            let allowed = Allowed { lockout: request.allow_lockout, options: &prepared.options };
            let Prepared { desired, systems, .. } = &prepared;
            let verdict = check::check(&plan, desired, systems, allowed, self.cx()).await;
            if verdict.has_errors() {
                hold_back(&mut prepared.desired, verdict.iter());
                (plan, found) = self.decide(&prepared);
            }
            found.extend(verdict);
        }
        let mut diagnostics = self.diagnostics.clone();
        diagnostics.extend(prepared.diagnostics);
        diagnostics.extend(found);
        diagnostics.sort();
        let Prepared { shards, versions, desired, snapshot, systems, .. } = prepared;
        let records = records_of(&plan, &shards);
        Ok(Planned {
            plan,
            diagnostics,
            snapshot,
            desired,
            asked: request.asked.clone(),
            records,
            versions,
            saved: None,
            reviewed: None,
            systems,
        })
    }

    /// Compares what was applied with what is live. Plans nothing. `unmanaged`: looks for what nobody declares as well.
    pub async fn drift(
        &self,
        asked: &Asked,
        unmanaged: bool,
    ) -> Result<(DriftReport, Option<UnmanagedReport>, Diagnostics), StateError> {
        let request = PlanRequest { asked: asked.clone(), ..PlanRequest::default() };
        let prepared = self.prepare(&request).await?;
        let (report, found) = plan::drift_report(&self.input(&prepared));
        let unmanaged = if unmanaged { Some(self.unmanaged(&prepared).await) } else { None };
        let mut diagnostics = self.diagnostics.clone();
        diagnostics.extend(prepared.diagnostics);
        diagnostics.extend(found);
        diagnostics.sort();
        Ok((report, unmanaged, diagnostics))
    }

    fn decide(&self, prepared: &Prepared) -> (Plan, Diagnostics) {
        plan::plan(&self.input(prepared))
    }

    fn input<'a>(&'a self, prepared: &'a Prepared) -> PlanInput<'a> {
        PlanInput {
            types: &self.types,
            desired: &prepared.desired,
            prior: &prepared.prior,
            live: &prepared.snapshot,
            options: &prepared.options,
            environment: &self.environment.name,
            inputs_digest: &self.inputs_digest,
            again: None,
        }
    }

    /// Flags become sets of addresses; a selector that matches nothing is an error.
    pub(crate) fn options_of(
        &self,
        asked: &Asked,
        desired: &DesiredGraph,
        prior: &Prior,
        diagnostics: &mut Diagnostics,
    ) -> PlanOptions {
        let known: BTreeSet<&Address> = desired.resources.keys().chain(prior.resources.keys()).collect();
        let mut select = |flag: &str, texts: &[String]| selected(flag, texts, &known, diagnostics);
        let targets = select("--target", &asked.targets);
        let adopt = select("--adopt", &asked.adopt);
        let allow_destroy = select("--allow-destroy", &asked.allow_destroy);
        let only = (!asked.is_whole()).then(|| {
            let mut only = targets;
            only.extend(below_paths(&asked.paths, desired, prior, diagnostics));
            with_dependencies(only, desired, asked.destroy)
        });
        PlanOptions {
            mode: if asked.destroy { Mode::Destroy } else { Mode::Converge },
            scope: Scope { only },
            consider: None,
            adopt,
            allow_destroy,
            on_remove: Some(self.environment.on_remove),
            protected: self.environment.protected,
            group: self.cx().budget.group,
        }
    }
}

/// The records of what a plan relies on, also under the address one is moved from.
pub(super) fn records_of(plan: &Plan, shards: &BTreeMap<String, Shard>) -> BTreeMap<Address, SharedRecord> {
    let moved = plan.work().filter_map(|change| change.moved_from.as_ref());
    let record = |address: &Address| {
        let record = shards.get(address.domain())?.resources.get(address)?;
        Some((address.clone(), record.clone()))
    };
    plan.pins.keys().chain(moved).filter_map(record).collect()
}

/// Nothing is planned for the owners these errors are about.
pub(super) fn hold_back<'a>(desired: &mut DesiredGraph, found: impl Iterator<Item = &'a Diagnostic>) {
    for error in found.filter(|diagnostic| diagnostic.is_error()) {
        if let Some(owner) = &error.scope {
            let why = format!("{} [{}]", error.code.summary, error.code.id);
            desired.held_back.entry(owner.clone()).or_insert(why);
        }
    }
}

fn selected(
    flag: &str,
    texts: &[String],
    known: &BTreeSet<&Address>,
    diagnostics: &mut Diagnostics,
) -> BTreeSet<Address> {
    let mut all = BTreeSet::new();
    for text in texts {
        let found: Vec<Address> = match AddressGlob::parse(text) {
            Ok(glob) => known.iter().filter(|address| glob.matches(address)).map(|a| (*a).clone()).collect(),
            Err(error) => {
                diagnostics.push(Diagnostic::error(codes::NO_MATCH, format!("{flag}: {error}.")));
                continue;
            }
        };
        if found.is_empty() {
            let detail = format!("{flag} {text} matches no declared and no recorded resource.");
            let help = "`datamesh state list` and `datamesh graph` show the addresses. `*` stops at `.`, `/`, `@` and `:`; \
                        `**` does not: `domain/product@1:**` is all of a product.";
            diagnostics.push(Diagnostic::error(codes::NO_MATCH, detail).help(help));
        }
        all.extend(found);
    }
    all
}

fn below_paths(
    paths: &[String],
    desired: &DesiredGraph,
    prior: &Prior,
    diagnostics: &mut Diagnostics,
) -> BTreeSet<Address> {
    let sources: Vec<(&Address, &str)> = desired
        .resources
        .iter()
        .map(|(address, resource)| (address, resource.source_path.as_str()))
        .chain(prior.resources.iter().map(|(address, record)| (address, record.source_path.as_str())))
        .collect();
    let mut all = BTreeSet::new();
    for path in paths {
        let wanted = path.trim_end_matches('/').trim_start_matches("./");
        let below = |source: &str| {
            wanted == "."
                || wanted.is_empty()
                || source == wanted
                || source.strip_prefix(wanted).is_some_and(|r| r.starts_with('/'))
        };
        let found: Vec<&Address> = sources.iter().filter(|(_, s)| below(s)).map(|(a, _)| *a).collect();
        if found.is_empty() {
            let detail = format!("No resource is declared or was last applied from {path}.");
            diagnostics.push(
                Diagnostic::error(codes::NO_MATCH, detail).help("Paths are relative to the mesh root."),
            );
        }
        all.extend(found.into_iter().cloned());
    }
    all
}

/// What is planned needs what it depends on; what is destroyed does not.
fn with_dependencies(
    mut only: BTreeSet<Address>,
    desired: &DesiredGraph,
    destroy: bool,
) -> BTreeSet<Address> {
    if destroy {
        return only;
    }
    let mut open: Vec<Address> = only.iter().cloned().collect();
    while let Some(address) = open.pop() {
        for target in desired.resources.get(&address).into_iter().flat_map(|r| &r.depends_on) {
            if only.insert(target.clone()) {
                open.push(target.clone());
            }
        }
    }
    only
}
