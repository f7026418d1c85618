//! Finds every file that may hold manifests.

use crate::source::ignored::{Hidden, Layer, MESH_IGNORE};
use datamesh_core::manifest::{EntryKind, FileEntry};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{DirEntry, FileType};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A file that may hold manifests.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) entry: FileEntry,
    pub(crate) path: PathBuf,
    /// Why it cannot be read, if that is known already.
    pub(crate) problem: Option<String>,
}

/// A walk over one tree.
pub(crate) struct Walk<'w> {
    /// Of everything git tracks below the root: sorted, as bytes with `/`.
    pub(crate) tracked: &'w [Vec<u8>],
    found: Vec<Found>,
    /// Folders still to be read.
    open: Vec<Folder>,
}

struct Folder {
    path: PathBuf,
    /// Below the root, with `/` at its end unless it is the root.
    below: Vec<u8>,
    layer: Rc<Layer>,
    /// Hidden by git as a whole: only tracked files count.
    only_tracked: bool,
}

impl<'w> Walk<'w> {
    /// All files, sorted by path. `start` is what hides files from above the root.
    pub(crate) fn run(
        root: &Path,
        tracked: &'w [Vec<u8>],
        start: Option<Rc<Layer>>,
        hidden: bool,
    ) -> Vec<Found> {
        let mut walk = Self { tracked, found: Vec::new(), open: Vec::new() };
        walk.enter(root.to_owned(), Vec::new(), start, hidden);
        while let Some(folder) = walk.open.pop() {
            walk.folder(&folder);
        }
        walk.found.sort_by(|a, b| a.entry.path.cmp(&b.entry.path));
        walk.found
    }

    fn enter(&mut self, path: PathBuf, below: Vec<u8>, above: Option<Rc<Layer>>, only_tracked: bool) {
        let (layer, outcome) = Layer::of(&path, above);
        if let Err(problem) = outcome {
            let file = [&below[..], MESH_IGNORE.as_bytes()].concat();
            self.unreadable(path.join(MESH_IGNORE), &file, problem);
        }
        self.open.push(Folder { path, below, layer, only_tracked });
    }

    fn folder(&mut self, folder: &Folder) {
        let entries = match std::fs::read_dir(&folder.path) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(folder.path.clone(), &folder.below, error.to_string()),
        };
        for entry in entries {
            let typed = entry.and_then(|entry| Ok((entry.file_type()?, entry)));
            match typed {
                Ok((ty, entry)) => self.entry(folder, &entry, ty),
                Err(error) => self.unreadable(folder.path.clone(), &folder.below, error.to_string()),
            }
        }
    }

    fn entry(&mut self, folder: &Folder, entry: &DirEntry, ty: FileType) {
        let name = entry.file_name();
        let below = [&folder.below[..], name.as_bytes()].concat();
        let path = entry.path();
        if ty.is_dir() {
            self.subfolder(folder, path, &name, below);
        } else if (is_yaml(&name) || is_folder_link(&path, ty)) && !self.is_hidden(folder, &path, &below) {
            self.file(path, &below, entry, ty);
        }
    }

    fn subfolder(&mut self, folder: &Folder, path: PathBuf, name: &OsStr, mut below: Vec<u8>) {
        if name == ".git" || name == ".datamesh" {
            return;
        }
        let hidden = folder.layer.hides(&path, true);
        below.push(b'/');
        let only_tracked = folder.only_tracked || hidden == Hidden::ByGit;
        if hidden == Hidden::ByMesh || (only_tracked && !self.tracks_below(&below)) {
            return;
        }
        if path.join(".git").symlink_metadata().is_ok() {
            let entry = FileEntry { path: lossy(&below), bytes: 0, kind: EntryKind::OtherRepository };
            self.found.push(Found { entry, path, problem: None });
            return;
        }
        self.enter(path, below, Some(Rc::clone(&folder.layer)), only_tracked);
    }

    fn is_hidden(&self, folder: &Folder, path: &Path, below: &[u8]) -> bool {
        match folder.layer.hides(path, false) {
            Hidden::ByMesh => true,
            Hidden::ByGit => !self.tracks(below),
            Hidden::No => folder.only_tracked && !self.tracks(below),
        }
    }

    fn file(&mut self, path: PathBuf, below: &[u8], entry: &DirEntry, ty: FileType) {
        let (mut bytes, mut problem) = (0, None);
        let named = std::str::from_utf8(below).is_ok();
        let kind = match (ty.is_symlink(), ty.is_file()) {
            (true, _) => EntryKind::Symlink,
            (false, false) => EntryKind::Other,
            (false, true) if !named => EntryKind::BadName,
            (false, true) => EntryKind::Regular,
        };
        if ty.is_file() {
            match entry.metadata() {
                Ok(metadata) => bytes = metadata.len(),
                Err(error) => problem = Some(error.to_string()),
            }
        }
        self.found.push(Found { entry: FileEntry { path: lossy(below), bytes, kind }, path, problem });
    }

    fn unreadable(&mut self, path: PathBuf, below: &[u8], problem: String) {
        let name = if below.is_empty() { "./".to_owned() } else { lossy(below) };
        let entry = FileEntry { path: name, bytes: 0, kind: EntryKind::Unreadable };
        self.found.push(Found { entry, path, problem: Some(problem) });
    }

    fn tracks(&self, below: &[u8]) -> bool {
        self.tracked.binary_search_by(|path| path[..].cmp(below)).is_ok()
    }

    fn tracks_below(&self, folder: &[u8]) -> bool {
        let first = self.tracked.partition_point(|path| path[..] < *folder);
        self.tracked.get(first).is_some_and(|path| path.starts_with(folder))
    }
}

/// Whether a link leads to a folder, or round in a circle: what lies behind it is not read, and that is counted.
fn is_folder_link(path: &Path, ty: FileType) -> bool {
    ty.is_symlink()
        && match path.metadata() {
            Ok(target) => target.is_dir(),
            Err(error) => error.raw_os_error() == Some(Errno::LOOP.raw_os_error()),
        }
}

/// Manifests are named `*.yaml` or `*.yml`.
pub(crate) fn is_yaml(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.ends_with(b".yaml") || name.ends_with(b".yml")
}

fn lossy(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
