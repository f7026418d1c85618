//! A drift report: what is live against what was last applied.

use super::escape;
use super::human::plural;
use super::plan_human;
use super::style::{BOLD, DIM, YELLOW, paint};
use super::value::show;
use crate::engine::Unmanaged;
use datamesh_core::plan::{Drift, DriftReport, Verdict};
use serde_json::Value;
use std::fmt::Write as _;

/// For people.
pub fn human(report: &DriftReport) -> String {
    let drift: Vec<Drift> = report.entries.iter().filter_map(|entry| entry.drift.clone()).collect();
    let mut out = plan_human::drift(&drift);
    let pending: Vec<_> = report.entries.iter().filter(|entry| entry.verdict == Verdict::Pending).collect();
    if !pending.is_empty() {
        let _ = writeln!(out, "{}", paint(BOLD, "Pending"));
        let _ = writeln!(out, "{}\n", paint(DIM, "Declared, but not applied yet; no drift."));
        for entry in pending {
            let why = entry
                .why
                .as_deref()
                .map_or(String::new(), |why| format!("  {}", paint(DIM, escape::line(why))));
            let _ =
                writeln!(out, "    {} {}{why}", paint(YELLOW, "…"), escape::line(&entry.address.to_string()));
        }
        out.push('\n');
    }
    out.push_str(&paint(BOLD, summary(report)));
    out.push('\n');
    if !drift.is_empty() {
        out.push_str("Set it back with `datamesh apply`, or declare it as it is.\n");
    }
    out
}

/// What nobody here declares.
pub fn unmanaged(objects: &[Unmanaged]) -> String {
    let mut out = format!("\n{}\n", paint(BOLD, "Unmanaged"));
    let _ = writeln!(
        out,
        "{}\n",
        paint(DIM, "In the systems of this environment, and neither declared nor recorded here.")
    );
    let mut current = String::new();
    for object in objects {
        let system = object.system.to_string();
        if system != current {
            let _ = writeln!(out, "  {}", paint(BOLD, escape::line(&system)));
            current = system;
        }
        let detail =
            |(name, value): (&String, &Value)| format!("{} {}", name.replace('_', " "), show(name, value));
        let details: Vec<String> = object.details.iter().map(detail).collect();
        let details = if details.is_empty() { String::new() } else { format!("  {}", details.join(", ")) };
        let (ty, id) = (escape::line(object.ty.as_str()), escape::line(object.id.as_str()));
        let _ = writeln!(out, "    {ty}  {id}{}", paint(DIM, escape::line(&details)));
    }
    if !objects.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "{}", paint(BOLD, format!("{} unmanaged.", plural(objects.len(), "object"))));
    out
}

/// How a resource stands, in words.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::InSync => "in sync",
        Verdict::Drifted => "drifted",
        Verdict::Pending => "pending",
        Verdict::Unreadable => "unreadable",
    }
}

/// The last line.
pub fn summary(report: &DriftReport) -> String {
    let count = |verdict| report.count(verdict);
    let (drifted, unreadable) = (count(Verdict::Drifted), count(Verdict::Unreadable));
    let head = match (drifted, unreadable) {
        (0, 0) => "No drift.".to_owned(),
        (0, _) => "Some of it could not be read.".to_owned(),
        _ => format!("{} drifted.", plural(drifted, "resource")),
    };
    format!(
        "{head} {} in sync, {} pending, {unreadable} unreadable.",
        count(Verdict::InSync),
        count(Verdict::Pending)
    )
}

#[cfg(test)]
mod tests {
    use super::super::escape::{HOSTILE, is_clean};
    use super::super::json::{drift_events, unmanaged_events};
    use super::super::samples;
    use super::*;
    use datamesh_core::plan::DriftEntry;

    fn report(text: &str) -> DriftReport {
        let entry = |address: &str, verdict, drift| DriftEntry {
            address: address.parse().expect("an address"),
            verdict,
            drift,
            why: Some(text.to_owned()),
        };
        let mut drift = samples::full().drift.remove(0);
        drift.id = datamesh_provider::ObjectId::new(text);
        DriftReport {
            entries: vec![
                entry("orders/facts@1:kafka_topic.kafka", Verdict::InSync, None),
                entry("orders/lines@1:kafka_topic.kafka", Verdict::Drifted, Some(drift)),
                entry("orders/new@1:kafka_topic.kafka", Verdict::Pending, None),
            ],
        }
    }

    #[test]
    fn drift_comes_first_and_counts_last() {
        let text = anstream::adapter::strip_str(&human(&report("not applied"))).to_string();
        snapbox::assert_data_eq!(
            text,
            snapbox::str![[r#"
Changed outside
Live systems differ from what was last applied.

orders/lines@1
    ~ kafka_topic.kafka  not applied
      ~ config.retention.ms: "604800000" (7d) -> "3600000" (1h)

Pending
Declared, but not applied yet; no drift.

    … orders/new@1:kafka_topic.kafka  not applied

1 resource drifted. 1 in sync, 1 pending, 0 unreadable.
Set it back with `datamesh apply`, or declare it as it is.

"#]]
        );
        assert_eq!(summary(&DriftReport::default()), "No drift. 0 in sync, 0 pending, 0 unreadable.");
    }

    fn others(id: &str) -> Vec<Unmanaged> {
        let object = |ty: &str, id: &str, details: Value| Unmanaged {
            system: datamesh_provider::SystemName::new("kafka", "default"),
            ty: datamesh_provider::TypeName::new(ty),
            id: datamesh_provider::ObjectId::new(id),
            details: details.as_object().cloned().unwrap_or_default(),
        };
        vec![
            object("kafka_topic", id, serde_json::json!({"partitions": 6})),
            object("kafka_acl", id, Value::Null),
        ]
    }

    #[test]
    fn what_nobody_declares_is_listed_by_system() {
        let text = anstream::adapter::strip_str(&unmanaged(&others("clicks"))).to_string();
        snapbox::assert_data_eq!(
            text,
            snapbox::str![[r#"

Unmanaged
In the systems of this environment, and neither declared nor recorded here.

  kafka.default
    kafka_topic  clicks  partitions 6
    kafka_acl  clicks

2 objects unmanaged.

"#]]
        );
    }

    #[test]
    fn hostile_texts_are_harmless() {
        for text in HOSTILE {
            assert!(is_clean(&unmanaged(&others(text))), "{text:?}");
            assert!(is_clean(&unmanaged_events(&others(text))), "{text:?}");
            assert!(is_clean(&human(&report(text))), "{text:?}");
            assert!(
                is_clean(&drift_events(&report(text))) && drift_events(&report(text)).lines().count() == 4
            );
        }
    }
}
