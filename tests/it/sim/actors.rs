//! Who acts: runs of the program, and somebody who changes systems behind its back.

use super::check::ENVIRONMENT;
use super::executor::{Handle, ProcessClock, ProcessEntropy, ProcessId};
use super::locks::state_of;
use super::meshes::Revision;
use super::park::{ObjectKey, Park, Truth};
use super::systems::{ALL, here};
use datamesh::engine::{ApplyError, PlanFile, PlanRequest, Planned, RunOrigin, Session, SessionOptions};
use datamesh::identity::IdTokens;
use datamesh::providers::Providers;
use datamesh_conformance::testing::NoSecrets;
use datamesh_conformance::{Thing, has_incarnations};
use datamesh_provider::{CallBudget, Cancel, Context, NoEvents, OpenGate};
use datamesh_state::{LockInfo, StateError, StateErrorKind, StateStore};
use futures::channel::oneshot;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The state, as the process that runs now sees it.
fn state_in(_: PathBuf) -> StateStore {
    let park = here();
    let process = park.exec.current();
    state_of(&park, process)
}

/// What a run of the program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Plan and apply, again where another run was faster.
    Apply,
    /// Plan, and put the plan aside.
    Save,
    /// Apply the plan that was put aside.
    ApplySaved,
}

/// What happens to a run on the way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Doom {
    Killed,
    Suspended(Duration),
    /// A signal: start nothing new.
    Interrupted,
    /// Somebody sets the calendar.
    Clock(i64),
}

/// A run of the program.
pub(crate) struct Run {
    pub(crate) revision: &'static Revision,
    pub(crate) errand: Errand,
    /// How long it waits for a lock.
    pub(crate) wait: Duration,
    pub(crate) entropy: u64,
    /// What happens to it, after so many steps.
    pub(crate) doom: Option<(u64, Doom)>,
}

/// The plan that was put aside.
pub(crate) type Shelf = Arc<Mutex<Option<Vec<u8>>>>;

/// What a process can be reached by.
pub(crate) struct Reins {
    pub(crate) cancel: Cancel,
    pub(crate) clock: Arc<ProcessClock>,
    pub(crate) entropy: Arc<ProcessEntropy>,
    pub(crate) doom: Option<(u64, Doom)>,
}

/// Starts a run as a process of its own; completes when it ends, or is killed. The plan it ended with.
pub(crate) fn start(
    park: &Arc<Park>,
    process: ProcessId,
    run: Run,
    shelf: &Shelf,
) -> oneshot::Receiver<Option<Planned>> {
    let (ended, end) = oneshot::channel();
    let name = format!("run-{process}");
    park.name(process, &name);
    let context = context_of(park, process, run.entropy, run.doom);
    let (park, shelf) = (Arc::clone(park), Arc::clone(shelf));
    let exec: Handle = park.exec.clone();
    exec.spawn(process, async move {
        park.say(&format!("starts: {:?} of `{}`", run.errand, run.revision.name));
        let session = session_of(&park, run.revision, context);
        let planned = match go(&park, &session, &run, &shelf).await {
            Ok(planned) => planned,
            Err(error) => {
                count(&park, &error);
                None
            }
        };
        park.say("ends");
        let _ = ended.send(planned);
    });
    end
}

/// What the process that runs now does everything with.
pub(crate) fn session_of(park: &Park, revision: &Revision, context: Context) -> Session {
    let providers = Providers::of(ALL).keeping_state(state_in);
    let options = SessionOptions {
        root: revision.root.clone(),
        environment: None,
        providers,
        context,
        parallelism: Some(3),
        who: park.name_of(park.exec.current()),
        host: "park".to_owned(),
        origin: RunOrigin::default(),
        id_tokens: IdTokens::default(),
    };
    Session::over(options, Arc::clone(&revision.load)).expect("a session")
}

/// What a process has of its own, and by what it can be reached.
pub(crate) fn context_of(
    park: &Park,
    process: ProcessId,
    entropy: u64,
    doom: Option<(u64, Doom)>,
) -> Context {
    let clock = Arc::new(ProcessClock::new(park.exec.clone()));
    let entropy = Arc::new(ProcessEntropy::new(entropy));
    let cancel = Cancel::default();
    let reins =
        Reins { cancel: cancel.clone(), clock: Arc::clone(&clock), entropy: Arc::clone(&entropy), doom };
    park.reins().insert(process, reins);
    Context {
        clock,
        entropy,
        cancel,
        lease: Arc::new(OpenGate),
        secrets: Arc::new(NoSecrets),
        events: Arc::new(NoEvents),
        budget: CallBudget { group: park.group, ..CallBudget::default() },
        lineages: Arc::default(),
    }
}

