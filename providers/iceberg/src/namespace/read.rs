//! Reading namespaces.

use super::schema::{Attrs, reserved};
use crate::client::Backend;
use crate::ident::NamespaceId;
use crate::owner;
use datamesh_provider::{Context, ErrorKind, LiveObject, ObjectId, Packed, ProviderError, ReadRequest};
use std::collections::BTreeMap;

pub(crate) async fn read(
    backend: &dyn Backend,
    cx: &Context,
    want: &ReadRequest,
) -> Result<Option<LiveObject>, ProviderError> {
    let id = namespace_id(backend, &want.id)?;
    Ok(backend.namespace(cx, &id).await?.map(|map| live(&want.id, map).0))
}

pub(super) fn namespace_id(backend: &dyn Backend, id: &ObjectId) -> Result<NamespaceId, ProviderError> {
    NamespaceId::parse(id.as_str()).map_err(|error| {
        backend.origin().error(ErrorKind::Invalid, "name a namespace").message(error.to_string())
    })
}

/// A namespace as core sees it. Namespaces have no identity beyond their name.
pub(super) fn live(id: &ObjectId, map: BTreeMap<String, String>) -> (LiveObject, Attrs) {
    let (properties, owner) = owner::split(map, reserved);
    let attrs = Attrs { properties: Some(properties) };
    // Texts always encode as a map.
    let (attributes, computed) = (Packed::encode(&attrs).unwrap_or_default(), Packed::default());
    (LiveObject { id: id.clone(), incarnation: None, attributes, computed, owner }, attrs)
}
