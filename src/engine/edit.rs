//! Edits of the state by hand, under its locks, each with a record.

use super::session::Session;
use datamesh_provider::{Address, ErrorKind, ProviderError, SystemName};
use datamesh_state::{Incoming, Locked, Shard, ShardError, StateError};
use std::collections::BTreeSet;
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
    /// It was made from a version that is not the one in force.
    #[error("it was made from version {parent}, and the state has version {found} by now")]
    Moved { parent: u64, found: u64 },
}

/// One edit of one shard.
#[derive(Clone, Debug)]
pub struct Edit {
    pub domain: String,
    /// The command: `state rm`.
    pub operation: &'static str,
    /// What is done, in words.
    pub what: String,
    pub wait: Duration,
    /// The version it was made from, where it was made from one: another one is not edited.
    pub parent: Option<u64>,
}

impl Session {
    /// Changes one shard, and records what was done in words. Nothing is contacted but the state.
    pub async fn edit(
        &self,
        edit: Edit,
        change: impl FnOnce(&mut Shard) -> Result<(), ShardError> + Send,
    ) -> Result<(), EditError> {
        self.edit_of(&self.repository, edit, change).await
    }

    /// Gives a record to the shard of another domain.
    pub async fn hand_over(
        &self,
        from: &Address,
        to: &Address,
        what: String,
        wait: Duration,
    ) -> Result<(), EditError> {
        let source = from.domain().to_owned();
        if self.store.peek(&self.environment.name, &source).await?.is_none() {
            return Err(EditError::NoDomain(source));
        }
        let run = self.run_id();
        let mut locked = self.lock(&[source, to.domain().to_owned()], "state mv", &run, wait).await?;
        let done = self.hand_over_locked(&mut locked, from, to, &run, what).await;
        let released = locked.release().await;
        done?;
        Ok(released?)
    }

    async fn hand_over_locked(
        &self,
        locked: &mut Locked,
        from: &Address,
        to: &Address,
        run: &str,
        what: String,
    ) -> Result<(), EditError> {
        let draft = |locked: &Locked, address: &Address| {
            let found = locked.shard(address.domain()).cloned();
            found.ok_or_else(|| EditError::NoDomain(address.domain().to_owned()))
        };
        let mut source = draft(locked, from)?;
        let now = self.cx().clock.now();
        let incoming = Incoming::of(&source, from, to, run, now).map_err(EditError::Refused)?;
        let identity = source.identity_of(&incoming.record.system).map(str::to_owned);
        let mut here = draft(locked, to)?;
        here.expect(incoming.clone(), identity.as_deref()).map_err(EditError::Refused)?;
        source.hand_over(&[&incoming], now).map_err(EditError::Refused)?;
        self.record_edit("state mv", run, vec![what]).await?;
        locked.write(here).await?;
        locked.write(source).await?;
        let mut here = draft(locked, to)?;
        here.receive(&[&incoming]).map_err(EditError::Refused)?;
        Ok(locked.write(here).await?)
    }

    /// Makes a shard of another repository this one's. The one it was is refused from then on.
    pub async fn adopt_shard(&self, from: &str, edit: Edit) -> Result<(), EditError> {
        let ours = self.repository.clone();
        let adopt = |shard: &mut Shard| {
            shard.repository = ours;
            Ok(())
        };
        self.edit_of(from, edit, adopt).await
    }

    /// The name of the repository whose state is this session's.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    async fn edit_of(
        &self,
        repository: &str,
        edit: Edit,
        change: impl FnOnce(&mut Shard) -> Result<(), ShardError> + Send,
    ) -> Result<(), EditError> {
        let Edit { domain, operation, what, wait, parent } = edit;
        // Locking makes the shards that are missing.
        if self.store.peek(&self.environment.name, &domain).await?.is_none() {
            return Err(EditError::NoDomain(domain));
        }
        let run = self.run_id();
        let mut locked =
            self.lock_as(repository, std::slice::from_ref(&domain), operation, &run, wait).await?;
        let Some(mut draft) = locked.shard(&domain).cloned() else {
            return Err(EditError::NoDomain(domain));
        };
        let found = locked.found_serial(&domain);
        let changed = match parent.filter(|parent| Some(*parent) != found) {
            Some(parent) => Err(EditError::Moved { parent, found: found.unwrap_or_default() }),
            None => change(&mut draft).map_err(EditError::Refused),
        };
        let done = match changed {
            Err(refused) => Err(refused),
            // On record first: an edit without a record would be one that nobody made.
            Ok(()) => match self.record_edit(operation, &run, vec![what]).await {
                Ok(()) => locked.write(draft).await.map_err(EditError::from),
                Err(error) => Err(error.into()),
            },
        };
        let released = locked.release().await;
        done?;
        Ok(released?)
    }

    /// How many versions of shards and documents are not encrypted with the key that writes now.
    pub async fn to_reseal(&self) -> Result<usize, StateError> {
        Ok(self.store.to_reseal(&self.environment.name).await? + self.journals_to_reseal()?.len())
    }

    /// Encrypts the whole state of the environment with the key that writes now. How many versions of shards and
    /// documents that was.
    pub async fn reseal(&self, what: &str, wait: Duration) -> Result<usize, EditError> {
        let run = self.run_id();
        let request = self.lock_request(&self.repository, &[], "state upgrade", &run, wait).await?;
        let mut count = self.store.reseal(self.cx(), request).await?;
        for (path, bytes) in self.journals_to_reseal()? {
            let fails = |source| StateError::Io { place: path.display().to_string(), source };
            // Nobody sees half of it.
            let beside = path.with_extension("part");
            std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, &path)).map_err(fails)?;
            count += 1;
        }
        // Afterwards: the record before this one has to be readable.
        self.record_edit("state upgrade", &run, vec![what.to_owned()]).await?;
        Ok(count)
    }

    /// Who a system says it is.
    pub async fn identity(&self, system: &SystemName) -> Result<String, ProviderError> {
        let systems = self.connect(&BTreeSet::from([system.clone()])).await;
        let facts = systems.get(system)?.facts(self.cx()).await?;
        if facts.identity.is_empty() {
            return Err(ProviderError::new(ErrorKind::Invalid, system.to_string(), "its identity")
                .message("it does not say who it is"));
        }
        Ok(facts.identity)
    }
}
