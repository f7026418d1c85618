//! Stopping a sandbox.

use super::error::SandboxError;
use super::process::Process;
use super::progress::{Progress, Step};
use super::servers::{SERVERS, Server};
use super::site::Folder;
use super::{WHOLE, files, named};
use std::path::PathBuf;
use std::time::Duration;

/// How long a server may take to put its data in order before it is killed.
pub(crate) const GRACE: Duration = Duration::from_secs(30);

/// What `down` is asked for.
#[derive(Clone, Debug, Default)]
pub struct DownOptions {
    /// The sandbox's folder.
    pub dir: PathBuf,
    /// Also remove its data.
    pub wipe: bool,
}

/// Stops every process of the sandbox. True when there was a sandbox in that folder.
///
/// # Errors
/// A process that does not end, or a file that cannot be read or removed. Data is removed only when all have ended.
pub async fn down(options: &DownOptions, progress: &dyn Progress) -> Result<bool, SandboxError> {
    let folder = Folder::new(&options.dir)?;
    if !folder.exists() {
        return Ok(false);
    }
    let _lock = folder.lock(|| progress.step(&WHOLE, Step::WaitingForOther)).await?;
    let stops = SERVERS.iter().map(|server| stop(&folder, *server, progress));
    for result in futures::future::join_all(stops).await {
        result?;
    }
    if options.wipe {
        let names: Vec<_> = SERVERS.iter().map(|s| s.name()).collect();
        folder.wipe(&names)?;
        progress.step(&WHOLE, Step::Wiped);
    }
    Ok(true)
}

async fn stop(
    folder: &Folder,
    server: &'static dyn Server,
    progress: &dyn Progress,
) -> Result<(), SandboxError> {
    let pid_file = folder.pid_file(server.name());
    let name = named(server);
    let Some(process) = Process::running(&pid_file)? else {
        if folder.home(server.name()).exists() {
            progress.step(&name, Step::NotRunning);
        }
        return files::remove_file(&pid_file);
    };
    progress.step(&name, Step::Stopping { pid: process.pid });
    if !process.stop(GRACE).await {
        return Err(SandboxError::NotStopped { title: name.title.to_owned(), pid: process.pid });
    }
    progress.step(&name, Step::Stopped);
    files::remove_file(&pid_file)
}
