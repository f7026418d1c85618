//! Generated meshes: as many manifests as wanted, always the same ones, with what real ones have: several fields,
//! lineage, both line endings, and text beyond ASCII.

use std::fs;
use std::io;
use std::path::Path;

const PRODUCTS_PER_DOMAIN: usize = 50;

/// Writes a mesh with `count` data products into an empty folder; returns the bytes of all manifests.
pub(crate) fn write_mesh(root: &Path, count: usize) -> io::Result<u64> {
    let mut bytes = 0;
    let mut write = |path: &str, text: &str| -> io::Result<()> {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        bytes += text.len() as u64;
        fs::write(path, text)
    };
    write("datamesh.yaml", MESH)?;
    for domain in 0..count.div_ceil(PRODUCTS_PER_DOMAIN) {
        write(&format!("domains/domain-{domain}/domain.yaml"), &domain_manifest(domain))?;
    }
    for index in 0..count {
        let path = format!("domains/domain-{}/product-{index}.yaml", index / PRODUCTS_PER_DOMAIN);
        write(&path, &product_manifest(index))?;
    }
    Ok(bytes)
}

const MESH: &str = "apiVersion: datamesh.example.com/v1
kind: Mesh
metadata: {name: generated}
spec:
  environments:
    sandbox:
      state: {backend: local, path: .datamesh/state}
      kafka: {default: {bootstrap_servers: 127.0.0.1:19092}}
      registry: {default: {url: http://127.0.0.1:18081/apis/ccompat/v7}}
      iceberg: {default: {catalog: sql, name: datamesh, uri: 'sqlite:.datamesh/iceberg.db', warehouse: 'file:.datamesh/warehouse'}}
      catalog: {backend: portal, path: .datamesh/catalog}
";

fn domain_manifest(domain: usize) -> String {
    format!(
        "apiVersion: datamesh.example.com/v1
kind: Domain
metadata: {{name: domain-{domain}}}
spec:
  description: Bereich {domain}, größtenteils erzeugt
  owner: team-{domain}@example.com
  aliases: [d{domain}]
"
    )
}

/// One product of about two kilobytes.
fn product_manifest(index: usize) -> String {
    let domain = index / PRODUCTS_PER_DOMAIN;
    let mut text = format!(
        "# Generated: product {index}
apiVersion: datamesh.example.com/v1
kind: DataProduct
metadata:
  name: product-{index}
  domain: domain-{domain}
  owner: team-{domain}@example.com
  labels: {{tier: \"{}\", région: île-de-france}}
spec:
  description: |
    Facts about orders of kind {index}. 注文の事実、毎日更新。
    Updated within 15 minutes of the events they describe.
  classification: internal

  schema:
    format: avro
    version: 1
    compatibility: BACKWARD
    primary_key: [order_id]
    fields:
      - name: order_id
        type: string
        description: Unique order identifier
        required: true
        pii: false
      - {{name: created_at, type: timestamp, description: \"When it was created \\u2014 UTC\"}}
",
        index % 3
    );
    for field in 0..6 + index % 9 {
        let ty = ["string", "long", "decimal(18,2)", "boolean", "date", "double"][field % 6];
        text.push_str(&format!(
            "      - name: measure_{field}\n        type: {ty}\n        description: Measure number {field} of this product\n        pii: false\n"
        ));
    }
    text.push_str(&format!(
        "
  slo:
    freshness: 15m          # within a quarter of an hour
    availability: 99.9%
    quality_score: 0.95
    completeness: 0.99

  output_ports:
    - type: streaming
      technology: kafka
      partitions: {}
      retention: 7d
      config: {{min.insync.replicas: 1}}
    - type: batch
      technology: iceberg
      format: parquet
      partition_by: [day(created_at)]

  lineage:
    sources:
      - source-db.public.table_{index}
",
        3 + index % 4
    ));
    if index > 0 {
        let before = index - 1;
        text.push_str(&format!("      - domain-{}.product-{before}.v1\n", before / PRODUCTS_PER_DOMAIN));
    }
    text.push_str(&format!("    transformation: dbt://generated/models/product_{index}.sql\n"));
    if index % 7 == 3 { text.replace('\n', "\r\n") } else { text }
}
