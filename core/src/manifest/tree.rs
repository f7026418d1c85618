//! YAML text as trees with places, one per document, within bounds.
//!
//! Events of the parser go into an arena without recursion. An alias is stored as a reference to the node it
//! stands for, and the nodes it would expand to are counted, so a "billion laughs" file costs what it weighs.
//! A document that breaks does not hide the ones after it.

use crate::manifest::check::{MOST_ERRORS, more_errors};
use crate::manifest::codes;
use crate::manifest::limits::Limits;
use crate::manifest::scalar::Resolved;
use datamesh_provider::{Code, Diagnostic, FileId, Span};
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, StrInput, Tag};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// More broken documents than this in one file are not looked at.
const MAX_BROKEN: usize = 20;
/// Maps up to this size are searched for duplicates by comparing; larger ones with a table.
const SMALL_MAP: usize = 8;
/// Seen in manifests; only a guess at how much room to make.
const BYTES_PER_NODE: usize = 12;
/// A large file may be one long text.
const MOST_EXPECTED: usize = 4096;

pub(crate) type NodeId = u32;

/// One document. Children come before their parents in `nodes`.
#[derive(Debug, Default)]
pub(crate) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    edges: Vec<NodeId>,
    pub(crate) root: NodeId,
}

#[derive(Debug)]
pub(crate) struct Node<'a> {
    start: u32,
    end: u32,
    /// Nodes this one expands to, itself included.
    weight: u64,
    /// Collections within each other, this one included; 0 for a scalar.
    height: u32,
    kind: Kind<'a>,
}

#[derive(Debug)]
enum Kind<'a> {
    /// `plain` scalars may mean a number, a boolean or nothing; others are text.
    Scalar {
        text: Cow<'a, str>,
        plain: bool,
    },
    Sequence(Range<u32>),
    /// Keys and values by turns.
    Mapping(Range<u32>),
}

/// A node as its readers see it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum View<'t> {
    Scalar { text: &'t str, plain: bool },
    Sequence(&'t [NodeId]),
    Mapping(Pairs<'t>),
}

/// The entries of a map, in the order written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pairs<'t>(&'t [NodeId]);

impl<'t> Pairs<'t> {
    pub(crate) fn iter(self) -> impl Iterator<Item = (NodeId, NodeId)> + use<'t> {
        self.0.chunks_exact(2).map(|pair| (pair[0], pair[1]))
    }
}

impl<'a> Tree<'a> {
    pub(crate) fn view(&self, id: NodeId) -> View<'_> {
        match self.node(id).map(|node| &node.kind) {
            Some(Kind::Scalar { text, plain }) => View::Scalar { text, plain: *plain },
            Some(Kind::Sequence(range)) => View::Sequence(self.slice(range)),
            Some(Kind::Mapping(range)) => View::Mapping(Pairs(self.slice(range))),
            // An id that is not ours reads as nothing: ids only come from this tree.
            None => View::Scalar { text: "", plain: true },
        }
    }

    pub(crate) fn span(&self, id: NodeId, file: FileId) -> Span {
        let (start, end) = self.node(id).map_or((0, 0), |node| (node.start, node.end));
        Span { file, start, end }
    }

    /// What a scalar means under the core schema of YAML 1.2; `None` for maps and lists.
    pub(crate) fn resolved(&self, id: NodeId) -> Option<Resolved<'_>> {
        match self.view(id) {
            View::Scalar { text, plain } => Some(Resolved::of(text, plain)),
            _ => None,
        }
    }

    /// The text of a scalar as it was written.
    pub(crate) fn text(&self, id: NodeId) -> Option<&str> {
        match self.view(id) {
            View::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The first value of a key of a map.
    pub(crate) fn get(&self, map: NodeId, key: &str) -> Option<NodeId> {
        let View::Mapping(pairs) = self.view(map) else { return None };
        pairs.iter().find(|(k, _)| self.text(*k) == Some(key)).map(|(_, value)| value)
    }

    /// Takes entries of maps, named by their keys, and items of lists out of the document.
    pub(crate) fn remove(&mut self, dropped: &HashSet<NodeId>) {
        let before = std::mem::take(&mut self.edges);
        for node in &mut self.nodes {
            let (range, step) = match &mut node.kind {
                Kind::Scalar { .. } => continue,
                Kind::Sequence(range) => (range, 1),
                Kind::Mapping(range) => (range, 2),
            };
            let own = before.get(range.start as usize..range.end as usize).unwrap_or_default();
            let first = clamp(self.edges.len());
            let kept = own.chunks_exact(step).filter(|entry| !dropped.contains(&entry[0]));
            self.edges.extend(kept.flatten());
            *range = first..clamp(self.edges.len());
        }
    }

    fn node(&self, id: NodeId) -> Option<&Node<'a>> {
        self.nodes.get(id as usize)
    }

    fn slice(&self, range: &Range<u32>) -> &[NodeId] {
        self.edges.get(range.start as usize..range.end as usize).unwrap_or_default()
    }
}

