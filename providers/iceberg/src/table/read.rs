//! Reading tables.

use super::recall::{COLUMN_IDS, numbers};
use super::schema::Attrs;
use crate::client::{Backend, Loaded};
use crate::ident::TableId;
use crate::location;
use datamesh_provider::{Attributes, Context, ErrorKind, LiveObject, ObjectId, ProviderError, ReadRequest};
use serde_json::{Value, json};

pub(crate) async fn read(
    backend: &dyn Backend,
    cx: &Context,
    want: &ReadRequest,
) -> Result<Option<LiveObject>, ProviderError> {
    let id = table_id(backend, &want.id)?;
    let Some(loaded) = backend.load(cx, &id).await? else { return Ok(None) };
    let spelled = want.managed.iter().filter_map(|attrs| attrs.get("location")?.as_str());
    live(backend, &want.id, &loaded, spelled).map(|(object, _)| Some(object))
}

pub(super) fn table_id(backend: &dyn Backend, id: &ObjectId) -> Result<TableId, ProviderError> {
    TableId::parse(id.as_str()).map_err(|error| {
        backend.origin().error(ErrorKind::Invalid, "name a table").message(error.to_string())
    })
}

/// A loaded table as core sees it. Where somebody already spells its location, that spelling is kept.
pub(super) fn live<'a>(
    backend: &dyn Backend,
    id: &ObjectId,
    loaded: &Loaded,
    spelled: impl IntoIterator<Item = &'a str>,
) -> Result<(LiveObject, Attrs), ProviderError> {
    let origin = backend.origin();
    let protocol = |why: String| {
        origin.error(ErrorKind::Protocol, format!("read the table {}", id.as_str())).message(why)
    };
    let (mut attrs, owner) = loaded.metadata.attributes().map_err(|error| protocol(error.to_string()))?;
    let places = backend.places();
    let absolute = places.absolute(loaded.metadata.location());
    attrs.location = Some(location::normalize(&places.as_spelled(&absolute, spelled)));
    let mut computed = Attributes::new();
    computed.insert("uuid".into(), json!(loaded.metadata.uuid()));
    computed.insert("location".into(), json!(absolute));
    computed.insert(COLUMN_IDS.into(), numbers(&loaded.metadata.column_names()));
    // In their canonical form already.
    let attributes = match serde_json::to_value(&attrs) {
        Ok(Value::Object(map)) => map,
        _ => return Err(protocol("its attributes have no JSON form".into())),
    };
    let incarnation = Some(loaded.metadata.uuid().to_owned());
    Ok((LiveObject { id: id.clone(), incarnation, attributes, computed, owner }, attrs))
}
