//! Saved plans: whether one still holds, and what is left of it to do.
//!
//! What a file says is never carried out. The plan is made twice again: over the file's own records and snapshot,
//! which has to give the file's plan; and over the state and the systems as they are, which gives what is carried
//! out. Of each resource the file relies on, the record has to be the one in the file, or one that this plan itself
//! led to; and what is live, what was seen or what this plan's own operations left.

use super::apply::book;
use super::applying::ApplyError;
use super::moving::bring_all;
use super::plan_file::PlanFile;
use super::planning::{Planned, records_of};
use super::session::Session;
use super::systems::Systems;
use super::{prior, refresh};
use datamesh_core::graph::DesiredGraph;
use datamesh_core::plan::{
    self, Action, Again, Drift, Pin, Plan, PlanInput, PlanOptions, Prior, ReadSet, ResourceChange, Scope,
    Seen, Snapshot, continues, is_the_same, pins_of, read_set,
};
use datamesh_provider::{Address, Diagnostics, OpAction, OperationId, ReadRequest, SystemName};
use datamesh_state::{Shard, SharedRecord, StateError};
use std::collections::{BTreeMap, BTreeSet};

type Shards = BTreeMap<String, Shard>;

fn stale<T>(why: impl Into<String>) -> Result<T, ApplyError> {
    Err(ApplyError::Stale(why.into()))
}

/// How the record of a resource stands to the saved plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is the one the plan was made from.
    AsPlanned,
    /// What this plan changes in the state alone is done.
    Booked,
    /// An operation of this plan wrote it last.
    Begun,
    /// It is gone, as this plan wants it.
    Gone,
}

/// One side of the state, with what is planned from it.
struct View {
    desired: DesiredGraph,
    prior: Prior,
}

/// A saved plan held against what is there.
struct Check<'a> {
    session: &'a Session,
    file: &'a PlanFile,
    /// The state as it is.
    now: Shards,
    /// The same with the file's records in their places.
    then: Shards,
}

impl Session {
    /// Holds a saved plan against the state and the systems; what is left to do of it comes back.
    pub async fn verify(&self, file: &PlanFile) -> Result<Planned, ApplyError> {
        if file.plan.environment != self.environment.name {
            return stale("it was made for another environment");
        }
        if file.plan.inputs_digest != self.inputs_digest {
            return stale("the manifests are not the ones it was made from");
        }
        if let Some(done) = self.done(&file.plan.id).await? {
            return stale(format!("this plan was applied by run {} at {}", done.run, done.at));
        }
        let now = self.shards().await?;
        let then = rolled_back(&file.plan, &file.records, &now);
        let check = Check { session: self, file, now, then };
        check.lineages()?;
        check.pending()?;
        let mut found = Diagnostics::default();
        let then = check.view(&check.then, &mut found)?;
        let options = check.repeat(&then)?;
        let standings = check.standings()?;
        let now = check.view(&check.now, &mut Diagnostics::default())?;
        let (systems, live) = check.read(&then, &now, &options).await;
        check.same_systems(&live)?;
        check.pins(&then, &live, &options, &standings)?;
        let (plan, found) = check.rest(&now, &live, options)?;
        check.changes(&plan, &found, &standings)?;
        let mut diagnostics = self.diagnostics.clone();
        diagnostics.extend(found);
        diagnostics.sort();
        let records = records_of(&plan, &check.now);
        Ok(Planned {
            plan,
            diagnostics,
            snapshot: live,
            desired: now.desired,
            asked: file.asked.clone(),
            records,
            versions: prior::versions(check.now.values()),
            saved: file.plan.has_work().then(|| file.plan.id.clone()),
            reviewed: None,
            systems,
        })
    }

    /// Why a saved plan would be refused, as far as manifests and state alone can tell.
    pub async fn outdated(&self, file: &PlanFile) -> Result<Option<String>, StateError> {
        if file.plan.environment != self.environment.name {
            return Ok(Some(format!("it was made for the environment {}", file.plan.environment)));
        }
        if file.plan.inputs_digest != self.inputs_digest {
            return Ok(Some("the manifests are not the ones it was made from".to_owned()));
        }
        if let Some(done) = self.done(&file.plan.id).await? {
            return Ok(Some(format!("it was applied by run {} at {}", done.run, done.at)));
        }
        let now = self.shards().await?;
        let then = rolled_back(&file.plan, &file.records, &now);
        let check = Check { session: self, file, now, then };
        let verdict = check.lineages().and_then(|()| check.pending()).and_then(|()| check.standings());
        match verdict {
            Ok(_) => Ok(None),
            Err(ApplyError::State(error)) => Err(error),
            Err(ApplyError::Stale(why) | ApplyError::Overtaken(why)) => Ok(Some(why)),
        }
    }
}

