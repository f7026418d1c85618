//! Shards under the locks of a run: read at the lock, written by compare-and-swap, given back.

use crate::StateError;
use crate::blob::{BlobStore, Condition, Held, PutError, Tag};
use crate::format::{Shard, decode, encode};
use crate::ident;
use crate::opening::Opening;
use crate::store::{AT_ONCE, ATTEMPTS, read_all, release_all, shard_key};
use datamesh_provider::{Entropy, LeaseGate, LeaseLost};
use futures::stream::{self, StreamExt as _};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// The locks of a run: asked before each call that may change a system.
#[derive(Debug)]
struct Gate {
    held: RwLock<Vec<Box<dyn Held>>>,
}

impl Gate {
    /// From here on nothing passes.
    fn close(&self) -> Vec<Box<dyn Held>> {
        std::mem::take(&mut *self.held.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl LeaseGate for Gate {
    fn permit(&self, call: Duration) -> Result<(), LeaseLost> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        if held.is_empty() {
            return Err(LeaseLost { why: "the locks were given back".into() });
        }
        held.iter().try_for_each(|lock| lock.permit(call))
    }
}

/// Where the shards of an environment are written.
pub(crate) struct Shards {
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) environment: String,
}

/// Shards this run holds the locks of, as they were last written.
pub struct Locked {
    shards: Shards,
    slots: BTreeMap<String, Slot>,
    gate: Arc<Gate>,
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) shard: Shard,
    pub(crate) tag: Tag,
    /// What was there when the lock was taken; `None`: nothing.
    pub(crate) found: Option<(Tag, u64)>,
    /// A write failed in a way that leaves open what is there: nothing more may be written.
    pub(crate) lost: bool,
}

impl fmt::Debug for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locked")
            .field("environment", &self.shards.environment)
            .field("slots", &self.slots)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}

impl Drop for Locked {
    /// Whoever still has the gate must find it closed.
    fn drop(&mut self) {
        drop(self.gate.close());
    }
}

impl Locked {
    /// Reads shards whose locks were taken, makes those that are missing, and raises the epoch of each.
    pub(crate) async fn open(
        shards: Shards,
        held: Vec<Box<dyn Held>>,
        domains: &[String],
        mut early: BTreeMap<String, Opening>,
        repository: &str,
    ) -> Result<Self, StateError> {
        let gate = Arc::new(Gate { held: RwLock::new(held) });
        let mut locked = Self { shards, slots: BTreeMap::new(), gate };
        let (shards, gate) = (&locked.shards, locked.gate.as_ref());
        let open = |domain: &String| {
            let (domain, early) = (domain.clone(), early.remove(domain));
            async move { (shards.open(&domain, early, repository, gate).await, domain) }
        };
        let opened: Vec<_> = stream::iter(domains.iter().map(open)).buffered(AT_ONCE).collect().await;
        let mut failed = None;
        for (slot, domain) in opened {
            match slot {
                Ok(slot) => drop(locked.slots.insert(domain, slot)),
                Err(error) => drop(failed.get_or_insert(error)),
            }
        }
        let Some(error) = failed else { return Ok(locked) };
        // The locks are given back; the error is what matters.
        let _ = locked.release().await;
        Err(error)
    }

    /// The shard as it was last written; `None` for a domain this run did not lock.
    pub fn shard(&self, domain: &str) -> Option<&Shard> {
        self.slots.get(domain).map(|slot| &slot.shard)
    }

    /// All of them, by domain.
    pub fn shards(&self) -> impl Iterator<Item = (&str, &Shard)> {
        self.slots.iter().map(|(domain, slot)| (domain.as_str(), &slot.shard))
    }

    /// The shards of the environment that this run does not hold, as they are now.
    pub async fn others(&self) -> Result<Vec<Shard>, StateError> {
        let foreign =
            |key: &str| key.rsplit('/').next().is_some_and(|domain| !self.slots.contains_key(domain));
        let found = read_all(self.shards.blobs.as_ref(), &self.shards.environment, &foreign).await?;
        Ok(found.into_values().map(|found| found.shard).collect())
    }

    /// The serial a shard had before it was locked: what a saved plan is compared with. `None`: there was none.
    pub fn found_serial(&self, domain: &str) -> Option<u64> {
        self.slots.get(domain).and_then(|slot| slot.found.as_ref()).map(|(_, serial)| *serial)
    }

    /// Open while all locks are held: for `Context.lease`.
    pub fn lease(&self) -> Arc<dyn LeaseGate> {
        Arc::clone(&self.gate) as Arc<dyn LeaseGate>
    }

    /// Where a lock was taken over from a run that had not given it back: how long to wait before anything that is
    /// pending from it is looked at. Its last call may still be under way, and comes before the provider's own
    /// `settle`. `None`: everybody before gave the locks back.
    pub fn taken_over(&self) -> Option<Duration> {
        let held = self.gate.held.read().unwrap_or_else(PoisonError::into_inner);
        held.iter().filter_map(|lock| lock.taken_over()).max()
    }

    /// Writes what `next` says of its domain over what was last written; nothing else may have happened meanwhile.
    ///
    /// Serial and write id are filled in. On an error the shard here stays as it was last written; after
    /// [`StateError::Fenced`] or [`StateError::Unknown`] every further write to it is refused.
    pub async fn write(&mut self, next: Shard) -> Result<(), StateError> {
        let said = self.write_all(vec![next]).await;
        said.into_iter().try_for_each(|(_, said)| said)
    }

