use super::{MESH, Recorded, iceberg, kafka, product, recorded, world, world_in};
use serde_json::json;

const TOPIC: &str = "orders/facts@1:kafka_topic.kafka";
const TABLE: &str = "orders/facts@1:iceberg_table.iceberg";

#[test]
fn a_topic_has_a_default_name_and_a_subject() {
    let world = kafka("");
    assert_eq!(world.id(TOPIC), "orders.facts.v1");
    let subject = world.resource("orders/facts@1:schema_subject.kafka");
    assert_eq!(subject.object.id.as_str(), "orders.facts.v1-value");
    assert_eq!(subject.object.on_create["compatibility"], "BACKWARD");
    assert!(!subject.object.attributes.contains_key("compatibility"));
    assert_eq!(subject.depends_on.iter().map(ToString::to_string).collect::<Vec<_>>(), [TOPIC]);
    let topic = world.resource(TOPIC);
    assert!(topic.object.attributes.is_empty(), "nothing is declared, so nothing is managed");
    assert_eq!(
        *topic.object.on_create,
        *json!({"partitions": 3, "replication_factor": 1}).as_object().unwrap()
    );
    assert_eq!(world.codes(), Vec::<&str>::new());
}

#[test]
fn a_record_key_has_a_subject_of_its_own() {
    let world = kafka("key: {fields: [created_at, id]}");
    let key = world.resource("orders/facts@1:schema_subject.kafka.key");
    assert_eq!(key.object.id.as_str(), "orders.facts.v1-key");
    assert_eq!(
        key.object.attributes["schema"],
        "{\"type\":\"record\",\"name\":\"FactsKey\",\"namespace\":\"orders\",\"fields\":[{\"name\":\"created_at\",\
         \"type\":[\"null\",{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}],\"default\":null},\
         {\"name\":\"id\",\"type\":[\"null\",\"string\"],\"default\":null}]}"
    );
    assert_eq!(key.object.on_create["compatibility"], "BACKWARD");
    assert_eq!(world.codes(), Vec::<&str>::new());
    let plain = kafka("key: {fields: [id], format: string}");
    assert!(plain.addresses().iter().all(|address| !address.ends_with(".key")), "{:?}", plain.addresses());
    assert!(plain.found.is_empty(), "{}", plain.details());
    for keys in [
        "key: {fields: [id, created_at], format: string}",
        "key: {fields: [id], format: strin}",
        "key: {fields: []}",
        "key: {fields: [id, id]}",
    ] {
        assert_eq!(kafka(keys).codes().len(), 1, "{keys}: {}", kafka(keys).details());
    }
}

#[test]
fn short_keys_become_configs() {
    let world = kafka(
        "key: {fields: [id]}, retention: 7d, cleanup: compact, partitions: 6, config: {min.insync.replicas: 2}",
    );
    let config =
        json!({"retention.ms": "604800000", "cleanup.policy": "compact", "min.insync.replicas": "2"});
    assert_eq!(world.attribute(TOPIC, "config"), Some(&config));
    assert_eq!(world.attribute(TOPIC, "partitions"), Some(&json!(6)));
    assert_eq!(
        *world.resource(TOPIC).object.on_create,
        *json!({"replication_factor": 1}).as_object().unwrap()
    );
    let forever = kafka("retention: forever");
    assert_eq!(forever.attribute(TOPIC, "config"), Some(&json!({"retention.ms": "-1"})));
    assert!(world.found.is_empty(), "{}", world.details());
}

