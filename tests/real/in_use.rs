//! What is told of topics before they are deleted.

use crate::mesh_folder::{Mesh, Systems, unique};
use crate::support::servers::servers;
use crate::witness::Witness;

#[test]
fn topics_in_use_are_named_before_they_are_deleted() {
    let Some(servers) = servers() else { return };
    let Some(witness) = Witness::of(servers) else { return };
    let prefix = unique("in-use");
    let mesh = Mesh::with(&Systems::shared(servers, &prefix));
    for product in ["written", "old", "read", "idle"] {
        mesh.product(
            product,
            "output_ports: [{ technology: kafka, partitions: 2, retention: 90d }]\nlifecycle: { on_remove: destroy }\n",
        );
    }
    mesh.apply_settles();
    let topic = |product: &str| format!("{prefix}sales.{product}.v1");
    witness.add_records(&topic("written"), 3, 0);
    witness.add_records(&topic("old"), 12, 40);
    let group = format!("{prefix}loader");
    let reader = witness.reader(&topic("read"), &group);

    let plan = mesh.run(&["destroy", "--all"]);
    let (written, old, read) = (
        format!(
            "The topic {} is to be deleted and is in use: it holds about 3 records, the newest of",
            topic("written")
        ),
        format!(
            "The topic {} is to be deleted: it holds about 12 records, the newest of 40 days ago.",
            topic("old")
        ),
        format!(
            "The topic {} is to be deleted and is in use: it is read by the consumer group {group}.",
            topic("read")
        ),
    );
    let plan = plan.says(&["warning[DM0523]", "note[DM0524]", &written, &old, &read]);
    plan.keeps_quiet_about(&[&format!("The topic {} is to be deleted", topic("idle"))]);
    assert_eq!(witness.topics(&prefix).len(), 4, "nobody said yes");

    // A manifest that is gone takes no topic from whoever reads it.
    mesh.remove("domains/sales/read.yaml");
    let kept = mesh.run(&["apply", "--auto-approve"]).exits(1);
    let address = "sales/read@1:kafka_topic.kafka";
    kept.says(&["error[DM0523]", &read, &format!("or say `--allow-destroy {address}`"), "Held back"]);
    assert_eq!(witness.topics(&prefix).len(), 4);
    let allowed = mesh.run(&["plan", "--allow-destroy", address]).exits(0);
    allowed.says(&["warning[DM0523]", &read]).keeps_quiet_about(&["--allow-destroy"]);

    // Who left the group is no reader any more.
    drop(reader);
    let plan = mesh.apply().says(&["2 to delete"]);
    plan.keeps_quiet_about(&[&group]);
    assert_eq!(witness.topics(&prefix).len(), 3);
    mesh.destroy().says(&[&old]);
    assert!(witness.topics(&prefix).is_empty());
}
