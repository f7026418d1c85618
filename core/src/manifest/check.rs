//! Compares a document with the shape of its kind and reports every difference, in the words of YAML.

use crate::manifest::codes;
use crate::manifest::scalar::Resolved;
use crate::manifest::shape::{Form, Object, Shape, ShapeId, Shapes};
use crate::manifest::tree::{NodeId, Pairs, Tree, View};
use datamesh_provider::{Diagnostic, Diagnostics, FileId, Span};
use std::collections::{BTreeSet, HashSet};

/// What became of the comparison.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Everything in the document that does not fit.
    pub(crate) found: Diagnostics,
    /// What to leave out for the rest to fit; `None` where nothing would be left.
    pub(crate) rest: Option<Rest>,
}

/// What does not fit, and can be left out.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// Keys of maps, each with its value, and items of lists.
    pub(crate) dropped: HashSet<NodeId>,
    /// Names of the keys of which something is left out, and of those that a misspelled key may have meant.
    pub(crate) lost: BTreeSet<String>,
}

/// Compares a document with its shape.
pub(crate) fn check(shapes: &Shapes, tree: &Tree<'_>, file: FileId) -> Checked {
    let (path, found, rest) = (Vec::new(), Diagnostics::default(), Rest::default());
    let mut checker = Checker { shapes, tree, file, path, found, rest };
    let fits = checker.node(tree.root, shapes.root);
    Checked { found: checker.found, rest: fits.then_some(checker.rest) }
}

/// More errors than this of one document help nobody, and each has its price.
pub(crate) const MOST_ERRORS: usize = 500;

/// What stands in place of all errors beyond [`MOST_ERRORS`].
pub(crate) fn more_errors(place: Span) -> Diagnostic {
    let detail = format!("Only the first {MOST_ERRORS} errors of this document are listed.");
    Diagnostic::error(codes::MORE_ERRORS, detail).at(place, "and there are more from here on")
}

struct Checker<'t, 'a> {
    shapes: &'t Shapes,
    tree: &'t Tree<'a>,
    file: FileId,
    path: Vec<Step<'t>>,
    found: Diagnostics,
    rest: Rest,
}

#[derive(Clone, Copy)]
enum Step<'t> {
    Key(&'t str),
    Item(usize),
}

