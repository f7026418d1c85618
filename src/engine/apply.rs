//! Apply: carries out the plan's own graph, group by group, with every intent stored before its call.
//!
//! One state write per shard stores the outcomes of one group and the intents of the next; where that one waits for
//! nothing of the group before it, this happens while that group runs.

use super::batch::{self, Ran};
use super::prior::becomes;
use super::systems::Systems;
use datamesh_core::plan::{Action, Origin, Plan, PlannedOperation, ResourceChange, Types};
use datamesh_core::schedule::{End, Schedule, Tally};
use datamesh_provider::{
    Address, Context, Event, LiveObject, OpAction, Operation, OperationId, Outcome, Packed, SystemName,
};
use datamesh_state::{Intent, JournalEntry, Known, Locked, Shard, ShardError, SharedRecord, StateError};
use futures::future::join;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Notify;

/// What an apply needs beside the plan.
#[derive(Debug)]
pub(crate) struct ApplyInput<'a> {
    pub plan: &'a Plan,
    pub types: &'a Types,
    pub systems: &'a Systems,
    /// Identity of each system, as the plan saw it.
    pub identities: &'a BTreeMap<SystemName, String>,
    /// What was recorded of all that the plan relies on, when it was made.
    pub records: &'a BTreeMap<Address, SharedRecord>,
    /// Of all shards of the mesh.
    pub lineages: Arc<BTreeSet<String>>,
    /// Names this run in intents and records.
    pub run: &'a str,
}

/// One operation that did not succeed.
#[derive(Clone, Debug)]
pub struct Failure {
    pub address: Address,
    pub action: OpAction,
    pub step: String,
    pub outcome: Outcome,
}

/// The end of one operation.
#[derive(Clone, Debug)]
pub struct Ended {
    pub outcome: Outcome,
    pub at: jiff::Timestamp,
}

/// How an apply went.
#[derive(Debug, Default)]
pub struct ApplyReport {
    pub tally: Tally,
    pub failures: Vec<Failure>,
    /// How each operation that was started ended, and when.
    pub ended: BTreeMap<OperationId, Ended>,
    /// Live objects that are not what was planned, although their system said the change was done.
    pub mismatches: Vec<Address>,
    /// Shards that could not be written any more.
    pub state_errors: Vec<StateError>,
    /// Outcomes that no shard took.
    pub unstored: Vec<JournalEntry>,
    /// What was not begun because of what another domain's state says by now, and why.
    pub withdrawn: BTreeMap<Address, String>,
    pub interrupted: bool,
    /// Operations that would have come, but were not started.
    pub not_started: Vec<Address>,
}

impl ApplyReport {
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty()
            && self.state_errors.is_empty()
            && self.not_started.is_empty()
            && self.withdrawn.is_empty()
    }
}

/// The domains an apply of this plan writes.
pub(crate) fn domains(plan: &Plan) -> Vec<String> {
    let written = plan.work().flat_map(|change| std::iter::once(&change.address).chain(&change.moved_from));
    let all: BTreeSet<&str> = written.map(Address::domain).collect();
    all.into_iter().map(str::to_owned).collect()
}

/// Carries out a plan under the locks of its domains. `begun` says what it is about to do: before that, no call is made
/// and no record changes, and where it fails, nothing is done. `ending` begins with the last group.
pub(crate) async fn apply<T>(
    input: &ApplyInput<'_>,
    locked: &mut Locked,
    cx: &Context,
    begun: impl Future<Output = Result<(), StateError>>,
    ending: impl Future<Output = T>,
) -> Result<(ApplyReport, T), StateError> {
    let mut cx = cx.clone();
    cx.lease = locked.lease();
    cx.lineages = Arc::clone(&input.lineages);
    let mut run = Run {
        input,
        cx: &cx,
        schedule: Schedule::new(&input.plan.graph),
        drafts: BTreeMap::new(),
        dirty: BTreeSet::new(),
        unwritten: BTreeMap::new(),
        adopted: Vec::new(),
        report: ApplyReport::default(),
    };
    run.open_drafts(locked);
    let ready = if changes_records(input.plan) {
        begun.await?;
        run.bring_from_afar(locked).await;
        run.keep_books();
        None
    } else {
        run.keep_books();
        run.first_group(begun, locked).await?
    };
    let last = Notify::new();
    let work = async {
        run.groups(ready, &last, locked).await;
        last.notify_one();
        run.close(locked).await;
    };
    let at_the_end = async {
        last.notified().await;
        ending.await
    };
    let ((), done) = join(work, at_the_end).await;
    Ok((run.finish(), done))
}

