//! Output for machines: one plan document, or a stream of events with one object a line.
//!
//! The plan document keeps Terraform's names, so that rules written for those carry over.

use super::escape;
use datamesh_core::plan::{Action, Drift, Plan, ResourceChange, Summary};
use datamesh_provider::{
    AttributeChange, Diagnostic, Event, OpAction, Outcome, Planned, Severity, Sources, Span,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// Version of the plan document. The first number changes when a reader of the old form would break.
pub const PLAN_FORMAT: &str = "1.0";
/// Version of the event stream.
pub const EVENT_FORMAT: &str = "1.0";

/// A whole plan as one document.
#[derive(Clone, Debug, Serialize)]
pub struct PlanDocument<'a> {
    pub format_version: &'static str,
    pub datamesh_version: &'static str,
    pub environment: &'a str,
    pub plan_id: &'a str,
    pub inputs_digest: &'a str,
    pub resource_changes: Vec<Value>,
    pub resource_drift: Vec<Value>,
    pub checks: Vec<Value>,
    pub groups: Vec<Vec<Value>>,
    pub policy_results: Vec<Value>,
    pub compatibility: Vec<Value>,
    pub held_back: Value,
    pub summary: Summary,
}

/// The plan as one JSON document, indented, with a line break at the end.
pub fn plan(plan: &Plan) -> String {
    let groups = plan.graph.groups.iter().map(|group| {
        let operation = |at: &usize| plan.graph.operations.get(*at);
        group
            .iter()
            .filter_map(operation)
            .map(|op| json!({"address": op.address, "action": action_word(op.action), "step": op.step}))
            .collect()
    });
    let document = PlanDocument {
        format_version: PLAN_FORMAT,
        datamesh_version: env!("CARGO_PKG_VERSION"),
        environment: &plan.environment,
        plan_id: &plan.id,
        inputs_digest: &plan.inputs_digest,
        resource_changes: plan.changes.iter().map(resource_change).collect(),
        resource_drift: plan.drift.iter().map(resource_drift).collect(),
        checks: Vec::new(),
        groups: groups.collect(),
        policy_results: Vec::new(),
        compatibility: Vec::new(),
        held_back: json!(plan.held_back),
        summary: plan.summary(),
    };
    document_text(&document)
}

/// Any document, indented, with a line break at the end.
pub fn document_text(document: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(document)
        .unwrap_or_else(|error| json!({"error": error.to_string()}).to_string());
    text.push('\n');
    ascii_controls(text)
}

/// JSON allows characters that a terminal would obey, such as C1 controls and bidirectional overrides. They can
/// stand inside strings only, where a `\u` escape means the same.
fn ascii_controls(text: String) -> String {
    let obeyed = |c: char| c != '\n' && escape::replacement(c).is_some();
    if !text.contains(obeyed) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 32);
    for c in text.chars() {
        if obeyed(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// One object on one line.
pub fn object_line(value: &Value) -> String {
    ascii_controls(format!("{value}\n"))
}

/// Terraform's words for an action.
pub(crate) fn actions(action: Action) -> &'static [&'static str] {
    match action {
        Action::Create => &["create"],
        Action::Update => &["update"],
        Action::Replace => &["delete", "create"],
        Action::Delete => &["delete"],
        Action::Forget => &["forget"],
        Action::Adopt | Action::Hold | Action::NoOp => &["no-op"],
    }
}

fn resource_change(change: &ResourceChange) -> Value {
    let mut out = resource(&change.address, change.id.as_str());
    out.insert("system".into(), json!(change.system.to_string()));
    if let Some(from) = &change.moved_from {
        out.insert("previous_address".into(), json!(from));
    }
    let hidden: Vec<&AttributeChange> =
        change.attributes.iter().filter(|attribute| attribute.after == Planned::Sensitive).collect();
    let mut spec = Map::new();
    spec.insert("actions".into(), json!(actions(change.action)));
    spec.insert("before".into(), masked(change.live.as_ref().or(change.prior.as_ref()), &hidden));
    spec.insert("after".into(), masked(change.planned.as_ref(), &hidden));
    let unknown: Map<String, Value> =
        change.computed.iter().map(|name| (name.clone(), Value::Bool(true))).collect();
    spec.insert("after_unknown".into(), Value::Object(unknown));
    let paths: Vec<&Vec<String>> = hidden.iter().map(|attribute| &attribute.path).collect();
    spec.insert("sensitive_paths".into(), json!(paths));
    let replaced: Vec<&Vec<String>> = match change.action {
        Action::Replace => change.attributes.iter().map(|attribute| &attribute.path).collect(),
        _ => Vec::new(),
    };
    spec.insert("replace_paths".into(), json!(replaced));
    if change.action == Action::Adopt {
        spec.insert("importing".into(), json!({"id": change.id}));
    }
    out.insert("change".into(), Value::Object(spec));
    out.insert("class".into(), json!(change.class));
    if change.action == Action::Hold {
        out.insert("action_reason".into(), json!("held"));
    }
    out.insert("reason".into(), json!(change.reason));
    out.insert("attributes".into(), attributes(&change.attributes));
    out.insert("notes".into(), json!(change.notes));
    Value::Object(out)
}

fn resource(address: &datamesh_provider::Address, id: &str) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("address".into(), json!(address));
    out.insert("type".into(), json!(address.ty()));
    out.insert("name".into(), json!(address.name()));
    out.insert("domain".into(), json!(address.domain()));
    if let Some((product, version)) = address.product() {
        out.insert("product".into(), json!(product));
        out.insert("version".into(), json!(version));
    }
    out.insert("id".into(), json!(id));
    out
}

