//! Frozen samples of what the program keeps: what an earlier version wrote is read, and written the same.

use crate::world::Mesh;
use datamesh::engine::{PlanFile, PlanFileError};

const PLAN: &[u8] = include_bytes!("samples/plan-v2.json");

#[test]
fn the_frozen_plan_is_read_and_written_byte_for_byte() {
    let plan = PlanFile::decode("sample", PLAN).expect("read");
    assert_eq!(String::from_utf8_lossy(&plan.encode().expect("written")), String::from_utf8_lossy(PLAN));
    let newer = String::from_utf8_lossy(PLAN).replace("\"format\":2", "\"format\":3");
    let error = PlanFile::decode("sample", newer.as_bytes()).expect_err("newer");
    assert!(matches!(error, PlanFileError::Format { found: 3, .. }), "{error}");
}

#[test]
fn the_frozen_plan_is_shown() {
    let mesh = Mesh::new();
    std::fs::write(mesh.path("old.plan"), PLAN).expect("written");
    mesh.run(&["show", "old.plan"]).ends(0).says(&[
        "customers/facts@1",
        "retention.ms",
        "moved here from",
        "Plan: ",
    ]);
}
