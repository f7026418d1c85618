//! The difference of two column lists: what can be edited in place, and what is forbidden.

use super::normalize::managed_key;
use crate::codes;
use crate::types::{Field, Type};
use datamesh_provider::{Diagnostic, SpanMap};
use std::fmt::Display;

/// One edit of a live schema.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ColumnEdit {
    /// A new optional column, after the others. `parent` is the path of the struct it goes into.
    Add { parent: Vec<String>, field: Field },
    /// Another comment; `None` removes it.
    Doc { path: Vec<String>, before: Option<String>, doc: Option<String> },
}

/// What comparing columns found.
#[derive(Debug, Default)]
pub(super) struct Columns<'a> {
    pub(super) edits: Vec<ColumnEdit>,
    pub(super) forbidden: Vec<Diagnostic>,
    /// Columns neither last applied nor declared.
    pub(super) foreign: usize,
    /// Columns of ours that somebody dropped and that come back empty.
    pub(super) returned: Vec<String>,
    spans: Option<&'a SpanMap>,
}

/// One level of columns, three ways.
#[derive(Clone, Copy)]
pub(super) struct Level<'a> {
    pub(super) prior: Option<&'a [Field]>,
    pub(super) live: &'a [Field],
    pub(super) desired: &'a [Field],
}

fn by_name<'a>(fields: &'a [Field], name: &str) -> Option<&'a Field> {
    fields.iter().find(|field| field.name == name)
}

impl<'a> Columns<'a> {
    pub(super) fn new(spans: &'a SpanMap) -> Self {
        Self { spans: Some(spans), ..Self::default() }
    }

    pub(super) fn level(&mut self, sides: Level<'_>, path: &[String]) {
        for desired in sides.desired {
            let prior = sides.prior.and_then(|prior| by_name(prior, &desired.name));
            let mut path = path.to_vec();
            path.push(desired.name.clone());
            match by_name(sides.live, &desired.name) {
                Some(live) => self.field(prior, live, desired, &path),
                None => self.missing(sides.live, prior.is_some(), desired, &path),
            }
        }
        for live in sides.live {
            if by_name(sides.desired, &live.name).is_some() {
                continue;
            }
            if sides.prior.is_some_and(|prior| by_name(prior, &live.name).is_some()) {
                self.dropped(live, path);
            } else {
                self.foreign += 1;
            }
        }
    }

    fn forbid(&mut self, path: &[String], label: &str, detail: String, help: String) {
        let mut place = vec!["fields"];
        place.extend(path.iter().map(String::as_str));
        let span = self.spans.and_then(|spans| spans.at(&place));
        self.forbidden.push(Diagnostic::error(codes::COLUMN_CHANGE, detail).at(span, label).help(help));
    }

    fn missing(&mut self, live: &[Field], ours: bool, desired: &Field, path: &[String]) {
        let name = path.join(".");
        let folded = desired.name.to_lowercase();
        if let Some(twin) = live.iter().find(|live| live.name.to_lowercase() == folded) {
            let detail = format!(
                "The table has a column `{}`, which differs from `{name}` only in case; with both, engines that fold \
                 case could not read the table.",
                twin.name
            );
            let help = format!("Write the name as it is in the table, `{}`.", twin.name);
            return self.forbid(path, "would be added", detail, help);
        }
        if desired.required {
            let detail = format!(
                "`{name}` is required and would be added to a table that may hold rows already; they have no value \
                 for it."
            );
            let help = format!(
                "Declare `{name}` without `required`, or publish a new major version of the product with its own table."
            );
            return self.forbid(path, "would be added", detail, help);
        }
        if ours {
            self.returned.push(name);
        }
        let parent = path[..path.len() - 1].to_vec();
        self.edits.push(ColumnEdit::Add { parent, field: desired.clone() });
    }

    fn dropped(&mut self, live: &Field, parent: &[String]) {
        let mut path = parent.to_vec();
        path.push(live.name.clone());
        let name = path.join(".");
        let detail = format!(
            "`{name}` was applied from this manifest, is still in the table, and is no longer declared. Dropping (or \
             renaming) a column is not supported by this version."
        );
        let help = format!(
            "Declare `{name}` again; or drop it with an engine (`ALTER TABLE … DROP COLUMN {name}`), and the next \
             plan finds nothing to do."
        );
        self.forbid(parent, &format!("these columns are declared, without `{name}`"), detail, help);
    }

