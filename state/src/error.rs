//! What can go wrong with the state, and what to do about it.

use crate::blob::LockInfo;
use crate::codes;
use crate::shard::ShardError;
use datamesh_provider::Code;

/// The state cannot be read, locked or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    #[error("the state of domain {domain} in environment {environment} is locked{}", held_by(by.as_deref()))]
    Locked { environment: String, domain: String, by: Option<Box<LockInfo>> },
    #[error("{place} was changed by somebody else: {why}")]
    Fenced { place: String, why: String },
    #[error("{place} is damaged: {why}")]
    Corrupt { place: String, why: String },
    #[error("{place} has format {found}; this version knows format {known}")]
    Unsupported { place: String, found: u64, known: u64 },
    #[error("{place} belongs to {owner}, and this is {ours}")]
    Foreign { place: String, owner: String, ours: String },
    #[error("{place}: no answer says whether the write happened: {why}")]
    Unknown { place: String, why: String },
    #[error("{place}: {source}")]
    Io { place: String, source: std::io::Error },
    #[error("{place} would be broken: {source}")]
    Invalid { place: String, source: ShardError },
    #[error(
        "`{name}` cannot name {what} in the state: use letters, digits, `-` and `_`, and no `_` in front"
    )]
    Name { what: &'static str, name: String },
    #[error("no lock of environment {environment} has the id {id}{}", instead(held))]
    NotLocked { environment: String, id: String, held: Vec<String> },
    #[error("the lock on domain {domain} is held by a process that lives: {by}")]
    Living { domain: String, by: Box<LockInfo> },
    #[error("{place} cannot hold a state: {why}")]
    Unfit { place: String, why: String },
    #[error("{place} is not encrypted, and with these settings it has to be")]
    Plaintext { place: String },
    #[error("{place} is encrypted with the key `{key}`, {}", configured(known))]
    NoKey { place: String, key: String, known: Vec<String> },
    #[error(
        "{place} cannot be decrypted: either it was changed, or the key `{key}` is not the one it was encrypted with"
    )]
    Sealed { place: String, key: String },
    #[error("{why}")]
    Unproven { why: String },
    #[error("interrupted while waiting for the lock on domain {domain}")]
    Cancelled { domain: String },
}

fn held_by(by: Option<&LockInfo>) -> String {
    by.map(|info| format!(" by {info}")).unwrap_or_default()
}

fn configured(known: &[String]) -> String {
    match known {
        [] => "and no keys are configured".into(),
        known => format!("and the keys that are configured are `{}`", known.join("`, `")),
    }
}

fn instead(held: &[String]) -> String {
    match held {
        [] => "; none is held".into(),
        held => format!("; held are {}", held.join(", ")),
    }
}

/// What kind of failure it was: decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateErrorKind {
    Locked,
    Fenced,
    Corrupt,
    Unsupported,
    Foreign,
    Unknown,
    Io,
    Invalid,
    Name,
    Cancelled,
    NotLocked,
    Living,
    Unfit,
    Plaintext,
    NoKey,
    Sealed,
    Unproven,
}

impl StateError {
    pub fn kind(&self) -> StateErrorKind {
        match self {
            Self::Locked { .. } => StateErrorKind::Locked,
            Self::Fenced { .. } => StateErrorKind::Fenced,
            Self::Corrupt { .. } => StateErrorKind::Corrupt,
            Self::Unsupported { .. } => StateErrorKind::Unsupported,
            Self::Foreign { .. } => StateErrorKind::Foreign,
            Self::Unknown { .. } => StateErrorKind::Unknown,
            Self::Io { .. } => StateErrorKind::Io,
            Self::Invalid { .. } => StateErrorKind::Invalid,
            Self::Name { .. } => StateErrorKind::Name,
            Self::Cancelled { .. } => StateErrorKind::Cancelled,
            Self::NotLocked { .. } => StateErrorKind::NotLocked,
            Self::Living { .. } => StateErrorKind::Living,
            Self::Unfit { .. } => StateErrorKind::Unfit,
            Self::Plaintext { .. } => StateErrorKind::Plaintext,
            Self::NoKey { .. } => StateErrorKind::NoKey,
            Self::Sealed { .. } => StateErrorKind::Sealed,
            Self::Unproven { .. } => StateErrorKind::Unproven,
        }
    }

