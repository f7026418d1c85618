//! The calls of the Confluent API that this provider makes.

use crate::http::{Answer, Effect, Failure, Http, Request};
use crate::subject::{NO_MODES, Reference, WRITABLE};
use datamesh_provider::{Context, ErrorKind, Interruption, Outcome, ProviderError, Refusal};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashSet;

/// A call that did not do what was asked.
#[derive(Debug)]
pub(crate) enum CallError {
    /// Provably without effect. `code` is the registry's own.
    Refused { error: ProviderError, status: u16, code: Option<u64> },
    /// Nobody knows whether it had its effect.
    Unknown(ProviderError),
    /// The run was stopped while the call was under way.
    Stopped,
}

impl CallError {
    /// For calls without effect, where it does not matter why there is no answer.
    pub(crate) fn into_error(self, api: &Api, during: &str) -> ProviderError {
        match self {
            Self::Refused { error, .. } | Self::Unknown(error) => error,
            Self::Stopped => api.http.error(ErrorKind::Cancelled, during).message("the run was stopped"),
        }
    }

    /// For calls that may have changed something.
    pub(crate) fn into_outcome(self) -> Outcome {
        match self {
            Self::Refused { error, .. } => Outcome::Rejected(Refusal { error }),
            Self::Unknown(error) => Outcome::Indeterminate(Interruption::NoAnswer(error)),
            Self::Stopped => Outcome::Indeterminate(Interruption::Stopped),
        }
    }

    /// Whether the registry said that this very thing is not there: a 404 with a code of its own. A 404 without
    /// one says that the address is wrong.
    fn is_absent(&self) -> bool {
        // Subject not found, version not found, schema not found, soft-deleted subject and version, level not set, mode
        // not set.
        matches!(self, Self::Refused { status: 404, code: Some(40401..=40409), .. })
    }
}

/// A version of a subject.
#[derive(Debug, Deserialize)]
pub(crate) struct Registered {
    pub(crate) id: i64,
    pub(crate) version: i64,
    pub(crate) schema: String,
    #[serde(default, rename = "schemaType")]
    pub(crate) schema_type: Option<String>,
    #[serde(default)]
    pub(crate) references: Vec<Pinned>,
}

/// A version of another subject, under the name that a schema uses for it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Pinned {
    pub(crate) name: String,
    pub(crate) subject: String,
    pub(crate) version: i64,
}

#[derive(Debug, Deserialize)]
struct LevelAnswer {
    #[serde(rename = "compatibilityLevel")]
    level: String,
}

#[derive(Debug, Deserialize)]
struct ModeAnswer {
    mode: String,
}

#[derive(Debug, Deserialize)]
struct VersionAnswer {
    version: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) is_compatible: bool,
    #[serde(default)]
    pub(crate) messages: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    error_code: Option<u64>,
    #[serde(default)]
    message: Option<String>,
}

/// What the registry is asked to register or judge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewSchema<'a> {
    pub(crate) text: &'a str,
    pub(crate) language: &'a str,
    pub(crate) references: &'a [Pinned],
}

impl NewSchema<'_> {
    fn body(self) -> Value {
        let mut body = json!({"schema": self.text});
        // Registries of before 5.5 know neither other languages nor references, and refuse these keys.
        if self.language != "AVRO" {
            body["schemaType"] = self.language.into();
        }
        if !self.references.is_empty() {
            body["references"] = json!(self.references);
        }
        body
    }
}

#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) http: Http,
}

impl Api {
    /// The level of subjects that set none; `None` where we may not know.
    pub(crate) async fn default_level(&self, cx: &Context) -> Result<Option<String>, ProviderError> {
        let during = "read the default level";
        match self.get::<LevelAnswer>(cx, &["config"], during).await {
            Ok(answer) => Ok(Some(answer.level)),
            Err(CallError::Refused { status: 403, .. }) => Ok(None),
            Err(error) => Err(error.into_error(self, during)),
        }
    }

    /// The mode of subjects that set none, [`NO_MODES`] where the registry has none; `None` where we may not know.
    pub(crate) async fn default_mode(&self, cx: &Context) -> Result<Option<String>, ProviderError> {
        let during = "read the default mode";
        match self.get::<ModeAnswer>(cx, &["mode"], during).await {
            Ok(answer) => Ok(Some(answer.mode)),
            // Not a thing that is missing, but the call.
            Err(CallError::Refused { status: 204 | 404 | 405 | 501, code: None, .. }) => {
                Ok(Some(NO_MODES.to_owned()))
            }
            // Who declares no mode needs none.
            Err(CallError::Refused { .. }) => Ok(None),
            Err(error) => Err(error.into_error(self, during)),
        }
    }

