//! The `datamesh` program.

use datamesh::providers::Providers;
use std::process::ExitCode;

/// Loading a large mesh makes millions of small values on all cores, and the C library's allocator spends a third of
/// the time on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    datamesh::cli::run(std::env::args_os(), Providers::real()).into()
}
