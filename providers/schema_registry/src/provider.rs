//! The IO half: one connection to one registry.

use crate::client::Api;
use crate::codes::LIST_CUT;
use crate::config;
use crate::http::Http;
use crate::subject::{DEFAULT_LEVEL, DEFAULT_MODE, apply, check, read};
use async_trait::async_trait;
use datamesh_provider::{
    BoxFuture, ConnectRequest, Context, Diagnostic, ErrorKind, Event, Facts, Listed, ObjectId, OpDiagnostics,
    OpOutcome, Operation, Provider, ProviderError, ReadRequest, ReadResult, Sink, TypeName,
};
use futures::stream::{self, StreamExt as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a write may take to become readable. Registries answer a write once their leader has it; followers
/// need a moment.
const SETTLE: Duration = Duration::from_secs(10);

/// Apicurio cuts its list here by default (`apicurio.ccompat.max-subjects`) and has no second page.
const CUT_AT: usize = 1000;

/// Builds the client. Makes no call.
pub(crate) async fn connect(request: ConnectRequest) -> Result<Arc<dyn Provider>, ProviderError> {
    let (settings, found) = config::decode(&request.settings);
    let Some(settings) = settings else {
        let why: Vec<String> = found.errors().map(|d| d.detail.clone()).collect();
        return Err(ProviderError::new(ErrorKind::Config, request.name, "nowhere").message(why.join(" ")));
    };
    let http = Http::new(&request.name, &settings, &request.root, &request.context).await?;
    Ok(Arc::new(Registry { api: Api { http } }))
}

#[derive(Debug)]
struct Registry {
    api: Api,
}

#[async_trait]
impl Provider for Registry {
    async fn facts(&self, cx: &Context) -> Result<Facts, ProviderError> {
        let (level, mode) = futures::try_join!(self.api.default_level(cx), self.api.default_mode(cx))?;
        let known = [(DEFAULT_LEVEL, level), (DEFAULT_MODE, mode)].into_iter();
        let capabilities: BTreeMap<String, String> =
            known.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        let identity = self.api.http.base().as_str().trim_end_matches('/').to_owned();
        Ok(Facts { identity, capabilities })
    }

    /// Each subject is asked for by its name. The list of all would say sooner what exists, but not what does
    /// not: it may be cut, and may leave out what we are not allowed to see.
    async fn read(&self, cx: &Context, want: &[ReadRequest], out: &dyn Sink<ReadResult>) {
        let mut work = Work::new();
        for request in want {
            work.push(Box::pin(async move {
                let result = read::read(&self.api, cx, request).await;
                out.put(ReadResult { ty: request.ty.clone(), id: request.id.clone(), result });
            }));
        }
        concurrently(cx, work).await;
    }

    async fn list(&self, cx: &Context, _: &TypeName, out: &dyn Sink<Listed>) -> Result<(), ProviderError> {
        let subjects = self.api.subjects(cx).await?;
        if subjects.len() == CUT_AT {
            let detail = format!(
                "The registry named exactly {CUT_AT} subjects, which is where Apicurio cuts its list; there may be more."
            );
            let help = "Raise `apicurio.ccompat.max-subjects` on the server.";
            let diagnostic = Diagnostic::warning(LIST_CUT, detail).help(help);
            cx.events.event(Event::Diagnostic { diagnostic });
        }
        subjects.into_iter().for_each(|subject| out.put(ObjectId::new(subject).into()));
        Ok(())
    }

    async fn check(&self, cx: &Context, ops: &[Operation], out: &dyn Sink<OpDiagnostics>) {
        let mut work = Work::new();
        for op in ops {
            work.push(Box::pin(async move {
                for (about, diagnostic) in check::check(&self.api, cx, op).await {
                    out.put(OpDiagnostics { id: op.id.clone(), about, diagnostics: diagnostic.into() });
                }
            }));
        }
        concurrently(cx, work).await;
    }

    async fn apply(&self, cx: &Context, ops: &[Operation], out: &dyn Sink<OpOutcome>) {
        let settle = cx.budget.settle.unwrap_or(SETTLE);
        let mut work = Work::new();
        for op in ops {
            work.push(Box::pin(async move {
                let outcome = apply::apply(&self.api, cx, op, settle).await;
                out.put(OpOutcome { id: op.id.clone(), outcome });
            }));
        }
        concurrently(cx, work).await;
    }

    fn settle(&self) -> Duration {
        SETTLE
    }
}

type Work<'a> = Vec<BoxFuture<'a, ()>>;

async fn concurrently(cx: &Context, work: Work<'_>) {
    stream::iter(work).buffer_unordered(cx.budget.parallelism.max(1)).collect::<Vec<()>>().await;
}

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
