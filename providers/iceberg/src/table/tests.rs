use super::*;
use datamesh_provider::{Class, Diagnostic, FileId, Packed, Planned, ResourceType, Span, erase};
use serde_json::{Value, json};

fn map(value: Value) -> Packed {
    Packed::encode(&value).expect("a map")
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
fn the_order_of_our_columns_is_that_of_the_manifest() {
    let column = |name: &str| json!({"name": name, "type": "int"});
    let table = |names: &[&str]| json!({"fields": names.iter().map(|name| column(name)).collect::<Vec<_>>()});
    let (spec, found) =
        diff(Some(table(&["a", "b", "c"])), table(&["b", "x", "a", "c"]), table(&["a", "b", "c"]));
    assert!(found.is_empty(), "{found:?}");
    assert_eq!((spec.changes.len(), spec.changes[0].path.join(".")), (1, "fields.(order)".to_owned()));
    assert_eq!(spec.changes[0].before, Some(json!(["b", "a", "c"])));
    assert_eq!(spec.changes[0].after, Planned::Value(json!(["a", "b", "c"])));
    // Where those of others stand among ours is theirs to say; a new one goes where it is declared.
    let (spec, _) = diff(Some(table(&["a", "b"])), table(&["x", "a", "y", "b", "z"]), table(&["a", "b"]));
    assert!(spec.is_no_op());
    let (spec, _) = diff(Some(table(&["a", "b"])), table(&["a", "b"]), table(&["a", "n", "b"]));
    assert_eq!(spec.changes.iter().map(|change| change.path.join(".")).collect::<Vec<_>>(), ["fields.n"]);
}

#[test]
fn a_column_is_known_by_its_earlier_names_and_by_its_number() {
    let column = |name: &str, more: Value| {
        let mut column = json!({"name": name, "type": "int"});
        column.as_object_mut().expect("a map").extend(Attributes::clone(&map(more)));
        column
    };
    let plain = |name: &str| column(name, json!({}));
    let numbered = |name: &str, id: u32| column(name, json!({ "id": id }));
    let from = |name: &str, earlier: Value| column(name, json!({ "renamed_from": earlier }));
    let table = |columns: Vec<Value>| json!({ "fields": columns });
    let rename = |(spec, found): (ChangeSpec, Vec<Diagnostic>)| {
        assert!(found.is_empty(), "{found:?}");
        let told =
            |change: &datamesh_provider::AttributeChange| (change.path.join("."), change.after.clone());
        spec.changes.iter().map(told).collect::<Vec<_>>()
    };
    let to = |path: &str, name: &str| vec![(path.to_owned(), Planned::Value(json!(name)))];
    // Also over several names at once, the newest first; where the name is there already, nothing is to be done.
    let c = || table(vec![from("c", json!(["a", "b"]))]);
    assert_eq!(
        rename(diff(Some(table(vec![plain("a")])), table(vec![plain("a")]), c())),
        to("fields.a.name", "c")
    );
    assert_eq!(
        rename(diff(Some(table(vec![plain("b")])), table(vec![plain("b")]), c())),
        to("fields.b.name", "c")
    );
    assert_eq!(rename(diff(Some(table(vec![plain("c")])), table(vec![plain("c")]), c())), []);
    let (_, found) = diff(None, table(vec![plain("a"), plain("b")]), c());
    assert!(found[0].detail.contains("b and a"), "{found:?}");
    // None of them is there: a new column.
    assert_eq!(rename(diff(None, table(vec![plain("x")]), c())).len(), 1);
    // Somebody else renamed it, and it is set back.
    let found =
        diff(Some(table(vec![numbered("a", 5)])), table(vec![numbered("z", 5)]), table(vec![plain("a")]));
    assert_eq!(rename(found), to("fields.z.name", "a"));
    // Somebody else dropped ours and made another of the name: it is not ours, and is not dropped.
    let left = || table(vec![plain("k")]);
    let ours = || Some(table(vec![numbered("k", 1), numbered("a", 5)]));
    let (spec, _) = diff(ours(), table(vec![numbered("k", 1), numbered("a", 9)]), left());
    assert!(spec.is_no_op() && spec.notes == ["1 column not ours"], "{spec:?}");
    let (spec, found) = diff(ours(), table(vec![numbered("k", 1), numbered("a", 5)]), left());
    assert_eq!(
        (spec.changes[0].class, spec.steps, found),
        (Class::DataLoss, vec!["narrow".to_owned()], vec![])
    );
}

#[test]
fn numbers_are_recalled_at_every_depth() {
    let prior = map(json!({"fields": [
        {"name": "a", "type": "int"},
        {"name": "s", "type": {"type": "struct", "fields": [{"name": "x", "type": "int"}]}},
        {"name": "l", "type": {"type": "list", "element": {"type": "struct", "fields": [{"name": "y", "type": "int"}]}}},
        {"name": "unknown", "type": "int"},
    ]}));
    let ids = json!({"a": 1, "s": 2, "s.x": 3, "l": 4, "l.element": 5, "l.element.y": 6, "gone": 7});
    let ty = erase::<IcebergTable>();
    let known = json!(ty.recall(&prior, &map(json!({ "column_ids": ids }))).expect("numbers"));
    let id = |path: &str| known.pointer(path).cloned();
    assert_eq!(id("/fields/0/id"), Some(json!(1)));
    assert_eq!(id("/fields/1/type/fields/0/id"), Some(json!(3)));
    assert_eq!(id("/fields/2/type/element/fields/0/id"), Some(json!(6)));
    assert_eq!(id("/fields/3/id"), None);
    assert_eq!(ty.recall(&prior, &Packed::default()), None, "recorded before there were any");
}

#[test]
fn what_cannot_be_added_moves_nothing() {
    let table = |fields: Value| json!({ "fields": fields });
    let (a, b) = (json!({"name": "a", "type": "int"}), json!({"name": "b", "type": "int"}));
    let new = json!({"name": "n", "type": "int", "required": true});
    let (spec, found) = diff(Some(table(json!([a, b]))), table(json!([a, b])), table(json!([a, new, b])));
    assert!(spec.is_no_op() && found.len() == 1, "{spec:?} {found:?}");
}

#[test]
fn a_rename_and_a_drop_are_told_apart_or_refused() {
    let column = |name: &str, ty: &str| json!({"name": name, "type": ty});
    let prior = fields(&[column("b", "int")]);
    let against = |added: Value| diff(Some(prior.clone()), prior.clone(), fields(&[added]));
    for ty in ["int", "long"] {
        let (_, found) = against(column("c", ty));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].help.as_ref().is_some_and(|help| help.contains("renamed_from: b")), "{found:?}");
    }
    let (spec, found) = against(column("c", "string"));
    assert!(found.is_empty() && spec.changes.len() == 2, "no value of the one fits the other: {spec:?}");
    let (spec, found) = against(json!({"name": "c", "type": "int", "renamed_from": []}));
    assert!(found.is_empty() && spec.changes.len() == 2, "{spec:?} {found:?}");
    assert_eq!(spec.steps, ["update"], "it gives something as well");
    let (spec, found) = against(json!({"name": "c", "type": "long", "renamed_from": ["b"]}));
    let paths: Vec<String> = spec.changes.iter().map(|change| change.path.join(".")).collect();
    assert_eq!((paths, found), (vec!["fields.b.name".to_owned(), "fields.b.type".to_owned()], vec![]));
    assert_eq!(spec.class(), Class::ConsumerBreaking);
}

