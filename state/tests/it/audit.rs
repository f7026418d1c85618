//! Records of runs: a chain that notices what was changed or taken away.

use datamesh_provider::canonical_json;
use datamesh_state::{
    Actor, BlobStore, Condition, Edited, Ended, Entry, MemoryStore, RunResult, StateErrorKind, StateStore,
    open_runs, verify_records,
};

const NAMES: [&str; 4] = [
    "20260301T080000Z-aaaaaaaa",
    "20260301T080100Z-bbbbbbbb",
    "20260301T080200Z-cccccccc",
    "20260301T080300Z-dddddddd",
];

fn edited(what: &str) -> Entry {
    let actor = Actor { name: "ada".into(), ..Actor::default() };
    Entry::Edited(Edited { operation: "force-unlock".into(), actor, what: vec![what.into()] })
}

async fn filed(backend: &MemoryStore) -> StateStore {
    let store = StateStore::over(backend.clone());
    for (n, name) in NAMES.iter().enumerate() {
        let at = "2026-03-01T08:15:00Z".parse().expect("a time");
        let mut trail = store.trail("prod").await.expect("read");
        store.file_record(&mut trail, name, "prod", name, at, edited(&n.to_string())).await.expect("filed");
    }
    store
}

#[tokio::test]
async fn records_are_a_chain_oldest_first() {
    let store = filed(&MemoryStore::default()).await;
    let records = store.records("prod").await.expect("read");
    assert_eq!(records.iter().map(|filed| filed.name.as_str()).collect::<Vec<_>>(), NAMES);
    assert_eq!(records[0].record.previous, None);
    for pair in records.windows(2) {
        let link = pair[1].record.previous.as_ref().expect("linked");
        assert_eq!((&link.name, &link.digest), (&pair[0].name, &pair[0].digest));
    }
    assert_eq!(verify_records(&records), []);
    assert!(store.records("other").await.expect("read").is_empty());
}

#[tokio::test]
async fn what_was_changed_or_taken_away_is_noticed() {
    let backend = MemoryStore::default();
    let store = filed(&backend).await;
    let key = format!("_runs/prod/{}", NAMES[1]);
    let bytes = backend.get(&key).await.expect("read").expect("there").bytes;
    let text = String::from_utf8(bytes).expect("text");
    backend.overwrite(&key, text.replace("ada", "eve").into_bytes());
    let found = verify_records(&store.records("prod").await.expect("read"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].name == NAMES[1] && found[0].what.contains("changed"), "{found:?}");

    let mut left = filed(&MemoryStore::default()).await.records("prod").await.expect("read");
    left.remove(2);
    let found = verify_records(&left);
    assert!(
        found.len() == 1 && found[0].what.contains(NAMES[2]) && found[0].what.contains("gone"),
        "{found:?}"
    );
    left.remove(0);
    assert_eq!(verify_records(&left).len(), 2);
}

#[tokio::test]
async fn an_end_without_a_beginning_is_noticed() {
    let store = StateStore::over(MemoryStore::default());
    let ended = Ended {
        result: RunResult::Complete,
        settled_by: None,
        outcomes: Vec::new(),
        state_errors: Vec::new(),
    };
    let at = "2026-03-01T08:15:00Z".parse().expect("a time");
    let mut trail = store.trail("prod").await.expect("read");
    store.file_record(&mut trail, "x-end", "prod", "x", at, Entry::Ended(ended)).await.expect("filed");
    let records = store.records("prod").await.expect("read");
    assert!(verify_records(&records)[0].what.contains("beginning"));
    assert!(open_runs(&records).is_empty());
}

#[tokio::test]
async fn a_record_of_a_newer_program_is_not_guessed_at() {
    let backend = MemoryStore::default();
    let store = filed(&backend).await;
    let newer = br#"{"format":2,"whatever":true}"#;
    backend.put("_runs/prod/zzz", newer, &Condition::CreateOnly).await.expect("written");
    let error = store.records("prod").await.expect_err("unsupported");
    assert_eq!(error.kind(), StateErrorKind::Unsupported);
    backend.overwrite("_runs/prod/zzz", b"{".to_vec());
    assert_eq!(store.records("prod").await.expect_err("damaged").kind(), StateErrorKind::Corrupt);
}

/// What an earlier version wrote: a run that began, one that ended, an edit.
#[tokio::test]
async fn the_frozen_records_are_read_and_written_as_they_are() {
    let sample = include_str!("../samples/audit-v1.ndjson");
    let backend = MemoryStore::default();
    let store = StateStore::over(backend.clone());
    for (line, name) in sample.lines().zip(NAMES) {
        let text = format!("{line}\n");
        backend
            .put(&format!("_runs/prod/{name}"), text.as_bytes(), &Condition::CreateOnly)
            .await
            .expect("written");
        let read = store.record("prod", name).await.expect("read").expect("there");
        let value = serde_json::to_value(&read.record).expect("a value");
        assert_eq!(canonical_json(&value), line);
    }
    let records = store.records("prod").await.expect("read");
    assert!(matches!(records[0].record.entry, Entry::Begun(_)));
    assert!(matches!(records[1].record.entry, Entry::Ended(_)));
    assert!(matches!(records[2].record.entry, Entry::Edited(_)));
}
