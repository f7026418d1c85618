//! `datamesh apply`: plan, show, ask, and do it; or do what a saved plan says.

use super::open::{self, Opened};
use super::published::{self, plan_name};
use super::{plan, show};
use crate::cli::args::{Planning, Writing};
use crate::cli::codes;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::{applied, json, plan_human};
use crate::engine::{Applied, ApplyError, PlanBytes, PlanRequest, Planned, watch_signals};
use clap::Args;
use datamesh_provider::{Address, Diagnostic, Outcome};
use datamesh_state::StateError;
use std::collections::BTreeSet;
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh apply                              plan, show, ask, do it
  datamesh apply plan.bin                     what `plan --out plan.bin` showed, without a question
  datamesh apply --reviewed pr-17             what `plan --publish pr-17` showed, planned again, and nothing else
  datamesh apply --auto-approve --input=false     in CI
  datamesh apply --auto-approve=prod --reason 'OPS-42: longer retention'
  datamesh apply --target product:orders/lines

Interrupt once and nothing new is started; what is under way may end, the state is saved, exit 130.")]
pub struct ApplyArgs {
    /// What `plan --out` wrote
    #[arg(value_name = "PLANFILE", conflicts_with_all = ["targets", "adopt", "allow_destroy"])]
    pub file: Option<PathBuf>,
    /// Plan again, and do it only where every change is one that was published under this name
    #[arg(long, value_name = "NAME", value_parser = plan_name,
          conflicts_with_all = ["file", "targets", "adopt", "allow_destroy"])]
    pub reviewed: Option<String>,
    #[command(flatten)]
    pub planning: Planning,
    #[command(flatten)]
    pub writing: Writing,
}

pub async fn run(args: &ApplyArgs, run: &Invocation) -> Exit {
    let opened = match open::open(run, &(&args.planning).into()) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let left = match prepare(run, &opened, &args.writing).await {
        Ok(left) => left,
        Err(exit) => return exit,
    };
    let (saved, strict) = (args.file.is_some() || args.reviewed.is_some(), args.planning.strict);
    let question = Question { saved, strict, destroy: false, left: &left };
    // Who approves whatever the plan is may as well be given a newer one; a saved plan is what it is.
    let again = if saved || args.writing.auto_approve.is_some() { PLANS_AGAIN } else { 0 };
    let mut exit = once(run, &opened, args, question).await;
    for _ in 0..again {
        if !matches!(exit, Err(Ended::Overtaken(_))) {
            break;
        }
        run.ui.err("Another run was faster. Looking again.\n");
        exit = match settle(run, &opened, &args.writing).await {
            Err(exit) => Err(Ended::With(exit)),
            Ok(left) => once(run, &opened, args, Question { left: &left, ..question }).await,
        };
    }
    if args.planning.timing {
        run.ui.err(&opened.timing.report());
    }
    match exit {
        Ok(exit) | Err(Ended::With(exit)) => exit,
        Err(Ended::Overtaken(error)) => fail_apply(run, &opened, &error),
    }
}

/// How often an approved apply plans again, or a saved plan is held against the state again, because another run
/// wrote the state between its plan and its lock.
const PLANS_AGAIN: usize = 10;

/// Why an apply did not begin.
#[derive(Debug)]
enum Ended {
    /// What is wrong has been printed.
    With(Exit),
    /// Another run wrote the state after it was read; nothing was done.
    Overtaken(ApplyError),
}

/// One plan, carried out.
async fn once(
    run: &Invocation,
    opened: &Opened,
    args: &ApplyArgs,
    question: Question<'_>,
) -> Result<Exit, Ended> {
    let planned = match (&args.file, &args.reviewed) {
        (Some(file), _) => verified(run, opened, file).await,
        (None, Some(name)) => published::planned_again(run, opened, name, args.planning.allow_lockout).await,
        (None, None) => fresh(run, opened, args).await,
    };
    let planned = planned.map_err(Ended::With)?;
    attempt(run, opened, &planned, &args.writing, question).await.map_err(Ended::Overtaken)
}

/// The domains whose pending operations are somebody's work, with who that is.
pub(super) type Left = Vec<StateError>;

