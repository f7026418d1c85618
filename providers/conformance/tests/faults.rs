//! Injected faults are the same for the same seed, and keep what the interface promises about effects.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use datamesh_conformance::testing::jumping_context;
use datamesh_conformance::{FakeSystem, FaultPlan, Faulty};
use datamesh_provider::{
    ErrorKind, ObjectId, OpAction, OpOutcome, Operation, OperationId, Outcome, Packed, Provider, ReadRequest,
    SystemName, TypeName,
};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

fn ops() -> Vec<Operation> {
    let op = |n: usize| Operation {
        id: OperationId(format!("op {n}")),
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
    };
    (0..200).map(op).collect()
}

async fn outcomes(plan: FaultPlan, reversed: bool) -> (BTreeMap<String, Outcome>, FakeSystem) {
    let faulty = Faulty::new(FakeSystem::in_memory("kafka.default"), plan);
    let mut ops = ops();
    if reversed {
        ops.reverse();
    }
    let sink = Mutex::new(Vec::<OpOutcome>::new());
    faulty.apply(&jumping_context(), &ops, &sink).await;
    let answers = sink.into_inner().expect("not poisoned");
    (answers.into_iter().map(|a| (a.id.0, a.outcome)).collect(), faulty.inner().clone())
}

fn kind(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done(_) => "done",
        Outcome::Rejected(_) => "rejected",
        Outcome::Indeterminate(_) => "indeterminate",
        _ => "other",
    }
}

#[tokio::test]
async fn equal_seeds_give_equal_faults_in_any_order() {
    let plan =
        FaultPlan { seed: 7, lost_answers: 200, refused: 200, unreported: 100, ..FaultPlan::default() };
    let kinds = |found: &BTreeMap<String, Outcome>| -> BTreeMap<String, &str> {
        found.iter().map(|(id, outcome)| (id.clone(), kind(outcome))).collect()
    };
    let (first, _) = outcomes(plan, false).await;
    let (again, _) = outcomes(plan, true).await;
    assert_eq!(kinds(&first), kinds(&again));
    let (other, _) = outcomes(FaultPlan { seed: 8, ..plan }, false).await;
    assert_ne!(kinds(&first), kinds(&other));
    for wanted in ["done", "rejected", "indeterminate"] {
        assert!(first.values().any(|outcome| kind(outcome) == wanted), "no {wanted} among 200");
    }
    assert!(first.len() < 200, "some say nothing");
}

#[tokio::test]
async fn what_is_refused_has_no_effect_and_what_is_lost_has() {
    let plan = FaultPlan { seed: 3, lost_answers: 300, refused: 300, ..FaultPlan::default() };
    let (found, system) = outcomes(plan, false).await;
    let there = system.look().expect("a world").objects.remove("fake_thing").expect("things");
    for (id, outcome) in found {
        let name = id.replace("op ", "x");
        assert_eq!(there.contains_key(&name), !matches!(outcome, Outcome::Rejected(_)), "{id}: {outcome:?}");
    }
}

#[tokio::test]
async fn forbidden_is_never_absent_and_slow_takes_time() {
    let plan = FaultPlan {
        seed: 1,
        forbidden_reads: 500,
        slow: 1000,
        slow_by: Duration::from_secs(2),
        ..FaultPlan::default()
    };
    let faulty = Faulty::new(FakeSystem::in_memory("kafka.default"), plan);
    let request = |n| ReadRequest::of(TypeName::new("fake_thing"), ObjectId::new(format!("x{n}")));
    let want: Vec<ReadRequest> = (0..50).map(request).collect();
    let cx = jumping_context();
    let sink = Mutex::new(Vec::new());
    faulty.read(&cx, &want, &sink).await;
    let answers = sink.into_inner().expect("not poisoned");
    assert_eq!(answers.len(), 50);
    let forbidden = answers.iter().filter(|a| matches!(&a.result, Err(e) if e.kind == ErrorKind::Forbidden));
    assert!((5..45).contains(&forbidden.count()));
    assert_eq!(cx.clock.monotonic(), Duration::from_secs(100));
}

#[tokio::test]
async fn a_system_that_dies_on_purpose_stays_dead() {
    let system = FakeSystem::in_memory("kafka.default");
    system.edit(|system| system.faults.dies_after = Some(3)).expect("a world");
    let sink = Mutex::new(Vec::<OpOutcome>::new());
    let cx = jumping_context();
    system.apply(&cx, &ops()[..5], &sink).await;
    let kinds: Vec<&str> =
        sink.lock().expect("not poisoned").iter().map(|answer| kind(&answer.outcome)).collect();
    assert_eq!(kinds, ["done", "done", "done", "rejected", "rejected"]);
    assert!(system.facts(&cx).await.is_err());
}
