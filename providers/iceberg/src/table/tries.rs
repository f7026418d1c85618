//! Writes that are tried again: on top of somebody else's, and where nobody knows what became of them.
//!
//! Each of them holds on a condition that the catalog checks (the name is free, the table is as it was read), so that a
//! late one and its repetition cannot both have their effect.

use crate::client::{Backend, Ended, Failure, guard};
use datamesh_provider::{Context, Interruption, Outcome};
use std::time::Duration;

/// How often a write is made ready anew before giving up.
const TRIES: u32 = 12;
/// How often one that was unclear is repeated, although what is there says that it had no effect so far.
const UNCLEAR: u32 = 2;
/// The longest wait between two tries is this many doublings of the first.
const DOUBLINGS: u32 = 5;

/// How one try went.
pub(super) enum Try {
    /// This is how the operation ended.
    Over(Outcome),
    /// Somebody else was first: what is there has to be looked at again.
    Lost,
    /// There was no answer, or one that says nothing. What is there tells more.
    Unclear(Interruption),
}

impl From<Failure> for Try {
    /// What is gone or taken now may be there or free the next time one looks.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Absent | Failure::Conflict => Self::Lost,
            Failure::Refused(error) => Self::Over(Outcome::Rejected(datamesh_provider::Refusal { error })),
            Failure::Unknown(why) => Self::Unclear(why),
        }
    }
}

/// Tries until it is known how it ended. Once a try was unclear only a success is believed: what it was to do may still
/// be under way.
pub(super) async fn until_known<F>(
    backend: &dyn Backend,
    cx: &Context,
    during: &str,
    mut once: impl FnMut() -> F + Send,
) -> Outcome
where
    F: Future<Output = Result<Try, Ended>> + Send,
{
    let mut unclear: Option<Interruption> = None;
    let mut repeats = 0;
    for turn in 0..TRIES {
        let over = match once().await {
            Ok(Try::Over(outcome)) => Some(outcome),
            Ok(Try::Lost) => None,
            Ok(Try::Unclear(why)) if repeats == UNCLEAR => return Outcome::Indeterminate(why),
            Ok(Try::Unclear(why)) => {
                repeats += 1;
                unclear = Some(why);
                None
            }
            Err(ended) => Some(*ended),
        };
        let over = match over {
            Some(outcome) => Some(outcome),
            None => back_off(backend, cx, during, turn).await.err().map(|ended| *ended),
        };
        match (over, unclear.take()) {
            (Some(outcome), None) => return outcome,
            (Some(outcome), Some(_)) if outcome.is_success() => return outcome,
            (Some(_), Some(why)) => return Outcome::Indeterminate(why),
            (None, before) => unclear = before,
        }
    }
    match unclear {
        Some(why) => Outcome::Indeterminate(why),
        None => Failure::Conflict.outcome(backend.origin(), during),
    }
}

/// Waits before the next try; not where the run is being stopped.
async fn back_off(backend: &dyn Backend, cx: &Context, during: &str, turn: u32) -> Result<(), Ended> {
    let mut byte = [0u8];
    cx.entropy.fill(&mut byte);
    let wait = Duration::from_millis((50 << turn.min(DOUBLINGS)) + u64::from(byte[0]));
    if cx.pause(wait).await { Ok(()) } else { guard(cx, backend.origin(), during) }
}
