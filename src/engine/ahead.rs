//! Reading ahead: what the state records is read while the manifests are still being loaded.
//!
//! Nearly always everything is declared as it is recorded, so that what a plan needs of the systems is known before the
//! first manifest is. It is a guess: an answer counts where the plan asks no more than that; anything else is read again.

use super::prior;
use super::refresh;
use super::session::{Session, SessionOptions};
use super::systems::Systems;
use crate::source;
use datamesh_core::manifest::{Load, MESH_FILE};
use datamesh_core::plan::{ReadSet, Snapshot, recorded_set};
use datamesh_provider::BoxFuture;
use datamesh_state::{Snapshot as StateSnapshot, StateError};
use futures::TryFutureExt as _;
use std::fmt;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use tokio::task::{JoinSet, spawn_blocking};

/// What is known before the manifests are: the state, and in a while what is live of what it records.
pub(super) struct Ahead {
    pub(super) state: StateSnapshot,
    pub(super) reading: BoxFuture<'static, Before>,
}

impl fmt::Debug for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ahead").field("state", &self.state).finish_non_exhaustive()
    }
}

/// What was read of the systems before, and the domains that may have changed since.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub(super) asked: ReadSet,
    pub(super) snapshot: Snapshot,
    pub(super) systems: Systems,
    pub(super) changed: Vec<String>,
}

impl Ahead {
    /// The same, with a task that reads whatever else is done meanwhile; it ends with whoever would wait for it.
    fn under_way(self) -> Self {
        let mut task = JoinSet::new();
        task.spawn(self.reading);
        let reading = async move {
            let read = task.join_next().await.transpose();
            read.unwrap_or_else(|panic| resume_unwind(panic.into_panic())).unwrap_or_default()
        };
        Self { reading: Box::pin(reading), ..self }
    }
}

/// Loads the manifests, with a session beside that knows the Mesh document alone and reads ahead. `None`: that document
/// is another one by now, or it or the manifests cannot be used.
pub(super) async fn load(options: &SessionOptions) -> (Load, Option<Session>) {
    let root = options.root.clone();
    let loading = spawn_blocking(move || source::load(&root).load);
    let loading = loading.unwrap_or_else(|panic| resume_unwind(panic.into_panic()));
    let reading = async {
        let mesh = Arc::new(source::mesh_alone(&options.root));
        let session = Session::over(options.clone(), mesh).ok()?;
        session.keep(session.recorded().await.map(Ahead::under_way));
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
    /// Reads the state, for the plan that follows, which reads what is recorded there whatever the manifests say.
    pub async fn read_ahead(&self) {
        self.keep(self.recorded().await);
    }

    fn keep(&self, ahead: Result<Ahead, StateError>) {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
    }

    async fn recorded(&self) -> Result<Ahead, StateError> {
        let state = self.store.load(&self.environment.name).await?;
        let ours = || state.shards.values().map(|found| &found.shard).filter(|shard| self.owns(shard));
        // What an interrupted apply left is judged first.
        let changed = ours().filter(|shard| !shard.is_settled()).map(|shard| shard.domain.clone()).collect();
        // What does not decode is said where it is planned from.
        let records = ours().flat_map(|shard| shard.resources.values()).filter_map(|record| {
            let attributes = prior::current_attributes(record, &self.types).ok()?;
            Some(((&record.system, &record.ty, &record.object), attributes))
        });
        let (asked, options) = (recorded_set(records), self.options.clone());
        let settings = self.environment.systems.clone();
        let reading = async move {
            let needed = asked.keys().cloned().collect();
            let SessionOptions { providers, root, context, .. } = &options;
            let systems = Systems::connect(*providers, &settings, &needed, root, context).await;
            let snapshot = refresh::refresh(&systems, &asked, context).await;
            Before { asked, snapshot, systems, changed }
        };
        Ok(Ahead { state, reading: Box::pin(reading) })
    }
}
