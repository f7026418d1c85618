//! What is there after the program or a server was killed in the middle of an apply.

use crate::mesh_folder::{Mesh, Ran, Systems, unique};
use crate::support::servers::{servers, usable};
use crate::under_way::UnderWay;
use crate::witness::Witness;
use datamesh::sandbox::{self, DownOptions, Silent, UpOptions};

/// Enough that an apply takes a while.
const PRODUCTS: usize = 40;

fn products(mesh: &Mesh) {
    for n in 0..PRODUCTS {
        let fields = "schema:\n  fields:\n    - { name: id, type: string, required: true }\n";
        let topic = "  - { type: streaming, technology: kafka }\n";
        let table = "  - { type: batch, technology: iceberg }\n";
        mesh.product(&format!("p{n:02}"), &format!("{fields}output_ports:\n{topic}{table}"));
    }
}

/// On S3 the lock of a dead run outlives it. Whoever comes is told whose it is; taken away, it is free once that run's
/// last call would have ended; and what the run left is settled.
#[test]
fn the_lock_of_a_run_that_was_killed_is_taken_away_on_s3() {
    let Some(servers) = servers() else { return };
    let Some(witness) = Witness::of(servers) else { return };
    let prefix = unique("s3-killed");
    let state = format!("killed-{}", std::process::id());
    let mesh = Mesh::with_state_on_s3(servers, &Systems::shared(servers, &prefix), &state);
    mesh.run(&["doctor"]).exits(0).says(&["its storage keeps conditional writes"]);
    products(&mesh);
    let mut apply = UnderWay::apply(&mesh);
    assert!(apply.until_done(20), "the apply was too short to be killed");
    apply.child.kill().expect("killable");
    apply.end();
    let held = mesh.run(&["lock", "show", "sales", "--json"]).exits(0);
    let held: serde_json::Value = serde_json::from_str(held.last_line()).expect("an object");
    let run = held["holder"]["id"].as_str().expect("a run").to_owned();
    mesh.run(&["apply", "--auto-approve"]).exits(4).says(&["is locked by", "--lock-timeout"]);
    mesh.run(&["force-unlock", "another", "--auto-approve"]).exits(1).says(&["no lock", &run]);
    mesh.run(&["force-unlock", &run, "--auto-approve"]).exits(0).says(&["Unlocked 1 domain: sales"]);
    mesh.run(&["lock", "list"]).exits(0).says(&["No lock is held."]);
    mesh.apply_settles();
    assert_eq!(witness.topics(&prefix).len(), PRODUCTS);
    mesh.run(&["history"]).exits(0).says(&["force-unlock", &run, "killed; settled by run", "complete"]);
    mesh.run(&["audit", "verify"]).exits(0).says(&["unbroken"]);
    mesh.destroy();
    assert_eq!(witness.topics(&prefix), [""; 0]);
}

/// A port base that is free now, that no other test process is likely to look at, and below those that clients get.
fn port_base() -> u16 {
    let start = 12_000 + (std::process::id() % 300) as u16 * sandbox::BLOCK;
    sandbox::free_port_base(start).expect("free ports")
}

const TOPICS: usize = 12;

/// Products with one topic each, whose size and configs follow from a number.
fn topics(mesh: &Mesh, size: usize) {
    for n in 0..TOPICS {
        let fields = "schema:\n  fields:\n    - { name: id, type: string, required: true }\n";
        let port = format!("type: streaming, technology: kafka, partitions: {size}, retention: {size}d");
        mesh.product(&format!("p{n:02}"), &format!("{fields}output_ports:\n  - {{ {port} }}\n"));
    }
}

/// An apply during which Kafka is killed. It may be faster than the kill: then another one is begun.
async fn cut_off(mesh: &Mesh, sandbox: &UpOptions) -> Ran {
    for size in 2.. {
        let status = sandbox::up(sandbox, &Silent).await.expect("the servers run");
        let pid = status.server("kafka").and_then(|kafka| kafka.pid).expect("it runs");
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
        topics(mesh, size);
        let mut apply = UnderWay::apply(mesh);
        assert!(apply.until_done(1));
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killable");
        let ran = apply.end();
        if ran.code != Some(0) || size > 6 {
            return ran;
        }
    }
    unreachable!("it ends before the numbers do")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_says_that_kafka_went_away_and_the_next_one_finishes() {
    let temp = tempfile::tempdir().expect("a folder");
    let dir = temp.path().join("sandbox");
    let options = UpOptions { dir: dir.clone(), port_base: Some(port_base()), ..UpOptions::default() };
    let Some(status) = usable(sandbox::up(&options, &Silent).await) else { return };
    let kafka = status.server("kafka").expect("there is one").clone();
    let systems = Systems {
        kafka: kafka.endpoint.clone(),
        registry: status.server("registry").expect("there is one").endpoint.clone(),
        prefix: String::new(),
    };
    let mesh = Mesh::with(&systems);
    topics(&mesh, 1);
    mesh.apply();

    // Growing comes first, and the configs in a second step: between the two there is no Kafka any more.
    let again = UpOptions { dir: dir.clone(), ..UpOptions::default() };
    let ran = cut_off(&mesh, &again).await;
    assert!(matches!(ran.code, Some(6 | 7)), "{ran}");
    ran.says(&[
        "kafka.default",
        &kafka.endpoint,
        "sales/p03@1:kafka_topic.kafka",
        "bootstrap_servers",
        "datamesh apply",
    ]);
    let plan = mesh.run(&["plan"]).exits(1).says(&["kafka.default", &kafka.endpoint]);
    assert!(plan.last_line().starts_with("No changes."), "nothing is made up of what cannot be read: {plan}");
    mesh.run(&["drift"]).exits(1).says(&["unreadable", &kafka.endpoint]);

    assert!(sandbox::up(&again, &Silent).await.expect("Kafka comes back").is_ready());
    mesh.apply_settles();
    mesh.run(&["drift"]).exits(0);
    let state = mesh.run(&["state", "list"]).exits(0);
    assert_eq!(state.out.matches("kafka_topic").count(), TOPICS);
    mesh.destroy();
    sandbox::down(&DownOptions { dir, wipe: true }, &Silent).await.expect("it stops");
}

#[test]
fn what_does_not_need_an_unreachable_registry_is_planned() {
    let Some(servers) = servers() else { return };
    let prefix = unique("unreachable");
    // A port of this machine where nobody listens.
    let mut systems = Systems::shared(servers, &prefix);
    systems.registry = "http://127.0.0.1:9/apis/ccompat/v7".to_owned();
    let mesh = Mesh::with(&systems);
    let fields = "schema:\n  fields:\n    - { name: id, type: string, required: true }\n";
    mesh.product("orders", &format!("{fields}output_ports:\n  - {{ type: streaming, technology: kafka }}\n"));
    mesh.product("lines", &format!("{fields}output_ports:\n  - {{ type: batch, technology: iceberg }}\n"));
    let plan = mesh.run(&["plan"]).exits(1);
    let plan = plan.says(&["registry.default", "127.0.0.1:9", "sales/lines@1", "iceberg_table.iceberg"]);
    assert!(plan.last_line().starts_with("Plan: "), "{plan}");
    mesh.run(&["apply", "--auto-approve"]).exits(1);
    assert_eq!(mesh.run(&["state", "list"]).exits(0).out.matches("iceberg_table").count(), 1);

    systems.registry = servers.registry().to_owned();
    mesh.environment(&systems);
    mesh.apply_settles();
    mesh.destroy();
}
