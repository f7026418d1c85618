//! Requests to a REST catalog: addresses, credentials, limits, errors.

use super::{Failure, Origin};
use crate::config::{Auth, Rest, Tls, is_loopback};
use datamesh_provider::{
    Context, ErrorKind, Interruption, ProviderError, Redactor, Secret, SecretError, SecretText,
};
use reqwest::{Method, StatusCode, header};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::sync::Mutex;
use url::Url;

/// No answer may be longer.
const BODY_LIMIT: usize = 64 * 1024 * 1024;
/// How often a read is tried.
const ATTEMPTS: u32 = 3;
/// A token is renewed this long before it ends.
const TOKEN_MARGIN: Duration = Duration::from_secs(60);
/// Of a server's words, this many characters are kept.
const MESSAGE_LIMIT: usize = 1000;

/// The credentials with their references resolved.
enum Login {
    None,
    Bearer(Secret),
    OAuth2 { id: Secret, secret: Secret, token_uri: Url, scope: String },
}

struct Token {
    text: Secret,
    /// On the run's own clock; `None`: the server did not say.
    until: Option<Duration>,
}

/// A client of one REST catalog.
pub(crate) struct Http {
    client: reqwest::Client,
    base: Url,
    login: Login,
    /// To the catalog alone, not to whoever else issues tokens.
    headers: Vec<(String, Secret)>,
    token: Mutex<Option<Token>>,
    pub(crate) origin: Origin,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// One request, and what it is for.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    /// Below the base; each is exactly one segment.
    pub(crate) path: Vec<&'a str>,
    pub(crate) query: Vec<(&'a str, &'a str)>,
    pub(crate) body: Option<Value>,
    /// What is known already: the answer may say that it is still so.
    pub(crate) known: Option<String>,
    /// `load the table sales.orders`.
    pub(crate) during: String,
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: Method, path: Vec<&'a str>, during: impl Into<String>) -> Self {
        Self { method, path, query: Vec::new(), body: None, known: None, during: during.into() }
    }

    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    pub(crate) fn query(mut self, key: &'a str, value: &'a str) -> Self {
        self.query.push((key, value));
        self
    }
}

/// What a catalog said.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) body: Value,
    /// By which the same can be asked for again, where the catalog offers that (RFC 9110, section 8.8.3).
    pub(crate) etag: Option<String>,
    /// It is still what the request knew.
    pub(crate) unchanged: bool,
}

/// How a request failed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It provably never reached the catalog.
    NotSent(ProviderError),
    /// It was sent, and there is no answer that can be read.
    NoAnswer(ProviderError),
    /// The catalog answered with an error.
    Answered { status: StatusCode, kind: String, error: ProviderError },
}

impl Trouble {
    pub(crate) fn error(self) -> ProviderError {
        match self {
            Self::NotSent(error) | Self::NoAnswer(error) | Self::Answered { error, .. } => error,
        }
    }

    /// "Does not exist" in the protocol's own words: any other 404 is a wrong address.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Answered { status, kind, .. }
            if *status == StatusCode::NOT_FOUND && kind.starts_with("NoSuch"))
    }

    /// What it means for a changing call.
    pub(crate) fn failure(self) -> Failure {
        if self.is_absent() {
            return Failure::Absent;
        }
        match self {
            Self::NotSent(error) => Failure::Refused(error),
            Self::NoAnswer(error) => Failure::Unknown(Interruption::NoAnswer(error)),
            Self::Answered { status: StatusCode::CONFLICT, .. } => Failure::Conflict,
            // The protocol calls these "commit state unknown"; a proxy may answer them in the catalog's place.
            Self::Answered { status, error, .. } if status.is_server_error() => {
                Failure::Unknown(Interruption::NoAnswer(error))
            }
            Self::Answered { error, .. } => Failure::Refused(error),
        }
    }
}

