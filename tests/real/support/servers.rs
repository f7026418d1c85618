//! The sandbox all tests of a run share.
//!
//! The first test that asks starts it; the program itself, waiting in the background, stops it when the last test
//! process has ended, however that ended. Its logs stay for reading until the next run.

use datamesh::sandbox::{self, Access, Lease, SandboxError, Silent, Status, UpOptions};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// Real servers, as long as this process lives.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) status: Status,
    pub(crate) dir: PathBuf,
    /// What it was asked for besides Kafka and the registry.
    pub(crate) with: Vec<String>,
    _lease: Lease,
    /// Outlives this process.
    _janitor: Child,
}

/// The shared servers; nothing where this machine lacks a tool they need. That is said aloud and skips the test on a
/// person's machine, and is a failure where `CI` is `true`.
pub(crate) fn servers() -> Option<&'static Servers> {
    static SERVERS: OnceLock<Option<Servers>> = OnceLock::new();
    // A thread of its own, so that tests with and without a runtime can ask.
    SERVERS.get_or_init(|| std::thread::spawn(start).join().expect("the servers start")).as_ref()
}

fn start() -> Option<Servers> {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sandbox");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut with = with();
    let mut joined = runtime.block_on(join_anywhere(&dir, with.clone()));
    if matches!(joined, Err(SandboxError::MissingTools(_))) {
        // Where there is no Java for these, the rest can be tested all the same.
        with.retain(|name| !["registry2", "iceberg-java"].contains(&name.as_str()));
        joined = runtime.block_on(join_anywhere(&dir, with.clone()));
    }
    let (lease, status) = usable(joined)?;
    let janitor = stop_when_unused(&dir);
    Some(Servers { status, dir, with, _lease: lease, _janitor: janitor })
}

/// Joins where the sandbox runs already, or else wherever ports are free.
async fn join_anywhere(dir: &std::path::Path, with: Vec<String>) -> Result<(Lease, Status), SandboxError> {
    let mut options = UpOptions { dir: dir.to_owned(), with, ..UpOptions::default() };
    loop {
        match sandbox::join_fresh(&options, &Silent).await {
            Err(SandboxError::PortTaken { free_base: Some(base), .. }) => options.port_base = Some(base),
            Err(SandboxError::PortBaseInUse { .. }) => options.port_base = None,
            result => return result,
        }
    }
}

/// Everything this platform has.
pub(crate) fn with() -> Vec<String> {
    let seaweedfs = cfg!(all(target_os = "linux", target_arch = "x86_64"));
    let everywhere = ["registry2", "iceberg-java"].into_iter();
    everywhere.chain(["s3", "iceberg-rest"].into_iter().filter(|_| seaweedfs)).map(str::to_owned).collect()
}

/// Turns a missing tool into a visible skip, unless in CI; any other error fails the test.
pub(crate) fn usable<T>(result: Result<T, SandboxError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error @ SandboxError::MissingTools(_)) if std::env::var("CI").as_deref() != Ok("true") => {
            // Straight to the stream: the harness would hide it.
            let help = error.help().unwrap_or_default();
            let _ = writeln!(std::io::stderr(), "\nSKIPPED, no real servers here: {error}\n{help}");
            None
        }
        Err(error) => panic!("{error}\n{}", error.help().unwrap_or_default()),
    }
}

fn stop_when_unused(dir: &std::path::Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_datamesh"))
        .args(["sandbox", "down", "--when-unused", "--dir"])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("the program starts")
}

impl Servers {
    fn endpoint(&self, name: &str) -> &str {
        &self.status.server(name).expect("the sandbox has it").endpoint
    }

    /// Kafka's listener without credentials: `127.0.0.1:port`.
    pub(crate) fn kafka(&self) -> &str {
        self.endpoint("kafka")
    }

    /// Kafka's listener with SCRAM-SHA-256: address, user name, password.
    pub(crate) fn kafka_sasl(&self) -> (&str, &str, &str) {
        match &self.status.server("kafka").expect("the sandbox has it").access {
            Access::Sasl { sasl_endpoint, username, password, .. } => {
                (sasl_endpoint, username, password.expose())
            }
            other => panic!("{other:?}"),
        }
    }

    /// The registry's Confluent-compatible API.
    pub(crate) fn registry(&self) -> &str {
        self.endpoint("registry")
    }

    /// The later registry's; nothing, said aloud, where this machine has no Java for it. In CI it must be there.
    pub(crate) fn registry2(&self) -> Option<&str> {
        let found = self.status.server("registry2").map(|server| server.endpoint.as_str());
        if found.is_none() {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "the second registry needs Java 21");
            let _ = writeln!(std::io::stderr(), "\nSKIPPED, no second registry here: it needs Java 21");
        }
        found
    }

    /// The Iceberg REST catalog: address, warehouse, client id, client secret.
    pub(crate) fn iceberg_rest(&self) -> (&str, String, &str, &str) {
        match &self.status.server("iceberg-rest").expect("the sandbox has it").access {
            Access::OAuth2 { warehouse, client_id, client_secret } => (
                self.endpoint("iceberg-rest"),
                format!("s3://{warehouse}"),
                client_id,
                client_secret.expose(),
            ),
            other => panic!("{other:?}"),
        }
    }

    /// Iceberg's own REST adapter: address and warehouse. In CI it must be there.
    pub(crate) fn iceberg_java(&self) -> Option<(&str, &str)> {
        let found = self.status.server("iceberg-java");
        if found.is_none() {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "Iceberg's REST adapter needs a JDK");
            let _ = writeln!(std::io::stderr(), "\nSKIPPED, no Iceberg REST adapter here: it needs a JDK");
        }
        match &found?.access {
            Access::Warehouse { warehouse } => Some((self.endpoint("iceberg-java"), warehouse)),
            other => panic!("{other:?}"),
        }
    }

    /// S3, where the REST catalog keeps its tables.
    pub(crate) fn s3(&self) -> &str {
        self.endpoint("s3")
    }

    /// The same with what it takes to write: address, bucket, access key, secret key.
    pub(crate) fn s3_keys(&self) -> (&str, &str, &str, &str) {
        match &self.status.server("s3").expect("the sandbox has it").access {
            Access::Keys { access_key, secret_key, bucket } => {
                (self.endpoint("s3"), bucket, access_key, secret_key.expose())
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The servers, where the second registry is among them: with its address.
pub(crate) fn with_registry2() -> Option<(&'static Servers, &'static str)> {
    let servers = servers()?;
    Some((servers, servers.registry2()?))
}
