//! What a plan needs to know of the live systems.

use super::index::PhysicalKey;
use super::types::{Mode, PlanOptions, Prior};
use crate::graph::DesiredGraph;
use datamesh_provider::{ObjectId, Packed, ReadRequest, SystemName, TypeName};
use std::collections::{BTreeMap, BTreeSet};

/// What to read, by system.
pub type ReadSet = BTreeMap<SystemName, Vec<ReadRequest>>;

/// What to read: every declared and every recorded object in scope, each once.
pub fn read_set(desired: &DesiredGraph, prior: &Prior, options: &PlanOptions) -> ReadSet {
    let mut wanted = Wanted::new();
    if options.mode == Mode::Converge {
        for (address, resource) in desired.resources.iter().filter(|(at, _)| options.scope.contains(at)) {
            let object = &resource.object;
            let request = want(&mut wanted, &object.system, address.ty(), &object.id, &object.attributes);
            // Not recorded: it may be adopted, and the record needs its incarnation.
            request.want_incarnation |= !prior.resources.contains_key(address);
        }
    }
    let moved: BTreeSet<_> = desired.moves.iter().map(|m| &m.from).collect();
    for (address, record) in &prior.resources {
        if options.scope.contains(address) || moved.contains(address) {
            let request = want(&mut wanted, &record.system, &record.ty, &record.id, &record.attributes);
            let goes = options.mode == Mode::Destroy || !desired.resources.contains_key(address);
            request.want_incarnation |= goes;
            request.remains |= goes;
        }
    }
    by_system(wanted)
}

/// What to read where everything is declared as it is recorded, which is given: a guess, before the manifests are known.
pub fn recorded_set<'a>(records: impl Iterator<Item = (PhysicalKey<'a>, Packed)>) -> ReadSet {
    let mut wanted = Wanted::new();
    for ((system, ty, id), attributes) in records {
        want(&mut wanted, system, ty, id, &attributes);
    }
    by_system(wanted)
}

fn by_system(wanted: Wanted) -> ReadSet {
    let mut by_system = ReadSet::new();
    for ((system, ..), request) in wanted {
        by_system.entry(system).or_default().push(request);
    }
    by_system
}

type Wanted = BTreeMap<(SystemName, TypeName, ObjectId), ReadRequest>;

/// The one request for an object, with these among its managed attributes.
fn want<'w>(
    wanted: &'w mut Wanted,
    system: &SystemName,
    ty: &TypeName,
    id: &ObjectId,
    managed: &Packed,
) -> &'w mut ReadRequest {
    let request = wanted
        .entry((system.clone(), ty.clone(), id.clone()))
        .or_insert_with(|| ReadRequest::of(ty.clone(), id.clone()));
    // What was last applied is nearly always what is declared.
    if !request.managed.contains(managed) {
        request.managed.push(managed.clone());
    }
    request
}
