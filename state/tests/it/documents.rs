//! What is kept beside the shards, and what was before: on a store that keeps versions and on one that does not.

use crate::support::{codec, context, request};
use datamesh_state::{
    BlobStore, Condition, Created, DocumentKey, DocumentKind, FaultyBlobs, LocalStore, MemoryStore, Moment,
    PutFault, StateErrorKind, StateStore,
};
use std::sync::Arc;
use std::time::Duration;

const KINDS: [DocumentKind; 4] =
    [DocumentKind::Run, DocumentKind::Recovery, DocumentKind::Plan, DocumentKind::Done];

fn both(test: impl AsyncFn(StateStore, &str)) {
    let folder = tempfile::tempdir().expect("a folder");
    futures::executor::block_on(async {
        test(StateStore::over(MemoryStore::default()), "memory").await;
        test(StateStore::over(LocalStore::new(folder.path())), "local").await;
        let encrypted = |store: StateStore| store.coded(codec(&[("k1", 1)]));
        test(encrypted(StateStore::over(MemoryStore::default())), "encrypted memory").await;
        let folder = folder.path().join("encrypted");
        test(encrypted(StateStore::over(LocalStore::new(folder))), "encrypted local").await;
    });
}

async fn apply(store: &StateStore, seed: u64, writes: u64) {
    let domains = ["orders".to_owned()];
    let mut locked = store.lock(&context(seed), request(&domains, Duration::ZERO)).await.expect("locked");
    for _ in 0..writes {
        locked.update("orders", |_| Ok(())).await.expect("written");
    }
    locked.release().await.expect("released");
}

#[test]
fn a_document_is_written_once_and_its_name_is_listed() {
    both(async |store, on| {
        for kind in KINDS {
            let key = DocumentKey::new(kind, "prod", "20260301T081500-b");
            assert_eq!(store.document(&key).await.expect("asked"), None, "{on} {kind:?}");
            let made = store.create_document(&key, b"one").await.expect("made");
            assert_eq!(made, Created::Yes, "{on} {kind:?}");
            let again = store.create_document(&key, b"one").await.expect("asked");
            assert_eq!(again, Created::Yes, "{on} {kind:?}: an answer may have been lost");
            let other = store.create_document(&key, b"two").await.expect("asked");
            assert_eq!(other, Created::Exists, "{on} {kind:?}");
            assert_eq!(store.document(&key).await.expect("read").as_deref(), Some(b"one".as_slice()));
            let earlier = DocumentKey::new(kind, "prod", "20260301T081500-a");
            assert_eq!(store.create_document(&earlier, b"three").await.expect("made"), Created::Yes);
            let names = store.documents(kind, "prod").await.expect("listed");
            assert_eq!(names, ["20260301T081500-a", "20260301T081500-b"], "{on} {kind:?}");
            assert!(store.documents(kind, "test").await.expect("listed").is_empty(), "{on} {kind:?}");
        }
        assert!(store.load("prod").await.expect("loaded").shards.is_empty(), "{on}: no document is a shard");
    });
}

#[test]
fn a_document_is_made_whatever_becomes_of_the_answers() {
    for moment in [Moment::Before, Moment::After] {
        for fault in [PutFault::NoAnswer, PutFault::Conflict] {
            let backend = MemoryStore::default();
            let script = move |n: u64, m: Moment, _: &str| (m == moment && n == 1).then_some(fault);
            let blobs = Arc::new(FaultyBlobs::new(backend.clone(), script));
            let store = StateStore::new(blobs, Arc::new(backend));
            let key = DocumentKey::new(DocumentKind::Run, "prod", "x");
            let made = futures::executor::block_on(store.create_document(&key, b"one")).expect("made");
            assert_eq!(made, Created::Yes, "{moment:?} {fault:?}");
        }
    }
    let backend = MemoryStore::default();
    let blobs = FaultyBlobs::new(backend.clone(), |_, moment, _| {
        (moment == Moment::Before).then_some(PutFault::NoAnswer)
    });
    let store = StateStore::new(Arc::new(blobs), Arc::new(backend));
    let key = DocumentKey::new(DocumentKind::Run, "prod", "x");
    let error = futures::executor::block_on(store.create_document(&key, b"one")).expect_err("no answer");
    assert_eq!(error.kind(), StateErrorKind::Unknown);
}

#[test]
fn each_run_leaves_one_version() {
    both(async |store, on| {
        assert!(store.versions("prod", "orders").await.expect("asked").is_empty(), "{on}");
        for run in 0..3 {
            apply(&store, run, 4).await;
        }
        assert_eq!(store.versions("prod", "orders").await.expect("asked"), [15, 10, 5], "{on}");
        for serial in [15, 10, 5] {
            let version = store.version("prod", "orders", serial).await.expect("read").expect("kept");
            assert_eq!((version.serial, version.epoch), (serial, serial / 5), "{on}");
        }
        assert!(store.version("prod", "orders", 7).await.expect("asked").is_none(), "{on}");
        assert_eq!(store.load("prod").await.expect("loaded").shards.len(), 1, "{on}: no copy is a shard");
    });
}

#[test]
fn a_run_that_is_killed_leaves_the_version_it_found() {
    futures::executor::block_on(async {
        let store = StateStore::over(MemoryStore::default());
        apply(&store, 1, 1).await;
        for seed in 2..4 {
            let domains = ["orders".to_owned()];
            let cx = context(seed);
            let mut locked = store.lock(&cx, request(&domains, Duration::ZERO)).await.expect("locked");
            locked.update("orders", |_| Ok(())).await.expect("written");
            drop(locked);
        }
        assert_eq!(store.versions("prod", "orders").await.expect("asked"), [6, 4, 2]);
    });
}

