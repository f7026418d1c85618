//! Time that passes when everybody waits, and an executor on it: one thread, in a fixed order.

use datamesh_provider::{BoxFuture, Clock, Context};
use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

#[derive(Default)]
struct Inner {
    now: Duration,
    /// When somebody wants to be woken.
    alarms: Vec<Duration>,
    tasks: Vec<BoxFuture<'static, ()>>,
}

/// A world of tasks. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct World {
    inner: Arc<Mutex<Inner>>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "World({:?})", self.monotonic())
    }
}

impl World {
    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.with(|inner| inner.tasks.push(Box::pin(task)));
    }

    pub(crate) fn context(&self, seed: u64) -> Context {
        Context { clock: Arc::new(self.clone()), ..crate::support::context(seed) }
    }

    /// Drops what runs beside: everything that lives in a killed process.
    pub(crate) fn kill_tasks(&self) {
        // Dropped outside of the lock: a task may ask for the time as it ends.
        drop(self.with(|inner| std::mem::take(&mut inner.tasks)));
    }

    fn poll_tasks(&self) {
        let mut cx = std::task::Context::from_waker(Waker::noop());
        let tasks = self.with(|inner| std::mem::take(&mut inner.tasks));
        let mut left = Vec::new();
        for mut task in tasks {
            if task.as_mut().poll(&mut cx).is_pending() {
                left.push(task);
            }
        }
        self.with(|inner| {
            let new = std::mem::replace(&mut inner.tasks, left);
            inner.tasks.extend(new);
        });
    }

    /// Runs a future, and all tasks beside it. When all wait, the time goes on to the next alarm.
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = Box::pin(future);
        let mut cx = std::task::Context::from_waker(Waker::noop());
        loop {
            // Several rounds, since one task may have something for another.
            for _ in 0..4 {
                if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
                    return value;
                }
                self.poll_tasks();
            }
            self.with(|inner| {
                let now = inner.now;
                inner.alarms.retain(|at| *at > now);
                inner.now = *inner.alarms.iter().min().expect("somebody waits for time to pass");
            });
        }
    }
}

impl Clock for World {
    fn now(&self) -> jiff::Timestamp {
        let start: jiff::Timestamp = "2026-03-01T08:15:00Z".parse().expect("a time");
        start.checked_add(self.monotonic()).expect("a time")
    }

    fn monotonic(&self) -> Duration {
        self.with(|inner| inner.now)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        let world = self.clone();
        let until = self.monotonic() + time;
        let set = Cell::new(false);
        let waits = poll_fn(move |_| {
            if !set.replace(true) {
                world.with(|inner| inner.alarms.push(until));
            }
            if world.monotonic() >= until { Poll::Ready(()) } else { Poll::Pending }
        });
        let waits: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(waits);
        waits
    }
}
