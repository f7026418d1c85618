//! A state that was kept in plain, or under an older key, is encrypted with the one that writes now.

use crate::support::{REPOSITORY, codec, context, info, request};
use datamesh_state::{
    Codec, Created, DocumentKey, DocumentKind, LocalStore, LockRequest, MemoryStore, StateErrorKind,
    StateStore,
};
use std::fs;
use std::path::Path;
use std::time::Duration;

fn all<'a>() -> LockRequest<'a> {
    LockRequest { info: info("state upgrade"), ..request(&[], Duration::ZERO) }
}

fn coded(store: &StateStore, codec: Codec) -> StateStore {
    store.clone().coded(codec)
}

/// Two domains with some history, and a document of each kind.
async fn fill(store: &StateStore) {
    let domains = ["orders".to_owned(), "sales".to_owned()];
    for seed in 1..4 {
        let mut locked = store.lock(&context(seed), request(&domains, Duration::ZERO)).await.expect("locked");
        locked.update("orders", |_| Ok(())).await.expect("written");
        locked.release().await.expect("released");
    }
    for kind in [DocumentKind::Run, DocumentKind::Recovery, DocumentKind::Plan, DocumentKind::Done] {
        let key = DocumentKey::new(kind, "prod", "x");
        assert_eq!(store.create_document(&key, b"{\"a\":1}").await.expect("made"), Created::Yes);
    }
}

async fn contents(store: &StateStore) -> Vec<String> {
    let mut all = Vec::new();
    for domain in ["orders", "sales"] {
        for serial in store.versions("prod", domain).await.expect("listed") {
            let shard = store.version("prod", domain, serial).await.expect("read").expect("kept");
            all.push(format!("{shard:?}"));
        }
        all.push(format!("{:?}", store.peek("prod", domain).await.expect("read").expect("there").shard));
    }
    for kind in [DocumentKind::Run, DocumentKind::Recovery, DocumentKind::Plan, DocumentKind::Done] {
        let key = DocumentKey::new(kind, "prod", "x");
        all.push(format!("{:?}", store.document(&key).await.expect("read")));
    }
    all
}

/// Every file below a folder, but locks.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => all.extend(files(&path)),
            false if path.ends_with("lock") => {}
            false => all.push(fs::read(path).expect("read")),
        }
    }
    all
}

async fn turns(plain: StateStore, on: &str) {
    fill(&plain).await;
    let before = contents(&plain).await;
    let k1 = coded(&plain, codec(&[("k1", 1)]));
    assert_eq!(k1.load("prod").await.expect_err("plain").kind(), StateErrorKind::Plaintext, "{on}");
    let wanted = k1.to_reseal("prod").await.expect("counted");
    assert!(wanted > 8, "{on}: {wanted}");
    assert_eq!(k1.reseal(&context(60), all()).await.expect("encrypted"), wanted, "{on}");
    assert_eq!(k1.to_reseal("prod").await.expect("counted"), 0, "{on}");
    assert_eq!(contents(&k1).await, before, "{on}: nothing but the writing changed");
    assert_eq!(plain.load("prod").await.expect_err("encrypted").kind(), StateErrorKind::NoKey, "{on}");
    // Again, for a newer key; then the older one is not needed any more.
    let both = coded(&plain, codec(&[("k2", 2), ("k1", 1)]));
    assert_eq!(contents(&both).await, before, "{on}");
    assert_eq!(both.reseal(&context(61), all()).await.expect("encrypted"), wanted, "{on}");
    assert_eq!(both.reseal(&context(62), all()).await.expect("nothing to do"), 0, "{on}");
    let k2 = coded(&plain, codec(&[("k2", 2)]));
    assert_eq!(contents(&k2).await, before, "{on}");
    // Work goes on.
    let domains = ["orders".to_owned()];
    let mut locked = k2.lock(&context(63), request(&domains, Duration::ZERO)).await.expect("locked");
    locked.update("orders", |_| Ok(())).await.expect("written");
    locked.release().await.expect("released");
}

#[test]
fn everything_is_encrypted_and_nothing_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    futures::executor::block_on(async {
        turns(StateStore::over(MemoryStore::default()), "memory").await;
        turns(StateStore::over(LocalStore::new(folder.path())), "local").await;
    });
    let left = files(folder.path());
    assert!(left.len() > 8, "{}", left.len());
    assert!(left.iter().all(|bytes| bytes.starts_with(b"datamesh-frame 1 ")), "some file is plain");
}

#[test]
fn a_run_under_way_is_waited_for() {
    futures::executor::block_on(async {
        let plain = StateStore::over(MemoryStore::default());
        fill(&plain).await;
        let domains = ["sales".to_owned()];
        let held = plain.lock(&context(5), request(&domains, Duration::ZERO)).await.expect("locked");
        let k1 = coded(&plain, codec(&[("k1", 1)]));
        let before = k1.to_reseal("prod").await.expect("counted");
        let error = k1.reseal(&context(60), all()).await.expect_err("locked");
        assert_eq!(error.kind(), StateErrorKind::Locked);
        assert_eq!(k1.to_reseal("prod").await.expect("counted"), before, "nothing was done");
        held.release().await.expect("released");
        k1.reseal(&context(60), all()).await.expect("encrypted");
    });
}

#[test]
fn what_is_damaged_is_not_made_to_look_sound() {
    futures::executor::block_on(async {
        let backend = MemoryStore::default();
        let plain = StateStore::over(backend.clone());
        fill(&plain).await;
        backend.overwrite("prod/sales", b"{}".to_vec());
        let k1 = coded(&plain, codec(&[("k1", 1)]));
        let error = k1.reseal(&context(60), all()).await.expect_err("damaged");
        assert_eq!(error.kind(), StateErrorKind::Corrupt, "{error}");
    });
}

/// Shards of another mesh in the same storage are encrypted too: every plan reads them.
#[test]
fn whose_shards_they_are_does_not_matter() {
    futures::executor::block_on(async {
        let plain = StateStore::over(MemoryStore::default());
        fill(&plain).await;
        let k1 = coded(&plain, codec(&[("k1", 1)]));
        assert_ne!(REPOSITORY, "another");
        let request = LockRequest { repository: "another", ..all() };
        k1.reseal(&context(60), request).await.expect("encrypted");
        assert_eq!(k1.load("prod").await.expect("loaded").shards.len(), 2);
    });
}
