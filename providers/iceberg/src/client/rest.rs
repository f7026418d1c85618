//! Catalogs behind the Iceberg REST API.

use super::backend::{Backend, Failure, Loaded, Origin, Places, Properties};
use super::http::{Answer, Http, Request, Trouble};
use crate::config::Rest;
use crate::ident::{NamespaceId, TableId};
use crate::location;
use crate::metadata::{Commit, Metadata, NewTable};
use async_trait::async_trait;
use datamesh_provider::{Context, ErrorKind, Facts, Interruption, ProviderError};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use url::Url;

/// The levels of a namespace in a path are joined by the unit separator (REST specification, "namespace").
const SEPARATOR: &str = "\u{1f}";
/// A server that never ends its pages must not keep us forever.
const PAGES: usize = 10_000;

#[derive(Debug)]
pub(crate) struct RestBackend {
    http: Http,
    warehouse: Option<String>,
    places: Places,
    /// What the server asks for, once it was asked.
    wishes: OnceCell<Wishes>,
    /// Tables as they were read, where the server offers to say that they are still so.
    known: Mutex<BTreeMap<TableId, (String, Loaded)>>,
}

/// What of a server's configuration is heeded.
#[derive(Debug)]
struct Wishes {
    /// Path segments after `v1`.
    prefix: Vec<String>,
    /// What stands between the levels of a namespace in a path.
    separator: String,
}

impl Wishes {
    /// The same request, where the server wants it.
    fn below_prefix<'a>(&'a self, mut request: Request<'a>) -> Request<'a> {
        let start = std::iter::once("v1").chain(self.prefix.iter().map(String::as_str));
        request.path.splice(..0, start);
        request
    }
}

impl RestBackend {
    pub(crate) fn new(http: Http, settings: Rest, root: PathBuf) -> Self {
        // A warehouse may also be a bare name, which says nothing about where tables lie.
        let located = settings.warehouse.as_deref().filter(|text| location::problem(text).is_none());
        let warehouse = located.map(|text| location::absolute(text, &root));
        Self {
            http,
            warehouse: settings.warehouse,
            places: Places { root, warehouse },
            wishes: OnceCell::new(),
            known: Mutex::default(),
        }
    }

    async fn wishes(&self, cx: &Context) -> Result<&Wishes, ProviderError> {
        self.wishes.get_or_try_init(|| self.configure(cx)).await
    }

    async fn in_path(&self, cx: &Context, id: &NamespaceId) -> Result<String, ProviderError> {
        Ok(id.levels().join(&self.wishes(cx).await?.separator))
    }

    /// Asks for the server's configuration (`GET /v1/config`); only what shapes paths is taken from it.
    async fn configure(&self, cx: &Context) -> Result<Wishes, ProviderError> {
        let during = "ask for the catalog's configuration";
        let mut request = Request::new(Method::GET, vec!["v1", "config"], during);
        if let Some(warehouse) = &self.warehouse {
            request = request.query("warehouse", warehouse);
        }
        let answer = self.http.read(cx, &request).await.map_err(|trouble| {
            let error = trouble.error();
            match (error.kind, &error.hint) {
                // Nothing is asked here that could be wrong but the address.
                (ErrorKind::Invalid, None) => {
                    error.hint("is `uri` in the Mesh document right? It is written without `/v1`")
                }
                _ => error,
            }
        })?;
        let answer = answer.body;
        let value = |key: &str| {
            let of = |part: &str| answer.get(part)?.get(key)?.as_str();
            of("overrides").or_else(|| of("defaults"))
        };
        let protocol = |message: String| {
            let message = self.http.hidden().clean(message);
            self.http.origin.error(ErrorKind::Protocol, during).message(message)
        };
        if let Some(uri) = answer.get("overrides").and_then(|map| map.get("uri")).and_then(Value::as_str) {
            let same = Url::parse(uri).is_ok_and(|url| url.origin() == self.http.base().origin());
            if !same {
                let error = protocol(format!(
                    "it wants to be reached at `{uri}`, which the Mesh document does not name"
                ));
                return Err(error.hint("if that is right, write it as `uri` of this catalog"));
            }
        }
        let segments: Vec<String> = value("prefix")
            .unwrap_or_default()
            .split('/')
            .filter(|s| !s.is_empty())
            .map(str::to_owned)
            .collect();
        if segments.iter().any(|segment| segment == "." || segment == "..") {
            return Err(protocol("the path prefix it asks for leaves its own address".into()));
        }
        // It is told as it stands in a path: percent-encoded.
        let separator = value("namespace-separator")
            .filter(|text| !text.is_empty())
            .map(|text| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned());
        Ok(Wishes { prefix: segments, separator: separator.unwrap_or_else(|| SEPARATOR.to_owned()) })
    }

