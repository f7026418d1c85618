//! Tables that change under their manifests, on every catalog, with pyiceberg as the witness.

use super::{Catalog, NAMESPACE, RESTS, TABLE, changes, map, orders, rest, sql, ty, witness};
use datamesh_provider::Outcome;
use serde_json::{Value, json};

/// What of `orders` can change, changed at once.
fn changed() -> Value {
    json!({
        "fields": [
            {"name": "number", "type": "string", "required": true, "doc": "Number of the order", "renamed_from": ["id", "order_id"]},
            {"name": "placed_at", "type": "timestamptz", "required": false, "renamed_from": ["created_at"]},
            {"name": "customer", "renamed_from": ["buyer"], "required": false, "type": {"type": "struct", "fields": [
                {"name": "tier", "type": "int", "required": false},
                {"name": "key", "type": "long", "required": false, "renamed_from": ["id"]}]}},
            {"name": "note", "type": "string", "required": false},
            {"name": "amount", "type": "decimal(38, 9)", "required": false, "doc": "With tax"},
        ],
        "identifier_fields": [],
        "partition_by": [{"source": "number", "transform": "bucket[16]", "name": "number_bucket"},
                         {"source": "placed_at", "transform": "month", "name": "placed_month"}],
        "sort_by": [{"source": "placed_at", "transform": "identity", "direction": "asc", "null_order": "nulls-first"}],
        "properties": {"commit.retry.num-retries": "7"},
    })
}

/// Everything changes in one commit; numbers, rows, and what others did stay; what was there once is used again.
async fn everything_changes_in_one_commit(catalog: &Catalog, properties: &Value) {
    let id = catalog.id("evolving");
    catalog.made(NAMESPACE, &catalog.namespace, json!({})).await;
    catalog.made(TABLE, &id, orders()).await;
    let before = witness(properties, &id, "write");
    let live = catalog.read(TABLE, &id).await;
    let outcome = catalog.apply(catalog.update(&id, &live, orders(), changed())).await;
    let Outcome::Done(done) = outcome else { panic!("{outcome:?}") };
    let (spec, found) = changes(&map(changed()), &done, &map(changed()));
    assert!(spec.is_no_op() && !found.has_errors(), "{spec:?} {found:?}");

    let seen = witness(properties, &id, "show");
    assert_eq!(
        seen["columns"],
        json!([
            ["number", "string", true, "Number of the order"],
            ["placed_at", "timestamptz", false, null],
            ["theirs", "string", false, null],
            ["customer", "struct<tier: optional int, key: optional long>", false, null],
            ["note", "string", false, null],
            ["amount", "decimal(38, 9)", false, "With tax"],
        ])
    );
    for (was, is) in [
        ("order_id", "number"),
        ("created_at", "placed_at"),
        ("buyer", "customer"),
        ("buyer.id", "customer.key"),
        ("amount", "amount"),
        ("theirs", "theirs"),
    ] {
        assert_eq!(seen["ids"][is], before["ids"][was], "{was} is {is}");
    }
    assert_eq!(seen["schemas"], json!(before["schemas"].as_u64().map(|n| n + 1)), "one commit");
    assert_eq!(
        (&seen["row"]["number"], &seen["rows"]),
        (&json!("o-1"), &json!(1)),
        "the old row, by its new name"
    );
    assert_eq!(seen["identifiers"], json!([]));
    assert_eq!(
        seen["partitions"],
        json!([
            [1001, "number_bucket", "bucket[16]", "number"],
            [1002, "placed_month", "month", "placed_at"]
        ])
    );
    assert_eq!(seen["sort"], json!([["identity", "placed_at", "asc", "nulls-first"]]));
    assert_eq!(
        (&seen["properties"]["theirs"], seen["properties"].get("write.format.default")),
        (&json!("1"), None)
    );

    what_was_there_is_used_again(catalog, properties, &id, &before).await;
    assert_eq!(catalog.delete(TABLE, &id).await, Outcome::Deleted);
    assert_eq!(catalog.delete(NAMESPACE, &catalog.namespace).await, Outcome::Deleted);
}

