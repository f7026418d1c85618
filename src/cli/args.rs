//! What can be typed. What it means is worked out by each command.

use super::commands::{
    apply, breaking, destroy, doctor, drift, graph, history, import, init, lock, new, plan, quickstart,
    recover, schema, show, state, validate,
};
use super::exit;
use crate::sandbox::cli::SandboxArgs;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

const ABOUT: &str = "\
Plans and applies a data mesh from manifests in git: reads every data product manifest of a repository, compares what \
they declare with what is live in Kafka, the schema registry, Iceberg and the data catalog, prints a plan, and applies \
it in order.";

const EXAMPLES: &str = "\
Examples:
  datamesh quickstart                 real servers on this machine, and a first mesh on them
  datamesh demo                       plan an example mesh, without any server
  datamesh init                       begin a mesh in this folder
  datamesh validate                   check every manifest; contacts no system
  datamesh plan                       show what would change
  datamesh apply                      plan, show, ask, and do it";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "datamesh", version, about = "Terraform for a data mesh", long_about = ABOUT)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
#[command(propagate_version = false, disable_help_subcommand = true, max_term_width = 110)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Default, Args)]
pub struct Global {
    /// Root of the mesh: the folder of datamesh.yaml [default: the nearest parent that has one]
    #[arg(short = 'C', long = "chdir", value_name = "DIR", global = true)]
    pub root: Option<PathBuf>,
    /// Environment of the Mesh document; may be omitted where there is only one
    #[arg(long = "env", value_name = "NAME", env = "DATAMESH_ENV", global = true)]
    pub environment: Option<String>,
    /// No colours. NO_COLOR does the same
    #[arg(long, global = true)]
    pub no_color: bool,
    /// JSON on standard output, for programs
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Begin a mesh in this folder, or check the one that is here
    Init(init::InitArgs),
    /// Write a new manifest from a template
    New(new::NewArgs),
    /// Check every manifest; contacts no system
    Validate(validate::ValidateArgs),
    /// What changed in the contracts since a commit, and what of it breaks a promise
    Breaking(breaking::BreakingArgs),
    /// Show what an apply would do
    Plan(plan::PlanArgs),
    /// Make the live systems what the manifests declare
    Apply(apply::ApplyArgs),
    /// Remove what this mesh made
    Destroy(destroy::DestroyArgs),
    /// Show what was changed behind the mesh's back
    Drift(drift::DriftArgs),
    /// Print a live table as the manifest that declares it
    Import(import::ImportArgs),
    /// Show a saved plan
    Show(show::ShowArgs),
    /// Draw the resources and what depends on what
    Graph(graph::GraphArgs),
    /// Look at what is recorded, and correct it by hand
    State(state::StateArgs),
    /// Who did what, when and why
    History(history::HistoryArgs),
    /// Check and export the records of what was done
    Audit(history::AuditArgs),
    /// Who holds the locks of the state
    Lock(lock::LockArgs),
    /// Take the locks from a run that is gone
    ForceUnlock(lock::ForceUnlockArgs),
    /// Store what a run knew and could not store
    Recover(recover::RecoverArgs),
    /// Whether everything a run needs is there, and does what is relied on
    Doctor(doctor::DoctorArgs),
    /// JSON Schemas of manifests, state and plans, for editors and CI
    Schema(schema::SchemaArgs),
    /// Real servers on this machine, for trying things out
    #[command(after_help = SANDBOX_EXAMPLES)]
    Sandbox(SandboxArgs),
    /// A guided first run on real servers of this machine
    Quickstart(quickstart::QuickstartArgs),
    /// Plan and explain an example mesh; needs no server
    #[command(after_help = "Examples:\n  datamesh demo")]
    Demo,
}

const SANDBOX_EXAMPLES: &str = "\
Examples:
  datamesh sandbox up                       Kafka and a schema registry
  datamesh sandbox up --with s3,iceberg-rest
  datamesh sandbox status --json
  datamesh sandbox logs kafka -f
  datamesh sandbox down --wipe              stop, and remove the data";

/// What narrows a run, and what it may do. Shared by the commands that plan.
#[derive(Clone, Debug, Default, Args)]
pub struct Planning {
    /// Plan only what these select: an address glob, `type:T`, `domain:D` or `product:P`. Repeatable
    #[arg(long = "target", value_name = "SELECTOR")]
    pub targets: Vec<String>,
    /// Take this object over although that changes it. Repeatable
    #[arg(long, value_name = "ADDRESS")]
    pub adopt: Vec<String>,
    /// May be deleted, or may lose data, where that is braked. Repeatable
    #[arg(long, value_name = "ADDRESS|GLOB")]
    pub allow_destroy: Vec<String>,
    /// Take access from everybody who is not named, where nobody was named so far
    #[arg(long)]
    pub allow_lockout: bool,
    /// Do nothing at all when any manifest has an error
    #[arg(long)]
    pub strict: bool,
    /// Calls under way per system [default: the environment's, else 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub parallelism: Option<u16>,
    /// Say how long reading each system took
    #[arg(long)]
    pub timing: bool,
}

/// What the commands that write need to know.
#[derive(Clone, Debug, Default, Args)]
pub struct Writing {
    /// Do not ask. A protected environment wants its name: --auto-approve=NAME
    #[arg(long, value_name = "ENV", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub auto_approve: Option<String>,
    /// Whether a question may be asked; `false` fails where one would be
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true,
          default_missing_value = "true", action = clap::ArgAction::Set)]
    pub input: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// How long to wait for somebody else's lock, such as 5m
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub lock_timeout: std::time::Duration,
    /// How long calls under way may take to end after an interrupt
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub shutdown_grace: std::time::Duration,
}

/// The duration grammar of the manifests.
pub(super) fn duration(text: &str) -> Result<std::time::Duration, String> {
    datamesh_provider::parse_duration_ms(text)
        .map_err(|error| error.to_string())
        .and_then(|ms| ms.ok_or_else(|| "it has to end some time".to_owned()))
        .map(std::time::Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    /// Every command at every depth tells how it is used.
    #[test]
    fn every_command_has_examples() {
        fn check(command: &clap::Command, path: &str) {
            let name = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{name} says nothing about itself");
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "{name} has no examples");
            let below_sandbox = command.get_name() == "sandbox";
            for inner in command.get_subcommands().filter(|_| !below_sandbox) {
                check(inner, &name);
            }
        }
        check(&Cli::command(), "");
    }

    #[test]
    fn approval_may_name_its_environment() {
        let approve = |args: &[&str]| {
            let cli = Cli::try_parse_from([&["datamesh", "apply"], args].concat()).expect("parses");
            let Command::Apply(apply) = cli.command else { panic!("apply") };
            (apply.writing.auto_approve, apply.writing.input)
        };
        assert_eq!(approve(&[]), (None, true));
        assert_eq!(approve(&["--auto-approve"]), (Some(String::new()), true));
        assert_eq!(approve(&["--auto-approve=prod", "--input=false"]), (Some("prod".into()), false));
    }
}
