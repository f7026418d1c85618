//! The systems of the simulation: fakes behind a network that loses and delays what it carries.

use super::executor::{NETWORK, ProcessId};
use super::park::{ObjectKey, Park, Truth};
use async_trait::async_trait;
use datamesh_conformance::testing::jumping_context;
use datamesh_conformance::{FakeSystem, connected_by};
use datamesh_provider::{
    BoxFuture, CancelStage, ConnectRequest, Context, ErrorKind, Facts, Interruption, Listed, OpDiagnostics,
    OpOutcome, Operation, Outcome, Provider, ProviderDef, ProviderError, ReadRequest, ReadResult, Refusal,
    Sink, TypeName,
};
use futures::channel::oneshot;
use futures::future::{Either, join_all, select};
use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

thread_local! {
    /// The park whose simulation this thread runs.
    static PARK: RefCell<Option<Arc<Park>>> = const { RefCell::new(None) };
}

pub(crate) fn enter(park: Option<Arc<Park>>) {
    PARK.with_borrow_mut(|slot| *slot = park);
}

pub(crate) fn here() -> Arc<Park> {
    PARK.with_borrow(Clone::clone).expect("a simulation runs on this thread")
}

static KAFKA: ProviderDef = connected_by("kafka", datamesh_kafka::DEF.types, connect);
static REGISTRY: ProviderDef = connected_by("registry", datamesh_schema_registry::DEF.types, connect);
static ICEBERG: ProviderDef = connected_by("iceberg", datamesh_iceberg::TYPES, connect);
static CATALOG: ProviderDef = connected_by("catalog", datamesh_catalog::DEF.types, connect);

/// The program's providers, on the systems of the simulation this thread runs.
pub(crate) static ALL: &[&ProviderDef] = &[&KAFKA, &REGISTRY, &ICEBERG, &CATALOG];

fn connect(request: ConnectRequest) -> BoxFuture<'static, Result<Arc<dyn Provider>, ProviderError>> {
    Box::pin(async move {
        let park = here();
        let inner = FakeSystem::new(&request.name, park.systems.clone());
        let process = park.exec.current();
        let system: Arc<dyn Provider> = Arc::new(SimSystem { park, process, name: request.name, inner });
        Ok(system)
    })
}

/// A write has its effect within this time of its call, or never.
const SETTLE: Duration = Duration::from_secs(60);

/// One system as one process sees it.
struct SimSystem {
    park: Arc<Park>,
    process: ProcessId,
    name: String,
    inner: FakeSystem,
}

impl fmt::Debug for SimSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimSystem({})", self.name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Normal,
    Lost,
    Unanswered,
    Late,
    Refused,
}

impl SimSystem {
    fn error(&self, kind: ErrorKind, message: &str) -> ProviderError {
        ProviderError::new(kind, self.name.clone(), "sim").message(message)
    }

    fn fate(&self) -> Fate {
        let park = &self.park;
        if park.fails(|rates| rates.call_lost) {
            Fate::Lost
        } else if park.fails(|rates| rates.call_unanswered) {
            Fate::Unanswered
        } else if park.fails(|rates| rates.call_late) {
            Fate::Late
        } else if park.fails(|rates| rates.call_refused) {
            Fate::Refused
        } else {
            Fate::Normal
        }
    }

    /// Sends a call. It has its effect, or not, whatever becomes of the caller.
    fn send(&self, operation: &Operation) -> oneshot::Receiver<Outcome> {
        let (answer, heard) = oneshot::channel();
        let fate = self.fate();
        let what = format!("{:?} {} {}", operation.action, operation.address, operation.step);
        self.park.say(&match fate {
            Fate::Normal => format!("calls: {what}"),
            _ => format!("calls: {what}, which will be {fate:?}"),
        });
        let refusal =
            Outcome::Rejected(Refusal { error: self.error(ErrorKind::Invalid, "refused on purpose") });
        let (park, inner, operation) = (Arc::clone(&self.park), self.inner.clone(), operation.clone());
        self.park.exec.spawn(NETWORK, async move {
            match fate {
                Fate::Lost => return,
                Fate::Late => {
                    let late = park.rng().millis(100, SETTLE.as_millis() as u64);
                    park.exec.sleep(late).await;
                }
                _ => park.travel().await,
            }
            let outcome = match fate {
                Fate::Refused => refusal,
                _ => effect(&park, &inner, &operation).await,
            };
            park.travel().await;
            if fate != Fate::Unanswered {
                let _ = answer.send(outcome);
            }
        });
        heard
    }

