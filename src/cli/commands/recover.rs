//! `datamesh recover`: merges what a run knew and could not store.

use super::open;
use crate::cli::args::duration;
use crate::cli::codes;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::human::plural;
use crate::cli::render::json::object_line;
use crate::engine::{EditError, Merged};
use clap::Args;
use datamesh_provider::Diagnostic;
use serde_json::json;
use std::time::Duration;

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh recover 20261122T165813Z-4f1c9a2b

An apply whose state was taken from it, or could not be reached any more, keeps what became of its operations and names \
this command. Merged is only what still waits for its outcome. Without it, the next apply asks the systems instead, and \
a person where their answer is not clear.")]
pub struct RecoverArgs {
    /// The run, as its last line named it
    #[arg(value_name = "RUN")]
    pub run: String,
    /// How long to wait for somebody else's lock, such as 5m
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub lock_timeout: Duration,
}

pub async fn run(args: &RecoverArgs, run: &Invocation) -> Exit {
    let opened = match open::open(run, &open::Wanted { quiet: true, ..open::Wanted::default() }) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let journal = match opened.session.journal(&args.run).await {
        Ok(Some(journal)) => journal,
        Ok(None) => {
            opened.progress.finish();
            let detail = format!("The run `{}` left nothing that it could not store.", args.run);
            let help = "What an interrupted apply left under way is settled by the next `datamesh apply`.";
            return run.ui.fail(Diagnostic::error(codes::NOT_IN_STATE, detail).help(help));
        }
        Err(error) => return open::fail_state(run, &error),
    };
    let done = opened.session.merge_journal(&journal, args.lock_timeout).await;
    opened.progress.finish();
    match done {
        Ok(Merged { merged, settled }) if run.ui.json => {
            run.ui.out(&object_line(&json!({"run": args.run, "merged": merged, "settled_before": settled})));
        }
        Ok(Merged { merged, settled }) => {
            let before =
                if settled > 0 { format!("; {settled} had been settled already") } else { String::new() };
            run.ui.out(&format!("{} stored{before}.\n", plural(merged, "outcome")));
        }
        Err(EditError::State(error)) => return open::fail_state(run, &error),
        Err(error) => {
            let diagnostic = Diagnostic::error(codes::NOT_EDITED, format!("{error}."));
            return run.ui.fail(diagnostic.help("Look at the state with `datamesh state list`."));
        }
    }
    Exit::Ok
}
