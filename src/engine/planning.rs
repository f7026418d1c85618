//! Planning: state and systems are read without a lock, and the core decides.

use super::plan_file::{Asked, PLAN_FORMAT, PlanFile};
use super::recover::{self, Settled};
use super::session::Session;
use super::systems::Systems;
use super::{check, codes, prior, refresh};
use datamesh_core::graph::DesiredGraph;
use datamesh_core::graph::recorded::Recorded;
use datamesh_core::graph::resolve::resolve;
use datamesh_core::graph::selector::AddressGlob;
use datamesh_core::manifest::Manifest;
use datamesh_core::plan::{
    self, DriftReport, Mode, Pending, Plan, PlanInput, PlanOptions, Prior, Scope, ShardVersion, Snapshot,
    read_set,
};
use datamesh_provider::{Address, Diagnostic, Diagnostics, Event, SystemName};
use datamesh_state::{Others, Record, Recovery, Shard, StateError};
use std::collections::{BTreeMap, BTreeSet};

/// What a plan is asked for.
#[derive(Clone, Debug, Default)]
pub struct PlanRequest {
    pub asked: Asked,
    /// A recorded snapshot instead of reading the systems.
    pub snapshot: Option<Snapshot>,
    /// Whether to ask the systems for their verdict.
    pub check: bool,
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
    pub records: BTreeMap<Address, Record>,
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

/// Everything a plan or a drift report is made from.
struct Prepared {
    shards: BTreeMap<String, Shard>,
    /// Before anything was judged in memory.
    versions: BTreeMap<String, ShardVersion>,
    desired: DesiredGraph,
    prior: Prior,
    options: PlanOptions,
    snapshot: Snapshot,
    systems: Systems,
    diagnostics: Diagnostics,
}

impl Session {
    /// Plans. Errors about manifests and systems are diagnostics; only a state that cannot be read is an error.
    pub async fn plan(&self, request: &PlanRequest) -> Result<Planned, StateError> {
        let mut prepared = self.prepare(request).await?;
        self.cx().events.event(Event::Phase { name: "plan" });
        let (mut plan, mut found) = self.decide(&prepared);
        if request.check && request.snapshot.is_none() && plan.has_changes() {
            self.cx().events.event(Event::Phase { name: "check" });
            let verdict = check::check(&plan, &prepared.desired, &prepared.systems, self.cx()).await;
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

    /// Compares what was applied with what is live. Plans nothing.
    pub async fn drift(&self, asked: &Asked) -> Result<(DriftReport, Diagnostics), StateError> {
        let request = PlanRequest { asked: asked.clone(), snapshot: None, check: false };
        let prepared = self.prepare(&request).await?;
        let (report, found) = plan::drift_report(&self.input(&prepared));
        let mut diagnostics = self.diagnostics.clone();
        diagnostics.extend(prepared.diagnostics);
        diagnostics.extend(found);
        diagnostics.sort();
        Ok((report, diagnostics))
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

    async fn prepare(&self, request: &PlanRequest) -> Result<Prepared, StateError> {
        let mut diagnostics = Diagnostics::default();
        let mut shards = self.shards().await?;
        let versions = prior::versions(shards.values());
        let mut desired = self.resolved(&shards, &mut diagnostics);
        self.recorded_but_unread(&shards, &mut diagnostics);

        self.cx().events.event(Event::Phase { name: "refresh" });
        let mut needed: BTreeSet<SystemName> =
            desired.resources.values().map(|resource| resource.object.system.clone()).collect();
        needed.extend(shards.values().flat_map(|shard| shard.resources.values().map(|r| r.system.clone())));
        needed.extend(shards.values().flat_map(|shard| shard.pending.values().map(|i| i.system.clone())));
        let systems = match &request.snapshot {
            Some(_) => Systems::default(),
            None => self.connect(&needed).await,
        };
        let before = diagnostics.len();
        let pending = self.judge_pending(&mut shards, &systems, request, &mut diagnostics).await?;
        hold_back(&mut desired, diagnostics.iter().skip(before));
        let mut prior = match prior::prior(shards.values(), &self.types) {
            Ok(prior) => prior,
            Err(error) => {
                let detail = format!("{error}.");
                let help = "The state was written by another version, or edited by hand.";
                diagnostics.push(Diagnostic::error(codes::MIXED, detail).help(help));
                Prior::default()
            }
        };
        prior.pending = pending;
        let options = self.options_of(&request.asked, &desired, &prior, &mut diagnostics);
        let snapshot = match &request.snapshot {
            Some(snapshot) => snapshot.clone(),
            None => refresh::refresh(&systems, &read_set(&desired, &prior, &options), self.cx()).await,
        };
        Ok(Prepared { shards, versions, desired, prior, options, snapshot, systems, diagnostics })
    }

    /// What the manifests declare, under the names that are recorded.
    pub(crate) fn resolved(
        &self,
        shards: &BTreeMap<String, Shard>,
        diagnostics: &mut Diagnostics,
    ) -> DesiredGraph {
        self.cx().events.event(Event::Phase { name: "resolve" });
        let mut recorded = Recorded::default();
        for (address, record) in shards.values().flat_map(|shard| &shard.resources) {
            recorded.insert(address.clone(), record.object.clone(), &record.attributes);
        }
        let (desired, found) = resolve(&self.load, &self.environment, &recorded);
        diagnostics.extend(found);
        desired
    }

    /// The shards of this mesh. Those of another one that shares the storage are none of its business, unless their
    /// domain is declared here as well: then one of the two is wrong.
    pub(crate) async fn shards(&self) -> Result<BTreeMap<String, Shard>, StateError> {
        let found = self.store.load(&self.environment.name).await?;
        let (ours, foreign): (Vec<_>, Vec<_>) =
            found.shards.into_iter().partition(|(_, found)| found.shard.repository == self.repository);
        let declared =
            |domain: &str| self.load.manifests.iter().any(|loaded| is_of(&loaded.manifest, domain));
        if let Some((_, found)) = foreign.into_iter().find(|(domain, _)| declared(domain)) {
            let (owner, ours) = (found.shard.repository, self.repository.clone());
            return Err(StateError::Foreign { place: found.place, owner, ours });
        }
        Ok(ours.into_iter().map(|(domain, found)| (domain, found.shard)).collect())
    }

    pub(crate) async fn connect(&self, needed: &BTreeSet<SystemName>) -> Systems {
        let providers = self.options.providers;
        Systems::connect(providers, &self.environment.systems, needed, &self.options.root, self.cx()).await
    }

    /// A file the state knows manifests of, and that is there but was not read, must not pass in silence.
    fn recorded_but_unread(&self, shards: &BTreeMap<String, Shard>, diagnostics: &mut Diagnostics) {
        let recorded: BTreeSet<&str> =
            shards.values().flat_map(|s| s.resources.values().filter_map(|r| r.source.as_deref())).collect();
        for skipped in self.load.skipped.iter().filter(|skipped| recorded.contains(skipped.path.as_str())) {
            let detail = format!(
                "{} declared resources when it was last applied; now it {}. What it declared is kept as it is.",
                skipped.path,
                skipped.reason.words()
            );
            let help =
                "Mend the file, or remove it and say with a Removed document what becomes of its resources.";
            diagnostics.push(Diagnostic::error(codes::RECORDED_UNREAD, detail).help(help));
        }
    }

    /// Pending operations: those under a held lock are somebody's work, the others are judged in memory.
    async fn judge_pending(
        &self,
        shards: &mut BTreeMap<String, Shard>,
        systems: &Systems,
        request: &PlanRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<Vec<Pending>, StateError> {
        let mut pending = Vec::new();
        let busy: Vec<String> =
            shards.iter().filter(|(_, shard)| !shard.is_settled()).map(|(d, _)| d.clone()).collect();
        for domain in &busy {
            let Some(mut shard) = shards.remove(domain) else { continue };
            let holder = self.store.holder(&self.environment.name, domain).await?;
            let held_by = holder.map(|holder| holder.to_string());
            let under_way = shard.under_way().cloned();
            pending.extend(under_way.map(|address| Pending { address, holder: held_by.clone() }));
            if held_by.is_none() {
                diagnostics.push(interrupted(domain, &shard));
                let live = request.snapshot.is_none().then_some(systems);
                diagnostics.extend(self.judge(&mut shard, shards, live).await?);
            }
            shards.insert(domain.clone(), shard);
        }
        Ok(pending)
    }

    /// Judges what was cut off in one shard, in memory. Without systems only what the state alone can tell.
    async fn judge(
        &self,
        shard: &mut Shard,
        others: &BTreeMap<String, Shard>,
        systems: Option<&Systems>,
    ) -> Result<Vec<Diagnostic>, StateError> {
        let place = shard.domain.clone();
        let invalid = |source| StateError::Invalid { place: place.clone(), source };
        shard.settle_moves(|domain| others.get(domain)).map_err(invalid)?;
        let Some(systems) = systems else { return Ok(Vec::new()) };
        let others = Others::new(others.values());
        let settled = recover::recover(shard, systems, &self.types, self.cx(), &others, false).await;
        Ok(settled.map_err(invalid)?.iter().filter_map(unsettled).collect())
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
        let narrowed = !asked.targets.is_empty() || !asked.paths.is_empty();
        let only = narrowed.then(|| {
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
        }
    }
}

/// Whether a document declares a domain, or a product of it.
fn is_of(manifest: &Manifest, domain: &str) -> bool {
    match manifest {
        Manifest::DataProduct(product) => product.metadata.domain.value == domain,
        Manifest::Domain(declared) => declared.metadata.name.value == domain,
        _ => false,
    }
}

/// The records of what a plan relies on, also under the address one is moved from.
fn records_of(plan: &Plan, shards: &BTreeMap<String, Shard>) -> BTreeMap<Address, Record> {
    let moved = plan.work().filter_map(|change| change.moved_from.as_ref());
    let record = |address: &Address| {
        let record = shards.get(address.domain())?.resources.get(address)?;
        Some((address.clone(), record.clone()))
    };
    plan.pins.keys().chain(moved).filter_map(record).collect()
}

/// Nothing is planned for the owners these errors are about.
fn hold_back<'a>(desired: &mut DesiredGraph, found: impl Iterator<Item = &'a Diagnostic>) {
    for error in found.filter(|diagnostic| diagnostic.is_error()) {
        if let Some(owner) = &error.scope {
            let why = format!("{} [{}]", error.code.summary, error.code.id);
            desired.held_back.entry(owner.clone()).or_insert(why);
        }
    }
}

fn interrupted(domain: &str, shard: &Shard) -> Diagnostic {
    let names: BTreeSet<String> = shard.under_way().map(Address::to_string).collect();
    let detail = format!(
        "An earlier apply in domain {domain} was interrupted before it stored the outcome of {} operation(s): {}.",
        shard.under_way().count(),
        names.into_iter().collect::<Vec<_>>().join(", ")
    );
    Diagnostic::warning(plan::codes::INTERRUPTED, detail)
        .help("The next apply finds out what became of them before it does anything else.")
}

/// What a person has to decide about an interrupted operation.
pub(crate) fn unsettled(settled: &Settled) -> Option<Diagnostic> {
    let Settled { address, step, verdict, .. } = settled;
    let (detail, help) = match verdict {
        Ok(Recovery::Conflict { differs, .. }) => (
            format!(
                "An interrupted apply may have created {address}, but what is there differs from what was planned in \
                 {}. It may be somebody else's.",
                differs.join(", ")
            ),
            "Look at the live object. To take it over, make it equal to the manifest; to start over, remove it.",
        ),
        Err(why) => (
            format!("What became of `{step}` of {address} is not known: {why}."),
            "Make the system reachable and run this again.",
        ),
        Ok(_) => return None,
    };
    Some(Diagnostic::error(codes::UNSETTLED, detail).help(help).scoped(address.owner()))
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
            let help = "`datamesh state list` and `datamesh graph` show the addresses.";
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