/// What became of one document.
#[derive(Debug)]
pub(crate) struct Parsed<'a> {
    /// `None` when it could not be read to its end.
    pub(crate) tree: Option<Tree<'a>>,
    pub(crate) problems: Vec<Diagnostic>,
}

/// Every document of a file. Empty documents are left out.
pub(crate) fn parse<'a>(text: &'a str, file: FileId, limits: &Limits) -> Vec<Parsed<'a>> {
    if let Some(at) = text.find('\0') {
        let at = clamp(at);
        let problem =
            Diagnostic::error(codes::NUL, "A NUL byte is not allowed in YAML. Is this a text file?")
                .at(Span { file, start: at, end: at + 1 }, "here")
                .help("Save the file as UTF-8 text without NUL bytes.");
        return vec![Parsed { tree: None, problems: vec![problem] }];
    }
    let nesting = usize::try_from(limits.depth).unwrap_or(usize::MAX).saturating_add(2);
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: nesting,
        block_nesting_limit: nesting,
        emit_unresolved_aliases: true,
    };
    let parser = Parser::new_from_str_with_options(text, options);
    Reader { parser, text, file, limits, alias_nodes: 0, documents: Vec::new() }.run()
}

struct Reader<'a, 'l> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a str,
    file: FileId,
    limits: &'l Limits,
    /// Of the whole file.
    alias_nodes: u64,
    documents: Vec<Parsed<'a>>,
}

impl<'a> Reader<'a, '_> {
    fn run(mut self) -> Vec<Parsed<'a>> {
        let mut broken = 0;
        loop {
            let mut build = Builder::new(self.file, self.limits, self.alias_nodes);
            if self.documents.is_empty() {
                build.expect(self.text.len());
            }
            let more = self.document(&mut build);
            self.alias_nodes = build.alias_nodes;
            match more {
                Step::End => return self.documents,
                Step::Document => self.documents.extend(build.finish()),
                Step::Broken => {
                    self.documents.push(Parsed { tree: None, problems: build.problems });
                    broken += 1;
                    if broken >= MAX_BROKEN || !matches!(self.parser.proceed_next_document(), Ok(true)) {
                        return self.documents;
                    }
                }
            }
        }
    }

    /// Reads events to the end of one document.
    fn document(&mut self, build: &mut Builder<'a, '_>) -> Step {
        loop {
            let Some(next) = self.parser.next_event() else { return Step::End };
            let (event, span) = match next {
                Ok(next) => next,
                Err(error) => {
                    build.problems.push(syntax(&error, self.text, self.file, self.limits));
                    return Step::Broken;
                }
            };
            let range = span.byte_range().unwrap_or(0..0);
            let range = clamp(range.start)..clamp(range.end);
            let done = match event {
                Event::StreamEnd => return Step::End,
                Event::DocumentEnd => return Step::Document,
                Event::Scalar(text, style, anchor, tag) => {
                    build.scalar(text, style, anchor, tag.as_deref(), range)
                }
                Event::SequenceStart(_, anchor, tag) => build.open(false, anchor, tag.as_deref(), range),
                Event::MappingStart(_, anchor, tag) => build.open(true, anchor, tag.as_deref(), range),
                Event::SequenceEnd | Event::MappingEnd => build.close(range),
                Event::Alias(id) => build.alias(id, range),
                Event::UnresolvedAlias(name) => build.unknown_alias(&name, range),
                _ => Ok(()),
            };
            if done.is_err() {
                return Step::Broken;
            }
        }
    }
}

enum Step {
    Document,
    Broken,
    End,
}

