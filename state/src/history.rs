//! Older versions of a shard: what the store keeps by itself, or one copy for each run.

use crate::StateError;
use crate::blob::{Blob, BlobStore};
use crate::document::{create, names};
use crate::format::Shard;
use crate::store::{StateStore, found, shard_key};

/// Where copies of a shard are kept.
pub(crate) fn folder(environment: &str, domain: &str) -> Result<String, StateError> {
    Ok(format!("_history/{}", shard_key(environment, domain)?))
}

impl StateStore {
    /// The serials of a shard that can still be read, the newest first: the one in force, and the one each run
    /// found.
    pub async fn versions(&self, environment: &str, domain: &str) -> Result<Vec<u64>, StateError> {
        let key = shard_key(environment, domain)?;
        let mut serials = match self.blobs.versions(&key).await? {
            Some(serials) => serials,
            None => {
                let kept = names(self.blobs.as_ref(), &folder(environment, domain)?).await?;
                let current = self.peek(environment, domain).await?.map(|found| found.shard.serial);
                kept.iter().filter_map(|name| name.parse().ok()).chain(current).collect()
            }
        };
        serials.sort_unstable_by(|a, b| b.cmp(a));
        serials.dedup();
        Ok(serials)
    }

    /// One of [`StateStore::versions`]; `None`: it is not kept.
    pub async fn version(
        &self,
        environment: &str,
        domain: &str,
        serial: u64,
    ) -> Result<Option<Shard>, StateError> {
        let key = shard_key(environment, domain)?;
        let blob = match self.blobs.versions(&key).await? {
            Some(_) => self.blobs.version(&key, serial).await?,
            None => match self.peek(environment, domain).await? {
                Some(current) if current.shard.serial == serial => return Ok(Some(current.shard)),
                _ => self.blobs.get(&format!("{}/{serial}", folder(environment, domain)?)).await?,
            },
        };
        let Some(blob) = blob else { return Ok(None) };
        let place = blob.place.clone();
        let shard = found(environment, &key, &blob)?.shard;
        if shard.serial != serial {
            let why = format!("it is version {} and not {serial}", shard.serial);
            return Err(StateError::Corrupt { place, why });
        }
        Ok(Some(shard))
    }
}

/// Keeps a copy of what a run found, where the store keeps none by itself. Before the run writes: killed at any
/// instant, it leaves what was before.
pub(crate) async fn keep(
    blobs: &dyn BlobStore,
    environment: &str,
    domain: &str,
    serial: u64,
    found: &Blob,
) -> Result<(), StateError> {
    if blobs.versions(&shard_key(environment, domain)?).await?.is_some() {
        return Ok(());
    }
    let key = format!("{}/{serial}", folder(environment, domain)?);
    // A copy that is there is of the same version: a run that was ended right after it made one.
    create(blobs, &key, &found.bytes).await.map(drop)
}
