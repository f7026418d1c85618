//! Reading tables.

use super::recall::{Assigned, numbers};
use super::schema::{Attrs, location};
use crate::client::{Backend, Loaded};
use crate::ident::TableId;
use crate::location::normalize;
use datamesh_provider::{Context, ErrorKind, LiveObject, ObjectId, Packed, ProviderError, ReadRequest};

pub(crate) async fn read(
    backend: &dyn Backend,
    cx: &Context,
    want: &ReadRequest,
) -> Result<Option<LiveObject>, ProviderError> {
    let id = table_id(backend, &want.id)?;
    let Some(loaded) = backend.load(cx, &id).await? else { return Ok(None) };
    live(backend, &want.id, &loaded, &spelled(&want.managed)).map(|(object, _)| Some(object))
}

pub(super) fn table_id(backend: &dyn Backend, id: &ObjectId) -> Result<TableId, ProviderError> {
    TableId::parse(id.as_str()).map_err(|error| {
        backend.origin().error(ErrorKind::Invalid, "name a table").message(error.to_string())
    })
}

/// How its location is spelled by those who manage it.
pub(super) fn spelled<'a>(managed: impl IntoIterator<Item = &'a Packed>) -> Vec<String> {
    managed.into_iter().filter_map(location).collect()
}

/// A loaded table as core sees it. Where somebody already spells its location, that spelling is kept.
pub(super) fn live(
    backend: &dyn Backend,
    id: &ObjectId,
    loaded: &Loaded,
    spelled: &[String],
) -> Result<(LiveObject, Attrs), ProviderError> {
    let origin = backend.origin();
    let protocol = |why: String| {
        origin.error(ErrorKind::Protocol, format!("read the table {}", id.as_str())).message(why)
    };
    let (mut attrs, owner) = loaded.metadata.attributes().map_err(|error| protocol(error.to_string()))?;
    let places = backend.places();
    let absolute = places.absolute(loaded.metadata.location());
    attrs.location = Some(normalize(&places.as_spelled(&absolute, spelled)));
    let names = loaded.metadata.column_names();
    let (uuid, column_ids) = (loaded.metadata.uuid(), Some(numbers(&names)));
    let computed = Packed::encode(&Assigned { uuid: uuid.into(), location: absolute.into(), column_ids });
    let computed = computed.map_err(|error| protocol(error.to_string()))?;
    // Their values are in their canonical form already.
    let attributes = Packed::encode(&attrs).map_err(|error| protocol(error.to_string()))?;
    let incarnation = Some(loaded.metadata.uuid().to_owned());
    Ok((LiveObject { id: id.clone(), incarnation, attributes, computed, owner }, attrs))
}
