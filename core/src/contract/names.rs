//! Names that are derived from other names, and the full name of a record.

use crate::contract::{Contract, ContractField, ContractType, Element};
use crate::graph::codes;
use datamesh_provider::{Diagnostic, Diagnostics, Span};
use std::collections::HashMap;

/// `order-management` → `order_management`, `OrdersFacts` → `orders_facts`. Leading underscores stay.
pub fn snake_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    let mut after_lower = false;
    for c in text.chars() {
        if c.is_ascii_uppercase() && after_lower {
            out.push('_');
        }
        after_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        out.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    }
    out
}

/// The table of a product that names none: `sales`, `order-lines` → `sales.order_lines`.
pub fn table_name(domain: &str, product: &str) -> String {
    format!("{}.{}", snake_case(domain), snake_case(product))
}

/// `orders-facts` → `OrdersFacts`, `_processed_at` → `ProcessedAt`. What is left empty stays as it was.
pub fn pascal_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    if out.is_empty() { text.to_owned() } else { out }
}

/// Whether the text is a name in Avro: letters, digits and `_`, no digit first.
pub(crate) fn is_avro_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The nearest Avro name: for help texts.
pub(crate) fn to_avro_name(text: &str) -> String {
    let mut name: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// The full name of a record: `order_management.OrdersFacts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordName {
    /// Dotted; empty where the name has no namespace.
    pub namespace: String,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a record name is made of parts joined by dots, each of letters, digits and `_`, with no digit first"
)]
pub struct BadRecordName;

impl RecordName {
    /// Of the text in `schema.record`.
    ///
    /// # Errors
    ///
    /// [`BadRecordName`] where a part is no Avro name (Avro specification, "Names").
    pub fn parse(text: &str) -> Result<Self, BadRecordName> {
        if text.is_empty() || !text.split('.').all(is_avro_name) {
            return Err(BadRecordName);
        }
        let (namespace, name) = text.rsplit_once('.').unwrap_or(("", text));
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// `<domain_snake>.<ProductPascal>`.
    pub fn of_product(domain: &str, product: &str) -> Self {
        Self { namespace: to_avro_name(&snake_case(domain)), name: to_avro_name(&pascal_case(product)) }
    }
}

impl std::fmt::Display for RecordName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            return f.write_str(&self.name);
        }
        write!(f, "{}.{}", self.namespace, self.name)
    }
}

/// Nested records and enums are named after their path, and two paths may run together: `a_b` and `a.b`.
pub(crate) fn check_nested_names(contract: &Contract, diagnostics: &mut Diagnostics) {
    let mut seen = HashMap::new();
    fields(&contract.fields, "", &mut seen, diagnostics);
}

type Seen<'a> = HashMap<String, &'a ContractField>;

fn fields<'a>(all: &'a [ContractField], parent: &str, seen: &mut Seen<'a>, diagnostics: &mut Diagnostics) {
    for field in all {
        let name = format!("{parent}{}", pascal_case(&field.name));
        visit(&field.ty, name, field, seen, diagnostics);
    }
}

fn visit<'a>(
    ty: &'a ContractType,
    name: String,
    at: &'a ContractField,
    seen: &mut Seen<'a>,
    diagnostics: &mut Diagnostics,
) {
    match ty {
        ContractType::Array(element) => visit(&element.ty, name, at, seen, diagnostics),
        ContractType::Map(entry) => {
            let (key, Element { ty: value, .. }) = &**entry;
            if *key == ContractType::String {
                return visit(value, name, at, seen, diagnostics);
            }
            visit(key, format!("{name}Key"), at, seen, diagnostics);
            visit(value, format!("{name}Value"), at, seen, diagnostics);
            claim(name, at, seen, diagnostics);
        }
        ContractType::Struct(nested) => {
            fields(nested, &name, seen, diagnostics);
            claim(name, at, seen, diagnostics);
        }
        ContractType::Enum(_) => claim(name, at, seen, diagnostics),
        _ => {}
    }
}

fn claim<'a>(name: String, at: &'a ContractField, seen: &mut Seen<'a>, diagnostics: &mut Diagnostics) {
    let Some(first) = seen.get(&name) else {
        seen.insert(name, at);
        return;
    };
    let place = |field: &ContractField| -> Option<Span> { field.span };
    let found = Diagnostic::error(
        codes::NESTED_NAME_TAKEN,
        format!(
            "The types of `{}` and `{}` would both be named after `{name}`: nested records and enums are named \
             after their path of fields, and a name stands for one type in an Avro schema.",
            first.name, at.name
        ),
    );
    diagnostics.push(
        found
            .at(place(at), "this one")
            .at(place(first), "and this one")
            .help("Rename one of the two fields."),
    );
}
