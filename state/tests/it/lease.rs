//! The lock protocol over a store that has none: leases, takeovers, lost answers, locks taken away.

use crate::executor::World;
use crate::support::{info, request};
use async_trait::async_trait;
use datamesh_conformance::testing::SeededEntropy;
use datamesh_provider::Clock;
use datamesh_state::{
    Attempt, Blob, BlobStore, Condition, FaultyBlobs, Heartbeat, LeaseLocks, LeaseTiming, LockInfo, Locks,
    MemoryStore, Moment, PutError, PutFault, Spawner, StateError, StateErrorKind, StateStore, Tag,
};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const NOW: Duration = Duration::ZERO;
const CALL: Duration = Duration::from_secs(30);
const KEY: &str = "_locks/prod/orders";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Runs heartbeats beside the others, on a store of their own.
#[derive(Debug)]
struct Beside {
    world: World,
    blobs: Arc<dyn BlobStore>,
}

impl Spawner for Beside {
    fn spawn(&self, heartbeat: Heartbeat) {
        self.world.spawn(heartbeat.run(Arc::clone(&self.blobs)));
    }
}

/// The locks as one process has them.
fn process(world: &World, blobs: Arc<dyn BlobStore>, seed: u64) -> Arc<LeaseLocks> {
    let spawner = Arc::new(Beside { world: world.clone(), blobs: Arc::clone(&blobs) });
    let entropy = Arc::new(SeededEntropy::new(seed));
    Arc::new(LeaseLocks::new(blobs, Arc::new(world.clone()), entropy, spawner, LeaseTiming::default()))
}

fn memory() -> (MemoryStore, Arc<dyn BlobStore>) {
    let memory = MemoryStore::default();
    (memory.clone(), Arc::new(memory))
}

fn run_of(id: &str) -> LockInfo {
    LockInfo { id: id.into(), ..info("apply") }
}

async fn got(locks: &LeaseLocks, id: &str) -> Box<dyn datamesh_state::Held> {
    match locks.try_lock("prod/orders", &run_of(id)).await.expect("asked") {
        Attempt::Got(held) => held,
        Attempt::Taken(by) => unreachable!("{id}: held by {by:?}"),
    }
}

async fn taken(locks: &LeaseLocks, id: &str) -> Option<String> {
    match locks.try_lock("prod/orders", &run_of(id)).await.expect("asked") {
        Attempt::Got(_) => unreachable!("{id} got it"),
        Attempt::Taken(by) => by.map(|info| info.id),
    }
}

fn said(blobs: &MemoryStore, key: &str) -> serde_json::Value {
    let blob = futures::executor::block_on(blobs.get(key)).expect("read").expect("there");
    serde_json::from_slice(&blob.bytes).expect("JSON")
}

#[test]
fn a_lock_is_had_by_one_renewed_and_given_back_but_never_deleted() {
    let world = World::default();
    let (memory, blobs) = memory();
    let (a, b) = (process(&world, Arc::clone(&blobs), 1), process(&world, blobs, 2));
    world.run(async {
        assert_eq!(a.holder("prod/orders").await.expect("asked"), None);
        let held = got(&a, "a").await;
        assert_eq!(held.taken_over(), None);
        for _ in 0..40 {
            world.sleep(seconds(15)).await;
            held.permit(CALL).expect("it is renewed");
            assert_eq!(taken(&b, "b").await.as_deref(), Some("a"));
            assert_eq!(b.holder("prod/orders").await.expect("asked"), Some(run_of("a")));
        }
        assert_eq!(b.known("prod").await.expect("asked"), ["orders"]);
        held.release().await.expect("released");
        assert_eq!(said(&memory, KEY)["state"], "released");
        assert_eq!(b.holder("prod/orders").await.expect("asked"), None);
        let held = got(&b, "b").await;
        assert_eq!(held.taken_over(), None, "it was given back");
        drop(held);
        world.sleep(seconds(1)).await;
        assert_eq!(said(&memory, KEY)["state"], "released", "dropped, it is given back as well");
    });
}

