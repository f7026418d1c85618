//! The `datamesh` program.

use datamesh::providers::Providers;
use std::process::ExitCode;

/// Loading a large mesh makes millions of small values on all cores: with the C library's allocator a third of the
/// time goes into that and the page faults it causes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    datamesh::cli::run(std::env::args_os(), Providers::real()).into()
}