/// The document is over a limit that makes reading on pointless; its problem is recorded.
struct Abandon;

struct Frame {
    mapping: bool,
    start: u32,
    anchor: usize,
    /// Where this collection's children begin on the stack.
    base: usize,
}

/// Why a key of a map cannot be one.
enum BadKey {
    NotText,
    Merge,
    Empty,
    /// It stands at this node already.
    Twice(NodeId),
}

/// Keys that stand again, each with the first of its text.
fn twice(mut keys: Vec<(&str, NodeId)>) -> Vec<(NodeId, NodeId)> {
    let mut found = Vec::new();
    if keys.len() <= SMALL_MAP {
        for (index, (text, key)) in keys.iter().enumerate() {
            let first = keys[..index].iter().find(|(other, _)| other == text);
            found.extend(first.map(|(_, first)| (*first, *key)));
        }
    } else {
        // Stable, so that the first of each text stays the first.
        keys.sort_by_key(|(text, _)| *text);
        for same in keys.chunk_by(|a, b| a.0 == b.0) {
            found.extend(same[1..].iter().map(|(_, again)| (same[0].1, *again)));
        }
    }
    found
}

struct Builder<'a, 'l> {
    tree: Tree<'a>,
    file: FileId,
    limits: &'l Limits,
    alias_nodes: u64,
    open: Vec<Frame>,
    /// Finished nodes whose parent is still open.
    waiting: Vec<NodeId>,
    /// `None` while the anchored collection is open.
    anchors: HashMap<usize, Option<NodeId>>,
    problems: Vec<Diagnostic>,
}

impl<'a, 'l> Builder<'a, 'l> {
    fn new(file: FileId, limits: &'l Limits, alias_nodes: u64) -> Self {
        Self {
            tree: Tree::default(),
            file,
            limits,
            alias_nodes,
            open: Vec::new(),
            waiting: Vec::new(),
            anchors: HashMap::new(),
            problems: Vec::new(),
        }
    }

    /// Makes room for about what a text of this many bytes holds.
    fn expect(&mut self, bytes: usize) {
        let nodes = (bytes / BYTES_PER_NODE).min(MOST_EXPECTED);
        self.tree.nodes.reserve(nodes);
        self.tree.edges.reserve(nodes);
    }

    fn scalar(
        &mut self,
        text: Cow<'a, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        range: Range<u32>,
    ) -> Result<(), Abandon> {
        let mut plain = style == ScalarStyle::Plain;
        match tag.map(Tag::core_suffix) {
            None => {}
            Some(Some("str")) => plain = false,
            Some(Some("int" | "float" | "bool" | "null")) => plain = true,
            Some(_) => self.refuse_tag(tag, &range),
        }
        let length = text.len() as u64;
        if length > self.limits.scalar_bytes {
            let detail = format!(
                "This value has {length} bytes; {} are allowed for one value.",
                self.limits.scalar_bytes
            );
            self.problem(codes::SCALAR_TOO_LONG, detail, &range, "too long", &Limits::raise("scalar_bytes"));
        }
        if text.contains('\0') {
            let detail = "This value holds an escaped NUL character, which no system stores as text.";
            self.problem(codes::NUL, detail.to_owned(), &range, "here", "Remove the `\\0`.");
        }
        let kind = Kind::Scalar { text, plain };
        let id = self.add(Node { start: range.start, end: range.end, weight: 1, height: 0, kind });
        self.finished(id, anchor);
        Ok(())
    }

    fn open(
        &mut self,
        mapping: bool,
        anchor: usize,
        tag: Option<&Tag>,
        range: Range<u32>,
    ) -> Result<(), Abandon> {
        let own = if mapping { "map" } else { "seq" };
        if tag.is_some_and(|tag| tag.core_suffix() != Some(own)) {
            self.refuse_tag(tag, &range);
        }
        self.check_depth(self.open.len() as u64 + 1, &range)?;
        if anchor != 0 {
            self.anchors.insert(anchor, None);
        }
        self.open.push(Frame { mapping, start: range.start, anchor, base: self.waiting.len() });
        Ok(())
    }

