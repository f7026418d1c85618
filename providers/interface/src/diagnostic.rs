//! Diagnostics are data; only the program renders them.

use crate::span::{Span, Spanned};

/// What a diagnostic means for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Something worth knowing; never changes the exit code.
    Note,
    Warning,
    Error,
}

/// A stable code with its fixed summary. Codes are never reused.
///
/// Ranges: `DM00xx` files and YAML, `DM01xx` shape of manifests, `DM02xx` meaning of manifests, `DM03xx` plan,
/// `DM04xx` state, `DM05xx` live systems, `DM06xx` governance, `DM07xx` the program and the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code {
    pub id: &'static str,
    pub summary: &'static str,
}

impl Code {
    pub const fn new(id: &'static str, summary: &'static str) -> Self {
        Self { id, summary }
    }
}

/// A place with a remark about it. The first label of a diagnostic is its main place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// One finding: what is wrong, where, why, and how to fix it.
///
/// Texts may carry untrusted input as it was; each renderer escapes what it prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: Code,
    pub severity: Severity,
    /// What is wrong and why, in full sentences.
    pub detail: String,
    pub labels: Vec<Label>,
    /// How to fix it.
    pub help: Option<String>,
    /// The owner (`domain/product@version` or `domain`) this finding holds back, where it is scoped.
    pub scope: Option<String>,
}

impl Diagnostic {
    pub fn new(severity: Severity, code: Code, detail: impl Into<String>) -> Self {
        Self { code, severity, detail: detail.into(), labels: Vec::new(), help: None, scope: None }
    }

    pub fn error(code: Code, detail: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, detail)
    }

    pub fn warning(code: Code, detail: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, detail)
    }

    pub fn note(code: Code, detail: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, detail)
    }

    /// Adds a place. A missing span (a default, a value from a server) adds nothing.
    #[must_use]
    pub fn at(mut self, span: impl Into<Option<Span>>, text: impl Into<String>) -> Self {
        if let Some(span) = span.into() {
            self.labels.push(Label { span, text: text.into() });
        }
        self
    }

    /// Adds the place of a spanned value.
    #[must_use]
    pub fn on<T>(self, value: &Spanned<T>, text: impl Into<String>) -> Self {
        self.at(value.span, text)
    }

    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    #[must_use]
    pub fn scoped(mut self, owner: impl Into<String>) -> Self {
        self.scope = Some(owner.into());
        self
    }

    /// Names the product in a hint that its type wrote for any of them: `datamesh new version PRODUCT`.
    #[must_use]
    pub fn naming(mut self, product: &str) -> Self {
        if let Some(help) = &mut self.help {
            *help = help.replace("new version PRODUCT", &format!("new version {product}"));
        }
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Everything one step found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.items.push(diagnostic);
    }

    pub fn has_errors(&self) -> bool {
        self.items.iter().any(Diagnostic::is_error)
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.items.iter()
    }

    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.items.iter().filter(|d| d.is_error())
    }

    /// Sets the scope of every finding that has none yet.
    #[must_use]
    pub fn scoped(mut self, owner: &str) -> Self {
        for item in &mut self.items {
            item.scope.get_or_insert_with(|| owner.to_owned());
        }
        self
    }

    /// The order of output: by main place, then by severity (worst first), then by code and text; equal ones once.
    pub fn sort(&mut self) {
        self.items.sort_by(|a, b| {
            let place = |d: &Diagnostic| d.labels.first().map(|l| (l.span.file, l.span.start, l.span.end));
            (place(a), b.severity, a.code.id, &a.detail).cmp(&(place(b), a.severity, b.code.id, &b.detail))
        });
        self.items.dedup();
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, iter: I) {
        self.items.extend(iter);
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { items: vec![diagnostic] }
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(iter: I) -> Self {
        Self { items: iter.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_the_product_it_is_about() {
        let told = |help: &str| {
            Diagnostic::error(Code::new("DM0000", "x"), "y").help(help).naming("orders/facts").help
        };
        assert_eq!(
            told("say `datamesh new version PRODUCT`").as_deref(),
            Some("say `datamesh new version orders/facts`")
        );
        assert_eq!(told("a PRODUCT of yours").as_deref(), Some("a PRODUCT of yours"));
    }
}
