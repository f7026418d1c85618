//! A mesh in a folder of its own, on fake systems, and the real program run on it.

use datamesh::engine::OsEntropy;
use datamesh_conformance::{Effect, Store, System, World};
use datamesh_provider::{Address, Secret};
use datamesh_state::{Codec, KeyRing, Shard, SharedRecord, StateKey};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const EVENTS: &str = "domains/orders/events.yaml";
pub(crate) const FACTS: &str = "domains/orders/facts.yaml";
pub(crate) const PROFILE: &str = "domains/customers/profile.yaml";

/// The four systems of a mesh, by full name.
pub(crate) const SYSTEMS: [&str; 4] =
    ["kafka.default", "registry.default", "iceberg.default", "catalog.default"];

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        Self { code: output.status.code(), signal: output.status.signal(), out, err }
    }

    /// Everything that was printed.
    pub(crate) fn text(&self) -> String {
        format!("{}\n{}", self.out, self.err)
    }

    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "signal {:?}\n{}", self.signal, self.text());
        self
    }

    /// All of these words are in what was printed, line breaks aside.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = flat(&self.text());
        for word in words {
            assert!(text.contains(&flat(word)), "nothing says `{word}`:\n{}", self.text());
        }
        self
    }
}

/// What a plan does, by address.
#[derive(Debug)]
pub(crate) struct PlanView {
    pub(crate) run: Run,
    pub(crate) changes: BTreeMap<String, Value>,
}

impl PlanView {
    /// `create`, `update`, `delete`, `forget`, `adopt`, `held`, or nothing where it has no change.
    pub(crate) fn action(&self, address: &str) -> Option<&str> {
        let change = self.changes.get(address)?;
        if change["action_reason"] == "held" {
            return Some("held");
        }
        if change["change"]["importing"].is_object() {
            return Some("adopt");
        }
        change["change"]["actions"][0].as_str().filter(|action| *action != "no-op")
    }

    /// Every change, as `action address`.
    pub(crate) fn actions(&self) -> Vec<String> {
        self.changes
            .keys()
            .filter_map(|address| Some(format!("{} {address}", self.action(address)?)))
            .collect()
    }

