//! Sandboxes with their real servers.

use crate::support::servers::{self, usable};
use datamesh::sandbox::{
    self, DownOptions, Named, Progress, SandboxError, Silent, Status, Step, UpOptions, cache_dir, down,
    free_port_base, status, up,
};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

/// One at a time: each has two Java servers of its own.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Keeps the last step of each server.
#[derive(Debug, Default)]
struct LastSteps(Mutex<BTreeMap<String, Vec<Step>>>);

impl Progress for LastSteps {
    fn step(&self, server: &Named<'_>, step: Step) {
        self.0.lock().unwrap().entry(server.name.to_owned()).or_default().push(step);
    }
}

impl LastSteps {
    fn has(&self, server: &str, wanted: impl Fn(&Step) -> bool) -> bool {
        self.0.lock().unwrap().get(server).is_some_and(|steps| steps.iter().any(wanted))
    }
}

/// Bases that no other test process is likely to look at, and that are free.
fn port_base() -> u16 {
    let start = 24_000 + (std::process::id() % 300) as u16 * sandbox::BLOCK;
    free_port_base(start).expect("free ports")
}

fn pids(status: &Status) -> Vec<(&'static str, Option<u32>)> {
    status.servers.iter().map(|s| (s.name, s.pid)).collect()
}

/// Sends one request of Kafka's protocol and gives the body of its answer.
fn ask_kafka(address: &str, api: u16, version: u16, body: &[u8]) -> Vec<u8> {
    let mut request = Vec::new();
    for half in [api, version, 0, 1, 0xffff] {
        request.extend(half.to_be_bytes());
    }
    request.extend(body);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(&(request.len() as u32).to_be_bytes()).unwrap();
    stream.write_all(&request).unwrap();
    let mut size = [0; 4];
    stream.read_exact(&mut size).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut answer).unwrap();
    answer.split_off(4)
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

/// CreateTopics, version 2: one topic with one partition and one replica.
fn create_topic(address: &str, name: &str) {
    let one = 1u32.to_be_bytes();
    let body = [
        &one[..],
        &string(name),
        &one,    // partitions
        &[0, 1], // replicas
        &[0; 8], // no assignments, no configs
        &10_000u32.to_be_bytes(),
        &[0], // not only validated
    ]
    .concat();
    let answer = ask_kafka(address, 19, 2, &body);
    // throttle time, count, name, error code
    let code = &answer[8 + 2 + name.len()..][..2];
    assert_eq!(code, [0, 0], "{answer:?}");
}

/// Metadata, version 1, for all topics: whether the answer names one.
fn has_topic(address: &str, name: &str) -> bool {
    let answer = ask_kafka(address, 3, 1, &(-1i32).to_be_bytes());
    let wanted = string(name);
    answer.windows(wanted.len()).any(|w| w == wanted)
}

