//! The one way in which manifests cause a read: files of the working tree below the mesh root.
//!
//! Nothing outside of the root is read, no symbolic link is followed, and what git or `.datameshignore` hides stays
//! unread. [`load`] reads every manifest, and every file that one names.

mod git;
mod ignored;
mod mesh_alone;
mod read;
mod revision;
mod tree;
mod walk;

#[cfg(test)]
mod tests;

pub use git::Repository;
pub use mesh_alone::mesh_alone;
pub use revision::Revision;
pub use tree::WorkingTree;

use datamesh_core::manifest::{Load, LoadOptions, MESH_FILE, codes, may_hold_mesh};
use datamesh_provider::Diagnostic;
use std::path::{Path, PathBuf};

/// Why a tree cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("`{}` cannot be opened as a folder: {reason}", path.display())]
    NoFolder { path: PathBuf, reason: std::io::Error },
    #[error("the git repository at `{}` cannot be read: {reason}", path.display())]
    Git { path: PathBuf, reason: String },
    #[error("`{name}` is no commit of this repository: {reason}")]
    Revision { name: String, reason: String },
    #[error("no `{MESH_FILE}` with a Mesh document in `{}` or a folder above it", start.display())]
    NoMesh { start: PathBuf },
    #[error("`{}` {why}", path.display())]
    Unusable { path: PathBuf, why: &'static str },
}

impl SourceError {
    /// The error as a finding, with how to get out of it.
    pub fn diagnostic(&self) -> Diagnostic {
        let (code, help) = match self {
            Self::NoFolder { .. } => (codes::UNREADABLE, "Check the path given with -C."),
            Self::Revision { .. } => (
                codes::GIT,
                "Name a commit that is here: a shallow clone has few of them (`git fetch --unshallow`).",
            ),
            Self::Git { .. } => (codes::GIT, "Check the repository with `git status`."),
            Self::Unusable { .. } => {
                (codes::NO_MESH, "Put the Mesh document itself there; `datamesh init` elsewhere shows one.")
            }
            Self::NoMesh { .. } => {
                (codes::NO_MESH, "Run `datamesh init` to make one, or name its folder with -C.")
            }
        };
        Diagnostic::error(code, format!("{}.", capital(&self.to_string()))).help(help)
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// A loaded tree.
#[derive(Debug, Default)]
pub struct Loaded {
    pub load: Load,
    /// Id of the first commit of the repository that owns the root: the same in every clone. `None` without git,
    /// without commits, or where the clone is shallow.
    pub repository: Option<String>,
    /// Id of the commit that is checked out.
    pub head: Option<String>,
    /// The tree, for the files that manifests name; `None` when it could not be opened.
    pub tree: Option<WorkingTree>,
}

/// Loads every manifest below `root`. That the tree cannot be read, or holds no Mesh document, is among the
/// diagnostics.
pub fn load(root: &Path) -> Loaded {
    load_with(root, &LoadOptions::default())
}

/// As [`load`], with options.
pub fn load_with(root: &Path, options: &LoadOptions) -> Loaded {
    let tree = match WorkingTree::open(root) {
        Ok(tree) => tree,
        Err(error) => return Loaded::failed(&error),
    };
    let mut load = tree.load(options);
    if load.mesh().is_none() && !load.stopped {
        load.stopped = true;
        load.diagnostics.push(SourceError::NoMesh { start: root.to_owned() }.diagnostic());
    }
    let git = tree.repository();
    let (repository, head) = (git.and_then(Repository::root_commit), git.and_then(Repository::head_commit));
    Loaded { load, repository, head, tree: Some(tree) }
}

impl Loaded {
    fn failed(error: &SourceError) -> Self {
        let load = Load { stopped: true, diagnostics: error.diagnostic().into(), ..Load::default() };
        Self { load, ..Self::default() }
    }
}

/// The nearest folder, from `start` upwards, that holds a Mesh document.
pub fn find_root(start: &Path) -> Result<PathBuf, SourceError> {
    let absolute =
        start.canonicalize().map_err(|reason| SourceError::NoFolder { path: start.to_owned(), reason })?;
    let holds_mesh = |folder: &&Path| {
        let path = folder.join(MESH_FILE);
        let is_file = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
        // One that is too large or unreadable is reported by the load; looking further up would hide it.
        is_file && read::bounded(&path, 1 << 20).map_or(true, |bytes| may_hold_mesh(&bytes))
    };
    let found = absolute.ancestors().find(holds_mesh).map(Path::to_owned);
    found.ok_or_else(|| {
        let unusable = absolute.ancestors().find_map(unusable);
        unusable.unwrap_or_else(|| SourceError::NoMesh { start: start.to_owned() })
    })
}

/// What has the name of a Mesh document in this folder and is none.
fn unusable(folder: &Path) -> Option<SourceError> {
    let path = folder.join(MESH_FILE);
    let why = match path.symlink_metadata().ok()? {
        meta if meta.is_symlink() => "is a symbolic link, and links are never followed",
        meta if !meta.is_file() => "is not a file",
        _ => "holds no Mesh document (`kind: Mesh` in the group `datamesh.example.com`)",
    };
    Some(SourceError::Unusable { path, why })
}
