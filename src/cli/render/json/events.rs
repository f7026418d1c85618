//! The event stream of `--json`: one object a line, its `type` says what it is about.

use super::document::{ActionWord, AttributeView, ChangeView, DriftView, action_word, actions, attributes};
use crate::cli::render::{applied, drift, plan_human};
use crate::engine::{Applied, Unmanaged};
use datamesh_core::plan::{Action, DriftReport, Plan, Summary, Unreviewed, Verdict};
use datamesh_provider::{Address, Attributes, Diagnostic, Event, Outcome, Severity, Sources, Span};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// Version of the event stream. The first number changes when a reader of the old form would break.
pub const EVENT_FORMAT: &str = "1.0";

/// One line of the stream.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StreamLine<'a> {
    #[serde(flatten)]
    pub event: StreamEvent<'a>,
    /// The same in words.
    pub message: String,
}

/// What a line is about.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StreamEvent<'a> {
    /// The first line of every stream.
    Version {
        format_version: &'static str,
        datamesh: &'static str,
    },
    /// A finding.
    Diagnostic(Box<Finding<'a>>),
    /// A part of the run begins.
    Phase {
        phase: &'a str,
    },
    RefreshStart {
        system: String,
        objects: usize,
    },
    RefreshProgress {
        system: String,
        done: usize,
    },
    RefreshComplete {
        system: String,
        objects: usize,
        elapsed_seconds: f64,
    },
    RefreshErrored {
        system: String,
        endpoint: &'a str,
        help: Option<&'a str>,
    },
    /// What differs live from what was last applied.
    ResourceDrift {
        resource_drift: Box<DriftView<'a>>,
    },
    /// A resource that is changed, held, or recorded anew.
    PlannedChange {
        resource_change: Box<ChangeView<'a>>,
    },
    /// A product nothing is planned for.
    HeldBack {
        owner: &'a str,
        reason: &'a str,
    },
    ChangeSummary {
        plan_id: &'a str,
        environment: &'a str,
        changes: Summary,
    },
    /// The plan is kept under a name.
    Published {
        name: &'a str,
        version: u32,
    },
    /// A change that is not what was reviewed; `reviewed_actions` is `null` where nothing was reviewed about it.
    NotReviewed {
        address: &'a Address,
        actions: Vec<ActionWord>,
        reviewed_actions: Option<Vec<ActionWord>>,
    },
    GroupStart {
        group: usize,
        groups: usize,
        operations: usize,
    },
    ApplyStart {
        address: &'a Address,
        action: ActionWord,
        step: &'a str,
    },
    ApplyComplete(OperationEnd<'a>),
    ApplyErrored(OperationEnd<'a>),
    /// The run waits; the message says for what.
    Waiting {
        elapsed_seconds: f64,
    },
    ApplySummary(Box<ApplySummary<'a>>),
    /// How one resource stands.
    Drift {
        address: &'a Address,
        verdict: Verdict,
        why: Option<&'a str>,
        /// Gone altogether.
        #[serde(skip_serializing_if = "Option::is_none")]
        deleted: Option<bool>,
        /// From what was applied to what is live.
        #[serde(skip_serializing_if = "Option::is_none")]
        attributes: Option<Vec<AttributeView<'a>>>,
    },
    /// Something that nobody here declares.
    Unmanaged {
        system: String,
        #[serde(rename = "resource_type")]
        ty: &'a str,
        id: &'a str,
        details: &'a Attributes,
    },
    DriftSummary {
        in_sync: usize,
        drifted: usize,
        pending: usize,
        unreadable: usize,
    },
    ValidateSummary {
        documents: usize,
        /// Findings about documents that were not asked for.
        findings_elsewhere: usize,
        /// What only a plan can judge.
        not_judged: &'a [&'a str],
    },
}

impl StreamEvent<'_> {
    /// The line, with its words.
    pub fn line(self, message: impl Into<String>) -> String {
        let line = StreamLine { event: self, message: message.into() };
        super::object_line(&serde_json::json!(line))
    }
}

/// How one operation ended.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OperationEnd<'a> {
    pub address: &'a Address,
    pub action: ActionWord,
    pub step: &'a str,
    pub outcome: OutcomeWord,
    pub error: Option<String>,
    pub elapsed_seconds: f64,
}

/// How an operation ended, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeWord {
    Done,
    Deleted,
    /// What it relied on was not as it was: nothing was done.
    Stale,
    /// The system refused it.
    Rejected,
    /// Some of it is done.
    Partial,
    /// Nobody knows.
    Indeterminate,
}

impl OutcomeWord {
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Done(_) => Self::Done,
            Outcome::Deleted => Self::Deleted,
            Outcome::Stale(_) => Self::Stale,
            Outcome::Rejected(_) => Self::Rejected,
            Outcome::Partial(..) => Self::Partial,
            Outcome::Indeterminate(_) => Self::Indeterminate,
        }
    }
}

