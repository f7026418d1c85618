//! Two runs at once, systems that do not answer, and signals.

use crate::world::{Mesh, PROFILE, Run, SYSTEMS, hanging, pause};
use std::process::Child;

const APPLY: &[&str] = &["apply", "--auto-approve"];

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs");
    assert!(sent.success());
}

fn end(child: Child) -> Run {
    Run::of(&child.wait_with_output().expect("it ends"))
}

/// Everything is there, made once, recorded, and nothing is left to do.
#[track_caller]
fn is_complete(mesh: &Mesh) {
    let reference = Mesh::new();
    reference.apply();
    let once = |mesh: &Mesh| {
        let mut all: Vec<String> = mesh.effects().iter().map(|e| e.replace(" Update ", " Create ")).collect();
        all.sort();
        all
    };
    assert_eq!(once(mesh), once(&reference));
    assert_eq!(mesh.objects(), reference.objects());
    mesh.is_sound(&[]);
    mesh.is_converged();
}

// Two runs.

#[test]
fn two_applies_at_once_make_nothing_twice() {
    for _ in 0..6 {
        let mesh = Mesh::new();
        let children = [mesh.start(APPLY), mesh.start(APPLY)];
        let runs = children.map(end);
        for run in &runs {
            assert!(matches!(run.code, Some(0 | 4)), "{:?}\n{}", run.code, run.text());
        }
        assert!(runs.iter().any(|run| run.code == Some(0)), "{runs:#?}");
        is_complete(&mesh);
    }
}

#[test]
fn who_is_locked_out_is_told_by_whom_and_changes_nothing() {
    let mesh = Mesh::new();
    let (child, frozen) = hanging(&mesh);
    let process = format!("process {}", child.id());
    mesh.run(APPLY).ends(4).says(&["is locked by tester on", &process, "`apply`", "--lock-timeout"]);
    mesh.run(&["destroy", "--all", "--auto-approve"]).ends(4);
    // A plan takes no lock: it says what is under way and leaves it out.
    let plan = mesh.run(&["plan"]).ends(0).says(&["is being changed by tester on", &process]);
    assert!(!plan.out.contains("kafka_topic.kafka orders.events.v3"), "{}", plan.text());
    frozen.thaw();
    end(child).ends(0);
    is_complete(&mesh);
}

#[test]
fn who_waits_for_the_lock_goes_on_from_what_the_other_did() {
    let mesh = Mesh::new();
    let (child, frozen) = hanging(&mesh);
    let waiting = mesh.start(&["apply", "--auto-approve", "--lock-timeout", "30s"]);
    pause(300);
    frozen.thaw();
    end(child).ends(0);
    end(waiting).ends(0);
    is_complete(&mesh);
}

#[test]
fn many_who_wait_all_end_well() {
    let mesh = Mesh::new();
    let start = |_| mesh.start(&["apply", "--auto-approve", "--lock-timeout", "30s"]);
    let children: Vec<Child> = (0..5).map(start).collect();
    for child in children {
        end(child).ends(0);
    }
    is_complete(&mesh);
}

// Systems that do not answer.

#[test]
fn a_system_that_cannot_be_reached_is_named_and_the_rest_is_applied() {
    let mesh = Mesh::new();
    mesh.replace(PROFILE, "orders.facts.v1", "crm.public.customers");
    mesh.edit("iceberg.default", |world| world.faults.unreachable = true);
    let address = mesh.path("world.json").canonicalize().expect("a path").display().to_string();
    let hint = "take `unreachable` out";
    let words = ["iceberg.default", address.as_str(), "nobody answers", hint];
    mesh.run(&["plan"]).ends(1).says(&words);
    mesh.run(APPLY).ends(1).says(&words);
    let made = mesh.objects();
    assert!(made.contains_key("kafka.default kafka_topic customers.profile.v1"), "{:?}", made.keys());
    assert!(made.keys().all(|object| !object.contains("facts")), "{:?}", made.keys());
    mesh.edit("iceberg.default", |world| world.faults = Default::default());
    mesh.apply();
    mesh.is_sound(&[]);
    mesh.is_converged();
}

