//! What it takes to get a namespace from live to desired.

use super::schema::Attrs;
use crate::table::{PropertyEdits, not_ours};
use datamesh_provider::{AttributeChange, ChangeSpec, Planned, View};
use serde_json::json;

/// Compares three ways; `prior` is `None` for what we never applied.
pub(crate) fn compare(prior: Option<&Attrs>, live: &Attrs, desired: &Attrs) -> PropertyEdits {
    PropertyEdits::compare(
        prior.and_then(|prior| prior.properties.as_ref()),
        live.properties.as_ref(),
        desired.properties.as_ref(),
    )
}

pub(super) fn diff(view: View<'_, Attrs>) -> ChangeSpec {
    match view {
        View::Create { desired } | View::Gone { desired: Some(desired), .. } => {
            let changes = desired
                .properties
                .iter()
                .map(|map| AttributeChange::new(&["properties"], None, Planned::Value(json!(map))))
                .collect();
            ChangeSpec::in_place(changes, &["create"])
        }
        View::Gone { desired: None, .. } => ChangeSpec::no_op(),
        View::Remove { .. } => ChangeSpec::in_place(Vec::new(), &["delete"]),
        View::Adopt { live, desired } => update(None, live, desired),
        View::Update { prior, live, desired } => update(Some(prior), live, desired),
    }
}

fn update(prior: Option<&Attrs>, live: &Attrs, desired: &Attrs) -> ChangeSpec {
    let found = compare(prior, live, desired);
    let mut spec = if found.is_empty() {
        ChangeSpec::no_op()
    } else {
        ChangeSpec::in_place(found.changes(live.properties.as_ref()), &["update"])
    };
    if desired.properties.is_some() {
        spec.notes.extend(not_ours(found.foreign, "property", "properties"));
    }
    spec
}
