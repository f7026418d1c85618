//! Output for machines: one plan document, or a stream of events with one object a line.

mod changelog;
mod document;
mod events;

pub use changelog::ChangelogDocument;
pub use document::{ActionWord, PLAN_FORMAT, PlanDocument, action_word};
pub use events::{
    EVENT_FORMAT, OutcomeWord, StreamEvent, StreamLine, apply_summary, diagnostic, drift_events, event,
    not_reviewed, plan_events, unmanaged_events, version,
};

use super::escape;
use datamesh_core::plan::Plan;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The plan as one JSON document, indented, with a line break at the end.
pub fn plan(plan: &Plan) -> String {
    document_text(&PlanDocument::of(plan))
}

/// Any document, indented, with a line break at the end.
pub fn document_text(document: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(document)
        .unwrap_or_else(|error| json!({"error": error.to_string()}).to_string());
    text.push('\n');
    ascii_controls(text)
}

/// JSON allows characters that a terminal would obey, such as C1 controls and bidirectional overrides. They can
/// stand inside strings only, where a `\u` escape means the same.
fn ascii_controls(text: String) -> String {
    let obeyed = |c: char| c != '\n' && escape::replacement(c).is_some();
    if !text.contains(obeyed) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 32);
    for c in text.chars() {
        if obeyed(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// JSON Schemas of all, by name: draft 2020-12. What is added later is no break.
pub fn schemas() -> BTreeMap<String, Value> {
    let schema = |name: &str, about: &str, mut schema: Value| {
        if let Some(object) = schema.as_object_mut() {
            object.insert("title".to_owned(), json!(name));
            object.insert("description".to_owned(), json!(about));
        }
        (name.to_owned(), schema)
    };
    let generator = || SchemaSettings::draft2020_12().for_serialize().into_generator();
    let document = generator().into_root_schema_for::<PlanDocument<'_>>().to_value();
    let changelog = generator().into_root_schema_for::<ChangelogDocument<'_>>().to_value();
    let line = generator().into_root_schema_for::<StreamLine<'_>>().to_value();
    BTreeMap::from([
        schema("PlanDocument", "A plan, as `show --json` prints it.", document),
        schema(
            "ChangelogDocument",
            "What changed in the contracts, as `breaking --json` prints it.",
            changelog,
        ),
        schema(
            "Event",
            "A line of what `plan`, `apply`, `destroy`, `drift` and `validate` print with `--json`.",
            line,
        ),
    ])
}

/// One object on one line.
pub fn object_line(value: &Value) -> String {
    ascii_controls(format!("{value}\n"))
}

#[cfg(test)]
mod tests;