#[test]
fn a_version_in_the_place_of_another_is_damage() {
    futures::executor::block_on(async {
        let backend = MemoryStore::default();
        let store = StateStore::over(backend.clone());
        apply(&store, 1, 1).await;
        apply(&store, 2, 1).await;
        let copy = backend.get("_history/prod/orders/2").await.expect("read").expect("there");
        backend.put("_history/prod/orders/3", &copy.bytes, &Condition::CreateOnly).await.expect("written");
        let error = store.version("prod", "orders", 3).await.expect_err("another version");
        assert_eq!(error.kind(), StateErrorKind::Corrupt);
        assert!(error.to_string().contains("version 2 and not 3"), "{error}");
    });
}

#[test]
fn one_shard_is_read_as_it_is_now_without_a_lock() {
    both(async |store, on| {
        assert!(store.peek("prod", "orders").await.expect("asked").is_none(), "{on}");
        apply(&store, 1, 2).await;
        let domains = ["orders".to_owned()];
        let held = store.lock(&context(2), request(&domains, Duration::ZERO)).await.expect("locked");
        let seen = store.peek("prod", "orders").await.expect("asked").expect("there");
        assert_eq!(Some(&seen.shard), held.shard("orders"), "{on}");
    });
}

#[test]
fn no_environment_and_no_domain_begins_with_an_underscore() {
    both(async |store, on| {
        for name in ["_runs", "_"] {
            let domains = [name.to_owned()];
            let locked = store.lock(&context(1), request(&domains, Duration::ZERO)).await;
            let errors = [
                locked.expect_err("a domain"),
                store.load(name).await.expect_err("an environment"),
                store.peek(name, "orders").await.expect_err("an environment"),
                store.documents(DocumentKind::Run, name).await.expect_err("an environment"),
            ];
            for error in errors {
                assert_eq!(error.kind(), StateErrorKind::Name, "{on} {name}: {error}");
            }
        }
        for name in ["", "a/b", "a:b", "..", "ü"] {
            let key = DocumentKey::new(DocumentKind::Done, "prod", name);
            let error = store.create_document(&key, b"x").await.expect_err(name);
            assert_eq!(error.kind(), StateErrorKind::Name, "{on} {name}");
        }
    });
}

#[test]
fn a_folder_lists_what_is_directly_below_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let local = LocalStore::new(folder.path());
    let stores: [&dyn BlobStore; 2] = [&MemoryStore::default(), &local];
    for store in stores {
        futures::executor::block_on(async {
            for key in ["a/x", "a/b/c", "a/b/c/d", "ab/x", "a/y"] {
                store.put(key, b"1", &Condition::CreateOnly).await.expect("written");
            }
            assert_eq!(store.list("a").await.expect("listed"), ["a/x", "a/y"], "{store:?}");
            assert_eq!(store.list("a/b").await.expect("listed"), ["a/b/c"], "{store:?}");
            assert!(store.list("none").await.expect("listed").is_empty());
        });
    }
}

#[test]
fn plans_are_published_as_versions_of_a_name() {
    both(async |store, on| {
        let newest = async |name: &str| {
            let found = store.published_plan("prod", name).await.expect("asked");
            found.map(|found| (found.version, found.bytes))
        };
        assert_eq!(newest("pr-7").await, None, "{on}");
        assert_eq!(store.publish_plan("prod", "pr-7", b"one").await.expect("published"), 1, "{on}");
        assert_eq!(store.publish_plan("prod", "pr-7", b"one").await.expect("published"), 1, "{on}: the same");
        for version in 2..=12 {
            let text = format!("plan {version}");
            let made = store.publish_plan("prod", "pr-7", text.as_bytes()).await.expect("published");
            assert_eq!(made, version, "{on}");
        }
        assert_eq!(newest("pr-7").await, Some((12, b"plan 12".to_vec())), "{on}");
        // What was there before is another version, when it comes again.
        assert_eq!(store.publish_plan("prod", "pr-7", b"one").await.expect("published"), 13, "{on}");
        // A name that looks like a version of another.
        assert_eq!(newest("pr").await, None, "{on}");
        assert_eq!(store.publish_plan("prod", "pr-7-000001", b"x").await.expect("published"), 1, "{on}");
        assert_eq!(newest("pr-7").await, Some((13, b"one".to_vec())), "{on}");
        assert_eq!(newest("pr-7-000001").await, Some((1, b"x".to_vec())), "{on}");
        let names: Vec<_> = store.published_names("prod").await.expect("listed").into_iter().collect();
        assert_eq!(names, ["pr-7", "pr-7-000001"], "{on}");
        assert_eq!(store.published_plan("test", "pr-7").await.expect("asked"), None, "{on}");
        for wrong in ["", "a/b", "..", &"a".repeat(101)] {
            let refused = store.publish_plan("prod", wrong, b"x").await.expect_err("no name");
            assert_eq!(refused.kind(), StateErrorKind::Name, "{on} {wrong}");
        }
    });
}

/// Those who publish at once under one name get a version each.
#[test]
fn plans_that_are_published_at_once_are_all_kept() {
    both(async |store, on| {
        let publish = async |n: u8| store.publish_plan("prod", "pr-7", &[n]).await.expect("published");
        let mut versions: Vec<u32> = futures::future::join_all((0..5).map(publish)).await;
        versions.sort_unstable();
        assert_eq!(versions, [1, 2, 3, 4, 5], "{on}");
    });
}
