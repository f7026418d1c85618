//! Names of namespaces and tables, as manifests spell them: levels joined by dots.

use std::fmt;

/// A namespace: one level or several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NamespaceId(Vec<String>);

/// A table in its namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TableId {
    pub(crate) namespace: NamespaceId,
    pub(crate) name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("`{0}` names no table: a table is written `namespace.table`")]
    NoNamespace(String),
    #[error("`{0}` has an empty part between its dots")]
    EmptyPart(String),
    #[error("`{0}` has a character that cannot be part of a folder name (`/`, `\\`, a control character)")]
    BadCharacter(String),
}

/// Names become folder names and path segments, so what could leave the folder is refused here, once.
fn levels(text: &str) -> Result<Vec<String>, NameError> {
    let parts: Vec<String> = text.split('.').map(str::to_owned).collect();
    if parts.iter().any(String::is_empty) {
        return Err(NameError::EmptyPart(text.to_owned()));
    }
    if text.contains(|c: char| c.is_control() || c == '/' || c == '\\') {
        return Err(NameError::BadCharacter(text.to_owned()));
    }
    Ok(parts)
}

impl NamespaceId {
    pub(crate) fn parse(text: &str) -> Result<Self, NameError> {
        levels(text).map(Self)
    }

    pub(crate) fn from_levels(levels: Vec<String>) -> Self {
        Self(levels)
    }

    pub(crate) fn levels(&self) -> &[String] {
        &self.0
    }
}

impl TableId {
    pub(crate) fn parse(text: &str) -> Result<Self, NameError> {
        let mut parts = levels(text)?;
        match parts.pop() {
            Some(name) if !parts.is_empty() => Ok(Self { namespace: NamespaceId(parts), name }),
            _ => Err(NameError::NoNamespace(text.to_owned())),
        }
    }
}

impl fmt::Display for NamespaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_is_the_table() {
        let id = TableId::parse("sales.eu.orders").expect("a table");
        assert_eq!((id.namespace.to_string(), id.name.as_str()), ("sales.eu".to_owned(), "orders"));
        assert_eq!(id.to_string(), "sales.eu.orders");
    }

    #[test]
    fn what_could_leave_the_folder_is_refused() {
        for text in ["", "a", "a.", ".a", "a..b", "..", "a.b/c", "a.b\\c", "a.b\n"] {
            assert!(TableId::parse(text).is_err(), "{text:?}");
        }
        for text in ["", "a.", "a/b", "a\u{1f}b"] {
            assert!(NamespaceId::parse(text).is_err(), "{text:?}");
        }
    }
}
