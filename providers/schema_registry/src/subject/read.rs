//! Reads one subject.

use super::apply::decode;
use super::{Reference, SubjectAttrs};
use crate::client::{Api, Pinned, Registered};
use datamesh_provider::{Context, ErrorKind, LiveObject, ObjectId, Packed, ProviderError, ReadRequest};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The subject as it is; `None` only when the registry said that it does not exist.
pub(crate) async fn read(
    api: &Api,
    cx: &Context,
    request: &ReadRequest,
) -> Result<Option<LiveObject>, ProviderError> {
    let name = request.id.as_str();
    let mut wanted = Wanted::by(&request.managed);
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
    computed: Packed,
}

/// What costs a call of its own, and is read only where somebody manages it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) level: bool,
    pub(crate) mode: bool,
    /// What a soft deletion left of it counts as there.
    pub(crate) remains: bool,
}

/// Which settings are spoken of, whatever is said; the text of the schema is passed over.
#[derive(Deserialize)]
struct Said {
    compatibility: Option<IgnoredAny>,
    mode: Option<IgnoredAny>,
    purge: Option<IgnoredAny>,
}

impl Wanted {
    /// What any of these speak of.
    pub(crate) fn by<'a>(all: impl IntoIterator<Item = &'a Packed>) -> Self {
        let mut wanted = Self { level: false, mode: false, remains: false };
        for said in all.into_iter().filter_map(|attrs| attrs.decode::<Said>().ok()) {
            wanted.level |= said.compatibility.is_some();
            wanted.mode |= said.mode.is_some();
            wanted.remains |= said.purge.is_some();
        }
        wanted
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
        return Ok(left.then(|| Found { name: name.to_owned(), attrs, computed: Packed::default() }));
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
        let differs = |attrs: &Packed| {
            let declared = decode(Some(attrs));
            declared.schema.is_some() && !self.attrs.same_schema(&declared)
        };
        request.managed.iter().any(differs)
    }

    pub(crate) fn live(&self) -> LiveObject {
        LiveObject {
            id: ObjectId::new(self.name.as_str()),
            // Deleted and made again, a subject goes on counting its versions: nothing tells the two apart.
            incarnation: None,
            // Texts and lists of them always encode as a map.
            attributes: Packed::encode(&self.attrs).unwrap_or_default(),
            computed: self.computed.clone(),
            owner: None,
        }
    }
}