    async fn one(&self, cx: &Context, operation: &Operation) -> Outcome {
        let refused = |why: &str| Outcome::Rejected(Refusal { error: self.error(ErrorKind::Cancelled, why) });
        if cx.cancel.is_draining() {
            return refused("the run is being stopped; nothing was sent");
        }
        if let Err(lost) = cx.lease.permit(cx.budget.call_timeout) {
            self.park.say(&format!("may not call: {lost}"));
            self.park.tally().closed += 1;
            return refused(&lost.to_string());
        }
        super::check::call_starts(&self.park, self.process, operation);
        let call = (self.process, operation.id.clone());
        let began = (operation.address.domain().to_owned(), self.park.exec.now());
        self.park.calls().insert(call.clone(), began);
        let outcome = self.call(cx, operation).await;
        self.park.calls().remove(&call);
        outcome
    }

    async fn call(&self, cx: &Context, operation: &Operation) -> Outcome {
        let heard = self.send(operation);
        let timeout = Box::pin(self.park.exec.sleep(cx.budget.call_timeout));
        let given_up = select(timeout, cx.cancel.reached(CancelStage::Abort));
        match select(heard, given_up).await {
            Either::Left((Ok(outcome), _)) => outcome,
            Either::Left((Err(_), given_up)) => {
                given_up.await;
                self.no_answer()
            }
            Either::Right((Either::Left(_), _)) => self.no_answer(),
            Either::Right((Either::Right(_), _)) => Outcome::Indeterminate(Interruption::Stopped),
        }
    }

    fn no_answer(&self) -> Outcome {
        let error = self.error(ErrorKind::Unreachable, "no answer in time");
        Outcome::Indeterminate(Interruption::NoAnswer(error))
    }

    /// Whether the system answers a question.
    async fn asked(&self, cx: &Context) -> Result<(), ProviderError> {
        self.park.travel().await;
        if self.park.fails(|rates| rates.read_failed) {
            self.park.say(&format!("{} does not answer", self.name));
            self.park.exec.sleep(cx.budget.call_timeout).await;
            return Err(self.error(ErrorKind::Unreachable, "no answer in time"));
        }
        Ok(())
    }
}

pub(crate) fn key_of(operation: &Operation) -> ObjectKey {
    (operation.system.to_string(), operation.ty.as_str().to_owned(), operation.object.as_str().to_owned())
}

/// The call arrives at its system.
async fn effect(park: &Park, inner: &FakeSystem, operation: &Operation) -> Outcome {
    let key = key_of(operation);
    let before = park.thing(&key);
    let heard = Mutex::new(Vec::new());
    inner.apply(&jumping_context(), std::slice::from_ref(operation), &heard).await;
    let mut heard = heard.into_inner().unwrap_or_else(PoisonError::into_inner);
    let outcome = heard.pop().map_or(Outcome::Indeterminate(Interruption::Unreported), |heard| heard.outcome);
    let told = match &outcome {
        Outcome::Done(_) => "done",
        Outcome::Deleted => "deleted",
        Outcome::Stale(_) => "stale",
        _ => "refused",
    };
    park.say(&format!("{:?} {} {}: {told}", operation.action, operation.address, operation.step));
    if outcome.is_success() {
        park.tally().effects += 1;
        super::check::effect(park, operation, before.as_ref());
        let mut truth = park.truth();
        match (&outcome, &before) {
            (Outcome::Deleted, _) => drop(truth.remove(&key)),
            (_, None) => drop(truth.insert(key, Truth::Ours)),
            _ => {}
        }
    }
    outcome
}

#[async_trait]
impl Provider for SimSystem {
    async fn facts(&self, cx: &Context) -> Result<Facts, ProviderError> {
        self.asked(cx).await?;
        self.inner.facts(cx).await
    }

    async fn read(&self, cx: &Context, want: &[ReadRequest], out: &dyn Sink<ReadResult>) {
        if let Err(error) = self.asked(cx).await {
            for request in want {
                let result = Err(error.clone());
                out.put(ReadResult { ty: request.ty.clone(), id: request.id.clone(), result });
            }
            return;
        }
        // Each object at its own moment.
        for request in want {
            if self.park.rng().hits(250) {
                self.park.travel().await;
            }
            self.inner.read(cx, std::slice::from_ref(request), out).await;
        }
        self.park.travel().await;
    }

    async fn list(&self, cx: &Context, ty: &TypeName, out: &dyn Sink<Listed>) -> Result<(), ProviderError> {
        self.asked(cx).await?;
        self.inner.list(cx, ty, out).await
    }

    async fn check(&self, cx: &Context, ops: &[Operation], out: &dyn Sink<OpDiagnostics>) {
        self.inner.check(cx, ops, out).await;
    }

    async fn apply(&self, cx: &Context, ops: &[Operation], out: &dyn Sink<OpOutcome>) {
        for some in ops.chunks(cx.budget.parallelism.max(1)) {
            join_all(some.iter().map(|operation| async {
                let outcome = self.one(cx, operation).await;
                out.put(OpOutcome { id: operation.id.clone(), outcome });
            }))
            .await;
        }
    }

    fn settle(&self) -> Duration {
        SETTLE
    }
}
