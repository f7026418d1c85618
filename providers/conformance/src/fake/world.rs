//! What a fake system holds, and where that is kept: in memory, or in a file that processes share.

use datamesh_provider::{Attributes, OpAction};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Everything there is, by full name of the system (`kafka.default`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Counts creations, so that no incarnation is given twice.
    #[serde(default)]
    pub next: u64,
    #[serde(default)]
    pub systems: BTreeMap<String, System>,
}

/// One system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// Overrides the identity, which otherwise follows from where the world is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// By type, then by id.
    #[serde(default)]
    pub objects: BTreeMap<String, BTreeMap<String, Thing>>,
    #[serde(default, skip_serializing_if = "Faults::is_none")]
    pub faults: Faults,
    /// Every effect in order, so that a test can tell one creation from two.
    #[serde(default)]
    pub effects: Vec<Effect>,
}

/// One object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thing {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<String>,
    #[serde(default)]
    pub attributes: Attributes,
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub computed: Attributes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// One change that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    pub action: OpAction,
    #[serde(rename = "type")]
    pub ty: String,
    pub id: String,
    pub step: String,
}

/// How a system misbehaves, chosen by name. A test writes these into the file while the program runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Nothing answers.
    pub unreachable: bool,
    /// Ids that may not be read.
    pub forbidden: BTreeSet<String>,
    /// Ids whose changes are refused, without effect.
    pub rejected: BTreeSet<String>,
    /// Ids whose changes happen, and whose answer is lost.
    pub lost: BTreeSet<String>,
    /// The system is gone after this many more effects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dies_after: Option<u64>,
}

impl Faults {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// The world cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{} is not a fake world: {source}", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
}

/// Where a world is kept. Clones share it.
#[derive(Clone, Debug)]
pub enum Store {
    Memory(Arc<Mutex<World>>),
    /// A JSON document, absent at first. Beside it lies `<name>.lock`, held for the length of one transaction.
    File(PathBuf),
}

impl Store {
    pub fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    /// Where the world is, for messages and identities.
    pub fn endpoint(&self) -> String {
        match self {
            Self::Memory(_) => "memory".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// The world as it is now.
    pub fn load(&self) -> Result<World, WorldError> {
        match self {
            Self::Memory(world) => Ok(world.lock().unwrap_or_else(PoisonError::into_inner).clone()),
            // A rename replaces the file as a whole, so that reading needs no lock.
            Self::File(path) => read(path),
        }
    }

    /// Changes the world: nobody else does so meanwhile, and a process that dies here leaves the world as it was
    /// before or after, never in between.
    pub fn transact<T>(&self, change: impl FnOnce(&mut World) -> T) -> Result<T, WorldError> {
        match self {
            Self::Memory(world) => Ok(change(&mut world.lock().unwrap_or_else(PoisonError::into_inner))),
            Self::File(path) => {
                let _lock = lock(path)?;
                let mut world = read(path)?;
                let before = world.clone();
                let answer = change(&mut world);
                if world != before {
                    write(path, &world)?;
                }
                Ok(answer)
            }
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> WorldError + '_ {
    move |source| WorldError::Io { path: path.to_owned(), source }
}

/// A lock no dead process holds.
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing alone is not enough: a child process between fork and exec has the file open as well.
        let _ = self.0.unlock();
    }
}

fn lock(path: &Path) -> Result<Locked, WorldError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(io(folder))?;
    }
    let path = beside(path, ".lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io(&path))?;
    file.lock().map_err(io(&path))?;
    Ok(Locked(file))
}

fn read(path: &Path) -> Result<World, WorldError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(World::default()),
        Err(error) => return Err(io(path)(error)),
    };
    serde_json::from_slice(&text).map_err(|source| WorldError::Json { path: path.to_owned(), source })
}

fn write(path: &Path, world: &World) -> Result<(), WorldError> {
    let text = serde_json::to_vec_pretty(world)
        .map_err(|source| WorldError::Json { path: path.to_owned(), source })?;
    // One name is enough: only the holder of the lock writes it, and what a dead one left is overwritten.
    let part = beside(path, ".part");
    let mut file = File::create(&part).map_err(io(&part))?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(io(&part))?;
    fs::rename(&part, path).map_err(io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_writers_of_one_file_lose_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::file(folder.path().join("deep/world.json"));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        store.transact(|world| world.next += 1).expect("written");
                    }
                });
            }
        });
        assert_eq!(store.load().expect("read").next, 80);
    }

    #[test]
    fn what_a_dead_writer_left_behind_is_ignored_and_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("world.json");
        let store = Store::file(&path);
        store.transact(|world| world.next = 7).expect("written");
        fs::write(beside(&path, ".part"), "{\"next\": 99, ").expect("half a file");
        assert_eq!(store.load().expect("read").next, 7);
        store.transact(|world| world.next += 1).expect("written");
        assert_eq!(store.load().expect("read").next, 8);
    }

    #[test]
    fn a_broken_world_names_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("world.json");
        fs::write(&path, "{\"nxet\": 1}").expect("written");
        let error = Store::file(&path).load().expect_err("unknown field").to_string();
        assert!(error.contains("world.json") && error.contains("nxet"), "{error}");
    }
}
