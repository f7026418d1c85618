//! What it takes to get a table from live to desired.

use super::columns::{Columns, Layout, Place};
use super::edit::{ColumnEdit, plain, shown};
use super::matching::Level;
use super::schema::{Attrs, Direction, NARROW, NullOrder, PartitionField, SortField};
use crate::codes;
use crate::owner;
use crate::transform::Transform;
use datamesh_provider::{
    AttributeChange, ChangeSpec, Class, Diagnostic, Diagnostics, Facts, Planned, SpanMap, View,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The difference between a live table and what is desired of it, in terms of edits.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) columns: Vec<ColumnEdit>,
    pub(crate) properties: PropertyEdits,
    pub(crate) layout: LayoutEdits,
    pub(crate) forbidden: Vec<Diagnostic>,
    pub(crate) foreign_columns: usize,
    pub(crate) returned: Vec<String>,
}

/// What becomes of a table beside its columns; `None`: it stays. Columns are called as the manifest calls them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LayoutEdits {
    pub(crate) identifiers: Option<Vec<String>>,
    pub(crate) partition: Option<Vec<PartitionField>>,
    pub(crate) sort: Option<Vec<SortField>>,
    pub(crate) format_version: Option<u8>,
}

/// Properties to set and to remove.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PropertyEdits {
    pub(crate) set: BTreeMap<String, String>,
    pub(crate) unset: Vec<String>,
    /// How many live ones are neither last applied nor declared.
    pub(crate) foreign: usize,
}

impl PropertyEdits {
    pub(crate) fn compare(
        prior: Option<&BTreeMap<String, String>>,
        live: Option<&BTreeMap<String, String>>,
        desired: Option<&BTreeMap<String, String>>,
    ) -> Self {
        let mut out = Self::default();
        let live_of = |key: &str| live.and_then(|live| live.get(key));
        for (key, value) in desired.into_iter().flatten() {
            if live_of(key) != Some(value) {
                out.set.insert(key.clone(), value.clone());
            }
        }
        for key in live.into_iter().flat_map(BTreeMap::keys) {
            if desired.is_some_and(|desired| desired.contains_key(key)) {
                continue;
            }
            if prior.is_some_and(|prior| prior.contains_key(key)) {
                out.unset.push(key.clone());
            } else if !owner::added_by_catalogs(key) {
                out.foreign += 1;
            }
        }
        out
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.unset.is_empty()
    }

    pub(crate) fn changes(&self, live: Option<&BTreeMap<String, String>>) -> Vec<AttributeChange> {
        let before = |key: &str| live.and_then(|live| live.get(key)).map(|value| json!(value));
        let set = self.set.iter().map(|(key, value)| {
            AttributeChange::new(&["properties", key], before(key), Planned::Value(json!(value)))
        });
        let unset = self
            .unset
            .iter()
            .map(|key| AttributeChange::new(&["properties", key], before(key), Planned::Unset));
        set.chain(unset).collect()
    }
}

impl Comparison {
    pub(crate) fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.properties.is_empty() && self.layout == LayoutEdits::default()
    }

    /// Whether it takes something away from those who write, and gives them nothing.
    fn narrows(&self) -> bool {
        let order = |edit: &&ColumnEdit| !matches!(edit, ColumnEdit::Order { .. });
        let mut columns = self.columns.iter().filter(order).peekable();
        columns.peek().is_some() && columns.all(ColumnEdit::narrows)
    }
}

