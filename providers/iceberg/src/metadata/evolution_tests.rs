//! Tables that change: what a comparison finds, made to the document, gives the table that was asked for.

use super::{Commit, Metadata, NewTable};
use crate::table::{Attrs, IcebergTable, compare};
use datamesh_provider::{Packed, Resource, SpanMap};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn attrs(value: &Value) -> Attrs {
    datamesh_provider::decode::<IcebergTable>(&Packed::encode(value).expect("a map")).expect("decodes")
}

fn raw(attrs: &Attrs) -> Packed {
    Packed::encode(attrs).expect("a map")
}

/// A table, and what of it was applied last.
#[derive(Clone, Debug)]
struct Table {
    metadata: Metadata,
    applied: Attrs,
}

impl Table {
    fn made(declared: &Value) -> Self {
        let applied = attrs(declared);
        let new = NewTable::plan(&applied, "owner").expect("planned");
        Self { metadata: new.metadata("uuid", "file:///w/t", 1).expect("metadata"), applied }
    }

    fn live(&self) -> Attrs {
        self.metadata.attributes().expect("attributes").0
    }

    /// What was applied, with the numbers that its columns had then.
    fn known(&self) -> Attrs {
        let names = self.metadata.column_names();
        let ids: BTreeMap<String, i64> = names.into_iter().map(|(id, name)| (name, id)).collect();
        let computed = Packed::from_iter([("column_ids".to_owned(), json!(ids))]);
        IcebergTable::recall(self.applied.clone(), &computed).unwrap_or_else(|| self.applied.clone())
    }

    /// The table after a change of its manifest; what is in the way, where something is.
    fn becomes(&self, declared: &Value) -> Result<Self, String> {
        let desired = attrs(declared);
        let found = compare(Some(&self.known()), &self.live(), &desired, &SpanMap::default());
        if let Some(first) = found.forbidden.first() {
            return Err(first.detail.clone());
        }
        if found.is_empty() {
            return Ok(Self { applied: desired, ..self.clone() });
        }
        let commit = Commit::plan(&self.metadata, &found, None).map_err(|error| error.to_string())?;
        let metadata = commit.apply(&self.metadata, "f", 2).expect("applied");
        Ok(Self { metadata, applied: desired })
    }

    fn raw(&self, key: &str) -> &Value {
        &self.metadata.raw[key]
    }

    fn names(&self) -> Vec<(i64, String)> {
        self.metadata.column_names().into_iter().collect()
    }

    fn columns(&self) -> Vec<String> {
        self.live().fields.into_iter().flatten().map(|field| field.name).collect()
    }
}

fn orders() -> Value {
    json!({
        "fields": [
            {"name": "id", "type": "int", "required": true},
            {"name": "buyer", "type": {"type": "struct", "fields": [
                {"name": "mail", "type": "string"}, {"name": "tier", "type": "int"}]}},
            {"name": "sums", "type": {"type": "list", "element": "float", "element_required": true}},
            {"name": "notes", "type": {"type": "map", "key": "string", "value_required": true, "value":
                {"type": "struct", "fields": [{"name": "text", "type": "string", "required": true}]}}},
            {"name": "at", "type": "timestamptz"},
        ],
        "partition_by": [{"source": "at", "transform": "day", "name": "at_day"}],
        "sort_by": [{"source": "id"}],
        "format_version": 2,
    })
}

#[test]
fn everything_changes_in_one_commit_and_numbers_stay() {
    let before = Table::made(&orders());
    let mut declared = orders();
    declared["fields"] = json!([
        {"name": "at", "type": "timestamptz", "doc": "When"},
        {"name": "order_id", "type": "long", "required": true, "renamed_from": ["id"]},
        {"name": "customer", "renamed_from": ["client", "buyer"], "type": {"type": "struct", "fields": [
            {"name": "level", "type": "long", "renamed_from": ["tier"]},
            {"name": "since", "type": "date"},
            {"name": "email", "type": "string", "renamed_from": ["mail"]}]}},
        {"name": "sums", "type": {"type": "list", "element": "double", "element_required": false}},
        {"name": "notes", "type": {"type": "map", "key": "string", "value_required": false, "value":
            {"type": "struct", "fields": [{"name": "body", "type": "string", "renamed_from": ["text"]}]}}},
        {"name": "total", "type": "decimal(9,2)"},
    ]);
    declared["partition_by"] =
        json!([{"source": "order_id", "transform": "bucket[4]", "name": "order_bucket"}]);
    declared["sort_by"] = json!([{"source": "total", "direction": "desc"}]);
    declared["identifier_fields"] = json!(["order_id"]);
    let after = before.becomes(&declared).expect("nothing is in the way");
    assert_eq!(after.columns(), ["at", "order_id", "customer", "sums", "notes", "total"]);
    let names = |table: &Table| table.names().into_iter().collect::<BTreeMap<_, _>>();
    let (old, new) = (names(&before), names(&after));
    for (was, is) in [
        ("id", "order_id"),
        ("buyer", "customer"),
        ("buyer.mail", "customer.email"),
        ("buyer.tier", "customer.level"),
        ("sums.element", "sums.element"),
        ("notes.value.text", "notes.value.body"),
        ("at", "at"),
    ] {
        let id = old.iter().find(|(_, name)| *name == was).expect(was).0;
        assert_eq!(new[id], is);
    }
    let last = before.raw("last-column-id").as_i64().expect("a number");
    assert!(
        new.iter()
            .filter(|(_, name)| *name == "total" || *name == "customer.since")
            .all(|(id, _)| *id > last)
    );
    assert_eq!(after.raw("schemas").as_array().map(Vec::len), Some(2), "one new schema");
    let settled = compare(Some(&after.known()), &after.live(), &after.applied, &SpanMap::default());
    assert!(settled.is_empty() && settled.forbidden.is_empty(), "{settled:?}");
}

