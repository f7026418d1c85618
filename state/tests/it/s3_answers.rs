//! The S3 client on a bad store: a server of one object that keeps its conditions and answers as each test wants.

use crate::support::{context, request};
use datamesh_conformance::testing::JumpingClock;
use datamesh_state::{
    BlobStore, Condition, MemoryStore, PutError, S3Keys, S3Settings, S3Store, StateErrorKind, StateStore,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Good,
    /// This status, and nothing is done.
    Refused(u16, &'static str),
    /// Done, and this status all the same.
    Done(u16, &'static str),
    /// Not done, and no answer.
    Lost,
    /// The headers of the version before with the content of this one.
    Torn,
    /// The version before.
    Stale,
}

#[derive(Clone, Default)]
struct Version {
    tag: u64,
    digest: String,
    body: String,
}

#[derive(Default)]
struct Object {
    versions: Vec<Version>,
    gets: usize,
    puts: usize,
}

type Script = dyn Fn(&str, usize) -> Fate + Send + Sync;

/// Starts a store; the script is asked about each request by its method and its number among those, from 1.
async fn store(
    script: impl Fn(&str, usize) -> Fate + Send + Sync + 'static,
) -> (S3Store, Arc<Mutex<Object>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let object = Arc::new(Mutex::new(Object::default()));
    let (script, shared): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&object));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(one(stream, Arc::clone(&script), Arc::clone(&shared)));
        }
    });
    let settings = S3Settings {
        bucket: "mesh".into(),
        endpoint: Some(endpoint),
        path_style: true,
        attempt: Duration::from_secs(20),
        keys: Some(S3Keys { access_key: "a".into(), secret_key: "b".into() }),
        ..S3Settings::default()
    };
    (S3Store::new(settings, Arc::new(JumpingClock::default())), object)
}

async fn one(mut stream: TcpStream, script: Arc<Script>, object: Arc<Mutex<Object>>) {
    let Some((head, body)) = receive(&mut stream).await else { return };
    let answer = answer(&head, body, script.as_ref(), &mut object.lock().expect("no panic"));
    if let Some(answer) = answer {
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

async fn receive(stream: &mut TcpStream) -> Option<(String, String)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0u8; 4096]);
    loop {
        let n = stream.read(&mut buffer).await.ok()?;
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").map_or(0, |n| n.parse().expect("a length"));
            if body.len() >= length {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        if n == 0 {
            return None;
        }
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    let of =
        |line: &str| Some(line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name))?.1.to_owned());
    head.lines().find_map(of)
}

