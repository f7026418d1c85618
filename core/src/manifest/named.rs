//! Files that manifests name, such as `spec.schema.source`: beside the manifest or below it, and read with it.

use crate::manifest::kind::Manifest;
use crate::manifest::language::Language;
use crate::manifest::load::FileSet;
use datamesh_provider::Spanned;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A file that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// Below the root.
    pub path: String,
    pub text: String,
}

/// The files that manifests name: by the manifest's path, and by what it calls them.
pub type NamedFiles = BTreeMap<(Arc<str>, String), Result<NamedFile, NamedFileError>>;

/// Why a file that a manifest names is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamedFileError {
    #[error(
        "`{0}` is not a path beside the manifest: it must be relative, without `..` and without empty parts"
    )]
    NotBeside(String),
    #[error("`{0}` lies outside of the mesh or within a folder that is never read")]
    Forbidden(String),
    #[error("`{0}` is, or lies behind, a symbolic link; links are never followed")]
    Link(String),
    #[error("`{0}` is hidden by .gitignore or .datameshignore")]
    Ignored(String),
    #[error("`{0}` is not a regular file")]
    NotAFile(String),
    #[error("`{0}` is not UTF-8 text")]
    NotText(String),
    #[error("`{path}` cannot be read: {reason}")]
    Unreadable { path: String, reason: String },
}

/// Where a file that a manifest names lies below the root.
///
/// # Errors
/// The name leads away from the manifest, or into a folder that is never read.
pub fn beside(manifest: &str, name: &str) -> Result<String, NamedFileError> {
    let parts: Vec<&str> = name.split('/').filter(|part| *part != ".").collect();
    let strange = |part: &&str| part.is_empty() || *part == ".." || part.contains(['\0', '\\']);
    if parts.is_empty() || parts.iter().any(strange) {
        return Err(NamedFileError::NotBeside(name.to_owned()));
    }
    let secret = |part: &&str| part.eq_ignore_ascii_case(".git") || part.eq_ignore_ascii_case(".datamesh");
    if parts.iter().any(secret) {
        return Err(NamedFileError::Forbidden(name.to_owned()));
    }
    let folder = manifest.rsplit_once('/').map(|(folder, _)| folder);
    Ok(folder.into_iter().chain(parts).collect::<Vec<_>>().join("/"))
}

/// Reads what one manifest names, and says how many bytes that were: they count as the manifest's own, so that many
/// manifests cannot name one large file.
pub(crate) fn read(
    files: &impl FileSet,
    manifest: &Manifest,
    path: &Arc<str>,
    at_most: u64,
    named: &mut NamedFiles,
) -> u64 {
    let Manifest::DataProduct(doc) = manifest else { return 0 };
    let source = doc.spec.schema.as_ref().and_then(|schema| schema.source.as_ref());
    // What is wrong with another name is said where the contract is made.
    let usable = |name: &&Spanned<String>| Language::of_file(name).is_some();
    let Some(name) = source.filter(usable) else { return 0 };
    let key = (Arc::clone(path), name.value.clone());
    if named.contains_key(&key) {
        return 0;
    }
    let read = || {
        let path = beside(path, name)?;
        let bytes = files.read_named(&path, name, at_most)?;
        match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Ok(NamedFile { path, text }),
            _ => Err(NamedFileError::NotText(name.value.clone())),
        }
    };
    let read = read();
    let bytes = read.as_ref().map_or(0, |file| file.text.len() as u64);
    named.insert(key, read);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_a_file_beside_the_manifest_and_nowhere_else() {
        let to = |name: &str| beside("domains/orders/facts.yaml", name);
        assert_eq!(to("facts.avsc").as_deref(), Ok("domains/orders/facts.avsc"));
        assert_eq!(to("./schemas/./facts.avsc").as_deref(), Ok("domains/orders/schemas/facts.avsc"));
        assert_eq!(beside("facts.yaml", "facts.avsc").as_deref(), Ok("facts.avsc"));
        for away in ["", ".", "..", "../facts.avsc", "a/../b", "/etc/passwd", "a//b", "a/", "a\\b", "a\0b"] {
            assert_eq!(to(away), Err(NamedFileError::NotBeside(away.to_owned())), "{away:?}");
        }
        for secret in [".git/config", "x/.GIT/config", ".datamesh/state/a"] {
            assert_eq!(to(secret), Err(NamedFileError::Forbidden(secret.to_owned())));
        }
    }
}
