//! A plan for people: what happens to what, and why.

use super::attributes::{Line, Mark, lines};
use super::escape;
use super::human::{plural, wrap};
use super::style::{BOLD, CYAN, DIM, GREEN, LOUD, RED, YELLOW, paint};
use anstyle::Style;
use datamesh_core::plan::{Action, Drift, Plan, ResourceChange, Summary};
use datamesh_provider::{Class, Planned};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How much of a plan to show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// One line a resource, without its attributes.
    pub concise: bool,
}

/// The whole plan, ending with its summary line.
pub fn plan(plan: &Plan, options: Options) -> String {
    let mut out = String::new();
    drift_section(&mut out, &plan.drift);
    changes(&mut out, plan, options);
    held(&mut out, plan);
    held_back(&mut out, plan);
    bookkeeping(&mut out, plan);
    out.push_str(&paint(BOLD, summary(&plan.summary())));
    out.push('\n');
    out
}

/// The last line of a plan.
pub fn summary(sum: &Summary) -> String {
    let changes = sum.create + sum.update + sum.replace + sum.delete + sum.adopt + sum.forget;
    if changes == 0 {
        let held = if sum.held > 0 { format!(", {} held", sum.held) } else { String::new() };
        let verb = if sum.unchanged == 1 { "matches" } else { "match" };
        return format!("No changes. {} {verb}{held}.", plural(sum.unchanged, "resource"));
    }
    let mut line = format!(
        "Plan: {} to create, {} to update, {} to replace, {} to delete, {} to adopt, {} to forget.",
        sum.create, sum.update, sum.replace, sum.delete, sum.adopt, sum.forget
    );
    let extra: Vec<String> = [
        (sum.held > 0).then(|| format!("{} held", sum.held)),
        (sum.loses_data == 1).then(|| "1 loses data".to_owned()),
        (sum.loses_data > 1).then(|| format!("{} lose data", sum.loses_data)),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !extra.is_empty() {
        let _ = write!(line, " {}.", extra.join(", "));
    }
    line
}

/// What differs live from what was last applied, for `drift` and for the top of a plan.
pub fn drift(drift: &[Drift]) -> String {
    let mut out = String::new();
    drift_section(&mut out, drift);
    out
}

/// The sign of an action.
pub fn glyph(action: Action) -> &'static str {
    match action {
        Action::Create => "+",
        Action::Update => "~",
        Action::Replace => "-/+",
        Action::Delete => "-",
        Action::Adopt => ">",
        Action::Forget => ".",
        Action::Hold => "=",
        Action::NoOp => " ",
    }
}

pub(crate) fn style_of(action: Action) -> Style {
    match action {
        Action::Create => GREEN,
        Action::Update | Action::Replace => YELLOW,
        Action::Delete => RED,
        Action::Adopt => CYAN,
        Action::Forget | Action::Hold | Action::NoOp => DIM,
    }
}

pub(super) fn heading(out: &mut String, title: &str, remark: &str) {
    let _ = writeln!(out, "{}", paint(BOLD, title));
    if !remark.is_empty() {
        let _ = writeln!(out, "{}", paint(DIM, remark));
    }
    out.push('\n');
}

fn drift_section(out: &mut String, drift: &[Drift]) {
    if drift.is_empty() {
        return;
    }
    heading(out, "Changed outside", "Live systems differ from what was last applied.");
    let mut owner = String::new();
    for item in drift {
        begin_owner(out, &mut owner, item.address.owner());
        let (sign, what) = if item.deleted { ("-", " was deleted") } else { ("~", "") };
        let style = if item.deleted { RED } else { YELLOW };
        let name = resource_name(&item.address);
        let _ = writeln!(
            out,
            "  {} {name}  {}{what}",
            paint(style, format!("{sign:>3}")),
            escape::line(item.id.as_str())
        );
        for change in &item.attributes {
            attribute_lines(out, &lines(change));
        }
        out.push('\n');
    }
}

