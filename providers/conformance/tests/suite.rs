//! The fake keeps every promise, and whoever breaks one is found.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use async_trait::async_trait;
use datamesh_conformance::testing::jumping_context;
use datamesh_conformance::{FakeSystem, FaultPlan, Faulty, Sample, Suite, THING, has_incarnations, run};
use datamesh_provider::{
    Attributes, Context, ErrorKind, Facts, Interruption, Listed, LiveObject, ObjectId, OpAction,
    OpDiagnostics, OpOutcome, Operation, Outcome, Packed, Provider, ProviderError, ReadRequest, ReadResult,
    ResourceType, Sink, SystemName, TypeName,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn map(value: Value) -> Packed {
    Packed::encode(&value).expect("a map")
}

fn thing(name: &str) -> Sample {
    Sample {
        id: ObjectId::new(format!("suite.{name}")),
        create: map(json!({"size": 3, "config": {"a": "1", "b": "2", "name": name}})),
        update: map(json!({"size": 5, "config": {"a": "1", "b": "3", "name": name}})),
    }
}

fn other(name: &str) -> Sample {
    Sample {
        id: ObjectId::new(format!("suite/{name}@1")),
        create: map(json!({"name": name, "schema": "a", "labels": {"x": "1"}})),
        update: map(json!({"name": name, "schema": "b", "labels": {}})),
    }
}

async fn suite(provider: Arc<dyn Provider>, ty: &'static dyn ResourceType) -> Vec<String> {
    let sample = if ty.name() == "fake_thing" { thing } else { other };
    run(Suite {
        provider,
        unreachable: Some(Arc::new(FakeSystem::unreachable("kafka.gone"))),
        system: SystemName::new("kafka", "default"),
        ty,
        sample: &sample,
        incarnations: has_incarnations(ty.name()),
        batch: 20,
        context: jumping_context(),
    })
    .await
}

#[tokio::test]
async fn the_fake_conforms_in_memory_and_in_a_file_for_every_type() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut types: Vec<&'static dyn ResourceType> =
        datamesh_conformance::defs().iter().flat_map(|def| def.types.iter().copied()).collect();
    types.push(&THING);
    for ty in types {
        let memory = FakeSystem::in_memory("kafka.default");
        assert_eq!(suite(Arc::new(memory), ty).await, Vec::<String>::new(), "{ty:?} in memory");
        let file = FakeSystem::in_file("kafka.default", folder.path().join(ty.name()));
        assert_eq!(suite(Arc::new(file.clone()), ty).await, Vec::<String>::new(), "{ty:?} in a file");
        let left = file.look().expect("the world");
        assert!(left.objects.values().all(|things| things.is_empty()), "{ty:?} left something behind");
    }
}

