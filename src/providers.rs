//! The table of providers this program is built with.

use datamesh_core::plan::Types;
use datamesh_provider::ProviderDef;
use datamesh_state::{LocalStore, StateStore};
use std::path::PathBuf;

/// Providers by the key they have in an environment of the Mesh document, and how a state in a folder is kept.
#[derive(Clone, Copy, Debug)]
pub struct Providers {
    defs: &'static [&'static ProviderDef],
    state_in: fn(PathBuf) -> StateStore,
}

static REAL: &[&ProviderDef] =
    &[&datamesh_kafka::DEF, &datamesh_schema_registry::DEF, &datamesh_iceberg::DEF, &datamesh_catalog::DEF];

impl Providers {
    /// The real ones.
    pub fn real() -> Self {
        Self::of(REAL)
    }

    /// Others, for tests.
    pub fn of(defs: &'static [&'static ProviderDef]) -> Self {
        Self { defs, state_in: |folder| StateStore::over(LocalStore::new(folder)) }
    }

    /// The same with another way to keep the state in a folder, for tests that interrupt its writes.
    #[must_use]
    pub fn keeping_state(self, state_in: fn(PathBuf) -> StateStore) -> Self {
        Self { state_in, ..self }
    }

    /// The state kept in this folder.
    pub fn state_in(&self, folder: PathBuf) -> StateStore {
        (self.state_in)(folder)
    }

    pub fn get(&self, system: &str) -> Option<&'static ProviderDef> {
        self.defs.iter().copied().find(|def| def.system == system)
    }

    pub fn iter(&self) -> impl Iterator<Item = &'static ProviderDef> + '_ {
        self.defs.iter().copied()
    }

    /// Every resource type of every provider.
    pub fn types(&self) -> Types {
        Types::new(self.defs.iter().flat_map(|def| def.types.iter().copied()))
    }
}
