//! Applying: recovery first, then the locks, then the plan's own graph.

use super::apply::{self, ApplyInput, ApplyReport};
use super::audit::has_open_runs;
use super::planning::Planned;
use super::preparing::unsettled;
use super::prior::versions;
use super::recover::{self, Settled};
use super::session::Session;
use datamesh_core::plan::{Action, Plan, ResourceChange, ShardVersion};
use datamesh_provider::{Address, Diagnostics, Event, SystemName};
use datamesh_state::{Intent, LockInfo, LockRequest, Locked, Others, Shard, StateError, Trail};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// An apply that happened.
#[derive(Debug)]
pub struct Applied {
    pub report: ApplyReport,
    /// The run's id, as it stands in intents and records.
    pub run: String,
}

/// An apply that did not begin.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error(transparent)]
    State(#[from] StateError),
    /// What it relies on is not as it was.
    #[error("the plan is stale: {0}")]
    Stale(String),
    /// Another run wrote these shards between the plan and its lock: planning again may do.
    #[error("the plan is stale: the state of {0} was written since it was made")]
    Overtaken(String),
}

/// What was found out about the operations that interrupted applies left.
#[derive(Debug, Default)]
pub struct Recovered {
    pub settled: Vec<Settled>,
    /// What a person has to decide.
    pub found: Diagnostics,
    /// Domains where operations are under way that are somebody's: why they could not be looked at.
    pub left: Vec<StateError>,
}

impl Session {
    /// Finds out what became of operations an interrupted apply left, and stores it. What a person has to decide
    /// comes back as errors. Domains that somebody works in are left to them.
    pub async fn recover(&self, wait: Duration) -> Result<Recovered, StateError> {
        let shards = self.shards().await?;
        let open = shards.values().filter(|shard| !shard.is_settled());
        // Of a move both sides: what its source may still be about to write is fenced by locking it.
        let both = open.flat_map(|shard| std::iter::once(shard.domain.as_str()).chain(shard.sources()));
        let domains: BTreeSet<&str> = both.filter(|domain| shards.contains_key(*domain)).collect();
        let mut domains: Vec<String> = domains.into_iter().map(str::to_owned).collect();
        let mut recovered = Recovered::default();
        let (run, mut patience) = (self.run_id(), wait);
        let mut locked = loop {
            if domains.is_empty() {
                return Ok(recovered);
            }
            self.cx().events.event(Event::Phase { name: "recover" });
            match self.lock(&domains, "recover", &run, patience).await {
                Ok(locked) => break locked,
                Err(error) => {
                    let StateError::Locked { domain, .. } = &error else { return Err(error) };
                    domains.retain(|other| other != domain);
                    recovered.left.push(error);
                    patience = Duration::ZERO;
                }
            }
        };
        let result = self.recover_locked(&mut locked, &domains, &run).await;
        let released = locked.release().await;
        recovered.settled = result?;
        released?;
        recovered.found = recovered.settled.iter().filter_map(unsettled).collect();
        Ok(recovered)
    }

    async fn recover_locked(
        &self,
        locked: &mut Locked,
        domains: &[String],
        run: &str,
    ) -> Result<Vec<Settled>, StateError> {
        self.last_calls_of_others(locked, domains).await?;
        let foreign = locked.others().await?;
        let mut all = Vec::new();
        for domain in domains {
            let Some(mut shard) = locked.shard(domain).cloned() else { continue };
            let place = domain.clone();
            let invalid = |source| StateError::Invalid { place: place.clone(), source };
            shard.settle_moves(|source| locked.shard(source)).map_err(invalid)?;
            let held = locked.shards().filter(|(other, _)| other != domain).map(|(_, shard)| shard);
            let others = Others::new(foreign.iter().chain(held));
            let needed: BTreeSet<SystemName> = shard.pending.values().map(|i| i.system.clone()).collect();
            let systems = self.connect(&needed).await;
            let settled = recover::recover(&mut shard, &systems, &self.types, self.cx(), &others, true)
                .await
                .map_err(invalid)?;
            if locked.shard(domain) != Some(&shard) {
                locked.write(shard).await?;
            }
            all.extend(settled);
        }
        self.close_dead_runs(&mut self.trail().await?, locked, run, &all).await?;
        Ok(all)
    }

