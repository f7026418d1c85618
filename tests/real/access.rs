//! Who may use a topic, on a cluster that enforces it.

use crate::mesh_folder::{Mesh, Systems, unique};
use crate::support::servers::{Servers, servers};
use crate::witness::Witness;
use datamesh_conformance::testing::{RealClock, context};
use datamesh_conformance::{Sample, Suite};
use datamesh_kafka::DEF;
use datamesh_provider::{ConnectRequest, Located, ObjectId, Packed, Provider, SystemName};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

async fn connect(address: &str) -> Arc<dyn Provider> {
    let settings = Located { value: json!({"bootstrap_servers": address}), ..Located::default() };
    let context = context(Arc::new(RealClock::default()));
    let request = ConnectRequest { name: "kafka.default".into(), settings, root: ".".into(), context };
    (DEF.connect)(request).await.expect("connects")
}

#[tokio::test(flavor = "multi_thread")]
async fn bindings_conform() {
    let Some(servers) = servers() else { return };
    let run = std::process::id();
    let sample = move |name: &str| {
        let topic = format!("kacl-{run}-{name}");
        let binding = json!({
            "resource": "topic", "name": topic, "pattern": "prefixed", "principal": format!("User:kacl-{run}"),
            "host": "*", "operation": "read", "permission": "allow",
        });
        let binding = Packed::encode(&binding).expect("a map");
        let id = ObjectId::new(format!("read@topic-prefix={topic}@User:kacl-{run}"));
        Sample { id, create: binding.clone(), update: binding }
    };
    let mut cx = context(Arc::new(RealClock::default()));
    cx.budget.call_timeout = Duration::from_secs(5);
    let broken = datamesh_conformance::run(Suite {
        provider: connect(servers.kafka()).await,
        unreachable: Some(connect("127.0.0.1:1").await),
        system: SystemName::new("kafka", "default"),
        ty: DEF.types[1],
        sample: &sample,
        incarnations: false,
        batch: 20,
        context: cx,
    })
    .await;
    assert_eq!(broken, Vec::<String>::new());
}

fn start(test: &str) -> Option<(&'static Servers, Mesh, Witness, String)> {
    let servers = servers()?;
    let prefix = unique(test);
    let witness = Witness::of(servers)?;
    Some((servers, Mesh::with(&Systems::shared(servers, &prefix)), witness, prefix))
}

fn product(port: &str) -> String {
    format!(
        "schema:\n  fields:\n    - {{ name: id, type: string }}\noutput_ports:\n  - {{ technology: kafka{port} }}\n"
    )
}

#[test]
fn who_is_declared_may_read_and_nobody_else() {
    let Some((servers, mesh, witness, prefix)) = start("access") else { return };
    let topic = format!("{prefix}sales.orders.v1");
    let (billing, stranger) = (format!("{prefix}billing"), format!("{prefix}stranger"));
    let principal = format!("User:{billing}");
    for user in [&billing, &stranger] {
        witness.make_user(user, "secret-of-a-test");
    }
    let may_read = |user: &str| {
        let (sasl, ..) = servers.kafka_sasl();
        witness.may_read(sasl, (user, "secret-of-a-test"), &topic, &format!("{user}-group"))
    };
    mesh.product("orders", &product(&format!(", consumers: [{{ principal: 'User:{billing}' }}]")));
    mesh.run(&["plan"]).exits(0).says(&[
        &format!("{principal} gains READ on the topic {topic}"),
        &format!("{principal} gains READ on every group that begins with {billing}"),
    ]);
    mesh.apply_settles();
    let of_billing = [
        format!("ALLOW DESCRIBE TOPIC LITERAL {topic} *"),
        format!("ALLOW READ GROUP PREFIXED {billing} *"),
        format!("ALLOW READ TOPIC LITERAL {topic} *"),
    ];
    assert_eq!(witness.acls(&principal), of_billing);
    assert_eq!(may_read(&billing), "yes");
    assert!(may_read(&stranger).contains("AUTHORIZATION_FAILED"));

    // What somebody else made stays, whoever declares the same later.
    witness.make_acl(&format!("User:{stranger}"), &format!("READ TOPIC LITERAL {topic}"));
    let both =
        format!(", consumers: [{{ principal: 'User:{billing}' }}, {{ principal: 'User:{stranger}' }}]");
    mesh.product("orders", &product(&both));
    mesh.apply_settles();
    assert_eq!(witness.acls(&format!("User:{stranger}")).len(), 3);
    mesh.product("orders", &product(""));
    let plan = mesh.run(&["plan"]).exits(0);
    plan.says(&[&format!("{principal} loses READ on the topic {topic}")]);
    mesh.apply_settles();
    assert_eq!(witness.acls(&principal), Vec::<String>::new());
    assert_eq!(witness.acls(&format!("User:{stranger}")), [format!("ALLOW READ TOPIC LITERAL {topic} *")]);
    mesh.destroy();
}

