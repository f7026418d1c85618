//! `datamesh plan`: what an apply would do.

use super::open::{self, Opened};
use super::published::{self, plan_name};
use crate::cli::args::Planning;
use crate::cli::codes;
use crate::cli::exit::Exit;
use crate::cli::files;
use crate::cli::invocation::{Invocation, shown};
use crate::cli::render::{explain, human, json, plan_human};
use crate::engine::{PlanRequest, Planned};
use clap::Args;
use datamesh_core::plan::Snapshot;
use datamesh_provider::Diagnostic;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// No recorded snapshot may be larger, in bytes.
const MAX_SNAPSHOT: u64 = 256 << 20;

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh plan
  datamesh plan --out plan.bin && datamesh apply plan.bin
  datamesh plan domains/orders                    only what the manifests there declare
  datamesh plan --target 'orders/**' --target type:kafka_topic
  datamesh plan --detailed-exitcode               exit 2 where there are changes
  datamesh plan --publish pr-17                   keep it for `apply --reviewed pr-17` after the merge
  datamesh plan --snapshot live.json              no system is contacted

Paths and targets narrow what is planned, never what is loaded; a narrowed plan never infers a removal.")]
pub struct PlanArgs {
    /// Plan only what the manifests below these paths declare
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub planning: Planning,
    /// Write the plan into a file, for `apply FILE` and `show FILE`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Keep the plan beside the state, as what is reviewed under this name
    #[arg(long, value_name = "NAME", value_parser = plan_name, conflicts_with = "snapshot")]
    pub publish: Option<String>,
    /// Exit 2 where there are changes, 0 where there are none
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Also say where values come from, and which files were left out
    #[arg(long)]
    pub explain: bool,
    /// One block a resource, without its attributes
    #[arg(long)]
    pub concise: bool,
    /// Plan against a recorded snapshot; no system is contacted
    #[arg(long, value_name = "FILE")]
    pub snapshot: Option<PathBuf>,
    /// Record what was read live, as a plain text that only you can read
    #[arg(long, value_name = "FILE")]
    pub snapshot_out: Option<PathBuf>,
}

pub async fn run(args: &PlanArgs, run: &Invocation) -> Exit {
    let snapshot = match args.snapshot.as_deref().map(|path| read_snapshot(&run.cwd.join(path))).transpose() {
        Ok(snapshot) => snapshot,
        Err(diagnostic) => return run.ui.fail(*diagnostic),
    };
    let whole = snapshot.is_none() && args.paths.is_empty() && args.planning.targets.is_empty();
    let opened = match open::open_to_plan(run, &(&args.planning).into(), whole).await {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let asked = open::asked(run, opened.session.root(), &args.planning, &args.paths);
    let request = PlanRequest {
        asked,
        check: snapshot.is_none(),
        snapshot,
        allow_lockout: args.planning.allow_lockout,
    };
    let planned = match opened.session.plan(&request).await {
        Ok(planned) => planned,
        Err(error) => return open::fail_state(run, &error),
    };
    show(run, &opened, &planned, plan_human::Options { concise: args.concise });
    if args.explain && !run.ui.json {
        run.ui.out(&explain::plan(&opened.session, &planned.desired));
    }
    if args.planning.timing {
        run.ui.err(&opened.timing.report());
    }
    let exit = exit_of(&planned);
    let exit =
        if args.detailed_exitcode && planned.plan.has_changes() { exit.and(Exit::Changes) } else { exit };
    let exit = exit.and(keep(args, run, &opened, &planned, exit).await);
    // The process ends here: to give thousands of small things back one by one would take a tenth of its time.
    std::mem::forget((planned, opened));
    exit
}

/// The findings, then the plan.
pub(super) fn show(run: &Invocation, opened: &Opened, planned: &Planned, options: plan_human::Options) {
    opened.progress.finish();
    run.ui.diagnostics(&planned.diagnostics, opened.session.sources());
    if run.ui.json {
        run.ui.out(&json::plan_events(&planned.plan));
        return;
    }
    run.ui.out(&plan_human::plan(&planned.plan, options));
    if let Some(counts) = human::counts(&planned.diagnostics) {
        run.ui.err(&format!("{counts} (see above).\n"));
    }
}

/// Anything wrong or held back is an error, after the rest has been shown.
pub(super) fn exit_of(planned: &Planned) -> Exit {
    let wrong = planned.diagnostics.has_errors() || !planned.plan.held_back.is_empty();
    if wrong { Exit::Error } else { Exit::Ok }
}

/// Puts the plan, and what it was made from, where it was asked to be.
async fn keep(args: &PlanArgs, run: &Invocation, opened: &Opened, planned: &Planned, exit: Exit) -> Exit {
    let mut worst = Exit::Ok;
    if let Some(path) = &args.snapshot_out {
        let path = run.cwd.join(path);
        let text = json::document_text(&planned.snapshot);
        if let Err(error) = files::write_private(&path, &text) {
            worst = worst.and(run.ui.fail(*error));
        }
    }
    if args.planning.strict && exit == Exit::Error && (args.out.is_some() || args.publish.is_some()) {
        run.ui.err("The plan is not saved: there are errors, and --strict was said.\n");
        return worst;
    }
    if let Some(path) = &args.out {
        worst = worst.and(save(run, opened, planned, path));
    }
    if let Some(name) = &args.publish {
        worst = worst.and(published::publish(run, opened, planned, name).await);
    }
    worst
}

/// Writes the plan file.
fn save(run: &Invocation, opened: &Opened, planned: &Planned, path: &Path) -> Exit {
    match planned.file().write(&run.cwd.join(path), opened.session.store().codec()) {
        Ok(()) if run.ui.json => Exit::Ok,
        Ok(()) => {
            let name = shown(path);
            run.ui.err(&format!("The plan is in {name}. Apply it with `datamesh apply {name}`.\n"));
            Exit::Ok
        }
        Err(error) => run.ui.fail(Diagnostic::error(codes::FILE, format!("{error}."))),
    }
}

/// A recorded snapshot. Untrusted: bounded, and decoded strictly.
pub(super) fn read_snapshot(path: &Path) -> Result<Snapshot, Box<Diagnostic>> {
    let file = std::fs::File::open(path).map_err(|error| files::error(path, "read", &error))?;
    let mut text = String::new();
    file.take(MAX_SNAPSHOT).read_to_string(&mut text).map_err(|error| files::error(path, "read", &error))?;
    let mut snapshot: Snapshot = serde_json::from_str(&text).map_err(|error| {
        let detail = format!("`{}` is no snapshot: {error}.", path.display());
        Box::new(
            Diagnostic::error(codes::FILE, detail)
                .help("Record one with `datamesh plan --snapshot-out FILE`."),
        )
    })?;
    snapshot.sort();
    Ok(snapshot)
}
