//! The protocol above every backend: reading without a lock, and locking.

use crate::StateError;
use crate::blob::coded::CodedBlobs;
use crate::blob::{Attempt, Blob, BlobStore, Broken, Held, LockInfo, Locks, Tag, check_owner_name};
use crate::codec::Codec;
use crate::format::{Shard, decode};
use crate::locked::{Locked, Shards};
use crate::probe::probe;
use datamesh_provider::{Context, Entropy, Event};
use futures::future::{join, join_all};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A write whose answer is lost, or that a passing fault refused, is sent this often.
pub(crate) const ATTEMPTS: u32 = 5;
/// Shards that are read or written at a time.
pub(crate) const AT_ONCE: usize = 16;
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
        self.blobs.get(&key).await?.map(|blob| found(environment, &key, &blob)).transpose()
    }

    /// The domains whose shards are not any more what was seen: a plan looks again after it has read the systems, and
    /// re-reads what moved meanwhile. One round trip, however many there are.
    pub async fn changed(&self, environment: &str, since: &Seen) -> Result<Vec<String>, StateError> {
        let seen = since.clone().into_iter().map(|(domain, tag)| async move {
            let now = self.blobs.tag(&shard_key(environment, &domain)?).await?;
            Ok::<_, StateError>((now.as_ref() != Some(&tag)).then_some(domain))
        });
        let seen = stream::iter(seen).buffered(AT_ONCE).try_collect::<Vec<Option<String>>>();
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
        Ok(self.lock_and(cx, request, async {}).await?.0)
    }

    /// The same, with something done beside it, from before the locks are held.
    pub async fn lock_and<T: Send>(
        &self,
        cx: &Context,
        request: LockRequest<'_>,
        beside: impl Future<Output = T> + Send,
    ) -> Result<(Locked, T), StateError> {
        let mut domains = request.domains.to_vec();
        domains.sort_unstable();
        domains.dedup();
        for domain in &domains {
            shard_key(request.environment, domain)?;
        }
        let shards = Shards {
            blobs: Arc::clone(&self.blobs),
            entropy: Arc::clone(&cx.entropy),
            environment: request.environment.to_owned(),
        };
        let lock = async {
            let early = shards.prepare_all(&domains, request.repository);
            let (held, early) = join(self.acquire(cx, &request, &domains), early).await;
            Locked::open(shards, held?, &domains, early, request.repository).await
        };
        let (locked, done) = join(lock, beside).await;
        Ok((locked?, done))
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
    for released in join_all(held.into_iter().map(|lock| lock.release())).await {
        if let Err(error) = released {
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
pub(crate) async fn read_all(
    blobs: &dyn BlobStore,
    environment: &str,
    wanted: &(dyn Fn(&str) -> bool + Send + Sync),
) -> Result<BTreeMap<String, Found>, StateError> {
    check_owner_name("an environment", environment)?;
    let keys = blobs.list(environment).await?;
    let read = keys.into_iter().filter(|key| wanted(key)).map(|key| async move {
        let blob = blobs.get(&key).await?;
        blob.map(|blob| found(environment, &key, &blob)).transpose()
    });
    let found: Vec<Option<Found>> = stream::iter(read).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().map(|found| (found.shard.domain.clone(), found)).collect())
}

pub(crate) fn found(environment: &str, key: &str, blob: &Blob) -> Result<Found, StateError> {
    let shard = decode(&blob.place, &blob.bytes)?;
    if format!("{}/{}", shard.environment, shard.domain) != key || shard.environment != environment {
        let why = format!("it is the shard of {}/{}, in the place of {key}", shard.environment, shard.domain);
        return Err(StateError::Corrupt { place: blob.place.clone(), why });
    }
    shard
        .verify()
        .map_err(|error| StateError::Corrupt { place: blob.place.clone(), why: error.to_string() })?;
    Ok(Found { shard, tag: blob.tag.clone(), place: blob.place.clone() })
}
