//! The Mesh document without the rest of the tree.

use super::read;
use datamesh_core::manifest::{
    EntryKind, FileEntry, FileSet, Load, LoadOptions, MESH_FILE, NamedFileError, ReadError,
};
use std::path::{Path, PathBuf};

/// Loads the file of the Mesh document alone: for what needs no more than that, and does not wait for thousands of
/// other files. Whether it counts is known once all are loaded; [`super::load`] says what is wrong.
pub fn mesh_alone(root: &Path) -> Load {
    let path = root.join(MESH_FILE);
    let bytes = path.symlink_metadata().map_or(0, |metadata| metadata.len());
    let entry = FileEntry { path: MESH_FILE.to_owned(), bytes, kind: EntryKind::Regular };
    datamesh_core::manifest::load(&MeshAlone { path, entry: [entry] }, &LoadOptions::default())
}

struct MeshAlone {
    path: PathBuf,
    entry: [FileEntry; 1],
}

impl FileSet for MeshAlone {
    fn files(&self) -> &[FileEntry] {
        &self.entry
    }

    fn read(&self, _: usize, at_most: u64) -> Result<Vec<u8>, ReadError> {
        read::bounded(&self.path, at_most).map_err(|error| ReadError(error.to_string()))
    }

    fn mentions(&self, _: usize, _: &[Vec<u8>]) -> Result<bool, ReadError> {
        Err(ReadError("it is too large".to_owned()))
    }

    fn read_named(&self, _: &str, name: &str, _: u64) -> Result<Vec<u8>, NamedFileError> {
        Err(NamedFileError::Unreadable { path: name.to_owned(), reason: "no other file is read".to_owned() })
    }
}