    pub(crate) async fn subjects(&self, cx: &Context) -> Result<Vec<String>, ProviderError> {
        let during = "list the subjects";
        self.get(cx, &["subjects"], during).await.map_err(|error| error.into_error(self, during))
    }

    /// The latest version; `None` when the registry says that there is no such subject, or no version of it.
    pub(crate) async fn latest(
        &self,
        cx: &Context,
        subject: &str,
    ) -> Result<Option<Registered>, ProviderError> {
        let during = format!("read subject {subject}");
        let path = ["subjects", subject, "versions", "latest"];
        self.present(self.get(cx, &path, &during).await, &during)
    }

    /// Where references lead now: the latest version of each subject. The error names the first that is not there.
    pub(crate) async fn pinned(
        &self,
        cx: &Context,
        references: &[Reference],
    ) -> Result<Vec<Pinned>, ProviderError> {
        let mut pinned = Vec::with_capacity(references.len());
        for Reference { name, subject } in references {
            let Some(latest) = self.latest(cx, subject).await? else {
                let error = self.http.error(ErrorKind::Invalid, &format!("look up the reference {name}"));
                return Err(error.message(format!("there is no subject {subject}")));
            };
            pinned.push(Pinned { name: name.clone(), subject: subject.clone(), version: latest.version });
        }
        Ok(pinned)
    }

    /// The texts that references lead to, each once, and after those that it refers to itself.
    pub(crate) async fn texts(
        &self,
        cx: &Context,
        references: &[Pinned],
    ) -> Result<Vec<String>, ProviderError> {
        let mut texts = Vec::new();
        let mut seen: HashSet<(String, i64)> = HashSet::new();
        // Each with the text that stands after what it refers to, once that was read.
        let mut open: Vec<(Pinned, Option<String>)> =
            references.iter().rev().map(|one| (one.clone(), None)).collect();
        while let Some((reference, text)) = open.pop() {
            if let Some(text) = text {
                texts.push(text);
                continue;
            }
            let Pinned { name, subject, version } = &reference;
            if !seen.insert((subject.clone(), *version)) {
                continue;
            }
            let Some(found) = self.version(cx, subject, *version).await? else {
                let error = self.http.error(ErrorKind::Invalid, &format!("read the reference {name}"));
                return Err(error.message(format!("there is no version {version} of {subject}")));
            };
            open.push((reference, Some(found.schema)));
            open.extend(found.references.into_iter().rev().map(|one| (one, None)));
        }
        Ok(texts)
    }

    /// The numbers of all versions, oldest first.
    pub(crate) async fn versions(&self, cx: &Context, subject: &str) -> Result<Vec<i64>, ProviderError> {
        let during = format!("list the versions of {subject}");
        let answer = self.get(cx, &["subjects", subject, "versions"], &during).await;
        let mut versions: Vec<i64> = self.present(answer, &during)?.unwrap_or_default();
        versions.sort_unstable();
        Ok(versions)
    }

    /// One version; `None` where it is gone.
    pub(crate) async fn version(
        &self,
        cx: &Context,
        subject: &str,
        version: i64,
    ) -> Result<Option<Registered>, ProviderError> {
        let during = format!("read version {version} of {subject}");
        let number = version.to_string();
        self.present(self.get(cx, &["subjects", subject, "versions", &number], &during).await, &during)
    }

    /// The subject's own level; `None` where it has none. Apicurio answers `NONE` for that, which is in force
    /// there as its default is `NONE` as well.
    pub(crate) async fn level(&self, cx: &Context, subject: &str) -> Result<Option<String>, ProviderError> {
        let during = format!("read the level of {subject}");
        let answer = self.get::<LevelAnswer>(cx, &["config", subject], &during).await;
        Ok(self.present(answer, &during)?.map(|answer| answer.level))
    }

    /// The mode in force for a subject. Registries without modes take everything.
    pub(crate) async fn mode(&self, cx: &Context, subject: &str) -> Result<String, ProviderError> {
        let during = format!("read the mode of {subject}");
        match self.get::<ModeAnswer>(cx, &["mode", subject], &during).await {
            Ok(answer) => return Ok(answer.mode),
            Err(CallError::Refused { status: 204 | 404 | 405 | 501, .. }) => {}
            Err(error) => return Err(error.into_error(self, &during)),
        }
        let default = self.default_mode(cx).await?;
        Ok(default.filter(|mode| mode != NO_MODES).unwrap_or_else(|| WRITABLE.to_owned()))
    }

