//! The command line: arguments, one file per command, and everything that is printed.
//!
//! [`args`] is what can be typed; each command works out what it means and calls the engine; [`render`] turns the
//! answers into text with pure functions; [`ui`] is the one place that prints.

pub mod args;
pub mod codes;
pub mod commands;
mod example;
pub mod exit;
mod files;
mod invocation;
pub mod render;
mod templates;
mod timing;
mod ui;

use crate::providers::Providers;
use args::{Cli, Command};
use clap::Parser as _;
use commands::{
    apply, breaking, demo, destroy, doctor, drift, graph, history, import, init, lock, new, plan, quickstart,
    recover, sandbox, schema, show, state, validate,
};
use datamesh_provider::Diagnostic;
use exit::Exit;
use invocation::Invocation;
use std::ffi::OsString;
use ui::Ui;

/// Runs one command line, the name of the program first.
pub fn run(args: impl IntoIterator<Item = OsString>, providers: Providers) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is nobody's error.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    let ui = Ui::new(cli.global.no_color, cli.global.json);
    let cwd = match std::env::current_dir() {
        Ok(cwd) => cwd,
        Err(error) => {
            let detail = format!("The current folder cannot be used: {error}.");
            return ui.fail(Diagnostic::error(codes::FILE, detail));
        }
    };
    let invocation = Invocation { global: cli.global, cwd, ui, providers };
    dispatch(cli.command, invocation)
}

fn dispatch(command: Command, run: Invocation) -> Exit {
    if run.ui.json && streams(&command) {
        run.ui.out(&render::json::version());
    }
    match &command {
        Command::New(args) => new::run(args, &run),
        Command::Validate(args) => validate::run(args, &run),
        Command::Graph(args) => graph::run(args, &run),
        Command::Breaking(args) => breaking::run(args, &run),
        Command::Schema(args) => schema::run(args, &run),
        Command::Demo => demo::run(&run),
        // Runs other commands, each with a runtime of its own.
        Command::Quickstart(args) => quickstart::run(args, &run),
        _ => {
            let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let detail = format!("The runtime does not start: {error}.");
                    return run.ui.fail(Diagnostic::error(codes::ENGINE, detail));
                }
            };
            // As a task of the runtime, which does not wake another thread for each answer.
            let task = runtime.spawn(async move { dispatch_waiting(&command, &run).await });
            runtime.block_on(task).unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
        }
    }
}

/// The commands that wait for systems, locks or processes.
async fn dispatch_waiting(command: &Command, run: &Invocation) -> Exit {
    match command {
        Command::Init(args) => init::run(args, run).await,
        Command::Plan(args) => plan::run(args, run).await,
        Command::Apply(args) => apply::run(args, run).await,
        Command::Destroy(args) => destroy::run(args, run).await,
        Command::Drift(args) => drift::run(args, run).await,
        Command::Import(args) => import::run(args, run).await,
        Command::Show(args) => show::run(args, run).await,
        Command::State(args) => state::run(args, run).await,
        Command::History(args) => history::run(args, run).await,
        Command::Audit(args) => history::audit(args, run).await,
        Command::Lock(args) => lock::run(args, run).await,
        Command::ForceUnlock(args) => lock::force(args, run).await,
        Command::Recover(args) => recover::run(args, run).await,
        Command::Doctor(args) => doctor::run(args, run).await,
        Command::Sandbox(args) => sandbox::run(args, run).await,
        _ => Exit::Ok,
    }
}

/// Whether `--json` means a stream of events, not one document.
fn streams(command: &Command) -> bool {
    matches!(
        command,
        Command::Validate(_) | Command::Plan(_) | Command::Apply(_) | Command::Destroy(_) | Command::Drift(_)
    )
}
