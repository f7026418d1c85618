//! How a run begins to write a shard: read, its epoch raised, written by compare-and-swap, and a copy of it kept.
//!
//! All but the write may come before the lock is held: the write is taken only if what was read is what is there still.

use crate::StateError;
use crate::blob::{Blob, Tag};
use crate::format::{Shard, encode};
use crate::history::keep;
use crate::ident;
use crate::locked::{Shards, Slot, put};
use crate::store::{AT_ONCE, ATTEMPTS, Found, found, shard_key};
use datamesh_provider::LeaseGate;
use futures::stream::{self, StreamExt as _};
use std::collections::BTreeMap;
use std::time::Duration;

/// The first write of a run to a shard, ready to be sent.
pub(crate) struct Opening {
    /// What it is made from; `None`: there was nothing.
    before: Option<Before>,
    next: Shard,
    bytes: Vec<u8>,
}

struct Before {
    blob: Blob,
    serial: u64,
    write_id: String,
}

impl Shards {
    /// Makes the first writes ready while the locks are being taken, so that nobody waits for it. What cannot be had
    /// now is read under its lock.
    pub(crate) async fn prepare_all(
        &self,
        domains: &[String],
        repository: &str,
    ) -> BTreeMap<String, Opening> {
        let prepare = domains
            .iter()
            .map(async |domain| Some((domain.clone(), self.prepare(domain, repository).await.ok()?)));
        let ready: Vec<_> = stream::iter(prepare.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await;
        ready.into_iter().flatten().collect()
    }

    /// Reads a shard, or makes one that is missing, and raises its epoch. Nothing is written.
    async fn prepare(&self, domain: &str, repository: &str) -> Result<Opening, StateError> {
        let key = shard_key(&self.environment, domain)?;
        let (before, mut next) = match self.blobs.get(&key).await? {
            Some(blob) => {
                let Found { shard, .. } = found(&self.environment, &key, &blob)?;
                (Some(Before { blob, serial: shard.serial, write_id: shard.write_id.clone() }), shard)
            }
            None => {
                let lineage = ident::uuid(self.entropy.as_ref());
                (None, Shard::empty(&self.environment, domain, lineage, repository))
            }
        };
        if next.repository != repository {
            let (place, ours) = (self.blobs.place(&key), repository.to_owned());
            return Err(StateError::Foreign { place, owner: next.repository, ours });
        }
        next.epoch += 1;
        next.serial += 1;
        next.write_id = ident::uuid(self.entropy.as_ref());
        let bytes = encode(&next)?;
        Ok(Opening { before, next, bytes })
    }

    /// Raises the epoch of a shard under its lock. The one place where a lost race is answered by reading again.
    pub(crate) async fn open(
        &self,
        domain: &str,
        mut early: Option<Opening>,
        repository: &str,
        gate: &dyn LeaseGate,
    ) -> Result<Slot, StateError> {
        let key = shard_key(&self.environment, domain)?;
        for _ in 0..ATTEMPTS {
            let opening = match early.take() {
                Some(early) => early,
                None => self.prepare(domain, repository).await?,
            };
            match self.send(domain, &key, opening).await {
                // Whoever was before may have had a last write under way; or the lock went to somebody else.
                Err(StateError::Fenced { place, .. }) => gate
                    .permit(Duration::ZERO)
                    .map_err(|lost| StateError::Fenced { place, why: lost.to_string() })?,
                said => return said,
            }
        }
        let why = "somebody writes it without its lock".to_owned();
        Err(StateError::Fenced { place: self.blobs.place(&key), why })
    }

    /// The copy and the new epoch may come in any order: they say the same of everything but the epoch.
    async fn send(&self, domain: &str, key: &str, opening: Opening) -> Result<Slot, StateError> {
        let Opening { before, next, bytes } = opening;
        let expected = before.as_ref().map(|before| (before.blob.tag.clone(), before.write_id.clone()));
        let written = put(self.blobs.as_ref(), key, &next.write_id, &bytes, expected);
        let copied = async {
            let Some(Before { blob, serial, .. }) = &before else { return Ok(()) };
            keep(self.blobs.as_ref(), &self.environment, domain, *serial, blob).await
        };
        let (written, copied): (Result<Tag, _>, _) = futures::join!(written, copied);
        let tag = written?;
        copied?;
        let found = before.map(|before| (before.blob.tag, before.serial));
        Ok(Slot { shard: next, tag, found, lost: false })
    }
}
