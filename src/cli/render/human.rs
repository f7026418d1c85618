//! Diagnostics for people: code, place, the source line underlined, why, and how to fix it.

use super::escape;
use super::style::{BOLD, CYAN, LOUD, YELLOW, paint};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use datamesh_provider::{Diagnostic, Diagnostics, FileId, Severity, Sources, Span};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// Lines longer than this are not quoted: the place is named instead.
const LONGEST_QUOTE: usize = 1000;
/// Labels at most this many lines apart are shown in one quote.
const NEAR: usize = 12;
/// After this many findings each gets one line only.
const IN_FULL: usize = 200;

/// All diagnostics, in the order given, each followed by an empty line.
pub fn diagnostics(diagnostics: &Diagnostics, sources: &Sources, width: usize) -> String {
    let mut files = Files { sources, lines: BTreeMap::new() };
    let renderer = Renderer::styled().term_width(width.max(40));
    let mut out = String::new();
    for (at, (diagnostic, scopes)) in once_each(diagnostics).into_iter().enumerate() {
        if at < IN_FULL {
            out.push_str(&one(diagnostic, &mut files, &renderer));
            if scopes.len() > 1 {
                let scopes: Vec<_> = scopes.iter().map(|scope| escape::line(scope)).collect();
                out.push_str(&format!("\n  holds back {}", scopes.join(", ")));
            }
            out.push_str("\n\n");
        } else {
            out.push_str(&short(diagnostic, &mut files));
            out.push('\n');
        }
    }
    out
}

/// Findings that differ in whom they hold back only are one finding.
fn once_each(diagnostics: &Diagnostics) -> Vec<(&Diagnostic, Vec<&str>)> {
    let mut all: Vec<(&Diagnostic, Vec<&str>)> = Vec::new();
    // Findings may be many: what is alike is sought among those of one text only.
    let mut seen: HashMap<&str, Vec<usize>> = HashMap::new();
    for one in diagnostics {
        let alike = seen.entry(one.detail.as_str()).or_default();
        let same = |at: &&usize| {
            let other = all[**at].0;
            other.code == one.code && other.labels == one.labels && other.help == one.help
        };
        match alike.iter().find(same).copied() {
            Some(at) => all[at].1.extend(one.scope.as_deref()),
            None => {
                alike.push(all.len());
                all.push((one, one.scope.as_deref().into_iter().collect()));
            }
        }
    }
    all
}

