//! The REST client's bad days, on a server that does what each test wants.
#![expect(clippy::expect_used, reason = "helpers of tests fail by panicking")]

use datamesh_conformance::testing::{RealClock, context};
use datamesh_iceberg::DEF;
use datamesh_provider::{
    Address, ConnectRequest, Context, ErrorKind, Interruption, Listed, LiveObject, Located, ObjectId,
    OpAction, Operation, OperationId, Outcome, Packed, Provider, ProviderError, ReadRequest, SystemName,
    TypeName,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What arrived: method, target with query, the bearer token, and the body.
#[derive(Clone, Debug)]
struct Arrived {
    line: String,
    token: Option<String>,
    /// The headers, as they were sent.
    head: String,
    body: Value,
}

#[derive(Clone)]
enum Reply {
    Json(u16, Value),
    Raw(u16, &'static str),
    /// With a tag by which it is asked for again.
    Tagged(&'static str, Value),
    Redirect(&'static str),
    /// Takes the request and closes the connection.
    Hangup,
    /// Takes the request and says nothing.
    Silence,
}

type Script = dyn Fn(&Arrived) -> Reply + Send + Sync;

/// A server of one test.
struct Server {
    uri: String,
    seen: Arc<Mutex<Vec<Arrived>>>,
}

impl Server {
    async fn start(script: impl Fn(&Arrived) -> Reply + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let uri = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, log): (Arc<Script>, _) = (Arc::new(script), seen.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, log) = (script.clone(), log.clone());
                tokio::spawn(async move { serve(stream, script.as_ref(), &log).await });
            }
        });
        Self { uri, seen }
    }

    fn lines(&self) -> Vec<String> {
        self.seen.lock().expect("the log").iter().map(|arrived| arrived.line.clone()).collect()
    }

    fn count(&self, start: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(start)).count()
    }
}

async fn serve(mut stream: tokio::net::TcpStream, script: &Script, log: &Mutex<Vec<Arrived>>) {
    let Some(arrived) = receive(&mut stream).await else { return };
    log.lock().expect("the log").push(arrived.clone());
    let (status, extra, body) = match script(&arrived) {
        Reply::Json(status, body) => (status, String::new(), body.to_string()),
        Reply::Raw(status, body) => (status, String::new(), body.to_owned()),
        Reply::Tagged(tag, body) => (200, format!("etag: {tag}\r\n"), body.to_string()),
        Reply::Redirect(to) => (307, format!("location: {to}\r\n"), String::new()),
        Reply::Hangup => return,
        Reply::Silence => return std::future::pending().await,
    };
    let head =
        format!("HTTP/1.1 {status} X\r\n{extra}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await.ok();
}

async fn receive(stream: &mut tokio::net::TcpStream) -> Option<Arrived> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")))?;
                Some(line[name.len() + 1..].trim().to_owned())
            };
            let length: usize = header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
            if body.len() >= length {
                let line = head.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned();
                let token = header("authorization").map(|text| text.replace("Bearer ", ""));
                let body = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
                return Some(Arrived { line, token, head: head.to_owned(), body });
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}

fn error(status: u16, kind: &str, message: &str) -> Reply {
    Reply::Json(status, json!({"error": {"message": message, "type": kind, "code": status}}))
}

fn cx() -> Context {
    let mut cx = context(Arc::new(RealClock::default()));
    cx.budget.call_timeout = Duration::from_millis(800);
    cx.budget.settle = Some(Duration::from_millis(50));
    cx
}

async fn try_connect(uri: &str, auth: Value) -> Result<Arc<dyn Provider>, ProviderError> {
    let more = if auth.is_null() { json!({}) } else { json!({ "auth": auth }) };
    connect_with(uri, more).await
}

async fn connect_with(uri: &str, more: Value) -> Result<Arc<dyn Provider>, ProviderError> {
    let mut settings = json!({"catalog": "rest", "uri": uri, "warehouse": "s3://lake"});
    settings.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    let settings = Located { value: settings, ..Located::default() };
    assert!(!(DEF.validate_config)(&settings).has_errors());
    let name = "iceberg.lake".to_owned();
    (DEF.connect)(ConnectRequest { name, settings, root: ".".into(), context: cx() }).await
}

async fn connect(server: &Server) -> Arc<dyn Provider> {
    try_connect(&server.uri, Value::Null).await.expect("connects")
}

