//! Who holds which lock.

use super::escape;
use super::human::plural;
use super::json::object_line;
use super::style::{DIM, paint};
use datamesh_state::LockInfo;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tabled::builder::Builder;
use tabled::settings::{Padding, Style};

/// Every lock that is held, by domain.
pub type Held = BTreeMap<String, LockInfo>;

/// A table for people.
pub fn table(held: &Held) -> String {
    if held.is_empty() {
        return "No lock is held.\n".to_owned();
    }
    let mut builder = Builder::new();
    builder.push_record(["DOMAIN", "HELD BY", "ON", "FOR", "SINCE", "RUN"]);
    for (domain, info) in held {
        let LockInfo { id, who, host, operation, since, .. } = info;
        let cells = [domain, who, host, operation, &since.to_string(), id];
        builder.push_record(cells.map(|cell| escape::line(cell).into_owned()));
    }
    let mut table = builder.build();
    table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
    let lines: Vec<String> = table.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
    format!("{}\n{}\n\n{}.\n", paint(DIM, &lines[0]), lines[1..].join("\n"), plural(held.len(), "lock"))
}

/// One object a line, for programs.
pub fn lines(held: &Held) -> String {
    held.iter().map(|(domain, info)| object_line(&json!({"domain": domain, "holder": info}))).collect()
}

/// Everything about one lock.
pub fn one(domain: &str, info: &LockInfo) -> String {
    let LockInfo { id, who, host, process, operation, since } = info;
    let mut out = String::new();
    let facts = [
        ("domain", domain.to_owned()),
        ("held by", who.clone()),
        ("on", format!("{host}, process {process}")),
        ("for", operation.clone()),
        ("since", since.to_string()),
        ("run", id.clone()),
    ];
    for (name, value) in facts {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name:8} {}", escape::line(&value));
    }
    out
}
