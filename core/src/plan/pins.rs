//! What a plan relies on: each resource it changes, and what those depend on directly.

use super::decide::either;
use super::index::{self, Index, PhysicalKey, physical};
use super::types::{Pin, Reading, ResourceChange, Seen};
use super::{PlanInput, PriorMap};
use datamesh_provider::{Address, Diagnostics, LiveObject, Packed, digest_json};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The pins of a plan's changes.
pub(crate) fn pins(
    index: &Index<'_>,
    priors: &PriorMap<'_>,
    changes: &[ResourceChange],
) -> BTreeMap<Address, Pin> {
    let mut wanted: BTreeSet<&Address> = BTreeSet::new();
    for change in changes.iter().filter(|change| change.action.is_change() || change.bookkeeping) {
        wanted.insert(&change.address);
        wanted.extend(change.record.iter().flat_map(|record| &record.depends_on));
        wanted.extend(priors.get(&change.address).into_iter().flat_map(|(record, _)| &record.depends_on));
    }
    wanted.into_iter().map(|address| (address.clone(), pin(index, priors, address))).collect()
}

/// The same of resources of one's own choice: what a saved plan relies on, as it is now.
pub fn pins_of<'a>(
    input: &PlanInput<'_>,
    addresses: impl IntoIterator<Item = &'a Address>,
) -> BTreeMap<Address, Pin> {
    let index = Index::new(input.types, input.desired, input.prior, input.live);
    let priors = index::prior_of(&index, &mut Diagnostics::default());
    addresses.into_iter().map(|address| (address.clone(), pin(&index, &priors, address))).collect()
}

fn pin(index: &Index<'_>, priors: &PriorMap<'_>, address: &Address) -> Pin {
    let prior = priors.get(address).map(|(record, _)| *record);
    let desired = index.desired.resources.get(address);
    let key: Option<PhysicalKey<'_>> = match (prior, desired) {
        (Some(record), _) => Some((&record.system, &record.ty, &record.id)),
        (None, Some(desired)) => Some(physical(desired)),
        (None, None) => None,
    };
    let generation = prior.map(|record| record.generation);
    let (incarnation, seen) = match key.and_then(|key| index.reading(key)) {
        None | Some(Reading::Unreadable(_)) => (None, Seen::Unread),
        Some(Reading::Absent) => (None, Seen::Absent),
        Some(Reading::Present(object)) => {
            let declared = desired.map(|desired| &desired.object.attributes);
            let print = fingerprint(index, address, object, declared, prior.map(|record| &record.attributes));
            (object.incarnation.clone(), print.map_or(Seen::Unread, Seen::Present))
        }
    };
    Pin { generation, incarnation, seen }
}

/// A digest of what is managed of an object: what is declared, and what was last applied. `None`: its attributes do
/// not decode, which the plan itself reports.
fn fingerprint(
    index: &Index<'_>,
    address: &Address,
    object: &LiveObject,
    declared: Option<&Packed>,
    applied: Option<&Packed>,
) -> Option<String> {
    let ty = index.types.get(address.ty())?;
    let canonical =
        |side: Option<&Packed>| side.map_or_else(|| Ok(Packed::default()), |side| ty.normalize(side));
    let (declared, applied) = (canonical(declared).ok()?, canonical(applied).ok()?);
    let live = ty.normalize(&object.attributes).ok()?;
    let ours = either(&declared, &applied).into();
    let ours = ty.managed(&live, &ours).or_else(|_| ty.managed(&live, &declared));
    Some(digest_json(&json!([object.owner, ours.ok()?])))
}

impl Pin {
    /// What is another than it was, in words.
    pub fn moved(&self, now: &Self) -> Option<String> {
        let was = self;
        let numbered = |generation: Option<u64>| generation.map_or("none".to_owned(), |n| n.to_string());
        let why = match (&was.seen, &now.seen) {
            _ if was.generation != now.generation => {
                let (was, now) = (numbered(was.generation), numbered(now.generation));
                format!("its record was written since (`gen` was {was} and is {now})")
            }
            (_, Seen::Unread) if was.seen != now.seen => "it cannot be read now".to_owned(),
            (Seen::Unread, _) if was.seen != now.seen => "it could not be read then".to_owned(),
            (Seen::Absent, Seen::Present(_)) => "it was not there, and now it is".to_owned(),
            (Seen::Present(_), Seen::Absent) => "it was there, and now it is not".to_owned(),
            _ if was.incarnation != now.incarnation => {
                "it was deleted and made again by somebody else".to_owned()
            }
            _ if was.seen != now.seen => "it was changed outside".to_owned(),
            _ => return None,
        };
        Some(why)
    }
}
