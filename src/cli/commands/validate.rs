//! `datamesh validate`: every error of every manifest, without contacting any system.

use super::open::below_root;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::human;
use crate::cli::render::human::plural;
use crate::cli::render::json::StreamEvent;
use crate::engine::{codes, judge_settings};
use crate::source::{self, WorkingTree};
use clap::Args;
use datamesh_core::graph::environment::environment;
use datamesh_core::graph::resolve::{judge, judge_without_mesh};
use datamesh_core::manifest::{Kind, Load, LoadOptions};
use datamesh_provider::{Diagnostic, Diagnostics, Object, Sources};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh validate
  datamesh validate domains/orders             show only what is found there
  datamesh validate order-lines.yaml           one file, also outside of a mesh
  datamesh validate --json | jq 'select(.severity == \"error\")'

Every error of every file in one run. All manifests are read either way; paths narrow what is shown.")]
pub struct ValidateArgs {
    /// Show only what is found in these files and folders
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Warnings are errors
    #[arg(long)]
    pub strict: bool,
}

/// What only a plan can judge.
const NOT_JUDGED: &[&str] = &[
    "whether the live systems would take it (compatibility of schemas, changes of columns and topics)",
    "governance policies: they are read and checked for shape",
    "what the state decides: removals, moves, names fixed at creation",
];

pub fn run(args: &ValidateArgs, run: &Invocation) -> Exit {
    if let Some(path) = args.paths.iter().find(|path| !run.cwd.join(path).exists()) {
        let detail = format!("There is no file or folder {}.", path.display());
        let help = "A path is relative to the folder this runs in.";
        return run.ui.fail(Diagnostic::error(codes::NO_MATCH, detail).help(help));
    }
    match run.root() {
        Ok(root) => tree(&root, &args.paths, run, args.strict),
        Err(_) if !args.paths.is_empty() && args.paths.iter().all(|path| run.cwd.join(path).is_file()) => {
            files(args, run)
        }
        Err(diagnostic) => run.ui.fail(*diagnostic),
    }
}

/// Validates a mesh.
pub(super) fn tree(root: &Path, paths: &[PathBuf], run: &Invocation, strict: bool) -> Exit {
    let load = source::load(root).load;
    let mut found = load.diagnostics.clone();
    found.extend(meaning(&load, root, run));
    found.sort();
    let paths: Vec<String> = paths.iter().map(|path| below_root(run, root, path)).collect();
    let (shown, elsewhere) = narrow(found, &load.sources, &paths);
    let exit = report(run, &Verdict { load: &load, shown, elsewhere, strict, resolved: true });
    // The process ends: giving a large mesh back piece by piece would only be waited for.
    std::mem::forget(load);
    exit
}

/// Resolves the manifests in the chosen environment, or in each.
fn meaning(load: &Load, root: &Path, run: &Invocation) -> Diagnostics {
    let mut found = Diagnostics::default();
    let types = run.providers.types();
    let validate = |object: &Object| {
        let ty = types.get(object.address.ty());
        // What does not decode is a fault of this program, not of a manifest; planning reports it as one.
        ty.and_then(|ty| ty.validate(&object.attributes, &object.spans).ok()).unwrap_or_default()
    };
    let Some(mesh) = load.mesh().filter(|_| !load.stopped) else {
        return judge_without_mesh(load, &validate);
    };
    let root = root.to_string_lossy().replace('\\', "/");
    let all: Vec<Option<String>> = match &run.global.environment {
        Some(name) => vec![Some(name.clone())],
        None if mesh.spec.environments.is_empty() => vec![None],
        None => mesh.spec.environments.keys().map(|key| Some(key.value.clone())).collect(),
    };
    for name in all {
        let (chosen, problems) = environment(mesh, name.as_deref(), &root);
        found.extend(problems);
        if let Some(chosen) = chosen {
            found.extend(judge_settings(&chosen, run.providers));
            found.extend(judge(load, &chosen, &validate));
        }
    }
    found
}

/// Findings below the given paths, and how many there are elsewhere.
fn narrow(found: Diagnostics, sources: &Sources, paths: &[String]) -> (Diagnostics, usize) {
    if paths.is_empty() || paths.iter().any(String::is_empty) {
        return (found, 0);
    }
    let inside = |diagnostic: &Diagnostic| {
        diagnostic.labels.iter().any(|label| {
            let path = sources.path(label.span.file);
            paths.iter().any(|below| {
                path == below || path.strip_prefix(below.as_str()).is_some_and(|rest| rest.starts_with('/'))
            })
        })
    };
    let (shown, elsewhere): (Vec<_>, Vec<_>) = found.into_iter().partition(inside);
    (shown.into_iter().collect(), elsewhere.len())
}