/// Compares three ways; `prior` is `None` for what we never applied.
pub(crate) fn compare(prior: Option<&Attrs>, live: &Attrs, desired: &Attrs, at: &SpanMap) -> Comparison {
    let managed = Managed::of(prior, desired);
    let mut columns = Columns::new(layout_of(managed, live), at);
    if let Some(fields) = desired.fields.as_deref() {
        let sides = Level {
            prior: prior.and_then(|prior| prior.fields.as_deref()),
            live: live.fields.as_deref().unwrap_or_default(),
            desired: fields,
        };
        columns.level(sides, &Place::default());
    }
    let properties = PropertyEdits::compare(
        prior.and_then(|prior| prior.properties.as_ref()),
        live.properties.as_ref(),
        desired.properties.as_ref(),
    );
    let mut forbidden = columns.forbidden;
    let layout = layout(managed, live, desired, &columns.renamed);
    let fields = live.fields.as_deref().unwrap_or_default();
    let partition = layout.partition.as_deref().unwrap_or_default();
    forbidden.extend(partition.iter().filter_map(|field| {
        let taken = !field.is_its_column() && fields.iter().any(|column| column.name == field.name);
        taken.then(|| name_of_a_column(field, at))
    }));
    if live.format_version == Some(1) && layout.partition.is_some() && layout.format_version.is_none() {
        forbidden.push(first_version(at));
    }
    still(live, desired, at, &mut forbidden);
    Comparison {
        columns: columns.edits,
        properties,
        layout,
        forbidden,
        foreign_columns: columns.foreign,
        returned: columns.returned,
    }
}

/// Which lists of a table's layout are managed.
#[derive(Clone, Copy)]
struct Managed {
    identifiers: bool,
    partition: bool,
    sort: bool,
}

impl Managed {
    fn of(prior: Option<&Attrs>, desired: &Attrs) -> Self {
        Self {
            identifiers: ours(prior, desired, |attrs| attrs.identifier_fields.as_ref()),
            partition: ours(prior, desired, |attrs| attrs.partition_by.as_ref()),
            sort: ours(prior, desired, |attrs| attrs.sort_by.as_ref()),
        }
    }
}

/// Whether a list is managed: declared now, or applied before and no longer declared, which means "none".
fn ours<T>(prior: Option<&Attrs>, desired: &Attrs, list: impl Fn(&Attrs) -> Option<&Vec<T>>) -> bool {
    list(desired).is_some() || prior.and_then(list).is_some_and(|list| !list.is_empty())
}

/// What of the table limits changes of its columns.
fn layout_of(managed: Managed, live: &Attrs) -> Layout<'_> {
    let identifiers = live.identifier_fields.iter().flatten().filter(|_| !managed.identifiers);
    let named = live.partition_by.iter().flatten().filter(|field| !field.is_its_column());
    Layout {
        referenced: live.referenced.clone().unwrap_or_default(),
        identifiers: identifiers.map(String::as_str).collect(),
        partitions: named.map(|field| field.name.as_str()).collect(),
    }
}

/// What changes of a table's layout. `renamed`: what columns will be called that are called otherwise.
fn layout(
    managed: Managed,
    live: &Attrs,
    desired: &Attrs,
    renamed: &BTreeMap<String, String>,
) -> LayoutEdits {
    let becomes = |name: &String| renamed.get(name).unwrap_or(name).clone();
    let mut out = LayoutEdits::default();
    if managed.identifiers {
        let now: BTreeSet<String> = live.identifier_fields.iter().flatten().map(becomes).collect();
        let then: BTreeSet<String> = desired.identifier_fields.iter().flatten().cloned().collect();
        out.identifiers = (now != then).then(|| then.into_iter().collect());
    }
    if managed.partition {
        let now = live.partition_by.iter().flatten();
        let now: Vec<_> =
            now.map(|field| PartitionField { source: becomes(&field.source), ..field.clone() }).collect();
        let then = desired.partition_by.clone().unwrap_or_default();
        out.partition = (now != then).then_some(then);
    }
    if managed.sort {
        let now = live.sort_by.iter().flatten();
        let now: Vec<_> =
            now.map(|field| SortField { source: becomes(&field.source), ..field.clone() }).collect();
        let then = desired.sort_by.clone().unwrap_or_default();
        out.sort = (now != then).then_some(then);
    }
    out.format_version =
        desired.format_version.filter(|version| live.format_version.is_some_and(|live| live < *version));
    out
}

fn name_of_a_column(field: &PartitionField, at: &SpanMap) -> Diagnostic {
    let detail = format!(
        "The table has a column `{0}`, and a partition field `{0}` is declared that is not that column itself.",
        field.name
    );
    Diagnostic::error(codes::LAYOUT_CHANGE, detail)
        .at(at.at(&["partition_by", &field.name]), "the name of a column")
        .help("Give the partition field another name.")
}