/// Somebody who takes a lock away from whoever has one, some time from now. Completes when that is over, or killed.
pub(crate) fn break_a_lock(
    park: &Arc<Park>,
    process: ProcessId,
    entropy: u64,
    doom: Option<(u64, Doom)>,
) -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    let name = format!("breaker-{process}");
    park.name(process, &name);
    let context = context_of(park, process, entropy, doom);
    let state = state_of(park, process);
    let info = LockInfo {
        id: format!("break-{process}"),
        who: name,
        host: "park".into(),
        process: 1,
        operation: "force-unlock".into(),
        since: context.clock.now(),
    };
    let ours = Arc::clone(park);
    park.exec.spawn(process, async move {
        let pause = ours.rng().millis(100, 40_000);
        ours.exec.sleep(pause).await;
        match take_away(&ours, &state, &context, &info).await {
            Ok(domains) if domains.is_empty() => {}
            Ok(domains) => {
                ours.tally().broken += 1;
                ours.say(&format!("took away {}", domains.join(", ")));
            }
            Err(error) => count(&ours, &error),
        }
        let _ = ended.send(());
    });
    end
}

async fn take_away(
    park: &Park,
    state: &StateStore,
    context: &Context,
    info: &LockInfo,
) -> Result<Vec<String>, StateError> {
    let held = state.locks(ENVIRONMENT).await?;
    let ids: BTreeSet<String> = held.into_values().map(|info| info.id).collect();
    let pick = park.rng().below(ids.len());
    let Some(id) = ids.into_iter().nth(pick) else { return Ok(Vec::new()) };
    park.say(&format!("takes the locks of run {id} away"));
    state.force_unlock(context, ENVIRONMENT, &id, info).await
}

fn count(park: &Park, error: &StateError) {
    park.say(&format!("fails: {error}"));
    let mut tally = park.tally();
    match error.kind() {
        StateErrorKind::Locked => tally.locked += 1,
        StateErrorKind::Fenced | StateErrorKind::Unknown => tally.fenced += 1,
        _ => {}
    }
    drop(tally);
    // The program must never find the state in a shape it cannot use.
    let broken = [
        StateErrorKind::Corrupt,
        StateErrorKind::Invalid,
        StateErrorKind::Foreign,
        StateErrorKind::Unsupported,
        StateErrorKind::Name,
    ];
    if broken.contains(&error.kind()) {
        park.violated(format!("a run ended with: {error}"));
    }
}

async fn go(park: &Park, session: &Session, run: &Run, shelf: &Shelf) -> Result<Option<Planned>, StateError> {
    if run.errand == Errand::Save {
        // As `plan` does while it loads the manifests.
        session.read_ahead().await;
        park.exec.sleep(Duration::from_millis(150)).await;
        let planned = plan(park, session).await?;
        let bytes = planned.file().encode().expect("a plan file");
        *shelf.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
        return Ok(Some(planned));
    }
    settle(park, session, run.wait).await?;
    if run.errand == Errand::ApplySaved {
        let bytes = shelf.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(bytes) = bytes else { return Ok(None) };
        let file = PlanFile::decode("the shelf", &bytes).expect("a plan file");
        return match session.verify(&file).await {
            Ok(planned) => apply(park, session, planned, run.wait).await.map(|planned| planned.0),
            Err(ApplyError::Stale(why) | ApplyError::Overtaken(why)) => {
                park.say(&format!("the saved plan is stale: {why}"));
                park.tally().stale += 1;
                Ok(None)
            }
            Err(ApplyError::State(error)) => Err(error),
        };
    }
    for _ in 0..10 {
        let planned = plan(park, session).await?;
        if !planned.plan.has_work() {
            return Ok(Some(planned));
        }
        let (planned, again) = apply(park, session, planned, run.wait).await?;
        if !again {
            return Ok(planned);
        }
        settle(park, session, run.wait).await?;
    }
    Ok(None)
}

async fn settle(park: &Park, session: &Session, wait: Duration) -> Result<(), StateError> {
    let recovered = session.recover(wait).await?;
    for left in &recovered.left {
        park.say(&format!("leaves: {left}"));
    }
    for one in &recovered.settled {
        let verdict = match &one.verdict {
            Ok(verdict) => format!("{verdict:?}").split(['(', ' ']).next().unwrap_or_default().to_owned(),
            Err(why) => format!("unknown: {why}"),
        };
        park.tally().recovered += 1;
        park.say(&format!("settles {} {}: {verdict}", one.address, one.step));
    }
    if recovered.found.has_errors() {
        park.say("leaves something for a person to settle");
    }
    Ok(())
}