fn say(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

fn error(status: u16, code: &str) -> String {
    say(status, "content-type: application/xml\r\n", &format!("<Error><Code>{code}</Code></Error>"))
}

fn answer(head: &str, body: String, script: &Script, object: &mut Object) -> Option<String> {
    if head.starts_with("GET") {
        object.gets += 1;
        return get(script("GET", object.gets), object);
    }
    object.puts += 1;
    let fate = script("PUT", object.puts);
    match fate {
        Fate::Refused(status, code) => return Some(error(status, code)),
        Fate::Lost => return None,
        _ => {}
    }
    let there = object.versions.last().map(|version| format!("\"{}\"", version.tag));
    let holds = match header(head, "if-match") {
        Some(tag) => there == Some(tag),
        None => header(head, "if-none-match").is_some() && there.is_none(),
    };
    if !holds {
        return Some(error(412, "PreconditionFailed"));
    }
    let tag = object.versions.len() as u64 + 1;
    let digest = header(head, "x-amz-meta-datamesh-sha256").expect("a digest with each write");
    object.versions.push(Version { tag, digest, body });
    match fate {
        Fate::Done(status, code) => Some(error(status, code)),
        _ => Some(say(200, &format!("etag: \"{tag}\"\r\n"), "")),
    }
}

fn get(fate: Fate, object: &Object) -> Option<String> {
    match fate {
        Fate::Refused(status, code) | Fate::Done(status, code) => return Some(error(status, code)),
        Fate::Lost => return None,
        _ => {}
    }
    let Some(last) = object.versions.last() else { return Some(error(404, "NoSuchKey")) };
    let before = object.versions.iter().rev().nth(1).unwrap_or(last);
    let (headers, content) = match fate {
        Fate::Torn => (before, last),
        Fate::Stale => (before, before),
        _ => (last, last),
    };
    let lines = format!("etag: \"{}\"\r\nx-amz-meta-datamesh-sha256: {}\r\n", headers.tag, headers.digest);
    Some(say(200, &lines, &content.body))
}

/// The state over such a store, with its locks elsewhere.
fn state(blobs: S3Store) -> StateStore {
    StateStore::new(Arc::new(blobs), Arc::new(MemoryStore::default()))
}

/// Writes the shard of a run, and then four more times; the serial that is left.
async fn five_writes(store: &StateStore) -> u64 {
    let orders = ["orders".to_owned()];
    let mut locked = store.lock(&context(1), request(&orders, Duration::ZERO)).await.expect("locked");
    for n in 0..4 {
        let change = |shard: &mut datamesh_state::Shard| {
            shard.systems.insert("kafka.default".into(), format!("cluster-{n}"));
            Ok(())
        };
        locked.update("orders", change).await.expect("written");
    }
    locked.shard("orders").expect("there").serial
}

#[tokio::test]
async fn a_read_that_mixes_two_versions_is_read_again() {
    let (blobs, object) = store(|method, n| match (method, n) {
        ("GET", 1) => Fate::Torn,
        _ => Fate::Good,
    })
    .await;
    let first = blobs.put("prod/orders", b"one", &Condition::CreateOnly).await.expect("made");
    let second = blobs.put("prod/orders", b"two", &Condition::IfMatch(first)).await.expect("changed");
    let read = blobs.get("prod/orders").await.expect("read").expect("there");
    assert_eq!((read.bytes, read.tag), (b"two".to_vec(), second));
    assert_eq!(object.lock().expect("no panic").gets, 2);
}

#[tokio::test]
async fn a_store_that_never_answers_with_one_version_is_an_error() {
    let (blobs, _) = store(|method, _| if method == "GET" { Fate::Torn } else { Fate::Good }).await;
    let first = blobs.put("prod/orders", b"one", &Condition::CreateOnly).await.expect("made");
    blobs.put("prod/orders", b"two", &Condition::IfMatch(first)).await.expect("changed");
    let error = blobs.get("prod/orders").await.expect_err("never whole");
    assert_eq!(error.kind(), StateErrorKind::Io);
    assert!(error.to_string().contains("the content of another"), "{error}");
}

#[tokio::test]
async fn what_was_read_late_is_written_over_only_as_it_is() {
    // The reads after a lost answer show, twice, what was there before the write.
    let (blobs, object) = store(|method, n| match (method, n) {
        ("PUT", 3) => Fate::Done(500, "InternalError"),
        ("GET", 2 | 3) => Fate::Stale,
        _ => Fate::Good,
    })
    .await;
    assert_eq!(five_writes(&state(blobs)).await, 5);
    assert_eq!(object.lock().expect("no panic").versions.len(), 5, "each write is there once");
}

#[tokio::test]
async fn every_answer_that_leaves_a_write_open_is_resolved() {
    let fates = [
        Fate::Refused(409, "ConditionalRequestConflict"),
        Fate::Refused(503, "SlowDown"),
        Fate::Refused(412, "PreconditionFailed"),
        Fate::Done(500, "InternalError"),
        Fate::Done(412, "PreconditionFailed"),
        Fate::Lost,
    ];
    for fate in fates {
        // Every odd write is hit.
        let (blobs, object) = store(move |method, n| match (method, n % 2) {
            ("PUT", 1) => fate,
            _ => Fate::Good,
        })
        .await;
        assert_eq!(five_writes(&state(blobs)).await, 5, "{fate:?}");
        assert_eq!(object.lock().expect("no panic").versions.len(), 5, "each write is there once: {fate:?}");
    }
}

#[tokio::test]
async fn what_is_not_there_any_more_is_never_made_again() {
    let (blobs, object) = store(|_, _| Fate::Good).await;
    let first = blobs.put("prod/orders", b"one", &Condition::CreateOnly).await.expect("made");
    object.lock().expect("no panic").versions.clear();
    let gone = blobs.put("prod/orders", b"two", &Condition::IfMatch(first)).await;
    assert!(matches!(gone, Err(PutError::Conflict)), "{gone:?}");
    assert!(object.lock().expect("no panic").versions.is_empty());
}

#[tokio::test]
async fn a_refusal_is_final() {
    let (blobs, object) = store(|_, _| Fate::Refused(403, "AccessDenied")).await;
    let refused = blobs.put("prod/orders", b"one", &Condition::CreateOnly).await;
    assert!(matches!(refused, Err(PutError::Failed(_))), "{refused:?}");
    assert_eq!(object.lock().expect("no panic").puts, 1);
    let store = state(blobs);
    let orders = ["orders".to_owned()];
    let error = store.lock(&context(1), request(&orders, Duration::ZERO)).await.expect_err("refused");
    assert_eq!(error.kind(), StateErrorKind::Io);
}