/// `3 errors, 1 warning`, or nothing.
pub fn counts(diagnostics: &Diagnostics) -> Option<String> {
    let all = once_each(diagnostics);
    let count = |severity| all.iter().filter(|(d, _)| d.severity == severity).count();
    let parts: Vec<String> = [(Severity::Error, "error"), (Severity::Warning, "warning")]
        .into_iter()
        .map(|(severity, word)| (count(severity), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| plural(count, word))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `1 file`, `2 files`.
pub fn plural(count: usize, word: &str) -> String {
    match (count, word.strip_suffix('y')) {
        (1, _) => format!("1 {word}"),
        (_, Some(stem)) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{count} {stem}ies"),
        _ => format!("{count} {word}s"),
    }
}

struct Files<'a> {
    sources: &'a Sources,
    /// Where the lines of each quoted file begin.
    lines: BTreeMap<FileId, Vec<usize>>,
}

/// A part of a file, escaped, and where in it the labels are.
struct Quote {
    path: String,
    text: String,
    first_line: usize,
    /// Range, text of the label, whether it is the main one.
    labels: Vec<(Range<usize>, String, bool)>,
}

impl Files<'_> {
    fn text(&self, file: FileId) -> Option<&str> {
        self.sources.get(file)?.text.as_deref()
    }

    /// Where the lines of a file begin.
    fn lines(&mut self, file: FileId) -> &[usize] {
        let text = self.sources.get(file).and_then(|file| file.text.as_deref()).unwrap_or_default();
        self.lines.entry(file).or_insert_with(|| {
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
        })
    }

    /// The line of a byte, from 0.
    fn line_of(&mut self, file: FileId, at: usize) -> usize {
        self.lines(file).partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// The bytes of a line without its end.
    fn line(&mut self, file: FileId, line: usize) -> Range<usize> {
        let length = self.text(file).map_or(0, str::len);
        let lines = self.lines(file);
        let start = lines.get(line).copied().unwrap_or(length);
        let end = lines.get(line + 1).map_or(length, |next| next - 1);
        let text = self.text(file).unwrap_or_default();
        let trimmed = text.get(start..end).unwrap_or_default().trim_end_matches('\r').len();
        start..start + trimmed
    }

    /// A span cut to its first line and to whole characters.
    fn on_one_line(&mut self, span: Span) -> (usize, Range<usize>) {
        let length = self.text(span.file).map_or(0, str::len);
        let start = usize::try_from(span.start).unwrap_or(length).min(length);
        let end = usize::try_from(span.end).unwrap_or(length).min(length);
        let line = self.line_of(span.file, start);
        let bounds = self.line(span.file, line);
        let text = self.text(span.file).unwrap_or_default();
        let (mut from, mut to) = (start.clamp(bounds.start, bounds.end), end.clamp(bounds.start, bounds.end));
        while !text.is_char_boundary(from) {
            from -= 1;
        }
        while !text.is_char_boundary(to) {
            to += 1;
        }
        (line, from..to.max(from))
    }

    fn place(&mut self, span: Span) -> (usize, usize) {
        let (line, range) = self.on_one_line(span);
        let bounds = self.line(span.file, line);
        let before = self.text(span.file).and_then(|text| text.get(bounds.start..range.start));
        (line + 1, before.map_or(1, |text| text.chars().count() + 1))
    }

    /// Lines `first..=last` of a file, with the labels that lie in them.
    fn quote(&mut self, file: FileId, first: usize, last: usize, labels: &[(Span, &str, bool)]) -> Quote {
        let path = escape::line(self.sources.path(file)).into_owned();
        let mut quote = Quote { path, text: String::new(), first_line: first + 1, labels: Vec::new() };
        for line in first..=last {
            let bounds = self.line(file, line);
            let here: Vec<(Range<usize>, &str, bool)> = labels
                .iter()
                .filter_map(|(span, text, main)| {
                    let (at, range) = self.on_one_line(*span);
                    (at == line).then_some((range, *text, *main))
                })
                .collect();
            let text = self.text(file).and_then(|text| text.get(bounds.clone())).unwrap_or_default();
            if line > first {
                quote.text.push('\n');
            }
            let places = push_escaped(&mut quote.text, text, bounds.start);
            for (range, label, main) in here {
                let range = places(range.start)..places(range.end);
                quote.labels.push((range, escape::line(label).into_owned(), main));
            }
        }
        quote
    }
}

/// Appends a line with everything dangerous made visible; the answer maps bytes of the file to bytes of the output.
fn push_escaped(out: &mut String, text: &str, starts_at: usize) -> impl Fn(usize) -> usize + use<> {
    let base = out.len();
    let mut growth: Vec<(usize, usize)> = Vec::new();
    let mut grown = 0;
    for (at, c) in text.char_indices() {
        match escape::replacement(c).filter(|_| c != '\t') {
            Some(visible) => {
                out.push_str(&visible);
                grown += visible.len() - c.len_utf8();
                growth.push((at + c.len_utf8(), grown));
            }
            None => out.push(c),
        }
    }
    move |at| {
        let at = at.saturating_sub(starts_at);
        let passed = growth.partition_point(|(from, _)| *from <= at);
        base + at + passed.checked_sub(1).map_or(0, |last| growth[last].1)
    }
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// `error[DM0001]`, in its color.
pub(super) fn head(diagnostic: &Diagnostic) -> String {
    let color = match diagnostic.severity {
        Severity::Error => LOUD,
        Severity::Warning => YELLOW,
        Severity::Note => CYAN,
    };
    paint(color, format!("{}[{}]", word(diagnostic.severity), diagnostic.code.id))
}

/// A finding that has no place.
fn without_place(diagnostic: &Diagnostic) -> String {
    let head = head(diagnostic);
    let text = |text: &str| wrap(&escape::block(text, ""), 96).replace('\n', "\n       ");
    let mut out = format!("{head}{}", paint(BOLD, format!(": {}", diagnostic.code.summary)));
    out.push_str(&format!("\n  why: {}", text(&diagnostic.detail)));
    if let Some(help) = &diagnostic.help {
        out.push_str(&format!("\n  fix: {}", text(help)));
    }
    out
}

fn one(diagnostic: &Diagnostic, files: &mut Files<'_>, renderer: &Renderer) -> String {
    if diagnostic.labels.is_empty() {
        return without_place(diagnostic);
    }
    let (quotes, unquoted) = quotes(diagnostic, files);
    let title = level(diagnostic.severity).primary_title(diagnostic.code.summary).id(diagnostic.code.id);
    let mut group = Group::with_title(title);
    let main_is_quoted = quotes.iter().any(|quote| quote.labels.iter().any(|(_, _, main)| *main));
    let mut origins = unquoted.into_iter().map(|(path, at)| match at {
        Some((line, column)) => Origin::path(path).line(line).char_column(column),
        None => Origin::path(path),
    });
    if !main_is_quoted {
        group = group.elements(origins.by_ref());
    }
    for quote in quotes {
        let mut snippet = Snippet::source(quote.text).path(quote.path).line_start(quote.first_line);
        for (range, text, main) in quote.labels {
            let kind = if main { AnnotationKind::Primary } else { AnnotationKind::Context };
            let label = (!text.is_empty()).then_some(text);
            snippet = snippet.annotation(kind.span(range).label(label));
        }
        group = group.element(snippet);
    }
    group = group.elements(origins);
    let detail = wrap(&escape::block(&diagnostic.detail, ""), 96);
    group = group.element(Level::NOTE.with_name(Some("why")).message(detail));
    if let Some(help) = &diagnostic.help {
        let help = wrap(&escape::block(help, ""), 96);
        group = group.element(Level::HELP.with_name(Some("fix")).message(help));
    }
    renderer.render(&[group])
}

/// Paths, with line and column where the text is known.
type Unquoted = Vec<(String, Option<(usize, usize)>)>;

/// Labels of one file that are shown together, with the first and the last of their lines.
type Cluster<'a> = (FileId, usize, usize, Vec<(Span, &'a str, bool)>);

