//! A lease that is held, as its holder sees it.

use super::LeaseTiming;
use crate::StateError;
use crate::blob::Held;
use async_trait::async_trait;
use datamesh_provider::{Cancel, CancelStage, Clock, LeaseLost};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the holder and its heartbeat share.
pub(crate) struct Lease {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timing: LeaseTiming,
    life: Mutex<Life>,
    /// Raised once the lock is to be given back.
    pub(crate) stop: Cancel,
    /// Raised once the heartbeat has ended.
    pub(crate) ended: Cancel,
}

struct Life {
    /// When the last renewal was sent that was taken.
    sent: Duration,
    /// Why it is gone for good.
    lost: Option<String>,
    /// What became of giving it back.
    released: Option<StateError>,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let life = self.life();
        f.debug_struct("Lease").field("sent", &life.sent).field("lost", &life.lost).finish_non_exhaustive()
    }
}

impl Lease {
    pub(crate) fn new(clock: Arc<dyn Clock>, timing: LeaseTiming, sent: Duration) -> Self {
        let life = Mutex::new(Life { sent, lost: None, released: None });
        Self { clock, timing, life, stop: Cancel::default(), ended: Cancel::default() }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the last renewal was sent that was taken.
    pub(crate) fn sent(&self) -> Duration {
        self.life().sent
    }

    pub(crate) fn renewed(&self, sent: Duration) {
        self.life().sent = sent;
    }

    pub(crate) fn lose(&self, why: String) {
        self.life().lost.get_or_insert(why);
    }

    pub(crate) fn failed(&self, error: StateError) {
        self.life().released = Some(error);
    }

    fn permit(&self, call: Duration) -> Result<(), LeaseLost> {
        let now = self.clock.monotonic();
        let life = self.life();
        if let Some(why) = &life.lost {
            return Err(LeaseLost { why: why.clone() });
        }
        let age = now.saturating_sub(life.sent);
        // Whoever breaks the lock counts on this bound, whoever waits on the other.
        if age >= self.timing.heartbeat {
            let why = format!("it could not be renewed for {} s", age.as_secs());
            return Err(LeaseLost { why });
        }
        if call > self.timing.call_timeout || age + call > self.timing.ttl {
            let why = format!("a call of {} s would outlast it", call.as_secs());
            return Err(LeaseLost { why });
        }
        Ok(())
    }
}

/// Dropped, the heartbeat gives it back as soon as it can, and nobody waits for that.
#[derive(Debug)]
pub(crate) struct HeldLease {
    pub(crate) lease: Arc<Lease>,
    /// Where the holder before did not give it back: when its last call has ended.
    pub(crate) drained: Option<Duration>,
}

#[async_trait]
impl Held for HeldLease {
    fn permit(&self, call: Duration) -> Result<(), LeaseLost> {
        self.lease.permit(call)
    }

    fn taken_over(&self) -> Option<Duration> {
        self.drained.map(|drained| drained.saturating_sub(self.lease.clock.monotonic()))
    }

    async fn release(self: Box<Self>) -> Result<(), StateError> {
        self.lease.stop.raise(CancelStage::Drain);
        self.lease.ended.reached(CancelStage::Drain).await;
        let failed = self.lease.life().released.take();
        failed.map_or(Ok(()), Err)
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.lease.stop.raise(CancelStage::Drain);
    }
}
