//! `datamesh show`: a saved plan, rendered again.

use super::open;
use crate::cli::codes;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::{escape, json, plan_human};
use crate::engine::PlanFile;
use clap::Args;
use datamesh_provider::Diagnostic;
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh plan --out plan.bin && datamesh show plan.bin
  datamesh show --json plan.bin | jq '.resource_changes[].address'

The JSON document keeps Terraform's names. A plan that does not fit the mesh here, or its state, any more is shown with
a warning.")]
pub struct ShowArgs {
    /// What `plan --out` wrote
    #[arg(value_name = "PLANFILE")]
    pub file: PathBuf,
}

pub async fn run(args: &ShowArgs, run: &Invocation) -> Exit {
    let file = match PlanFile::read(&run.cwd.join(&args.file)) {
        Ok(file) => file,
        Err(error) => {
            let diagnostic = Diagnostic::error(codes::NOT_A_PLAN, format!("{error}."));
            return run.ui.fail(diagnostic.help("Make one with `datamesh plan --out FILE`."));
        }
    };
    if let Some(why) = outdated(&file, run).await {
        run.ui.err(&format!("This plan is stale: {}. It would be refused.\n", escape::line(&why)));
    }
    if run.ui.json {
        run.ui.out(&json::plan(&file.plan));
    } else {
        run.ui.out(&plan_human::plan(&file.plan, plan_human::Options::default()));
    }
    Exit::Ok
}

/// Whether the plan still holds, as far as a mesh and its state are at hand. No system is asked.
async fn outdated(file: &PlanFile, run: &Invocation) -> Option<String> {
    let root = run.root().ok()?;
    let environment = Some(file.plan.environment.clone());
    let Some(session) = open::unseen(run, root, environment) else {
        return Some(format!(
            "the mesh here has no environment {} that can be opened",
            file.plan.environment
        ));
    };
    match session.outdated(file).await {
        Ok(outdated) => outdated,
        Err(error) => Some(format!("the state cannot be read ({error})")),
    }
}
