//! The simulated machine park: processes, the systems they change, the store they share, and what goes wrong.

use super::actors::Reins;
use super::check::Watch;
use super::executor::{Handle, ProcessId, Rng};
use super::locks::Calls;
use super::scenario::{Cast, LockKind};
use super::store::Blobs;
use datamesh_conformance::{Store, Thing};
use datamesh_state::MemoryStore;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often what goes wrong, in a thousand messages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    /// Requests to the store that never arrive.
    pub(crate) put_lost: u64,
    /// Answers of the store that never arrive.
    pub(crate) put_unanswered: u64,
    /// Writes that arrive after their sender gave up.
    pub(crate) put_late: u64,
    /// Writes that arrive twice.
    pub(crate) put_twice: u64,
    /// Writes the store refuses although it should not.
    pub(crate) put_refused: u64,
    /// Writes the store says it cannot do now.
    pub(crate) put_failed: u64,
    pub(crate) get_failed: u64,
    /// Calls that never arrive.
    pub(crate) call_lost: u64,
    /// Calls whose answer never arrives.
    pub(crate) call_unanswered: u64,
    /// Calls that have their effect late.
    pub(crate) call_late: u64,
    /// Calls that are refused.
    pub(crate) call_refused: u64,
    /// Reads of a system that nobody answers.
    pub(crate) read_failed: u64,
}

/// An object of a system: system, type, name.
pub(crate) type ObjectKey = (String, String, String);

/// An object in one incarnation.
type Version = (ObjectKey, Option<String>);

/// What is true of an object, whatever the state says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    /// The tool made it.
    Ours,
    /// The tool made it, and let it go on purpose.
    LetGo,
    /// Somebody else made it.
    Theirs,
}

/// The last lines of what happened, and a digest of all of them.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) last: VecDeque<String>,
    pub(crate) lines: u64,
    pub(crate) digest: u64,
    pub(crate) keep: usize,
}

/// What the steps that are counted were good for: a simulation in which nothing happens proves nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) puts: u64,
    pub(crate) effects: u64,
    pub(crate) faults: u64,
    pub(crate) kills: u64,
    pub(crate) applies: u64,
    pub(crate) recovered: u64,
    pub(crate) stale: u64,
    pub(crate) locked: u64,
    pub(crate) drifts: u64,
    pub(crate) fenced: u64,
    /// Calls that were not made because the lock was, or might be, lost.
    pub(crate) closed: u64,
    /// Locks taken from whoever gave no sign of life.
    pub(crate) taken_over: u64,
    /// Locks taken away by force.
    pub(crate) broken: u64,
    /// Looks at what drifted.
    pub(crate) looks: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.puts += other.puts;
        self.effects += other.effects;
        self.faults += other.faults;
        self.kills += other.kills;
        self.applies += other.applies;
        self.recovered += other.recovered;
        self.stale += other.stale;
        self.locked += other.locked;
        self.drifts += other.drifts;
        self.fenced += other.fenced;
        self.closed += other.closed;
        self.taken_over += other.taken_over;
        self.broken += other.broken;
        self.looks += other.looks;
    }
}

/// Everything there is in one simulation.
pub(crate) struct Park {
    pub(crate) exec: Handle,
    pub(crate) systems: Store,
    /// Locks that die with their process.
    pub(crate) locks: MemoryStore,
    /// Locks are leases on the store instead.
    pub(crate) leases: bool,
    /// Operations of one group at most.
    pub(crate) group: Option<usize>,
    /// The store's answers say how old their content is.
    pub(crate) dates: bool,
    rng: Mutex<Rng>,
    rates: Mutex<Rates>,
    names: Mutex<BTreeMap<ProcessId, String>>,
    reins: Mutex<BTreeMap<ProcessId, Reins>>,
    blobs: Mutex<Blobs>,
    watch: Mutex<Watch>,
    calls: Mutex<Calls>,
    truth: Mutex<BTreeMap<ObjectKey, Truth>>,
    /// What somebody else changed, replaced or took away, as it was each time, by incarnation.
    earlier: Mutex<BTreeMap<Version, Vec<Thing>>>,
    /// Objects somebody else had a hand in.
    touched: Mutex<BTreeSet<ObjectKey>>,
    trace: Mutex<Trace>,
    tally: Mutex<Tally>,
    violation: Mutex<Option<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Park {
    pub(crate) fn new(exec: Handle, seed: u64, rates: Rates, cast: Cast, keep: usize) -> Arc<Self> {
        Arc::new(Self {
            exec,
            systems: Store::memory(),
            locks: MemoryStore::default(),
            leases: cast.locks != LockKind::OfTheMachine,
            group: cast.group,
            dates: seed.is_multiple_of(2),
            rng: Mutex::new(Rng::new(seed ^ 0xfa17)),
            rates: Mutex::new(rates),
            names: Mutex::default(),
            reins: Mutex::default(),
            blobs: Mutex::default(),
            watch: Mutex::default(),
            calls: Mutex::default(),
            truth: Mutex::default(),
            earlier: Mutex::default(),
            touched: Mutex::default(),
            trace: Mutex::new(Trace { keep, ..Trace::default() }),
            tally: Mutex::default(),
            violation: Mutex::default(),
        })
    }

    pub(crate) fn rng(&self) -> MutexGuard<'_, Rng> {
        lock(&self.rng)
    }

