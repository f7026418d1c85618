//! Applying: recovery first, then the locks, then the plan's own graph.

use super::apply::{self, ApplyInput, ApplyReport};
use super::plan_file::PlanFile;
use super::planning::{PlanRequest, Planned, unsettled};
use super::prior::versions;
use super::recover::{self, Settled};
use super::session::Session;
use datamesh_core::plan::{Action, Plan, Reading, ShardVersion, Snapshot, SnapshotEntry};
use datamesh_provider::{Attributes, Diagnostics, Event, SystemName};
use datamesh_state::{LockInfo, LockRequest, Locked, StateError};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
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
    #[error("the plan is stale: {0}")]
    Stale(String),
}

impl Session {
    /// Finds out what became of operations an interrupted apply left, and stores it. What a person has to decide
    /// comes back as errors.
    pub async fn recover(&self, wait: Duration) -> Result<(Vec<Settled>, Diagnostics), StateError> {
        let shards = self.shards().await?;
        let pending = |shard: &&datamesh_state::Shard| !shard.pending.is_empty();
        let domains: Vec<String> =
            shards.values().filter(pending).map(|shard| shard.domain.clone()).collect();
        if domains.is_empty() {
            return Ok((Vec::new(), Diagnostics::default()));
        }
        self.cx().events.event(Event::Phase { name: "recover" });
        let mut locked = self.lock(&domains, "recover", wait).await?;
        let result = self.recover_locked(&mut locked, &domains).await;
        let released = locked.release().await;
        let settled = result?;
        released?;
        let found = settled.iter().filter_map(unsettled).collect();
        Ok((settled, found))
    }

    async fn recover_locked(
        &self,
        locked: &mut Locked,
        domains: &[String],
    ) -> Result<Vec<Settled>, StateError> {
        let mut all = Vec::new();
        for domain in domains {
            let Some(mut shard) = locked.shard(domain).cloned() else { continue };
            let needed: BTreeSet<SystemName> = shard.pending.values().map(|i| i.system.clone()).collect();
            let systems = self.connect(&needed).await;
            let place = domain.clone();
            let settled = recover::recover(&mut shard, &systems, &self.types, self.cx(), true)
                .await
                .map_err(|source| StateError::Invalid { place, source })?;
            locked.write(shard).await?;
            all.extend(settled);
        }
        Ok(all)
    }

    /// Carries out a plan that was made by this session a moment ago.
    pub async fn apply(&self, planned: &Planned, wait: Duration) -> Result<Applied, ApplyError> {
        let domains = apply::domains(&planned.plan);
        let run = self.run_id();
        if domains.is_empty() {
            return Ok(Applied { report: ApplyReport::default(), run });
        }
        self.cx().events.event(Event::Phase { name: "apply" });
        let mut locked = self.lock(&domains, "apply", wait).await?;
        if let Err(stale) = self.unchanged(&planned.plan, &locked).await {
            locked.release().await?;
            return Err(stale);
        }
        let identities = planned.identities();
        let input = ApplyInput {
            plan: &planned.plan,
            types: &self.types,
            systems: &planned.systems,
            identities: &identities,
            run: &run,
        };
        let mut report = apply::apply(&input, &mut locked, self.cx()).await;
        if let Err(error) = locked.release().await {
            report.state_errors.push(error);
        }
        Ok(Applied { report, run })
    }

    /// The state must still be what the plan was made from: the locked shards, and every other one where something
    /// goes away or is taken over, since a new record there may depend on it or own it.
    async fn unchanged(&self, plan: &Plan, locked: &Locked) -> Result<(), ApplyError> {
        let far = |change: &datamesh_core::plan::ResourceChange| {
            matches!(change.action, Action::Delete | Action::Adopt | Action::Forget)
        };
        let mut now: BTreeMap<String, ShardVersion> = match plan.changes.iter().any(far) {
            true => versions(self.shards().await?.values()),
            false => plan.shards.clone(),
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
        if now == plan.shards {
            return Ok(());
        }
        let moved = |domain: &&String| now.get(*domain) != plan.shards.get(*domain);
        let domains: BTreeSet<&String> = now.keys().chain(plan.shards.keys()).filter(moved).collect();
        let names: Vec<&str> = domains.into_iter().map(String::as_str).collect();
        Err(ApplyError::Stale(format!("the state of {} was written since it was made", names.join(", "))))
    }

    /// Plans anew from a saved plan's own snapshot and options, and compares: what is carried out is never what a
    /// file says, but what this program decides.
    pub async fn verify(&self, file: &PlanFile) -> Result<Planned, ApplyError> {
        let stale = |why: &str| Err(ApplyError::Stale(why.to_owned()));
        if file.plan.environment != self.environment.name {
            return stale("it was made for another environment");
        }
        if file.plan.inputs_digest != self.inputs_digest {
            return stale("the manifests are not the ones it was made from");
        }
        let recorded =
            PlanRequest { asked: file.asked.clone(), snapshot: Some(file.snapshot.clone()), check: false };
        let again = self.plan(&recorded).await?;
        if again.plan.shards != file.plan.shards {
            return stale("the state was written since it was made");
        }
        if again.plan != file.plan {
            return stale("planning again from its snapshot gives another plan");
        }
        let fresh =
            self.plan(&PlanRequest { asked: file.asked.clone(), snapshot: None, check: false }).await?;
        if let Some(moved) = moved_under(&file.plan, &file.snapshot, &fresh.snapshot) {
            return stale(&format!("{moved} is not as it was when it was made"));
        }
        Ok(Planned { plan: file.plan.clone(), snapshot: file.snapshot.clone(), ..fresh })
    }

    async fn lock(&self, domains: &[String], operation: &str, wait: Duration) -> Result<Locked, StateError> {
        let request = LockRequest {
            environment: &self.environment.name,
            domains,
            repository: &self.repository,
            info: LockInfo {
                id: self.run_id(),
                who: self.options.who.clone(),
                host: self.options.host.clone(),
                process: std::process::id(),
                operation: operation.to_owned(),
                since: self.cx().clock.now(),
            },
            wait,
        };
        self.store.lock(self.cx(), request).await
    }

    /// `20261122T165813Z-4f1c9a2b`: sorts by time, and does not repeat.
    fn run_id(&self) -> String {
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

/// The first changed object that is live another than the plan saw it, as far as it is managed.
fn moved_under(plan: &Plan, then: &Snapshot, now: &Snapshot) -> Option<String> {
    let index = |snapshot: &Snapshot| -> HashMap<_, Reading> {
        let entry = |e: &SnapshotEntry| ((e.system.clone(), e.ty.clone(), e.id.clone()), e.reading.clone());
        snapshot.objects.iter().map(entry).collect()
    };
    let (mut then, mut now) = (index(then), index(now));
    let gist = |reading: Option<Reading>| -> Option<Option<(Option<String>, Attributes)>> {
        match reading? {
            Reading::Absent => Some(None),
            Reading::Present(object) => Some(Some((object.incarnation, object.attributes))),
            Reading::Unreadable(_) => None,
        }
    };
    plan.changes
        .iter()
        .filter(|change| change.action.is_change())
        .find(|change| {
            let key = (change.system.clone(), change.ty.clone(), change.id.clone());
            let (then, now) = (gist(then.remove(&key)), gist(now.remove(&key)));
            then.is_none() || then != now
        })
        .map(|change| change.address.to_string())
}
