//! Moves between shards: what a domain hands over to another, before anything else is done.

use super::apply::Run;
use datamesh_core::plan::{Plan, ResourceChange};
use datamesh_provider::Address;
use datamesh_state::{Incoming, Locked, Shard, ShardError, StateError};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Changes whose record comes from another domain's shard.
pub(super) fn from_afar(plan: &Plan) -> impl Iterator<Item = (&ResourceChange, &Address)> {
    plan.work().filter_map(|change| {
        let from = change.moved_from.as_ref()?;
        (from.domain() != change.address.domain()).then_some((change, from))
    })
}

/// The shards of several domains.
type Shards = BTreeMap<String, Shard>;

/// The first of the three writes: what each shard is to get from others. What cannot be had comes back beside it.
fn expect(shards: &mut Shards, plan: &Plan, run: &str, now: Timestamp) -> (Vec<Incoming>, Vec<Refused>) {
    let gone = |address: &Address| ShardError::ForeignDomain { address: address.clone() };
    let (mut moves, mut refused) = (Vec::new(), Vec::new());
    for (change, from) in from_afar(plan) {
        let to = &change.address;
        let mut expect = || {
            let source = shards.get(from.domain()).ok_or_else(|| gone(from))?;
            let incoming = Incoming::of(source, from, to, run, now)?;
            let identity = source.identity_of(&incoming.record.system).map(str::to_owned);
            let here = shards.get_mut(to.domain()).ok_or_else(|| gone(to))?;
            here.expect(incoming.clone(), identity.as_deref())?;
            Ok(incoming)
        };
        match expect() {
            Ok(incoming) => moves.push(incoming),
            Err(why) => refused.push((to.clone(), why)),
        }
    }
    (moves, refused)
}

/// An address that does not get what it was to get.
type Refused = (Address, ShardError);

/// The second and the third write: one shard after the other gives, or gets, all that is its own. Says what each said.
fn each(
    shards: &mut Shards,
    moves: &[Incoming],
    side: impl Fn(&Incoming) -> &Address,
    change: impl Fn(&mut Shard, &[&Incoming]) -> Result<(), ShardError>,
) -> Vec<(String, Result<(), ShardError>)> {
    let mut by_domain: BTreeMap<&str, Vec<&Incoming>> = BTreeMap::new();
    for incoming in moves {
        by_domain.entry(side(incoming).domain()).or_default().push(incoming);
    }
    let of = |(domain, all): (&str, Vec<&Incoming>)| {
        let shard = shards.get_mut(domain)?;
        Some((domain.to_owned(), change(shard, &all)))
    };
    by_domain.into_iter().filter_map(of).collect()
}

/// All moves of a plan, in memory.
pub(super) fn bring_all(shards: &mut Shards, plan: &Plan) {
    let (moves, _) = expect(shards, plan, "", Timestamp::UNIX_EPOCH);
    // What cannot be moved has not been moved.
    let let_go = |shard: &mut Shard, all: &[&Incoming]| shard.hand_over(all, Timestamp::UNIX_EPOCH);
    each(shards, &moves, |incoming| &incoming.from, let_go);
    each(shards, &moves, |incoming| &incoming.to, Shard::receive);
}

impl Run<'_> {
    /// Brings records from other shards here, in three writes. The third is the one that begins the first group.
    /// What cannot be brought is not changed by this run.
    pub(super) async fn bring_from_afar(&mut self, locked: &mut Locked) {
        let now = self.cx.clock.now();
        let (mut moves, refused) = expect(&mut self.drafts, self.input.plan, self.input.run, now);
        for (address, why) in refused {
            self.leave(&address, why.to_string());
        }
        if moves.is_empty() {
            return;
        }
        self.dirty.extend(moves.iter().map(|incoming| incoming.to.domain().to_owned()));
        self.flush(locked).await;
        // What is expected has to be stored before anything is let go of.
        moves.retain(|incoming| self.still_has(incoming.to.domain(), &incoming.to));
        let let_go = |shard: &mut Shard, all: &[&Incoming]| shard.hand_over(all, now);
        let said = each(&mut self.drafts, &moves, |incoming| &incoming.from, let_go);
        self.note(said);
        self.flush(locked).await;
        // Where it is not known whether the source let go, the next run finds out.
        moves.retain(|incoming| self.still_has(incoming.from.domain(), &incoming.to));
        let said = each(&mut self.drafts, &moves, |incoming| &incoming.to, Shard::receive);
        self.note(said);
    }

    fn note(&mut self, said: Vec<(String, Result<(), ShardError>)>) {
        for (domain, said) in said {
            self.dirty.insert(domain.clone());
            if let Err(source) = said {
                self.lose(&domain, StateError::Invalid { place: domain.clone(), source });
            }
        }
    }

    /// Whether a shard is still written by this run; else what was to arrive is left alone.
    fn still_has(&mut self, domain: &str, to: &Address) -> bool {
        let has = self.drafts.contains_key(domain);
        if !has {
            self.leave(to, format!("the state of {domain} could not be written"));
        }
        has
    }

    fn leave(&mut self, address: &Address, why: String) {
        self.report.withdrawn.insert(address.clone(), why);
    }
}
