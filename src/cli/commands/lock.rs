//! `datamesh lock` and `datamesh force-unlock`: who holds what, and taking it from a run that is gone.

use super::approval::{Approval, approved};
use super::open::{self, Opened};
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::escape;
use crate::cli::render::human::plural;
use crate::cli::render::json::object_line;
use crate::cli::render::locks;
use clap::{Args, Subcommand};
use datamesh_state::StateError;
use serde_json::json;

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh lock list
  datamesh lock show orders
  datamesh lock list --json | jq -r .holder.id")]
pub struct LockArgs {
    #[command(subcommand)]
    pub command: LockCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum LockCommand {
    /// Every lock that is held
    #[command(after_help = "Examples:\n  datamesh lock list --env prod")]
    List,
    /// Who holds the lock of one domain
    #[command(after_help = "Examples:\n  datamesh lock show orders")]
    Show {
        #[arg(value_name = "DOMAIN")]
        domain: String,
    },
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh lock list
  datamesh force-unlock 20261122T165813Z-4f1c9a2b

A run that died leaves its lock for a while: on S3 it ends by itself after 90 s without a sign of life, in a folder it \
ends with the process. This takes it at once from a run that is gone for good. The run loses its locks with its next \
sign of life, and this command returns once its last call has ended, after about a minute: whoever has the lock then \
is alone.")]
pub struct ForceUnlockArgs {
    /// The run, as `datamesh lock list` names it
    #[arg(value_name = "RUN")]
    pub id: String,
    #[command(flatten)]
    pub approval: Approval,
}

pub async fn run(args: &LockArgs, run: &Invocation) -> Exit {
    let opened = match open::open(run, &open::Wanted { quiet: true, ..open::Wanted::default() }) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let environment = &opened.session.environment().name;
    let held = match opened.session.store().locks(environment).await {
        Ok(held) => held,
        Err(error) => return failed(run, &opened, &error),
    };
    match &args.command {
        LockCommand::List => {
            run.ui.out(&if run.ui.json { locks::lines(&held) } else { locks::table(&held) });
            Exit::Ok
        }
        LockCommand::Show { domain } => match held.get(domain) {
            Some(info) if run.ui.json => {
                run.ui.out(&object_line(&json!({"domain": domain, "holder": info})));
                Exit::Ok
            }
            Some(info) => {
                run.ui.out(&locks::one(domain, info));
                Exit::Ok
            }
            None => {
                let none = object_line(&json!({"domain": domain, "holder": null}));
                let text = format!("Nobody holds the lock of {}.\n", escape::line(domain));
                run.ui.out(&if run.ui.json { none } else { text });
                Exit::Ok
            }
        },
    }
}

pub async fn force(args: &ForceUnlockArgs, run: &Invocation) -> Exit {
    let opened = match open::open(run, &open::Wanted::default()) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let name = escape::line(&opened.session.environment().name);
    let question =
        format!("Take the locks in `{name}` from run {}? It must not be alive.", escape::line(&args.id));
    if let Err(diagnostic) = approved(&args.approval, run, &opened, "Taking a lock away", &question) {
        opened.progress.finish();
        return run.ui.fail(*diagnostic);
    }
    let done = opened.session.force_unlock(&args.id).await;
    opened.progress.finish();
    let domains = match done {
        Ok(domains) => domains,
        Err(error) => return failed(run, &opened, &error),
    };
    if run.ui.json {
        run.ui.out(&object_line(&json!({"run": args.id, "unlocked": domains})));
    } else {
        let list = domains.iter().map(|domain| escape::line(domain).into_owned()).collect::<Vec<_>>();
        run.ui.out(&format!("Unlocked {}: {}.\n", plural(domains.len(), "domain"), list.join(", ")));
    }
    Exit::Ok
}

fn failed(run: &Invocation, opened: &Opened, error: &StateError) -> Exit {
    opened.progress.finish();
    open::fail_state(run, error)
}
