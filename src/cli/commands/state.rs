//! `datamesh state`: what is recorded, without contacting any system. What edits it is in `state_edit`.

use super::open::{self, Opened};
use super::state_edit::{self, Editing};
use super::state_whole;
use crate::cli::codes;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::json::document_text;
use crate::cli::render::records::{self, Row};
use clap::{Args, Subcommand};
use datamesh_core::graph::selector::AddressGlob;
use datamesh_provider::{Address, Diagnostic};
use datamesh_state::SharedRecord;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh state list
  datamesh state list 'orders/**'
  datamesh state show order-management/orders-facts@3:kafka_topic.kafka
  datamesh state history orders")]
pub struct StateArgs {
    #[command(subcommand)]
    pub command: StateCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum StateCommand {
    /// Every recorded resource
    #[command(after_help = "\
Examples:
  datamesh state list
  datamesh state list type:kafka_topic
  datamesh state list --json | jq -r .address")]
    List {
        /// Only what these select: an address glob, `type:T`, `domain:D` or `product:P`
        #[arg(value_name = "SELECTOR")]
        selectors: Vec<String>,
    },
    /// Everything that is recorded of one resource
    #[command(after_help = "Examples:\n  datamesh state show orders/lines@1:kafka_topic.kafka")]
    Show {
        #[arg(value_name = "ADDRESS")]
        address: String,
    },
    /// Give a record another address in its domain; nothing live is touched
    #[command(after_help = "\
Examples:
  datamesh state mv orders/lines@1:kafka_topic.kafka orders/order-lines@1:kafka_topic.kafka

A `Moved` document in the manifests does the same, reviewed, in every environment.")]
    Mv {
        #[arg(value_name = "FROM")]
        from: String,
        #[arg(value_name = "TO")]
        to: String,
        #[command(flatten)]
        editing: Editing,
    },
    /// Forget records; their live objects stay, and are nobody's
    #[command(after_help = "Examples:\n  datamesh state rm orders/lines@1:kafka_topic.kafka")]
    Rm {
        #[arg(value_name = "ADDRESS", required = true)]
        addresses: Vec<String>,
        #[command(flatten)]
        editing: Editing,
    },
    /// Print the whole state of a domain as JSON
    #[command(
        after_help = "Examples:\n  datamesh state pull orders > orders.json\n  datamesh state pull orders --serial 41"
    )]
    Pull {
        #[arg(value_name = "DOMAIN")]
        domain: String,
        /// An older version
        #[arg(long, value_name = "N")]
        serial: Option<u64>,
    },
    /// The versions of a domain's state that are kept
    #[command(after_help = "Examples:\n  datamesh state history orders")]
    History {
        #[arg(value_name = "DOMAIN")]
        domain: String,
    },
    /// Put an older version of a domain's records in the place of today's
    #[command(after_help = "\
Examples:
  datamesh state history orders
  datamesh state restore orders 41

It is written as a new version, and refused while an operation is under way. Nothing live is touched: the next plan \
shows what differs.")]
    Restore {
        #[arg(value_name = "DOMAIN")]
        domain: String,
        #[arg(value_name = "SERIAL")]
        serial: u64,
        #[command(flatten)]
        editing: Editing,
    },
    /// Put a pulled and edited document in the place of the version it was pulled from
    #[command(after_help = "\
Examples:
  datamesh state pull orders > orders.json
  datamesh state push orders.json
  jq '…' orders.json | datamesh state push - --auto-approve

Only `resources` may differ. Refused where the state was written since it was pulled (exit 5), or while an operation is \
under way.")]
    Push {
        /// The document; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        editing: Editing,
    },
    /// Say that the system that answers now is the one the records are about
    #[command(after_help = "\
Examples:
  datamesh state rebind kafka.default

For a cluster that was moved or restored, and has another identity. The next plan compares every record with what is \
there: what was made again is `replaced outside`, and never deleted.")]
    Rebind {
        #[arg(value_name = "SYSTEM")]
        system: String,
        #[command(flatten)]
        editing: Editing,
    },
    /// Make a domain that another mesh recorded this one's
    #[command(after_help = "\
