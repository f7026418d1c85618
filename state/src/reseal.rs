//! Encrypting what was written before there were keys, or with a key that is to be retired.

use crate::StateError;
use crate::blob::{Blob, PutError};
use crate::document::{DocumentKind, names};
use crate::format::MAX_BYTES;
use crate::history;
use crate::store::{ATTEMPTS, LockRequest, StateStore, found, release_all, shard_key};
use datamesh_provider::Context;

const KINDS: [DocumentKind; 4] =
    [DocumentKind::Run, DocumentKind::Recovery, DocumentKind::Plan, DocumentKind::Done];

/// A key of the store, and whether a shard has to be there.
struct Place {
    key: String,
    /// The key of that shard.
    shard: Option<String>,
}

impl StateStore {
    /// The domains that have a shard, whether or not it can be read.
    pub async fn domains(&self, environment: &str) -> Result<Vec<String>, StateError> {
        let keys = self.raw.list(environment).await?;
        Ok(keys.iter().filter_map(|key| key.rsplit('/').next()).map(str::to_owned).collect())
    }

    /// How many versions of shards and documents are not encrypted with the key that writes now.
    pub async fn to_reseal(&self, environment: &str) -> Result<usize, StateError> {
        let mut count = 0;
        for place in self.places(environment).await? {
            count += self.stale(&place.key).await?.len();
        }
        Ok(count)
    }

    /// Encrypts all of an environment's state with the key that writes now, under the locks of all its domains. No
    /// content changes, and what was done stays done when it is cut off. How many versions it was.
    pub async fn reseal(&self, cx: &Context, request: LockRequest<'_>) -> Result<usize, StateError> {
        let domains = self.domains(request.environment).await?;
        let held = self.acquire(cx, &request, &domains).await?;
        let done = self.reseal_all(request.environment).await;
        let released = release_all(held).await;
        let count = done?;
        released.map(|()| count)
    }

    async fn reseal_all(&self, environment: &str) -> Result<usize, StateError> {
        let mut count = 0;
        for place in self.places(environment).await? {
            count += self.reseal_one(environment, &place).await?;
        }
        Ok(count)
    }

    async fn places(&self, environment: &str) -> Result<Vec<Place>, StateError> {
        let mut places = Vec::new();
        for domain in self.domains(environment).await? {
            let key = shard_key(environment, &domain)?;
            let copies = history::folder(environment, &domain)?;
            for name in names(self.raw.as_ref(), &copies).await? {
                places.push(Place { key: format!("{copies}/{name}"), shard: Some(key.clone()) });
            }
            places.push(Place { key: key.clone(), shard: Some(key) });
        }
        for kind in KINDS {
            let keys = self.raw.list(&kind.key(environment)?).await?;
            places.extend(keys.into_iter().map(|key| Place { key, shard: None }));
        }
        Ok(places)
    }

    /// The versions under a key that are not encrypted as they would be now.
    async fn stale(&self, key: &str) -> Result<Vec<Blob>, StateError> {
        let all = match self.raw.versions(key).await? {
            None => Vec::from_iter(self.raw.get(key).await?),
            Some(numbers) => {
                let mut all = Vec::new();
                for number in numbers {
                    all.extend(self.raw.version(key, number).await?);
                }
                all
            }
        };
        Ok(all.into_iter().filter(|blob| !self.codec.is_current(&blob.bytes)).collect())
    }

    async fn reseal_one(&self, environment: &str, place: &Place) -> Result<usize, StateError> {
        let mut count = 0;
        for _ in 0..ATTEMPTS {
            let mut again = false;
            for blob in self.stale(&place.key).await? {
                // What is damaged is not made to look sound.
                let sound = |text: &[u8]| match &place.shard {
                    Some(shard) => {
                        found(environment, shard, &Blob { bytes: text.to_vec(), ..blob.clone() }).map(drop)
                    }
                    None => Ok(()),
                };
                let bytes = blob.bytes.clone();
                let renewed = self.codec.renewed(&place.key, &blob.place, bytes, MAX_BYTES, sound)?;
                let Some(renewed) = renewed else { continue };
                match self.raw.replace(&place.key, &blob.tag, &renewed).await {
                    Ok(()) => count += 1,
                    Err(PutError::Failed(error)) => return Err(error),
                    // Written by somebody else, or by us without an answer: whatever is there now is looked at.
                    Err(PutError::Conflict | PutError::Unknown(_)) => again = true,
                }
            }
            if !again {
                return Ok(count);
            }
            self.raw.rest(0).await;
        }
        let why = "it changes faster than it can be encrypted".to_owned();
        Err(StateError::Unknown { place: self.raw.place(&place.key), why })
    }
}
