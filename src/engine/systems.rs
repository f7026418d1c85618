//! Connections to the live systems of one environment.

use crate::providers::Providers;
use datamesh_provider::{ConnectRequest, Context, ErrorKind, Located, Provider, ProviderError, SystemName};
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Clients by system. A system that could not be connected keeps its error, which becomes the answer to each read.
#[derive(Debug, Default)]
pub(crate) struct Systems {
    clients: BTreeMap<SystemName, Result<Arc<dyn Provider>, ProviderError>>,
}

impl Systems {
    /// Builds the clients of the systems that are needed, side by side.
    pub(crate) async fn connect(
        providers: Providers,
        settings: &BTreeMap<SystemName, Located>,
        needed: &BTreeSet<SystemName>,
        root: &Path,
        context: &Context,
    ) -> Self {
        let connect = needed.iter().map(|system| async move {
            let client = match (providers.get(&system.kind), settings.get(system)) {
                (Some(def), Some(settings)) => {
                    (def.connect)(ConnectRequest {
                        name: system.to_string(),
                        settings: settings.clone(),
                        root: root.to_owned(),
                        context: context.clone(),
                    })
                    .await
                }
                _ => Err(not_configured(system)),
            };
            (system.clone(), client)
        });
        Self { clients: join_all(connect).await.into_iter().collect() }
    }

    /// Which of these nobody has tried to connect yet.
    pub(crate) fn missing(&self, needed: &BTreeSet<SystemName>) -> BTreeSet<SystemName> {
        needed.iter().filter(|system| !self.clients.contains_key(*system)).cloned().collect()
    }

    pub(crate) fn extend(&mut self, more: Self) {
        self.clients.extend(more.clients);
    }

    pub(crate) fn get(&self, system: &SystemName) -> Result<&Arc<dyn Provider>, ProviderError> {
        match self.clients.get(system) {
            Some(Ok(client)) => Ok(client),
            Some(Err(error)) => Err(error.clone()),
            None => Err(not_configured(system)),
        }
    }
}

fn not_configured(system: &SystemName) -> ProviderError {
    ProviderError::new(ErrorKind::Config, system.to_string(), "nowhere")
        .message("the chosen environment has no such system")
        .hint(format!("add `{}.{}` to the environment in the Mesh document", system.kind, system.name))
}