    pub fn code(&self) -> Code {
        match self.kind() {
            StateErrorKind::Locked => codes::LOCKED,
            StateErrorKind::Fenced => codes::FENCED,
            StateErrorKind::Corrupt => codes::CORRUPT,
            StateErrorKind::Unsupported => codes::UNSUPPORTED,
            StateErrorKind::Foreign => codes::FOREIGN,
            StateErrorKind::Unknown => codes::UNKNOWN,
            StateErrorKind::Io => codes::IO,
            StateErrorKind::Invalid => codes::INVALID,
            StateErrorKind::Name => codes::NAME,
            StateErrorKind::Cancelled => codes::CANCELLED,
            StateErrorKind::NotLocked => codes::NOT_LOCKED,
            StateErrorKind::Living => codes::LIVING,
            StateErrorKind::Unfit => codes::UNFIT,
            StateErrorKind::Plaintext => codes::PLAINTEXT,
            StateErrorKind::NoKey => codes::NO_KEY,
            StateErrorKind::Sealed => codes::SEALED,
            StateErrorKind::Unproven => codes::UNPROVEN,
        }
    }

    /// Whether the same call may work in a moment.
    pub fn retryable(&self) -> bool {
        matches!(self.kind(), StateErrorKind::Locked | StateErrorKind::Fenced)
    }

    /// Whether something was read, and cannot be what it should: asking again gives the same.
    pub(crate) fn is_content(&self) -> bool {
        use StateErrorKind::{Corrupt, NoKey, Plaintext, Sealed, Unsupported};
        matches!(self.kind(), Corrupt | NoKey | Plaintext | Sealed | Unsupported)
    }

    /// What to try.
    pub fn hint(&self) -> &'static str {
        match self.kind() {
            StateErrorKind::Locked => {
                "wait for it with `--lock-timeout 5m`; if that run is gone for good, see `datamesh force-unlock --help`"
            }
            StateErrorKind::Fenced => "run the same command again: it starts from the state as it is now",
            StateErrorKind::Corrupt => {
                "the state is never edited by hand; put the newest older file of that folder, or a backup, in its place"
            }
            StateErrorKind::Unsupported => "upgrade datamesh to the version that wrote it, or a newer one",
            StateErrorKind::Foreign => {
                "check that this is the right environment and the right storage; to make it this mesh's, see `datamesh state adopt-shard --help`"
            }
            StateErrorKind::Unknown => "run the same command again: it finds out what happened first",
            StateErrorKind::Io => {
                "check that the storage of the state is there, that it may be written to, and that it is not full"
            }
            StateErrorKind::Invalid => "nothing was written; this is a bug of datamesh, please report it",
            StateErrorKind::Name => "rename it in the manifest",
            StateErrorKind::Cancelled => "nothing was changed",
            StateErrorKind::NotLocked => "`datamesh lock list` shows what is held, and by whom",
            StateErrorKind::Living => "stop that process: its lock ends with it",
            StateErrorKind::Plaintext => {
                "if encryption was just configured, `datamesh state upgrade` encrypts what is there; if it was encrypted before, somebody replaced it"
            }
            StateErrorKind::NoKey => {
                "add that key to the environment's `state.encryption.keys`: the first of them writes, all of them read"
            }
            StateErrorKind::Sealed => {
                "check the value of that key; if it is right, put a backup in the place of what was changed"
            }
            StateErrorKind::Unproven => {
                "nothing was written; give the job an ID token for this environment's `audit.identity`, see \"Who did it\" in README.md"
            }
            StateErrorKind::Unfit => {
                "two runs at once would lose each other's work there; use a store with conditional writes"
            }
        }
    }
}
