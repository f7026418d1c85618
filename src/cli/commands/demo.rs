//! `datamesh demo`: the example mesh planned from a recorded snapshot, without any server.

use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;

pub fn run(run: &Invocation) -> Exit {
    let _ = run;
    Exit::Ok
}
