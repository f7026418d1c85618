//! All manifests of one tree: read and parsed in parallel, put together in the order of their paths.

use crate::manifest::codes;
use crate::manifest::file::{FileLoad, Reader};
use crate::manifest::kind::{Kind, Manifest};
use crate::manifest::limits::Limits;
use crate::manifest::model::Mesh;
use crate::manifest::named::{NamedFileError, NamedFiles};
use crate::manifest::recognise::{Groups, Verdict};
use crate::manifest::tree::parse;
use datamesh_provider::{Diagnostic, Diagnostics, FileId, SourceFile, Sources, Span, digest};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Where the Mesh document stands, below the root.
pub const MESH_FILE: &str = "datamesh.yaml";
/// Enough for the deepest document the limits can be raised to.
const STACK_BYTES: usize = 32 << 20;

/// Files that may hold manifests. Whoever implements it does the reading; several threads ask at once.
pub trait FileSet: Sync {
    /// Every `*.yaml` and `*.yml`, sorted by path, each path once.
    fn files(&self) -> &[FileEntry];

    /// The bytes of one file. Called only for [`EntryKind::Regular`] within the size limit; more than `at_most`
    /// bytes are an error.
    fn read(&self, index: usize, at_most: u64) -> Result<Vec<u8>, ReadError>;

    /// Whether one of the byte strings occurs in a file that is too large to be read as a whole.
    fn mentions(&self, index: usize, needles: &[Vec<u8>]) -> Result<bool, ReadError>;

    /// The bytes of a file that a manifest calls `name`, and that lies at this path below the root.
    fn read_named(&self, path: &str, name: &str, at_most: u64) -> Result<Vec<u8>, NamedFileError>;

    /// Manifests that should be there but are not: tracked by git, and not checked out.
    fn missing(&self) -> &[String] {
        &[]
    }
}

/// One file before it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Below the root, with `/`.
    pub path: String,
    pub bytes: u64,
    pub kind: EntryKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    Regular,
    Symlink,
    /// A pipe, a socket, a device.
    Other,
    /// Its name is not UTF-8; `path` is an approximation.
    BadName,
    /// It is known that reading fails; [`FileSet::read`] says why.
    Unreadable,
    /// A folder that belongs to another git repository, and is not entered.
    OtherRepository,
}

/// Why a file could not be read, in the words of the system.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReadError(pub String);

/// How to load.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Paths the state names as sources: whatever becomes unreadable there is an error, never skipped.
    pub recorded: BTreeSet<String>,
    /// Threads to parse with; default: one per core.
    pub threads: Option<NonZeroUsize>,
}

/// One document that could be decoded.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub manifest: Manifest,
    pub file: FileId,
    /// The file, below the root.
    pub path: Arc<str>,
    /// The whole document.
    pub span: Span,
}

/// A document of ours that could not be decoded. Its errors are among the diagnostics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub file: FileId,
    pub path: Arc<str>,
    /// `None` when the document could not be parsed, or its kind is unknown.
    pub kind: Option<Kind>,
    /// `domain/product@version`, `domain/product` (every version of it), or `domain`. `None`: it cannot be told
    /// what the document declares.
    pub owner: Option<String>,
}

/// What could be decoded of a document that is broken: for further checks only. Nothing is planned from it.
#[derive(Clone, Debug)]
pub struct Partial {
    pub loaded: Loaded,
    /// As of [`Broken`].
    pub owner: Option<String>,
    /// Names of the keys of which something was left out, and of those that a misspelled key may have meant: their
    /// absence says nothing.
    pub lost: BTreeSet<String>,
}

/// Why a file was left out without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// It parses, and holds nothing of ours.
    Foreign,
    /// It does not parse, and nothing says that it is ours: a template, say.
    Malformed,
    NotUtf8,
    TooLarge,
    Symlink,
    /// Not a regular file.
    Special,
    /// Its name is not UTF-8, and it names nothing of ours.
    BadName,
    /// A folder with a git repository of its own.
    OtherRepository,
}

impl SkipReason {
    /// The reason in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Foreign => "holds no datamesh documents",
            Self::Malformed => "is not YAML, and names nothing of datamesh",
            Self::NotUtf8 => "is not UTF-8, and names nothing of datamesh",
            Self::TooLarge => "is over the size limit, and names nothing of datamesh",
            Self::Symlink => "is a symbolic link",
            Self::Special => "is not a regular file",
            Self::BadName => "has a name that is not UTF-8, and names nothing of datamesh",
            Self::OtherRepository => "belongs to another git repository",
        }
    }
}

