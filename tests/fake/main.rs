//! The whole program on fake systems: the real pure halves, and a world file instead of servers.
//!
//! For tests that kill, race and lie. An environment of such a mesh says `{fake: PATH}` for each system.

use datamesh::providers::Providers;
use datamesh_conformance::on_fakes;
use datamesh_provider::ProviderDef;
use std::process::ExitCode;

static KAFKA: ProviderDef = on_fakes("kafka", datamesh_kafka::DEF.types);
static REGISTRY: ProviderDef = on_fakes("registry", datamesh_schema_registry::DEF.types);
static ICEBERG: ProviderDef = on_fakes("iceberg", datamesh_iceberg::TYPES);
static CATALOG: ProviderDef = on_fakes("catalog", datamesh_catalog::DEF.types);

static ALL: &[&ProviderDef] = &[&KAFKA, &REGISTRY, &ICEBERG, &CATALOG];

fn main() -> ExitCode {
    datamesh::cli::run(std::env::args_os(), Providers::of(ALL)).into()
}
