//! Errors of live systems.

use std::fmt;

/// What kind of failure it was: decides whether to try again, what the exit code is, and which hint is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No connection, or no answer in time.
    Unreachable,
    /// The credentials were refused.
    Unauthenticated,
    /// Known to the system, but not allowed: never to be read as "absent".
    Forbidden,
    /// The request was refused for what it says.
    Invalid,
    /// The system answered something that its protocol does not allow, or that we do not understand.
    Protocol,
    /// Too many requests, or a passing fault the system itself names as one.
    Throttled,
    /// Stopped because the run was interrupted.
    Cancelled,
    /// The settings in the Mesh document do not work.
    Config,
}

/// One failure of a live system, with everything a person needs at three in the morning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderError {
    pub kind: ErrorKind,
    /// Which system: `kafka.default`.
    pub system: String,
    /// Where it was sought: `127.0.0.1:9092`. Never with credentials.
    pub endpoint: String,
    /// What was being done: `read 41 topics`.
    pub during: String,
    /// The server's own code, such as `TOPIC_AUTHORIZATION_FAILED` or `40401`.
    pub server_code: Option<String>,
    /// The server's own words, or what happened instead of an answer.
    pub message: String,
    /// What to try.
    pub hint: Option<String>,
}

impl ProviderError {
    pub fn new(kind: ErrorKind, system: impl Into<String>, endpoint: impl Into<String>) -> Self {
        Self {
            kind,
            system: system.into(),
            endpoint: endpoint.into(),
            during: String::new(),
            server_code: None,
            message: String::new(),
            hint: None,
        }
    }

    #[must_use]
    pub fn during(mut self, what: impl Into<String>) -> Self {
        self.during = what.into();
        self
    }

    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.server_code = Some(code.into());
        self
    }

    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether the same call may work in a moment.
    pub fn retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Unreachable | ErrorKind::Throttled)
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.system, self.endpoint)?;
        if !self.during.is_empty() {
            write!(f, ", {}", self.during)?;
        }
        f.write_str(": ")?;
        if let Some(code) = &self.server_code {
            write!(f, "[{code}] ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ProviderError {}
