//! The one place that sends: built from the settings once, with every bound that a call needs.

use crate::config::{Auth, Settings, Tls, is_loopback};
use datamesh_provider::{
    CancelStage, Context, ErrorKind, ProviderError, Redactor, SecretError, SecretResolver, base64,
};
use futures::future::{Either, select};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Client, Identity, Method, Response, redirect};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;
use url::Url;

/// An answer may be no longer than this.
const BODY_LIMIT: usize = 64 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls that had no effect are tried this often in all.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(150);
/// A server that asks for a longer pause than this is told so instead.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Whether a call may change something: decides what may be sent twice, and whether the lease is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Read,
    Write,
}

/// One request, before it is sent. Each segment is percent-encoded as one.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) segments: &'a [&'a str],
    pub(crate) query: Option<(&'a str, &'a str)>,
    pub(crate) body: Option<serde_json::Value>,
    pub(crate) effect: Effect,
    /// For the error: `read subject orders-value`.
    pub(crate) during: &'a str,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Provably not sent, or refused before anything was done.
    NotSent(ProviderError),
    /// Sent, but nobody knows what became of it.
    NoAnswer(ProviderError),
    /// The run was stopped while the call was under way.
    Stopped,
}

#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    base: Url,
    system: String,
    authorization: Option<HeaderValue>,
    hidden: Redactor,
}

impl Http {
    /// Builds the client: reads certificates and resolves secrets, and makes no call.
    pub(crate) async fn new(
        system: &str,
        settings: &Settings,
        root: &Path,
        cx: &Context,
    ) -> Result<Self, ProviderError> {
        let base = settings.url.clone();
        let wrong = |why: String, hint: &str| {
            ProviderError::new(ErrorKind::Config, system, base.as_str())
                .during("set up the client")
                .message(why)
                .hint(hint)
        };
        let mut builder = Client::builder()
            .user_agent(concat!("datamesh/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .timeout(cx.budget.call_timeout)
            .connect_timeout(CONNECT_TIMEOUT.min(cx.budget.call_timeout))
            .pool_max_idle_per_host(cx.budget.parallelism)
            .https_only(base.scheme() == "https");
        if is_loopback(&base) {
            // A proxy of the environment would ask its own machine instead of this one.
            builder = builder.no_proxy();
        }
        let tls_hint =
            "Check the files named under `tls`: certificates and keys in PEM, relative to the mesh root.";
        for certificate in authorities(&settings.tls, root).await.map_err(|why| wrong(why, tls_hint))? {
            builder = builder.add_root_certificate(certificate);
        }
        if let Some(identity) =
            client_identity(&settings.tls, root).await.map_err(|why| wrong(why, tls_hint))?
        {
            builder = builder.identity(identity);
        }
        let (authorization, hidden) = match &settings.auth {
            None => (None, Redactor::default()),
            Some(auth) => {
                let (header, hidden) = authorization(auth, cx.secrets.as_ref()).map_err(|why| {
                    wrong(why, "Set what `auth` refers to, for this environment and in this shell.")
                })?;
                (Some(header), hidden)
            }
        };
        let client = builder.build().map_err(|error| wrong(chain(&error), tls_hint))?;
        Ok(Self { client, base, system: system.to_owned(), authorization, hidden })
    }

    /// Words of the registry, without the credentials it was sent.
    pub(crate) fn clean(&self, words: impl Into<String>) -> String {
        self.hidden.clean(words)
    }

    /// Where the API begins; never with credentials.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    pub(crate) fn error(&self, kind: ErrorKind, during: &str) -> ProviderError {
        ProviderError::new(kind, self.system.as_str(), self.base.as_str()).during(during)
    }

    /// Sends one request and reads the whole answer. Waits and sends again where the first try provably had no
    /// effect, and for reads also where the server names a passing fault.
    pub(crate) async fn send(&self, cx: &Context, request: &Request<'_>) -> Result<Answer, Failure> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            if request.effect == Effect::Write {
                self.permit(cx, request)?;
            }
            let result = self.once(cx, request).await;
            let wait = match &result {
                Err(Failure::NotSent(error)) if error.retryable() => pause,
                Ok((answer, after)) if passing(answer.status, request.effect) => after.unwrap_or(pause),
                _ => return result.map(|(answer, _)| answer),
            };
            let last = attempt >= ATTEMPTS || wait > LONGEST_PAUSE;
            if last || !cx.pause(wait + jitter(cx, pause)).await {
                return result.map(|(answer, _)| answer);
            }
            pause *= 2;
        }
        Err(Failure::Stopped)
    }

    /// No call that may change something without enough of the lease left, nor once the run is being stopped.
    fn permit(&self, cx: &Context, request: &Request<'_>) -> Result<(), Failure> {
        let refused =
            |why: String| Failure::NotSent(self.error(ErrorKind::Cancelled, request.during).message(why));
        if cx.cancel.is_draining() {
            return Err(refused("not started: the run is being stopped".to_owned()));
        }
        cx.lease.permit(cx.budget.call_timeout).map_err(|lost| refused(lost.to_string()))
    }

    async fn once(&self, cx: &Context, request: &Request<'_>) -> Result<(Answer, Option<Duration>), Failure> {
        let url = self.url(request)?;
        let mut builder = self.client.request(request.method.clone(), url).header(ACCEPT, MEDIA_TYPES);
        if let Some(value) = &self.authorization {
            builder = builder.header(AUTHORIZATION, value.clone());
        }
        if let Some(body) = &request.body {
            builder = builder.header(CONTENT_TYPE, MEDIA_TYPE).body(body.to_string());
        }
        let call = pin!(async {
            let response = builder.send().await.map_err(|error| self.transport(&error, request))?;
            let (status, after) = (response.status().as_u16(), retry_after(&response));
            let body = self.body(response, request).await?;
            Ok((Answer { status, body }, after))
        });
        match select(call, pin!(cx.cancel.reached(CancelStage::Abort))).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(Failure::Stopped),
        }
    }

    fn url(&self, request: &Request<'_>) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        let unfit = request.segments.iter().find(|segment| matches!(**segment, "" | "." | ".."));
        let pushed = url.path_segments_mut().map(|mut path| {
            path.pop_if_empty().extend(request.segments);
        });
        if let Some((name, value)) = request.query {
            url.query_pairs_mut().append_pair(name, value);
        }
        match (unfit, pushed) {
            (None, Ok(())) => Ok(url),
            _ => {
                let why = "a name that is empty, `.` or `..` cannot stand in a URL";
                Err(Failure::NotSent(self.error(ErrorKind::Invalid, request.during).message(why)))
            }
        }
    }

    async fn body(&self, mut response: Response, request: &Request<'_>) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.transport(&error, request))? {
            if body.len() + chunk.len() > BODY_LIMIT {
                let why = "the answer is longer than 64 MiB";
                return Err(Failure::NoAnswer(self.error(ErrorKind::Protocol, request.during).message(why)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn transport(&self, error: &reqwest::Error, request: &Request<'_>) -> Failure {
        let words = chain(error);
        let base = self.error(ErrorKind::Unreachable, request.during);
        if error.is_builder() {
            return Failure::NotSent(ProviderError { kind: ErrorKind::Config, ..base.message(words) });
        }
        if error.is_timeout() && !error.is_connect() {
            let hint = "The registry is slow or stuck. Look at its own log.";
            return Failure::NoAnswer(base.message("no answer in time").hint(hint));
        }
        let hint = if words.contains("ertificate") || words.contains("UnknownIssuer") {
            "The server's certificate is not trusted for this name. Name your own authority in `tls.ca_file`."
        } else {
            "Is the registry running, and is this its address? `datamesh sandbox status` tells for a sandbox."
        };
        let base = base.message(words).hint(hint);
        if error.is_connect() { Failure::NotSent(base) } else { Failure::NoAnswer(base) }
    }
}

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
const MEDIA_TYPES: &str = "application/vnd.schemaregistry.v1+json, application/json";

/// 429 means "not done, come again". A server's passing faults are tried again only where nothing can have
/// happened twice.
fn passing(status: u16, effect: Effect) -> bool {
    status == 429 || (effect == Effect::Read && matches!(status, 502..=504))
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Up to as much again, so that many callers do not come back at once.
fn jitter(cx: &Context, of: Duration) -> Duration {
    let mut byte = [0u8];
    cx.entropy.fill(&mut byte);
    of * u32::from(byte[0]) / 255
}

/// The error and what caused it, without the URL: that is told elsewhere.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !words.iter().any(|word| word.contains(&text)) {
            words.push(text);
        }
        next = error.source();
    }
    if words.is_empty() { error.to_string() } else { words.join(": ") }
}

async fn read(root: &Path, file: &str) -> Result<Vec<u8>, String> {
    tokio::fs::read(root.join(file)).await.map_err(|error| format!("{file} cannot be read: {error}"))
}

async fn authorities(tls: &Tls, root: &Path) -> Result<Vec<Certificate>, String> {
    let Some(file) = &tls.ca_file else { return Ok(Vec::new()) };
    let found = Certificate::from_pem_bundle(&read(root, file).await?);
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(format!("{file} holds no certificate")),
        Err(error) => Err(format!("{file} holds no usable certificate: {}", chain(&error))),
    }
}

