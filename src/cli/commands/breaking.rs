//! `datamesh breaking`: what changed in the contracts between two revisions.

use crate::breaking::Changelog;
use crate::cli::codes;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::breaking;
use crate::source::{self, Repository};
use clap::Args;
use datamesh_core::graph::DesiredGraph;
use datamesh_core::graph::environment::environment;
use datamesh_core::graph::recorded::Recorded;
use datamesh_core::graph::resolve::resolve;
use datamesh_core::manifest::Load;
use datamesh_provider::{Diagnostic, Diagnostics};
use std::path::Path;

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh breaking                      what is not committed yet, against HEAD
  datamesh breaking origin/main          against a branch, what is not committed included
  datamesh breaking v1.4..v1.5 --json    between two commits

Contacts no system. Each product is shown from both sides: what consumers notice who read with the
contract as it was, and what becomes of what producers write, or have written, with it. What the
product's compatibility level promises is a break; what it does not promise is told, and is none.

Exit 0: no promise is broken. Exit 3: some are. Exit 1: a revision cannot be read.")]
pub struct BreakingArgs {
    /// Two commits, or one to compare the files as they are with
    #[arg(value_name = "BASE[..HEAD]", default_value = "HEAD")]
    pub range: String,
}

pub fn run(args: &BreakingArgs, run: &Invocation) -> Exit {
    match changelog(args, run) {
        Ok((changelog, head)) => {
            let told = if run.ui.json {
                breaking::json(&changelog, &head.sources)
            } else {
                breaking::human(&changelog, &head.sources)
            };
            run.ui.out(&told);
            if changelog.breaking() > 0 { Exit::PolicyDenied } else { Exit::Ok }
        }
        Err(exit) => exit,
    }
}

fn changelog(args: &BreakingArgs, run: &Invocation) -> Result<(Changelog, Load), Exit> {
    let fail = |diagnostic: Diagnostic| run.ui.fail(diagnostic);
    let root = run.root().map_err(|diagnostic| fail(*diagnostic))?;
    let root = root.canonicalize().unwrap_or(root);
    let repository = Repository::owning(&root).map_err(|error| fail(error.diagnostic()))?;
    let Some(repository) = repository else {
        let detail = "This mesh lies in no git repository, so there is nothing to compare it with.";
        return Err(fail(
            Diagnostic::error(codes::FILE, detail).help("Run `git init`, and commit the manifests."),
        ));
    };
    let (base, head) = match args.range.split_once("..") {
        Some((base, head)) => (base, Some(head.trim_start_matches('.'))),
        None => (args.range.as_str(), None),
    };
    let at = |name: &str| {
        let name = if name.is_empty() { "HEAD" } else { name };
        repository
            .revision(name, &root)
            .map(|revision| revision.load())
            .map_err(|error| fail(error.diagnostic()))
    };
    let base = at(base)?;
    let head = match head {
        Some(name) => at(name)?,
        None => source::load(&root).load,
    };
    let types = run.providers.types();
    let before = declared(run, &base, &head, &root, "the older revision")?;
    let after = declared(run, &head, &head, &root, "the newer revision")?;
    Ok((Changelog::between(&before, &after, &types), head))
}

/// What a revision declares, in the environment of the newer one: names and prefixes are no difference.
fn declared(
    run: &Invocation,
    load: &Load,
    head: &Load,
    root: &Path,
    what: &str,
) -> Result<DesiredGraph, Exit> {
    let mut found: Diagnostics = load.diagnostics.clone();
    let mesh = head.mesh().or_else(|| load.mesh());
    let name = run.global.environment.as_deref();
    let chosen = mesh.and_then(|mesh| {
        let (chosen, problems) = environment(mesh, name, &root.to_string_lossy().replace('\\', "/"));
        found.extend(problems);
        chosen
    });
    let graph = chosen.filter(|_| !load.stopped).map(|chosen| {
        let (graph, problems) = resolve(load, &chosen, &Recorded::default());
        found.extend(problems);
        graph
    });
    found.sort();
    let errors: Diagnostics = found.errors().cloned().collect();
    match graph {
        Some(graph) if errors.is_empty() => Ok(graph),
        _ => {
            run.ui.diagnostics(&errors, &load.sources);
            let detail = format!("What {what} promises cannot be told, since its manifests have errors.");
            let help =
                "Correct them, or compare with another commit (`datamesh validate` tells of the files here).";
            Err(run.ui.fail(Diagnostic::error(codes::FILE, detail).help(help)))
        }
    }
}
