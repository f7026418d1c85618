//! What a plan needs to know of the live systems.

use super::types::{Mode, PlanOptions, Prior};
use crate::graph::DesiredGraph;
use datamesh_provider::{Attributes, ObjectId, ReadRequest, SystemName, TypeName};
use std::collections::{BTreeMap, BTreeSet};

/// What to read, by system: every declared and every recorded object in scope, each once.
pub fn read_set(
    desired: &DesiredGraph,
    prior: &Prior,
    options: &PlanOptions,
) -> BTreeMap<SystemName, Vec<ReadRequest>> {
    let mut wanted: BTreeMap<(SystemName, TypeName, ObjectId), ReadRequest> = BTreeMap::new();
    let mut want =
        |system: &SystemName, ty: &TypeName, id: &ObjectId, managed: &Attributes, new: bool, goes: bool| {
            let entry = wanted.entry((system.clone(), ty.clone(), id.clone()));
            let (ty, id) = (ty.clone(), id.clone());
            let nothing =
                ReadRequest { ty, id, managed: Vec::new(), want_incarnation: false, remains: false };
            let request = entry.or_insert(nothing);
            // What was last applied is nearly always what is declared.
            if !request.managed.contains(managed) {
                request.managed.push(managed.clone());
            }
            // What is not recorded may be adopted, and the record needs its incarnation.
            request.want_incarnation |= goes || new;
            request.remains |= goes;
        };
    if options.mode == Mode::Converge {
        for (address, resource) in desired.resources.iter().filter(|(at, _)| options.scope.contains(at)) {
            let object = &resource.object;
            let new = !prior.resources.contains_key(address);
            want(&object.system, address.ty(), &object.id, &object.attributes, new, false);
        }
    }
    let moved: BTreeSet<_> = desired.moves.iter().map(|m| &m.from).collect();
    for (address, record) in &prior.resources {
        if options.scope.contains(address) || moved.contains(address) {
            let goes = options.mode == Mode::Destroy || !desired.resources.contains_key(address);
            want(&record.system, &record.ty, &record.id, &record.attributes, false, goes);
        }
    }
    let mut by_system: BTreeMap<SystemName, Vec<ReadRequest>> = BTreeMap::new();
    for ((system, ..), request) in wanted {
        by_system.entry(system).or_default().push(request);
    }
    by_system
}
