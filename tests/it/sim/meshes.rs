//! The revisions of one mesh that appliers carry about: each may be applied after any other.

use datamesh::source;
use datamesh_core::manifest::Load;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;

/// One state of the manifests.
#[derive(Debug)]
pub(crate) struct Revision {
    pub(crate) name: &'static str,
    pub(crate) root: PathBuf,
    pub(crate) load: Arc<Load>,
}

#[derive(Debug)]
struct Revisions {
    all: Vec<Revision>,
    _folder: TempDir,
}

const MESH: &str = "apiVersion: datamesh.example.com/v1
kind: Mesh
metadata: {name: simulated}
spec:
  environments:
    test:
      on_remove: destroy
      state: {backend: local, path: state}
      kafka: {default: {fake: world.json}}
      registry: {default: {fake: world.json}}
      iceberg: {default: {fake: world.json}}
      catalog: {fake: world.json}
";

fn domain(name: &str) -> String {
    format!(
        "apiVersion: datamesh.example.com/v1
kind: Domain
metadata: {{name: {name}}}
spec: {{description: About {name}, owner: {name}@example.com}}
"
    )
}

/// A product with what distinguishes one revision from another.
struct Product<'a> {
    domain: &'a str,
    name: &'a str,
    description: &'a str,
    ports: &'a [&'a str],
    source: &'a str,
    compatibility: &'a str,
}

fn product(product: &Product<'_>) -> String {
    let Product { domain, name, description, ports, source, compatibility } = product;
    let ports: String = ports.iter().map(|port| format!("    - {port}\n")).collect();
    format!(
        "apiVersion: datamesh.example.com/v1
kind: DataProduct
metadata: {{name: {name}, domain: {domain}, owner: {domain}@example.com}}
spec:
  description: {description}
  schema:
    version: 1
    compatibility: {compatibility}
    fields:
      - {{name: id, type: string, required: true, pii: false}}
      - {{name: amount, type: \"decimal(18,2)\", pii: false}}
  output_ports:
{ports}  lineage: {{sources: [{source}]}}
"
    )
}

const STREAM: &str = "{type: streaming, technology: kafka, partitions: 3, retention: 7d}";
const LONGER: &str = "{type: streaming, technology: kafka, partitions: 3, retention: 14d}";
const BATCH: &str = "{type: batch, technology: iceberg}";
const SHARED: &str = "{name: raw, type: streaming, technology: kafka, topic: raw.shared, partitions: 1}";

const EVENTS: Product<'_> = Product {
    domain: "orders",
    name: "events",
    description: "What happens to orders.",
    ports: &[STREAM],
    source: "shop.public.orders",
    compatibility: "BACKWARD",
};
const FACTS: Product<'_> = Product {
    domain: "orders",
    name: "facts",
    description: "One row an order.",
    ports: &[BATCH],
    source: "orders.events.v1",
    compatibility: "BACKWARD",
};
const PROFILE: Product<'_> = Product {
    domain: "customers",
    name: "profile",
    description: "Who orders.",
    ports: &[STREAM],
    source: "orders.facts.v1",
    compatibility: "BACKWARD",
};
const SEGMENTS: Product<'_> = Product {
    domain: "customers",
    name: "segments",
    description: "Who orders what.",
    ports: &[BATCH],
    source: "orders.facts.v1",
    compatibility: "BACKWARD",
};

/// One topic that both domains claim, each in its own revision.
const FEED: Product<'_> = Product {
    domain: "orders",
    name: "feed",
    description: "What others send.",
    ports: &[SHARED],
    source: "shop.public.feed",
    compatibility: "BACKWARD",
};

/// Whoever declares the feed may have what the other domain let go.
fn takeover(domain: &str) -> String {
    format!(
        "apiVersion: datamesh.example.com/v1
kind: Import
metadata: {{name: topic}}
spec: {{address: '{domain}/feed@1:kafka_topic.raw', id: raw.shared}}
---
apiVersion: datamesh.example.com/v1
kind: Import
metadata: {{name: subject}}
spec: {{address: '{domain}/feed@1:schema_subject.raw', id: raw.shared-value}}
"
    )
}

fn contents() -> Vec<(&'static str, Vec<Product<'static>>)> {
    vec![
        ("base", vec![EVENTS, FACTS, PROFILE]),
        (
            "settings",
            vec![
                Product { ports: &[LONGER], compatibility: "FULL", ..EVENTS },
                Product { description: "One row for each order.", ..FACTS },
                Product { ports: &[LONGER], ..PROFILE },
            ],
        ),
        ("no-profile", vec![EVENTS, FACTS]),
        ("no-facts", vec![EVENTS, Product { source: "orders.events.v1", ..PROFILE }]),
        ("segments", vec![EVENTS, FACTS, PROFILE, SEGMENTS]),
        ("segments-only", vec![Product { source: "shop.public.orders", ..FACTS }, SEGMENTS]),
        ("shared-by-orders", vec![EVENTS, FACTS, PROFILE, FEED]),
        ("shared-by-customers", vec![EVENTS, FACTS, PROFILE, Product { domain: "customers", ..FEED }]),
        ("segments-of-facts", vec![EVENTS, FACTS, SEGMENTS]),
        ("events-only", vec![EVENTS]),
    ]
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("written");
}

fn load() -> Revisions {
    let folder = tempfile::tempdir().expect("a folder");
    let revision = |(name, products): (&'static str, Vec<Product<'_>>)| {
        let root = folder.path().join(name);
        write(&root.join("datamesh.yaml"), MESH);
        for name in ["orders", "customers"] {
            write(&root.join(format!("domains/{name}/domain.yaml")), &domain(name));
        }
        for one in &products {
            write(&root.join(format!("domains/{}/{}.yaml", one.domain, one.name)), &product(one));
            if one.name == FEED.name {
                write(&root.join("takeover.yaml"), &takeover(one.domain));
            }
        }
        let load = source::load(&root).load;
        assert!(!load.diagnostics.has_errors(), "{name}: {:#?}", load.diagnostics);
        Revision { name, root, load: Arc::new(load) }
    };
    let all = contents().into_iter().map(revision).collect();
    Revisions { all, _folder: folder }
}

/// So many revisions any run may have.
pub(crate) const ANY: usize = 8;

/// What runs of two lanes have that are at odds: each changes another domain alone, the one makes something that needs
/// what the other deletes.
pub(crate) const AT_ODDS: [&[usize]; 2] = [&[8, 8, 2], &[9, 9, 2]];

/// Every revision; written and read once.
pub(crate) fn revisions() -> &'static [Revision] {
    static ALL: OnceLock<Revisions> = OnceLock::new();
    &ALL.get_or_init(load).all
}
