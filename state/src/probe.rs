//! Whether a store keeps its word on conditional writes: asked before it is trusted with a state.
//!
//! Some stores ignore conditions, and some check them only where nobody else writes at the same moment. Both lose
//! updates without a sound, so both are refused.

use crate::StateError;
use crate::blob::{BlobStore, Condition, PutError, Tag};
use crate::ident;
use datamesh_provider::Entropy;
use futures::future::join_all;

/// So many writers at once.
const WRITERS: usize = 16;
/// Rounds of them: chance may hide a race once.
const ROUNDS: usize = 3;

/// Asks a store to keep each condition, one after another and many at once. Leaves a small object behind: nothing is
/// ever deleted.
pub async fn probe(blobs: &dyn BlobStore, entropy: &dyn Entropy) -> Result<(), StateError> {
    let key = format!("_probe/{}", ident::uuid(entropy));
    let probe = Probe { blobs, key };
    let mut tag = probe.in_sequence().await?;
    for round in 0..ROUNDS {
        tag = probe.at_once(round, tag).await?;
    }
    Ok(())
}

struct Probe<'b> {
    blobs: &'b dyn BlobStore,
    key: String,
}

impl Probe<'_> {
    fn unfit<T>(&self, why: &str) -> Result<T, StateError> {
        Err(StateError::Unfit { place: self.blobs.place(&self.key), why: why.to_owned() })
    }

    fn unknown(&self, why: String) -> StateError {
        StateError::Unknown { place: self.blobs.place(&self.key), why }
    }

    /// Whether the write was done, with its version; a lost answer is an error, since nothing can be told from it.
    async fn put(&self, bytes: &str, when: Condition) -> Result<Option<Tag>, StateError> {
        match self.blobs.put(&self.key, bytes.as_bytes(), &when).await {
            Ok(tag) => Ok(Some(tag)),
            Err(PutError::Conflict) => Ok(None),
            Err(PutError::Failed(error)) => Err(error),
            Err(PutError::Unknown(why)) => Err(self.unknown(why)),
        }
    }

    async fn holds(&self, bytes: &str) -> Result<bool, StateError> {
        Ok(self.blobs.get(&self.key).await?.is_some_and(|blob| blob.bytes == bytes.as_bytes()))
    }

    async fn in_sequence(&self) -> Result<Tag, StateError> {
        if self
            .put("0", Condition::IfMatch(Tag("\"00000000000000000000000000000000\"".into())))
            .await?
            .is_some()
        {
            return self.unfit("it makes an object that was only to be changed");
        }
        let Some(first) = self.put("1", Condition::CreateOnly).await? else {
            return self.unfit("it refuses to make an object that is not there");
        };
        if !self.holds("1").await? {
            return self.unfit("what was written is not what is read");
        }
        if self.put("2", Condition::CreateOnly).await?.is_some() || !self.holds("1").await? {
            return self.unfit("it overwrites an object that was only to be made");
        }
        let Some(second) = self.put("3", Condition::IfMatch(first.clone())).await? else {
            return self.unfit("it refuses to change the version that is there");
        };
        if second == first {
            return self.unfit("two versions have the same tag");
        }
        if self.put("4", Condition::IfMatch(first)).await?.is_some() || !self.holds("3").await? {
            return self.unfit("it overwrites a version that it was not to change");
        }
        Ok(second)
    }

    async fn at_once(&self, round: usize, tag: Tag) -> Result<Tag, StateError> {
        let texts: Vec<String> = (0..WRITERS).map(|writer| format!("{round}-{writer}")).collect();
        let when = Condition::IfMatch(tag);
        let writes = texts.iter().map(|text| self.blobs.put(&self.key, text.as_bytes(), &when));
        let mut done = Vec::new();
        let mut open = Vec::new();
        for (text, answer) in texts.iter().zip(join_all(writes).await) {
            match answer {
                Ok(tag) => done.push((text, tag)),
                Err(PutError::Conflict) => {}
                Err(PutError::Unknown(why)) => open.push(why),
                Err(PutError::Failed(error)) => return Err(error),
            }
        }
        match (done.as_slice(), open.pop()) {
            ([], Some(why)) => Err(self.unknown(why)),
            ([(text, tag)], _) if self.holds(text).await? => Ok(tag.clone()),
            ([_], _) => self.unfit("a write that was confirmed is not there"),
            ([], None) => self.unfit("it refuses every one of several writers at once"),
            _ => self.unfit("several writers at once changed the same version"),
        }
    }
}
