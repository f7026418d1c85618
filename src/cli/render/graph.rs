//! The desired graph as DOT, Mermaid and JSON.

use super::escape;
use datamesh_core::graph::DesiredGraph;
use datamesh_provider::Address;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What to draw it as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For Graphviz.
    #[default]
    Dot,
    /// For Markdown files that show Mermaid diagrams.
    Mermaid,
    /// Nodes and edges.
    Json,
}

/// Resources and what each depends on, grouped by owner.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    nodes: BTreeMap<Address, String>,
    edges: BTreeSet<(Address, Address)>,
}

impl Drawing {
    /// The resources for which `keep` holds, with the dependencies among them.
    pub fn new(graph: &DesiredGraph, keep: impl Fn(&Address) -> bool) -> Self {
        let mut drawing = Self::default();
        for (address, resource) in graph.resources.iter().filter(|(address, _)| keep(address)) {
            drawing.nodes.insert(address.clone(), resource.object.id.as_str().to_owned());
            for target in resource
                .depends_on
                .iter()
                .filter(|target| keep(target) && graph.resources.contains_key(target))
            {
                drawing.edges.insert((address.clone(), target.clone()));
            }
        }
        drawing
    }

    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Dot => self.dot(),
            Format::Mermaid => self.mermaid(),
            Format::Json => self.json(),
        }
    }

    fn owners(&self) -> BTreeMap<String, Vec<(&Address, &str)>> {
        let mut owners: BTreeMap<String, Vec<(&Address, &str)>> = BTreeMap::new();
        for (address, id) in &self.nodes {
            owners.entry(address.owner()).or_default().push((address, id));
        }
        owners
    }

    fn dot(&self) -> String {
        let mut out = String::from("digraph datamesh {\n  rankdir = LR;\n  node [shape = box];\n");
        for (at, (owner, nodes)) in self.owners().into_iter().enumerate() {
            let _ = writeln!(out, "  subgraph cluster_{at} {{\n    label = {};", dot_text(&owner));
            for (address, id) in nodes {
                let label = format!("{}\n{id}", address.ty());
                let _ =
                    writeln!(out, "    {} [label = {}];", dot_text(&address.to_string()), dot_text(&label));
            }
            out.push_str("  }\n");
        }
        for (from, to) in &self.edges {
            let _ = writeln!(out, "  {} -> {};", dot_text(&from.to_string()), dot_text(&to.to_string()));
        }
        out.push_str("}\n");
        out
    }

    fn mermaid(&self) -> String {
        let ids: BTreeMap<&Address, String> =
            self.nodes.keys().enumerate().map(|(at, address)| (address, format!("n{at}"))).collect();
        let mut out = String::from("flowchart LR\n");
        for (at, (owner, nodes)) in self.owners().into_iter().enumerate() {
            let _ = writeln!(out, "  subgraph g{at}[\"{}\"]", mermaid_text(&owner));
            for (address, id) in nodes {
                let label = format!("{}<br/>{}", mermaid_text(address.ty().as_str()), mermaid_text(id));
                let _ = writeln!(out, "    {}[\"{label}\"]", ids[address]);
            }
            out.push_str("  end\n");
        }
        for (from, to) in &self.edges {
            let _ = writeln!(out, "  {} --> {}", ids[from], ids[to]);
        }
        out
    }

    fn json(&self) -> String {
        let nodes: Vec<Value> = self
            .nodes
            .iter()
            .map(|(address, id)| json!({"address": address, "owner": address.owner(), "type": address.ty(), "id": id}))
            .collect();
        let edges: Vec<Value> = self.edges.iter().map(|(from, to)| json!({"from": from, "to": to})).collect();
        super::json::document_text(&json!({"format_version": "1.0", "nodes": nodes, "edges": edges}))
    }
}

/// A quoted DOT string. A line break of our own label stays one.
fn dot_text(text: &str) -> String {
    let escaped: Vec<String> = text
        .splitn(2, '\n')
        .map(|part| escape::line(part).replace('\\', "\\\\").replace('"', "\\\""))
        .collect();
    format!("\"{}\"", escaped.join("\\n"))
}

/// Text inside a quoted Mermaid label: everything with a meaning there becomes a character entity.
fn mermaid_text(text: &str) -> String {
    let mut out = String::new();
    for c in escape::line(text).chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '/' | '@' | ':' | ',' | '(' | ')') {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::escape::{HOSTILE, is_clean};
    use super::*;
    use snapbox::{assert_data_eq, str};

    fn drawing(id: &str) -> Drawing {
        let address = |text: &str| text.parse::<Address>().expect(text);
        let (table, namespace) =
            (address("orders/facts@3:iceberg_table.iceberg"), address("orders:iceberg_namespace.orders"));
        Drawing {
            nodes: [(table.clone(), id.to_owned()), (namespace.clone(), "orders".to_owned())].into(),
            edges: [(table, namespace)].into(),
        }
    }

    #[test]
    fn dot() {
        assert_data_eq!(
            drawing("orders.facts").render(Format::Dot),
            str![[r#"
digraph datamesh {
  rankdir = LR;
  node [shape = box];
  subgraph cluster_0 {
    label = "orders";
    "orders:iceberg_namespace.orders" [label = "iceberg_namespace/norders"];
  }
  subgraph cluster_1 {
    label = "orders/facts@3";
    "orders/facts@3:iceberg_table.iceberg" [label = "iceberg_table/norders.facts"];
  }
  "orders/facts@3:iceberg_table.iceberg" -> "orders:iceberg_namespace.orders";
}

"#]]
        );
    }

    #[test]
    fn mermaid() {
        assert_data_eq!(
            drawing("orders.facts").render(Format::Mermaid),
            str![[r#"
flowchart LR
  subgraph g0["orders"]
    n0["iceberg_namespace<br/>orders"]
  end
  subgraph g1["orders/facts@3"]
    n1["iceberg_table<br/>orders.facts"]
  end
  n1 --> n0

"#]]
        );
    }

    #[test]
    fn json() {
        let value: Value = serde_json::from_str(&drawing("t").render(Format::Json)).expect("JSON");
        assert_eq!(value["nodes"].as_array().map(Vec::len), Some(2));
        assert_eq!(value["edges"][0]["to"], "orders:iceberg_namespace.orders");
    }

    #[test]
    fn no_name_breaks_out_of_its_quotes() {
        for text in HOSTILE {
            let dot = drawing(text).render(Format::Dot);
            assert!(is_clean(&dot), "{text:?}");
            for line in dot.lines() {
                let quotes = line.replace("\\\\", "").replace("\\\"", "").matches('"').count();
                assert!(quotes.is_multiple_of(2), "{line}");
            }
            assert_eq!(dot.lines().count(), drawing("x").render(Format::Dot).lines().count());
            let mermaid = drawing(text).render(Format::Mermaid);
            assert!(is_clean(&mermaid), "{text:?}");
            assert_eq!(mermaid.lines().count(), drawing("x").render(Format::Mermaid).lines().count());
            assert_eq!(mermaid.matches('"').count(), 8, "{mermaid}");
        }
    }
}
