//! The working tree: the files below the mesh root as they are on disk.

use crate::source::ignored::{Hidden, Layer};
use crate::source::read;
use crate::source::walk::{Found, Walk, is_yaml};
use crate::source::{Repository, SourceError};
use datamesh_core::manifest::{FileEntry, FileSet, Load, LoadOptions, NamedFileError, ReadError};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A file over its limit is still looked through for our names, up to this size; a larger one has to be ignored by
/// hand.
const MAX_SCAN: u64 = 256 << 20;

/// The working tree at one moment: its list of files is taken when it is opened.
#[derive(Debug)]
pub struct WorkingTree {
    root: PathBuf,
    repository: Option<Repository>,
    tracked: Vec<Vec<u8>>,
    entries: Vec<FileEntry>,
    found: Vec<Found>,
    missing: Vec<String>,
}

impl WorkingTree {
    /// Lists the files below `root`.
    pub fn open(root: &Path) -> Result<Self, SourceError> {
        let no_folder = |reason| SourceError::NoFolder { path: root.to_owned(), reason };
        let absolute = root.canonicalize().map_err(no_folder)?;
        if !absolute.is_dir() {
            return Err(no_folder(io::ErrorKind::NotADirectory.into()));
        }
        let repository = Repository::owning(&absolute)?;
        let tracked = repository.as_ref().map(|git| git.tracked(&absolute)).transpose()?.unwrap_or_default();
        let (layer, hidden) = above(&absolute, repository.as_ref());
        let found = Walk::run(&absolute, &tracked, layer, hidden);
        let entries = found.iter().map(|found| found.entry.clone()).collect();
        let mut tree = Self { root: absolute, repository, tracked, entries, found, missing: Vec::new() };
        tree.missing = tree.missing_manifests();
        Ok(tree)
    }

    /// The mesh root, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The repository that owns the root.
    pub fn repository(&self) -> Option<&Repository> {
        self.repository.as_ref()
    }

    /// Reads and decodes every manifest.
    pub fn load(&self, options: &LoadOptions) -> Load {
        let mut load = datamesh_core::manifest::load(self, options);
        // A source that is merely ignored now is not gone.
        let there = options.recorded.iter().filter(|path| self.is_there(path));
        load.seen_paths.extend(there.cloned());
        load
    }

    /// Whether something stands at a path below the root, ignored or not.
    fn is_there(&self, path: &str) -> bool {
        match self.root.join(path).symlink_metadata() {
            Ok(_) => true,
            Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        }
    }

    /// Tracked manifests that are not on disk: a sparse checkout, or a deletion that git has not been told of.
    fn missing_manifests(&self) -> Vec<String> {
        let manifests = self.tracked.iter().filter_map(|path| std::str::from_utf8(path).ok());
        let manifests = manifests.filter(|path| is_yaml(OsStr::new(path)));
        manifests
            .filter(|path| !self.is_there(path))
            .filter(|path| !self.is_hidden_by_mesh(path))
            .map(str::to_owned)
            .collect()
    }

    fn is_hidden_by_mesh(&self, path: &str) -> bool {
        matches!(self.hidden(Path::new(path)), Hidden::ByMesh)
    }

    /// No part of the path below the root may be a link.
    fn check_links(&self, below: &Path, name: &str) -> Result<(), NamedFileError> {
        let mut path = self.root.clone();
        for part in below.components() {
            path.push(part);
            let metadata = path.symlink_metadata().map_err(|reason| unreadable(name, &reason))?;
            if metadata.is_symlink() {
                return Err(NamedFileError::Link(name.to_owned()));
            }
        }
        Ok(())
    }

    /// What hides a path below the root: itself, or a folder it lies in.
    fn hidden(&self, below: &Path) -> Hidden {
        let (mut layer, outside) = above(&self.root, self.repository.as_ref());
        let mut strongest = if outside { Hidden::ByGit } else { Hidden::No };
        let mut path = self.root.clone();
        let count = below.components().count();
        for (index, part) in below.components().enumerate() {
            let (current, _) = Layer::of(&path, layer.take());
            path.push(part);
            match current.hides(&path, index + 1 < count) {
                Hidden::ByMesh => return Hidden::ByMesh,
                Hidden::ByGit => strongest = Hidden::ByGit,
                Hidden::No => {}
            }
            layer = Some(current);
        }
        strongest
    }
}

/// Why the system does not let a file be read that a manifest calls by this name.
fn unreadable(name: &str, reason: &io::Error) -> NamedFileError {
    NamedFileError::Unreadable { path: name.to_owned(), reason: reason.to_string() }
}

impl FileSet for WorkingTree {
    fn files(&self) -> &[FileEntry] {
        &self.entries
    }

    fn read(&self, index: usize, at_most: u64) -> Result<Vec<u8>, ReadError> {
        let found = self.at(index)?;
        read::bounded(&found.path, at_most).map_err(|error| ReadError(error.to_string()))
    }

    fn mentions(&self, index: usize, needles: &[Vec<u8>]) -> Result<bool, ReadError> {
        let found = self.at(index)?;
        read::mentions(&found.path, needles, MAX_SCAN).map_err(|error| ReadError(error.to_string()))
    }

    fn read_named(&self, path: &str, name: &str, at_most: u64) -> Result<Vec<u8>, NamedFileError> {
        let below = Path::new(path);
        self.check_links(below, name)?;
        let tracked = || self.tracked.binary_search_by(|tracked| tracked[..].cmp(path.as_bytes())).is_ok();
        match self.hidden(below) {
            Hidden::No => {}
            Hidden::ByGit if tracked() => {}
            Hidden::ByGit | Hidden::ByMesh => return Err(NamedFileError::Ignored(name.to_owned())),
        }
        read::bounded(&self.root.join(below), at_most).map_err(|reason| match reason.kind() {
            io::ErrorKind::InvalidInput => NamedFileError::NotAFile(name.to_owned()),
            _ => unreadable(name, &reason),
        })
    }

    fn missing(&self) -> &[String] {
        &self.missing
    }
}

impl WorkingTree {
    fn at(&self, index: usize) -> Result<&Found, ReadError> {
        let found = self.found.get(index).ok_or_else(|| ReadError("no such file".to_owned()))?;
        match &found.problem {
            Some(problem) => Err(ReadError(problem.clone())),
            None => Ok(found),
        }
    }
}

/// The patterns of the folders from the repository's down to the one above the root, and whether they hide the root
/// itself.
fn above(root: &Path, repository: Option<&Repository>) -> (Option<Rc<Layer>>, bool) {
    let Some(repository) = repository else { return (None, false) };
    let Ok(below) = root.strip_prefix(repository.folder()) else { return (None, false) };
    let (mut layer, mut hidden) = (None, false);
    let mut path = repository.folder().to_owned();
    for part in below.components() {
        let current = Layer::above_root(&path, layer.take());
        path.push(part);
        hidden |= current.hides(&path, true) == Hidden::ByGit;
        layer = Some(current);
    }
    (layer, hidden)
}
