//! What must be true after each step, checked where a step can break it: a write that lands in the store, a call
//! that starts, an effect on a system.

use super::executor::ProcessId;
use super::locks;
use super::park::{ObjectKey, Park, Truth};
use super::systems::key_of;
use datamesh_conformance::{Thing, has_incarnations};
use datamesh_core::plan::Action;
use datamesh_provider::{Address, OpAction, Operation, OperationId};
use datamesh_state::{Intent, Origin, Record, Shard, SharedRecord};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The environment of every simulation.
pub(crate) const ENVIRONMENT: &str = "test";

/// What the checks remember.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The shards as they are stored, by domain.
    pub(crate) shards: BTreeMap<String, Shard>,
    /// The plan each process carries out.
    pub(crate) plans: BTreeMap<ProcessId, BTreeMap<Address, Action>>,
    /// Addresses whose object the tool deleted, and that are not recorded again.
    deleted: BTreeSet<Address>,
    /// Operations that had their effect.
    happened: BTreeSet<OperationId>,
}

impl Watch {
    fn records(&self) -> impl Iterator<Item = (&Address, &SharedRecord)> {
        self.shards.values().flat_map(|shard| &shard.resources)
    }

    fn intents(&self) -> impl Iterator<Item = &Intent> {
        self.shards.values().flat_map(|shard| shard.pending.values())
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.intents().next().is_some()
    }

    /// Whether the plan of a process does this.
    fn plans(&self, process: ProcessId, address: &Address, action: Action) -> bool {
        self.plans.get(&process).is_some_and(|plan| plan.get(address) == Some(&action))
    }

    fn record(&self, address: &Address) -> Option<&Record> {
        self.shards.get(address.domain())?.resources.get(address).map(|record| &**record)
    }

    fn is_being(&self, action: OpAction, address: &Address) -> bool {
        let pending = self.shards.get(address.domain()).into_iter().flat_map(|shard| shard.pending.values());
        pending.into_iter().any(|intent| intent.action == action && intent.address == *address)
    }

    /// Whether nobody may come to need it: it is not there, or will not be. What was made counts before its outcome
    /// is stored, and namespaces that others made are used as they are.
    fn is_gone(&self, target: &Address) -> bool {
        let used_as_it_is = target.ty().as_str() == "iceberg_namespace";
        let arrives = |shard: &Shard| shard.incoming.iter().any(|incoming| incoming.to == *target);
        let is_there = self.record(target).is_some()
            || self.is_being(OpAction::Create, target)
            || self.shards.get(target.domain()).is_some_and(arrives)
            || used_as_it_is;
        !is_there || self.is_being(OpAction::Delete, target)
    }

    /// A record that depends on what the tool deleted.
    pub(crate) fn dangling(&self) -> Option<String> {
        self.records().find_map(|(address, record)| {
            let gone = |target: &&Address| self.deleted.contains(*target) && self.is_gone(target);
            let target = record.dependencies.iter().find(gone)?;
            Some(format!("{address} depends on {target}, which the tool deleted"))
        })
    }
}

fn object(record: &Record) -> ObjectKey {
    (record.system.to_string(), record.ty.as_str().to_owned(), record.object.as_str().to_owned())
}

/// A write landed in the store.
pub(crate) fn written(
    park: &Park,
    from: ProcessId,
    key: &str,
    before: Option<(&[u8], Duration)>,
    after: &[u8],
) {
    if key.starts_with(locks::FOLDER) {
        return locks::written(park, key, before, after);
    }
    if key.starts_with('_') {
        return;
    }
    if let Err(why) = shard_written(park, from, key, before.is_some(), after) {
        park.violated(format!("the write of {key}: {why}"));
    }
}

fn shard_written(park: &Park, from: ProcessId, key: &str, existed: bool, after: &[u8]) -> Result<(), String> {
    let shard = datamesh_state::decode(key, after).map_err(|error| error.to_string())?;
    shard.verify().map_err(|error| error.to_string())?;
    if format!("{}/{}", shard.environment, shard.domain) != key {
        return Err("it is another shard's".into());
    }
    let mut watch = park.watch();
    let was = watch.shards.get(&shard.domain);
    if was.is_some() != existed {
        return Err("a shard came from nowhere, or went".into());
    }
    if let Some(was) = was {
        shard.verify_after(was).map_err(|error| error.to_string())?;
        if shard.serial <= was.serial {
            return Err(format!("serial {} after {}", shard.serial, was.serial));
        }
        for (address, record) in &was.resources {
            if !shard.resources.contains_key(address) {
                lost(park, from, &watch, &shard, address, record)?;
            }
        }
    }
    for (address, record) in &shard.resources {
        if was.is_none_or(|was| !was.resources.contains_key(address)) {
            found(park, &watch, was, address, record)?;
        }
    }
    let none = BTreeSet::new();
    let new: Vec<(Address, Address)> = shard
        .resources
        .iter()
        .flat_map(|(address, record)| {
            let had = was.and_then(|was| was.resources.get(address)).map_or(&none, |was| &was.dependencies);
            record.dependencies.difference(had).map(|target| (address.clone(), target.clone()))
        })
        .collect();
    for address in shard.resources.keys() {
        watch.deleted.remove(address);
    }
    watch.shards.insert(shard.domain.clone(), shard);
    one_owner(&watch)?;
    for (address, target) in new {
        let comes = [Action::Create, Action::Adopt].iter().any(|made| watch.plans(from, &target, *made));
        if watch.is_gone(&target) && !comes {
            return Err(format!("{address} comes to depend on {target}, which is deleted or being deleted"));
        }
    }
    Ok(())
}

