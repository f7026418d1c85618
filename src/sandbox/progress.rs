//! What a sandbox tells about its work while it works.

use std::time::Duration;

/// One step of a command. `server` is the process's name in the table of servers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Another command works on this sandbox, or fetches the same files.
    WaitingForOther,
    /// Downloads; `bytes` in total.
    Fetching {
        bytes: u64,
        files: usize,
    },
    /// Unpacks what was downloaded.
    Unpacking,
    /// Compares every file with the committed lock file.
    Verifying {
        bytes: u64,
        files: usize,
    },
    /// Writes settings and formats storage.
    Preparing,
    /// The process runs; it is asked again and again whether it is ready.
    Starting {
        pid: u32,
        elapsed: Duration,
    },
    Ready {
        elapsed: Duration,
    },
    /// It ran before this command.
    AlreadyRunning {
        pid: u32,
    },
    Stopping {
        pid: u32,
    },
    Stopped,
    /// It did not run before this command.
    NotRunning,
    /// The data of the whole sandbox is gone.
    Wiped,
    Failed,
}

/// Receives the steps, of several servers at once.
pub trait Progress: Send + Sync {
    /// `server` is the process's name and title, such as `kafka` and `Apache Kafka 4.4.0`.
    fn step(&self, server: &Named<'_>, step: Step);
}

/// A server as people and commands call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    pub name: &'a str,
    pub title: &'a str,
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _: &Named<'_>, _: Step) {}
}