impl<'t> Checker<'t, '_> {
    /// Whether the node fits, or would without what was noted as dropped. Recursion is bounded by the depth limit
    /// of the tree.
    fn node(&mut self, id: NodeId, shape: ShapeId) -> bool {
        let shapes = self.shapes;
        let shape = shapes.get(shape);
        if shape.nullable && self.tree.resolved(id) == Some(Resolved::Null) {
            return true;
        }
        match (&shape.form, self.tree.view(id)) {
            (Form::Any, _) => true,
            (Form::List(items), View::Sequence(nodes)) => {
                for (index, node) in nodes.iter().enumerate() {
                    if !self.below(Step::Item(index), *node, *items) {
                        self.drop(*node);
                    }
                }
                true
            }
            (Form::Table(values), View::Mapping(pairs)) => {
                for (key, value) in pairs.iter() {
                    if !self.below(Step::Key(self.key_text(key)), value, *values) {
                        self.drop(key);
                    }
                }
                true
            }
            (Form::Object(object), View::Mapping(pairs)) => self.object(id, object, pairs),
            (Form::Either(options), _) => self.either(id, options),
            (form, View::Scalar { text, plain }) => self.scalar(id, form, text, Resolved::of(text, plain)),
            (form, _) => self.wrong_type(id, form, None),
        }
    }

    fn below(&mut self, step: Step<'t>, id: NodeId, shape: ShapeId) -> bool {
        self.path.push(step);
        let fits = self.node(id, shape);
        self.path.pop();
        fits
    }

    /// Leaves out an item or an entry of the current place.
    fn drop(&mut self, id: NodeId) {
        self.rest.dropped.insert(id);
        let keys = self.path.iter().rev();
        let nearest =
            keys.filter_map(|step| if let Step::Key(key) = step { Some(*key) } else { None }).next();
        self.rest.lost.extend(nearest.map(str::to_owned));
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        match self.found.len() {
            ..MOST_ERRORS => self.found.push(diagnostic),
            MOST_ERRORS => self.found.extend(diagnostic.labels.first().map(|label| more_errors(label.span))),
            _ => {}
        }
    }

    fn key_text(&self, key: NodeId) -> &'t str {
        self.tree.text(key).unwrap_or_default()
    }

    fn object(&mut self, id: NodeId, object: &Object, pairs: Pairs<'t>) -> bool {
        let mut fits = true;
        // Known keys only, of which there are few.
        let mut seen: Vec<&str> = Vec::new();
        let mut free = None;
        for (key, value) in pairs.iter() {
            let name = self.key_text(key);
            let Some(shape) = object.keys.get(name) else {
                let free = free.get_or_insert_with(|| self.free(object, pairs));
                self.unknown_key(key, name, object, free);
                self.rest.dropped.insert(key);
                continue;
            };
            let good = self.below(Step::Key(name), value, *shape);
            // Of a key that stands twice, which is reported already, the first counts.
            if seen.contains(&name) || (!good && !object.required.iter().any(|key| key == name)) {
                self.rest.dropped.insert(key);
                self.rest.lost.insert(name.to_owned());
            } else {
                fits &= good;
            }
            seen.push(name);
        }
        for name in object.required.iter().filter(|name| !seen.contains(&name.as_str())) {
            let detail = format!("{} needs the key `{name}`, and it is not there.", self.place());
            // The first key is a better mark than the whole map, which may be most of the file.
            let first = pairs.iter().next().map_or(id, |(key, _)| key);
            let diagnostic = Diagnostic::error(codes::MISSING_KEY, detail)
                .at(self.tree.span(first, self.file), format!("no `{name}` in this map"))
                .help(format!("Add `{name}: …`."));
            self.report(diagnostic);
            fits = false;
        }
        fits
    }

    /// The keys that are not there.
    fn free<'o>(&self, object: &'o Object, pairs: Pairs<'t>) -> Vec<&'o str> {
        let there: HashSet<&str> = pairs.iter().map(|(key, _)| self.key_text(key)).collect();
        object.names.iter().map(String::as_str).filter(|name| !there.contains(name)).collect()
    }

    fn unknown_key(&mut self, key: NodeId, name: &str, object: &Object, free: &[&str]) {
        if self.found.len() > MOST_ERRORS {
            // Nobody is told, so no time goes into what it may have meant.
            return self.rest.lost.extend(free.iter().map(|name| (*name).to_owned()));
        }
        let detail = format!("{} has no key `{name}`.", self.place());
        let (label, help) = match nearest(name, free.iter().copied()) {
            Some(near) => {
                self.rest.lost.insert(near.to_owned());
                (format!("did you mean `{near}`?"), format!("Write `{near}`."))
            }
            None => {
                // It may have meant any of them.
                self.rest.lost.extend(free.iter().map(|name| (*name).to_owned()));
                let known = join(object.names.iter().map(String::as_str));
                ("unknown key".to_owned(), format!("The keys known here are {known}."))
            }
        };
        let diagnostic = Diagnostic::error(codes::UNKNOWN_KEY, detail);
        self.report(diagnostic.at(self.tree.span(key, self.file), label).help(help));
    }

    /// Alternatives differ in the kind of node, so the node's kind chooses.
    fn either(&mut self, id: NodeId, options: &[ShapeId]) -> bool {
        let view = self.tree.view(id);
        let fits = |shape: &Shape| match (&shape.form, view) {
            (Form::Any | Form::Either(_), _) | (Form::List(_), View::Sequence(_)) => true,
            (Form::Table(_) | Form::Object(_), View::Mapping(_)) => true,
            (Form::List(_) | Form::Table(_) | Form::Object(_), _) => false,
            (_, View::Scalar { .. }) => true,
            _ => false,
        };
        let shapes = self.shapes;
        let chosen = options.iter().find(|option| fits(shapes.get(**option)));
        match (chosen, options) {
            (Some(option), _) | (None, [option]) => self.node(id, *option),
            (None, _) => {
                let mut expected: Vec<String> = Vec::new();
                for option in options {
                    let words = self.expected(&shapes.get(*option).form);
                    if !expected.contains(&words) {
                        expected.push(words);
                    }
                }
                self.mismatch(id, &expected.join(" or "), None)
            }
        }
    }

    fn scalar(&mut self, id: NodeId, form: &Form, text: &str, resolved: Resolved<'_>) -> bool {
        match (form, resolved) {
            (Form::Text, Resolved::Text(_))
            | (Form::Boolean, Resolved::Bool(_))
            | (Form::Number, Resolved::Float(_) | Resolved::Integer(_)) => true,
            (Form::Scalar, resolved) if resolved != Resolved::Null => true,
            (Form::Choice(words), Resolved::Text(text)) => {
                words.iter().any(|word| word == text) || self.unknown_value(id, text, words)
            }
            (Form::Integer { min, max }, Resolved::Integer(value)) => {
                self.integer(id, text, value, *min, *max)
            }
            (form, resolved) => self.wrong_type(id, form, surprise(form, text, resolved)),
        }
    }

    fn integer(&mut self, id: NodeId, text: &str, value: i128, min: i128, max: i128) -> bool {
        let digits = text.trim_start_matches(['+', '-']);
        if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) {
            let help =
                format!("Write `{value}`: some YAML readers take `{text}` as octal, others as decimal.");
            return self.mismatch(id, "a whole number without leading zeros", Some(help));
        }
        let fits = (min..=max).contains(&value);
        if !fits {
            let detail = format!("{} is {value}, but must be from {min} to {max}.", self.place());
            let diagnostic = Diagnostic::error(codes::OUT_OF_RANGE, detail);
            let diagnostic = diagnostic.at(self.tree.span(id, self.file), "out of range");
            self.report(diagnostic.help(format!("Write a whole number from {min} to {max}.")));
        }
        fits
    }

    /// The reporters below give what the caller passes on: that the node does not fit.
    fn unknown_value(&mut self, id: NodeId, text: &str, words: &[String]) -> bool {
        let detail = format!("{} is `{}`, which is not one of {}.", self.place(), shorten(text), join(words));
        let (label, help) = match nearest(text, words.iter().map(String::as_str)) {
            Some(near) => (format!("did you mean `{near}`?"), format!("Write `{near}`.")),
            None => ("unknown value".to_owned(), format!("Write one of {}.", join(words))),
        };
        let diagnostic = Diagnostic::error(codes::UNKNOWN_VALUE, detail);
        self.report(diagnostic.at(self.tree.span(id, self.file), label).help(help));
        false
    }

    fn wrong_type(&mut self, id: NodeId, form: &Form, help: Option<String>) -> bool {
        let expected = self.expected(form);
        let help = help.or_else(|| match (form, self.tree.view(id)) {
            (Form::List(_), _) if self.tree.resolved(id) == Some(Resolved::Null) => {
                Some("Write `[]` for an empty list, or leave the key out.".to_owned())
            }
            (Form::List(_), View::Scalar { text, .. }) => {
                Some(format!("Write a list: `[{}]`.", shorten(text)))
            }
            _ => None,
        });
        self.mismatch(id, &expected, help)
    }

    fn mismatch(&mut self, id: NodeId, expected: &str, help: Option<String>) -> bool {
        let found = self.describe(id);
        let detail = format!("{} must be {expected}, but it is {found}.", self.place());
        let help = help.unwrap_or_else(|| format!("Write {expected} here."));
        let label = format!("expected {expected}");
        let diagnostic = Diagnostic::error(codes::WRONG_TYPE, detail);
        self.report(diagnostic.at(self.tree.span(id, self.file), label).help(help));
        false
    }

    fn expected(&self, form: &Form) -> String {
        match form {
            Form::Any => "any value".to_owned(),
            Form::Text => "a text".to_owned(),
            Form::Boolean => "`true` or `false`".to_owned(),
            Form::Integer { .. } => "a whole number".to_owned(),
            Form::Number => "a number".to_owned(),
            Form::Scalar => "a text, a number, or `true` or `false`".to_owned(),
            Form::Choice(words) => format!("one of {}", join(words)),
            Form::List(_) => "a list".to_owned(),
            Form::Table(_) | Form::Object(_) => "a map".to_owned(),
            Form::Either(options) => {
                let words: Vec<_> =
                    options.iter().map(|o| self.expected(&self.shapes.get(*o).form)).collect();
                words.join(" or ")
            }
        }
    }

    fn describe(&self, id: NodeId) -> String {
        match self.tree.view(id) {
            View::Sequence(_) => "a list".to_owned(),
            View::Mapping(_) => "a map".to_owned(),
            View::Scalar { text, plain } => match Resolved::of(text, plain) {
                Resolved::Null => "empty".to_owned(),
                Resolved::Bool(_) => format!("the boolean `{text}`"),
                Resolved::Integer(_) => format!("the whole number `{text}`"),
                Resolved::Float(_) => format!("the decimal number `{text}`"),
                Resolved::Text(_) => format!("the text `{}`", shorten(text)),
            },
        }
    }

    /// The current place as a person writes it: `` `spec.schema.fields[2].type` ``.
    fn place(&self) -> String {
        if self.path.is_empty() {
            return "The document".to_owned();
        }
        let mut text = String::from("`");
        for (index, step) in self.path.iter().enumerate() {
            match step {
                Step::Item(item) => text.push_str(&format!("[{item}]")),
                Step::Key(key) => {
                    if index > 0 {
                        text.push('.');
                    }
                    text.push_str(&shorten(key));
                }
            }
        }
        text.push('`');
        text
    }
}

