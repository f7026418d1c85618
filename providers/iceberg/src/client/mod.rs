//! The IO half: one provider over two kinds of catalog.

mod backend;
mod files;
mod http;
mod rest;
mod sql;

pub(crate) use backend::{Backend, Ended, Failure, Loaded, Origin, Places, guard, settled};

use crate::config::{self, Settings};
use crate::namespace::{self, IcebergNamespace};
use crate::table::{self, IcebergTable};
use async_trait::async_trait;
use datamesh_provider::{
    BoxFuture, ConnectRequest, Context, ErrorKind, Facts, Listed, ObjectId, OpDiagnostics, OpOutcome,
    Operation, Provider, ProviderError, ReadRequest, ReadResult, Refusal, Resource, Sink, TypeName,
};
use datamesh_provider::{Interruption, Outcome};
use futures::StreamExt;
use std::sync::Arc;
use std::time::Duration;

/// Builds the client of one catalog. No call is made yet.
pub(crate) fn connect(
    request: ConnectRequest,
) -> BoxFuture<'static, Result<Arc<dyn Provider>, ProviderError>> {
    Box::pin(async move { open(&request).map(|catalog| Arc::new(catalog) as Arc<dyn Provider>) })
}

fn open(request: &ConnectRequest) -> Result<Catalog, ProviderError> {
    let bad = |message: String| {
        ProviderError::new(ErrorKind::Config, &request.name, "its settings")
            .during("connect")
            .message(message)
    };
    let (settings, found) = config::decode(&request.settings);
    let settings = settings.ok_or_else(|| {
        let first = found.errors().next().map(|d| d.detail.clone());
        bad(first.unwrap_or_else(|| "the settings are not valid".into()))
    })?;
    let root = std::path::absolute(&request.root).map_err(|error| bad(error.to_string()))?;
    let backend: Arc<dyn Backend> = match settings {
        Settings::Sql(settings) => Arc::new(sql::SqlBackend::new(&request.name, &settings, &root)),
        Settings::Rest(settings) => {
            let http = http::Http::new(&request.name, &settings, &root, &request.context)?;
            Arc::new(rest::RestBackend::new(http, *settings, root))
        }
    };
    Ok(Catalog { backend })
}

#[derive(Debug)]
struct Catalog {
    backend: Arc<dyn Backend>,
}

impl Catalog {
    async fn read_one(&self, cx: &Context, want: &ReadRequest) -> ReadResult {
        let backend = self.backend.as_ref();
        let result = match want.ty.as_str() {
            IcebergTable::NAME => table::read::read(backend, cx, want).await,
            IcebergNamespace::NAME => namespace::read::read(backend, cx, want).await,
            other => Err(unknown_type(backend, other)),
        };
        ReadResult { ty: want.ty.clone(), id: want.id.clone(), result }
    }

    async fn apply_one(&self, cx: &Context, op: &Operation) -> OpOutcome {
        let backend = self.backend.as_ref();
        let work = async {
            match op.ty.as_str() {
                IcebergTable::NAME => table::apply::apply(backend, cx, op).await,
                IcebergNamespace::NAME => namespace::apply::apply(backend, cx, op).await,
                other => Outcome::Rejected(Refusal { error: unknown_type(backend, other) }),
            }
        };
        let abort = cx.cancel.reached(datamesh_provider::CancelStage::Abort);
        let outcome = match futures::future::select(Box::pin(work), Box::pin(abort)).await {
            futures::future::Either::Left((outcome, _)) => outcome,
            futures::future::Either::Right(_) => Outcome::Indeterminate(Interruption::Stopped),
        };
        OpOutcome { id: op.id.clone(), outcome }
    }
}

fn unknown_type(backend: &dyn Backend, ty: &str) -> ProviderError {
    backend
        .origin()
        .error(ErrorKind::Invalid, "handle an object")
        .message(format!("there is no type `{ty}` here"))
}

#[async_trait]
impl Provider for Catalog {
    async fn facts(&self, cx: &Context) -> Result<Facts, ProviderError> {
        self.backend.facts(cx).await
    }

    async fn read(&self, cx: &Context, want: &[ReadRequest], out: &dyn Sink<ReadResult>) {
        let reads = want.iter().map(|want| async move { out.put(self.read_one(cx, want).await) });
        let reads: Vec<BoxFuture<'_, ()>> = reads.map(|read| Box::pin(read) as BoxFuture<'_, ()>).collect();
        run_all(reads, cx).await;
    }

    async fn list(&self, cx: &Context, ty: &TypeName, out: &dyn Sink<Listed>) -> Result<(), ProviderError> {
        let namespaces = self.backend.namespaces(cx).await?;
        match ty.as_str() {
            IcebergNamespace::NAME => {
                namespaces.iter().for_each(|id| out.put(ObjectId(id.to_string()).into()));
                Ok(())
            }
            IcebergTable::NAME => {
                for namespace in &namespaces {
                    let tables = self.backend.tables(cx, namespace).await?;
                    tables.into_iter().for_each(|id| out.put(ObjectId(id.to_string()).into()));
                }
                Ok(())
            }
            other => Err(unknown_type(self.backend.as_ref(), other)),
        }
    }

    async fn check(&self, _: &Context, ops: &[Operation], out: &dyn Sink<OpDiagnostics>) {
        for op in ops {
            let diagnostics = match op.ty.as_str() {
                IcebergTable::NAME => table::apply::check(self.backend.places(), op),
                _ => namespace::apply::check(op),
            };
            if !diagnostics.is_empty() {
                out.put(OpDiagnostics { id: op.id.clone(), about: Vec::new(), diagnostics });
            }
        }
    }

    async fn apply(&self, cx: &Context, ops: &[Operation], out: &dyn Sink<OpOutcome>) {
        let calls = ops.iter().map(|op| async move { out.put(self.apply_one(cx, op).await) });
        let calls: Vec<BoxFuture<'_, ()>> = calls.map(|call| Box::pin(call) as BoxFuture<'_, ()>).collect();
        run_all(calls, cx).await;
    }

    fn settle(&self) -> Duration {
        self.backend.settle()
    }
}

/// Runs everything, as many at once as the budget allows.
async fn run_all(work: Vec<BoxFuture<'_, ()>>, cx: &Context) {
    futures::stream::iter(work).for_each_concurrent(cx.budget.parallelism.max(1), |work| work).await;
}
