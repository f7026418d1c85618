//! Which documents are ours, and which only look like it.

use crate::manifest::check::{nearest, shorten};
use crate::manifest::codes;
use crate::manifest::kind::{DATAMESH_GROUP, GOVERNANCE_GROUP, Kind, VERSION};
use crate::manifest::tree::{NodeId, Tree, View};
use datamesh_provider::{Diagnostic, FileId, Span};

/// A group this near to one of ours is a typing error, not another tool's.
const TYPO: usize = 2;

/// The API groups a mesh accepts.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    /// Groups of DataProduct and most other kinds; ours first.
    datamesh: Vec<String>,
    /// Groups of policies and waivers; ours first.
    governance: Vec<String>,
    /// There may be a group of the company's, and it is not known: no document is blamed for an unknown one.
    unsure: bool,
}

/// What a document is to us.
#[derive(Debug)]
pub(crate) enum Verdict {
    Ours(Kind),
    /// Another tool's, or no document of the Kubernetes form at all.
    Foreign,
    /// Meant to be ours, but it says so in a way that does not count.
    Wrong(Box<Diagnostic>),
}

impl Groups {
    /// `company` is the group the Mesh document names, if any.
    pub(crate) fn new(company: Option<&str>) -> Self {
        let mut groups = Self {
            datamesh: vec![DATAMESH_GROUP.to_owned()],
            governance: vec![GOVERNANCE_GROUP.to_owned()],
            unsure: false,
        };
        if let Some(company) = company {
            groups.datamesh.push(company.to_owned());
            groups.governance.extend([format!("governance.{company}"), company.to_owned()]);
        }
        groups
    }

    /// The company's group is not known.
    pub(crate) fn unsure() -> Self {
        Self { unsure: true, ..Self::new(None) }
    }

    pub(crate) fn are_unsure(&self) -> bool {
        self.unsure
    }

    /// Whether the bytes of one of our group names occur. Our second group contains the first.
    pub(crate) fn occur_in(&self, text: &str) -> bool {
        self.datamesh.iter().any(|group| text.contains(group.as_str()))
    }

    /// The same for bytes that are not UTF-8, also in the two-byte encodings some editors save as.
    pub(crate) fn occur_in_bytes(&self, bytes: &[u8]) -> bool {
        self.needles().iter().any(|needle| bytes.windows(needle.len()).any(|window| window == needle))
    }

    /// The byte strings that make a file ours to complain about.
    pub(crate) fn needles(&self) -> Vec<Vec<u8>> {
        let wide = |group: &str, unit: fn(u16) -> [u8; 2]| group.encode_utf16().flat_map(unit).collect();
        let forms = |group: &String| -> [Vec<u8>; 3] {
            [group.clone().into_bytes(), wide(group, u16::to_le_bytes), wide(group, u16::to_be_bytes)]
        };
        self.datamesh.iter().flat_map(forms).collect()
    }

    fn of(&self, kind: Kind) -> &[String] {
        if kind.is_governance() { &self.governance } else { &self.datamesh }
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        self.datamesh.iter().chain(&self.governance).map(String::as_str)
    }

    /// Judges one document.
    pub(crate) fn recognise(&self, tree: &Tree<'_>, file: FileId) -> Verdict {
        if !matches!(tree.view(tree.root), View::Mapping(_)) {
            return Verdict::Foreign;
        }
        let document =
            Header { tree, file, api: tree.get(tree.root, "apiVersion"), kind: tree.get(tree.root, "kind") };
        let verdict = document.judge(self);
        verdict.unwrap_or_else(|wrong| Verdict::Wrong(Box::new(wrong)))
    }
}

struct Header<'t, 'a> {
    tree: &'t Tree<'a>,
    file: FileId,
    api: Option<NodeId>,
    kind: Option<NodeId>,
}

