//! Edits of a shard by hand: nothing live is touched, and nothing that is under way is overruled.

use crate::format::Shard;
use crate::shard::ShardError;
use datamesh_provider::{Address, SystemName};

impl Shard {
    /// Forgets a record: what is live stays, and is nobody's.
    pub fn remove(&mut self, address: &Address) -> Result<(), ShardError> {
        if self.is_busy(address) {
            return Err(ShardError::Busy { address: address.clone() });
        }
        match self.forget(address) {
            Some(_) => Ok(()),
            None => {
                let why = "nothing is recorded under this address";
                Err(ShardError::Shape { address: address.clone(), why })
            }
        }
    }

    /// The records of an older version in the place of today's. Whatever differs has a new `gen`, so that no plan made
    /// meanwhile takes it for what it saw.
    pub fn restore(&mut self, older: &Self) -> Result<(), ShardError> {
        if self.lineage != older.lineage {
            return Err(ShardError::Lineage { from: self.lineage.clone(), to: older.lineage.clone() });
        }
        if let Some(address) = self.under_way().chain(older.under_way()).next() {
            return Err(ShardError::Busy { address: address.clone() });
        }
        self.replace_records(older);
        Ok(())
    }

    /// The records of a document that was pulled from this shard and changed by hand, in the place of today's. What else
    /// stands in the document has to be as it is.
    pub fn push(&mut self, edited: &Self) -> Result<(), ShardError> {
        let head = |shard: &Self| {
            let Self { format, environment, domain, repository, .. } = shard.clone();
            (format, environment, domain, repository)
        };
        if head(self) != head(edited)
            || self.tombstones != edited.tombstones
            || self.incoming != edited.incoming
        {
            return Err(ShardError::Document("only its records can be changed by hand"));
        }
        if self.systems != edited.systems {
            return Err(ShardError::Document("what its systems are is changed with `state rebind`"));
        }
        self.restore(edited)
    }

    fn replace_records(&mut self, other: &Self) {
        let mut resources = other.resources.clone();
        // What was moved to another domain since is that domain's.
        for stone in self.tombstones.iter().filter(|stone| !other.tombstones.contains(stone)) {
            resources.remove(&stone.from);
        }
        for (address, record) in &mut resources {
            let Some(today) = self.resources.get(address).filter(|today| *today != record) else { continue };
            let record = record.make_mut();
            record.generation = today.generation.max(record.generation) + 1;
        }
        self.resources = resources;
    }

    /// Says that another system is what a name has stood for all along: moved, or made again.
    pub fn rebind(&mut self, system: &SystemName, identity: &str) -> Result<(), ShardError> {
        if let Some(intent) = self.pending.values().find(|intent| intent.system == *system) {
            return Err(ShardError::Busy { address: intent.address.clone() });
        }
        self.systems.insert(system.to_string(), identity.to_owned());
        Ok(())
    }
}