/// The state with the records of a file in their places, and without shards that came later.
fn rolled_back(plan: &Plan, records: &BTreeMap<Address, SharedRecord>, now: &Shards) -> Shards {
    let mut then: Shards = now.clone();
    then.retain(|domain, _| plan.shards.contains_key(domain));
    let moved = plan.work().filter_map(|change| change.moved_from.as_ref());
    for address in plan.pins.keys().chain(moved) {
        let Some(shard) = then.get_mut(address.domain()) else { continue };
        match records.get(address) {
            Some(record) => drop(shard.resources.insert(address.clone(), record.clone())),
            None => drop(shard.resources.remove(address)),
        }
    }
    then
}

fn record<'a>(shards: &'a Shards, address: &Address) -> Option<&'a SharedRecord> {
    shards.get(address.domain())?.resources.get(address)
}

impl Check<'_> {
    fn plan(&self) -> &Plan {
        &self.file.plan
    }

    fn lineages(&self) -> Result<(), ApplyError> {
        for (domain, lineage) in &self.plan().shards {
            match self.now.get(domain) {
                Some(shard) if shard.lineage == *lineage => {}
                Some(_) => {
                    return stale(format!("the state of {domain} is another than the one it was made from"));
                }
                None => return stale(format!("the state of {domain} is gone")),
            }
        }
        Ok(())
    }

    /// Nothing may be under way on what the plan relies on.
    fn pending(&self) -> Result<(), ApplyError> {
        let mut under_way = self.now.values().flat_map(Shard::under_way);
        match under_way.find(|address| self.plan().pins.contains_key(*address)) {
            Some(address) => stale(format!(
                "something of another run is under way on {address}, and not known to have ended"
            )),
            None => Ok(()),
        }
    }

    fn view(&self, shards: &Shards, found: &mut Diagnostics) -> Result<View, ApplyError> {
        let mut desired = self.session.resolved(shards, found);
        // What was held back stays so: a system's own verdict is among the reasons.
        let known = desired.resources.keys().chain(shards.values().flat_map(|shard| shard.resources.keys()));
        let mut known: BTreeSet<String> = known.map(Address::owner).collect();
        known.extend(desired.held_back.keys().chain(desired.owners.keys()).cloned());
        if let Some(owner) = self.plan().held_back.keys().find(|owner| !known.contains(*owner)) {
            return stale(format!("it holds back {owner}, which nothing declares or records"));
        }
        desired.held_back.extend(self.plan().held_back.clone());
        match prior::prior(shards.values(), &self.session.types) {
            Ok(prior) => Ok(View { desired, prior }),
            Err(error) => stale(error.to_string()),
        }
    }

    fn input<'a>(
        &'a self,
        view: &'a View,
        live: &'a Snapshot,
        options: &'a PlanOptions,
        again: Again<'a>,
    ) -> PlanInput<'a> {
        PlanInput {
            types: &self.session.types,
            desired: &view.desired,
            prior: &view.prior,
            live,
            options,
            environment: &self.session.environment.name,
            inputs_digest: &self.session.inputs_digest,
            again: Some(again),
        }
    }

    /// What the plan does not rely on, and is not as it was when it was made: it proves nothing about the plan.
    fn unrelated(&self, view: &View) -> BTreeSet<Address> {
        let plan = self.plan();
        let moved: BTreeSet<&Address> = plan.work().filter_map(|change| change.moved_from.as_ref()).collect();
        let seen = |address: &Address| plan.change(address).map_or(0, |change| change.generation);
        let is = |address: &Address| record(&self.now, address).map_or(0, |record| record.generation);
        let busy = self.now.values().flat_map(Shard::under_way);
        let known = view.desired.resources.keys().chain(view.prior.resources.keys());
        let written = known.filter(|address| seen(address) != is(address));
        let all = written.chain(busy).chain(plan.being_changed.keys());
        all.filter(|address| !plan.pins.contains_key(*address) && !moved.contains(address)).cloned().collect()
    }

    /// Plans over the file's own records and snapshot. Comes back with the options that were asked for.
    fn repeat(&self, then: &View) -> Result<PlanOptions, ApplyError> {
        let mut found = Diagnostics::default();
        let mut options = self.session.options_of(&self.file.asked, &then.desired, &then.prior, &mut found);
        let unrelated = self.unrelated(then);
        let known = then.desired.resources.keys().chain(then.prior.resources.keys());
        options.consider = Some(known.filter(|address| !unrelated.contains(*address)).cloned().collect());
        let basis = &self.plan().basis;
        let (mut again, _) =
            plan::plan(&self.input(then, &self.file.snapshot, &options, Again::Repeat { basis }));
        let mut file = self.plan().clone();
        file.changes.retain(|change| !unrelated.contains(&change.address));
        file.drift.retain(|drift| !unrelated.contains(&drift.address));
        file.being_changed.clear();
        again.being_changed.clear();
        // The id covers what is left out here.
        if plan::plan_id(self.plan()) != self.plan().id {
            return stale("its id is not that of its content");
        }
        if again.changes != file.changes {
            let differs = |address: &&Address| again.change(address) != file.change(address);
            let all = again.changes.iter().chain(&file.changes).map(|change| &change.address);
            let which = all.filter(differs).min().map_or_else(String::new, |address| format!(": {address}"));
            return stale(format!("planning again from its snapshot gives another plan{which}"));
        }
        let graph = with_ids(&again, &self.plan().id);
        (again.id, again.graph) = (file.id.clone(), graph);
        match again == file {
            true => Ok(options),
            false => stale("planning again from its snapshot gives another plan"),
        }
    }

    /// The state after the moves between its shards: these are done first, and by themselves.
    fn moved(&self) -> Shards {
        let mut moved = self.then.clone();
        for (domain, shard) in &self.now {
            let new = || Shard { resources: BTreeMap::new(), ..shard.clone() };
            moved.entry(domain.clone()).or_insert_with(new).pending.clear();
        }
        bring_all(&mut moved, self.plan());
        moved
    }

    /// The same after all that this plan changes in it without any operation.
    fn booked(&self, moved: &Shards) -> Shards {
        let mut booked = moved.clone();
        for change in self.plan().work() {
            let Some(shard) = booked.get_mut(change.address.domain()) else { continue };
            // What cannot be done to it has not been done.
            let mut draft = shard.clone();
            if book(&mut draft, change, &self.session.types).is_ok() {
                *shard = draft;
            }
        }
        booked
    }

    fn standings(&self) -> Result<BTreeMap<Address, Standing>, ApplyError> {
        let moved = self.moved();
        let booked = self.booked(&moved);
        let mut all = BTreeMap::new();
        for address in self.plan().pins.keys() {
            let change = self.plan().change(address);
            let from = change.and_then(|change| change.moved_from.as_ref());
            let places = || std::iter::once(address).chain(from);
            let equal = |one: &Shards| places().all(|at| record(&self.now, at) == record(one, at));
            let file = places().all(|at| record(&self.now, at) == self.file.records.get(at));
            let is = record(&self.now, address);
            let wrote = |change: &ResourceChange| {
                is.and_then(|record| record.last_op.as_ref()).is_some_and(|op| self.is_ours(change, op))
            };
            let ended = |change: &ResourceChange| {
                is.is_none() && matches!(change.action, Action::Delete | Action::Forget)
            };
            let standing = match change {
                _ if file => Standing::AsPlanned,
                _ if equal(&booked) || equal(&moved) => Standing::Booked,
                Some(change) if wrote(change) => Standing::Begun,
                Some(change) if ended(change) => Standing::Gone,
                _ => {
                    let pin = |record: Option<&SharedRecord>| Pin {
                        generation: record.map(|record| record.generation),
                        incarnation: None,
                        seen: Seen::Unread,
                    };
                    let why = pin(self.file.records.get(address)).moved(&pin(is));
                    let why = why.unwrap_or_else(|| "its record is another".to_owned());
                    return stale(format!("{address}: {why}"));
                }
            };
            all.insert(address.clone(), standing);
        }
        Ok(all)
    }

    /// Whether an operation is one of this plan's. A creation that was cut off is completed by updates.
    fn is_ours(&self, change: &ResourceChange, op: &OperationId) -> bool {
        let actions = [OpAction::Create, OpAction::Update, OpAction::Delete];
        let id = |action, step: &String| OperationId::derive(&self.plan().id, &change.address, action, step);
        change.steps.iter().any(|step| actions.iter().any(|action| id(*action, step) == *op))
    }

    /// Reads what the plan relies on, and no more than it read then.
    async fn read(&self, then: &View, now: &View, options: &PlanOptions) -> (Systems, Snapshot) {
        let pinned = self.plan().pins.keys().filter(|address| options.scope.contains(address)).cloned();
        let scope = Scope { only: Some(pinned.collect()) };
        let narrow = PlanOptions { scope, ..options.clone() };
        let mut want: BTreeMap<SystemName, BTreeMap<_, ReadRequest>> = BTreeMap::new();
        for view in [then, now] {
            for (system, requests) in read_set(&view.desired, &view.prior, &narrow) {
                let of_system = want.entry(system).or_default();
                for request in requests {
                    let key = (request.ty.clone(), request.id.clone());
                    let Some(one) = of_system.get_mut(&key) else {
                        of_system.insert(key, request);
                        continue;
                    };
                    one.want_incarnation |= request.want_incarnation;
                    one.remains |= request.remains;
                    one.managed.extend(request.managed);
                }
            }
        }
        let want: ReadSet =
            want.into_iter().map(|(system, all)| (system, all.into_values().collect())).collect();
        let needed: BTreeSet<SystemName> = want.keys().cloned().collect();
        let systems = self.session.connect(&needed).await;
        let live = refresh::refresh(&systems, &want, self.session.cx()).await;
        (systems, live)
    }

    fn same_systems(&self, live: &Snapshot) -> Result<(), ApplyError> {
        for facts in &live.systems {
            if !self.file.snapshot.systems.contains(facts) {
                return stale(format!(
                    "{} is another system, or can do other things, than it saw",
                    facts.system
                ));
            }
        }
        Ok(())
    }

    /// What is live of everything that is not begun is what was seen.
    fn pins(
        &self,
        then: &View,
        live: &Snapshot,
        options: &PlanOptions,
        standings: &BTreeMap<Address, Standing>,
    ) -> Result<(), ApplyError> {
        let basis = &self.plan().basis;
        let input = self.input(then, live, options, Again::Repeat { basis });
        let now = pins_of(&input, self.plan().pins.keys());
        for (address, was) in &self.plan().pins {
            let (Some(standing), Some(is)) = (standings.get(address), now.get(address)) else { continue };
            let why = match standing {
                Standing::AsPlanned | Standing::Booked => was.moved(is),
                Standing::Gone => {
                    let deleted = self.plan().change(address).is_some_and(|c| c.action == Action::Delete);
                    let there = deleted && is.seen != Seen::Absent;
                    there.then(|| "its deletion is recorded, and it is not gone".to_owned())
                }
                Standing::Begun => None,
            };
            if let Some(why) = why {
                return stale(format!("{address}: {why}"));
            }
        }
        Ok(())
    }

    /// What is left to do, decided over what is there.
    fn rest(
        &self,
        now: &View,
        live: &Snapshot,
        options: PlanOptions,
    ) -> Result<(Plan, Diagnostics), ApplyError> {
        let about = self.plan().work().map(|change| change.address.clone()).collect();
        let options = PlanOptions { consider: Some(about), ..options };
        let Plan { id, basis, .. } = self.plan();
        let (plan, found) = plan::plan(&self.input(now, live, &options, Again::Resume { id, basis }));
        Ok((plan, found))
    }

    /// Each change that is left is the reviewed one, or what is left of it.
    fn changes(
        &self,
        rest: &Plan,
        found: &Diagnostics,
        standings: &BTreeMap<Address, Standing>,
    ) -> Result<(), ApplyError> {
        let error = |address: &Address| {
            let mut errors = found.iter().filter(|error| error.is_error());
            errors.find(|error| error.scope.as_deref() == Some(&address.owner()))
        };
        let mut moved: Vec<(&Address, String)> = Vec::new();
        for reviewed in self.plan().work() {
            let address = &reviewed.address;
            let now = rest.change(address);
            let drift = |plan: &Plan| plan.drift.iter().find(|drift| drift.address == *address).cloned();
            let verdict = match standings.get(address) {
                Some(Standing::AsPlanned) => match now {
                    Some(now) if is_the_same(reviewed, now) => Ok(()),
                    Some(_) => Err("what would be done now is not what was reviewed".to_owned()),
                    None => Err("nothing can be decided about it now".to_owned()),
                },
                Some(Standing::Booked) => continues(reviewed, now, None),
                Some(Standing::Gone) if now.is_none() => Ok(()),
                _ => continues(reviewed, now, since(drift(rest), drift(self.plan())).as_ref()),
            };
            moved.extend(verdict.err().map(|why| (address, why)));
        }
        // What has an error of its own tells more than what is held back because of it.
        let cause = moved.iter().find(|(address, _)| error(address).is_some()).or_else(|| moved.first());
        let Some((address, why)) = cause else { return Ok(()) };
        let because = error(address).map_or_else(String::new, |error| format!(" ({})", error.detail));
        stale(format!("{address}: {why}{because}"))
    }
}

/// The drift that was not there when the plan was made.
fn since(now: Option<Drift>, then: Option<Drift>) -> Option<Drift> {
    let mut now = now?;
    let known = then.map(|then| then.attributes).unwrap_or_default();
    now.attributes.retain(|found| !known.contains(found));
    (now.deleted || !now.attributes.is_empty()).then_some(now)
}

/// The graph of a plan whose id covers more than it holds.
fn with_ids(plan: &Plan, id: &str) -> plan::ExecutionGraph {
    let mut graph = plan.graph.clone();
    for operation in &mut graph.operations {
        operation.id = OperationId::derive(id, &operation.address, operation.action, &operation.step);
    }
    graph
}
