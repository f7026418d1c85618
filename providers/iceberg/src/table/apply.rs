//! Creating, changing and dropping tables.

use super::read::{live, spelled, table_id};
use super::schema::{Attrs, IcebergTable};
use super::tries::{Try, until_known};
use super::{Comparison, compare};
use crate::client::{Backend, Ended, Failure, Loaded, Places, guard, settled};
use crate::codes;
use crate::ident::TableId;
use crate::metadata::{Commit, NewTable};
use crate::owner;
use datamesh_provider::{
    Context, Diagnostic, Diagnostics, ErrorKind, LiveObject, OpAction, Operation, Outcome, Packed,
    ProviderError, Refusal, Resource, SpanMap, decode,
};
use std::sync::atomic::{AtomicBool, Ordering};

/// What is known to be refused, without asking anybody.
pub(crate) fn check(places: &Places, op: &Operation) -> Diagnostics {
    let mut out = Diagnostics::default();
    if let Err(error) = TableId::parse(op.object.as_str()) {
        out.push(Diagnostic::error(codes::NAME, format!("{error}.")));
    }
    let location = op.planned.as_ref().and_then(|attrs| attrs.get("location")).and_then(|text| text.as_str());
    if op.action == OpAction::Create
        && let Some(Err(why)) = location.map(|text| places.allowed(text))
    {
        let help =
            "Declare a location under the environment's warehouse, or map this one there under `endpoints`.";
        out.push(Diagnostic::error(codes::LOCATION, format!("{why}.")).help(help));
    }
    out
}

pub(crate) async fn apply(backend: &dyn Backend, cx: &Context, op: &Operation) -> Outcome {
    let id = match table_id(backend, &op.object) {
        Ok(id) => id,
        Err(error) => return Outcome::Rejected(Refusal { error }),
    };
    let call = Call { backend, cx, op, id };
    let done = match op.action {
        OpAction::Create => call.create().await,
        OpAction::Update => call.update().await,
        OpAction::Delete => call.delete().await,
    };
    done.unwrap_or_else(|ended| *ended)
}

/// One operation under way. `Err` is an outcome that ends it early.
struct Call<'a> {
    backend: &'a dyn Backend,
    cx: &'a Context,
    op: &'a Operation,
    id: TableId,
}

fn rejected(error: ProviderError) -> Ended {
    Box::new(Outcome::Rejected(Refusal { error }))
}

