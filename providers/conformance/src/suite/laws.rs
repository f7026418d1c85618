//! The laws, in the order in which the suite walks through an object's life.

use super::{Report, Sample, Suite};
use crate::testing::ClosedGate;
use datamesh_provider::{
    Cancel, CancelStage, Context, LiveObject, OpAction, Operation, Outcome, Packed, SpanMap, View,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Facts have an identity, and it stays.
pub(crate) async fn system(suite: &Suite<'_>, report: &mut Report) {
    let first = suite.provider.facts(&suite.context).await;
    let again = suite.provider.facts(&suite.context).await;
    let named = first.as_ref().is_ok_and(|facts| !facts.identity.is_empty());
    report.law(named, "a system that answers has an identity", || format!("{first:?}"));
    report.law(first == again, "a system's facts stay", || format!("{first:?}, then {again:?}"));
}

/// What is not there reads `Ok(None)`, and is not listed.
pub(crate) async fn absence(suite: &Suite<'_>, report: &mut Report) {
    let samples: Vec<Sample> = ["a", "b0", "b1"].map(|name| (suite.sample)(name)).into();
    let answers = suite.read_all(suite.provider.as_ref(), &samples, report).await;
    for (id, answer) in answers {
        report.law(answer == Ok(None), "an absent object reads as absent", || format!("{id:?}: {answer:?}"));
    }
    absent_from_list(suite, &samples[0], report).await;
}

async fn listed(suite: &Suite<'_>, report: &mut Report) -> BTreeSet<String> {
    let sink = Mutex::new(Vec::new());
    let answer = suite.provider.list(&suite.context, &suite.ty_name(), &sink).await;
    report.law(answer.is_ok(), "a reachable system can be listed", || format!("{answer:?}"));
    let ids = sink.into_inner().unwrap_or_else(PoisonError::into_inner);
    let unique: BTreeSet<String> =
        ids.iter().map(|listed: &datamesh_provider::Listed| listed.id.0.clone()).collect();
    report.law(unique.len() == ids.len(), "a list names each object once", || format!("{ids:?}"));
    unique
}

async fn absent_from_list(suite: &Suite<'_>, sample: &Sample, report: &mut Report) {
    let there = listed(suite, report).await.contains(sample.id.as_str());
    report.law(!there, "a list names only what exists", || format!("{:?} is in it", sample.id));
}

fn acted(outcome: Option<&Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Done(_) | Outcome::Deleted | Outcome::Partial(..)))
}

/// `check` creates nothing; neither does an apply without a lease, nor one of a run that is being stopped.
pub(crate) async fn no_effect(suite: &Suite<'_>, report: &mut Report) {
    let sample = (suite.sample)("a");
    let ops = suite.create_ops(&sample, &sample.create, "no effect", report).await;
    suite.provider.check(&suite.context, &ops, &Mutex::new(Vec::new())).await;
    let found = suite.read(&sample, report).await;
    report.law(found.is_none(), "a check has no effect", || format!("{found:?}"));

    let unleased = Context { lease: Arc::new(ClosedGate), ..suite.context.clone() };
    let outcome = suite.run_steps(&unleased, &ops, report).await;
    let found = suite.read(&sample, report).await;
    report.law(!acted(outcome.as_ref()) && found.is_none(), "no call starts without a lease", || {
        format!("{outcome:?}, then {found:?}")
    });

    let stopped = Context { cancel: Cancel::default(), ..suite.context.clone() };
    stopped.cancel.raise(CancelStage::Drain);
    let outcome = suite.run_steps(&stopped, &ops, report).await;
    let found = suite.read(&sample, report).await;
    report.law(
        !acted(outcome.as_ref()) && found.is_none(),
        "no call starts once the run is being stopped",
        || format!("{outcome:?}, then {found:?}"),
    );
}

/// Where a read for one thing is said to be all that another needs, it is.
pub(crate) async fn reading_alike(suite: &Suite<'_>, report: &mut Report) {
    let Sample { id, create, update } = (suite.sample)("a");
    for (before, now) in [(&create, &update), (&update, &create), (&create, &Packed::default())] {
        if !suite.ty.reads_alike(before, now) {
            continue;
        }
        let read = [suite.read_for(&id, before).await, suite.read_for(&id, now).await];
        let [is, wanted] =
            read.map(|live| live.and_then(|live| suite.ty.managed(&live.attributes, now).ok()));
        report.law(is == wanted, "what is read alike is alike", || format!("{is:?} instead of {wanted:?}"));
    }
}

