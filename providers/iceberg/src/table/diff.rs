//! What it takes to get a table from live to desired.

use super::columns::{ColumnEdit, Columns, Level};
use super::schema::{Attrs, Direction, NullOrder, PartitionField, SortField};
use crate::codes;
use crate::owner;
use datamesh_provider::{AttributeChange, ChangeSpec, Diagnostic, Diagnostics, Planned, SpanMap, View};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The difference between a live table and what is desired of it, in terms of edits.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) columns: Vec<ColumnEdit>,
    pub(crate) properties: PropertyEdits,
    pub(crate) forbidden: Vec<Diagnostic>,
    foreign_columns: usize,
    returned: Vec<String>,
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
        self.columns.is_empty() && self.properties.is_empty()
    }
}

/// Compares three ways; `prior` is `None` for what we never applied.
pub(crate) fn compare(prior: Option<&Attrs>, live: &Attrs, desired: &Attrs, at: &SpanMap) -> Comparison {
    let mut columns = Columns::new(at);
    if let Some(fields) = desired.fields.as_deref() {
        let sides = Level {
            prior: prior.and_then(|prior| prior.fields.as_deref()),
            live: live.fields.as_deref().unwrap_or_default(),
            desired: fields,
        };
        columns.level(sides, &[]);
    }
    let properties = PropertyEdits::compare(
        prior.and_then(|prior| prior.properties.as_ref()),
        live.properties.as_ref(),
        desired.properties.as_ref(),
    );
    let mut forbidden = columns.forbidden;
    layout(prior, live, desired, at, &mut forbidden);
    Comparison {
        columns: columns.edits,
        properties,
        forbidden,
        foreign_columns: columns.foreign,
        returned: columns.returned,
    }
}

/// Whether a list is managed: declared now, or applied before and no longer declared, which means "none".
fn ours<T>(prior: Option<&Attrs>, desired: &Attrs, list: impl Fn(&Attrs) -> Option<&Vec<T>>) -> bool {
    list(desired).is_some() || prior.and_then(list).is_some_and(|list| !list.is_empty())
}