async fn read(provider: &Arc<dyn Provider>, ty: &str, id: &str) -> Result<Option<LiveObject>, ProviderError> {
    let managed = Vec::new();
    let want = ReadRequest::of(TypeName::new(ty), ObjectId::new(id)).managed(managed).with_incarnation();
    let out = Mutex::new(Vec::new());
    provider.read(&cx(), &[want], &out).await;
    out.into_inner().expect("answers").remove(0).result
}

async fn list(provider: &Arc<dyn Provider>, ty: &str) -> Vec<String> {
    let out = Mutex::new(Vec::new());
    provider.list(&cx(), &TypeName::new(ty), &out).await.expect("lists");
    out.into_inner().expect("ids").into_iter().map(|listed: Listed| listed.id.0).collect()
}

fn op(action: OpAction) -> Operation {
    let address = Address::of_product("d", "p", 1, TypeName::new("iceberg_table"), "t").expect("an address");
    Operation {
        id: OperationId("1".into()),
        owner: format!("lineage/{address}"),
        address,
        ty: TypeName::new("iceberg_table"),
        system: SystemName::new("iceberg", "lake"),
        object: ObjectId::new("a.t"),
        action,
        step: "x".into(),
        prior: None,
        live: None,
        planned: None,
        incarnation: None,
    }
}

fn create() -> Operation {
    let planned = json!({"fields": [{"name": "c", "type": "int"}]});
    Operation { planned: Packed::encode(&planned).ok(), ..op(OpAction::Create) }
}

async fn apply(provider: &Arc<dyn Provider>, op: Operation) -> Outcome {
    let out = Mutex::new(Vec::new());
    provider.apply(&cx(), &[op], &out).await;
    out.into_inner().expect("outcomes").remove(0).outcome
}

fn table(properties: Value) -> Value {
    json!({
        "metadata-location": "s3://lake/a/t/metadata/0.json",
        "metadata": {
            "format-version": 2, "table-uuid": "uuid-1", "location": "s3://lake/a/t", "last-column-id": 1,
            "current-schema-id": 0, "default-spec-id": 0, "properties": properties,
            "schemas": [{"schema-id": 0, "type": "struct", "fields": [{"id": 1, "name": "c", "type": "int", "required": false}]}],
            "partition-specs": [{"spec-id": 0, "fields": []}],
        },
        "config": {"s3.secret-access-key": "vended-secret", "token": "vended-secret"},
        "storage-credentials": [{"prefix": "s3://", "config": {"s3.session-token": "vended-secret"}}],
    })
}

fn config() -> Reply {
    Reply::Json(200, json!({"defaults": {}, "overrides": {}}))
}

#[tokio::test]
async fn names_are_one_segment_each_and_the_prefix_is_in_every_path() {
    let server = Server::start(|arrived| match arrived.line.as_str() {
        "GET /v1/config?warehouse=s3%3A%2F%2Flake" => {
            Reply::Json(200, json!({"defaults": {"prefix": "no"}, "overrides": {"prefix": "ws/lake 1"}}))
        }
        line if line.starts_with("GET /v1/ws/lake%201/namespaces/") => {
            error(404, "NoSuchTableException", "no")
        }
        line => panic!("nobody should ask {line}"),
    })
    .await;
    let provider = connect(&server).await;
    for (id, expected) in [
        ("a.b.t", "/a%1Fb/tables/t?"),
        ("a.t?x=1#y", "/a/tables/t%3Fx=1%23y?"),
        ("a.100%25", "/a/tables/100%25"),
        ("ä.t u", "/%C3%A4/tables/t%20u?"),
    ] {
        assert_eq!(read(&provider, "iceberg_table", id).await, Ok(None), "{id}");
        let lines = server.lines();
        assert!(lines.last().is_some_and(|line| line.contains(expected)), "{id}: {lines:?}");
    }
    assert!(read(&provider, "iceberg_table", "a.b/../../c").await.is_err());
    assert_eq!(server.count("GET /v1/config"), 1, "the configuration is asked for once");
}

#[tokio::test]
async fn a_catalog_says_what_stands_between_levels() {
    let server = Server::start(|arrived| match arrived.line.starts_with("GET /v1/config") {
        true => Reply::Json(200, json!({"overrides": {"namespace-separator": "%2E"}})),
        false => error(404, "NoSuchTableException", "no"),
    })
    .await;
    assert_eq!(read(&connect(&server).await, "iceberg_table", "a.b.t").await, Ok(None));
    assert_eq!(server.count("GET /v1/namespaces/a.b/tables/t?"), 1, "{:?}", server.lines());
}