    /// Where a lock was taken from a run that had not given it back, that run's last call may still be under way:
    /// nothing that is pending is looked at before it has ended.
    async fn last_calls_of_others(&self, locked: &Locked, domains: &[String]) -> Result<(), StateError> {
        let Some(left) = locked.taken_over().filter(|left| !left.is_zero()) else { return Ok(()) };
        let what = format!("the last calls of the run before to end, at most {} s", left.as_secs());
        self.cx().events.event(Event::Waiting { what, for_how_long: Duration::ZERO });
        match self.cx().pause(left).await {
            true => Ok(()),
            false => Err(StateError::Cancelled { domain: domains.join(", ") }),
        }
    }

    /// Carries out a plan that was made by this session a moment ago.
    pub async fn apply(
        &self,
        planned: &Planned,
        wait: Duration,
        reason: Option<&str>,
    ) -> Result<Applied, ApplyError> {
        let domains = apply::domains(&planned.plan);
        let run = self.run_id();
        if domains.is_empty() {
            let report = self.marked(planned, &run, ApplyReport::default()).await;
            return Ok(Applied { report, run });
        }
        self.cx().events.event(Event::Phase { name: "apply" });
        let request = self.lock_request(&self.repository, &domains, "apply", &run, wait).await?;
        let (mut locked, trail) = self.store.lock_and(self.cx(), request, self.trail()).await?;
        let mut report = match self.apply_locked(planned, &mut locked, trail, &run, reason).await {
            Ok(report) => report,
            Err(error) => {
                locked.release().await?;
                return Err(error);
            }
        };
        if let Err(error) = locked.release().await {
            report.state_errors.push(error);
        }
        let report = self.marked(planned, &run, report).await;
        Ok(Applied { report, run })
    }

    /// The same under its locks. `trail` is from before they were held.
    async fn apply_locked(
        &self,
        planned: &Planned,
        locked: &mut Locked,
        trail: Result<Trail, StateError>,
        run: &str,
        reason: Option<&str>,
    ) -> Result<ApplyReport, ApplyError> {
        self.unchanged(planned, locked).await?;
        let mut trail = self.close_the_dead(trail, locked, run).await?;
        let identities = planned.identities();
        let input = ApplyInput {
            plan: &planned.plan,
            types: &self.types,
            systems: &planned.systems,
            identities: &identities,
            records: &planned.records,
            lineages: Arc::new(planned.versions.values().map(|version| version.lineage.clone()).collect()),
            run,
        };
        let begun = self.record_start(&mut trail, planned, run, reason);
        let (report, trail) = apply::apply(&input, locked, self.cx(), begun, self.trail()).await?;
        let report = self.keep_journal(run, report).await;
        Ok(self.record_end(trail, &planned.plan, run, report).await)
    }

    /// What the dead left open is closed. `trail` is from before the locks were held: where it names a run that may
    /// have ended meanwhile, it is read again.
    async fn close_the_dead(
        &self,
        trail: Result<Trail, StateError>,
        locked: &Locked,
        run: &str,
    ) -> Result<Trail, StateError> {
        let mut trail = trail?;
        if locked.taken_over().is_some() || has_open_runs(&trail) {
            trail = self.trail().await?;
            self.close_dead_runs(&mut trail, locked, run, &[]).await?;
        }
        Ok(trail)
    }

    /// The state must still be what the plan was made from: the locked shards, and every other one where something
    /// goes away or is taken over, since a new record there may depend on it or own it.
    async fn unchanged(&self, planned: &Planned, locked: &Locked) -> Result<(), ApplyError> {
        // A plan judges what was cut off in memory. Where that could not be stored, it may not be built upon.
        if let Some(address) = unsettled_in(&planned.plan, locked) {
            return Err(ApplyError::Overtaken(format!("{} ({address} is not settled)", address.domain())));
        }
        let far = |change: &ResourceChange| {
            matches!(change.action, Action::Delete | Action::Adopt | Action::Forget)
        };
        let then = &planned.versions;
        let mut now: BTreeMap<String, ShardVersion> = match planned.plan.changes.iter().any(far) {
            true => versions(self.shards().await?.values()),
            false => then.clone(),
        };
        for (domain, shard) in locked.shards() {
            match locked.found_serial(domain) {
                Some(serial) => {
                    let lineage = shard.lineage.clone();
                    now.insert(domain.to_owned(), ShardVersion { lineage, serial });
                }
                None => {
                    now.remove(domain);
                }
            }
        }
        if now == *then {
            return Ok(());
        }
        let moved = |domain: &&String| now.get(*domain) != then.get(*domain);
        let domains: BTreeSet<&String> = now.keys().chain(then.keys()).filter(moved).collect();
        let names: Vec<&str> = domains.into_iter().map(String::as_str).collect();
        Err(ApplyError::Overtaken(names.join(", ")))
    }