    /// From here on everything works.
    pub(crate) fn heal(&self) {
        *lock(&self.rates) = Rates::default();
    }

    /// Whether something goes wrong that goes wrong this often.
    pub(crate) fn fails(&self, rate: impl Fn(&Rates) -> u64) -> bool {
        let rate = rate(&lock(&self.rates));
        let hit = rate > 0 && self.rng().hits(rate);
        self.tally().faults += u64::from(hit);
        hit
    }

    pub(crate) fn reins(&self) -> MutexGuard<'_, BTreeMap<ProcessId, Reins>> {
        lock(&self.reins)
    }

    pub(crate) fn blobs(&self) -> MutexGuard<'_, Blobs> {
        lock(&self.blobs)
    }

    pub(crate) fn watch(&self) -> MutexGuard<'_, Watch> {
        lock(&self.watch)
    }

    pub(crate) fn calls(&self) -> MutexGuard<'_, Calls> {
        lock(&self.calls)
    }

    pub(crate) fn truth(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, Truth>> {
        lock(&self.truth)
    }

    pub(crate) fn touched(&self) -> MutexGuard<'_, BTreeSet<ObjectKey>> {
        lock(&self.touched)
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.tally)
    }

    pub(crate) fn trace(&self) -> MutexGuard<'_, Trace> {
        lock(&self.trace)
    }

    pub(crate) fn name(&self, process: ProcessId, name: &str) {
        lock(&self.names).insert(process, name.to_owned());
    }

    pub(crate) fn name_of(&self, process: ProcessId) -> String {
        lock(&self.names).get(&process).cloned().unwrap_or_else(|| "network".to_owned())
    }

    /// One line of what happened.
    pub(crate) fn say(&self, line: &str) {
        let who = self.name_of(self.exec.current());
        let line = format!("{:>12.3}s {who:<12} {line}", self.exec.now().as_secs_f64());
        let mut trace = self.trace();
        for byte in line.bytes() {
            trace.digest = (trace.digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        trace.lines += 1;
        trace.last.push_back(line);
        if trace.last.len() > trace.keep {
            trace.last.pop_front();
        }
    }

    /// The simulation ends here: something happened that must not happen.
    pub(crate) fn violated(&self, what: String) {
        self.say(&format!("VIOLATED: {what}"));
        lock(&self.violation).get_or_insert(what);
    }

    pub(crate) fn violation(&self) -> Option<String> {
        lock(&self.violation).clone()
    }

    /// Takes a moment, as every message does.
    pub(crate) async fn travel(&self) {
        let time = self.rng().millis(1, 40);
        self.exec.sleep(time).await;
    }

    /// A live object as it is now.
    pub(crate) fn thing(&self, key: &ObjectKey) -> Option<Thing> {
        let (system, ty, id) = key;
        let look = |world: &mut datamesh_conformance::World| {
            world.systems.get(system)?.objects.get(ty)?.get(id).cloned()
        };
        self.systems.transact(look).ok().flatten()
    }

    /// An object as it was each time somebody else changed it, replaced it or took it away.
    pub(crate) fn earlier(&self, key: &ObjectKey, incarnation: &Option<String>) -> Vec<Thing> {
        lock(&self.earlier).get(&(key.clone(), incarnation.clone())).cloned().unwrap_or_default()
    }

    /// Puts an object there, or takes it away, behind everybody's back.
    pub(crate) fn put_thing(&self, key: &ObjectKey, thing: Option<Thing>) {
        if let Some(before) = self.thing(key) {
            let version = (key.clone(), before.incarnation.clone());
            lock(&self.earlier).entry(version).or_default().push(before);
        }
        let (system, ty, id) = key;
        let put = |world: &mut datamesh_conformance::World| {
            let system = world.systems.entry(system.clone()).or_default();
            let things = system.objects.entry(ty.clone()).or_default();
            match thing {
                Some(thing) => drop(things.insert(id.clone(), thing)),
                None => drop(things.remove(id)),
            }
        };
        self.systems.transact(put).expect("a world in memory");
    }

    /// Every live object.
    pub(crate) fn things(&self) -> BTreeMap<ObjectKey, Thing> {
        let all = |world: &mut datamesh_conformance::World| {
            let mut all = BTreeMap::new();
            for (system, world) in &world.systems {
                for (ty, things) in &world.objects {
                    all.extend(
                        things.iter().map(|(id, t)| ((system.clone(), ty.clone(), id.clone()), t.clone())),
                    );
                }
            }
            all
        };
        self.systems.transact(all).unwrap_or_default()
    }
}

/// A message is given up after this time.
pub(crate) const STORE_TIMEOUT: Duration = Duration::from_secs(5);
