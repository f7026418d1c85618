use super::*;
use proptest::prelude::*;
use serde_json::json;

fn map(value: Value) -> Attributes {
    value.as_object().cloned().expect("a map")
}

fn paths(prior: Value, live: Value, desired: Value) -> Vec<String> {
    let found = changes(Some(&map(prior)), &map(live), &map(desired));
    let shown = |change: &AttributeChange| {
        let mark = match (&change.before, &change.after) {
            (None, _) => '+',
            (_, Planned::Unset) => '-',
            _ => '~',
        };
        format!("{mark}{}", change.path.join("."))
    };
    found.iter().map(shown).collect()
}

#[test]
fn what_nobody_declares_is_not_managed() {
    let live = json!({"owner": "x", "labels": {"theirs": "1", "ours": "2"}, "contract": {"format": "avro"}});
    assert_eq!(paths(json!({}), live.clone(), json!({"owner": "x", "labels": {"ours": "2"}})), [""; 0]);
    assert_eq!(
        paths(json!({}), live, json!({"owner": "y", "labels": {"ours": "3"}})),
        ["~labels.ours", "~owner"]
    );
}

#[test]
fn what_is_no_longer_declared_goes_away() {
    let prior =
        json!({"owner": "x", "labels": {"a": "1"}, "contract": {"format": "avro", "primary_key": ["id"]}});
    let desired = json!({"contract": {"format": "avro"}});
    assert_eq!(
        paths(prior.clone(), prior.clone(), desired.clone()),
        ["-contract.primary_key", "-labels", "-owner"]
    );
    let after = merge(Some(&map(prior.clone())), &map(prior), &map(desired.clone()));
    assert_eq!(Value::Object(after), desired);
}

#[test]
fn lists_are_managed_whole_and_shown_by_item() {
    let field = |name: &str, ty: &str| json!({"name": name, "type": ty});
    let with = |fields: Value| json!({"contract": {"fields": fields}});
    let live = with(json!([field("a", "int"), field("b", "int"), {"name": "c", "type": "int", "pii": true}]));
    let desired = with(json!([field("a", "long"), field("c", "int"), field("d", "int")]));
    let expected =
        ["~contract.fields.a.type", "-contract.fields.b", "-contract.fields.c.pii", "+contract.fields.d"];
    assert_eq!(paths(json!({}), live.clone(), desired), expected);
    let turned =
        with(json!([field("b", "int"), field("a", "int"), {"name": "c", "type": "int", "pii": true}]));
    assert_eq!(paths(json!({}), live, turned), ["~contract.fields"]);
    let twice = with(json!([field("a", "int"), field("a", "int")]));
    assert_eq!(paths(json!({}), with(json!([field("a", "int")])), twice), ["~contract.fields"]);
    assert_eq!(paths(json!({}), json!({"tags": ["a"]}), json!({"tags": ["b"]})), ["~tags"]);
}

#[test]
fn defaults_fill_only_what_is_missing() {
    let filled =
        fill(&map(json!({"a": 1, "m": {"x": 1}})), &map(json!({"a": 2, "b": 3, "m": {"x": 2, "y": 3}})));
    assert_eq!(Value::Object(filled), json!({"a": 1, "b": 3, "m": {"x": 1, "y": 3}}));
}

/// Attributes as they occur: open maps, lists of named items, scalars; never an empty open map.
fn attributes() -> impl Strategy<Value = Attributes> {
    let scalar = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        (0..4).prop_map(|n| json!(n)),
        "[ab]{0,2}".prop_map(|s| json!(s))
    ];
    let items = proptest::collection::vec(("[ab]", scalar.clone()), 0..4).prop_map(|items| {
        items.into_iter().map(|(name, value)| json!({"name": name, "v": value})).collect::<Value>()
    });
    let leaf = prop_oneof![scalar, items];
    let value = leaf.prop_recursive(2, 8, 3, |inner| {
        proptest::collection::btree_map("[xyz]", inner, 1..3).prop_map(|map| json!(map))
    });
    proptest::collection::btree_map("[xyz]", value, 0..4).prop_map(|attrs| map(json!(attrs)))
}

proptest! {
    #[test]
    fn equal_sides_have_no_changes(a in attributes()) {
        prop_assert_eq!(changes(Some(&a), &a, &a), vec![]);
        prop_assert_eq!(managed(&a, &a), a.clone());
        prop_assert_eq!(merge(Some(&a), &a, &a), a);
    }

    #[test]
    fn a_merge_brings_about_all_changes(prior in attributes(), live in attributes(), desired in attributes()) {
        let after = merge(Some(&prior), &live, &desired);
        prop_assert_eq!(changes(Some(&prior), &after, &desired), vec![]);
        prop_assert_eq!(managed(&after, &desired), desired);
    }

    #[test]
    fn no_changes_mean_that_what_is_managed_is_equal(prior in attributes(), live in attributes(), desired in attributes()) {
        if changes(Some(&prior), &live, &desired).is_empty() {
            prop_assert_eq!(managed(&live, &desired), desired);
        }
    }

    #[test]
    fn what_nobody_declared_survives(live in attributes(), desired in attributes()) {
        let after = merge(None, &live, &desired);
        for (key, value) in &live {
            if !desired.contains_key(key) {
                prop_assert_eq!(after.get(key), Some(value));
            }
        }
    }
}
