//! Reads one subject.

use super::{Reference, SubjectAttrs};
use crate::client::{Api, Pinned, Registered};
use datamesh_provider::{Attributes, Context, ErrorKind, LiveObject, ObjectId, ProviderError, ReadRequest};
use serde_json::Value;

/// The subject as it is; `None` only when the registry said that it does not exist.
pub(crate) async fn read(
    api: &Api,
    cx: &Context,
    request: &ReadRequest,
) -> Result<Option<LiveObject>, ProviderError> {
    let name = request.id.as_str();
    let mut wanted = Wanted::by(request.managed.iter().map(AsRef::as_ref));
    wanted.remains &= request.remains;
    let mut found = subject(api, cx, name, wanted).await?;
    if let Some(found) = found.as_mut().filter(|found| !wanted.level && found.differs(request)) {
        // A new version is judged by the level in force, whoever set it. Not everybody may see it.
        found.attrs.compatibility = match api.level(cx, name).await {
            Err(error) if error.kind == ErrorKind::Forbidden => None,
            level => level?,
        };
    }
    Ok(found.map(|found| found.live()))
}

/// A live subject with its attributes both decoded and as numbers of the registry.
#[derive(Debug)]
pub(crate) struct Found {
    name: String,
    pub(crate) attrs: SubjectAttrs,
    /// The numbers of the latest version, if there is one.
    computed: Attributes,
}

/// What costs a call of its own, and is read only where somebody manages it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) level: bool,
    pub(crate) mode: bool,
    /// What a soft deletion left of it counts as there.
    pub(crate) remains: bool,
}

impl Wanted {
    /// What any of these speak of.
    pub(crate) fn by<'a>(all: impl Iterator<Item = &'a Attributes> + Clone) -> Self {
        let speaks_of = |name| all.clone().any(|attrs| attrs.contains_key(name));
        Self { level: speaks_of("compatibility"), mode: speaks_of("mode"), remains: speaks_of("purge") }
    }
}

/// The subject as it is.
pub(crate) async fn subject(
    api: &Api,
    cx: &Context,
    name: &str,
    wanted: Wanted,
) -> Result<Option<Found>, ProviderError> {
    let Some(Registered { id, version, schema, schema_type, references }) = api.latest(cx, name).await?
    else {
        let left = wanted.remains && api.is_deleted_softly(cx, name).await?;
        let attrs = SubjectAttrs { deleted: Some(true), ..SubjectAttrs::default() };
        return Ok(left.then(|| Found { name: name.to_owned(), attrs, computed: Attributes::new() }));
    };
    let references = references.into_iter().map(|Pinned { name, subject, .. }| Reference { name, subject });
    let references = references.collect();
    let compatibility = if wanted.level { api.level(cx, name).await? } else { None };
    let mode = if wanted.mode { Some(api.mode(cx, name).await?) } else { None };
    let schema_type = schema_type.or_else(|| Some("AVRO".to_owned()));
    let attrs = SubjectAttrs {
        schema: Some(schema),
        schema_type,
        references,
        compatibility,
        mode,
        ..SubjectAttrs::default()
    };
    let attrs = super::normalize::normalize(attrs);
    let computed = [("id", id), ("version", version)].map(|(name, value)| (name.to_owned(), value.into()));
    Ok(Some(Found { name: name.to_owned(), attrs, computed: computed.into_iter().collect() }))
}

impl Found {
    /// Whether somebody declares another schema than this one.
    fn differs(&self, request: &ReadRequest) -> bool {
        let differs = |attrs: &Attributes| {
            let declared = super::apply::decode(Some(attrs));
            declared.schema.is_some() && !self.attrs.same_schema(&declared)
        };
        request.managed.iter().map(AsRef::as_ref).any(differs)
    }

    pub(crate) fn live(&self) -> LiveObject {
        let attributes = match serde_json::to_value(&self.attrs) {
            Ok(Value::Object(map)) => map,
            // Texts and lists of them always encode as a map.
            _ => Attributes::new(),
        };
        LiveObject {
            id: ObjectId::new(self.name.as_str()),
            // Deleted and made again, a subject goes on counting its versions: nothing tells the two apart.
            incarnation: None,
            attributes,
            computed: self.computed.clone(),
            owner: None,
        }
    }
}
