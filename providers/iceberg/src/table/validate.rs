//! Checks of one declared table by itself.

use super::schema::Attrs;
use crate::codes;
use crate::location;
use crate::owner;
use crate::types::{Field, Primitive, Type, find};
use datamesh_provider::{Code, Diagnostic, Diagnostics, SpanMap};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn validate(attrs: &Attrs, at: &SpanMap) -> Diagnostics {
    let mut out = Diagnostics::default();
    if let Some(fields) = &attrs.fields {
        columns(fields, &[], attrs.format_version.unwrap_or(2), at, &mut out);
        identifier(attrs, fields, at, &mut out);
        partitioning(attrs, fields, at, &mut out);
        sorting(attrs, fields, at, &mut out);
    }
    if let Some(map) = &attrs.properties {
        properties(map, owner::reserved_of_tables, at, &mut out);
    }
    if let Some(text) = &attrs.location
        && let Some(why) = location::problem(text)
    {
        let detail = format!("`{text}` is no location for a table: {why}.");
        out.push(Diagnostic::error(codes::LOCATION, detail).at(at.at(&["location"]), "declared here"));
    }
    if let Some(version) = attrs.format_version
        && !(2..=3).contains(&version)
    {
        let detail = format!("Format version {version} is asked for; tables are made in version 2 or 3.");
        out.push(
            Diagnostic::error(codes::FORMAT_VERSION, detail)
                .at(at.at(&["format_version"]), "declared here")
                .help("Write `format_version: 2`, which every engine reads, or leave the key out."),
        );
    }
    out
}

fn columns(fields: &[Field], path: &[&str], version: u8, at: &SpanMap, out: &mut Diagnostics) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for field in fields {
        let mut path = path.to_vec();
        path.push(&field.name);
        let mut error = |detail: String, help: &str| {
            let place: Vec<&str> = std::iter::once("fields").chain(path.iter().copied()).collect();
            out.push(Diagnostic::error(codes::COLUMN, detail).at(at.at(&place), "declared here").help(help));
        };
        if field.name.is_empty() || field.name.contains(char::is_control) {
            error(format!("{:?} is no name for a column.", field.name), "Give the column a printable name.");
        }
        match seen.insert(field.name.to_lowercase(), &field.name) {
            Some(other) if other == field.name => error(
                format!("The column `{other}` is declared twice."),
                "Remove one of the two, or give it another name.",
            ),
            Some(other) => error(
                format!(
                    "The columns `{other}` and `{}` differ only in case; engines that fold case cannot tell them apart.",
                    field.name
                ),
                "Give one of them another name.",
            ),
            None => {}
        }
        if let Some((what, help)) = type_problem(&field.ty, version) {
            error(format!("The column `{}` {what}.", field.name), help);
        }
        nested(&field.ty, &path, version, at, out);
    }
}

fn nested(ty: &Type, path: &[&str], version: u8, at: &SpanMap, out: &mut Diagnostics) {
    match ty {
        Type::Primitive(_) => {}
        Type::Struct(fields) => columns(fields, path, version, at, out),
        Type::List { element, .. } => nested(element, path, version, at, out),
        Type::Map { key, value, .. } => {
            nested(key, path, version, at, out);
            nested(value, path, version, at, out);
        }
    }
}

fn type_problem(ty: &Type, version: u8) -> Option<(String, &'static str)> {
    match ty {
        Type::Primitive(Primitive::Decimal { precision, scale }) => {
            let bad = *precision == 0 || *precision > 38 || scale > precision;
            bad.then(|| {
                (
                    format!("is a decimal({precision},{scale})"),
                    "The precision goes from 1 to 38, and the scale from 0 to the precision.",
                )
            })
        }
        Type::Primitive(Primitive::Other(text)) => Some((
            format!("has the type `{text}`, which this version does not know"),
            "Types are boolean, int, long, float, double, decimal(p,s), date, time, timestamp, timestamptz, \
             string, uuid, fixed[n], binary, struct, list and map.",
        )),
        Type::Primitive(Primitive::TimestampNs | Primitive::TimestamptzNs) if version < 3 => Some((
            "has nanoseconds, which format version 2 does not have".to_owned(),
            "Use timestamp or timestamptz, which count microseconds, or `format_version: 3`.",
        )),
        Type::Struct(fields) if fields.is_empty() => {
            Some(("is a struct without fields".to_owned(), "Give the struct at least one field."))
        }
        Type::Primitive(_) | Type::Struct(_) => None,
        Type::List { element, .. } => type_problem(element, version),
        Type::Map { key, value, .. } => type_problem(key, version).or_else(|| type_problem(value, version)),
    }
}

