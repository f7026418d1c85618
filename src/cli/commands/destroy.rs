//! `datamesh destroy`: removes what this mesh made.

use super::apply::{self, Question};
use super::{open, plan};
use crate::cli::args::{Planning, Writing};
use crate::cli::codes;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::plan_human;
use crate::engine::PlanRequest;
use clap::Args;
use datamesh_provider::Diagnostic;

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh destroy 'orders/lines@1:**'        one product
  datamesh destroy --all                      everything this mesh made in the environment

What the mesh adopted is forgotten, never deleted; `prevent_destroy` is obeyed; a protected environment is refused
without targets. What others made is never touched.")]
pub struct DestroyArgs {
    /// What to destroy: an address glob, `type:T`, `domain:D` or `product:P`
    #[arg(value_name = "SELECTOR", conflicts_with = "all")]
    pub selectors: Vec<String>,
    /// Everything in the environment
    #[arg(long, conflicts_with = "targets")]
    pub all: bool,
    #[command(flatten)]
    pub planning: Planning,
    #[command(flatten)]
    pub writing: Writing,
}

pub async fn run(args: &DestroyArgs, run: &Invocation) -> Exit {
    let targets: Vec<String> = args.selectors.iter().chain(&args.planning.targets).cloned().collect();
    if targets.is_empty() && !args.all {
        let detail = "Nothing says what to destroy.";
        run.ui.fail(
            Diagnostic::error(codes::DESTROY_WHAT, detail)
                .help("Name it, such as `datamesh destroy 'orders/lines@1:**'`, or say `--all`."),
        );
        return Exit::Usage;
    }
    let opened = match open::open(run, &(&args.planning).into()) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let environment = opened.session.environment();
    if args.all && environment.protected {
        let detail =
            format!("The environment `{}` is protected: `destroy --all` is refused there.", environment.name);
        opened.progress.finish();
        return run.ui.fail(Diagnostic::error(codes::DESTROY_WHAT, detail).help("Name what to destroy."));
    }
    let left = match apply::prepare(run, &opened, &args.writing).await {
        Ok(left) => left,
        Err(exit) => return exit,
    };
    let mut asked = open::asked(run, opened.session.root(), &args.planning, &[]);
    (asked.targets, asked.destroy) = (targets, true);
    let request =
        PlanRequest { asked, snapshot: None, check: true, allow_lockout: args.planning.allow_lockout };
    let planned = match opened.session.plan(&request).await {
        Ok(planned) => planned,
        Err(error) => return open::fail_state(run, &error),
    };
    plan::show(run, &opened, &planned, plan_human::Options::default());
    let question = Question { saved: false, strict: args.planning.strict, destroy: true, left: &left };
    apply::carry_out(run, &opened, &planned, &args.writing, question).await
}