#[test]
fn what_is_wrong_with_a_topic_is_said_at_its_key() {
    let cases = [
        ("retention: '7'", "DM0253"),
        ("retention: 2000y", "DM0253"),
        ("retention: 7d, config: {retention.ms: 1}", "DM0252"),
        ("cleanup: delete, config: {cleanup.policy: delete}", "DM0252"),
        ("cleanup: compact", "DM0255"),
        ("config: {cleanup.policy: 'compact,delete'}", "DM0255"),
        ("cleanup: shred", "DM0254"),
        ("partitions: 0", "DM0254"),
        ("replication_factor: 0", "DM0254"),
        ("format: json", "DM0254"),
        ("topic: 'a b'", "DM0234"),
        ("topic: '..'", "DM0234"),
        ("name: 'a.b'", "DM0234"),
        ("key: {fields: [idd]}", "DM0238"),
        ("cluster: east", "DM0223"),
        ("table: a.b", "DM0251"),
        ("endpoint: 'https://x'", "DM0251"),
    ];
    for (keys, code) in cases {
        let world = kafka(keys);
        assert_eq!(world.codes(), [code], "{keys}: {}", world.details());
        assert_eq!(world.held(), ["orders/facts@1"], "{keys}");
        assert!(world.found.errors().all(|d| !d.labels.is_empty()), "{keys}");
        assert!(!world.graph.resources.contains_key(&TOPIC.parse().unwrap()), "{keys}");
    }
    assert_eq!(kafka("partitions: 10000").codes(), Vec::<&str>::new());
    assert_eq!(iceberg("topic: x").codes(), ["DM0251"]);
}

#[test]
fn a_table_has_a_default_name_and_its_namespace() {
    let world = iceberg("partition_by: [created_date], properties: {write.target-file-size-bytes: 1}");
    assert_eq!(world.id(TABLE), "orders.facts");
    let table = world.resource(TABLE);
    assert_eq!(table.object.on_create["format_version"], 2);
    assert_eq!(table.object.attributes["properties"], json!({"write.target-file-size-bytes": "1"}));
    let after: Vec<_> = table.depends_on.iter().map(ToString::to_string).collect();
    assert_eq!(after, ["orders:iceberg_namespace.orders"]);
    assert!(!table.object.attributes.contains_key("location"));
}

#[test]
fn a_location_stays_within_the_warehouse() {
    let at = |location: &str| iceberg(&format!("location: '{location}'"));
    assert_eq!(
        at("s3://data-lake/a/b/").attribute(TABLE, "location"),
        Some(&json!("file:/mesh/.datamesh/warehouse/a/b"))
    );
    assert_eq!(at("a/b").attribute(TABLE, "location"), Some(&json!("file:/mesh/.datamesh/warehouse/a/b")));
    for (location, code) in [
        ("s3://other-lake/a", "DM0225"),
        ("s3://elsewhere/a", "DM0226"),
        ("s3://data-lake/", "DM0226"),
        ("s3://data-lake/../x", "DM0224"),
        ("s3://data-lake/%2e%2e/x", "DM0224"),
        ("../x", "DM0224"),
        ("/etc", "DM0224"),
        ("file:/etc", "DM0225"),
        ("s3://user:pw@data-lake/a", "DM0224"),
    ] {
        assert_eq!(at(location).codes(), [code], "{location}");
    }
}

#[test]
fn a_registry_must_be_one_of_ours() {
    let of = |url: &str| {
        let spec = format!("  schema: {{ registry: '{url}', fields: [{{ name: id, type: string }}] }}\n");
        world(&[("p.yaml", &product("orders", "facts", &spec))])
    };
    let good = of("https://schema-registry.internal/subjects/orders%20facts");
    assert_eq!(good.id("orders/facts@1:schema_subject.contract"), "orders facts");
    for (url, code) in [
        ("https://schema-registry.internal/orders-facts", "DM0224"),
        ("schema-registry.internal/subjects/x", "DM0224"),
        ("https://u:p@schema-registry.internal/subjects/x", "DM0224"),
        ("https://schema-registry.internal/subjects/a%2Fb", "DM0224"),
        ("https://schema-registry.internal/v9/subjects/x", "DM0226"),
        ("https://unknown.internal/subjects/x", "DM0225"),
        ("https://other-registry.internal/subjects/x", "DM0226"),
    ] {
        assert_eq!(of(url).codes(), [code], "{url}");
    }
}

