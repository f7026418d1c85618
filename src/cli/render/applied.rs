//! How an apply went.

use super::escape;
use super::human::plural;
use super::style::{BOLD, DIM, RED, YELLOW, paint};
use crate::engine::{Applied, Settled};
use datamesh_provider::Outcome;
use datamesh_state::Recovery;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// So many of a kind are shown; `--json` has an event for each, and `history` keeps them.
const SHOWN: usize = 20;

/// For people: what failed, what was not begun, and the count. `command` goes on with it.
pub fn report(applied: &Applied, command: &str) -> String {
    let report = &applied.report;
    let mut out = String::from("\n");
    for failure in report.failures.iter().take(SHOWN) {
        let why = failure.outcome.why().unwrap_or_default();
        let address = paint(BOLD, escape::line(&failure.address.to_string()));
        let step = escape::line(&failure.step);
        // Neither done nor failed: whoever reads `failed` would do it again by hand.
        let word = match failure.outcome {
            Outcome::Indeterminate(_) => paint(YELLOW, "not known"),
            _ => paint(RED, "failed"),
        };
        let _ = writeln!(out, "{word} {address} ({step}): {}", escape::line(&why));
    }
    more(&mut out, report.failures.len(), "that did not succeed");
    for (system, hint) in hints(applied) {
        let _ = writeln!(out, "  = fix: {}: {}", escape::line(system), escape::line(hint));
    }
    for address in &report.mismatches {
        let _ = writeln!(
            out,
            "{} {}: its system said it was done, but it is not what was planned: another writer, or a fault of the provider",
            paint(RED, "differs"),
            escape::line(&address.to_string())
        );
    }
    for (address, why) in &report.withdrawn {
        let _ = writeln!(
            out,
            "{} {}: {}",
            paint(YELLOW, "stale"),
            escape::line(&address.to_string()),
            escape::line(why)
        );
    }
    let not_begun = || report.not_started.iter().filter(|address| !report.withdrawn.contains_key(address));
    for address in not_begun().take(SHOWN) {
        let _ = writeln!(out, "{} {}", paint(YELLOW, "not begun"), escape::line(&address.to_string()));
    }
    more(&mut out, not_begun().count(), "not begun");
    for error in &report.state_errors {
        let _ = writeln!(out, "{} {}", paint(RED, "state"), escape::line(&error.to_string()));
    }
    out.push_str(&paint(BOLD, summary(applied)));
    out.push('\n');
    if report.tally.indeterminate > 0 {
        let _ = writeln!(
            out,
            "Of some operations nobody knows the outcome yet. Run `{command}` again: it finds out first."
        );
    } else if !report.is_complete() {
        let recorded = if report.unstored.is_empty() { "What is done is recorded. " } else { "" };
        let _ = writeln!(out, "{recorded}Run `{command}` again to go on.");
    }
    if !report.unstored.is_empty() {
        let count = plural(report.unstored.len(), "outcome");
        let run = escape::line(&applied.run);
        let _ = writeln!(
            out,
            "{count} could not be stored; `datamesh recover {run}` does it once that is possible."
        );
    }
    let _ = writeln!(out, "{}", paint(DIM, format!("run {}", escape::line(&applied.run))));
    out
}

/// How many of a kind are not shown.
fn more(out: &mut String, count: usize, what: &str) {
    if count > SHOWN {
        let _ = writeln!(out, "{}", paint(DIM, format!("… and {} more {what}", count - SHOWN)));
    }
}

/// What may help, once for all operations that ended the same way.
fn hints(applied: &Applied) -> BTreeSet<(&str, &str)> {
    let errors = applied.report.failures.iter().filter_map(|failure| failure.outcome.error());
    errors.filter_map(|error| Some((error.system.as_str(), error.hint.as_deref()?))).collect()
}

/// The last line.
pub fn summary(applied: &Applied) -> String {
    let tally = &applied.report.tally;
    let mut line = format!("{} done", plural(tally.done, "operation"));
    for (count, word) in
        [(tally.failed, "failed"), (tally.indeterminate, "indeterminate"), (tally.skipped, "not begun")]
    {
        if count > 0 {
            let _ = write!(line, ", {count} {word}");
        }
    }
    let head = match (applied.report.interrupted, applied.report.is_complete()) {
        (true, _) => "Interrupted; the state is saved.",
        (false, true) => "Applied.",
        (false, false) if tally.done == 0 => "Nothing was applied.",
        (false, false) => "Applied in part.",
    };
    format!("{head} {line}.")
}

/// What became of operations that an interrupted apply had left.
pub fn settled(settled: &[Settled]) -> String {
    let mut out = String::new();
    for one in settled {
        let how = match &one.verdict {
            Ok(recovery) => in_words(recovery).to_owned(),
            Err(why) => format!("not settled: {why}"),
        };
        let address = escape::line(&one.address.to_string()).into_owned();
        let _ = writeln!(
            out,
            "{}",
            paint(DIM, format!("left by an interrupted apply: {address}: {}", escape::line(&how)))
        );
    }
    out
}

fn in_words(recovery: &Recovery) -> &'static str {
    match recovery {
        Recovery::NotCreated => "it was not made; the plan makes it again",
        Recovery::Created(_) => "it was made, and is recorded now",
        Recovery::Conflict { .. } => "something else of that name is there: a person has to decide",
        Recovery::Updated { .. } => "it is there; the plan goes on from what it is now",
        Recovery::DeletedOutside => "it was deleted by somebody else",
        Recovery::Deleted => "it was deleted",
        Recovery::NotDeleted => "it was not deleted; the plan does it again",
        Recovery::ReplacedOutside(_) => "another object has its name now, which is not touched",
    }
}