/// A file that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub path: String,
    pub reason: SkipReason,
}

/// Everything that was found.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// Every file that was seen, so that each diagnostic's place can be shown.
    pub sources: Sources,
    /// In the order of path and place.
    pub manifests: Vec<Loaded>,
    pub broken: Vec<Broken>,
    /// The parts of broken documents that could be decoded.
    pub partial: Vec<Partial>,
    pub skipped: Vec<Skipped>,
    pub diagnostics: Diagnostics,
    pub limits: Limits,
    /// Every path that was seen, whatever became of it.
    pub seen_paths: BTreeSet<String>,
    /// The files that manifests name.
    pub named: NamedFiles,
    /// Content digests of the files that hold manifests, and of those that manifests name, by path.
    pub inputs: BTreeMap<String, String>,
    /// Tracked manifests that are not on disk, so that their absence says nothing.
    pub missing: Vec<String>,
    /// Nothing may be planned: the Mesh document is broken, or a total is over its limit.
    pub stopped: bool,
}

impl Load {
    /// The Mesh document.
    pub fn mesh(&self) -> Option<&Mesh> {
        mesh_in(&self.manifests)
    }

    /// Whether every document of ours was there and was read: only then may absence mean removal.
    pub fn complete(&self) -> bool {
        !self.stopped && self.missing.is_empty() && !self.diagnostics.has_errors()
    }

    /// `sha256:…` over the paths and contents of every file with manifests, and of every file that these name.
    pub fn inputs_digest(&self) -> String {
        let mut text = String::new();
        for (path, content) in &self.inputs {
            // Lengths keep any two lists apart, whatever characters a path holds.
            text.push_str(&format!("{}:{path}{content}\n", path.len()));
        }
        digest(text.as_bytes())
    }
}

/// Reads, parses and decodes every manifest. Equal files give an equal result, whatever the threads do.
pub fn load(files: &impl FileSet, options: &LoadOptions) -> Load {
    let mut load = Load { missing: files.missing().to_vec(), ..Load::default() };
    for entry in files.files() {
        load.seen_paths.insert(entry.path.clone());
    }
    let Settings { limits, groups, broken } = mesh_settings(files, options);
    load.limits = limits;
    load.stopped = broken.is_some();
    let reader = Reader { files, limits: &load.limits, groups: &groups, recorded: &options.recorded };
    match read_all(&reader, options, broken) {
        Ok(results) => load.take(files, results),
        Err(over) => {
            load.stopped = true;
            load.diagnostics.push(over);
        }
    }
    load.check_mesh();
    load.diagnostics.sort();
    load
}

/// Whether a `datamesh.yaml` with this content makes its folder a mesh: it holds a Mesh document, or something that
/// is broken and should be looked at, rather than another tool's document.
pub fn may_hold_mesh(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return true };
    let groups = Groups::new(None);
    let documents = parse(text, FileId(0), &Limits::default());
    documents.iter().any(|document| match &document.tree {
        None => true,
        Some(tree) => match groups.recognise(tree, FileId(0)) {
            Verdict::Ours(kind) => kind == Kind::Mesh,
            Verdict::Wrong(_) => true,
            Verdict::Foreign => false,
        },
    })
}

/// How to read all files but the Mesh document.
struct Settings {
    limits: Limits,
    groups: Groups,
    /// The Mesh document is broken. What the others say wrong is said in the same run; nothing is planned.
    broken: Option<FileLoad>,
}

/// Reads the Mesh document before all others: it sets the limits and the groups for them.
fn mesh_settings(files: &impl FileSet, options: &LoadOptions) -> Settings {
    let absent = Settings { limits: Limits::default(), groups: Groups::new(None), broken: None };
    let Ok(index) = files.files().binary_search_by(|entry| entry.path.as_str().cmp(MESH_FILE)) else {
        return absent;
    };
    let reader =
        Reader { files, limits: &absent.limits, groups: &absent.groups, recorded: &options.recorded };
    let mut first = reader.file(index);
    let Some(mesh) = mesh_in(&first.manifests) else {
        // Nothing wrong with a file of this name that holds something else; the Mesh may be absent.
        let suspicious = first.diagnostics.has_errors();
        return if suspicious { unsettled(first) } else { absent };
    };
    let (limits, mut found) = match &mesh.spec.limits {
        Some(settings) => Limits::from_settings(settings),
        None => (Limits::default(), Diagnostics::default()),
    };
    let company = mesh.spec.api_group.as_ref();
    if let Some(group) = company.filter(|group| !is_group(&group.value)) {
        let detail = format!("`{}` is not a group name.", group.value);
        let wrong = Diagnostic::error(codes::BAD_API_GROUP, detail).on(group, "not a domain name");
        found.push(wrong.help("Write a domain name with at least one dot, such as `data.acme.com`."));
    }
    if found.has_errors() {
        first.diagnostics.extend(found);
        return unsettled(first);
    }
    Settings { limits, groups: Groups::new(company.map(|group| group.value.as_str())), broken: None }
}

