//! The IO half of a provider.

use crate::address::TypeName;
use crate::context::Context;
use crate::diagnostic::Diagnostics;
use crate::error::ProviderError;
use crate::object::{Listed, LiveObject, ObjectId};
use crate::operation::{OpDiagnostics, OpOutcome, Operation};
use crate::packed::Packed;
use crate::resource::ResourceType;
use crate::span::Located;
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a system says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// What tells this system from every other: cluster id, URL, catalog + warehouse. Recorded in the state; a
    /// different one later stops the plan.
    pub identity: String,
    /// Capabilities and limits the pure half wants to know, by name.
    #[serde(default)]
    pub capabilities: BTreeMap<String, String>,
}

/// One object to read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadRequest {
    pub ty: TypeName,
    pub id: ObjectId,
    /// What is managed of it: the desired attributes and the ones last applied, as far as there are any. A
    /// provider reads no more than these need.
    pub managed: Vec<Packed>,
    /// Whether the incarnation is needed even where it costs an extra call (before deletes and adoptions).
    pub want_incarnation: bool,
    /// Nobody declares it: what a deletion that was cut off left of it counts as there, where the type's deletion has
    /// more than one part.
    pub remains: bool,
}

impl ReadRequest {
    /// An object of which nothing is managed yet.
    pub fn of(ty: TypeName, id: ObjectId) -> Self {
        Self { ty, id, managed: Vec::new(), want_incarnation: false, remains: false }
    }

    #[must_use]
    pub fn managed(self, managed: Vec<Packed>) -> Self {
        Self { managed, ..self }
    }

    #[must_use]
    pub fn with_incarnation(self) -> Self {
        Self { want_incarnation: true, ..self }
    }
}

/// The answer to one [`ReadRequest`].
///
/// `Ok(None)` only when the system answered "does not exist" for that very id. "Not allowed to see" is an error
/// of kind `Forbidden`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadResult {
    pub ty: TypeName,
    pub id: ObjectId,
    pub result: Result<Option<LiveObject>, ProviderError>,
}

/// Takes results one by one, as soon as each is known.
pub trait Sink<T>: Send + Sync {
    fn put(&self, item: T);
}

/// Collects everything; for tests and for callers that want the whole.
impl<T: Send> Sink<T> for Mutex<Vec<T>> {
    fn put(&self, item: T) {
        self.lock().unwrap_or_else(PoisonError::into_inner).push(item);
    }
}

/// A connection to one live system.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync {
    /// Identity, capabilities, limits. The first call of a run, and the proof that the system answers.
    async fn facts(&self, cx: &Context) -> Result<Facts, ProviderError>;

    /// Reads objects in bulk; reports each exactly once. An error of the whole read is reported for each object.
    async fn read(&self, cx: &Context, want: &[ReadRequest], out: &dyn Sink<ReadResult>);

    /// Every object of a type that exists, ours or not.
    async fn list(&self, cx: &Context, ty: &TypeName, out: &dyn Sink<Listed>) -> Result<(), ProviderError>;

    /// Asks the system whether it would take these operations. Has no effect on the system. Reports at most once
    /// an operation; silence means "no objection known".
    async fn check(&self, cx: &Context, ops: &[Operation], out: &dyn Sink<OpDiagnostics>);

    /// Carries out one batch: operations of one type, action and step that do not depend on each other. Asks
    /// `cx.lease` before each call, and reports each outcome as soon as it is known. An operation without an
    /// outcome when this returns is indeterminate.
    async fn apply(&self, cx: &Context, ops: &[Operation], out: &dyn Sink<OpOutcome>);

    /// How long a write may take to become readable, and so how long recovery waits before it believes "absent".
    fn settle(&self) -> Duration;
}

/// Builds the client of one system.
pub type Connect = fn(ConnectRequest) -> BoxFuture<'static, Result<Arc<dyn Provider>, ProviderError>>;

/// A provider, known without any connection.
pub struct ProviderDef {
    /// The key in an environment of the Mesh document: `kafka`, `registry`, `iceberg`, `catalog`.
    pub system: &'static str,
    pub types: &'static [&'static dyn ResourceType],
    /// Checks one system's settings; errors carry the place in the Mesh document.
    pub validate_config: fn(&Located) -> Diagnostics,
    /// JSON Schema of one system's settings, for `datamesh schema`.
    pub config_schema: fn() -> serde_json::Value,
    /// Builds a client. `name` is the system's full name (`kafka.default`); relative paths in the settings are
    /// relative to `root`. Makes no call yet where the client library allows that.
    pub connect: Connect,
}

/// What [`ProviderDef::connect`] is given.
#[derive(Clone, Debug)]
pub struct ConnectRequest {
    pub name: String,
    pub settings: Located,
    pub root: std::path::PathBuf,
    pub context: Context,
}

impl fmt::Debug for ProviderDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderDef").field("system", &self.system).finish_non_exhaustive()
    }
}
