//! The numbers of a table's columns, as they were when it was last applied.

use datamesh_provider::Attributes;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What the numbers are recorded under, beside the other things that the catalog assigns: by dotted name.
pub(super) const COLUMN_IDS: &str = "column_ids";

/// The columns that were applied, with the numbers they had.
pub(super) fn recall(prior: &Attributes, computed: &Attributes) -> Option<Attributes> {
    let ids = computed.get(COLUMN_IDS)?.as_object()?;
    let mut known = prior.clone();
    number(known.get_mut("fields")?, "", ids);
    Some(known)
}

fn number(fields: &mut Value, prefix: &str, ids: &Map<String, Value>) {
    for field in fields.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        let Some(name) = field.get("name").and_then(Value::as_str) else { continue };
        let path = format!("{prefix}{name}");
        if let Some(ty) = field.get_mut("type") {
            inside(ty, &path, ids);
        }
        if let Some(id) = ids.get(&path) {
            field.insert("id".to_owned(), id.clone());
        }
    }
}

fn inside(ty: &mut Value, path: &str, ids: &Map<String, Value>) {
    if let Some(fields) = ty.get_mut("fields") {
        number(fields, &format!("{path}."), ids);
    }
    for step in ["element", "value"] {
        if let Some(ty) = ty.get_mut(step) {
            inside(ty, &format!("{path}.{step}"), ids);
        }
    }
}

/// The numbers of a live table's columns by dotted name. A name that leads to two columns has none.
#[cfg(feature = "client")]
pub(super) fn numbers(names: &BTreeMap<i64, String>) -> Value {
    let mut ids: BTreeMap<&str, Option<i64>> = BTreeMap::new();
    for (id, name) in names {
        ids.entry(name).and_modify(|known| *known = None).or_insert(Some(*id));
    }
    ids.into_iter()
        .filter_map(|(name, id)| Some((name.to_owned(), Value::from(id?))))
        .collect::<Map<_, _>>()
        .into()
}
