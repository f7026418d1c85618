//! Moves between shards. Nobody writes two shards at once, so a move is three writes under both locks: the
//! destination says what it expects, the source lets go and leaves a tombstone, the destination takes it. Whatever
//! happens in between, the tombstone tells who owns it: without one the source, with one the destination.

use crate::format::{Incoming, Shard, Tombstone};
use crate::shard::ShardError;
use datamesh_provider::{Address, digest};
use std::collections::{BTreeMap, BTreeSet};

/// What became of a move that was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The source had let go: it is recorded here now.
    Received,
    /// The source has it still: nothing was moved.
    Dropped,
}

impl Incoming {
    /// What a shard is to hand over, as it is recorded there. `run`: who moves it.
    pub fn of(
        source: &Shard,
        from: &Address,
        to: &Address,
        run: &str,
        now: jiff::Timestamp,
    ) -> Result<Self, ShardError> {
        let Some(record) = source.resources.get(from).cloned() else {
            let why = "only what is recorded can be moved";
            return Err(ShardError::Shape { address: from.clone(), why });
        };
        if source.is_busy(from) {
            return Err(ShardError::Busy { address: from.clone() });
        }
        let move_id = digest(format!("{run}\n{from}\n{to}").as_bytes());
        Ok(Self { move_id, from: from.clone(), to: to.clone(), started_at: now, record })
    }
}

impl Shard {
    /// Says what is on its way here: its source owns it until it has let go. `identity`: what the system it is in is
    /// to the source.
    pub fn expect(&mut self, incoming: Incoming, identity: Option<&str>) -> Result<(), ShardError> {
        let to = &incoming.to;
        if to.domain() != self.domain {
            return Err(ShardError::ForeignDomain { address: to.clone() });
        }
        if self.resources.contains_key(to) || self.is_busy(to) {
            return Err(ShardError::Busy { address: to.clone() });
        }
        if incoming.from.ty() != to.ty() {
            let why = "a move keeps the type";
            return Err(ShardError::Shape { address: to.clone(), why });
        }
        if let Some(identity) = identity {
            self.bind(&incoming.record.system, identity)?;
        }
        self.incoming.push(incoming);
        Ok(())
    }

    /// Lets go of what other shards expect, if all of it is still as they have it.
    pub fn hand_over(&mut self, all: &[&Incoming], now: jiff::Timestamp) -> Result<(), ShardError> {
        for Incoming { from, record, .. } in all.iter().copied() {
            if self.is_busy(from) {
                return Err(ShardError::Busy { address: from.clone() });
            }
            if self.resources.get(from) != Some(record) {
                let found = self.resources.get(from).map(|record| record.generation);
                let expected = Some(record.generation);
                return Err(ShardError::Generation { address: from.clone(), expected, found });
            }
        }
        for Incoming { move_id, from, to, .. } in all.iter().copied() {
            self.resources.remove(from);
            let (move_id, from, to) = (move_id.clone(), from.clone(), to.clone());
            self.tombstones.push(Tombstone { move_id, from, to, at: now });
        }
        self.follow(&all.iter().map(|incoming| (&incoming.from, &incoming.to)).collect());
        Ok(())
    }

    /// Records what its sources have let go of.
    pub fn receive(&mut self, all: &[&Incoming]) -> Result<(), ShardError> {
        for incoming in all.iter().copied() {
            let Some(at) = self.incoming.iter().position(|known| known == incoming) else {
                return Err(ShardError::Document("it does not expect what it is to receive"));
            };
            let Incoming { to, mut record, .. } = self.incoming.remove(at);
            let moved = record.make_mut();
            moved.generation += 1;
            moved.product = to.product().map(|_| to.owner());
            self.resources.insert(to, record);
        }
        self.follow(&all.iter().map(|incoming| (&incoming.from, &incoming.to)).collect());
        Ok(())
    }

    /// Does not expect something any more that its source never let go of.
    pub fn expect_no_more(&mut self, move_id: &str) {
        self.incoming.retain(|incoming| incoming.move_id != move_id);
    }

    /// Finishes or drops the moves that were cut off. `source`: the shard of a domain, under the same locks; what
    /// comes from a shard that is not there is left as it is.
    pub fn settle_moves<'a>(
        &mut self,
        source: impl Fn(&str) -> Option<&'a Self>,
    ) -> Result<Vec<(Incoming, Arrival)>, ShardError> {
        let mut settled = Vec::new();
        for incoming in self.incoming.clone() {
            let Some(source) = source(incoming.from.domain()) else { continue };
            let let_go = source.tombstones.iter().any(|stone| stone.move_id == incoming.move_id);
            settled.push((incoming, if let_go { Arrival::Received } else { Arrival::Dropped }));
        }
        let received: Vec<&Incoming> =
            settled.iter().filter(|(_, arrival)| *arrival == Arrival::Received).map(|(of, _)| of).collect();
        self.receive(&received)?;
        for (incoming, _) in &settled {
            self.expect_no_more(&incoming.move_id);
        }
        Ok(settled)
    }

    /// Addresses that an operation or a move is at work on.
    pub fn under_way(&self) -> impl Iterator<Item = &Address> {
        let pending = self.pending.values().map(|intent| &intent.address);
        pending.chain(self.incoming.iter().map(|incoming| &incoming.to))
    }

    /// Whether nothing is under way.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.incoming.is_empty()
    }

    /// The domains that this shard expects something from.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.incoming.iter().map(|incoming| incoming.from.domain())
    }

    /// What depends on a moved address follows it; a record that is being worked on is brought up to date by the
    /// next plan.
    pub(crate) fn follow(&mut self, moved: &BTreeMap<&Address, &Address>) {
        let busy: BTreeSet<Address> = self.under_way().cloned().collect();
        for (_, record) in self.resources.iter_mut().filter(|(address, _)| !busy.contains(*address)) {
            if !record.dependencies.iter().any(|at| moved.contains_key(at)) {
                continue;
            }
            let record = record.make_mut();
            let follows = |at: &Address| moved.get(at).map_or_else(|| at.clone(), |to| (*to).clone());
            record.dependencies = record.dependencies.iter().map(follows).collect();
            record.generation += 1;
        }
    }
}
