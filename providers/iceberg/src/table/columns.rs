//! The difference of two column lists: what is edited in place, and what is forbidden.

use super::edit::ColumnEdit;
use super::matching::{Level, Matched, Pair};
use super::normalize::managed_key;
use crate::codes;
use crate::types::{Field, Type};
use datamesh_provider::{Diagnostic, SpanMap};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

/// What of a table forbids to change a column, beside its columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout<'a> {
    /// Ids of the columns that a partition spec or a sort order of the table's history goes by.
    pub(super) referenced: BTreeSet<i64>,
    /// Dotted names of the columns of a primary key that is not ours.
    pub(super) identifiers: BTreeSet<&'a str>,
    /// Names of partition fields that are no column of that name.
    pub(super) partitions: BTreeSet<&'a str>,
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
    /// Dotted names of columns in the table that the manifest calls otherwise, and what it calls them.
    pub(super) renamed: BTreeMap<String, String>,
    layout: Layout<'a>,
    spans: Option<&'a SpanMap>,
}

/// The names of a level by themselves in lower case.
type Folded<'a> = BTreeMap<String, &'a str>;

/// Where a column stands: by the names of the table, and by those of the manifest.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    live: Vec<String>,
    desired: Vec<String>,
}

impl Place {
    fn below(&self, live: &str, desired: &str) -> Self {
        let mut below = self.clone();
        below.live.push(live.to_owned());
        below.desired.push(desired.to_owned());
        below
    }

    fn name(&self) -> String {
        self.desired.join(".")
    }
}

impl<'a> Columns<'a> {
    pub(super) fn new(layout: Layout<'a>, spans: &'a SpanMap) -> Self {
        Self { layout, spans: Some(spans), ..Self::default() }
    }

    pub(super) fn level(&mut self, sides: Level<'_>, at: &Place) {
        let matched = Matched::of(sides);
        let folded =
            sides.live.iter().map(|field| (field.name.to_lowercase(), field.name.as_str())).collect();
        for pair in &matched.pairs {
            self.pair(pair, &folded, at);
        }
        self.foreign += matched.foreign;
        for live in &matched.dropped {
            match matched.added().find(|added| looks_renamed(live, added)) {
                Some(added) => self.rename_or_drop(live, added, at),
                None => self.dropped(live, at),
            }
        }
        self.order(&matched, sides.live, at);
    }

    fn pair(&mut self, pair: &Pair<'_>, folded: &Folded<'_>, at: &Place) {
        let desired = pair.desired;
        let Some(live) = pair.live else {
            return self.missing(folded, pair.prior.is_some(), desired, at);
        };
        let here = at.below(&live.name, &desired.name);
        if pair.several.len() > 1 {
            let detail = format!(
                "`{}` was called {} before, and the table has each of these as a column.",
                here.name(),
                pair.several.join(" and ")
            );
            let help = "Leave only the name of the column that it is under `renamed_from`.";
            return self.forbid(&here.desired, "which of them is it?", detail, help.to_owned());
        }
        if here.live != here.desired {
            self.renamed.insert(here.live.join("."), here.desired.join("."));
        }
        if live.name != desired.name && self.name_is_free(folded, Some(live), &here) {
            self.edits.push(ColumnEdit::Rename { path: here.live.clone(), to: desired.name.clone() });
        }
        self.field(pair.prior, live, desired, &here);
    }

    fn forbid(&mut self, path: &[String], label: &str, detail: String, help: String) {
        let place: Vec<&str> = std::iter::once("fields").chain(path.iter().map(String::as_str)).collect();
        let span = self.spans.and_then(|spans| spans.at(&place));
        self.forbidden.push(Diagnostic::error(codes::COLUMN_CHANGE, detail).at(span, label).help(help));
    }

    /// Whether a column can get the name of this place beside the others of its level.
    fn name_is_free(&mut self, folded: &Folded<'_>, itself: Option<&Field>, here: &Place) -> bool {
        let name = here.name();
        let last = here.desired.last().map(String::as_str).unwrap_or_default();
        let twin =
            folded.get(&last.to_lowercase()).filter(|twin| itself.is_none_or(|live| live.name != **twin));
        if let Some(twin) = twin {
            let detail = format!(
                "The table has a column `{twin}`, which differs from `{name}` only in case; with both, engines that fold \
                 case could not read the table."
            );
            let help = format!(
                "Write the name as it is in the table, `{twin}`; or say `renamed_from: {twin}` to change it."
            );
            self.forbid(&here.desired, "another case", detail, help);
            return false;
        }
        if here.desired.len() == 1 && self.layout.partitions.contains(last) {
            let detail = format!(
                "The table is partitioned by a field named `{name}`, so that no column can have this name."
            );
            let help = "Give the column another name, or the partition field (`partition_by: [{ transform: …, name: … }]`).";
            self.forbid(&here.desired, "the name of a partition field", detail, help.to_owned());
            return false;
        }
        true
    }