#[test]
fn the_record_is_as_it_was_frozen() {
    let world = World::default();
    let (memory, blobs) = memory();
    let a = process(&world, blobs, 1);
    world.run(async {
        let _held = got(&a, "a").await;
        let mut record = said(&memory, KEY);
        record["nonce"] = "n".into();
        let frozen: serde_json::Value =
            serde_json::from_slice(include_bytes!("../samples/lock-v1.json")).expect("JSON");
        assert_eq!(record, frozen);
        memory.overwrite(KEY, include_bytes!("../samples/lock-v1.json").to_vec());
        assert_eq!(a.holder("prod/orders").await.expect("read"), Some(run_of("a")));
        let mut newer = frozen.clone();
        newer["format"] = 2.into();
        memory.overwrite(KEY, newer.to_string().into_bytes());
        let error = a.holder("prod/orders").await.expect_err("newer");
        assert_eq!(error.kind(), StateErrorKind::Unsupported);
        let mut more = frozen;
        more["more"] = 2.into();
        for bad in [more.to_string().as_str(), "", "{", "[]"] {
            memory.overwrite(KEY, bad.as_bytes().to_vec());
            let error = a.try_lock("prod/orders", &run_of("a")).await.expect_err("damaged");
            assert_eq!(error.kind(), StateErrorKind::Corrupt, "{bad}");
            assert!(error.to_string().contains("_locks/prod/orders"), "{error}");
        }
    });
}

#[test]
fn a_dead_holder_is_taken_over_after_its_ttl_on_the_waiters_clock_and_not_before() {
    let world = World::default();
    let (_, blobs) = memory();
    let (a, b) = (process(&world, Arc::clone(&blobs), 1), process(&world, blobs, 2));
    world.run(async {
        let held = got(&a, "a").await;
        world.kill_tasks();
        held.permit(NOW).expect_err("without a heartbeat there is no lease");
        // However long it is dead: the waiter knows nothing before it has looked.
        world.sleep(seconds(1000)).await;
        assert_eq!(taken(&b, "b").await.as_deref(), Some("a"));
        world.sleep(seconds(89)).await;
        assert_eq!(taken(&b, "b").await.as_deref(), Some("a"));
        world.sleep(seconds(1)).await;
        let held = got(&b, "b").await;
        assert_eq!(held.taken_over(), Some(seconds(60)));
        world.sleep(seconds(20)).await;
        assert_eq!(held.taken_over(), Some(seconds(40)));
        world.sleep(seconds(60)).await;
        assert_eq!(held.taken_over(), Some(NOW));
        held.permit(CALL).expect("held");
    });
}

/// A store that says how old its blobs are.
#[derive(Debug)]
struct Aged(MemoryStore, Mutex<Option<Duration>>);

#[async_trait]
impl BlobStore for Aged {
    async fn get(&self, key: &str) -> Result<Option<Blob>, StateError> {
        let age = *self.1.lock().expect("not poisoned");
        Ok(self.0.get(key).await?.map(|blob| Blob { age, ..blob }))
    }
    async fn put(&self, key: &str, bytes: &[u8], when: &Condition) -> Result<Tag, PutError> {
        self.0.put(key, bytes, when).await
    }
    async fn list(&self, folder: &str) -> Result<Vec<String>, StateError> {
        self.0.list(folder).await
    }
    fn place(&self, key: &str) -> String {
        self.0.place(key)
    }
}

#[test]
fn twice_the_ttl_by_the_stores_own_clock_is_enough_at_first_sight() {
    for (age, free) in [(None, false), (Some(179), false), (Some(180), true), (Some(1 << 40), true)] {
        let world = World::default();
        let aged = Arc::new(Aged(MemoryStore::default(), Mutex::new(age.map(seconds))));
        let (a, b) = (process(&world, aged.clone(), 1), process(&world, aged, 2));
        world.run(async {
            let _held = got(&a, "a").await;
            world.kill_tasks();
            assert_eq!(b.holder("prod/orders").await.expect("asked").is_none(), free, "{age:?}");
            let attempt = b.try_lock("prod/orders", &run_of("b")).await.expect("asked");
            assert_eq!(matches!(attempt, Attempt::Got(_)), free, "{age:?}");
        });
    }
}

