//! The provider's calls with everything a law wants to look at.

use super::{Report, Sample, Suite};
use datamesh_provider::{
    Address, Context, Facts, LiveObject, ObjectId, OpAction, Operation, OperationId, Outcome, Packed,
    Provider, ProviderError, ReadRequest, SpanMap, TypeName, View,
};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

type Read = Result<Option<LiveObject>, ProviderError>;

/// Everything a sink took.
fn taken<T>(sink: Mutex<Vec<T>>) -> Vec<T> {
    sink.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Suite<'_> {
    pub(crate) fn ty_name(&self) -> TypeName {
        TypeName::new(self.ty.name())
    }

    pub(crate) async fn facts(&self) -> Facts {
        self.provider.facts(&self.context).await.unwrap_or_default()
    }

    /// Reads these ids of one provider, and checks that each is reported exactly once.
    pub(crate) async fn read_all(
        &self,
        provider: &dyn Provider,
        samples: &[Sample],
        report: &mut Report,
    ) -> BTreeMap<ObjectId, Read> {
        let want: Vec<ReadRequest> = samples.iter().map(|sample| self.request(sample)).collect();
        let sink = Mutex::new(Vec::new());
        provider.read(&self.context, &want, &sink).await;
        let mut answers = BTreeMap::new();
        for answer in taken(sink) {
            let asked = want.iter().any(|request| request.id == answer.id && request.ty == answer.ty);
            report.law(asked, "a read reports only what was asked for", || format!("{:?}", answer.id));
            let again = answers.insert(answer.id.clone(), answer.result);
            report.law(again.is_none(), "a read reports each object exactly once", || {
                format!("{:?} came twice", answer.id)
            });
        }
        for request in &want {
            let there = answers.contains_key(&request.id);
            report.law(there, "a read reports each object exactly once", || {
                format!("{:?} never came", request.id)
            });
        }
        answers
    }

    fn request(&self, sample: &Sample) -> ReadRequest {
        ReadRequest::of(self.ty_name(), sample.id.clone())
            .managed(vec![sample.create.clone(), sample.update.clone()])
            .with_incarnation()
    }

    /// An object as it is read for what is managed.
    pub(crate) async fn read_for(&self, id: &ObjectId, managed: &Packed) -> Option<LiveObject> {
        let want = ReadRequest::of(self.ty_name(), id.clone()).managed(vec![managed.clone()]);
        let sink = Mutex::new(Vec::new());
        self.provider.read(&self.context, &[want], &sink).await;
        let answers: Vec<datamesh_provider::ReadResult> =
            sink.into_inner().unwrap_or_else(PoisonError::into_inner);
        answers.into_iter().next()?.result.ok().flatten()
    }

    /// Reads one object; an error breaks the law and counts as absent.
    pub(crate) async fn read(&self, sample: &Sample, report: &mut Report) -> Option<LiveObject> {
        let mut answers = self.read_all(self.provider.as_ref(), std::slice::from_ref(sample), report).await;
        let answer = answers.remove(&sample.id)?;
        report.law(answer.is_ok(), "a reachable object can be read", || format!("{answer:?}"));
        answer.ok().flatten()
    }

    /// The steps that lead from one side to the other, by the type's own diff.
    pub(crate) async fn steps(&self, view: View<'_, Packed>, report: &mut Report) -> Vec<String> {
        let facts = self.facts().await;
        match self.ty.diff(view, &facts, &SpanMap::default()) {
            Ok((spec, found)) => {
                report.law(!found.has_errors(), "the sample's changes are allowed", || format!("{found:?}"));
                spec.steps
            }
            Err(error) => {
                report.law(false, "the sample's attributes decode", || error.to_string());
                Vec::new()
            }
        }
    }

    /// An operation on a sample; `salt` tells one run of it from the next.
    pub(crate) fn operation(&self, sample: &Sample, action: OpAction, step: &str, salt: &str) -> Operation {
        let address = address(self.ty.name(), sample.id.as_str());
        // What it writes as `datamesh.owner`: a lineage nobody else has.
        let owner = format!("00000000-0000-4000-8000-000000000000/{address}");
        Operation {
            id: OperationId(format!("{salt} {action:?} {step} {}", sample.id.as_str())),
            address,
            ty: self.ty_name(),
            system: self.system.clone(),
            object: sample.id.clone(),
            action,
            step: step.to_owned(),
            prior: None,
            live: None,
            planned: None,
            incarnation: None,
            owner,
        }
    }

    /// The operations of a creation, in order.
    pub(crate) async fn create_ops(
        &self,
        sample: &Sample,
        desired: &Packed,
        salt: &str,
        report: &mut Report,
    ) -> Vec<Operation> {
        let steps = self.steps(View::Create { desired }, report).await;
        report.law(!steps.is_empty(), "a creation has steps", || "the diff gave none".into());
        let op = |step: &String| Operation {
            planned: Some(desired.clone()),
            ..self.operation(sample, OpAction::Create, step, salt)
        };
        steps.iter().map(op).collect()
    }

    /// The operations of the sample's update, in order.
    pub(crate) async fn update_ops(
        &self,
        sample: &Sample,
        live: &LiveObject,
        report: &mut Report,
    ) -> Vec<Operation> {
        if !sample.can_change() {
            return Vec::new();
        }
        let view = View::Update { prior: &sample.create, live: &live.attributes, desired: &sample.update };
        let steps = self.steps(view, report).await;
        report.law(!steps.is_empty(), "the sample's update changes something", || "no steps".into());
        let op = |step: &String| Operation {
            prior: Some(sample.create.clone()),
            live: Some(live.attributes.clone()),
            planned: Some(sample.update.clone()),
            incarnation: live.incarnation.clone(),
            ..self.operation(sample, OpAction::Update, step, "update")
        };
        steps.iter().map(op).collect()
    }

    /// The operations of a deletion, in order.
    pub(crate) async fn delete_ops(
        &self,
        sample: &Sample,
        live: &LiveObject,
        salt: &str,
        report: &mut Report,
    ) -> Vec<Operation> {
        let prior = self.ty.managed(&live.attributes, &sample.create);
        let prior = prior.unwrap_or_else(|_| sample.create.clone());
        let steps = self.steps(View::Remove { prior: &prior, live: &live.attributes }, report).await;
        report.law(!steps.is_empty(), "a deletion has steps", || "the diff gave none".into());
        let op = |step: &String| Operation {
            prior: Some(prior.clone()),
            live: Some(live.attributes.clone()),
            incarnation: live.incarnation.clone(),
            ..self.operation(sample, OpAction::Delete, step, salt)
        };
        steps.iter().map(op).collect()
    }

    /// Applies one batch, and checks that each operation has exactly one outcome.
    pub(crate) async fn apply(
        &self,
        provider: &dyn Provider,
        cx: &Context,
        ops: &[Operation],
        report: &mut Report,
    ) -> BTreeMap<OperationId, Outcome> {
        let sink = Mutex::new(Vec::new());
        provider.apply(cx, ops, &sink).await;
        let mut outcomes = BTreeMap::new();
        for answer in taken(sink) {
            let asked = ops.iter().any(|op| op.id == answer.id);
            report.law(asked, "an apply reports only its own operations", || format!("{:?}", answer.id));
            let again = outcomes.insert(answer.id.clone(), answer.outcome);
            report.law(again.is_none(), "an apply reports each operation exactly once", || {
                format!("{:?} came twice", answer.id)
            });
        }
        for op in ops {
            let there = outcomes.contains_key(&op.id);
            report.law(there, "an apply reports each operation exactly once", || {
                format!("{:?} never came", op.id)
            });
        }
        outcomes
    }

    /// Applies the steps of one change one after the other, and stops at the first that does not succeed.
    pub(crate) async fn run_steps(
        &self,
        cx: &Context,
        ops: &[Operation],
        report: &mut Report,
    ) -> Option<Outcome> {
        let mut last = None;
        for op in ops {
            let one = std::slice::from_ref(op);
            let outcome = self.apply(self.provider.as_ref(), cx, one, report).await.remove(&op.id);
            let go_on = outcome.as_ref().is_some_and(Outcome::is_success);
            last = outcome;
            if !go_on {
                break;
            }
        }
        last
    }
}

/// The address the suite gives a sample: its id with everything an address cannot hold made a dash.
fn address(ty: &str, id: &str) -> Address {
    let dashed = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = std::iter::once('x').chain(id.chars().map(dashed)).take(200).collect();
    let parsed = Address::of_product("conformance", "suite", 1, TypeName::new(ty), &name);
    #[expect(clippy::expect_used, reason = "every part was made of what an address may hold")]
    parsed.expect("an address")
}