/// Whether the first write of a run says more than what is about to be done.
fn changes_records(plan: &Plan) -> bool {
    plan.work().any(|change| {
        change.steps.is_empty() || change.moved_from.is_some() || change.action == Action::Adopt
    })
}

/// Operations by their place in the graph, whose intents are in a draft.
pub(super) type Ready = Vec<(usize, Operation)>;

/// One apply. Drafts are the shards as they are to be written next.
pub(super) struct Run<'a> {
    pub(super) input: &'a ApplyInput<'a>,
    pub(super) cx: &'a Context,
    pub(super) schedule: Schedule<'a>,
    pub(super) drafts: BTreeMap<String, Shard>,
    pub(super) dirty: BTreeSet<String>,
    /// Outcomes that stand in a draft and are not written yet, by domain.
    unwritten: BTreeMap<String, Vec<JournalEntry>>,
    /// Adopted by this run, and not yet asked about.
    pub(super) adopted: Vec<Address>,
    pub(super) report: ApplyReport,
}

impl Run<'_> {
    fn open_drafts(&mut self, locked: &Locked) {
        self.drafts = locked.shards().map(|(domain, shard)| (domain.to_owned(), shard.clone())).collect();
    }

    /// What changes in the state alone: identities, moves, adoptions, forgotten and renamed records.
    fn keep_books(&mut self) {
        for change in self.input.plan.work() {
            if self.report.withdrawn.contains_key(&change.address) {
                continue;
            }
            let domain = change.address.domain().to_owned();
            let Some(draft) = self.drafts.get_mut(&domain) else { continue };
            let identity = self.input.identities.get(&change.system);
            let bound = identity.map_or(Ok(()), |identity| draft.bind(&change.system, identity));
            let done = bound.and_then(|()| book(draft, change, self.input.types));
            self.dirty.insert(domain.clone());
            if change.action == Action::Adopt {
                self.adopted.push(change.address.clone());
            }
            if let Err(source) = done {
                self.lose(&domain, StateError::Invalid { place: domain.clone(), source });
            }
        }
    }

    /// Stores the last outcomes, and what was adopted where there was no operation at all.
    async fn close(&mut self, locked: &mut Locked) {
        self.flush(locked).await;
        self.unopposed(Vec::new(), locked).await;
        self.flush(locked).await;
    }

    /// Stores the intents of the first group while `begun` is on its way. Where that fails, they are taken back.
    async fn first_group(
        &mut self,
        begun: impl Future<Output = Result<(), StateError>>,
        locked: &mut Locked,
    ) -> Result<Option<Ready>, StateError> {
        let Some(group) = self.schedule.next_group() else {
            begun.await?;
            return Ok(None);
        };
        let (ready, begun) = join(self.make_ready(group, locked), begun).await;
        if let Err(error) = begun {
            self.put_back(ready);
            self.flush(locked).await;
            return Err(error);
        }
        Ok(Some(ready))
    }

    async fn groups(&mut self, first: Option<Ready>, last: &Notify, locked: &mut Locked) {
        let (groups, systems, types) = (self.schedule.groups(), self.input.systems, self.input.types);
        let (mut index, mut ahead) = (0, first);
        loop {
            if self.cx.cancel.is_draining() {
                self.schedule.stop();
                self.report.interrupted = true;
                self.put_back(ahead.take().unwrap_or_default());
            }
            let group = match ahead.take() {
                Some(ready) => ready,
                None => match self.schedule.next_group() {
                    Some(group) => self.make_ready(group, locked).await,
                    None => break,
                },
            };
            if group.is_empty() {
                continue;
            }
            index += 1;
            if index == groups {
                last.notify_one();
            }
            self.cx.events.event(Event::GroupStart { index, groups, operations: group.len() });
            let batch = group.iter().map(|(_, operation)| operation.clone()).collect();
            let running = batch::run(systems, types, batch, self.cx);
            let (ran, ready) = join(running, self.make_next_ready(locked)).await;
            self.end(&group, &ran);
            ahead = ready;
        }
        if self.cx.cancel.is_draining() {
            self.report.interrupted = true;
        }
    }

    /// Stores the intents of a group, and asks who speaks against it: what may be started.
    async fn make_ready(&mut self, group: Vec<usize>, locked: &mut Locked) -> Ready {
        let group = self.begin(group);
        self.flush(locked).await;
        let group = self.still_ours(group);
        self.unopposed(group, locked).await
    }

    /// The same for the group after the one that runs, where it waits for nothing of it: so that no system waits for
    /// the state.
    async fn make_next_ready(&mut self, locked: &mut Locked) -> Option<Ready> {
        let group = self.schedule.group_ahead()?;
        Some(self.make_ready(group, locked).await)
    }

    /// Takes back what is ready and will not be started.
    fn put_back(&mut self, ready: Ready) {
        for (at, operation) in ready {
            self.schedule.skip(at);
            self.withdraw(&operation);
        }
    }

    /// Writes the intents of a group into the drafts.
    fn begin(&mut self, group: Vec<usize>) -> Ready {
        let mut by_domain: BTreeMap<String, Vec<(usize, Operation, Intent)>> = BTreeMap::new();
        let places: BTreeMap<usize, usize> =
            group.iter().enumerate().map(|(place, at)| (*at, place)).collect();
        for at in group {
            let planned = self.schedule.operation(at);
            let domain = planned.address.domain();
            let withdrawn = self.report.withdrawn.contains_key(&planned.address);
            let change = self.input.plan.change(&planned.address).filter(|_| !withdrawn);
            let (Some(change), Some(draft)) = (change, self.drafts.get(domain)) else {
                self.schedule.skip(at);
                continue;
            };
            let owner = format!("{}/{}", draft.lineage, change.address);
            let operation = operation(change, planned, owner);
            let intent = intent(self.input, self.cx, change, &operation);
            by_domain.entry(domain.to_owned()).or_default().push((at, operation, intent));
        }
        let begun = by_domain.into_iter().flat_map(|(domain, all)| self.begin_in(&domain, all));
        let mut begun: Ready = begun.collect();
        begun.sort_by_key(|(at, _)| places.get(at));
        begun
    }

    fn begin_in(&mut self, domain: &str, all: Vec<(usize, Operation, Intent)>) -> Ready {
        let (operations, intents): (Ready, Vec<_>) = all
            .into_iter()
            .map(|(at, operation, intent)| ((at, operation.clone()), (operation.id, intent)))
            .unzip();
        let Some(draft) = self.drafts.get_mut(domain) else { return Ready::new() };
        let mut begun = Ready::with_capacity(operations.len());
        for ((at, operation), said) in operations.into_iter().zip(draft.begin_all(intents)) {
            match said {
                Ok(()) => begun.push((at, operation)),
                Err(source) => {
                    self.schedule.skip(at);
                    self.lose(domain, StateError::Invalid { place: domain.to_owned(), source });
                }
            }
        }
        if !begun.is_empty() {
            self.dirty.insert(domain.to_owned());
        }
        begun
    }

    /// Writes every draft that changed. A shard that cannot be written is out of this run; others go on.
    pub(super) async fn flush(&mut self, locked: &mut Locked) {
        let dirty = std::mem::take(&mut self.dirty);
        let drafts = dirty.iter().filter_map(|domain| self.drafts.get(domain)).cloned().collect();
        for (domain, said) in locked.write_all(drafts).await {
            match said {
                Ok(()) => {
                    self.unwritten.remove(&domain);
                    // All else of it is what was written.
                    if let (Some(written), Some(draft)) =
                        (locked.shard(&domain), self.drafts.get_mut(&domain))
                    {
                        draft.serial = written.serial;
                        draft.write_id.clone_from(&written.write_id);
                    }
                }
                Err(error) => self.lose(&domain, error),
            }
        }
    }

    pub(super) fn lose(&mut self, domain: &str, error: StateError) {
        self.schedule.fence(domain);
        self.drafts.remove(domain);
        self.report.unstored.extend(self.unwritten.remove(domain).into_iter().flatten());
        self.report.state_errors.push(error);
    }

    /// Only what has a stored intent may be started.
    fn still_ours(&mut self, group: Ready) -> Ready {
        let (ours, lost): (Vec<_>, Vec<_>) = group
            .into_iter()
            .partition(|(_, operation)| self.drafts.contains_key(operation.address.domain()));
        for (at, _) in lost {
            self.schedule.skip(at);
        }
        ours
    }

    /// Records outcomes in the drafts and tells the schedule.
    fn end(&mut self, group: &[(usize, Operation)], ran: &BTreeMap<OperationId, Ran>) {
        for (at, operation) in group {
            let Some(ran) = ran.get(&operation.id) else { continue };
            let outcome = &ran.outcome;
            self.schedule.end(*at, end_of(outcome));
            let ended = Ended { outcome: outcome.clone(), at: self.cx.clock.now() };
            self.report.ended.insert(operation.id.clone(), ended);
            if !outcome.is_success() {
                self.report.failures.push(Failure {
                    address: operation.address.clone(),
                    action: operation.action,
                    step: operation.step.clone(),
                    outcome: outcome.clone(),
                });
            }
            self.compare(*at, operation, outcome);
            let domain = operation.address.domain().to_owned();
            let managed = managed(self.input.types, operation);
            let known = known(operation, outcome);
            let Some(draft) = self.drafts.get_mut(&domain) else {
                self.report.unstored.extend(known);
                continue;
            };
            self.unwritten.entry(domain.clone()).or_default().extend(known);
            match draft.complete(&operation.id, outcome, &managed) {
                Ok(_) => {
                    self.dirty.insert(domain);
                }
                Err(source) => self.lose(&domain, StateError::Invalid { place: domain.clone(), source }),
            }
        }
    }

    /// Core does not take a provider's word: what is live must be what was planned.
    fn compare(&mut self, at: usize, operation: &Operation, outcome: &Outcome) {
        let (Outcome::Done(live), Some(planned)) = (outcome, &operation.planned) else { return };
        if !self.schedule.operation(at).last || self.cx.cancel.is_draining() {
            return;
        }
        if managed(self.input.types, operation)(live, planned) != *planned {
            self.report.mismatches.push(operation.address.clone());
        }
    }

    fn finish(mut self) -> ApplyReport {
        self.report.tally = self.schedule.tally();
        let operations = self.input.plan.graph.operations.iter().enumerate();
        let waiting = operations.filter(|(at, _)| {
            use datamesh_core::schedule::Status;
            matches!(self.schedule.status(*at), Status::Waiting | Status::Skipped)
        });
        let not_started: BTreeSet<&Address> = waiting.map(|(_, operation)| &operation.address).collect();
        self.report.not_started = not_started.into_iter().cloned().collect();
        self.report
    }
}

