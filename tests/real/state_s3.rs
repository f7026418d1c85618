//! The state on S3: SeaweedFS, and moto, which answers with AWS's codes.

use crate::support::python::python;
use crate::support::servers::servers;
use datamesh::engine::SystemClock;
use datamesh_conformance::testing::{RealClock, SeededEntropy, context};
use datamesh_provider::{Clock, Context, Entropy, Secret};
use datamesh_state::{
    BlobStore, Codec, HeartbeatThread, KeyRing, LeaseLocks, LeaseTiming, LockInfo, LockRequest, S3Keys,
    S3Settings, S3Store, StateErrorKind, StateKey, StateStore, conformance, probe,
};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

/// A key nobody used before, also not in an earlier run of these tests.
fn fresh(name: &str) -> String {
    let now = clock().now().as_nanosecond();
    format!("{name}-{now}-{}", std::process::id())
}

fn settings(endpoint: &str, bucket: &str, keys: (&str, &str)) -> S3Settings {
    S3Settings {
        bucket: bucket.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        path_style: true,
        attempt: Duration::from_secs(15),
        keys: Some(S3Keys { access_key: keys.0.to_owned(), secret_key: keys.1.to_owned() }),
        ..S3Settings::default()
    }
}

fn seaweedfs() -> Option<S3Settings> {
    let (endpoint, bucket, access, secret) = servers()?.s3_keys();
    Some(settings(endpoint, bucket, (access, secret)))
}

/// A server in memory, stopped with the test.
struct Moto {
    child: Child,
    settings: S3Settings,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn moto() -> Option<Moto> {
    let python = python()?;
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let child = Command::new(python)
        .args(["-c", include_str!("support/moto.py"), &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("moto starts");
    let endpoint = format!("http://127.0.0.1:{port}");
    let moto = Moto { child, settings: settings(&endpoint, "mesh", ("any", "any")) };
    let http = reqwest::Client::new();
    for _ in 0..200 {
        match http.put(format!("{endpoint}/mesh")).send().await {
            Ok(made) if made.status().is_success() => return Some(moto),
            _ => RealClock::default().sleep(Duration::from_millis(150)).await,
        }
    }
    panic!("moto does not answer");
}

fn store(settings: S3Settings) -> Arc<S3Store> {
    Arc::new(S3Store::new(settings, clock()))
}

/// Compressed and encrypted.
fn codec(entropy: Arc<dyn Entropy>) -> Codec {
    let key = StateKey::new("k1", &Secret::new("07".repeat(32))).expect("a key");
    Codec::default().compressing(true).encrypting(KeyRing::new(vec![key]).expect("keys"), entropy)
}

/// A state as the program keeps it there.
fn state(settings: &S3Settings, seed: u64) -> StateStore {
    let blobs = store(settings.clone());
    let beside = Arc::clone(&blobs);
    let thread = HeartbeatThread::new(move || Arc::new(beside.another()));
    let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(seed));
    let timing = LeaseTiming::for_calls(Duration::from_secs(10));
    let locks = LeaseLocks::new(blobs.clone(), clock(), Arc::clone(&entropy), Arc::new(thread), timing);
    StateStore::new(blobs, Arc::new(locks)).coded(codec(entropy))
}

#[tokio::test(flavor = "multi_thread")]
async fn seaweedfs_conforms() {
    let Some(settings) = seaweedfs() else { return };
    let settings = S3Settings { prefix: Some(fresh("suite")), ..settings };
    conformance::all(store(settings.clone()), "suite").await;
    probe(store(settings).as_ref(), &SeededEntropy::new(1)).await.expect("fit");
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_conforms() {
    let Some(moto) = moto().await else { return };
    conformance::all(store(moto.settings.clone()), "suite").await;
    probe(store(moto.settings.clone()).as_ref(), &SeededEntropy::new(1)).await.expect("fit");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_seaweedfs_thirty_two_runs_hold_the_lock_one_at_a_time() {
    let Some(settings) = seaweedfs() else { return };
    thirty_two(&S3Settings { prefix: Some(fresh("locks")), ..settings }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_moto_thirty_two_runs_hold_the_lock_one_at_a_time() {
    let Some(moto) = moto().await else { return };
    thirty_two(&moto.settings).await;
}

async fn thirty_two(settings: &S3Settings) {
    let inside = Arc::new(AtomicUsize::new(0));
    let runs = (0..32u64).map(|n| tokio::spawn(run(settings.clone(), n, Arc::clone(&inside))));
    for run in futures::future::join_all(runs).await {
        run.expect("ends well");
    }
    let found = state(settings, 99).load("prod").await.expect("read");
    let orders = &found.shards["orders"].shard;
    assert_eq!((orders.systems.len(), orders.epoch, orders.serial), (32, 32, 64));
    let raw = store(settings.clone()).get("prod/orders").await.expect("read").expect("there").bytes;
    let head = String::from_utf8_lossy(&raw[..60]).into_owned();
    assert!(
        head.starts_with("datamesh-frame 1 prod/orders ") && head.contains(" zlib aes-256-gcm k1 - "),
        "{head}"
    );
    assert!(raw.len() * 2 < datamesh_state::encode(orders).expect("encodes").len());
}

async fn run(settings: S3Settings, n: u64, inside: Arc<AtomicUsize>) {
    let state = state(&settings, n + 1);
    let cx = Context {
        clock: clock(),
        entropy: Arc::new(SeededEntropy::new(1_000 + n)),
        ..context(Arc::new(RealClock::default()))
    };
    let domains = ["orders".to_owned()];
    let info = LockInfo {
        id: format!("run-{n}"),
        who: "ada".into(),
        host: "ci".into(),
        process: 1,
        operation: "apply".into(),
        since: cx.clock.now(),
    };
    let wait = Duration::from_secs(240);
    let request = LockRequest { environment: "prod", domains: &domains, repository: "mesh", info, wait };
    let mut locked = state.lock(&cx, request).await.expect("locked");
    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
    locked.lease().permit(Duration::from_secs(10)).expect("held");
    let system = datamesh_provider::SystemName::new("kafka", format!("c{n}"));
    locked.update("orders", |shard| shard.bind(&system, "cluster")).await.expect("written");
    inside.fetch_sub(1, Ordering::SeqCst);
    locked.release().await.expect("released");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_or_looks_in_the_wrong_place_is_told_so() {
    let Some(right) = seaweedfs() else { return };
    let keys = Some(S3Keys { access_key: "nobody".into(), secret_key: "wrong-secret-canary".into() });
    let stranger = store(S3Settings { keys, ..right.clone() });
    let error = stranger.get("prod/orders").await.expect_err("refused");
    assert_eq!(error.kind(), StateErrorKind::Io);
    assert!(!format!("{error} {error:?} {stranger:?}").contains("canary"), "{error:?}");
    let wrong = store(S3Settings { bucket: "no-such-bucket-here".into(), ..right.clone() });
    for error in [
        wrong.get("prod/orders").await.expect_err("no bucket"),
        wrong.list("prod").await.expect_err("no bucket"),
    ] {
        assert!(error.to_string().contains("no-such-bucket-here"), "{error}");
    }
    let nobody = S3Settings { endpoint: Some("http://127.0.0.1:1".into()), ..right };
    let error = store(nobody).get("prod/orders").await.expect_err("nobody there");
    assert_eq!(error.kind(), StateErrorKind::Io, "{error}");
}
