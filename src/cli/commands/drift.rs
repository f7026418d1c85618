//! `datamesh drift`: what was changed behind the mesh's back.

use super::open;
use crate::cli::args::Planning;
use crate::cli::codes;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::{drift, json};
use clap::Args;
use datamesh_core::plan::Verdict;
use datamesh_provider::Diagnostic;

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh drift
  datamesh drift --target domain:orders
  datamesh drift --unmanaged             also what nobody here declares: topics, bindings, tables, …
  datamesh drift --json | jq 'select(.verdict == \"drifted\")'

Exit 0: nothing drifted (what is merged but not applied is no drift). Exit 2: something did. Exit 1: something could
not be read. Repair it with `datamesh apply`.")]
pub struct DriftArgs {
    /// Look only at what these select: an address glob, `type:T`, `domain:D` or `product:P`. Repeatable
    #[arg(long = "target", value_name = "SELECTOR")]
    pub targets: Vec<String>,
    /// Also list what is in the systems of the environment and neither declared nor recorded; no drift by itself
    #[arg(long)]
    pub unmanaged: bool,
}

pub async fn run(args: &DriftArgs, run: &Invocation) -> Exit {
    let whole = args.targets.is_empty();
    let opened = match open::open_to_plan(run, &open::Wanted::default(), whole).await {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let planning = Planning { targets: args.targets.clone(), ..Planning::default() };
    let asked = open::asked(run, opened.session.root(), &planning, &[]);
    let (report, unmanaged, mut found) = match opened.session.drift(&asked, args.unmanaged).await {
        Ok(report) => report,
        Err(error) => return open::fail_state(run, &error),
    };
    opened.progress.finish();
    for error in unmanaged.iter().flat_map(|unmanaged| &unmanaged.failed) {
        let detail = format!("What is in the system cannot be listed: {error}.");
        found.push(Diagnostic::error(codes::ENGINE, detail).help(error.hint.clone().unwrap_or_default()));
    }
    run.ui.diagnostics(&found, opened.session.sources());
    run.ui.out(&if run.ui.json { json::drift_events(&report) } else { drift::human(&report) });
    if let Some(unmanaged) = &unmanaged {
        let objects = &unmanaged.objects;
        run.ui.out(&if run.ui.json { json::unmanaged_events(objects) } else { drift::unmanaged(objects) });
    }
    let drifted = if report.count(Verdict::Drifted) > 0 { Exit::Changes } else { Exit::Ok };
    let unreadable = report.count(Verdict::Unreadable) > 0 || found.has_errors();
    drifted.and(if unreadable { Exit::Error } else { Exit::Ok })
}
