//! The end of a simulation: nothing fails any more, and one run must bring everything in order.

use super::actors::{self, Errand, Run, Shelf};
use super::executor::ProcessId;
use super::meshes::Revision;
use super::park::{ObjectKey, Park, Truth};
use datamesh::engine::Planned;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A run that finds nothing to do ends it; more than this many are too many.
const RUNS: usize = 6;

/// The first process of the end.
const FIRST: ProcessId = 900;

pub(crate) async fn converge(park: &Arc<Park>, revision: &'static Revision, drifted: bool) {
    park.heal();
    park.say(&format!("from here on nothing fails; `{}` is applied", revision.name));
    let mut next = FIRST;
    let mut open = runs(park, revision, &mut next).await;
    if let Some(why) = &open
        && drifted
    {
        park.say(&format!("a person is needed: {why}"));
        tidy(park);
        open = runs(park, revision, &mut next).await;
    }
    match open {
        Some(why) => park.violated(format!("it does not converge: {why}")),
        None => {
            if let Err(why) = sound(park) {
                park.violated(format!("in the end {why}"));
            }
        }
    }
}

/// Applies until nothing is left to do. What is still open after that.
async fn runs(park: &Arc<Park>, revision: &'static Revision, next: &mut ProcessId) -> Option<String> {
    let mut open = None;
    for _ in 0..RUNS {
        *next += 1;
        let entropy = park.rng().next();
        let wait = Duration::from_secs(3_600);
        let run = Run { revision, errand: Errand::Apply, wait, entropy, doom: None };
        let planned = actors::start(park, *next, run, &Shelf::default()).await.ok().flatten();
        open = what_is_open(park, planned.as_ref());
        open.as_ref()?;
    }
    open
}

fn what_is_open(park: &Park, planned: Option<&Planned>) -> Option<String> {
    let Some(planned) = planned else { return Some("the run failed".to_owned()) };
    if let Some(error) = planned.diagnostics.iter().find(|found| found.is_error()) {
        return Some(format!("[{}] {}", error.code.id, error.detail));
    }
    if planned.plan.has_work() {
        return Some("the plan is not empty".to_owned());
    }
    park.watch().is_pending().then(|| "operations are pending".to_owned())
}

/// What a person does who was told: everything somebody else made goes, and so does what somebody else changed
/// while the tool was at it.
fn tidy(park: &Park) {
    let pending: BTreeSet<ObjectKey> = {
        let watch = park.watch();
        let intents = watch.shards.values().flat_map(|shard| shard.pending.values());
        intents.map(|i| (i.system.to_string(), i.ty.as_str().to_owned(), i.object.0.clone())).collect()
    };
    for (key, _) in park.things() {
        let theirs = park.truth().get(&key) != Some(&Truth::Ours);
        let in_doubt = pending.contains(&key) && park.touched().contains(&key);
        if theirs || in_doubt {
            park.say(&format!("a person removes {} {}", key.1, key.2));
            park.put_thing(&key, None);
            park.truth().remove(&key);
        }
    }
}

/// Every record has its object, and every object of ours has its record.
fn sound(park: &Park) -> Result<(), String> {
    let watch = park.watch();
    if let Some(dangling) = watch.dangling() {
        return Err(dangling);
    }
    let records = watch.shards.values().flat_map(|shard| &shard.resources);
    let recorded: BTreeSet<ObjectKey> =
        records.map(|(_, r)| (r.system.to_string(), r.ty.as_str().to_owned(), r.object.0.clone())).collect();
    let live: BTreeSet<ObjectKey> = park.things().into_keys().collect();
    if let Some(key) = recorded.difference(&live).next() {
        return Err(format!("{} {} is recorded and not there", key.1, key.2));
    }
    let truth = park.truth();
    let orphan = live.difference(&recorded).find(|key| truth.get(*key) == Some(&Truth::Ours));
    match orphan {
        Some(key) => Err(format!("{} {} is ours and nobody knows of it", key.1, key.2)),
        None => Ok(()),
    }
}
