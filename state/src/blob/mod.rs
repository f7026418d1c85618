//! What a backend has to offer: a small store with conditional writes, and locks.

pub(crate) mod coded;
pub(crate) mod faulty;
pub(crate) mod local;
pub(crate) mod memory;
#[cfg(feature = "s3")]
pub(crate) mod s3;

use crate::StateError;
use async_trait::async_trait;
use datamesh_provider::LeaseLost;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// One version of a blob: an ETag, or the number of a file. Opaque to everybody but its store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag(pub String);

/// A blob as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    pub bytes: Vec<u8>,
    pub tag: Tag,
    /// Where it was found, for messages: a path, a URL.
    pub place: String,
    /// How long ago it was written, by the store's own clock and in the same answer; `None` where it does not say.
    pub age: Option<Duration>,
}

/// When a write may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing is there yet.
    CreateOnly,
    /// This very version is there.
    IfMatch(Tag),
}

/// A write was not done, or nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The condition does not hold, or the store says so; a lost and repeated request may say so as well.
    #[error("another version is there")]
    Conflict,
    /// Sent, and not answered.
    #[error("no answer: {0}")]
    Unknown(String),
    /// Provably without effect.
    #[error(transparent)]
    Failed(#[from] StateError),
}

/// Blobs under keys like `prod/orders`, each segment of letters, digits, `-` and `_`. Keys that begin with `_` are for
/// what is kept beside the shards.
#[async_trait]
pub trait BlobStore: fmt::Debug + Send + Sync {
    async fn get(&self, key: &str) -> Result<Option<Blob>, StateError>;

    /// The version that is there now, as cheaply as the store can tell; `None`: nothing is there.
    async fn tag(&self, key: &str) -> Result<Option<Tag>, StateError> {
        Ok(self.get(key).await?.map(|blob| blob.tag))
    }

    /// A compare-and-swap: done durably, with its new version, or not at all.
    async fn put(&self, key: &str, bytes: &[u8], when: &Condition) -> Result<Tag, PutError>;

    /// The keys directly below a folder, sorted.
    async fn list(&self, folder: &str) -> Result<Vec<String>, StateError>;

    /// The lock holder is done: between the version it found and the one it left, the others may go.
    async fn settle(&self, _key: &str, _found: Option<&Tag>, _left: &Tag) -> Result<(), StateError> {
        Ok(())
    }

    /// The numbers of the older versions that the store keeps by itself, oldest first; `None`: it keeps only the
    /// last one, and whoever wants a history writes copies.
    async fn versions(&self, _key: &str) -> Result<Option<Vec<u64>>, StateError> {
        Ok(None)
    }

    /// One of [`BlobStore::versions`].
    async fn version(&self, _key: &str, _number: u64) -> Result<Option<Blob>, StateError> {
        Ok(None)
    }

    /// Puts the same content, written in another way, in the place of a version. A store that numbers its versions
    /// keeps the number.
    async fn replace(&self, key: &str, version: &Tag, bytes: &[u8]) -> Result<(), PutError> {
        self.put(key, bytes, &Condition::IfMatch(version.clone())).await.map(drop)
    }

    /// Where a key is, for messages.
    fn place(&self, key: &str) -> String;

    /// Leaves the store alone for a while after so many doubtful answers in a row. A busy store may read for a moment
    /// what it no longer has, and compare with what it has.
    async fn rest(&self, _failures: u32) {}

    /// A test of its own, where the store knows better than [`crate::probe()`] what its word depends on.
    fn own_probe(&self) -> Option<Result<(), StateError>> {
        None
    }
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockInfo {
    /// Names this one holding of the lock.
    pub id: String,
    /// Who runs it: the user, or the CI job.
    pub who: String,
    /// On which machine.
    pub host: String,
    pub process: u32,
    /// What is being done: `apply`.
    pub operation: String,
    pub since: jiff::Timestamp,
}

impl fmt::Display for LockInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, host, process, operation, since, .. } = self;
        write!(f, "{who} on {host} (process {process}) for `{operation}` since {since}")
    }
}

/// The answer to one attempt at a lock.
#[derive(Debug)]
pub enum Attempt {
    Got(Box<dyn Held>),
    /// Somebody else has it, and who, as far as that can be told.
    Taken(Option<LockInfo>),
}

/// Locks under the same keys.
#[async_trait]
pub trait Locks: fmt::Debug + Send + Sync {
    /// One attempt, without waiting.
    async fn try_lock(&self, key: &str, info: &LockInfo) -> Result<Attempt, StateError>;

    /// Who holds it now; `None`: nobody. Takes nothing.
    async fn holder(&self, key: &str) -> Result<Option<LockInfo>, StateError>;

    /// The last segments of the keys in an environment that were ever locked, as far as the locks know; sorted.
    async fn known(&self, environment: &str) -> Result<Vec<String>, StateError>;

    /// Begins to take a lock away from the holding of this id.
    async fn break_lock(&self, key: &str, id: &str, by: &LockInfo) -> Result<Broken, StateError>;

    /// Frees what [`Locks::break_lock`] marked, after the wait. Whoever took it meanwhile keeps it.
    async fn finish_break(&self, key: &str, id: &str, by: &LockInfo) -> Result<(), StateError>;
}

/// The answer to an attempt at taking a lock away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Its holder can renew it no more; after this wait its last call has ended.
    Marked { wait: Duration },
    /// Nobody has it.
    NotHeld,
    /// Somebody else has it by now.
    Other(LockInfo),
    /// A process of this machine has it for as long as it lives.
    Living(LockInfo),
    /// It changed in this very moment: look again.
    Moved,
}

/// A lock that is held. Dropped, it is given back as far as that needs no answer.
#[async_trait]
pub trait Held: fmt::Debug + Send + Sync {
    /// Whether at least this much of it is left.
    fn permit(&self, call: Duration) -> Result<(), LeaseLost>;

    /// Where it was taken over from a holder that had not given it back: how long that one's last call may still
    /// run.
    fn taken_over(&self) -> Option<Duration> {
        None
    }

    async fn release(self: Box<Self>) -> Result<(), StateError>;
}

/// Names in keys become names of files and objects.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), StateError> {
    let clean = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > 200 || !name.chars().all(clean) {
        return Err(StateError::Name { what, name: name.to_owned() });
    }
    Ok(())
}

/// A name of an environment or a domain. What begins with `_` is kept for other things than shards.
pub(crate) fn check_owner_name(what: &'static str, name: &str) -> Result<(), StateError> {
    if name.starts_with('_') {
        return Err(StateError::Name { what, name: name.to_owned() });
    }
    check_name(what, name)
}
