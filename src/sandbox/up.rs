//! Starting a sandbox.

use super::artifacts::Cache;
use super::error::SandboxError;
use super::ports::{self, MAX_BASE, MIN_BASE, Port, Ports};
use super::process::{Process, last_lines};
use super::progress::{Named, Progress, Step};
use super::servers::{self, Runtime, SERVERS, Server, Site};
use super::site::{Folder, Record};
use super::status::Status;
use super::tools;
use super::wait::{Stopwatch, pause};
use super::{DEFAULT_PORT_BASE, WHOLE, is_ready, named, status_of};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

const POLL: Duration = Duration::from_millis(200);
/// How long a port without a listener may stay taken.
const LINGER: Duration = Duration::from_secs(3);
const TAIL: usize = 15;

/// What `up` is asked for.
#[derive(Clone, Debug, Default)]
pub struct UpOptions {
    /// The sandbox's folder; made if needed.
    pub dir: PathBuf,
    /// Services besides Kafka and the registry: `registry2`, `s3`, `iceberg-rest`, `iceberg-java`. Once asked for, they come with every `up`.
    pub with: Vec<String>,
    /// The first of its ports; the one it had before, or [`DEFAULT_PORT_BASE`].
    pub port_base: Option<u16>,
    /// Where the servers' files are kept, if not where the environment says.
    pub cache: Option<PathBuf>,
}

/// Starts whatever of the sandbox does not run yet, and waits until all of it is ready.
///
/// What runs already is left alone, so a call that was cut off is finished by the next one. Dropping the future stops
/// fetching; servers that were started go on.
///
/// # Errors
/// Any [`SandboxError`]; a server that fails to start is stopped, the others stay.
pub async fn up(options: &UpOptions, progress: &dyn Progress) -> Result<Status, SandboxError> {
    let folder = Folder::new(&options.dir)?;
    let asked = wanted(options)?;
    let _lock = folder.lock(|| progress.step(&WHOLE, Step::WaitingForOther)).await?;
    folder.create()?;
    let record = plan_record(&folder, options, &asked)?;
    let servers: Vec<_> = record.servers.iter().filter_map(|n| servers::by_process(n)).collect();
    let mut stopped = Vec::new();
    for server in &servers {
        if Process::running(&folder.pid_file(server.name()))?.is_none() {
            stopped.push(*server);
        }
    }
    check_ports(&stopped, record.ports()).await?;
    let cache = Cache::open(options.cache.as_deref())?;
    let javas = check_tools(&cache, &stopped).await?;
    // Before anything starts: what runs can always be found again.
    folder.write(&record)?;
    let site = Site { folder: &folder, record: &record };
    let starts = servers.iter().map(|server| {
        let java = server.java().and_then(|least| javas.get(&least).cloned());
        Start { server: *server, site, progress }.run(&cache, java)
    });
    // All of them to the end, so that one failure does not leave the others half started.
    for result in futures::future::join_all(starts).await {
        result?;
    }
    status_of(&folder, &record).await
}

/// The servers asked for, in the order of the table.
fn wanted(options: &UpOptions) -> Result<Vec<&'static dyn Server>, SandboxError> {
    let mut names: Vec<_> = SERVERS.iter().filter(|s| s.is_default()).map(|s| s.name()).collect();
    for service in &options.with {
        let server = servers::by_service(service)?;
        if let Some(builds_for) = server.unsupported() {
            return Err(SandboxError::Unsupported {
                title: named(server).title.to_owned(),
                platform: format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH),
                builds_for,
            });
        }
        names.push(server.name());
    }
    if let Some(base) = options.port_base.filter(|base| !(MIN_BASE..=MAX_BASE).contains(base)) {
        return Err(SandboxError::PortBase { base, min: MIN_BASE, max: MAX_BASE });
    }
    Ok(SERVERS.iter().copied().filter(|s| names.contains(&s.name())).collect())
}

