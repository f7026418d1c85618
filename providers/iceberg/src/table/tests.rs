use super::*;
use datamesh_provider::{Diagnostic, FileId, Planned, ResourceType, Span, erase};
use serde_json::{Value, json};

fn map(value: Value) -> Attributes {
    value.as_object().cloned().expect("a map")
}

fn places() -> SpanMap {
    let span = |start| Some(Span { file: FileId(0), start, end: start });
    let mut at = SpanMap::of_object(span(0));
    for (path, start) in [
        (&["fields"][..], 10),
        (&["fields", "a"], 11),
        (&["fields", "b"], 12),
        (&["identifier_fields"], 20),
        (&["partition_by"], 30),
        (&["partition_by", "d"], 31),
        (&["sort_by"], 40),
        (&["properties", "p"], 50),
        (&["location"], 60),
        (&["format_version"], 70),
    ] {
        at.insert(path, span(start));
    }
    at
}

fn diff(prior: Option<Value>, live: Value, desired: Value) -> (ChangeSpec, Vec<Diagnostic>) {
    let (prior, live, desired) = (prior.map(map), map(live), map(desired));
    let view = match &prior {
        Some(prior) => View::Update { prior, live: &live, desired: &desired },
        None => View::Adopt { live: &live, desired: &desired },
    };
    let (spec, found) = erase::<IcebergTable>().diff(view, &Facts::default(), &places()).expect("decodes");
    (spec, found.into_iter().collect())
}

/// `a int` and these columns.
fn fields(more: &[Value]) -> Value {
    let mut all = vec![json!({"name": "a", "type": "int", "required": false})];
    all.extend(more.iter().cloned());
    json!({"fields": all})
}

#[test]
fn an_optional_column_is_added_in_place() {
    let b = json!({"name": "b", "type": "decimal(9, 2)", "doc": "Sum"});
    let (spec, found) = diff(Some(fields(&[])), fields(&[]), fields(&[b]));
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(spec.steps, ["update"]);
    assert_eq!(spec.changes.len(), 1);
    assert_eq!(spec.changes[0].path, ["fields", "b"]);
    let after = json!({"name": "b", "type": "decimal(9,2)", "required": false, "doc": "Sum"});
    assert_eq!(spec.changes[0].after, Planned::Value(after));
    assert_eq!(spec.changes[0].reason, None);
}

#[test]
fn a_column_that_others_dropped_comes_back_and_says_that_it_is_empty() {
    let b = json!({"name": "b", "type": "int"});
    let (spec, _) = diff(Some(fields(std::slice::from_ref(&b))), fields(&[]), fields(&[b]));
    assert!(spec.changes[0].reason.as_ref().is_some_and(|reason| reason.contains("without its values")));
}

#[test]
fn nested_columns_are_added_in_place_at_every_depth() {
    let ty = |inner: Value| {
        json!({"name": "b", "type": {"type": "map", "key": "string", "value_required": false, "value":
            {"type": "list", "element_required": false, "element": {"type": "struct", "fields": inner}}}})
    };
    let x = json!({"name": "x", "type": "int"});
    let y = json!({"name": "y", "type": "int", "doc": "new"});
    let (spec, found) = diff(None, fields(&[ty(json!([x]))]), fields(&[ty(json!([x, y]))]));
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(spec.changes[0].path, ["fields", "b", "value", "element", "y"]);
}

#[test]
fn comments_are_ours_once_declared_and_only_then() {
    let a = |doc: Option<&str>| match doc {
        Some(doc) => json!({"fields": [{"name": "a", "type": "int", "doc": doc}]}),
        None => fields(&[]),
    };
    let change = |prior, live, desired| diff(Some(a(prior)), a(live), a(desired)).0.changes;
    assert_eq!(change(None, Some("theirs"), None), []);
    assert_eq!(change(Some("x"), Some("x"), None)[0].after, Planned::Unset);
    assert_eq!(change(Some("x"), Some("x"), Some("y"))[0].path, ["fields", "a", "doc"]);
    assert_eq!(change(Some("x"), None, None), []);
}

#[test]
fn columns_and_properties_of_others_are_kept_and_counted() {
    let live = json!({"fields": [{"name": "x", "type": "int"}, {"name": "a", "type": "int"}, {"name": "y", "type": "int"}],
                      "properties": {"p": "1", "theirs": "2"}});
    let desired = json!({"fields": [{"name": "a", "type": "int"}], "properties": {"p": "1"}});
    for prior in [None, Some(desired.clone())] {
        let (spec, found) = diff(prior, live.clone(), desired.clone());
        assert!(spec.is_no_op() && found.is_empty(), "{spec:?} {found:?}");
        assert_eq!(spec.notes, ["2 columns not ours", "1 property not ours"]);
    }
}

