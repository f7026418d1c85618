//! The client against a server that answers by a script: what real registries do only on bad days.

use crate::DEF;
use datamesh_conformance::testing::{RealClock, context, jumping_context};
use datamesh_provider::{
    Address, CancelStage, ConnectRequest, Context, ErrorKind, Interruption, Located, ObjectId, OpAction,
    OpOutcome, Operation, OperationId, Outcome, Packed, Provider, ProviderError, ReadRequest, ReadResult,
    SecretError, SecretResolver, SystemName, TypeName,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

enum Answer {
    /// Status and body.
    Say(u16, String),
    /// Takes the request and closes.
    Drop,
    /// Takes the request and never answers.
    Hang,
    /// A body longer than any client should take.
    Flood,
}

fn say(status: u16, body: Value) -> Answer {
    Answer::Say(status, body.to_string())
}

type Seen = Arc<Mutex<Vec<String>>>;

/// Starts a server; each request's head is kept. Its URL, and what it saw.
async fn serve(script: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("http://{}/base", listener.local_addr().expect("an address"));
    let seen = Seen::default();
    let (script, log) = (Arc::new(script), seen.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(one(stream, script.clone(), log.clone()));
        }
    });
    (url, seen)
}

async fn one(mut stream: TcpStream, script: Arc<impl Fn(&str, usize) -> Answer>, log: Seen) {
    let mut bytes = Vec::new();
    let mut buffer = [0u8; 4096];
    let head = loop {
        let Ok(n) = stream.read(&mut buffer).await else { return };
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let length = text
            .lines()
            .find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
        match text.find("\r\n\r\n") {
            Some(at) if bytes.len() >= at + 4 + length.unwrap_or(0) => break text,
            _ if n == 0 => return,
            _ => {}
        }
    };
    let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let times = {
        let mut log = log.lock().expect("no panic");
        log.push(head.clone());
        log.iter().filter(|h| h.starts_with(&line)).count()
    };
    match script(&line, times) {
        Answer::Say(status, body) => {
            let head =
                format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
            let location = if status == 302 { "location: http://127.0.0.1:1/\r\n" } else { "" };
            let _ = stream.write_all(format!("{head}{location}\r\n{body}").as_bytes()).await;
        }
        Answer::Drop => {}
        Answer::Hang => std::future::pending().await,
        Answer::Flood => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
            let chunk = vec![b' '; 1 << 20];
            for _ in 0..66 {
                if stream.write_all(&chunk).await.is_err() {
                    return;
                }
            }
        }
    }
}

struct Secrets;

impl SecretResolver for Secrets {
    fn env(&self, name: &str) -> Result<String, SecretError> {
        if name == "PW" { Ok("hunter2".into()) } else { Err(SecretError::NoVariable { name: name.into() }) }
    }

    fn file(&self, path: &str) -> Result<String, SecretError> {
        Err(SecretError::NoFile { path: path.into(), why: "no".into() })
    }
}

fn fast() -> Context {
    let mut cx = Context { secrets: Arc::new(Secrets), ..jumping_context() };
    cx.budget.call_timeout = Duration::from_millis(300);
    cx
}

async fn try_connect(settings: Value, cx: &Context) -> Result<Arc<dyn Provider>, ProviderError> {
    (DEF.connect)(ConnectRequest {
        name: "registry.default".into(),
        settings: Located { value: settings, ..Located::default() },
        root: env!("CARGO_MANIFEST_DIR").into(),
        context: cx.clone(),
    })
    .await
}

async fn connect(url: &str, cx: &Context) -> Arc<dyn Provider> {
    try_connect(json!({"url": url}), cx).await.expect("connects")
}

async fn read(provider: &dyn Provider, cx: &Context) -> ReadResult {
    read_managed(provider, cx, attrs(json!({"compatibility": "NONE"}))).await
}

async fn read_managed(provider: &dyn Provider, cx: &Context, managed: Packed) -> ReadResult {
    let request = ReadRequest::of(TypeName::new("schema_subject"), ObjectId::new("s")).managed(vec![managed]);
    let sink = Mutex::new(Vec::new());
    provider.read(cx, &[request], &sink).await;
    sink.into_inner().expect("no panic").remove(0)
}

fn attrs(value: Value) -> Packed {
    Packed::encode(&value).expect("a map")
}

