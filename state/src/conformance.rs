//! What every store has to do, as checks that panic with what is wrong. Each wants a folder of its own.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "these are tests, kept where every store can run them"
)]

use crate::blob::{BlobStore, Condition, PutError, Tag};
use futures::future::join_all;
use std::sync::Arc;

/// So many at once.
const MANY: usize = 32;

type Store = Arc<dyn BlobStore>;

async fn put(store: &Store, key: &str, bytes: &[u8], when: &Condition) -> Result<Tag, PutError> {
    // A store may answer that another write is under way: the same may then be sent again.
    for _ in 0..20 {
        match store.put(key, bytes, when).await {
            Err(PutError::Unknown(_)) => {}
            answer => return answer,
        }
    }
    store.put(key, bytes, when).await
}

async fn text(store: &Store, key: &str) -> Option<String> {
    let blob = store.get(key).await.expect("read");
    blob.map(|blob| String::from_utf8(blob.bytes).expect("text"))
}

/// All of it, below a folder that nobody has used.
pub async fn all(store: Store, folder: &str) {
    conditions(&store, &format!("{folder}/one")).await;
    folders(&store, folder).await;
    bodies(&store, &format!("{folder}/body")).await;
    one_creates(&store, &format!("{folder}/race")).await;
    one_changes(&store, &format!("{folder}/race")).await;
    nothing_is_lost(&store, &format!("{folder}/count")).await;
}

/// Each condition, one after another.
pub async fn conditions(store: &Store, key: &str) {
    assert_eq!(text(store, key).await, None);
    assert_eq!(store.tag(key).await.expect("asked"), None);
    let none = Condition::IfMatch(Tag("1".into()));
    assert!(matches!(put(store, key, b"x", &none).await, Err(PutError::Conflict)), "made by a change");
    assert_eq!(text(store, key).await, None);
    let first = put(store, key, b"a", &Condition::CreateOnly).await.expect("made");
    let again = put(store, key, b"b", &Condition::CreateOnly).await;
    assert!(matches!(again, Err(PutError::Conflict)), "made twice: {again:?}");
    assert_eq!(text(store, key).await.as_deref(), Some("a"));
    let second = put(store, key, b"c", &Condition::IfMatch(first.clone())).await.expect("changed");
    assert_ne!(first, second);
    let late = put(store, key, b"d", &Condition::IfMatch(first)).await;
    assert!(matches!(late, Err(PutError::Conflict)), "changed an older version: {late:?}");
    let blob = store.get(key).await.expect("read").expect("there");
    assert_eq!((blob.bytes.as_slice(), &blob.tag), (b"c".as_slice(), &second));
    assert_eq!(store.tag(key).await.expect("asked"), Some(second.clone()));
    assert!(blob.place.contains(key.rsplit('/').next().unwrap_or(key)), "{}", blob.place);
}

/// A folder lists what is directly in it, sorted, however much that is.
pub async fn folders(store: &Store, folder: &str) {
    let inner = format!("{folder}-list");
    assert_eq!(store.list(&inner).await.expect("listed"), Vec::<String>::new());
    let mut keys: Vec<String> = (0..1_100).map(|n| format!("{inner}/k{n:04}")).collect();
    let mut left = keys.as_slice();
    while !left.is_empty() {
        let (now, later) = left.split_at(left.len().min(MANY));
        let made = now.iter().map(|key| put(store, key, b"{}", &Condition::CreateOnly));
        join_all(made).await.into_iter().for_each(|made| drop(made.expect("made")));
        left = later;
    }
    put(store, &format!("{inner}/deep/x"), b"{}", &Condition::CreateOnly).await.expect("made");
    put(store, &format!("{inner}x"), b"{}", &Condition::CreateOnly).await.expect("made");
    keys.sort();
    let found = store.list(&inner).await.expect("listed");
    // A store of folders cannot tell an empty key from a folder of keys.
    let found: Vec<String> = found.into_iter().filter(|key| !key.ends_with("/deep")).collect();
    assert_eq!(found, keys);
}

/// Bytes come back as they were, many of them too.
pub async fn bodies(store: &Store, key: &str) {
    let bytes: Vec<u8> = (0..8u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    put(store, key, &bytes, &Condition::CreateOnly).await.expect("made");
    assert!(store.get(key).await.expect("read").expect("there").bytes == bytes, "8 MB are not as they were");
}

/// Of many who make an object one does, and it has that one's content.
pub async fn one_creates(store: &Store, key: &str) {
    for round in 0..4 {
        let key = format!("{key}-{round}");
        race(store, &key, &Condition::CreateOnly).await;
    }
}

/// Of many who change a version one does.
pub async fn one_changes(store: &Store, key: &str) {
    let key = format!("{key}-change");
    let mut tag = put(store, &key, b"start", &Condition::CreateOnly).await.expect("made");
    for _ in 0..4 {
        tag = race(store, &key, &Condition::IfMatch(tag)).await;
    }
}

async fn race(store: &Store, key: &str, when: &Condition) -> Tag {
    let texts: Vec<String> = (0..MANY).map(|n| format!("{n} {when:?}")).collect();
    let writes = texts.iter().map(|text| store.put(key, text.as_bytes(), when));
    let answers = join_all(writes).await;
    let won: Vec<&String> =
        texts.iter().zip(&answers).filter(|(_, a)| a.is_ok()).map(|(text, _)| text).collect();
    let blob = store.get(key).await.expect("read").expect("somebody wrote");
    let there = String::from_utf8_lossy(&blob.bytes).into_owned();
    assert!(won.len() <= 1, "{} of {MANY} won: {won:?}", won.len());
    assert!(won.iter().all(|won| **won == there), "{won:?} was confirmed, {there} is there");
    let wrong = answers.iter().find(|answer| matches!(answer, Err(PutError::Failed(_))));
    assert!(wrong.is_none(), "{wrong:?}");
    blob.tag
}

/// Many who count by compare-and-swap count every one.
pub async fn nothing_is_lost(store: &Store, key: &str) {
    put(store, key, b"0", &Condition::CreateOnly).await.expect("made");
    join_all((0..MANY).map(|writer| count(store, key, writer))).await;
    let counted = text(store, key).await.expect("there");
    assert_eq!(counted.split(' ').next(), Some("32"), "{counted}");
}

async fn count(store: &Store, key: &str, writer: usize) {
    for attempt in 0..10_000 {
        let blob = store.get(key).await.expect("read").expect("there");
        let there = String::from_utf8_lossy(&blob.bytes).into_owned();
        let counted: usize = there.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
        // Named, so that a lost answer can be told from somebody else's write.
        let mine = format!("{} {writer} {attempt}", counted + 1);
        match store.put(key, mine.as_bytes(), &Condition::IfMatch(blob.tag)).await {
            Ok(_) => return,
            Err(PutError::Conflict) => {}
            Err(PutError::Unknown(_)) if text(store, key).await.as_deref() == Some(&mine) => return,
            Err(PutError::Unknown(_)) => {}
            Err(PutError::Failed(error)) => panic!("{error}"),
        }
    }
    panic!("writer {writer} never got through");
}
