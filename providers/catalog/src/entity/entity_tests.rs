use crate::DEF;
use datamesh_provider::{Attributes, Facts, Packed, ResourceType, SpanMap, View};
use serde_json::{Value, json};

fn ty(name: &str) -> &'static dyn ResourceType {
    *DEF.types.iter().find(|ty| ty.name() == name).expect("a type")
}

fn attrs(value: Value) -> Packed {
    Packed::encode(&value).expect("a map")
}

fn whole() -> [(&'static str, Value); 3] {
    [
        (
            "catalog_domain",
            json!({"name": "d", "description": "x", "owner": "o", "aliases": [], "contacts": ["c"], "code_owners": ["@a/b"]}),
        ),
        (
            "catalog_product",
            json!({"domain": "d", "name": "p", "version": 1, "owner": "o", "description": "x", "classification": "internal",
                "labels": {"a": "b"}, "annotations": {"n": 1}, "deprecated": {"since": "s", "sunset": "t", "replaced_by": "r"},
                "contract": {"format": "avro", "registry": "r", "subjects": ["s"], "compatibility": "FULL", "primary_key": ["id"],
                    "fields": [{"name": "id", "type": "string", "description": "d", "required": true, "pii": true, "pii_type": "email", "governance": "encrypt", "values": ["a"]}]},
                "slo": {"freshness": "15m", "availability": "99.9%", "quality_score": 0.95, "completeness": 0.99, "quality_checks": ["x > 0"]},
                "ports": [{"name": "kafka", "type": "streaming", "technology": "kafka", "format": "avro", "topic": "t", "table": "n.t", "location": "l", "endpoint": "e", "auth": "oauth2", "openapi": "o", "system": "kafka.default"}],
                "tags": ["t"]}),
        ),
        (
            "catalog_lineage",
            json!({"product": "d/p@1", "sources": [{"name": "s", "product": "a/b@1"}, {"name": "t"}], "transformation": "dbt://x"}),
        ),
    ]
}

#[test]
fn every_attribute_decodes_and_comes_back_as_it_is() {
    for (name, value) in whole() {
        let ty = ty(name);
        let attrs = attrs(value.clone());
        assert_eq!(ty.normalize(&attrs), Ok(attrs.clone()), "{name}");
        assert_eq!(ty.managed(&attrs, &attrs), Ok(attrs.clone()));
        assert_eq!(ty.upgrade(1, Attributes::clone(&attrs)), Ok(attrs.clone()));
        assert!(ty.upgrade(7, Attributes::clone(&attrs)).is_err());
        assert!(ty.validate(&attrs, &SpanMap::default()).expect("decodes").is_empty());
        for attribute in ty.schema().attributes {
            assert!(attrs.contains_key(attribute.name), "{name}: {}", attribute.name);
        }
        assert_eq!(ty.schema().attributes.len(), attrs.len());
        assert!(!ty.schema().data_bearing);
    }
}

#[test]
fn unknown_attributes_are_refused_at_every_depth() {
    for (name, mut value) in whole() {
        value["x"] = json!(1);
        assert!(ty(name).normalize(&attrs(value)).is_err(), "{name}");
    }
    let deep = json!({"contract": {"fields": [{"name": "a", "piii": true}]}});
    assert!(ty("catalog_product").normalize(&attrs(deep)).is_err());
}

#[test]
fn what_every_entity_needs_is_told() {
    let cases = [("catalog_domain", 1), ("catalog_product", 3), ("catalog_lineage", 1)];
    for (name, missing) in cases {
        let found = ty(name).validate(&Packed::default(), &SpanMap::default()).expect("decodes");
        assert!(found.has_errors() && found.len() == missing, "{name}: {found:?}");
    }
    let blank =
        ty("catalog_domain").validate(&attrs(json!({"name": " "})), &SpanMap::default()).expect("decodes");
    assert_eq!(blank.len(), 1);
}

#[test]
fn views_give_one_step_each() {
    let (facts, at) = (Facts::default(), SpanMap::default());
    for (name, value) in whole() {
        let ty = ty(name);
        let all = attrs(value);
        let key = if name == "catalog_lineage" { "transformation" } else { "description" };
        let mut other = all.clone();
        other.insert(
            if name == "catalog_lineage" { "transformation" } else { "description" }.into(),
            json!("changed"),
        );
        let steps = |view| {
            ty.diff(view, &facts, &at).map(|(spec, _)| (spec.steps, spec.changes.len())).expect("decodes")
        };
        assert_eq!(steps(View::Create { desired: &all }), (vec!["create".to_owned()], all.len()));
        assert_eq!(steps(View::Gone { prior: &all, desired: Some(&all) }).0, ["create"]);
        assert_eq!(steps(View::Gone { prior: &all, desired: None }).0, [""; 0]);
        assert_eq!(steps(View::Remove { prior: &all, live: &all }).0, ["delete"]);
        assert_eq!(steps(View::Adopt { live: &all, desired: &all }).0, [""; 0]);
        assert_eq!(steps(View::Update { prior: &all, live: &all, desired: &all }).0, [""; 0]);
        assert_eq!(
            steps(View::Update { prior: &all, live: &other, desired: &all }),
            (vec!["update".to_owned()], 1)
        );
        let mut less = all.clone();
        less.remove(key);
        assert_eq!(
            steps(View::Update { prior: &all, live: &all, desired: &less }),
            (vec!["update".to_owned()], 1)
        );
        assert_eq!(
            steps(View::Adopt { live: &all, desired: &less }).0,
            [""; 0],
            "never declared, so not ours to remove"
        );
    }
}

#[test]
fn empty_maps_manage_nothing() {
    let cases = [
        json!({"labels": {}, "contract": {}}),
        json!({"labels": {}}),
        json!({"annotations": {}}),
        json!({"annotations": {"a": {}}}),
        json!({"annotations": {"a": {"b": {}}}}),
        json!({"deprecated": {}}),
        json!({"contract": {}}),
        json!({"slo": {}}),
        json!({"slo": {"freshness": {}}}),
    ];
    for case in cases {
        let mut product = attrs(case.clone());
        product.extend([("name".to_owned(), json!("p")), ("tags".to_owned(), json!([]))]);
        let normal = ty("catalog_product").normalize(&product);
        assert_eq!(normal, Ok(attrs(json!({"name": "p", "tags": []}))), "{case}");
    }
}