/// A plain HTTP request; the whole answer.
fn http(url: &str, method: &str, body: &str) -> String {
    let (host, path) = url.strip_prefix("http://").and_then(|u| u.split_once('/')).unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).unwrap().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_lives_from_up_to_wipe() {
    let _alone = ALONE.lock().await;
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("mesh/.datamesh/sandbox");
    let options =
        UpOptions { dir: dir.clone(), with: servers::with(), port_base: Some(port_base()), cache: None };
    // Two at once: the second waits for the first and finds everything running.
    let (one, two) = tokio::join!(up(&options, &Silent), up(&options, &Silent));
    let Some(first) = usable(one) else { return };
    assert_eq!(first, two.unwrap());
    assert!(first.is_ready(), "{first:?}");
    assert_eq!(first.servers.len(), 2 + servers::with().len());
    assert_eq!(
        (mode(&dir), mode(&dir.join("sandbox.json")), mode(&dir.join("logs/kafka.log"))),
        (0o700, 0o600, 0o600)
    );
    listens_on_loopback_only(&first);

    again_changes_nothing(&options, &first).await;
    taken_ports_are_refused(&options).await;

    let kafka = first.server("kafka").unwrap().clone();
    let registry = first.server("registry").unwrap().endpoint.clone();
    create_topic(&kafka.endpoint, "orders");
    assert!(has_topic(&kafka.endpoint, "orders") && !has_topic(&kafka.endpoint, "payments"));
    let versions = format!("{registry}/subjects/orders/versions");
    assert!(http(&versions, "POST", r#"{"schema": "\"string\""}"#).starts_with("HTTP/1.1 200"));

    let steps = LastSteps::default();
    assert!(down(&DownOptions { dir: dir.clone(), wipe: false }, &steps).await.unwrap());
    assert!(steps.has("kafka", |s| *s == Step::Stopped));
    let stopped = status(&dir).await.unwrap();
    assert!(stopped.servers.iter().all(|s| s.pid.is_none() && !s.ready), "{stopped:?}");
    assert!(TcpStream::connect(&kafka.endpoint).is_err());

    // Without the options: the same servers at the same place, with what was in them.
    let plain = UpOptions { dir: dir.clone(), ..UpOptions::default() };
    let cut_off = tokio::time::timeout(Duration::from_secs(1), up(&plain, &Silent)).await;
    assert!(cut_off.is_err(), "no Java server is ready in a second");
    let second = up(&plain, &Silent).await.unwrap();
    assert_eq!(second.server("kafka").unwrap().endpoint, kafka.endpoint);
    assert_eq!(second.server("kafka").unwrap().access, kafka.access);
    assert_eq!(second.servers.len(), first.servers.len());
    assert!(has_topic(&kafka.endpoint, "orders"));
    assert!(http(&format!("{registry}/subjects"), "GET", "").contains("orders"));

    a_killed_server_comes_back(&plain, &second).await;

    assert!(down(&DownOptions { dir: dir.clone(), wipe: true }, &Silent).await.unwrap());
    assert!(!dir.exists());
    assert_eq!(status(&dir).await.unwrap(), Status::default());
    assert!(!down(&DownOptions { dir, wipe: true }, &Silent).await.unwrap(), "there is none any more");
}

async fn again_changes_nothing(options: &UpOptions, first: &Status) {
    let steps = LastSteps::default();
    let again = up(options, &steps).await.unwrap();
    assert_eq!(&again, first);
    assert!(steps.has("kafka", |s| matches!(s, Step::AlreadyRunning { .. })));
    assert!(!steps.has("kafka", |s| matches!(s, Step::Verifying { .. })));
    let base = options.port_base.map(|b| b + sandbox::BLOCK);
    let moved = UpOptions { port_base: base, ..options.clone() };
    assert!(matches!(up(&moved, &Silent).await, Err(SandboxError::PortBaseInUse { .. })));
}

async fn taken_ports_are_refused(options: &UpOptions) {
    let other = UpOptions { dir: options.dir.with_file_name("other"), ..options.clone() };
    let error = up(&other, &Silent).await.unwrap_err();
    let SandboxError::PortTaken { port, owner, free_base } = &error else { panic!("{error}") };
    assert_eq!(port.role, "Kafka");
    if cfg!(target_os = "linux") {
        assert_eq!(owner.as_ref().map(|o| o.name.as_str()), Some("java"), "{error}");
    }
    assert!(
        free_base.is_some_and(|b| error.help().unwrap().contains(&format!("--port-base {b}"))),
        "{error}"
    );
    assert!(status(&other.dir).await.unwrap().servers.is_empty());
}

async fn a_killed_server_comes_back(options: &UpOptions, before: &Status) {
    let kafka = before.server("kafka").unwrap();
    let pid = kafka.pid.unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    while status(&options.dir).await.unwrap().server("kafka").unwrap().pid.is_some() {
        tokio::task::yield_now().await;
    }
    let after = up(options, &Silent).await.unwrap();
    assert!(after.is_ready(), "{after:?}");
    for (old, new) in pids(before).into_iter().zip(pids(&after)) {
        assert_eq!(old == new, old.0 != "kafka", "only Kafka was started: {old:?} {new:?}");
    }
    assert!(has_topic(&kafka.endpoint, "orders"));
}

/// proc(5): no socket of these processes listens on another address than 127.0.0.1, in either family.
fn listens_on_loopback_only(status: &Status) {
    if !cfg!(target_os = "linux") {
        return;
    }
    let mut seen = 0;
    for pid in status.servers.iter().filter_map(|s| s.pid) {
        let sockets: Vec<_> = std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .filter_map(|e| Some(std::fs::read_link(e.ok()?.path()).ok()?.to_str()?.to_owned()))
            .collect();
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            for row in std::fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
                let fields: Vec<_> = row.split_ascii_whitespace().collect();
                if fields[3] == "0A" && sockets.contains(&format!("socket:[{}]", fields[9])) {
                    let address = fields[1].split(':').next().unwrap();
                    assert!(address.ends_with("0100007F"), "{pid} listens on {}", fields[1]);
                    seen += 1;
                }
            }
        }
    }
    assert!(seen >= 4, "{seen} listeners");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_never_runs() {
    let _alone = ALONE.lock().await;
    // The shared servers have filled the cache.
    let Some(_) = servers::servers() else { return };
    let temp = tempfile::tempdir().unwrap();
    let cache = temp.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    let kafka = "kafka-4.4.0";
    std::fs::create_dir(cache.join(kafka)).unwrap();
    for jar in std::fs::read_dir(cache_dir().join(kafka)).unwrap() {
        let jar = jar.unwrap();
        std::fs::copy(jar.path(), cache.join(kafka).join(jar.file_name())).unwrap();
    }
    let registry = "apicurio-registry-3.0.9";
    std::os::unix::fs::symlink(cache_dir().join(registry), cache.join(registry)).unwrap();
    // One bit, so that only the hash can tell.
    let jar = cache.join(kafka).join("argparse4j-0.7.0.jar");
    let mut bytes = std::fs::read(&jar).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&jar, bytes).unwrap();

    let dir = temp.path().join("sandbox");
    let options = UpOptions {
        dir: dir.clone(),
        port_base: Some(port_base()),
        cache: Some(cache),
        ..UpOptions::default()
    };
    let steps = LastSteps::default();
    let error = up(&options, &steps).await.unwrap_err();
    let SandboxError::Tampered { path, expected, actual } = &error else { panic!("{error}") };
    assert_eq!(path, &jar);
    assert!(
        expected.starts_with("SHA-256 65ceb669d88f") && actual.len() == expected.len() && actual != expected
    );
    assert!(
        steps.has("kafka", |s| *s == Step::Failed)
            && !steps.has("kafka", |s| matches!(s, Step::Starting { .. }))
    );
    let after = status(&dir).await.unwrap();
    assert_eq!(after.server("kafka").unwrap().pid, None);
    assert!(after.server("registry").unwrap().ready, "the other one is not to blame");
    down(&DownOptions { dir, wipe: true }, &Silent).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn users_share_one_sandbox_until_the_last_one_leaves() {
    let Some(shared) = servers::servers() else { return };
    let options = UpOptions { dir: shared.dir.clone(), with: shared.with.clone(), ..UpOptions::default() };
    let (lease, joined) = sandbox::join_fresh(&options, &Silent).await.unwrap();
    assert_eq!(pids(&joined), pids(&shared.status), "a second user finds the first one's servers");
    drop(lease);
    let stop = DownOptions { dir: shared.dir.clone(), wipe: false };
    let stopped = tokio::time::timeout(Duration::from_secs(1), sandbox::down_when_unused(&stop)).await;
    assert!(stopped.is_err(), "this process still uses it");
    assert!(status(&shared.dir).await.unwrap().is_ready());
    assert!(!has_topic(shared.kafka(), "a-topic-nobody-made"));
    assert!(http(&format!("{}/subjects", shared.registry()), "GET", "").starts_with("HTTP/1.1 200"));
    let (sasl, user, password) = shared.kafka_sasl();
    assert!(TcpStream::connect(sasl).is_ok() && user == "admin" && password.len() == 32);
}
