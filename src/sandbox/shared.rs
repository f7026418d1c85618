//! One sandbox for many processes, such as the tests of one run: the first starts it, the last one's end stops it.
//!
//! Users are not counted: each holds a lock of the operating system together with the others. A lock goes with its
//! process, so one that crashed is no user any more.

use super::Silent;
use super::down::{DownOptions, down};
use super::error::SandboxError;
use super::files::{self, FileLock, Hold};
use super::progress::Progress;
use super::site::Folder;
use super::status::Status;
use super::up::{UpOptions, up};

/// The right to use a shared sandbox; it lasts until this is dropped or its process ends.
#[derive(Debug)]
#[must_use = "without it the sandbox may be stopped at any time"]
pub struct Lease {
    _users: FileLock,
}

/// Joins the users of a sandbox, and starts it if it does not run.
///
/// # Errors
/// As [`up`].
pub async fn join(options: &UpOptions, progress: &dyn Progress) -> Result<(Lease, Status), SandboxError> {
    let folder = Folder::new(&options.dir)?;
    files::private_dir(&options.dir)?;
    let users = FileLock::acquire(&folder.users_file(), Hold::Together, || {}).await?;
    let status = up(options, progress).await?;
    Ok((Lease { _users: users }, status))
}

/// As [`join`], but the first user finds a sandbox without the data of earlier ones. What they left is removed now
/// and not by the last of them, so that logs can be read after the run.
///
/// # Errors
/// As [`up`] and [`down`].
pub async fn join_fresh(
    options: &UpOptions,
    progress: &dyn Progress,
) -> Result<(Lease, Status), SandboxError> {
    let folder = Folder::new(&options.dir)?;
    files::private_dir(&options.dir)?;
    if let Some(_alone) = FileLock::try_acquire(&folder.users_file(), Hold::Alone)? {
        down(&DownOptions { dir: options.dir.clone(), wipe: true }, &Silent).await?;
    }
    join(options, progress).await
}

/// Waits until nobody uses the sandbox any more, then stops it.
///
/// # Errors
/// As [`down`].
pub async fn down_when_unused(options: &DownOptions) -> Result<(), SandboxError> {
    let folder = Folder::new(&options.dir)?;
    if !folder.exists() {
        return Ok(());
    }
    let _alone = FileLock::acquire(&folder.users_file(), Hold::Alone, || {}).await?;
    down(options, &Silent).await.map(|_| ())
}