/// Live, on what `desired` manages, is what was desired: by the type's own comparison, and by its diff.
async fn settled(suite: &Suite<'_>, live: &LiveObject, desired: &Packed, law: &str, report: &mut Report) {
    let wanted = suite.ty.normalize(desired);
    let managed = suite.ty.managed(&live.attributes, desired);
    report.law(managed.is_ok() && managed == wanted, law, || format!("{managed:?} instead of {wanted:?}"));
    let view = View::Update { prior: desired, live: &live.attributes, desired };
    match suite.ty.diff(view, &suite.facts().await, &SpanMap::default()) {
        Ok((spec, _)) => {
            report.law(spec.is_no_op(), "after an apply the diff is empty", || format!("{spec:?}"))
        }
        Err(error) => report.law(false, "what was read decodes", || error.to_string()),
    }
}

/// Runs a creation and looks at it from all sides. Whether the object is there.
async fn create(suite: &Suite<'_>, sample: &Sample, salt: &str, report: &mut Report) -> Option<LiveObject> {
    let ops = suite.create_ops(sample, &sample.create, salt, report).await;
    let outcome = suite.run_steps(&suite.context, &ops, report).await;
    let Some(Outcome::Done(answered)) = outcome else {
        report.law(false, "a creation is done", || format!("{outcome:?}"));
        return None;
    };
    let found = suite.read(sample, report).await;
    let Some(live) = found else {
        report.law(false, "what was created can be read at once", || "it is absent".into());
        return None;
    };
    settled(suite, &answered, &sample.create, "a creation answers what it made", report).await;
    settled(suite, &live, &sample.create, "what is read is what was created", report).await;
    let named = live.id == sample.id && answered.id == sample.id;
    report.law(named, "an object keeps its id", || format!("{:?} and {:?}", answered.id, live.id));
    if suite.incarnations {
        let same = live.incarnation.is_some() && live.incarnation == answered.incarnation;
        report.law(same, "an incarnation is known at creation and stays", || {
            format!("{:?}, then {:?}", answered.incarnation, live.incarnation)
        });
    }
    Some(live)
}

/// A creation is done, visible, and exactly what was planned.
pub(crate) async fn creation(suite: &Suite<'_>, report: &mut Report) -> bool {
    let sample = (suite.sample)("a");
    let Some(_) = create(suite, &sample, "first", report).await else { return false };
    let there = listed(suite, report).await.contains(sample.id.as_str());
    report.law(there, "a list names what exists", || format!("{:?} is missing", sample.id));
    true
}

/// Something is there already: a creation leaves it alone and says so.
pub(crate) async fn second_creation(suite: &Suite<'_>, report: &mut Report) {
    let sample = (suite.sample)("a");
    let before = suite.read(&sample, report).await;
    let ops = suite.create_ops(&sample, &sample.update, "second", report).await;
    let outcome = suite.run_steps(&suite.context, &ops, report).await;
    // What may have several owners is made once for all of them.
    let said = suite.ty.shared() || matches!(outcome, Some(Outcome::Stale(_) | Outcome::Rejected(_)));
    report.law(said, "a creation of what exists is stale or refused", || format!("{outcome:?}"));
    let after = suite.read(&sample, report).await;
    report.law(before == after, "a creation never overwrites", || format!("{before:?} became {after:?}"));
}

/// `check` of a change and of a deletion leaves the object as it is.
pub(crate) async fn check_changes_nothing(suite: &Suite<'_>, report: &mut Report) {
    let sample = (suite.sample)("a");
    let Some(before) = suite.read(&sample, report).await else { return };
    let mut ops = suite.update_ops(&sample, &before, report).await;
    ops.extend(suite.delete_ops(&sample, &before, "check", report).await);
    for op in &ops {
        suite.provider.check(&suite.context, std::slice::from_ref(op), &Mutex::new(Vec::new())).await;
    }
    let after = suite.read(&sample, report).await;
    report.law(after.as_ref() == Some(&before), "a check has no effect", || {
        format!("{before:?} became {after:?}")
    });
}

