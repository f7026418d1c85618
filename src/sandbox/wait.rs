//! The sandbox's clock: how long servers have taken, and pauses between questions.

use std::time::{Duration, Instant};

/// Time since a start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a server takes is shown, never stored or planned with"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// A pause that ends with the future that holds it.
#[expect(
    clippy::disallowed_methods,
    reason = "no run's context exists here; dropping the command cancels the pause"
)]
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