#[test]
fn order_alone_is_no_difference() {
    let b = json!({"name": "b", "type": "int"});
    let turned = json!({"fields": [b, {"name": "a", "type": "int"}]});
    let (spec, found) = diff(Some(fields(std::slice::from_ref(&b))), turned, fields(&[b]));
    assert!(spec.is_no_op() && found.is_empty() && spec.notes.is_empty());
}

#[test]
fn what_is_forbidden_says_why_where_and_the_way_out() {
    let b = |ty: &str, required: bool| json!({"name": "b", "type": ty, "required": required});
    let live = |more: Value| {
        let mut live = fields(&[b("int", false), json!({"name": "c", "type": "string", "required": true})]);
        live.as_object_mut().expect("a map").extend(map(more));
        live
    };
    let with = |key: &str, value: Value| {
        let mut desired = live(json!({}));
        desired[key] = value;
        desired
    };
    let only = |columns: &[Value]| json!({"fields": columns});
    let c = json!({"name": "c", "type": "string", "required": true});
    let a = json!({"name": "a", "type": "int"});
    let day = json!([{"source": "c", "transform": "truncate[4]", "name": "d"}]);
    let live_more =
        live(json!({"location": "s3://b/t", "format_version": 2, "partition_by": [], "sort_by": [],
                                "identifier_fields": []}));
    let cases = [
        // A column that we applied and that is declared no more.
        (only(&[a.clone(), c.clone()]), "DM0558", 10, "Dropping"),
        (only(&[a.clone(), c.clone(), b("long", false)]), "DM0558", 12, "Iceberg can widen it"),
        (only(&[a.clone(), c.clone(), b("string", false)]), "DM0558", 12, "could not be read"),
        (only(&[a.clone(), c.clone(), b("int", true)]), "DM0558", 12, "may hold nulls"),
        (
            only(&[a.clone(), b("int", false), json!({"name": "c", "type": "string"})]),
            "DM0558",
            10,
            "Loosening",
        ),
        (
            with("fields", json!([a, b("int", false), c, {"name": "z", "type": "int", "required": true}])),
            "DM0558",
            10,
            "no value",
        ),
        (
            with("fields", json!([a, b("int", false), c, {"name": "C", "type": "int"}])),
            "DM0558",
            10,
            "only in case",
        ),
        (with("identifier_fields", json!(["c"])), "DM0559", 20, "primary key"),
        (with("partition_by", day), "DM0559", 30, "truncate[4](c) as d"),
        (with("sort_by", json!([{"source": "c"}])), "DM0559", 40, "identity(c) asc nulls-first"),
        (with("location", json!("s3://b/other")), "DM0560", 60, "would not move along"),
        (with("format_version", json!(3)), "DM0557", 70, "not supported"),
        (with("format_version", json!(1)), "DM0557", 70, "no way back"),
    ];
    for (desired, code, start, words) in cases {
        let (_, found) = diff(Some(live_more.clone()), live_more.clone(), desired.clone());
        assert_eq!(found.len(), 1, "{desired}: {found:?}");
        assert_eq!((found[0].code.id, found[0].labels[0].span.start), (code, start), "{found:?}");
        assert!(
            found[0].is_error() && found[0].detail.contains(words) && found[0].help.is_some(),
            "{found:?}"
        );
    }
}

#[test]
fn what_was_removed_from_the_manifest_but_never_applied_is_nothing() {
    let theirs = json!({"name": "b", "type": "int"});
    let (spec, found) = diff(Some(fields(&[])), fields(&[theirs]), fields(&[]));
    assert!(spec.is_no_op() && found.is_empty());
    let gone = json!({"name": "b", "type": "int"});
    let (spec, found) = diff(Some(fields(&[gone])), fields(&[]), fields(&[]));
    assert!(spec.is_no_op() && found.is_empty() && spec.notes.is_empty());
}

#[test]
fn a_create_shows_what_is_made_and_what_only_the_catalog_knows() {
    let (none, some) = (Attributes::new(), map(fields(&[])));
    let ty = erase::<IcebergTable>();
    let create = |desired| ty.diff(View::Create { desired }, &Facts::default(), &places()).expect("decodes");
    let (spec, found) = create(&some);
    assert!(found.is_empty());
    let unknown: Vec<&str> = spec
        .changes
        .iter()
        .filter(|c| c.after == Planned::KnownAfterApply)
        .map(|c| c.path[0].as_str())
        .collect();
    assert_eq!((spec.steps, unknown), (vec!["create".to_owned()], vec!["uuid", "location"]));
    assert!(create(&none).1.has_errors());
}