fn update(live: Value, planned: Value, step: &str) -> Operation {
    let ty = TypeName::new("schema_subject");
    Operation {
        id: OperationId("o".into()),
        address: Address::of_product("d", "p", 1, ty.clone(), "contract").expect("an address"),
        ty,
        system: SystemName::new("registry", "default"),
        object: ObjectId::new("s"),
        action: OpAction::Update,
        step: step.into(),
        prior: None,
        live: Some(attrs(live)),
        planned: Some(attrs(planned)),
        incarnation: None,
        owner: String::new(),
    }
}

async fn apply(provider: &dyn Provider, cx: &Context, op: Operation) -> Outcome {
    let sink = Mutex::new(Vec::<OpOutcome>::new());
    provider.apply(cx, &[op], &sink).await;
    sink.into_inner().expect("no panic").remove(0).outcome
}

fn latest(version: u32, schema: &str) -> Value {
    json!({"subject": "s", "id": version, "version": version, "schema": schema})
}

const LATEST: &str = "GET /base/subjects/s/versions/latest";
const REGISTER: &str = "POST /base/subjects/s/versions";
const LOOKUP: &str = "POST /base/subjects/s";

#[tokio::test]
async fn only_the_registrys_own_code_means_absent() {
    let cases = [
        (404, json!({"error_code": 40401, "message": "Subject not found"}).to_string(), None),
        (404, json!({"error_code": 40404, "message": "soft deleted"}).to_string(), None),
        (404, String::new(), Some(ErrorKind::Config)),
        (
            404,
            json!({"error_code": 404, "message": "HTTP 404 Not Found"}).to_string(),
            Some(ErrorKind::Invalid),
        ),
        (200, "<html>login</html>".into(), Some(ErrorKind::Protocol)),
        (302, String::new(), Some(ErrorKind::Config)),
        (401, "no".into(), Some(ErrorKind::Unauthenticated)),
        (403, json!({"error_code": 40301, "message": "denied"}).to_string(), Some(ErrorKind::Forbidden)),
        (429, String::new(), Some(ErrorKind::Throttled)),
        (500, json!({"error_code": 50001, "message": "store"}).to_string(), Some(ErrorKind::Protocol)),
        (503, "upstream".into(), Some(ErrorKind::Unreachable)),
    ];
    for (status, body, kind) in cases {
        let answer = body.clone();
        let (url, _) = serve(move |_, _| Answer::Say(status, answer.clone())).await;
        let cx = fast();
        let result = read(connect(&url, &cx).await.as_ref(), &cx).await.result;
        match (kind, result) {
            (None, Ok(None)) => {}
            (Some(kind), Err(error)) => {
                assert_eq!(error.kind, kind, "{status} {body}: {error:?}");
                assert!(
                    error.system == "registry.default" && error.endpoint == url && !error.message.is_empty()
                );
            }
            (kind, result) => panic!("{status} {body}: {kind:?} {result:?}"),
        }
    }
}

#[tokio::test]
async fn an_unset_level_is_absent_and_passing_faults_are_tried_again() {
    let (url, seen) = serve(|line, times| match line {
        LATEST if times < 3 => say(503, json!({})),
        LATEST => say(200, latest(4, "\"int\"")),
        "GET /base/config/s" => say(404, json!({"error_code": 40408, "message": "no level"})),
        "GET /base/config" => say(200, json!({"compatibilityLevel": "BACKWARD"})),
        "GET /base/mode" if times == 1 => say(404, json!({})),
        _ => say(400, json!({})),
    })
    .await;
    let cx = fast();
    let provider = connect(&url, &cx).await;
    let live = read(provider.as_ref(), &cx).await.result.expect("readable").expect("there");
    assert_eq!(json!(live.attributes), json!({"schema": "\"int\"", "schema_type": "AVRO"}));
    assert_eq!(json!(live.computed), json!({"id": 4, "version": 4}));
    let facts = provider.facts(&cx).await.expect("facts");
    assert_eq!((facts.identity, facts.capabilities["default_compatibility"].as_str()), (url, "BACKWARD"));
    assert_eq!(facts.capabilities["default_mode"], "none", "the call is not there");
    assert_eq!(seen.lock().expect("no panic").len(), 6);
    let facts = provider.facts(&cx).await.expect("facts");
    assert!(!facts.capabilities.contains_key("default_mode"), "not told: {facts:?}");
}