    /// Sends a read below the prefix; `None` for "does not exist".
    async fn get(
        &self,
        cx: &Context,
        rest: &[&str],
        query: &[(&str, &str)],
        during: String,
    ) -> Result<Option<Value>, ProviderError> {
        let request = Request { query: query.to_vec(), ..Request::new(Method::GET, rest.to_vec(), during) };
        Ok(self.ask(cx, request).await?.map(|answer| answer.body))
    }

    async fn ask(&self, cx: &Context, request: Request<'_>) -> Result<Option<Answer>, ProviderError> {
        let request = self.wishes(cx).await?.below_prefix(request);
        match self.http.read(cx, &request).await {
            Ok(answer) => Ok(Some(answer)),
            Err(trouble) if trouble.is_absent() => Ok(None),
            Err(trouble) => Err(trouble.error()),
        }
    }

    /// Sends a changing request below the prefix.
    async fn change(&self, cx: &Context, request: Request<'_>) -> Result<Value, Failure> {
        let request = self.wishes(cx).await.map_err(Failure::Refused)?.below_prefix(request);
        let answer = self.http.send(cx, &request).await;
        answer.map(|answer| answer.body).map_err(Trouble::failure)
    }

    /// Every item of a paged list.
    async fn pages(
        &self,
        cx: &Context,
        rest: &[&str],
        parent: Option<&str>,
        key: &str,
        during: String,
    ) -> Result<Vec<Value>, ProviderError> {
        let mut items = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES {
            let parent = parent.map(|parent| ("parent", parent));
            let page = token.as_deref().map(|token| ("pageToken", token));
            let query: Vec<(&str, &str)> = parent.into_iter().chain(page).collect();
            let Some(answer) = self.get(cx, rest, &query, during.clone()).await? else { return Ok(items) };
            items.extend(answer.get(key).and_then(Value::as_array).cloned().unwrap_or_default());
            let next = answer.get("next-page-token").and_then(Value::as_str).filter(|next| !next.is_empty());
            match next {
                Some(next) => token = Some(next.to_owned()),
                None => return Ok(items),
            }
        }
        Err(self.http.origin.error(ErrorKind::Protocol, during).message("its list never ends"))
    }

    /// A table out of an answer. Credentials and settings the server adds are not even looked at.
    fn loaded(&self, answer: &mut Value, during: &str) -> Result<Loaded, ProviderError> {
        let protocol = |why: String| self.http.origin.error(ErrorKind::Protocol, during).message(why);
        let token = answer.get("metadata-location").and_then(Value::as_str).unwrap_or_default().to_owned();
        let metadata = answer.get_mut("metadata").map(Value::take).unwrap_or_default();
        let metadata = Metadata::parse(metadata).map_err(|error| protocol(error.to_string()))?;
        Ok(Loaded { metadata, token })
    }

    /// The answer to a write: that it cannot be understood does not undo the write.
    fn written(&self, mut answer: Value, during: &str) -> Result<Loaded, Failure> {
        let loaded = self.loaded(&mut answer, during);
        loaded.map_err(|error| Failure::Unknown(Interruption::NoAnswer(error)))
    }
}

fn levels(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|level| level.as_str().map(str::to_owned)).collect()
}

#[async_trait]
impl Backend for RestBackend {
    fn origin(&self) -> &Origin {
        &self.http.origin
    }

    fn places(&self) -> &Places {
        &self.places
    }

    fn settle(&self) -> Duration {
        Duration::from_secs(10)
    }

    async fn facts(&self, cx: &Context) -> Result<Facts, ProviderError> {
        self.wishes(cx).await?;
        let warehouse = self.warehouse.as_deref().unwrap_or_default();
        let identity = format!("rest {} {warehouse}", self.http.base().as_str().trim_end_matches('/'));
        let capabilities = BTreeMap::from([("catalog".to_owned(), "rest".to_owned())]);
        Ok(Facts { identity: identity.trim_end().to_owned(), capabilities })
    }

    async fn load(&self, cx: &Context, id: &TableId) -> Result<Option<Loaded>, ProviderError> {
        let during = format!("load the table {id}");
        let namespace = self.in_path(cx, &id.namespace).await?;
        let path = vec!["namespaces", &namespace, "tables", &id.name];
        let before = self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        let mut request = Request::new(Method::GET, path, during.clone());
        // Snapshots are not looked at; servers that know the parameter leave most of them out.
        request = request.query("snapshots", "refs");
        request.known = before.as_ref().map(|(etag, _)| etag.clone());
        let Some(mut answer) = self.ask(cx, request).await? else { return Ok(None) };
        let (etag, loaded) = match before.filter(|_| answer.unchanged) {
            Some((etag, loaded)) => (Some(etag), loaded),
            None => (answer.etag.take(), self.loaded(&mut answer.body, &during)?),
        };
        if let Some(etag) = etag {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(id.clone(), (etag, loaded.clone()));
        }
        Ok(Some(loaded))
    }

