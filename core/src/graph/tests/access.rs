use super::{FIELDS, MESH, Recorded, kafka, product, world_in};
use serde_json::json;

const CONSUMER: &str = "consumers: [{principal: 'User:billing'}]";

/// The bindings of the one product, without what is in front of them.
fn bindings(world: &super::World) -> Vec<String> {
    let all = world.addresses();
    let of_acls = all.iter().filter_map(|address| address.strip_prefix("orders/facts@1:kafka_acl."));
    of_acls.map(str::to_owned).collect()
}

#[test]
fn a_consumer_reads_topic_and_groups_and_a_producer_writes() {
    let world = kafka(CONSUMER);
    let topic = "topic=orders.facts.v1@User:billing";
    let read = format!("read@{topic}");
    assert_eq!(
        bindings(&world),
        [format!("describe@{topic}"), "read@group-prefix=billing@User:billing".into(), read.clone()]
    );
    assert_eq!(world.codes(), Vec::<&str>::new(), "{}", world.details());
    let binding = world.resource(&format!("orders/facts@1:kafka_acl.{read}"));
    assert_eq!(binding.object.id.as_str(), read);
    let whole = json!({"resource": "topic", "name": "orders.facts.v1", "pattern": "literal", "principal": "User:billing",
        "host": "*", "operation": "read", "permission": "allow"});
    assert_eq!(json!(binding.object.attributes), whole);
    assert_eq!(
        binding.depends_on.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["orders/facts@1:kafka_topic.kafka"]
    );

    let world = kafka(
        "producers: [{principal: 'User:shop', transactional_id: shop-}], consumers: [{principal: 'User:shop', group: g, host: 10.0.0.1}]",
    );
    assert_eq!(
        bindings(&world),
        [
            "describe@topic=orders.facts.v1@User:shop",
            "describe@topic=orders.facts.v1@User:shop@10.0.0.1",
            "describe@transactional-id-prefix=shop-@User:shop",
            "read@group-prefix=g@User:shop@10.0.0.1",
            "read@topic=orders.facts.v1@User:shop@10.0.0.1",
            "write@topic=orders.facts.v1@User:shop",
            "write@transactional-id-prefix=shop-@User:shop",
        ]
    );
    // Who reads and writes from everywhere describes the topic once.
    let both = kafka(
        "producers: [{principal: 'User:a'}], consumers: [{principal: 'User:a'}, {principal: 'User:a'}]",
    );
    assert_eq!(bindings(&both).len(), 4, "{:?}", bindings(&both));
    assert_eq!(both.codes(), Vec::<&str>::new());
}

#[test]
fn everybody_has_no_group_of_its_own() {
    let world = kafka("consumers: [{principal: 'User:*'}]");
    assert_eq!(
        bindings(&world),
        ["describe@topic=orders.facts.v1@User:%2A", "read@topic=orders.facts.v1@User:%2A"]
    );
}

#[test]
fn an_environment_knows_principals_by_alias_and_puts_a_prefix_before_groups() {
    let mesh = MESH.replace(
        "      endpoints:",
        "      principals: { billing: \"User:sa-billing\" }\n      names: { group_prefix: dev- }\n      endpoints:",
    );
    let with = |keys: &str| {
        let spec = format!("{FIELDS}  output_ports: [{{ technology: kafka, {keys} }}]\n");
        let manifest = product("orders", "facts", &spec);
        let files = [("datamesh.yaml", mesh.as_str()), ("domains/orders/facts.yaml", manifest.as_str())];
        world_in(&files, None, &Recorded::default())
    };
    let world = with("consumers: [{principal: billing}]");
    assert!(
        bindings(&world).contains(&"read@group-prefix=dev-sa-billing@User:sa-billing".to_owned()),
        "{:?}",
        bindings(&world)
    );
    let world = with("consumers: [{principal: biling}]");
    assert_eq!(world.codes(), ["DM0238"], "{}", world.details());
    assert!(world.found.errors().all(|d| d.help.as_deref().is_some_and(|help| help.contains("billing"))));
}

#[test]
fn an_environment_has_its_own_consumers() {
    let spec = format!(
        "{FIELDS}  output_ports: [{{ technology: kafka, consumers: [{{principal: 'User:a'}}] }}]\n  environments: {{ \
         sandbox: {{ ports: {{ kafka: {{ consumers: [{{principal: 'User:b'}}] }} }} }} }}\n"
    );
    let text = product("orders", "facts", &spec);
    let files = [("datamesh.yaml", MESH), ("domains/orders/facts.yaml", text.as_str())];
    let world = world_in(&files, None, &Recorded::default());
    assert!(bindings(&world).iter().all(|binding| binding.contains("User:b")), "{:?}", bindings(&world));
    assert_eq!(bindings(&world).len(), 3);
}

#[test]
fn what_would_mean_everything_is_refused() {
    for keys in [
        "consumers: [{principal: 'User:a', group: ''}]",
        "producers: [{principal: 'User:a', transactional_id: ''}]",
        "consumers: [{principal: 'User:'}]",
    ] {
        assert_eq!(kafka(keys).codes().len(), 1, "{keys}");
        assert_eq!(kafka(keys).held(), ["orders/facts@1"], "{keys}");
    }
}
