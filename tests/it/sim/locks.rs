//! The locks of the simulation: leases on its store, or locks of a machine that die with their process; and what must
//! be true of whoever has one.

use super::check::ENVIRONMENT;
use super::executor::{Handle, ProcessId};
use super::park::Park;
use super::store::SimStore;
use datamesh_provider::{CallBudget, OperationId};
use datamesh_state::{Heartbeat, LeaseLocks, LeaseTiming, Locks as _, Spawner, StateStore};
use futures::FutureExt as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Where leases are kept.
pub(crate) const FOLDER: &str = "_locks/";

/// The calls of living processes: the domain, and when each began.
pub(crate) type Calls = BTreeMap<(ProcessId, OperationId), (String, Duration)>;

/// The state as a process sees it.
pub(crate) fn state_of(park: &Arc<Park>, process: ProcessId) -> StateStore {
    let store = Arc::new(SimStore::new(Arc::clone(park), process));
    if !park.leases {
        return StateStore::new(store, Arc::new(park.locks.clone()));
    }
    let (clock, entropy) = {
        let reins = park.reins();
        let one = &reins[&process];
        (Arc::clone(&one.clock), Arc::clone(&one.entropy))
    };
    let beside = Beside { exec: park.exec.clone(), process, store: Arc::clone(&store) };
    let timing = LeaseTiming::for_calls(CallBudget::default().call_timeout);
    let locks = LeaseLocks::new(store.clone(), clock, entropy, Arc::new(beside), timing);
    StateStore::new(store, Arc::new(locks))
}

/// Heartbeats live, sleep and die with their process.
struct Beside {
    exec: Handle,
    process: ProcessId,
    store: Arc<SimStore>,
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Beside({})", self.process)
    }
}

impl Spawner for Beside {
    fn spawn(&self, heartbeat: Heartbeat) {
        let store = Arc::clone(&self.store);
        self.exec.spawn(self.process, async move { heartbeat.run(store).await });
    }
}

/// A lock as it is stored.
struct Lease {
    state: String,
    who: String,
    nonce: String,
    /// Unchanged for this long, anybody may have it.
    patience: Duration,
}

impl Lease {
    fn read(bytes: &[u8]) -> Option<Self> {
        let record: Value = serde_json::from_slice(bytes).ok()?;
        let text = |of: &Value| of.as_str().map(str::to_owned);
        let millis = |name: &str| record["timing"][name].as_u64().map(Duration::from_millis);
        let state = text(&record["state"])?;
        let patience = match state.as_str() {
            "held" => millis("ttl_ms")?,
            "breaking" => millis("heartbeat_ms")? + millis("call_timeout_ms")?,
            _ => Duration::ZERO,
        };
        Some(Self { state, who: text(&record["holder"]["who"])?, nonce: text(&record["nonce"])?, patience })
    }
}

/// A lock was written: nobody else's is taken before its time.
pub(crate) fn written(park: &Park, key: &str, before: Option<(&[u8], Duration)>, after: &[u8]) {
    let Some(next) = Lease::read(after) else {
        return park.violated(format!("the lock {key} is not readable"));
    };
    let Some((bytes, since)) = before else { return };
    let Some(was) = Lease::read(bytes) else { return };
    if next.state != "held" || next.nonce == was.nonce || was.state == "released" {
        return;
    }
    let unchanged = park.exec.now().saturating_sub(since);
    park.tally().taken_over += 1;
    park.say(&format!("{key} is taken over from {} after {unchanged:?}", was.who));
    if unchanged < was.patience {
        park.violated(format!("{key} was {} by {}, and taken after {unchanged:?}", was.state, was.who));
    }
}

/// Who holds the lock of a domain now, or held it last and has it taken away.
fn holder(park: &Park, domain: &str) -> Option<String> {
    let key = format!("{ENVIRONMENT}/{domain}");
    if !park.leases {
        return park.locks.holder(&key).now_or_never()?.ok()?.map(|info| info.who);
    }
    let lease = Lease::read(park.blobs().get(&format!("{FOLDER}{key}"))?)?;
    (lease.state != "released").then_some(lease.who)
}

/// A process is about to call a system about a domain: it has the lock, and nobody who had it before is still calling.
pub(crate) fn call_starts(park: &Park, process: ProcessId, domain: &str) -> Result<(), String> {
    let (who, holder) = (park.name_of(process), holder(park, domain));
    if holder.as_ref() != Some(&who) {
        return Err(format!("the lock of its domain is held by {holder:?}"));
    }
    let now = park.exec.now();
    let bound = CallBudget::default().call_timeout;
    let calls = park.calls();
    let other = calls.iter().find(|((other, _), (of, began))| {
        *other != process && of == domain && now < *began + bound && !park.exec.is_dead(*other)
    });
    match other {
        Some(((other, id), _)) => Err(format!("{} is still calling: {}", park.name_of(*other), id.0)),
        None => Ok(()),
    }
}