#[test]
fn a_group_is_shared_by_products_until_the_last_one_lets_go() {
    let Some((_, mesh, witness, prefix)) = start("shared") else { return };
    let principal = format!("User:{prefix}reports");
    let consumer = product(&format!(", consumers: [{{ principal: '{principal}' }}]"));
    let group = format!("ALLOW READ GROUP PREFIXED {prefix}reports *");
    let has_group = || witness.acls(&principal).contains(&group);
    mesh.product("orders", &consumer);
    mesh.product("returns", &consumer);
    mesh.apply_settles();
    assert_eq!(witness.acls(&principal).len(), 5);
    mesh.product("orders", &product(""));
    mesh.apply_settles();
    assert!(has_group() && witness.acls(&principal).len() == 3);
    // Another one joins, and the one that made it leaves.
    mesh.product("refunds", &consumer);
    mesh.apply_settles();
    mesh.product("returns", &product(""));
    mesh.apply_settles();
    assert!(has_group() && witness.acls(&principal).len() == 3);
    mesh.product("refunds", &product(""));
    mesh.apply_settles();
    assert_eq!(witness.acls(&principal), Vec::<String>::new());
    mesh.destroy();
}

/// From now on the mesh is that of somebody who logs in.
fn as_user(mesh: &mut Mesh, servers: &Servers, prefix: &str, witness: &Witness, user: &str) {
    witness.make_user(user, "secret-of-a-test");
    mesh.set("KAFKA_PASSWORD", "secret-of-a-test");
    let mut environment = Systems::shared(servers, prefix).environment();
    environment["kafka"]["default"] = json!({"bootstrap_servers": servers.kafka_sasl().0, "properties": {
        "security.protocol": "sasl_plaintext", "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.username": user, "sasl.password": "${env:KAFKA_PASSWORD}"}});
    mesh.mesh_document(&environment);
}

#[test]
fn what_may_not_be_seen_is_forbidden_and_not_absent() {
    let Some((servers, mut mesh, witness, prefix)) = start("hidden") else { return };
    let topic = format!("{prefix}sales.orders.v1");
    mesh.product("orders", &product(""));
    mesh.apply_settles();
    as_user(&mut mesh, servers, &prefix, &witness, &format!("{prefix}nobody"));
    let plan = mesh.run(&["plan"]).exits(1).says(&[&topic, "TOPIC_AUTHORIZATION_FAILED", "needs DESCRIBE"]);
    assert!(plan.last_line().starts_with("No changes."), "nothing is made up of what is hidden: {plan}");
    mesh.run(&["drift"]).exits(1).says(&["1 unreadable"]);
    mesh.run(&["apply", "--auto-approve"]).exits(1);
    mesh.run(&["destroy", "--all", "--auto-approve"]).says(&["TOPIC_AUTHORIZATION_FAILED"]);
    assert_eq!(witness.topics(&topic), [topic.as_str()]);
    mesh.environment(&Systems::shared(servers, &prefix));
    mesh.destroy();
}

#[test]
fn who_may_only_look_can_plan() {
    let Some((servers, mut mesh, witness, prefix)) = start("looker") else { return };
    let topic = format!("{prefix}sales.orders.v1");
    mesh.product("orders", &product(", retention: 7d"));
    mesh.apply_settles();
    let looker = format!("{prefix}looker");
    // What README says planning needs.
    for right in [
        format!("DESCRIBE TOPIC PREFIXED {prefix}"),
        format!("DESCRIBE_CONFIGS TOPIC PREFIXED {prefix}"),
        "DESCRIBE BROKER LITERAL kafka-cluster".to_owned(),
    ] {
        witness.make_acl(&format!("User:{looker}"), &right);
    }
    as_user(&mut mesh, servers, &prefix, &witness, &looker);
    mesh.is_settled();
    mesh.run(&["drift"]).exits(0);
    mesh.product("orders", &product(", retention: 14d, consumers: [{ principal: 'User:x' }]"));
    let plan = mesh.run(&["plan", "--detailed-exitcode"]).exits(2).says(&[
        "not validated: needs ALTER_CONFIGS",
        "14d",
        "User:x gains",
    ]);
    assert!(plan.last_line().contains("1 to update"), "{plan}");
    mesh.run(&["apply", "--auto-approve"]).exits(1).says(&[
        "AUTHORIZATION_FAILED",
        &topic,
        "Nothing was applied. 0",
    ]);
    assert_eq!(witness.topic(&topic)["config"]["retention.ms"], "604800000");
    mesh.environment(&Systems::shared(servers, &prefix));
    mesh.apply_settles();
    assert_eq!(witness.topic(&topic)["config"]["retention.ms"], "1209600000");
    mesh.destroy();
}
