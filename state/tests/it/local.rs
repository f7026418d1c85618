//! The store in a folder: races of threads and processes, leftovers, damage, history.

use crate::support::{context, info, request};
use datamesh_state::{
    Attempt, BlobStore, Condition, LocalStore, Locks, PutError, StateErrorKind, StateStore, Tag,
};
use futures::executor::block_on;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const NOW: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(3600);

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn orders() -> Vec<String> {
    vec!["orders".to_owned()]
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

/// Adds one to a counter in the shard, under the lock.
async fn count(store: &StateStore, seed: u64, clock: &datamesh_provider::Context) {
    let cx = datamesh_provider::Context { clock: clock.clock.clone(), ..context(seed) };
    let mut locked = store.lock(&cx, request(&orders(), LONG)).await.expect("locked");
    let add = |shard: &mut datamesh_state::Shard| {
        let count = shard.systems.entry("count".into()).or_insert_with(|| "0".into());
        *count = (count.parse::<u64>().expect("a number") + 1).to_string();
        Ok(())
    };
    locked.update("orders", add).await.expect("written");
    locked.release().await.expect("released");
}

fn counted(store: &StateStore) -> u64 {
    let found = block_on(store.load("prod")).expect("loaded").shards.remove("orders").expect("there");
    found.shard.systems["count"].parse().expect("a number")
}

fn real_time() -> datamesh_provider::Context {
    datamesh_conformance::testing::context(std::sync::Arc::new(
        datamesh_conformance::testing::RealClock::default(),
    ))
}

#[test]
fn thirty_two_threads_on_one_shard_lose_nothing() {
    let folder = folder();
    let store = StateStore::over(LocalStore::new(folder.path()));
    let clock = real_time();
    std::thread::scope(|scope| {
        for seed in 0..32 {
            let (store, clock) = (store.clone(), clock.clone());
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
                runtime.expect("a runtime").block_on(count(&store, seed, &clock));
            });
        }
    });
    assert_eq!(counted(&store), 32);
}

#[test]
fn conditional_writes_alone_let_one_of_thirty_two_win() {
    let folder = folder();
    let store = LocalStore::new(folder.path());
    for round in 0..20 {
        let when = match round {
            0 => Condition::CreateOnly,
            _ => Condition::IfMatch(Tag(round.to_string())),
        };
        let won = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..32)
                .map(|n| {
                    let (store, when) = (store.clone(), when.clone());
                    scope.spawn(move || {
                        let bytes = format!("{round} {n}");
                        match block_on(store.put("prod/x", bytes.as_bytes(), &when)) {
                            Ok(_) => Some(bytes),
                            Err(PutError::Conflict) => None,
                            Err(error) => panic!("{error}"),
                        }
                    })
                })
                .collect();
            tries.into_iter().filter_map(|t| t.join().expect("no panic")).collect::<Vec<_>>()
        });
        assert_eq!(won.len(), 1, "round {round}");
        let there = block_on(store.get("prod/x")).expect("read").expect("there");
        assert_eq!(String::from_utf8(there.bytes).expect("text"), won[0]);
    }
    assert_eq!(names(&folder.path().join("prod/x")).len(), 20, "no leftovers");
}

const CHILD: &str = "DATAMESH_STATE_TEST_CHILD";

/// What the other processes run: not a test of its own unless a parent asks for it.
#[test]
fn child() {
    let Ok(what) = std::env::var(CHILD) else { return };
    let (job, path) = what.split_once(' ').expect("a job and a path");
    let store = StateStore::over(LocalStore::new(path));
    let clock = real_time();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let seed = u64::from(std::process::id());
    match job {
        "count" => (0..4).for_each(|n| runtime.block_on(count(&store, seed * 10 + n, &clock))),
        "hold" => {
            let lock = runtime.block_on(store.lock(&clock, request(&orders(), NOW))).expect("locked");
            fs::write(Path::new(path).join("ready"), "").expect("written");
            // Until the parent kills us.
            loop {
                std::thread::park();
                assert!(lock.shard("orders").is_some());
            }
        }
        "die" => {
            let mut lock = runtime.block_on(store.lock(&clock, request(&orders(), NOW))).expect("locked");
            runtime.block_on(lock.update("orders", |_| Ok(()))).expect("written");
            std::process::abort();
        }
        other => panic!("{other}"),
    }
}