fn layout(prior: Option<&Attrs>, live: &Attrs, desired: &Attrs, at: &SpanMap, out: &mut Vec<Diagnostic>) {
    let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let mut differs = |what: &str, key: &str, live: String, desired: String, how: &str| {
        let detail = format!(
            "The {what} of the table is {live}, and {desired} is declared. Changing it is not supported by this \
             version."
        );
        out.push(
            Diagnostic::error(codes::LAYOUT_CHANGE, detail)
                .at(at.at(&[key]), format!("{live} in the table"))
                .help(format!("Declare it as it is in the table, or change it with an engine ({how}), and the next plan finds nothing to do.")),
        );
    };
    let names = |attrs: &Attrs| attrs.identifier_fields.clone().unwrap_or_default();
    if ours(prior, desired, |attrs| attrs.identifier_fields.as_ref()) && names(live) != names(desired) {
        let (live, desired) = (list(&names(live)), list(&names(desired)));
        differs("primary key", "identifier_fields", live, desired, "`ALTER TABLE … SET IDENTIFIER FIELDS …`");
    }
    let parts = |attrs: &Attrs| attrs.partition_by.clone().unwrap_or_default();
    if ours(prior, desired, |attrs| attrs.partition_by.as_ref()) && parts(live) != parts(desired) {
        let show = |attrs: &Attrs| list(&parts(attrs).iter().map(show_partition).collect::<Vec<_>>());
        differs(
            "partitioning",
            "partition_by",
            show(live),
            show(desired),
            "`ALTER TABLE … REPLACE PARTITION FIELD …`",
        );
    }
    let sorts = |attrs: &Attrs| attrs.sort_by.clone().unwrap_or_default();
    if ours(prior, desired, |attrs| attrs.sort_by.as_ref()) && sorts(live) != sorts(desired) {
        let show = |attrs: &Attrs| list(&sorts(attrs).iter().map(show_sort).collect::<Vec<_>>());
        differs("sort order", "sort_by", show(live), show(desired), "`ALTER TABLE … WRITE ORDERED BY …`");
    }
    if let (Some(live), Some(desired)) = (live.format_version, desired.format_version)
        && live != desired
    {
        let why = if live < desired {
            "upgrading is not supported by this version"
        } else {
            "there is no way back"
        };
        let detail = format!("The table has format version {live}, and {desired} is declared; {why}.");
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

fn show_partition(field: &PartitionField) -> String {
    format!("{}({}) as {}", field.transform, field.source, field.name)
}

fn show_sort(field: &SortField) -> String {
    let direction = match field.direction {
        Direction::Asc => "asc",
        Direction::Desc => "desc",
    };
    let nulls = match field.null_order {
        Some(NullOrder::NullsFirst) => " nulls-first",
        Some(NullOrder::NullsLast) => " nulls-last",
        None => "",
    };
    format!("{}({}) {direction}{nulls}", field.transform, field.source)
}

pub(super) fn diff(view: View<'_, Attrs>, at: &SpanMap) -> (ChangeSpec, Diagnostics) {
    match view {
        View::Create { desired } | View::Gone { desired: Some(desired), .. } => create(desired, at),
        View::Gone { desired: None, .. } => (ChangeSpec::no_op(), Diagnostics::default()),
        View::Remove { .. } => (ChangeSpec::in_place(Vec::new(), &["delete"]), Diagnostics::default()),
        View::Adopt { live, desired } => update(None, live, desired, at),
        View::Update { prior, live, desired } => update(Some(prior), live, desired, at),
    }
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
    add("fields", desired.fields.as_ref().map(plain));
    add("identifier_fields", desired.identifier_fields.as_ref().map(plain));
    add("partition_by", desired.partition_by.as_ref().map(plain));
    add("sort_by", desired.sort_by.as_ref().map(plain));
    add("properties", desired.properties.as_ref().map(plain));
    add("location", desired.location.as_ref().map(plain));
    add("format_version", desired.format_version.as_ref().map(plain));
    changes.push(AttributeChange::new(&["uuid"], None, Planned::KnownAfterApply));
    if desired.location.is_none() {
        changes.push(AttributeChange::new(&["location"], None, Planned::KnownAfterApply));
    }
    (ChangeSpec::in_place(changes, &["create"]), diagnostics)
}

fn plain<T: Serialize>(value: T) -> Value {
    // Attributes are strings, booleans, numbers and lists of them: they always have a JSON form.
    serde_json::to_value(value).unwrap_or_default()
}

fn update(prior: Option<&Attrs>, live: &Attrs, desired: &Attrs, at: &SpanMap) -> (ChangeSpec, Diagnostics) {
    let found = compare(prior, live, desired, at);
    let mut changes: Vec<AttributeChange> =
        found.columns.iter().map(|edit| change(edit, &found.returned)).collect();
    changes.extend(found.properties.changes(live.properties.as_ref()));
    let mut spec =
        if found.is_empty() { ChangeSpec::no_op() } else { ChangeSpec::in_place(changes, &["update"]) };
    spec.notes.extend(not_ours(found.foreign_columns, "column", "columns"));
    if desired.properties.is_some() {
        spec.notes.extend(not_ours(found.properties.foreign, "property", "properties"));
    }
    (spec, found.forbidden.into_iter().collect())
}

/// "2 columns not ours", or nothing for none.
pub(crate) fn not_ours(count: usize, one: &str, many: &str) -> Option<String> {
    (count > 0).then(|| format!("{count} {} not ours", if count == 1 { one } else { many }))
}

fn change(edit: &ColumnEdit, returned: &[String]) -> AttributeChange {
    match edit {
        ColumnEdit::Add { parent, field } => {
            let mut path = vec!["fields".to_owned()];
            path.extend(parent.iter().cloned());
            path.push(field.name.clone());
            let after = Planned::Value(plain(field));
            let reason = returned.contains(&path[1..].join(".")).then(|| {
                "was dropped from the table by somebody else; it comes back as a new column, without its values"
                    .to_owned()
            });
            AttributeChange { path, reason, ..AttributeChange::new(&[], None, after) }
        }
        ColumnEdit::Doc { path: column, before, doc } => {
            let mut path = vec!["fields".to_owned()];
            path.extend(column.iter().cloned());
            path.push("doc".to_owned());
            let after = doc.as_ref().map_or(Planned::Unset, |doc| Planned::Value(json!(doc)));
            let before = before.as_ref().map(|before| json!(before));
            AttributeChange { path, ..AttributeChange::new(&[], before, after) }
        }
    }
}
