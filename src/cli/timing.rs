//! What `--timing` tells: how long each system took to read.

use super::render::escape;
use datamesh_provider::{Event, EventSink, SystemName};
use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Listens to events on their way to somebody else.
pub(crate) struct Timing {
    next: Arc<dyn EventSink>,
    reads: Mutex<BTreeMap<SystemName, (usize, Duration)>>,
    operations: Mutex<(usize, Duration)>,
}

impl fmt::Debug for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timing").finish_non_exhaustive()
    }
}

impl Timing {
    pub(crate) fn new(next: Arc<dyn EventSink>) -> Self {
        Self { next, reads: Mutex::default(), operations: Mutex::default() }
    }

    /// A line a system.
    pub(crate) fn report(&self) -> String {
        let mut out = String::new();
        for (system, (objects, took)) in &*self.reads.lock().unwrap_or_else(PoisonError::into_inner) {
            let objects = super::render::human::plural(*objects, "object");
            let _ = writeln!(
                out,
                "{}: {objects} read in {:.2} s",
                escape::line(&system.to_string()),
                took.as_secs_f64()
            );
        }
        let (count, took) = *self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        if count > 0 {
            let operations = super::render::human::plural(count, "operation");
            let _ = writeln!(out, "{operations} carried out, {:.2} s in all", took.as_secs_f64());
        }
        out
    }
}

impl EventSink for Timing {
    fn event(&self, event: Event) {
        match &event {
            Event::RefreshComplete { system, objects, took } => {
                let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
                let entry = reads.entry(system.clone()).or_default();
                *entry = (entry.0 + objects, entry.1 + *took);
            }
            Event::OperationComplete { took, .. } => {
                let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
                *operations = (operations.0 + 1, operations.1 + *took);
            }
            _ => {}
        }
        self.next.event(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datamesh_provider::NoEvents;

    #[test]
    fn reads_of_one_system_add_up() {
        let timing = Timing::new(Arc::new(NoEvents));
        let system = SystemName::new("kafka", "default");
        for _ in 0..2 {
            timing.event(Event::RefreshComplete {
                system: system.clone(),
                objects: 3,
                took: Duration::from_millis(250),
            });
        }
        assert_eq!(timing.report(), "kafka.default: 6 objects read in 0.50 s\n");
    }
}
