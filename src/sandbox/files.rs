//! Private files and folders, and locks between processes.

use super::error::SandboxError;
use super::wait::pause;
use rustix::process::geteuid;
use serde::{Serialize, de::DeserializeOwned};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

const LOCK_POLL: Duration = Duration::from_millis(100);

/// Makes a folder that only its owner can enter; refuses one that somebody else could write to.
pub(crate) fn private_dir(path: &Path) -> Result<(), SandboxError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(SandboxError::io("create", parent))?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return Ok(()),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        Err(e) => return Err(SandboxError::io("create", path)(e)),
    }
    let meta = fs::metadata(path).map_err(SandboxError::io("read", path))?;
    let not_private = |why: String| Err(SandboxError::NotPrivate { path: path.to_owned(), why });
    if !meta.is_dir() {
        return Err(SandboxError::io("use", path)(ErrorKind::NotADirectory.into()));
    }
    if meta.uid() != geteuid().as_raw() {
        return not_private(format!("belongs to user {}", meta.uid()));
    }
    if meta.mode() & 0o022 != 0 {
        return not_private(format!("can be written by others (mode {:o})", meta.mode() & 0o777));
    }
    if meta.mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(SandboxError::io("protect", path))?;
    }
    Ok(())
}

/// Writes a file only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<(), SandboxError> {
    let draft = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(SandboxError::io("write", path))
}

pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), SandboxError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| SandboxError::Record { path: path.to_owned(), why: e.to_string() })?;
    write_private(path, &text)
}

/// The value in a file; nothing when there is no file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, SandboxError> {
    match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|e| SandboxError::Record { path: path.to_owned(), why: e.to_string() }),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(SandboxError::io("read", path)(e)),
    }
}

/// An empty log; the one before it is kept beside it.
pub(crate) fn create_log(path: &Path) -> Result<File, SandboxError> {
    if path.exists() {
        fs::rename(path, path.with_extension("log.1")).map_err(SandboxError::io("rename", path))?;
    }
    OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(SandboxError::io("create", path))
}

pub(crate) fn remove_file(path: &Path) -> Result<(), SandboxError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(SandboxError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

pub(crate) fn remove_dir(path: &Path) -> Result<(), SandboxError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(SandboxError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    Alone,
    Together,
}

/// A lock of the operating system on a file: it goes with the process that holds it, however that ends.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Waits for the lock; `busy` is called once if it has to.
    pub(crate) async fn acquire(path: &Path, hold: Hold, busy: impl FnOnce()) -> Result<Self, SandboxError> {
        let mut busy = Some(busy);
        loop {
            if let Some(lock) = Self::try_acquire(path, hold)? {
                return Ok(lock);
            }
            if let Some(busy) = busy.take() {
                busy();
            }
            pause(LOCK_POLL).await;
        }
    }

    /// The lock, unless somebody else holds it.
    pub(crate) fn try_acquire(path: &Path, hold: Hold) -> Result<Option<Self>, SandboxError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(SandboxError::io("open", path))?;
        let taken = match hold {
            Hold::Alone => file.try_lock(),
            Hold::Together => file.try_lock_shared(),
        };
        match taken {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(SandboxError::io("lock", path)(e)),
        }
        // Whoever held it before may have removed the file: a lock on a file without a name protects nothing.
        let ours = file.metadata().map_err(SandboxError::io("read", path))?.ino();
        Ok(fs::metadata(path).is_ok_and(|m| m.ino() == ours).then_some(Self { _file: file }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_private_and_an_open_one_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        private_dir(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        private_dir(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&path, Permissions::from_mode(0o770)).unwrap();
        assert!(matches!(private_dir(&path), Err(SandboxError::NotPrivate { .. })));
    }

    #[test]
    fn a_written_file_is_readable_by_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record.json");
        write_private(&path, "one").unwrap();
        write_private(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn locks_exclude_and_do_not_survive_their_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let alone = FileLock::try_acquire(&path, Hold::Alone).unwrap().unwrap();
        assert!(FileLock::try_acquire(&path, Hold::Together).unwrap().is_none());
        drop(alone);
        let one = FileLock::try_acquire(&path, Hold::Together).unwrap().unwrap();
        let two = FileLock::try_acquire(&path, Hold::Together).unwrap().unwrap();
        assert!(FileLock::try_acquire(&path, Hold::Alone).unwrap().is_none());
        fs::remove_file(&path).unwrap();
        assert!(FileLock::try_acquire(&path, Hold::Alone).unwrap().is_some(), "a new file is a new lock");
        drop((one, two));
    }
}
