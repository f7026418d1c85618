//! The `datamesh` program.

use datamesh::providers::Providers;
use std::process::ExitCode;

fn main() -> ExitCode {
    datamesh::cli::run(std::env::args_os(), Providers::real()).into()
}
