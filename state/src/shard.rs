//! What may happen to a shard: operations begin and end. Plain values in, plain values out.

use crate::format::{Becomes, FORMAT, Incoming, Intent, Origin, Record, Shard};
use crate::shared::SharedRecord;
use datamesh_provider::{
    Address, LiveObject, ObjectId, OpAction, OperationId, Outcome, Packed, SystemName, TypeName,
};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Types of which one object may have several owners: a binding is wanted by everyone who asked for it.
pub(crate) const SHARED_TYPES: &[&str] = &["kafka_acl"];

/// A change that would break the state. Nothing of it was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    #[error("{address} has an operation under way already")]
    Busy { address: Address },
    #[error("operation {id} is under way already")]
    Repeated { id: String },
    #[error("no operation {id} is under way")]
    NotPending { id: String },
    #[error("{address} belongs to another domain")]
    ForeignDomain { address: Address },
    #[error("{address} has `gen` {found:?} and not {expected:?}")]
    Generation { address: Address, expected: Option<u64>, found: Option<u64> },
    #[error("{object} is claimed by {owner} and by {claimant}")]
    TwoOwners { object: String, owner: Box<Address>, claimant: Box<Address> },
    #[error("{address}: {why}")]
    Shape { address: Address, why: &'static str },
    #[error("{what} went from {from} to {to}")]
    Backwards { what: String, from: u64, to: u64 },
    #[error("its lineage changed from {from} to {to}")]
    Lineage { from: String, to: String },
    #[error("{system} was {from} and would become {to}")]
    Identity { system: String, from: String, to: String },
    #[error("{0}")]
    Document(&'static str),
}

impl Shard {
    /// A shard with nothing in it, not yet written.
    pub fn empty(environment: &str, domain: &str, lineage: String, repository: &str) -> Self {
        Self {
            format: FORMAT,
            environment: environment.to_owned(),
            domain: domain.to_owned(),
            lineage,
            serial: 0,
            epoch: 0,
            write_id: String::new(),
            repository: repository.to_owned(),
            systems: BTreeMap::new(),
            resources: BTreeMap::new(),
            pending: BTreeMap::new(),
            tombstones: Vec::new(),
            incoming: Vec::new(),
        }
    }

    /// Who owns an object of a system, by record, by an intent to create it, or by a move that brings it.
    pub fn owner_of(&self, system: &SystemName, ty: &TypeName, object: &ObjectId) -> Option<&Address> {
        let is = |(_, s, t, o): &(&Address, &SystemName, &TypeName, &ObjectId)| {
            *t == ty && *o == object && self.identity_or_name(s) == self.identity_or_name(system)
        };
        self.claimed().find(is).map(|(address, ..)| address)
    }

    /// Who has, or is to have, which object: by record, by an intent to create it, or by a move that brings it.
    fn claimed(&self) -> impl Iterator<Item = (&Address, &SystemName, &TypeName, &ObjectId)> {
        let recorded = self.resources.iter().map(|(at, r)| (at, &r.system, &r.ty, &r.object));
        let creates = self.pending.values().filter(|intent| intent.action == OpAction::Create);
        let intended = creates.map(|i| (&i.address, &i.system, &i.ty, &i.object));
        let expected =
            self.incoming.iter().map(|i| (&i.to, &i.record.system, &i.record.ty, &i.record.object));
        recorded.chain(intended).chain(expected)
    }

    /// What a name stands for here, where that is recorded.
    pub fn identity_of(&self, system: &SystemName) -> Option<&str> {
        self.systems.get(&system.to_string()).map(String::as_str)
    }

    /// Two names may mean one system.
    pub(crate) fn identity_or_name(&self, system: &SystemName) -> String {
        let name = system.to_string();
        self.systems.get(&name).map_or(name, |identity| format!("={identity}"))
    }

    /// Records which system a name stands for. Another one under the same name is refused.
    pub fn bind(&mut self, system: &SystemName, identity: &str) -> Result<(), ShardError> {
        let name = system.to_string();
        match self.systems.get(&name) {
            Some(known) if known != identity => {
                Err(ShardError::Identity { system: name, from: known.clone(), to: identity.to_owned() })
            }
            _ => {
                self.systems.insert(name, identity.to_owned());
                Ok(())
            }
        }
    }

    /// Stores the intent of an operation: call it, and write the shard, before the provider is called.
    ///
    /// Fills in `before_gen` and `epoch`. An update or a deletion needs its record, so what is adopted with a change
    /// is first adopted. A creation must have no record, unless it makes again what was deleted outside (then
    /// `before` is what was last applied), or is a later step of a creation that recorded its first.
    pub fn begin(&mut self, id: OperationId, intent: Intent) -> Result<(), ShardError> {
        self.begin_all(vec![(id, intent)]).into_iter().collect()
    }

    /// The same for several: what became of each. One look at who owns what does for all of them.
    pub fn begin_all(&mut self, mut all: Vec<(OperationId, Intent)>) -> Vec<Result<(), ShardError>> {
        for (_, intent) in &mut all {
            intent.before_gen = self.resources.get(&intent.address).map(|record| record.generation);
            intent.epoch = self.epoch;
        }
        let said = self.may_begin(&all);
        let begun = all.into_iter().zip(&said).filter(|(_, said)| said.is_ok());
        self.pending.extend(begun.map(|(begun, _)| begun));
        said
    }

    fn may_begin(&self, all: &[(OperationId, Intent)]) -> Vec<Result<(), ShardError>> {
        let mut owners = match all.iter().any(|(_, intent)| claims(intent)) {
            // Two owners of one object that stand here already are found before this is written.
            true => self.owners().unwrap_or_default(),
            false => Owners::new(),
        };
        let mut busy: BTreeSet<&Address> = self.under_way().collect();
        let mut begun = BTreeSet::new();
        let mut judge = |id, intent| {
            self.may_begin_one(id, intent, &begun, &busy, &owners)?;
            begun.insert(id);
            busy.insert(&intent.address);
            if claims(intent) {
                owners.insert(self.claim(&intent.system, &intent.ty, &intent.object), &intent.address);
            }
            Ok(())
        };
        all.iter().map(|(id, intent)| judge(id, intent)).collect()
    }

    fn may_begin_one(
        &self,
        id: &OperationId,
        intent: &Intent,
        begun: &BTreeSet<&OperationId>,
        busy: &BTreeSet<&Address>,
        owners: &Owners<'_>,
    ) -> Result<(), ShardError> {
        if self.pending.contains_key(id) || begun.contains(id) {
            return Err(ShardError::Repeated { id: id.0.clone() });
        }
        if busy.contains(&intent.address) {
            return Err(ShardError::Busy { address: intent.address.clone() });
        }
        self.check_intent(intent)?;
        let owner = owners.get(&self.claim(&intent.system, &intent.ty, &intent.object));
        match owner.filter(|owner| claims(intent) && **owner != &intent.address) {
            Some(owner) => Err(two_owners(&intent.object, owner, &intent.address)),
            None => Ok(()),
        }
    }

    fn check_intent(&self, intent: &Intent) -> Result<(), ShardError> {
        let address = || intent.address.clone();
        let shape = |why| Err(ShardError::Shape { address: address(), why });
        if intent.address.domain() != self.domain {
            return Err(ShardError::ForeignDomain { address: address() });
        }
        let record = self.resources.get(&intent.address);
        let found = record.map(|record| record.generation);
        if found != intent.before_gen {
            return Err(ShardError::Generation { address: address(), expected: intent.before_gen, found });
        }
        match (intent.action, record) {
            (OpAction::Delete, _) if intent.planned.is_some() || intent.becomes.is_some() => {
                return shape("a deletion plans nothing");
            }
            (OpAction::Create | OpAction::Update, _)
                if intent.planned.is_none() || intent.becomes.is_none() =>
            {
                return shape("the operation does not say what it leads to");
            }
            (OpAction::Update | OpAction::Delete, None) => return shape("only what is recorded can change"),
            (OpAction::Create, Some(_)) if intent.before.is_none() && intent.step == "create" => {
                return shape("it is recorded already");
            }
            (_, Some(record)) if record.object != intent.object || record.ty != intent.ty => {
                return shape("the operation is about another object than the record");
            }
            _ => {}
        }
        Ok(())
    }

    /// Stores how an operation ended; returns the intent where it is over.
    ///
    /// `managed` gives the part of a live object that some attributes speak of, normalised: the type's own
    /// `managed`. An indeterminate operation stays pending, and recovery finds out. One that was done in part is
    /// over: a creation is recorded as what is there, a change keeps what was applied before as the prior, so that
    /// the next plan sees what is missing.
    pub fn complete(
        &mut self,
        id: &OperationId,
        outcome: &Outcome,
        managed: &dyn Fn(&LiveObject, &Packed) -> Packed,
    ) -> Result<Option<Intent>, ShardError> {
        let Some(intent) = self.pending.get(id).cloned() else {
            return Err(ShardError::NotPending { id: id.0.clone() });
        };
        let last = intent.remaining.is_empty();
        match (outcome, intent.action) {
            (Outcome::Indeterminate(_), _) => return Ok(None),
            (Outcome::Done(live), OpAction::Create | OpAction::Update)
            | (Outcome::Partial(live, _), OpAction::Create) => self.record(id, &intent, live, managed)?,
            // An early step of a deletion, or a change that was done in part.
            (Outcome::Done(_) | Outcome::Partial(..), _) => self.touch(id, &intent.address),
            (Outcome::Deleted, OpAction::Delete) if last => drop(self.resources.remove(&intent.address)),
            // Gone early: the last step finds the same. Gone where it should have changed: the next plan sees it.
            (Outcome::Deleted, _) => self.touch(id, &intent.address),
            (Outcome::Stale(_) | Outcome::Rejected(_), _) => {}
        }
        Ok(self.pending.remove(id))
    }

    /// Takes an intent back whose operation was never begun.
    pub fn withdraw(&mut self, id: &OperationId) -> Option<Intent> {
        self.pending.remove(id)
    }

    /// The record was worked on; what was applied stays the prior.
    pub(crate) fn touch(&mut self, id: &OperationId, address: &Address) {
        if let Some(record) = self.resources.get_mut(address).map(SharedRecord::make_mut) {
            record.generation += 1;
            record.last_op = Some(id.clone());
        }
    }

    /// The record after a step that was done.
    pub(crate) fn record(
        &mut self,
        id: &OperationId,
        intent: &Intent,
        live: &LiveObject,
        managed: &dyn Fn(&LiveObject, &Packed) -> Packed,
    ) -> Result<(), ShardError> {
        let Some(becomes) = &intent.becomes else {
            let why = "the operation does not say what it leads to";
            return Err(ShardError::Shape { address: intent.address.clone(), why });
        };
        let was = self.resources.get(&intent.address);
        let attributes = match (intent.remaining.is_empty(), was) {
            // Until the last step, what was applied before stays the prior, so that what this change withdraws is
            // still known to be ours.
            (false, Some(record)) if intent.action == OpAction::Update => record.attributes.clone(),
            _ => managed(live, &becomes.declared),
        };
        let creating = intent.action == OpAction::Create || was.is_some_and(|was| !was.unfinished.is_empty());
        let record = Record {
            generation: was.map_or(0, |record| record.generation) + 1,
            unfinished: if creating { intent.remaining.clone() } else { Vec::new() },
            // What is made again after it was deleted outside is ours, however it began.
            origin: match (intent.action, was) {
                (OpAction::Update, Some(record)) => record.origin,
                _ => Origin::Created,
            },
            last_op: Some(id.clone()),
            incarnation: live.incarnation.clone().or_else(|| intent.incarnation.clone()),
            attributes,
            computed: live.computed.clone(),
            ty: intent.ty.clone(),
            system: intent.system.clone(),
            object: intent.object.clone(),
            ..about(becomes)
        };
        self.resources.insert(intent.address.clone(), record.into());
        Ok(())
    }

    /// Takes over an object that is there and as declared, without an operation. `origin`: created, where another
    /// resource of ours made it and shares it.
    pub fn adopt(
        &mut self,
        origin: Origin,
        address: Address,
        system: SystemName,
        live: &LiveObject,
        attributes: Packed,
        becomes: &Becomes,
    ) -> Result<(), ShardError> {
        if address.domain() != self.domain {
            return Err(ShardError::ForeignDomain { address });
        }
        if self.resources.contains_key(&address) || self.is_busy(&address) {
            return Err(ShardError::Busy { address });
        }
        let ty = address.ty().clone();
        if let Some(owner) =
            self.owner_of(&system, &ty, &live.id).filter(|_| !SHARED_TYPES.contains(&ty.as_str()))
        {
            return Err(two_owners(&live.id, owner, &address));
        }
        let record = Record {
            ty,
            system,
            object: live.id.clone(),
            incarnation: live.incarnation.clone(),
            attributes,
            computed: live.computed.clone(),
            origin,
            ..about(becomes)
        };
        self.resources.insert(address, record.into());
        Ok(())
    }

    /// Brings a record up to date with its manifest where nothing live has to change: a file was renamed, a flag
    /// was set, an attribute was declared that already is so. `incarnation`: what was read, where it was. Whether
    /// anything changed; nothing does while an operation is under way.
    pub fn describe(&mut self, address: &Address, becomes: &Becomes, incarnation: Option<&str>) -> bool {
        self.rewrite(address, |record| {
            redescribed(record, becomes);
            record.schema_version = becomes.schema_version;
            record.attributes = becomes.declared.clone();
            record.unfinished.clear();
            if let Some(incarnation) = incarnation {
                record.incarnation = Some(incarnation.to_owned());
            }
        })
    }

    /// Brings everything but the attributes up to date with the manifest: for a record that is about to change.
    pub fn redescribe(&mut self, address: &Address, becomes: &Becomes) -> bool {
        self.rewrite(address, |record| redescribed(record, becomes))
    }

    fn rewrite(&mut self, address: &Address, change: impl FnOnce(&mut Record)) -> bool {
        if self.is_busy(address) {
            return false;
        }
        let Some(record) = self.resources.get_mut(address) else { return false };
        let mut next = Record::clone(record);
        change(&mut next);
        let changed = next != **record;
        if changed {
            next.generation += 1;
            *record = next.into();
        }
        changed
    }

    pub(crate) fn is_busy(&self, address: &Address) -> bool {
        self.under_way().any(|other| other == address)
    }

    /// Gives a record another address in this shard; what depends on it follows. Nothing happens where it has that
    /// address already.
    pub fn rename(&mut self, from: &Address, to: &Address) -> Result<(), ShardError> {
        if !self.resources.contains_key(from) && self.resources.contains_key(to) {
            return Ok(());
        }
        if to.domain() != self.domain {
            return Err(ShardError::ForeignDomain { address: to.clone() });
        }
        let refused = [from, to].into_iter().find(|address| self.is_busy(address));
        if let Some(address) = refused.or_else(|| self.resources.contains_key(to).then_some(to)) {
            return Err(ShardError::Busy { address: address.clone() });
        }
        if from.ty() != to.ty() {
            let why = "a move keeps the type";
            return Err(ShardError::Shape { address: to.clone(), why });
        }
        let Some(mut record) = self.resources.remove(from) else {
            let why = "only what is recorded can be moved";
            return Err(ShardError::Shape { address: from.clone(), why });
        };
        let renamed = record.make_mut();
        renamed.generation += 1;
        renamed.product = to.product().map(|_| to.owner());
        self.resources.insert(to.clone(), record);
        self.follow(&BTreeMap::from([(from, to)]));
        Ok(())
    }

    /// Lets go of a resource without touching its object.
    pub fn forget(&mut self, address: &Address) -> Option<SharedRecord> {
        if self.is_busy(address) {
            return None;
        }
        self.resources.remove(address)
    }

    /// Whether the document makes sense by itself.
    pub fn verify(&self) -> Result<(), ShardError> {
        if self.format != FORMAT
            || self.lineage.is_empty()
            || self.write_id.is_empty()
            || self.repository.is_empty()
        {
            return Err(ShardError::Document("its head is incomplete"));
        }
        for (address, record) in &self.resources {
            if address.domain() != self.domain {
                return Err(ShardError::ForeignDomain { address: address.clone() });
            }
            if address.ty() != &record.ty || record.generation == 0 {
                let why = "its type or its `gen` is not right";
                return Err(ShardError::Shape { address: address.clone(), why });
            }
        }
        let mut busy = BTreeSet::new();
        for intent in self.pending.values() {
            self.check_intent(intent)?;
            if !busy.insert(&intent.address) {
                return Err(ShardError::Busy { address: intent.address.clone() });
            }
        }
        for Incoming { from, to, record, .. } in &self.incoming {
            if to.domain() != self.domain || from.domain() == self.domain {
                return Err(ShardError::ForeignDomain { address: to.clone() });
            }
            if to.ty() != &record.ty || self.resources.contains_key(to) || !busy.insert(to) {
                return Err(ShardError::Busy { address: to.clone() });
            }
        }
        self.owners().map(drop)
    }

    /// Who has which object, among records, intents to create and what is on its way here: each has one owner.
    fn owners(&self) -> Result<Owners<'_>, ShardError> {
        let mut owners = Owners::new();
        let mut systems: BTreeMap<&SystemName, Rc<str>> = BTreeMap::new();
        for (address, system, ty, object) in self.claimed() {
            if SHARED_TYPES.contains(&ty.as_str()) {
                continue;
            }
            let system = systems.entry(system).or_insert_with(|| self.identity_or_name(system).into());
            let before = owners.insert((ty, object, Rc::clone(system)), address);
            if let Some(owner) = before.filter(|owner| *owner != address) {
                return Err(two_owners(object, owner, address));
            }
        }
        Ok(owners)
    }

    fn claim<'a>(&self, system: &SystemName, ty: &'a TypeName, object: &'a ObjectId) -> Claim<'a> {
        (ty, object, self.identity_or_name(system).into())
    }

    /// Whether this may follow `before` in one write: the lineage stays, and nothing counts backwards.
    pub fn verify_after(&self, before: &Self) -> Result<(), ShardError> {
        if self.lineage != before.lineage {
            return Err(ShardError::Lineage { from: before.lineage.clone(), to: self.lineage.clone() });
        }
        let forward = |what: &dyn Fn() -> String, from: u64, to: u64| match to < from {
            true => Err(ShardError::Backwards { what: what(), from, to }),
            false => Ok(()),
        };
        forward(&|| "its epoch".to_owned(), before.epoch, self.epoch)?;
        forward(&|| "its serial".to_owned(), before.serial, self.serial)?;
        for (address, was) in &before.resources {
            let Some(is) = self.resources.get(address) else { continue };
            forward(&|| format!("`gen` of {address}"), was.generation, is.generation)?;
            if is.generation == was.generation && is != was {
                let why = "it changed without a new `gen`";
                return Err(ShardError::Shape { address: address.clone(), why });
            }
        }
        self.verify()
    }
}

