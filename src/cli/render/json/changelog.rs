//! A changelog of contracts as one document.

use crate::breaking::{Broken, Changelog, Fate, OwnerChange, Party, ResourceChange};
use datamesh_provider::{Address, AttributeChange, Sources};
use schemars::JsonSchema;
use serde::Serialize;

/// Version of the document. The first number changes when a reader of the old form would break.
const FORMAT: &str = "1.0";

/// What changed in the contracts between two revisions.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChangelogDocument<'a> {
    /// Version of this document. The first number changes when a reader of the old form would break.
    pub format_version: &'static str,
    /// Whether a promise is broken.
    pub breaking: bool,
    pub owners: Vec<OwnerView<'a>>,
}

/// A product, or a domain.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OwnerView<'a> {
    /// `domain/product@version`, or a domain.
    pub owner: &'a str,
    pub change: FateWord,
    /// Whether it breaks what it promised.
    pub breaking: bool,
    /// What works before and not after, promised or not.
    pub broken: Vec<BrokenView<'a>>,
    pub resources: Vec<ResourceView<'a>>,
    /// Under which major version it should be published beside the one that is.
    pub suggested_version: Option<u32>,
}

/// How it differs between the two revisions.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FateWord {
    New,
    Changed,
    Gone,
}

/// Who notices.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartyWord {
    /// Those who read with the contract as it was.
    Consumers,
    /// Those who write with the contract as it was, and what they have written.
    Producers,
}

/// Something that works before and not after.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BrokenView<'a> {
    pub party: PartyWord,
    pub message: &'a str,
    /// The rule of schema resolution, where one is broken.
    pub rule: Option<&'static str>,
    /// Whether the product promises that this does not happen.
    pub promised: bool,
    /// In the newer revision.
    pub place: Option<Place>,
}

/// A place in a manifest; lines and columns count from 1.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Place {
    pub path: String,
    pub line: usize,
    pub column: usize,
}

/// A resource that changes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ResourceView<'a> {
    pub address: &'a Address,
    /// Its name in its system.
    pub id: &'a str,
    pub change: FateWord,
    pub attributes: &'a [AttributeChange],
    pub notes: &'a [String],
}

impl<'a> ChangelogDocument<'a> {
    pub fn of(changelog: &'a Changelog, sources: &Sources) -> Self {
        Self {
            format_version: FORMAT,
            breaking: changelog.breaking() > 0,
            owners: changelog.owners.iter().map(|owner| OwnerView::of(owner, sources)).collect(),
        }
    }
}

impl<'a> OwnerView<'a> {
    fn of(owner: &'a OwnerChange, sources: &Sources) -> Self {
        Self {
            owner: &owner.owner,
            change: owner.fate.into(),
            breaking: owner.breaks(),
            broken: owner.broken.iter().map(|broken| BrokenView::of(broken, sources)).collect(),
            resources: owner.changes.iter().map(ResourceView::of).collect(),
            suggested_version: owner.suggested,
        }
    }
}

impl<'a> BrokenView<'a> {
    fn of(broken: &'a Broken, sources: &Sources) -> Self {
        let party = match broken.party {
            Party::Consumers => PartyWord::Consumers,
            Party::Producers => PartyWord::Producers,
        };
        let place = broken.span.and_then(|span| {
            let (line, column) = sources.line_column(span)?;
            Some(Place { path: sources.path(span.file).to_owned(), line, column })
        });
        Self { party, message: &broken.what, rule: broken.rule, promised: broken.promised, place }
    }
}

impl<'a> ResourceView<'a> {
    fn of(change: &'a ResourceChange) -> Self {
        let ResourceChange { address, id, fate, attributes, notes } = change;
        Self { address, id, change: (*fate).into(), attributes, notes }
    }
}

impl From<Fate> for FateWord {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::New => Self::New,
            Fate::Changed => Self::Changed,
            Fate::Gone => Self::Gone,
        }
    }
}
