//! A store between a run and its storage that loses what it is told to lose.

use super::{Blob, BlobStore, Condition, PutError, Tag};
use crate::StateError;
use async_trait::async_trait;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// When a script is asked about a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Before,
    After,
}

/// What happens to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutFault {
    /// Asked before the write: it never arrives. Asked after it: its answer never arrives.
    NoAnswer,
    /// The store says the condition does not hold, whatever is true.
    Conflict,
}

type Script = dyn Fn(u64, Moment, &str) -> Option<PutFault> + Send + Sync;

/// A store whose writes fail by a script. The script is asked before and after each write, with the number of the
/// write (from 1) and its key; it may as well end the process there.
pub struct FaultyBlobs<S> {
    inner: S,
    puts: AtomicU64,
    script: Box<Script>,
    unread: Box<dyn Fn(&str) -> bool + Send + Sync>,
}

impl<S> FaultyBlobs<S> {
    pub fn new(
        inner: S,
        script: impl Fn(u64, Moment, &str) -> Option<PutFault> + Send + Sync + 'static,
    ) -> Self {
        Self { inner, puts: AtomicU64::new(0), script: Box::new(script), unread: Box::new(|_| false) }
    }

    /// The same, whose reads are not answered where this says so of their key.
    #[must_use]
    pub fn unread(self, script: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { unread: Box::new(script), ..self }
    }

    /// How many writes were asked for.
    pub fn puts(&self) -> u64 {
        self.puts.load(Ordering::SeqCst)
    }

    fn ask(&self, number: u64, moment: Moment, key: &str) -> Result<(), PutError> {
        match (self.script)(number, moment, key) {
            None => Ok(()),
            Some(PutFault::NoAnswer) => Err(PutError::Unknown("lost on purpose".into())),
            Some(PutFault::Conflict) => Err(PutError::Conflict),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for FaultyBlobs<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyBlobs")
            .field("inner", &self.inner)
            .field("puts", &self.puts)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl<S: BlobStore> BlobStore for FaultyBlobs<S> {
    async fn get(&self, key: &str) -> Result<Option<Blob>, StateError> {
        if (self.unread)(key) {
            let source = std::io::Error::other("not read, on purpose");
            return Err(StateError::Io { place: self.place(key), source });
        }
        self.inner.get(key).await
    }

    async fn put(&self, key: &str, bytes: &[u8], when: &Condition) -> Result<Tag, PutError> {
        let number = self.puts.fetch_add(1, Ordering::SeqCst) + 1;
        self.ask(number, Moment::Before, key)?;
        let tag = self.inner.put(key, bytes, when).await?;
        self.ask(number, Moment::After, key)?;
        Ok(tag)
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, StateError> {
        self.inner.list(folder).await
    }

    async fn settle(&self, key: &str, found: Option<&Tag>, left: &Tag) -> Result<(), StateError> {
        self.inner.settle(key, found, left).await
    }

    async fn versions(&self, key: &str) -> Result<Option<Vec<u64>>, StateError> {
        self.inner.versions(key).await
    }

    async fn version(&self, key: &str, number: u64) -> Result<Option<Blob>, StateError> {
        self.inner.version(key, number).await
    }

    async fn replace(&self, key: &str, version: &Tag, bytes: &[u8]) -> Result<(), PutError> {
        let number = self.puts.fetch_add(1, Ordering::SeqCst) + 1;
        self.ask(number, Moment::Before, key)?;
        self.inner.replace(key, version, bytes).await?;
        self.ask(number, Moment::After, key)
    }

    async fn rest(&self, failures: u32) {
        self.inner.rest(failures).await;
    }

    fn place(&self, key: &str) -> String {
        self.inner.place(key)
    }

    fn own_probe(&self) -> Option<Result<(), StateError>> {
        self.inner.own_probe()
    }
}