/// A record went: its object must be gone, or not be ours, or have another owner, or be let go on purpose.
fn lost(
    park: &Park,
    from: ProcessId,
    watch: &Watch,
    next: &Shard,
    address: &Address,
    record: &Record,
) -> Result<(), String> {
    let key = object(record);
    let Some(thing) = park.thing(&key) else { return Ok(()) };
    let same = record.incarnation.is_none() || record.incarnation == thing.incarnation;
    let mut truth = park.truth();
    if !same || truth.get(&key) != Some(&Truth::Ours) {
        return Ok(());
    }
    let elsewhere = watch.shards.iter().filter(|(domain, _)| **domain != next.domain).map(|(_, s)| s);
    let owners = elsewhere.chain([next]).flat_map(|shard| &shard.resources);
    if owners.into_iter().any(|(other, r)| other != address && object(r) == key) {
        return Ok(());
    }
    // Another shard expects it under the very move that let it go.
    let moves = next.tombstones.iter().filter(|stone| stone.from == *address);
    let expected = |move_id: &String| {
        watch
            .shards
            .values()
            .any(|shard| shard.incoming.iter().any(|i| i.move_id == *move_id && *i.record == *record))
    };
    if moves.map(|stone| &stone.move_id).any(expected) {
        return Ok(());
    }
    if watch.plans(from, address, Action::Forget) {
        truth.insert(key, Truth::LetGo);
        return Ok(());
    }
    Err(format!("the record of {address} is gone, and its object is still there"))
}

/// A record came. What somebody else made is taken for the tool's own only where a creation was cut off and what is
/// there is what that creation makes: nobody can tell them apart.
fn found(
    park: &Park,
    watch: &Watch,
    was: Option<&Shard>,
    address: &Address,
    record: &Record,
) -> Result<(), String> {
    if let Some(incoming) = was.and_then(|was| was.incoming.iter().find(|incoming| incoming.to == *address)) {
        let stones = watch.shards.get(incoming.from.domain()).into_iter().flat_map(|shard| &shard.tombstones);
        return match stones.into_iter().any(|stone| stone.move_id == incoming.move_id) {
            true => Ok(()),
            false => Err(format!("{address} is recorded, and {} was not let go of", incoming.from)),
        };
    }
    let key = object(record);
    if record.origin == Origin::Adopted || park.truth().get(&key) != Some(&Truth::Theirs) {
        return Ok(());
    }
    let pending = was.into_iter().flat_map(|was| &was.pending);
    let intent = pending.into_iter().find(|(_, i)| i.address == *address && i.action == OpAction::Create);
    let (id, intent) =
        intent.ok_or_else(|| format!("{address} was never made, and is recorded as if it had been"))?;
    let (Some(now), Some(planned)) = (park.thing(&key), &intent.planned) else { return Ok(()) };
    let is_that_one = record.incarnation.is_some() && record.incarnation == now.incarnation;
    if watch.happened.contains(id) && !is_that_one {
        // It was made, and replaced before that was recorded.
        return Ok(());
    }
    // It may have been changed or replaced after it was looked at.
    let mut seen = park.earlier(&key, &record.incarnation);
    let is_there = is_that_one || record.incarnation.is_none() || seen.is_empty();
    seen.extend(is_there.then_some(now));
    let wrong = |thing: &Thing| {
        planned.iter().find(|(name, value)| !covers(thing.attributes.get(*name), value)).map(|(name, _)| name)
    };
    let wrong: Option<Vec<_>> = seen.iter().map(wrong).collect();
    if let Some(names) = wrong.filter(|_| intent.remaining.is_empty()) {
        return Err(format!("{address} is taken for ours, and its {} is not as planned", names[0]));
    }
    if is_there {
        park.truth().insert(key, Truth::Ours);
    }
    Ok(())
}