#[test]
fn partition_specs_and_sort_orders_are_numbered_once_and_used_again() {
    let day = json!({"source": "at", "transform": "day", "name": "at_day"});
    let bucket = json!({"source": "id", "transform": "bucket[4]", "name": "id_bucket"});
    let by = |fields: Value, sort: Value| {
        let mut declared = orders();
        (declared["partition_by"], declared["sort_by"]) = (fields, sort);
        declared
    };
    let first = Table::made(&orders());
    let second = first.becomes(&by(json!([bucket]), json!([{"source": "at"}]))).expect("changed");
    assert_eq!(second.raw("default-spec-id"), &json!(1));
    assert_eq!(second.raw("partition-specs")[1]["fields"][0]["field-id"], json!(1001));
    assert_eq!(
        (second.raw("default-sort-order-id"), second.raw("last-partition-id")),
        (&json!(2), &json!(1001))
    );
    // A field of the history keeps its number, also in another spec and under another name.
    let renamed = json!({"source": "at", "transform": "day", "name": "day"});
    let third = second.becomes(&by(json!([bucket, renamed]), json!([]))).expect("changed");
    assert_eq!(
        third.raw("partition-specs")[2],
        json!({"spec-id": 2, "fields": [
        {"source-id": 1, "field-id": 1001, "transform": "bucket[4]", "name": "id_bucket"},
        {"source-id": 5, "field-id": 1000, "transform": "day", "name": "day"}]})
    );
    assert_eq!(third.raw("default-sort-order-id"), &json!(0), "unsorted");
    // A spec and an order that were there are set, not added.
    let back = third.becomes(&by(json!([day]), json!([{"source": "id"}]))).expect("changed");
    assert_eq!((back.raw("default-spec-id"), back.raw("default-sort-order-id")), (&json!(0), &json!(1)));
    assert_eq!(back.raw("partition-specs").as_array().map(Vec::len), Some(3));
    assert_eq!(back.raw("sort-orders").as_array().map(Vec::len), Some(3));
    // No column that any of them goes by can be dropped, now or later.
    let mut without = by(json!([bucket]), json!([]));
    without["fields"].as_array_mut().expect("fields").pop();
    let gone = back.becomes(&by(json!([bucket]), json!([]))).expect("changed").becomes(&without);
    assert!(gone.expect_err("refused").contains("partitioned or sorted"));
}

#[test]
fn columns_of_others_stay_where_they_are() {
    let mut table = Table::made(&orders());
    let theirs = |id: i64, name: &str| json!({"id": id, "name": name, "required": false, "type": "int"});
    let fields = table.metadata.raw["schemas"][0]["fields"].as_array_mut().expect("fields");
    fields.insert(0, theirs(90, "first"));
    fields.insert(3, theirs(91, "behind_buyer"));
    fields.push(theirs(92, "last"));
    table.metadata.raw.insert("last-column-id".into(), json!(92));
    let mut declared = orders();
    let list = declared["fields"].as_array_mut().expect("fields");
    list.reverse();
    list.pop();
    list.push(json!({"name": "n", "type": "int"}));
    declared["sort_by"] = json!([]);
    // The sort order of the history keeps `id`; its place is the manifest's to say again.
    assert!(table.becomes(&declared).is_err());
    declared["fields"].as_array_mut().expect("fields").insert(0, orders()["fields"][0].clone());
    let after = table.becomes(&declared).expect("changed");
    assert_eq!(after.columns(), ["first", "id", "at", "last", "notes", "sums", "buyer", "behind_buyer", "n"]);
    assert_eq!(after.raw("last-column-id"), &json!(93));
}

