//! `datamesh show`: a saved plan, rendered again.

use crate::cli::codes;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::{json, plan_human};
use crate::engine::PlanFile;
use clap::Args;
use datamesh_provider::Diagnostic;
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh plan --out plan.bin && datamesh show plan.bin
  datamesh show --json plan.bin | jq '.resource_changes[].address'

The JSON document keeps Terraform's names.")]
pub struct ShowArgs {
    /// What `plan --out` wrote
    #[arg(value_name = "PLANFILE")]
    pub file: PathBuf,
}

pub fn run(args: &ShowArgs, run: &Invocation) -> Exit {
    match PlanFile::read(&run.cwd.join(&args.file)) {
        Ok(file) if run.ui.json => run.ui.out(&json::plan(&file.plan)),
        Ok(file) => run.ui.out(&plan_human::plan(&file.plan, plan_human::Options::default())),
        Err(error) => {
            let diagnostic = Diagnostic::error(codes::NOT_A_PLAN, format!("{error}."));
            return run.ui.fail(diagnostic.help("Make one with `datamesh plan --out FILE`."));
        }
    }
    Exit::Ok
}
