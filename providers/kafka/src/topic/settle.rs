//! Waiting until what a cluster has acknowledged can be read: success is not visibility.

use super::apply::Run;
use super::read::{self, Found, LiveTopic, Wanted};
use super::task::{Step, Task};
use crate::acl::read::setting;
use crate::client::Failure;
use crate::provider::SETTLE;
use datamesh_provider::{ErrorKind, Event, Interruption, Outcome};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// The first pause between two looks, doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// From this many topics on, one list of all is cheaper than asking for each.
const MANY: usize = 100;
/// How often the wait is spoken of.
const SPEAK: Duration = Duration::from_secs(5);
/// Auto-creation brings a deleted topic back with the next request of a client that still uses it.
const REAPPEARS_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn settle(run: &Run<'_>, step: Step, mut waiting: Vec<Task<'_>>) {
    let bound = run.cx.budget.settle.unwrap_or(SETTLE);
    let start = run.cx.clock.monotonic();
    let (mut pause, mut spoken) = (FIRST_PAUSE, Duration::ZERO);
    let mut gone = Vec::new();
    while !waiting.is_empty() {
        let mut seen = look(run, step, &waiting).await;
        let (mut still, mut last) = (Vec::new(), HashMap::new());
        for task in waiting {
            match judge(&task, seen.remove(task.name())) {
                Seen::Yes(live) => run.put(&task, Outcome::Done(live.object(task.name()))),
                Seen::Gone => gone.push(task),
                Seen::Never => run.put(&task, cut_short(&task, None)),
                Seen::NotYet(found) => {
                    last.insert(task.name(), found);
                    still.push(task);
                }
            }
        }
        waiting = still;
        let waited = run.cx.clock.monotonic().saturating_sub(start);
        if waiting.is_empty() || waited >= bound {
            waiting
                .iter()
                .for_each(|task| run.put(task, late(run, task, last.remove(task.name()).flatten(), waited)));
            break;
        }
        if waited >= spoken + SPEAK {
            spoken = waited;
            let what = format!("{} topics to show what was done to them", waiting.len());
            run.cx.events.event(Event::Waiting { what, for_how_long: waited });
        }
        if !run.cx.pause(pause).await {
            waiting
                .iter()
                .for_each(|task| run.put(task, cut_short(task, last.remove(task.name()).flatten())));
            break;
        }
        pause = (pause * 2).min(LAST_PAUSE);
    }
    stay_gone(run, gone).await;
}

enum Seen {
    Yes(LiveTopic),
    Gone,
    /// The look itself is refused, and will be again.
    Never,
    NotYet(Option<Found>),
}

fn judge(task: &Task<'_>, found: Option<Found>) -> Seen {
    match found {
        Some(Ok(Some(live))) if task.step != Step::Delete && task.shows_in(&live.attrs) => Seen::Yes(live),
        Some(Ok(None)) if task.step == Step::Delete => Seen::Gone,
        // Another topic of the same name: the one we deleted is gone.
        Some(Ok(Some(live))) if task.step == Step::Delete && another(task, &live) => Seen::Gone,
        Some(Err(failure)) if is_final(&failure) => Seen::Never,
        other => Seen::NotYet(other),
    }
}

/// Looking again would not help: the principal may write, and not read.
fn is_final(failure: &Failure) -> bool {
    matches!(failure, Failure::Error(error) if !error.leaves_doubt() && error.kind() != ErrorKind::Throttled)
}

fn another(task: &Task<'_>, live: &LiveTopic) -> bool {
    task.op.incarnation.is_some() && live.topic_id.is_some() && live.topic_id != task.op.incarnation
}

/// Looks at the topics; those that are not worth a question yet are left out.
async fn look(run: &Run<'_>, step: Step, waiting: &[Task<'_>]) -> HashMap<String, Found> {
    let mut wanted: BTreeMap<&str, Wanted> =
        waiting.iter().map(|task| (task.name(), task.wanted())).collect();
    if waiting.len() > MANY
        && let Ok(all) = run.cluster.all_topics(run.cx).await
    {
        wanted.retain(|name, _| all.contains_key(*name) != (step == Step::Delete));
    }
    read::by_name(run.cluster, run.cx, &wanted).await
}

/// The run is being stopped: what was acknowledged is done, seen or not.
fn cut_short(task: &Task<'_>, last: Option<Found>) -> Outcome {
    match (task.step, last) {
        (Step::Delete, _) => Outcome::Deleted,
        (_, Some(Ok(Some(live)))) if task.shows_in(&live.attrs) => Outcome::Done(live.object(task.name())),
        (_, Some(Ok(Some(live)))) => {
            let mut object = task.acknowledged();
            object.incarnation = live.topic_id.or(object.incarnation);
            Outcome::Done(object)
        }
        _ => Outcome::Done(task.acknowledged()),
    }
}

/// The bound is over.
fn late(run: &Run<'_>, task: &Task<'_>, last: Option<Found>, waited: Duration) -> Outcome {
    let error = match last {
        // There, though not as it should be: whoever compares will say so.
        Some(Ok(Some(live))) if task.step != Step::Delete => return Outcome::Done(live.object(task.name())),
        Some(Err(failure)) => run.cluster.failure(&failure, Run::during(task)),
        _ => {
            let what = if task.step == Step::Delete { "is still there" } else { "cannot be seen" };
            let message =
                format!("the cluster acknowledged it, but after {} s the topic {what}", waited.as_secs());
            run.cluster
                .problem(ErrorKind::Unreachable)
                .during(Run::during(task))
                .message(message)
                .hint("the cluster is busy or its metadata is stuck: look at its brokers, and apply again")
        }
    };
    Outcome::Indeterminate(Interruption::NoAnswer(error))
}

/// Whether brokers create the topics that clients ask for; taken for so where they do not say.
async fn come_back(run: &Run<'_>) -> bool {
    let setting = setting(run.cluster, run.cx, "auto.create.topics.enable").await;
    setting.is_none_or(|value| !value.eq_ignore_ascii_case("false"))
}

/// Looks once more at what was deleted: a client that still uses the name brings it back where brokers create
/// topics by themselves.
async fn stay_gone(run: &Run<'_>, gone: Vec<Task<'_>>) {
    let mut found = HashMap::new();
    if !gone.is_empty() && come_back(run).await && run.cx.pause(REAPPEARS_WITHIN).await {
        let names = gone.iter().map(|task| (task.name(), task.wanted())).collect();
        found = read::by_name(run.cluster, run.cx, &names).await;
    }
    for task in &gone {
        let outcome = match found.remove(task.name()) {
            Some(Ok(Some(live))) => {
                let error = run
                    .cluster
                    .problem(ErrorKind::Invalid)
                    .during(Run::during(task))
                    .message(
                        "the topic was deleted, and a new, empty one of the same name has appeared: a client still \
                         uses it, and the brokers create topics by themselves (`auto.create.topics.enable`)",
                    )
                    .hint("stop the client that produces to it or consumes from it, then delete it again");
                Outcome::Partial(live.object(task.name()), error)
            }
            _ => Outcome::Deleted,
        };
        run.put(task, outcome);
    }
}
