//! Approvals of commands that are not about a plan.

use super::open::Opened;
use crate::cli::codes;
use crate::cli::invocation::Invocation;
use clap::Args;
use datamesh_provider::Diagnostic;

/// How a command is approved, and how long it waits.
#[derive(Clone, Debug, Default, Args)]
pub struct Approval {
    /// Do not ask. A protected environment wants its name: --auto-approve=NAME
    #[arg(long, value_name = "ENV", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub auto_approve: Option<String>,
}

/// Whether somebody said yes. `doing` begins the sentence that says why nothing is done: `Editing the state`.
pub(super) fn approved(
    approval: &Approval,
    run: &Invocation,
    opened: &Opened,
    doing: &str,
    question: &str,
) -> Result<(), Box<Diagnostic>> {
    let environment = opened.session.environment();
    let name = &environment.name;
    let refuse = |detail: String, help: String| {
        Err(Box::new(Diagnostic::error(codes::NO_APPROVAL, detail).help(help)))
    };
    match approval.auto_approve.as_deref() {
        Some("") if environment.protected => {
            return refuse(
                format!("The environment `{name}` is protected: an approval has to name it."),
                format!("Say `--auto-approve={name}`."),
            );
        }
        Some("") => return Ok(()),
        Some(approved) if approved == name => return Ok(()),
        Some(other) => {
            return refuse(
                format!("`--auto-approve` names `{other}`, but the environment is `{name}`."),
                "Choose the environment with `--env`.".to_owned(),
            );
        }
        None => {}
    }
    if !run.ui.can_ask || run.ui.json {
        return refuse(
            format!("{doing} needs an approval, and nobody can be asked here."),
            format!("Say `--auto-approve={name}`."),
        );
    }
    opened.progress.finish();
    if run.ui.confirm(&format!("\n{question}"), "yes") {
        return Ok(());
    }
    refuse("The answer was no: nothing was done.".to_owned(), "Everything stays as it is.".to_owned())
}