/// The labels of a diagnostic as quotes, near ones together, and those that cannot be quoted as bare places.
fn quotes(diagnostic: &Diagnostic, files: &mut Files<'_>) -> (Vec<Quote>, Unquoted) {
    let mut unquoted = Unquoted::new();
    let mut clusters: Vec<Cluster<'_>> = Vec::new();
    for (at, label) in diagnostic.labels.iter().enumerate() {
        let (file, main) = (label.span.file, at == 0);
        if files.text(file).is_none() {
            unquoted.push((escape::line(files.sources.path(file)).into_owned(), None));
            continue;
        }
        let (line, _) = files.on_one_line(label.span);
        if files.line(file, line).len() > LONGEST_QUOTE {
            let place = files.place(label.span);
            unquoted.push((escape::line(files.sources.path(file)).into_owned(), Some(place)));
            continue;
        }
        let entry = (label.span, label.text.as_str(), main);
        let near = clusters
            .iter_mut()
            .find(|(other, first, last, _)| *other == file && line + NEAR >= *first && line <= *last + NEAR);
        match near {
            Some((_, first, last, labels)) => {
                (*first, *last) = ((*first).min(line), (*last).max(line));
                labels.push(entry);
            }
            None => clusters.push((file, line, line, vec![entry])),
        }
    }
    let quotes = clusters
        .into_iter()
        .map(|(file, first, last, labels)| {
            let parent = if last == first { parent_line(files, file, first) } else { None };
            files.quote(file, parent.unwrap_or(first), last, &labels)
        })
        .collect();
    (quotes, unquoted)
}

/// The line before, where it gives the quoted one its meaning by being indented less.
fn parent_line(files: &mut Files<'_>, file: FileId, line: usize) -> Option<usize> {
    let above = line.checked_sub(1)?;
    let mut indent = |line: usize| {
        let bounds = files.line(file, line);
        if bounds.len() > LONGEST_QUOTE {
            return None;
        }
        let text = files.text(file)?.get(bounds)?.to_owned();
        let trimmed = text.trim_start_matches([' ', '-']);
        (!trimmed.is_empty()).then(|| text.len() - trimmed.len())
    };
    (indent(above)? < indent(line)?).then_some(above)
}

/// One finding on one line, for the long tail.
fn short(diagnostic: &Diagnostic, files: &mut Files<'_>) -> String {
    let place = diagnostic.labels.first().map_or(String::new(), |label| {
        let path = escape::line(files.sources.path(label.span.file)).into_owned();
        match files.text(label.span.file) {
            Some(_) => {
                let (line, column) = files.place(label.span);
                format!("{path}:{line}:{column}: ")
            }
            None => format!("{path}: "),
        }
    });
    let head = paint(BOLD, format!("{}[{}]", word(diagnostic.severity), diagnostic.code.id));
    format!("{head} {place}{}", escape::line(&diagnostic.detail))
}

/// Breaks lines at blanks, so that sentences stay readable next to the quote.
pub(crate) fn wrap(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            out.push('\n');
        }
        if line.starts_with(' ') {
            out.push_str(line);
            continue;
        }
        let mut used = 0;
        for word in line.split(' ') {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > width {
                out.push('\n');
                used = 0;
            } else if used > 0 {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += length;
        }
    }
    out
}

#[cfg(test)]
#[path = "human_tests.rs"]
mod tests;