pub(super) fn begin_owner(out: &mut String, current: &mut String, owner: String) {
    if *current != owner {
        let _ = writeln!(out, "{}", paint(BOLD, escape::line(&owner)));
        *current = owner;
    }
}

pub(super) fn resource_name(address: &datamesh_provider::Address) -> String {
    format!("{}.{}", escape::line(address.ty().as_str()), escape::line(address.name()))
}

fn changes(out: &mut String, plan: &Plan, options: Options) {
    let mut owner = String::new();
    let mut any = false;
    if plan.has_changes() && !plan.drift.is_empty() {
        heading(out, "Planned", "");
    }
    for change in in_order(plan) {
        if any && (!options.concise || owner != change.address.owner()) {
            out.push('\n');
        }
        any = true;
        begin_owner(out, &mut owner, change.address.owner());
        resource(out, change, options);
    }
    if any {
        out.push('\n');
    }
}

/// What changes, by owner, and of each owner in the order in which it is done.
fn in_order(plan: &Plan) -> Vec<&ResourceChange> {
    let mut at = BTreeMap::new();
    for (group, operations) in plan.graph.groups.iter().enumerate() {
        for operation in operations.iter().filter_map(|at| plan.graph.operations.get(*at)) {
            at.entry(&operation.address).or_insert(group);
        }
    }
    let mut changes: Vec<_> = plan.changes.iter().filter(|change| change.action.is_change()).collect();
    // What takes no call of a system is done first.
    changes.sort_by_cached_key(|change| (change.address.owner(), at.get(&change.address)));
    changes
}

/// The line of a resource with its reason, then what changes in it.
fn resource(out: &mut String, change: &ResourceChange, options: Options) {
    let loses = change.class == Class::DataLoss;
    let margin = if loses { paint(LOUD, "!") } else { " ".to_owned() };
    let sign = paint(style_of(change.action), format!("{:>3}", glyph(change.action)));
    let name = paint(BOLD, resource_name(&change.address));
    let id = escape::line(change.id.as_str());
    let system = paint(DIM, format!("in {}", escape::line(&change.system.to_string())));
    let _ = writeln!(out, "{margin} {sign} {name}  {id} {system}");
    let verb = verb(change.action);
    let reason = escape::line(&change.reason);
    let why = if reason.is_empty() { verb.to_owned() } else { format!("{verb}: {reason}") };
    remark(out, &why);
    if let Some(from) = &change.moved_from {
        remark(out, &format!("moved here from {}", escape::line(&from.to_string())));
    }
    match change.class {
        Class::DataLoss if change.action == Action::Delete => {
            let _ = writeln!(out, "{}     {}", paint(LOUD, "!"), paint(LOUD, "its data is lost"));
        }
        Class::ConsumerBreaking => {
            let _ = writeln!(out, "      {}", paint(YELLOW, "breaks consumers"));
        }
        _ => {}
    }
    if options.concise {
        return;
    }
    let mut shown: Vec<Line> = change.attributes.iter().flat_map(lines).collect();
    shown.extend(computed(change));
    align(&mut shown);
    attribute_lines(out, &shown);
    if change.unchanged > 0 {
        remark(out, &format!("({} unchanged)", plural(change.unchanged, "attribute")));
    }
    for note in &change.notes {
        remark(out, &format!("note: {}", escape::line(note)));
    }
}

/// What is done, as a word to begin the reason with.
pub(super) fn verb(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Replace => "replace",
        Action::Delete => "delete",
        Action::Adopt => "adopt",
        Action::Forget => "forget",
        Action::Hold => "hold",
        Action::NoOp => "nothing to do",
    }
}

fn remark(out: &mut String, text: &str) {
    for line in wrap(text, 100).lines() {
        let _ = writeln!(out, "      {}", paint(DIM, line));
    }
}

