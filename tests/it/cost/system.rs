//! A system that takes what it is given: each operation costs the same, so that what is added by others can be told.

use async_trait::async_trait;
use datamesh_conformance::connected_by;
use datamesh_provider::{
    BoxFuture, ConnectRequest, Context, Facts, Listed, LiveObject, ObjectId, OpAction, OpDiagnostics,
    OpOutcome, Operation, Outcome, Provider, ProviderDef, ProviderError, ReadRequest, ReadResult, Sink,
    TypeName,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// All that is there, in every system.
static THERE: LazyLock<Mutex<BTreeMap<(TypeName, ObjectId), LiveObject>>> = LazyLock::new(Mutex::default);
/// What one operation costs, in microseconds.
static COST: AtomicU64 = AtomicU64::new(0);

/// Operations take so long each from now on.
pub(crate) fn operations_take(time: Duration) {
    COST.store(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Something that happens once, beside a call.
struct Once(Mutex<Option<BoxFuture<'static, ()>>>);

impl Once {
    const fn nothing() -> Self {
        Self(Mutex::new(None))
    }

    fn set(&self, work: impl Future<Output = ()> + Send + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(work));
    }

    async fn happen(&self) {
        let work = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(work) = work {
            work.await;
        }
    }
}

static AT_READING: Once = Once::nothing();
static AT_OPERATING: Once = Once::nothing();

/// What happens while a run begins to read a system, once.
pub(crate) fn while_reading(work: impl Future<Output = ()> + Send + 'static) {
    AT_READING.set(work);
}

/// What happens while the next operations are under way, once.
pub(crate) fn while_operating(work: impl Future<Output = ()> + Send + 'static) {
    AT_OPERATING.set(work);
}

/// Nothing is there any more.
pub(crate) fn begin_anew() {
    there().clear();
}

fn there() -> MutexGuard<'static, BTreeMap<(TypeName, ObjectId), LiveObject>> {
    THERE.lock().unwrap_or_else(PoisonError::into_inner)
}

static KAFKA: ProviderDef = connected_by("kafka", datamesh_kafka::DEF.types, connect);
static REGISTRY: ProviderDef = connected_by("registry", datamesh_schema_registry::DEF.types, connect);
static ICEBERG: ProviderDef = connected_by("iceberg", datamesh_iceberg::TYPES, connect);
static CATALOG: ProviderDef = connected_by("catalog", datamesh_catalog::DEF.types, connect);

/// The program's providers, on this one.
pub(crate) static ALL: &[&ProviderDef] = &[&KAFKA, &REGISTRY, &ICEBERG, &CATALOG];

fn connect(request: ConnectRequest) -> BoxFuture<'static, Result<Arc<dyn Provider>, ProviderError>> {
    Box::pin(async move {
        let system: Arc<dyn Provider> = Arc::new(Plain { name: request.name });
        Ok(system)
    })
}

#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) name: String,
}

#[async_trait]
impl Provider for Plain {
    async fn facts(&self, _: &Context) -> Result<Facts, ProviderError> {
        AT_READING.happen().await;
        Ok(Facts { identity: self.name.clone(), ..Facts::default() })
    }

    async fn read(&self, _: &Context, want: &[ReadRequest], out: &dyn Sink<ReadResult>) {
        for request in want {
            let found = there().get(&(request.ty.clone(), request.id.clone())).cloned();
            out.put(ReadResult { ty: request.ty.clone(), id: request.id.clone(), result: Ok(found) });
        }
    }

    async fn list(&self, _: &Context, ty: &TypeName, out: &dyn Sink<Listed>) -> Result<(), ProviderError> {
        there().keys().filter(|(of, _)| of == ty).for_each(|(_, id)| out.put(id.clone().into()));
        Ok(())
    }

    async fn check(&self, _: &Context, _: &[Operation], _: &dyn Sink<OpDiagnostics>) {}

    async fn apply(&self, cx: &Context, operations: &[Operation], out: &dyn Sink<OpOutcome>) {
        AT_OPERATING.happen().await;
        let count = u32::try_from(operations.len()).unwrap_or(u32::MAX);
        cx.clock.sleep(Duration::from_micros(COST.load(Ordering::Relaxed)) * count).await;
        for operation in operations {
            let key = (operation.ty.clone(), operation.object.clone());
            let outcome = match (operation.action, &operation.planned) {
                (OpAction::Create | OpAction::Update, Some(planned)) => {
                    let object = LiveObject {
                        id: operation.object.clone(),
                        incarnation: Some(operation.object.as_str().to_owned()),
                        attributes: planned.clone(),
                        computed: Default::default(),
                        owner: None,
                    };
                    there().insert(key, object.clone());
                    Outcome::Done(object)
                }
                _ => {
                    there().remove(&key);
                    Outcome::Deleted
                }
            };
            out.put(OpOutcome { id: operation.id.clone(), outcome });
        }
    }

    fn settle(&self) -> Duration {
        Duration::ZERO
    }
}