fn first_version(at: &SpanMap) -> Diagnostic {
    let detail = "The table has format version 1, in which a partitioning cannot be changed without leaving traces \
                  that readers stumble over.";
    Diagnostic::error(codes::LAYOUT_CHANGE, detail).at(at.at(&["partition_by"]), "another partitioning").help(
        "Declare `format_version: 2` as well, which every engine reads; or the partitioning that is there.",
    )
}

/// What of a table never changes.
fn still(live: &Attrs, desired: &Attrs, at: &SpanMap, out: &mut Vec<Diagnostic>) {
    if let (Some(live), Some(desired)) = (live.format_version, desired.format_version)
        && live > desired
    {
        let detail =
            format!("The table has format version {live}, and {desired} is declared; there is no way back.");
        out.push(
            Diagnostic::error(codes::FORMAT_VERSION, detail)
                .at(at.at(&["format_version"]), format!("{live} in the table"))
                .help(format!("Write `format_version: {live}`, or leave the key out.")),
        );
    }
    if let (Some(live), Some(desired)) = (&live.location, &desired.location)
        && live != desired
    {
        let detail = format!(
            "The table lies at `{live}`, and `{desired}` is declared. Its files would not move along, so readers \
             would lose them."
        );
        out.push(
            Diagnostic::error(codes::LOCATION_CHANGE, detail)
                .at(at.at(&["location"]), format!("`{live}` in the catalog"))
                .help("Declare the present location or none; to move data, publish a new major version of the product."),
        );
    }
}

pub(super) fn diff(view: View<'_, Attrs>, facts: &Facts, at: &SpanMap) -> (ChangeSpec, Diagnostics) {
    match view {
        View::Create { desired } | View::Gone { desired: Some(desired), .. } => create(desired, at),
        View::Gone { desired: None, .. } => (ChangeSpec::no_op(), Diagnostics::default()),
        View::Remove { prior, .. } => (removal(prior, facts), Diagnostics::default()),
        View::Adopt { live, desired } => update(None, live, desired, at),
        View::Update { prior, live, desired } => update(Some(prior), live, desired, at),
    }
}

fn removal(prior: &Attrs, facts: &Facts) -> ChangeSpec {
    let purges = prior.purge == Some(true);
    let note = match facts.capabilities.get("catalog").is_some_and(|kind| kind == "sql") {
        false => "the catalog is asked to delete its files as well",
        true => "its files stay: a SQL catalog has nobody who deletes them",
    };
    let notes = purges.then(|| note.to_owned()).into_iter().collect();
    ChangeSpec { notes, ..ChangeSpec::in_place(Vec::new(), &["delete"]) }
}

fn create(desired: &Attrs, at: &SpanMap) -> (ChangeSpec, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    if desired.fields.as_ref().is_none_or(Vec::is_empty) {
        let detail = "The table does not exist, and no columns are declared to make it with.";
        diagnostics.push(
            Diagnostic::error(codes::COLUMN, detail)
                .at(at.at(&["fields"]), "no columns here")
                .help("Declare at least one field in the product's schema."),
        );
    }
    let mut changes = Vec::new();
    let mut add = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            changes.push(AttributeChange::new(&[key], None, Planned::Value(value)));
        }
    };
    add("fields", desired.fields.as_deref().map(|fields| plain(shown(fields))));
    add("identifier_fields", desired.identifier_fields.as_ref().map(plain));
    add("partition_by", desired.partition_by.as_ref().map(plain));
    add("sort_by", desired.sort_by.as_deref().map(in_words));
    add("properties", desired.properties.as_ref().map(plain));
    add("location", desired.location.as_ref().map(plain));
    add("format_version", desired.format_version.as_ref().map(plain));
    changes.push(AttributeChange::new(&["uuid"], None, Planned::KnownAfterApply));
    if desired.location.is_none() {
        changes.push(AttributeChange::new(&["location"], None, Planned::KnownAfterApply));
    }
    (ChangeSpec::in_place(changes, &["create"]), diagnostics)
}