/// Attributes without the values that must not be shown.
fn masked(attributes: Option<&Map<String, Value>>, hidden: &[&AttributeChange]) -> Value {
    let Some(attributes) = attributes else { return Value::Null };
    let mut value = Value::Object(attributes.clone());
    for change in hidden {
        let mut at = Some(&mut value);
        for part in &change.path {
            at = at.and_then(|value| value.get_mut(part.as_str()));
        }
        if let Some(place) = at {
            *place = Value::Null;
        }
    }
    value
}

fn attribute(change: &AttributeChange) -> Value {
    let mut out = Map::new();
    out.insert("path".into(), json!(change.path));
    match &change.after {
        Planned::Sensitive => {
            out.insert("sensitive".into(), Value::Bool(true));
        }
        after => {
            out.insert("before".into(), json!(change.before));
            match after {
                Planned::Value(value) => out.insert("after".into(), value.clone()),
                Planned::KnownAfterApply => out.insert("after_unknown".into(), Value::Bool(true)),
                Planned::Unset | Planned::Sensitive => out.insert("after".into(), Value::Null),
            };
        }
    }
    out.insert("class".into(), json!(change.class));
    if let Some(reason) = &change.reason {
        out.insert("reason".into(), json!(reason));
    }
    Value::Object(out)
}

/// Differences, one object each.
pub(crate) fn attributes(changes: &[AttributeChange]) -> Value {
    changes.iter().map(attribute).collect()
}

fn resource_drift(drift: &Drift) -> Value {
    let mut out = resource(&drift.address, drift.id.as_str());
    let actions = if drift.deleted { "delete" } else { "update" };
    out.insert("change".into(), json!({"actions": [actions]}));
    out.insert("attributes".into(), attributes(&drift.attributes));
    Value::Object(out)
}

/// One line of the event stream.
fn line(kind: &str, message: String, rest: Value) -> String {
    let mut out = Map::new();
    out.insert("type".into(), json!(kind));
    out.insert("message".into(), json!(message));
    if let Value::Object(rest) = rest {
        out.extend(rest);
    }
    ascii_controls(format!("{}\n", Value::Object(out)))
}

/// The first line of every stream.
pub fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    line(
        "version",
        format!("datamesh {version}"),
        json!({"format_version": EVENT_FORMAT, "datamesh": version}),
    )
}

/// A finding with the lines and columns of its places.
pub fn diagnostic(diagnostic: &Diagnostic, sources: &Sources) -> String {
    line("diagnostic", diagnostic.detail.clone(), diagnostic_value(diagnostic, sources))
}

/// The fields of a finding.
pub fn diagnostic_value(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let labels: Vec<Value> =
        diagnostic.labels.iter().map(|label| place(label.span, &label.text, sources)).collect();
    json!({
        "severity": severity,
        "code": diagnostic.code.id,
        "summary": diagnostic.code.summary,
        "detail": diagnostic.detail,
        "help": diagnostic.help,
        "scope": diagnostic.scope,
        "range": labels.first(),
        "labels": labels,
    })
}