#[test]
fn what_the_history_of_a_table_needs_cannot_be_dropped() {
    let column = |name: &str, id: u32| json!({"name": name, "type": "int", "id": id});
    let with = |more: Value| {
        let mut live = json!({"fields": [column("a", 1), column("b", 2)]});
        live.as_object_mut().expect("a map").extend(Attributes::clone(&map(more)));
        live
    };
    let prior = || Some(json!({"fields": [column("a", 1), column("b", 2)]}));
    for (live, words) in [
        (with(json!({"referenced": [2]})), "partitioned or sorted"),
        (with(json!({"identifier_fields": ["b"]})), "primary key"),
    ] {
        let (_, found) = diff(prior(), live, fields(&[]));
        assert!(found.len() == 1 && found[0].detail.contains(words), "{found:?}");
    }
    // A key of ours goes with the column.
    let mut keyed = prior().expect("some");
    keyed["identifier_fields"] = json!(["b"]);
    let (spec, found) = diff(Some(keyed), with(json!({"identifier_fields": ["b"]})), fields(&[]));
    assert!(found.is_empty() && spec.changes.len() == 2, "{spec:?} {found:?}");
    // The name of a partition field is taken.
    let day = json!({"partition_by": [{"source": "a", "transform": "bucket[4]", "name": "d"}]});
    let (_, found) =
        diff(prior(), with(day), fields(&[column("b", 2), json!({"name": "d", "type": "string"})]));
    assert!(found.len() == 1 && found[0].detail.contains("partitioned by a field"), "{found:?}");
}

