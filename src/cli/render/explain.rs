//! What `plan --explain` adds: where values come from, and what was left out.

use super::escape;
use super::style::{BOLD, DIM, paint};
use super::value::show;
use crate::engine::Session;
use datamesh_core::graph::DesiredGraph;
use datamesh_core::graph::environment::ResolvedEnvironment;
use datamesh_core::manifest::Skipped;
use std::fmt::Write as _;

/// The whole section.
pub fn plan(session: &Session, desired: &DesiredGraph) -> String {
    let mut out = String::new();
    environment(&mut out, session.environment());
    defaults(&mut out, desired);
    skipped(&mut out, &session.load().skipped);
    out
}

fn environment(out: &mut String, environment: &ResolvedEnvironment) {
    let _ = writeln!(out, "\n{}", paint(BOLD, format!("Environment `{}`", escape::line(&environment.name))));
    let why = if environment.all.len() == 1 { "the only one" } else { "chosen with --env or DATAMESH_ENV" };
    let _ = writeln!(out, "  {}", paint(DIM, why));
    for system in environment.systems.keys() {
        let _ = writeln!(out, "  system {}", escape::line(&system.to_string()));
    }
    let number = |value: Option<String>| value.unwrap_or_else(|| "the broker's".to_owned());
    let defaults = &environment.defaults;
    let facts = [
        ("partitions, where a port says none", number(defaults.partitions.map(|n| n.to_string()))),
        (
            "replication factor, where a port says none",
            number(defaults.replication_factor.map(|n| n.to_string())),
        ),
        ("calls under way per system", environment.parallelism.to_string()),
        ("what vanished", format!("{:?}", environment.on_remove).to_lowercase()),
        ("protected", if environment.protected { "yes" } else { "no" }.to_owned()),
    ];
    for (name, value) in facts {
        let _ = writeln!(out, "  {name}: {value}");
    }
    out.push_str("  order of precedence: flag > DATAMESH_* > environment > defaults > built in\n");
}

/// What fills a create although no manifest says it.
fn defaults(out: &mut String, desired: &DesiredGraph) {
    let filled = desired.resources.iter().filter(|(_, resource)| !resource.object.on_create.is_empty());
    let mut any = false;
    for (address, resource) in filled {
        if !any {
            let _ = writeln!(out, "\n{}", paint(BOLD, "Defaults"));
            let _ =
                writeln!(out, "  {}", paint(DIM, "Used when these are created; never compared afterwards."));
            any = true;
        }
        let values: Vec<String> = resource
            .object
            .on_create
            .iter()
            .map(|(key, value)| format!("{} = {}", escape::line(key), show(key, value)))
            .collect();
        let _ = writeln!(out, "  {}: {}", escape::line(&address.to_string()), values.join(", "));
    }
}

/// Files beside the manifests that hold nothing of ours.
fn skipped(out: &mut String, skipped: &[Skipped]) {
    if skipped.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n{}",
        paint(BOLD, format!("{} left out", super::human::plural(skipped.len(), "file")))
    );
    for file in skipped {
        let _ = writeln!(out, "  {} {}", escape::line(&file.path), paint(DIM, file.reason.words()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::escape::{HOSTILE, is_clean};
    use super::*;
    use datamesh_core::manifest::SkipReason;

    #[test]
    fn hostile_paths_are_harmless() {
        for text in HOSTILE {
            let mut out = String::new();
            skipped(&mut out, &[Skipped { path: (*text).to_owned(), reason: SkipReason::Malformed }]);
            assert!(is_clean(&out) && out.lines().count() == 3, "{out:?}");
        }
    }
}
