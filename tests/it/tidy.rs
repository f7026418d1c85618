//! Rules about the code itself.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates that open sockets or files, or run a runtime: nothing pure may depend on them.
const IMPURE: &[&str] = &[
    "tokio",
    "reqwest",
    "rdkafka",
    "rdkafka-sys",
    "hyper",
    "sqlx",
    "sqlx-core",
    "mio",
    "socket2",
    "iceberg",
    "gix",
    "ignore",
    "walkdir",
    "tempfile",
    "rustix",
    "async-std",
    "smol",
];
const PURE: &[&str] = &["datamesh-core", "datamesh-provider"];
const LONGEST_FILE: usize = 800;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The platform the tests run on: crates of others may never have been fetched.
fn host() -> String {
    let run = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host").to_owned()
}

fn metadata() -> Value {
    let run = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &host()])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).expect("JSON")
}

/// Names of everything a package is built with, build and test dependencies left out.
fn normal_tree(metadata: &Value, package: &str) -> BTreeSet<String> {
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let names: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?)))
        .collect();
    let start = names.iter().find(|(_, name)| **name == package).map(|(id, _)| *id).expect(package);
    let (mut seen, mut queue) = (BTreeSet::new(), vec![start]);
    while let Some(id) = queue.pop() {
        if !seen.insert(id) {
            continue;
        }
        for dependency in nodes[id]["deps"].as_array().into_iter().flatten() {
            let kinds = dependency["dep_kinds"].as_array();
            if kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null())) {
                queue.extend(dependency["pkg"].as_str());
            }
        }
    }
    seen.into_iter().map(|id| names[id].to_owned()).collect()
}

#[test]
fn pure_crates_do_no_io() {
    let metadata = metadata();
    for package in PURE {
        let tree = normal_tree(&metadata, package);
        assert!(tree.contains("serde"), "the tree is not empty");
        for crate_name in IMPURE {
            assert!(!tree.contains(*crate_name), "{package} depends on {crate_name}");
        }
    }
    assert!(normal_tree(&metadata, "datamesh").contains("tokio"), "the check would see it");
}

/// Every Rust file of the workspace, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, out: &mut Vec<(PathBuf, String)>) {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                walk(&path, out);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("text");
                out.push((path, text));
            }
        }
    }
    let mut out = Vec::new();
    walk(&root(), &mut out);
    assert!(out.len() > 50, "found only {} files", out.len());
    out
}

#[test]
fn files_are_short_and_tests_run() {
    // Spelled in two halves, so that this file does not match itself.
    let ignored = ["#[ign", "ore"].concat();
    let later = [["TO", "DO"].concat(), ["FIX", "ME"].concat()];
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines", path.display());
        assert!(!text.contains(&ignored), "{} skips a test", path.display());
        for word in &later {
            assert!(!text.contains(word.as_str()), "{} has a {word}", path.display());
        }
    }
}

/// The codes of each crate lie in its range: folder, first, last.
const RANGES: &[(&str, u32, u32)] = &[
    ("core/src/manifest", 1, 199),
    ("core/src/graph", 200, 299),
    ("core/src/contract", 200, 299),
    ("core/src/plan", 300, 399),
    ("state/src", 400, 499),
    ("providers/kafka/src", 510, 529),
    ("providers/schema_registry/src", 530, 549),
    ("providers/iceberg/src", 550, 569),
    ("providers/catalog/src", 570, 589),
    ("src", 700, 799),
];

#[test]
fn codes_are_unique_and_in_their_range() {
    let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
    let files = sources();
    let codes = files.iter().filter(|(path, _)| path.file_name().is_some_and(|name| name == "codes.rs"));
    for (path, text) in codes {
        let below = path.strip_prefix(root()).expect("below the root");
        let range = RANGES.iter().find(|(folder, ..)| below.starts_with(folder));
        for id in text.match_indices("Code::new(").filter_map(|(at, _)| text[at..].split('"').nth(1)) {
            let number: u32 = id.strip_prefix("DM").and_then(|digits| digits.parse().ok()).expect(id);
            let (_, first, last) = range.unwrap_or_else(|| panic!("{} has no range", below.display()));
            assert!((*first..=*last).contains(&number), "{id} in {} is out of its range", below.display());
            if let Some(other) = seen.insert(id.to_owned(), below.to_owned()) {
                panic!("{id} is in {} and in {}", other.display(), below.display());
            }
        }
    }
    assert!(seen.len() > 50, "found only {} codes", seen.len());
}