/// What a journal says of an operation.
fn known(operation: &Operation, outcome: &Outcome) -> Option<JournalEntry> {
    Some(JournalEntry {
        id: operation.id.clone(),
        address: operation.address.clone(),
        system: operation.system.clone(),
        action: operation.action,
        step: operation.step.clone(),
        known: Known::of(outcome)?,
    })
}

/// The part of a live object that some attributes speak of.
pub(crate) fn managed<'a>(
    types: &'a Types,
    operation: &'a Operation,
) -> impl Fn(&LiveObject, &Packed) -> Packed + 'a {
    move |live, like| {
        let ty = types.get(&operation.ty);
        ty.and_then(|ty| ty.managed(&live.attributes, like).ok()).unwrap_or_else(|| like.clone())
    }
}

fn end_of(outcome: &Outcome) -> End {
    match outcome {
        Outcome::Done(_) | Outcome::Deleted => End::Done,
        Outcome::Stale(_) | Outcome::Rejected(_) | Outcome::Partial(..) => End::Failed,
        Outcome::Indeterminate(_) => End::Indeterminate,
    }
}

/// The state's side of a change.
pub(crate) fn book(draft: &mut Shard, change: &ResourceChange, types: &Types) -> Result<(), ShardError> {
    if let Some(from) = &change.moved_from {
        draft.rename(from, &change.address)?;
    }
    let becomes = change.record.as_ref().map(|spec| becomes(change, spec, types));
    match (change.action, becomes) {
        (Action::Adopt, Some(becomes)) => {
            let live = LiveObject {
                id: change.id.clone(),
                incarnation: change.incarnation.clone(),
                attributes: change.live.clone().unwrap_or_default(),
                computed: Packed::default(),
                owner: None,
            };
            // What will be changed is recorded as it is, so that the update knows where it starts.
            let attributes =
                if change.steps.is_empty() { becomes.declared.clone() } else { live.attributes.clone() };
            // What another resource of ours made is shared with it.
            let made = change.record.as_ref().is_some_and(|spec| spec.origin == Origin::Created);
            let origin = if made { datamesh_state::Origin::Created } else { datamesh_state::Origin::Adopted };
            draft.adopt(origin, change.address.clone(), change.system.clone(), &live, attributes, &becomes)
        }
        (Action::NoOp, Some(becomes)) => {
            draft.describe(&change.address, &becomes, change.incarnation.as_deref());
            Ok(())
        }
        // What is made again has a record.
        (Action::Update | Action::Create, Some(becomes)) => {
            draft.redescribe(&change.address, &becomes);
            Ok(())
        }
        (Action::Forget, _) => {
            draft.forget(&change.address);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// One planned operation, ready to be carried out or to be asked about.
pub(crate) fn operation(change: &ResourceChange, planned: &PlannedOperation, owner: String) -> Operation {
    Operation {
        id: planned.id.clone(),
        address: change.address.clone(),
        ty: change.ty.clone(),
        system: change.system.clone(),
        object: change.id.clone(),
        action: planned.action,
        step: planned.step.clone(),
        prior: change.prior.clone(),
        live: change.live.clone(),
        planned: change.planned.clone(),
        incarnation: change.incarnation.clone(),
        owner,
    }
}

fn intent(input: &ApplyInput<'_>, cx: &Context, change: &ResourceChange, operation: &Operation) -> Intent {
    let done = change.steps.iter().position(|step| *step == operation.step).unwrap_or(0);
    Intent {
        run: input.run.to_owned(),
        plan: input.plan.id.clone(),
        address: operation.address.clone(),
        ty: operation.ty.clone(),
        system: operation.system.clone(),
        object: operation.object.clone(),
        action: operation.action,
        step: operation.step.clone(),
        before: change.prior.clone(),
        planned: operation.planned.clone(),
        incarnation: operation.incarnation.clone(),
        before_gen: None,
        epoch: 0,
        started_at: cx.clock.now(),
        remaining: change.steps[(done + 1).min(change.steps.len())..].to_vec(),
        becomes: change.record.as_ref().map(|spec| becomes(change, spec, input.types)),
    }
}
