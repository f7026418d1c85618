//! Tests of resolve: whole meshes in memory, from texts to the graph.

mod access;
mod decisions;
mod environments;
mod lineage;
mod metadata;
mod partial;
mod ports;
mod products;
mod references;
mod scale;
mod seed;
mod source;

use crate::graph::{DesiredGraph, DesiredResource, Recorded, ResolvedEnvironment, environment, resolve};
use crate::manifest::{EntryKind, FileEntry, FileSet, Load, LoadOptions, NamedFileError, ReadError, load};
use datamesh_provider::{Address, Attributes, Diagnostics, ObjectId};
use serde_json::Value;
use std::fmt::Write as _;

/// A mesh with one environment in which every kind of system is there.
const MESH: &str = r#"
apiVersion: datamesh.example.com/v1
kind: Mesh
metadata: { name: acme }
spec:
  environments:
    sandbox:
      state:    { backend: local, path: .datamesh/state }
      kafka:    { default: { bootstrap_servers: 127.0.0.1:19092 } }
      registry: { default: { url: http://127.0.0.1:18081/apis/ccompat/v7 } }
      iceberg:  { default: { catalog: sql, name: datamesh, uri: "sqlite:.datamesh/iceberg.db", warehouse: "file:.datamesh/warehouse" } }
      catalog:  { backend: portal, path: .datamesh/catalog }
      defaults: { kafka: { partitions: 3, replication_factor: 1 } }
      endpoints:
        https://schema-registry.internal: http://127.0.0.1:18081/apis/ccompat/v7
        https://other-registry.internal: http://127.0.0.1:9999
        s3://data-lake: file:.datamesh/warehouse
        s3://elsewhere: s3://elsewhere
"#;

/// Files in memory, sorted by path.
struct Set {
    entries: Vec<FileEntry>,
    contents: Vec<Vec<u8>>,
    /// What manifests may name.
    named: Vec<(String, Vec<u8>)>,
}

impl FileSet for Set {
    fn files(&self) -> &[FileEntry] {
        &self.entries
    }

    fn read(&self, index: usize, _: u64) -> Result<Vec<u8>, ReadError> {
        Ok(self.contents[index].clone())
    }

    fn read_named(&self, path: &str, _: &str, _: u64) -> Result<Vec<u8>, NamedFileError> {
        let found = self.named.iter().find(|(named, _)| named == path).map(|(_, bytes)| bytes.clone());
        let (path, reason) = (path.to_owned(), "no such file".to_owned());
        found.ok_or(NamedFileError::Unreadable { path, reason })
    }

    fn mentions(&self, _: usize, _: &[Vec<u8>]) -> Result<bool, ReadError> {
        Ok(false)
    }
}

fn load_files(files: &[(&str, &str)]) -> Load {
    let mut files = files.to_vec();
    files.sort_unstable();
    let named = files.extract_if(.., |(path, _)| !path.ends_with(".yaml"));
    let named = named.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())).collect();
    let entry = |(path, text): &(&str, &str)| FileEntry {
        path: (*path).to_owned(),
        bytes: text.len() as u64,
        kind: EntryKind::Regular,
    };
    let contents = files.iter().map(|(_, text)| text.as_bytes().to_vec()).collect();
    load(&Set { entries: files.iter().map(entry).collect(), contents, named }, &LoadOptions::default())
}

/// A resolved mesh, with the questions tests ask.
struct World {
    load: Load,
    graph: DesiredGraph,
    found: Diagnostics,
}

fn chosen(load: &Load, name: Option<&str>) -> ResolvedEnvironment {
    let mesh = load.mesh().unwrap_or_else(|| panic!("no mesh: {:#?}", load.diagnostics));
    let (environment, found) = environment(mesh, name, "/mesh");
    environment.unwrap_or_else(|| panic!("{found:#?}"))
}

fn world_in(files: &[(&str, &str)], name: Option<&str>, recorded: &Recorded) -> World {
    let load = load_files(files);
    let environment = chosen(&load, name);
    let (graph, found) = resolve(&load, &environment, recorded);
    World { load, graph, found }
}

fn world(files: &[(&str, &str)]) -> World {
    let mut all = files.to_vec();
    if !files.iter().any(|(path, _)| *path == "datamesh.yaml") {
        all.push(("datamesh.yaml", MESH));
    }
    world_in(&all, None, &Recorded::default())
}

impl World {
    #[track_caller]
    fn resource(&self, address: &str) -> &DesiredResource {
        let address: Address = address.parse().expect("an address");
        let all: Vec<_> = self.graph.resources.keys().collect();
        self.graph
            .resources
            .get(&address)
            .unwrap_or_else(|| panic!("no {address} in {all:?}: {:#?}", self.found))
    }

    fn id(&self, address: &str) -> &str {
        self.resource(address).object.id.as_str()
    }

    fn attribute(&self, address: &str, key: &str) -> Option<&Value> {
        self.resource(address).object.attributes.get(key)
    }

    fn addresses(&self) -> Vec<String> {
        self.graph.resources.keys().map(ToString::to_string).collect()
    }

    /// Codes of errors and warnings about meaning, without the remarks about what has no effect yet.
    fn codes(&self) -> Vec<&'static str> {
        assert!(self.load.diagnostics.is_empty(), "{:#?}", self.load.diagnostics);
        self.found.iter().map(|d| d.code.id).filter(|id| *id != "DM0240").collect()
    }

    fn details(&self) -> String {
        let mut out = String::new();
        for d in &self.found {
            writeln!(out, "{} {} | {}", d.code.id, d.detail, d.help.as_deref().unwrap_or_default())
                .expect("text");
        }
        out
    }

    fn held(&self) -> Vec<&str> {
        self.graph.held_back.keys().map(String::as_str).collect()
    }
}

fn recorded(objects: &[(&str, &str, Option<&str>)]) -> Recorded {
    let mut recorded = Recorded::default();
    for (address, id, schema) in objects {
        let mut attributes = Attributes::new();
        if let Some(schema) = schema {
            attributes.insert("schema".into(), (*schema).into());
        }
        recorded.insert(address.parse().expect("an address"), ObjectId::new(*id), &attributes.into());
    }
    recorded
}

/// A product document; `spec` is indented by two.
fn product(domain: &str, name: &str, spec: &str) -> String {
    let spec = if spec.is_empty() { "  {}\n" } else { spec };
    format!(
        "apiVersion: datamesh.example.com/v1\nkind: DataProduct\nmetadata: {{ name: {name}, domain: {domain} }}\nspec:\n{spec}"
    )
}

fn domain(name: &str, spec: &str) -> String {
    format!("apiVersion: datamesh.example.com/v1\nkind: Domain\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
}

const FIELDS: &str =
    "  schema: { fields: [{ name: id, type: string }, { name: created_at, type: timestamp }] }\n";

/// One product with one Kafka port, whose keys are given.
fn kafka(keys: &str) -> World {
    let spec = format!("{FIELDS}  output_ports: [{{ technology: kafka, {keys} }}]\n");
    world(&[("p.yaml", &product("orders", "facts", &spec))])
}

fn iceberg(keys: &str) -> World {
    let spec = format!("{FIELDS}  output_ports: [{{ technology: iceberg, {keys} }}]\n");
    world(&[("p.yaml", &product("orders", "facts", &spec))])
}
