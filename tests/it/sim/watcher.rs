//! Who looks for drift from time to time, and is not to be told of any where nobody but the program did anything.

use super::actors::{context_of, session_of};
use super::executor::{ProcessId, Rng};
use super::meshes::{ANY, revisions};
use super::park::Park;
use datamesh::engine::{Asked, codes};
use datamesh_core::plan::Verdict;
use datamesh_state::StateError;
use futures::channel::oneshot;
use std::sync::Arc;

const FIRST: ProcessId = 40;

/// Looks so many times; completes when that is over.
pub(crate) fn watcher(park: &Arc<Park>, mut rng: Rng, times: usize) -> oneshot::Receiver<()> {
    let (done, end) = oneshot::channel();
    let ours = Arc::clone(park);
    park.name(FIRST, "watcher");
    park.exec.spawn(FIRST, async move {
        for _ in 0..times {
            let pause = rng.millis(100, 15_000);
            ours.exec.sleep(pause).await;
            let revision = &revisions()[rng.below(ANY)];
            let session = session_of(&ours, revision, context_of(&ours, FIRST, rng.next(), None));
            if let Err(error) = look(&ours, &session).await {
                ours.say(&format!("fails: {error}"));
            }
        }
        let _ = done.send(());
    });
    end
}

async fn look(park: &Park, session: &datamesh::engine::Session) -> Result<(), StateError> {
    let (report, _, found) = session.drift(&Asked::default(), false).await?;
    park.tally().looks += 1;
    let restless = found.iter().any(|one| one.code == codes::RESTLESS);
    park.say(&format!("sees {} drifted; restless: {restless}", report.count(Verdict::Drifted)));
    // What was cut off, and what came late, is changed outside as far as anybody can tell.
    let undisturbed = {
        let tally = park.tally();
        tally.kills + tally.faults + tally.drifts + tally.broken == 0
    };
    if restless || !undisturbed {
        return Ok(());
    }
    if let Some(entry) = report.entries.iter().find(|entry| entry.verdict == Verdict::Drifted) {
        park.violated(format!("{} is said to have drifted, and nobody changed it", entry.address));
    }
    Ok(())
}
