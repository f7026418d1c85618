use super::*;
use datamesh_provider::{Packed, Planned, erase};
use datamesh_provider::{ResourceType, View};
use serde_json::json;

fn attrs(pairs: &[(&str, &str)]) -> Packed {
    let properties: std::collections::BTreeMap<_, _> = pairs.iter().copied().collect();
    Packed::encode(&json!({"properties": properties})).expect("a map")
}

fn diff(view: View<'_, Packed>) -> ChangeSpec {
    let ty = erase::<IcebergNamespace>();
    ty.diff(view, &Facts::default(), &SpanMap::default()).expect("decodes").0
}

#[test]
fn only_what_was_applied_is_removed_and_the_rest_is_counted() {
    let prior = attrs(&[("a", "1"), ("gone", "1"), ("lost", "1")]);
    let live = attrs(&[("a", "0"), ("gone", "1"), ("theirs", "1"), ("location", "s3://b/x")]);
    let desired = attrs(&[("a", "1"), ("new", "1")]);
    let spec = diff(View::Update { prior: &prior, live: &live, desired: &desired });
    let changes: Vec<_> = spec.changes.iter().map(|c| (c.path[1].as_str(), &c.after)).collect();
    let set = Planned::Value(json!("1"));
    assert_eq!(changes, [("a", &set), ("new", &set), ("gone", &Planned::Unset)]);
    assert_eq!((spec.steps, spec.notes), (vec!["update".to_owned()], vec!["1 property not ours".to_owned()]));
}

#[test]
fn an_undeclared_namespace_changes_nothing() {
    let none = Packed::default();
    let live = attrs(&[("theirs", "1")]);
    assert_eq!(diff(View::Adopt { live: &live, desired: &none }), ChangeSpec::no_op());
    assert_eq!(diff(View::Gone { prior: &none, desired: None }), ChangeSpec::no_op());
    assert_eq!(diff(View::Create { desired: &none }).steps, ["create"]);
    assert_eq!(diff(View::Remove { prior: &none, live: &live }).steps, ["delete"]);
}

#[test]
fn keys_of_the_catalog_and_of_the_tool_cannot_be_declared() {
    let ty = erase::<IcebergNamespace>();
    for key in ["exists", "datamesh.owner", "a\nb"] {
        let found = ty.validate(&attrs(&[(key, "x")]), &SpanMap::default()).expect("decodes");
        assert!(found.has_errors(), "{key}");
    }
    assert!(ty.validate(&attrs(&[("owner", "x")]), &SpanMap::default()).expect("decodes").is_empty());
}
