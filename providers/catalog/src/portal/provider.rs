//! The IO half over the files.

use super::apply;
use super::pages::Pages;
use super::store::{Store, WriteLock};
use async_trait::async_trait;
use datamesh_provider::{
    Context, Diagnostic, ErrorKind, Event, Facts, Interruption, Listed, ObjectId, OpDiagnostics, OpOutcome,
    Operation, Outcome, Provider, ProviderError, ReadRequest, ReadResult, Refusal, Sink, TypeName,
};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::{JoinError, spawn_blocking};

/// How long to wait between two looks at the lock.
const LOOK: Duration = Duration::from_millis(50);
/// Files are read and written by one thread in runs of this length.
const CHUNK: usize = 256;

/// A portal.
#[derive(Debug)]
pub(super) struct Portal {
    store: Store,
    pages: Arc<Mutex<Pages>>,
}

impl Portal {
    pub(super) fn new(store: Store) -> Self {
        Self { store, pages: Arc::default() }
    }

    fn panicked(&self, error: &JoinError) -> ProviderError {
        self.store.error(ErrorKind::Protocol, "work on the files").message(error.to_string())
    }

    /// Waits for the lock as long as a call may take.
    async fn lock(&self, cx: &Context) -> Result<WriteLock, ProviderError> {
        let began = cx.clock.monotonic();
        loop {
            let store = self.store.clone();
            let tried = spawn_blocking(move || store.try_lock()).await;
            if let Some(lock) = tried.map_err(|error| self.panicked(&error))?? {
                return Ok(lock);
            }
            let late = cx.clock.monotonic().saturating_sub(began) >= cx.budget.call_timeout;
            if late || !cx.pause(LOOK).await {
                let kind = if late { ErrorKind::Throttled } else { ErrorKind::Cancelled };
                let error = self.store.error(kind, "lock the folder").message("another run is writing to it");
                return Err(error.hint("Wait until the other run is done."));
            }
        }
    }

    fn permit(&self, cx: &Context) -> Result<(), ProviderError> {
        let refused = |why: String| self.store.error(ErrorKind::Cancelled, "write an entity").message(why);
        if cx.cancel.is_draining() {
            return Err(refused("not started: the run is being stopped".to_owned()));
        }
        cx.lease.permit(cx.budget.call_timeout).map_err(|lost| refused(lost.to_string()))
    }

    /// Writes one entity; the lock comes back.
    async fn one(&self, cx: &Context, op: &Operation, lock: WriteLock) -> (Outcome, Option<WriteLock>) {
        if let Err(error) = self.permit(cx) {
            return (Outcome::Rejected(Refusal { error }), Some(lock));
        }
        let (store, op, nonce) = (self.store.clone(), op.clone(), nonce(cx));
        let done = spawn_blocking(move || (apply::apply(&store, &lock, &op, &nonce), lock)).await;
        match done {
            Ok((outcome, lock)) => (outcome, Some(lock)),
            Err(_) => (Outcome::Indeterminate(Interruption::Unreported), None),
        }
    }

    /// Brings the pages up to date. They are made from the entities at any time, so that a failure is a warning.
    async fn rebuild(&self, cx: &Context, lock: WriteLock) {
        let (store, nonce) = (self.store.clone(), nonce(cx));
        let mut pages = self.pages.clone().lock_owned().await;
        let found = spawn_blocking(move || {
            let found = pages.rebuild(&store, &lock, &nonce);
            drop(lock);
            found
        });
        let told = match found.await {
            Ok(found) => found,
            Err(error) => vec![super::pages::failed(&error.to_string())],
        };
        told.into_iter().for_each(|diagnostic: Diagnostic| cx.events.event(Event::Diagnostic { diagnostic }));
    }
}

#[async_trait]
impl Provider for Portal {
    async fn facts(&self, _: &Context) -> Result<Facts, ProviderError> {
        let store = self.store.clone();
        let probed = spawn_blocking(move || store.probe().map(|()| store.identity())).await;
        let identity = probed.map_err(|error| self.panicked(&error))??;
        Ok(Facts { identity, ..Facts::default() })
    }

    async fn read(&self, _: &Context, want: &[ReadRequest], out: &dyn Sink<ReadResult>) {
        for chunk in want.chunks(CHUNK) {
            let asked: Vec<(TypeName, ObjectId)> =
                chunk.iter().map(|request| (request.ty.clone(), request.id.clone())).collect();
            let store = self.store.clone();
            let read = spawn_blocking(move || {
                let read =
                    |(ty, id): &(TypeName, ObjectId)| Ok(store.read(ty, id)?.map(|document| document.live()));
                asked.iter().map(read).collect::<Vec<_>>()
            });
            let results = match read.await {
                Ok(results) => results,
                Err(error) => vec![Err(self.panicked(&error)); chunk.len()],
            };
            for (request, result) in chunk.iter().zip(results) {
                out.put(ReadResult { ty: request.ty.clone(), id: request.id.clone(), result });
            }
        }
    }

    async fn list(&self, _: &Context, ty: &TypeName, out: &dyn Sink<Listed>) -> Result<(), ProviderError> {
        let (store, ty) = (self.store.clone(), ty.clone());
        let ids = spawn_blocking(move || store.list(&ty)).await.map_err(|error| self.panicked(&error))??;
        ids.into_iter().for_each(|id| out.put(id.into()));
        Ok(())
    }

    /// Nothing could be asked that the plan does not know.
    async fn check(&self, _: &Context, _: &[Operation], _: &dyn Sink<OpDiagnostics>) {}

    async fn apply(&self, cx: &Context, ops: &[Operation], out: &dyn Sink<OpOutcome>) {
        let put = |op: &Operation, outcome| out.put(OpOutcome { id: op.id.clone(), outcome });
        let mut lock = None;
        let mut changed = false;
        for op in ops {
            let held = match lock.take() {
                Some(held) => Ok(held),
                // Before the lock, so that a run without a lease makes no folder either.
                None => match self.permit(cx) {
                    Ok(()) => self.lock(cx).await,
                    Err(error) => Err(error),
                },
            };
            let outcome = match held {
                Ok(held) => {
                    let (outcome, back) = self.one(cx, op, held).await;
                    lock = back;
                    outcome
                }
                Err(error) => Outcome::Rejected(Refusal { error }),
            };
            changed |= outcome.is_success();
            put(op, outcome);
        }
        if let Some(lock) = lock.filter(|_| changed) {
            self.rebuild(cx, lock).await;
        }
    }

    /// What was renamed into place can be read.
    fn settle(&self) -> Duration {
        Duration::ZERO
    }
}

fn nonce(cx: &Context) -> String {
    let mut bytes = [0u8; 16];
    cx.entropy.fill(&mut bytes);
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
#[path = "portal_tests.rs"]
mod tests;