impl fmt::Display for OutcomeWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Deleted => "deleted",
            Self::Stale => "stale",
            Self::Rejected => "rejected",
            Self::Partial => "partial",
            Self::Indeterminate => "indeterminate",
        })
    }
}

/// A finding, with the lines and columns of its places.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Finding<'a> {
    pub severity: SeverityWord,
    pub code: &'a str,
    /// What is wrong with all that have this code.
    pub summary: &'a str,
    pub detail: &'a str,
    pub help: Option<&'a str>,
    /// The product it is about.
    pub scope: Option<&'a str>,
    /// The first of `labels`.
    pub range: Option<Place<'a>>,
    pub labels: Vec<Place<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeverityWord {
    Error,
    Warning,
    Note,
}

/// A place in a file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Place<'a> {
    pub filename: &'a str,
    pub start: Option<Position>,
    pub end: Option<Position>,
    pub label: &'a str,
}

/// Lines and columns count from 1, bytes from 0.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Position {
    pub line: usize,
    pub column: usize,
    pub byte: u32,
}

/// How an apply went.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ApplySummary<'a> {
    pub run: &'a str,
    pub done: usize,
    pub failed: usize,
    pub indeterminate: usize,
    pub skipped: usize,
    pub interrupted: bool,
    pub failures: Vec<FailedOperation<'a>>,
    /// Done, as their systems say, and not as planned.
    pub mismatches: Vec<&'a Address>,
    pub not_started: Vec<&'a Address>,
    pub withdrawn: Vec<WithdrawnOperation<'a>>,
    /// Outcomes the state did not take: `datamesh recover RUN` stores them.
    pub unstored: usize,
    pub state_errors: Vec<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FailedOperation<'a> {
    pub address: &'a Address,
    pub step: &'a str,
    pub outcome: OutcomeWord,
    pub error: Option<String>,
    /// What may help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<&'a str>,
}

/// What must not begin any more, since another domain was changed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct WithdrawnOperation<'a> {
    pub address: &'a Address,
    pub why: &'a str,
}

/// The first line of every stream.
pub fn version() -> String {
    let datamesh = env!("CARGO_PKG_VERSION");
    StreamEvent::Version { format_version: EVENT_FORMAT, datamesh }.line(format!("datamesh {datamesh}"))
}

/// A finding with the lines and columns of its places.
pub fn diagnostic(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let labels: Vec<Place<'_>> =
        diagnostic.labels.iter().map(|label| place(label.span, &label.text, sources)).collect();
    let finding = Finding {
        severity: match diagnostic.severity {
            Severity::Error => SeverityWord::Error,
            Severity::Warning => SeverityWord::Warning,
            Severity::Note => SeverityWord::Note,
        },
        code: diagnostic.code.id,
        summary: diagnostic.code.summary,
        detail: &diagnostic.detail,
        help: diagnostic.help.as_deref(),
        scope: diagnostic.scope.as_deref(),
        range: labels.first().cloned(),
        labels,
    };
    StreamEvent::Diagnostic(Box::new(finding)).line(&*diagnostic.detail)
}

fn place<'a>(span: Span, label: &'a str, sources: &'a Sources) -> Place<'a> {
    let at = |byte: u32| {
        let (line, column) = sources.line_column(Span { start: byte, end: byte, ..span })?;
        Some(Position { line, column, byte })
    };
    Place { filename: sources.path(span.file), start: at(span.start), end: at(span.end), label }
}

/// A plan as events: each change, each drift, and the summary.
pub fn plan_events(plan: &Plan) -> String {
    let mut out = String::new();
    for drift in &plan.drift {
        let event = StreamEvent::ResourceDrift { resource_drift: Box::new(DriftView::of(drift)) };
        out.push_str(&event.line(format!("{} changed outside", drift.address)));
    }
    for change in plan.changes.iter().filter(|change| change.action != Action::NoOp || change.bookkeeping) {
        let event = StreamEvent::PlannedChange { resource_change: Box::new(ChangeView::of(change)) };
        out.push_str(&event.line(format!("{}: {}", change.address, change.reason)));
    }
    for (owner, reason) in &plan.held_back {
        out.push_str(&StreamEvent::HeldBack { owner, reason }.line(format!("{owner}: {reason}")));
    }
    let changes = plan.summary();
    let event = StreamEvent::ChangeSummary { plan_id: &plan.id, environment: &plan.environment, changes };
    out.push_str(&event.line(plan_human::summary(&changes)));
    out
}

/// What was not reviewed as it is planned now.
pub fn not_reviewed(differences: &[Unreviewed<'_>]) -> String {
    let event = |one: &Unreviewed<'_>| {
        let Unreviewed { now, reviewed } = one;
        let event = StreamEvent::NotReviewed {
            address: &now.address,
            actions: actions(now.action),
            reviewed_actions: reviewed.map(|reviewed| actions(reviewed.action)),
        };
        event.line(format!("{} is not planned as it was reviewed", now.address))
    };
    differences.iter().map(event).collect()
}

