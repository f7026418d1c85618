//! Partition fields and sort orders.

use crate::contract::{Contract, ContractField, ContractType, did_you_mean};
use crate::graph::codes;
use crate::manifest::values::PartitionBy;
use datamesh_provider::{Code, Diagnostic, Diagnostics, Spanned};
use std::collections::HashMap;
use std::fmt;

/// What is done to a column before it partitions or sorts (Iceberg table specification, "Partition Transforms").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transform {
    Identity,
    Year,
    Month,
    Day,
    Hour,
    Bucket(u32),
    Truncate(u32),
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity",
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Bucket(n) => return write!(f, "bucket[{n}]"),
            Self::Truncate(width) => return write!(f, "truncate[{width}]"),
        })
    }
}

/// One field of a partition spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionField {
    /// A top-level field of the contract.
    pub source: String,
    pub transform: Transform,
    pub name: String,
}

/// One field of a sort order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortField {
    pub source: String,
    pub transform: Transform,
    pub descending: bool,
    pub nulls_last: bool,
}

/// A part of a timestamp by which a name may end: `created_date` is `day(created_at)`.
const ENDINGS: &[(&str, Transform)] = &[
    ("_date", Transform::Day),
    ("_hour", Transform::Hour),
    ("_month", Transform::Month),
    ("_year", Transform::Year),
];

const FORMS: &str =
    "Write a field, or `day(f)`, `month(f)`, `year(f)`, `hour(f)`, `bucket(16, f)`, `truncate(4, f)`.";

/// Why an entry is not possible, and what helps.
struct Wrong {
    why: String,
    help: String,
}

fn wrong<T>(why: impl Into<String>, help: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { why: why.into(), help: help.into() })
}

impl Contract {
    /// The partition fields that `partition_by` asks for.
    pub fn partition_by(&self, entries: &[Spanned<PartitionBy>]) -> (Vec<PartitionField>, Diagnostics) {
        let (mut all, mut diagnostics) = (Vec::new(), Diagnostics::default());
        let mut names: HashMap<String, &Spanned<PartitionBy>> = HashMap::new();
        let mut used: HashMap<(String, bool), &Spanned<PartitionBy>> = HashMap::new();
        for entry in entries {
            let field = match self.partition_field(entry) {
                Ok(field) => field,
                Err(Wrong { why, help }) => {
                    diagnostics.push(report(codes::BAD_PARTITION, entry, &why, help));
                    continue;
                }
            };
            let timely = matches!(
                field.transform,
                Transform::Year | Transform::Month | Transform::Day | Transform::Hour
            );
            let kind =
                if timely { field.source.clone() } else { format!("{}({})", field.source, field.transform) };
            if let Some(first) = used.insert((kind, timely), entry) {
                let why = format!("it partitions `{}` again, which another entry does already", field.source);
                diagnostics.push(
                    report(codes::BAD_PARTITION, entry, &why, "Keep the finer one.")
                        .on(&first.transform, "the other entry"),
                );
            } else if let Some(first) = names.insert(field.name.clone(), entry) {
                let why = format!("the name `{}` is taken by another entry", field.name);
                let help = "Give one of them a name: `{transform: …, name: …}`.";
                diagnostics.push(
                    report(codes::BAD_PARTITION, entry, &why, help).on(&first.transform, "the other entry"),
                );
            }
            all.push(field);
        }
        (all, diagnostics)
    }

    fn partition_field(&self, entry: &PartitionBy) -> Result<PartitionField, Wrong> {
        let text = entry.transform.trim();
        let implied = self.implied(text);
        let (transform, source) = match &implied {
            Some((transform, source)) => (*transform, source.as_str()),
            None => parse(text)?,
        };
        let field = self.source(source)?;
        check(transform, field)?;
        let name = match &entry.name {
            Some(name) => name.value.clone(),
            None if implied.is_some() => text.to_owned(),
            None => default_name(transform, source),
        };
        if !super::names::is_avro_name(&name) {
            return wrong(
                format!("`{name}` is no name for a partition field"),
                "Use letters, digits and `_`.",
            );
        }
        let same = transform == Transform::Identity && name == source;
        if !same && self.field(&name).is_some() {
            return wrong(
                format!(
                    "its name `{name}` is the name of a field, and the two would be one column to engines"
                ),
                format!("Give it another name: `{{transform: \"{text}\", name: {name}_part}}`."),
            );
        }
        Ok(PartitionField { source: source.to_owned(), transform, name })
    }

    /// `<x>_date` where there is a timestamp `<x>_at`, and no field of the name itself.
    fn implied(&self, text: &str) -> Option<(Transform, String)> {
        if self.field(text).is_some() {
            return None;
        }
        ENDINGS.iter().find_map(|(ending, transform)| {
            let source = format!("{}_at", text.strip_suffix(ending)?);
            let ty = &self.field(&source)?.ty;
            matches!(ty, ContractType::Timestamp | ContractType::TimestampNtz).then_some((*transform, source))
        })
    }

    fn source(&self, name: &str) -> Result<&ContractField, Wrong> {
        if let Some(field) = self.field(name) {
            return Ok(field);
        }
        if name.contains('.') {
            return wrong(
                format!("`{name}` is inside a struct, and only top-level fields can be used"),
                "Move the field to the top level.",
            );
        }
        let help = did_you_mean(name, self.fields.iter().map(|f| f.name.as_str()), || {
            match name.strip_suffix("_date") {
                Some(stem) => {
                    format!("Declare a field `{name}`, or a timestamp `{stem}_at` to take the day of.")
                }
                None => FORMS.to_owned(),
            }
        });
        wrong(format!("there is no field `{name}`"), help)
    }

