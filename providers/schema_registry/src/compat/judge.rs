//! Whether a reader of one schema can read what was written with another, and where it cannot.
//!
//! The rules are those of the Avro specification (1.12, "Schema Resolution"), with the names that Avro's own
//! checker gives them. One is added: two logical types that give one encoding different meanings do not match. The
//! specification says so of decimals only, and its checker looks at no logical type at all; but a reader that takes
//! milliseconds for microseconds reads every value wrong, and nothing tells it.

use super::model::{Field, Fields, Id, Meaning, Model, Name, Type};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Which rule of schema resolution a pair of types breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The reader has a field that was not written, and no value to put there.
    ReaderFieldMissingDefaultValue,
    /// The encodings differ, and none is promoted to the other.
    TypeMismatch,
    /// Records, enums or fixed types of different names, and no alias between them.
    NameMismatch,
    FixedSizeMismatch,
    /// Symbols were written that the reader does not know, and it has no default symbol.
    MissingEnumSymbols,
    /// A type was written that is none of the reader's union.
    MissingUnionBranch,
    /// One encoding, different meanings.
    LogicalTypeMismatch,
    /// More than one written field could be the reader's, by its name and aliases.
    AmbiguousAlias,
    /// Nested or entangled beyond what is looked at: nobody can say.
    TooComplex,
}

impl Rule {
    /// The name in messages and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReaderFieldMissingDefaultValue => "reader-field-missing-default-value",
            Self::TypeMismatch => "type-mismatch",
            Self::NameMismatch => "name-mismatch",
            Self::FixedSizeMismatch => "fixed-size-mismatch",
            Self::MissingEnumSymbols => "missing-enum-symbols",
            Self::MissingUnionBranch => "missing-union-branch",
            Self::LogicalTypeMismatch => "logical-type-mismatch",
            Self::AmbiguousAlias => "ambiguous-alias",
            Self::TooComplex => "too-complex",
        }
    }
}

/// One place where reading fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// Names of fields, from the outermost.
    pub(super) path: Vec<String>,
    pub(super) rule: Rule,
    pub(super) reader: String,
    pub(super) writer: String,
}

/// Schemas of people stay far below; what goes beyond was written to hurt.
const DEEPEST: usize = 200;
const STEPS: usize = 2_000_000;
/// Nobody reads more, and the first ones say what kind of change it is.
const MOST: usize = 100;

/// Every place where a reader of `reader` fails on what was written with `writer`.
pub(super) fn misfits(reader: (&Model, Id), writer: (&Model, Id)) -> Vec<Misfit> {
    let mut judge = Judge {
        reader: reader.0,
        writer: writer.0,
        known: HashMap::new(),
        trail: Vec::new(),
        steps: 0,
        depth: 0,
        too_complex: false,
        explained: HashSet::new(),
        path: Vec::new(),
        found: Vec::new(),
    };
    if !judge.fits(reader.1, writer.1) {
        judge.explain(reader.1, writer.1);
    }
    if judge.too_complex {
        judge.found = vec![Misfit {
            path: Vec::new(),
            rule: Rule::TooComplex,
            reader: String::new(),
            writer: String::new(),
        }];
    }
    judge.found
}

struct Judge<'m> {
    reader: &'m Model,
    writer: &'m Model,
    /// Pairs of records that are judged, and those that are being judged: these are taken to fit, so that a schema
    /// that refers to itself comes to an end.
    known: HashMap<(Id, Id), bool>,
    /// What was put into `known` as fitting, in order: all that rests on an assumption is dropped with it.
    trail: Vec<(Id, Id)>,
    steps: usize,
    depth: usize,
    too_complex: bool,
    explained: HashSet<(Id, Id)>,
    path: Vec<String>,
    found: Vec<Misfit>,
}

impl<'m> Judge<'m> {
    fn pair(&self, r: Id, w: Id) -> Option<(&'m Type, &'m Type)> {
        Some((&self.reader.node(r)?.ty, &self.writer.node(w)?.ty))
    }

    fn fits(&mut self, r: Id, w: Id) -> bool {
        self.steps += 1;
        if self.steps > STEPS || self.depth > DEEPEST {
            self.too_complex = true;
        }
        if self.too_complex {
            return false;
        }
        self.depth += 1;
        let fits = self.fits_within(r, w) && self.same_meaning(r, w);
        self.depth -= 1;
        fits
    }

