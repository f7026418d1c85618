//! Which column of a level is which: by name, by number, and by earlier names.

use crate::types::Field;
use std::collections::{BTreeMap, BTreeSet};

/// One level of columns, three ways.
#[derive(Clone, Copy)]
pub(super) struct Level<'a> {
    pub(super) prior: Option<&'a [Field]>,
    pub(super) live: &'a [Field],
    pub(super) desired: &'a [Field],
}

/// A declared column, and what it is in the table.
pub(super) struct Pair<'a> {
    pub(super) desired: &'a Field,
    /// As it was applied last.
    pub(super) prior: Option<&'a Field>,
    pub(super) live: Option<&'a Field>,
    /// Earlier names that are all columns of the table, where that is more than one.
    pub(super) several: Vec<&'a str>,
}

/// A level, put together.
pub(super) struct Matched<'a> {
    /// In the order of the manifest.
    pub(super) pairs: Vec<Pair<'a>>,
    /// Live ones that were applied from the manifest and are declared no more.
    pub(super) dropped: Vec<&'a Field>,
    /// How many live ones are neither last applied nor declared.
    pub(super) foreign: usize,
}

/// The columns of one side by what they are known by.
struct Known<'a> {
    names: BTreeMap<&'a str, &'a Field>,
    ids: BTreeMap<i64, &'a Field>,
}

impl<'a> Known<'a> {
    fn new(fields: &'a [Field]) -> Self {
        let names = fields.iter().map(|field| (field.name.as_str(), field)).collect();
        let ids = fields.iter().filter_map(|field| Some((field.id?, field))).collect();
        Self { names, ids }
    }

    fn named(&self, name: &str) -> Option<&'a Field> {
        self.names.get(name).copied()
    }

    /// The same column of another side. A number decides where both have one: a name may have been used again.
    fn same(&self, other: &Field) -> Option<&'a Field> {
        let numbered = other.id.and_then(|id| self.ids.get(&id).copied());
        numbered.or_else(|| self.named(&other.name).filter(|field| field.id.is_none() || other.id.is_none()))
    }
}

impl<'a> Matched<'a> {
    pub(super) fn of(sides: Level<'a>) -> Self {
        let (live, prior) = (Known::new(sides.live), Known::new(sides.prior.unwrap_or_default()));
        let mut taken: BTreeSet<&str> = BTreeSet::new();
        let mut pairs: Vec<Pair<'a>> = Vec::with_capacity(sides.desired.len());
        for desired in sides.desired {
            let live = live.named(&desired.name);
            taken.extend(live.map(|live| live.name.as_str()));
            pairs.push(Pair { desired, prior: None, live, several: Vec::new() });
        }
        for pair in pairs.iter_mut().filter(|pair| pair.live.is_none()) {
            let free = |live: &&Field| !taken.contains(live.name.as_str());
            // Somebody gave it another name: it is known by its number.
            let applied = prior.named(&pair.desired.name).filter(|applied| applied.id.is_some());
            let moved = applied.and_then(|applied| live.same(applied)).filter(free);
            let earlier = pair.desired.renamed_from.iter().flatten().rev();
            let earlier: Vec<&Field> = earlier.filter_map(|name| live.named(name)).filter(free).collect();
            pair.live = moved.or_else(|| earlier.first().copied());
            if moved.is_none() && earlier.len() > 1 {
                pair.several = earlier.iter().map(|field| field.name.as_str()).collect();
            }
            taken.extend(pair.live.map(|live| live.name.as_str()));
        }
        for pair in &mut pairs {
            let same = pair.live.and_then(|live| prior.same(live));
            pair.prior = same.or_else(|| prior.named(&pair.desired.name));
        }
        let rest = || sides.live.iter().filter(|live| !taken.contains(live.name.as_str()));
        let dropped: Vec<&Field> = rest().filter(|live| prior.same(live).is_some()).collect();
        Self { pairs, foreign: rest().count() - dropped.len(), dropped }
    }

    /// The declared ones that the table does not have.
    pub(super) fn added(&self) -> impl Iterator<Item = &'a Field> {
        self.pairs.iter().filter(|pair| pair.live.is_none()).map(|pair| pair.desired)
    }
}