fn update(prior: Option<&Attrs>, live: &Attrs, desired: &Attrs, at: &SpanMap) -> (ChangeSpec, Diagnostics) {
    let found = compare(prior, live, desired, at);
    let mut changes: Vec<AttributeChange> =
        found.columns.iter().filter_map(|edit| edit.change(&found.returned)).collect();
    changes.extend(layout_changes(&found.layout, live));
    changes.extend(found.properties.changes(live.properties.as_ref()));
    let mut spec = match found.is_empty() {
        true => ChangeSpec::no_op(),
        false => ChangeSpec::in_place(changes, &[if found.narrows() { NARROW } else { "update" }]),
    };
    if found.layout.partition.is_some() {
        spec.notes.push("files that are there keep the partitioning they were written with".to_owned());
    }
    spec.notes.extend(not_ours(found.foreign_columns, "column", "columns"));
    spec.notes.extend(others_layout(Managed::of(prior, desired), live));
    if desired.properties.is_some() {
        spec.notes.extend(not_ours(found.properties.foreign, "property", "properties"));
    }
    (spec, found.forbidden.into_iter().collect())
}

fn layout_changes(edits: &LayoutEdits, live: &Attrs) -> Vec<AttributeChange> {
    let change = |key: &str, before: Option<Value>, after: Value| {
        let list = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
        let after = if list(&after) { Planned::Unset } else { Planned::Value(after) };
        AttributeChange::new(&[key], before.filter(|before| !list(before)), after)
    };
    let mut out = Vec::new();
    if let Some(names) = &edits.identifiers {
        out.push(change("identifier_fields", live.identifier_fields.as_ref().map(plain), json!(names)));
    }
    if let Some(fields) = &edits.partition {
        out.push(change("partition_by", live.partition_by.as_ref().map(plain), plain(fields)));
    }
    if let Some(fields) = &edits.sort {
        out.push(change("sort_by", live.sort_by.as_deref().map(in_words), in_words(fields)));
    }
    if let Some(version) = edits.format_version {
        let reason = format!(
            "engines that do not know version {version} can no longer read the table; there is no way back"
        );
        let upgrade = change("format_version", live.format_version.as_ref().map(plain), json!(version));
        out.push(upgrade.class(Class::ConsumerBreaking, reason));
    }
    out
}

/// What of the layout of a table somebody else has made: it is shown, and stays.
fn others_layout(managed: Managed, live: &Attrs) -> Option<String> {
    let theirs = |managed: bool, count: Option<usize>, word: &'static str| {
        (!managed && count.is_some_and(|count| count > 0)).then_some(word)
    };
    let parts = [
        theirs(managed.identifiers, live.identifier_fields.as_ref().map(Vec::len), "primary key"),
        theirs(managed.partition, live.partition_by.as_ref().map(Vec::len), "partitioning"),
        theirs(managed.sort, live.sort_by.as_ref().map(Vec::len), "sort order"),
    ];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("{} not ours", parts.join(", ")))
}

/// `["id desc", "bucket[4](at)"]`; where nulls stand is told where it is not as usual.
fn in_words(fields: &[SortField]) -> Value {
    let word = |field: &SortField| {
        let of = match &field.transform {
            Transform::Identity => field.source.clone(),
            transform => format!("{transform}({})", field.source),
        };
        let (direction, usual) = match field.direction {
            Direction::Asc => ("", NullOrder::NullsFirst),
            Direction::Desc => (" desc", NullOrder::NullsLast),
        };
        let nulls = match field.null_order.filter(|order| *order != usual) {
            None => "",
            Some(NullOrder::NullsFirst) => " nulls first",
            Some(NullOrder::NullsLast) => " nulls last",
        };
        format!("{of}{direction}{nulls}")
    };
    fields.iter().map(word).collect()
}

/// "2 columns not ours", or nothing for none.
pub(crate) fn not_ours(count: usize, one: &str, many: &str) -> Option<String> {
    (count > 0).then(|| format!("{count} {} not ours", if count == 1 { one } else { many }))
}