fn place(span: Span, text: &str, sources: &Sources) -> Value {
    let at = |offset: u32| {
        let (line, column) = sources.line_column(Span { start: offset, end: offset, ..span })?;
        Some(json!({"line": line, "column": column, "byte": offset}))
    };
    json!({"filename": sources.path(span.file), "start": at(span.start), "end": at(span.end), "label": text})
}

/// A plan as events: each change, each drift, and the summary.
pub fn plan_events(plan: &Plan) -> String {
    let mut out = String::new();
    for drift in &plan.drift {
        let message = format!("{} changed outside", drift.address);
        out.push_str(&line("resource_drift", message, json!({"resource_drift": resource_drift(drift)})));
    }
    for change in plan.changes.iter().filter(|change| change.action != Action::NoOp || change.bookkeeping) {
        let message = format!("{}: {}", change.address, change.reason);
        out.push_str(&line("planned_change", message, json!({"resource_change": resource_change(change)})));
    }
    for (owner, reason) in &plan.held_back {
        out.push_str(&line(
            "held_back",
            format!("{owner}: {reason}"),
            json!({"owner": owner, "reason": reason}),
        ));
    }
    let sum = plan.summary();
    let rest = json!({"plan_id": plan.id, "environment": plan.environment, "changes": sum});
    out.push_str(&line("change_summary", super::plan_human::summary(&sum), rest));
    out
}

pub(crate) fn action_word(action: OpAction) -> &'static str {
    match action {
        OpAction::Create => "create",
        OpAction::Update => "update",
        OpAction::Delete => "delete",
    }
}

/// How an operation ended, in a word.
pub(crate) fn outcome_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done(_) => "done",
        Outcome::Deleted => "deleted",
        Outcome::Stale(_) => "stale",
        Outcome::Rejected(_) => "rejected",
        Outcome::Partial(..) => "partial",
        Outcome::Indeterminate(_) => "indeterminate",
    }
}

fn seconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}

/// What happened while reading and writing, as a line of the stream.
pub fn event(event: &Event, sources: &Sources) -> Option<String> {
    Some(match event {
        Event::Phase { name } => line("phase", (*name).to_owned(), json!({"phase": name})),
        Event::RefreshStart { system, objects } => line(
            "refresh_start",
            format!("reading {system}"),
            json!({"system": system.to_string(), "objects": objects}),
        ),
        Event::RefreshProgress { system, done } => line(
            "refresh_progress",
            format!("{system}: {done}"),
            json!({"system": system.to_string(), "done": done}),
        ),
        Event::RefreshComplete { system, objects, took } => line(
            "refresh_complete",
            format!("read {system}"),
            json!({"system": system.to_string(), "objects": objects, "elapsed_seconds": seconds(*took)}),
        ),
        Event::RefreshFailed { system, error } => line(
            "refresh_errored",
            error.to_string(),
            json!({"system": system.to_string(), "endpoint": error.endpoint, "help": error.hint}),
        ),
        Event::GroupStart { index, groups, operations } => line(
            "group_start",
            format!("group {index} of {groups}"),
            json!({"group": index, "groups": groups, "operations": operations}),
        ),
        Event::OperationStart { address, action, step } => {
            let word = action_word(*action);
            line(
                "apply_start",
                format!("{address}: {step}"),
                json!({"address": address, "action": word, "step": step}),
            )
        }
        Event::OperationComplete { address, action, step, outcome, took } => {
            let kind = if outcome.is_success() { "apply_complete" } else { "apply_errored" };
            let (word, ended) = (action_word(*action), outcome_word(outcome));
            let rest = json!({"address": address, "action": word, "step": step, "outcome": ended,
                "error": outcome.why(), "elapsed_seconds": seconds(*took)});
            line(kind, format!("{address}: {step} {ended}"), rest)
        }
        Event::Waiting { what, for_how_long } => {
            line("waiting", what.clone(), json!({"elapsed_seconds": seconds(*for_how_long)}))
        }
        Event::Diagnostic { diagnostic } => self::diagnostic(diagnostic, sources),
        _ => return None,
    })
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