/// A change in place arrives, in the same incarnation; another incarnation's change does not.
pub(crate) async fn update(suite: &Suite<'_>, report: &mut Report) {
    let sample = (suite.sample)("a");
    if !sample.can_change() {
        return;
    }
    let Some(before) = suite.read(&sample, report).await else { return };
    let ops = suite.update_ops(&sample, &before, report).await;
    let outcome = suite.run_steps(&suite.context, &ops, report).await;
    let Some(Outcome::Done(answered)) = outcome else {
        return report.law(false, "an update is done", || format!("{outcome:?}"));
    };
    settled(suite, &answered, &sample.update, "an update answers what it made", report).await;
    let Some(live) = suite.read(&sample, report).await else {
        return report.law(false, "what was updated can be read at once", || "it is absent".into());
    };
    settled(suite, &live, &sample.update, "what is read is what was updated", report).await;
    report.law(live.incarnation == before.incarnation, "an update in place keeps the incarnation", || {
        format!("{:?} became {:?}", before.incarnation, live.incarnation)
    });
}

/// A deletion of another incarnation than the one that is there deletes nothing.
pub(crate) async fn wrong_incarnation(suite: &Suite<'_>, report: &mut Report) {
    if !suite.incarnations {
        return;
    }
    let sample = (suite.sample)("a");
    let Some(before) = suite.read(&sample, report).await else { return };
    let mut ops = suite.delete_ops(&sample, &before, "wrong incarnation", report).await;
    for op in &mut ops {
        op.incarnation = before.incarnation.as_deref().map(another);
    }
    let outcome = suite.run_steps(&suite.context, &ops, report).await;
    report.law(
        matches!(outcome, Some(Outcome::Stale(_))),
        "a deletion of another incarnation is stale",
        || format!("{outcome:?}"),
    );
    let after = suite.read(&sample, report).await;
    report.law(after.as_ref() == Some(&before), "a deletion of another incarnation deletes nothing", || {
        format!("{before:?} became {after:?}")
    });
}

/// An incarnation of the same form that is not this one: its last letter or digit is another.
fn another(incarnation: &str) -> String {
    let at = incarnation.char_indices().rfind(|(_, c)| c.is_ascii_alphanumeric());
    let Some((at, last)) = at else { return format!("{incarnation}0") };
    let other = match last {
        '0' => '1',
        _ => '0',
    };
    format!("{}{other}{}", &incarnation[..at], &incarnation[at + 1..])
}

async fn delete(suite: &Suite<'_>, sample: &Sample, salt: &str, report: &mut Report) {
    let Some(live) = suite.read(sample, report).await else { return };
    let ops = suite.delete_ops(sample, &live, salt, report).await;
    let outcome = suite.run_steps(&suite.context, &ops, report).await;
    report.law(outcome == Some(Outcome::Deleted), "a deletion is done", || format!("{outcome:?}"));
    let found = suite.read(sample, report).await;
    report.law(found.is_none(), "what was deleted is absent", || format!("{found:?}"));
}

/// A deletion is done and visible; an update or a deletion of what is gone is stale.
pub(crate) async fn deletion(suite: &Suite<'_>, report: &mut Report) {
    let sample = (suite.sample)("a");
    let Some(live) = suite.read(&sample, report).await else { return };
    delete(suite, &sample, "deletion", report).await;
    absent_from_list(suite, &sample, report).await;
    let again = suite.delete_ops(&sample, &live, "deletion again", report).await;
    let outcome = suite.run_steps(&suite.context, &again, report).await;
    let said = matches!(outcome, Some(Outcome::Stale(None) | Outcome::Deleted | Outcome::Rejected(_)));
    report.law(said, "a deletion of what is gone harms nobody", || format!("{outcome:?}"));
    let update = late_update(suite, &sample, &live, report).await;
    let outcome = suite.run_steps(&suite.context, &update, report).await;
    let found = suite.read(&sample, report).await;
    report.law(
        !acted(outcome.as_ref()) && found.is_none(),
        "an update of what is gone creates nothing",
        || format!("{outcome:?}, then {found:?}"),
    );
}

async fn late_update(
    suite: &Suite<'_>,
    sample: &Sample,
    was: &LiveObject,
    report: &mut Report,
) -> Vec<Operation> {
    let restored = suite.ty.managed(&was.attributes, &sample.create).unwrap_or_default();
    let live = LiveObject { attributes: restored, ..was.clone() };
    // What the object was before it changed is close enough: only the steps are taken from it.
    let at_first = LiveObject { attributes: sample.create.clone(), ..live };
    suite.update_ops(sample, &at_first, report).await
}

