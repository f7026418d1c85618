//! Real servers on this machine, for trying things out and for tests.
//!
//! A sandbox is a folder: what it remembers (`sandbox.json`), a folder of data for each server, logs, and the numbers
//! of its processes. The processes outlive the command that starts them and are stopped by number. They listen on
//! 127.0.0.1 only. Their files are fetched once into a private cache that all sandboxes of a user share, and are
//! compared with a committed lock file before each start ([`artifacts`]). The servers are rows of one table
//! ([`servers`]); everything here works on any of them.

mod artifacts;
pub mod cli;
pub mod codes;
mod down;
mod error;
mod files;
mod iceberg_java;
mod kafka;
mod ports;
mod process;
mod progress;
mod registry;
mod seaweedfs;
mod servers;
mod shared;
mod site;
mod status;
mod tools;
mod up;
mod wait;

pub use artifacts::cache_dir;
pub use down::{DownOptions, down};
pub use error::SandboxError;
pub use ports::{BLOCK, DEFAULT_PORT_BASE, Owner, Port};
pub use progress::{Named, Progress, Silent, Step};
pub use shared::{Lease, down_when_unused, join, join_fresh};
pub use status::{Access, ServerStatus, Status};
pub use tools::MissingTool;
pub use up::{UpOptions, up};

use process::Process;
use servers::{SERVERS, Server, Site};
use site::{Folder, Record};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Where the sandbox of a mesh lies unless told otherwise, below the mesh's root.
pub const DEFAULT_DIR: &str = ".datamesh/sandbox";

/// What the sandbox in `dir` has, and whether it answers. No sandbox there: no servers.
pub async fn status(dir: &Path) -> Result<Status, SandboxError> {
    let folder = Folder::new(dir)?;
    match folder.read()? {
        Some(record) => status_of(&folder, &record).await,
        None => Ok(Status::default()),
    }
}

async fn status_of(folder: &Folder, record: &Record) -> Result<Status, SandboxError> {
    let wanted = SERVERS.iter().copied().filter(|s| record.servers.iter().any(|n| n == s.name()));
    let each = futures::future::try_join_all(wanted.map(|server| async move {
        let site = Site { folder, record };
        let process = Process::running(&folder.pid_file(server.name()))?;
        let ready = match &process {
            Some(process) => is_ready(server, site, process).await.is_ok(),
            None => false,
        };
        let pid = process.map(|p| p.pid);
        let rows = server.services().iter().map(move |service| ServerStatus {
            name: service.name,
            endpoint: (service.endpoint)(record.ports()),
            pid,
            ready,
            access: server.access(service.name, site),
        });
        Ok::<_, SandboxError>(rows.collect::<Vec<_>>())
    }));
    Ok(Status { servers: each.await?.into_iter().flatten().collect() })
}

/// Ready means: the service answers, and it is our process that has the port.
async fn is_ready(server: &dyn Server, site: Site<'_>, process: &Process) -> Result<(), String> {
    server.answers(site).await?;
    let Some((offset, role)) = server.ports().first() else { return Ok(()) };
    let port = site.ports().at(*offset);
    match ports::listens(process.pid, port) {
        Some(false) => Err(format!("port {port} ({role}) answers, but belongs to another process")),
        Some(true) | None => Ok(()),
    }
}

/// The log of one server, by its name or a service's, or of all: name and file of each that there is.
pub fn logs(dir: &Path, name: Option<&str>) -> Result<Vec<(&'static str, PathBuf)>, SandboxError> {
    let folder = Folder::new(dir)?;
    let servers = match name {
        Some(name) => vec![servers::by_any_name(name)?],
        None => SERVERS.to_vec(),
    };
    let files = servers.into_iter().map(|s| (s.name(), folder.log(s.name())));
    Ok(files.filter(|(_, path)| path.is_file()).collect())
}

/// Where a service would be found in a sandbox that is not told other ports; nothing for a name that is no service.
pub fn default_endpoint(service: &str) -> Option<String> {
    let server = servers::by_service(service).ok()?;
    let service = server.services().iter().find(|s| s.name == service)?;
    Some((service.endpoint)(ports::Ports { base: DEFAULT_PORT_BASE }))
}

/// The first base from `after` on whose ports are all free now.
pub fn free_port_base(after: u16) -> Option<u16> {
    let offsets: Vec<u16> = SERVERS.iter().flat_map(|s| s.ports()).map(|p| p.0).collect();
    ports::free_base(after, &offsets)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn named(server: &dyn Server) -> Named<'static> {
    let title = artifacts::Artifact::pinned(server.artifact()).map_or(server.name(), |a| a.title.as_str());
    Named { name: server.name(), title }
}

/// What is told of the sandbox as a whole.
const WHOLE: Named<'static> = Named { name: "sandbox", title: "the sandbox" };
