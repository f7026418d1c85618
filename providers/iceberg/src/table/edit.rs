//! Edits of a live schema, in terms of the names that its columns have in the catalog.

use crate::types::{Field, Primitive, Type};
use datamesh_provider::{AttributeChange, Class, Planned};
use serde::Serialize;
use serde_json::{Value, json};

/// One edit. Paths lead through structs by name, through lists by `element`, through maps by `value`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ColumnEdit {
    /// A new column, after the others. `parent` is the path of the struct it goes into.
    Add { parent: Vec<String>, field: Field },
    /// The column, and what is inside it, is in the schema no more. Its number is never used again.
    Drop { path: Vec<String>, field: Field },
    /// Another name for the same column.
    Rename { path: Vec<String>, to: String },
    /// Another comment; `None` removes it.
    Doc { path: Vec<String>, before: Option<String>, doc: Option<String> },
    /// A type that holds all that the present one does.
    Widen { path: Vec<String>, before: Primitive, to: Primitive },
    /// Rows may have no value from now on.
    Loosen { path: Vec<String> },
    /// The columns of a struct in this order; one that is not named stays behind the one it follows. `before`: the
    /// order of those that are there, where it is another.
    Order { parent: Vec<String>, before: Option<Vec<String>>, names: Vec<String> },
}

impl ColumnEdit {
    /// Whether what is written with the schema as it was can no longer be written.
    pub(crate) fn narrows(&self) -> bool {
        matches!(self, Self::Drop { .. } | Self::Rename { .. })
    }

    /// Names of the columns that get another one, by their path.
    pub(crate) fn renamed(&self) -> Option<(&[String], &str)> {
        match self {
            Self::Rename { path, to } => Some((path, to)),
            _ => None,
        }
    }

    /// As a reader is told; `None` where another edit says it.
    pub(super) fn change(&self, returned: &[String]) -> Option<AttributeChange> {
        let change = match self {
            Self::Add { parent, field } => {
                let mut path = parent.clone();
                path.push(field.name.clone());
                let back = returned.contains(&path.join("."));
                let reason = "was dropped from the table by somebody else; it comes back as a new column, without its values";
                let reason = back.then(|| reason.to_owned());
                AttributeChange { reason, ..at(&path, None, None, Planned::Value(plain(bare(field)))) }
            }
            Self::Drop { path, field } => at(path, None, Some(plain(bare(field))), Planned::Unset)
                .class(Class::DataLoss, "its values can no longer be read"),
            Self::Rename { path, to } => {
                let old = path.last().cloned().unwrap_or_default();
                let reason = format!("who asks for `{old}` by name has to ask for `{to}`");
                at(path, Some("name"), Some(json!(old)), Planned::Value(json!(to)))
                    .class(Class::ConsumerBreaking, reason)
            }
            Self::Doc { path, before, doc } => {
                let after = doc.as_ref().map_or(Planned::Unset, |doc| Planned::Value(json!(doc)));
                at(path, Some("doc"), before.as_ref().map(|before| json!(before)), after)
            }
            Self::Widen { path, before, to } => {
                let (before, to) = (before.to_string(), to.to_string());
                at(path, Some("type"), Some(json!(before)), Planned::Value(json!(to)))
            }
            Self::Loosen { path } => {
                at(path, Some("required"), Some(json!(true)), Planned::Value(json!(false)))
            }
            Self::Order { parent, before, names } => {
                let before = before.as_ref()?;
                let there: Vec<&String> = names.iter().filter(|name| before.contains(name)).collect();
                at(parent, Some("(order)"), Some(json!(before)), Planned::Value(json!(there)))
            }
        };
        Some(change)
    }
}

fn at(column: &[String], part: Option<&str>, before: Option<Value>, after: Planned) -> AttributeChange {
    let steps = column.iter().map(String::as_str);
    let path: Vec<&str> = std::iter::once("fields").chain(steps).chain(part).collect();
    AttributeChange::new(&path, before, after)
}

pub(super) fn plain<T: Serialize>(value: T) -> Value {
    // Attributes are strings, booleans, numbers and lists of them: they always have a JSON form.
    serde_json::to_value(value).unwrap_or_default()
}

/// Columns without what is for the comparison alone.
pub(super) fn shown(fields: &[Field]) -> Vec<Field> {
    fields.iter().map(bare).collect()
}

fn bare(field: &Field) -> Field {
    Field { ty: bare_type(&field.ty), id: None, renamed_from: None, ..field.clone() }
}

fn bare_type(ty: &Type) -> Type {
    match ty {
        Type::Primitive(_) => ty.clone(),
        Type::Struct(fields) => Type::Struct(shown(fields)),
        Type::List { element, element_required } => {
            Type::List { element: Box::new(bare_type(element)), element_required: *element_required }
        }
        Type::Map { key, value, value_required } => Type::Map {
            key: Box::new(bare_type(key)),
            value: Box::new(bare_type(value)),
            value_required: *value_required,
        },
    }
}
