//! Several Kafka clusters in one environment.

use crate::mesh_folder::{Mesh, Systems, unique};
use crate::support::broker::{Broker, Setup};
use crate::support::servers::servers;
use crate::witness::Witness;
use serde_json::json;

const HERE: &str = "output_ports: [{ technology: kafka, retention: 7d }]\n";
const THERE: &str = "output_ports: [{ technology: kafka, cluster: eu, retention: 7d }]\n";

#[test]
fn each_port_is_on_its_cluster_and_one_that_is_down_holds_back_its_own() {
    let Some(servers) = servers() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(eu) = Broker::start(folder, &Setup::default()) else { return };
    let (Some(here), Some(there)) = (Witness::of(servers), Witness::of(servers)) else { return };
    let there = there.at(&eu.address("PLAINTEXT"));
    let prefix = unique("clusters");
    let mesh = Mesh::with(&Systems::shared(servers, &prefix));
    let mut environment = Systems::shared(servers, &prefix).environment();
    environment["kafka"]["eu"] = json!({"bootstrap_servers": eu.address("PLAINTEXT")});
    mesh.mesh_document(&environment);
    mesh.product("here", HERE);
    mesh.product("there", THERE);
    mesh.apply_settles();
    let topic = |name: &str| format!("{prefix}sales.{name}.v1");
    assert_eq!(here.topics(&prefix), [topic("here")]);
    assert_eq!(there.topics(&prefix), [topic("there")]);

    // The same name on both is two topics.
    let both = "output_ports:\n- { name: near, technology: kafka, topic: sales.both.v1, retention: 7d }\n\
        - { name: far, technology: kafka, cluster: eu, topic: sales.both.v1, partitions: 2 }\n";
    mesh.product("both", both);
    mesh.apply_settles();
    let shape = |witness: &Witness| witness.topic(&topic("both"))["partitions"].clone();
    assert_eq!((shape(&here), shape(&there)), (json!(1), json!(2)));

    // Another cluster for a port is another topic: the old one holds data and stays until somebody decides.
    mesh.product("there", HERE);
    let moved = mesh.run(&["plan"]).exits(1);
    moved.says(&["DM0307", "leave the data behind in kafka.eu", "Put it back into kafka.eu"]);
    assert_eq!(there.topics(&prefix), [topic("both"), topic("there")]);
    mesh.product("there", THERE);
    mesh.is_settled();

    drop(eu);
    mesh.product("here", &HERE.replace("7d", "8d"));
    mesh.product("there", &THERE.replace("7d", "8d"));
    let ran = mesh.run(&["apply", "--auto-approve"]);
    ran.exits(1).says(&["kafka.eu at 127.0.0.1", "Applied. "]);
    assert_eq!(here.topic(&topic("here"))["config"]["retention.ms"], json!("691200000"));
}