/// What people expect of YAML that it does not do.
fn surprise(form: &Form, text: &str, resolved: Resolved<'_>) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    match (form, resolved) {
        (Form::Text | Form::Choice(_), Resolved::Bool(_) | Resolved::Integer(_) | Resolved::Float(_)) => {
            Some(format!("Write \"{text}\" in quotes; without them YAML reads something else than text."))
        }
        (Form::Text, Resolved::Null) => Some("Write a text, or leave the key out.".to_owned()),
        (Form::Boolean, Resolved::Text(_)) if matches!(lower.as_str(), "yes" | "on" | "y" | "true") => {
            Some(format!("Write `true`; `{text}` is a text in YAML 1.2."))
        }
        (Form::Boolean, Resolved::Text(_)) if matches!(lower.as_str(), "no" | "off" | "n" | "false") => {
            Some(format!("Write `false`; `{text}` is a text in YAML 1.2."))
        }
        (Form::Integer { .. }, Resolved::Float(value)) if value.fract() == 0.0 && value.abs() < 1e15 => {
            Some(format!("Write `{value}` without a decimal point."))
        }
        (Form::Integer { .. } | Form::Number, Resolved::Text(text)) => {
            let digits: String = text.chars().filter(|c| !matches!(c, '_' | ',' | ' ')).collect();
            let number = digits.parse::<f64>().is_ok();
            number.then(|| format!("Write `{digits}` without quotes and without separators."))
        }
        _ => None,
    }
}

/// The candidate a person most likely meant, if one is near.
pub(crate) fn nearest<'c>(text: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    // Long input is no typo of anything, and comparing it costs its length.
    if text.len() > 64 {
        return None;
    }
    let folded = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let wanted = folded(text);
    let allowed = (wanted.chars().count() / 3).clamp(1, 3);
    let scored = candidates.map(|candidate| (strsim::osa_distance(&wanted, &folded(candidate)), candidate));
    scored.filter(|(distance, _)| *distance <= allowed).min_by_key(|(distance, _)| *distance).map(|(_, c)| c)
}

fn join<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{}`", word.as_ref())).collect();
    words.join(", ")
}

/// Untrusted text for a sentence: long ones are cut.
pub(crate) fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
