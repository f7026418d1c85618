//! What is wrong, in words for whoever changes a manifest.

use super::{Break, Direction, Rule};
use std::fmt;

impl Break {
    /// The field, as a path with dots; `the schema` where it is the whole.
    pub fn place(&self) -> String {
        if self.path.is_empty() {
            "the schema".to_owned()
        } else {
            format!("field `{}`", self.path.join("."))
        }
    }

    /// What the author of the new version can do about it, apart from a new version of the product.
    pub fn way_out(&self) -> &'static str {
        match (self.rule, self.direction) {
            (Rule::ReaderFieldMissingDefaultValue, Direction::Backward) => {
                "let it be null (`required: false`), or give it a `default`"
            }
            (Rule::ReaderFieldMissingDefaultValue, Direction::Forward) => "keep the field",
            (Rule::MissingEnumSymbols, Direction::Backward) => "keep the values that were there",
            (Rule::MissingEnumSymbols, Direction::Forward) => "add no values",
            (Rule::NameMismatch, _) => "keep the name that is registered",
            (Rule::AmbiguousAlias, _) => "remove the alias",
            (Rule::TooComplex, _) => "make the schema simpler",
            (
                Rule::TypeMismatch
                | Rule::FixedSizeMismatch
                | Rule::MissingUnionBranch
                | Rule::LogicalTypeMismatch,
                _,
            ) => "keep the type, and add a field of the new type beside it",
        }
    }
}

/// A whole sentence without its full stop, with the rule's name at its end.
impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.words(), self.rule.name())
    }
}

impl Break {
    /// A whole sentence without its full stop.
    pub fn words(&self) -> String {
        let place = self.place();
        let (reader, writer) = (&self.reader, &self.writer);
        match (self.rule, self.direction) {
            (Rule::ReaderFieldMissingDefaultValue, Direction::Backward) => {
                format!("{place} is new and has no default: older data gives a reader no value for it")
            }
            (Rule::ReaderFieldMissingDefaultValue, Direction::Forward) => format!(
                "{place} goes away, and had no default: new data gives an older reader no value for it"
            ),
            (Rule::MissingEnumSymbols, Direction::Backward) => {
                format!("{place} loses {writer}: a reader can make nothing of older data with it")
            }
            (Rule::MissingEnumSymbols, Direction::Forward) => {
                format!("{place} gains {writer}: an older reader can make nothing of it")
            }
            (Rule::NameMismatch, Direction::Backward) => {
                format!("{place}: the type `{writer}` becomes `{reader}`, and types match by name")
            }
            (Rule::NameMismatch, Direction::Forward) => {
                format!("{place}: the type `{reader}` becomes `{writer}`, and types match by name")
            }
            (Rule::AmbiguousAlias, _) => {
                format!("{place}: by its name and aliases it could be any of {writer}")
            }
            (Rule::TooComplex, _) => {
                format!("{place} is too deeply nested or too entangled to be judged")
            }
            (_, Direction::Backward) => {
                format!("{place}: {writer} becomes {reader}, which cannot read older data")
            }
            (_, Direction::Forward) => {
                format!("{place}: {reader} becomes {writer}, which an older reader cannot read")
            }
        }
    }
}