#[test]
fn a_holder_that_was_suspended_starts_nothing_and_learns_that_it_lost() {
    let world = World::default();
    let (_, blobs) = memory();
    // Its heartbeat does not run while it is suspended: a world of its own, that stands still.
    let asleep = World::default();
    let a = process(&asleep, Arc::clone(&blobs), 1);
    let b = process(&world, blobs, 2);
    let held = asleep.run(got(&a, "a"));
    asleep.run(asleep.sleep(seconds(25)));
    held.permit(CALL).expect("it is renewed");
    world.run(async {
        assert_eq!(taken(&b, "b").await.as_deref(), Some("a"));
        world.sleep(seconds(90)).await;
        let _held = got(&b, "b").await;
    });
    asleep.run(asleep.sleep(seconds(10)));
    let lost = held.permit(NOW).expect_err("lost").to_string();
    assert!(lost.contains("taken over by ada on workbench"), "{lost}");
    asleep.run(held.release()).expect("nothing to give back");
    let still = world.run(b.holder("prod/orders")).expect("asked");
    assert_eq!(still.map(|info| info.id).as_deref(), Some("b"), "what was lost is not given back");
}

/// A store that can be cut off.
fn cut(memory: &MemoryStore, moment: Moment) -> (Arc<dyn BlobStore>, Arc<AtomicBool>) {
    let dead = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&dead);
    let script = move |_: u64, m: Moment, _: &str| {
        (m == moment && flag.load(Ordering::SeqCst)).then_some(PutFault::NoAnswer)
    };
    (Arc::new(FaultyBlobs::new(memory.clone(), script)), dead)
}

#[test]
fn a_renewal_counts_from_when_it_was_first_sent() {
    let world = World::default();
    let cut_off = Arc::new(AtomicBool::new(false));
    let (cut, clock) = (Arc::clone(&cut_off), world.clone());
    // The renewal after 10 s is taken, and nobody hears of it before 25 s have passed. Then the line is dead.
    let blobs = FaultyBlobs::new(MemoryStore::default(), move |n, moment, _| match moment {
        Moment::Before if cut.load(Ordering::SeqCst) => Some(PutFault::NoAnswer),
        Moment::After if n == 2 => Some(PutFault::NoAnswer),
        _ => None,
    });
    let blobs = blobs.unread(move |_| {
        let answered = clock.monotonic() >= seconds(25);
        cut_off.store(answered, Ordering::SeqCst);
        clock.monotonic() > NOW && !answered
    });
    let a = process(&world, Arc::new(blobs), 1);
    world.run(async {
        let held = got(&a, "a").await;
        world.sleep(seconds(28)).await;
        held.permit(CALL).expect("renewed");
        world.sleep(Duration::from_millis(11_999)).await;
        held.permit(CALL).expect("sent 29.999 s ago");
        world.sleep(Duration::from_millis(1)).await;
        held.permit(NOW).expect_err("whoever saw it counts from 10 s");
    });
}

#[test]
fn a_late_renewal_closes_the_gate_and_the_next_one_that_is_taken_opens_it() {
    let world = World::default();
    let (memory, _) = memory();
    let (blobs, dead) = cut(&memory, Moment::Before);
    let a = process(&world, blobs, 1);
    world.run(async {
        let held = got(&a, "a").await;
        let start = world.monotonic();
        world.sleep(seconds(5)).await;
        dead.store(true, Ordering::SeqCst);
        world.sleep(seconds(24)).await;
        held.permit(CALL).expect("29 s old");
        world.sleep(seconds(1)).await;
        let lost = held.permit(NOW).expect_err("30 s old").to_string();
        assert!(lost.contains("could not be renewed for 30 s"), "{lost}");
        assert_eq!(world.monotonic() - start, seconds(30));
        dead.store(false, Ordering::SeqCst);
        world.sleep(seconds(5)).await;
        held.permit(CALL).expect("nobody took it: it is renewed");
        let lost = held.permit(seconds(31)).expect_err("too long a call").to_string();
        assert!(lost.contains("31 s"), "{lost}");
    });
}

#[test]
fn lost_answers_of_every_write_are_resolved_by_reading_the_nonce() {
    for moment in [Moment::Before, Moment::After] {
        for fault in [PutFault::NoAnswer, PutFault::Conflict] {
            for odd in [0, 1] {
                let world = World::default();
                let memory = MemoryStore::default();
                let script = move |n: u64, m: Moment, _: &str| (m == moment && n % 2 == odd).then_some(fault);
                let blobs: Arc<dyn BlobStore> = Arc::new(FaultyBlobs::new(memory.clone(), script));
                let a = process(&world, blobs, 1);
                world.run(async {
                    let held = got(&a, "a").await;
                    for _ in 0..20 {
                        world.sleep(seconds(5)).await;
                        held.permit(CALL).expect("it is renewed");
                    }
                    held.release().await.expect("released");
                    assert_eq!(said(&memory, KEY)["state"], "released", "{moment:?} {fault:?} {odd}");
                });
            }
        }
    }
}

