//! Edits of a shard by hand: nothing live is touched, and nothing that is under way is overruled.

use crate::format::Shard;
use crate::shard::ShardError;
use datamesh_provider::Address;

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
        let under_way = self.pending.values().chain(older.pending.values()).next();
        if let Some(intent) = under_way {
            return Err(ShardError::Busy { address: intent.address.clone() });
        }
        let mut resources = older.resources.clone();
        for (address, record) in &mut resources {
            let Some(today) = self.resources.get(address).filter(|today| *today != record) else { continue };
            record.generation = today.generation.max(record.generation) + 1;
        }
        self.resources = resources;
        Ok(())
    }
}
