//! Several who write to one table at the same moment: nobody loses anything.

use super::{Catalog, NAMESPACE, RESTS, TABLE, rest, sql, witness};
use datamesh_provider::Outcome;
use serde_json::{Value, json};

const APPLIERS: usize = 16;

fn columns(more: impl IntoIterator<Item = String>) -> Value {
    let more = more.into_iter().map(|name| json!({"name": name, "type": "int"}));
    let all: Vec<Value> = std::iter::once(json!({"name": "a", "type": "int"})).chain(more).collect();
    json!({ "fields": all })
}

/// Sixteen runs, each with a connection of its own and a column to add, all from what they read before.
async fn appliers_at_the_same_moment(catalog: &Catalog) {
    let id = catalog.id("appliers");
    catalog.made(NAMESPACE, &catalog.namespace, json!({})).await;
    let live = catalog.made(TABLE, &id, columns([])).await;
    let mut appliers = Vec::new();
    for _ in 0..APPLIERS {
        appliers.push(catalog.again().await);
    }
    let commits = appliers.iter().enumerate().map(|(n, applier)| {
        let op = applier.update(&id, &live, columns([]), columns([format!("c{n}")]));
        applier.apply(op)
    });
    for outcome in futures::future::join_all(commits).await {
        assert!(outcome.is_success(), "{outcome:?}");
    }
    let now = catalog.read(TABLE, &id).await;
    assert_eq!(now.attributes["fields"].as_array().map(Vec::len), Some(APPLIERS + 1));
    assert_eq!(now.incarnation, live.incarnation);
    let ids = now.computed["column_ids"].as_object().expect("numbers").values();
    let distinct: std::collections::BTreeSet<_> = ids.map(Value::to_string).collect();
    assert_eq!(distinct.len(), APPLIERS + 1, "no number twice");
    assert_eq!(catalog.delete(TABLE, &id).await, Outcome::Deleted);
    assert_eq!(catalog.delete(NAMESPACE, &catalog.namespace).await, Outcome::Deleted);
}

/// Somebody appends all the time: none of our changes is stale, and no snapshot is lost.
async fn beside_a_writer_of_data(catalog: &Catalog, properties: &Value) {
    let id = catalog.id("appended");
    catalog.made(NAMESPACE, &catalog.namespace, json!({})).await;
    catalog.made(TABLE, &id, columns([])).await;
    let writer = {
        let (properties, id) = (properties.clone(), id.clone());
        tokio::task::spawn_blocking(move || witness(&properties, &id, "append"))
    };
    let mut added = 0;
    while !writer.is_finished() || added == 0 {
        let live = catalog.read(TABLE, &id).await;
        let names = |count: usize| (0..count).map(|n| format!("c{n}"));
        let op = catalog.update(&id, &live, columns(names(added)), columns(names(added + 1)));
        // What was planned a moment ago is applied after more was written.
        catalog.cx.pause(std::time::Duration::from_millis(100)).await;
        let outcome = catalog.apply(op).await;
        assert!(outcome.is_success(), "change {added}: {outcome:?}");
        added += 1;
    }
    writer.await.expect("the writer ends");
    let seen = witness(properties, &id, "show");
    assert_eq!((&seen["rows"], &seen["snapshots"]), (&json!(20), &json!(20)));
    assert_eq!(seen["columns"].as_array().map(Vec::len), Some(added + 1));
    assert_eq!(catalog.delete(TABLE, &id).await, Outcome::Deleted);
    assert_eq!(catalog.delete(NAMESPACE, &catalog.namespace).await, Outcome::Deleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn appliers_of_rest_tables_lose_nothing() {
    for kind in RESTS {
        let Some(catalog) = Catalog::rest(kind, "appliers").await else { continue };
        appliers_at_the_same_moment(&catalog).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn appliers_of_sql_tables_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((catalog, _)) = sql(folder.path(), "file://").await else { return };
    appliers_at_the_same_moment(&catalog).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_tables_change_beside_a_writer_of_data() {
    for kind in RESTS {
        let Some((catalog, properties)) = rest(kind, "appended").await else { continue };
        beside_a_writer_of_data(&catalog, &properties).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_tables_change_beside_a_writer_of_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((catalog, properties)) = sql(folder.path(), "file://").await else { return };
    beside_a_writer_of_data(&catalog, &properties).await;
}