    /// Nothing that holds data goes away, and nothing loses data. What a removed product had in the catalog may go.
    #[track_caller]
    pub(crate) fn deletes_nothing(&self) {
        let wrong: Vec<_> = self
            .changes
            .values()
            .filter(|change| {
                let actions = change["change"]["actions"].to_string();
                let goes = actions.contains("delete") || actions.contains("forget");
                let catalog = change["type"].as_str().is_some_and(|ty| ty.starts_with("catalog_"));
                goes && !catalog || change["class"] == "data-loss"
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    pub(crate) fn reason(&self, address: &str) -> &str {
        self.changes.get(address).and_then(|change| change["reason"].as_str()).unwrap_or("")
    }
}

/// A mesh of two domains and three products, each of which feeds the next.
#[derive(Debug)]
pub(crate) struct Mesh {
    folder: TempDir,
}

impl Mesh {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With more settings of the environment, as YAML below it.
    pub(crate) fn with(settings: &str) -> Self {
        let mesh = Self { folder: tempfile::tempdir().expect("a folder") };
        let settings: String = settings.lines().map(|line| format!("      {line}\n")).collect();
        mesh.write("datamesh.yaml", &format!("{MESH}{settings}"));
        for (name, text) in [("orders", ORDERS), ("customers", CUSTOMERS)] {
            mesh.write(&format!("domains/{name}/domain.yaml"), text);
        }
        for (path, text) in [(EVENTS, EVENTS_TEXT), (FACTS, FACTS_TEXT), (PROFILE, PROFILE_TEXT)] {
            mesh.write(path, text);
        }
        // Identities that stay when the folder is copied.
        for system in SYSTEMS {
            mesh.edit(system, |world| world.identity = Some(format!("the test's {system}")));
        }
        mesh
    }

    /// The same, already applied.
    pub(crate) fn applied() -> Self {
        let mesh = Self::new();
        mesh.apply();
        mesh
    }

    pub(crate) fn copy(&self) -> Self {
        let mesh = Self { folder: tempfile::tempdir().expect("a folder") };
        copy_folder(self.root(), mesh.root());
        mesh
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).expect("read")
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).expect("removed");
    }

    /// Replaces a text that must be there.
    #[track_caller]
    pub(crate) fn replace(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "`{from}` is not in {path}");
        self.write(path, &text.replace(from, to));
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_datamesh-fake"));
        command.args(args).current_dir(self.root()).env_clear().env("USER", "tester").stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, &[])
    }

    pub(crate) fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let output = self.command(args).envs(variables.iter().copied()).output().expect("the program runs");
        Run::of(&output)
    }

    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    }

    #[track_caller]
    pub(crate) fn apply(&self) -> Run {
        self.run(&["apply", "--auto-approve"]).ends(0)
    }

    /// A second plan has nothing to do.
    #[track_caller]
    pub(crate) fn is_converged(&self) {
        self.run(&["plan", "--detailed-exitcode"]).ends(0).says(&["No changes."]);
    }

    /// Plans, and shows the plan as JSON.
    pub(crate) fn plan(&self, args: &[&str]) -> PlanView {
        let run = self.run(&[&["plan", "--out", "saved.plan"], args].concat());
        let shown = self.run(&["show", "--json", "saved.plan"]).ends(0);
        let document: Value = serde_json::from_str(&shown.out).expect("a document");
        let changes = document["resource_changes"].as_array().cloned().unwrap_or_default();
        let changes = changes
            .into_iter()
            .map(|change| (change["address"].as_str().expect("an address").to_owned(), change));
        PlanView { run, changes: changes.collect() }
    }

    /// How many audit records there are.
    pub(crate) fn audit_records(&self) -> u64 {
        let Ok(environments) = self.path("state/_runs").read_dir() else { return 0 };
        let of = |folder: fs::DirEntry| folder.path().read_dir().map_or(0, |records| records.count() as u64);
        environments.map(|folder| of(folder.expect("an entry"))).sum()
    }

    fn store(&self) -> Store {
        Store::file(self.path("world.json"))
    }

    pub(crate) fn world(&self) -> World {
        self.store().load().expect("a world")
    }

    /// Changes a system behind the program's back.
    pub(crate) fn edit(&self, system: &str, change: impl FnOnce(&mut System)) {
        self.store()
            .transact(|world| change(world.systems.entry(system.to_owned()).or_default()))
            .expect("written");
    }

    /// Every object there is: system, type, id, with its attributes.
    pub(crate) fn objects(&self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        for (system, world) in self.world().systems {
            for (ty, things) in world.objects {
                for (id, thing) in things {
                    all.insert(format!("{system} {ty} {id}"), Value::Object(thing.attributes));
                }
            }
        }
        all
    }

    /// Every effect there was, sorted, as `system action type id step`.
    pub(crate) fn effects(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for (system, world) in self.world().systems {
            all.extend(
                world
                    .effects
                    .iter()
                    .map(|Effect { action, ty, id, step }| format!("{system} {action:?} {ty} {id} {step}")),
            );
        }
        all.sort();
        all
    }

    /// The shards as they were last written, by domain.
    pub(crate) fn shards(&self) -> BTreeMap<String, Shard> {
        let Ok(folders) = fs::read_dir(self.path("state/test")) else { return BTreeMap::new() };
        folders
            .filter_map(|folder| {
                let folder = folder.expect("read").path();
                let newest = serials(&folder).pop()?;
                let bytes = fs::read(folder.join(format!("{newest}.json"))).expect("read");
                let (place, domain) = (folder.display().to_string(), folder.file_name()?.to_str()?);
                let name = format!("test/{domain}");
                let text = self.codec().open(&name, &place, bytes, usize::MAX).expect("opened");
                let shard = datamesh_state::decode(&place, &text).expect("a shard");
                Some((shard.domain.clone(), shard))
            })
            .collect()
    }

    /// How the state is written: with the key in `keys/k1`, if there is one.
    pub(crate) fn codec(&self) -> Codec {
        let Ok(text) = fs::read_to_string(self.path("keys/k1")) else { return Codec::default() };
        let key = StateKey::new("k1", &Secret::new(text)).expect("a key");
        Codec::default().encrypting(KeyRing::new(vec![key]).expect("keys"), Arc::new(OsEntropy))
    }

    pub(crate) fn records(&self) -> BTreeMap<Address, SharedRecord> {
        self.shards().into_values().flat_map(|shard| shard.resources).collect()
    }

    /// Whether operations wait for their outcome.
    pub(crate) fn is_pending(&self) -> bool {
        self.shards().values().any(|shard| !shard.pending.is_empty())
    }

    /// Every record has its object and nothing is pending. With no foreign objects, every object has its record.
    #[track_caller]
    pub(crate) fn is_sound(&self, foreign: &[&str]) {
        for shard in self.shards().values() {
            assert!(shard.is_settled(), "{:#?}", shard.under_way().collect::<Vec<_>>());
        }
        let recorded: BTreeSet<String> = self
            .records()
            .values()
            .map(|record| format!("{} {} {}", record.system, record.ty, record.object.as_str()))
            .collect();
        let mut live: BTreeSet<String> = self.objects().into_keys().collect();
        live.retain(|object| !foreign.contains(&object.as_str()));
        assert_eq!(recorded, live);
    }
}

