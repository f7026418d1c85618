//! The store in a folder of this machine.
//!
//! A key is a folder; its blob is the file with the highest number, `<serial>.json`. A write is a synced temporary
//! file, hard-linked to the next number: the link fails where that number exists, so that this is a real
//! compare-and-swap, with history for free. The lock is an OS file lock on `lock`, a file that is never removed; a
//! dead process holds none. What the file says about its holder is believed only while the lock is held.

use super::{Attempt, Blob, BlobStore, Broken, Condition, Held, LockInfo, Locks, PutError, Tag, check_name};
use crate::StateError;
use crate::codec::FRAME_BYTES;
use crate::format::MAX_BYTES;
use async_trait::async_trait;
use datamesh_provider::LeaseLost;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many versions of a shard are kept.
const HISTORY: u64 = 100;

/// The state in a folder: `.datamesh/state`.
#[derive(Clone, Debug)]
pub struct LocalStore {
    root: PathBuf,
}

fn fail(path: &Path) -> impl FnOnce(io::Error) -> StateError + '_ {
    move |source| StateError::Io { place: path.display().to_string(), source }
}

fn private_folder(path: &Path) -> Result<(), StateError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(fail(path))
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn sync_folder(path: &Path) -> Result<(), StateError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(fail(path))
}

impl LocalStore {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn folder(&self, key: &str) -> Result<PathBuf, StateError> {
        let mut path = self.root.clone();
        for segment in key.split('/') {
            check_name("a folder", segment)?;
            path.push(segment);
        }
        Ok(path)
    }

    /// Whether this file system does what the store relies on: a second link to a name fails, and a second lock on
    /// a file is refused.
    pub fn probe(&self) -> Result<(), StateError> {
        private_folder(&self.root)?;
        let temp = temporary(&self.root);
        let link = temp.with_extension("link");
        let broken = |why: &str| StateError::Io {
            place: self.root.display().to_string(),
            source: io::Error::other(why),
        };
        let tried = (|| {
            let open =
                || private_file().create(true).truncate(false).write(true).open(&temp).map_err(fail(&temp));
            let first = open()?;
            fs::hard_link(&temp, &link).map_err(fail(&link))?;
            if fs::hard_link(&temp, &link).is_ok() {
                return Err(broken("this file system links one name twice, so that writes could be lost"));
            }
            first.lock().map_err(fail(&temp))?;
            match open()?.try_lock() {
                Err(TryLockError::WouldBlock) => Ok(()),
                _ => Err(broken("this file system locks one file twice, so that two runs could collide")),
            }
        })();
        for path in [&temp, &link] {
            let _ = fs::remove_file(path);
        }
        tried
    }
}

/// A name no other process or thread uses, in the same folder, since links do not cross file systems.
fn temporary(folder: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!("{TEMPORARY}{}-{count}", std::process::id()))
}

/// How the names of temporary files begin.
const TEMPORARY: &str = ".part-";

/// What writers that were killed left. For the lock holder: nobody else writes there.
fn remove_leftovers(folder: &Path) -> Result<(), StateError> {
    for entry in fs::read_dir(folder).map_err(fail(folder))? {
        let entry = entry.map_err(fail(folder))?;
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            fs::remove_file(entry.path()).map_err(fail(&entry.path()))?;
        }
    }
    Ok(())
}

/// The numbers that are there, sorted. Anything else in the folder is ignored: locks, leftovers of dead writers.
fn serials(folder: &Path) -> Result<Vec<u64>, StateError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(folder)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(fail(folder))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".json")).and_then(canonical_number);
        found.extend(number);
    }
    found.sort_unstable();
    Ok(found)
}

/// `007` and `+7` are no serials: two names for one number would be two blobs.
fn canonical_number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

fn file_of(folder: &Path, serial: u64) -> PathBuf {
    folder.join(format!("{serial}.json"))
}

fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(path)(error)),
    };
    let mut bytes = Vec::new();
    // One byte more than allowed, so that the decoder sees that it is too much.
    file.take((MAX_BYTES + FRAME_BYTES) as u64 + 1).read_to_end(&mut bytes).map_err(fail(path))?;
    Ok(Some(bytes))
}

