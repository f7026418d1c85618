//! A wrapper that makes any provider misbehave within what the interface allows.

use crate::testing::mix;
use async_trait::async_trait;
use datamesh_provider::{
    Context, ErrorKind, Facts, Interruption, Listed, OpDiagnostics, OpOutcome, Operation, Outcome, Provider,
    ProviderError, ReadRequest, ReadResult, Refusal, Sink, TypeName, digest,
};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often what goes wrong, in calls of a thousand. Equal seeds give equal faults for equal calls, in whatever
/// order these come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    pub seed: u64,
    /// The effect happens, the answer never comes.
    pub lost_answers: u16,
    /// The system refuses, without effect.
    pub refused: u16,
    /// The effect happens and nothing is said about it.
    pub unreported: u16,
    /// A read is not allowed.
    pub forbidden_reads: u16,
    /// A call first takes this long.
    pub slow: u16,
    pub slow_by: Duration,
}

/// A provider that fails as its [`FaultPlan`] says.
#[derive(Debug)]
pub struct Faulty<P> {
    inner: P,
    plan: FaultPlan,
    seen: Mutex<BTreeMap<String, u64>>,
}

impl<P> Faulty<P> {
    pub fn new(inner: P, plan: FaultPlan) -> Self {
        Self { inner, plan, seen: Mutex::default() }
    }

    /// The provider behind it.
    pub fn inner(&self) -> &P {
        &self.inner
    }

    /// The die for one call: depends on the seed, on what is called, and on how often that was called.
    fn die(&self, what: &str) -> Die {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let times = seen.entry(what.to_owned()).or_insert(0);
        *times += 1;
        let text = format!("{} {times} {what}", self.plan.seed);
        let folded = digest(text.as_bytes()).bytes().fold(0, |state, byte| mix(state ^ u64::from(byte)));
        Die(folded)
    }

    fn error(&self, kind: ErrorKind, message: &str) -> ProviderError {
        ProviderError::new(kind, "faulty", "in between").code("INJECTED").message(message)
    }

    async fn delay(&self, cx: &Context, die: &mut Die) {
        if die.hits(self.plan.slow) {
            cx.pause(self.plan.slow_by).await;
        }
    }
}

struct Die(u64);

impl Die {
    fn hits(&mut self, per_mille: u16) -> bool {
        self.0 = mix(self.0);
        self.0 % 1000 < u64::from(per_mille)
    }
}

#[async_trait]
impl<P: Provider> Provider for Faulty<P> {
    async fn facts(&self, cx: &Context) -> Result<Facts, ProviderError> {
        self.delay(cx, &mut self.die("facts")).await;
        self.inner.facts(cx).await
    }

    async fn read(&self, cx: &Context, want: &[ReadRequest], out: &dyn Sink<ReadResult>) {
        let mut allowed = Vec::with_capacity(want.len());
        for request in want {
            let mut die = self.die(&format!("read {} {}", request.ty, request.id.as_str()));
            self.delay(cx, &mut die).await;
            if die.hits(self.plan.forbidden_reads) {
                let result = Err(self.error(ErrorKind::Forbidden, "not allowed to see this"));
                out.put(ReadResult { ty: request.ty.clone(), id: request.id.clone(), result });
            } else {
                allowed.push(request.clone());
            }
        }
        self.inner.read(cx, &allowed, out).await;
    }

    async fn list(&self, cx: &Context, ty: &TypeName, out: &dyn Sink<Listed>) -> Result<(), ProviderError> {
        self.delay(cx, &mut self.die(&format!("list {ty}"))).await;
        self.inner.list(cx, ty, out).await
    }

    async fn check(&self, cx: &Context, ops: &[Operation], out: &dyn Sink<OpDiagnostics>) {
        self.inner.check(cx, ops, out).await;
    }

    async fn apply(&self, cx: &Context, ops: &[Operation], out: &dyn Sink<OpOutcome>) {
        for op in ops {
            let mut die = self.die(&format!("apply {}", op.id.0));
            self.delay(cx, &mut die).await;
            if die.hits(self.plan.refused) {
                let error = self.error(ErrorKind::Invalid, "refused");
                out.put(OpOutcome { id: op.id.clone(), outcome: Outcome::Rejected(Refusal { error }) });
                continue;
            }
            let heard = Mutex::new(Vec::new());
            self.inner.apply(cx, std::slice::from_ref(op), &heard).await;
            for mut answer in heard.into_inner().unwrap_or_else(PoisonError::into_inner) {
                if die.hits(self.plan.unreported) {
                    continue;
                }
                if die.hits(self.plan.lost_answers) {
                    let error = self.error(ErrorKind::Unreachable, "no answer in time");
                    answer.outcome = Outcome::Indeterminate(Interruption::NoAnswer(error));
                }
                out.put(answer);
            }
        }
    }

    fn settle(&self) -> Duration {
        self.inner.settle()
    }
}