    fn close(&mut self, range: Range<u32>) -> Result<(), Abandon> {
        let Some(frame) = self.open.pop() else { return Ok(()) };
        let base = frame.base.min(self.waiting.len());
        let first = clamp(self.tree.edges.len());
        self.tree.edges.extend(self.waiting.drain(base..));
        let edges = first..clamp(self.tree.edges.len());
        let (mut weight, mut height, mut end) = (1u64, 0u32, frame.start);
        for child in self.tree.slice(&edges) {
            if let Some(node) = self.tree.node(*child) {
                weight = weight.saturating_add(node.weight);
                height = height.max(node.height);
                end = end.max(node.end);
            }
        }
        // The end of a block collection is reported at the token after it; that of a flow collection is its bracket.
        if !range.is_empty() {
            end = range.end;
        }
        if frame.mapping {
            self.check_keys(&edges);
        }
        let kind = if frame.mapping { Kind::Mapping(edges) } else { Kind::Sequence(edges) };
        let id = self.add(Node { start: frame.start, end, weight, height: height + 1, kind });
        self.finished(id, frame.anchor);
        Ok(())
    }

    fn alias(&mut self, anchor: usize, range: Range<u32>) -> Result<(), Abandon> {
        let Some(id) = self.anchors.get(&anchor).copied().flatten() else {
            let detail = "This alias stands inside the value it refers to, so it has no end.";
            let help = "Write the value out, or refer to a value that is complete before this place.";
            self.problem(codes::ALIASES, detail.to_owned(), &range, "refers to its own surroundings", help);
            return Err(Abandon);
        };
        let (weight, height) = self.tree.node(id).map_or((1, 0), |node| (node.weight, node.height));
        self.alias_nodes = self.alias_nodes.saturating_add(weight);
        if self.alias_nodes > self.limits.alias_nodes {
            let detail = format!(
                "With this alias, the aliases of this file stand for more than {} nodes.",
                self.limits.alias_nodes
            );
            self.problem(codes::ALIASES, detail, &range, "one alias too many", &Limits::raise("alias_nodes"));
            return Err(Abandon);
        }
        self.check_depth(self.open.len() as u64 + u64::from(height), &range)?;
        self.waiting.push(id);
        Ok(())
    }

    fn unknown_alias(&mut self, name: &str, range: Range<u32>) -> Result<(), Abandon> {
        let detail = format!(
            "The alias `*{name}` refers to `&{name}`, which this document does not define before it."
        );
        let help =
            "Define the anchor earlier in the same document, or quote the value if it is meant as text.";
        self.problem(codes::ALIASES, detail, &range, "unknown alias", help);
        let kind = Kind::Scalar { text: Cow::Borrowed(""), plain: true };
        let id = self.add(Node { start: range.start, end: range.end, weight: 1, height: 0, kind });
        self.waiting.push(id);
        Ok(())
    }

    fn check_depth(&mut self, depth: u64, range: &Range<u32>) -> Result<(), Abandon> {
        if depth <= self.limits.depth {
            return Ok(());
        }
        let problem = too_deep(self.limits, Span { file: self.file, start: range.start, end: range.end });
        self.problems.push(problem);
        Err(Abandon)
    }

    /// Keys must be text, and each stands once.
    fn check_keys(&mut self, edges: &Range<u32>) {
        let mut wrong = Vec::new();
        let mut keys = Vec::with_capacity(edges.len() / 2);
        for (key, _) in Pairs(self.tree.slice(edges)).iter() {
            match self.tree.view(key) {
                View::Scalar { text: "<<", plain: true } => wrong.push((key, BadKey::Merge)),
                View::Scalar { text, plain: true } if matches!(Resolved::of(text, true), Resolved::Null) => {
                    wrong.push((key, BadKey::Empty));
                }
                View::Scalar { text, .. } => keys.push((text, key)),
                View::Sequence(_) | View::Mapping(_) => wrong.push((key, BadKey::NotText)),
            }
        }
        wrong.extend(twice(keys).into_iter().map(|(first, again)| (again, BadKey::Twice(first))));
        if wrong.is_empty() {
            return;
        }
        wrong.sort_by_key(|(key, _)| self.range(*key).start);
        for (key, why) in wrong {
            self.bad_key(key, &why);
        }
    }