fn covers(live: Option<&Value>, planned: &Value) -> bool {
    match (live, planned) {
        (Some(Value::Object(live)), Value::Object(planned)) => {
            planned.iter().all(|(key, value)| covers(live.get(key), value))
        }
        (live, planned) => live == Some(planned),
    }
}

fn one_owner(watch: &Watch) -> Result<(), String> {
    let mut owners: BTreeMap<ObjectKey, &Address> = BTreeMap::new();
    for (address, record) in watch.records() {
        if let Some(other) = owners.insert(object(record), address) {
            return Err(format!("{other} and {address} own the same object"));
        }
    }
    Ok(())
}

/// A provider is about to call its system.
pub(crate) fn call_starts(park: &Park, process: ProcessId, operation: &Operation) {
    if let Err(why) = may_start(park, process, operation) {
        let Operation { action, address, step, .. } = operation;
        park.violated(format!("{} starts {action:?} {address} {step}: {why}", park.name_of(process)));
    }
}

fn may_start(park: &Park, process: ProcessId, operation: &Operation) -> Result<(), String> {
    let address = &operation.address;
    locks::call_starts(park, process, address.domain())?;
    let watch = park.watch();
    let shard = watch.shards.get(address.domain()).ok_or("its shard was never written")?;
    let intent = shard.pending.get(&operation.id).ok_or("no intent is stored")?;
    let named = (&intent.address, intent.action, &intent.step, &intent.object);
    if named != (address, operation.action, &operation.step, &operation.object) {
        return Err("the stored intent names something else".into());
    }
    if park.blobs().get(&format!("_runs/test/{}", intent.run)).is_none() {
        return Err("nothing is on record of its run".into());
    }
    let key = key_of(operation);
    let others = || watch.records().filter(|(other, _)| *other != address);
    match operation.action {
        OpAction::Create => {
            if let Some((owner, _)) = others().find(|(_, record)| object(record) == key) {
                return Err(format!("{owner} owns that object"));
            }
        }
        OpAction::Update | OpAction::Delete => {
            let record = shard.resources.get(address).ok_or("nothing is recorded")?;
            if object(record) != key {
                return Err("the record is of another object".into());
            }
            if has_incarnations(operation.ty.as_str())
                && (operation.incarnation.is_none() || operation.incarnation != record.incarnation)
            {
                return Err("it is about another incarnation than the record".into());
            }
            if operation.action == OpAction::Delete {
                return may_delete(&watch, record, address, &key);
            }
        }
    }
    let needs = intent.becomes.iter().flat_map(|becomes| &becomes.dependencies);
    for target in needs {
        if watch.is_gone(target) {
            return Err(format!("it needs {target}, which is not recorded, or is being deleted"));
        }
    }
    Ok(())
}

fn may_delete(watch: &Watch, record: &Record, address: &Address, key: &ObjectKey) -> Result<(), String> {
    if record.origin == Origin::Adopted {
        return Err("it was adopted, not made".into());
    }
    for (other, record) in watch.records().filter(|(other, _)| *other != address) {
        if object(record) == *key {
            return Err(format!("{other} owns that object"));
        }
        if record.dependencies.contains(address) {
            return Err(format!("{other} is recorded and depends on it"));
        }
    }
    Ok(())
}

/// A system was changed.
pub(crate) fn effect(park: &Park, operation: &Operation, before: Option<&Thing>) {
    if let Err(why) = may_happen(park, operation, before) {
        let Operation { action, address, step, .. } = operation;
        park.violated(format!("{action:?} {address} {step} happened: {why}"));
    }
}

fn may_happen(park: &Park, operation: &Operation, before: Option<&Thing>) -> Result<(), String> {
    let address = &operation.address;
    let mut watch = park.watch();
    let pending = watch.shards.get(address.domain()).and_then(|shard| shard.pending.get(&operation.id));
    let Some(intent) = pending else {
        return Err("its intent is not pending any more: somebody judged it before it was settled".into());
    };
    let over = intent.remaining.is_empty();
    watch.happened.insert(operation.id.clone());
    if operation.action != OpAction::Delete {
        return Ok(());
    }
    if over {
        watch.deleted.insert(address.clone());
    }
    let truth = park.truth().get(&key_of(operation)).copied();
    if before.is_some_and(|thing| thing.incarnation.is_some()) && truth != Some(Truth::Ours) {
        return Err(format!("the object is not the tool's, but {truth:?}"));
    }
    let users = watch.intents().filter(|intent| {
        let becomes = intent.becomes.as_ref();
        let other = &intent.address;
        other != address && becomes.is_some_and(|b| b.dependencies.contains(address))
    });
    match users.map(|intent| &intent.address).next() {
        Some(user) if over => Err(format!("{user} is being changed and depends on it")),
        _ => Ok(()),
    }
}
