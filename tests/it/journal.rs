//! What a run knows and the state does not take is kept, and merged later.

use crate::world::{Mesh, Run, hanging};
use std::fs;

/// Somebody writes a shard without its lock: the next write of whoever has the lock is refused.
fn overtake(mesh: &Mesh, domain: &str) {
    let mut shard = mesh.shards().remove(domain).expect("there");
    shard.serial += 1;
    shard.write_id = "0d6c9f2a-1b3c-4d5e-8f70-112233445566".into();
    let text = datamesh_state::encode(&shard).expect("encodes");
    let bytes = mesh.codec().seal(&format!("test/{domain}"), &text).expect("sealed");
    fs::write(mesh.path(&format!("state/test/{domain}/{}.json", shard.serial)), bytes).expect("written");
}

/// An apply whose shard of `orders` was taken from it while its first calls were under way; its name.
pub(crate) fn overtaken(mesh: &Mesh) -> String {
    let (child, frozen) = hanging(mesh);
    overtake(mesh, "orders");
    frozen.thaw();
    let run = Run::of(&child.wait_with_output().expect("it ends")).ends(6).says(&[
        "was changed by somebody else",
        "could not be stored",
        "datamesh recover",
    ]);
    let text = run.text();
    text.lines().find_map(|line| line.strip_prefix("run ")).expect("its name").to_owned()
}

#[test]
fn outcomes_that_the_state_refused_are_merged_later() {
    let mesh = Mesh::new();
    let run = overtaken(&mesh);
    let pending: usize = mesh.shards().values().map(|shard| shard.pending.len()).sum();
    assert!(pending > 0, "their intents are still there");
    let effects = mesh.effects();
    mesh.run(&["recover", &run]).ends(0).says(&[&format!("{pending} outcome"), "stored."]);
    assert!(!mesh.is_pending());
    assert_eq!(mesh.effects(), effects, "no system was changed");
    mesh.run(&["recover", &run]).ends(0).says(&["0 outcomes stored", "settled already"]);
    mesh.run(&["history"]).ends(0).says(&["recover", &run]);
    mesh.apply();
    mesh.is_sound(&[]);
    mesh.is_converged();
    mesh.run(&["audit", "verify"]).ends(0);
}

/// The name is taken by something else there: nothing can be written beside the state.
#[test]
fn where_the_storage_takes_nothing_the_mesh_folder_does() {
    let mesh = Mesh::new();
    mesh.write("state/_recovery", "in the way");
    let run = overtaken(&mesh);
    assert!(mesh.path(&format!(".datamesh/recovery/test-{run}.json")).is_file());
    mesh.remove("state/_recovery");
    mesh.run(&["recover", &run]).ends(0).says(&["stored"]);
    assert!(!mesh.is_pending());
    mesh.apply();
    mesh.is_sound(&[]);
    mesh.is_converged();
}

#[test]
fn an_apply_settles_what_nobody_merged() {
    let mesh = Mesh::new();
    let run = overtaken(&mesh);
    mesh.apply();
    mesh.is_sound(&[]);
    mesh.is_converged();
    mesh.run(&["recover", &run]).ends(0).says(&["0 outcomes stored"]);
    mesh.is_converged();
}

#[test]
fn a_run_that_left_nothing_is_told() {
    let mesh = Mesh::applied();
    mesh.run(&["recover", "20260101T000000Z-00000000"]).ends(1).says(&["left nothing"]);
    mesh.run(&["recover", "../../etc/passwd"]).ends(1);
}