async fn plan(park: &Park, session: &Session) -> Result<Planned, StateError> {
    let request = PlanRequest { check: true, ..PlanRequest::default() };
    let planned = session.plan(&request).await?;
    let changes = planned.plan.changes.iter();
    let told: Vec<String> = changes
        .filter(|change| change.action.is_change())
        .map(|change| format!("{:?} {}", change.action, change.address))
        .collect();
    park.say(&format!("plans {}: {}", planned.plan.id.get(7..15).unwrap_or("-"), told.join(", ")));
    for error in planned.diagnostics.iter().filter(|found| found.is_error()) {
        park.say(&format!("finds [{}] {}", error.code.id, error.detail));
    }
    Ok(planned)
}

/// Whether it has to plan again.
async fn apply(
    park: &Park,
    session: &Session,
    planned: Planned,
    wait: Duration,
) -> Result<(Option<Planned>, bool), StateError> {
    let actions = planned.plan.changes.iter().map(|change| (change.address.clone(), change.action));
    park.watch().plans.insert(park.exec.current(), actions.collect());
    match session.apply(&planned, wait, None).await {
        Ok(applied) => {
            park.tally().applies += 1;
            park.say(&format!("applied: {:?}", applied.report.tally));
            for error in &applied.report.state_errors {
                count(park, error);
            }
            for address in &applied.report.mismatches {
                park.say(&format!("{address} is not what was planned"));
            }
            Ok((Some(planned), false))
        }
        Err(ApplyError::Stale(why) | ApplyError::Overtaken(why)) => {
            park.say(&format!("stale: {why}"));
            park.tally().stale += 1;
            Ok((None, true))
        }
        Err(ApplyError::State(error)) => Err(error),
    }
}

/// Somebody who changes systems as if the tool did not exist.
pub(crate) async fn drifter(park: Arc<Park>, times: usize, models: &'static [(ObjectKey, Thing)]) {
    for number in 0..times {
        let pause = park.rng().millis(100, 60_000);
        park.exec.sleep(pause).await;
        drift(&park, number, models);
    }
}

fn drift(park: &Park, number: usize, models: &[(ObjectKey, Thing)]) {
    let live: Vec<(ObjectKey, Thing)> = park.things().into_iter().collect();
    let kind = park.rng().below(5);
    let pick = park.rng().next();
    let choose = |from: &[(ObjectKey, Thing)]| -> Option<(ObjectKey, Thing)> {
        from.get(usize::try_from(pick % from.len().max(1) as u64).ok()?).cloned()
    };
    let (key, thing, truth) = match kind {
        0 => {
            let Some((key, _)) = choose(&live) else { return };
            (key, None, None)
        }
        1 => {
            let Some((key, thing)) = choose(&live) else { return };
            let theirs = foreign(&key, thing, number);
            (key, Some(theirs), Some(Truth::Theirs))
        }
        2 => {
            let Some((key, model)) = choose(models) else { return };
            if park.thing(&key).is_some() {
                return;
            }
            let theirs = foreign(&key, model, number);
            (key, Some(theirs), Some(Truth::Theirs))
        }
        _ => {
            let Some((key, mut thing)) = choose(&live) else { return };
            if !change(&key.1, &mut thing, number) {
                return;
            }
            let truth = park.truth().get(&key).copied();
            (key, Some(thing), truth)
        }
    };
    let what = ["is deleted", "is replaced", "is made", "is changed", "is changed"][kind];
    park.say(&format!("outside, {} {} {what}", key.1, key.2));
    park.tally().drifts += 1;
    park.put_thing(&key, thing);
    park.touched().insert(key.clone());
    match truth {
        Some(truth) => drop(park.truth().insert(key, truth)),
        None => drop(park.truth().remove(&key)),
    }
}

/// The same thing made by somebody else, sometimes with a difference.
fn foreign(key: &ObjectKey, mut thing: Thing, number: usize) -> Thing {
    thing.owner = None;
    if has_incarnations(&key.1) {
        thing.incarnation = Some(format!("theirs-{number}"));
    }
    if number.is_multiple_of(2) {
        change(&key.1, &mut thing, number);
    }
    thing
}

/// Changes something the tool manages, or may.
fn change(ty: &str, thing: &mut Thing, number: usize) -> bool {
    let text = Value::from(format!("{}", 1_000_000 + number));
    match ty {
        "kafka_topic" => {
            let config =
                thing.attributes.entry("config").or_insert_with(|| Value::Object(Default::default()));
            config.as_object_mut().is_some_and(|config| {
                config.insert("retention.ms".into(), text);
                true
            })
        }
        "schema_subject" => thing.attributes.insert("compatibility".into(), "NONE".into()).is_some(),
        "catalog_product" | "catalog_domain" => thing.attributes.insert("description".into(), text).is_some(),
        _ => false,
    }
}
