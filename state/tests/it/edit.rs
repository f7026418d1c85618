//! Edits by hand: of one record, and back to an older version.

use crate::support::{address, context, edit, full_shard, request};
use datamesh_state::{MemoryStore, ShardError, StateStore};
use std::time::Duration;

#[test]
fn a_record_is_forgotten_unless_something_is_under_way() {
    let mut shard = full_shard();
    let busy = shard.pending.values().next().expect("something is under way").address.clone();
    assert!(matches!(shard.remove(&busy), Err(ShardError::Busy { .. })));
    let free = shard.resources.keys().find(|address| **address != busy && !is_pending(&shard, address));
    let free = free.expect("a record at rest").clone();
    shard.remove(&free).expect("forgotten");
    assert!(!shard.resources.contains_key(&free));
    assert!(matches!(shard.remove(&free), Err(ShardError::Shape { .. })), "there is nothing any more");
    assert!(shard.remove(&address("orders/nothing@1:kafka_topic.kafka")).is_err());
}

fn is_pending(shard: &datamesh_state::Shard, address: &datamesh_provider::Address) -> bool {
    shard.pending.values().any(|intent| intent.address == *address)
}

#[tokio::test]
async fn an_older_version_comes_back_as_a_new_one() {
    let backend = MemoryStore::default();
    let store = StateStore::over(backend);
    let domains = ["orders".to_owned()];
    let cx = context(1);
    let mut locked = store.lock(&cx, request(&domains, Duration::ZERO)).await.expect("locked");
    let resources = full_shard().resources;
    let (gone, kept) = {
        let mut at_rest = resources.keys();
        (at_rest.next().expect("one").clone(), at_rest.next().expect("two").clone())
    };
    let first = resources.clone();
    locked
        .update("orders", |shard| {
            shard.resources = first;
            Ok(())
        })
        .await
        .expect("written");
    let older = locked.shard("orders").expect("there").clone();
    let changed = kept.clone();
    locked
        .update("orders", |shard| {
            shard.resources.remove(&gone);
            let record = edit(shard, &changed.to_string());
            record.generation += 4;
            record.prevent_destroy = !record.prevent_destroy;
            Ok(())
        })
        .await
        .expect("written");
    let before = locked.shard("orders").expect("there").clone();
    locked.update("orders", |shard| shard.restore(&older)).await.expect("restored");
    let after = locked.shard("orders").expect("there");
    assert!(after.resources.contains_key(&gone), "what was removed is there again");
    let (old, new) = (&older.resources[&kept], &after.resources[&kept]);
    assert_eq!(new.prevent_destroy, old.prevent_destroy);
    assert!(new.generation > before.resources[&kept].generation, "no plan takes it for what it saw");
    assert!(after.serial > before.serial);
    let mut stranger = older;
    stranger.lineage = "another".into();
    assert!(matches!(after.clone().restore(&stranger), Err(ShardError::Lineage { .. })));
}
