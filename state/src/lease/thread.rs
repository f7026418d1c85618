//! Heartbeats on a thread of their own: whatever the run computes or waits for, its locks are renewed.

use super::{Heartbeat, Spawner};
use crate::blob::BlobStore;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

/// Starts its thread with the first lock. The store is made on that thread, so that its client lives there.
pub struct HeartbeatThread {
    store: Arc<dyn Fn() -> Arc<dyn BlobStore> + Send + Sync>,
    to: Mutex<Option<UnboundedSender<Heartbeat>>>,
}

impl fmt::Debug for HeartbeatThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeartbeatThread").finish_non_exhaustive()
    }
}

impl HeartbeatThread {
    pub fn new(store: impl Fn() -> Arc<dyn BlobStore> + Send + Sync + 'static) -> Self {
        Self { store: Arc::new(store), to: Mutex::new(None) }
    }

    fn start(&self) -> Option<UnboundedSender<Heartbeat>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let (to, from) = unbounded_channel();
        let store = Arc::clone(&self.store);
        let work = move || runtime.block_on(beat(from, store()));
        std::thread::Builder::new().name("heartbeat".into()).spawn(work).ok()?;
        Some(to)
    }
}

impl Spawner for HeartbeatThread {
    /// Where no thread is to be had the heartbeat is dropped, and that closes the gate of its lock.
    fn spawn(&self, heartbeat: Heartbeat) {
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        if to.is_none() {
            *to = self.start();
        }
        if let Some(to) = to.as_ref() {
            // A thread that is gone gives the heartbeat back, which drops it.
            let _ = to.send(heartbeat);
        }
    }
}

/// Runs until nobody can send any more, and every lock was given back.
async fn beat(mut from: UnboundedReceiver<Heartbeat>, blobs: Arc<dyn BlobStore>) {
    let mut beating = JoinSet::new();
    while let Some(heartbeat) = from.recv().await {
        beating.spawn(heartbeat.run(Arc::clone(&blobs)));
        while beating.try_join_next().is_some() {}
    }
    while beating.join_next().await.is_some() {}
}
