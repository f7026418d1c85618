//! Edits of the state by hand, under its locks, each with a record.

use super::session::Session;
use datamesh_state::{Shard, ShardError, StateError};
use std::time::Duration;

/// Why the state was not edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error(transparent)]
    State(#[from] StateError),
    /// The edit makes no sense with what is recorded.
    #[error("{0}")]
    Refused(ShardError),
    #[error("nothing is recorded of the domain {0}")]
    NoDomain(String),
}

impl Session {
    /// Changes one shard, and records what was done in words. Nothing is contacted but the state.
    pub async fn edit(
        &self,
        domain: &str,
        operation: &str,
        what: Vec<String>,
        wait: Duration,
        change: impl FnOnce(&mut Shard) -> Result<(), ShardError> + Send,
    ) -> Result<(), EditError> {
        // Locking makes the shards that are missing.
        if self.store.peek(&self.environment.name, domain).await?.is_none() {
            return Err(EditError::NoDomain(domain.to_owned()));
        }
        let run = self.run_id();
        let mut locked = self.lock(&[domain.to_owned()], operation, &run, wait).await?;
        let Some(mut draft) = locked.shard(domain).cloned() else {
            return Err(EditError::NoDomain(domain.to_owned()));
        };
        let done = match change(&mut draft) {
            Err(refused) => Err(EditError::Refused(refused)),
            // On record first: an edit without a record would be one that nobody made.
            Ok(()) => match self.record_edit(operation, &run, what).await {
                Ok(()) => locked.write(draft).await.map_err(EditError::from),
                Err(error) => Err(error.into()),
            },
        };
        let released = locked.release().await;
        done?;
        Ok(released?)
    }
}