#[test]
fn the_layout_of_a_table_changes_in_place() {
    let columns = json!([{"name": "c", "type": "string", "required": true}]);
    let table = |more: Value| {
        let mut table = json!({"fields": columns});
        table.as_object_mut().expect("a map").extend(Attributes::clone(&map(more)));
        table
    };
    let whole =
        || table(json!({"format_version": 2, "partition_by": [], "sort_by": [], "identifier_fields": []}));
    let day = json!([{"source": "c", "transform": "truncate[4]", "name": "d"}]);
    for (more, path) in [
        (json!({"identifier_fields": ["c"]}), "identifier_fields"),
        (json!({"partition_by": day}), "partition_by"),
        (json!({"sort_by": [{"source": "c"}]}), "sort_by"),
        (json!({"format_version": 3}), "format_version"),
    ] {
        let (spec, found) = diff(Some(whole()), whole(), table(more));
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(spec.changes.iter().map(|c| c.path.join(".")).collect::<Vec<_>>(), [path]);
        assert_eq!(spec.steps, ["update"]);
    }
    // A column that is called otherwise is the same source.
    let live = table(json!({"partition_by": day, "sort_by": [{"source": "c"}], "identifier_fields": ["c"]}));
    let mut desired = live.clone();
    desired["fields"][0]["name"] = json!("k");
    desired["fields"][0]["renamed_from"] = json!(["c"]);
    for at in ["partition_by", "sort_by"] {
        desired[at][0]["source"] = json!("k");
    }
    desired["identifier_fields"] = json!(["k"]);
    let (spec, found) = diff(Some(live.clone()), live, desired);
    assert!(found.is_empty() && spec.changes.len() == 1, "{spec:?} {found:?}");
    // In the first version of the format only with an upgrade.
    let first = || table(json!({"format_version": 1, "partition_by": []}));
    let (_, found) = diff(Some(first()), first(), table(json!({"partition_by": day})));
    assert_eq!(found[0].code.id, "DM0559");
    let (_, found) = diff(Some(first()), first(), table(json!({"partition_by": day, "format_version": 2})));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn what_is_forbidden_says_why_where_and_the_way_out() {
    let b = |ty: &str, required: bool| json!({"name": "b", "type": ty, "required": required});
    let live = |more: Value| {
        let mut live = fields(&[b("int", false), json!({"name": "c", "type": "string", "required": true})]);
        live.as_object_mut().expect("a map").extend(Attributes::clone(&map(more)));
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
    let live_more =
        live(json!({"location": "s3://b/t", "format_version": 2, "partition_by": [], "sort_by": [],
                                "identifier_fields": []}));
    let cases = [
        (only(&[a.clone(), c.clone(), b("string", false)]), "DM0558", 12, "could not be read"),
        (only(&[a.clone(), c.clone(), b("int", true)]), "DM0558", 12, "may hold nulls"),
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
        (with("location", json!("s3://b/other")), "DM0560", 60, "would not move along"),
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
    let (none, some) = (Packed::default(), map(fields(&[])));
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
fn a_purge_is_about_the_deletion_and_says_whether_files_go() {
    let purged = json!({"fields": [{"name": "a", "type": "int"}], "purge": true});
    let (spec, _) = diff(Some(fields(&[])), fields(&[]), purged.clone());
    assert!(spec.is_no_op(), "{spec:?}");
    let notes = |prior: Value, kind: &str| {
        let facts =
            Facts { capabilities: [("catalog".to_owned(), kind.to_owned())].into(), ..Facts::default() };
        let (prior, live) = (map(prior), map(fields(&[])));
        let view = View::Remove { prior: &prior, live: &live };
        erase::<IcebergTable>().diff(view, &facts, &places()).expect("decodes").0.notes
    };
    assert_eq!(notes(fields(&[]), "rest"), Vec::<String>::new());
    assert!(notes(purged.clone(), "rest")[0].contains("delete its files"));
    assert!(notes(purged, "sql")[0].contains("its files stay"));
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
    let (spec, found) = diff(Some(partitioned(day.clone())), partitioned(day.clone()), json!({}));
    assert!(found.is_empty() && spec.changes.len() == 1, "{found:?}");
    assert_eq!(spec.changes[0].after, Planned::Unset);
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

#[test]
fn a_read_serves_whoever_means_the_same_location() {
    let ty = erase::<IcebergTable>();
    let at = |location: &str| map(json!({"location": location, "fields": []}));
    let recorded = at("s3://lake/orders");
    assert!(ty.reads_alike(&recorded, &at("s3://lake/orders/")), "declared with a slash");
    assert!(!ty.reads_alike(&recorded, &at("s3://lake/other")));
    assert!(!ty.reads_alike(&recorded, &Packed::default()));
    assert!(ty.reads_alike(&map(json!({"fields": []})), &Packed::default()), "columns are always read");
}
