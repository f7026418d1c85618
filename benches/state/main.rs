//! What keeping the state costs, at different distances to its store: `cargo bench --bench state`.
//!
//! The store takes a given time for each call, the systems a given time for each operation. Each figure stands beside
//! what was measured in the same run without what it measures.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::expect_used,
    reason = "a benchmark measures time, prints it, and stops where something is wrong"
)]

#[path = "../../tests/it/cost/mesh.rs"]
mod mesh;
#[path = "../../tests/it/cost/slow.rs"]
mod slow;
#[path = "../../tests/it/cost/system.rs"]
#[expect(dead_code, reason = "some of it is for tests")]
mod system;

use datamesh::engine::Planned;
use datamesh_provider::{OpOutcome, Operation, Provider as _};
use slow::{Counts, SlowBlobs};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// With a topic, a subject and an entry of the catalog each.
const PRODUCTS: usize = 3_334;
const CHANGES: usize = 1_000;
const LATENCIES: [u64; 3] = [0, 30, 150];
/// What one operation costs the systems: about what a commit of a table costs where ten are under way.
const OPERATION: Duration = Duration::from_millis(4);
const RUNS: usize = 3;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SlowBlobs::default();
    mesh::begin_with(&store);
    mesh::write(folder.path(), PRODUCTS, 0, "7d").expect("written");
    let session = mesh::open(folder.path());
    let planned = mesh::plan(&session, &[]).await;
    store.counts();
    let (took, applied) = timed(session.apply(&planned, Duration::ZERO, None)).await;
    applied.expect("applied");
    let (operations, groups) = (planned.plan.graph.operations.len(), planned.plan.graph.groups.len());
    println!(
        "{} records in one shard; made by {operations} operations in {groups} groups: {took:.2} s, {} writes of the shard",
        planned.plan.changes.len(),
        writes(&store.counts(), "shard")
    );
    for (at, latency) in LATENCIES.into_iter().enumerate() {
        println!("\nthe store takes {latency} ms for each call");
        store.takes(Duration::from_millis(latency));
        reading(folder.path(), &store, latency).await;
        writing(folder.path(), &store, at).await;
    }
}

/// A plan without changes, and how much of it is the state's.
async fn reading(root: &Path, store: &SlowBlobs, latency: u64) {
    let session = mesh::open(root);
    let mut best = [f64::INFINITY; 2];
    let mut counts = Counts::new();
    for _ in 0..RUNS {
        let state = async {
            let seen = session.store().load("test").await.expect("read");
            session.store().changed("test", &seen).await.expect("asked")
        };
        let (took, changed) = timed(state).await;
        assert!(changed.is_empty());
        best[0] = best[0].min(took);
        store.counts();
        let (took, planned) = timed(mesh::plan(&session, &[])).await;
        assert!(!planned.plan.has_work());
        best[1] = best[1].min(took);
        counts = store.counts();
    }
    let [state, whole] = best;
    let calls: usize = counts.values().sum();
    let travel = 3.0 * latency as f64 / 1e3;
    println!(
        "  read      {state:.3} s, of them three round trips {travel:.3} s and {:.3} s beside them (bound 0.3 s); {calls} calls",
        state - travel
    );
    println!("  plan      {whole:.3} s, no changes, systems that answer at once");
}

/// An apply of many changes, beside the same operations without any state.
async fn writing(root: &Path, store: &SlowBlobs, at: usize) {
    mesh::write(root, PRODUCTS, CHANGES, &format!("{}d", 8 + at)).expect("written");
    let session = mesh::open(root);
    let planned = mesh::plan(&session, &["type:kafka_topic"]).await;
    let (operations, groups) = (planned.plan.graph.operations.len(), planned.plan.graph.groups.len());
    assert_eq!(operations, CHANGES);
    system::operations_take(OPERATION);
    let (floor, ()) = timed(bare(&planned)).await;
    store.counts();
    let (took, applied) = timed(session.apply(&planned, Duration::ZERO, None)).await;
    system::operations_take(Duration::ZERO);
    assert!(applied.expect("applied").report.is_complete());
    let counts = store.counts();
    println!(
        "  apply     {took:.2} s for {operations} changes in {groups} groups; the systems alone {floor:.2} s: {:.2} times",
        took / floor
    );
    println!(
        "  writes    shard {} (bound {}); lock {}, audit {}, history {}",
        writes(&counts, "shard"),
        groups + 2,
        writes(&counts, "lock"),
        writes(&counts, "audit"),
        writes(&counts, "history")
    );
}

/// The same operations in the same groups, and nothing else.
async fn bare(planned: &Planned) {
    let (cx, graph) = (mesh::run_context(), &planned.plan.graph);
    let operation = |at: &usize| {
        let step = &graph.operations[*at];
        let change = planned.plan.change(&step.address).expect("planned");
        Operation {
            id: step.id.clone(),
            address: step.address.clone(),
            ty: change.ty.clone(),
            system: change.system.clone(),
            object: change.id.clone(),
            action: step.action,
            step: step.step.clone(),
            prior: change.prior.clone(),
            live: change.live.clone(),
            planned: change.planned.clone(),
            incarnation: change.incarnation.clone(),
            owner: String::new(),
        }
    };
    for group in &graph.groups {
        let operations: Vec<Operation> = group.iter().map(operation).collect();
        let outcomes: Mutex<Vec<OpOutcome>> = Mutex::default();
        // What is made here is made again by the apply: equal in the end.
        let system = system::Plain { name: "kafka.default".to_owned() };
        system.apply(&cx, &operations, &outcomes).await;
    }
}

async fn timed<T>(work: impl Future<Output = T>) -> (f64, T) {
    let start = Instant::now();
    let done = work.await;
    (start.elapsed().as_secs_f64(), done)
}

fn writes(counts: &BTreeMap<(&'static str, &'static str), usize>, kind: &'static str) -> usize {
    counts.get(&("put", kind)).copied().unwrap_or_default()
}
