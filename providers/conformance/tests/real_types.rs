//! The fake keeps its promises with the pure halves of the real providers, so that the program's tests on fakes
//! plan as they would on servers.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use datamesh_conformance::testing::jumping_context;
use datamesh_conformance::{FakeSystem, Sample, Suite, has_incarnations, on_fakes, run};
use datamesh_provider::{ObjectId, Packed, ProviderDef, SystemName};
use serde_json::{Value, json};
use std::sync::Arc;

static KAFKA: ProviderDef = on_fakes("kafka", datamesh_kafka::DEF.types);
static REGISTRY: ProviderDef = on_fakes("registry", datamesh_schema_registry::DEF.types);
static ICEBERG: ProviderDef = on_fakes("iceberg", datamesh_iceberg::TYPES);
static CATALOG: ProviderDef = on_fakes("catalog", datamesh_catalog::DEF.types);

fn topic(partitions: u32, retention: &str) -> Value {
    json!({"partitions": partitions, "replication_factor": 1, "config": {"retention.ms": retention}})
}

fn subject(fields: &Value, level: &str) -> Value {
    let schema = json!({"type": "record", "name": "facts", "fields": fields});
    json!({"schema": schema.to_string(), "schema_type": "AVRO", "compatibility": level})
}

fn table(more: &[Value], retries: &str) -> Value {
    let mut fields = vec![
        json!({"name": "id", "type": "string", "required": true}),
        json!({"name": "at", "type": "timestamptz", "required": false}),
    ];
    fields.extend_from_slice(more);
    json!({
        "fields": fields, "identifier_fields": ["id"], "format_version": 2,
        "partition_by": [{"source": "at", "transform": "day", "name": "at_date"}],
        "properties": {"commit.retry.num-retries": retries},
    })
}

fn product(name: &str, more: &Value) -> Value {
    let mut product = json!({"domain": "orders", "name": name, "version": 1});
    product.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    product
}

/// Id, what is created, what it becomes.
fn sample(ty: &str, name: &str) -> (String, Value, Value) {
    match ty {
        "kafka_topic" => (format!("orders.{name}"), topic(3, "1000"), topic(6, "2000")),
        // All of it is its name.
        "kafka_acl" => {
            let id = format!("read@topic=orders.{name}@User:billing");
            let binding = json!({
                "resource": "topic", "name": format!("orders.{name}"), "pattern": "literal",
                "principal": "User:billing", "host": "*", "operation": "read", "permission": "allow",
            });
            (id, binding.clone(), binding)
        }
        "schema_subject" => {
            let field = json!([{"name": "note", "type": "string", "default": ""}]);
            (format!("orders.{name}-value"), subject(&json!([]), "BACKWARD"), subject(&field, "FULL"))
        }
        "iceberg_namespace" => {
            let owned = |owner| json!({"properties": {"owner": owner}});
            (format!("orders_{name}"), owned("ada"), owned("grace"))
        }
        "iceberg_table" => {
            let more = json!({"name": "amount", "type": "long", "required": false});
            (format!("orders.{name}"), table(&[], "4"), table(&[more], "8"))
        }
        "catalog_domain" => {
            let domain = |words: &str| json!({"name": name, "description": words});
            (name.to_owned(), domain("what is ordered"), domain("what was ordered"))
        }
        "catalog_product" => {
            let port =
                json!({"name": "stream", "type": "stream", "technology": "kafka", "topic": "orders.facts"});
            let before = product(name, &json!({"labels": {"a": "1", "b": "2"}, "ports": [port]}));
            let after =
                product(name, &json!({"labels": {"a": "1"}, "tags": ["gold"], "description": "facts"}));
            (format!("orders/{name}@1"), before, after)
        }
        "catalog_lineage" => {
            let id = format!("orders/{name}@1");
            let lineage = |sources: Value| json!({"product": id, "sources": sources});
            (format!("{id}#lineage"), lineage(json!([])), lineage(json!([{"name": "shop"}])))
        }
        other => unreachable!("no sample of {other}: write one"),
    }
}

#[tokio::test]
async fn every_real_type_conforms_on_a_fake() {
    for def in [&KAFKA, &REGISTRY, &ICEBERG, &CATALOG] {
        for ty in def.types {
            let sample = |name: &str| {
                let (id, create, update) = sample(ty.name(), name);
                let map = |value: Value| Packed::encode(&value).expect("a map");
                Sample { id: ObjectId::new(id), create: map(create), update: map(update) }
            };
            let system = SystemName::new(def.system, "default");
            let suite = Suite {
                provider: Arc::new(FakeSystem::in_memory(system.to_string())),
                unreachable: Some(Arc::new(FakeSystem::unreachable(system.to_string()))),
                system,
                ty: *ty,
                sample: &sample,
                incarnations: has_incarnations(ty.name()),
                batch: 20,
                context: jumping_context(),
            };
            assert_eq!(run(suite).await, Vec::<String>::new(), "{ty:?}");
        }
    }
}