    pub(super) async fn lock(
        &self,
        domains: &[String],
        operation: &str,
        run: &str,
        wait: Duration,
    ) -> Result<Locked, StateError> {
        self.lock_as(&self.repository, domains, operation, run, wait).await
    }

    /// Locks shards of a repository that need not be this one.
    pub(super) async fn lock_as(
        &self,
        repository: &str,
        domains: &[String],
        operation: &str,
        run: &str,
        wait: Duration,
    ) -> Result<Locked, StateError> {
        let request = self.lock_request(repository, domains, operation, run, wait).await?;
        self.store.lock(self.cx(), request).await
    }

    pub(super) async fn lock_request<'a>(
        &'a self,
        repository: &'a str,
        domains: &'a [String],
        operation: &str,
        run: &str,
        wait: Duration,
    ) -> Result<LockRequest<'a>, StateError> {
        let info = self.lock_info(operation, run).await?;
        Ok(LockRequest { environment: &self.environment.name, domains, repository, info, wait })
    }

    /// This run, as others see it at a lock.
    async fn lock_info(&self, operation: &str, run: &str) -> Result<LockInfo, StateError> {
        Ok(LockInfo {
            id: run.to_owned(),
            who: self.who().await?.name.clone(),
            host: self.options.host.clone(),
            process: std::process::id(),
            operation: operation.to_owned(),
            since: self.cx().clock.now(),
        })
    }

    /// Takes the locks of one run away from it, and returns their domains.
    pub async fn force_unlock(&self, id: &str) -> Result<Vec<String>, StateError> {
        let run = self.run_id();
        let by = self.lock_info("force-unlock", &run).await?;
        let domains = self.store.force_unlock(self.cx(), &self.environment.name, id, &by).await?;
        let taken = domains.iter().map(|domain| format!("the lock of {domain} from run {id}"));
        self.record_edit("force-unlock", &run, taken.collect()).await?;
        Ok(domains)
    }

    /// `20261122T165813Z-4f1c9a2b`: sorts by time, and does not repeat.
    pub(crate) fn run_id(&self) -> String {
        let mut bytes = [0; 4];
        self.cx().entropy.fill(&mut bytes);
        let time = self.cx().clock.now().strftime("%Y%m%dT%H%M%SZ").to_string();
        bytes.iter().fold(time + "-", |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// The first thing under way that stands in the way: on a resource that is to change, or that one of these depends on;
/// or on one that depends on what is to go.
fn unsettled_in<'a>(plan: &'a Plan, locked: &'a Locked) -> Option<&'a Address> {
    let (mut touched, mut going) = (BTreeSet::new(), BTreeSet::new());
    for change in plan.work() {
        touched.insert(&change.address);
        touched.extend(&change.moved_from);
        touched.extend(change.record.iter().flat_map(|record| &record.depends_on));
        going.extend((change.action == Action::Delete).then_some(&change.address));
    }
    let stands_in_the_way = |shard: &'a Shard| {
        // A deletion that may not have happened leaves what is recorded.
        let needs_what_goes = |intent: &&Intent| {
            let recorded = shard.resources.get(&intent.address).map(|record| &record.dependencies);
            let planned = intent.becomes.iter().map(|becomes| &becomes.dependencies);
            planned.chain(recorded).flatten().any(|at| going.contains(at))
        };
        let touched = shard.under_way().find(|address| touched.contains(address));
        touched.or_else(|| shard.pending.values().find(needs_what_goes).map(|intent| &intent.address))
    };
    locked.shards().find_map(|(_, shard)| stands_in_the_way(shard))
}