Examples:
  datamesh state adopt-shard orders

After a domain moved to another repository, or a mesh got another name. The mesh it was is refused from then on.")]
    AdoptShard {
        #[arg(value_name = "DOMAIN")]
        domain: String,
        #[command(flatten)]
        editing: Editing,
    },
    /// Raise the state to the newest format and encrypt it; older versions of this program cannot read it then
    #[command(after_help = "\
Examples:
  datamesh state upgrade

Once keys are configured in `state.encryption`, what was kept in plain is refused until this has encrypted it, older \
versions and the records of runs too. With a new key in front of the others it writes anew what they wrote; then they \
can go. A bucket that keeps versions keeps the old ones.")]
    Upgrade {
        #[command(flatten)]
        editing: Editing,
    },
}

pub async fn run(args: &StateArgs, run: &Invocation) -> Exit {
    let opened = match open::open(run, &open::Wanted { quiet: true, ..open::Wanted::default() }) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    match &args.command {
        StateCommand::Mv { from, to, editing } => {
            return state_edit::mv(run, &opened, from, to, editing).await;
        }
        StateCommand::Rm { addresses, editing } => {
            return state_edit::rm(run, &opened, addresses, editing).await;
        }
        StateCommand::Pull { domain, serial } => {
            return state_edit::pull(run, &opened, domain, *serial).await;
        }
        StateCommand::History { domain } => return state_edit::history(run, &opened, domain).await,
        StateCommand::Restore { domain, serial, editing } => {
            return state_edit::restore(run, &opened, domain, *serial, editing).await;
        }
        StateCommand::Push { file, editing } => return state_whole::push(run, &opened, file, editing).await,
        StateCommand::Rebind { system, editing } => {
            return state_whole::rebind(run, &opened, system, editing).await;
        }
        StateCommand::AdoptShard { domain, editing } => {
            return state_whole::adopt(run, &opened, domain, editing).await;
        }
        StateCommand::Upgrade { editing } => return state_whole::upgrade(run, &opened, editing).await,
        StateCommand::List { .. } | StateCommand::Show { .. } => {}
    }
    let records = match records_of(&opened).await {
        Ok(records) => records,
        Err(diagnostic) => return run.ui.fail(*diagnostic),
    };
    let done = match &args.command {
        StateCommand::List { selectors } => list(run, &records, selectors),
        StateCommand::Show { address } => show(run, &records, address),
        _ => Ok(()),
    };
    match done {
        Ok(()) => Exit::Ok,
        Err(diagnostic) => run.ui.fail(*diagnostic),
    }
}

type Records = BTreeMap<Address, SharedRecord>;

async fn records_of(opened: &Opened) -> Result<Records, Box<Diagnostic>> {
    let environment = &opened.session.environment().name;
    let snapshot =
        opened.session.store().load(environment).await.map_err(|error| open::state_error(&error))?;
    Ok(snapshot.shards.into_values().flat_map(|found| found.shard.resources).collect())
}

fn list(run: &Invocation, records: &Records, selectors: &[String]) -> Result<(), Box<Diagnostic>> {
    let globs = selectors.iter().map(|text| open::selector(text)).collect::<Result<Vec<AddressGlob>, _>>()?;
    let chosen = records
        .iter()
        .filter(|(address, _)| globs.is_empty() || globs.iter().any(|glob| glob.matches(address)));
    let rows: Vec<Row> = chosen.map(|(address, record)| Row::new(address, record)).collect();
    run.ui.out(&if run.ui.json { records::lines(&rows) } else { records::table(&rows) });
    Ok(())
}

fn show(run: &Invocation, records: &Records, address: &str) -> Result<(), Box<Diagnostic>> {
    let found = address.parse::<Address>().ok().and_then(|wanted| records.get_key_value(&wanted));
    let Some((address, record)) = found else {
        let detail = format!("Nothing is recorded under `{address}`.");
        return Err(Box::new(
            Diagnostic::error(codes::NOT_IN_STATE, detail)
                .help("List what is there with `datamesh state list`."),
        ));
    };
    run.ui.out(&if run.ui.json { document_text(record) } else { records::one(address, record) });
    Ok(())
}