#[test]
fn a_subject_that_clients_do_not_look_for_comes_with_their_setting() {
    let notes = |mesh: &str, schema: &str, address: &str| {
        let port = "key: { fields: [id] }, topic: orders.v1";
        let spec = format!(
            "  schema: {{ {schema}, fields: [{{ name: id, type: string, required: true }}] }}\n  output_ports: [{{ technology: kafka, {port} }}]\n"
        );
        let found = world(&[("datamesh.yaml", mesh), ("p.yaml", &product("orders", "facts", &spec))]);
        found.resource(address).notes.clone()
    };
    let (values, keys) = ("orders/facts@1:schema_subject.kafka", "orders/facts@1:schema_subject.kafka.key");
    assert!(notes(MESH, "version: 1", values).is_empty() && notes(MESH, "version: 1", keys).is_empty());
    let spelled = |subject: &str| format!("registry: 'https://schema-registry.internal/subjects/{subject}'");
    let at = "orders/facts@1:schema_subject.contract";
    assert!(notes(MESH, &spelled("orders.v1-value"), at).is_empty());
    let [other] = &notes(MESH, &spelled("facts"), at)[..] else { panic!("one setting") };
    assert!(other.contains("look for `orders.v1-value`") && other.contains("answers `facts`"), "{other}");
    let [record] = &notes(MESH, &spelled("orders.Facts"), at)[..] else { panic!("one setting") };
    assert!(record.contains("RecordNameStrategy"), "{record}");
    // The environment's prefix is a name of its own, too.
    let prefixed =
        MESH.replacen("      defaults:", "      names: { subject_prefix: dev- }\n      defaults:", 1);
    assert_ne!(prefixed, MESH);
    for (address, half) in [(values, "value"), (keys, "key")] {
        let [said] = &notes(&prefixed, "version: 1", address)[..] else { panic!("one setting") };
        assert!(said.contains(&format!("answers `dev-orders.v1-{half}`")), "{said}");
    }
}

#[test]
fn what_is_not_supported_yet_is_an_error_and_not_silence() {
    let of = |schema: &str| {
        let spec = format!("  schema: {{ {schema} }}\n  output_ports: [{{ technology: kafka }}]\n");
        world(&[("p.yaml", &product("orders", "facts", &spec))])
    };
    for schema in ["format: json, fields: [{name: id, type: int}]", "references: [{name: x, product: a/b@1}]"]
    {
        assert_eq!(of(schema).codes(), ["DM0239"], "{schema}");
    }
    assert_eq!(iceberg("format: orc").codes(), ["DM0239"]);
    let no_fields = product("orders", "facts", "  output_ports: [{ technology: iceberg }]\n");
    assert_eq!(world(&[("p.yaml", &no_fields)]).codes(), ["DM0256"]);
    let topic_only = product("orders", "facts", "  output_ports: [{ technology: kafka }]\n");
    assert_eq!(world(&[("p.yaml", &topic_only)]).codes(), Vec::<&str>::new());
}