    /// The sort order that `sort_by` asks for: `created_at desc`, `bucket(16, id) asc nulls-last`.
    pub fn sort_by(&self, entries: &[Spanned<PartitionBy>]) -> (Vec<SortField>, Diagnostics) {
        let (mut all, mut diagnostics) = (Vec::new(), Diagnostics::default());
        for entry in entries {
            match self.sort_field(entry) {
                Ok(field) => all.push(field),
                Err(Wrong { why, help }) => diagnostics.push(report(codes::BAD_SORT, entry, &why, help)),
            }
        }
        (all, diagnostics)
    }

    fn sort_field(&self, entry: &PartitionBy) -> Result<SortField, Wrong> {
        if entry.name.is_some() {
            return wrong("a sort field has no name", "Remove `name`.");
        }
        let text = entry.transform.trim();
        let end =
            text.find(')').map_or_else(|| text.find(char::is_whitespace).unwrap_or(text.len()), |at| at + 1);
        let (transform, source) = parse(&text[..end])?;
        check(transform, self.source(source)?)?;
        let words = text[end..].to_ascii_lowercase();
        let mut words: Vec<&str> =
            words.split(|c: char| c.is_whitespace() || c == '-').filter(|w| !w.is_empty()).collect();
        let descending = match words.first() {
            Some(&"desc") => true,
            Some(&"asc") => false,
            _ => {
                words.insert(0, "asc");
                false
            }
        };
        // Where nothing is said, nulls are first when ascending and last when descending, as in Iceberg itself.
        let nulls_last = match &words[1..] {
            [] => descending,
            ["nulls", "first"] => false,
            ["nulls", "last"] => true,
            _ => {
                return wrong(
                    "after the field come `asc` or `desc`, then `nulls-first` or `nulls-last`, and nothing else",
                    "Write `created_at desc nulls-last`, say.",
                );
            }
        };
        Ok(SortField { source: source.to_owned(), transform, descending, nulls_last })
    }
}

fn report(code: Code, entry: &Spanned<PartitionBy>, why: &str, help: impl Into<String>) -> Diagnostic {
    let detail = format!("`{}` is not possible: {why}.", entry.transform.value);
    Diagnostic::error(code, detail).at(entry.transform.span.or(entry.span), "this entry").help(help)
}

/// `day(created_at)` → day, `created_at`.
fn parse(text: &str) -> Result<(Transform, &str), Wrong> {
    let Some((word, rest)) = text.split_once('(') else { return Ok((Transform::Identity, text)) };
    let Some(inside) = rest.strip_suffix(')') else { return wrong("its bracket is not closed", FORMS) };
    let (number, source) = match inside.split_once(',') {
        Some((number, source)) => (Some(number.trim()), source.trim()),
        None => (None, inside.trim()),
    };
    let transform = match (word.trim().to_ascii_lowercase().as_str(), number) {
        ("identity", None) => Transform::Identity,
        ("year" | "years", None) => Transform::Year,
        ("month" | "months", None) => Transform::Month,
        ("day" | "days" | "date", None) => Transform::Day,
        ("hour" | "hours", None) => Transform::Hour,
        ("bucket", Some(n)) => Transform::Bucket(count(n)?),
        ("truncate" | "trunc", Some(n)) => Transform::Truncate(count(n)?),
        ("bucket" | "truncate" | "trunc", None) => {
            return wrong("the number before the field is missing", FORMS);
        }
        ("identity" | "year" | "month" | "day" | "hour", Some(_)) => {
            return wrong("it takes one field only", FORMS);
        }
        (word, _) => {
            let known = ["identity", "year", "month", "day", "hour", "bucket", "truncate"];
            let help = did_you_mean(word, known, || FORMS.to_owned());
            return wrong(format!("there is no transform `{word}`"), help);
        }
    };
    Ok((transform, source))
}

fn count(text: &str) -> Result<u32, Wrong> {
    let number = text.parse::<u32>().ok().filter(|n| (1..=i32::MAX.unsigned_abs()).contains(n));
    number.map_or_else(|| wrong(format!("`{text}` is no whole number from 1"), FORMS), Ok)
}

fn default_name(transform: Transform, source: &str) -> String {
    match transform {
        Transform::Identity => source.to_owned(),
        Transform::Bucket(_) => format!("{source}_bucket"),
        Transform::Truncate(_) => format!("{source}_trunc"),
        timely => format!("{source}_{timely}"),
    }
}

/// Which types a transform takes (Iceberg table specification, "Partition Transforms").
fn check(transform: Transform, field: &ContractField) -> Result<(), Wrong> {
    use ContractType as T;
    let stamp = matches!(field.ty, T::Timestamp | T::TimestampNtz);
    let texts = matches!(field.ty, T::String | T::Enum(_) | T::OneOf(_) | T::Binary);
    let whole = matches!(field.ty, T::Int | T::Long | T::Decimal { .. });
    let fits = match transform {
        Transform::Identity => field.ty.is_primitive(),
        Transform::Year | Transform::Month | Transform::Day => stamp || field.ty == T::Date,
        Transform::Hour => stamp,
        Transform::Truncate(_) => texts || whole,
        Transform::Bucket(_) => texts || whole || stamp || matches!(field.ty, T::Date | T::Time | T::Uuid),
    };
    if fits {
        return Ok(());
    }
    let takes = match transform {
        Transform::Identity => "only plain types can be used",
        Transform::Year | Transform::Month | Transform::Day => "it takes a date or a timestamp",
        Transform::Hour => "it takes a timestamp",
        Transform::Truncate(_) => "it takes a text, a whole number, a decimal or a binary",
        Transform::Bucket(_) => "it takes no boolean, no floating-point number and no nested type",
    };
    wrong(
        format!("`{}` is {}, and {takes}", field.name, field.ty),
        "Choose another transform, or another field.",
    )
}
