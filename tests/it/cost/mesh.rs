//! A mesh of one large domain: one shard with all of it.

use super::slow::SlowBlobs;
use super::system::{self, ALL};
use datamesh::engine::{Asked, PlanRequest, Planned, RunOrigin, Session, SessionOptions};
use datamesh::identity::IdTokens;
use datamesh::providers::Providers;
use datamesh_conformance::testing::{RealClock, SeededEntropy, context};
use datamesh_provider::Context;
use datamesh_state::StateStore;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Where the state of every session is.
static STORE: Mutex<Option<SlowBlobs>> = Mutex::new(None);

/// A world in which nothing was made yet, and whose sessions keep their state here.
pub(crate) fn begin_with(store: &SlowBlobs) {
    system::begin_anew();
    *STORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(store.clone());
}

fn state_in(_: PathBuf) -> StateStore {
    STORE.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default().state()
}

/// Products with a topic, a subject and an entry of the catalog each; the topics of the first ones have this retention.
pub(crate) fn write(root: &Path, products: usize, changed: usize, retention: &str) -> io::Result<()> {
    let head = "apiVersion: datamesh.example.com/v1\n";
    let mesh = "kind: Mesh\nmetadata: {name: big}\nspec:\n  environments:\n    test:\n      state: {backend: local, path: \
                state}\n      kafka: {default: {fake: nowhere}}\n      registry: {default: {fake: nowhere}}\n      iceberg: {default: \
                {fake: nowhere}}\n      catalog: {fake: nowhere}\n";
    fs::write(root.join("datamesh.yaml"), format!("{head}{mesh}"))?;
    let domain =
        "kind: Domain\nmetadata: {name: all}\nspec: {description: All of it, owner: all@example.com}\n";
    fs::write(root.join("domain.yaml"), format!("{head}{domain}"))?;
    let document = |n: usize| {
        let retention = if n < changed { retention } else { "7d" };
        format!(
            "{head}kind: DataProduct\nmetadata: {{name: p{n:05}, domain: all, owner: all@example.com}}\nspec:\n  \
             schema:\n    fields:\n      - {{name: id, type: string, required: true}}\n      - {{name: at, type: \
             timestamp}}\n  output_ports:\n    - {{type: streaming, technology: kafka, partitions: 3, retention: \
             {retention}}}\n"
        )
    };
    let all: Vec<String> = (0..products).map(document).collect();
    for (at, some) in all.chunks(100).enumerate() {
        fs::write(root.join(format!("products-{at:03}.yaml")), some.join("---\n"))?;
    }
    Ok(())
}

/// What a run of the program has.
pub(crate) fn run_context() -> Context {
    // Nobody's run repeats the id of another.
    static RUNS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let seed = RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    Context { entropy: Arc::new(SeededEntropy::new(seed)), ..context(Arc::new(RealClock::default())) }
}

pub(crate) fn open(root: &Path) -> Session {
    open_with(root, run_context())
}

pub(crate) fn open_with(root: &Path, context: Context) -> Session {
    let options = SessionOptions {
        root: root.to_owned(),
        environment: None,
        providers: Providers::of(ALL).keeping_state(state_in),
        context,
        parallelism: None,
        who: "somebody".to_owned(),
        host: "here".to_owned(),
        origin: RunOrigin::default(),
        id_tokens: IdTokens::default(),
    };
    Session::open(options).expect("a session")
}

/// Plans what these selectors name, or all.
pub(crate) async fn plan(session: &Session, targets: &[&str]) -> Planned {
    let targets = targets.iter().map(|target| (*target).to_owned()).collect();
    let asked = Asked { targets, ..Asked::default() };
    let request = PlanRequest { asked, check: true, ..PlanRequest::default() };
    let planned = session.plan(&request).await.expect("a plan");
    assert!(!planned.diagnostics.has_errors(), "{:?}", planned.diagnostics.iter().next());
    planned
}