/// The record of this sandbox with what is asked for now.
fn plan_record(
    folder: &Folder,
    options: &UpOptions,
    asked: &[&'static dyn Server],
) -> Result<Record, SandboxError> {
    let mut record = match folder.read()? {
        Some(record) => record,
        None => Record::new(options.port_base.unwrap_or(DEFAULT_PORT_BASE))?,
    };
    if let Some(base) = options.port_base.filter(|base| *base != record.port_base) {
        for server in SERVERS {
            if Process::running(&folder.pid_file(server.name()))?.is_some() {
                return Err(SandboxError::PortBaseInUse { current: record.port_base, asked: base });
            }
        }
        record.port_base = base;
    }
    for server in asked {
        if !record.servers.iter().any(|name| name == server.name()) {
            record.servers.push(server.name().to_owned());
        }
    }
    Ok(record)
}

/// Refuses if anybody listens where one of the servers should.
async fn check_ports(servers: &[&'static dyn Server], ports: Ports) -> Result<(), SandboxError> {
    let watch = Stopwatch::start();
    let taken = || -> Option<Port> {
        servers::ports_of(servers, ports).into_iter().find(|port| ports::is_taken(port.number))
    };
    let port = loop {
        let Some(port) = taken() else { return Ok(()) };
        // A connection of a server that has just ended may keep a port for a moment.
        if ports::owner(port.number).is_some() || watch.elapsed() > LINGER {
            break port;
        }
        pause(POLL).await;
    };
    Err(SandboxError::PortTaken {
        port,
        owner: ports::owner(port.number),
        free_base: super::free_port_base(ports.base),
    })
}

/// The Java for each least version that some server asks for.
type Javas = BTreeMap<u32, PathBuf>;

/// Everything that would have to be installed, in one error; the Javas to use.
async fn check_tools(cache: &Cache, servers: &[&'static dyn Server]) -> Result<Javas, SandboxError> {
    let (mut javas, mut missing) = (Javas::new(), Vec::new());
    let wanted: BTreeSet<u32> = servers.iter().filter_map(|server| server.java()).collect();
    for least in wanted {
        match tools::java(least).await {
            Ok(path) => drop(javas.insert(least, path)),
            Err(tool) => missing.push(tool),
        }
    }
    let artifacts: Vec<_> = servers.iter().map(|s| s.artifact()).collect();
    missing.extend(cache.missing_tools(&artifacts).await?);
    if missing.is_empty() { Ok(javas) } else { Err(SandboxError::MissingTools(missing)) }
}

/// One server on its way up.
#[derive(Clone, Copy)]
struct Start<'a> {
    server: &'static dyn Server,
    site: Site<'a>,
    progress: &'a dyn Progress,
}

impl Start<'_> {
    async fn run(self, cache: &Cache, java: Option<PathBuf>) -> Result<(), SandboxError> {
        let result = self.bring_up(cache, java).await;
        if result.is_err() {
            self.tell(Step::Failed);
        }
        result
    }

    async fn bring_up(self, cache: &Cache, java: Option<PathBuf>) -> Result<(), SandboxError> {
        let pid_file = self.site.folder.pid_file(self.server.name());
        if let Some(process) = Process::running(&pid_file)? {
            self.tell(Step::AlreadyRunning { pid: process.pid });
            return self.wait(&process, false).await;
        }
        let files = cache.ensure(self.server.artifact(), &|step| self.tell(step)).await?;
        let runtime = Runtime { files, java };
        self.tell(Step::Preparing);
        self.server.prepare(self.site, &runtime).await?;
        // Again: fetching and formatting take time in which somebody may have come.
        check_ports(&[self.server], self.site.ports()).await?;
        let mut command = self.server.command(self.site, &runtime);
        let process = Process::spawn(&mut command, &self.site.folder.log(self.server.name()), &pid_file)?;
        self.wait(&process, true).await
    }

    /// Waits until it is ready; one that fails is stopped. An old one that is ready is not called a starting one.
    async fn wait(self, process: &Process, fresh: bool) -> Result<(), SandboxError> {
        let watch = Stopwatch::start();
        let mut shown = (!fresh).then_some(0);
        loop {
            let elapsed = watch.elapsed();
            if shown != Some(elapsed.as_secs()) {
                shown = Some(elapsed.as_secs());
                self.tell(Step::Starting { pid: process.pid, elapsed });
            }
            if !process.is_alive() {
                return Err(self.failed("ended before it was ready".to_owned()));
            }
            match is_ready(self.server, self.site, process).await {
                Ok(()) => {
                    self.tell(Step::Ready { elapsed: watch.elapsed() });
                    return Ok(());
                }
                Err(why) if elapsed > self.server.patience() => {
                    let seconds = elapsed.as_secs();
                    let error = self.failed(format!("was not ready after {seconds} s: {why}"));
                    process.stop(super::down::GRACE).await;
                    return Err(error);
                }
                Err(_) => pause(POLL).await,
            }
        }
    }

    fn failed(self, how: String) -> SandboxError {
        let log = self.site.folder.log(self.server.name());
        let output = last_lines(&log, TAIL);
        SandboxError::Failed { title: named(self.server).title.to_owned(), how, log, output }
    }

    fn tell(self, step: Step) {
        let Named { name, title } = named(self.server);
        self.progress.step(&Named { name, title }, step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::BLOCK;
    use std::net::TcpListener;

    fn options(dir: &std::path::Path) -> UpOptions {
        UpOptions { dir: dir.join("sandbox"), cache: Some(dir.join("cache")), ..UpOptions::default() }
    }

    #[tokio::test]
    async fn a_taken_port_is_refused_before_anything_is_fetched() {
        let dir = tempfile::tempdir().unwrap();
        // A block whose port for Kafka is ours: any free port the system gives serves.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = listener.local_addr().unwrap().port();
        let base = taken - Ports::KAFKA;
        if base > MAX_BASE || (0..BLOCK).any(|o| o != Ports::KAFKA && ports::is_taken(base + o)) {
            return;
        }
        let asked = UpOptions { port_base: Some(base), ..options(dir.path()) };
        match up(&asked, &super::super::Silent).await.unwrap_err() {
            SandboxError::PortTaken { port, .. } => assert_eq!((port.number, port.role), (taken, "Kafka")),
            other => panic!("{other}"),
        }
        assert!(!dir.path().join("cache").exists(), "nothing was fetched");
        assert!(!dir.path().join("sandbox/sandbox.json").exists(), "and the bad base is not remembered");
    }

    #[tokio::test]
    async fn what_cannot_be_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let asked = UpOptions { with: vec!["s4".to_owned()], ..options(dir.path()) };
        assert!(matches!(wanted(&asked), Err(SandboxError::UnknownServer { .. })));
        for base in [0, 80, 60000] {
            let asked = UpOptions { port_base: Some(base), ..options(dir.path()) };
            assert!(matches!(wanted(&asked), Err(SandboxError::PortBase { .. })), "{base}");
        }
        assert!(!dir.path().join("sandbox").exists());
    }

    #[test]
    fn a_start_may_run_on_any_thread() {
        fn check(_: impl Send) {}
        check(up(&UpOptions::default(), &super::super::Silent));
    }

    #[test]
    fn what_was_asked_for_once_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path()).unwrap();
        let with = UpOptions { with: vec!["s3".to_owned()], port_base: Some(21000), ..options(dir.path()) };
        let first = plan_record(&folder, &with, &wanted(&with).unwrap()).unwrap();
        let plain = options(dir.path());
        folder.write(&first).unwrap();
        let second = plan_record(&folder, &plain, &wanted(&plain).unwrap()).unwrap();
        assert_eq!(second.servers, ["kafka", "registry", "seaweedfs"]);
        assert_eq!(second.port_base, 21000);
        assert_eq!(second.kafka_password, first.kafka_password);
    }
}