    fn bad_key(&mut self, key: NodeId, why: &BadKey) {
        let (code, detail, label, help) = match why {
            BadKey::NotText => (
                codes::KEY_NOT_TEXT,
                "The key of this entry is a map or a list.",
                "not text",
                "Write a text as the key.",
            ),
            BadKey::Merge => (
                codes::MERGE_KEY,
                "`<<` merges maps in YAML 1.1; YAML 1.2 dropped it, and a reader could not tell which value counts.",
                "merge key",
                "Write the keys out, or let the whole value be an alias (`key: *anchor`).",
            ),
            BadKey::Empty => (
                codes::KEY_NOT_TEXT,
                "The key of this entry is empty.",
                "no key",
                "Write a text as the key, in quotes if it looks like nothing.",
            ),
            BadKey::Twice(first) => return self.duplicate(*first, key),
        };
        let range = self.range(key);
        self.problem(code, detail.to_owned(), &range, label, help);
    }

    fn duplicate(&mut self, first: NodeId, second: NodeId) {
        let name = self.tree.text(second).unwrap_or_default();
        let detail =
            format!("The key `{name}` stands twice in the same map, so one of its values would be lost.");
        let problem = Diagnostic::error(codes::DUPLICATE_KEY, detail)
            .at(self.tree.span(second, self.file), "and again here")
            .at(self.tree.span(first, self.file), "first here")
            .help("Keep one of the two.");
        self.report(problem);
    }

    fn report(&mut self, problem: Diagnostic) {
        match self.problems.len() {
            ..MOST_ERRORS => self.problems.push(problem),
            MOST_ERRORS => self.problems.extend(problem.labels.first().map(|label| more_errors(label.span))),
            _ => {}
        }
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, range: &Range<u32>) {
        let name = tag.map(Tag::original).unwrap_or_default();
        let detail = format!("The tag `{name}` means nothing in a manifest.");
        self.problem(codes::TAG, detail, range, "tagged value", "Remove the tag.");
    }

    fn problem(&mut self, code: Code, detail: String, range: &Range<u32>, label: &str, help: &str) {
        let span = Span { file: self.file, start: range.start, end: range.end };
        self.report(Diagnostic::error(code, detail).at(span, label).help(help));
    }

    fn range(&self, id: NodeId) -> Range<u32> {
        self.tree.node(id).map_or(0..0, |node| node.start..node.end)
    }

    fn add(&mut self, node: Node<'a>) -> NodeId {
        let id = clamp(self.tree.nodes.len());
        self.tree.nodes.push(node);
        id
    }

    fn finished(&mut self, id: NodeId, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, Some(id));
        }
        self.waiting.push(id);
    }

    /// The document, unless there is nothing in it.
    fn finish(mut self) -> Option<Parsed<'a>> {
        let root = self.waiting.pop()?;
        let written = self.range(root);
        let empty = written.is_empty() && self.tree.resolved(root) == Some(Resolved::Null);
        self.tree.root = root;
        (!empty || !self.problems.is_empty())
            .then_some(Parsed { tree: Some(self.tree), problems: self.problems })
    }
}

fn too_deep(limits: &Limits, span: Span) -> Diagnostic {
    let detail = format!("Maps and lists are nested more than {} levels deep here.", limits.depth);
    Diagnostic::error(codes::TOO_DEEP, detail).at(span, "too deep").help(Limits::raise("depth"))
}

/// A parser's error as a diagnostic, with what usually causes it.
fn syntax(error: &ScanError, text: &str, file: FileId, limits: &Limits) -> Diagnostic {
    let start = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let end = text[char_floor(text, start)..].chars().next().map_or(start, |c| start + c.len_utf8());
    let span = Span { file, start: clamp(start), end: clamp(end) };
    let help = match error.kind() {
        ErrorKind::RecursionLimitExceeded => return too_deep(limits, span),
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => {
            "Indent with spaces; YAML does not allow tabs there."
        }
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => {
            "Close the quotation mark."
        }
        ErrorKind::UnexpectedCharacter { .. } => {
            "Quote the value: some characters (`@`, a backtick, `%`, `{{`) may not begin a plain one."
        }
        _ => "Check indentation, colons and brackets at and above this place.",
    };
    let what = error.info();
    let mut letters = what.chars();
    let what: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    Diagnostic::error(codes::YAML_SYNTAX, format!("{what}.")).at(span, "the parser stopped here").help(help)
}

fn char_floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Files are limited to far less than 4 GiB, so this never clips.
fn clamp(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