/// The name can be used again, for another incarnation.
pub(crate) async fn recreation(suite: &Suite<'_>, report: &mut Report) {
    let sample = (suite.sample)("a");
    let Some(first) = create(suite, &sample, "recreation", report).await else { return };
    delete(suite, &sample, "before the second", report).await;
    let Some(second) = create(suite, &sample, "second recreation", report).await else { return };
    if suite.incarnations {
        report.law(first.incarnation != second.incarnation, "a new object is another incarnation", || {
            format!("{:?} twice", first.incarnation)
        });
    }
    delete(suite, &sample, "at the end", report).await;
}

/// Many at once: each has its outcome, and none gets another's attributes.
pub(crate) async fn batch(suite: &Suite<'_>, report: &mut Report) {
    let samples: Vec<Sample> = (0..suite.batch).map(|n| (suite.sample)(&format!("b{n}"))).collect();
    let mut by_step: Vec<Vec<Operation>> = Vec::new();
    for sample in &samples {
        for (at, op) in
            suite.create_ops(sample, &sample.create, "batch", report).await.into_iter().enumerate()
        {
            if by_step.len() == at {
                by_step.push(Vec::new());
            }
            by_step[at].push(op);
        }
    }
    for ops in &by_step {
        let outcomes = suite.apply(suite.provider.as_ref(), &suite.context, ops, report).await;
        for (id, outcome) in outcomes {
            report.law(outcome.is_success(), "a batch is done", || format!("{id:?}: {outcome:?}"));
        }
    }
    let answers = suite.read_all(suite.provider.as_ref(), &samples, report).await;
    let ids = listed(suite, report).await;
    let mut deletes = Vec::new();
    for sample in &samples {
        let listed = ids.contains(sample.id.as_str());
        report.law(listed, "a list names what exists", || format!("{:?} is missing", sample.id));
        match answers.get(&sample.id) {
            Some(Ok(Some(live))) => {
                settled(suite, live, &sample.create, "what is read is what was created", report).await;
                deletes.extend(suite.delete_ops(sample, live, "batch", report).await);
            }
            other => report.law(false, "what a batch created can be read", || format!("{other:?}")),
        }
    }
    delete_batch(suite, &samples, deletes, report).await;
}

async fn delete_batch(suite: &Suite<'_>, samples: &[Sample], ops: Vec<Operation>, report: &mut Report) {
    let mut steps: Vec<String> = Vec::new();
    for op in &ops {
        if !steps.contains(&op.step) {
            steps.push(op.step.clone());
        }
    }
    for step in steps {
        let ops: Vec<Operation> = ops.iter().filter(|op| op.step == step).cloned().collect();
        for (id, outcome) in suite.apply(suite.provider.as_ref(), &suite.context, &ops, report).await {
            report.law(outcome.is_success(), "a batch is done", || format!("{id:?}: {outcome:?}"));
        }
    }
    for (id, answer) in suite.read_all(suite.provider.as_ref(), samples, report).await {
        report.law(answer == Ok(None), "what was deleted is absent", || format!("{id:?}: {answer:?}"));
    }
}

/// Where nobody answers, nothing is absent and nothing is done.
pub(crate) async fn unreachable(suite: &Suite<'_>, report: &mut Report) {
    let Some(provider) = &suite.unreachable else { return };
    let facts = provider.facts(&suite.context).await;
    report.law(facts.is_err(), "an unreachable system is an error", || format!("facts: {facts:?}"));
    let samples = [(suite.sample)("a"), (suite.sample)("b0")];
    for (id, answer) in suite.read_all(provider.as_ref(), &samples, report).await {
        report.law(answer.is_err(), "an unreachable system is an error, not an absence", || {
            format!("{id:?}: {answer:?}")
        });
    }
    let answer = provider.list(&suite.context, &suite.ty_name(), &Mutex::new(Vec::new())).await;
    report.law(answer.is_err(), "an unreachable system cannot be listed", || format!("{answer:?}"));
    let op = suite.operation(&samples[0], OpAction::Create, "create", "unreachable");
    let op = Operation { planned: Some(samples[0].create.clone()), ..op };
    let outcomes = suite.apply(provider.as_ref(), &suite.context, std::slice::from_ref(&op), report).await;
    let outcome = outcomes.get(&op.id);
    report.law(!acted(outcome), "nothing is done at an unreachable system", || format!("{outcome:?}"));
}