#[test]
fn a_later_version_of_the_format_brings_what_it_needs() {
    let first = json!({
        "format-version": 1, "table-uuid": "u", "location": "s3://b/t", "last-updated-ms": 5, "last-column-id": 1,
        "schema": {"type": "struct", "fields": [{"id": 1, "name": "a", "type": "timestamp", "required": false}]},
        "partition-spec": [], "properties": {},
    });
    let declared =
        json!({"fields": [{"name": "a", "type": "timestamp"}], "partition_by": [], "format_version": 1});
    let table = Table { metadata: Metadata::parse(first).expect("metadata"), applied: attrs(&declared) };
    let day = json!([{"source": "a", "transform": "day", "name": "d"}]);
    let second =
        json!({"fields": [{"name": "a", "type": "timestamp"}], "format_version": 2, "partition_by": day});
    let second = table.becomes(&second).expect("upgraded");
    let keys = [
        "format-version",
        "last-sequence-number",
        "default-spec-id",
        "default-sort-order-id",
        "current-schema-id",
    ];
    assert_eq!(keys.map(|key| second.raw(key).as_i64()), [Some(2), Some(0), Some(1), Some(0), Some(0)]);
    assert_eq!(second.raw("partition-specs").as_array().map(Vec::len), Some(2));
    assert!(
        !second.metadata.raw.contains_key("schema") && !second.metadata.raw.contains_key("partition-spec")
    );
    let mut third = raw(&second.applied);
    third.insert("format_version".into(), json!(3));
    assert_eq!(second.becomes(&json!(third)).expect("upgraded").raw("next-row-id"), &json!(0));
}

/// Columns of a few names and types, nested ones among them.
fn columns(depth: u32) -> BoxedStrategy<Value> {
    let plain =
        prop_oneof![Just("int"), Just("long"), Just("string"), Just("decimal(9,2)"), Just("decimal(12,2)")]
            .prop_map(Value::from);
    let ty = if depth == 0 {
        plain.boxed()
    } else {
        let inner = columns(depth - 1);
        prop_oneof![
            3 => plain,
            1 => inner.clone().prop_map(|fields| json!({"type": "struct", "fields": fields})),
            1 => inner.prop_map(|fields| json!({"type": "list", "element_required": false, "element":
                {"type": "struct", "fields": fields}})),
        ]
        .boxed()
    };
    let earlier = proptest::option::of(proptest::collection::vec("[a-f]", 0..2));
    let column = ("[a-f]", ty, any::<bool>(), earlier, proptest::option::of("[xy]"));
    let column = column.prop_map(|(name, ty, required, earlier, doc)| {
        let mut column = json!({"name": name, "type": ty, "required": required});
        if let Some(earlier) = earlier {
            column["renamed_from"] = json!(earlier);
        }
        if let Some(doc) = doc {
            column["doc"] = json!(doc);
        }
        column
    });
    let distinct = |columns: Vec<Value>| {
        let mut seen = BTreeSet::new();
        let new = |column: &Value| seen.insert(column["name"].to_string());
        json!(columns.into_iter().filter(new).collect::<Vec<_>>())
    };
    proptest::collection::vec(column, 1..5).prop_map(distinct).boxed()
}

prop_compose! {
    fn declared()(fields in columns(2), part in any::<Option<bool>>(), sort in any::<bool>()) -> Value {
        let first = fields[0]["name"].clone();
        let flat = fields[0]["type"].is_string();
        let mut table = json!({"fields": fields});
        if let (Some(bucket), true) = (part, flat) {
            let transform = if bucket { "bucket[4]" } else { "identity" };
            let name = if bucket { json!("part") } else { first.clone() };
            table["partition_by"] = json!([{"source": first, "transform": transform, "name": name}]);
        }
        if sort && flat {
            table["sort_by"] = json!([{"source": first}]);
        }
        table
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn what_can_be_made_of_a_table_is_made_and_settles(steps in proptest::collection::vec(declared(), 2..6)) {
        let mut table = Table::made(&steps[0]);
        for step in &steps[1..] {
            let before = table.clone();
            let Ok(after) = table.becomes(step) else { continue };
            let settled = compare(Some(&after.known()), &after.live(), &after.applied, &SpanMap::default());
            prop_assert!(settled.is_empty() && settled.forbidden.is_empty(), "{:?}", settled);
            prop_assert_eq!(IcebergTable::managed(&after.live(), &after.applied), after.applied.clone());
            // No number is given to another column, and none is given twice.
            let last = before.raw("last-column-id").as_i64();
            let old: BTreeSet<i64> = before.names().into_iter().map(|(id, _)| id).collect();
            for (id, _) in after.names() {
                prop_assert!(old.contains(&id) || Some(id) > last);
            }
            prop_assert!(after.raw("last-column-id").as_i64() >= last);
            let specs = after.raw("partition-specs").as_array().expect("specs");
            let ids: BTreeSet<_> = specs.iter().map(|spec| spec["spec-id"].as_i64()).collect();
            prop_assert_eq!(ids.len(), specs.len());
            table = after;
        }
    }
}
