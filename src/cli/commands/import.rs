//! `datamesh import`: a live table as the manifest that declares it.

use super::open;
use crate::cli::codes;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::manifest::{self, Table};
use clap::Args;
use datamesh_provider::{Address, Diagnostic, LiveObject, SystemName};

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh import sales/orders@1:iceberg_table.iceberg > domains/sales/orders.yaml
  datamesh import sales/orders@1:iceberg_table.iceberg --id legacy.orders_2019
  datamesh import sales/orders@1:iceberg_table.iceberg --id orders.raw --system iceberg.lake

Prints a manifest with the columns, keys, partitioning and order that the table has; changes nothing. With that
manifest in place, `datamesh plan` takes the table over as it is. What no manifest can say is told in comments, and
stays as it is.")]
pub struct ImportArgs {
    /// What the table is to be: domain/product@version:iceberg_table.port
    #[arg(value_name = "ADDRESS")]
    pub address: String,
    /// The table, `namespace.name` [default: as recorded or declared, else as it would be created]
    #[arg(long, value_name = "TABLE")]
    pub id: Option<String>,
    /// The catalog it is in [default: as recorded or declared, else iceberg.default]
    #[arg(long, value_name = "SYSTEM")]
    pub system: Option<String>,
}

pub async fn run(args: &ImportArgs, run: &Invocation) -> Exit {
    let (address, system) = match understood(args) {
        Ok(understood) => understood,
        Err(wrong) => return run.ui.fail(*wrong),
    };
    let opened = match open::open(run, &open::Wanted { quiet: true, ..open::Wanted::default() }) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let found = match opened.session.live_table(&address, args.id.as_deref(), system.as_ref()).await {
        Ok(found) => found,
        Err(error) => return open::fail_state(run, &error),
    };
    opened.progress.finish();
    let there = format!("`{}` in {}", found.id.as_str(), found.system);
    let live: LiveObject = match found.live {
        Ok(Some(live)) => live,
        Ok(None) => {
            let detail = format!("There is no table {there}.");
            let help = "Name it with `--id namespace.name`; `datamesh drift --unmanaged` lists what nobody declares.";
            return run.ui.fail(Diagnostic::error(codes::NOT_THERE, detail).help(help));
        }
        Err(why) => {
            let detail = format!("The table {there} cannot be read: {why}.");
            return run.ui.fail(Diagnostic::error(codes::ENGINE, detail));
        }
    };
    let prefix = &opened.session.environment().prefixes.namespace;
    let table =
        Table { address: &address, system: &found.system, id: &found.id, prefix, live: &live.attributes };
    run.ui.out(&manifest::product(&table));
    Exit::Ok
}

fn understood(args: &ImportArgs) -> Result<(Address, Option<SystemName>), Box<Diagnostic>> {
    let wrong = |detail: String| {
        let help = "Write `domain/product@version:iceberg_table.port`, such as `sales/orders@1:iceberg_table.iceberg`.";
        Box::new(Diagnostic::error(codes::BAD_SELECTOR, detail).help(help))
    };
    let address: Address = args.address.parse().map_err(|error| wrong(format!("{error}.")))?;
    if address.ty().as_str() != "iceberg_table" || address.product().is_none() {
        return Err(wrong(format!("`{address}` is no table of a product, and only such are imported.")));
    }
    let system = args.system.as_deref().map(|text| match text.split_once('.') {
        Some((kind, name)) if kind == "iceberg" && !name.is_empty() => Ok(SystemName::new(kind, name)),
        _ => {
            let detail = format!("`{text}` is no Iceberg catalog of an environment.");
            Err(Box::new(
                Diagnostic::error(codes::BAD_SELECTOR, detail).help("Write `iceberg.default`, say."),
            ))
        }
    });
    Ok((address, system.transpose()?))
}
