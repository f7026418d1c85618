//! Tests of loading: what is accepted, what is refused, and what is said about it.

mod accepted;
mod hostile;
mod limits;
mod recognised;
mod schemas;
mod shape;

use crate::manifest::{EntryKind, FileEntry, FileSet, Load, LoadOptions, Manifest, ReadError, load};

pub(super) const SEED_PRODUCT: &str = include_str!("seed/orders-facts.yaml");
pub(super) const SEED_POLICY: &str = include_str!("seed/global-data-standards.yaml");

/// Files in memory.
#[derive(Default)]
pub(super) struct Files {
    entries: Vec<FileEntry>,
    contents: Vec<Result<Vec<u8>, ReadError>>,
}

impl Files {
    pub(super) fn of(files: &[(&str, &[u8])]) -> Self {
        let mut sorted: Vec<_> = files.to_vec();
        sorted.sort_unstable();
        let mut set = Self::default();
        for (path, content) in sorted {
            set.push(path, EntryKind::Regular, Ok(content.to_vec()));
        }
        set
    }

    pub(super) fn push(&mut self, path: &str, kind: EntryKind, content: Result<Vec<u8>, ReadError>) {
        let bytes = content.as_ref().map_or(0, |bytes| bytes.len() as u64);
        self.entries.push(FileEntry { path: path.to_owned(), bytes, kind });
        self.contents.push(content);
    }
}

impl FileSet for Files {
    fn files(&self) -> &[FileEntry] {
        &self.entries
    }

    fn read(&self, index: usize, at_most: u64) -> Result<Vec<u8>, ReadError> {
        let content = self.contents[index].clone()?;
        assert!(content.len() as u64 <= at_most, "asked to read more than the limit");
        Ok(content)
    }

    fn read_named(&self, path: &str, _: &str, _: u64) -> Result<Vec<u8>, crate::manifest::NamedFileError> {
        let (path, reason) = (path.to_owned(), "no such file".to_owned());
        Err(crate::manifest::NamedFileError::Unreadable { path, reason })
    }

    fn mentions(&self, index: usize, needles: &[Vec<u8>]) -> Result<bool, ReadError> {
        let content = self.contents[index].clone()?;
        Ok(needles.iter().any(|needle| content.windows(needle.len()).any(|window| window == needle)))
    }
}

pub(super) fn load_files(files: &[(&str, &[u8])]) -> Load {
    load(&Files::of(files), &LoadOptions::default())
}

pub(super) fn load_text(text: &str) -> Load {
    load_files(&[("a.yaml", text.as_bytes())])
}

/// The diagnostics as text: code, places as line:column with their labels, detail, help.
pub(super) fn show(load: &Load) -> String {
    let mut out = String::new();
    for diagnostic in &load.diagnostics {
        out.push_str(&format!("{} {}\n", diagnostic.code.id, diagnostic.detail));
        for label in &diagnostic.labels {
            let path = load.sources.path(label.span.file);
            let (line, column) = load.sources.line_column(label.span).unwrap_or_default();
            out.push_str(&format!("  {path}:{line}:{column} {}\n", label.text));
        }
        if let Some(help) = &diagnostic.help {
            out.push_str(&format!("  help: {help}\n"));
        }
    }
    out
}

pub(super) fn codes(load: &Load) -> Vec<&'static str> {
    load.diagnostics.iter().map(|diagnostic| diagnostic.code.id).collect()
}

pub(super) fn product(load: &Load) -> &crate::manifest::model::DataProduct {
    let found = load.manifests.iter().find_map(|loaded| match &loaded.manifest {
        Manifest::DataProduct(product) => Some(&**product),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no product:\n{}", show(load)))
}

/// A product with the given lines in its `spec`.
pub(super) fn with_spec(spec: &str) -> String {
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "apiVersion: datamesh.example.com/v1\nkind: DataProduct\nmetadata:\n  name: facts\n  domain: orders\nspec:\n{spec}"
    )
}
