//! The numbers of a table's columns, as they were when it was last applied.

use super::schema::Attrs;
use crate::types::{Field, Type};
use datamesh_provider::Packed;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What the catalog assigns to a table. What is not needed of it is left alone when it is read.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Assigned<'a> {
    /// The numbers of the columns by dotted name.
    pub(super) column_ids: Option<BTreeMap<Cow<'a, str>, i64>>,
    #[serde(default)]
    pub(super) location: Cow<'a, str>,
    #[serde(default)]
    pub(super) uuid: Cow<'a, str>,
}

/// The columns that were applied, with the numbers they had.
pub(super) fn recall(mut prior: Attrs, computed: &Packed) -> Option<Attrs> {
    let ids = computed.decode::<Assigned<'_>>().ok()?.column_ids?;
    number(prior.fields.as_mut()?, "", &ids);
    Some(prior)
}

type Ids<'a> = BTreeMap<Cow<'a, str>, i64>;

fn number(fields: &mut [Field], prefix: &str, ids: &Ids<'_>) {
    for field in fields {
        let path = format!("{prefix}{}", field.name);
        inside(&mut field.ty, &path, ids);
        if let Some(id) = ids.get(path.as_str()) {
            field.id = Some(*id);
        }
    }
}

fn inside(ty: &mut Type, path: &str, ids: &Ids<'_>) {
    match ty {
        Type::Primitive(_) => {}
        Type::Struct(fields) => number(fields, &format!("{path}."), ids),
        Type::List { element, .. } => inside(element, &format!("{path}.element"), ids),
        Type::Map { value, .. } => inside(value, &format!("{path}.value"), ids),
    }
}

/// The numbers of a live table's columns by dotted name. A name that leads to two columns has none.
#[cfg(feature = "client")]
pub(super) fn numbers(names: &BTreeMap<i64, String>) -> Ids<'_> {
    let mut ids: BTreeMap<&str, Option<i64>> = BTreeMap::new();
    for (id, name) in names {
        ids.entry(name).and_modify(|known| *known = None).or_insert(Some(*id));
    }
    ids.into_iter().filter_map(|(name, id)| Some((Cow::from(name), id?))).collect()
}
