//! Everything a plan looks up, indexed once, with every attribute map in its canonical form.

use super::codes;
use super::types::{Prior, PriorResource, Reading, Snapshot, Types};
use crate::graph::selector::AddressGlob;
use crate::graph::{DesiredGraph, DesiredResource};
use datamesh_provider::{
    Address, DecodeError, Diagnostic, Diagnostics, Facts, LiveObject, ObjectId, Packed, ResourceType,
    SystemName, TypeName,
};
use std::collections::{BTreeMap, HashMap};

/// What tells one physical object from every other.
pub type PhysicalKey<'a> = (&'a SystemName, &'a TypeName, &'a ObjectId);

/// One resource from all three sides.
#[derive(Debug)]
pub(crate) struct Sides<'a> {
    pub(crate) address: &'a Address,
    pub(crate) ty: &'static dyn ResourceType,
    pub(crate) desired: Option<&'a DesiredResource>,
    pub(crate) prior: Option<PriorSide<'a>>,
    /// The normalised declared attributes.
    pub(crate) declared: Option<Packed>,
    /// Declared over creation defaults, where it is to be created.
    pub(crate) filled: Option<Packed>,
    pub(crate) live: LiveSide<'a>,
    pub(crate) facts: &'a Facts,
}

#[derive(Debug)]
pub(crate) struct PriorSide<'a> {
    pub(crate) record: &'a PriorResource,
    pub(crate) attributes: Packed,
    ty: &'static dyn ResourceType,
    /// The address it had, where a move brings it here.
    pub(crate) moved_from: Option<&'a Address>,
}

impl PriorSide<'_> {
    /// What was last applied, as a diff wants to know it: with what the system assigned to its parts, where its type
    /// goes by that.
    pub(crate) fn known(&self) -> Packed {
        let recalled = self.ty.recall(&self.attributes, &self.record.computed);
        recalled.unwrap_or_else(|| self.attributes.clone())
    }
}

/// What is known of the live object.
#[derive(Debug)]
pub(crate) enum LiveSide<'a> {
    /// Not read: a narrowed or offline plan.
    Unknown,
    Absent,
    Present(&'a LiveObject),
    Unreadable(&'a str),
}

/// The indexes.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    pub(crate) types: &'a Types,
    pub(crate) desired: &'a DesiredGraph,
    pub(crate) prior: &'a Prior,
    readings: HashMap<PhysicalKey<'a>, &'a Reading>,
    facts: HashMap<&'a SystemName, &'a Facts>,
    owners: HashMap<PhysicalKey<'a>, &'a Address>,
    /// Every owner of what may have several.
    shared: HashMap<PhysicalKey<'a>, Vec<&'a PriorResource>>,
    claims: HashMap<PhysicalKey<'a>, &'a Address>,
    /// What `Removed` documents select, and whether they destroy it.
    removals: Vec<(AddressGlob, bool)>,
    no_facts: Facts,
}

impl<'a> Index<'a> {
    pub(crate) fn new(
        types: &'a Types,
        desired: &'a DesiredGraph,
        prior: &'a Prior,
        live: &'a Snapshot,
    ) -> Self {
        let readings = live.objects.iter().map(|o| ((&o.system, &o.ty, &o.id), &o.reading)).collect();
        let facts = live.systems.iter().map(|s| (&s.system, &s.facts)).collect();
        let owners = prior.resources.values().map(|r| ((&r.system, &r.ty, &r.id), &r.address)).collect();
        let mut shared: HashMap<PhysicalKey<'_>, Vec<&PriorResource>> = HashMap::new();
        for record in prior.resources.values().filter(|r| types.get(&r.ty).is_some_and(|ty| ty.shared())) {
            shared.entry((&record.system, &record.ty, &record.id)).or_default().push(record);
        }
        let claims = desired.resources.values().map(|r| (physical(r), &r.object.address)).collect();
        let parsed = |r: &crate::graph::Removal| Some((AddressGlob::parse(&r.pattern).ok()?, r.destroy));
        let removals = desired.removals.iter().filter_map(parsed).collect();
        Self {
            types,
            desired,
            prior,
            readings,
            facts,
            owners,
            shared,
            claims,
            removals,
            no_facts: Facts::default(),
        }
    }

