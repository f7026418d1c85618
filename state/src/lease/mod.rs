//! Locks on a store that has none: a record per lock, taken, renewed and given back by compare-and-swap.
//!
//! A lock is a lease. It lasts a duration, never until a time of day: who waits counts on its own clock from when it
//! saw the record first, who holds counts from when it sent the last renewal that was taken. So nobody's wall clock
//! matters, and no message has to arrive in time for the two to agree.

mod heartbeat;
mod held;
mod record;
#[cfg(feature = "s3")]
mod thread;

pub use heartbeat::{Heartbeat, Spawner};
pub use record::LeaseTiming;
#[cfg(feature = "s3")]
pub use thread::HeartbeatThread;

use crate::StateError;
use crate::blob::{Attempt, Blob, BlobStore, Broken, Condition, LockInfo, Locks, PutError, Tag};
use crate::document::names;
use crate::ident;
use crate::store::ATTEMPTS;
use async_trait::async_trait;
use datamesh_provider::{Clock, Entropy};
use held::{HeldLease, Lease};
use record::{LockRecord, LockState};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Where locks are kept. No environment has a name like it.
const FOLDER: &str = "_locks";

/// Locks over any store. The heartbeat of each lock that is held runs where the [`Spawner`] puts it.
pub struct LeaseLocks {
    blobs: Arc<dyn BlobStore>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    spawner: Arc<dyn Spawner>,
    timing: LeaseTiming,
    /// Since when each lock has been as it is, as far as this process saw.
    seen: Mutex<BTreeMap<String, (Tag, Duration)>>,
}

impl fmt::Debug for LeaseLocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseLocks")
            .field("blobs", &self.blobs)
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}

/// A record as it was read.
struct Seen {
    record: LockRecord,
    tag: Tag,
    /// Nobody renewed it for as long as its holder promised to.
    expired: bool,
}