    fn fits_within(&mut self, r: Id, w: Id) -> bool {
        let Some((reader, writer)) = self.pair(r, w) else { return false };
        match (reader, writer) {
            (_, Type::Union(written)) => written.iter().all(|branch| self.fits(r, *branch)),
            (Type::Union(known), _) => known.iter().any(|branch| self.fits(*branch, w)),
            (Type::Primitive(reader), Type::Primitive(writer)) => reader.takes(*writer),
            (Type::Array(reader), Type::Array(writer)) | (Type::Map(reader), Type::Map(writer)) => {
                self.fits(*reader, *writer)
            }
            (Type::Fixed { name, size }, Type::Fixed { name: written, size: of }) => {
                same_name(name, written) && size == of
            }
            (Type::Enum { name, symbols, default }, Type::Enum { name: written, symbols: of, .. }) => {
                same_name(name, written) && missing_symbols(symbols, default.as_ref(), of).is_empty()
            }
            (Type::Record { name, fields }, Type::Record { name: written, fields: of }) => {
                same_name(name, written) && self.records(r, w, fields, of)
            }
            _ => false,
        }
    }

    fn records(&mut self, r: Id, w: Id, fields: &Fields, written: &Fields) -> bool {
        if let Some(known) = self.known.get(&(r, w)) {
            return *known;
        }
        let began = self.trail.len();
        self.known.insert((r, w), true);
        self.trail.push((r, w));
        let fits = fields.iter().all(|field| match counterpart(field, written) {
            Counterpart::None => field.has_default,
            Counterpart::One(other) => self.fits(field.ty, other.ty),
            Counterpart::Several(_) => false,
        });
        if !fits {
            for pair in self.trail.drain(began..) {
                self.known.remove(&pair);
            }
            self.known.insert((r, w), false);
        }
        fits
    }

    /// Unions have no meaning of their own: their branches are compared.
    fn same_meaning(&self, r: Id, w: Id) -> bool {
        let meaning = |model: &'m Model, id| model.node(id).and_then(|node| node.meaning.as_ref());
        match (meaning(self.reader, r), meaning(self.writer, w)) {
            (
                Some(Meaning::Decimal { precision, scale }),
                Some(Meaning::Decimal { precision: written, scale: of }),
            ) => scale == of && precision >= written,
            (Some(reader), Some(writer)) => reader == writer,
            _ => true,
        }
    }

    fn misfit(&mut self, rule: Rule, reader: String, writer: String) {
        if self.found.len() < MOST {
            self.found.push(Misfit { path: self.path.clone(), rule, reader, writer });
        }
    }

    /// Finds out where a pair does not fit that is known not to.
    fn explain(&mut self, r: Id, w: Id) {
        if self.depth > DEEPEST || self.found.len() >= MOST {
            return;
        }
        self.depth += 1;
        self.explain_within(r, w);
        self.depth -= 1;
    }

    fn explain_within(&mut self, r: Id, w: Id) {
        let Some((reader, writer)) = self.pair(r, w) else { return };
        match (reader, writer) {
            (_, Type::Union(written)) => {
                for branch in written {
                    if !self.fits(r, *branch) {
                        self.explain(r, *branch);
                    }
                }
            }
            (Type::Union(known), _) => match known.iter().find(|branch| self.alike(**branch, w)) {
                Some(branch) => self.explain(*branch, w),
                None => self.plain(Rule::MissingUnionBranch, r, w),
            },
            (Type::Array(reader), Type::Array(writer)) | (Type::Map(reader), Type::Map(writer)) => {
                self.explain(*reader, *writer);
            }
            (Type::Fixed { name, .. }, Type::Fixed { name: written, .. }) if same_name(name, written) => {
                let rule =
                    if self.same_meaning(r, w) { Rule::FixedSizeMismatch } else { Rule::LogicalTypeMismatch };
                self.plain(rule, r, w);
            }
            (Type::Enum { name, symbols, default }, Type::Enum { name: written, symbols: of, .. })
                if same_name(name, written) =>
            {
                let missing = missing_symbols(symbols, default.as_ref(), of);
                self.misfit(Rule::MissingEnumSymbols, symbols.join(", "), missing.join(", "));
            }
            (Type::Record { name, fields }, Type::Record { name: written, fields: of })
                if same_name(name, written) =>
            {
                if self.explained.insert((r, w)) {
                    self.explain_records(fields, of);
                }
            }
            (
                Type::Fixed { name, .. } | Type::Enum { name, .. } | Type::Record { name, .. },
                Type::Fixed { name: written, .. }
                | Type::Enum { name: written, .. }
                | Type::Record { name: written, .. },
            ) if std::mem::discriminant(reader) == std::mem::discriminant(writer) => {
                self.misfit(Rule::NameMismatch, name.full.clone(), written.full.clone());
            }
            (Type::Primitive(reader), Type::Primitive(writer)) if reader.takes(*writer) => {
                self.plain(Rule::LogicalTypeMismatch, r, w);
            }
            _ => self.plain(Rule::TypeMismatch, r, w),
        }
    }

