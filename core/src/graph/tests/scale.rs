use super::{FIELDS, MESH, Recorded, chosen, load_files, product};
use crate::graph::resolve;

/// Many products with ports and lineage: a step that grew with the square of their number would take minutes here.
#[test]
fn ten_thousand_products_resolve() {
    const PRODUCTS: usize = 10_000;
    let documents: Vec<(String, String)> = (0..PRODUCTS)
        .map(|index| {
            let domain = format!("domain-{}", index % 100);
            let source = index.saturating_sub(1);
            let spec = format!(
                "{FIELDS}  output_ports: [{{ technology: kafka, retention: 7d }}, {{ technology: iceberg, partition_by: [created_date], location: s3://data-lake/{domain}/p{index} }}]\n  lineage: {{ sources: [domain-{}.p-{source}.v1] }}\n",
                source % 100
            );
            (format!("domains/{domain}/p{index}.yaml"), product(&domain, &format!("p-{index}"), &spec))
        })
        .collect();
    let mut files: Vec<(&str, &str)> =
        documents.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    files.push(("datamesh.yaml", MESH));
    let load = load_files(&files);
    let environment = chosen(&load, None);
    let (graph, found) = resolve(&load, &environment, &Recorded::default());
    assert!(found.is_empty(), "{:#?}", found.iter().next());
    // Topic, subject, table, catalog entry and lineage of each; namespace and entry of each domain.
    assert_eq!(graph.resources.len(), 5 * PRODUCTS + 2 * 100);
}
