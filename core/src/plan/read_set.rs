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
    let mut wanted: BTreeMap<(SystemName, TypeName, ObjectId), (Vec<Attributes>, bool)> = BTreeMap::new();
    if options.mode == Mode::Converge {
        for (address, resource) in &desired.resources {
            if options.scope.contains(address) {
                let key = (resource.object.system.clone(), address.ty().clone(), resource.object.id.clone());
                let entry = wanted.entry(key).or_default();
                entry.0.push(resource.object.attributes.clone());
                // Not recorded: it may be adopted, and the record needs its incarnation.
                entry.1 |= !prior.resources.contains_key(address);
            }
        }
    }
    let moved: BTreeSet<_> = desired.moves.iter().map(|m| &m.from).collect();
    for (address, record) in &prior.resources {
        if options.scope.contains(address) || moved.contains(address) {
            let key = (record.system.clone(), record.ty.clone(), record.id.clone());
            let entry = wanted.entry(key).or_default();
            // Nearly always what is declared.
            if !entry.0.contains(&record.attributes) {
                entry.0.push(record.attributes.clone());
            }
            entry.1 |= options.mode == Mode::Destroy || !desired.resources.contains_key(address);
        }
    }
    let mut by_system: BTreeMap<SystemName, Vec<ReadRequest>> = BTreeMap::new();
    for ((system, ty, id), (managed, want_incarnation)) in wanted {
        by_system.entry(system).or_default().push(ReadRequest { ty, id, managed, want_incarnation });
    }
    by_system
}
