//! `datamesh drift`: what was changed behind the mesh's back.

use super::open;
use crate::cli::args::Planning;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::{drift, json};
use clap::Args;
use datamesh_core::plan::Verdict;

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh drift
  datamesh drift --target domain:orders
  datamesh drift --json | jq 'select(.verdict == \"drifted\")'

Exit 0: nothing drifted (what is merged but not applied is no drift). Exit 2: something did. Exit 1: something could
not be read. Repair it with `datamesh apply`.")]
pub struct DriftArgs {
    /// Look only at what these select: an address glob, `type:T`, `domain:D` or `product:P`. Repeatable
    #[arg(long = "target", value_name = "SELECTOR")]
    pub targets: Vec<String>,
}

pub async fn run(args: &DriftArgs, run: &Invocation) -> Exit {
    let opened = match open::open(run, &open::Wanted::default()) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let planning = Planning { targets: args.targets.clone(), ..Planning::default() };
    let asked = open::asked(run, opened.session.root(), &planning, &[]);
    let (report, found) = match opened.session.drift(&asked).await {
        Ok(report) => report,
        Err(error) => return open::fail_state(run, &error),
    };
    opened.progress.finish();
    run.ui.diagnostics(&found, opened.session.sources());
    run.ui.out(&if run.ui.json { json::drift_events(&report) } else { drift::human(&report) });
    let drifted = if report.count(Verdict::Drifted) > 0 { Exit::Changes } else { Exit::Ok };
    let unreadable = report.count(Verdict::Unreadable) > 0 || found.has_errors();
    drifted.and(if unreadable { Exit::Error } else { Exit::Ok })
}