#[test]
fn a_lock_cannot_be_given_back_to_a_store_that_does_not_answer_but_the_gate_is_closed() {
    let world = World::default();
    let (memory, _) = memory();
    let (blobs, dead) = cut(&memory, Moment::Before);
    let a = process(&world, blobs, 1);
    world.run(async {
        let held = got(&a, "a").await;
        dead.store(true, Ordering::SeqCst);
        let error = held.release().await.expect_err("no answer");
        assert_eq!(error.kind(), StateErrorKind::Unknown);
    });
}

#[test]
fn a_lock_is_taken_away_only_when_the_last_call_of_its_holder_has_ended() {
    let world = World::default();
    let (memory, blobs) = memory();
    let (a, b) = (process(&world, Arc::clone(&blobs), 1), process(&world, Arc::clone(&blobs), 2));
    let breaker = StateStore::new(blobs.clone(), process(&world, blobs, 3));
    world.run(async {
        let held = got(&a, "a").await;
        let last_start = Arc::new(Mutex::new(NOW));
        let (seen, clock) = (Arc::clone(&last_start), world.clone());
        // The holder starts calls for as long as it may.
        world.spawn(async move {
            while held.permit(CALL).is_ok() {
                *seen.lock().expect("not poisoned") = clock.monotonic();
                clock.sleep(Duration::from_millis(10)).await;
            }
        });
        world.sleep(seconds(21)).await;
        let (cx, who) = (world.context(9), LockInfo { who: "grace".into(), ..info("force-unlock") });
        let begun = world.monotonic();
        let waits = {
            let (b, world) = (Arc::clone(&b), world.clone());
            async move {
                loop {
                    match b.try_lock("prod/orders", &run_of("b")).await.expect("asked") {
                        Attempt::Got(held) => return (held, world.monotonic()),
                        Attempt::Taken(by) => assert_eq!(by.map(|info| info.id).as_deref(), Some("a")),
                    }
                    world.sleep(Duration::from_millis(100)).await;
                }
            }
        };
        let (freed, (_held, had)) =
            futures::future::join(breaker.force_unlock(&cx, "prod", "a", &who), waits).await;
        assert_eq!(freed.expect("freed"), ["orders"]);
        assert!(had >= begun + seconds(60), "{had:?} after {begun:?}");
        let last = *last_start.lock().expect("not poisoned");
        assert!(last > NOW && last + CALL <= had, "a call that began at {last:?} outlasts {had:?}");
        assert!(said(&memory, KEY)["holder"]["id"] == "b");
    });
}

#[test]
fn a_lock_whose_breaker_died_goes_to_a_waiter_in_the_end() {
    let world = World::default();
    let (_, blobs) = memory();
    let (a, b) = (process(&world, Arc::clone(&blobs), 1), process(&world, blobs, 2));
    world.run(async {
        let held = got(&a, "a").await;
        let broken = b.break_lock("prod/orders", "a", &info("force-unlock")).await.expect("marked");
        assert_eq!(broken, datamesh_state::Broken::Marked { wait: seconds(60) });
        assert_eq!(taken(&b, "b").await.as_deref(), Some("a"));
        world.sleep(seconds(59)).await;
        assert_eq!(taken(&b, "b").await.as_deref(), Some("a"));
        let lost = held.permit(NOW).expect_err("taken away").to_string();
        assert!(lost.contains("taken away by ada on workbench"), "{lost}");
        world.sleep(seconds(1)).await;
        let new = got(&b, "b").await;
        assert!(new.taken_over().is_some());
        b.finish_break("prod/orders", "a", &info("force-unlock")).await.expect("asked");
        new.permit(CALL).expect("whoever has it keeps it");
        assert_eq!(a.holder("prod/orders").await.expect("asked"), Some(run_of("b")));
    });
}