#[test]
fn a_system_that_cannot_be_reached_deletes_nothing_of_what_is_recorded() {
    let mesh = Mesh::with("on_remove: destroy");
    mesh.apply();
    for system in SYSTEMS {
        mesh.edit(system, |world| world.faults.unreachable = true);
        let before = mesh.records();
        mesh.run(APPLY).ends(1).says(&[system]);
        mesh.run(&["drift"]).ends(1).says(&[system, "nobody answers"]);
        assert_eq!(mesh.records().keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
        mesh.edit(system, |world| world.faults = Default::default());
    }
    is_complete(&mesh);
}

/// Each system goes away after each of its effects, in turn.
#[test]
fn a_system_that_goes_away_in_the_middle_leaves_a_true_state() {
    for system in SYSTEMS {
        let mesh = Mesh::new();
        let mut rounds = 0;
        loop {
            mesh.edit(system, |world| world.faults.dies_after = Some(1));
            let run = mesh.run(APPLY);
            mesh.edit(system, |world| world.faults = Default::default());
            assert!(mesh.shards().values().all(|shard| shard.pending.is_empty()), "{}", run.text());
            if run.code == Some(0) {
                break;
            }
            assert!(matches!(run.code, Some(1 | 6)), "{:?}\n{}", run.code, run.text());
            run.says(&[system, "nobody answers"]);
            rounds += 1;
            assert!(rounds < 20, "{system} never gets anywhere");
        }
        assert!(rounds > 0, "{system}");
        is_complete(&mesh);
    }
}

#[test]
fn a_lost_answer_is_neither_success_nor_failure() {
    let ids = [
        ("kafka.default", "orders.events.v3"),
        ("registry.default", "orders.events.v3-value"),
        ("iceberg.default", "orders"),
        ("iceberg.default", "orders.facts"),
        ("catalog.default", "orders/facts@1"),
    ];
    for (system, id) in ids {
        let mesh = Mesh::new();
        mesh.edit(system, |world| world.faults.lost = [id.to_owned()].into());
        let run = mesh.run(APPLY).ends(7).says(&[id, "not known"]);
        assert!(!run.out.contains("No changes"), "{}", run.text());
        assert!(mesh.is_pending(), "{id}");
        mesh.run(&["plan"]).says(&["was interrupted"]);
        mesh.edit(system, |world| world.faults = Default::default());
        mesh.apply();
        is_complete(&mesh);
    }
}

#[test]
fn a_lost_answer_to_a_deletion_is_settled_by_the_next_run() {
    let mesh = Mesh::applied();
    mesh.edit("kafka.default", |world| world.faults.lost = ["customers.profile.v1".to_owned()].into());
    let destroy = ["destroy", "--all", "--auto-approve"];
    mesh.run(&destroy).ends(7);
    mesh.edit("kafka.default", |world| world.faults = Default::default());
    mesh.run(&destroy).ends(0);
    assert!(mesh.objects().is_empty(), "{:?}", mesh.objects().keys());
    assert!(mesh.records().is_empty());
    mesh.is_sound(&[]);
}

/// What is rejected had no effect; what waits for it is not started, and the next run does both.
#[test]
fn what_a_system_refuses_is_named_and_the_rest_goes_on() {
    let mesh = Mesh::new();
    mesh.edit("kafka.default", |world| world.faults.rejected = ["orders.events.v3".to_owned()].into());
    mesh.run(APPLY).ends(6).says(&["orders/events@3:kafka_topic.kafka", "refused on purpose"]);
    assert!(mesh.objects().contains_key("kafka.default kafka_topic customers.profile.v1"));
    assert!(mesh.objects().keys().all(|object| !object.contains("orders.events.v3-value")));
    mesh.edit("kafka.default", |world| world.faults = Default::default());
    mesh.apply();
    is_complete(&mesh);
}

// Signals.

#[test]
fn a_signal_lets_calls_under_way_end_and_saves_the_state() {
    for name in ["INT", "TERM"] {
        let mesh = Mesh::new();
        let (child, frozen) = hanging(&mesh);
        signal(&child, name);
        pause(300);
        frozen.thaw();
        let run = end(child).ends(130);
        assert!(!mesh.is_pending(), "{name}: {}", run.text());
        let made = mesh.objects().len();
        assert!(made < 15, "{name}: {made} objects");
        mesh.is_sound(&[]);
        mesh.apply();
        is_complete(&mesh);
    }
}

#[test]
fn a_signal_ends_the_wait_for_a_lock() {
    let mesh = Mesh::new();
    let (child, frozen) = hanging(&mesh);
    let waiting = mesh.start(&["apply", "--auto-approve", "--lock-timeout", "10m"]);
    pause(300);
    signal(&waiting, "INT");
    end(waiting).ends(130).says(&["interrupted"]);
    frozen.thaw();
    end(child).ends(0);
    is_complete(&mesh);
}

#[test]
fn killed_while_calls_hang() {
    let mesh = Mesh::new();
    let (mut child, frozen) = hanging(&mesh);
    child.kill().expect("killed");
    child.wait().expect("ended");
    frozen.thaw();
    // The lock died with its process.
    mesh.apply();
    is_complete(&mesh);
}

/// The instants are spread over the whole length of a run.
#[test]
fn killed_at_any_instant() {
    let mut cut_off = 0;
    for instant in 0..10 {
        let mesh = Mesh::new();
        let mut child = mesh.start(APPLY);
        pause(5 + instant * 12);
        child.kill().expect("killed");
        cut_off += usize::from(child.wait().expect("ended").code().is_none());
        mesh.apply();
        is_complete(&mesh);
    }
    assert!(cut_off > 0, "every run was faster than five milliseconds");
}