    /// The same for several shards, side by side: what became of each, by domain. Between them there is no order, and
    /// one may fail where others are written.
    pub async fn write_all(&mut self, next: Vec<Shard>) -> Vec<(String, Result<(), StateError>)> {
        let (shards, mut slots) = (&self.shards, self.slots.iter_mut().collect::<BTreeMap<_, _>>());
        let write = |next: Shard| {
            let (domain, slot) = (next.domain.clone(), slots.remove(&next.domain));
            async move {
                let said = match slot {
                    Some(slot) => shards.write(slot, next).await,
                    None => Err(shards.not_ours(&domain)),
                };
                (domain, said)
            }
        };
        let writes: Vec<_> = next.into_iter().map(write).collect();
        stream::iter(writes).buffered(AT_ONCE).collect().await
    }

    /// Changes a copy of a shard and writes it.
    pub async fn update(
        &mut self,
        domain: &str,
        change: impl FnOnce(&mut Shard) -> Result<(), crate::ShardError> + Send,
    ) -> Result<(), StateError> {
        let Some(slot) = self.slots.get(domain) else { return Err(self.shards.not_ours(domain)) };
        let mut next = slot.shard.clone();
        let place = self.shards.blobs.place(&shard_key(&self.shards.environment, domain)?);
        change(&mut next).map_err(|source| StateError::Invalid { place, source })?;
        self.write(next).await
    }

    /// Tidies the history and gives the locks back. Every lock is given back, whatever fails.
    pub async fn release(self) -> Result<(), StateError> {
        let settle = self.slots.iter().filter(|(_, slot)| !slot.lost).map(async |(domain, slot)| {
            let key = shard_key(&self.shards.environment, domain)?;
            let found = slot.found.as_ref().map(|(tag, _)| tag);
            self.shards.blobs.settle(&key, found, &slot.tag).await
        });
        let settled: Vec<_> = stream::iter(settle.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await;
        let released = release_all(self.gate.close()).await;
        settled.into_iter().chain([released]).collect()
    }
}

impl Shards {
    fn not_ours(&self, domain: &str) -> StateError {
        let why = "this run does not hold its lock".to_owned();
        match shard_key(&self.environment, domain) {
            Ok(key) => StateError::Fenced { place: self.blobs.place(&key), why },
            Err(error) => error,
        }
    }

    async fn write(&self, slot: &mut Slot, mut next: Shard) -> Result<(), StateError> {
        let key = shard_key(&self.environment, &next.domain)?;
        let place = || self.blobs.place(&key);
        if slot.lost {
            return Err(StateError::Fenced { place: place(), why: "an earlier write was lost".into() });
        }
        next.serial = slot.shard.serial + 1;
        next.write_id = ident::uuid(self.entropy.as_ref());
        next.verify_after(&slot.shard).map_err(|source| StateError::Invalid { place: place(), source })?;
        if next.epoch != slot.shard.epoch {
            return Err(StateError::Fenced { place: place(), why: "the epoch is not the lock's".into() });
        }
        let expected = Some((slot.tag.clone(), slot.shard.write_id.clone()));
        let bytes = encode(&next)?;
        match put(self.blobs.as_ref(), &key, &next.write_id, &bytes, expected).await {
            Ok(tag) => {
                slot.tag = tag;
                slot.shard = next;
                Ok(())
            }
            Err(error) => {
                slot.lost = matches!(error, StateError::Fenced { .. } | StateError::Unknown { .. });
                Err(error)
            }
        }
    }
}

/// One compare-and-swap, with every doubtful answer resolved by looking at whose write is there.
pub(crate) async fn put(
    blobs: &dyn BlobStore,
    key: &str,
    ours: &str,
    bytes: &[u8],
    expected: Option<(Tag, String)>,
) -> Result<Tag, StateError> {
    let place = blobs.place(key);
    let (mut when, before) = match expected {
        Some((tag, write_id)) => (Condition::IfMatch(tag), Some(write_id)),
        None => (Condition::CreateOnly, None),
    };
    let mut why = String::new();
    for failures in 0..ATTEMPTS {
        match blobs.put(key, bytes, &when).await {
            Ok(tag) => return Ok(tag),
            Err(PutError::Failed(error)) => return Err(error),
            Err(doubt) => why = doubt.to_string(),
        }
        match (blobs.get(key).await, &before) {
            (Err(error), _) if error.is_content() => return Err(error),
            (Err(error), _) => why = error.to_string(),
            (Ok(None), None) => {}
            (Ok(None), Some(_)) => return Err(StateError::Fenced { place, why: "it is gone".into() }),
            (Ok(Some(blob)), before) => match decode(&blob.place, &blob.bytes)?.write_id {
                found if found == ours => return Ok(blob.tag),
                // The same write, whatever tag it goes by now.
                old if Some(&old) == before.as_ref() => when = Condition::IfMatch(blob.tag),
                other => {
                    return Err(StateError::Fenced { place, why: format!("write {other} came in between") });
                }
            },
        }
        blobs.rest(failures).await;
    }
    Err(StateError::Unknown { place, why })
}
