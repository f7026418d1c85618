//! Creating, changing and dropping namespaces.

use super::compare;
use super::read::{live, namespace_id};
use super::schema::{Attrs, IcebergNamespace};
use crate::client::{Backend, Ended, Failure, guard, settled};
use crate::codes;
use crate::ident::NamespaceId;
use crate::owner;
use datamesh_provider::{
    Context, Diagnostic, Diagnostics, ErrorKind, LiveObject, OpAction, Operation, Outcome, Packed,
    ProviderError, Refusal, Resource, decode,
};
use std::collections::BTreeMap;

/// What is known to be refused, without asking anybody.
pub(crate) fn check(op: &Operation) -> Diagnostics {
    match NamespaceId::parse(op.object.as_str()) {
        Ok(_) => Diagnostics::default(),
        Err(error) => Diagnostic::error(codes::NAME, format!("{error}.")).into(),
    }
}

pub(crate) async fn apply(backend: &dyn Backend, cx: &Context, op: &Operation) -> Outcome {
    let id = match namespace_id(backend, &op.object) {
        Ok(id) => id,
        Err(error) => return *rejected(error),
    };
    let call = Call { backend, cx, op, id };
    let done = match op.action {
        OpAction::Create => call.create().await,
        OpAction::Update => call.update().await,
        OpAction::Delete => call.delete().await,
    };
    done.unwrap_or_else(|ended| *ended)
}

fn rejected(error: ProviderError) -> Ended {
    Box::new(Outcome::Rejected(Refusal { error }))
}

/// One operation under way. `Err` is an outcome that ends it early.
struct Call<'a> {
    backend: &'a dyn Backend,
    cx: &'a Context,
    op: &'a Operation,
    id: NamespaceId,
}