    /// Whether a `Removed` document is about this address, and whether it destroys.
    pub(crate) fn removal(&self, address: &Address) -> Option<bool> {
        self.removals.iter().find(|(glob, _)| glob.matches(address)).map(|(_, destroy)| *destroy)
    }

    pub(crate) fn facts(&self, system: &SystemName) -> Option<&'a Facts> {
        self.facts.get(system).copied()
    }

    /// What was read of a physical object; `None`: it was not.
    pub(crate) fn reading(&self, key: PhysicalKey<'_>) -> Option<&'a Reading> {
        self.readings.get(&key).copied()
    }

    /// The address in the state that owns a physical object.
    pub(crate) fn owner(&self, key: PhysicalKey<'_>) -> Option<&'a Address> {
        self.owners.get(&key).copied()
    }

    /// Every record of an object that may have several owners; none of any other.
    pub(crate) fn sharers(&self, key: PhysicalKey<'_>) -> Vec<&'a PriorResource> {
        self.shared.get(&key).cloned().unwrap_or_default()
    }

    /// Whether nothing declares a recorded resource any more. What could not be read has not vanished.
    fn vanished(&self, record: &PriorResource) -> bool {
        let DesiredGraph { resources, held_back, unread_paths, .. } = self.desired;
        !resources.contains_key(&record.address)
            && !held_back.contains_key(&record.address.owner())
            && !unread_paths.contains(&record.source_path)
    }

    /// The address in the manifests that claims a physical object.
    pub(crate) fn claim(&self, key: PhysicalKey<'_>) -> Option<&'a Address> {
        self.claims.get(&key).copied()
    }

    /// All sides of one resource. `prior` is handed in, since a move may bring it from elsewhere.
    pub(crate) fn sides(
        &'a self,
        address: &'a Address,
        prior: Option<(&'a PriorResource, Option<&'a Address>)>,
    ) -> Result<Sides<'a>, Box<Diagnostic>> {
        let desired = self.desired.resources.get(address);
        let span = desired.and_then(|d| d.span);
        let ty = self.types.get(address.ty()).ok_or_else(|| {
            let detail =
                format!("No provider of this version knows the type `{}` of {address}.", address.ty());
            Box::new(
                Diagnostic::error(codes::UNKNOWN_TYPE, detail)
                    .at(span, "declared here")
                    .scoped(address.owner()),
            )
        })?;
        let bad = |error: DecodeError| {
            let detail = format!(
                "{error} (for {address}). This is a bug of the tool, or the state was edited by hand."
            );
            Box::new(
                Diagnostic::error(codes::BAD_ATTRIBUTES, detail)
                    .at(span, "declared here")
                    .scoped(address.owner()),
            )
        };
        // What is recorded is in its canonical form, and so is what is declared as it is recorded.
        let recorded = prior.map(|(record, _)| &record.attributes);
        let declared = desired.map(|d| match recorded.filter(|recorded| **recorded == d.object.attributes) {
            Some(recorded) => Ok(recorded.clone()),
            None => normal(ty, &d.object.attributes),
        });
        let declared = declared.transpose().map_err(bad)?;
        let prior = match prior {
            None => None,
            Some((record, moved_from)) => {
                let as_declared = declared.as_ref().filter(|declared| **declared == record.attributes);
                let attributes = match as_declared {
                    Some(declared) => declared.clone(),
                    None => normal(ty, &record.attributes).map_err(bad)?,
                };
                Some(PriorSide { record, attributes, ty, moved_from })
            }
        };
        let key = match (&prior, desired) {
            (Some(prior), _) => Some((&prior.record.system, &prior.record.ty, &prior.record.id)),
            (None, Some(desired)) => Some(physical(desired)),
            (None, None) => None,
        };
        let live = match key.and_then(|key| self.readings.get(&key)) {
            None => LiveSide::Unknown,
            Some(Reading::Absent) => LiveSide::Absent,
            Some(Reading::Unreadable(why)) => LiveSide::Unreadable(why),
            Some(Reading::Present(object)) => LiveSide::Present(object),
        };
        // Defaults of a creation are compared with nothing that is there.
        let made = prior.as_ref().is_none_or(|prior| prior.record.unfinished)
            || !matches!(live, LiveSide::Present(_));
        let filled = desired.filter(|_| made);
        let filled =
            filled.map(|d| ty.fill(&d.object.attributes, &d.object.on_create)).transpose().map_err(bad)?;
        let facts = key.and_then(|(system, ..)| self.facts(system)).unwrap_or(&self.no_facts);
        Ok(Sides { address, ty, desired, prior, declared, filled, live, facts })
    }
}

/// In the canonical form, which is nearly always how it is given.
fn normal(ty: &dyn ResourceType, attributes: &Packed) -> Result<Packed, DecodeError> {
    let normal = ty.normalize(attributes)?;
    Ok(if normal == *attributes { attributes.clone() } else { normal })
}

/// The physical object that a declared resource is.
pub fn physical(resource: &DesiredResource) -> PhysicalKey<'_> {
    (&resource.object.system, resource.object.address.ty(), &resource.object.id)
}

/// The recorded resource each address starts from: its own, or one that a move brings.
///
/// Besides `Moved` documents, a physical object that one address would lose and another gains is a move.
pub(crate) fn prior_of<'a>(
    index: &'a Index<'a>,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<&'a Address, (&'a PriorResource, Option<&'a Address>)> {
    let mut by_address: BTreeMap<&Address, (&PriorResource, Option<&Address>)> =
        index.prior.resources.iter().map(|(address, record)| (address, (record, None))).collect();
    for wanted in &index.desired.moves {
        let target_is_free = !by_address.contains_key(&wanted.to);
        match index.prior.resources.get(&wanted.from) {
            Some(record) if target_is_free && index.vanished(record) => {
                by_address.remove(&wanted.from);
                by_address.insert(&wanted.to, (record, Some(&record.address)));
            }
            Some(_) => diagnostics.push(blocked_move(wanted)),
            // Done by an earlier apply, or never recorded: nothing to carry over.
            None => diagnostics.push(stale_move(wanted)),
        }
    }
    for (address, resource) in &index.desired.resources {
        if by_address.contains_key(address) {
            continue;
        }
        let Some(owner) = index.owner(physical(resource)) else { continue };
        let lost = |record: &&PriorResource| index.desired.complete && index.vanished(record);
        if let Some((record, None)) = by_address.get(owner).copied().filter(|(record, _)| lost(record)) {
            by_address.remove(owner);
            by_address.insert(address, (record, Some(&record.address)));
        }
    }
    by_address
}

fn blocked_move(wanted: &crate::graph::Move) -> Diagnostic {
    let detail = format!(
        "{} cannot move to {}: one of them is still declared, recorded or unread.",
        wanted.from, wanted.to
    );
    Diagnostic::error(codes::OWNED_ELSEWHERE, detail)
        .at(wanted.span, "this move")
        .help("Remove the old declaration, or delete this document if the move is done.")
        .scoped(wanted.to.owner())
}

fn stale_move(wanted: &crate::graph::Move) -> Diagnostic {
    let detail =
        format!("Nothing is recorded at {}, so there is nothing to move to {}.", wanted.from, wanted.to);
    Diagnostic::warning(codes::NOTHING_MATCHES, detail)
        .at(wanted.span, "this move")
        .help("If every environment has applied it, delete this document.")
}