impl<'t> Header<'t, '_> {
    fn judge(&self, groups: &Groups) -> Result<Verdict, Diagnostic> {
        let kind_text = self.kind.and_then(|id| self.tree.text(id)).unwrap_or_default();
        let kind = Kind::from_name(kind_text);
        let api = self.api.and_then(|id| self.tree.text(id)).unwrap_or_default();
        let (group, version) = api.split_once('/').unwrap_or((api, ""));
        if !groups.all().any(|known| known == group) {
            return self.not_our_group(groups, group, kind);
        }
        let Some(kind) = kind else { return Err(self.unknown_kind(kind_text)) };
        if !groups.of(kind).iter().any(|known| known == group) {
            let right = self.right(groups, kind);
            let detail = format!("The kind {} belongs to `{right}`, not to `{group}`.", kind.name());
            let wrong = Diagnostic::error(codes::WRONG_GROUP, detail).at(self.span(self.api), "wrong group");
            return Err(wrong.help(format!("Write `apiVersion: {right}`.")));
        }
        if version != VERSION {
            let detail = match version {
                "" => format!("The apiVersion `{}` names no version.", shorten(api)),
                _ => format!(
                    "This program knows version `{VERSION}` of the format, not `{}`.",
                    shorten(version)
                ),
            };
            let wrong =
                Diagnostic::error(codes::UNKNOWN_VERSION, detail).at(self.span(self.api), "unknown version");
            return Err(wrong.help(format!("Write `apiVersion: {group}/{VERSION}`.")));
        }
        Ok(Verdict::Ours(kind))
    }

    /// A document of another group: another tool's, unless it is near ours or carries a kind that only we have.
    fn not_our_group(&self, groups: &Groups, group: &str, kind: Option<Kind>) -> Result<Verdict, Diagnostic> {
        // Far longer or shorter names cannot be near, and comparing them would cost their length.
        let close = |known: &&str| {
            known.len().abs_diff(group.len()) <= 4 * TYPO && strsim::osa_distance(known, group) <= TYPO
        };
        if let Some(near) = groups.all().find(close) {
            let detail = format!(
                "The group `{group}` is not ours, but almost: with it, this document would be ignored and what it declares would vanish."
            );
            let wrong = Diagnostic::error(codes::UNKNOWN_GROUP, detail)
                .at(self.span(self.api), format!("did you mean `{near}/{VERSION}`?"));
            return Err(wrong.help(format!("Write `apiVersion: {near}/{VERSION}`.")));
        }
        let Some(kind) = kind.filter(|kind| kind.is_distinctive() && !groups.unsure) else {
            return Ok(Verdict::Foreign);
        };
        let right = self.right(groups, kind);
        let detail = match self.api {
            None => format!("A document of kind {} without apiVersion would be ignored.", kind.name()),
            Some(_) => {
                format!(
                    "A document of kind {} in the group `{}` would be ignored.",
                    kind.name(),
                    shorten(group)
                )
            }
        };
        let wrong = Diagnostic::error(codes::FOREIGN_GROUP, detail);
        let place = self.api.or(self.kind);
        let wrong = wrong.at(self.span(place), format!("expected `apiVersion: {right}`"));
        Err(wrong.help(format!(
            "Write `apiVersion: {right}`. If the file belongs to another tool, list it in .datameshignore."
        )))
    }

    fn unknown_kind(&self, kind: &str) -> Diagnostic {
        let known: Vec<String> = Kind::ALL.iter().map(|kind| format!("`{}`", kind.name())).collect();
        let known = known.join(", ");
        if self.kind.is_none() {
            let wrong = Diagnostic::error(codes::NO_KIND, "This document does not say what it is.");
            let wrong = wrong.at(self.span(self.api), "no `kind` beside this");
            return wrong.help(format!("Add `kind:` with one of {known}."));
        }
        let detail = format!("There is no kind `{}`.", shorten(kind));
        let (label, help) = match nearest(kind, Kind::ALL.iter().map(|kind| kind.name())) {
            Some(near) => (format!("did you mean `{near}`?"), format!("Write `kind: {near}`.")),
            None => ("unknown kind".to_owned(), format!("The kinds are {known}.")),
        };
        Diagnostic::error(codes::UNKNOWN_KIND, detail).at(self.span(self.kind), label).help(help)
    }

    /// The apiVersion this kind should have.
    fn right(&self, groups: &Groups, kind: Kind) -> String {
        let own = groups.of(kind).first().map_or(DATAMESH_GROUP, String::as_str);
        format!("{own}/{VERSION}")
    }

    fn span(&self, id: Option<NodeId>) -> Span {
        self.tree.span(id.unwrap_or(self.tree.root), self.file)
    }
}
