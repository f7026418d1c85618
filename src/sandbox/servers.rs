//! The table of servers, and what each must be able to do.

use super::error::SandboxError;
use super::iceberg_java::IcebergJava;
use super::kafka::Kafka;
use super::ports::{Port, Ports};
use super::registry::{REGISTRY, REGISTRY2};
use super::seaweedfs::SeaweedFs;
use super::site::{Folder, Record};
use super::status::Access;
use async_trait::async_trait;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Every server a sandbox can have, in the order they are shown. A new one is added here.
pub(crate) static SERVERS: &[&dyn Server] = &[&Kafka, &REGISTRY, &REGISTRY2, &SeaweedFs, &IcebergJava];

/// Something a server offers, under the name `--with` and `status` use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    /// What a client is given.
    pub(crate) endpoint: fn(Ports) -> String,
}

/// Everything a server needs to know to prepare, start and answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site<'a> {
    pub(crate) folder: &'a Folder,
    pub(crate) record: &'a Record,
}

impl Site<'_> {
    pub(crate) fn ports(&self) -> Ports {
        self.record.ports()
    }
}

/// What a process is started with.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    /// The verified files.
    pub(crate) files: PathBuf,
    /// For those that need it.
    pub(crate) java: Option<PathBuf>,
}

impl Runtime {
    /// The Java of this machine with the settings all servers share: small, and quick to start.
    pub(crate) fn java(&self, megabytes: u32) -> Command {
        let mut command = Command::new(self.java.as_deref().unwrap_or(Path::new("java")));
        clean(&mut command);
        command.arg(format!("-Xmx{megabytes}m")).args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        command
    }
}

/// Leaves a child only the variables it cannot do without: a server must not behave differently by what else is set.
pub(crate) fn clean(command: &mut Command) {
    let keep = ["PATH", "HOME", "USER", "TMPDIR", "LANG", "LC_ALL", "TZ", "JAVA_HOME", "LD_LIBRARY_PATH"];
    command.env_clear().envs(keep.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
}

/// One process of the sandbox.
#[async_trait]
pub(crate) trait Server: Sync {
    /// Names its log, its pid file and its folder.
    fn name(&self) -> &'static str;

    /// The artifact in the lock file.
    fn artifact(&self) -> &'static str;

    /// Whether `up` starts it without being asked.
    fn is_default(&self) -> bool {
        false
    }

    /// The least major version of Java it runs on; `None` where it needs none.
    fn java(&self) -> Option<u32> {
        Some(17)
    }

    /// Where its pinned build runs, if not on this machine.
    fn unsupported(&self) -> Option<&'static str> {
        None
    }

    fn services(&self) -> &'static [Service];

    /// Every port it listens on, as offset from the base with its role; the first is checked to be its own.
    fn ports(&self) -> &'static [(u16, &'static str)];

    /// Writes settings, formats storage: whatever is not done yet.
    async fn prepare(&self, site: Site<'_>, runtime: &Runtime) -> Result<(), SandboxError>;

    /// The command that runs it in the foreground.
    fn command(&self, site: Site<'_>, runtime: &Runtime) -> Command;

    /// Asks it something only a working server answers. The error says in a few words what is not there yet.
    async fn answers(&self, site: Site<'_>) -> Result<(), String>;

    /// How long it may take to be ready, on a busy machine.
    fn patience(&self) -> Duration {
        Duration::from_secs(180)
    }

    /// What a client needs besides the endpoint.
    fn access(&self, service: &str, site: Site<'_>) -> Access;
}

pub(crate) fn by_process(name: &str) -> Option<&'static dyn Server> {
    SERVERS.iter().copied().find(|s| s.name() == name)
}

/// The server that offers a service.
pub(crate) fn by_service(name: &str) -> Result<&'static dyn Server, SandboxError> {
    let offers = |s: &&&dyn Server| s.services().iter().any(|service| service.name == name);
    SERVERS.iter().find(offers).copied().ok_or_else(|| {
        let known: Vec<_> = SERVERS.iter().flat_map(|s| s.services()).map(|s| s.name).collect();
        // Of names that are equally near, the first.
        let near = known
            .iter()
            .rev()
            .copied()
            .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
        SandboxError::UnknownServer {
            name: name.to_owned(),
            known: known.join(", "),
            suggestion: near.filter(|n| strsim::jaro_winkler(n, name) > 0.8),
        }
    })
}

/// The names of processes and of services, for `logs`: both are understood.
pub(crate) fn by_any_name(name: &str) -> Result<&'static dyn Server, SandboxError> {
    by_process(name).map_or_else(|| by_service(name), Ok)
}

/// A client for loopback: no proxy may come between.
pub(crate) fn http() -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(5))
        .build()
        .map_err(|e| e.to_string())
}

/// The answer to a plain GET.
pub(crate) async fn get(client: &reqwest::Client, url: &str) -> Result<reqwest::Response, String> {
    client
        .get(url)
        .send()
        .await
        .map_err(|e| if e.is_timeout() { "no answer in 5 s" } else { "no connection" }.into())
}

/// All ports of some servers.
pub(crate) fn ports_of(servers: &[&'static dyn Server], ports: Ports) -> Vec<Port> {
    servers.iter().flat_map(|s| s.ports()).map(|p| ports.port(*p)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::ports::BLOCK;

    #[test]
    fn no_two_ports_are_one_and_all_but_one_lie_in_the_block() {
        let mut offsets: Vec<u16> = SERVERS.iter().flat_map(|s| s.ports()).map(|p| p.0).collect();
        let outside: Vec<_> = offsets.iter().copied().filter(|o| *o >= BLOCK).collect();
        assert_eq!(outside, [Ports::SEAWEED_ADMIN_GRPC]);
        let count = offsets.len();
        offsets.sort_unstable();
        offsets.dedup();
        assert_eq!(offsets.len(), count);
    }

    #[test]
    fn the_default_base_puts_kafka_at_its_documented_port() {
        let ports = Ports { base: crate::sandbox::DEFAULT_PORT_BASE };
        assert_eq!(
            by_service("kafka").map(|s| (s.services()[0].endpoint)(ports)).unwrap(),
            "127.0.0.1:19092"
        );
    }

    #[test]
    fn a_misspelt_server_is_suggested() {
        let Err(SandboxError::UnknownServer { suggestion, known, .. }) = by_service("iceberg") else {
            panic!("`iceberg` is no name");
        };
        assert_eq!(
            (suggestion, known.as_str()),
            (Some("iceberg-rest"), "kafka, registry, registry2, s3, iceberg-rest, iceberg-java")
        );
        assert!(by_any_name("seaweedfs").is_ok() && by_any_name("s3").is_ok());
    }
}