impl LeaseLocks {
    pub fn new(
        blobs: Arc<dyn BlobStore>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        spawner: Arc<dyn Spawner>,
        timing: LeaseTiming,
    ) -> Self {
        Self { blobs, clock, entropy, spawner, timing, seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<String, (Tag, Duration)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look(&self, key: &str) -> Result<Option<Seen>, StateError> {
        let asked = self.clock.monotonic();
        let Some(blob) = self.blobs.get(key).await? else { return Ok(None) };
        let answered = self.clock.monotonic();
        let record = LockRecord::decode(&blob)?;
        let unchanged = self.unchanged(key, &blob, asked, answered);
        let patience = record.patience();
        // The store's clock alone has to say twice as much: it may tick at another rate, or be set in between.
        let expired = unchanged >= patience || blob.age.is_some_and(|age| age >= patience * 2);
        Ok(Some(Seen { record, tag: blob.tag, expired }))
    }

    /// How long this version is known to have been there: from after the first answer that had it, to before the
    /// question of this one.
    fn unchanged(&self, key: &str, blob: &Blob, asked: Duration, answered: Duration) -> Duration {
        let mut seen = self.seen();
        match seen.get(key) {
            Some((tag, since)) if *tag == blob.tag => asked.saturating_sub(*since),
            _ => {
                seen.insert(key.to_owned(), (blob.tag.clone(), answered));
                Duration::ZERO
            }
        }
    }
}

/// What a write of a record came to.
pub(crate) enum Written {
    Ours(Tag),
    /// Another record is there; `None`: none at all.
    Other(Option<Box<LockRecord>>),
}

/// Writes a record. A refused or lost answer is resolved by reading whose record is there.
async fn write(
    blobs: &dyn BlobStore,
    key: &str,
    record: &LockRecord,
    when: &Condition,
) -> Result<Written, StateError> {
    let mut why = String::new();
    for failures in 0..ATTEMPTS {
        match attempt(blobs, key, record, when).await {
            Ok(Some(written)) => return Ok(written),
            Ok(None) => {}
            Err(StateError::Unknown { why: doubt, .. }) => why = doubt,
            Err(error) => return Err(error),
        }
        blobs.rest(failures).await;
    }
    Err(StateError::Unknown { place: blobs.place(key), why })
}

/// One attempt at a write; `None`: what was there before still is, so that the same may be sent again.
async fn attempt(
    blobs: &dyn BlobStore,
    key: &str,
    record: &LockRecord,
    when: &Condition,
) -> Result<Option<Written>, StateError> {
    let unknown = |why: String| StateError::Unknown { place: blobs.place(key), why };
    match blobs.put(key, &record.encode(), when).await {
        Ok(tag) => return Ok(Some(Written::Ours(tag))),
        Err(PutError::Failed(error)) => return Err(error),
        Err(PutError::Conflict | PutError::Unknown(_)) => {}
    }
    let there = blobs.get(key).await.map_err(|error| unknown(error.to_string()))?;
    let Some(blob) = there else {
        // Sent to be made, and not there: lost on the way. Sent to be changed: the store lost the lock itself.
        return Ok(matches!(when, Condition::IfMatch(_)).then_some(Written::Other(None)));
    };
    let found = LockRecord::decode(&blob)?;
    Ok(match when {
        _ if found.is(record) => Some(Written::Ours(blob.tag)),
        Condition::IfMatch(tag) if *tag == blob.tag => None,
        _ => Some(Written::Other(Some(Box::new(found)))),
    })
}

fn lock_key(key: &str) -> String {
    format!("{FOLDER}/{key}")
}

#[async_trait]
impl Locks for LeaseLocks {
    async fn try_lock(&self, key: &str, info: &LockInfo) -> Result<Attempt, StateError> {
        let key = lock_key(key);
        let seen = self.look(&key).await?;
        let (when, before) = match seen {
            None => (Condition::CreateOnly, None),
            Some(Seen { record, tag, expired }) => match record.state {
                LockState::Held | LockState::Breaking if !expired => {
                    return Ok(Attempt::Taken(Some(record.holder)));
                }
                _ => (Condition::IfMatch(tag), Some(record)),
            },
        };
        let record = LockRecord::held(ident::uuid(self.entropy.as_ref()), info.clone(), self.timing);
        let sent = self.clock.monotonic();
        let tag = match write(self.blobs.as_ref(), &key, &record, &when).await? {
            Written::Ours(tag) => tag,
            // Somebody was faster.
            Written::Other(by) => {
                let by = by.filter(|record| record.state != LockState::Released);
                return Ok(Attempt::Taken(by.map(|record| record.holder)));
            }
        };
        self.seen().remove(&key);
        // Who did not give it back may have a call under way.
        let drain = before.filter(|record| record.state != LockState::Released).map(|r| r.timing.drained());
        let drained = drain.map(|drain| self.clock.monotonic() + drain);
        let lease = Arc::new(Lease::new(Arc::clone(&self.clock), self.timing, sent));
        self.spawner.spawn(Heartbeat::new(Arc::clone(&lease), key, record, tag));
        Ok(Attempt::Got(Box::new(HeldLease { lease, drained })))
    }

    async fn holder(&self, key: &str) -> Result<Option<LockInfo>, StateError> {
        let seen = self.look(&lock_key(key)).await?;
        let held = seen.filter(|seen| seen.record.state != LockState::Released && !seen.expired);
        Ok(held.map(|seen| seen.record.holder))
    }

    async fn known(&self, environment: &str) -> Result<Vec<String>, StateError> {
        names(self.blobs.as_ref(), &lock_key(environment)).await
    }

    async fn break_lock(&self, key: &str, id: &str, by: &LockInfo) -> Result<Broken, StateError> {
        let key = lock_key(key);
        let Some(seen) = self.look(&key).await? else { return Ok(Broken::NotHeld) };
        let record = seen.record;
        match record.state {
            LockState::Released => return Ok(Broken::NotHeld),
            _ if record.holder.id != id => return Ok(Broken::Other(record.holder)),
            // Somebody began, and may have been cut off: begin again, so that the wait is ours to count.
            LockState::Held | LockState::Breaking => {}
        }
        let mark = LockRecord { breaker: Some(by.clone()), ..record.next(LockState::Breaking) };
        // Another nonce: of two who take it away, each must know its own mark.
        let mark = LockRecord { nonce: ident::uuid(self.entropy.as_ref()), ..mark };
        match write(self.blobs.as_ref(), &key, &mark, &Condition::IfMatch(seen.tag)).await? {
            Written::Ours(_) => Ok(Broken::Marked { wait: mark.timing.drained() }),
            // It was renewed, or given back, or taken over in between.
            Written::Other(_) => Ok(Broken::Moved),
        }
    }

    async fn finish_break(&self, key: &str, id: &str, by: &LockInfo) -> Result<(), StateError> {
        let key = lock_key(key);
        let Some(seen) = self.look(&key).await? else { return Ok(()) };
        let ours = seen.record.breaker.as_ref().is_some_and(|breaker| breaker.id == by.id);
        if seen.record.state != LockState::Breaking || seen.record.holder.id != id || !ours {
            // Who waited for it has it already.
            return Ok(());
        }
        let free = seen.record.next(LockState::Released);
        write(self.blobs.as_ref(), &key, &free, &Condition::IfMatch(seen.tag)).await.map(drop)
    }
}