    fn explain_records(&mut self, fields: &Fields, written: &Fields) {
        for field in fields.iter() {
            self.path.push(field.name.clone());
            match counterpart(field, written) {
                Counterpart::None if field.has_default => {}
                Counterpart::None => {
                    let reader = shown(self.reader, field.ty);
                    self.misfit(Rule::ReaderFieldMissingDefaultValue, reader, String::new());
                }
                Counterpart::One(other) if self.fits(field.ty, other.ty) => {}
                Counterpart::One(other) => self.explain(field.ty, other.ty),
                Counterpart::Several(names) => {
                    let names = Vec::from_iter(names).join(", ");
                    self.misfit(Rule::AmbiguousAlias, field.name.clone(), names);
                }
            }
            self.path.pop();
        }
    }

    fn plain(&mut self, rule: Rule, r: Id, w: Id) {
        let (reader, writer) = (shown(self.reader, r), shown(self.writer, w));
        self.misfit(rule, reader, writer);
    }

    /// Whether a branch of a union is what a written type was meant for, so that the trouble is inside.
    fn alike(&self, r: Id, w: Id) -> bool {
        match self.pair(r, w) {
            Some((Type::Primitive(reader), Type::Primitive(writer))) => reader.takes(*writer),
            Some((Type::Array(_), Type::Array(_)) | (Type::Map(_), Type::Map(_))) => true,
            Some(
                (Type::Fixed { name, .. }, Type::Fixed { name: written, .. })
                | (Type::Enum { name, .. }, Type::Enum { name: written, .. })
                | (Type::Record { name, .. }, Type::Record { name: written, .. }),
            ) => same_name(name, written),
            _ => false,
        }
    }
}

/// As Avro's checker compares them: by their last part, or by an alias of the reader.
fn same_name(reader: &Name, writer: &Name) -> bool {
    reader.simple() == writer.simple() || reader.aliases.contains(&writer.full)
}

/// Symbols that were written and that the reader can make nothing of.
fn missing_symbols<'w>(known: &[String], default: Option<&String>, written: &'w [String]) -> Vec<&'w str> {
    if default.is_some_and(|default| known.contains(default)) {
        return Vec::new();
    }
    let known: HashSet<&String> = known.iter().collect();
    written.iter().filter(|symbol| !known.contains(symbol)).map(String::as_str).collect()
}

enum Counterpart<'w> {
    None,
    One(&'w Field),
    /// By their names.
    Several(BTreeSet<&'w str>),
}

/// The written field that the reader's field takes its value from: the one of its name, or of one of its aliases.
fn counterpart<'w>(field: &Field, written: &'w Fields) -> Counterpart<'w> {
    let names = std::iter::once(&field.name).chain(&field.aliases);
    let found: BTreeSet<&str> =
        names.filter_map(|name| written.get(name)).map(|other| other.name.as_str()).collect();
    match (found.first(), found.len()) {
        (Some(only), 1) => written.get(only).map_or(Counterpart::None, Counterpart::One),
        (Some(_), _) => Counterpart::Several(found),
        (None, _) => Counterpart::None,
    }
}

/// A type in few words: `long (timestamp-micros)`, `null or string`, `record Address`.
fn shown(model: &Model, id: Id) -> String {
    let Some(node) = model.node(id) else { return "?".to_owned() };
    let base = match &node.ty {
        Type::Primitive(primitive) => primitive.name().to_owned(),
        Type::Array(items) => format!("array of {}", shown_inside(model, *items)),
        Type::Map(values) => format!("map of {}", shown_inside(model, *values)),
        Type::Union(branches) => {
            let branches: Vec<String> = branches.iter().map(|branch| shown_inside(model, *branch)).collect();
            if branches.is_empty() { "an empty union".to_owned() } else { branches.join(" or ") }
        }
        Type::Fixed { name, size } => format!("fixed {} of {size} bytes", name.simple()),
        Type::Enum { name, .. } => format!("enum {}", name.simple()),
        Type::Record { name, .. } => format!("record {}", name.simple()),
    };
    match &node.meaning {
        Some(Meaning::Decimal { precision, scale }) => format!("decimal({precision}, {scale})"),
        Some(Meaning::Other(logical)) => format!("{base} ({logical})"),
        None => base,
    }
}

/// Collections within collections are only named: types can be nested deeply.
fn shown_inside(model: &Model, id: Id) -> String {
    match model.node(id).map(|node| &node.ty) {
        Some(Type::Array(_)) => "array".to_owned(),
        Some(Type::Map(_)) => "map".to_owned(),
        Some(Type::Union(branches)) => {
            let plain = |branch: &Id| !matches!(model.node(*branch).map(|n| &n.ty), Some(Type::Union(_)));
            let branches = branches.iter().filter(|branch| plain(branch));
            branches.map(|branch| shown_inside(model, *branch)).collect::<Vec<_>>().join(" or ")
        }
        _ => shown(model, id),
    }
}
