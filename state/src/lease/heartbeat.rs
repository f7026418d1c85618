//! The sign of life of a lock that is held: a plain loop that any executor can run.

use super::held::Lease;
use super::record::{LockRecord, LockState};
use super::{Written, attempt, write};
use crate::StateError;
use crate::blob::{BlobStore, Condition, Tag};
use datamesh_provider::{CancelStage, Clock};
use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// Runs heartbeats beside the run that holds the locks, whatever that run is busy with.
pub trait Spawner: fmt::Debug + Send + Sync {
    /// Runs [`Heartbeat::run`] until it ends. Where the run's own executor may be blocked, on another one, with a
    /// client of the store of its own.
    fn spawn(&self, heartbeat: Heartbeat);
}

/// Renews one lock until it is to be given back, and gives it back. Dropped before, it closes the gate.
#[derive(Debug)]
pub struct Heartbeat {
    lease: Arc<Lease>,
    key: String,
    record: LockRecord,
    tag: Tag,
    /// A renewal that was sent, when first, and that nobody knows the end of.
    open: Option<(LockRecord, Duration)>,
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.lease.lose("its heartbeat has ended".into());
        self.lease.ended.raise(CancelStage::Drain);
    }
}

impl Heartbeat {
    pub(crate) fn new(lease: Arc<Lease>, key: String, record: LockRecord, tag: Tag) -> Self {
        Self { lease, key, record, tag, open: None }
    }

    /// Renews until the lock is to be given back, or is lost.
    pub async fn run(mut self, blobs: Arc<dyn BlobStore>) {
        let clock = Arc::clone(&self.lease.clock);
        let period = self.lease.timing.period();
        let mut next = self.lease.sent() + period;
        while self.pause(clock.as_ref(), next.saturating_sub(clock.monotonic())).await {
            match self.renew(blobs.as_ref(), clock.as_ref()).await {
                Ok(()) => next = self.lease.sent() + period,
                // Nothing is decided. The gate closes by itself if this goes on.
                Err(StateError::Unknown { .. } | StateError::Io { .. }) => {
                    next = clock.monotonic() + period / 4;
                }
                Err(error) => return self.lease.lose(error.to_string()),
            }
        }
        // From here on no call may start, whatever becomes of the answer.
        self.lease.lose("it was given back".into());
        self.release(blobs.as_ref()).await;
    }

    /// `false`: the lock is to be given back.
    async fn pause(&self, clock: &dyn Clock, time: Duration) -> bool {
        let mut stop = self.lease.stop.reached(CancelStage::Drain);
        let mut sleep = clock.sleep(time);
        std::future::poll_fn(|cx| {
            if Pin::new(&mut stop).poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            Pin::new(&mut sleep).poll(cx).map(|()| true)
        })
        .await
    }

    /// One renewal. Who waits counts from when it saw this; so the time that counts here is when it was first sent.
    async fn renew(&mut self, blobs: &dyn BlobStore, clock: &dyn Clock) -> Result<(), StateError> {
        let now = clock.monotonic();
        let (record, sent) =
            self.open.get_or_insert_with(|| (self.record.next(LockState::Held), now)).clone();
        let when = Condition::IfMatch(self.tag.clone());
        let place = || blobs.place(&self.key);
        match attempt(blobs, &self.key, &record, &when).await? {
            Some(Written::Ours(tag)) => {
                self.open = None;
                (self.record, self.tag) = (record, tag);
                self.lease.renewed(sent);
                Ok(())
            }
            Some(Written::Other(other)) => Err(StateError::Fenced { place: place(), why: taken_by(other) }),
            None => Err(StateError::Unknown { place: place(), why: "a renewal did not arrive".into() }),
        }
    }

    /// Gives it back, also where the last renewal is not decided.
    async fn release(&mut self, blobs: &dyn BlobStore) {
        // A renewal under way may still arrive, and then is what this has to follow.
        let before = self.open.take().map_or_else(|| self.record.clone(), |(record, _)| record);
        let mut free = before.next(LockState::Released);
        let mut when = Condition::IfMatch(self.tag.clone());
        for _ in 0..2 {
            match write(blobs, &self.key, &free, &when).await {
                Ok(Written::Ours(_)) => return,
                Ok(Written::Other(Some(other)))
                    if other.nonce == free.nonce && other.state == LockState::Held =>
                {
                    free = other.next(LockState::Released);
                    match blobs.get(&self.key).await {
                        Ok(Some(blob)) => when = Condition::IfMatch(blob.tag),
                        Ok(None) => return,
                        Err(error) => return self.lease.failed(error),
                    }
                }
                // Lost before it could be given back: it is not ours to give.
                Ok(Written::Other(_)) => return,
                Err(error) => return self.lease.failed(error),
            }
        }
    }
}

fn taken_by(other: Option<Box<LockRecord>>) -> String {
    match other {
        None => "its record is gone".into(),
        Some(record) => match (record.state, record.breaker) {
            (LockState::Breaking, Some(breaker)) => format!("it was taken away by {breaker}"),
            (LockState::Released, _) => "it was taken away".into(),
            _ => format!("it was taken over by {}", record.holder),
        },
    }
}
