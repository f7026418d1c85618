//! `datamesh history` and `datamesh audit`: who did what, when and why.

use super::open::{self, Opened};
use crate::cli::codes;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::json::object_line;
use crate::cli::render::runs;
use clap::{Args, Subcommand};
use datamesh_provider::{Address, Diagnostic};
use datamesh_state::{Entry, Filed, open_runs, verify_records};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh history
  datamesh history orders/returns@1:kafka_topic.kafka     only what touched this, and how
  datamesh history --json | jq -r 'select(.entry.kind == \"begun\") | .entry.actor.reason'

Each apply, destroy and force-unlock leaves a record beside the state: who, from which commit and job, why, and what \
became of every operation. Names are what the job or the shell says of itself; nobody vouches for them.")]
pub struct HistoryArgs {
    #[arg(value_name = "ADDRESS")]
    pub address: Option<String>,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh audit verify --env prod
  datamesh audit export --env prod > runs.ndjson")]
pub struct AuditArgs {
    #[command(subcommand)]
    pub command: AuditCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// Whether a record was changed or taken away; exit 1 where one was
    #[command(after_help = "\
Examples:
  datamesh audit verify

Each record names the one before it and its digest. The newest record is named by none: keep an export elsewhere where \
that matters.")]
    Verify,
    /// Every record, one JSON object a line, oldest first
    #[command(after_help = "Examples:\n  datamesh audit export > runs.ndjson")]
    Export,
}

pub async fn run(args: &HistoryArgs, run: &Invocation) -> Exit {
    let address = match args.address.as_deref().map(str::parse::<Address>).transpose() {
        Ok(address) => address,
        Err(error) => {
            let diagnostic = Diagnostic::error(codes::NOT_IN_STATE, format!("This is {error}."));
            return run.ui.fail(diagnostic.help("List what is there with `datamesh state list`."));
        }
    };
    with_records(run, |records| {
        if run.ui.json {
            let touched = touching(records, address.as_ref());
            run.ui.out(&touched.into_iter().map(line).collect::<String>());
        } else {
            run.ui.out(&runs::history(records, address.as_ref()));
        }
        Exit::Ok
    })
    .await
}

pub async fn audit(args: &AuditArgs, run: &Invocation) -> Exit {
    with_records(run, |records| match args.command {
        AuditCommand::Export => {
            run.ui.out(&records.iter().map(line).collect::<String>());
            Exit::Ok
        }
        AuditCommand::Verify => verify(run, records),
    })
    .await
}

fn verify(run: &Invocation, records: &[Filed]) -> Exit {
    let findings = verify_records(records);
    let open = open_runs(records);
    if run.ui.json {
        let broken: Vec<Value> =
            findings.iter().map(|f| json!({"record": f.name, "message": f.what})).collect();
        run.ui.out(&object_line(&json!({"records": records.len(), "broken": broken, "open": open})));
    } else {
        run.ui.out(&runs::verified(records.len(), &findings, &open));
    }
    if findings.is_empty() { Exit::Ok } else { Exit::Error }
}

async fn with_records(run: &Invocation, then: impl FnOnce(&[Filed]) -> Exit) -> Exit {
    let opened: Opened = match open::open(run, &open::Wanted { quiet: true, ..open::Wanted::default() }) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let records = opened.session.store().records(&opened.session.environment().name).await;
    opened.progress.finish();
    match records {
        Ok(records) => then(&records),
        Err(error) => open::fail_state(run, &error),
    }
}

/// The runs that touched an address; all of them without one.
fn touching<'r>(records: &'r [Filed], address: Option<&Address>) -> Vec<&'r Filed> {
    let Some(address) = address else { return records.iter().collect() };
    let touches = |entry: &Entry| match entry {
        Entry::Begun(begun) => {
            begun.operations.iter().any(|step| step.address == *address)
                || begun.bookkeeping.contains_key(address)
        }
        Entry::Ended(_) | Entry::Edited(_) => false,
    };
    let runs: BTreeSet<&str> = records
        .iter()
        .filter(|filed| touches(&filed.record.entry))
        .map(|filed| filed.record.run.as_str())
        .collect();
    records.iter().filter(|filed| runs.contains(filed.record.run.as_str())).collect()
}

fn line(filed: &Filed) -> String {
    let mut value = json!(filed.record);
    if let Some(map) = value.as_object_mut() {
        map.insert("name".into(), filed.name.clone().into());
        map.insert("digest".into(), filed.digest.clone().into());
    }
    object_line(&value)
}
