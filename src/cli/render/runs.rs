//! Audit records, as a story of runs.

use super::escape;
use super::human::plural;
use super::json::action_word;
use super::style::{BOLD, DIM, RED, YELLOW, paint};
use datamesh_provider::Address;
use datamesh_state::{Actor, Begun, Edited, Ended, Entry, Filed, Finding, RunResult};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Every run, the newest first; with an address, those that touched it, and what they did to it.
pub fn history(records: &[Filed], address: Option<&Address>) -> String {
    let ended: BTreeMap<&str, &Ended> = records.iter().filter_map(end_of).collect();
    let mut out = String::new();
    let mut shown = 0;
    for filed in records.iter().rev() {
        let text = match &filed.record.entry {
            Entry::Begun(begun) => run(filed, begun, ended.get(filed.record.run.as_str()).copied(), address),
            Entry::Edited(edited) if address.is_none() => Some(edit(filed, edited)),
            Entry::Edited(_) | Entry::Ended(_) => None,
        };
        if let Some(text) = text {
            out.push_str(&text);
            out.push('\n');
            shown += 1;
        }
    }
    match (shown, address) {
        (0, None) => "No run is recorded.\n".to_owned(),
        (0, Some(address)) => {
            format!("No run is recorded that touched {}.\n", escape::line(&address.to_string()))
        }
        _ => {
            let _ = writeln!(out, "{}.", plural(shown, "run"));
            out
        }
    }
}

fn end_of(filed: &Filed) -> Option<(&str, &Ended)> {
    match &filed.record.entry {
        Entry::Ended(ended) => Some((filed.record.run.as_str(), ended)),
        Entry::Begun(_) | Entry::Edited(_) => None,
    }
}

fn head(filed: &Filed, operation: &str, actor: &Actor, verdict: &str) -> String {
    let time = filed.record.at.strftime("%Y-%m-%d %H:%M:%S UTC");
    let mut out = format!(
        "{}  {}  {}  {verdict}\n",
        paint(BOLD, time.to_string()),
        escape::line(operation),
        escape::line(&actor.name)
    );
    let facts = [
        ("run", Some(filed.record.run.clone())),
        ("proven", actor.verified.then(|| "by an ID token".to_owned())),
        ("reason", actor.reason.clone()),
        ("commit", actor.commit.clone()),
        ("change request", actor.change_request.clone()),
        ("job", actor.job.clone()),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "  {}", paint(DIM, format!("{name} {}", escape::line(&value))));
        }
    }
    out
}

fn run(filed: &Filed, begun: &Begun, ended: Option<&Ended>, address: Option<&Address>) -> Option<String> {
    let concerned = |other: &Address| address.is_none_or(|address| address == other);
    let steps: Vec<_> = begun.operations.iter().filter(|step| concerned(&step.address)).collect();
    let books: Vec<_> = begun.bookkeeping.iter().filter(|(address, _)| concerned(address)).collect();
    if address.is_some() && steps.is_empty() && books.is_empty() {
        return None;
    }
    let mut out = head(filed, &begun.operation, &begun.actor, &verdict(begun, ended));
    for step in steps {
        let outcome = ended.and_then(|ended| ended.outcomes.iter().find(|outcome| outcome.id == step.id));
        let word = outcome.map_or("not known", |outcome| outcome.outcome.as_str());
        // With an address everything is wanted; without, what did not go as it should.
        if address.is_none() && word == "done" {
            continue;
        }
        let why = outcome
            .and_then(|outcome| outcome.why.as_deref())
            .map_or(String::new(), |why| format!(": {why}"));
        let line = format!("{} {} ({}) {word}{why}", action_word(step.action), step.address, step.step);
        let _ = writeln!(out, "  {}", escape::line(&line));
    }
    if address.is_some() {
        for (address, what) in books {
            let _ = writeln!(out, "  {}", escape::line(&format!("{what} {address}, in the state alone")));
        }
    }
    Some(out)
}

fn verdict(begun: &Begun, ended: Option<&Ended>) -> String {
    let count = begun.operations.len();
    let Some(ended) = ended else {
        return paint(YELLOW, "under way, or killed");
    };
    let done = ended.outcomes.iter().filter(|outcome| outcome.outcome == "done").count();
    let of = format!("{done} of {}", plural(count, "operation"));
    match ended.result {
        RunResult::Complete => format!("complete, {}", plural(count, "operation")),
        RunResult::Partial => paint(RED, format!("in part, {of}")),
        RunResult::Unknown => paint(YELLOW, format!("with unknown outcomes, {of} done for certain")),
        RunResult::Interrupted => paint(YELLOW, format!("interrupted, {of}")),
        RunResult::Killed => paint(RED, format!("killed; settled by run {}", settled_by(ended))),
    }
}

fn settled_by(ended: &Ended) -> String {
    escape::line(ended.settled_by.as_deref().unwrap_or("another")).into_owned()
}

fn edit(filed: &Filed, edited: &Edited) -> String {
    let mut out = head(filed, &edited.operation, &edited.actor, "done");
    for what in &edited.what {
        let _ = writeln!(out, "  {}", escape::line(what));
    }
    out
}

/// The verdict on the chain.
pub fn verified(count: usize, findings: &[Finding], open: &[&str]) -> String {
    let mut out = String::new();
    for Finding { name, what } in findings {
        let _ = writeln!(out, "{} {}: {}", paint(RED, "broken"), escape::line(name), escape::line(what));
    }
    for run in open {
        let _ = writeln!(
            out,
            "{} {}: no record says how it ended; it is under way, or was killed and settled nothing yet",
            paint(YELLOW, "open"),
            escape::line(run)
        );
    }
    let verdict = match findings.len() {
        0 => "unbroken".to_owned(),
        broken => format!("{} broken", plural(broken, "place")),
    };
    let _ = writeln!(out, "{}: {verdict}.", plural(count, "record"));
    out
}