#[test]
fn only_the_run_that_is_named_loses_its_lock() {
    let world = World::default();
    let (_, blobs) = memory();
    let store = StateStore::new(Arc::clone(&blobs), process(&world, blobs, 1));
    world.run(async {
        let (cx, who) = (world.context(1), info("force-unlock"));
        let error = store.force_unlock(&cx, "prod", "a", &who).await.expect_err("nothing is held");
        assert!(error.to_string().contains("none is held"), "{error}");
        let domains = ["orders".to_owned(), "sales".to_owned()];
        let mut held = request(&domains, NOW);
        held.info = run_of("a");
        let mut locked = store.lock(&cx, held).await.expect("locked");
        let error = store.force_unlock(&cx, "prod", "b", &who).await.expect_err("another id");
        assert_eq!(error.kind(), StateErrorKind::NotLocked);
        assert!(error.to_string().ends_with("held are a"), "{error}");
        assert_eq!(store.locks("prod").await.expect("asked").keys().collect::<Vec<_>>(), ["orders", "sales"]);
        let freed = store.force_unlock(&cx, "prod", "a", &who).await.expect("freed");
        assert_eq!(freed, ["orders", "sales"]);
        assert!(store.locks("prod").await.expect("asked").is_empty());
        let start = world.monotonic();
        let mut new = store.lock(&cx, request(&domains, NOW)).await.expect("free");
        assert_eq!(world.monotonic(), start, "nobody waits for what was freed");
        assert_eq!(new.taken_over(), None, "the wait is over");
        locked.lease().permit(NOW).expect_err("lost");
        let error = locked.update("orders", |_| Ok(())).await.expect_err("fenced");
        assert_eq!(error.kind(), StateErrorKind::Fenced);
        new.update("orders", |_| Ok(())).await.expect("the new one writes");
        locked.release().await.expect("nothing to give back");
    });
}

/// Many runs count in one shard; some die, some hang.
#[test]
fn thirty_two_runs_hold_it_one_at_a_time_and_lose_nothing() {
    let world = World::default();
    let memory = MemoryStore::default();
    let inside = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicU64::new(0));
    for n in 0..32u64 {
        let script = move |put: u64, moment: Moment, _: &str| match (put * 7 + n) % 5 {
            0 if moment == Moment::Before => Some(PutFault::NoAnswer),
            1 if moment == Moment::After => Some(PutFault::NoAnswer),
            2 if moment == Moment::Before => Some(PutFault::Conflict),
            _ => None,
        };
        let blobs: Arc<dyn BlobStore> = Arc::new(FaultyBlobs::new(memory.clone(), script));
        let store = StateStore::new(Arc::clone(&blobs), process(&world, blobs, 100 + n));
        let (cx, inside, done, clock) =
            (world.context(n), Arc::clone(&inside), Arc::clone(&done), world.clone());
        world.spawn(async move {
            let domains = ["orders".to_owned()];
            let mut request = request(&domains, seconds(3600));
            request.info = run_of(&format!("run-{n}"));
            let mut locked = store.lock(&cx, request).await.expect("locked");
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "alone");
            clock.sleep(seconds(3)).await;
            locked.lease().permit(CALL).expect("held");
            let add = |shard: &mut datamesh_state::Shard| {
                let count = shard.systems.entry("count".into()).or_insert_with(|| "0".into());
                *count = (count.parse::<u64>().expect("a number") + 1).to_string();
                Ok(())
            };
            locked.update("orders", add).await.expect("written");
            inside.fetch_sub(1, Ordering::SeqCst);
            locked.release().await.expect("released");
            done.fetch_add(1, Ordering::SeqCst);
        });
    }
    world.run(world.sleep(seconds(3700)));
    assert_eq!(done.load(Ordering::SeqCst), 32);
    let store = StateStore::over(memory);
    let found = world.run(store.peek("prod", "orders")).expect("read").expect("there");
    assert_eq!(found.shard.systems["count"], "32");
}

#[test]
fn on_one_machine_a_living_process_is_named_and_keeps_its_lock() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = StateStore::over(datamesh_state::LocalStore::new(folder.path()));
    let world = World::default();
    world.run(async {
        let domains = ["orders".to_owned()];
        let (cx, who) = (world.context(1), info("force-unlock"));
        let locked = store.lock(&cx, request(&domains, NOW)).await.expect("locked");
        let error = store.force_unlock(&cx, "prod", "lock-apply", &who).await.expect_err("it lives");
        assert_eq!(error.kind(), StateErrorKind::Living);
        assert!(error.to_string().contains("process 4711"), "{error}");
        assert_eq!(store.locks("prod").await.expect("asked").len(), 1);
        locked.lease().permit(CALL).expect("kept");
    });
}
