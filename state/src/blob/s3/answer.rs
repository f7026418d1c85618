//! Answers of a store, by their code where there is one: stores differ in the status they give it.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What an answer that is not a success says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The condition does not hold.
    Condition,
    /// No such object, or no such bucket.
    Missing,
    /// Another write is under way: the same may be sent again.
    Race(String),
    /// Overloaded, or broken inside: whether it was done is open.
    Busy(String),
    /// Sent, and not answered; or never sent.
    Silent(String),
    /// Refused for good, without effect.
    Refused(String),
}

pub(super) fn answer<E>(error: &SdkError<E, HttpResponse>) -> Answer
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(service) => {
            let meta = service.err().meta();
            of_code(meta.code(), meta.message(), service.raw().status().as_u16())
        }
        SdkError::ConstructionFailure(_) => Answer::Refused(words(error)),
        SdkError::DispatchFailure(failure) if failure.is_user() => Answer::Refused(words(error)),
        // Credentials that could not be had: nothing was sent. A connection that broke may look like it otherwise.
        SdkError::DispatchFailure(_) if causes(error).any(|cause| cause.is::<CredentialsError>()) => {
            Answer::Refused(words(error))
        }
        _ => Answer::Silent(words(error)),
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// An error with its causes, each once: what the SDK itself prints is for those who debug it.
fn words(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        if words.last().is_none_or(|before| !before.contains(&text)) {
            words.push(text);
        }
    }
    words.join(": ")
}

/// The codes are those of the S3 API reference, "Error responses".
fn of_code(code: Option<&str>, message: Option<&str>, status: u16) -> Answer {
    let words = || {
        let code = code.map_or_else(|| format!("HTTP {status}"), |code| format!("{code}, HTTP {status}"));
        message.map_or_else(|| code.clone(), |message| format!("{message} ({code})"))
    };
    match code {
        Some("PreconditionFailed") => Answer::Condition,
        Some("ConditionalRequestConflict" | "OperationAborted") => Answer::Race(words()),
        Some("NoSuchKey" | "NotFound") => Answer::Missing,
        Some("InternalError" | "ServiceUnavailable" | "SlowDown" | "RequestTimeout" | "Throttling") => {
            Answer::Busy(words())
        }
        // A bucket that is not there is no absent object.
        Some("NoSuchBucket" | "NotImplemented") => Answer::Refused(words()),
        _ => match status {
            412 => Answer::Condition,
            409 => Answer::Race(words()),
            404 => Answer::Missing,
            408 | 429 | 500.. => Answer::Busy(words()),
            _ => Answer::Refused(words()),
        },
    }
}

/// The store's own time, as its answer says it.
#[derive(Clone, Debug, Default)]
pub(super) struct DateOfAnswer(Arc<Mutex<Option<DateTime>>>);

impl DateOfAnswer {
    /// How long before the answer that was; `None` where the answer has no date.
    pub(super) fn since(&self, earlier: DateTime) -> Option<Duration> {
        let date = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        Some(Duration::from_secs(u64::try_from(date.secs() - earlier.secs()).unwrap_or(0)))
    }
}

impl Intercept for DateOfAnswer {
    fn name(&self) -> &'static str {
        "DateOfAnswer"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|text| DateTime::from_str(text, DateTimeFormat::HttpDate).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_count_more_than_statuses() {
        let kind = |code, status| match of_code(code, None, status) {
            Answer::Condition => "condition",
            Answer::Missing => "missing",
            Answer::Race(_) => "race",
            Answer::Busy(_) => "busy",
            Answer::Silent(_) => "silent",
            Answer::Refused(_) => "refused",
        };
        let cases = [
            (Some("PreconditionFailed"), 412, "condition"),
            (Some("PreconditionFailed"), 304, "condition"),
            (None, 412, "condition"),
            (Some("ConditionalRequestConflict"), 409, "race"),
            (Some("OperationAborted"), 409, "race"),
            (None, 409, "race"),
            (Some("NoSuchKey"), 404, "missing"),
            (None, 404, "missing"),
            (Some("NoSuchBucket"), 404, "refused"),
            (Some("AccessDenied"), 403, "refused"),
            (None, 403, "refused"),
            (Some("NotImplemented"), 501, "refused"),
            (Some("SlowDown"), 503, "busy"),
            (None, 500, "busy"),
            (None, 429, "busy"),
        ];
        for (code, status, wanted) in cases {
            assert_eq!(kind(code, status), wanted, "{code:?} {status}");
        }
        let told = of_code(Some("AccessDenied"), Some("Not yours."), 403);
        assert_eq!(told, Answer::Refused("Not yours. (AccessDenied, HTTP 403)".into()));
    }
}
