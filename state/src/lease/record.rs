//! The document of one lock: who has it, and how long it lasts without a sign of life.

use crate::StateError;
use crate::blob::{Blob, LockInfo};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The format this version reads and writes.
const FORMAT: u64 = 1;

/// How long things take that others rely on. Written into each record: who waits goes by what the holder promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseTiming {
    /// Without a sign of life for this long, the lock is free.
    #[serde(rename = "ttl_ms", with = "millis")]
    pub ttl: Duration,
    /// The holder starts no call once its last sign of life is this old. It gives one more often than that.
    #[serde(rename = "heartbeat_ms", with = "millis")]
    pub heartbeat: Duration,
    /// No call of the holder takes longer.
    #[serde(rename = "call_timeout_ms", with = "millis")]
    pub call_timeout: Duration,
}

impl LeaseTiming {
    /// For a run whose calls take no longer than this.
    pub fn for_calls(call_timeout: Duration) -> Self {
        Self { ttl: call_timeout * 3, heartbeat: call_timeout, call_timeout }
    }

    /// How often the holder gives a sign of life: two may be lost before anything stops.
    pub(crate) fn period(&self) -> Duration {
        self.heartbeat / 3
    }

    /// One request to the store may take no longer.
    pub fn attempt(&self) -> Duration {
        self.ttl / 6
    }

    /// From the moment the holder can renew no more: how long until its last call has ended.
    pub fn drained(&self) -> Duration {
        self.heartbeat + self.call_timeout
    }
}

impl Default for LeaseTiming {
    fn default() -> Self {
        Self::for_calls(Duration::from_secs(30))
    }
}

mod millis {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

/// What a lock is. The object of a lock is never deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LockState {
    Held,
    Released,
    /// Somebody takes it away from its holder; nobody has it until the holder's last call has ended.
    Breaking,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockRecord {
    pub(crate) format: u64,
    pub(crate) state: LockState,
    /// Names one holding of this one lock. With `beat` it names one write.
    pub(crate) nonce: String,
    /// One more with each write under this nonce.
    pub(crate) beat: u64,
    pub(crate) holder: LockInfo,
    pub(crate) timing: LeaseTiming,
    /// Who takes it away, while somebody does.
    pub(crate) breaker: Option<LockInfo>,
}

impl LockRecord {
    pub(crate) fn held(nonce: String, holder: LockInfo, timing: LeaseTiming) -> Self {
        Self { format: FORMAT, state: LockState::Held, nonce, beat: 1, holder, timing, breaker: None }
    }

    /// The next write under the same nonce.
    pub(crate) fn next(&self, state: LockState) -> Self {
        Self { state, beat: self.beat + 1, ..self.clone() }
    }

    /// Whether this is what that write wrote.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.nonce == other.nonce && self.beat == other.beat && self.state == other.state
    }

    /// Unchanged for this long, whatever the holder last did has ended, and the lock can be had.
    pub(crate) fn patience(&self) -> Duration {
        match self.state {
            LockState::Held => self.timing.ttl,
            LockState::Breaking => self.timing.drained(),
            LockState::Released => Duration::ZERO,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        text.push(b'\n');
        text
    }

    pub(crate) fn decode(blob: &Blob) -> Result<Self, StateError> {
        let corrupt = |why: String| StateError::Corrupt { place: blob.place.clone(), why };
        let value: serde_json::Value = serde_json::from_slice(&blob.bytes)
            .map_err(|error| corrupt(format!("this lock is not JSON: {error}")))?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(FORMAT) => {}
            Some(found) => {
                let place = blob.place.clone();
                return Err(StateError::Unsupported { place, found, known: FORMAT });
            }
            None => return Err(corrupt("this lock does not say which format it has".into())),
        }
        let record: Self = serde_json::from_value(value).map_err(|error| corrupt(error.to_string()))?;
        if record.nonce.is_empty() || record.timing.ttl < record.timing.drained() {
            return Err(corrupt("this lock makes no sense".into()));
        }
        Ok(record)
    }
}
