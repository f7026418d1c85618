//! The shape of a subject, and what can be said about a declared one by itself.

use super::SubjectAttrs;
use super::mode::MODES;
use crate::avro;
use crate::codes::{BAD_SCHEMA, BAD_SUBJECT};
use crate::level::Level;
use datamesh_provider::{AttributeSchema, Diagnostic, Diagnostics, Schema, SpanMap};

const fn attribute(name: &'static str, doc: &'static str) -> AttributeSchema {
    AttributeSchema { name, required: false, computed: false, immutable: false, doc }
}

pub(super) const SCHEMA: Schema = Schema {
    version: 1,
    attributes: &[
        attribute("schema", "The text of the latest version, registered as it is written."),
        AttributeSchema {
            immutable: true,
            ..attribute("schema_type", "The language of the schema: AVRO, JSON or PROTOBUF.")
        },
        attribute(
            "references",
            "Schemas of other subjects that this one uses: their names here, and the subjects.",
        ),
        attribute("compatibility", "The compatibility level of the subject."),
        attribute("mode", "Which changes the registry takes: READWRITE, READONLY, IMPORT."),
        attribute("purge", "Whether a deletion is for good, once the topics of the subject are gone."),
        AttributeSchema {
            computed: true,
            ..attribute("id", "The registry's id of the latest version's schema.")
        },
        AttributeSchema { computed: true, ..attribute("version", "The number of the latest version.") },
    ],
    data_bearing: true,
    rank: 30,
    step_ranks: &[],
    batch: 50,
    late: &[super::STEP_PURGE],
};

pub(super) const TYPES: [&str; 3] = ["AVRO", "JSON", "PROTOBUF"];

/// At most this many flaws of one text are told: the first ones usually cause the rest.
const FLAWS: usize = 10;

pub(super) fn validate(attrs: &SubjectAttrs, at: &SpanMap) -> Diagnostics {
    let mut found = Diagnostics::default();
    let levels = Level::ALL.map(Level::name);
    found.extend(unknown("compatibility", attrs.compatibility.as_deref(), &LEVEL, &levels, at));
    found.extend(unknown("mode", attrs.mode.as_deref(), &MODE, &MODES, at));
    if !TYPES.contains(&attrs.language()) {
        let detail = format!("`{}` is no type of schema.", attrs.language());
        let help = format!("The types are {}.", TYPES.join(", "));
        found.push(
            Diagnostic::error(BAD_SUBJECT, detail).at(at.at(&["schema_type"]), "not a type").help(help),
        );
    }
    if let Some(text) = &attrs.schema {
        let names: Vec<&str> = attrs.references.iter().map(|reference| reference.name.as_str()).collect();
        found.extend(flaws(attrs.language(), text, &names).into_iter().take(FLAWS).map(|why| {
            Diagnostic::error(BAD_SCHEMA, why)
                .at(at.at(&["schema"]), "in this schema")
                .help("Correct the schema; every registry and client would refuse it as it is.")
        }));
    }
    found
}

/// What an attribute names: in a sentence, at its place, and all of them.
struct Kind {
    none: &'static str,
    short: &'static str,
    all: &'static str,
}

const LEVEL: Kind = Kind { none: "no compatibility level", short: "not a level", all: "levels" };
const MODE: Kind = Kind { none: "no mode of a subject", short: "not a mode", all: "modes" };

/// What is wrong with a name that is to be one of these.
fn unknown(
    attribute: &str,
    name: Option<&str>,
    kind: &Kind,
    names: &[&str],
    at: &SpanMap,
) -> Option<Diagnostic> {
    let name = name.filter(|name| !names.contains(name))?;
    let near = names.iter().find(|known| strsim::damerau_levenshtein(known, name) <= 3);
    let help = near.map_or_else(
        || format!("The {} are {}.", kind.all, names.join(", ")),
        |near| format!("Did you mean `{near}`?"),
    );
    let detail = format!("`{name}` is {}.", kind.none);
    Some(Diagnostic::error(BAD_SUBJECT, detail).at(at.at(&[attribute]), kind.short).help(help))
}

/// `names`: what the text may use without defining it.
fn flaws(language: &str, text: &str, names: &[&str]) -> Vec<String> {
    if text.trim().is_empty() {
        return vec!["The schema is empty.".to_owned()];
    }
    match language {
        "AVRO" => avro::flaws(text, names).into_iter().map(|flaw| place(&flaw.path, &flaw.why)).collect(),
        "JSON" => serde_json::from_str::<serde_json::Value>(text)
            .err()
            .map(|error| place("", &format!("it is not JSON: {error}")))
            .into_iter()
            .collect(),
        _ => Vec::new(),
    }
}

fn place(path: &str, why: &str) -> String {
    if path.is_empty() {
        format!("The schema cannot be used: {why}.")
    } else {
        format!("At `{path}`: {why}.")
    }
}

#[cfg(test)]
mod tests {
    use super::super::SchemaSubject;
    use super::*;
    use datamesh_provider::Resource;

    fn found(schema: Option<&str>, ty: Option<&str>, level: Option<&str>) -> Vec<String> {
        let attrs = SubjectAttrs {
            schema: schema.map(Into::into),
            schema_type: ty.map(Into::into),
            compatibility: level.map(Into::into),
            ..SubjectAttrs::default()
        };
        let found = SchemaSubject::validate(&SchemaSubject::normalize(attrs), &SpanMap::default());
        found
            .iter()
            .map(|d| format!("{} {} {}", d.code.id, d.detail, d.help.as_deref().unwrap_or("")))
            .collect()
    }

    #[test]
    fn what_can_be_declared_passes() {
        assert!(found(Some("\"string\""), None, Some("full_transitive")).is_empty());
        assert!(found(Some("syntax = \"proto3\";"), Some("PROTOBUF"), None).is_empty());
        assert!(found(Some("{}"), Some("json"), Some("NONE")).is_empty());
        assert!(found(None, None, None).is_empty());
    }

    #[test]
    fn a_mode_is_one_of_the_apis() {
        let of = |mode: &str| {
            let attrs = SubjectAttrs { mode: Some(mode.into()), ..SubjectAttrs::default() };
            let found = SchemaSubject::validate(&SchemaSubject::normalize(attrs), &SpanMap::default());
            found.iter().map(|d| d.help.clone().unwrap_or_default()).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(of(" readonly "), "");
        assert_eq!(of("READ-ONLY"), "Did you mean `READONLY`?");
        assert!(of("closed").starts_with("The modes are READWRITE, "));
    }

    #[test]
    fn what_cannot_is_told_with_a_way_out() {
        let one = |found: Vec<String>, words: &[&str]| {
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(words.iter().all(|word| found[0].contains(word)), "{found:?}");
        };
        one(found(None, None, Some("BACKWARDS")), &["DM0533", "BACKWARDS", "Did you mean `BACKWARD`?"]);
        one(found(None, None, Some("sideways-on")), &["DM0533", "The levels are BACKWARD, "]);
        one(found(Some("x"), Some("THRIFT"), None), &["DM0533", "THRIFT", "PROTOBUF"]);
        one(found(Some(" "), None, None), &["DM0534", "empty"]);
        one(found(Some("{"), Some("JSON"), None), &["DM0534", "not JSON"]);
        one(found(Some("[\"strin\"]"), None, None), &["DM0534", "At `[0]`", "strin"]);
        let many = (0..50).map(|n| format!("\"t{n}\"")).collect::<Vec<_>>().join(",");
        assert_eq!(found(Some(&format!("[{many}]")), None, None).len(), FLAWS);
    }
}
