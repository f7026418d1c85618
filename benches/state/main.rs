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
#[expect(dead_code, reason = "some of it is for tests")]
mod slow;
#[path = "../../tests/it/cost/system.rs"]
#[expect(dead_code, reason = "some of it is for tests")]
mod system;

use datamesh::engine::Planned;
use datamesh_provider::{OpOutcome, Operation, Provider as _};
use slow::{Counts, SlowBlobs, count};
use std::future::Future;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// With a topic, a subject and an entry of the catalog each.
const LARGE: usize = 3_334;
const CHANGES: usize = 1_000;
const LATENCIES: [u64; 3] = [0, 30, 150];
/// What one operation costs the systems: about what a commit of a table costs where ten are under way.
const OPERATION: Duration = Duration::from_millis(4);
const RUNS: usize = 3;

#[tokio::main]
async fn main() {
    println!("{} products in one domain", LARGE);
    let folder = tempfile::tempdir().expect("a folder");
    let store = made(folder.path(), LARGE).await;
    for latency in LATENCIES {
        store.takes(Duration::from_millis(latency));
        reading(folder.path(), &store, latency).await;
    }
    println!("{} products in one domain; an operation takes {} ms", 2 * CHANGES, OPERATION.as_millis());
    let folder = tempfile::tempdir().expect("a folder");
    let store = made(folder.path(), 2 * CHANGES).await;
    for (at, latency) in LATENCIES.into_iter().enumerate() {
        store.takes(Duration::from_millis(latency));
        println!("  the store takes {latency} ms");
        let one = writing(folder.path(), &store, CHANGES, 8 + at).await;
        let two = writing(folder.path(), &store, 2 * CHANGES, 8 + at).await;
        let more = [two[0] - one[0], two[1] - one[1]];
        println!("    each further {CHANGES}: {:.2} times", more[0] / more[1]);
    }
}

/// A store with the state of a mesh that was applied.
async fn made(root: &Path, products: usize) -> SlowBlobs {
    let store = SlowBlobs::default();
    mesh::begin_with(&store);
    mesh::write(root, products, 0, "7d").expect("written");
    let session = mesh::open(root);
    let planned = mesh::plan(&session, &[]).await;
    store.counts();
    let (took, applied) = timed(session.apply(&planned, Duration::ZERO, None)).await;
    applied.expect("applied");
    println!(
        "  {} records, made by {} operations in {} groups: {took:.2} s, {} writes of the shard",
        planned.plan.changes.len(),
        planned.plan.graph.operations.len(),
        planned.plan.graph.groups.len(),
        count(&store.counts(), "put", "shard")
    );
    store
}

/// A plan without changes, and how much of it is the state's.
async fn reading(root: &Path, store: &SlowBlobs, latency: u64) {
    let session = mesh::open(root);
    let mut best = [f64::INFINITY; 2];
    let mut counts = Counts::new();
    for _ in 0..RUNS {
        let state = async {
            let seen = session.store().load("test").await.expect("read").seen();
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
        "  the store takes {latency} ms: read {state:.3} s, of them three round trips {travel:.3} s and {:.3} s beside them (bound 0.3 s); {calls} calls",
        state - travel
    );
    println!("    plan    {whole:.3} s, no changes, systems that answer at once");
}

/// An apply of many changes, and the same operations without any state: how long both took.
async fn writing(root: &Path, store: &SlowBlobs, changes: usize, days: usize) -> [f64; 2] {
    mesh::write(root, 2 * CHANGES, changes, &format!("{days}d")).expect("written");
    let session = mesh::open(root);
    let planned = mesh::plan(&session, &["type:kafka_topic"]).await;
    let (operations, groups) = (planned.plan.graph.operations.len(), planned.plan.graph.groups.len());
    system::operations_take(OPERATION);
    let (floor, ()) = timed(bare(&planned)).await;
    store.counts();
    let (took, applied) = timed(session.apply(&planned, Duration::ZERO, None)).await;
    system::operations_take(Duration::ZERO);
    assert!(applied.expect("applied").report.is_complete());
    let counts = store.counts();
    assert_eq!(operations, changes);
    println!(
        "    apply   {took:.2} s for {operations} changes in {groups} groups; the systems alone {floor:.2} s: {:.2} times",
        took / floor
    );
    println!(
        "    writes  shard {} (bound {}); lock {}, audit {}, history {}; {} calls in all",
        count(&counts, "put", "shard"),
        groups + 2,
        count(&counts, "put", "lock"),
        count(&counts, "put", "audit"),
        count(&counts, "put", "history"),
        counts.values().sum::<usize>()
    );
    // As it was.
    mesh::write(root, 2 * CHANGES, 0, "7d").expect("written");
    let session = mesh::open(root);
    let planned = mesh::plan(&session, &[]).await;
    session.apply(&planned, Duration::ZERO, None).await.expect("applied");
    [took, floor]
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