fn serials(folder: &Path) -> Vec<u64> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut all: Vec<u64> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".json")?.parse().ok())
        .collect();
    all.sort_unstable();
    all
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            fs::create_dir_all(&target).expect("a folder");
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the test waits for another process")]
pub(crate) fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// While this is held no change of any fake system goes through: each call hangs.
#[derive(Debug)]
pub(crate) struct Frozen(File);

impl Frozen {
    fn world_of(mesh: &Mesh) -> Self {
        let path = mesh.path("world.json.lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).expect("opened");
        file.lock().expect("locked");
        Self(file)
    }

    pub(crate) fn thaw(self) {
        self.0.unlock().expect("unlocked");
    }
}

/// An apply that hangs in its first calls, with the intents of both domains stored.
pub(crate) fn hanging(mesh: &Mesh) -> (Child, Frozen) {
    hanging_in(mesh, &["apply", "--auto-approve"], 2)
}

/// A run that hangs in its first calls, with the intents of so many domains stored.
pub(crate) fn hanging_in(mesh: &Mesh, args: &[&str], domains: usize) -> (Child, Frozen) {
    let frozen = Frozen::world_of(mesh);
    let child = mesh.start(args);
    let stored = || mesh.shards().values().filter(|shard| !shard.pending.is_empty()).count() == domains;
    let within_twenty_seconds = (0..2000).any(|_| {
        pause(10);
        stored()
    });
    assert!(within_twenty_seconds, "no intents are stored");
    // From there to the calls it is not far.
    pause(200);
    (child, frozen)
}

const MESH: &str = "apiVersion: datamesh.example.com/v1
kind: Mesh
metadata: {name: testmesh}
spec:
  environments:
    test:
      state: {backend: local, path: state}
      kafka: {default: {fake: world.json}}
      registry: {default: {fake: world.json}}
      iceberg: {default: {fake: world.json}}
      catalog: {fake: world.json}
";

const ORDERS: &str = "apiVersion: datamesh.example.com/v1
kind: Domain
metadata: {name: orders}
spec: {description: Orders, owner: orders@example.com}
";

const CUSTOMERS: &str = "apiVersion: datamesh.example.com/v1
kind: Domain
metadata: {name: customers}
spec: {description: Customers, owner: customers@example.com}
";

const EVENTS_TEXT: &str = "apiVersion: datamesh.example.com/v1
kind: DataProduct
metadata: {name: events, domain: orders, owner: orders@example.com}
spec:
  description: What happens to orders.
  schema:
    version: 3
    compatibility: BACKWARD
    fields:
      - {name: id, type: string, required: true, pii: false}
      - {name: created_at, type: timestamp, pii: false}
  slo: {freshness: 5m}
  output_ports:
    - {type: streaming, technology: kafka, partitions: 3, retention: 7d}
    - {type: batch, technology: iceberg, partition_by: [day(created_at)]}
  lineage: {sources: [shop.public.orders]}
";

const FACTS_TEXT: &str = "apiVersion: datamesh.example.com/v1
kind: DataProduct
metadata: {name: facts, domain: orders, owner: orders@example.com}
spec:
  description: One row an order.
  schema:
    version: 1
    fields:
      - {name: id, type: string, required: true, pii: false}
      - {name: amount, type: \"decimal(18,2)\", pii: false}
  output_ports:
    - {type: batch, technology: iceberg}
  lineage: {sources: [orders.events.v3]}
";

const PROFILE_TEXT: &str = "apiVersion: datamesh.example.com/v1
kind: DataProduct
metadata: {name: profile, domain: customers, owner: customers@example.com}
spec:
  description: Who orders.
  schema:
    version: 1
    fields:
      - {name: id, type: string, required: true, pii: false}
      - {name: spent, type: \"decimal(18,2)\", pii: false}
  output_ports:
    - {type: streaming, technology: kafka, partitions: 1, config: {cleanup.policy: delete}}
  lineage: {sources: [orders.facts.v1]}
";
