//! A store that takes its time, and counts what it is asked.

use async_trait::async_trait;
use datamesh_conformance::testing::RealClock;
use datamesh_provider::Clock as _;
use datamesh_state::{
    Blob, BlobStore, Codec, Condition, Heartbeat, LeaseLocks, LeaseTiming, MemoryStore, PutError, Spawner,
    StateError, StateStore, Tag,
};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What was asked, and of which kind of object: `("put", "shard")`.
pub(crate) type Counts = BTreeMap<(&'static str, &'static str), usize>;

pub(crate) fn count(counts: &Counts, verb: &'static str, kind: &'static str) -> usize {
    counts.get(&(verb, kind)).copied().unwrap_or_default()
}

/// Like S3 in all but its speed: no versions, no locks of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlowBlobs {
    inner: MemoryStore,
    clock: Arc<RealClock>,
    latency_ms: Arc<AtomicU64>,
    counts: Arc<Mutex<Counts>>,
    refuses: Arc<AtomicBool>,
}

impl SlowBlobs {
    /// Whether writes of audit records are refused from now on.
    pub(crate) fn refuses_records(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }

    /// Every call takes so long from now on.
    pub(crate) fn takes(&self, latency: Duration) {
        self.latency_ms.store(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What was asked since the last time.
    pub(crate) fn counts(&self) -> Counts {
        std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn call(&self, verb: &'static str, key: &str) {
        let kind = match key.split('/').next().unwrap_or_default() {
            "_locks" => "lock",
            "_runs" => "audit",
            "_history" => "history",
            other if other.starts_with('_') => "other",
            _ => "shard",
        };
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry((verb, kind)).or_default() += 1;
        let latency = Duration::from_millis(self.latency_ms.load(Ordering::Relaxed));
        if !latency.is_zero() {
            self.clock.sleep(latency).await;
        }
    }

    /// The state on this store, with leases on it, and written as on S3.
    pub(crate) fn state(&self) -> StateStore {
        let store: Arc<dyn BlobStore> = Arc::new(self.clone());
        let entropy = Arc::new(datamesh_conformance::testing::SeededEntropy::new(1));
        let beside = Arc::new(Beside(Arc::clone(&store)));
        let locks =
            LeaseLocks::new(Arc::clone(&store), self.clock.clone(), entropy, beside, LeaseTiming::default());
        StateStore::new(store, Arc::new(locks)).coded(Codec::default().compressing(true))
    }
}

/// Heartbeats run beside everything else.
struct Beside(Arc<dyn BlobStore>);

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Beside")
    }
}

impl Spawner for Beside {
    fn spawn(&self, heartbeat: Heartbeat) {
        tokio::spawn(heartbeat.run(Arc::clone(&self.0)));
    }
}

#[async_trait]
impl BlobStore for SlowBlobs {
    async fn get(&self, key: &str) -> Result<Option<Blob>, StateError> {
        self.call("get", key).await;
        self.inner.get(key).await
    }

    async fn tag(&self, key: &str) -> Result<Option<Tag>, StateError> {
        self.call("tag", key).await;
        self.inner.tag(key).await
    }

    async fn put(&self, key: &str, bytes: &[u8], when: &Condition) -> Result<Tag, PutError> {
        self.call("put", key).await;
        if key.starts_with("_runs/") && self.refuses.load(Ordering::Relaxed) {
            let source = std::io::Error::other("no records today");
            return Err(PutError::Failed(StateError::Io { place: self.place(key), source }));
        }
        self.inner.put(key, bytes, when).await
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, StateError> {
        self.call("list", folder).await;
        self.inner.list(folder).await
    }

    fn place(&self, key: &str) -> String {
        format!("slow:{key}")
    }
}
