//! One file: what it holds of ours, and what is wrong with it.

use crate::manifest::codes;
use crate::manifest::decode::{Decoded, Outcome, decode};
use crate::manifest::kind::Kind;
use crate::manifest::limits::Limits;
use crate::manifest::load::{Broken, EntryKind, FileSet, Loaded, Partial, SkipReason};
use crate::manifest::named::{self, NamedFiles};
use crate::manifest::recognise::{Groups, Verdict};
use crate::manifest::tree::{Parsed, Tree, parse};
use datamesh_provider::{Code, Diagnostic, Diagnostics, FileId, Span, digest};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Everything that is the same for every file.
pub(crate) struct Reader<'r, F> {
    pub(crate) files: &'r F,
    pub(crate) limits: &'r Limits,
    pub(crate) groups: &'r Groups,
    pub(crate) recorded: &'r BTreeSet<String>,
}

/// What became of one file.
#[derive(Debug)]
pub(crate) struct FileLoad {
    pub(crate) file: FileId,
    pub(crate) path: Arc<str>,
    /// Kept where the file is ours to quote.
    pub(crate) text: Option<Arc<str>>,
    pub(crate) digest: Option<String>,
    pub(crate) bytes: u64,
    pub(crate) manifests: Vec<Loaded>,
    pub(crate) broken: Vec<Broken>,
    pub(crate) partial: Vec<Partial>,
    pub(crate) skipped: Option<SkipReason>,
    pub(crate) named: NamedFiles,
    pub(crate) diagnostics: Diagnostics,
}

impl<F: FileSet> Reader<'_, F> {
    /// Reads and decodes the file of this index. An index beyond the list gives an empty result.
    pub(crate) fn file(&self, index: usize) -> FileLoad {
        let file = FileId(u32::try_from(index).unwrap_or(u32::MAX));
        let entry = self.files.files().get(index);
        let path = entry.map_or("", |entry| &entry.path);
        let mut load =
            FileLoad { bytes: entry.map_or(0, |entry| entry.bytes), ..FileLoad::of(file, path.into()) };
        // Such a file is ours whatever it holds: by its name, or because the state says so.
        let claimed = is_named_ours(path) || self.recorded.contains(path);
        match entry.map(|entry| entry.kind) {
            None => {}
            Some(EntryKind::Regular) => self.regular(index, claimed, &mut load),
            Some(EntryKind::Symlink) => {
                let detail =
                    format!("`{path}` is a symbolic link. Links are never followed, so it cannot be read.");
                let help = "Put the file itself here.";
                load.refuse(claimed, SkipReason::Symlink, codes::SYMLINK, detail, help);
            }
            Some(EntryKind::Other) => {
                let detail = format!("`{path}` is neither a file nor a folder.");
                let help = "Put a regular file here.";
                load.refuse(claimed, SkipReason::Special, codes::NOT_A_FILE, detail, help);
            }
            Some(EntryKind::BadName) => self.bad_name(index, claimed, &mut load),
            Some(EntryKind::Unreadable) => {
                let reason = self.files.read(index, 0).err();
                load.unreadable(
                    &reason.map_or_else(|| "for an unknown reason".to_owned(), |e| e.to_string()),
                );
            }
            Some(EntryKind::OtherRepository) => load.skipped = Some(SkipReason::OtherRepository),
        }
        load
    }

    fn regular(&self, index: usize, claimed: bool, load: &mut FileLoad) {
        if load.bytes > self.limits.file_bytes {
            return self.too_large(index, claimed, load);
        }
        let bytes = match self.files.read(index, self.limits.file_bytes) {
            Ok(bytes) => bytes,
            Err(error) => return load.unreadable(&error.to_string()),
        };
        load.bytes = bytes.len() as u64;
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let detail = format!(
                    "`{}` is not UTF-8 text: byte {at} does not belong into any character.",
                    load.path
                );
                let ours = claimed || self.groups.occur_in_bytes(error.as_bytes());
                let help = "Save the file as UTF-8. If it is not a manifest, list it in .datameshignore.";
                return load.refuse(ours, SkipReason::NotUtf8, codes::NOT_UTF8, detail, help);
            }
        };
        // Two-byte encodings of plain text are valid UTF-8, full of NUL bytes.
        if text.as_bytes().contains(&0)
            && self.groups.occur_in_bytes(text.as_bytes())
            && !self.groups.occur_in(&text)
        {
            let detail = format!("`{}` is not UTF-8 text: it looks like UTF-16.", load.path);
            return load.refuse(
                true,
                SkipReason::NotUtf8,
                codes::NOT_UTF8,
                detail,
                "Save the file as UTF-8.",
            );
        }
        if !claimed && !may_be_ours(&text) && !self.groups.occur_in(&text) {
            load.skipped = Some(SkipReason::Foreign);
            return;
        }
        // Only its name, or the state, may say that a file is ours: then its text is nobody's to see.
        if self.documents(&text, claimed, load) {
            load.digest = Some(digest(text.as_bytes()));
            load.text = Some(text.into());
        }
    }

    /// Addresses, plans and states name files, so a name must be text.
    fn bad_name(&self, index: usize, claimed: bool, load: &mut FileLoad) {
        let ours = claimed || self.files.mentions(index, &self.groups.needles()).unwrap_or(true);
        let detail = format!("The name of `{}` is not UTF-8 text.", load.path);
        load.refuse(ours, SkipReason::BadName, codes::BAD_FILE_NAME, detail, "Rename it.");
    }

    fn too_large(&self, index: usize, claimed: bool, load: &mut FileLoad) {
        let ours = claimed
            || match self.files.mentions(index, &self.groups.needles()) {
                Ok(mentioned) => mentioned,
                Err(error) => return load.unreadable(&error.to_string()),
            };
        let detail = format!(
            "`{}` has {} bytes; {} are allowed for one file.",
            load.path, load.bytes, self.limits.file_bytes
        );
        let help = format!(
            "Split it. {} If it is not a manifest, list it in .datameshignore.",
            Limits::raise("file_bytes")
        );
        load.refuse(ours, SkipReason::TooLarge, codes::FILE_TOO_LARGE, detail, &help);
    }

    /// Whether the file is ours to quote.
    fn documents(&self, text: &str, claimed: bool, load: &mut FileLoad) -> bool {
        let mentioned = self.groups.occur_in(text);
        let (mut ours, mut refused, mut malformed) = (false, false, false);
        for Parsed { tree, problems } in parse(text, load.file, self.limits) {
            match tree {
                Some(mut tree) => ours |= self.document(&mut tree, problems, load),
                None if mentioned || claimed => {
                    refused = true;
                    load.broken(None, None);
                    let problems = problems.into_iter();
                    load.diagnostics.extend(problems.map(|p| if mentioned { p } else { with_line(p, text) }));
                }
                None => malformed = true,
            }
        }
        if !ours && !refused && is_named_ours(&load.path) && !self.groups.are_unsure() {
            let detail =
                format!("`{}` is named as a manifest, but holds no document of datamesh.", load.path);
            load.broken(None, None);
            let help = "Give it an apiVersion and a kind, or another name.";
            load.fail(codes::NOTHING_OF_OURS, detail, help);
        } else if !ours && !refused {
            load.skipped = Some(if malformed { SkipReason::Malformed } else { SkipReason::Foreign });
        }
        ours || (refused && mentioned)
    }

    /// Whether the document is ours, or should be.
    fn document(&self, tree: &mut Tree<'_>, problems: Vec<Diagnostic>, load: &mut FileLoad) -> bool {
        let kind = match self.groups.recognise(tree, load.file) {
            Verdict::Foreign => return false,
            Verdict::Wrong(wrong) => {
                load.broken(None, None);
                load.diagnostics.push(*wrong);
                load.diagnostics.extend(problems);
                return true;
            }
            Verdict::Ours(kind) => kind,
        };
        let (file, path) = (load.file, Arc::clone(&load.path));
        let span = tree.span(tree.root, file);
        let Decoded { outcome, mut found } = decode(kind, tree, file, self.limits, problems);
        match outcome {
            Outcome::Whole(manifest) => {
                load.bytes +=
                    named::read(self.files, &manifest, &path, self.limits.file_bytes, &mut load.named);
                load.manifests.push(Loaded { manifest, file, path, span });
            }
            Outcome::Broken { owner, rest } => {
                if let Some(owner) = &owner {
                    found = found.scoped(owner);
                }
                load.broken(Some(kind), owner.clone());
                load.partial.extend(rest.map(|(manifest, lost)| {
                    let loaded = Loaded { manifest, file, path, span };
                    Partial { loaded, owner, lost }
                }));
            }
        }
        load.diagnostics.extend(found);
        true
    }
}

