//! The table of providers this program is built with.

use datamesh_core::plan::Types;
use datamesh_provider::ProviderDef;

/// Providers by the key they have in an environment of the Mesh document.
#[derive(Clone, Copy, Debug)]
pub struct Providers {
    defs: &'static [&'static ProviderDef],
}

static REAL: &[&ProviderDef] =
    &[&datamesh_kafka::DEF, &datamesh_schema_registry::DEF, &datamesh_iceberg::DEF, &datamesh_catalog::DEF];

impl Providers {
    /// The real ones.
    pub fn real() -> Self {
        Self { defs: REAL }
    }

    /// Others, for tests.
    pub fn of(defs: &'static [&'static ProviderDef]) -> Self {
        Self { defs }
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
