//! What is live under an address, whether or not a manifest declares it yet.

use super::refresh::refresh;
use super::session::Session;
use datamesh_core::contract::table_name;
use datamesh_core::plan::Reading;
use datamesh_provider::{Address, Diagnostics, LiveObject, ObjectId, ReadRequest, SystemName};
use datamesh_state::StateError;
use std::collections::{BTreeMap, BTreeSet};

/// A live object, and how it was found.
#[derive(Clone, Debug)]
pub struct Imported {
    pub system: SystemName,
    pub id: ObjectId,
    /// `Err`: why it cannot be read; `Ok(None)`: there is none.
    pub live: Result<Option<LiveObject>, String>,
}

impl Session {
    /// Reads the table that an address stands for: one that is named, else what is recorded, declared or to be imported
    /// there, else the name it would be created with.
    pub async fn live_table(
        &self,
        address: &Address,
        id: Option<&str>,
        system: Option<&SystemName>,
    ) -> Result<Imported, StateError> {
        let shards = self.shards().await?;
        let declared = self.resolved(&shards, &mut Diagnostics::default());
        let recorded = shards.values().find_map(|shard| shard.resources.get(address));
        let declared_as = declared.resources.get(address).map(|resource| &resource.object);
        let import = declared.imports.iter().find(|import| import.address == *address);
        let id = id
            .or(recorded.map(|record| record.object.as_str()))
            .or(declared_as.map(|object| object.id.as_str()))
            .or(import.map(|import| import.id.as_str()))
            .map_or_else(|| self.derived_table(address), str::to_owned);
        let system = system
            .or(recorded.map(|record| &record.system))
            .or(declared_as.map(|object| &object.system))
            .cloned()
            .unwrap_or_else(|| SystemName::new("iceberg", "default"));
        let id = ObjectId::new(id);
        let want = ReadRequest::of(address.ty().clone(), id.clone());
        let systems = self.connect(&BTreeSet::from([system.clone()])).await;
        let mut snapshot =
            refresh(&systems, &BTreeMap::from([(system.clone(), vec![want])]), self.cx()).await;
        let live = match snapshot.objects.pop().map(|entry| entry.reading) {
            Some(Reading::Present(object)) => Ok(Some(object)),
            Some(Reading::Absent) => Ok(None),
            Some(Reading::Unreadable(why)) => Err(why),
            None => Err("there was no answer".to_owned()),
        };
        Ok(Imported { system, id, live })
    }

    fn derived_table(&self, address: &Address) -> String {
        let product = address.product().map_or("", |(name, _)| name);
        let prefix = &self.environment.prefixes.namespace;
        format!("{prefix}{}", table_name(address.domain(), product))
    }
}