/// How an apply went.
pub fn apply_summary(done: &Applied) -> String {
    let report = &done.report;
    let failures = report.failures.iter().map(|failure| FailedOperation {
        address: &failure.address,
        step: &failure.step,
        outcome: OutcomeWord::of(&failure.outcome),
        error: failure.outcome.why(),
        help: failure.outcome.error().and_then(|error| error.hint.as_deref()),
    });
    let withdrawn = report.withdrawn.iter().map(|(address, why)| WithdrawnOperation { address, why });
    let sum = ApplySummary {
        run: &done.run,
        done: report.tally.done,
        failed: report.tally.failed,
        indeterminate: report.tally.indeterminate,
        skipped: report.tally.skipped,
        interrupted: report.interrupted,
        failures: failures.collect(),
        mismatches: report.mismatches.iter().collect(),
        not_started: report.not_started.iter().collect(),
        withdrawn: withdrawn.collect(),
        unstored: report.unstored.len(),
        state_errors: report.state_errors.iter().map(ToString::to_string).collect(),
    };
    StreamEvent::ApplySummary(Box::new(sum)).line(applied::summary(done))
}

/// How each resource stands, and the counts.
pub fn drift_events(report: &DriftReport) -> String {
    let mut out = String::new();
    for entry in &report.entries {
        let event = StreamEvent::Drift {
            address: &entry.address,
            verdict: entry.verdict,
            why: entry.why.as_deref(),
            deleted: entry.drift.as_ref().map(|drift| drift.deleted),
            attributes: entry.drift.as_ref().map(|drift| attributes(&drift.attributes)),
        };
        out.push_str(&event.line(format!("{} is {}", entry.address, drift::word(entry.verdict))));
    }
    let count = |verdict| report.count(verdict);
    let event = StreamEvent::DriftSummary {
        in_sync: count(Verdict::InSync),
        drifted: count(Verdict::Drifted),
        pending: count(Verdict::Pending),
        unreadable: count(Verdict::Unreadable),
    };
    out.push_str(&event.line(drift::summary(report)));
    out
}

/// What nobody here declares.
pub fn unmanaged_events(objects: &[Unmanaged]) -> String {
    let line = |object: &Unmanaged| {
        let (ty, id) = (object.ty.as_str(), object.id.as_str());
        let event =
            StreamEvent::Unmanaged { system: object.system.to_string(), ty, id, details: &object.details };
        event.line(format!("{ty} {id} in {} is unmanaged", object.system))
    };
    objects.iter().map(line).collect()
}

fn seconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}

/// What happened while reading and writing.
pub fn event(event: &Event, sources: &Sources) -> Option<String> {
    Some(match event {
        Event::Phase { name } => StreamEvent::Phase { phase: name }.line(*name),
        Event::RefreshStart { system, objects } => {
            let (system, words) = (system.to_string(), format!("reading {system}"));
            StreamEvent::RefreshStart { system, objects: *objects }.line(words)
        }
        Event::RefreshProgress { system, done } => {
            let (system, words) = (system.to_string(), format!("{system}: {done}"));
            StreamEvent::RefreshProgress { system, done: *done }.line(words)
        }
        Event::RefreshComplete { system, objects, took } => {
            let (system, words) = (system.to_string(), format!("read {system}"));
            let elapsed_seconds = seconds(*took);
            StreamEvent::RefreshComplete { system, objects: *objects, elapsed_seconds }.line(words)
        }
        Event::RefreshFailed { system, error } => {
            let (system, endpoint, help) = (system.to_string(), &*error.endpoint, error.hint.as_deref());
            StreamEvent::RefreshErrored { system, endpoint, help }.line(error.to_string())
        }
        Event::GroupStart { index, groups, operations } => {
            let words = format!("group {index} of {groups}");
            StreamEvent::GroupStart { group: *index, groups: *groups, operations: *operations }.line(words)
        }
        Event::OperationStart { address, action, step } => {
            let words = format!("{address}: {step}");
            StreamEvent::ApplyStart { address, action: action_word(*action), step }.line(words)
        }
        Event::OperationComplete { address, action, step, outcome, took } => {
            let (action, word) = (action_word(*action), OutcomeWord::of(outcome));
            let (error, elapsed_seconds) = (outcome.why(), seconds(*took));
            let end = OperationEnd { address, action, step, outcome: word, error, elapsed_seconds };
            let words = format!("{address}: {step} {word}");
            match outcome.is_success() {
                true => StreamEvent::ApplyComplete(end).line(words),
                false => StreamEvent::ApplyErrored(end).line(words),
            }
        }
        Event::Waiting { what, for_how_long } => {
            StreamEvent::Waiting { elapsed_seconds: seconds(*for_how_long) }.line(&**what)
        }
        Event::Diagnostic { diagnostic } => self::diagnostic(diagnostic, sources),
        _ => return None,
    })
}
