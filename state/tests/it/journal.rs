//! The journal of a run whose outcomes the state refused.

use crate::support::{intent, kafka, live, managed, op, shard};
use datamesh_provider::{ErrorKind, Interruption, LiveObject, OpAction, Outcome, ProviderError, Refusal};
use datamesh_state::{Journal, JournalEntry, Known, MemoryStore, StateErrorKind, StateStore};
use serde_json::json;

const TOPIC: &str = "orders/facts@1:kafka_topic.stream";

fn entry(id: &str, action: OpAction, known: Known) -> JournalEntry {
    let (address, step) = (TOPIC.parse().expect("an address"), "create".to_owned());
    JournalEntry { id: op(id), address, system: kafka(), action, step, known }
}

fn there() -> LiveObject {
    live("stream", "one", json!({"partitions": 3}))
}

fn journal() -> Journal {
    let why = || "the broker said no".to_owned();
    let entries = vec![
        entry("sha256:aa", OpAction::Create, Known::Done { object: there() }),
        entry("sha256:bb", OpAction::Update, Known::Partial { object: there(), why: why() }),
        entry("sha256:cc", OpAction::Delete, Known::Deleted),
        entry("sha256:dd", OpAction::Create, Known::NotDone { why: why() }),
    ];
    Journal { format: 1, environment: "prod".into(), run: "run-1".into(), entries }
}

#[test]
fn the_sample_is_read_and_written_as_it_is() {
    let sample = include_bytes!("../samples/journal-v1.json");
    assert_eq!(Journal::decode("sample", sample).expect("read"), journal());
    assert_eq!(String::from_utf8_lossy(&journal().encode()), String::from_utf8_lossy(sample));
    let newer = String::from_utf8_lossy(sample).replace("\"format\":1", "\"format\":2");
    let error = Journal::decode("sample", newer.as_bytes()).expect_err("newer");
    assert_eq!(error.kind(), StateErrorKind::Unsupported);
    let more = String::from_utf8_lossy(sample).replace("\"format\":1", "\"format\":1,\"more\":0");
    assert_eq!(Journal::decode("sample", more.as_bytes()).expect_err("more").kind(), StateErrorKind::Corrupt);
}

#[test]
fn every_known_end_is_kept_and_an_unknown_one_is_not() {
    let error = || ProviderError::new(ErrorKind::Invalid, "kafka.default", "memory").message("no");
    assert!(matches!(Known::of(&Outcome::Done(there())), Some(Known::Done { .. })));
    assert!(matches!(Known::of(&Outcome::Partial(there(), error())), Some(Known::Partial { .. })));
    assert_eq!(Known::of(&Outcome::Deleted), Some(Known::Deleted));
    assert!(matches!(Known::of(&Outcome::Stale(None)), Some(Known::NotDone { .. })));
    assert!(matches!(Known::of(&Outcome::Rejected(Refusal { error: error() })), Some(Known::NotDone { .. })));
    assert_eq!(Known::of(&Outcome::Indeterminate(Interruption::Stopped)), None);
}

#[test]
fn only_what_waits_under_the_same_run_is_merged() {
    let managed = |_: &JournalEntry, live: &LiveObject, like: &_| managed(live, like);
    let create = || intent(TOPIC, OpAction::Create, Some(json!({"partitions": 3})));
    let mut waits = shard();
    waits.begin(op("sha256:aa"), create()).expect("begun");
    assert_eq!(journal().merge(&mut waits, &managed), Ok(1));
    assert!(waits.pending.is_empty() && waits.resources.len() == 1);
    assert_eq!(journal().merge(&mut waits, &managed), Ok(0), "once");
    let mut other = shard();
    other.begin(op("sha256:aa"), datamesh_state::Intent { run: "run-2".into(), ..create() }).expect("begun");
    assert_eq!(journal().merge(&mut other, &managed), Ok(0));
    assert_eq!(other.pending.len(), 1, "another run's intent is its own");
}

#[tokio::test]
async fn a_run_has_one_journal() {
    let store = StateStore::over(MemoryStore::default());
    assert_eq!(store.journal("prod", "run-1").await.expect("read"), None);
    store.keep_journal(&journal()).await.expect("kept");
    store.keep_journal(&journal()).await.expect("the same again");
    assert_eq!(store.journal("prod", "run-1").await.expect("read"), Some(journal()));
    let other = Journal { entries: Vec::new(), ..journal() };
    assert_eq!(store.keep_journal(&other).await.expect_err("there").kind(), StateErrorKind::Fenced);
}