fn write_temporary(folder: &Path, bytes: &[u8]) -> Result<PathBuf, StateError> {
    let temp = temporary(folder);
    // A leftover of a dead process with our number is overwritten.
    let mut file = private_file().create(true).truncate(true).write(true).open(&temp).map_err(fail(&temp))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written {
        let _ = fs::remove_file(&temp);
        return Err(fail(&temp)(error));
    }
    Ok(temp)
}

/// Whether the number just linked is a version that was removed long ago: then newer ones exist, and not the very
/// next.
fn overtaken(folder: &Path, serial: u64) -> Result<bool, StateError> {
    let there = serials(folder)?;
    let newest = there.last().copied().unwrap_or(serial);
    Ok(newest > serial && there.binary_search(&(serial + 1)).is_err())
}

fn blob_of(folder: &Path, serial: u64) -> Result<Option<Blob>, StateError> {
    let path = file_of(folder, serial);
    let place = path.display().to_string();
    Ok(read_bounded(&path)?.map(|bytes| Blob { bytes, tag: Tag(serial.to_string()), place, age: None }))
}

#[async_trait]
impl BlobStore for LocalStore {
    async fn get(&self, key: &str) -> Result<Option<Blob>, StateError> {
        let folder = self.folder(key)?;
        // The newest may be gone between listing and reading only when a newer one came.
        for _ in 0..16 {
            let Some(serial) = serials(&folder)?.last().copied() else { return Ok(None) };
            if let Some(blob) = blob_of(&folder, serial)? {
                return Ok(Some(blob));
            }
        }
        let why = "its files are removed faster than they can be read";
        Err(StateError::Corrupt { place: folder.display().to_string(), why: why.into() })
    }

    async fn tag(&self, key: &str) -> Result<Option<Tag>, StateError> {
        Ok(serials(&self.folder(key)?)?.last().map(|serial| Tag(serial.to_string())))
    }

    async fn put(&self, key: &str, bytes: &[u8], when: &Condition) -> Result<Tag, PutError> {
        let folder = self.folder(key)?;
        private_folder(&folder)?;
        let expected = match when {
            Condition::CreateOnly => 0,
            Condition::IfMatch(tag) => canonical_number(&tag.0).ok_or(PutError::Conflict)?,
        };
        if serials(&folder)?.last().copied().unwrap_or(0) != expected {
            return Err(PutError::Conflict);
        }
        let serial = expected + 1;
        let (temp, target) = (write_temporary(&folder, bytes)?, file_of(&folder, serial));
        let linked = fs::hard_link(&temp, &target);
        let _ = fs::remove_file(&temp);
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(PutError::Conflict),
            Err(error) => return Err(fail(&target)(error).into()),
        }
        // Linked, and visible to all: from here on an error leaves open what is there.
        let unknown = |error: StateError| PutError::Unknown(error.to_string());
        if overtaken(&folder, serial).map_err(unknown)? {
            fs::remove_file(&target).map_err(fail(&target)).map_err(unknown)?;
            return Err(PutError::Conflict);
        }
        sync_folder(&folder).map_err(unknown)?;
        Ok(Tag(serial.to_string()))
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, StateError> {
        let path = self.folder(folder)?;
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fail(&path)(error)),
        };
        let mut keys = Vec::new();
        for entry in entries {
            let entry = entry.map_err(fail(&path))?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| check_name("a folder", name).is_ok()) else {
                continue;
            };
            if entry.path().is_dir() && !serials(&entry.path())?.is_empty() {
                keys.push(format!("{folder}/{name}"));
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }

    async fn settle(&self, key: &str, found: Option<&Tag>, left: &Tag) -> Result<(), StateError> {
        let folder = self.folder(key)?;
        let number = |tag: &Tag| canonical_number(&tag.0).unwrap_or(0);
        let (found, left) = (found.map_or(0, number), number(left));
        let there = serials(&folder)?;
        let between = |serial: u64| serial > found && serial < left;
        let kept = there.iter().filter(|serial| !between(**serial)).count() as u64;
        let mut surplus = kept.saturating_sub(HISTORY);
        for serial in there {
            let old = !between(serial) && surplus > 0;
            surplus -= u64::from(old);
            if between(serial) || old {
                let path = file_of(&folder, serial);
                fs::remove_file(&path).map_err(fail(&path))?;
            }
        }
        remove_leftovers(&folder)
    }

    async fn versions(&self, key: &str) -> Result<Option<Vec<u64>>, StateError> {
        serials(&self.folder(key)?).map(Some)
    }

    async fn version(&self, key: &str, number: u64) -> Result<Option<Blob>, StateError> {
        blob_of(&self.folder(key)?, number)
    }

    /// Readers see the one or the other, whole. The number stays: it is the version's tag.
    async fn replace(&self, key: &str, version: &Tag, bytes: &[u8]) -> Result<(), PutError> {
        let folder = self.folder(key)?;
        let path = file_of(&folder, canonical_number(&version.0).ok_or(PutError::Conflict)?);
        if !path.exists() {
            return Err(PutError::Conflict);
        }
        let temp = write_temporary(&folder, bytes)?;
        if let Err(error) = fs::rename(&temp, &path) {
            let _ = fs::remove_file(&temp);
            return Err(fail(&path)(error).into());
        }
        sync_folder(&folder).map_err(|error| PutError::Unknown(error.to_string()))
    }

    fn place(&self, key: &str) -> String {
        self.root.join(key).display().to_string()
    }

    fn own_probe(&self) -> Option<Result<(), StateError>> {
        Some(self.probe())
    }
}

