//! SIGINT and SIGTERM, as people and CI hosts send them.
//!
//! The first one starts nothing new and gives calls under way the grace; only a second SIGINT shortens that. A
//! SIGTERM after a SIGINT does not: a cancelled CI job sends both within seconds.

use datamesh_provider::{CancelStage, Context};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Watches for signals for as long as the program runs.
pub fn watch_signals(cx: &Context, grace: Duration) -> std::io::Result<()> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let (cancel, clock) = (cx.cancel.clone(), std::sync::Arc::clone(&cx.clock));
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupts.recv() => {}
            _ = terminations.recv() => {}
        }
        cancel.raise(CancelStage::Drain);
        tokio::select! {
            _ = interrupts.recv() => {}
            () = clock.sleep(grace) => {}
        }
        cancel.raise(CancelStage::Abort);
    });
    Ok(())
}
