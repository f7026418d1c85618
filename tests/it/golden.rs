//! Whole cases: manifests, what is recorded, what is live; and what the program makes of them.
//!
//! A case is a folder of `tests/it/golden/`: `manifest/`, `state/` where something was applied before, `live.json`
//! (a recorded snapshot), and the expected `diagnostics.txt`, `plan.txt` and `plan.json`. After an intended change:
//! `SNAPSHOTS=overwrite cargo test --test it golden`, and look at the difference.

use snapbox::cmd::Command;
use snapbox::{Data, assert_data_eq};
use std::fs;
use std::path::{Path, PathBuf};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("named"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    let mut cases: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    cases.sort();
    cases
}

/// Standard output, standard error, exit code.
fn datamesh(root: &Path, args: &[&str]) -> (String, String, Option<i32>) {
    let run = Command::new(env!("CARGO_BIN_EXE_datamesh"))
        .args(args)
        .current_dir(root)
        .env_remove("DATAMESH_ENV")
        .env("COLUMNS", "110")
        .output()
        .expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (text(run.stdout), text(run.stderr), run.status.code())
}

fn check(case: &Path) {
    let dir = tempfile::tempdir().expect("a folder");
    let root = dir.path();
    copy(&case.join("manifest"), root);
    if case.join("state").is_dir() {
        copy(&case.join("state"), &root.join(".datamesh/state"));
    }
    fs::copy(case.join("live.json"), root.join("live.json")).expect("a snapshot");
    let (plan, found, exit) = datamesh(root, &["plan", "--snapshot", "live.json", "--out", "plan.bin"]);
    // What is going on, and where the plan file is, is no finding.
    let noise = |line: &&str| !line.ends_with(" …") && !line.starts_with("The plan is in ");
    let mut found: String = found.lines().filter(noise).map(|line| format!("{line}\n")).collect();
    found.push_str(&format!("exit {}\n", exit.unwrap_or(-1)));
    let (document, _, _) = datamesh(root, &["show", "--json", "plan.bin"]);
    let mut document: serde_json::Value = serde_json::from_str(&document).expect("JSON");
    // The version is no part of what is decided.
    document["datamesh_version"] = "VERSION".into();
    // It covers locations below the root, which is another folder each time.
    document["plan_id"] = "ID".into();
    let document = serde_json::to_string_pretty(&document).expect("encodes") + "\n";
    let real = root.canonicalize().expect("there").display().to_string();
    let at_home = |text: String| text.replace(&real, "/mesh");
    let (plan, found, document) = (at_home(plan), at_home(found), at_home(document));
    let expected = |name: &str| Data::read_from(&case.join(name), None).raw();
    assert_data_eq!(plan, expected("plan.txt"));
    assert_data_eq!(found, expected("diagnostics.txt"));
    assert_data_eq!(document, expected("plan.json"));
}

#[test]
fn golden() {
    let cases = cases();
    assert!(cases.len() >= 5, "found only {} cases", cases.len());
    for case in cases {
        check(&case);
    }
}
