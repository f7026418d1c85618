//! A process that is killed at a call leaves the world as it was before it, or after it.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use datamesh_conformance::testing::jumping_context;
use datamesh_conformance::{FakeSystem, KILL_VARIABLE};
use datamesh_provider::{ObjectId, OpAction, Operation, OperationId, Packed, Provider, SystemName, TypeName};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

const WORLD: &str = "DATAMESH_FAKE_TEST_WORLD";

fn create(n: usize) -> Operation {
    Operation {
        id: OperationId(n.to_string()),
        address: format!("d/p@1:fake_thing.x{n}").parse().expect("an address"),
        ty: TypeName::new("fake_thing"),
        system: SystemName::new("kafka", "default"),
        object: ObjectId::new(format!("x{n}")),
        action: OpAction::Create,
        step: "create".into(),
        prior: None,
        live: None,
        planned: Some(Packed::default()),
        incarnation: None,
        owner: "o".into(),
    }
}

/// What the other process runs: not a test of its own unless a parent asks for it.
#[tokio::test]
async fn child() {
    let Ok(path) = std::env::var(WORLD) else { return };
    let system = FakeSystem::in_file("kafka.default", path);
    let ops: Vec<Operation> = (1..=5).map(create).collect();
    system.apply(&jumping_context(), &ops, &Mutex::new(Vec::new())).await;
}

fn run(world: &Path, kill: Option<&str>) -> bool {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["child", "--exact"]).env(WORLD, world).env_remove(KILL_VARIABLE);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(kill) = kill {
        command.env(KILL_VARIABLE, kill);
    }
    command.status().expect("a process").success()
}

fn things(world: &Path) -> usize {
    let system = FakeSystem::in_file("kafka.default", world).look().expect("a world that is whole");
    let things = system.objects.get("fake_thing").map_or(0, |things| things.len());
    assert_eq!(system.effects.len(), things, "each effect is one object");
    things
}

#[test]
fn every_call_can_be_the_last_and_the_next_process_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    for call in 1..=5 {
        for (stage, expected) in [("before-call", call - 1), ("after-call", call)] {
            let world = folder.path().join(format!("{call}-{stage}.json"));
            assert!(!run(&world, Some(&format!("{call}:{stage}"))), "{call} {stage}: it was killed");
            assert_eq!(things(&world), expected, "{call} {stage}");
            assert!(run(&world, None), "the lock of the dead is free");
            assert_eq!(things(&world), 5);
        }
    }
    let world = folder.path().join("whole.json");
    assert!(run(&world, Some("6:before-call")), "there is no sixth call");
    assert_eq!(things(&world), 5);
}