/// Watches for signals, finds out who this is, and settles what an interrupted apply left.
pub(super) async fn prepare(run: &Invocation, opened: &Opened, writing: &Writing) -> Result<Left, Exit> {
    if let Err(error) = watch_signals(&opened.context, writing.shutdown_grace) {
        let detail = format!("Signals cannot be watched for: {error}.");
        return Err(run.ui.fail(Diagnostic::error(codes::ENGINE, detail)));
    }
    // Before anybody is asked to approve what could not be recorded.
    opened.session.who().await.map_err(|error| {
        opened.progress.finish();
        open::fail_state(run, &error)
    })?;
    settle(run, opened, writing).await
}

/// Settles what an interrupted apply left.
async fn settle(run: &Invocation, opened: &Opened, writing: &Writing) -> Result<Left, Exit> {
    match opened.session.recover(writing.lock_timeout).await {
        Ok(recovered) => {
            opened.progress.finish();
            run.ui.err(&applied::settled(&recovered.settled));
            run.ui.diagnostics(&recovered.found, opened.session.sources());
            Ok(recovered.left)
        }
        Err(error) => {
            opened.progress.finish();
            Err(open::fail_state(run, &error))
        }
    }
}

async fn fresh(run: &Invocation, opened: &Opened, args: &ApplyArgs) -> Result<Planned, Exit> {
    let asked = open::asked(run, opened.session.root(), &args.planning, &[]);
    let request =
        PlanRequest { asked, snapshot: None, check: true, allow_lockout: args.planning.allow_lockout };
    let planned = opened.session.plan(&request).await.map_err(|error| open::fail_state(run, &error))?;
    plan::show(run, opened, &planned, plan_human::Options::default());
    Ok(planned)
}

async fn verified(run: &Invocation, opened: &Opened, file: &std::path::Path) -> Result<Planned, Exit> {
    let read = PlanBytes::read(&run.cwd.join(file));
    let file = read.and_then(|bytes| bytes.open(opened.session.store().codec())).map_err(|error| {
        opened.progress.finish();
        run.ui.fail(*show::not_a_plan(&error))
    })?;
    let planned = opened.session.verify(&file).await.map_err(|error| fail_apply(run, opened, &error))?;
    let (all, left) = (file.plan.graph.operations.len(), planned.plan.graph.operations.len());
    if left < all {
        opened.progress.finish();
        run.ui.err(&format!("An earlier run of this plan did {} of its {all} operations.\n", all - left));
    }
    plan::show(run, opened, &planned, plan_human::Options::default());
    Ok(planned)
}

/// What has to be known before anything is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    /// A saved plan was reviewed already.
    pub(super) saved: bool,
    pub(super) strict: bool,
    pub(super) destroy: bool,
    /// What somebody else was at work on when this run began.
    pub(super) left: &'a [StateError],
}

/// Approval, then the apply itself; how the run ends.
pub(super) async fn carry_out(
    run: &Invocation,
    opened: &Opened,
    planned: &Planned,
    writing: &Writing,
    question: Question<'_>,
) -> Exit {
    let done = attempt(run, opened, planned, writing, question).await;
    done.unwrap_or_else(|error| fail_apply(run, opened, &error))
}

/// As [`carry_out`]; an error says that the plan is stale, and that nothing was done.
async fn attempt(
    run: &Invocation,
    opened: &Opened,
    planned: &Planned,
    writing: &Writing,
    question: Question<'_>,
) -> Result<Exit, ApplyError> {
    let planning = plan::exit_of(planned);
    if question.strict && planning == Exit::Error {
        run.ui.err("Nothing is done: there are errors, and --strict was said.\n");
        return Ok(planning);
    }
    // A saved plan that has nothing left may still lack its mark.
    if !planned.plan.has_work() && planned.of_saved().is_none() {
        return Ok(planning.and(left_out(run, planned, question)));
    }
    if let Err(diagnostic) = approve(run, opened, planned, writing, question) {
        return Ok(run.ui.fail(*diagnostic));
    }
    let done = opened.session.apply(planned, writing.lock_timeout, writing.reason.as_deref()).await;
    opened.progress.finish();
    match done {
        Ok(done) => {
            let again = if question.destroy { "datamesh destroy" } else { "datamesh apply" };
            run.ui.out(&if run.ui.json { json::apply_summary(&done) } else { applied::report(&done, again) });
            Ok(planning.and(exit_of(&done)).and(left_out(run, planned, question)))
        }
        Err(overtaken @ ApplyError::Overtaken(_)) => Err(overtaken),
        Err(error) => Ok(planning.and(fail_apply(run, opened, &error))),
    }
}