async fn what_was_there_is_used_again(catalog: &Catalog, properties: &Value, id: &str, before: &Value) {
    // The partitioning of the beginning again: the same spec with the same number.
    let mut back = changed();
    back["partition_by"] = json!([{"source": "placed_at", "transform": "day", "name": "created_date"}]);
    let live = catalog.read(TABLE, id).await;
    let outcome = catalog.apply(catalog.update(id, &live, changed(), back.clone())).await;
    assert!(outcome.is_success(), "{outcome:?}");
    let seen = witness(properties, id, "show");
    assert_eq!(seen["partitions"], json!([[1000, "created_date", "day", "placed_at"]]));
    assert_eq!((&seen["spec"], seen["specs"].as_array().map(Vec::len)), (&before["spec"], Some(2)), "{seen}");
    // A field of the history in a new spec keeps its number, under another name, too.
    back["partition_by"] = json!([{"source": "placed_at", "transform": "month", "name": "m"}]);
    let live = catalog.read(TABLE, id).await;
    let prior = json!({"partition_by": live.attributes["partition_by"], "fields": back["fields"]});
    let outcome = catalog.apply(catalog.update(id, &live, prior, back.clone())).await;
    assert!(outcome.is_success(), "{outcome:?}");
    let seen = witness(properties, id, "write_again");
    assert_eq!(seen["partitions"], json!([[1002, "m", "month", "placed_at"]]));
    assert_eq!(seen["rows"], json!(2), "rows of three partitionings are read");

    // By what a table was ever partitioned it is read.
    let live = catalog.read(TABLE, id).await;
    let known = ty(TABLE).recall(&map(back.clone()), &live.computed).expect("numbers");
    back["fields"].as_array_mut().expect("fields").remove(0);
    let (_, found) = changes(&known, &live, &map(back));
    assert!(found.errors().any(|error| error.detail.contains("partitioned or sorted")), "{found:?}");
}

/// Every transform, on every type that takes it.
async fn every_transform_is_made(catalog: &Catalog, properties: &Value) {
    let id = catalog.id("transforms");
    let wanted = [
        ("a", "int", "identity", "a"),
        ("b", "string", "bucket[4]", "b_bucket"),
        ("c", "decimal(9, 2)", "truncate[10]", "c_trunc"),
        ("d", "date", "year", "d_year"),
        ("e", "timestamp", "month", "e_month"),
        ("f", "timestamptz", "day", "f_day"),
        ("g", "timestamptz", "hour", "g_hour"),
    ];
    let fields: Vec<Value> =
        wanted.iter().map(|(name, ty, ..)| json!({"name": name, "type": ty, "required": false})).collect();
    let parts: Vec<Value> = wanted
        .iter()
        .map(|(source, _, transform, name)| json!({"source": source, "transform": transform, "name": name}))
        .collect();
    catalog.made(NAMESPACE, &catalog.namespace, json!({})).await;
    catalog.made(TABLE, &id, json!({"fields": fields, "partition_by": parts})).await;
    let seen = witness(properties, &id, "show");
    let expected: Vec<Value> = wanted
        .iter()
        .zip(1_000..)
        .map(|((source, _, transform, name), number)| json!([number, name, transform, source]))
        .collect();
    assert_eq!(seen["partitions"], json!(expected));
    assert_eq!(catalog.delete(TABLE, &id).await, Outcome::Deleted);
    assert_eq!(catalog.delete(NAMESPACE, &catalog.namespace).await, Outcome::Deleted);
}

/// What was written in a narrow column is read from the wide one.
async fn columns_widen(catalog: &Catalog, properties: &Value) {
    let id = catalog.id("widened");
    let table = |int: &str, float: &str, decimal: &str, required: bool| {
        json!({"fields": [
            {"name": "a", "type": int, "required": required},
            {"name": "f", "type": float, "required": false},
            {"name": "d", "type": decimal, "required": false},
            {"name": "l", "type": {"type": "list", "element": int, "element_required": required}, "required": false},
        ]})
    };
    let (narrow, wide) =
        (table("int", "float", "decimal(9, 2)", true), table("long", "double", "decimal(12, 2)", false));
    catalog.made(NAMESPACE, &catalog.namespace, json!({})).await;
    catalog.made(TABLE, &id, narrow.clone()).await;
    let written = witness(properties, &id, "write_narrow");
    let live = catalog.read(TABLE, &id).await;
    let outcome = catalog.apply(catalog.update(&id, &live, narrow, wide)).await;
    assert!(outcome.is_success(), "{outcome:?}");
    let seen = witness(properties, &id, "show");
    assert_eq!(
        seen["columns"],
        json!([
            ["a", "long", false, null],
            ["f", "double", false, null],
            ["d", "decimal(12, 2)", false, null],
            ["l", "list<long>", false, null],
        ])
    );
    assert_eq!((&seen["row"], &seen["ids"]), (&written["row"], &written["ids"]));
    assert_eq!(catalog.delete(TABLE, &id).await, Outcome::Deleted);
    assert_eq!(catalog.delete(NAMESPACE, &catalog.namespace).await, Outcome::Deleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_every_catalog_have_every_transform_and_widen() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut catalogs = vec![sql(folder.path(), "file://").await];
    for kind in RESTS {
        catalogs.push(rest(kind, "shapes").await);
    }
    for (catalog, properties) in catalogs.into_iter().flatten() {
        every_transform_is_made(&catalog, &properties).await;
        columns_widen(&catalog, &properties).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_table_changes_in_one_commit() {
    for kind in RESTS {
        let Some((catalog, properties)) = rest(kind, "evolution").await else { continue };
        everything_changes_in_one_commit(&catalog, &properties).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sql_table_changes_in_one_commit() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((catalog, properties)) = sql(folder.path(), "file://").await else { return };
    everything_changes_in_one_commit(&catalog, &properties).await;
}
