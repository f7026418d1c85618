//! SIGINT and SIGTERM, as people and CI hosts send them.
//!
//! The first one starts nothing new and gives calls under way the grace; only a second SIGINT shortens that. A
//! SIGTERM after a SIGINT does not: a cancelled CI job sends both within seconds.

use datamesh_provider::{Cancel, CancelStage, Clock, Context};
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Watches for signals for as long as the program runs, on a thread of its own: whatever the others are busy with, a
/// signal is heard.
pub fn watch_signals(cx: &Context, grace: Duration) -> io::Result<()> {
    let (cancel, clock) = (cx.cancel.clone(), Arc::clone(&cx.clock));
    let (ready, listens) = mpsc::sync_channel(1);
    let watch = move || match listen() {
        Ok((runtime, signals)) => {
            // Who asked waits for it.
            let _ = ready.send(Ok(()));
            runtime.block_on(watch(&cancel, clock.as_ref(), grace, signals));
        }
        Err(error) => drop(ready.send(Err(error))),
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watch)?;
    listens.recv().unwrap_or_else(|gone| Err(io::Error::other(gone)))
}

/// What is heard of interrupts, and of terminations.
type Signals = (Signal, Signal);

fn listen() -> io::Result<(Runtime, Signals)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    Ok((runtime, signals))
}

async fn watch(cancel: &Cancel, clock: &dyn Clock, grace: Duration, signals: Signals) {
    let (mut interrupts, mut terminations) = signals;
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
}
