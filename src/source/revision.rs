//! The files of one commit, read from git's own objects: nothing is checked out, and nothing runs.

use super::SourceError;
use super::git::{Repository, failed};
use super::ignored::MESH_IGNORE;
use super::walk::is_yaml;
use datamesh_core::manifest::{EntryKind, FileEntry, FileSet, Load, LoadOptions, NamedFileError, ReadError};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::ffi::OsStr;
use std::io;
use std::path::Path;

/// Far more than any ignore file has.
const MAX_IGNORE: usize = 256 << 10;

/// A commit, and the manifests below the mesh root in it.
#[derive(Debug)]
pub struct Revision {
    /// The full id of the commit.
    pub commit: String,
    git: gix::ThreadSafeRepository,
    entries: Vec<FileEntry>,
    blobs: Vec<gix::ObjectId>,
    tree: gix::ObjectId,
    /// Of the mesh root within the repository, with a slash behind it unless it is the repository's own.
    prefix: String,
    hidden: Ignored,
}

impl Repository {
    /// The commit that a name stands for: an id, a branch, `HEAD~1`.
    ///
    /// # Errors
    /// The name stands for nothing, or for no commit; or the repository cannot be read.
    pub fn revision(&self, name: &str, root: &Path) -> Result<Revision, SourceError> {
        let git = self.thread_local();
        let wrong = |error: &dyn std::fmt::Display| SourceError::Revision {
            name: name.to_owned(),
            reason: error.to_string(),
        };
        let id = git.rev_parse_single(name).map_err(|error| wrong(&error))?;
        let object = id.object().map_err(|error| wrong(&error))?;
        let commit = object.peel_to_commit().map_err(|error| wrong(&error))?;
        let tree = commit.tree().map_err(|error| failed(self.folder(), &error))?;
        let files = tree.traverse().breadthfirst.files().map_err(|error| failed(self.folder(), &error))?;
        let below = root.strip_prefix(self.folder()).unwrap_or(Path::new(""));
        let prefix = if below.as_os_str().is_empty() {
            String::new()
        } else {
            format!("{}/", below.to_string_lossy())
        };
        let mut found: Vec<(FileEntry, gix::ObjectId)> = Vec::new();
        let mut ignores: Vec<(String, gix::ObjectId)> = Vec::new();
        for file in files {
            let path = file.filepath.to_string();
            let Some(path) = path.strip_prefix(&prefix) else { continue };
            let name = Path::new(path).file_name();
            if name == Some(OsStr::new(MESH_IGNORE)) && file.mode.is_blob() {
                ignores.push((path.to_owned(), file.oid));
            }
            if !is_yaml(OsStr::new(path)) {
                continue;
            }
            let kind = if file.mode.is_link() { EntryKind::Symlink } else { EntryKind::Regular };
            let bytes = git.find_header(file.oid).map_or(0, |header| header.size());
            found.push((FileEntry { path: path.to_owned(), bytes, kind }, file.oid));
        }
        let hidden = Ignored::read(&git, ignores);
        found.retain(|(entry, _)| !hidden.hides(&entry.path));
        found.sort_by(|a, b| a.0.path.cmp(&b.0.path));
        let (entries, blobs) = found.into_iter().unzip();
        let commit = commit.id.to_string();
        let tree = tree.id;
        Ok(Revision { commit, git: self.shared(), entries, blobs, tree, prefix, hidden })
    }
}

impl Revision {
    /// Reads and decodes every manifest of the commit.
    pub fn load(&self) -> Load {
        datamesh_core::manifest::load(self, &LoadOptions::default())
    }
}

/// The content of an object; `None`: it has more bytes.
fn bounded(mut object: gix::Object<'_>, at_most: u64) -> Option<Vec<u8>> {
    let content = std::mem::take(&mut object.data);
    u64::try_from(content.len()).is_ok_and(|bytes| bytes <= at_most).then_some(content)
}

impl FileSet for Revision {
    fn files(&self) -> &[FileEntry] {
        &self.entries
    }

    fn read(&self, index: usize, at_most: u64) -> Result<Vec<u8>, ReadError> {
        let unreadable = |reason: String| ReadError(reason);
        let id = self.blobs.get(index).ok_or_else(|| unreadable("no such file".to_owned()))?;
        let git = self.git.to_thread_local();
        let blob = git.find_object(*id).map_err(|error| unreadable(error.to_string()))?;
        bounded(blob, at_most).ok_or_else(|| unreadable("it is larger than it was".to_owned()))
    }

    fn read_named(&self, path: &str, name: &str, at_most: u64) -> Result<Vec<u8>, NamedFileError> {
        if self.hidden.hides(path) {
            return Err(NamedFileError::Ignored(name.to_owned()));
        }
        let unreadable = |reason: String| NamedFileError::Unreadable { path: name.to_owned(), reason };
        let git = self.git.to_thread_local();
        let tree = git.find_tree(self.tree).map_err(|error| unreadable(error.to_string()))?;
        // A part of the path that is a link has nothing below it.
        let entry = tree.lookup_entry_by_path(format!("{}{path}", self.prefix));
        let entry = entry.map_err(|error| unreadable(error.to_string()))?;
        let entry = entry.ok_or_else(|| unreadable("it is not in this commit".to_owned()))?;
        match entry.mode() {
            mode if mode.is_link() => return Err(NamedFileError::Link(name.to_owned())),
            mode if !mode.is_blob() => return Err(NamedFileError::NotAFile(name.to_owned())),
            _ => {}
        }
        let blob = entry.object().map_err(|error| unreadable(error.to_string()))?;
        bounded(blob, at_most).ok_or_else(|| unreadable(format!("it is larger than {at_most} bytes")))
    }

    fn mentions(&self, index: usize, needles: &[Vec<u8>]) -> Result<bool, ReadError> {
        let content = self.read(index, u64::MAX)?;
        let holds = |needle: &Vec<u8>| content.windows(needle.len().max(1)).any(|part| part == needle);
        Ok(needles.iter().any(holds))
    }
}

/// The `.datameshignore` files of the commit, outermost first.
#[derive(Debug)]
struct Ignored(Vec<Gitignore>);

impl Ignored {
    fn read(git: &gix::Repository, mut files: Vec<(String, gix::ObjectId)>) -> Self {
        files.sort();
        let parse = |(path, id): (String, gix::ObjectId)| -> io::Result<Gitignore> {
            let blob = git.find_object(id).map_err(io::Error::other)?;
            let text =
                String::from_utf8_lossy(blob.data.get(..MAX_IGNORE).unwrap_or(&blob.data)).into_owned();
            let mut builder = GitignoreBuilder::new(Path::new(&path).parent().unwrap_or(Path::new("")));
            for line in text.lines() {
                builder.add_line(None, line).map_err(io::Error::other)?;
            }
            builder.build().map_err(io::Error::other)
        };
        Self(files.into_iter().filter_map(|file| parse(file).ok()).collect())
    }

    /// The deepest file that says something decides.
    fn hides(&self, path: &str) -> bool {
        let path = Path::new(path);
        let says = |layer: &&Gitignore| path.starts_with(layer.path());
        let verdicts = self.0.iter().rev().filter(says);
        let mut verdicts = verdicts.map(|layer| layer.matched_path_or_any_parents(path, false));
        verdicts.find(|verdict| !verdict.is_none()).is_some_and(|verdict| verdict.is_ignore())
    }
}