/// An object, whatever name its system goes by.
type Claim<'a> = (&'a TypeName, &'a ObjectId, Rc<str>);
type Owners<'a> = BTreeMap<Claim<'a>, &'a Address>;

/// Whether an operation would make something that may have one owner only.
fn claims(intent: &Intent) -> bool {
    intent.action == OpAction::Create && !SHARED_TYPES.contains(&intent.ty.as_str())
}

fn two_owners(object: &ObjectId, owner: &Address, claimant: &Address) -> ShardError {
    let (owner, claimant) = (Box::new(owner.clone()), Box::new(claimant.clone()));
    ShardError::TwoOwners { object: object.0.clone(), owner, claimant }
}

fn redescribed(record: &mut Record, becomes: &Becomes) {
    record.source.clone_from(&becomes.source);
    record.product.clone_from(&becomes.product);
    record.dependencies.clone_from(&becomes.dependencies);
    record.prevent_destroy = becomes.prevent_destroy;
    record.on_remove = becomes.on_remove;
}

/// A record with nothing but the manifests' side in it.
fn about(becomes: &Becomes) -> Record {
    Record {
        ty: TypeName::new(""),
        schema_version: becomes.schema_version,
        source: becomes.source.clone(),
        product: becomes.product.clone(),
        system: SystemName::new("", ""),
        object: ObjectId::new(""),
        incarnation: None,
        attributes: Packed::default(),
        computed: Packed::default(),
        dependencies: becomes.dependencies.clone(),
        generation: 1,
        last_op: None,
        origin: Origin::Created,
        prevent_destroy: becomes.prevent_destroy,
        on_remove: becomes.on_remove,
        unfinished: Vec::new(),
    }
}