#[tokio::test]
async fn headers_of_the_mesh_are_sent_to_the_catalog_and_to_nobody_else() {
    let elsewhere = Server::start(|_| Reply::Json(200, json!({"access_token": "t"}))).await;
    let server = Server::start(|arrived| match arrived.line.starts_with("GET /v1/config") {
        true => config(),
        false => error(403, "ForbiddenException", "who is tenant-secret-7?"),
    })
    .await;
    let oauth2 =
        json!({"client_id": "me", "client_secret": "hunter2", "token_uri": format!("{}/t", elsewhere.uri)});
    let more = json!({"auth": {"oauth2": oauth2}, "headers": {"X-Tenant": "tenant-secret-7"}});
    let provider = connect_with(&server.uri, more).await.expect("connects");
    let error = read(&provider, "iceberg_table", "a.t").await.expect_err("refused");
    assert!(!error.to_string().contains("tenant-secret-7"), "{error}");
    let has = |server: &Server| {
        let seen = server.seen.lock().expect("the log");
        seen.iter()
            .map(|arrived| arrived.head.to_lowercase().contains("x-tenant: tenant-secret-7"))
            .collect::<Vec<_>>()
    };
    assert!(has(&server).iter().all(|sent| *sent) && !has(&elsewhere).iter().any(|sent| *sent));
    let missing = connect_with(&server.uri, json!({"headers": {"x-a": "${env:NOT_THERE}"}})).await;
    assert!(missing.expect_err("no variable").message.contains("NOT_THERE"));
}

#[tokio::test]
async fn what_is_still_so_is_not_sent_again() {
    let server = Server::start(|arrived| match arrived.line.starts_with("GET /v1/config") {
        true => config(),
        false if arrived.head.to_lowercase().contains("if-none-match: \"one\"") => Reply::Raw(304, ""),
        false if arrived.head.to_lowercase().contains("if-none-match") => {
            Reply::Tagged("\"two\"", table(json!({"k": "2"})))
        }
        false => Reply::Tagged("\"one\"", table(json!({"k": "1"}))),
    })
    .await;
    let provider = connect(&server).await;
    for _ in 0..3 {
        let live = read(&provider, "iceberg_table", "a.t").await.expect("readable").expect("there");
        assert_eq!(live.attributes["properties"], json!({"k": "1"}));
    }
    let seen = server.seen.lock().expect("the log");
    let asked = seen.iter().filter(|arrived| arrived.head.to_lowercase().contains("if-none-match")).count();
    assert_eq!((seen.len(), asked), (4, 2));
}

#[tokio::test]
async fn a_catalog_may_not_send_us_to_another_host() {
    let elsewhere = json!({"overrides": {"uri": "http://169.254.169.254/"}});
    let server = Server::start(move |_| Reply::Json(200, elsewhere.clone())).await;
    let error = connect(&server).await.facts(&cx()).await.expect_err("refused");
    assert!(error.message.contains("169.254.169.254") && error.hint.is_some(), "{error:?}");

    let server = Server::start(|arrived| match arrived.line.starts_with("GET /v1/config") {
        true => config(),
        false => Reply::Redirect("http://127.0.0.1:9/elsewhere"),
    })
    .await;
    let error = read(&connect(&server).await, "iceberg_table", "a.t").await.expect_err("not followed");
    assert!(error.server_code.as_deref().is_some_and(|code| code.starts_with("307")), "{error:?}");
}

#[tokio::test]
async fn credentials_that_a_catalog_hands_out_are_dropped() {
    let server = Server::start(|arrived| match arrived.line.starts_with("GET /v1/config") {
        true => config(),
        false => Reply::Json(200, table(json!({"k": "v", "datamesh.owner": "l/a"}))),
    })
    .await;
    let live = read(&connect(&server).await, "iceberg_table", "a.t").await.expect("readable").expect("there");
    assert!(!format!("{live:?}").contains("vended-secret"));
    assert_eq!(
        (live.attributes["properties"].clone(), live.owner.as_deref()),
        (json!({"k": "v"}), Some("l/a"))
    );
}