    /// The version that holds exactly this text: what registering it again would answer.
    pub(crate) async fn version_of(
        &self,
        cx: &Context,
        subject: &str,
        new: NewSchema<'_>,
    ) -> Result<Option<i64>, ProviderError> {
        let during = format!("look up a schema in {subject}");
        let request = Request {
            method: Method::POST,
            segments: &["subjects", subject],
            query: None,
            body: Some(new.body()),
            effect: Effect::Read,
            during: &during,
        };
        let answer = self.call::<VersionAnswer>(cx, &request).await;
        Ok(self.present(answer, &during)?.map(|answer| answer.version))
    }

    /// Whether the registry would take this schema at the subject's level; `None` without a subject.
    pub(crate) async fn judge(
        &self,
        cx: &Context,
        subject: &str,
        new: NewSchema<'_>,
        every_version: bool,
    ) -> Result<Option<Verdict>, CallError> {
        let during = format!("judge a schema for {subject}");
        let path = ["compatibility", "subjects", subject, "versions", "latest"];
        let request = Request {
            method: Method::POST,
            segments: if every_version { &path[..4] } else { &path },
            query: None,
            body: Some(new.body()),
            effect: Effect::Read,
            during: &during,
        };
        match self.call(cx, &request).await {
            Ok(verdict) => Ok(Some(verdict)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Registers a version. The same text again changes nothing.
    pub(crate) async fn register(
        &self,
        cx: &Context,
        subject: &str,
        new: NewSchema<'_>,
    ) -> Result<(), CallError> {
        let during = format!("register a version of {subject}");
        self.write(cx, Method::POST, &["subjects", subject, "versions"], Some(new.body()), &during).await
    }

    pub(crate) async fn set_level(&self, cx: &Context, subject: &str, level: &str) -> Result<(), CallError> {
        let during = format!("set the level of {subject}");
        let body = json!({"compatibility": level});
        self.write(cx, Method::PUT, &["config", subject], Some(body), &during).await
    }

    /// Takes the subject's own level away; fine where it has none.
    pub(crate) async fn unset_level(&self, cx: &Context, subject: &str) -> Result<(), CallError> {
        let during = format!("take away the level of {subject}");
        self.absent_is_fine(self.write(cx, Method::DELETE, &["config", subject], None, &during).await)
    }

    pub(crate) async fn set_mode(&self, cx: &Context, subject: &str, mode: &str) -> Result<(), CallError> {
        let during = format!("set the mode of {subject}");
        self.write(cx, Method::PUT, &["mode", subject], Some(json!({"mode": mode})), &during).await
    }

    /// Takes the subject's own mode away; fine where it has none.
    pub(crate) async fn unset_mode(&self, cx: &Context, subject: &str) -> Result<(), CallError> {
        let during = format!("take away the mode of {subject}");
        self.absent_is_fine(self.write(cx, Method::DELETE, &["mode", subject], None, &during).await)
    }

    /// Deletes every version softly; fine where there is none.
    pub(crate) async fn delete(&self, cx: &Context, subject: &str) -> Result<(), CallError> {
        let during = format!("delete subject {subject}");
        self.absent_is_fine(self.write(cx, Method::DELETE, &["subjects", subject], None, &during).await)
    }

    /// Whether nothing is left of a subject but versions that were deleted softly.
    pub(crate) async fn is_deleted_softly(&self, cx: &Context, subject: &str) -> Result<bool, ProviderError> {
        let during = format!("look for deleted versions of {subject}");
        let request = Request {
            method: Method::GET,
            segments: &["subjects", subject, "versions"],
            query: Some(("deleted", "true")),
            body: None,
            effect: Effect::Read,
            during: &during,
        };
        let versions: Option<Vec<i64>> = self.present(self.call(cx, &request).await, &during)?;
        Ok(versions.is_some_and(|versions| !versions.is_empty()))
    }

    /// Deletes for good what was deleted softly; fine where there is nothing of it.
    pub(crate) async fn purge(&self, cx: &Context, subject: &str) -> Result<(), CallError> {
        let during = format!("delete subject {subject} for good");
        let request = Request {
            method: Method::DELETE,
            segments: &["subjects", subject],
            query: Some(("permanent", "true")),
            body: None,
            effect: Effect::Write,
            during: &during,
        };
        self.absent_is_fine(self.answer(cx, &request).await.map(drop))
    }

    fn absent_is_fine(&self, result: Result<(), CallError>) -> Result<(), CallError> {
        result.or_else(|error| if error.is_absent() { Ok(()) } else { Err(error) })
    }

    fn present<T>(&self, result: Result<T, CallError>, during: &str) -> Result<Option<T>, ProviderError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error.into_error(self, during)),
        }
    }

