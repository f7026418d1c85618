//! An executor of its own: one thread, a clock that only moves when nothing else can, and a seed that picks who is
//! next.
//!
//! Tasks belong to processes. A process can be suspended, so that none of its tasks runs for a while, or killed, so
//! that all of them are dropped where they wait.

use datamesh_provider::{BoxFuture, Clock, Entropy};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// A process of the simulated machine park. [`NETWORK`] carries messages and is never disturbed.
pub(crate) type ProcessId = u64;
pub(crate) const NETWORK: ProcessId = 0;

type TaskId = u64;

/// What is on its way arrives within this time or never.
const FAR: Duration = Duration::from_secs(30 * 86_400);

/// The splitmix64 generator.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or(0)
    }

    /// Whether something happens that happens this often in a thousand times.
    pub(crate) fn hits(&mut self, per_mille: u64) -> bool {
        self.next() % 1000 < per_mille
    }

    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.next() % (to - from).max(1))
    }
}

#[derive(Default)]
struct Inner {
    now: Duration,
    next: u64,
    timers: BTreeMap<(Duration, u64), Waker>,
    ready: BTreeSet<TaskId>,
    spawned: Vec<(TaskId, ProcessId, BoxFuture<'static, ()>)>,
    /// Whose tasks are to be dropped.
    killed: BTreeSet<ProcessId>,
    dead: BTreeSet<ProcessId>,
    /// No task of these runs before then.
    suspended: BTreeMap<ProcessId, Duration>,
    /// How often a task of each was polled.
    polls: BTreeMap<ProcessId, u64>,
    current: ProcessId,
}

/// The part of the executor that tasks see. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Handle {
    inner: Arc<Mutex<Inner>>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle(at {:?})", self.now())
    }
}

impl Handle {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Duration {
        self.inner().now
    }

    /// The process whose task runs now.
    pub(crate) fn current(&self) -> ProcessId {
        self.inner().current
    }

    /// Starts a task of a process.
    pub(crate) fn spawn(&self, process: ProcessId, task: impl Future<Output = ()> + Send + 'static) {
        let mut inner = self.inner();
        inner.next += 1;
        let id = inner.next;
        inner.spawned.push((id, process, Box::pin(task)));
    }

    /// Drops every task of a process, where it waits.
    pub(crate) fn kill(&self, process: ProcessId) {
        let mut inner = self.inner();
        inner.killed.insert(process);
        inner.dead.insert(process);
    }

    pub(crate) fn is_dead(&self, process: ProcessId) -> bool {
        self.inner().dead.contains(&process)
    }

    /// Lets a process run no further for a while.
    pub(crate) fn suspend(&self, process: ProcessId, time: Duration) {
        let mut inner = self.inner();
        let until = inner.now + time;
        inner.suspended.insert(process, until);
    }

    pub(crate) fn polls(&self, process: ProcessId) -> u64 {
        self.inner().polls.get(&process).copied().unwrap_or(0)
    }

    pub(crate) fn sleep(&self, time: Duration) -> Sleep {
        let until = self.now() + time.min(FAR);
        Sleep { handle: self.clone(), until, key: None }
    }
}

/// Completes when the clock gets there.
#[derive(Debug)]
pub(crate) struct Sleep {
    handle: Handle,
    until: Duration,
    key: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let handle = self.handle.clone();
        let mut inner = handle.inner();
        if inner.now >= self.until {
            return Poll::Ready(());
        }
        let key = *self.key.get_or_insert_with(|| {
            inner.next += 1;
            inner.next
        });
        inner.timers.insert((self.until, key), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.handle.inner().timers.remove(&(self.until, key));
        }
    }
}

struct Alarm {
    handle: Handle,
    task: TaskId,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.handle.inner().ready.insert(self.task);
    }
}

struct Task {
    process: ProcessId,
    future: BoxFuture<'static, ()>,
}

/// Runs tasks until nothing is left to do.
pub(crate) struct Executor {
    handle: Handle,
    rng: Rng,
    tasks: BTreeMap<TaskId, Task>,
}

