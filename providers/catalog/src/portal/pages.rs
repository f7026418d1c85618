//! Keeps the site's files in step with the entities.

use super::names::{FOLDERS, file_name};
use super::store::{Store, WriteLock, read_file, remove, write_atomically};
use crate::codes::{NOT_OUR_PAGE, SITE_FAILED};
use crate::site::{Entities, MARK, site};
use datamesh_provider::{Attributes, Diagnostic, TypeName, digest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Which pages are ours, by path below the folder, with the digest of what we wrote.
const LIST: &str = "site.json";
const FORMAT: u32 = 1;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct List {
    format: u32,
    files: BTreeMap<String, String>,
}

/// Documents read before, by file: one that did not change is not read again.
#[derive(Debug, Default)]
pub(super) struct Pages {
    known: BTreeMap<PathBuf, (Stamp, Attributes)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

pub(super) fn failed(why: &str) -> Diagnostic {
    let detail = format!("The entities are written, and the pages still show what was before: {why}");
    Diagnostic::warning(SITE_FAILED, detail)
        .help("The next apply that changes the catalog writes them again.")
}

impl Pages {
    /// Writes what changed, and removes pages of ours that nothing leads to any more.
    pub(super) fn rebuild(&mut self, store: &Store, _: &WriteLock, nonce: &str) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let entities = self.entities(store, &mut found);
        let pages = site(&entities);
        let before = self.list(store);
        let mut after = BTreeMap::new();
        for (path, content) in &pages {
            let (file, print) = (store.root().join(path), digest(content.as_bytes()));
            let known = before.files.get(path);
            let written = match known {
                Some(known) if *known == print && file.is_file() => Ok(()),
                None if foreign(&file) => {
                    found.push(not_ours(path));
                    continue;
                }
                _ => write_atomically(&file, content.as_bytes(), nonce),
            };
            match written {
                Ok(()) => {
                    after.insert(path.clone(), print);
                }
                Err(error) => found.push(failed(&format!("{path}: {error}"))),
            }
        }
        for (path, print) in before.files.iter().filter(|(path, _)| !pages.contains_key(*path)) {
            remove_stale(store, path, print);
        }
        let after = List { format: FORMAT, files: after };
        if after != before {
            let text = serde_json::to_string_pretty(&after).unwrap_or_default() + "\n";
            if let Err(error) = write_atomically(&store.root().join(LIST), text.as_bytes(), nonce) {
                found.push(failed(&format!("{LIST}: {error}")));
            }
        }
        found
    }

    fn list(&self, store: &Store) -> List {
        let bytes = read_file(&store.root().join(LIST)).ok().flatten();
        let list = bytes.and_then(|bytes| serde_json::from_slice::<List>(&bytes).ok());
        list.filter(|list| list.format == FORMAT).unwrap_or_default()
    }

    /// Every entity that can be read; one that cannot is left out and told.
    fn entities(&mut self, store: &Store, found: &mut Vec<Diagnostic>) -> Entities {
        let mut all: Vec<BTreeMap<String, Attributes>> = Vec::new();
        let mut seen = BTreeMap::new();
        for (ty, folder) in FOLDERS {
            let ty = TypeName::new(ty);
            let mut of_type = BTreeMap::new();
            for id in store.list(&ty).unwrap_or_default() {
                let Some(name) = file_name(&id) else { continue };
                let file = store.root().join("entities").join(folder).join(name);
                let Some(stamp) = stamp(&file) else { continue };
                let attributes = match self.known.remove(&file).filter(|(known, _)| *known == stamp) {
                    Some((_, attributes)) => attributes,
                    None => match store.read(&ty, &id) {
                        Ok(Some(document)) => Attributes::clone(&document.live().attributes),
                        Ok(None) => continue,
                        Err(error) => {
                            found.push(failed(&error.message));
                            continue;
                        }
                    },
                };
                of_type.insert(id.0, attributes.clone());
                seen.insert(file, (stamp, attributes));
            }
            all.push(of_type);
        }
        self.known = seen;
        let mut all = all.into_iter();
        let mut next = || all.next().unwrap_or_default();
        Entities { domains: next(), products: next(), lineage: next() }
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let meta = fs::symlink_metadata(file).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&meta);
    #[cfg(not(unix))]
    let inode = 0;
    Some(Stamp { length: meta.len(), modified: meta.modified().ok(), inode })
}

/// Whether something stands there that we did not write. Pages carry a mark, so that they are known even where
/// the list was lost.
fn foreign(file: &Path) -> bool {
    match read_file(file) {
        Ok(None) => false,
        Ok(Some(bytes)) => !bytes.windows(MARK.len()).take(1024).any(|window| window == MARK.as_bytes()),
        Err(_) => true,
    }
}

fn not_ours(path: &str) -> Diagnostic {
    let detail =
        format!("`{path}` in the catalog's folder was not written by this program, so it stays as it is.");
    Diagnostic::warning(NOT_OUR_PAGE, detail)
        .help("Move it elsewhere, and the page is written with the next apply.")
}

/// Removes a page that the list names, if it is still what we wrote. The list is only a file: a path that leads
/// out of the folder is none of ours.
fn remove_stale(store: &Store, path: &str, print: &str) {
    let parts: Vec<&str> = path.split('/').collect();
    let inside = parts.iter().all(|part| !matches!(*part, "" | "." | "..") && !part.contains('\\'));
    let file = store.root().join(path);
    let ours = inside
        && parts.first().is_some_and(|first| *first != "entities")
        && read_file(&file).ok().flatten().is_some_and(|bytes| digest(&bytes) == print);
    if ours && remove(&file).is_ok() {
        // Only empty folders go; one that is not says so by failing.
        let folders = file.ancestors().skip(1).take_while(|folder| *folder != store.root());
        for folder in folders {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}