    fn field(&mut self, prior: Option<&Field>, live: &Field, desired: &Field, path: &[String]) {
        if live.required != desired.required {
            self.nullability(live.required, path);
        }
        let managed_doc = desired.doc.is_some() || prior.is_some_and(|prior| prior.doc.is_some());
        if managed_doc && live.doc != desired.doc {
            let (before, doc) = (live.doc.clone(), desired.doc.clone());
            self.edits.push(ColumnEdit::Doc { path: path.to_vec(), before, doc });
        }
        self.types(prior.map(|prior| &prior.ty), &live.ty, &desired.ty, path);
    }

    fn nullability(&mut self, live_required: bool, path: &[String]) {
        let name = path.join(".");
        if live_required {
            let detail = format!(
                "`{name}` is required in the table and optional here. Loosening a column is not \
                                  supported by this version."
            );
            let help = format!(
                "Write `required: true`, or loosen it with an engine (`ALTER TABLE … ALTER COLUMN {name} DROP NOT NULL`)."
            );
            self.forbid(path, "optional here", detail, help);
        } else {
            let detail = format!(
                "`{name}` is optional in the table and required here. Iceberg cannot require a column whose rows may \
                 hold nulls."
            );
            let help = format!(
                "Leave `{name}` optional, or publish a new major version of the product with its own table."
            );
            self.forbid(path, "required here", detail, help);
        }
    }

    fn types(&mut self, prior: Option<&Type>, live: &Type, desired: &Type, path: &[String]) {
        let below = |step: &str| {
            let mut path = path.to_vec();
            path.push(step.to_owned());
            path
        };
        match (live, desired) {
            (Type::Struct(live), Type::Struct(desired)) => {
                let prior = match prior {
                    Some(Type::Struct(prior)) => Some(prior.as_slice()),
                    _ => None,
                };
                self.level(Level { prior, live, desired }, path);
            }
            (
                Type::List { element: live, element_required: a },
                Type::List { element: desired, element_required: b },
            ) => {
                let prior = match prior {
                    Some(Type::List { element, .. }) => Some(&**element),
                    _ => None,
                };
                if a != b {
                    self.nullability(*a, &below("element"));
                }
                self.types(prior, live, desired, &below("element"));
            }
            (
                Type::Map { key: live_key, value: live, value_required: a },
                Type::Map { key, value: desired, value_required: b },
            ) => {
                let prior = match prior {
                    Some(Type::Map { value, .. }) => Some(&**value),
                    _ => None,
                };
                let live_key = managed_key(live_key, key);
                if live_key != **key {
                    self.type_change(&live_key, key, false, &below("key"));
                }
                if a != b {
                    self.nullability(*a, &below("value"));
                }
                self.types(prior, live, desired, &below("value"));
            }
            (Type::Primitive(a), Type::Primitive(b)) if a == b => {}
            (Type::Primitive(a), Type::Primitive(b)) => self.type_change(a, b, a.widens_to(b), path),
            (live, desired) => self.type_change(live, desired, false, path),
        }
    }

    fn type_change(&mut self, live: &dyn Display, desired: &dyn Display, widens: bool, path: &[String]) {
        let name = path.join(".");
        let label = format!("{desired} here, {live} in the table");
        if widens {
            let detail = format!(
                "`{name}` is {live} in the table and {desired} here. Iceberg can widen it, but this version does not \
                 support that yet."
            );
            let help = format!(
                "Declare it as {live}, or widen it with an engine (`ALTER TABLE … ALTER COLUMN {name} TYPE …`), and \
                 the next plan finds nothing to do."
            );
            self.forbid(path, &label, detail, help);
        } else {
            let detail = format!(
                "`{name}` is {live} in the table and {desired} here. Iceberg cannot change a column in this way: the \
                 files already written could not be read."
            );
            let help = format!(
                "Declare it as {live}, add a column of another name, or publish a new major version of the product."
            );
            self.forbid(path, &label, detail, help);
        }
    }
}