async fn client_identity(tls: &Tls, root: &Path) -> Result<Option<Identity>, String> {
    let (Some(certificate), Some(key)) = (&tls.cert_file, &tls.key_file) else { return Ok(None) };
    let mut pem = read(root, certificate).await?;
    pem.push(b'\n');
    pem.extend(read(root, key).await?);
    let unusable = |_| format!("{certificate} and {key} are no usable certificate and key");
    Identity::from_pem(&pem).map(Some).map_err(unusable)
}

/// The header, and what hides it in answers.
fn authorization(auth: &Auth, secrets: &dyn SecretResolver) -> Result<(HeaderValue, Redactor), String> {
    let told = |error: SecretError| error.to_string();
    let mut hidden = Redactor::default();
    let text = match auth {
        Auth::Basic { username, password } => {
            let (user, password) = (username.resolve(secrets), password.resolve(secrets));
            let (user, password) = (user.map_err(told)?, password.map_err(told)?);
            if user.expose().contains(':') {
                return Err("a user name for basic authentication may not hold `:`".to_owned());
            }
            hidden.hide_login(user.expose(), &password);
            format!("Basic {}", base64(format!("{}:{}", user.expose(), password.expose()).as_bytes()))
        }
        Auth::Bearer(token) => {
            let token = token.resolve(secrets).map_err(told)?;
            hidden.hide(&token);
            format!("Bearer {}", token.expose())
        }
    };
    let unfit = |_| "the token has characters that cannot be sent in a header".to_owned();
    let mut value = HeaderValue::from_str(&text).map_err(unfit)?;
    value.set_sensitive(true);
    Ok((value, hidden))
}
