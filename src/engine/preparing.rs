//! What a plan is made from: the state, the manifests resolved over it, and the systems, read without a lock.

use super::ahead::{Ahead, Before};
use super::planning::{PlanRequest, hold_back};
use super::recover::{self, Settled};
use super::session::Session;
use super::systems::Systems;
use super::{codes, prior, refresh};
use datamesh_core::graph::DesiredGraph;
use datamesh_core::graph::recorded::Recorded;
use datamesh_core::graph::resolve::resolve;
use datamesh_core::manifest::Manifest;
use datamesh_core::plan::{
    self, Pending, PhysicalKey, PlanOptions, Prior, ReadSet, ShardVersion, Snapshot, physical, read_set,
};
use datamesh_provider::{Address, BoxFuture, Diagnostic, Diagnostics, Event, SystemName};
use datamesh_state::{Others, Recovery, Shard, Snapshot as StateSnapshot, StateError};
use futures::FutureExt as _;
use futures::future::ready;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::PoisonError;

/// Everything a plan or a drift report is made from.
pub(super) struct Prepared {
    pub(super) shards: BTreeMap<String, Shard>,
    /// Before anything was judged in memory.
    pub(super) versions: BTreeMap<String, ShardVersion>,
    pub(super) desired: DesiredGraph,
    pub(super) prior: Prior,
    pub(super) options: PlanOptions,
    /// What the snapshot answers.
    asked: ReadSet,
    pub(super) snapshot: Snapshot,
    pub(super) systems: Systems,
    pub(super) diagnostics: Diagnostics,
}

impl Session {
    /// Reads the state, then the systems; what was written into the state meanwhile is read again, and what is live
    /// of it.
    pub(super) async fn prepare(&self, request: &PlanRequest) -> Result<Prepared, StateError> {
        let environment = &self.environment.name;
        let (mut state, mut before) = match self.ahead_of(request)? {
            Some(Ahead { state, reading }) => (state, reading),
            None => (self.store.load(environment).await?, ready(Before::default()).boxed()),
        };
        let mut round = 1;
        loop {
            let seen = state.seen();
            let foreign: BTreeSet<String> = state
                .shards
                .iter()
                .filter(|(_, found)| !self.owns(&found.shard))
                .map(|(domain, _)| domain.clone())
                .collect();
            let mut prepared = self.prepare_over(self.ours(state)?, before, request).await?;
            // A recorded snapshot is what it is.
            if request.snapshot.is_some() {
                return Ok(prepared);
            }
            let mut changed = self.store.changed(environment, &seen).await?;
            changed.retain(|domain| !foreign.contains(domain));
            if changed.is_empty() {
                return Ok(prepared);
            }
            if round == ROUNDS {
                prepared.diagnostics.push(restless(&changed));
                return Ok(prepared);
            }
            round += 1;
            state = self.store.load(environment).await?;
            let Prepared { asked, snapshot, systems, .. } = prepared;
            let changed = state.changed_since(&seen);
            before = ready(Before { asked, snapshot, systems, changed }).boxed();
        }
    }

    /// What was read ahead of all that is recorded, unless less is asked for.
    fn ahead_of(&self, request: &PlanRequest) -> Result<Option<Ahead>, StateError> {
        let ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner).take();
        ahead.filter(|_| request.snapshot.is_none() && request.asked.is_whole()).transpose()
    }

    async fn prepare_over(
        &self,
        mut shards: BTreeMap<String, Shard>,
        before: BoxFuture<'_, Before>,
        request: &PlanRequest,
    ) -> Result<Prepared, StateError> {
        let mut diagnostics = Diagnostics::default();
        let versions = prior::versions(shards.values());
        let mut desired = self.resolved(&shards, &mut diagnostics);
        self.recorded_but_unread(&shards, &desired, &mut diagnostics);

        let mut needed: BTreeSet<SystemName> =
            desired.resources.values().map(|resource| resource.object.system.clone()).collect();
        needed.extend(shards.values().flat_map(|shard| shard.resources.values().map(|r| r.system.clone())));
        needed.extend(shards.values().flat_map(|shard| shard.pending.values().map(|i| i.system.clone())));
        let Before { asked: before, snapshot: seen, mut systems, changed } = before.await;
        if request.snapshot.is_none() {
            systems.extend(self.connect(&systems.missing(&needed)).await);
        }
        let known = diagnostics.len();
        let pending = self.judge_pending(&mut shards, &systems, request, &mut diagnostics).await?;
        hold_back(&mut desired, diagnostics.iter().skip(known));
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
        let asked = read_set(&desired, &prior, &options);
        let snapshot = match &request.snapshot {
            Some(snapshot) => snapshot.clone(),
            None => {
                let stale = objects_of(&changed, &desired, &prior);
                refresh::refresh_again(&systems, &asked, (&before, seen), &stale, &self.types, self.cx())
                    .await
            }
        };
        Ok(Prepared { shards, versions, desired, prior, options, asked, snapshot, systems, diagnostics })
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
        self.ours(self.store.load(&self.environment.name).await?)
    }

    fn ours(&self, found: StateSnapshot) -> Result<BTreeMap<String, Shard>, StateError> {
        let (ours, foreign): (Vec<_>, Vec<_>) =
            found.shards.into_iter().partition(|(_, found)| self.owns(&found.shard));
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

    /// A file the state knows manifests of, and that is there but was not read, must not pass in silence, unless all
    /// that it declared is declared elsewhere by now.
    fn recorded_but_unread(
        &self,
        shards: &BTreeMap<String, Shard>,
        desired: &DesiredGraph,
        diagnostics: &mut Diagnostics,
    ) {
        let records = shards.values().flat_map(|shard| &shard.resources);
        let lost = records.filter(|(address, _)| !desired.resources.contains_key(*address));
        let recorded: BTreeSet<&str> = lost.filter_map(|(_, record)| record.source.as_deref()).collect();
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
}

/// How often a plan reads what was written while it read.
const ROUNDS: usize = 3;

fn restless(domains: &[String]) -> Diagnostic {
    let detail = format!(
        "The state of {} is written faster than it can be read beside the systems: what is said of it may be out of \
         date.",
        domains.join(", ")
    );
    Diagnostic::warning(codes::RESTLESS, detail)
        .help("Run this again when that apply has ended; `datamesh lock list` says whose it is.")
}

/// The objects of some domains.
fn objects_of<'a>(
    domains: &[String],
    desired: &'a DesiredGraph,
    prior: &'a Prior,
) -> HashSet<PhysicalKey<'a>> {
    let concerned = |address: &Address| domains.iter().any(|domain| domain == address.domain());
    let declared = desired.resources.iter().filter(|(address, _)| concerned(address));
    let recorded = prior.resources.iter().filter(|(address, _)| concerned(address));
    let declared = declared.map(|(_, resource)| physical(resource));
    let recorded = recorded.map(|(_, record)| (&record.system, &record.ty, &record.id));
    declared.chain(recorded).collect()
}

/// Whether a document declares a domain, or a product of it.
fn is_of(manifest: &Manifest, domain: &str) -> bool {
    match manifest {
        Manifest::DataProduct(product) => product.metadata.domain.value == domain,
        Manifest::Domain(declared) => declared.metadata.name.value == domain,
        _ => false,
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