#[tokio::test]
async fn a_wrapper_that_injects_nothing_changes_nothing() {
    let faulty = Faulty::new(FakeSystem::in_memory("kafka.default"), FaultPlan::default());
    assert_eq!(suite(Arc::new(faulty), &THING).await, Vec::<String>::new());
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breach {
    IdentityChanges,
    AbsentTwice,
    AbsentNever,
    ForbiddenReadsAsAbsent,
    UnreachableReadsAsAbsent,
    CreateOverwrites,
    CreateForgetsAttribute,
    CreateAnswersSomethingElse,
    UpdateDoesNothing,
    UpdateRemakes,
    DeleteIgnoresIncarnation,
    DeleteDoesNothing,
    CheckCreates,
    IgnoresLease,
    IgnoresCancel,
    OutcomeTwice,
    OutcomeNever,
    LostAnswer,
    ListForgets,
    ListTwice,
    BatchMixesUp,
    UpdateCreates,
    IncarnationStays,
}

/// A fake that breaks one promise.
#[derive(Debug)]
struct Broken {
    inner: FakeSystem,
    how: Breach,
    calls: Mutex<u64>,
}

impl Broken {
    fn force(&self, op: &Operation, attributes: Packed) -> LiveObject {
        let incarnation = Some("forced-1".to_owned());
        self.inner
            .edit(|system| {
                let things = system.objects.entry(op.ty.as_str().into()).or_default();
                let thing = things.entry(op.object.as_str().into()).or_default();
                thing.incarnation.get_or_insert_with(|| "forced-1".into());
                thing.attributes = Attributes::clone(&attributes);
            })
            .expect("a world in memory");
        LiveObject {
            id: op.object.clone(),
            incarnation,
            attributes,
            computed: Packed::default(),
            owner: None,
        }
    }

    fn remake(&self, op: &Operation, incarnation: &str) {
        let changed = |system: &mut datamesh_conformance::System| {
            let things = system.objects.get_mut(op.ty.as_str());
            if let Some(thing) = things.and_then(|things| things.get_mut(op.object.as_str())) {
                thing.incarnation = Some(incarnation.into());
            }
        };
        self.inner.edit(changed).expect("a world in memory");
    }

    fn twisted(&self, op: &Operation, ops: &[Operation]) -> Option<Outcome> {
        let planned = op.planned.clone().unwrap_or_default();
        match (self.how, op.action) {
            (Breach::CreateOverwrites, OpAction::Create) | (Breach::UpdateCreates, OpAction::Update) => {
                Some(Outcome::Done(self.force(op, planned)))
            }
            (Breach::CreateForgetsAttribute, OpAction::Create) => {
                let mut fewer = planned;
                fewer.remove("size");
                Some(Outcome::Done(self.force(op, fewer)))
            }
            (Breach::UpdateDoesNothing, OpAction::Update) => Some(Outcome::Done(LiveObject {
                id: op.object.clone(),
                incarnation: op.incarnation.clone(),
                attributes: planned,
                computed: Packed::default(),
                owner: None,
            })),
            (Breach::DeleteDoesNothing, OpAction::Delete) => Some(Outcome::Deleted),
            (Breach::BatchMixesUp, OpAction::Create) if ops.len() > 1 => {
                let last = ops.last().and_then(|op| op.planned.clone()).unwrap_or_default();
                Some(Outcome::Done(self.force(op, last)))
            }
            _ => None,
        }
    }

    fn answer(&self, op: &Operation, outcome: Outcome) -> Outcome {
        match (self.how, outcome) {
            (Breach::CreateAnswersSomethingElse, Outcome::Done(mut live))
                if op.action == OpAction::Create =>
            {
                live.attributes.insert("size".into(), 77.into());
                Outcome::Done(live)
            }
            (Breach::IncarnationStays, Outcome::Done(mut live)) if op.action == OpAction::Create => {
                live.incarnation = Some("always".into());
                Outcome::Done(live)
            }
            (Breach::LostAnswer, Outcome::Done(_)) => Outcome::Indeterminate(Interruption::Unreported),
            (_, outcome) => outcome,
        }
    }
}

#[async_trait]
impl Provider for Broken {
    async fn facts(&self, cx: &Context) -> Result<Facts, ProviderError> {
        let mut facts = self.inner.facts(cx).await?;
        if self.how == Breach::IdentityChanges {
            let mut calls = self.calls.lock().expect("not poisoned");
            *calls += 1;
            facts.identity = format!("number {calls}");
        }
        Ok(facts)
    }

    async fn read(&self, cx: &Context, want: &[ReadRequest], out: &dyn Sink<ReadResult>) {
        let answers = Mutex::new(Vec::new());
        self.inner.read(cx, want, &answers).await;
        for mut answer in answers.into_inner().expect("not poisoned") {
            let absent = answer.result == Ok(None);
            match self.how {
                Breach::AbsentNever if absent => continue,
                Breach::AbsentTwice if absent => out.put(answer.clone()),
                Breach::ForbiddenReadsAsAbsent if answer.id.as_str().ends_with('a') => {
                    answer.result = Ok(None)
                }
                _ => {}
            }
            out.put(answer);
        }
    }

    async fn list(&self, cx: &Context, ty: &TypeName, out: &dyn Sink<Listed>) -> Result<(), ProviderError> {
        match self.how {
            Breach::ListForgets => return Ok(()),
            Breach::ListTwice => self.inner.list(cx, ty, out).await?,
            _ => {}
        }
        self.inner.list(cx, ty, out).await
    }

    async fn check(&self, cx: &Context, ops: &[Operation], _: &dyn Sink<OpDiagnostics>) {
        if self.how == Breach::CheckCreates {
            self.inner.apply(cx, ops, &Mutex::new(Vec::new())).await;
        }
    }

    async fn apply(&self, cx: &Context, ops: &[Operation], out: &dyn Sink<OpOutcome>) {
        let mut cx = cx.clone();
        if self.how == Breach::IgnoresLease {
            cx.lease = jumping_context().lease;
        }
        if self.how == Breach::IgnoresCancel {
            cx.cancel = jumping_context().cancel;
        }
        let blocked = cx.cancel.is_draining() || cx.lease.permit(Duration::ZERO).is_err();
        for op in ops {
            let mut op = op.clone();
            if self.how == Breach::DeleteIgnoresIncarnation {
                op.incarnation = None;
            }
            let twisted = if blocked { None } else { self.twisted(&op, ops) };
            let outcome = match twisted {
                Some(outcome) => outcome,
                None => {
                    let heard = Mutex::new(Vec::new());
                    self.inner.apply(&cx, std::slice::from_ref(&op), &heard).await;
                    heard.into_inner().expect("not poisoned").remove(0).outcome
                }
            };
            match (self.how, op.action) {
                (Breach::UpdateRemakes, OpAction::Update) if op.step == "config" => {
                    self.remake(&op, "remade")
                }
                (Breach::IncarnationStays, OpAction::Create) => self.remake(&op, "always"),
                _ => {}
            }
            let outcome = OpOutcome { id: op.id.clone(), outcome: self.answer(&op, outcome) };
            match self.how {
                Breach::OutcomeNever => {}
                Breach::OutcomeTwice => {
                    out.put(outcome.clone());
                    out.put(outcome);
                }
                _ => out.put(outcome),
            }
        }
    }

    fn settle(&self) -> Duration {
        Duration::ZERO
    }
}

/// Reads of a dead system that come back as "absent".
#[derive(Debug)]
struct SilentlyGone;

#[async_trait]
impl Provider for SilentlyGone {
    async fn facts(&self, _: &Context) -> Result<Facts, ProviderError> {
        Err(ProviderError::new(ErrorKind::Unreachable, "kafka.gone", "memory"))
    }

    async fn read(&self, _: &Context, want: &[ReadRequest], out: &dyn Sink<ReadResult>) {
        for request in want {
            out.put(ReadResult { ty: request.ty.clone(), id: request.id.clone(), result: Ok(None) });
        }
    }

    async fn list(&self, cx: &Context, _: &TypeName, _: &dyn Sink<Listed>) -> Result<(), ProviderError> {
        self.facts(cx).await.map(|_| ())
    }

    async fn check(&self, _: &Context, _: &[Operation], _: &dyn Sink<OpDiagnostics>) {}

    async fn apply(&self, _: &Context, ops: &[Operation], out: &dyn Sink<OpOutcome>) {
        for op in ops {
            let outcome = Outcome::Indeterminate(Interruption::Unreported);
            out.put(OpOutcome { id: op.id.clone(), outcome });
        }
    }

    fn settle(&self) -> Duration {
        Duration::ZERO
    }
}

async fn broken(how: Breach) -> Vec<String> {
    if how == Breach::UnreachableReadsAsAbsent {
        return run(Suite {
            provider: Arc::new(FakeSystem::in_memory("kafka.default")),
            unreachable: Some(Arc::new(SilentlyGone)),
            system: SystemName::new("kafka", "default"),
            ty: &THING,
            sample: &thing,
            incarnations: true,
            batch: 20,
            context: jumping_context(),
        })
        .await;
    }
    let inner = FakeSystem::in_memory("kafka.default");
    suite(Arc::new(Broken { inner, how, calls: Mutex::new(0) }), &THING).await
}

#[tokio::test]
async fn every_broken_promise_is_found_by_its_name() {
    let expected = [
        (Breach::IdentityChanges, "a system's facts stay"),
        (Breach::AbsentTwice, "a read reports each object exactly once"),
        (Breach::AbsentNever, "a read reports each object exactly once"),
        (Breach::ForbiddenReadsAsAbsent, "what was created can be read at once"),
        (Breach::UnreachableReadsAsAbsent, "an unreachable system is an error, not an absence"),
        (Breach::CreateOverwrites, "a creation never overwrites"),
        (Breach::CreateForgetsAttribute, "what is read is what was created"),
        (Breach::CreateAnswersSomethingElse, "a creation answers what it made"),
        (Breach::UpdateDoesNothing, "what is read is what was updated"),
        (Breach::UpdateRemakes, "an update in place keeps the incarnation"),
        (Breach::DeleteIgnoresIncarnation, "a deletion of another incarnation deletes nothing"),
        (Breach::DeleteDoesNothing, "what was deleted is absent"),
        (Breach::CheckCreates, "a check has no effect"),
        (Breach::IgnoresLease, "no call starts without a lease"),
        (Breach::IgnoresCancel, "no call starts once the run is being stopped"),
        (Breach::OutcomeTwice, "an apply reports each operation exactly once"),
        (Breach::OutcomeNever, "an apply reports each operation exactly once"),
        (Breach::LostAnswer, "a creation is done"),
        (Breach::ListForgets, "a list names what exists"),
        (Breach::ListTwice, "a list names each object once"),
        (Breach::BatchMixesUp, "what is read is what was created"),
        (Breach::UpdateCreates, "an update of what is gone creates nothing"),
        (Breach::IncarnationStays, "a new object is another incarnation"),
    ];
    for (how, law) in expected {
        let found = broken(how).await;
        assert!(found.iter().any(|line| line.starts_with(law)), "{how:?} must break `{law}`: {found:#?}");
    }
}
