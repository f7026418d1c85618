//! One cluster: its client, its calls with their bounds, and its errors with everything around them.

use crate::config::{Settings, resolve};
use crate::errors::{TLS_HINT, code};
use crate::sys::{Answer, Answers, Coded, ConfigEntry, Described, Handle, TopicShape, Trouble};
use datamesh_provider::{
    BoxFuture, CancelStage, ConnectRequest, Context, ErrorKind, ProviderError, Redactor,
};
use futures::stream::{self, StreamExt as _};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Topics in one request of a read: more answer no faster, and block the broker longer.
const PER_READ: usize = 250;
/// Requests of a read under way at a time.
const READS_IN_FLIGHT: usize = 4;
/// How often a read is tried.
const TRIES: u32 = 3;
/// How long a cluster that answers nobody may stay so before `facts` gives it up.
const PATIENCE: Duration = Duration::from_secs(3);

/// A connection to one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    system: String,
    endpoint: String,
    /// A broker, or a server of tokens, may repeat what it was sent.
    hidden: Redactor,
    handle: Arc<Handle>,
    /// Names of the access control bindings that were made over this connection.
    made: Arc<Mutex<HashSet<String>>>,
}

/// Takes the answer about each name.
type Each<'a, T> = dyn FnMut(&str, Result<T, Failure>) + Send + 'a;

/// How a call failed.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// With an error; `leaves_doubt` tells whether it may have had its effect.
    Error(Coded),
    /// The run was stopped while it was under way.
    Stopped,
}

impl Cluster {
    pub(crate) fn connect(request: &ConnectRequest) -> Result<Self, ProviderError> {
        let settings = Settings::read(&request.settings);
        let config_error = |endpoint: &str, message: String| {
            ProviderError::new(ErrorKind::Config, request.name.clone(), endpoint)
                .during("connect")
                .message(message)
                .hint("correct the cluster's settings in the Mesh document")
        };
        let resolved = resolve(&settings, &request.root, request.context.secrets.as_ref())
            .map_err(|error| config_error("", error.to_string()))?;
        let handle = Handle::open(&resolved.properties, resolved.oauth)
            .map_err(|message| config_error(&resolved.endpoint, resolved.hidden.clean(message)))?;
        let (endpoint, hidden) = (resolved.endpoint, resolved.hidden);
        Ok(Self {
            system: request.name.clone(),
            endpoint,
            hidden,
            handle: Arc::new(handle),
            made: Arc::default(),
        })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// As the Mesh document calls it.
    pub(crate) fn name(&self) -> &str {
        &self.system
    }

    /// Whether this very connection made a binding. Made by others, it is not ours.
    pub(crate) fn made(&self, binding: &str) -> bool {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).contains(binding)
    }

    pub(crate) fn note_made(&self, binding: &str, made: bool) {
        let mut all = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made {
            all.insert(binding.to_owned());
        } else {
            all.remove(binding);
        }
    }

    pub(crate) fn problem(&self, kind: ErrorKind) -> ProviderError {
        ProviderError::new(kind, self.system.clone(), self.endpoint.clone())
    }

    /// An error with everything around it. Where nobody answered, the last word of the network says more than
    /// "timed out".
    pub(crate) fn error(&self, error: &Coded, during: impl Into<String>) -> ProviderError {
        let mut kind = error.kind();
        let mut hint = error.hint();
        let mut message = error.message.clone();
        let mut name = error.name.clone();
        if kind == ErrorKind::Unreachable {
            let trouble = self.handle.trouble().borrow().clone();
            if let Some(why) = trouble.turned_away {
                (kind, hint, message, name) = (why.kind(), why.hint(), why.message, why.name);
            } else if let Some(last) = trouble.last {
                message = last;
            } else if error.code == code::TIMED_OUT {
                message = format!("no answer in time ({message})");
            }
            if message.contains("SSL") {
                hint = Some(TLS_HINT);
            }
        }
        let problem = self.problem(kind).during(during).code(name).message(self.hidden.clean(message));
        match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }

    pub(crate) fn failure(&self, failure: &Failure, during: impl Into<String>) -> ProviderError {
        match failure {
            Failure::Error(error) => self.error(error, during),
            Failure::Stopped => {
                self.problem(ErrorKind::Cancelled).during(during).message("the run was stopped")
            }
        }
    }

    /// Waits for an answer, unless the run is aborted.
    pub(crate) async fn ask<T>(&self, cx: &Context, answer: Result<Answer<T>, Coded>) -> Result<T, Failure> {
        let answer = answer.map_err(Failure::Error)?;
        tokio::select! {
            biased;
            got = answer.wait() => got.map_err(Failure::Error),
            () = cx.cancel.reached(CancelStage::Abort) => Err(Failure::Stopped),
        }
    }

    /// A read is tried again where that may help, within the time one call may take. `call` is told what is left.
    pub(crate) async fn again<T, F>(&self, cx: &Context, call: impl Fn(Duration) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let end = cx.clock.monotonic() + cx.budget.call_timeout;
        let mut left = cx.budget.call_timeout;
        for tried in 1.. {
            let failure = match call(left).await {
                Err(Failure::Error(error)) if tried < TRIES && passing(&error) => Failure::Error(error),
                other => return other,
            };
            let pause = backoff(cx, tried);
            left = end.saturating_sub(cx.clock.monotonic() + pause);
            if left.is_zero() || !cx.pause(pause).await {
                return Err(failure);
            }
        }
        Err(Failure::Stopped)
    }