/// Single files outside of a mesh: what a document says by itself.
fn files(args: &ValidateArgs, run: &Invocation) -> Exit {
    let mut exit = Exit::Ok;
    for path in &args.paths {
        let path = run.cwd.join(path);
        let folder = path.parent().unwrap_or(Path::new("."));
        let tree = match WorkingTree::open(folder) {
            Ok(tree) => tree,
            Err(error) => return run.ui.fail(error.diagnostic()),
        };
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut load = tree.load(&LoadOptions::default());
        load.manifests.retain(|loaded| *loaded.path == *name);
        load.skipped.retain(|skipped| skipped.path == name);
        let (shown, _) = narrow(load.diagnostics.clone(), &load.sources, &[name]);
        exit = exit.and(report(
            run,
            &Verdict { load: &load, shown, elsewhere: 0, strict: args.strict, resolved: false },
        ));
    }
    exit
}

struct Verdict<'a> {
    load: &'a Load,
    shown: Diagnostics,
    elsewhere: usize,
    strict: bool,
    resolved: bool,
}

fn report(run: &Invocation, verdict: &Verdict<'_>) -> Exit {
    let Verdict { load, shown, elsewhere, strict, resolved } = verdict;
    run.ui.diagnostics(shown, &load.sources);
    let mut not_judged: Vec<&str> = NOT_JUDGED.to_vec();
    let nothing_read = load.manifests.is_empty() && load.broken.is_empty();
    if *resolved && load.stopped {
        not_judged.insert(
            0,
            if nothing_read {
                "any manifest: there are too many of them"
            } else {
                "what an environment decides: the Mesh document has to be right first"
            },
        );
    }
    if !resolved {
        not_judged.insert(0, "what a document means together with others: there is no mesh around it");
    }
    let line = summary(load, shown);
    if run.ui.json {
        let documents = load.manifests.len() + load.broken.len();
        let (not_judged, findings_elsewhere) = (&not_judged, *elsewhere);
        run.ui.out(&StreamEvent::ValidateSummary { documents, findings_elsewhere, not_judged }.line(line));
    } else {
        let mut out = format!("{line}\n");
        if *elsewhere > 0 {
            out.push_str(&format!("{} elsewhere not shown.\n", plural(*elsewhere, "finding")));
        }
        out.push_str("Not judged here:\n");
        for what in not_judged {
            out.push_str(&format!("  - {what}\n"));
        }
        run.ui.out(&out);
    }
    let wrong = shown.has_errors()
        || (*strict && shown.iter().any(|d| d.severity == datamesh_provider::Severity::Warning));
    if wrong { Exit::Error } else { Exit::Ok }
}

/// `41 documents in 12 files: 9 products, 3 domains; no errors`.
fn summary(load: &Load, shown: &Diagnostics) -> String {
    let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
    for loaded in &load.manifests {
        *kinds.entry(loaded.manifest.kind()).or_default() += 1;
    }
    let documents = load.manifests.len() + load.broken.len();
    let paths = load.manifests.iter().map(|m| &m.path).chain(load.broken.iter().map(|b| &b.path));
    let files: std::collections::BTreeSet<_> = paths.collect();
    let mut parts: Vec<String> = kinds.into_iter().map(|(kind, count)| plural(count, word(kind))).collect();
    if !load.broken.is_empty() {
        parts.push(format!("{} broken", load.broken.len()));
    }
    let verdict = human::counts(shown).unwrap_or_else(|| "no errors".to_owned());
    let of = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    let skipped = match load.skipped.len() {
        0 => String::new(),
        count => format!(" {} left out (`datamesh plan --explain` names them).", plural(count, "file")),
    };
    format!("{} in {}{of}; {verdict}.{skipped}", plural(documents, "document"), plural(files.len(), "file"))
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::DataProduct => "product",
        Kind::Domain => "domain",
        Kind::Mesh => "mesh",
        Kind::Moved => "move",
        Kind::Removed => "removal",
        Kind::Import => "import",
        Kind::AccessGrant => "grant",
        Kind::GovernancePolicy => "policy",
        Kind::PolicyWaiver => "waiver",
    }
}
