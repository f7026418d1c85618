//! What both kinds of catalog can do, and what they share.

use crate::ident::{NamespaceId, TableId};
use crate::location;
use crate::metadata::{Commit, Metadata, NewTable};
use async_trait::async_trait;
use datamesh_provider::{Context, ErrorKind, Facts, Interruption, Outcome, ProviderError, Refusal};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) type Properties = BTreeMap<String, String>;

/// A table as it is, with what a commit on top of it must replace.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) metadata: Metadata,
    /// The metadata file's location.
    pub(crate) token: String,
}

/// Why a changing call did not succeed.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// What it is about, or the namespace around it, is not there.
    Absent,
    /// Somebody else was there first: the name is taken, or the base is no longer the newest.
    Conflict,
    /// Refused, provably without effect.
    Refused(ProviderError),
    /// Nobody knows.
    Unknown(Interruption),
}

impl Failure {
    /// The outcome of the failures that mean the same everywhere.
    pub(crate) fn outcome(self, origin: &Origin, during: &str) -> Outcome {
        match self {
            Self::Absent => origin.rejected(ErrorKind::Invalid, during, "the catalog says it is not there"),
            Self::Conflict => {
                origin.rejected(ErrorKind::Throttled, during, "others keep changing it at the same moment")
            }
            Self::Refused(error) => Outcome::Rejected(Refusal { error }),
            Self::Unknown(interruption) => Outcome::Indeterminate(interruption),
        }
    }
}

/// Which system errors speak of.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) system: String,
    pub(crate) endpoint: String,
}

impl Origin {
    pub(crate) fn error(&self, kind: ErrorKind, during: impl Into<String>) -> ProviderError {
        ProviderError::new(kind, &self.system, &self.endpoint).during(during)
    }

    pub(crate) fn rejected(&self, kind: ErrorKind, during: &str, message: impl Into<String>) -> Outcome {
        Outcome::Rejected(Refusal { error: self.error(kind, during).message(message) })
    }
}

/// Where things lie.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The mesh's root, absolute: what relative local paths are relative to.
    pub(crate) root: PathBuf,
    /// The warehouse as a canonical absolute location, where it is one.
    pub(crate) warehouse: Option<String>,
}

impl Places {
    pub(crate) fn absolute(&self, text: &str) -> String {
        location::absolute(text, &self.root)
    }

    /// A declared location made absolute, if a table may lie there.
    pub(crate) fn allowed(&self, text: &str) -> Result<String, String> {
        if let Some(why) = location::problem(text) {
            return Err(format!("`{text}` is no location for a table: {why}"));
        }
        let absolute = self.absolute(text);
        match &self.warehouse {
            Some(warehouse) if absolute == *warehouse => {
                Err(format!("`{text}` is the warehouse itself; a table needs a folder of its own in it"))
            }
            Some(warehouse) if !location::is_under(&absolute, warehouse) => {
                Err(format!("`{text}` does not lie under the environment's warehouse, `{warehouse}`"))
            }
            _ => Ok(absolute),
        }
    }

    /// A live location as somebody already spells it, so that a relative spelling compares equal.
    pub(crate) fn as_spelled(&self, live: &str, likes: &[String]) -> String {
        let absolute = self.absolute(live);
        let like = likes.iter().find(|like| self.absolute(like) == absolute);
        like.map_or(absolute, |like| location::normalize(like))
    }
}

/// A catalog. Reads answer `None` only for "does not exist".
#[async_trait]
pub(crate) trait Backend: fmt::Debug + Send + Sync {
    fn origin(&self) -> &Origin;
    fn places(&self) -> &Places;
    /// How long a write may take to become readable.
    fn settle(&self) -> Duration;
    async fn facts(&self, cx: &Context) -> Result<Facts, ProviderError>;

    async fn load(&self, cx: &Context, id: &TableId) -> Result<Option<Loaded>, ProviderError>;
    async fn create(&self, cx: &Context, id: &TableId, new: &NewTable) -> Result<Loaded, Failure>;
    async fn commit(
        &self,
        cx: &Context,
        id: &TableId,
        base: &Loaded,
        commit: &Commit,
    ) -> Result<Loaded, Failure>;
    /// Takes the table out of the catalog. Asks for its files to be deleted only to `purge`, where there is somebody
    /// who could.
    async fn drop_table(&self, cx: &Context, id: &TableId, base: &Loaded, purge: bool)
    -> Result<(), Failure>;

    async fn namespace(&self, cx: &Context, id: &NamespaceId) -> Result<Option<Properties>, ProviderError>;
    async fn create_namespace(&self, cx: &Context, id: &NamespaceId, map: &Properties)
    -> Result<(), Failure>;
    async fn update_namespace(
        &self,
        cx: &Context,
        id: &NamespaceId,
        set: &Properties,
        unset: &[String],
    ) -> Result<(), Failure>;
    /// Drops an empty namespace; [`Failure::Conflict`] when it is not empty.
    async fn drop_namespace(&self, cx: &Context, id: &NamespaceId) -> Result<(), Failure>;

    /// Every namespace, at every level.
    async fn namespaces(&self, cx: &Context) -> Result<Vec<NamespaceId>, ProviderError>;
    async fn tables(&self, cx: &Context, id: &NamespaceId) -> Result<Vec<TableId>, ProviderError>;
}

/// An outcome that ends an operation early.
pub(crate) type Ended = Box<Outcome>;

/// Asked before each call that may change a catalog: whether the run still may.
pub(crate) fn guard(cx: &Context, origin: &Origin, during: &str) -> Result<(), Ended> {
    let stop = |why: String| Err(Box::new(origin.rejected(ErrorKind::Cancelled, during, why)));
    if cx.cancel.is_draining() {
        return stop("the run is being stopped".into());
    }
    cx.lease.permit(cx.budget.call_timeout).or_else(|lost| stop(lost.to_string()))
}

/// Waits until `seen` says that a write can be read, within the bound; a stop cuts it short.
pub(crate) async fn settled<F>(cx: &Context, backend: &dyn Backend, mut seen: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    let bound = cx.budget.settle.unwrap_or_else(|| backend.settle());
    let start = cx.clock.monotonic();
    let mut wait = Duration::from_millis(50);
    while !seen().await {
        if cx.clock.monotonic().saturating_sub(start) >= bound || !cx.pause(wait).await {
            return;
        }
        wait = (wait * 2).min(Duration::from_secs(1));
    }
}
