//! What keeping the state costs, in calls of its store. How long that takes is for `cargo bench --bench state`.

pub(crate) mod mesh;
pub(crate) mod slow;
pub(crate) mod system;

use datamesh::engine::{Asked, codes};
use datamesh_core::plan::{GROUP_LIMIT, Verdict};
use datamesh_provider::{BoxFuture, CancelStage};
use slow::{SlowBlobs, count};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const PRODUCTS: usize = 600;

/// There is one such world, for one test at a time.
async fn alone() -> tokio::sync::MutexGuard<'static, ()> {
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    ALONE.lock().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_writes_its_shard_once_a_group_and_twice_more() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().expect("a folder");
    let store = SlowBlobs::default();
    store.takes(Duration::from_millis(1));
    system::operations_take(Duration::from_micros(10));
    mesh::begin_with(&store);
    for (retention, targets) in [("7d", [].as_slice()), ("8d", &["type:kafka_topic"])] {
        mesh::write(folder.path(), PRODUCTS, PRODUCTS, retention).expect("written");
        let session = mesh::open(folder.path());
        store.counts();
        let planned = mesh::plan(&session, targets).await;
        let reading = store.counts();
        // Listed, read, and looked at again: three round trips, the last one for both.
        assert_eq!(count(&reading, "list", "shard"), 2, "{reading:?}");
        assert!(count(&reading, "get", "shard") <= 1 && count(&reading, "tag", "shard") <= 1, "{reading:?}");
        assert_eq!(reading.values().sum::<usize>(), if retention == "7d" { 2 } else { 4 }, "{reading:?}");
        let groups = planned.plan.graph.groups.len();
        assert!(planned.plan.graph.operations.len() >= PRODUCTS && groups >= 3, "{groups} groups");
        let applied = session.apply(&planned, Duration::ZERO, None).await.expect("applied");
        assert!(applied.report.is_complete(), "{:?}", applied.report.tally);
        let writing = store.counts();
        assert!(count(&writing, "put", "shard") <= groups + 2, "{groups} groups: {writing:?}");
        assert!(count(&writing, "put", "history") <= 1, "{writing:?}");
        assert_eq!(count(&writing, "put", "audit"), 2, "{writing:?}");
    }
}

/// No system waits for the state; what was made ready and is not started is taken back.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_group_is_made_ready_while_one_runs() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().expect("a folder");
    let store = SlowBlobs::default();
    mesh::begin_with(&store);
    mesh::write(folder.path(), PRODUCTS, 0, "7d").expect("written");
    let cx = mesh::run_context();
    let (cancel, clock) = (cx.cancel.clone(), Arc::clone(&cx.clock));
    let session = mesh::open_with(folder.path(), cx);
    let planned = mesh::plan(&session, &["type:kafka_topic"]).await;
    assert!(planned.plan.graph.groups.len() >= 3 && planned.plan.changes.len() == PRODUCTS);
    let pending = async move |store: &SlowBlobs| {
        let found = store.state().peek("test", "all").await.expect("readable").expect("a shard");
        (found.shard.pending.len(), found.shard.resources.len())
    };
    let beside = store.clone();
    system::while_operating(async move {
        let both = async {
            while pending(&beside).await != (2 * GROUP_LIMIT, 0) {
                clock.sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), both).await.expect("the intents of two groups");
        cancel.raise(CancelStage::Drain);
    });
    let report = session.apply(&planned, Duration::ZERO, None).await.expect("applied").report;
    assert!(report.interrupted && report.failures.is_empty(), "{report:?}");
    assert_eq!((report.tally.done, report.not_started.len()), (GROUP_LIMIT, PRODUCTS - GROUP_LIMIT));
    assert_eq!(pending(&store).await, (0, GROUP_LIMIT));
}

/// What a run is about to do is put on record while its first intents are stored: where one of the two fails, nothing
/// is done, and nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_put_on_record_does_nothing() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().expect("a folder");
    let store = SlowBlobs::default();
    mesh::begin_with(&store);
    mesh::write(folder.path(), 3, 3, "7d").expect("written");
    let session = mesh::open(folder.path());
    let planned = mesh::plan(&session, &[]).await;
    system::while_operating(async { panic!("a system was asked to change something") });
    store.refuses_records(true);
    let error = session.apply(&planned, Duration::ZERO, None).await.expect_err("not on record").to_string();
    assert!(error.contains("no records today"), "{error}");
    let found = store.state().peek("test", "all").await.expect("readable").expect("a shard").shard;
    assert!(found.pending.is_empty() && found.resources.is_empty(), "{found:?}");
    assert!(store.state().locks("test").await.expect("readable").is_empty());
    // Nothing of that is left for others.
    system::while_operating(async {});
    store.refuses_records(false);
    let session = mesh::open(folder.path());
    let planned = mesh::plan(&session, &[]).await;
    let report = session.apply(&planned, Duration::ZERO, None).await.expect("applied").report;
    assert!(report.is_complete(), "{report:?}");
}

/// A run that reads the state, and then the systems, while another one changes both, is not told of drift.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_a_run_reads_is_read_again() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().to_owned();
    mesh::begin_with(&SlowBlobs::default());
    let apply = async |root: &Path, days: &str| {
        mesh::write(root, 3, 3, days).expect("written");
        let session = mesh::open(root);
        let planned = mesh::plan(&session, &[]).await;
        session.apply(&planned, Duration::ZERO, None).await.expect("applied")
    };
    apply(&root, "7d").await;
    let session = mesh::open(&root);
    let look = async || {
        let (report, _, found) = session.drift(&Asked::default(), false).await.expect("read");
        (report.count(Verdict::Drifted), found.iter().map(|one| one.code).collect::<Vec<_>>())
    };
    let other = root.clone();
    system::while_reading(async move { drop(apply(&other, "8d").await) });
    assert_eq!(look().await, (0, Vec::new()));
    // Whoever never rests is named.
    fn again(root: PathBuf, days: u32) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            mesh::write(&root, 3, 3, &format!("{days}d")).expect("written");
            let session = mesh::open(&root);
            let planned = mesh::plan(&session, &[]).await;
            session.apply(&planned, Duration::ZERO, None).await.expect("applied");
            system::while_reading(again(root, days + 1));
        })
    }
    system::while_reading(again(root.clone(), 9));
    assert_eq!(look().await.1, [codes::RESTLESS]);
    // Nothing of that is left for others.
    system::while_reading(async {});
}
