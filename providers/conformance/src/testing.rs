//! Contexts for tests: a clock that jumps or a real one, gates that are open or closed, entropy from a seed.

use datamesh_provider::{
    BoxFuture, CallBudget, Cancel, Clock, Context, Entropy, LeaseGate, LeaseLost, NoEvents, OpenGate,
    SecretError, SecretResolver,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A clock on which sleeping takes no time: it jumps.
#[derive(Debug, Default)]
pub struct JumpingClock {
    passed: Mutex<Duration>,
}

impl Clock for JumpingClock {
    fn now(&self) -> jiff::Timestamp {
        // Some day in 2023, plus what was slept; beyond the calendar's end it stands still.
        let start = jiff::Timestamp::from_second(1_700_000_000).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        start.checked_add(self.monotonic()).unwrap_or(start)
    }

    fn monotonic(&self) -> Duration {
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner) += time;
        Box::pin(std::future::ready(()))
    }
}

/// The machine's own clock, for suites on real servers. Sleeping needs a tokio runtime.
#[derive(Debug)]
pub struct RealClock {
    start: std::time::Instant,
}

impl Default for RealClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one clock that stands for the real one in tests"
    )]
    fn default() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Clock for RealClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one clock that stands for the real one in tests"
    )]
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one clock that stands for the real one in tests"
    )]
    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// The splitmix64 step: a small generator, the same everywhere.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Entropy that is the same again for the same seed, and of which no two seeds have a stretch in common.
#[derive(Debug, Default)]
pub struct SeededEntropy {
    state: AtomicU64,
}

impl SeededEntropy {
    pub fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(mix(seed)) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = mix(self.state.fetch_add(1, Ordering::SeqCst)).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

/// A gate that lets nothing through: the lease is lost.
#[derive(Clone, Copy, Debug)]
pub struct ClosedGate;

impl LeaseGate for ClosedGate {
    fn permit(&self, _: Duration) -> Result<(), LeaseLost> {
        Err(LeaseLost { why: "the test closed the gate".into() })
    }
}

/// Knows no secret.
#[derive(Clone, Copy, Debug)]
pub struct NoSecrets;

impl SecretResolver for NoSecrets {
    fn env(&self, name: &str) -> Result<String, SecretError> {
        Err(SecretError::NoVariable { name: name.to_owned() })
    }

    fn file(&self, path: &str) -> Result<String, SecretError> {
        Err(SecretError::NoFile { path: path.to_owned(), why: "tests have no secrets".into() })
    }
}

/// A context over this clock, with an open gate, no secrets and no listener.
pub fn context(clock: Arc<dyn Clock>) -> Context {
    Context {
        clock,
        entropy: Arc::new(SeededEntropy::default()),
        cancel: Cancel::default(),
        lease: Arc::new(OpenGate),
        secrets: Arc::new(NoSecrets),
        events: Arc::new(NoEvents),
        budget: CallBudget::default(),
        lineages: Arc::default(),
    }
}

/// A context on which waiting takes no time.
pub fn jumping_context() -> Context {
    context(Arc::new(JumpingClock::default()))
}
