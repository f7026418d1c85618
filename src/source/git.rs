//! Facts of the git repository that owns the mesh root.
//!
//! The repository is found by a `.git` entry of a folder at or above the root, never by a folder that merely looks
//! like a bare repository: such a one can be committed, and its configuration with it. It is opened isolated: no
//! configuration of the user or the system, no environment, nothing that runs.

use crate::source::SourceError;
use std::path::{Path, PathBuf};

/// The repository, and where the mesh lies in it.
#[derive(Debug)]
pub struct Repository {
    git: gix::ThreadSafeRepository,
    /// The folder with the `.git` entry.
    folder: PathBuf,
}

impl Repository {
    /// The repository that owns an absolute path, if any.
    pub fn owning(path: &Path) -> Result<Option<Self>, SourceError> {
        let has_git = |folder: &&Path| folder.join(".git").symlink_metadata().is_ok();
        let Some(folder) = path.ancestors().find(has_git) else { return Ok(None) };
        let options = gix::open::Options::isolated().open_path_as_is(true);
        match gix::ThreadSafeRepository::open_opts(folder.join(".git"), options) {
            Ok(git) => Ok(Some(Self { git, folder: folder.to_owned() })),
            Err(error) => Err(failed(folder, &error)),
        }
    }

    pub(super) fn thread_local(&self) -> gix::Repository {
        self.git.to_thread_local()
    }

    pub(super) fn shared(&self) -> gix::ThreadSafeRepository {
        self.git.clone()
    }

    /// The folder that holds `.git`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The commit that is checked out; `None` before the first one.
    pub fn head_commit(&self) -> Option<String> {
        let git = self.git.to_thread_local();
        git.head_id().ok().map(|id| id.to_string())
    }

    /// The first commit, along first parents: what tells one repository from another, in every clone. `None` before
    /// the first commit, and in a shallow clone, where the first commit at hand is not the first one.
    pub fn root_commit(&self) -> Option<String> {
        let git = self.git.to_thread_local();
        if git.is_shallow().unwrap_or(true) {
            return None;
        }
        let head = git.head_id().ok()?.detach();
        let mut last = None;
        for commit in git.rev_walk([head]).first_parent_only().all().ok()? {
            last = Some(commit.ok()?.id);
        }
        last.map(|id| id.to_string())
    }

    /// Paths of all tracked files below `root`, relative to it, as bytes with `/`.
    pub(crate) fn tracked(&self, root: &Path) -> Result<Vec<Vec<u8>>, SourceError> {
        use std::os::unix::ffi::OsStrExt;
        let git = self.git.to_thread_local();
        let index = git.index_or_empty().map_err(|error| failed(&self.folder, &error))?;
        let below = root.strip_prefix(&self.folder).unwrap_or(Path::new(""));
        let mut prefix = below.as_os_str().as_bytes().to_vec();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let is_file = |entry: &&gix::index::Entry| {
            entry.mode != gix::index::entry::Mode::COMMIT && !entry.mode.is_sparse()
        };
        let entries = index.entries().iter().filter(is_file);
        let path = |entry: &gix::index::Entry| Some(entry.path(&index).strip_prefix(&prefix[..])?.to_vec());
        let mut paths: Vec<Vec<u8>> = entries.filter_map(path).collect();
        // Entries are sorted, and a file in conflict has several.
        paths.dedup();
        Ok(paths)
    }
}

pub(super) fn failed(folder: &Path, error: &dyn std::fmt::Display) -> SourceError {
    SourceError::Git { path: folder.to_owned(), reason: error.to_string() }
}
