//! What the shards of others say against an operation.
//!
//! Asked after the operation's intent is stored, and before its call: of two runs whose operations exclude each other,
//! the one that looks second sees the other, whatever the order of their writes. Both may see each other; then neither
//! goes on.

use crate::format::{Incoming, Intent, Shard};
use crate::shard::SHARED_TYPES;
use datamesh_provider::{Address, ObjectId, OpAction, SystemName, TypeName};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// An object, whatever name its system goes by.
type Claim = (TypeName, String, ObjectId);

/// The shards of an environment that a run does not hold, as they were a moment ago.
#[derive(Debug, Default)]
pub struct Others {
    claims: BTreeMap<Claim, Address>,
    /// Of what may have several owners: one of them.
    sharers: BTreeMap<Claim, Address>,
    /// What is depended on from another domain, and by what.
    needed: BTreeMap<Address, Address>,
    recorded: BTreeSet<Address>,
    going: BTreeSet<Address>,
}

/// Why an operation must not be carried out, or an object not be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// The object is another resource's by now.
    Owned { object: ObjectId, owner: Address },
    /// What it depends on is not recorded any more.
    Gone(Address),
    /// What it depends on is being deleted.
    Going(Address),
    /// Something depends on what it deletes.
    Needed { by: Address },
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owned { object, owner } => write!(f, "{} belongs to {owner} by now", object.0),
            Self::Gone(dependency) => {
                write!(f, "{dependency}, which it depends on, is not recorded any more")
            }
            Self::Going(dependency) => write!(f, "{dependency}, which it depends on, is being deleted"),
            Self::Needed { by } => write!(f, "{by} depends on it by now"),
        }
    }
}

impl Others {
    pub fn new<'a>(shards: impl IntoIterator<Item = &'a Shard>) -> Self {
        let mut others = Self::default();
        let mut stones = Vec::new();
        for shard in shards {
            others.add(shard);
            stones.extend(&shard.tombstones);
        }
        // Who depends on an address that was moved depends on what it is now, until its own record says so.
        for stone in stones.into_iter().filter(|stone| !others.recorded.contains(&stone.from)) {
            if let Some(by) = others.needed.get(&stone.from).cloned() {
                others.needed.entry(stone.to.clone()).or_insert(by);
            }
        }
        others
    }

    fn add(&mut self, shard: &Shard) {
        for (address, record) in &shard.resources {
            self.recorded.insert(address.clone());
            self.claim(shard, address, &record.system, &record.ty, &record.object);
            self.needs(address, &record.dependencies);
        }
        for intent in shard.pending.values() {
            match intent.action {
                OpAction::Create => {
                    self.claim(shard, &intent.address, &intent.system, &intent.ty, &intent.object);
                }
                OpAction::Delete => drop(self.going.insert(intent.address.clone())),
                OpAction::Update => {}
            }
            let becomes = intent.becomes.as_ref();
            self.needs(&intent.address, becomes.map_or(&BTreeSet::new(), |becomes| &becomes.dependencies));
        }
        for Incoming { to, record, .. } in &shard.incoming {
            self.claim(shard, to, &record.system, &record.ty, &record.object);
            self.needs(to, &record.dependencies);
        }
    }

    fn claim(&mut self, shard: &Shard, by: &Address, system: &SystemName, ty: &TypeName, object: &ObjectId) {
        let claim = (ty.clone(), shard.identity_or_name(system), object.clone());
        let all = if SHARED_TYPES.contains(&ty.as_str()) { &mut self.sharers } else { &mut self.claims };
        all.insert(claim, by.clone());
    }

    fn needs(&mut self, by: &Address, dependencies: &BTreeSet<Address>) {
        for dependency in dependencies.iter().filter(|dependency| dependency.domain() != by.domain()) {
            self.needed.insert(dependency.clone(), by.clone());
        }
    }

    /// Who else has an object that a shard names; nobody, of a type that may have several owners.
    pub fn owner(
        &self,
        shard: &Shard,
        system: &SystemName,
        ty: &TypeName,
        object: &ObjectId,
    ) -> Option<&Address> {
        self.claims.get(&(ty.clone(), shard.identity_or_name(system), object.clone()))
    }

    /// What speaks against an operation of a shard. `relied_on`: whether the plan found a record of this dependency;
    /// what it found without one may be used without one.
    pub fn objection(
        &self,
        shard: &Shard,
        intent: &Intent,
        relied_on: &dyn Fn(&Address) -> bool,
    ) -> Option<Objection> {
        let owned = || {
            let owner = self.owner(shard, &intent.system, &intent.ty, &intent.object)?;
            Some(Objection::Owned { object: intent.object.clone(), owner: owner.clone() })
        };
        let foreign = |dependency: &&Address| dependency.domain() != shard.domain;
        let missing = |dependency: &Address| match self.going.contains(dependency) {
            true => Some(Objection::Going(dependency.clone())),
            false => (relied_on(dependency) && !self.recorded.contains(dependency))
                .then(|| Objection::Gone(dependency.clone())),
        };
        let dependencies = || intent.becomes.iter().flat_map(|becomes| &becomes.dependencies).filter(foreign);
        match intent.action {
            OpAction::Create => owned().or_else(|| dependencies().find_map(missing)),
            OpAction::Update => dependencies().find_map(missing),
            OpAction::Delete => {
                let claim =
                    (intent.ty.clone(), shard.identity_or_name(&intent.system), intent.object.clone());
                let by = self.needed.get(&intent.address).or_else(|| self.sharers.get(&claim)).cloned();
                by.map(|by| Objection::Needed { by }).or_else(owned)
            }
        }
    }
}
