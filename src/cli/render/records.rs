//! What the state records, as a table and one by one.

use super::escape;
use super::style::{BOLD, DIM, paint};
use super::value::show;
use datamesh_provider::{Address, Attributes};
use datamesh_state::{Origin, Record};
use serde_json::json;
use std::fmt::Write as _;
use tabled::builder::Builder;
use tabled::settings::{Padding, Style};

/// One line of `state list`.
#[derive(Clone, Debug)]
pub struct Row {
    address: Address,
    system: String,
    id: String,
    origin: &'static str,
}

impl Row {
    pub fn new(address: &Address, record: &Record) -> Self {
        Self {
            address: address.clone(),
            system: record.system.to_string(),
            id: record.object.as_str().to_owned(),
            origin: origin(record.origin),
        }
    }
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Created => "created",
        Origin::Adopted => "adopted",
    }
}

/// A table for people.
pub fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "Nothing is recorded.\n".to_owned();
    }
    let mut builder = Builder::new();
    builder.push_record(["ADDRESS", "SYSTEM", "NAME THERE", "ORIGIN"]);
    for row in rows {
        builder.push_record([
            escape::line(&row.address.to_string()).into_owned(),
            escape::line(&row.system).into_owned(),
            escape::line(&row.id).into_owned(),
            row.origin.to_owned(),
        ]);
    }
    let mut table = builder.build();
    table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
    let lines: Vec<String> = table.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
    format!(
        "{}\n{}\n\n{}.\n",
        paint(DIM, &lines[0]),
        lines[1..].join("\n"),
        super::human::plural(rows.len(), "resource")
    )
}

/// One object a line, for programs.
pub fn lines(rows: &[Row]) -> String {
    let mut out = String::new();
    for row in rows {
        let line = json!({"address": row.address, "system": row.system, "id": row.id, "origin": row.origin});
        out.push_str(&super::json::object_line(&line));
    }
    out
}

/// Everything about one resource.
pub fn one(address: &Address, record: &Record) -> String {
    let mut out = format!("{}\n", paint(BOLD, escape::line(&address.to_string())));
    let mut fact = |name: &str, value: &str| {
        let _ = writeln!(out, "  {name:16} {}", escape::line(value));
    };
    fact("system", &record.system.to_string());
    fact("name there", record.object.as_str());
    fact("incarnation", record.incarnation.as_deref().unwrap_or("-"));
    fact("declared in", record.source.as_deref().unwrap_or("-"));
    fact("origin", origin(record.origin));
    fact("generation", &record.generation.to_string());
    fact("prevent_destroy", if record.prevent_destroy { "yes" } else { "no" });
    for dependency in &record.dependencies {
        fact("depends on", &dependency.to_string());
    }
    attributes(&mut out, "managed", &record.attributes);
    attributes(&mut out, "assigned by the system", &record.computed);
    out
}

fn attributes(out: &mut String, title: &str, attributes: &Attributes) {
    if attributes.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n  {}", paint(DIM, title));
    for (key, value) in attributes {
        let change = datamesh_provider::AttributeChange::new(
            &[key],
            None,
            datamesh_provider::Planned::Value(value.clone()),
        );
        let lines = super::attributes::lines(&change);
        if lines.is_empty() {
            let _ = writeln!(out, "    {} = {}", escape::line(key), show(key, value));
        }
        for line in lines {
            let _ = writeln!(out, "    {}{}", " ".repeat(line.depth * 4), line.text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::escape::{HOSTILE, is_clean};
    use super::*;
    use datamesh_provider::{ObjectId, SystemName};

    fn record(text: &str) -> (Address, Record) {
        let address: Address = "orders/facts@3:kafka_topic.kafka".parse().expect("an address");
        let record = Record {
            ty: address.ty().clone(),
            schema_version: 1,
            source: Some(text.to_owned()),
            product: None,
            system: SystemName::new("kafka", text),
            object: ObjectId::new(text),
            incarnation: Some(text.to_owned()),
            attributes: [("partitions".to_owned(), json!(3)), (text.to_owned(), json!(text))]
                .into_iter()
                .collect::<Attributes>()
                .into(),
            computed: Default::default(),
            dependencies: Default::default(),
            generation: 2,
            last_op: None,
            origin: Origin::Created,
            prevent_destroy: false,
            on_remove: None,
            unfinished: Vec::new(),
        };
        (address, record)
    }

    #[test]
    fn a_table_has_a_line_a_resource() {
        let (address, record) = record("orders.facts.v3");
        let text = table(&[Row::new(&address, &record), Row::new(&address, &record)]);
        snapbox::assert_data_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            snapbox::str![[r#"
ADDRESS                           SYSTEM                 NAME THERE       ORIGIN
orders/facts@3:kafka_topic.kafka  kafka.orders.facts.v3  orders.facts.v3  created
orders/facts@3:kafka_topic.kafka  kafka.orders.facts.v3  orders.facts.v3  created

2 resources.

"#]]
        );
        assert_eq!(table(&[]), "Nothing is recorded.\n");
    }

    #[test]
    fn hostile_names_stay_in_their_cell() {
        for text in HOSTILE {
            let (address, record) = record(text);
            let rows = [Row::new(&address, &record)];
            for shown in [table(&rows), lines(&rows), one(&address, &record)] {
                assert!(is_clean(&shown), "{text:?}: {shown:?}");
            }
            assert_eq!(table(&rows).lines().count(), 4);
            assert_eq!(lines(&rows).lines().count(), 1);
        }
    }
}
