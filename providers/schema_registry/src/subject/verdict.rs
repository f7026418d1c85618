//! Whether a new Avro schema keeps what a subject promised.

use crate::codes::{INCOMPATIBLE, NOT_JUDGED};
use crate::compat::{Break, Direction, Schema, breaks};
use crate::level::Level;
use datamesh_provider::{Diagnostic, Diagnostics, SpanMap};

/// Whoever reads that many will correct the first ones and plan again.
pub(super) const SHOWN: usize = 20;

/// Every level somebody may rely on. Judged is by all of them: a level that is lowered together with a break would
/// promise nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Promised<'a> {
    /// What the manifest says.
    pub(super) desired: Option<&'a str>,
    /// What the registry says.
    pub(super) live: Option<&'a str>,
    /// What was last applied.
    pub(super) applied: Option<&'a str>,
}

impl Promised<'_> {
    fn all(self) -> impl Iterator<Item = (Level, &'static str)> {
        let sources = [
            (self.desired, "declared"),
            (self.live, "in force in the registry"),
            (self.applied, "last applied"),
        ];
        sources.into_iter().filter_map(|(name, source)| Some((Level::from_name(name?)?, source)))
    }

    pub(super) fn level(self) -> Level {
        self.all().fold(Level::None, |all, (level, _)| all.and(level))
    }

    /// Who asks for a direction: the level, and where it comes from.
    fn asked(self, direction: Direction) -> (Level, &'static str) {
        let asks = |level: Level| match direction {
            Direction::Backward => level.backward(),
            Direction::Forward => level.forward(),
        };
        self.all().find(|(level, _)| asks(*level)).unwrap_or((self.level(), "asked for"))
    }
}

/// A text, and the texts that it refers to, each after those that it refers to itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a> {
    pub(super) text: &'a str,
    pub(super) references: &'a [String],
}

impl<'a> Text<'a> {
    fn alone(text: &'a str) -> Self {
        Self { text, references: &[] }
    }

    fn read(self) -> Result<Schema, String> {
        let references: Vec<&str> = self.references.iter().map(String::as_str).collect();
        Schema::read(self.text, &references)
    }
}

/// What the new text breaks of the promises about the latest version.
pub(super) fn of_latest(promised: &Promised<'_>, new: &str, latest: &str, at: &SpanMap) -> Diagnostics {
    let found = judged(promised, Text::alone(new), Text::alone(latest), "the latest version");
    let placed = found.into_iter().map(|(about, diagnostic)| {
        let path: Vec<&str> = about.iter().map(String::as_str).collect();
        if diagnostic.is_error() { diagnostic.at(at.at(&path), "breaks the contract") } else { diagnostic }
    });
    placed.collect()
}

/// The same about one version, for who knows no places: each with the attribute it is about.
#[cfg(feature = "client")]
pub(super) fn of_version(
    promised: &Promised<'_>,
    new: Text<'_>,
    old: Text<'_>,
    version: i64,
) -> Vec<(Vec<String>, Diagnostic)> {
    judged(promised, new, old, &format!("version {version}"))
}

fn judged(
    promised: &Promised<'_>,
    new: Text<'_>,
    old: Text<'_>,
    against: &str,
) -> Vec<(Vec<String>, Diagnostic)> {
    if promised.level() == Level::None {
        return Vec::new();
    }
    let (new, old) = match (new.read(), old.read()) {
        (Ok(new), Ok(old)) => (new, old),
        (Err(why), _) | (_, Err(why)) => return vec![(Vec::new(), not_judged(&why))],
    };
    let found = breaks(promised.level(), &new, &old);
    let told = found.iter().take(SHOWN).map(|broken| {
        let path = std::iter::once("schema").chain(broken.path.iter().map(String::as_str));
        (path.map(str::to_owned).collect(), diagnostic(promised, broken, against, found.len()))
    });
    told.collect()
}

fn not_judged(why: &str) -> Diagnostic {
    let detail = format!("Whether the new schema is compatible is for the registry to say: {why}.");
    Diagnostic::note(NOT_JUDGED, detail)
}

fn diagnostic(promised: &Promised<'_>, broken: &Break, against: &str, of: usize) -> Diagnostic {
    let (level, source) = promised.asked(broken.direction);
    let promise = match broken.direction {
        Direction::Backward => format!("a reader of the new schema can read what was written with {against}"),
        Direction::Forward => format!("a reader of {against} can read what is written with the new schema"),
    };
    let more = if of > SHOWN {
        format!(" It is one of {of} breaks, of which {SHOWN} are told.")
    } else {
        String::new()
    };
    let detail = format!(
        "The {broken}. The level {}, which is {source}, promises that {promise}.{more}",
        level.name()
    );
    Diagnostic::error(INCOMPATIBLE, detail).help(format!(
        "{}; or start a new major version beside this one: `datamesh new version PRODUCT`.",
        capitalised(broken.way_out())
    ))
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
