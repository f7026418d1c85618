//! Between the state's records and what the core plans with.

use datamesh_core::manifest::model::OnRemove;
use datamesh_core::plan::{Origin, Prior, PriorResource, RecordSpec, ResourceChange, ShardVersion, Types};
use datamesh_provider::{Address, Attributes, DecodeError, Packed, SystemName};
use datamesh_state::{Becomes, Record, Shard};
use std::collections::BTreeMap;

/// What the core needs of every shard.
pub(crate) fn prior<'a>(
    shards: impl Iterator<Item = &'a Shard>,
    types: &Types,
) -> Result<Prior, DecodeError> {
    let mut prior = Prior::default();
    for shard in shards {
        let version = ShardVersion { lineage: shard.lineage.clone(), serial: shard.serial };
        prior.shards.insert(shard.domain.clone(), version);
        for (name, identity) in &shard.systems {
            if let Some((kind, name)) = name.split_once('.') {
                prior.systems.insert(SystemName::new(kind, name), identity.clone());
            }
        }
        for (address, record) in &shard.resources {
            prior.resources.insert(address.clone(), resource(address, record, types)?);
        }
    }
    Ok(prior)
}

fn resource(address: &Address, record: &Record, types: &Types) -> Result<PriorResource, DecodeError> {
    Ok(PriorResource {
        address: address.clone(),
        ty: record.ty.clone(),
        system: record.system.clone(),
        id: record.object.clone(),
        source_path: record.source.clone().unwrap_or_default(),
        incarnation: record.incarnation.clone(),
        attributes: current_attributes(record, types)?,
        computed: record.computed.clone(),
        depends_on: record.dependencies.clone(),
        generation: record.generation,
        origin: match record.origin {
            datamesh_state::Origin::Created => Origin::Created,
            datamesh_state::Origin::Adopted => Origin::Adopted,
        },
        prevent_destroy: record.prevent_destroy,
        on_remove: record.on_remove.map(|on_remove| match on_remove {
            datamesh_state::OnRemove::Hold => OnRemove::Hold,
            datamesh_state::OnRemove::Forget => OnRemove::Forget,
            datamesh_state::OnRemove::Destroy => OnRemove::Destroy,
        }),
        unfinished: !record.unfinished.is_empty(),
    })
}

/// The recorded attributes in the shape of this version.
pub(super) fn current_attributes(record: &Record, types: &Types) -> Result<Packed, DecodeError> {
    match types.get(&record.ty) {
        Some(ty) if ty.schema().version != record.schema_version => {
            ty.upgrade(record.schema_version, Attributes::clone(&record.attributes))
        }
        _ => Ok(record.attributes.clone()),
    }
}

/// The manifests' side of a record that a change leads to.
pub(crate) fn becomes(change: &ResourceChange, spec: &RecordSpec, types: &Types) -> Becomes {
    Becomes {
        schema_version: types.get(&change.ty).map_or(1, |ty| ty.schema().version),
        source: Some(spec.source_path.clone()).filter(|path| !path.is_empty()),
        product: change.address.product().map(|_| change.address.owner()),
        dependencies: spec.depends_on.clone(),
        prevent_destroy: spec.prevent_destroy,
        on_remove: spec.on_remove.map(|on_remove| match on_remove {
            OnRemove::Hold => datamesh_state::OnRemove::Hold,
            OnRemove::Forget => datamesh_state::OnRemove::Forget,
            OnRemove::Destroy => datamesh_state::OnRemove::Destroy,
        }),
        declared: change.declared.clone().unwrap_or_default(),
    }
}

/// Serials by domain, as a plan pins them.
pub(crate) fn versions<'a>(shards: impl Iterator<Item = &'a Shard>) -> BTreeMap<String, ShardVersion> {
    shards
        .map(|s| (s.domain.clone(), ShardVersion { lineage: s.lineage.clone(), serial: s.serial }))
        .collect()
}
