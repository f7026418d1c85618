//! Plans under a name beside the state: published by a pull request's job, held against the plan after the merge.

use super::open::{self, Opened};
use super::{plan, show};
use crate::cli::codes;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::json::{self, StreamEvent};
use crate::cli::render::{plan_human, reviewed};
use crate::engine::{PlanRequest, Planned, PublishedError, PublishedPlan};
use datamesh_core::contract::did_you_mean;
use datamesh_core::plan::{no_longer_planned, unreviewed};
use datamesh_provider::Diagnostic;
use datamesh_state::is_plan_name;

/// A name for a published plan, as an argument.
pub(super) fn plan_name(text: &str) -> Result<String, String> {
    match is_plan_name(text) {
        true => Ok(text.to_owned()),
        false => Err("a name is of at most 100 letters, digits, `-` and `_`".to_owned()),
    }
}

/// Keeps a plan that was just shown.
pub(super) async fn publish(run: &Invocation, opened: &Opened, planned: &Planned, name: &str) -> Exit {
    let version = match opened.session.publish(planned, name).await {
        Ok(version) => version,
        Err(error) => return fail(run, opened, &error),
    };
    if run.ui.json {
        run.ui.out(
            &StreamEvent::Published { name, version }.line(format!("published as {name}, version {version}")),
        );
    } else {
        let then = format!("After the merge: `datamesh apply --reviewed {name}`.");
        run.ui.err(&format!("The plan is published as `{name}`, version {version}. {then}\n"));
    }
    Exit::Ok
}

/// Plans as the published plan was asked for; comes back where every change was reviewed.
pub(super) async fn planned_again(
    run: &Invocation,
    opened: &Opened,
    name: &str,
    allow_lockout: bool,
) -> Result<Planned, Exit> {
    let published = match opened.session.published(name).await {
        Ok(Some(published)) => published,
        Ok(None) => return Err(missing(run, opened, name).await),
        Err(error) => return Err(fail(run, opened, &error)),
    };
    let asked = published.file.asked.clone();
    let request = PlanRequest { asked, snapshot: None, check: true, allow_lockout };
    let planned = opened.session.plan(&request).await.map_err(|error| open::fail_state(run, &error))?;
    plan::show(run, opened, &planned, plan_human::Options::default());
    let differences = unreviewed(&published.file.plan, &planned.plan);
    if !differences.is_empty() {
        let for_programs = run.ui.json;
        run.ui.out(&if for_programs {
            json::not_reviewed(&differences)
        } else {
            reviewed::differences(&differences)
        });
        return Err(refuse(run, &published, differences.len()));
    }
    let left_out = no_longer_planned(&published.file.plan, &planned.plan);
    if let Some(text) = reviewed::no_longer_planned(&left_out) {
        run.ui.err(&text);
    }
    Ok(planned.as_reviewed(&published))
}

fn refuse(run: &Invocation, published: &PublishedPlan, differences: usize) -> Exit {
    let PublishedPlan { name, version, .. } = published;
    let changes = if differences == 1 { "1 change is" } else { &format!("{differences} changes are") };
    let detail =
        format!("{changes} not what was reviewed as `{name}` (version {version}). Nothing was done.");
    let help = "Have the plan of now reviewed, or apply first what was merged before; `plan --target` publishes \
                the changes of one product alone.";
    run.ui.fail(Diagnostic::error(codes::STALE, detail).help(help));
    Exit::StalePlan
}

async fn missing(run: &Invocation, opened: &Opened, name: &str) -> Exit {
    opened.progress.finish();
    let environment = &opened.session.environment().name;
    let others = match opened.session.store().published_names(environment).await {
        Ok(others) => others,
        Err(error) => return open::fail_state(run, &error),
    };
    let detail = format!("No plan was published as `{name}` in the environment {environment}.");
    let publish = || format!("Publish one with `datamesh plan --publish {name}`.");
    let help = did_you_mean(name, others.iter().map(String::as_str), publish);
    run.ui.fail(Diagnostic::error(codes::NOT_PUBLISHED, detail).help(help))
}

fn fail(run: &Invocation, opened: &Opened, error: &PublishedError) -> Exit {
    opened.progress.finish();
    match error {
        PublishedError::State(error) => open::fail_state(run, error),
        PublishedError::File(error) => run.ui.fail(*show::not_a_plan(error)),
        PublishedError::Elsewhere { .. } => {
            let help = "Choose the environment with `--env`.";
            run.ui.fail(Diagnostic::error(codes::NOT_PUBLISHED, format!("{error}.")).help(help))
        }
    }
}
