//! Locking and writing, over stores that lose answers and are written behind our back.

use crate::support::{address, codec, context, full_shard, info, intent, kafka, op, record, request};
use async_trait::async_trait;
use datamesh_provider::{CancelStage, Clock, Context, OpAction};
use datamesh_state::{
    Attempt, BlobStore, Broken, Codec, FaultyBlobs, Locks, MemoryStore, Moment, PutFault, StateErrorKind,
    StateStore, encode,
};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const NOW: Duration = Duration::ZERO;

fn domains(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn a_lock_makes_shards_raises_epochs_and_keeps_what_is_written() {
    let store = StateStore::over(MemoryStore::default());
    let cx = context(1);
    let both = domains(&["sales", "orders", "sales"]);
    let mut locked = store.lock(&cx, request(&both, NOW)).await.expect("locked");
    assert_eq!(locked.shards().map(|(domain, _)| domain).collect::<Vec<_>>(), ["orders", "sales"]);
    assert_eq!(locked.found_serial("orders"), None);
    let lineage = locked.shard("orders").expect("there").lineage.clone();
    locked.update("orders", |shard| shard.bind(&kafka(), "cluster-1")).await.expect("written");
    let lease = locked.lease();
    lease.permit(Duration::from_secs(30)).expect("held");
    locked.release().await.expect("released");
    lease.permit(Duration::from_secs(30)).expect_err("given back");

    let found = store.load("prod").await.expect("loaded");
    let orders = &found.shards["orders"].shard;
    assert_eq!((orders.serial, orders.epoch, &orders.lineage), (2, 1, &lineage));
    assert_eq!(orders.systems["kafka.default"], "cluster-1");
    assert!(store.load("other").await.expect("loaded").shards.is_empty());

    let again = store.lock(&cx, request(&both, NOW)).await.expect("locked again");
    assert_eq!(again.found_serial("orders"), Some(2));
    assert_eq!(again.shard("orders").map(|shard| (shard.serial, shard.epoch)), Some((3, 2)));
}

#[tokio::test]
async fn a_reader_finds_out_what_moved_meanwhile() {
    let store = StateStore::over(MemoryStore::default());
    let sales = domains(&["sales"]);
    store.lock(&context(1), request(&sales, NOW)).await.expect("locked").release().await.expect("released");
    let seen = store.load("prod").await.expect("loaded").seen();
    assert!(store.changed("prod", &seen).await.expect("asked").is_empty());
    let both = domains(&["orders", "sales"]);
    store.lock(&context(2), request(&both, NOW)).await.expect("locked").release().await.expect("released");
    assert_eq!(store.changed("prod", &seen).await.expect("asked"), ["orders", "sales"]);
    let now = store.load("prod").await.expect("loaded");
    assert_eq!(
        (now.changed_since(&seen), now.changed_since(&now.seen())),
        (domains(&["orders", "sales"]), domains(&[]))
    );
}

#[tokio::test]
async fn a_second_run_is_told_who_holds_the_lock_and_leaves_no_lock_behind() {
    let backend = MemoryStore::default();
    let store = StateStore::over(backend.clone());
    let sales = domains(&["sales"]);
    let held = store.lock(&context(1), request(&sales, NOW)).await.expect("locked");
    let both = domains(&["orders", "sales"]);
    let error = store.lock(&context(2), request(&both, NOW)).await.expect_err("taken");
    assert_eq!(error.kind(), StateErrorKind::Locked);
    let text = error.to_string();
    for part in ["sales", "prod", "ada", "workbench", "4711", "apply", "2026-03-01T08:15:00Z"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(store.holder("prod", "orders").await.expect("asked"), None, "nothing is held while waiting");
    assert_eq!(store.holder("prod", "sales").await.expect("asked").map(|i| i.who), Some("ada".into()));
    drop(held);
    store.lock(&context(2), request(&both, NOW)).await.expect("free again");
}

/// A clock on which somebody gives a lock back after some time.
struct Releases<C> {
    clock: C,
    at: Duration,
    release: Box<dyn Fn() + Send + Sync>,
}

impl<C: Clock> Clock for Releases<C> {
    fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn sleep(&self, time: Duration) -> datamesh_provider::BoxFuture<'_, ()> {
        let slept = self.clock.sleep(time);
        if self.clock.monotonic() >= self.at {
            (self.release)();
        }
        slept
    }
}

#[tokio::test]
async fn a_waiter_gets_the_lock_when_it_is_given_back_and_gives_up_in_time() {
    let store = StateStore::over(MemoryStore::default());
    let sales = domains(&["sales"]);
    let held = store.lock(&context(1), request(&sales, NOW)).await.expect("locked");
    let cx = context(2);
    let error = store.lock(&cx, request(&sales, Duration::from_secs(60))).await.expect_err("never free");
    assert_eq!(error.kind(), StateErrorKind::Locked);
    assert_eq!(cx.clock.monotonic(), Duration::from_secs(60));

    let held = std::sync::Mutex::new(Some(held));
    let clock = Releases {
        clock: datamesh_conformance::testing::JumpingClock::default(),
        at: Duration::from_secs(20),
        release: Box::new(move || drop(held.lock().expect("not poisoned").take())),
    };
    let cx = Context { clock: Arc::new(clock), ..context(3) };
    store.lock(&cx, request(&sales, Duration::from_secs(60))).await.expect("got it");
    assert!(cx.clock.monotonic() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_waiter_stops_when_the_run_is_stopped() {
    let store = StateStore::over(MemoryStore::default());
    let sales = domains(&["sales"]);
    let _held = store.lock(&context(1), request(&sales, NOW)).await.expect("locked");
    let cx = context(2);
    cx.cancel.raise(CancelStage::Drain);
    let error = store.lock(&cx, request(&sales, Duration::from_secs(60))).await.expect_err("stopped");
    assert_eq!(error.kind(), StateErrorKind::Cancelled);
}

fn faulty(
    backend: &MemoryStore,
    script: impl Fn(u64, Moment, &str) -> Option<PutFault> + Send + Sync + 'static,
) -> (StateStore, Arc<FaultyBlobs<MemoryStore>>) {
    let blobs = Arc::new(FaultyBlobs::new(backend.clone(), script));
    (StateStore::new(Arc::clone(&blobs) as Arc<dyn BlobStore>, Arc::new(backend.clone())), blobs)
}

#[tokio::test]
async fn lost_answers_and_lost_requests_are_resolved() {
    let orders = domains(&["orders"]);
    let codecs = [Codec::default(), codec(&[("k1", 1)])];
    for (moment, fault, codec) in [Moment::Before, Moment::After]
        .into_iter()
        .flat_map(|moment| [PutFault::NoAnswer, PutFault::Conflict].map(|fault| (moment, fault)))
        .flat_map(|(moment, fault)| codecs.clone().map(|codec| (moment, fault, codec)))
    {
        let backend = MemoryStore::default();
        // Every odd write is hit: the first one makes the shard, the third one changes it.
        let script = move |n: u64, m: Moment, _: &str| (m == moment && n % 2 == 1).then_some(fault);
        let (store, blobs) = faulty(&backend, script);
        let store = store.coded(codec);
        let mut locked = store.lock(&context(1), request(&orders, NOW)).await.expect("locked");
        for n in 0..5 {
            let bind = format!("cluster-{n}");
            locked
                .update("orders", |shard| {
                    shard.systems.insert("kafka.default".into(), bind);
                    Ok(())
                })
                .await
                .expect("written");
        }
        locked.release().await.expect("released");
        let found = store.load("prod").await.expect("loaded").shards.remove("orders").expect("there");
        assert_eq!((found.shard.serial, found.shard.systems["kafka.default"].as_str()), (6, "cluster-4"));
        assert!(blobs.puts() >= 6, "{moment:?} {fault:?}");
    }
}

#[tokio::test]
async fn no_answer_at_all_is_unknown_and_ends_the_writing() {
    let backend = MemoryStore::default();
    let dead = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&dead);
    let (store, _) = faulty(&backend, move |_, moment, _| {
        (moment == Moment::Before && flag.load(Ordering::SeqCst)).then_some(PutFault::NoAnswer)
    });
    let orders = domains(&["orders"]);
    let mut locked = store.lock(&context(1), request(&orders, NOW)).await.expect("locked");
    dead.store(true, Ordering::SeqCst);
    let error = locked.update("orders", |_| Ok(())).await.expect_err("nobody answers");
    assert_eq!(error.kind(), StateErrorKind::Unknown);
    dead.store(false, Ordering::SeqCst);
    let error = locked.update("orders", |_| Ok(())).await.expect_err("still nothing may be written");
    assert_eq!(error.kind(), StateErrorKind::Fenced);
}

#[tokio::test]
async fn a_write_of_somebody_else_fences() {
    let backend = MemoryStore::default();
    let store = StateStore::over(backend.clone());
    let orders = domains(&["orders"]);
    let mut locked = store.lock(&context(1), request(&orders, NOW)).await.expect("locked");
    backend.overwrite("prod/orders", encode(&full_shard()).expect("encodes"));
    let before = locked.shard("orders").cloned();
    let error = locked.update("orders", |_| Ok(())).await.expect_err("fenced");
    assert_eq!(error.kind(), StateErrorKind::Fenced);
    assert_eq!(locked.shard("orders").cloned(), before, "the shard stays as it was last written");
    let theirs = store.load("prod").await.expect("loaded").shards.remove("orders").expect("there");
    assert_eq!(theirs.shard, full_shard());
}

#[tokio::test]
async fn what_breaks_a_shard_is_never_written() {
    let store = StateStore::over(MemoryStore::default());
    let orders = domains(&["orders"]);
    let mut locked = store.lock(&context(1), request(&orders, NOW)).await.expect("locked");
    let create = intent("orders/p@1:kafka_topic.x", OpAction::Create, Some(json!({})));
    let forgotten = |shard: &mut datamesh_state::Shard| {
        shard.begin(op("1"), create)?;
        // Somebody records it without completing it.
        shard.resources.insert(
            address("orders/p@1:kafka_topic.x"),
            record("orders/p@1:kafka_topic.x", json!({})).into(),
        );
        Ok(())
    };
    let error = locked.update("orders", forgotten).await.expect_err("invalid");
    assert_eq!(error.kind(), StateErrorKind::Invalid);
    let mut other = locked.shard("orders").cloned().expect("there");
    other.epoch += 1;
    let error = locked.write(other).await.expect_err("not the lock's epoch");
    assert_eq!(error.kind(), StateErrorKind::Fenced);
    let mut foreign = locked.shard("orders").cloned().expect("there");
    foreign.domain = "sales".into();
    let error = locked.write(foreign).await.expect_err("not locked");
    assert_eq!(error.kind(), StateErrorKind::Fenced);
    assert_eq!(store.load("prod").await.expect("loaded").shards["orders"].shard.serial, 1);
}

#[tokio::test]
async fn another_repository_and_unusable_names_are_refused() {
    let store = StateStore::over(MemoryStore::default());
    let orders = domains(&["orders"]);
    store.lock(&context(1), request(&orders, NOW)).await.expect("locked").release().await.expect("released");
    let mut other = request(&orders, NOW);
    other.repository = "another";
    let error = store.lock(&context(2), other).await.expect_err("not ours");
    assert_eq!(error.kind(), StateErrorKind::Foreign);
    assert_eq!(store.holder("prod", "orders").await.expect("asked"), None, "the lock was given back");
    for name in ["", "..", "a/b", "a b", "ü"] {
        let bad = domains(&[name]);
        let error = store.lock(&context(3), request(&bad, NOW)).await.expect_err(name);
        assert_eq!(error.kind(), StateErrorKind::Name, "{name}");
        assert_eq!(store.load(name).await.expect_err(name).kind(), StateErrorKind::Name);
    }
}

#[tokio::test]
async fn a_shard_in_the_wrong_place_is_damage() {
    let backend = MemoryStore::default();
    backend.overwrite("prod/sales", encode(&full_shard()).expect("encodes"));
    let error = StateStore::over(backend).load("prod").await.expect_err("misplaced");
    assert_eq!(error.kind(), StateErrorKind::Corrupt);
    assert!(error.to_string().contains("prod/sales"), "{error}");
}

/// Locks that can be taken away, as a lease can.
#[derive(Clone, Debug, Default)]
struct NoLocks;

#[async_trait]
impl Locks for NoLocks {
    async fn try_lock(
        &self,
        key: &str,
        info: &datamesh_state::LockInfo,
    ) -> Result<Attempt, datamesh_state::StateError> {
        // Each caller has a lock of its own: nobody keeps anybody out.
        MemoryStore::default().try_lock(key, info).await
    }

    async fn holder(&self, _: &str) -> Result<Option<datamesh_state::LockInfo>, datamesh_state::StateError> {
        Ok(None)
    }

    async fn known(&self, _: &str) -> Result<Vec<String>, datamesh_state::StateError> {
        Ok(Vec::new())
    }

    async fn break_lock(
        &self,
        _: &str,
        _: &str,
        _: &datamesh_state::LockInfo,
    ) -> Result<Broken, datamesh_state::StateError> {
        Ok(Broken::NotHeld)
    }

    async fn finish_break(
        &self,
        _: &str,
        _: &str,
        _: &datamesh_state::LockInfo,
    ) -> Result<(), datamesh_state::StateError> {
        Ok(())
    }
}

#[tokio::test]
async fn even_when_locks_fail_the_epoch_fences_the_older_holder() {
    let backend = MemoryStore::default();
    let store = StateStore::new(Arc::new(backend), Arc::new(NoLocks));
    let orders = domains(&["orders"]);
    let mut old = store.lock(&context(1), request(&orders, NOW)).await.expect("locked");
    let mut new = store.lock(&context(2), request(&orders, NOW)).await.expect("locked as well");
    let error = old.update("orders", |_| Ok(())).await.expect_err("fenced");
    assert_eq!(error.kind(), StateErrorKind::Fenced);
    new.update("orders", |_| Ok(())).await.expect("the newer one writes");
    assert_eq!(info("x").operation, "x");
}