    /// Every topic this principal may see.
    pub(crate) async fn all_topics(&self, cx: &Context) -> Result<HashMap<String, TopicShape>, Failure> {
        let call = |left| async move {
            let handle = Arc::clone(&self.handle);
            let work = tokio::task::spawn_blocking(move || handle.all_topics(left));
            tokio::select! {
                biased;
                done = work => match done {
                    Ok(answer) => answer.map_err(Failure::Error),
                    // The runtime is going down.
                    Err(_) => Err(Failure::Stopped),
                },
                () = cx.cancel.reached(CancelStage::Abort) => Err(Failure::Stopped),
            }
        };
        Ok(self.again(cx, call).await?.into_iter().collect())
    }

    /// Asks for topics by name. `each` takes the answers as they come.
    pub(crate) async fn describe_topics(&self, cx: &Context, names: &[&str], each: &mut Each<'_, Described>) {
        let ask = |batch| -> BoxFuture<'_, _> {
            let call = move |left| self.ask(cx, self.handle.describe_topics(batch, left));
            Box::pin(async move { (batch, self.again(cx, call).await) })
        };
        let calls: Vec<_> = names.chunks(PER_READ).map(ask).collect();
        let mut answers = stream::iter(calls).buffer_unordered(READS_IN_FLIGHT);
        while let Some((batch, answer)) = answers.next().await {
            spread(batch.iter().copied(), answer, each);
        }
    }

    /// Asks for these configs of each topic. `each` takes the answers as they come.
    pub(crate) async fn describe_configs(
        &self,
        cx: &Context,
        topics: &[(&str, Vec<&str>)],
        each: &mut Each<'_, Vec<ConfigEntry>>,
    ) {
        let ask = |batch| -> BoxFuture<'_, _> {
            let call = move |left| self.ask(cx, self.handle.describe_configs(batch, left));
            Box::pin(async move { (batch, self.again(cx, call).await) })
        };
        let calls: Vec<_> = topics.chunks(PER_READ).map(ask).collect();
        let mut answers = stream::iter(calls).buffer_unordered(READS_IN_FLIGHT);
        while let Some((batch, answer)) = answers.next().await {
            spread(batch.iter().map(|(name, _)| *name), answer, each);
        }
    }

    /// The cluster's id. Gives up early on a cluster that turns us away or that nobody reaches.
    pub(crate) async fn cluster_id(&self, cx: &Context) -> Result<String, ProviderError> {
        let during = "ask for the cluster's id";
        let call = self.ask(cx, self.handle.describe_cluster(cx.budget.call_timeout));
        tokio::select! {
            biased;
            answer = call => answer.map(|(id, _)| id).map_err(|failure| self.failure(&failure, during)),
            error = self.hopeless(cx) => Err(self.error(&error, during)),
        }
    }

    /// Completes when waiting any longer is pointless: a broker turned us away, or each of them failed and none has
    /// answered since.
    async fn hopeless(&self, cx: &Context) -> Coded {
        let mut news = self.handle.trouble();
        let all = self.endpoint.split(',').count();
        loop {
            let Trouble { failed, turned_away, .. } = news.borrow_and_update().clone();
            if let Some(error) = turned_away {
                return error;
            }
            if failed.len() >= all {
                cx.clock.sleep(PATIENCE).await;
                let Trouble { failed, last, .. } = news.borrow().clone();
                if failed.len() >= all {
                    let message = last.unwrap_or_else(|| "no broker can be reached".to_owned());
                    return Coded { code: code::ALL_BROKERS_DOWN, name: "_ALL_BROKERS_DOWN".into(), message };
                }
            }
            if news.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Whether the same question may be answered in a moment. What timed out has had its time.
fn passing(error: &Coded) -> bool {
    matches!(error.code, code::TRANSPORT | code::NETWORK_EXCEPTION | code::NOT_CONTROLLER | code::THROTTLED)
}

/// 0.1 s, 0.2 s, 0.4 s, …, each up to twice as long, so that not everybody comes back at once.
pub(crate) fn backoff(cx: &Context, tried: u32) -> Duration {
    let mut random = [0];
    cx.entropy.fill(&mut random);
    let base = 100u64 << tried.min(6).saturating_sub(1);
    Duration::from_millis(base + base * u64::from(random[0]) / 256)
}

/// Each asked name with its answer, whatever the order and completeness of what came.
fn spread<'a, T>(
    asked: impl Iterator<Item = &'a str>,
    answer: Result<Answers<T>, Failure>,
    each: &mut Each<'_, T>,
) {
    match answer {
        Ok(answers) => {
            let mut answers: HashMap<_, _> = answers.into_iter().collect();
            for name in asked {
                let answer = answers.remove(name).unwrap_or_else(|| Err(silent(name)));
                each(name, answer.map_err(Failure::Error));
            }
        }
        Err(failure) => asked.for_each(|name| each(name, Err(failure.clone()))),
    }
}

/// A broker that answered a call, but not about this item of it.
pub(crate) fn silent(name: &str) -> Coded {
    let message = format!("the broker answered nothing about {name}");
    Coded { code: code::UNKNOWN_SERVER_ERROR, name: "UNKNOWN".into(), message }
}
