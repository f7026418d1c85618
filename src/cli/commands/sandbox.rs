//! `datamesh sandbox`: real servers on this machine.

use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::sandbox::cli::{SandboxArgs, Surroundings, run as run_sandbox};
use std::io;

pub async fn run(args: &SandboxArgs, run: &Invocation) -> Exit {
    let root = run.mesh_around().unwrap_or_else(|| run.folder());
    let around = Surroundings { root: &root, json: run.ui.json };
    match run_sandbox(args, around, &mut io::stdout()).await {
        Ok(()) => Exit::Ok,
        Err(error) => run.ui.fail(error.diagnostic()),
    }
}
