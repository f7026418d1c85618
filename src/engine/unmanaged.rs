//! What exists in the systems of an environment and nobody of this mesh declares or has recorded.

use super::preparing::Prepared;
use super::session::Session;
use datamesh_provider::{Attributes, Listed, ObjectId, ProviderError, SystemName, TypeName};
use futures::future::join_all;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// An object that is somebody else's, or nobody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmanaged {
    pub system: SystemName,
    pub ty: TypeName,
    pub id: ObjectId,
    pub details: Attributes,
}

/// What was found, and the systems that could not be asked.
#[derive(Clone, Debug, Default)]
pub struct UnmanagedReport {
    /// By system, type and name.
    pub objects: Vec<Unmanaged>,
    pub failed: Vec<ProviderError>,
}

/// System, type and name of an object that is ours.
type Known<'a> = BTreeSet<(&'a SystemName, &'a TypeName, &'a ObjectId)>;

impl Session {
    /// Lists every system of the environment, side by side.
    pub(super) async fn unmanaged(&self, prepared: &Prepared) -> UnmanagedReport {
        let all: BTreeSet<SystemName> = self.environment.systems.keys().cloned().collect();
        let systems = self.connect(&all).await;
        let desired = prepared.desired.resources.values().map(|wanted| &wanted.object);
        let mut known: Known<'_> =
            desired.map(|object| (&object.system, object.address.ty(), &object.id)).collect();
        known
            .extend(prepared.prior.resources.values().map(|record| (&record.system, &record.ty, &record.id)));
        let parts = join_all(all.iter().flat_map(|system| {
            let types = self.options.providers.get(&system.kind).map_or(&[][..], |def| def.types);
            types
                .iter()
                .map(|ty| self.list(&systems, system, TypeName::new(ty.name()), &known))
                .collect::<Vec<_>>()
        }))
        .await;
        let mut report = UnmanagedReport::default();
        for part in parts {
            match part {
                Ok(objects) => report.objects.extend(objects),
                Err(error) => report.failed.push(error),
            }
        }
        report.objects.sort_by(|a, b| (&a.system, &a.ty, &a.id).cmp(&(&b.system, &b.ty, &b.id)));
        report
    }

    async fn list(
        &self,
        systems: &super::systems::Systems,
        system: &SystemName,
        ty: TypeName,
        known: &Known<'_>,
    ) -> Result<Vec<Unmanaged>, ProviderError> {
        let sink: Mutex<Vec<Listed>> = Mutex::default();
        let client = systems.get(system)?;
        client.list(self.cx(), &ty, &sink).await?;
        let listed = sink.into_inner().unwrap_or_else(PoisonError::into_inner);
        let others = listed.into_iter().filter(|listed| {
            !known.contains(&(system, &ty, &listed.id)) && !is_internal(&ty, listed.id.as_str())
        });
        let unmanaged =
            |Listed { id, details }| Unmanaged { system: system.clone(), ty: ty.clone(), id, details };
        Ok(others.map(unmanaged).collect())
    }
}

/// Systems keep books of their own, which are nobody's to declare.
fn is_internal(ty: &TypeName, id: &str) -> bool {
    ty.as_str() == "kafka_topic" && (id.starts_with("__") || id == "_schemas")
}
