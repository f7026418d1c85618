//! What happens while a run goes on: one enum, consumed by the human output, the progress bars and `--json`.

use crate::address::{Address, SystemName};
use crate::diagnostic::Diagnostic;
use crate::error::ProviderError;
use crate::operation::{OpAction, Outcome};
use std::time::Duration;

/// One thing that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A phase of the run began: `load`, `resolve`, `refresh`, `plan`, `check`, `apply`, `recover`.
    Phase {
        name: &'static str,
    },
    /// Reading a system began.
    RefreshStart {
        system: SystemName,
        objects: usize,
    },
    /// This many of its objects have been read so far.
    RefreshProgress {
        system: SystemName,
        done: usize,
    },
    RefreshComplete {
        system: SystemName,
        objects: usize,
        took: Duration,
    },
    RefreshFailed {
        system: SystemName,
        error: ProviderError,
    },
    /// A group of the execution graph began; `index` counts from 1.
    GroupStart {
        index: usize,
        groups: usize,
        operations: usize,
    },
    OperationStart {
        address: Address,
        action: OpAction,
        step: String,
    },
    OperationComplete {
        address: Address,
        action: OpAction,
        step: String,
        outcome: Box<Outcome>,
        took: Duration,
    },
    /// Something takes long: what is being waited for, in words.
    Waiting {
        what: String,
        for_how_long: Duration,
    },
    Diagnostic {
        diagnostic: Diagnostic,
    },
}

/// Takes events. Must not block: it is called from within calls to systems.
pub trait EventSink: Send + Sync {
    fn event(&self, event: Event);
}

/// Drops every event.
#[derive(Clone, Copy, Debug)]
pub struct NoEvents;

impl EventSink for NoEvents {
    fn event(&self, _: Event) {}
}