fn spawn(job: &str, path: &Path) -> std::process::Child {
    let program = std::env::current_exe().expect("this program");
    Command::new(program)
        .args(["local::child", "--exact", "--nocapture"])
        .env(CHILD, format!("{job} {}", path.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process")
}

#[test]
fn eight_processes_on_one_shard_lose_nothing() {
    let folder = folder();
    let mut children: Vec<_> = (0..8).map(|_| spawn("count", folder.path())).collect();
    for child in &mut children {
        assert!(child.wait().expect("it ended").success());
    }
    assert_eq!(counted(&StateStore::over(LocalStore::new(folder.path()))), 32);
}

#[test]
fn a_lock_of_another_process_names_it_and_dies_with_it() {
    let folder = folder();
    let mut child = spawn("hold", folder.path());
    while !folder.path().join("ready").exists() {
        assert!(child.try_wait().expect("asked").is_none(), "the child ended early");
        std::thread::yield_now();
    }
    let store = StateStore::over(LocalStore::new(folder.path()));
    let error = block_on(store.lock(&context(1), request(&orders(), NOW))).expect_err("taken");
    assert_eq!(error.kind(), StateErrorKind::Locked);
    let text = error.to_string();
    for part in ["ada", "workbench", "4711", "`apply`", "2026-03-01T08:15:00Z"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(block_on(store.holder("prod", "orders")).expect("asked"), Some(info("apply")));
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert_eq!(
        block_on(store.holder("prod", "orders")).expect("asked"),
        None,
        "a dead process holds nothing"
    );
    let locked = block_on(store.lock(&context(1), request(&orders(), NOW))).expect("free");
    assert_eq!(locked.shard("orders").map(|shard| shard.epoch), Some(2));
}

#[test]
fn what_a_killed_process_wrote_is_there_and_its_lock_is_free() {
    let folder = folder();
    assert!(!spawn("die", folder.path()).wait().expect("ended").success());
    let store = StateStore::over(LocalStore::new(folder.path()));
    let found = block_on(store.load("prod")).expect("loaded");
    assert_eq!(found.shards["orders"].shard.serial, 2);
    block_on(store.lock(&context(1), request(&orders(), NOW))).expect("free");
}

#[test]
fn asking_who_holds_a_lock_never_keeps_anybody_out() {
    let folder = folder();
    let store = StateStore::over(LocalStore::new(folder.path()));
    std::thread::scope(|scope| {
        let asks = scope.spawn(|| {
            for _ in 0..2000 {
                block_on(store.holder("prod", "orders")).expect("asked");
            }
        });
        let clock = real_time();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        while !asks.is_finished() {
            let locked =
                runtime.block_on(store.lock(&clock, request(&orders(), NOW))).expect("never refused");
            runtime.block_on(locked.release()).expect("released");
        }
    });
}

#[test]
fn leftovers_and_strangers_are_ignored() {
    let folder = folder();
    let store = StateStore::over(LocalStore::new(folder.path()));
    block_on(store.lock(&context(1), request(&orders(), NOW))).expect("locked");
    let shard = folder.path().join("prod/orders");
    for name in [".part-1-1", "99.json.tmp", "007.json", "+9.json", "x.json", "notes.txt"] {
        fs::write(shard.join(name), "{").expect("written");
    }
    fs::create_dir(folder.path().join("prod/empty")).expect("made");
    fs::create_dir(folder.path().join("prod/.hidden")).expect("made");
    fs::write(folder.path().join("prod/file"), "").expect("written");
    let found = block_on(store.load("prod")).expect("loaded");
    assert_eq!(found.shards.keys().collect::<Vec<_>>(), ["orders"]);
    assert_eq!(found.shards["orders"].shard.serial, 1);
}

#[test]
fn damaged_files_are_errors_that_name_them() {
    for damage in ["", "{", "{\"format\":1}", "\u{0}\u{0}\u{0}"] {
        let folder = folder();
        let store = StateStore::over(LocalStore::new(folder.path()));
        block_on(store.lock(&context(1), request(&orders(), NOW))).expect("locked");
        fs::write(folder.path().join("prod/orders/2.json"), damage).expect("written");
        let read = block_on(store.load("prod")).expect_err("damaged");
        let lock = block_on(store.lock(&context(1), request(&orders(), NOW))).expect_err("damaged");
        for error in [read, lock] {
            assert_eq!(error.kind(), StateErrorKind::Corrupt, "{damage:?}");
            assert!(error.to_string().contains("prod/orders/2.json"), "{error}");
        }
        assert_eq!(
            names(&folder.path().join("prod/orders")),
            ["1.json", "2.json", "lock"],
            "nothing was made new"
        );
    }
}

#[test]
fn one_version_an_apply_is_kept_and_a_hundred_in_all() {
    let folder = folder();
    let store = StateStore::over(LocalStore::new(folder.path()));
    for run in 0..3 {
        let mut locked = block_on(store.lock(&context(run), request(&orders(), NOW))).expect("locked");
        for _ in 0..4 {
            block_on(locked.update("orders", |_| Ok(()))).expect("written");
        }
        block_on(locked.release()).expect("released");
    }
    let shard = folder.path().join("prod/orders");
    assert_eq!(names(&shard), ["10.json", "15.json", "5.json", "lock"]);
    for run in 3..120 {
        block_on(block_on(store.lock(&context(run), request(&orders(), NOW))).expect("locked").release())
            .expect("released");
    }
    let left = names(&shard);
    assert_eq!(left.len(), 101, "{left:?}");
    assert!(left.contains(&"132.json".to_owned()) && !left.contains(&"5.json".to_owned()), "{left:?}");
}

#[test]
fn a_writer_that_slept_through_a_whole_history_is_refused() {
    let folder = folder();
    let store = LocalStore::new(folder.path());
    block_on(store.put("prod/x", b"1", &Condition::CreateOnly)).expect("written");
    for n in 1..9u32 {
        let when = Condition::IfMatch(Tag(n.to_string()));
        block_on(store.put("prod/x", b"more", &when)).expect("written");
    }
    fs::write(folder.path().join("prod/x/.part-4711-0"), "of a writer that was killed").expect("written");
    block_on(store.settle("prod/x", Some(&Tag("1".into())), &Tag("9".into()))).expect("tidied");
    assert_eq!(names(&folder.path().join("prod/x")), ["1.json", "9.json"]);
    for stale in
        [Condition::CreateOnly, Condition::IfMatch(Tag("1".into())), Condition::IfMatch(Tag("x".into()))]
    {
        let error = block_on(store.put("prod/x", b"old", &stale)).expect_err("stale");
        assert!(matches!(error, PutError::Conflict), "{error}");
    }
    assert_eq!(names(&folder.path().join("prod/x")), ["1.json", "9.json"]);
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let root = folder.path().join("state");
    let store = StateStore::over(LocalStore::new(&root));
    block_on(store.lock(&context(1), request(&orders(), NOW))).expect("locked");
    let mode = |path: &str| fs::metadata(root.join(path)).expect(path).permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("prod"), mode("prod/orders")), (0o700, 0o700, 0o700));
    assert_eq!((mode("prod/orders/1.json"), mode("prod/orders/lock")), (0o600, 0o600));
}

#[test]
fn this_file_system_passes_the_probe_and_locks_exclude() {
    let folder = folder();
    let store = LocalStore::new(folder.path().join("state"));
    store.probe().expect("a good file system");
    assert!(names(&folder.path().join("state")).is_empty(), "the probe cleans up");
    let first = block_on(store.try_lock("prod/x", &info("apply"))).expect("asked");
    assert!(matches!(first, Attempt::Got(_)));
    let second = block_on(store.try_lock("prod/x", &info("destroy"))).expect("asked");
    assert!(matches!(&second, Attempt::Taken(Some(by)) if by.operation == "apply"), "{second:?}");
    drop(first);
    let third = block_on(store.try_lock("prod/x", &info("destroy"))).expect("asked");
    assert!(matches!(third, Attempt::Got(_)));
}