    async fn create(&self, cx: &Context, id: &TableId, new: &NewTable) -> Result<Loaded, Failure> {
        let during = format!("create the table {id}");
        let namespace = self.in_path(cx, &id.namespace).await.map_err(Failure::Refused)?;
        let path = vec!["namespaces", namespace.as_str(), "tables"];
        let request = Request::new(Method::POST, path, during.clone()).body(new.request(&id.name));
        self.written(self.change(cx, request).await?, &during)
    }

    async fn commit(
        &self,
        cx: &Context,
        id: &TableId,
        _: &Loaded,
        commit: &Commit,
    ) -> Result<Loaded, Failure> {
        let during = format!("change the table {id}");
        let namespace = self.in_path(cx, &id.namespace).await.map_err(Failure::Refused)?;
        let path = vec!["namespaces", namespace.as_str(), "tables", &id.name];
        let body = commit.request(id.namespace.levels(), &id.name);
        let request = Request::new(Method::POST, path, during.clone()).body(body);
        self.written(self.change(cx, request).await?, &during)
    }

    async fn drop_table(&self, cx: &Context, id: &TableId, _: &Loaded, purge: bool) -> Result<(), Failure> {
        let namespace = self.in_path(cx, &id.namespace).await.map_err(Failure::Refused)?;
        let path = vec!["namespaces", namespace.as_str(), "tables", &id.name];
        let request = Request::new(Method::DELETE, path, format!("drop the table {id}"));
        self.change(cx, request.query("purgeRequested", if purge { "true" } else { "false" })).await.map(drop)
    }

    async fn namespace(&self, cx: &Context, id: &NamespaceId) -> Result<Option<Properties>, ProviderError> {
        let name = self.in_path(cx, id).await?;
        let answer = self.get(cx, &["namespaces", &name], &[], format!("load the namespace {id}")).await?;
        Ok(answer.map(|answer| {
            let map = answer.get("properties").and_then(Value::as_object);
            let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
            map.into_iter().flatten().filter_map(text).collect()
        }))
    }

    async fn create_namespace(
        &self,
        cx: &Context,
        id: &NamespaceId,
        map: &Properties,
    ) -> Result<(), Failure> {
        let request = Request::new(Method::POST, vec!["namespaces"], format!("create the namespace {id}"));
        let body = json!({"namespace": id.levels(), "properties": map});
        self.change(cx, request.body(body)).await.map(drop)
    }

    async fn update_namespace(
        &self,
        cx: &Context,
        id: &NamespaceId,
        set: &Properties,
        unset: &[String],
    ) -> Result<(), Failure> {
        let name = self.in_path(cx, id).await.map_err(Failure::Refused)?;
        let path = vec!["namespaces", name.as_str(), "properties"];
        let request = Request::new(Method::POST, path, format!("change the namespace {id}"));
        self.change(cx, request.body(json!({"removals": unset, "updates": set}))).await.map(drop)
    }

    async fn drop_namespace(&self, cx: &Context, id: &NamespaceId) -> Result<(), Failure> {
        let name = self.in_path(cx, id).await.map_err(Failure::Refused)?;
        let path = vec!["namespaces", name.as_str()];
        self.change(cx, Request::new(Method::DELETE, path, format!("drop the namespace {id}")))
            .await
            .map(drop)
    }

    async fn namespaces(&self, cx: &Context) -> Result<Vec<NamespaceId>, ProviderError> {
        let separator = &self.wishes(cx).await?.separator;
        let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
        let mut open: Vec<Option<Vec<String>>> = vec![None];
        while let Some(parent) = open.pop() {
            let name = parent.as_ref().map(|levels| levels.join(separator));
            let during = "list the namespaces".to_owned();
            let items = self.pages(cx, &["namespaces"], name.as_deref(), "namespaces", during).await?;
            for levels in items.iter().filter_map(levels) {
                // Some servers list children beside their parents, and some the parent itself.
                if found.insert(levels.clone()) {
                    open.push(Some(levels));
                }
            }
        }
        Ok(found.into_iter().map(NamespaceId::from_levels).collect())
    }

    async fn tables(&self, cx: &Context, id: &NamespaceId) -> Result<Vec<TableId>, ProviderError> {
        let name = self.in_path(cx, id).await?;
        let during = format!("list the tables of {id}");
        let items = self.pages(cx, &["namespaces", &name, "tables"], None, "identifiers", during).await?;
        let table = |item: &Value| {
            let name = item.get("name")?.as_str()?.to_owned();
            Some(TableId { namespace: id.clone(), name })
        };
        Ok(items.iter().filter_map(table).collect())
    }
}