impl Call<'_> {
    fn during(&self) -> String {
        let verb = match self.op.action {
            OpAction::Create => "create",
            OpAction::Update => "change",
            OpAction::Delete => "drop",
        };
        format!("{verb} the namespace {}", self.id)
    }

    fn attrs(&self, raw: Option<&Packed>) -> Result<Option<Attrs>, Ended> {
        raw.map(decode::<IcebergNamespace>).transpose().map_err(|error| {
            Box::new(self.backend.origin().rejected(ErrorKind::Invalid, &self.during(), error.to_string()))
        })
    }

    fn failed(&self, failure: Failure) -> Ended {
        Box::new(failure.outcome(self.backend.origin(), &self.during()))
    }

    fn guard(&self) -> Result<(), Ended> {
        guard(self.cx, self.backend.origin(), &self.during())
    }

    async fn read(&self) -> Result<Option<(LiveObject, Attrs)>, Ended> {
        let map = self.backend.namespace(self.cx, &self.id).await.map_err(rejected)?;
        Ok(map.map(|map| live(&self.op.object, map)))
    }

    async fn read_ours(&self) -> Result<(LiveObject, Attrs), Ended> {
        let Some((object, attrs)) = self.read().await? else { return Err(Box::new(Outcome::Stale(None))) };
        if owner::is_foreign(object.owner.as_deref(), &self.op.owner, &self.cx.lineages) {
            let origin = self.backend.origin();
            let mark = object.owner.unwrap_or_default();
            let error = origin
                .error(ErrorKind::Invalid, self.during())
                .message(format!("it is managed from another state: `{mark}`"))
                .hint(format!(
                    "let one state manage it; remove its property `{}` to take it over",
                    owner::PROPERTY
                ));
            return Err(rejected(error));
        }
        Ok((object, attrs))
    }

    async fn wait(&self, seen: impl Fn(Option<&Attrs>) -> bool) {
        let seen = &seen;
        settled(self.cx, self.backend, || async move {
            matches!(self.read().await, Ok(now) if seen(now.as_ref().map(|(_, attrs)| attrs)))
        })
        .await;
    }

    async fn create(&self) -> Result<Outcome, Ended> {
        let planned = self.attrs(self.op.planned.as_ref())?.unwrap_or_default();
        let mut map = planned.properties.unwrap_or_default();
        map.insert(owner::PROPERTY.to_owned(), self.op.owner.clone());
        self.guard()?;
        match self.backend.create_namespace(self.cx, &self.id, &map).await {
            Ok(()) => {
                self.wait(|now| now.is_some()).await;
                let now = self.read().await.ok().flatten();
                Ok(Outcome::Done(now.unwrap_or_else(|| live(&self.op.object, map)).0))
            }
            Err(Failure::Conflict) => Ok(Outcome::Stale(self.read().await?.map(|(object, _)| object))),
            Err(failure) => Err(self.failed(failure)),
        }
    }

    async fn update(&self) -> Result<Outcome, Ended> {
        let planned = self.attrs(self.op.planned.as_ref())?.unwrap_or_default();
        let prior = self.attrs(self.op.prior.as_ref())?;
        let (object, now) = self.read_ours().await?;
        let edits = compare(prior.as_ref(), &now, &planned);
        if edits.is_empty() {
            return Ok(Outcome::Done(object));
        }
        if let Some(seen) = self.attrs(self.op.live.as_ref())? {
            let differs = |like: &Attrs| {
                IcebergNamespace::managed(&seen, like) != IcebergNamespace::managed(&now, like)
            };
            if differs(&planned) || prior.as_ref().is_some_and(differs) {
                return Ok(Outcome::Stale(Some(object)));
            }
        }
        let mut set = edits.set.clone();
        set.insert(owner::PROPERTY.to_owned(), self.op.owner.clone());
        self.guard()?;
        match self.backend.update_namespace(self.cx, &self.id, &set, &edits.unset).await {
            Ok(()) => {}
            Err(Failure::Absent) => return Ok(Outcome::Stale(None)),
            Err(failure) => return Err(self.failed(failure)),
        }
        self.wait(|now| now.is_some_and(|now| compare(prior.as_ref(), now, &planned).is_empty())).await;
        match self.read().await {
            Ok(Some((object, _))) => Ok(Outcome::Done(object)),
            _ => Ok(Outcome::Done(live(&self.op.object, after(now, set, &edits.unset)).0)),
        }
    }

    async fn delete(&self) -> Result<Outcome, Ended> {
        self.read_ours().await?;
        let inside = self.inside().await.map_err(rejected)?;
        if let Some(inside) = inside {
            return Err(self.not_empty(&inside));
        }
        self.guard()?;
        match self.backend.drop_namespace(self.cx, &self.id).await {
            Ok(()) => {
                self.wait(|now| now.is_none()).await;
                Ok(Outcome::Deleted)
            }
            Err(Failure::Conflict) => Err(self.not_empty("something")),
            Err(Failure::Absent) => Ok(Outcome::Stale(None)),
            Err(failure) => Err(self.failed(failure)),
        }
    }

    /// What is in the namespace, if anything: not every catalog refuses to drop one that is in use.
    async fn inside(&self) -> Result<Option<String>, ProviderError> {
        if let Some(table) = self.backend.tables(self.cx, &self.id).await?.first() {
            return Ok(Some(format!("the table {table}")));
        }
        let all = self.backend.namespaces(self.cx).await?;
        let child = all.iter().find(|other| {
            other.levels().len() > self.id.levels().len() && other.levels().starts_with(self.id.levels())
        });
        Ok(child.map(|child| format!("the namespace {child}")))
    }

    fn not_empty(&self, inside: &str) -> Ended {
        let error = self.backend.origin().error(ErrorKind::Invalid, self.during());
        let error = error.message(format!("it is not empty: there is {inside} in it"));
        rejected(
            error.hint("a namespace is dropped only when nothing is left in it; drop or move what is inside"),
        )
    }
}

/// The properties a change leaves behind.
fn after(now: Attrs, set: BTreeMap<String, String>, unset: &[String]) -> BTreeMap<String, String> {
    let mut map = now.properties.unwrap_or_default();
    map.extend(set);
    map.retain(|key, _| !unset.contains(key));
    map
}
