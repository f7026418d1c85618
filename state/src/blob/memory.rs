//! A store in memory: for tests and for the simulation.

use super::{Attempt, Blob, BlobStore, Broken, Condition, Held, LockInfo, Locks, PutError, Tag};
use crate::StateError;
use async_trait::async_trait;
use datamesh_provider::LeaseLost;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Blobs and locks in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    blobs: BTreeMap<String, (u64, Vec<u8>)>,
    locks: BTreeMap<String, LockInfo>,
}

impl MemoryStore {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts bytes there whatever was before: what a broken disk or a stranger would do.
    pub fn overwrite(&self, key: &str, bytes: Vec<u8>) {
        let mut inner = self.inner();
        let version = inner.blobs.get(key).map_or(0, |(version, _)| *version) + 1;
        inner.blobs.insert(key.to_owned(), (version, bytes));
    }
}

#[async_trait]
impl BlobStore for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Blob>, StateError> {
        let found = self.inner().blobs.get(key).cloned();
        Ok(found.map(|(version, bytes)| Blob {
            bytes,
            tag: Tag(version.to_string()),
            place: self.place(key),
            age: None,
        }))
    }

    async fn put(&self, key: &str, bytes: &[u8], when: &Condition) -> Result<Tag, PutError> {
        let mut inner = self.inner();
        let there = inner.blobs.get(key).map(|(version, _)| *version);
        let holds = match when {
            Condition::CreateOnly => there.is_none(),
            Condition::IfMatch(tag) => there.is_some_and(|version| version.to_string() == tag.0),
        };
        if !holds {
            return Err(PutError::Conflict);
        }
        let version = there.unwrap_or(0) + 1;
        inner.blobs.insert(key.to_owned(), (version, bytes.to_vec()));
        Ok(Tag(version.to_string()))
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, StateError> {
        let inside = |key: &&String| {
            let rest = key.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
            rest.is_some_and(|name| !name.contains('/'))
        };
        Ok(self.inner().blobs.keys().filter(inside).cloned().collect())
    }

    fn place(&self, key: &str) -> String {
        format!("memory:{key}")
    }
}

#[async_trait]
impl Locks for MemoryStore {
    async fn try_lock(&self, key: &str, info: &LockInfo) -> Result<Attempt, StateError> {
        let mut inner = self.inner();
        if let Some(holder) = inner.locks.get(key) {
            return Ok(Attempt::Taken(Some(holder.clone())));
        }
        inner.locks.insert(key.to_owned(), info.clone());
        drop(inner);
        Ok(Attempt::Got(Box::new(HeldHere { store: self.clone(), key: key.to_owned(), id: info.id.clone() })))
    }

    async fn holder(&self, key: &str) -> Result<Option<LockInfo>, StateError> {
        Ok(self.inner().locks.get(key).cloned())
    }

    async fn known(&self, environment: &str) -> Result<Vec<String>, StateError> {
        let name = |key: &String| key.strip_prefix(environment)?.strip_prefix('/').map(str::to_owned);
        Ok(self.inner().locks.keys().filter_map(name).collect())
    }

    async fn break_lock(&self, key: &str, id: &str, _: &LockInfo) -> Result<Broken, StateError> {
        let mut inner = self.inner();
        match inner.locks.get(key) {
            None => Ok(Broken::NotHeld),
            Some(holder) if holder.id != id => Ok(Broken::Other(holder.clone())),
            Some(_) => {
                inner.locks.remove(key);
                Ok(Broken::Marked { wait: Duration::ZERO })
            }
        }
    }

    async fn finish_break(&self, _: &str, _: &str, _: &LockInfo) -> Result<(), StateError> {
        Ok(())
    }
}

#[derive(Debug)]
struct HeldHere {
    store: MemoryStore,
    key: String,
    id: String,
}

#[async_trait]
impl Held for HeldHere {
    fn permit(&self, _: Duration) -> Result<(), LeaseLost> {
        match self.store.inner().locks.get(&self.key) {
            Some(info) if info.id == self.id => Ok(()),
            _ => Err(LeaseLost { why: "somebody took the lock".into() }),
        }
    }

    async fn release(self: Box<Self>) -> Result<(), StateError> {
        Ok(())
    }
}

impl Drop for HeldHere {
    fn drop(&mut self) {
        let mut inner = self.store.inner();
        if inner.locks.get(&self.key).is_some_and(|info| info.id == self.id) {
            inner.locks.remove(&self.key);
        }
    }
}
