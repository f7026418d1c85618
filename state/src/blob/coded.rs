//! A store of which everything is written and read through a [`Codec`]: nobody above it knows.

use super::{Blob, BlobStore, Condition, PutError, Tag};
use crate::StateError;
use crate::codec::Codec;
use crate::format::MAX_BYTES;
use async_trait::async_trait;
use std::sync::Arc;

/// The store above another one.
#[derive(Debug)]
pub struct CodedBlobs {
    inner: Arc<dyn BlobStore>,
    codec: Codec,
}

impl CodedBlobs {
    pub fn new(inner: Arc<dyn BlobStore>, codec: Codec) -> Self {
        Self { inner, codec }
    }

    fn opened(&self, key: &str, blob: Option<Blob>) -> Result<Option<Blob>, StateError> {
        let Some(mut blob) = blob else { return Ok(None) };
        blob.bytes = self.codec.open(key, &blob.place, blob.bytes, MAX_BYTES)?;
        Ok(Some(blob))
    }
}

#[async_trait]
impl BlobStore for CodedBlobs {
    async fn get(&self, key: &str) -> Result<Option<Blob>, StateError> {
        self.opened(key, self.inner.get(key).await?)
    }

    async fn tag(&self, key: &str) -> Result<Option<Tag>, StateError> {
        self.inner.tag(key).await
    }

    /// Sent again, it is encrypted again: who wrote it is told by what is in it, never by its bytes.
    async fn put(&self, key: &str, bytes: &[u8], when: &Condition) -> Result<Tag, PutError> {
        let sealed = self.codec.seal(key, bytes)?;
        self.inner.put(key, &sealed, when).await
    }

    async fn replace(&self, key: &str, version: &Tag, bytes: &[u8]) -> Result<(), PutError> {
        let sealed = self.codec.seal(key, bytes)?;
        self.inner.replace(key, version, &sealed).await
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
        self.opened(key, self.inner.version(key, number).await?)
    }

    fn place(&self, key: &str) -> String {
        self.inner.place(key)
    }

    async fn rest(&self, failures: u32) {
        self.inner.rest(failures).await;
    }

    fn own_probe(&self) -> Option<Result<(), StateError>> {
        self.inner.own_probe()
    }
}