/// Registries with modes: one answers 404 with a code of its own for a subject without one.
#[tokio::test]
async fn a_mode_is_the_subjects_own_or_the_registrys() {
    for (own, default, want) in [
        (say_mode("READONLY"), say_mode("READWRITE"), "READONLY"),
        ((404, json!({"error_code": 40409, "message": "no mode of its own"})), say_mode("IMPORT"), "IMPORT"),
        ((204, Value::Null), (404, json!({})), "READWRITE"),
    ] {
        let (url, _) = serve(move |line, _| match line {
            LATEST => say(200, latest(1, "\"int\"")),
            "GET /base/mode/s" => say(own.0, own.1.clone()),
            "GET /base/mode" => say(default.0, default.1.clone()),
            _ => say(400, json!({})),
        })
        .await;
        let cx = fast();
        let provider = connect(&url, &cx).await;
        let asked = attrs(json!({"mode": "READONLY"}));
        let live =
            read_managed(provider.as_ref(), &cx, asked).await.result.expect("readable").expect("there");
        assert_eq!(live.attributes["mode"], want);
    }
}

fn say_mode(mode: &str) -> (u16, Value) {
    (200, json!({"mode": mode}))
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_reading() {
    // The answer is lost after the registry did it: what is read then decides.
    let (url, seen) = serve(|line, times| match line {
        LATEST if times == 1 => say(200, latest(1, "\"int\"")),
        LATEST => say(200, latest(2, "\"long\"")),
        "GET /base/config/s" => say(200, json!({"compatibilityLevel": "NONE"})),
        LOOKUP => say(404, json!({"error_code": 40403, "message": "no such schema"})),
        _ => Answer::Drop,
    })
    .await;
    let cx = fast();
    let op = update(json!({"schema": "\"int\""}), json!({"schema": "\"long\""}), "schema");
    let outcome = apply(connect(&url, &cx).await.as_ref(), &cx, op.clone()).await;
    assert!(matches!(&outcome, Outcome::Done(live) if live.computed["version"] == 2), "{outcome:?}");
    let sent = seen
        .lock()
        .expect("no panic")
        .iter()
        .filter(|head| head.starts_with(&format!("{REGISTER} ")))
        .count();
    assert_eq!(sent, 1, "what may have had its effect is not sent twice");

    // It never shows: nobody knows.
    for behaviour in ["drop", "hang", "500"] {
        let (url, _) = serve(move |line, _| match line {
            LATEST => say(200, latest(1, "\"int\"")),
            "GET /base/config/s" => say(200, json!({"compatibilityLevel": "NONE"})),
            LOOKUP => say(404, json!({"error_code": 40403, "message": "no such schema"})),
            _ => match behaviour {
                "drop" => Answer::Drop,
                "hang" => Answer::Hang,
                _ => say(500, json!({"error_code": 50002, "message": "timed out"})),
            },
        })
        .await;
        let outcome = apply(connect(&url, &cx).await.as_ref(), &cx, op.clone()).await;
        let lost = matches!(&outcome, Outcome::Indeterminate(Interruption::NoAnswer(error)) if !error.message.is_empty());
        assert!(lost, "{behaviour}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_provably_without_effect_and_keeps_the_registrys_words() {
    let (url, _) = serve(|line, _| match line {
        LATEST => say(200, latest(1, "\"int\"")),
        "GET /base/config/s" => say(200, json!({"compatibilityLevel": "BACKWARD"})),
        LOOKUP => say(404, json!({"error_code": 40403, "message": "no such schema"})),
        REGISTER => say(409, json!({"error_code": 409, "message": "READER_FIELD_MISSING_DEFAULT_VALUE"})),
        _ => say(403, json!({"error_code": 40301, "message": "may not"})),
    })
    .await;
    let cx = fast();
    let provider = connect(&url, &cx).await;
    let cases = [
        (
            update(json!({"schema": "\"int\""}), json!({"schema": "\"long\""}), "schema"),
            "409",
            "READER_FIELD",
        ),
        (update(json!({}), json!({"compatibility": "FULL"}), "level"), "40301", "may not"),
        (update(json!({}), json!({}), "nonsense"), "", "nonsense"),
    ];
    for (op, code, words) in cases {
        let Outcome::Rejected(refusal) = apply(provider.as_ref(), &cx, op).await else { panic!("{code}") };
        assert_eq!(refusal.error.server_code.as_deref().unwrap_or(""), code);
        assert!(refusal.error.message.contains(words), "{:?}", refusal.error);
    }
}

#[tokio::test]
async fn a_level_that_nobody_manages_is_not_read() {
    let (url, seen) = serve(|line, times| match line {
        LATEST if times == 1 => say(200, latest(1, "\"int\"")),
        LATEST => say(200, latest(2, "\"long\"")),
        LOOKUP => say(404, json!({"error_code": 40403, "message": "no such schema"})),
        REGISTER => say(200, json!({"id": 2})),
        _ => say(403, json!({"error_code": 40301, "message": "may not"})),
    })
    .await;
    let cx = fast();
    let op = update(json!({"schema": "\"int\""}), json!({"schema": "\"long\""}), "schema");
    let outcome = apply(connect(&url, &cx).await.as_ref(), &cx, op).await;
    assert!(outcome.is_success(), "{outcome:?}");
    assert!(!seen.lock().expect("no panic").iter().any(|head| head.contains("/config")));
}

#[tokio::test]
async fn credentials_are_sent_and_never_shown() {
    let (url, seen) = serve(|_, _| Answer::Say(401, "who are you".into())).await;
    let cx = fast();
    let basic = json!({"url": url, "auth": {"basic": {"username": "mesh", "password": "${env:PW}"}}});
    let provider = try_connect(basic, &cx).await.expect("connects");
    let error = provider.facts(&cx).await.expect_err("refused");
    assert_eq!((error.kind, error.hint.is_some()), (ErrorKind::Unauthenticated, true));
    assert!(!format!("{error:?} {error} {provider:?}").contains("hunter2"));
    let bearer = json!({"url": url, "auth": {"bearer": "x${env:PW}"}});
    let provider = try_connect(bearer, &cx).await.expect("connects");
    provider.facts(&cx).await.expect_err("refused");
    assert!(!format!("{provider:?}").contains("hunter2"));
    let seen = seen.lock().expect("no panic").join("\n");
    for header in
        ["authorization: Basic bWVzaDpodW50ZXIy", "authorization: Bearer xhunter2", "user-agent: datamesh/"]
    {
        assert!(seen.contains(header), "{header}: {seen}");
    }
    let missing = try_connect(json!({"url": url, "auth": {"bearer": "${env:NOT_SET}"}}), &cx).await;
    let error = missing.expect_err("no such variable");
    assert!(error.kind == ErrorKind::Config && error.message.contains("NOT_SET"), "{error:?}");
}

#[tokio::test]
async fn unusable_certificates_are_told_by_file() {
    let cx = fast();
    for (tls, words) in [
        (json!({"ca_file": "no-such.pem"}), "no-such.pem cannot be read"),
        (json!({"ca_file": "Cargo.toml"}), "Cargo.toml holds no certificate"),
        (json!({"cert_file": "Cargo.toml", "key_file": "Cargo.toml"}), "no usable certificate and key"),
    ] {
        let error =
            try_connect(json!({"url": "https://localhost:1", "tls": tls}), &cx).await.expect_err(words);
        assert!(error.kind == ErrorKind::Config && error.message.contains(words), "{error:?}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let (url, _) = serve(|_, _| Answer::Flood).await;
    let mut cx = fast();
    cx.budget.call_timeout = Duration::from_secs(30);
    let error = connect(&url, &cx).await.facts(&cx).await.expect_err("too long");
    assert!(error.kind == ErrorKind::Protocol && error.message.contains("64 MiB"), "{error:?}");
}

#[tokio::test]
async fn an_abort_ends_a_call_that_hangs() {
    let (url, _) = serve(|line, _| match line {
        LATEST => say(200, latest(1, "\"int\"")),
        "GET /base/config/s" => say(200, json!({"compatibilityLevel": "NONE"})),
        _ => Answer::Hang,
    })
    .await;
    let cx = context(Arc::new(RealClock::default()));
    let provider = connect(&url, &cx).await;
    let op = update(json!({"compatibility": "NONE"}), json!({"compatibility": "FULL"}), "level");
    let stop = cx.cancel.clone();
    tokio::spawn(async move {
        tokio::task::yield_now().await;
        let _ = tokio::time::timeout(Duration::from_millis(200), std::future::pending::<()>()).await;
        stop.raise(CancelStage::Abort);
    });
    assert_eq!(apply(provider.as_ref(), &cx, op).await, Outcome::Indeterminate(Interruption::Stopped));
}
