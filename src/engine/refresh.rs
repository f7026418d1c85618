//! Refresh: reading the live systems in bulk, all side by side.

use super::systems::Systems;
use datamesh_core::plan::{PhysicalKey, ReadSet, Reading, Snapshot, SnapshotEntry, SystemFacts, Types};
use datamesh_provider::{
    Context, Event, Facts, Packed, Provider, ProviderError, ReadRequest, ReadResult, Sink, SystemName,
};
use futures::future::join_all;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Reads everything asked for. What cannot be read is an `Unreadable` entry; the rest goes on.
pub(crate) async fn refresh(systems: &Systems, want: &ReadSet, cx: &Context) -> Snapshot {
    let parts =
        join_all(want.iter().map(|(system, requests)| one_system(systems, system, requests, cx))).await;
    let mut snapshot = Snapshot::default();
    for (facts, objects) in parts {
        snapshot.systems.extend(facts);
        snapshot.objects.extend(objects);
    }
    snapshot.sort();
    snapshot
}

/// The same where `seen` answers what was asked before: of what that is an answer to as well only the stale is read.
pub(crate) async fn refresh_again(
    systems: &Systems,
    want: &ReadSet,
    (before, seen): (&ReadSet, Snapshot),
    stale: &HashSet<PhysicalKey<'_>>,
    types: &Types,
    cx: &Context,
) -> Snapshot {
    let asked: HashMap<PhysicalKey<'_>, &ReadRequest> = keyed(before).collect();
    let is_known = |key: PhysicalKey<'_>, request: &ReadRequest| {
        asked.get(&key).is_some_and(|asked| answers(asked, request, types)) && !stale.contains(&key)
    };
    let (known, new): (Vec<_>, Vec<_>) = keyed(want).partition(|(key, request)| is_known(*key, request));
    let mut again = ReadSet::new();
    for ((system, ..), request) in new {
        again.entry(system.clone()).or_default().push(request.clone());
    }
    let known: HashSet<PhysicalKey<'_>> = known.into_iter().map(|(key, _)| key).collect();
    if !again.is_empty() {
        cx.events.event(Event::Phase { name: "refresh" });
    }
    let mut snapshot = refresh(systems, &again, cx).await;
    snapshot.objects.extend(seen.objects.into_iter().filter(|o| known.contains(&(&o.system, &o.ty, &o.id))));
    for facts in seen.systems {
        let is_told = snapshot.systems.iter().any(|one| one.system == facts.system);
        if want.contains_key(&facts.system) && !is_told {
            snapshot.systems.push(facts);
        }
    }
    snapshot.sort();
    snapshot
}

/// Whether the answer to what was asked is the one to what is asked now.
fn answers(asked: &ReadRequest, now: &ReadRequest, types: &Types) -> bool {
    let ty = types.get(&now.ty);
    let alike =
        |before: &Packed, now: &Packed| before == now || ty.is_some_and(|ty| ty.reads_alike(before, now));
    let is_read = |now: &Packed| asked.managed.iter().any(|before| alike(before, now));
    let as_much = asked.remains == now.remains && asked.want_incarnation >= now.want_incarnation;
    as_much && now.managed.iter().all(is_read)
}

fn keyed(requests: &ReadSet) -> impl Iterator<Item = (PhysicalKey<'_>, &ReadRequest)> {
    requests.iter().flat_map(|(system, requests)| {
        requests.iter().map(move |request| ((system, &request.ty, &request.id), request))
    })
}

async fn one_system(
    systems: &Systems,
    system: &SystemName,
    requests: &[ReadRequest],
    cx: &Context,
) -> (Option<SystemFacts>, Vec<SnapshotEntry>) {
    let start = cx.clock.monotonic();
    cx.events.event(Event::RefreshStart { system: system.clone(), objects: requests.len() });
    let read = async {
        let client = systems.get(system)?;
        let facts = client.facts(cx).await?;
        Ok::<_, ProviderError>((facts, read_all(client.as_ref(), system, requests, cx).await))
    };
    match read.await {
        Ok((facts, answers)) => {
            let took = cx.clock.monotonic().saturating_sub(start);
            cx.events.event(Event::RefreshComplete { system: system.clone(), objects: requests.len(), took });
            (Some(system_facts(system, facts)), entries(system, requests, answers))
        }
        Err(error) => {
            let why = in_words(&error);
            cx.events.event(Event::RefreshFailed { system: system.clone(), error });
            let unreadable =
                requests.iter().map(|request| entry(system, request, Reading::Unreadable(why.clone())));
            (None, unreadable.collect())
        }
    }
}

fn system_facts(system: &SystemName, facts: Facts) -> SystemFacts {
    SystemFacts { system: system.clone(), facts }
}

/// What went wrong, with the hint, in one text.
pub(crate) fn in_words(error: &ProviderError) -> String {
    match &error.hint {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    }
}

/// Collects answers and says how far the reading is, at most a few times a second.
struct Collect<'a> {
    answers: Mutex<(Vec<ReadResult>, Duration)>,
    system: &'a SystemName,
    cx: &'a Context,
}

const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

impl Sink<ReadResult> for Collect<'_> {
    fn put(&self, item: ReadResult) {
        let mut guard = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        guard.0.push(item);
        let now = self.cx.clock.monotonic();
        if now.saturating_sub(guard.1) >= PROGRESS_INTERVAL {
            guard.1 = now;
            let done = guard.0.len();
            drop(guard);
            self.cx.events.event(Event::RefreshProgress { system: self.system.clone(), done });
        }
    }
}

async fn read_all(
    client: &dyn Provider,
    system: &SystemName,
    requests: &[ReadRequest],
    cx: &Context,
) -> Vec<ReadResult> {
    let collect = Collect { answers: Mutex::default(), system, cx };
    client.read(cx, requests, &collect).await;
    collect.answers.into_inner().unwrap_or_else(PoisonError::into_inner).0
}

/// One entry a request: a provider that forgot one, or answered one twice, does not get it past us.
fn entries(system: &SystemName, requests: &[ReadRequest], answers: Vec<ReadResult>) -> Vec<SnapshotEntry> {
    let mut by_object: BTreeMap<_, Vec<Result<_, ProviderError>>> = BTreeMap::new();
    for answer in answers {
        by_object.entry((answer.ty, answer.id)).or_default().push(answer.result);
    }
    requests
        .iter()
        .map(|request| {
            let mut found = by_object.remove(&(request.ty.clone(), request.id.clone())).unwrap_or_default();
            let reading = match (found.len(), found.pop()) {
                (1, Some(Ok(Some(object)))) => Reading::Present(object),
                (1, Some(Ok(None))) => Reading::Absent,
                (1, Some(Err(error))) => Reading::Unreadable(in_words(&error)),
                (0, _) => {
                    Reading::Unreadable(format!("{system} gave no answer for it (a bug of its provider)"))
                }
                _ => Reading::Unreadable(format!(
                    "{system} answered more than once for it (a bug of its provider)"
                )),
            };
            entry(system, request, reading)
        })
        .collect()
}

fn entry(system: &SystemName, request: &ReadRequest, reading: Reading) -> SnapshotEntry {
    SnapshotEntry { system: system.clone(), ty: request.ty.clone(), id: request.id.clone(), reading }
}
