//! Contracts: from a product's fields to an Avro schema and an Iceberg schema, as plain values.
//!
//! [`Contract::build`] checks what a manifest says about its fields, once, and makes a typed tree of it. From the
//! tree come the text of the Avro schema ([`Contract::avro`]), the columns of a table ([`Contract::columns`]), and
//! its partition fields and sort order. The Avro text is a published format: tests freeze it byte by byte.

mod avro;
mod build;
mod defaults;
mod iceberg;
mod names;
mod partition;
mod spelling;
mod suggest;

pub use names::{BadRecordName, RecordName, pascal_case, snake_case, table_name};
pub use partition::{PartitionField, SortField, Transform};

pub use suggest::did_you_mean;

use crate::manifest::model::{PiiType, Protection};
use datamesh_provider::Span;

/// How large one contract may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContractLimits {
    /// Fields of a product, nested ones included.
    pub fields: usize,
    /// Levels of nesting; a plain field is level 1.
    pub nesting: usize,
}

impl Default for ContractLimits {
    fn default() -> Self {
        Self { fields: 5_000, nesting: 32 }
    }
}

/// The checked contract of a product.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contract {
    pub fields: Vec<ContractField>,
    /// Names of top-level fields, in the order of the manifest.
    pub primary_key: Vec<String>,
}

/// One field of a contract, or of a struct within it.
#[derive(Clone, Debug, PartialEq)]
pub struct ContractField {
    pub name: String,
    pub ty: ContractType,
    /// NOT NULL, spelled or implied by the primary key.
    pub required: bool,
    /// Left out of completeness.
    pub optional: bool,
    pub description: Option<String>,
    /// In Avro's JSON encoding, for the field's own type. `null` is what an absent default means as well.
    pub default: Option<serde_json::Value>,
    pub pii: Option<bool>,
    pub pii_type: Option<PiiType>,
    pub governance: Option<Protection>,
    /// Earlier names, oldest first. An empty list says that it never had another.
    pub renamed_from: Option<Vec<String>>,
    /// The place of the name.
    pub span: Option<Span>,
}

/// A type, whichever way it was spelled.
#[derive(Clone, Debug, PartialEq)]
pub enum ContractType {
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Decimal {
        precision: u32,
        scale: u32,
    },
    Date,
    Time,
    /// UTC, microseconds.
    Timestamp,
    /// Without a zone, microseconds.
    TimestampNtz,
    String,
    Uuid,
    Binary,
    /// One of a few values, all of them Avro names.
    Enum(Vec<String>),
    /// One of a few values that Avro's enum cannot hold: a string that carries them.
    OneOf(Vec<String>),
    Array(Box<Element>),
    Map(Box<(ContractType, Element)>),
    Struct(Vec<ContractField>),
}

/// What an array or a map holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    pub ty: ContractType,
    /// Not null.
    pub required: bool,
}

impl ContractType {
    /// Whether it is one value rather than a collection of them.
    pub fn is_primitive(&self) -> bool {
        !matches!(self, Self::Array(_) | Self::Map(_) | Self::Struct(_))
    }
}

impl std::fmt::Display for ContractType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Decimal { precision, scale } => return write!(f, "decimal({precision},{scale})"),
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::TimestampNtz => "timestamp_ntz",
            Self::String => "string",
            Self::Uuid => "uuid",
            Self::Binary => "binary",
            Self::Enum(_) | Self::OneOf(_) => "enum",
            Self::Array(element) => return write!(f, "array<{}>", element.ty),
            Self::Map(entry) => return write!(f, "map<{}, {}>", entry.0, entry.1.ty),
            Self::Struct(fields) => {
                let parts: Vec<String> =
                    fields.iter().map(|field| format!("{}: {}", field.name, field.ty)).collect();
                return write!(f, "struct<{}>", parts.join(", "));
            }
        })
    }
}

/// The word of a `pii_type` in manifests, schemas and the catalog.
pub fn pii_word(ty: PiiType) -> &'static str {
    match ty {
        PiiType::Email => "email",
        PiiType::Phone => "phone",
        PiiType::Ssn => "ssn",
        PiiType::Name => "name",
        PiiType::Address => "address",
        PiiType::Ip => "ip",
        PiiType::Card => "card",
        PiiType::Iban => "iban",
        PiiType::Dob => "dob",
        PiiType::Location => "location",
        PiiType::NationalId => "national_id",
        PiiType::Other => "other",
    }
}

/// The word of a `governance` in manifests, schemas and the catalog.
pub fn protection_word(protection: Protection) -> &'static str {
    match protection {
        Protection::MaskLast4 => "mask-last-4",
        Protection::HashBeforePublish => "hash-before-publish",
        Protection::Tokenize => "tokenize",
        Protection::Encrypt => "encrypt",
        Protection::Redact => "redact",
    }
}

#[cfg(test)]
mod tests;