#[test]
fn declarations_are_checked_by_themselves() {
    let check = |value: Value| -> Vec<(&'static str, u32)> {
        let found = erase::<IcebergTable>().validate(&map(value), &places()).expect("decodes");
        found.iter().map(|d| (d.code.id, d.labels[0].span.start)).collect()
    };
    let columns = json!([{"name": "a", "type": "int", "required": true}, {"name": "b", "type": "double", "required": true},
                         {"name": "at", "type": "timestamptz"}, {"name": "s", "type": {"type": "struct", "fields":
                            [{"name": "x", "type": "long", "required": true}]}}]);
    let with = |key: &str, value: Value| json!({"fields": columns, key: value});
    assert_eq!(check(json!({"fields": columns})), []);
    let partition = |source: &str, transform: &str, name: &str| {
        with("partition_by", json!([{"source": source, "transform": transform, "name": name}]))
    };
    assert_eq!(check(partition("at", "day", "d")), []);
    assert_eq!(check(partition("s.x", "bucket[4]", "d")), []);
    assert_eq!(check(partition("a", "identity", "a")), []);
    for (bad, expected) in [
        (json!({"fields": [{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]}), ("DM0551", 11)),
        (json!({"fields": [{"name": "a", "type": "int"}, {"name": "A", "type": "int"}]}), ("DM0551", 10)),
        (json!({"fields": [{"name": "a", "type": "decimal(39,0)"}]}), ("DM0551", 11)),
        (json!({"fields": [{"name": "a", "type": "decimal(9,10)"}]}), ("DM0551", 11)),
        (json!({"fields": [{"name": "a", "type": "varchar"}]}), ("DM0551", 11)),
        (json!({"fields": [{"name": "a", "type": "timestamp_ns"}]}), ("DM0551", 11)),
        (json!({"fields": [{"name": "a", "type": {"type": "struct", "fields": []}}]}), ("DM0551", 11)),
        (json!({"fields": [{"name": "", "type": "int"}]}), ("DM0551", 10)),
        (with("identifier_fields", json!(["nope"])), ("DM0552", 20)),
        (with("identifier_fields", json!(["b"])), ("DM0552", 20)),
        (with("identifier_fields", json!(["at"])), ("DM0552", 20)),
        (with("identifier_fields", json!(["s.x"])), ("DM0552", 20)),
        (partition("nope", "day", "d"), ("DM0553", 31)),
        (partition("a", "day", "d"), ("DM0553", 31)),
        (partition("at", "day", "at"), ("DM0553", 30)),
        (partition("at", "fortnight", "d"), ("DM0553", 31)),
        (with("sort_by", json!([{"source": "nope"}])), ("DM0554", 40)),
        (with("sort_by", json!([{"source": "s"}])), ("DM0554", 40)),
        (json!({"properties": {"format-version": "3"}}), ("DM0555", 0)),
        (json!({"properties": {"datamesh.owner": "me"}}), ("DM0555", 0)),
        (json!({"location": "nowhere"}), ("DM0556", 60)),
        (json!({"format_version": 1}), ("DM0557", 70)),
    ] {
        assert_eq!(check(bad.clone()), [expected], "{bad}");
    }
    let nanos = json!([{"name": "a", "type": "timestamptz_ns"}]);
    assert_eq!(check(json!({"fields": nanos, "format_version": 3})), []);
    let twice = json!([{"source": "at", "transform": "day", "name": "d"}, {"source": "at", "transform": "day", "name": "d"}]);
    assert_eq!(check(with("partition_by", twice)).len(), 2);
}

#[test]
fn a_layout_that_is_declared_no_more_is_a_change_too() {
    let partitioned = |by: Value| json!({"partition_by": by});
    let day = json!([{"source": "at", "transform": "day", "name": "d"}]);
    let (_, found) = diff(Some(partitioned(day.clone())), partitioned(day.clone()), json!({}));
    assert_eq!(found.len(), 1);
    assert!(found[0].detail.contains("none is declared"), "{found:?}");
    // Never ours, or gone from the table as well: nothing.
    for (prior, live) in [
        (None, day.clone()),
        (Some(partitioned(json!([]))), day.clone()),
        (Some(partitioned(day)), json!([])),
    ] {
        let (spec, found) = diff(prior, partitioned(live), json!({}));
        assert!(spec.is_no_op() && found.is_empty(), "{found:?}");
    }
}
