//! `datamesh schema`: JSON Schemas of manifests, for editors and CI, of what the program keeps, and of what it prints
//! for programs.

use crate::cli::codes;
use crate::cli::exit::Exit;
use crate::cli::files;
use crate::cli::invocation::{Invocation, shown};
use crate::cli::render::json::{document_text, schemas};
use crate::engine::format_schemas;
use clap::Args;
use datamesh_core::manifest::{combined_schema, json_schemas};
use datamesh_provider::Diagnostic;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh schema > .datamesh/manifest.schema.json      one schema for every kind
  datamesh schema --kind DataProduct
  datamesh schema --kind State                          what `state pull` prints; also Plan, AuditRecord, Journal
  datamesh schema --kind Event                          a line of `plan --json`; also PlanDocument, of `show --json`,
                                                        and ChangelogDocument, of `breaking --json`
  datamesh schema --out schemas/                        one file each

In an editor with the YAML language server, put this on the first line of a manifest:
  # yaml-language-server: $schema=../../.datamesh/manifest.schema.json")]
pub struct SchemaArgs {
    /// One kind: DataProduct, Domain, Mesh, …; or a format: State, Plan, AuditRecord, Journal, PlanDocument, ChangelogDocument, Event
    #[arg(long, value_name = "KIND", conflicts_with = "out")]
    pub kind: Option<String>,
    /// A folder to write one file each into
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

pub fn run(args: &SchemaArgs, run: &Invocation) -> Exit {
    let done = match (&args.kind, &args.out) {
        (Some(kind), _) => one(kind),
        (None, Some(dir)) => write_all(&run.cwd.join(dir)),
        (None, None) => Ok(document_text(&combined_schema())),
    };
    match done {
        Ok(text) => {
            run.ui.out(&text);
            Exit::Ok
        }
        Err(diagnostic) => run.ui.fail(*diagnostic),
    }
}

/// Kinds of manifests, and formats of what is kept and printed.
fn all() -> BTreeMap<String, Value> {
    let mut all = json_schemas();
    all.extend(format_schemas());
    all.extend(schemas());
    all
}

fn one(kind: &str) -> Result<String, Box<Diagnostic>> {
    let schemas = all();
    let found = schemas.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind));
    found.map(|(_, schema)| document_text(schema)).ok_or_else(|| {
        let names: Vec<&str> = schemas.keys().map(String::as_str).collect();
        let detail = format!("There is no kind `{kind}`.");
        Box::new(
            Diagnostic::error(codes::BAD_NAME, detail).help(format!("The kinds are {}.", names.join(", "))),
        )
    })
}

/// Generated files: older ones are replaced.
fn write_all(dir: &Path) -> Result<String, Box<Diagnostic>> {
    std::fs::create_dir_all(dir).map_err(|e| files::error(dir, "make the folder", &e))?;
    let mut all = all();
    all.insert("manifest".to_owned(), combined_schema());
    let mut out = String::new();
    for (name, schema) in all {
        let path = dir.join(format!("{name}.schema.json"));
        std::fs::write(&path, document_text(&schema)).map_err(|e| files::error(&path, "write", &e))?;
        let _ = writeln!(out, "{}", shown(&path));
    }
    Ok(out)
}