    async fn get<T: DeserializeOwned>(
        &self,
        cx: &Context,
        path: &[&str],
        during: &str,
    ) -> Result<T, CallError> {
        let effect = Effect::Read;
        let request =
            Request { method: Method::GET, segments: path, query: None, body: None, effect, during };
        self.call(cx, &request).await
    }

    /// What is answered to a change is not used: what there is afterwards is read.
    async fn write(
        &self,
        cx: &Context,
        method: Method,
        segments: &[&str],
        body: Option<Value>,
        during: &str,
    ) -> Result<(), CallError> {
        let request = Request { method, segments, query: None, body, effect: Effect::Write, during };
        self.answer(cx, &request).await.map(drop)
    }

    async fn call<T: DeserializeOwned>(&self, cx: &Context, request: &Request<'_>) -> Result<T, CallError> {
        let answer = self.answer(cx, request).await?;
        serde_json::from_slice(&answer.body).map_err(|error| {
            let error = self
                .http
                .error(ErrorKind::Protocol, request.during)
                .message(self.http.clean(format!("the answer is not what the API promises: {error}")))
                .hint("Does `url` point to the Confluent API? Apicurio serves it under `/apis/ccompat/v7`.");
            CallError::Refused { error, status: answer.status, code: None }
        })
    }

    async fn answer(&self, cx: &Context, request: &Request<'_>) -> Result<Answer, CallError> {
        let answer = self.http.send(cx, request).await.map_err(|failure| match failure {
            Failure::NotSent(error) => CallError::Refused { error, status: 0, code: None },
            Failure::NoAnswer(error) => CallError::Unknown(error),
            Failure::Stopped => CallError::Stopped,
        })?;
        if matches!(answer.status, 200..=299) { Ok(answer) } else { Err(self.refusal(&answer, request)) }
    }

    fn refusal(&self, answer: &Answer, request: &Request<'_>) -> CallError {
        let body: Option<ErrorBody> = serde_json::from_slice(&answer.body).ok();
        let code = body.as_ref().and_then(|body| body.error_code).filter(|code| *code != 0);
        let words = body.and_then(|body| body.message).unwrap_or_else(|| {
            // Cut afterwards: half of a secret could not be found.
            snippet(self.http.clean(String::from_utf8_lossy(&answer.body)).as_bytes())
        });
        let (kind, hint) = meaning(answer.status, code);
        let mut error = self
            .http
            .error(kind, request.during)
            .code(code.map_or_else(|| format!("HTTP {}", answer.status), |code| code.to_string()))
            .message(if words.is_empty() { "no words with it".to_owned() } else { self.http.clean(words) });
        error.hint = hint.map(str::to_owned);
        // A fault of the server may strike after the change was made.
        if answer.status >= 500 && answer.status != 501 {
            return CallError::Unknown(error);
        }
        CallError::Refused { error, status: answer.status, code }
    }
}

fn meaning(status: u16, code: Option<u64>) -> (ErrorKind, Option<&'static str>) {
    match (status, code) {
        (401, _) => (ErrorKind::Unauthenticated, Some("Check `auth` of this registry in the Mesh document.")),
        (403, _) => (ErrorKind::Forbidden, Some("Ask for this permission on the subject.")),
        (422, Some(42201)) => (
            ErrorKind::Invalid,
            Some(
                "The registry does not take the text for what it is declared as. Apicurio knows a JSON Schema by its `$schema`.",
            ),
        ),
        (422, Some(42206)) => (
            ErrorKind::Invalid,
            Some(
                "Schemas of other subjects use it. Some registries count those that were deleted softly, too: delete them \
                 for good first (`DELETE <url>/subjects/<name>?permanent=true`).",
            ),
        ),
        (429, _) => (ErrorKind::Throttled, Some("Wait a little, or lower `parallelism`.")),
        (404, None) => (
            ErrorKind::Config,
            Some("Does `url` point to the Confluent API? Apicurio serves it under `/apis/ccompat/v7`."),
        ),
        (300..=399, _) => {
            (ErrorKind::Config, Some("Redirects are not followed: write the address it points to as `url`."))
        }
        (502..=504, _) => (ErrorKind::Unreachable, Some("Something before the registry does not reach it.")),
        (500.., _) => (ErrorKind::Protocol, Some("The registry failed by itself: look at its log.")),
        _ => (ErrorKind::Invalid, None),
    }
}

/// The beginning of an answer that is no error of the API: a proxy's page, say.
fn snippet(body: &[u8]) -> String {
    String::from_utf8_lossy(body).split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}