/// A broken Mesh document may have meant to raise limits and to name a group, so others are not blamed for either:
/// the widest limits hold, and a document of an unknown group is another tool's.
fn unsettled(first: FileLoad) -> Settings {
    let parts = first.partial.iter().map(|partial| &partial.loaded);
    let mesh = mesh_in(parts).or_else(|| mesh_in(&first.manifests));
    let group = mesh.and_then(|mesh| mesh.spec.api_group.as_ref()).filter(|group| is_group(&group.value));
    let groups = match group {
        Some(group) => Groups::new(Some(&group.value)),
        None => Groups::unsure(),
    };
    Settings { limits: Limits::widest(), groups, broken: Some(first) }
}

fn mesh_in<'a>(loaded: impl IntoIterator<Item = &'a Loaded>) -> Option<&'a Mesh> {
    loaded.into_iter().find_map(|loaded| match &loaded.manifest {
        Manifest::Mesh(mesh) => Some(&**mesh),
        _ => None,
    })
}

/// A DNS name with a dot, as Kubernetes groups are.
fn is_group(text: &str) -> bool {
    let label = |label: &str| {
        let clean = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !label.is_empty() && label.bytes().all(clean)
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}

/// What all files hold together, counted while they are read so that memory stays within the limits.
struct Totals<'l> {
    limits: &'l Limits,
    bytes: AtomicU64,
    documents: AtomicU64,
    over: AtomicBool,
}

impl<'l> Totals<'l> {
    fn new(limits: &'l Limits) -> Self {
        let (bytes, documents, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        Self { limits, bytes, documents, over }
    }

    fn add(&self, file: &FileLoad) {
        let documents = (file.manifests.len() + file.broken.len()) as u64;
        let bytes = if documents > 0 { file.bytes } else { 0 };
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let documents = self.documents.fetch_add(documents, Ordering::Relaxed) + documents;
        if bytes > self.limits.total_bytes || documents > self.limits.documents {
            self.over.store(true, Ordering::Relaxed);
        }
    }

    /// The error names no counts: how far the threads came is chance.
    fn verdict(&self) -> Result<(), Diagnostic> {
        if self.bytes.load(Ordering::Relaxed) > self.limits.total_bytes {
            let detail = format!("All manifests together have more than {} bytes.", self.limits.total_bytes);
            return Err(Diagnostic::error(codes::TOO_MUCH, detail).help(Limits::raise("total_bytes")));
        }
        if self.documents.load(Ordering::Relaxed) > self.limits.documents {
            let detail = format!("There are more than {} manifests.", self.limits.documents);
            return Err(Diagnostic::error(codes::TOO_MUCH, detail).help(Limits::raise("documents")));
        }
        Ok(())
    }
}

/// All files, in their order. `done` was read before.
fn read_all<F: FileSet>(
    reader: &Reader<'_, F>,
    options: &LoadOptions,
    done: Option<FileLoad>,
) -> Result<Vec<FileLoad>, Diagnostic> {
    let count = reader.files.files().len();
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = options.threads.map_or_else(cores, NonZeroUsize::get).clamp(1, count.max(1));
    let totals = Totals::new(reader.limits);
    let next = AtomicUsize::new(0);
    let already = done.as_ref().map(|done| done.file);
    let work = || {
        let mut all = Vec::new();
        while !totals.over.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            if already.is_some_and(|file| usize::try_from(file.0) == Ok(index)) {
                continue;
            }
            let file = reader.file(index);
            totals.add(&file);
            all.push(file);
        }
        all
    };
    let (mut results, started) = std::thread::scope(|scope| {
        let spawn = |_| std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work).ok();
        // Fewer threads than asked for only take longer.
        let workers: Vec<_> = (0..threads).filter_map(spawn).collect();
        let started = !workers.is_empty();
        let mut results = Vec::with_capacity(count);
        for worker in workers {
            match worker.join() {
                Ok(done) => results.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        (results, started)
    });
    if !started {
        return Err(Diagnostic::error(
            codes::UNREADABLE,
            "The system gave no thread to read manifests with.",
        ));
    }
    totals.verdict()?;
    results.extend(done);
    results.sort_by_key(|file| file.file);
    Ok(results)
}

impl Load {
    fn take(&mut self, files: &impl FileSet, results: Vec<FileLoad>) {
        let mut sources = Sources::default();
        let mut texts: BTreeMap<FileId, Arc<str>> = BTreeMap::new();
        for result in results {
            if let Some(text) = result.text {
                texts.insert(result.file, text);
            }
            let path = result.path;
            if let Some(digest) = result.digest {
                self.inputs.insert(path.to_string(), digest);
            }
            self.skipped.extend(result.skipped.map(|reason| Skipped { path: path.to_string(), reason }));
            self.manifests.extend(result.manifests);
            self.broken.extend(result.broken);
            self.partial.extend(result.partial);
            self.diagnostics.extend(result.diagnostics);
            let read = result.named.values().filter_map(|file| file.as_ref().ok());
            self.inputs.extend(read.map(|file| (file.path.clone(), digest(file.text.as_bytes()))));
            self.named.extend(result.named);
        }
        for (index, entry) in files.files().iter().enumerate() {
            let id = FileId(u32::try_from(index).unwrap_or(u32::MAX));
            sources.add(SourceFile { path: entry.path.as_str().into(), text: texts.remove(&id) });
        }
        self.sources = sources;
    }

