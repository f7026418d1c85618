//! `datamesh quickstart`: a guided first run on real servers of this machine.

use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use clap::Args;
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  datamesh quickstart\n  datamesh quickstart --dir /tmp/mesh")]
pub struct QuickstartArgs {
    /// Where the mesh goes
    #[arg(long, value_name = "DIR", default_value = "acme-mesh")]
    pub dir: PathBuf,
}

pub async fn run(args: &QuickstartArgs, run: &Invocation) -> Exit {
    let _ = (args, run);
    Exit::Ok
}