    fn missing(&mut self, folded: &Folded<'_>, ours: bool, desired: &Field, at: &Place) {
        let here = at.below(&desired.name, &desired.name);
        let name = here.name();
        if !self.name_is_free(folded, None, &here) {
            return;
        }
        if desired.required {
            let detail = format!(
                "`{name}` is required and would be added to a table that may hold rows already; they have no value \
                 for it."
            );
            let help = format!(
                "Declare `{name}` without `required`, or publish a new major version of the product with its own table."
            );
            return self.forbid(&here.desired, "would be added", detail, help);
        }
        if ours {
            self.returned.push(here.live.join("."));
        }
        self.edits.push(ColumnEdit::Add { parent: at.live.clone(), field: desired.clone() });
    }

    fn rename_or_drop(&mut self, live: &Field, added: &Field, at: &Place) {
        let (old, new) = (at.below(&live.name, &live.name).name(), at.below(&added.name, &added.name));
        let detail = format!(
            "`{old}` is declared no more, and `{}`, which could hold its values, is new. Renaming keeps the values; \
             dropping and adding loses them.",
            new.name()
        );
        let help = format!(
            "Say which: `renamed_from: {}` renames; `renamed_from: []` drops the one and adds the other.",
            live.name
        );
        self.forbid(&new.desired, "renamed, or new?", detail, help);
    }

    fn dropped(&mut self, live: &Field, at: &Place) {
        let here = at.below(&live.name, &live.name);
        let name = here.name();
        let way_out = format!(
            "Declare `{name}` again; or publish a new major version of the product with its own table."
        );
        if ids(live).iter().any(|id| self.layout.referenced.contains(id)) {
            let detail = format!(
                "`{name}` is declared no more, but the table is or was partitioned or sorted by it, and files that \
                 were written then can only be read with it."
            );
            return self.forbid(&at.desired, &without(&name), detail, way_out);
        }
        let path = here.live.join(".");
        let inside = format!("{path}.");
        if self.layout.identifiers.iter().any(|key| *key == path || key.starts_with(&inside)) {
            let detail = format!(
                "`{name}` is declared no more, but it is part of the table's primary key, which is not this manifest's."
            );
            return self.forbid(&at.desired, &without(&name), detail, way_out);
        }
        self.edits.push(ColumnEdit::Drop { path: here.live, field: live.clone() });
    }

    fn field(&mut self, prior: Option<&Field>, live: &Field, desired: &Field, here: &Place) {
        if live.required != desired.required {
            self.nullability(live.required, here);
        }
        let managed_doc = desired.doc.is_some() || prior.is_some_and(|prior| prior.doc.is_some());
        if managed_doc && live.doc != desired.doc {
            let (before, doc) = (live.doc.clone(), desired.doc.clone());
            self.edits.push(ColumnEdit::Doc { path: here.live.clone(), before, doc });
        }
        self.types(prior.map(|prior| &prior.ty), &live.ty, &desired.ty, here);
    }

    fn nullability(&mut self, live_required: bool, here: &Place) {
        let name = here.name();
        if !live_required {
            let detail = format!(
                "`{name}` is optional in the table and required here. Iceberg cannot require a column whose rows may \
                 hold nulls."
            );
            let help = format!(
                "Leave `{name}` optional, or publish a new major version of the product with its own table."
            );
            return self.forbid(&here.desired, "required here", detail, help);
        }
        if self.layout.identifiers.contains(here.live.join(".").as_str()) {
            let detail = format!(
                "`{name}` is optional here, and part of the table's primary key, which is not this manifest's and has \
                 no nulls."
            );
            let help =
                format!("Declare `{name}` with `required: true`; or declare the `primary_key` without it.");
            return self.forbid(&here.desired, "optional here", detail, help);
        }
        self.edits.push(ColumnEdit::Loosen { path: here.live.clone() });
    }

