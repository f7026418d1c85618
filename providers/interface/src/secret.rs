//! Secrets: a type that can be neither printed nor stored, and the references manifests carry instead.

use serde::{Deserialize, Deserializer};
use std::fmt;

/// A secret in memory. No `Display`, no `Serialize`; `Debug` prints `(sensitive)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself: only for handing it to a client library.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(sensitive)")
    }
}

/// A setting that may hold references: `${env:NAME}` or `${file:PATH}`, alone or within other text.
///
/// It is kept unresolved until a client is built. `Debug` shows whether it has references, never the text, since
/// somebody may have written a password in plain.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

/// Resolves references; the program implements it for the chosen environment only.
pub trait SecretResolver: Send + Sync {
    /// The value of `${env:NAME}`.
    fn env(&self, name: &str) -> Result<String, SecretError>;
    /// The content of `${file:PATH}`, without one trailing line break.
    fn file(&self, path: &str) -> Result<String, SecretError>;
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("the environment variable {name} is not set")]
    NoVariable { name: String },
    #[error("the file {path} cannot be read: {why}")]
    NoFile { path: String, why: String },
    #[error("a reference is written ${{env:NAME}} or ${{file:PATH}}; this one is neither, or is not closed")]
    Malformed,
}

impl SecretText {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn has_reference(&self) -> bool {
        self.0.contains("${")
    }

    /// The text when it holds no reference: for settings that are no secrets, such as a user name.
    pub fn plain(&self) -> Option<&str> {
        (!self.has_reference()).then_some(self.0.as_str())
    }

    /// Whether every reference is written as one. What they stand for is not asked.
    pub fn check(&self) -> Result<(), SecretError> {
        struct Any;

        impl SecretResolver for Any {
            fn env(&self, _: &str) -> Result<String, SecretError> {
                Ok(String::new())
            }

            fn file(&self, _: &str) -> Result<String, SecretError> {
                Ok(String::new())
            }
        }

        self.resolve(&Any).map(drop)
    }

    /// Every reference replaced by what it stands for.
    pub fn resolve(&self, with: &dyn SecretResolver) -> Result<Secret, SecretError> {
        let mut out = String::new();
        let mut rest = self.0.as_str();
        while let Some(at) = rest.find("${") {
            out.push_str(&rest[..at]);
            let inner = &rest[at + 2..];
            let end = inner.find('}').ok_or(SecretError::Malformed)?;
            match inner[..end].split_once(':') {
                Some(("env", name)) if !name.is_empty() => out.push_str(&with.env(name)?),
                Some(("file", path)) if !path.is_empty() => out.push_str(&with.file(path)?),
                _ => return Err(SecretError::Malformed),
            }
            rest = &inner[end + 1..];
        }
        out.push_str(rest);
        Ok(Secret(out))
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.has_reference() { "(reference)" } else { "(sensitive)" })
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl schemars::JsonSchema for SecretText {
    fn inline_schema() -> bool {
        String::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl SecretResolver for Fixed {
        fn env(&self, name: &str) -> Result<String, SecretError> {
            match name {
                "PW" => Ok("hunter2".into()),
                _ => Err(SecretError::NoVariable { name: name.into() }),
            }
        }

        fn file(&self, _: &str) -> Result<String, SecretError> {
            Ok("content".into())
        }
    }

    #[test]
    fn references_resolve_and_never_print() {
        let text = SecretText::new("a-${env:PW}-${file:x}-z");
        let secret = text.resolve(&Fixed).expect("resolves");
        assert_eq!(secret.expose(), "a-hunter2-content-z");
        assert_eq!(format!("{secret:?} {text:?}"), "(sensitive) (reference)");
    }

    #[test]
    fn a_broken_reference_is_an_error() {
        for text in ["${env:}", "${PW}", "${env:PW", "${vault:x}"] {
            assert_eq!(SecretText::new(text).resolve(&Fixed), Err(SecretError::Malformed), "{text}");
        }
        assert!(matches!(SecretText::new("${env:NO}").resolve(&Fixed), Err(SecretError::NoVariable { .. })));
    }
}
