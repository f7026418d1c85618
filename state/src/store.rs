//! The protocol above every backend: reading without a lock, locking, and writing by compare-and-swap.

use crate::StateError;
use crate::blob::coded::CodedBlobs;
use crate::blob::{
    Attempt, Blob, BlobStore, Broken, Condition, Held, LockInfo, Locks, PutError, Tag, check_owner_name,
};
use crate::codec::Codec;
use crate::format::{Shard, decode, encode};
use crate::history::keep;
use crate::ident;
use crate::probe::probe;
use datamesh_provider::{Context, Entropy, Event, LeaseGate, LeaseLost};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// A write whose answer is lost, or that a passing fault refused, is sent this often.
pub(crate) const ATTEMPTS: u32 = 5;
/// Shards that are read at a time.
const READS: usize = 16;
/// A waiter looks again after this long at first, and after twice as long each time.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A lock without a holder's name is waited for at least this long.
const GRACE: Duration = Duration::from_millis(500);

/// The key of a shard.
pub fn shard_key(environment: &str, domain: &str) -> Result<String, StateError> {
    check_owner_name("an environment", environment)?;
    check_owner_name("a domain", domain)?;
    Ok(format!("{environment}/{domain}"))
}

/// The state of a mesh. Clones share the backend.
#[derive(Clone, Debug)]
pub struct StateStore {
    pub(crate) blobs: Arc<dyn BlobStore>,
    /// What is below the codec.
    pub(crate) raw: Arc<dyn BlobStore>,
    pub(crate) codec: Codec,
    locks: Arc<dyn Locks>,
}

/// A shard as it was found by a reader.
#[derive(Clone, Debug)]
pub struct Found {
    pub shard: Shard,
    pub tag: Tag,
    /// Where it was found, for messages.
    pub place: String,
}

/// Every shard of one environment, read without a lock.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// By domain.
    pub shards: BTreeMap<String, Found>,
}

/// The version of each shard that was read, by domain.
pub type Seen = BTreeMap<String, Tag>;

impl Snapshot {
    pub fn seen(&self) -> Seen {
        self.shards.iter().map(|(domain, found)| (domain.clone(), found.tag.clone())).collect()
    }

    /// The domains whose shards are here in another version than was seen.
    pub fn changed_since(&self, seen: &Seen) -> Vec<String> {
        let same = |domain: &String| self.shards.get(domain).map(|found| &found.tag) == seen.get(domain);
        let all: BTreeSet<&String> = self.shards.keys().chain(seen.keys()).collect();
        all.into_iter().filter(|domain| !same(domain)).cloned().collect()
    }
}

/// What a run wants to lock.
#[derive(Clone, Debug)]
pub struct LockRequest<'a> {
    pub environment: &'a str,
    /// In any order, each once or more.
    pub domains: &'a [String],
    /// The root commit of the repository, or the name of the mesh: whose shards these are, or will be.
    pub repository: &'a str,
    pub info: LockInfo,
    /// How long to wait for other runs; zero: one attempt.
    pub wait: Duration,
}

impl StateStore {
    pub fn new(blobs: Arc<dyn BlobStore>, locks: Arc<dyn Locks>) -> Self {
        let coded = CodedBlobs::new(Arc::clone(&blobs), Codec::default());
        Self { blobs: Arc::new(coded), raw: blobs, codec: Codec::default(), locks }
    }

    /// The same, with everything but the locks written in this way.
    #[must_use]
    pub fn coded(self, codec: Codec) -> Self {
        let coded = CodedBlobs::new(Arc::clone(&self.raw), codec.clone());
        Self { blobs: Arc::new(coded), codec, ..self }
    }