impl Call<'_> {
    fn during(&self) -> String {
        let verb = match self.op.action {
            OpAction::Create => "create",
            OpAction::Update => "change",
            OpAction::Delete => "drop",
        };
        format!("{verb} the table {}", self.id)
    }

    fn invalid(&self, message: impl Into<String>) -> Ended {
        Box::new(self.backend.origin().rejected(ErrorKind::Invalid, &self.during(), message))
    }

    fn attrs(&self, raw: Option<&Packed>) -> Result<Option<Attrs>, Ended> {
        let decoded = raw.map(decode::<IcebergTable>).transpose();
        decoded.map_err(|error| self.invalid(error.to_string()))
    }

    fn planned(&self) -> Result<Attrs, Ended> {
        self.attrs(self.op.planned.as_ref())?
            .ok_or_else(|| self.invalid("the plan does not say what to make"))
    }

    fn live(&self, loaded: &Loaded) -> Result<(LiveObject, Attrs), Ended> {
        let sides = [&self.op.planned, &self.op.live, &self.op.prior];
        live(self.backend, &self.op.object, loaded, &spelled(sides.into_iter().flatten())).map_err(rejected)
    }

    fn stale(&self, loaded: Option<&Loaded>) -> Outcome {
        match loaded.map(|loaded| self.live(loaded)).transpose() {
            Ok(live) => Outcome::Stale(live.map(|(object, _)| object)),
            Err(ended) => *ended,
        }
    }

    async fn load(&self) -> Result<Option<Loaded>, Ended> {
        self.backend.load(self.cx, &self.id).await.map_err(rejected)
    }

    /// The table, if it is the one the plan saw and no other state's.
    async fn load_ours(&self) -> Result<Loaded, Ended> {
        let Some(loaded) = self.load().await? else { return Err(Box::new(Outcome::Stale(None))) };
        if self.op.incarnation.as_deref().is_some_and(|uuid| uuid != loaded.metadata.uuid()) {
            return Err(Box::new(self.stale(Some(&loaded))));
        }
        let properties = loaded.metadata.properties();
        let mark = properties.get(owner::PROPERTY).map(String::as_str);
        if owner::is_foreign(mark, &self.op.owner, &self.cx.lineages) {
            let origin = self.backend.origin();
            let error = origin
                .error(ErrorKind::Invalid, self.during())
                .message(format!("it is managed from another state: `{}`", mark.unwrap_or_default()))
                .hint(format!(
                    "let one state manage it; remove its property `{}` to take it over",
                    owner::PROPERTY
                ));
            return Err(rejected(error));
        }
        Ok(loaded)
    }

    fn guard(&self) -> Result<(), Ended> {
        guard(self.cx, self.backend.origin(), &self.during())
    }

    async fn create(&self) -> Result<Outcome, Ended> {
        let mut attrs = self.planned()?;
        if let Some(text) = &attrs.location {
            attrs.location = Some(self.backend.places().allowed(text).map_err(|why| self.invalid(why))?);
        }
        let new = NewTable::plan(&attrs, &self.op.owner).map_err(|error| self.invalid(error.to_string()))?;
        let (attrs, new, first) = (&attrs, &new, &AtomicBool::new(true));
        let once = || async move {
            // Some servers answer a creation of what exists with what exists, as if they had made it.
            if let Some(there) = self.load().await? {
                let ours = self.live(&there)?.0.owner.as_ref() == Some(&self.op.owner);
                return match ours && !first.load(Ordering::Relaxed) {
                    true => self.made(&there, attrs, new).await.map(Try::Over),
                    false => Ok(Try::Over(self.stale(Some(&there)))),
                };
            }
            first.store(false, Ordering::Relaxed);
            self.guard()?;
            match self.backend.create(self.cx, &self.id, new).await {
                Ok(made) => self.made(&made, attrs, new).await.map(Try::Over),
                Err(Failure::Conflict) => self.taken().await,
                Err(Failure::Absent) => {
                    let error = self.backend.origin().error(ErrorKind::Invalid, self.during());
                    let error = error.message(format!("the namespace {} does not exist", self.id.namespace));
                    Err(rejected(error.hint("create the namespace, or let its domain declare it")))
                }
                Err(failure) => Ok(failure.into()),
            }
        };
        Ok(until_known(self.backend, self.cx, &self.during(), once).await)
    }

    /// The outcome of a creation that the catalog knows of.
    async fn made(&self, made: &Loaded, attrs: &Attrs, new: &NewTable) -> Result<Outcome, Ended> {
        let (object, _) = self.live(made)?;
        if object.owner.as_ref() != Some(&self.op.owner) {
            return Ok(Outcome::Stale(Some(object)));
        }
        self.wait(|now| now.is_some_and(|now| now.metadata.uuid() == made.metadata.uuid())).await;
        Ok(self.as_asked(object, attrs, new, made))
    }

    /// Whether the catalog made what it was asked for, where catalogs are known to choose otherwise.
    fn as_asked(&self, object: LiveObject, asked: &Attrs, new: &NewTable, made: &Loaded) -> Outcome {
        let is = self.backend.places().absolute(made.metadata.location());
        let made_version = object.attributes.get("format_version").and_then(|version| version.as_u64());
        let (why, hint) = match &asked.location {
            Some(asked) if *asked != is => (
                format!("the catalog put it at `{is}` instead of `{asked}`"),
                "leave `location` out to take what the catalog chooses",
            ),
            _ if made_version != Some(u64::from(new.format_version)) => (
                format!("the catalog did not make it in format version {}", new.format_version),
                "leave `format_version` out, or use a catalog that knows this version",
            ),
            _ => return Outcome::Done(object),
        };
        let error = self.backend.origin().error(ErrorKind::Protocol, self.during());
        Outcome::Partial(object, error.message(why).hint(hint))
    }

    /// The name was free a moment ago and is taken now.
    async fn taken(&self) -> Result<Try, Ended> {
        match self.load().await? {
            Some(_) => Ok(Try::Lost),
            None => Err(self.invalid("something else in the catalog, such as a view, has this name")),
        }
    }

    async fn wait(&self, seen: impl Fn(Option<&Loaded>) -> bool) {
        let seen = &seen;
        settled(self.cx, self.backend, || async move {
            matches!(self.backend.load(self.cx, &self.id).await, Ok(now) if seen(now.as_ref()))
        })
        .await;
    }

    async fn update(&self) -> Result<Outcome, Ended> {
        let planned = self.planned()?;
        let (prior, seen) = (self.attrs(self.op.prior.as_ref())?, self.attrs(self.op.live.as_ref())?);
        let (planned, prior, seen) = (&planned, prior.as_ref(), seen.as_ref());
        let once = || async move {
            let base = self.load_ours().await?;
            let (object, now) = self.live(&base)?;
            let found = compare(prior, &now, planned, &SpanMap::default());
            if found.is_empty() && found.forbidden.is_empty() {
                return Ok(Try::Over(Outcome::Done(object)));
            }
            if seen.is_some_and(|seen| moved(seen, &now, prior, planned)) {
                return Ok(Try::Over(Outcome::Stale(Some(object))));
            }
            match self.commit(&base, &found, object.owner.as_deref()).await? {
                Ok(made) => {
                    self.wait(|now| now.is_some_and(|now| now.token != base.token)).await;
                    Ok(Try::Over(Outcome::Done(self.live(&made)?.0)))
                }
                Err(failure) => Ok(failure.into()),
            }
        };
        Ok(until_known(self.backend, self.cx, &self.during(), once).await)
    }

    async fn commit(
        &self,
        base: &Loaded,
        found: &Comparison,
        mark: Option<&str>,
    ) -> Result<Result<Loaded, Failure>, Ended> {
        if let Some(first) = found.forbidden.first() {
            return Err(self.invalid(first.detail.clone()));
        }
        let owner = (mark != Some(&self.op.owner)).then_some((owner::PROPERTY, self.op.owner.as_str()));
        let commit =
            Commit::plan(&base.metadata, found, owner).map_err(|error| self.invalid(error.to_string()))?;
        self.guard()?;
        Ok(self.backend.commit(self.cx, &self.id, base, &commit).await)
    }

    async fn delete(&self) -> Result<Outcome, Ended> {
        let purge = self.attrs(self.op.prior.as_ref())?.is_some_and(|prior| prior.purge == Some(true));
        let tried = &AtomicBool::new(false);
        let once = || async move {
            let base = match self.load_ours().await {
                // It went after all.
                Err(ended) if *ended == Outcome::Stale(None) && tried.load(Ordering::Relaxed) => {
                    return Ok(Try::Over(Outcome::Deleted));
                }
                base => base?,
            };
            self.guard()?;
            tried.store(true, Ordering::Relaxed);
            match self.backend.drop_table(self.cx, &self.id, &base, purge).await {
                Ok(()) => {
                    self.wait(|now| now.is_none_or(|now| now.metadata.uuid() != base.metadata.uuid())).await;
                    Ok(Try::Over(Outcome::Deleted))
                }
                Err(failure) => Ok(failure.into()),
            }
        };
        Ok(until_known(self.backend, self.cx, &self.during(), once).await)
    }
}

/// Whether what we manage is no longer what the plan saw. What others manage may have changed.
fn moved(seen: &Attrs, now: &Attrs, prior: Option<&Attrs>, planned: &Attrs) -> bool {
    let differs = |like: &Attrs| IcebergTable::managed(seen, like) != IcebergTable::managed(now, like);
    differs(planned) || prior.is_some_and(differs)
}
