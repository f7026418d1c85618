use super::*;
use crate::table::{ColumnEdit, Comparison, IcebergTable, PropertyEdits};
use crate::types::Field;
use datamesh_provider::Packed;
use serde_json::json;

fn attrs(value: Value) -> Attrs {
    decode::<IcebergTable>(&Packed::encode(&value).expect("a map")).expect("decodes")
}

fn declared() -> Attrs {
    attrs(json!({
        "fields": [
            {"name": "buyer", "type": {"type": "struct", "fields": [{"name": "id", "type": "long", "required": true}]}},
            {"name": "id", "type": "string", "required": true, "doc": "Number"},
            {"name": "at", "type": "timestamptz"},
        ],
        "identifier_fields": ["id"],
        "partition_by": [{"source": "at", "transform": "day", "name": "at_day"},
                         {"source": "buyer.id", "transform": "bucket[4]", "name": "buyer_bucket"}],
        "sort_by": [{"source": "at", "direction": "desc"}],
        "properties": {"a": "1"},
        "format_version": 2,
    }))
}

fn made() -> Metadata {
    let new = NewTable::plan(&declared(), "lineage/address").expect("planned");
    new.metadata("uuid-1", "file:///w/t", 1_000).expect("metadata")
}

fn column(name: &str) -> ColumnEdit {
    let field: Field = serde_json::from_value(json!({"name": name, "type": "int"})).expect("decodes");
    ColumnEdit::Add { parent: Vec::new(), field }
}

/// The commit of these edits.
fn planned(
    base: &Metadata,
    columns: &[ColumnEdit],
    properties: &PropertyEdits,
    owner: Option<(&str, &str)>,
) -> Result<Commit, MetadataError> {
    let (columns, properties) = (columns.to_vec(), properties.clone());
    Commit::plan(base, &Comparison { columns, properties, ..Comparison::default() }, owner)
}

