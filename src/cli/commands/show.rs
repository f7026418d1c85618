//! `datamesh show`: a saved plan, rendered again.

use super::open;
use crate::cli::codes;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::{escape, json, plan_human};
use crate::engine::{PlanBytes, PlanFile, PlanFileError, Session};
use clap::Args;
use datamesh_provider::Diagnostic;
use datamesh_state::{Codec, StateError};
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
    let (file, session) = match read(args, run) {
        Ok(both) => both,
        Err(error) => return run.ui.fail(*not_a_plan(&error)),
    };
    if let Some(why) = outdated(&file, session.as_ref(), run).await {
        run.ui.err(&format!("This plan is stale: {}. It would be refused.\n", escape::line(&why)));
    }
    if run.ui.json {
        run.ui.out(&json::plan(&file.plan));
    } else {
        run.ui.out(&plan_human::plan(&file.plan, plan_human::Options::default()));
    }
    Exit::Ok
}

/// The plan, and a session in its environment where the mesh here has one: its keys open what is encrypted.
fn read(args: &ShowArgs, run: &Invocation) -> Result<(PlanFile, Option<Session>), PlanFileError> {
    let bytes = PlanBytes::read(&run.cwd.join(&args.file))?;
    let session = |environment: &str| open::unseen(run, run.root().ok()?, Some(environment.to_owned()));
    let codec = |session: &Option<Session>| {
        session.as_ref().map(|session| session.store().codec().clone()).unwrap_or_default()
    };
    if let Some(environment) = bytes.sealed_for() {
        let session = session(&environment);
        return Ok((bytes.open(&codec(&session))?, session));
    }
    let file = bytes.clone().open(&Codec::default())?;
    let session = session(&file.plan.environment);
    // Where plans are encrypted, whoever can write files could make one up.
    bytes.open(&codec(&session))?;
    Ok((file, session))
}

/// What is wrong with a plan file.
pub(super) fn not_a_plan(error: &PlanFileError) -> Box<Diagnostic> {
    let (code, help) = match error {
        PlanFileError::Sealed(error @ StateError::Plaintext { .. }) => (
            error.code(),
            "In this environment plans are encrypted: make it again with `datamesh plan --out FILE`.",
        ),
        PlanFileError::Sealed(error @ (StateError::NoKey { .. } | StateError::Sealed { .. })) => (
            error.code(),
            "Read it in the mesh it was made in, where the key in its environment's `state.encryption.keys` can be had.",
        ),
        _ => (codes::NOT_A_PLAN, "Make one with `datamesh plan --out FILE`."),
    };
    Box::new(Diagnostic::error(code, format!("{error}.")).help(help))
}

/// Whether the plan still holds, as far as a mesh and its state are at hand. No system is asked.
async fn outdated(file: &PlanFile, session: Option<&Session>, run: &Invocation) -> Option<String> {
    run.root().ok()?;
    let Some(session) = session else {
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
