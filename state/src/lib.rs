//! State shards: format, storage, locks, and the compare-and-swap protocol above them.
//!
//! One shard per environment and domain holds what the tool owns ([`Shard`]): records of resources, and intents
//! of operations under way. From the bottom up:
//!
//! - [`BlobStore`] and [`Locks`]: what a backend has to offer; [`LocalStore`] and [`MemoryStore`] are two.
//! - [`StateStore`]: reading without a lock, locking, and writing by compare-and-swap with every ambiguity
//!   resolved. Written once, for all backends.
//! - [`Codec`]: what is compressed and encrypted on the way to a backend, and from it.
//! - [`Shard`]'s own functions: begin an operation, store its outcome, decide what became of one that was cut off.
//!   Plain values in, plain values out.

mod across;
mod audit;
mod blob;
mod codec;
pub mod codes;
#[cfg(feature = "conformance")]
pub mod conformance;
mod document;
mod edit;
mod error;
mod format;
mod history;
mod ident;
mod journal;
mod lease;
mod locked;
mod moves;
mod opening;
mod probe;
mod published;
mod recover;
mod reseal;
mod shard;
mod shared;
mod store;

pub use across::{Objection, Others};
pub use audit::{
    AUDIT_FORMAT, Actor, AuditRecord, Begun, Edited, Ended, Entry, Filed, Finding, Link, RunResult, Step,
    StepOutcome, Trail, open_runs, verify as verify_records,
};
pub use blob::coded::CodedBlobs;
pub use blob::faulty::{FaultyBlobs, Moment, PutFault};
pub use blob::local::LocalStore;
pub use blob::memory::MemoryStore;
#[cfg(feature = "s3")]
pub use blob::s3::{S3Keys, S3Settings, S3Store};
pub use blob::{Attempt, Blob, BlobStore, Broken, Condition, Held, LockInfo, Locks, PutError, Tag};
pub use codec::{Codec, KeyError, KeyRing, StateKey, is_key_id};
pub use document::{Created, DocumentKey, DocumentKind};
pub use error::{StateError, StateErrorKind};
pub use format::{
    Becomes, FORMAT, Incoming, Intent, MAX_BYTES, OnRemove, Origin, Record, Shard, Tombstone, decode, encode,
};
pub use journal::{JOURNAL_FORMAT, Journal, JournalEntry, Known};
#[cfg(feature = "s3")]
pub use lease::HeartbeatThread;
pub use lease::{Heartbeat, LeaseLocks, LeaseTiming, Spawner};
pub use locked::Locked;
pub use moves::Arrival;
pub use probe::probe;
pub use published::{Published, is_plan_name};
pub use recover::{Recovery, recover};
pub use shard::ShardError;
pub use shared::SharedRecord;
pub use store::{Found, LockRequest, Seen, Snapshot, StateStore, shard_key};
