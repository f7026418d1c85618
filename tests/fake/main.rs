//! The whole program on fake systems: the real pure halves, and a world file instead of servers.
//!
//! For tests that kill, race and lie. An environment of such a mesh says `{fake: PATH}` for each system.
//! `DATAMESH_FAKE_KILL` ends the process at a call, `DATAMESH_FAKE_KILL_WRITE` at a write of the state.

use datamesh::providers::Providers;
use datamesh_conformance::on_fakes;
use datamesh_provider::ProviderDef;
use datamesh_state::{FaultyBlobs, LocalStore, Moment, StateStore};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

static KAFKA: ProviderDef = on_fakes("kafka", datamesh_kafka::DEF.types);
static REGISTRY: ProviderDef = on_fakes("registry", datamesh_schema_registry::DEF.types);
static ICEBERG: ProviderDef = on_fakes("iceberg", datamesh_iceberg::TYPES);
static CATALOG: ProviderDef = on_fakes("catalog", datamesh_catalog::DEF.types);

static ALL: &[&ProviderDef] = &[&KAFKA, &REGISTRY, &ICEBERG, &CATALOG];

/// `<n>:before` or `<n>:after`: abort at the n-th write of the state, counted from 1.
const KILL_WRITE_VARIABLE: &str = "DATAMESH_FAKE_KILL_WRITE";

fn main() -> ExitCode {
    datamesh::cli::run(std::env::args_os(), Providers::of(ALL).keeping_state(mortal_state)).into()
}

/// The state in a folder, kept by a process that may be told to end at one of its writes.
fn mortal_state(folder: PathBuf) -> StateStore {
    let local = LocalStore::new(folder);
    let end = std::env::var(KILL_WRITE_VARIABLE).ok().and_then(|text| moment(&text));
    let blobs = FaultyBlobs::new(local.clone(), move |number, moment, _| {
        if end == Some((number, moment)) {
            std::process::abort();
        }
        None
    });
    StateStore::new(Arc::new(blobs), Arc::new(local))
}

fn moment(text: &str) -> Option<(u64, Moment)> {
    let (number, moment) = text.split_once(':')?;
    let moment = match moment {
        "before" => Moment::Before,
        "after" => Moment::After,
        _ => return None,
    };
    Some((number.parse().ok()?, moment))
}
