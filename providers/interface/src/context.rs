//! What a provider is given by the run it works for: time, entropy, cancellation, the lease, events.
//!
//! These are plain traits, so that tests and the simulation can hand in their own.

use crate::event::EventSink;
use crate::provider::BoxFuture;
use crate::secret::SecretResolver;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

/// Time, as the run sees it.
pub trait Clock: Send + Sync {
    /// The wall clock, for records that people read.
    fn now(&self) -> jiff::Timestamp;
    /// A clock that never goes back, for measuring and waiting.
    fn monotonic(&self) -> Duration;
    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()>;
}

/// Random bytes, as the run draws them.
pub trait Entropy: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);
}

/// The lease over the locked shards: asked before each call that may change a system.
pub trait LeaseGate: Send + Sync {
    /// Whether at least `call` of lease is left.
    fn permit(&self, call: Duration) -> Result<(), LeaseLost>;
}

/// The lease is gone or too short: no further call may start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lock on the state is no longer held: {why}")]
pub struct LeaseLost {
    pub why: String,
}

/// A gate that is always open: for runs that hold no lock, such as plans.
#[derive(Clone, Copy, Debug)]
pub struct OpenGate;

impl LeaseGate for OpenGate {
    fn permit(&self, _: Duration) -> Result<(), LeaseLost> {
        Ok(())
    }
}

/// How urgently the run is being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CancelStage {
    Running,
    /// Start nothing new, stop waiting for visibility, let calls under way answer.
    Drain,
    /// Give up on calls under way: their outcome is indeterminate.
    Abort,
}

/// Two-stage cancellation that any executor can await. Clones share the stage.
#[derive(Clone, Default)]
pub struct Cancel {
    inner: Arc<CancelInner>,
}

#[derive(Default)]
struct CancelInner {
    stage: AtomicU8,
    wakers: Mutex<Wakers>,
}

/// One waker for each future that waits; gone when the future is.
#[derive(Default)]
struct Wakers {
    next: u64,
    waiting: BTreeMap<u64, Waker>,
}

impl Cancel {
    pub fn stage(&self) -> CancelStage {
        match self.inner.stage.load(Ordering::SeqCst) {
            0 => CancelStage::Running,
            1 => CancelStage::Drain,
            _ => CancelStage::Abort,
        }
    }

    /// Whether nothing new may start.
    pub fn is_draining(&self) -> bool {
        self.stage() >= CancelStage::Drain
    }

    /// Moves to a stage; never back.
    pub fn raise(&self, stage: CancelStage) {
        self.inner.stage.fetch_max(stage as u8, Ordering::SeqCst);
        let wakers = std::mem::take(&mut self.inner.lock().waiting);
        wakers.into_values().for_each(Waker::wake);
    }

    /// Completes once the stage is at least this one.
    pub fn reached(&self, stage: CancelStage) -> impl Future<Output = ()> + Send + Unpin + 'static {
        Reached { cancel: self.clone(), stage, key: None }
    }
}

impl CancelInner {
    fn lock(&self) -> MutexGuard<'_, Wakers> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Reached {
    cancel: Cancel,
    stage: CancelStage,
    key: Option<u64>,
}

impl Future for Reached {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<()> {
        let cancel = self.cancel.clone();
        let mut wakers = cancel.inner.lock();
        let key = *self.key.get_or_insert_with(|| {
            wakers.next += 1;
            wakers.next
        });
        // Registered before the check, so that a raise in between is not missed.
        wakers.waiting.insert(key, cx.waker().clone());
        if cancel.stage() >= self.stage { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.cancel.inner.lock().waiting.remove(&key);
        }
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cancel({:?})", self.stage())
    }
}

/// Bounds on calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallBudget {
    /// One call may take no longer.
    pub call_timeout: Duration,
    /// How many calls of one system may be under way.
    pub parallelism: usize,
    /// How many operations one write of the state may announce; `None`: the plan's own bound.
    pub group: Option<usize>,
    /// How long to wait for a write to become readable; `None`: the provider's own bound.
    pub settle: Option<Duration>,
}

impl Default for CallBudget {
    fn default() -> Self {
        Self { call_timeout: Duration::from_secs(30), parallelism: 10, group: None, settle: None }
    }
}

/// Everything a provider may use of the run.
#[derive(Clone)]
pub struct Context {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub cancel: Cancel,
    pub lease: Arc<dyn LeaseGate>,
    pub secrets: Arc<dyn SecretResolver>,
    pub events: Arc<dyn EventSink>,
    pub budget: CallBudget,
    /// The lineages of all shards of this mesh: an object that carries the mark of one of them is not another mesh's.
    /// What came from another domain carries that domain's until it is changed the next time.
    pub lineages: Arc<BTreeSet<String>>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("cancel", &self.cancel)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// Sleeps, unless the run is being stopped: then returns `false` at once.
    pub async fn pause(&self, time: Duration) -> bool {
        let mut stop = self.cancel.reached(CancelStage::Drain);
        let mut sleep = self.clock.sleep(time);
        std::future::poll_fn(|cx| {
            if Pin::new(&mut stop).poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            Pin::new(&mut sleep).poll(cx).map(|()| true)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancellation_wakes_and_never_goes_back() {
        let cancel = Cancel::default();
        let waits = cancel.reached(CancelStage::Drain);
        cancel.clone().raise(CancelStage::Abort);
        cancel.raise(CancelStage::Drain);
        assert_eq!(cancel.stage(), CancelStage::Abort);
        futures::executor::block_on(waits);
    }

    #[test]
    fn a_future_keeps_one_waker_however_often_it_is_polled() {
        let cancel = Cancel::default();
        let mut waits = cancel.reached(CancelStage::Drain);
        let mut cx = std::task::Context::from_waker(Waker::noop());
        for _ in 0..100 {
            assert!(Pin::new(&mut waits).poll(&mut cx).is_pending());
        }
        assert_eq!(cancel.inner.lock().waiting.len(), 1);
        drop(waits);
        assert!(cancel.inner.lock().waiting.is_empty());
    }
}