/// What was asked for and is somebody else's work at this moment is not done by this run, and it says so.
fn left_out(run: &Invocation, planned: &Planned, question: Question<'_>) -> Exit {
    let busy: BTreeSet<&str> = planned.plan.being_changed.keys().map(Address::domain).collect();
    let mut exit = Exit::Ok;
    for error in question.left {
        if matches!(error, StateError::Locked { domain, .. } if busy.contains(domain.as_str())) {
            exit = exit.and(open::fail_state(run, error));
        }
    }
    exit
}

fn approve(
    run: &Invocation,
    opened: &Opened,
    planned: &Planned,
    writing: &Writing,
    question: Question<'_>,
) -> Result<(), Box<Diagnostic>> {
    let environment = opened.session.environment();
    let refuse = |detail: String, help: String| {
        Err(Box::new(Diagnostic::error(codes::NO_APPROVAL, detail).help(help)))
    };
    let name = &environment.name;
    if environment.protected && writing.reason.as_deref().is_none_or(|reason| reason.trim().is_empty()) {
        return refuse(
            format!("The environment `{name}` is protected: a change of it needs a reason."),
            "Say why with `--reason TEXT`.".to_owned(),
        );
    }
    match writing.auto_approve.as_deref() {
        Some("") if !environment.protected => return Ok(()),
        Some(approved) if approved == name => return Ok(()),
        Some("") => {
            return refuse(
                format!("The environment `{name}` is protected: an approval has to name it."),
                format!("Say `--auto-approve={name}`."),
            );
        }
        Some(other) => {
            return refuse(
                format!("`--auto-approve` names `{other}`, but the environment is `{name}`."),
                "Choose the environment with `--env`.".to_owned(),
            );
        }
        None => {}
    }
    if question.saved {
        return Ok(());
    }
    if !writing.input || !run.ui.can_ask || run.ui.json {
        return refuse(
            "Applying needs an approval, and nobody can be asked here.".to_owned(),
            format!("Say `--auto-approve={name}`, or save a plan with `plan --out FILE` and apply that."),
        );
    }
    // What is destroyed, and what a protected environment holds, is worth more than a reflex.
    let word = if question.destroy || environment.protected { name.as_str() } else { "yes" };
    let sum = planned.plan.summary();
    let loses =
        if sum.loses_data > 0 { format!(" {} of them lose data.", sum.loses_data) } else { String::new() };
    let asks = format!("\nDo this in `{name}`?{loses}");
    if run.ui.confirm(&asks, word) {
        return Ok(());
    }
    Err(Box::new(Diagnostic::error(codes::NO_APPROVAL, "The answer was no: nothing was done.")))
}

fn fail_apply(run: &Invocation, opened: &Opened, error: &ApplyError) -> Exit {
    opened.progress.finish();
    match error {
        ApplyError::State(error) => open::fail_state(run, error),
        ApplyError::Stale(_) | ApplyError::Overtaken(_) => {
            let diagnostic = Diagnostic::error(codes::STALE, format!("{error}. Nothing was done."));
            run.ui.fail(diagnostic.help("Plan again, and look at it again."));
            Exit::StalePlan
        }
    }
}

/// How an apply that happened ends.
fn exit_of(applied: &Applied) -> Exit {
    let report = &applied.report;
    let mut exit = Exit::Ok;
    for failure in &report.failures {
        exit = exit.and(match failure.outcome {
            Outcome::Indeterminate(_) => Exit::Indeterminate,
            Outcome::Stale(_) => Exit::StalePlan,
            Outcome::Partial(..) => Exit::PartialApply,
            _ => Exit::Error,
        });
    }
    if !report.withdrawn.is_empty() {
        exit = exit.and(Exit::StalePlan);
    }
    if report.tally.indeterminate > 0 {
        exit = exit.and(Exit::Indeterminate);
    }
    for error in &report.state_errors {
        exit = exit.and(open::state_exit(error)).and(Exit::PartialApply);
    }
    if !report.is_complete() && report.tally.done > 0 {
        exit = exit.and(Exit::PartialApply);
    } else if !report.is_complete() || !report.mismatches.is_empty() {
        exit = exit.and(Exit::Error);
    }
    if report.interrupted { exit.and(Exit::Interrupted) } else { exit }
}