impl Executor {
    pub(crate) fn new(seed: u64) -> Self {
        Self { handle: Handle::default(), rng: Rng::new(seed), tasks: BTreeMap::new() }
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs until no task is left, or `step` says so; it is asked after each. `false`: tasks are left that wait for
    /// nothing that could still happen.
    pub(crate) fn run(&mut self, mut step: impl FnMut(ProcessId) -> bool) -> bool {
        loop {
            self.take_in();
            let Some(id) = self.pick() else {
                if self.tasks.is_empty() {
                    return true;
                }
                if self.advance() {
                    continue;
                }
                return false;
            };
            let process = self.poll(id);
            if !step(process) {
                return true;
            }
        }
    }

    fn take_in(&mut self) {
        loop {
            let (spawned, killed) = {
                let mut inner = self.handle.inner();
                (std::mem::take(&mut inner.spawned), std::mem::take(&mut inner.killed))
            };
            for (id, process, future) in spawned {
                self.handle.inner().ready.insert(id);
                self.tasks.insert(id, Task { process, future });
            }
            if killed.is_empty() {
                return;
            }
            let dead: Vec<TaskId> =
                self.tasks.iter().filter(|(_, t)| killed.contains(&t.process)).map(|(id, _)| *id).collect();
            // What a task does when it is dropped may start others.
            for id in dead {
                self.tasks.remove(&id);
            }
        }
    }

    fn pick(&mut self) -> Option<TaskId> {
        let mut inner = self.handle.inner();
        let now = inner.now;
        inner.ready.retain(|id| self.tasks.contains_key(id));
        let asleep = |process| inner.suspended.get(&process).is_some_and(|until| *until > now);
        let ready: Vec<TaskId> =
            inner.ready.iter().filter(|id| !asleep(self.tasks[id].process)).copied().collect();
        let id = *ready.get(self.rng.below(ready.len()))?;
        inner.ready.remove(&id);
        Some(id)
    }

    /// Moves the clock to the next thing that can happen.
    fn advance(&mut self) -> bool {
        let mut inner = self.handle.inner();
        let now = inner.now;
        let timer = inner.timers.keys().next().map(|(at, _)| *at);
        let frozen = inner.ready.iter().filter_map(|id| {
            let process = self.tasks.get(id)?.process;
            inner.suspended.get(&process).copied()
        });
        let Some(next) = timer.into_iter().chain(frozen.min()).min() else { return false };
        inner.now = next.max(now);
        let now = inner.now;
        let later = inner.timers.split_off(&(now + Duration::from_nanos(1), 0));
        let due = std::mem::replace(&mut inner.timers, later);
        drop(inner);
        due.into_values().for_each(Waker::wake);
        true
    }

    fn poll(&mut self, id: TaskId) -> ProcessId {
        let Some(mut task) = self.tasks.remove(&id) else { return NETWORK };
        {
            let mut inner = self.handle.inner();
            inner.current = task.process;
            *inner.polls.entry(task.process).or_default() += 1;
        }
        let waker = Waker::from(Arc::new(Alarm { handle: self.handle.clone(), task: id }));
        let process = task.process;
        if task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            self.tasks.insert(id, task);
        }
        self.handle.inner().current = NETWORK;
        process
    }
}

/// The clocks of one process: the steady one of the simulation, and a calendar that may be set.
#[derive(Debug)]
pub(crate) struct ProcessClock {
    handle: Handle,
    /// Seconds the calendar is ahead.
    ahead: Mutex<i64>,
}

impl ProcessClock {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, ahead: Mutex::new(0) }
    }

    pub(crate) fn set_ahead(&self, seconds: i64) {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = seconds;
    }
}

/// The calendar of the simulation.
pub(crate) fn calendar(passed: Duration, ahead: i64) -> jiff::Timestamp {
    let start = jiff::Timestamp::from_second(1_790_000_000 + ahead).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    start.checked_add(passed).unwrap_or(start)
}

impl Clock for ProcessClock {
    fn now(&self) -> jiff::Timestamp {
        calendar(self.handle.now(), *self.ahead.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn monotonic(&self) -> Duration {
        self.handle.now()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(self.handle.sleep(time))
    }
}

/// Random numbers of one process.
#[derive(Debug)]
pub(crate) struct ProcessEntropy(Mutex<Rng>);

impl ProcessEntropy {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(Rng::new(seed)))
    }
}

impl Entropy for ProcessEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&rng.next().to_le_bytes()[..chunk.len()]);
        }
    }
}
