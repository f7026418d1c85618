//! Documents beside the shards: audit records, journals of lost writes, published plans, markers of completed ones.
//!
//! Each is written once and never changed: nobody needs a lock for it.

use crate::StateError;
use crate::blob::{BlobStore, Condition, PutError, check_name, check_owner_name};
use crate::store::{ATTEMPTS, StateStore};

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// The audit record of one run.
    Run,
    /// What became of operations whose outcome the shard refused.
    Recovery,
    /// A published plan.
    Plan,
    /// A plan that was carried out.
    Done,
}

impl DocumentKind {
    /// No environment has a name like it.
    fn folder(self) -> &'static str {
        match self {
            Self::Run => "_runs",
            Self::Recovery => "_recovery",
            Self::Plan => "_plans",
            Self::Done => "_done",
        }
    }

    pub(crate) fn key(self, environment: &str) -> Result<String, StateError> {
        check_owner_name("an environment", environment)?;
        Ok(format!("{}/{environment}", self.folder()))
    }
}

/// Which document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentKey {
    pub kind: DocumentKind,
    pub environment: String,
    /// Letters, digits, `-` and `_`.
    pub name: String,
}

impl DocumentKey {
    pub fn new(kind: DocumentKind, environment: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, environment: environment.into(), name: name.into() }
    }

    fn key(&self) -> Result<String, StateError> {
        check_name("a document", &self.name)?;
        Ok(format!("{}/{}", self.kind.key(&self.environment)?, self.name))
    }
}

/// The answer to a creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Created {
    Yes,
    /// Something else is there under that name, and stays.
    Exists,
}

impl StateStore {
    /// Writes a document that is not there yet. What is there with the same content is taken for ours: an answer
    /// may have been lost.
    pub async fn create_document(&self, key: &DocumentKey, bytes: &[u8]) -> Result<Created, StateError> {
        create(self.blobs.as_ref(), &key.key()?, bytes).await
    }

    /// The content of a document; `None`: there is none.
    pub async fn document(&self, key: &DocumentKey) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.blobs.get(&key.key()?).await?.map(|blob| blob.bytes))
    }

    /// The names of the documents of a kind, sorted.
    pub async fn documents(&self, kind: DocumentKind, environment: &str) -> Result<Vec<String>, StateError> {
        names(self.blobs.as_ref(), &kind.key(environment)?).await
    }
}

/// The last segments of the keys in a folder, sorted.
pub(crate) async fn names(blobs: &dyn BlobStore, folder: &str) -> Result<Vec<String>, StateError> {
    let keys = blobs.list(folder).await?;
    let name = |key: &String| key.rsplit('/').next().map(str::to_owned);
    Ok(keys.iter().filter_map(name).collect())
}

/// Writes a blob that is not there yet, with a doubtful answer resolved by looking at what is there.
pub(crate) async fn create(blobs: &dyn BlobStore, key: &str, bytes: &[u8]) -> Result<Created, StateError> {
    let mut why = String::new();
    for failures in 0..ATTEMPTS {
        match blobs.put(key, bytes, &Condition::CreateOnly).await {
            Ok(_) => return Ok(Created::Yes),
            Err(PutError::Failed(error)) => return Err(error),
            Err(doubt) => why = doubt.to_string(),
        }
        match blobs.get(key).await {
            Ok(Some(blob)) if blob.bytes == bytes => return Ok(Created::Yes),
            Ok(Some(_)) => return Ok(Created::Exists),
            Ok(None) => {}
            Err(error) if error.is_content() => return Err(error),
            Err(error) => why = error.to_string(),
        }
        blobs.rest(failures).await;
    }
    Err(StateError::Unknown { place: blobs.place(key), why })
}