impl LocalStore {
    fn lock_file(&self, key: &str) -> Result<(PathBuf, File), StateError> {
        let folder = self.folder(key)?;
        private_folder(&folder)?;
        let path = folder.join("lock");
        let mut options = private_file();
        let file =
            options.create(true).truncate(false).read(true).write(true).open(&path).map_err(fail(&path))?;
        Ok((path, file))
    }
}

/// What the file says; `None` when it says nothing that can be read.
fn lock_info(path: &Path) -> Option<LockInfo> {
    let file = File::open(path).ok()?;
    serde_json::from_reader(file.take(1 << 16)).ok()
}

fn describe(mut file: &File, info: &LockInfo) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&serde_json::to_vec(info)?)
}

#[async_trait]
impl Locks for LocalStore {
    async fn try_lock(&self, key: &str, info: &LockInfo) -> Result<Attempt, StateError> {
        let (path, file) = self.lock_file(key)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Attempt::Taken(lock_info(&path))),
            Err(TryLockError::Error(error)) => return Err(fail(&path)(error)),
        }
        describe(&file, info).map_err(fail(&path))?;
        Ok(Attempt::Got(Box::new(HeldFile { file })))
    }

    async fn holder(&self, key: &str) -> Result<Option<LockInfo>, StateError> {
        let path = self.folder(key)?.join("lock");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(&path)(error)),
        };
        // A shared lock is given back at once; who wants the lock in that instant tries again.
        match file.try_lock_shared() {
            Ok(()) => file.unlock().map(|()| None).map_err(fail(&path)),
            Err(TryLockError::WouldBlock) => Ok(lock_info(&path)),
            Err(TryLockError::Error(error)) => Err(fail(&path)(error)),
        }
    }

    async fn known(&self, environment: &str) -> Result<Vec<String>, StateError> {
        let path = self.folder(environment)?;
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fail(&path)(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(fail(&path))?;
            let name = entry.file_name();
            let name = name.to_str().filter(|name| check_name("a folder", name).is_ok());
            names.extend(name.filter(|_| entry.path().join("lock").exists()).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    async fn break_lock(&self, key: &str, id: &str, _: &LockInfo) -> Result<Broken, StateError> {
        Ok(match self.holder(key).await? {
            None => Broken::NotHeld,
            Some(holder) if holder.id != id => Broken::Other(holder),
            Some(holder) => Broken::Living(holder),
        })
    }

    async fn finish_break(&self, _: &str, _: &str, _: &LockInfo) -> Result<(), StateError> {
        Ok(())
    }
}

/// The lock lasts until it is given back, or the process ends.
#[derive(Debug)]
struct HeldFile {
    file: File,
}

#[async_trait]
impl Held for HeldFile {
    fn permit(&self, _: Duration) -> Result<(), LeaseLost> {
        // An OS file lock is lost by nothing but giving it back.
        Ok(())
    }

    async fn release(self: Box<Self>) -> Result<(), StateError> {
        Ok(())
    }
}

impl Drop for HeldFile {
    fn drop(&mut self) {
        // So that nobody is named as the holder who no longer is.
        let _ = self.file.set_len(0);
        // Closing alone is not enough: a child process between fork and exec has the file open as well.
        let _ = self.file.unlock();
    }
}