impl Http {
    pub(crate) fn new(
        system: &str,
        settings: &Rest,
        root: &Path,
        cx: &Context,
    ) -> Result<Self, ProviderError> {
        let origin = Origin { system: system.to_owned(), endpoint: endpoint(&settings.uri) };
        let bad = |message: String| origin.error(ErrorKind::Config, "connect").message(message);
        let builder = reqwest::Client::builder()
            .user_agent(concat!("datamesh/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10).min(cx.budget.call_timeout))
            .timeout(cx.budget.call_timeout);
        // Credentials must not leave by a proxy on the way to this machine itself.
        let builder = if is_loopback(&settings.uri) { builder.no_proxy() } else { builder };
        let builder = certificates(builder, &settings.tls, root).map_err(&bad)?;
        let client = builder.build().map_err(|error| bad(error.to_string()))?;
        let login = login(settings, cx).map_err(|error| bad(error.to_string()))?;
        let header =
            |(name, value): &(String, SecretText)| Ok((name.clone(), value.resolve(cx.secrets.as_ref())?));
        let headers = settings.headers.iter().map(header).collect::<Result<_, SecretError>>();
        let headers = headers.map_err(|error| bad(error.to_string()))?;
        let base = settings.uri.clone();
        Ok(Self { client, base, login, headers, token: Mutex::new(None), origin })
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    fn url(&self, request: &Request<'_>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&request.path);
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        url
    }

    /// Sends a read; tries again what may pass.
    pub(crate) async fn read(&self, cx: &Context, request: &Request<'_>) -> Result<Answer, Trouble> {
        let mut attempt = 1;
        loop {
            let trouble = match self.send(cx, request).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            let passing = match &trouble {
                Trouble::NotSent(error) | Trouble::NoAnswer(error) => error.retryable(),
                Trouble::Answered { error, .. } => error.retryable(),
            };
            if !passing || attempt == ATTEMPTS || !cx.pause(jittered(cx, attempt)).await {
                return Err(trouble);
            }
            attempt += 1;
        }
    }

    /// Sends a request once, but for a token that turns out to have ended: then the catalog did nothing.
    pub(crate) async fn send(&self, cx: &Context, request: &Request<'_>) -> Result<Answer, Trouble> {
        match self.send_once(cx, request).await {
            Err(Trouble::Answered { status: StatusCode::UNAUTHORIZED, .. })
                if matches!(self.login, Login::OAuth2 { .. }) =>
            {
                *self.token.lock().await = None;
                self.send_once(cx, request).await
            }
            answer => answer,
        }
    }

    async fn send_once(&self, cx: &Context, request: &Request<'_>) -> Result<Answer, Trouble> {
        let mut builder = self.with_headers(self.client.request(request.method.clone(), self.url(request)));
        if let Some(etag) = &request.known {
            builder = builder.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(token) = self.bearer(cx).await.map_err(Trouble::NotSent)? {
            builder = builder.bearer_auth(token.expose());
        }
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        self.exchange(builder, &request.during).await
    }

    fn with_headers(&self, builder: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        self.headers.iter().fold(builder, |builder, (name, value)| builder.header(name, value.expose()))
    }

    async fn exchange(&self, builder: reqwest::RequestBuilder, during: &str) -> Result<Answer, Trouble> {
        let unreachable = |error: &reqwest::Error| {
            let words = chain(error);
            let hint = hint_of(&words, error.is_connect());
            let error = self.origin.error(ErrorKind::Unreachable, during).message(words);
            match hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        };
        let mut answer = match builder.header(header::ACCEPT, "application/json").send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() || error.is_builder() => {
                return Err(Trouble::NotSent(unreachable(&error)));
            }
            Err(error) => return Err(Trouble::NoAnswer(unreachable(&error))),
        };
        let status = answer.status();
        if status == StatusCode::NOT_MODIFIED {
            return Ok(Answer { unchanged: true, ..Answer::default() });
        }
        let etag = answer.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > BODY_LIMIT => {
                    let error = self.origin.error(ErrorKind::Protocol, during);
                    return Err(Trouble::NoAnswer(error.message("its answer is longer than 64 MiB")));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Err(Trouble::NoAnswer(unreachable(&error))),
            }
        }
        if !status.is_success() {
            return Err(self.refusal(status, &body, during));
        }
        if body.is_empty() {
            return Ok(Answer::default());
        }
        let body = serde_json::from_slice(&body);
        body.map(|body| Answer { body, etag, unchanged: false }).map_err(|error| {
            let error = self
                .origin
                .error(ErrorKind::Protocol, during)
                .message(format!("its answer is no JSON: {error}"));
            Trouble::NoAnswer(error.hint("is `uri` in the Mesh document that of an Iceberg REST catalog?"))
        })
    }

    /// An error answer, with the server's own type, code and words (`ErrorModel`).
    fn refusal(&self, status: StatusCode, body: &[u8], during: &str) -> Trouble {
        let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
        // Token endpoints answer `{"error": "invalid_client", "error_description": "…"}` (RFC 6749, section 5.2).
        let model = parsed.get("error").filter(|error| error.is_object());
        let hidden = self.hidden();
        let word = |value: Option<&Value>| value.and_then(Value::as_str).map(|word| hidden.clean(word));
        let kind =
            word(model.and_then(|m| m.get("type"))).or_else(|| word(parsed.get("error"))).unwrap_or_default();
        let message =
            word(model.and_then(|m| m.get("message"))).or_else(|| word(parsed.get("error_description")));
        let message = message.unwrap_or_else(|| match parsed {
            Value::Null => "the answer is not that of an Iceberg REST catalog".into(),
            _ => hidden.clean(String::from_utf8_lossy(body)),
        });
        let code = format!("{} {kind}", status.as_u16());
        let error = self
            .origin
            .error(error_kind(status), during)
            .code(code.trim_end())
            .message(message.chars().take(MESSAGE_LIMIT).collect::<String>());
        let error = match status {
            StatusCode::UNAUTHORIZED => error.hint("check `auth` of this catalog in the Mesh document"),
            StatusCode::FORBIDDEN => {
                error.hint("the credentials in `auth` are missing or lack a right on this namespace or table")
            }
            StatusCode::NOT_FOUND if !kind.starts_with("NoSuch") => {
                error.hint("is `uri` in the Mesh document right? It is written without `/v1`")
            }
            _ => error,
        };
        Trouble::Answered { status, kind, error }
    }

    /// What hides the credentials in the catalog's words: it may repeat what it was sent.
    pub(crate) fn hidden(&self) -> Redactor {
        let mut hidden = Redactor::default();
        match &self.login {
            Login::None => {}
            Login::Bearer(token) => hidden.hide(token),
            Login::OAuth2 { id, secret, .. } => hidden.hide_login(id.expose(), secret),
        }
        self.headers.iter().for_each(|(_, value)| hidden.hide(value));
        // Held by a login under way only, which has no other token yet.
        if let Ok(token) = self.token.try_lock()
            && let Some(token) = token.as_ref()
        {
            hidden.hide(&token.text);
        }
        hidden
    }

    /// The token to send, fetched or renewed where needed.
    async fn bearer(&self, cx: &Context) -> Result<Option<Secret>, ProviderError> {
        let (id, secret, token_uri, scope) = match &self.login {
            Login::None => return Ok(None),
            Login::Bearer(token) => return Ok(Some(token.clone())),
            Login::OAuth2 { id, secret, token_uri, scope } => (id, secret, token_uri, scope),
        };
        let mut held = self.token.lock().await;
        let fresh = |token: &&Token| token.until.is_none_or(|until| cx.clock.monotonic() < until);
        if let Some(token) = held.as_ref().filter(fresh) {
            return Ok(Some(token.text.clone()));
        }
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", id.expose()),
            ("client_secret", secret.expose()),
            ("scope", scope),
        ];
        let builder = self.client.post(token_uri.clone()).form(&form);
        let builder =
            if token_uri.origin() == self.base.origin() { self.with_headers(builder) } else { builder };
        let during = format!("log in at {}", endpoint(token_uri));
        let answer = self.exchange(builder, &during).await.map_err(|trouble| {
            let error = trouble.error();
            match error.hint {
                None => error.hint("check `auth` and `uri` of this catalog in the Mesh document"),
                Some(_) => error,
            }
        })?;
        let answer = answer.body;
        let Some(text) = answer.get("access_token").and_then(Value::as_str) else {
            let error = self.origin.error(ErrorKind::Protocol, during);
            return Err(error.message("the answer to the login carries no `access_token`"));
        };
        let lasts = answer.get("expires_in").and_then(Value::as_u64).map(Duration::from_secs);
        let until =
            lasts.map(|lasts| cx.clock.monotonic() + lasts.saturating_sub(TOKEN_MARGIN.min(lasts / 2)));
        let text = Secret::new(text);
        *held = Some(Token { text: text.clone(), until });
        Ok(Some(text))
    }
}

fn error_kind(status: StatusCode) -> ErrorKind {
    match status {
        StatusCode::UNAUTHORIZED => ErrorKind::Unauthenticated,
        StatusCode::FORBIDDEN => ErrorKind::Forbidden,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::BAD_GATEWAY
        | StatusCode::GATEWAY_TIMEOUT => ErrorKind::Throttled,
        status if status.is_client_error() => ErrorKind::Invalid,
        _ => ErrorKind::Protocol,
    }
}

/// Host and port: what a person can check.
fn endpoint(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// An error with its causes; addresses are left out, since the error has one of its own.
fn chain(error: &reqwest::Error) -> String {
    let mut words = if error.is_timeout() { "no answer in time".to_owned() } else { "no answer".to_owned() };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}

/// What may help against an exchange that did not come about.
fn hint_of(words: &str, connecting: bool) -> Option<&'static str> {
    // Of the server, in its alert: it does not know who we are.
    let alert = words.contains("fatal alert") && (words.contains("nknownCA") || words.contains("ertificate"));
    if alert {
        return Some("the server does not take our certificate; is `tls.cert_file` one that it knows?");
    }
    if words.contains("ertificate") || words.contains("UnknownIssuer") {
        return Some(
            "the server's certificate is not trusted for this name; name your own authority in `tls.ca_file`",
        );
    }
    connecting.then_some("is the catalog running, and is `uri` in the Mesh document right?")
}

fn jittered(cx: &Context, attempt: u32) -> Duration {
    let mut byte = [0u8];
    cx.entropy.fill(&mut byte);
    Duration::from_millis((100 << attempt.min(5)) + u64::from(byte[0]))
}

fn login(settings: &Rest, cx: &Context) -> Result<Login, SecretError> {
    let resolve = |text: &SecretText| text.resolve(cx.secrets.as_ref());
    Ok(match &settings.auth {
        Auth::None => Login::None,
        Auth::Bearer(token) => Login::Bearer(resolve(token)?),
        Auth::OAuth2 { client_id, client_secret, token_uri, scope } => {
            let own = || {
                let mut url = settings.uri.clone();
                if let Ok(mut segments) = url.path_segments_mut() {
                    segments.pop_if_empty().extend(["v1", "oauth", "tokens"]);
                }
                url
            };
            Login::OAuth2 {
                id: resolve(client_id)?,
                secret: resolve(client_secret)?,
                token_uri: token_uri.clone().unwrap_or_else(own),
                scope: scope.clone(),
            }
        }
    })
}

fn certificates(
    mut builder: reqwest::ClientBuilder,
    tls: &Tls,
    root: &Path,
) -> Result<reqwest::ClientBuilder, String> {
    let read = |path: &str| {
        std::fs::read(root.join(path)).map_err(|error| format!("{path} cannot be read: {error}"))
    };
    if let Some(path) = &tls.ca_file {
        let found = reqwest::Certificate::from_pem_bundle(&read(path)?);
        let found = found.map_err(|_| format!("{path} holds no certificate in PEM"))?;
        if found.is_empty() {
            return Err(format!("{path} holds no certificate in PEM"));
        }
        for certificate in found {
            builder = builder.add_root_certificate(certificate);
        }
    }
    if let (Some(certificate), Some(key)) = (&tls.cert_file, &tls.key_file) {
        let mut pem = read(certificate)?;
        pem.push(b'\n');
        pem.extend(read(key)?);
        let identity = reqwest::Identity::from_pem(&pem);
        let identity =
            identity.map_err(|_| format!("{certificate} and {key} are no certificate and key in PEM"))?;
        builder = builder.identity(identity);
    }
    Ok(builder)
}
