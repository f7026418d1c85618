//! Canonical form, creation defaults, and the managed part of a live table.

use super::schema::{Attrs, Direction, NullOrder, SortField};
use crate::location;
use crate::types::{Field, Type};
use std::collections::BTreeMap;

pub(super) fn normalize(mut attrs: Attrs) -> Attrs {
    attrs.fields.iter_mut().flatten().for_each(normalize_field);
    if let Some(names) = &mut attrs.identifier_fields {
        names.sort_unstable();
        names.dedup();
    }
    attrs.sort_by.iter_mut().flatten().for_each(normalize_sort);
    attrs.location = attrs.location.as_deref().map(location::normalize);
    attrs.purge = attrs.purge.filter(|purge| *purge);
    attrs
}

/// An empty comment and none are the same to every catalog.
fn normalize_field(field: &mut Field) {
    if field.doc.as_deref() == Some("") {
        field.doc = None;
    }
    normalize_type(&mut field.ty);
}

fn normalize_type(ty: &mut Type) {
    match ty {
        Type::Primitive(_) => {}
        Type::Struct(fields) => fields.iter_mut().for_each(normalize_field),
        Type::List { element, .. } => normalize_type(element),
        Type::Map { key, value, .. } => {
            normalize_type(key);
            normalize_type(value);
        }
    }
}

fn normalize_sort(field: &mut SortField) {
    field.null_order.get_or_insert(match field.direction {
        Direction::Asc => NullOrder::NullsFirst,
        Direction::Desc => NullOrder::NullsLast,
    });
}

pub(super) fn fill(declared: Attrs, on_create: Attrs) -> Attrs {
    Attrs {
        fields: declared.fields.or(on_create.fields),
        identifier_fields: declared.identifier_fields.or(on_create.identifier_fields),
        partition_by: declared.partition_by.or(on_create.partition_by),
        sort_by: declared.sort_by.or(on_create.sort_by),
        properties: merge(declared.properties, on_create.properties),
        location: declared.location.or(on_create.location),
        format_version: declared.format_version.or(on_create.format_version),
        purge: declared.purge.or(on_create.purge),
        referenced: None,
    }
}

/// Declared properties over defaults, key by key.
pub(crate) fn merge(
    declared: Option<BTreeMap<String, String>>,
    defaults: Option<BTreeMap<String, String>>,
) -> Option<BTreeMap<String, String>> {
    match (declared, defaults) {
        (Some(declared), Some(mut defaults)) => {
            defaults.extend(declared);
            Some(defaults)
        }
        (declared, defaults) => declared.or(defaults),
    }
}

pub(super) fn managed(live: &Attrs, like: &Attrs) -> Attrs {
    let fields = like.fields.as_ref().zip(live.fields.as_ref());
    Attrs {
        fields: fields.map(|(like, live)| managed_fields(live, like)),
        identifier_fields: like.identifier_fields.as_ref().and(live.identifier_fields.clone()),
        partition_by: like.partition_by.as_ref().and(live.partition_by.clone()),
        sort_by: like.sort_by.as_ref().and(live.sort_by.clone()),
        properties: managed_properties(live.properties.as_ref(), like.properties.as_ref()),
        location: like.location.as_ref().and(live.location.clone()),
        format_version: like.format_version.and(live.format_version),
        purge: like.purge,
        referenced: None,
    }
}

pub(crate) fn managed_properties(
    live: Option<&BTreeMap<String, String>>,
    like: Option<&BTreeMap<String, String>>,
) -> Option<BTreeMap<String, String>> {
    let like = like?;
    let live = live.into_iter().flatten().filter(|(key, _)| like.contains_key(*key));
    Some(live.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// Live columns that `like` names, in the order of the table.
fn managed_fields(live: &[Field], like: &[Field]) -> Vec<Field> {
    let named: BTreeMap<&str, &Field> = like.iter().map(|field| (field.name.as_str(), field)).collect();
    let managed = |live: &Field| {
        let like = named.get(live.name.as_str())?;
        Some(Field {
            name: live.name.clone(),
            ty: managed_type(&live.ty, &like.ty),
            required: live.required,
            doc: like.doc.as_ref().and(live.doc.clone()),
            // No catalog keeps them.
            renamed_from: like.renamed_from.clone(),
            id: None,
        })
    };
    live.iter().filter_map(managed).collect()
}

fn managed_type(live: &Type, like: &Type) -> Type {
    match (live, like) {
        (Type::Struct(live), Type::Struct(like)) => Type::Struct(managed_fields(live, like)),
        (Type::List { element, element_required }, Type::List { element: like, .. }) => {
            Type::List { element: Box::new(managed_type(element, like)), element_required: *element_required }
        }
        (Type::Map { key, value, value_required }, Type::Map { key: like_key, value: like, .. }) => {
            Type::Map {
                key: Box::new(managed_key(key, like_key)),
                value: Box::new(managed_type(value, like)),
                value_required: *value_required,
            }
        }
        (live, _) => live.clone(),
    }
}

/// A map's key is managed as a whole: nothing can be added to it beside us. Docs that nobody declares are left out.
pub(super) fn managed_key(live: &Type, like: &Type) -> Type {
    match (live, like) {
        (Type::Struct(live), Type::Struct(like)) => {
            let place = |field: &Field| like.iter().position(|like| like.name == field.name);
            let mut fields: Vec<Field> = live.iter().map(|field| managed_in_key(field, like)).collect();
            fields.sort_by_key(|field| place(field).unwrap_or(usize::MAX));
            Type::Struct(fields)
        }
        (Type::List { element, element_required }, Type::List { element: like, .. }) => {
            Type::List { element: Box::new(managed_key(element, like)), element_required: *element_required }
        }
        (Type::Map { key, value, value_required }, Type::Map { key: like_key, value: like, .. }) => {
            Type::Map {
                key: Box::new(managed_key(key, like_key)),
                value: Box::new(managed_key(value, like)),
                value_required: *value_required,
            }
        }
        (live, _) => live.clone(),
    }
}

fn managed_in_key(live: &Field, like: &[Field]) -> Field {
    let Some(like) = like.iter().find(|like| like.name == live.name) else {
        return Field { doc: None, id: None, ..live.clone() };
    };
    Field {
        ty: managed_key(&live.ty, &like.ty),
        doc: like.doc.as_ref().and(live.doc.clone()),
        renamed_from: like.renamed_from.clone(),
        id: None,
        ..live.clone()
    }
}