#[test]
fn what_is_made_reads_back_as_declared() {
    let (live, owner) = made().attributes().expect("attributes");
    assert_eq!(owner.as_deref(), Some("lineage/address"));
    let managed = IcebergTable::managed(&live, &declared());
    assert_eq!(managed, declared());
    assert_eq!(live.location.as_deref(), Some("file:///w/t"));
    let ids = live.fields.iter().flatten().map(|field| field.id);
    assert_eq!(ids.collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    assert_eq!(live.referenced, Some([3, 4].into()));
}

#[test]
fn numbers_are_those_of_the_specification() {
    let raw = made().raw;
    assert_eq!(raw["schemas"][0]["identifier-field-ids"], json!([2]));
    assert_eq!(raw["last-column-id"], json!(4));
    let spec = &raw["partition-specs"][0]["fields"];
    assert_eq!((&spec[0]["field-id"], &spec[0]["source-id"]), (&json!(1000), &json!(3)));
    assert_eq!((&spec[1]["field-id"], &spec[1]["source-id"]), (&json!(1001), &json!(4)));
    assert_eq!(raw["last-partition-id"], json!(1001));
    assert_eq!((&raw["default-sort-order-id"], &raw["sort-orders"][0]["order-id"]), (&json!(1), &json!(0)));
    let plain =
        NewTable::plan(&attrs(json!({"fields": [{"name": "a", "type": "int"}]})), "o").expect("planned");
    let plain = plain.metadata("u", "file:///w/t", 1).expect("metadata").raw;
    assert_eq!((&plain["last-partition-id"], &plain["default-sort-order-id"]), (&json!(999), &json!(0)));
}

#[test]
fn a_create_request_leaves_out_what_nobody_declared() {
    let request = NewTable::plan(&declared(), "o").expect("planned").request("t");
    assert!(request.get("location").is_none());
    assert_eq!(request["stage-create"], json!(false));
    assert_eq!(request["write-order"]["fields"][0]["null-order"], json!("nulls-last"));
}

#[test]
fn names_that_lead_nowhere_are_errors() {
    for bad in [
        json!({"fields": [], "identifier_fields": ["x"]}),
        json!({"fields": [], "partition_by": [{"source": "x", "transform": "day", "name": "d"}]}),
        json!({"fields": [], "sort_by": [{"source": "x"}]}),
    ] {
        assert!(NewTable::plan(&attrs(bad.clone()), "o").is_err(), "{bad}");
    }
}

#[test]
fn a_commit_keeps_what_it_does_not_know() {
    let mut base = made();
    base.raw.insert("next-row-id".into(), json!(7));
    base.raw.insert("snapshots".into(), json!([{"snapshot-id": 9_007_199_254_740_993_i64}]));
    base.raw["schemas"][0]["fields"][1]["initial-default"] = json!("x");
    let properties = PropertyEdits::compare(None, None, None);
    let commit = planned(&base, &[column("b")], &properties, None).expect("planned");
    let after = commit.apply(&base, "file:///w/t/metadata/0.json", 2_000).expect("applied");
    assert_eq!(after.raw["next-row-id"], json!(7));
    assert_eq!(after.raw["snapshots"][0]["snapshot-id"], json!(9_007_199_254_740_993_i64));
    assert_eq!((&after.raw["current-schema-id"], &after.raw["last-column-id"]), (&json!(1), &json!(5)));
    assert_eq!(after.raw["schemas"].as_array().map(Vec::len), Some(2));
    assert_eq!(after.raw["schemas"][1]["fields"][1]["initial-default"], json!("x"));
    assert_eq!(after.raw["schemas"][1]["fields"][3]["id"], json!(5));
    assert_eq!(
        after.raw["metadata-log"],
        json!([{"timestamp-ms": 1000, "metadata-file": "file:///w/t/metadata/0.json"}])
    );
    assert_eq!(after.raw["last-updated-ms"], json!(2_000));
}

#[test]
fn a_schema_of_the_history_is_used_again() {
    let doc = |doc: &str| ColumnEdit::Doc { path: vec!["id".into()], before: None, doc: Some(doc.into()) };
    let none = PropertyEdits::default();
    let step = |base: &Metadata, edit: ColumnEdit| {
        planned(base, &[edit], &none, None).and_then(|commit| commit.apply(base, "f", 1)).expect("applied")
    };
    let base = made();
    let changed = step(&base, doc("Other"));
    assert_eq!(changed.raw["current-schema-id"], json!(1));
    let back = step(&changed, doc("Number"));
    assert_eq!(back.raw["current-schema-id"], json!(0));
    assert_eq!(back.raw["schemas"].as_array().map(Vec::len), Some(2));
    assert_eq!(step(&back, column("b")).raw["current-schema-id"], json!(2));
}

#[test]
fn nested_columns_are_added_and_commented_where_they_are() {
    let base = made();
    let edits = [
        ColumnEdit::Add {
            parent: vec!["buyer".into()],
            field: serde_json::from_value(json!({"name": "tier", "type": "int"})).expect("decodes"),
        },
        ColumnEdit::Doc { path: vec!["buyer".into(), "id".into()], before: None, doc: Some("Who".into()) },
    ];
    let commit = planned(&base, &edits, &PropertyEdits::default(), None).expect("planned");
    let after = commit.apply(&base, "f", 1).expect("applied");
    let inner = &after.raw["schemas"][1]["fields"][0]["type"]["fields"];
    assert_eq!(
        (&inner[0]["doc"], &inner[1]["name"], &inner[1]["id"]),
        (&json!("Who"), &json!("tier"), &json!(5))
    );
    let lost = [ColumnEdit::Doc { path: vec!["buyer".into(), "x".into()], before: None, doc: None }];
    assert!(planned(&base, &lost, &PropertyEdits::default(), None).is_err());
}

#[test]
fn a_commit_asserts_what_it_relies_on_and_no_snapshot() {
    let base = made();
    let kinds = |columns: &[ColumnEdit]| -> Vec<String> {
        let set =
            PropertyEdits { set: [("k".to_owned(), "v".to_owned())].into(), ..PropertyEdits::default() };
        let commit = planned(&base, columns, &set, Some((owner::PROPERTY, "me"))).expect("planned");
        let request = commit.request(&["a".into(), "b".into()], "t");
        assert_eq!(request["identifier"], json!({"namespace": ["a", "b"], "name": "t"}));
        let updates = request["updates"].as_array().expect("updates");
        let last = updates.last().expect("one");
        assert_eq!(last["updates"], json!({"k": "v", "datamesh.owner": "me"}));
        let kind = |r: &Value| r["type"].as_str().unwrap_or_default().to_owned();
        request["requirements"].as_array().expect("requirements").iter().map(kind).collect()
    };
    assert_eq!(kinds(&[]), ["assert-table-uuid"]);
    let all = ["assert-table-uuid", "assert-current-schema-id", "assert-last-assigned-field-id"];
    assert_eq!(kinds(&[column("b")]), all);
}

#[test]
fn the_log_of_files_is_bounded_by_the_tables_own_setting() {
    let mut now = made();
    now.raw["properties"]["write.metadata.previous-versions-max"] = json!("2");
    for n in 0..5 {
        let set = PropertyEdits { set: [("k".to_owned(), n.to_string())].into(), ..PropertyEdits::default() };
        let commit = planned(&now, &[], &set, None).expect("planned");
        now = commit.apply(&now, &format!("f{n}"), 10).expect("applied");
    }
    let log = now.raw["metadata-log"].as_array().expect("a log");
    assert_eq!((log.len(), &log[1]["metadata-file"]), (2, &json!("f4")));
}

#[test]
fn tables_of_the_first_format_version_are_read_and_changed() {
    let first = json!({
        "format-version": 1, "table-uuid": "u", "location": "s3://b/t", "last-updated-ms": 5, "last-column-id": 2,
        "schema": {"type": "struct", "fields": [{"id": 1, "name": "a", "type": "int", "required": false},
                                                {"id": 2, "name": "at", "type": "timestamp", "required": false}]},
        "partition-spec": [{"name": "at_day", "transform": "day", "source-id": 2, "field-id": 1000},
                           {"name": "old", "transform": "void", "source-id": 1, "field-id": 1001}],
        "properties": {},
    });
    let first = Metadata::parse(first).expect("metadata");
    let (live, owner) = first.attributes().expect("attributes");
    assert_eq!(
        (live.format_version, live.partition_by.map(|fields| fields.len()), owner),
        (Some(1), Some(1), None)
    );
    let commit = planned(&first, &[column("b")], &PropertyEdits::default(), None).expect("planned");
    let after = commit.apply(&first, "f", 6).expect("applied");
    assert_eq!(after.raw["schema"]["fields"][2]["name"], json!("b"));
    assert_eq!(after.schema().ok().and_then(|schema| schema.get("schema-id")), Some(&json!(1)));
}

#[test]
fn what_is_no_metadata_says_what_is_missing() {
    let whole = Value::Object(made().raw);
    for key in ["table-uuid", "location", "format-version", "schemas"] {
        let mut cut = whole.clone();
        cut.as_object_mut().expect("a map").remove(key);
        let error = Metadata::parse(cut).expect_err(key).to_string();
        assert!(error.contains(key.trim_end_matches('s')), "{error}");
    }
    assert!(Metadata::parse(json!([])).is_err());
    let mut dangling = whole;
    dangling["partition-specs"][0]["fields"][0]["source-id"] = json!(99);
    assert!(Metadata::parse(dangling).expect("a document").attributes().is_err());
}

#[test]
fn attributes_of_a_later_version_are_refused() {
    assert!(upgrade::<IcebergTable>(1, Attributes::new()).is_ok());
    assert!(upgrade::<IcebergTable>(2, Attributes::new()).is_err());
    let unknown = json!({"colour": "red"}).as_object().cloned().expect("a map");
    assert!(upgrade::<IcebergTable>(1, unknown).is_err());
}

#[test]
fn the_third_format_version_is_asked_for_and_written() {
    let new = attrs(json!({"fields": [{"name": "a", "type": "timestamp_ns"}], "format_version": 3}));
    let new = NewTable::plan(&new, "o").expect("planned");
    assert_eq!(new.request("t")["properties"]["format-version"], json!("3"));
    let made = new.metadata("u", "file:///w/t", 1).expect("metadata");
    assert_eq!((&made.raw["format-version"], &made.raw["next-row-id"]), (&json!(3), &json!(0)));
    assert_eq!(made.raw["properties"].get("format-version"), None);
    let second = NewTable::plan(&declared(), "o").expect("planned").request("t");
    assert_eq!(second["properties"].get("format-version"), None);
}

#[test]
fn an_added_column_joins_the_mapping_of_names_where_there_is_one() {
    let list =
        json!({"type": "list", "element": {"type": "struct", "fields": [{"name": "x", "type": "int"}]}});
    let tags: Field = serde_json::from_value(json!({"name": "tags", "type": list})).expect("decodes");
    let tier: Field = serde_json::from_value(json!({"name": "tier", "type": "int"})).expect("decodes");
    let edits = [
        ColumnEdit::Add { parent: Vec::new(), field: tags },
        ColumnEdit::Add { parent: vec!["buyer".into()], field: tier.clone() },
    ];
    let mut base = made();
    let commit = |base: &Metadata| planned(base, &edits, &PropertyEdits::default(), None).expect("planned");
    assert_eq!(commit(&base).updates.len(), 1, "no mapping, none made");
    let mapping = json!([{"field-id": 1, "names": ["buyer"], "fields": [{"field-id": 4, "names": ["id"]}]},
                         {"field-id": 2, "names": ["id"]}]);
    base.raw["properties"]["schema.name-mapping.default"] = json!(mapping.to_string());
    let after = commit(&base).apply(&base, "f", 1).expect("applied");
    let extended: Value =
        serde_json::from_str(&after.properties()["schema.name-mapping.default"]).expect("JSON");
    assert_eq!(extended[0]["fields"][1], json!({"field-id": 8, "names": ["tier"]}));
    let x = json!({"field-id": 7, "names": ["x"]});
    let element = json!({"field-id": 6, "names": ["element"], "fields": [x]});
    assert_eq!(extended[2], json!({"field-id": 5, "names": ["tags"], "fields": [element]}));
    // A column that is called otherwise is there under both names, and what is added to it is found.
    let buyer = || vec!["buyer".to_owned()];
    let renamed = [
        ColumnEdit::Rename { path: buyer(), to: "customer".into() },
        ColumnEdit::Rename { path: vec!["buyer".into(), "id".into()], to: "key".into() },
        ColumnEdit::Add { parent: buyer(), field: tier },
    ];
    let after = planned(&base, &renamed, &PropertyEdits::default(), None)
        .and_then(|commit| commit.apply(&base, "f", 1));
    let mapping: Value =
        serde_json::from_str(&after.expect("applied").properties()["schema.name-mapping.default"])
            .expect("JSON");
    assert_eq!(
        mapping[0],
        json!({"field-id": 1, "names": ["buyer", "customer"], "fields": [
            {"field-id": 4, "names": ["id", "key"]}, {"field-id": 5, "names": ["tier"]}]})
    );
    base.raw["properties"]["schema.name-mapping.default"] = json!("not json");
    assert_eq!(commit(&base).updates.len(), 1, "what cannot be read is left alone");
}
