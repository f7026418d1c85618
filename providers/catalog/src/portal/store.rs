//! The files: read whole, written atomically, one writer at a time.

use super::document::Document;
use super::names::{file_name, folder, id_of};
use datamesh_provider::{ErrorKind, ObjectId, ProviderError, TypeName};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// No document is larger.
const LARGEST: u64 = 16 << 20;

/// The folder of one portal.
#[derive(Clone, Debug)]
pub(super) struct Store {
    root: PathBuf,
    system: String,
    /// As it is written in the Mesh document: the same on every machine.
    path: String,
}

/// The only writer of a portal, as long as this lives.
#[derive(Debug)]
pub(super) struct WriteLock {
    _file: File,
}

impl Store {
    pub(super) fn new(root: PathBuf, system: &str, path: &str) -> Self {
        Self { root, system: system.to_owned(), path: path.to_owned() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder as it is written in the Mesh document, without what makes no difference.
    pub(super) fn identity(&self) -> String {
        let parts: Vec<&str> = self.path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let slash = if self.path.starts_with('/') { "/" } else { "" };
        format!("portal:{slash}{}", parts.join("/"))
    }

    pub(super) fn error(&self, kind: ErrorKind, during: &str) -> ProviderError {
        ProviderError::new(kind, self.system.as_str(), self.path.as_str()).during(during)
    }

    /// An error of the file system, in its own words.
    pub(super) fn failed(&self, during: &str, error: &io::Error) -> ProviderError {
        let (kind, hint) = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                (ErrorKind::Forbidden, Some("This user needs to read and write the folder."))
            }
            io::ErrorKind::NotADirectory => {
                (ErrorKind::Config, Some("`catalog.path` leads through something that is no folder."))
            }
            io::ErrorKind::StorageFull => (ErrorKind::Unreachable, Some("Free some space on the disk.")),
            _ => (ErrorKind::Unreachable, None),
        };
        let mut out = self.error(kind, during).message(error.to_string());
        out.hint = hint.map(str::to_owned);
        out
    }

    /// Whether the folder can be used: it is one, or nothing is in its way.
    pub(super) fn probe(&self) -> Result<(), ProviderError> {
        let during = "look at the folder";
        match fs::metadata(&self.root) {
            Ok(meta) if meta.is_dir() => Ok(()),
            Ok(_) => Err(self.error(ErrorKind::Config, during).message("it is no folder")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.failed(during, &error)),
        }
    }

    fn file(&self, ty: &TypeName, id: &ObjectId) -> Result<PathBuf, ProviderError> {
        let folder = folder(ty).map(|folder| self.root.join("entities").join(folder));
        match (folder, file_name(id)) {
            (Some(folder), Some(name)) => Ok(folder.join(name)),
            _ => {
                let why = format!("a {ty} with this id cannot be kept in a file: it is empty or too long");
                Err(self.error(ErrorKind::Invalid, "find its file").message(why))
            }
        }
    }

    /// The document of an entity; `None` only when there is no such file.
    pub(super) fn read(&self, ty: &TypeName, id: &ObjectId) -> Result<Option<Document>, ProviderError> {
        let file = self.file(ty, id)?;
        let during = format!("read {ty} {}", id.as_str());
        let Some(bytes) = read_file(&file).map_err(|error| self.failed(&during, &error))? else {
            return Ok(None);
        };
        let document = Document::decode(&bytes).and_then(|document| {
            let same = document.ty == *ty && document.id == *id;
            if same {
                Ok(document)
            } else {
                Err(format!("it holds {} {}", document.ty, document.id.as_str()))
            }
        });
        document.map(Some).map_err(|why| {
            let name = file.strip_prefix(&self.root).unwrap_or(&file).display().to_string();
            self.error(ErrorKind::Protocol, &during)
                .message(format!("{name} cannot be used: {why}"))
                .hint("Restore the file, or move it away: the next apply writes it again.")
        })
    }

    /// Ids of a type, as the file names tell; sorted.
    pub(super) fn list(&self, ty: &TypeName) -> Result<Vec<ObjectId>, ProviderError> {
        let Some(folder) = folder(ty).map(|folder| self.root.join("entities").join(folder)) else {
            return Ok(Vec::new());
        };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed("list the entities", &error)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| self.failed("list the entities", &error))?;
            ids.extend(entry.file_name().to_str().and_then(id_of));
        }
        ids.sort();
        Ok(ids)
    }

    /// Takes the write lock without waiting; `None` while another process has it.
    pub(super) fn try_lock(&self) -> Result<Option<WriteLock>, ProviderError> {
        let during = "lock the folder";
        let lock = fs::create_dir_all(&self.root)
            .and_then(|()| OpenOptions::new().create(true).append(true).open(self.root.join(".lock")));
        let file = lock.map_err(|error| self.failed(during, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(WriteLock { _file: file })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(self.failed(during, &error)),
        }
    }

    /// Writes a document. `nonce` names the temporary file. The lock is only proof.
    pub(super) fn write(&self, _: &WriteLock, document: &Document, nonce: &str) -> Result<(), ProviderError> {
        let file = self.file(&document.ty, &document.id)?;
        let during = format!("write {} {}", document.ty, document.id.as_str());
        write_durably(&file, &document.encode(), nonce).map_err(|error| self.failed(&during, &error))
    }

    /// Removes a document; fine where there is none.
    pub(super) fn delete(&self, _: &WriteLock, ty: &TypeName, id: &ObjectId) -> Result<(), ProviderError> {
        let file = self.file(ty, id)?;
        remove(&file).map_err(|error| self.failed(&format!("delete {ty} {}", id.as_str()), &error))
    }
}

/// A regular file's content; `None` only where there is no such file.
pub(super) fn read_file(file: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::symlink_metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(meta) if !meta.is_file() => return Err(io::Error::other("it is no regular file")),
        Ok(meta) if meta.len() > LARGEST => return Err(io::Error::other("it is larger than 16 MiB")),
        Ok(_) => {}
    }
    fs::read(file).map(Some)
}

/// Readers see the old content or the new, and after a crash one of them is there: the new content is complete
/// on the disk before it gets the name, and the name before this returns.
pub(super) fn write_durably(file: &Path, content: &[u8], nonce: &str) -> io::Result<()> {
    replace(file, content, nonce, |out| out.sync_all())?;
    sync_folder(file.parent().unwrap_or(Path::new(".")))
}

/// Readers see the old content or the new. For what can be made again: nothing is forced onto the disk.
pub(super) fn write_atomically(file: &Path, content: &[u8], nonce: &str) -> io::Result<()> {
    replace(file, content, nonce, |_| Ok(()))
}

fn replace(
    file: &Path,
    content: &[u8],
    nonce: &str,
    before: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let temporary = folder.join(format!(".{nonce}.tmp"));
    let written = OpenOptions::new().write(true).create_new(true).open(&temporary).and_then(|mut out| {
        out.write_all(content)?;
        before(&out)?;
        fs::rename(&temporary, file)
    });
    if written.is_err() {
        // What is left is a file of ours under a name that nobody reads.
        let _ = fs::remove_file(&temporary);
    }
    written
}

pub(super) fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(file.parent().unwrap_or(Path::new("."))),
    }
}

/// A folder can be synced where it can be opened as a file; elsewhere the system does it by itself.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