    /// How it is kept.
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// A backend that is both.
    pub fn over<B: BlobStore + Locks + Clone + 'static>(backend: B) -> Self {
        Self::new(Arc::new(backend.clone()), Arc::new(backend))
    }

    /// Asks the storage to keep its conditions, one after another and many at once: see [`crate::probe()`].
    pub async fn probe(&self, entropy: &dyn Entropy) -> Result<(), StateError> {
        match self.blobs.own_probe() {
            Some(verdict) => verdict,
            None => probe(self.blobs.as_ref(), entropy).await,
        }
    }

    /// Every shard of the environment, without a lock.
    pub async fn load(&self, environment: &str) -> Result<Snapshot, StateError> {
        let shards = read_all(self.blobs.as_ref(), environment, &|_| true).await?;
        Ok(Snapshot { shards })
    }

    /// One shard as it is now, without a lock; `None`: there is none.
    pub async fn peek(&self, environment: &str, domain: &str) -> Result<Option<Found>, StateError> {
        let key = shard_key(environment, domain)?;
        self.blobs.get(&key).await?.map(|blob| found(environment, &key, blob)).transpose()
    }

    /// The domains whose shards are not any more what was seen: a plan looks again after it has read the systems, and
    /// re-reads what moved meanwhile. One round trip, however many there are.
    pub async fn changed(&self, environment: &str, since: &Seen) -> Result<Vec<String>, StateError> {
        let seen = since.clone().into_iter().map(|(domain, tag)| async move {
            let now = self.blobs.tag(&shard_key(environment, &domain)?).await?;
            Ok::<_, StateError>((now.as_ref() != Some(&tag)).then_some(domain))
        });
        let seen = stream::iter(seen).buffered(READS).try_collect::<Vec<Option<String>>>();
        let (seen, now) = futures::try_join!(seen, self.domains(environment))?;
        let new = now.into_iter().filter(|domain| !since.contains_key(domain));
        let mut changed: Vec<String> = seen.into_iter().flatten().chain(new).collect();
        changed.sort_unstable();
        Ok(changed)
    }

    /// Who holds the lock of a domain now.
    pub async fn holder(&self, environment: &str, domain: &str) -> Result<Option<LockInfo>, StateError> {
        self.locks.holder(&shard_key(environment, domain)?).await
    }

    /// Every lock of an environment that is held, by domain.
    pub async fn locks(&self, environment: &str) -> Result<BTreeMap<String, LockInfo>, StateError> {
        check_owner_name("an environment", environment)?;
        let mut held = BTreeMap::new();
        for domain in self.locks.known(environment).await? {
            if let Some(info) = self.locks.holder(&shard_key(environment, &domain)?).await? {
                held.insert(domain, info);
            }
        }
        Ok(held)
    }

    /// Takes the locks of one run away from it, and returns their domains. Takes as long as that run's calls may
    /// still last: whoever has the locks afterwards is alone.
    pub async fn force_unlock(
        &self,
        cx: &Context,
        environment: &str,
        id: &str,
        by: &LockInfo,
    ) -> Result<Vec<String>, StateError> {
        let mut wait = None;
        let held = self.locks(environment).await?;
        let of_run = held.iter().filter(|(_, info)| info.id == id);
        let domains: Vec<String> = of_run.map(|(domain, _)| domain.clone()).collect();
        for domain in &domains {
            wait = wait.max(self.mark_broken(environment, domain, id, by).await?);
        }
        let Some(wait) = wait else {
            let mut held: Vec<String> = held.into_values().map(|info| info.id).collect();
            held.dedup();
            return Err(StateError::NotLocked {
                environment: environment.to_owned(),
                id: id.to_owned(),
                held,
            });
        };
        if !wait.is_zero() {
            let what = format!("the last calls of run {id} to end, at most {} s", wait.as_secs());
            cx.events.event(Event::Waiting { what, for_how_long: Duration::ZERO });
        }
        if !cx.pause(wait).await {
            return Err(StateError::Cancelled { domain: domains.join(", ") });
        }
        for domain in &domains {
            self.locks.finish_break(&shard_key(environment, domain)?, id, by).await?;
        }
        Ok(domains)
    }

    /// How long to wait until a lock can be freed; `None`: that run does not have it any more.
    async fn mark_broken(
        &self,
        environment: &str,
        domain: &str,
        id: &str,
        by: &LockInfo,
    ) -> Result<Option<Duration>, StateError> {
        let key = shard_key(environment, domain)?;
        for _ in 0..ATTEMPTS {
            match self.locks.break_lock(&key, id, by).await? {
                Broken::Marked { wait } => return Ok(Some(wait)),
                Broken::NotHeld | Broken::Other(_) => return Ok(None),
                Broken::Living(info) => {
                    return Err(StateError::Living { domain: domain.to_owned(), by: Box::new(info) });
                }
                Broken::Moved => {}
            }
        }
        let why = "it is renewed faster than it can be taken away".to_owned();
        Err(StateError::Fenced { place: self.blobs.place(&key), why })
    }

    /// Locks shards, makes those that are missing, and raises their epoch.
    ///
    /// Takes the locks in sorted order, and while any of them is not to be had, holds none.
    pub async fn lock(&self, cx: &Context, request: LockRequest<'_>) -> Result<Locked, StateError> {
        let mut domains = request.domains.to_vec();
        domains.sort_unstable();
        domains.dedup();
        for domain in &domains {
            shard_key(request.environment, domain)?;
        }
        let held = self.acquire(cx, &request, &domains).await?;
        let mut locked = Locked {
            blobs: Arc::clone(&self.blobs),
            entropy: Arc::clone(&cx.entropy),
            environment: request.environment.to_owned(),
            slots: BTreeMap::new(),
            gate: Arc::new(Gate { held: RwLock::new(held) }),
        };
        for domain in &domains {
            let opened = locked.open(domain, request.repository).await;
            if let Err(error) = opened {
                // The locks are given back; the error is what matters.
                let _ = locked.release().await;
                return Err(error);
            }
        }
        Ok(locked)
    }

    pub(crate) async fn acquire(
        &self,
        cx: &Context,
        request: &LockRequest<'_>,
        domains: &[String],
    ) -> Result<Vec<Box<dyn Held>>, StateError> {
        let start = cx.clock.monotonic();
        let mut wait = FIRST_WAIT;
        loop {
            let (domain, by) = match self.attempt(request, domains).await? {
                Ok(held) => return Ok(held),
                Err(taken) => taken,
            };
            let waited = cx.clock.monotonic().saturating_sub(start);
            // Nobody's name is there: it is being taken or asked about this very moment.
            let patience = if by.is_none() { request.wait.max(GRACE) } else { request.wait };
            if waited >= patience {
                let environment = request.environment.to_owned();
                return Err(StateError::Locked { environment, domain, by: by.map(Box::new) });
            }
            let who = by.map_or_else(|| "another run".to_owned(), |info| info.to_string());
            let what = format!("the lock on domain {domain}, held by {who}");
            cx.events.event(Event::Waiting { what, for_how_long: waited });
            let pause = jittered(wait, cx.entropy.as_ref()).min(patience.saturating_sub(waited));
            if !cx.pause(pause).await {
                return Err(StateError::Cancelled { domain });
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// All locks, or the first that was not to be had; then none is held.
    async fn attempt(
        &self,
        request: &LockRequest<'_>,
        domains: &[String],
    ) -> Result<Result<Vec<Box<dyn Held>>, (String, Option<LockInfo>)>, StateError> {
        let mut held = Vec::with_capacity(domains.len());
        for domain in domains {
            let key = shard_key(request.environment, domain)?;
            let attempt = match self.locks.try_lock(&key, &request.info).await {
                Ok(attempt) => attempt,
                Err(error) => {
                    // The locks are given back; the error is what matters.
                    let _ = release_all(held).await;
                    return Err(error);
                }
            };
            match attempt {
                Attempt::Got(lock) => held.push(lock),
                Attempt::Taken(by) => {
                    release_all(held).await?;
                    return Ok(Err((domain.clone(), by)));
                }
            }
        }
        Ok(Ok(held))
    }
}

/// Every lock is given back, whatever fails; the first failure.
pub(crate) async fn release_all(held: Vec<Box<dyn Held>>) -> Result<(), StateError> {
    let mut failed = None;
    for lock in held {
        if let Err(error) = lock.release().await {
            failed.get_or_insert(error);
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Between half of it and all of it, so that waiters do not march in step.
fn jittered(wait: Duration, entropy: &dyn Entropy) -> Duration {
    let mut byte = [0];
    entropy.fill(&mut byte);
    wait / 2 + wait * u32::from(byte[0]) / 510
}

/// The shards of an environment whose keys are wanted, by domain.
async fn read_all(
    blobs: &dyn BlobStore,
    environment: &str,
    wanted: &(dyn Fn(&str) -> bool + Send + Sync),
) -> Result<BTreeMap<String, Found>, StateError> {
    check_owner_name("an environment", environment)?;
    let keys = blobs.list(environment).await?;
    let read = keys.into_iter().filter(|key| wanted(key)).map(|key| async move {
        let blob = blobs.get(&key).await?;
        blob.map(|blob| found(environment, &key, blob)).transpose()
    });
    let found: Vec<Option<Found>> = stream::iter(read).buffered(READS).try_collect().await?;
    Ok(found.into_iter().flatten().map(|found| (found.shard.domain.clone(), found)).collect())
}

pub(crate) fn found(environment: &str, key: &str, blob: Blob) -> Result<Found, StateError> {
    let shard = decode(&blob.place, &blob.bytes)?;
    if format!("{}/{}", shard.environment, shard.domain) != key || shard.environment != environment {
        let why = format!("it is the shard of {}/{}, in the place of {key}", shard.environment, shard.domain);
        return Err(StateError::Corrupt { place: blob.place, why });
    }
    shard
        .verify()
        .map_err(|error| StateError::Corrupt { place: blob.place.clone(), why: error.to_string() })?;
    Ok(Found { shard, tag: blob.tag, place: blob.place })
}

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

/// Shards this run holds the locks of, as they were last written.
pub struct Locked {
    blobs: Arc<dyn BlobStore>,
    entropy: Arc<dyn Entropy>,
    environment: String,
    slots: BTreeMap<String, Slot>,
    gate: Arc<Gate>,
}

#[derive(Debug)]
struct Slot {
    shard: Shard,
    tag: Tag,
    /// What was there when the lock was taken; `None`: nothing.
    found: Option<(Tag, u64)>,
    /// A write failed in a way that leaves open what is there: nothing more may be written.
    lost: bool,
}

impl fmt::Debug for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locked")
            .field("environment", &self.environment)
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
        let found = read_all(self.blobs.as_ref(), &self.environment, &foreign).await?;
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
        let key = shard_key(&self.environment, &next.domain)?;
        let place = self.blobs.place(&key);
        let Some(slot) = self.slots.get_mut(&next.domain) else {
            return Err(StateError::Fenced { place, why: "this run does not hold its lock".into() });
        };
        if slot.lost {
            return Err(StateError::Fenced { place, why: "an earlier write was lost".into() });
        }
        let mut next = next;
        next.serial = slot.shard.serial + 1;
        next.write_id = ident::uuid(self.entropy.as_ref());
        next.verify_after(&slot.shard)
            .map_err(|source| StateError::Invalid { place: place.clone(), source })?;
        if next.epoch != slot.shard.epoch {
            return Err(StateError::Fenced { place, why: "the epoch is not the lock's".into() });
        }
        let expected = Some((slot.tag.clone(), slot.shard.write_id.clone()));
        match put(self.blobs.as_ref(), &key, &next, expected).await {
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

    /// Changes a copy of a shard and writes it.
    pub async fn update(
        &mut self,
        domain: &str,
        change: impl FnOnce(&mut Shard) -> Result<(), crate::ShardError> + Send,
    ) -> Result<(), StateError> {
        let key = shard_key(&self.environment, domain)?;
        let place = self.blobs.place(&key);
        let Some(slot) = self.slots.get(domain) else {
            return Err(StateError::Fenced { place, why: "this run does not hold its lock".into() });
        };
        let mut next = slot.shard.clone();
        change(&mut next).map_err(|source| StateError::Invalid { place, source })?;
        self.write(next).await
    }

    /// Tidies the history and gives the locks back. Every lock is given back, whatever fails.
    pub async fn release(self) -> Result<(), StateError> {
        let mut failed = None;
        for (domain, slot) in &self.slots {
            let key = shard_key(&self.environment, domain)?;
            let found = slot.found.as_ref().map(|(tag, _)| tag);
            if !slot.lost
                && let Err(error) = self.blobs.settle(&key, found, &slot.tag).await
            {
                failed.get_or_insert(error);
            }
        }
        if let Err(error) = release_all(self.gate.close()).await {
            failed.get_or_insert(error);
        }
        failed.map_or(Ok(()), Err)
    }

    /// Reads a shard under its lock and raises its epoch. The one place where a lost race is answered by reading
    /// again.
    async fn open(&mut self, domain: &str, repository: &str) -> Result<(), StateError> {
        let key = shard_key(&self.environment, domain)?;
        for _ in 0..ATTEMPTS {
            let blob = self.blobs.get(&key).await?;
            let found = blob.clone().map(|blob| found(&self.environment, &key, blob)).transpose()?;
            let (mut next, expected) = match &found {
                Some(Found { shard, tag, .. }) => {
                    (shard.clone(), Some((tag.clone(), shard.write_id.clone())))
                }
                None => {
                    let lineage = ident::uuid(self.entropy.as_ref());
                    (Shard::empty(&self.environment, domain, lineage, repository), None)
                }
            };
            if next.repository != repository {
                let place = self.blobs.place(&key);
                return Err(StateError::Foreign {
                    place,
                    owner: next.repository,
                    ours: repository.to_owned(),
                });
            }
            if let (Some(blob), Some(found)) = (&blob, &found) {
                keep(self.blobs.as_ref(), &self.environment, domain, found.shard.serial, blob).await?;
            }
            next.epoch += 1;
            next.serial += 1;
            next.write_id = ident::uuid(self.entropy.as_ref());
            match put(self.blobs.as_ref(), &key, &next, expected).await {
                Ok(tag) => {
                    let found = found.map(|found| (found.tag, found.shard.serial));
                    self.slots.insert(domain.to_owned(), Slot { shard: next, tag, found, lost: false });
                    return Ok(());
                }
                // Whoever was before may have had a last write under way; or the lock went to somebody else.
                Err(StateError::Fenced { place, .. }) => self
                    .gate
                    .permit(Duration::ZERO)
                    .map_err(|lost| StateError::Fenced { place, why: lost.to_string() })?,
                Err(error) => return Err(error),
            }
        }
        let why = "somebody writes it without its lock".to_owned();
        Err(StateError::Fenced { place: self.blobs.place(&key), why })
    }
}

/// One compare-and-swap, with every doubtful answer resolved by looking at whose write is there.
async fn put(
    blobs: &dyn BlobStore,
    key: &str,
    next: &Shard,
    expected: Option<(Tag, String)>,
) -> Result<Tag, StateError> {
    let bytes = encode(next)?;
    let place = blobs.place(key);
    let (mut when, before) = match expected {
        Some((tag, write_id)) => (Condition::IfMatch(tag), Some(write_id)),
        None => (Condition::CreateOnly, None),
    };
    let mut why = String::new();
    for failures in 0..ATTEMPTS {
        match blobs.put(key, &bytes, &when).await {
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
                ours if ours == next.write_id => return Ok(blob.tag),
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