    fn types(&mut self, prior: Option<&Type>, live: &Type, desired: &Type, here: &Place) {
        match (live, desired) {
            (Type::Struct(live), Type::Struct(desired)) => {
                let prior = match prior {
                    Some(Type::Struct(prior)) => Some(prior.as_slice()),
                    _ => None,
                };
                self.level(Level { prior, live, desired }, here);
            }
            (
                Type::List { element: live, element_required: a },
                Type::List { element: desired, element_required: b },
            ) => {
                let prior = match prior {
                    Some(Type::List { element, .. }) => Some(&**element),
                    _ => None,
                };
                self.inside("element", (*a, *b), prior, live, desired, here);
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
                    self.type_change(&live_key, key, &here.below("key", "key"));
                }
                self.inside("value", (*a, *b), prior, live, desired, here);
            }
            (Type::Primitive(a), Type::Primitive(b)) if a == b => {}
            (Type::Primitive(a), Type::Primitive(b)) if a.widens_to(b) => {
                let (before, to) = (a.clone(), b.clone());
                self.edits.push(ColumnEdit::Widen { path: here.live.clone(), before, to });
            }
            (live, desired) => self.type_change(live, desired, here),
        }
    }

    /// What a list or a map holds.
    fn inside(
        &mut self,
        step: &str,
        required: (bool, bool),
        prior: Option<&Type>,
        live: &Type,
        desired: &Type,
        here: &Place,
    ) {
        let below = here.below(step, step);
        if required.0 != required.1 {
            self.nullability(required.0, &below);
        }
        self.types(prior, live, desired, &below);
    }

    fn type_change(&mut self, live: &dyn Display, desired: &dyn Display, here: &Place) {
        let name = here.name();
        let label = format!("{desired} here, {live} in the table");
        let detail = format!(
            "`{name}` is {live} in the table and {desired} here. Iceberg cannot change a column in this way: the \
             files already written could not be read."
        );
        let help = format!(
            "Declare it as {live}, add a column of another name, or publish a new major version of the product."
        );
        self.forbid(&here.desired, &label, detail, help);
    }

    /// The order of the declared ones among themselves is that of the manifest.
    fn order(&mut self, matched: &Matched<'_>, live: &[Field], at: &Place) {
        let names: Vec<&str> = matched
            .pairs
            .iter()
            .map(|pair| pair.live.map_or(pair.desired.name.as_str(), |live| live.name.as_str()))
            .collect();
        let kept: BTreeSet<&str> =
            matched.pairs.iter().filter_map(|pair| Some(pair.live?.name.as_str())).collect();
        let before: Vec<&str> =
            live.iter().map(|field| field.name.as_str()).filter(|name| kept.contains(name)).collect();
        let added = matched.added().map(|field| field.name.as_str());
        if before.iter().copied().chain(added).eq(names.iter().copied()) {
            return;
        }
        let moved = !names.iter().filter(|name| kept.contains(**name)).eq(before.iter());
        let new = |edit: &ColumnEdit| matches!(edit, ColumnEdit::Add { parent, .. } if *parent == at.live);
        if !moved && !self.edits.iter().any(new) {
            // What would be new here cannot be added.
            return;
        }
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let before = moved.then(|| owned(before));
        self.edits.push(ColumnEdit::Order { parent: at.live.clone(), before, names: owned(names) });
    }
}

fn without(name: &str) -> String {
    format!("these columns are declared, without `{name}`")
}

/// Whether the values of the one could be meant by the other, where the manifest does not say.
fn looks_renamed(live: &Field, added: &Field) -> bool {
    let fits = match (&live.ty, &added.ty) {
        (Type::Primitive(live), Type::Primitive(added)) => live == added || live.widens_to(added),
        // Without numbers and comments.
        (live, added) => live.to_string() == added.to_string(),
    };
    added.renamed_from.is_none() && fits
}

/// The numbers of a column and of those inside it.
fn ids(field: &Field) -> BTreeSet<i64> {
    fn inside(ty: &Type, out: &mut BTreeSet<i64>) {
        match ty {
            Type::Primitive(_) => {}
            Type::Struct(fields) => fields.iter().for_each(|field| all(field, out)),
            Type::List { element, .. } => inside(element, out),
            Type::Map { key, value, .. } => {
                inside(key, out);
                inside(value, out);
            }
        }
    }
    fn all(field: &Field, out: &mut BTreeSet<i64>) {
        out.extend(field.id);
        inside(&field.ty, out);
    }
    let mut out = BTreeSet::new();
    all(field, &mut out);
    out
}