    /// There is one Mesh document, and it stands at the root.
    fn check_mesh(&mut self) {
        let mut found = Diagnostics::default();
        let meshes = || self.manifests.iter().filter(|loaded| loaded.manifest.kind() == Kind::Mesh);
        let in_part = self.partial.iter().map(|partial| &partial.loaded);
        let at_root = |loaded: &&Loaded| loaded.manifest.kind() == Kind::Mesh && &*loaded.path == MESH_FILE;
        let root = self.manifests.iter().chain(in_part).find(at_root);
        if root.is_none() && self.stopped {
            // The one at the root cannot be read: it cannot be told which one is too many.
            return;
        }
        for mesh in meshes() {
            let same = root.is_some_and(|root| root.span == mesh.span);
            if same {
                continue;
            }
            let found_here = match root {
                Some(root) => {
                    let detail = "A mesh has one Mesh document, and this is another one.";
                    Diagnostic::error(codes::SECOND_MESH, detail)
                        .at(mesh.span, "another Mesh document")
                        .at(root.span, "the Mesh document of this mesh")
                        .help("Remove one of them. If this folder is a mesh of its own, list it in .datameshignore.")
                }
                None => {
                    let detail =
                        format!("The Mesh document stands in `{MESH_FILE}` at the root, nowhere else.");
                    Diagnostic::error(codes::MESH_ELSEWHERE, detail)
                        .at(mesh.span, "not at the root")
                        .help(format!("Move it into `{MESH_FILE}`."))
                }
            };
            found.push(found_here);
        }
        if found.has_errors() {
            self.manifests
                .retain(|loaded| loaded.manifest.kind() != Kind::Mesh || &*loaded.path == MESH_FILE);
            self.stopped = true;
        }
        self.diagnostics.extend(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: u64, documents: usize) -> FileLoad {
        let path: Arc<str> = "a.yaml".into();
        let broken = Broken { file: FileId(0), path: Arc::clone(&path), kind: None, owner: None };
        FileLoad { bytes, broken: vec![broken; documents], ..FileLoad::of(FileId(0), path) }
    }

    fn verdict(files: &[FileLoad]) -> Result<(), Diagnostic> {
        let totals = Totals::new(&DEFAULTS);
        files.iter().for_each(|file| totals.add(file));
        assert_eq!(totals.verdict().is_err(), totals.over.load(Ordering::Relaxed));
        totals.verdict()
    }

    static DEFAULTS: std::sync::LazyLock<Limits> = std::sync::LazyLock::new(Limits::default);

    #[test]
    fn total_bytes_count_only_files_with_manifests() {
        let at = || vec![file(200 << 20, 1), file(56 << 20, 1)];
        assert_eq!(verdict(&at()), Ok(()));
        let mut foreign = at();
        foreign.push(file(u64::MAX / 2, 0));
        assert_eq!(verdict(&foreign), Ok(()));
        let mut past = at();
        past.push(file(1, 1));
        assert_eq!(verdict(&past).map_err(|over| over.code), Err(codes::TOO_MUCH));
    }

    #[test]
    fn documents_count_broken_ones_too() {
        assert_eq!(verdict(&[file(1, 60_000), file(1, 40_000)]), Ok(()));
        let past = verdict(&[file(1, 60_000), file(1, 40_001)]);
        assert_eq!(past.map_err(|over| over.code), Err(codes::TOO_MUCH));
    }
}
