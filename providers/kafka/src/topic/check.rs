//! Asking brokers in advance whether they would take a change.

use super::apply::{new_topics, parts};
use super::task::{Step, Task};
use crate::client::{Cluster, Failure};
use crate::codes;
use crate::sys::{Coded, Limits};
use datamesh_provider::{Context, Diagnostic, Diagnostics, OpDiagnostics, Operation, Sink};
use std::collections::HashMap;

/// Topics in one request.
const AT_ONCE: usize = 250;

/// Creates and configs only: brokers exist that carry out a validate-only request for more partitions.
pub(crate) async fn check(
    cluster: &Cluster,
    cx: &Context,
    ops: &[&Operation],
    out: &dyn Sink<OpDiagnostics>,
) {
    for step in [Step::Create, Step::Config] {
        let of_step = ops.iter().filter(|op| Step::of(op) == Some(step));
        // What does not decode is refused when it is applied.
        let tasks: Vec<_> = of_step.filter_map(|op| Task::new(op).ok()).collect();
        let tasks: Vec<_> =
            tasks.into_iter().filter(|t| step == Step::Create || !t.edits().is_empty()).collect();
        for batch in parts(tasks, AT_ONCE) {
            if cx.cancel.is_draining() {
                return;
            }
            let answer = ask(cluster, cx, step, &batch).await;
            report(cluster, &batch, answer, out);
        }
    }
}

type Answers = Result<Vec<(String, Option<Coded>)>, Failure>;

async fn ask(cluster: &Cluster, cx: &Context, step: Step, tasks: &[Task<'_>]) -> Answers {
    let limits = Limits { timeout: cx.budget.call_timeout, validate_only: true };
    let answer = if step == Step::Create {
        cluster.handle().create_topics(&new_topics(tasks), limits)
    } else {
        let edits: Vec<_> = tasks.iter().map(|task| (task.name(), task.edits())).collect();
        cluster.handle().alter_configs(&edits, limits)
    };
    cluster.ask(cx, answer).await
}

fn report(cluster: &Cluster, tasks: &[Task<'_>], answer: Answers, out: &dyn Sink<OpDiagnostics>) {
    let mut failed: HashMap<&str, Failure> = HashMap::new();
    match answer {
        Ok(results) => {
            for task in tasks {
                let error = results.iter().find(|(name, _)| name == task.name()).and_then(|(_, e)| e.clone());
                failed.extend(error.map(|error| (task.name(), Failure::Error(error))));
            }
        }
        Err(failure) => failed.extend(tasks.iter().map(|task| (task.name(), failure.clone()))),
    }
    for task in tasks {
        if let Some(failure) = failed.get(task.name()) {
            let diagnostics = Diagnostics::from(finding(cluster, task, failure));
            out.put(OpDiagnostics { id: task.op.id.clone(), about: about(task, failure), diagnostics });
        }
    }
}

/// The declared config that the broker's words name, as far as they name one.
fn about(task: &Task<'_>, failure: &Failure) -> Vec<String> {
    let Failure::Error(error) = failure else { return Vec::new() };
    let of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let words = error.message.split(|c| !of_key(c)).map(|word| word.trim_end_matches('.'));
    let named = words.filter_map(|word| task.planned.config.get_key_value(word));
    named
        .max_by_key(|(key, _)| key.len())
        .map_or_else(Vec::new, |(key, _)| vec!["config".into(), key.clone()])
}

fn finding(cluster: &Cluster, task: &Task<'_>, failure: &Failure) -> Diagnostic {
    let problem =
        cluster.failure(failure, format!("ask whether it would {} {}", task.step.verb(), task.name()));
    let hint = problem.hint.clone();
    match failure {
        Failure::Error(error) if error.is_forbidden() => {
            let needs = if task.step == Step::Create {
                "CREATE on the topic or the cluster"
            } else {
                "ALTER_CONFIGS on the topic"
            };
            let detail = format!("not validated: needs {needs}, here and when it is applied. {problem}");
            let help = "give the principal that right, or plan with the credentials that apply";
            Diagnostic::note(codes::NOT_VALIDATED, detail).help(help)
        }
        Failure::Error(error) if !error.leaves_doubt() => {
            let found = Diagnostic::error(codes::WOULD_REFUSE, problem.to_string());
            match hint {
                Some(hint) => found.help(hint),
                None => found,
            }
        }
        _ => Diagnostic::note(codes::NOT_VALIDATED, format!("not validated: {problem}")),
    }
}