#[test]
fn names_stay_as_they_were_created() {
    let spec =
        format!("{}  output_ports: [{{ technology: kafka }}, {{ technology: iceberg }}]\n", super::FIELDS);
    let document = product("orders", "facts", &spec);
    let state = recorded(&[
        (TOPIC, "legacy-topic", None),
        (TABLE, "legacy.table", None),
        (
            "orders/facts@1:schema_subject.kafka",
            "legacy-subject",
            Some(r#"{"type":"record","name":"Old","namespace":"legacy","fields":[]}"#),
        ),
    ]);
    let world = world_in(&[("p.yaml", &document), ("datamesh.yaml", MESH)], None, &state);
    assert_eq!(world.id(TOPIC), "legacy-topic");
    assert_eq!(world.id(TABLE), "legacy.table");
    let subject = world.resource("orders/facts@1:schema_subject.kafka");
    assert_eq!(subject.object.id.as_str(), "legacy-subject");
    let schema = subject.object.attributes["schema"].as_str().unwrap();
    assert!(schema.starts_with(r#"{"type":"record","name":"Old","namespace":"legacy""#), "{schema}");
    assert!(world.addresses().contains(&"orders:iceberg_namespace.legacy".to_owned()));

    let spelled = document.replace("technology: kafka }", "technology: kafka, topic: new }");
    let world = world_in(&[("p.yaml", &spelled), ("datamesh.yaml", MESH)], None, &state);
    assert_eq!(world.id(TOPIC), "new");
    assert_eq!(world.id("orders/facts@1:schema_subject.kafka"), "new-value");
}

#[test]
fn two_ports_need_two_names() {
    let of = |ports: &str| {
        let spec = format!("{}  output_ports: [{ports}]\n", super::FIELDS);
        world(&[("p.yaml", &product("orders", "facts", &spec))])
    };
    assert_eq!(of("{technology: kafka}, {technology: kafka, topic: x}").codes(), ["DM0250"]);
    let named = of("{technology: kafka}, {technology: kafka, name: audit, topic: x}");
    assert_eq!(named.id("orders/facts@1:kafka_topic.audit"), "x");
    let same = of("{technology: kafka}, {technology: kafka, name: audit, topic: orders.facts.v1}");
    assert!(same.codes().iter().all(|code| *code == "DM0257") && !same.codes().is_empty());
}

#[test]
fn environments_override_settings_and_prefix_names() {
    let mesh = MESH.replace(
        "      endpoints:",
        "      names: { topic_prefix: 'dev.', subject_prefix: 'dev.', namespace_prefix: dev_ }\n      endpoints:",
    );
    let spec = format!(
        "{}  output_ports: [{{ technology: kafka, retention: 7d, partitions: 12 }}, {{ technology: iceberg, properties: {{ a: b }} }}]\n  environments: {{ sandbox: {{ ports: {{ kafka: {{ retention: 1d, partitions: 1 }}, iceberg: {{ properties: {{ a: c }} }} }}, slo: {{ freshness: 1d }} }} }}\n  slo: {{ freshness: 15m, availability: 99.9% }}\n",
        super::FIELDS
    );
    let document = product("orders", "facts", &spec);
    let world = world_in(&[("p.yaml", &document), ("datamesh.yaml", &mesh)], None, &Recorded::default());
    assert_eq!(world.codes(), Vec::<&str>::new());
    assert_eq!(world.id(TOPIC), "dev.orders.facts.v1");
    assert_eq!(world.id("orders/facts@1:schema_subject.kafka"), "dev.orders.facts.v1-value");
    assert_eq!(world.id(TABLE), "dev_orders.facts");
    assert_eq!(world.attribute(TOPIC, "config"), Some(&json!({"retention.ms": "86400000"})));
    assert_eq!(world.attribute(TOPIC, "partitions"), Some(&json!(1)));
    assert_eq!(world.attribute(TABLE, "properties"), Some(&json!({"a": "c"})));
    let slo = json!({"freshness": "1d", "availability": "99.9%"});
    assert_eq!(world.attribute("orders/facts@1:catalog_product.self", "slo"), Some(&slo));
    let stray =
        document.replace("iceberg: { properties: { a: c } }", "iceberg: { partitions: 2 }, nope: { }");
    let world = world_in(&[("p.yaml", &stray), ("datamesh.yaml", &mesh)], None, &Recorded::default());
    let mut codes = world.codes();
    codes.sort_unstable();
    assert_eq!(codes, ["DM0238", "DM0251"], "{}", world.details());
}

#[test]
fn a_rest_port_is_text_for_the_catalog_only() {
    let spec = "  output_ports: [{ technology: rest, endpoint: 'https://x.internal/y', auth: mtls }]\n";
    let world = world(&[("p.yaml", &product("orders", "facts", spec))]);
    assert_eq!(world.addresses(), ["orders:catalog_domain.self", "orders/facts@1:catalog_product.self"]);
    let ports = json!([{"name": "rest", "type": "api", "technology": "rest", "endpoint": "https://x.internal/y", "auth": "mtls"}]);
    assert_eq!(world.attribute("orders/facts@1:catalog_product.self", "ports"), Some(&ports));
}