#[tokio::test]
async fn only_the_catalogs_own_words_mean_absent() {
    for (reply, absent) in [
        (|| error(404, "NoSuchTableException", "x"), true),
        (|| error(404, "NoSuchNamespaceException", "x"), true),
        (|| error(404, "NotFound", "Path not found"), false),
        (|| Reply::Raw(404, "<html>nginx</html>"), false),
        (|| error(403, "ForbiddenException", "x"), false),
        (|| Reply::Raw(200, "<html>a login page</html>"), false),
        (|| Reply::Json(200, json!({"metadata": {}})), false),
        (|| Reply::Raw(200, ""), false),
    ] as [(fn() -> Reply, bool); 8]
    {
        let server = Server::start(move |arrived| match arrived.line.starts_with("GET /v1/config") {
            true => config(),
            false => reply(),
        })
        .await;
        let answer = read(&connect(&server).await, "iceberg_table", "a.t").await;
        assert_eq!(answer == Ok(None), absent, "{answer:?}");
        assert!(absent || answer.is_err(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_read_is_tried_again() {
    let server = Server::start(|arrived| match arrived.line.as_str() {
        line if line.starts_with("GET /v1/config") => config(),
        _ => error(503, "SlowDown", "later"),
    })
    .await;
    let provider = connect(&server).await;
    let error = read(&provider, "iceberg_namespace", "a").await.expect_err("busy");
    assert_eq!((error.kind, error.server_code.as_deref()), (ErrorKind::Throttled, Some("503 SlowDown")));
    assert_eq!(server.count("GET /v1/namespaces/a"), 3);
}

#[tokio::test]
async fn a_write_without_a_clear_answer_is_indeterminate_and_one_with_it_is_not() {
    type Expect = fn(&Outcome) -> bool;
    let unknown: Expect = |outcome| matches!(outcome, Outcome::Indeterminate(Interruption::NoAnswer(_)));
    let refused: Expect = |outcome| matches!(outcome, Outcome::Rejected(_));
    for (reply, expect) in [
        (|| Reply::Silence, unknown),
        (|| Reply::Hangup, unknown),
        (|| error(500, "InternalServerError", "boom"), unknown),
        (|| Reply::Raw(502, "<html>bad gateway</html>"), unknown),
        (|| error(503, "ServiceUnavailable", "x"), unknown),
        (|| Reply::Raw(200, "not json"), unknown),
        (|| error(400, "BadRequestException", "malformed"), refused),
        (|| error(403, "ForbiddenException", "no"), refused),
        (|| error(429, "TooManyRequests", "no"), refused),
        (|| error(404, "NoSuchNamespaceException", "no"), refused),
    ] as [(fn() -> Reply, Expect); 10]
    {
        let server = Server::start(move |arrived| match arrived.line.as_str() {
            line if line.starts_with("GET /v1/config") => config(),
            line if line.starts_with("POST /v1/namespaces/a/tables") => reply(),
            _ => error(404, "NoSuchTableException", "no"),
        })
        .await;
        let outcome = apply(&connect(&server).await, create()).await;
        assert!(expect(&outcome), "{outcome:?}");
        // It is sent again only where reading says that it had no effect, and its condition is sent with it.
        let times = if matches!(outcome, Outcome::Indeterminate(_)) { 3 } else { 1 };
        assert_eq!(server.count("POST"), times, "{outcome:?}");
    }
    let nobody = try_connect("http://127.0.0.1:9", Value::Null).await.expect("connects");
    assert!(refused(&apply(&nobody, create()).await));
}

#[tokio::test]
async fn what_a_write_without_a_clear_answer_did_is_read() {
    // The catalog does what it is asked to, and its answer is lost: once, and from then on it answers.
    let reads = |owner: &'static str, k: &'static str| table(json!({"datamesh.owner": owner, "k": k}));
    let update = || Operation {
        prior: Packed::encode(&json!({"properties": {"k": "1"}})).ok(),
        planned: Packed::encode(&json!({"properties": {"k": "2"}})).ok(),
        incarnation: Some("uuid-1".into()),
        ..op(OpAction::Update)
    };
    let delete = Operation { incarnation: Some("uuid-1".into()), ..op(OpAction::Delete) };
    let ours = create().owner;
    let owner: &'static str = Box::leak(ours.into_boxed_str());
    for (op, before, after) in [
        (create(), error(404, "NoSuchTableException", "no"), Reply::Json(200, reads(owner, "1"))),
        (update(), Reply::Json(200, reads(owner, "1")), Reply::Json(200, reads(owner, "2"))),
        (delete, Reply::Json(200, reads(owner, "1")), error(404, "NoSuchTableException", "no")),
    ] {
        let written = std::sync::atomic::AtomicBool::new(false);
        let server = Server::start(move |arrived| match arrived.line.as_str() {
            line if line.starts_with("GET /v1/config") => config(),
            line if line.starts_with("GET") => {
                if written.load(std::sync::atomic::Ordering::SeqCst) {
                    after.clone()
                } else {
                    before.clone()
                }
            }
            _ => {
                written.store(true, std::sync::atomic::Ordering::SeqCst);
                error(504, "GatewayTimeout", "nobody knows")
            }
        })
        .await;
        let outcome = apply(&connect(&server).await, op).await;
        assert!(outcome.is_success(), "{outcome:?}");
        assert_eq!(server.count("POST") + server.count("DELETE"), 1, "{:?}", server.lines());
    }
    // What somebody else made meanwhile is not ours, and nobody knows what is still under way.
    let written = std::sync::atomic::AtomicBool::new(false);
    let server = Server::start(move |arrived| match arrived.line.as_str() {
        line if line.starts_with("GET /v1/config") => config(),
        line if line.starts_with("GET") && written.load(std::sync::atomic::Ordering::SeqCst) => {
            Reply::Json(200, reads("lineage/other", "1"))
        }
        line if line.starts_with("GET") => error(404, "NoSuchTableException", "no"),
        _ => {
            written.store(true, std::sync::atomic::Ordering::SeqCst);
            Reply::Hangup
        }
    })
    .await;
    let outcome = apply(&connect(&server).await, create()).await;
    assert!(matches!(outcome, Outcome::Indeterminate(_)), "{outcome:?}");
}

#[tokio::test]
async fn what_is_there_already_is_never_taken_over() {
    // This server answers a creation of what exists as if it had made it, and hides it from the read before.
    let server = Server::start(|arrived| match arrived.line.as_str() {
        line if line.starts_with("GET /v1/config") => config(),
        line if line.starts_with("POST") => {
            Reply::Json(200, table(json!({"datamesh.owner": "lineage/other"})))
        }
        _ => error(404, "NoSuchTableException", "no"),
    })
    .await;
    let outcome = apply(&connect(&server).await, create()).await;
    assert!(
        matches!(&outcome, Outcome::Stale(Some(live)) if live.owner.as_deref() == Some("lineage/other")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_commit_that_lost_is_built_again_on_what_won() {
    let commits = Mutex::new(0);
    let server = Server::start(move |arrived| match arrived.line.as_str() {
        line if line.starts_with("GET /v1/config") => config(),
        line if line.starts_with("POST") => {
            let mut commits = commits.lock().expect("a count");
            *commits += 1;
            match *commits {
                1 => error(409, "CommitFailedException", "somebody was faster"),
                _ => Reply::Json(200, table(json!({"k": "2"}))),
            }
        }
        _ => Reply::Json(200, table(json!({"k": "1"}))),
    })
    .await;
    let op = Operation {
        prior: Packed::encode(&json!({"properties": {"k": "1"}})).ok(),
        planned: Packed::encode(&json!({"properties": {"k": "2"}})).ok(),
        incarnation: Some("uuid-1".into()),
        ..op(OpAction::Update)
    };
    let outcome = apply(&connect(&server).await, op).await;
    assert!(
        matches!(&outcome, Outcome::Done(live) if live.attributes["properties"] == json!({"k": "2"})),
        "{outcome:?}"
    );
    let seen = server.seen.lock().expect("the log");
    let bodies: Vec<&Value> = seen.iter().filter(|a| a.line.starts_with("POST")).map(|a| &a.body).collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[1]["requirements"], json!([{"type": "assert-table-uuid", "uuid": "uuid-1"}]));
    assert_eq!(bodies[1]["identifier"], json!({"namespace": ["a"], "name": "t"}));
}

#[tokio::test]
async fn a_drop_asks_for_the_files_only_to_purge() {
    let server = Server::start(|arrived| match arrived.line.as_str() {
        line if line.starts_with("GET /v1/config") => config(),
        line if line.starts_with("DELETE") => Reply::Raw(204, ""),
        _ => Reply::Json(200, table(json!({}))),
    })
    .await;
    let gone = Operation { incarnation: Some("uuid-1".into()), ..op(OpAction::Delete) };
    assert_eq!(apply(&connect(&server).await, gone).await, Outcome::Deleted);
    assert_eq!(server.count("DELETE /v1/namespaces/a/tables/t?purgeRequested=false"), 1);
    let other = Operation { incarnation: Some("uuid-2".into()), ..op(OpAction::Delete) };
    assert!(matches!(apply(&connect(&server).await, other).await, Outcome::Stale(Some(_))));
    assert_eq!(server.count("DELETE"), 1);
    let purged = Operation {
        prior: Packed::encode(&json!({"purge": true})).ok(),
        incarnation: Some("uuid-1".into()),
        ..op(OpAction::Delete)
    };
    assert_eq!(apply(&connect(&server).await, purged).await, Outcome::Deleted);
    assert_eq!(server.count("DELETE /v1/namespaces/a/tables/t?purgeRequested=true"), 1);
}

#[tokio::test]
async fn lists_are_read_to_their_last_page_and_children_found_once() {
    let server = Server::start(|arrived| match arrived.line.as_str() {
        line if line.starts_with("GET /v1/config") => config(),
        "GET /v1/namespaces" => Reply::Json(200, json!({"namespaces": [["a"]], "next-page-token": "2"})),
        // This one lists children at the root, too.
        "GET /v1/namespaces?pageToken=2" => Reply::Json(200, json!({"namespaces": [["b"], ["b", "c"]]})),
        "GET /v1/namespaces?parent=b" => Reply::Json(200, json!({"namespaces": [["b", "c"]]})),
        "GET /v1/namespaces/b%1Fc/tables" => Reply::Json(
            200,
            json!({"identifiers": [{"namespace": ["b", "c"], "name": "t"}], "next-page-token": null}),
        ),
        line if line.contains("/tables") => Reply::Json(200, json!({"identifiers": []})),
        _ => Reply::Json(200, json!({"namespaces": []})),
    })
    .await;
    let provider = connect(&server).await;
    assert_eq!(list(&provider, "iceberg_namespace").await, ["a", "b", "b.c"]);
    assert_eq!(list(&provider, "iceberg_table").await, ["b.c.t"]);
}

#[tokio::test]
async fn a_token_is_fetched_once_and_again_when_it_has_ended() {
    let logins = Mutex::new(0);
    let server = Server::start(move |arrived| match arrived.line.as_str() {
        "POST /v1/oauth/tokens" => {
            let form = arrived.body.as_str().unwrap_or_default();
            assert_eq!(
                form,
                "grant_type=client_credentials&client_id=me&client_secret=hunter2&scope=catalog"
            );
            let mut logins = logins.lock().expect("a count");
            *logins += 1;
            Reply::Json(200, json!({"access_token": format!("t{logins}"), "expires_in": 3600}))
        }
        // The first token serves the configuration and has ended after that.
        line if line.starts_with("GET /v1/config") => config(),
        _ if arrived.token.as_deref() == Some("t1") => error(401, "NotAuthorizedException", "ended"),
        _ => Reply::Json(200, table(json!({}))),
    })
    .await;
    let auth = json!({"oauth2": {"client_id": "me", "client_secret": "hunter2"}});
    let provider = try_connect(&server.uri, auth).await.expect("connects");
    for _ in 0..3 {
        read(&provider, "iceberg_table", "a.t").await.expect("readable").expect("there");
    }
    assert_eq!(server.count("POST /v1/oauth/tokens"), 2);
    assert!(!format!("{provider:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_refused_login_names_the_servers_words_and_no_secret() {
    let server = Server::start(|_| {
        Reply::Json(401, json!({"error": "invalid_client", "error_description": "who are you?"}))
    })
    .await;
    let auth = json!({"oauth2": {"client_id": "me", "client_secret": "hunter2"}});
    let error =
        try_connect(&server.uri, auth).await.expect("connects").facts(&cx()).await.expect_err("refused");
    assert_eq!(error.kind, ErrorKind::Unauthenticated);
    assert_eq!(error.server_code.as_deref(), Some("401 invalid_client"));
    assert!(
        error.message == "who are you?" && error.hint.is_some() && !format!("{error:?}").contains("hunter2")
    );
    let missing =
        try_connect(&server.uri, json!({"bearer": "${env:NOT_THERE}"})).await.expect_err("no variable");
    assert!(missing.kind == ErrorKind::Config && missing.message.contains("NOT_THERE"), "{missing:?}");
}