impl FileLoad {
    /// Nothing known of the file yet.
    pub(crate) fn of(file: FileId, path: Arc<str>) -> Self {
        Self {
            file,
            path,
            text: None,
            digest: None,
            bytes: 0,
            manifests: Vec::new(),
            broken: Vec::new(),
            partial: Vec::new(),
            skipped: None,
            named: NamedFiles::new(),
            diagnostics: Diagnostics::default(),
        }
    }

    fn broken(&mut self, kind: Option<Kind>, owner: Option<String>) {
        self.broken.push(Broken { file: self.file, path: Arc::clone(&self.path), kind, owner });
    }

    /// An error where the file is ours, a counted skip otherwise.
    fn refuse(&mut self, ours: bool, reason: SkipReason, code: Code, detail: String, help: &str) {
        if ours {
            self.broken(None, None);
            self.fail(code, detail, help);
        } else {
            self.skipped = Some(reason);
        }
    }

    fn unreadable(&mut self, reason: &str) {
        let detail = format!("`{}` cannot be read: {reason}.", self.path);
        let help = "Make it readable, or list it in .datameshignore.";
        self.broken(None, None);
        self.fail(codes::UNREADABLE, detail, help);
    }

    fn fail(&mut self, code: Code, detail: String, help: &str) {
        let start = Span { file: self.file, start: 0, end: 0 };
        self.diagnostics.push(Diagnostic::error(code, detail).at(start, "this file").help(help));
    }
}

/// Names the line in words, for a file whose text is not kept.
fn with_line(mut problem: Diagnostic, text: &str) -> Diagnostic {
    if let Some(label) = problem.labels.first() {
        let before = text.bytes().take(usize::try_from(label.span.start).unwrap_or(usize::MAX));
        let line = before.filter(|byte| *byte == b'\n').count() + 1;
        problem.detail.push_str(&format!(" This is at line {line}."));
    }
    problem
}

/// Whether the file's name says that it is a manifest.
fn is_named_ours(path: &str) -> bool {
    path.ends_with(".datamesh.yaml") || path.ends_with(".datamesh.yml")
}

/// Whether the text could hold a document that is ours, or that should be: a cheap test which most files of a
/// monorepo fail.
fn may_be_ours(text: &str) -> bool {
    let distinctive = || Kind::ALL.iter().any(|kind| kind.is_distinctive() && text.contains(kind.name()));
    text.contains("apiVersion") || distinctive()
}
