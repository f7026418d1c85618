//! The store of the simulation: requests and answers travel, are lost, late, doubled and refused.

use super::executor::{NETWORK, ProcessId};
use super::park::{Park, STORE_TIMEOUT};
use async_trait::async_trait;
use datamesh_state::{Blob, BlobStore, Condition, PutError, StateError, Tag};
use futures::channel::oneshot;
use futures::future::{Either, select};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What the store holds.
#[derive(Debug, Default)]
pub(crate) struct Blobs {
    /// With when each was written.
    by_key: BTreeMap<String, (Vec<u8>, Duration)>,
}

type Replaced = Option<(Vec<u8>, Duration)>;

/// Equal bytes have equal tags, as the ETags of object stores do.
fn tag(bytes: &[u8]) -> Tag {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    Tag(format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold)))
}

impl Blobs {
    pub(crate) fn get(&self, key: &str) -> Option<&Vec<u8>> {
        self.by_key.get(key).map(|(bytes, _)| bytes)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &String> {
        self.by_key.keys()
    }

    /// The compare-and-swap itself. What it replaced, and since when that was there.
    fn put(&mut self, key: &str, bytes: &[u8], when: &Condition, now: Duration) -> Result<Replaced, ()> {
        let there = self.get(key).map(|bytes| tag(bytes));
        let holds = match when {
            Condition::CreateOnly => there.is_none(),
            Condition::IfMatch(tag) => there.as_ref() == Some(tag),
        };
        if !holds {
            return Err(());
        }
        Ok(self.by_key.insert(key.to_owned(), (bytes.to_vec(), now)))
    }
}

/// The store as one process sees it.
#[derive(Clone)]
pub(crate) struct SimStore {
    park: Arc<Park>,
    process: ProcessId,
}

impl fmt::Debug for SimStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimStore({})", self.process)
    }
}

/// What becomes of one write on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Normal,
    Lost,
    Unanswered,
    Late,
    /// It arrives twice, and the answer to the second is the one that is heard.
    Twice,
    Refused,
    Failed,
}

impl SimStore {
    pub(crate) fn new(park: Arc<Park>, process: ProcessId) -> Self {
        Self { park, process }
    }

    fn fate(&self) -> Fate {
        let park = &self.park;
        if park.fails(|rates| rates.put_lost) {
            Fate::Lost
        } else if park.fails(|rates| rates.put_unanswered) {
            Fate::Unanswered
        } else if park.fails(|rates| rates.put_late) {
            Fate::Late
        } else if park.fails(|rates| rates.put_twice) {
            Fate::Twice
        } else if park.fails(|rates| rates.put_refused) {
            Fate::Refused
        } else if park.fails(|rates| rates.put_failed) {
            Fate::Failed
        } else {
            Fate::Normal
        }
    }

    fn unavailable(&self, key: &str) -> StateError {
        let source = std::io::Error::other("the store does not answer");
        StateError::Io { place: self.place(key), source }
    }

    /// The write arrives.
    fn land(
        park: &Park,
        key: &str,
        bytes: &[u8],
        when: &Condition,
        from: ProcessId,
    ) -> Result<Tag, PutError> {
        let replaced = park.blobs().put(key, bytes, when, park.exec.now());
        let who = park.name_of(from);
        match replaced {
            Ok(before) => {
                park.tally().puts += 1;
                park.say(&format!("{who} wrote {key} ({} bytes)", bytes.len()));
                let before = before.as_ref().map(|(bytes, since)| (bytes.as_slice(), *since));
                super::check::written(park, from, key, before, bytes);
                Ok(tag(bytes))
            }
            Err(()) => {
                park.say(&format!("{who} may not write {key}"));
                Err(PutError::Conflict)
            }
        }
    }

    /// Sends a write. It arrives, or not, whatever becomes of its sender.
    fn send(&self, key: &str, bytes: &[u8], when: &Condition) -> oneshot::Receiver<Result<Tag, PutError>> {
        let (answer, heard) = oneshot::channel();
        let fate = self.fate();
        let (park, process) = (Arc::clone(&self.park), self.process);
        let (key, bytes, when) = (key.to_owned(), bytes.to_vec(), when.clone());
        if fate != Fate::Normal {
            park.say(&format!("the write of {key} will be {fate:?}"));
        }
        let unavailable = self.unavailable(&key);
        self.park.exec.spawn(NETWORK, async move {
            match fate {
                Fate::Lost => return,
                Fate::Late => {
                    let late = park.rng().millis(1_000, 90_000);
                    park.exec.sleep(late).await;
                }
                _ => park.travel().await,
            }
            if fate == Fate::Failed {
                park.travel().await;
                let _ = answer.send(Err(PutError::Failed(unavailable)));
                return;
            }
            if fate == Fate::Refused {
                park.travel().await;
                let _ = answer.send(Err(PutError::Conflict));
                return;
            }
            let mut result = Self::land(&park, &key, &bytes, &when, process);
            if fate == Fate::Twice {
                let later = park.rng().millis(1, 4_000);
                park.exec.sleep(later).await;
                result = Self::land(&park, &key, &bytes, &when, process);
            }
            park.travel().await;
            if fate != Fate::Unanswered {
                let _ = answer.send(result);
            }
        });
        heard
    }
}

#[async_trait]
impl BlobStore for SimStore {
    async fn get(&self, key: &str) -> Result<Option<Blob>, StateError> {
        self.park.travel().await;
        if self.park.fails(|rates| rates.get_failed) {
            self.park.say(&format!("reading {key} gets no answer"));
            self.park.exec.sleep(STORE_TIMEOUT).await;
            return Err(self.unavailable(key));
        }
        let found = self.park.blobs().by_key.get(key).cloned();
        let age = |since: Duration| self.park.dates.then(|| self.park.exec.now().saturating_sub(since));
        let found = found.map(|(bytes, since)| (age(since), bytes));
        self.park.travel().await;
        Ok(found.map(|(age, bytes)| Blob { tag: tag(&bytes), bytes, place: self.place(key), age }))
    }

    async fn put(&self, key: &str, bytes: &[u8], when: &Condition) -> Result<Tag, PutError> {
        let heard = self.send(key, bytes, when);
        match select(heard, Box::pin(self.park.exec.sleep(STORE_TIMEOUT))).await {
            Either::Left((Ok(answer), _)) => answer,
            Either::Left((Err(_), sleep)) => {
                sleep.await;
                Err(PutError::Unknown("the connection broke".into()))
            }
            Either::Right(_) => Err(PutError::Unknown("no answer in time".into())),
        }
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, StateError> {
        self.park.travel().await;
        let rest =
            |key: &&String| key.strip_prefix(folder)?.strip_prefix('/').map(|rest| !rest.contains('/'));
        let below = |key: &&String| rest(key) == Some(true);
        let keys = self.park.blobs().keys().filter(below).cloned().collect();
        self.park.travel().await;
        Ok(keys)
    }

    fn place(&self, key: &str) -> String {
        format!("sim:{key}")
    }
}