fn identifier(attrs: &Attrs, fields: &[Field], at: &SpanMap, out: &mut Diagnostics) {
    for name in attrs.identifier_fields.iter().flatten() {
        let (why, help) = match find(fields, name) {
            None => ("is not a column of the table", "Name a declared column."),
            Some(found) if !found.required => {
                ("may be null, and a key must not be", "Mark the column `required: true`.")
            }
            Some(found) => match &found.field.ty {
                Type::Primitive(Primitive::Float | Primitive::Double) => (
                    "is a floating-point number, which has no exact equality",
                    "Use a decimal, an int or a long.",
                ),
                Type::Primitive(_) => continue,
                _ => ("is a nested type", "Use a column with a plain value."),
            },
        };
        out.push(
            Diagnostic::error(codes::IDENTIFIER, format!("The column `{name}` of the primary key {why}."))
                .at(at.at(&["identifier_fields", name]), "part of the primary key")
                .help(help),
        );
    }
}

fn partitioning(attrs: &Attrs, fields: &[Field], at: &SpanMap, out: &mut Diagnostics) {
    let (mut names, mut sources) = (BTreeSet::new(), BTreeSet::new());
    for field in attrs.partition_by.iter().flatten() {
        let mut error = |detail: String, help: &str| {
            let place = at.at(&["partition_by", &field.name]);
            out.push(Diagnostic::error(codes::PARTITION, detail).at(place, "declared here").help(help));
        };
        let transform = field.transform.to_string();
        match find(fields, &field.source) {
            None => error(
                format!("There is no column `{}` to partition by.", field.source),
                "Name a declared column; a field of a struct is written `struct.field`.",
            ),
            Some(found) if !field.transform.fits(&found.field.ty) => error(
                format!("`{transform}` cannot be taken of `{}`, a {}.", field.source, found.field.ty),
                "Year, month and day take dates and timestamps, hour takes timestamps, truncate takes numbers, \
                 strings and binaries, bucket everything but boolean and floating-point columns.",
            ),
            Some(_) => {}
        }
        if !field.is_its_column() && fields.iter().any(|column| column.name == field.name) {
            error(
                format!(
                    "The partition field `{}` has the name of a column, but is not that column itself.",
                    field.name
                ),
                "Give the partition field another name.",
            );
        }
        if !names.insert(&field.name) {
            error(
                format!("Two partition fields are named `{}`.", field.name),
                "Give one of them another name.",
            );
        }
        if !sources.insert((&field.source, transform.clone())) {
            error(
                format!("`{}` is partitioned by {transform} twice.", field.source),
                "Remove one of the two.",
            );
        }
    }
}

fn sorting(attrs: &Attrs, fields: &[Field], at: &SpanMap, out: &mut Diagnostics) {
    for field in attrs.sort_by.iter().flatten() {
        let detail = match find(fields, &field.source) {
            None => format!("There is no column `{}` to sort by.", field.source),
            Some(found) if !field.transform.fits(&found.field.ty) => {
                format!("`{}` cannot be taken of `{}`, a {}.", field.transform, field.source, found.field.ty)
            }
            Some(_) => continue,
        };
        out.push(
            Diagnostic::error(codes::SORT, detail)
                .at(at.at(&["sort_by", &field.source]), "declared here")
                .help("Sort by a declared column with a plain value."),
        );
    }
}

/// Keys that belong to the catalog or to the tool.
pub(crate) fn properties(
    map: &BTreeMap<String, String>,
    reserved: impl Fn(&str) -> bool,
    at: &SpanMap,
    out: &mut Diagnostics,
) {
    let mut error = |code: Code, key: &str, detail: String| {
        let place = at.at(&["properties", key]);
        out.push(Diagnostic::error(code, detail).at(place, "declared here").help("Remove the key."));
    };
    for key in map.keys() {
        if key == owner::PROPERTY {
            error(
                codes::PROPERTY,
                key,
                format!("`{key}` is written by the tool itself, to say who manages this."),
            );
        } else if reserved(key) {
            error(codes::PROPERTY, key, format!("`{key}` belongs to the catalog."));
        } else if key.is_empty() || key.contains(char::is_control) {
            error(codes::PROPERTY, key, format!("{key:?} is no name for a property."));
        }
    }
}