/// Puts the `=` of neighbouring lines below each other.
fn align(lines: &mut [Line]) {
    let at = |line: &Line| line.text.split_once(" = ").map(|(left, _)| left.chars().count());
    let mut from = 0;
    while from < lines.len() {
        let depth = lines[from].depth;
        let run = lines[from..].iter().take_while(|line| line.depth == depth && at(line).is_some()).count();
        let width =
            lines[from..from + run].iter().filter_map(at).filter(|width| *width <= 36).max().unwrap_or(0);
        for line in &mut lines[from..from + run] {
            if let Some((left, right)) = line.text.split_once(" = ") {
                line.text = format!("{left:width$} = {right}");
            }
        }
        from += run.max(1);
    }
}

pub(super) fn attribute_lines(out: &mut String, lines: &[Line]) {
    for line in lines {
        let loses = line.class == Class::DataLoss && line.depth == 0;
        let margin = if loses { paint(LOUD, "!") } else { " ".to_owned() };
        let indent = " ".repeat(line.depth * 4);
        let (sign, style) = match line.mark {
            Mark::Add => ("+", GREEN),
            Mark::Change => ("~", YELLOW),
            Mark::Remove => ("-", RED),
            Mark::Remark if line.class == Class::DataLoss => ("", LOUD),
            Mark::Remark => ("", DIM),
        };
        if line.mark == Mark::Remark {
            let _ = writeln!(out, "{margin}     {indent}    {}", paint(style, &line.text));
        } else {
            let _ = writeln!(out, "{margin}     {indent}{} {}", paint(style, sign), line.text);
        }
    }
}

/// What the system will assign, unless the difference says so itself.
fn computed(change: &ResourceChange) -> impl Iterator<Item = Line> + '_ {
    let said = |name: &str| {
        change.attributes.iter().any(|attribute| {
            attribute.path.first().is_some_and(|first| first == name)
                && attribute.after == Planned::KnownAfterApply
        })
    };
    let names = change.computed.iter().filter(move |name| !said(name));
    names.map(|name| Line {
        depth: 0,
        mark: Mark::Add,
        class: Class::Safe,
        text: format!("{} = (known after apply)", escape::line(name)),
    })
}

fn held(out: &mut String, plan: &Plan) {
    let held: Vec<&ResourceChange> =
        plan.changes.iter().filter(|change| change.action == Action::Hold).collect();
    if held.is_empty() {
        return;
    }
    heading(out, "Held", "Nothing happens to these until somebody decides.");
    for change in held {
        let address = escape::line(&change.address.to_string()).into_owned();
        let id = escape::line(change.id.as_str());
        let _ = writeln!(out, "    {} {}  {id}", paint(DIM, "="), paint(BOLD, address));
        remark(out, &escape::line(&change.reason));
        for note in &change.notes {
            remark(out, &escape::line(note));
        }
    }
    out.push('\n');
}

fn held_back(out: &mut String, plan: &Plan) {
    if plan.held_back.is_empty() {
        return;
    }
    heading(out, "Held back", "Nothing is planned for these because of the errors above; the rest is.");
    for (owner, reason) in &plan.held_back {
        let _ = writeln!(out, "    {} {}", paint(RED, "x"), paint(BOLD, escape::line(owner)));
        remark(out, &escape::line(reason));
    }
    out.push('\n');
}

fn bookkeeping(out: &mut String, plan: &Plan) {
    let silent = plan.changes.iter().filter(|change| change.bookkeeping && !change.action.is_change());
    let (moved, plain): (Vec<_>, Vec<_>) = silent.partition(|change| change.moved_from.is_some());
    for change in &moved {
        let from = change.moved_from.as_ref().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(
            out,
            "Moved in the state only: {} -> {}",
            escape::line(&from),
            escape::line(&change.address.to_string())
        );
    }
    if !plain.is_empty() {
        let what = plural(plain.len(), "record");
        let _ = writeln!(
            out,
            "{}",
            paint(DIM, format!("{what} of the state will be brought up to date; no system is touched."))
        );
    }
    if !moved.is_empty() || !plain.is_empty() {
        out.push('\n');
    }
}

#[cfg(test)]
#[path = "plan_human_tests.rs"]
mod tests;
