//! Every store at hand passes the same suite, and those that do not keep their word are found out.

use crate::support::{codec, context};
use async_trait::async_trait;
use datamesh_state::{
    Blob, BlobStore, Codec, CodedBlobs, Condition, LocalStore, MemoryStore, PutError, StateError,
    StateErrorKind, Tag, conformance, probe,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test(flavor = "multi_thread")]
async fn memory_conforms() {
    conformance::all(Arc::new(MemoryStore::default()), "suite").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_conforms() {
    let folder = tempfile::tempdir().expect("a folder");
    conformance::all(Arc::new(LocalStore::new(folder.path().join("state"))), "suite").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_compressed_and_encrypted_conforms() {
    let folder = tempfile::tempdir().expect("a folder");
    let local = Arc::new(LocalStore::new(folder.path().join("state")));
    let stores: [Arc<dyn BlobStore>; 2] = [Arc::new(MemoryStore::default()), local];
    for store in stores {
        for codec in [codec(&[("k1", 1)]), Codec::default().compressing(true)] {
            let folder = if codec.encrypts() { "encrypted" } else { "compressed" };
            let coded = CodedBlobs::new(Arc::clone(&store), codec);
            conformance::all(Arc::new(coded), folder).await;
        }
    }
}

#[tokio::test]
async fn honest_stores_pass_the_probe() {
    let folder = tempfile::tempdir().expect("a folder");
    let entropy = context(1).entropy;
    probe(&MemoryStore::default(), entropy.as_ref()).await.expect("fit");
    probe(&LocalStore::new(folder.path().join("state")), entropy.as_ref()).await.expect("fit");
}

/// What a store does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    IgnoresConditions,
    MakesWhatWasToBeChanged,
    /// Only while another write is under way.
    IgnoresThemAtOnce,
    /// Says that it wrote, and did not.
    LosesWrites,
    SameTag,
}

#[derive(Debug)]
struct Liar {
    inner: MemoryStore,
    lie: Lie,
    under_way: AtomicUsize,
}

impl Liar {
    /// Writes whatever is there.
    async fn force(&self, key: &str, bytes: &[u8]) -> Result<Tag, PutError> {
        let when = match self.inner.get(key).await?.map(|blob| blob.tag) {
            Some(tag) => Condition::IfMatch(tag),
            None => Condition::CreateOnly,
        };
        self.inner.put(key, bytes, &when).await
    }
}

#[async_trait]
impl BlobStore for Liar {
    async fn get(&self, key: &str) -> Result<Option<Blob>, StateError> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &str, bytes: &[u8], when: &Condition) -> Result<Tag, PutError> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let alone = self.under_way.load(Ordering::SeqCst) == 1;
        let there = self.inner.get(key).await?.is_some();
        let answer = match (self.lie, when) {
            (Lie::IgnoresConditions, _) => self.force(key, bytes).await,
            (Lie::MakesWhatWasToBeChanged, Condition::IfMatch(_)) if !there => self.force(key, bytes).await,
            (Lie::IgnoresThemAtOnce, _) if !alone => self.force(key, bytes).await,
            (Lie::LosesWrites, Condition::IfMatch(_)) if there => Ok(Tag(format!("{bytes:?}"))),
            (Lie::SameTag, _) => self.inner.put(key, bytes, when).await.map(|_| Tag("1".into())),
            _ => self.inner.put(key, bytes, when).await,
        };
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        answer
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

    fn place(&self, key: &str) -> String {
        self.inner.place(key)
    }
}

#[tokio::test]
async fn stores_that_do_not_keep_conditions_are_refused() {
    let lies = [
        (Lie::IgnoresConditions, "only to be changed"),
        (Lie::MakesWhatWasToBeChanged, "only to be changed"),
        (Lie::IgnoresThemAtOnce, "at once"),
        (Lie::LosesWrites, "was not to change"),
        (Lie::SameTag, "same tag"),
    ];
    for (lie, why) in lies {
        let liar = Liar { inner: MemoryStore::default(), lie, under_way: AtomicUsize::new(0) };
        let error = probe(&liar, context(7).entropy.as_ref()).await.expect_err("found out");
        assert_eq!(error.kind(), StateErrorKind::Unfit, "{lie:?}: {error}");
        assert!(error.to_string().contains(why), "{lie:?}: {error}");
    }
}
