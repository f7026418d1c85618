//! Reading ahead: what the state records is read while the manifests are still being loaded.
//!
//! Nearly always everything is declared as it is recorded, so that what a plan needs of the systems is known before the
//! first manifest is. It is a guess: an answer counts where the plan asks no more than that; anything else is read again.

use super::prior;
use super::refresh::{self, Requests};
use super::session::{Session, SessionOptions};
use super::systems::Systems;
use crate::source;
use datamesh_core::manifest::{Load, MESH_FILE};
use datamesh_core::plan::{Snapshot, recorded_set};
use datamesh_provider::SystemName;
use datamesh_state::{Snapshot as StateSnapshot, StateError};
use futures::TryFutureExt as _;
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, PoisonError};

/// What was read before the manifests were known: the state, and what it records.
pub(super) type Ahead = Result<(StateSnapshot, Before), StateError>;

/// What was read of the systems before, and the domains that may have changed since.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub(super) asked: Requests,
    pub(super) snapshot: Snapshot,
    pub(super) systems: Systems,
    pub(super) changed: Vec<String>,
}

/// Loads the manifests, with a session beside that knows the Mesh document alone and has read ahead. `None`: that
/// document is another one by now, or it or the manifests cannot be used.
pub(super) async fn load(options: &SessionOptions) -> (Load, Option<Session>) {
    let root = options.root.clone();
    let loading = tokio::task::spawn_blocking(move || source::load(&root).load);
    let loading = loading.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    let reading = async {
        let mesh = Arc::new(source::mesh_alone(&options.root));
        let session = Session::over(options.clone(), mesh).ok()?;
        session.read_ahead().await;
        Some(session)
    };
    let (mut loading, mut reading) = (pin!(loading), pin!(reading));
    let (load, session) = tokio::select! {
        // Nobody waits for what is read by manifests that cannot be used.
        load = &mut loading => if load.stopped { (load, None) } else { (load, reading.await) },
        session = &mut reading => (loading.await, session),
    };
    let of_mesh = |load: &Load| load.inputs.get(MESH_FILE).cloned();
    let is_same = |session: &Session| of_mesh(&session.load) == of_mesh(&load);
    let session = session.filter(is_same);
    (load, session)
}

impl Session {
    /// Reads what the state records, for the plan that follows.
    pub async fn read_ahead(&self) {
        let found = self.recorded().await;
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
    }

    async fn recorded(&self) -> Ahead {
        let state = self.store.load(&self.environment.name).await?;
        let ours = || state.shards.values().map(|found| &found.shard).filter(|shard| self.owns(shard));
        // What an interrupted apply left is judged first.
        let changed = ours().filter(|shard| !shard.is_settled()).map(|shard| shard.domain.clone()).collect();
        // What does not decode is said where it is planned from.
        let prior = prior::prior(ours(), &self.types).unwrap_or_default();
        let asked = recorded_set(&prior);
        let needed: BTreeSet<SystemName> = asked.keys().cloned().collect();
        let systems = self.connect(&needed).await;
        let snapshot = refresh::refresh(&systems, &asked, self.cx()).await;
        Ok((state, Before { asked, snapshot, systems, changed }))
    }
}
