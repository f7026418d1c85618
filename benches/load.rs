//! How long loading and resolving take, beside what merely reading the same bytes takes:
//! `cargo bench --bench load -- [COUNT]`.
//!
//! Numbers only: what is fast enough depends on the machine, the ratio to reading much less so.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a benchmark measures time and prints it"
)]

#[path = "../tests/it/manifests.rs"]
mod manifests;

use datamesh::providers::Providers;
use datamesh_core::graph::{Recorded, environment, judge, resolve};
use datamesh_provider::Object;
use std::error::Error;
use std::fs;
use std::time::Instant;

const RUNS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(10_000);
    let folder = tempfile::tempdir()?;
    let bytes = manifests::write_mesh(folder.path(), count)?;
    println!("{count} products, {:.1} MB; best of {RUNS} runs", bytes as f64 / 1e6);

    let tree = datamesh::source::WorkingTree::open(folder.path())?;
    let paths: Vec<_> = datamesh_core::manifest::FileSet::files(&tree)
        .iter()
        .map(|entry| folder.path().join(&entry.path))
        .collect();
    let read = best(|| paths.iter().filter_map(|path| fs::read(path).ok()).map(|bytes| bytes.len()).sum());
    println!("read the bytes    {read:8.1} ms, one thread");
    let list = best(|| datamesh::source::WorkingTree::open(folder.path()).map_or(0, |_| 1));
    println!("list the files    {list:8.1} ms");
    let load = best(|| datamesh::source::load(folder.path()).load.manifests.len());
    println!("list and load     {load:8.1} ms, {:.1} times the reading", load / read);
    let loaded = datamesh::source::load(folder.path());
    println!("{} manifests, {} diagnostics", loaded.load.manifests.len(), loaded.load.diagnostics.len());
    let load_memory = peak_memory();
    let environment = || {
        let root = folder.path().to_string_lossy();
        loaded.load.mesh().and_then(|mesh| environment(mesh, None, &root).0).ok_or("no environment")
    };
    let chosen = environment()?;
    let (providers, nothing) = (Providers::real(), Recorded::default());
    let types = providers.types();
    let validate = |object: &Object| {
        let ty = types.get(object.address.ty());
        ty.and_then(|ty| ty.validate(&object.attributes, &object.spans).ok()).unwrap_or_default()
    };
    let judged = best(|| environment().map_or(0, |chosen| judge(&loaded.load, &chosen, &validate).len()));
    println!("judge             {judged:8.1} ms, {:.1} times the reading", judged / read);
    println!("peak memory       {} loaded, {} judged", shown(&load_memory), shown(&peak_memory()));
    let resolved = best(|| resolve(&loaded.load, &chosen, &nothing).0.resources.len());
    println!("resolve           {resolved:8.1} ms, {:.1} times the reading", resolved / read);
    println!("peak memory       {}", shown(&peak_memory()));
    Ok(())
}

/// Milliseconds of the fastest run.
fn best(work: impl Fn() -> usize) -> f64 {
    let run = |_| {
        let start = Instant::now();
        std::hint::black_box(work());
        start.elapsed().as_secs_f64() * 1e3
    };
    (0..RUNS).map(run).fold(f64::INFINITY, f64::min)
}

fn shown(memory: &Option<String>) -> &str {
    memory.as_deref().unwrap_or("unknown")
}

/// As Linux counts it.
fn peak_memory() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.trim_start_matches("VmHWM:").trim().to_owned())
}
