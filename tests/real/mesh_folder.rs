//! A mesh in a folder of its own, and the program as a person runs it there.

use crate::support::servers::Servers;
use crate::witness::Catalog;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

/// A folder that goes away with the test.
#[derive(Debug)]
pub(crate) struct Mesh {
    dir: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
}

/// How a run ended, and all it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Requires this exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Requires these words in what was said, in either stream. Wrapped lines count as one.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        let all: String = format!("{} {}", self.out, self.err);
        let all: Vec<&str> = all.split_whitespace().collect();
        let all = all.join(" ");
        for word in words {
            assert!(all.contains(word), "it does not say {word:?}:\n{self}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn keeps_quiet_about(self, words: &[&str]) -> Self {
        for word in words {
            assert!(!self.out.contains(word) && !self.err.contains(word), "it says {word:?}:\n{self}");
        }
        self
    }

    /// The last line that is not empty.
    pub(crate) fn last_line(&self) -> &str {
        self.out.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {:?}\n{}\n{}", self.code, self.out, self.err)
    }
}

/// Where an environment's systems are.
#[derive(Debug)]
pub(crate) struct Systems {
    pub(crate) kafka: String,
    pub(crate) registry: String,
    /// Every topic's and subject's name begins with it.
    pub(crate) prefix: String,
}

impl Systems {
    pub(crate) fn shared(servers: &Servers, prefix: &str) -> Self {
        let (kafka, registry) = (servers.kafka().to_owned(), servers.registry().to_owned());
        Self { kafka, registry, prefix: prefix.to_owned() }
    }

    pub(crate) fn environment(&self) -> Value {
        let Self { kafka, registry, prefix } = self;
        json!({
            "state": {"backend": "local", "path": ".datamesh/state"},
            "kafka": {"default": {"bootstrap_servers": kafka}},
            "registry": {"default": {"url": registry}},
            "iceberg": {"default": sql_settings()},
            "catalog": {"backend": "portal", "path": ".datamesh/catalog"},
            "defaults": {"kafka": {"partitions": 1, "replication_factor": 1}},
            "names": {"topic_prefix": prefix},
        })
    }
}

impl Drop for Mesh {
    /// The servers are shared: a test that failed leaves as little there as it can.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.command(&["destroy", "--all", "--auto-approve"]).output();
        }
    }
}

impl Mesh {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder"), env: Vec::new() }
    }

    /// With one environment, `test`: an Iceberg catalog in SQLite, and one domain, `sales`.
    pub(crate) fn with(systems: &Systems) -> Self {
        let mesh = Self::new();
        mesh.environment(systems);
        mesh.domain();
        mesh
    }

    /// The same, with its state below a prefix of the shared S3.
    pub(crate) fn with_state_on_s3(servers: &Servers, systems: &Systems, prefix: &str) -> Self {
        let mut mesh = Self::new();
        let mut environment = systems.environment();
        environment["state"] = mesh.state_on_s3(servers, prefix);
        mesh.mesh_document(&environment);
        mesh.domain();
        mesh
    }

    /// The settings of a state below a prefix of the shared S3, whose keys this mesh has from now on.
    pub(crate) fn state_on_s3(&mut self, servers: &Servers, prefix: &str) -> Value {
        let (endpoint, bucket, access_key, secret_key) = servers.s3_keys();
        self.set("AWS_ACCESS_KEY_ID", access_key);
        self.set("AWS_SECRET_ACCESS_KEY", secret_key);
        json!({"backend": "s3", "bucket": bucket, "prefix": prefix, "endpoint": endpoint, "path_style": true})
    }

    fn domain(&self) {
        self.file(
            "domains/sales/domain.yaml",
            "apiVersion: datamesh.example.com/v1\nkind: Domain\nmetadata: { name: sales }\n\
             spec: { description: What is sold, owner: sales@example.com }\n",
        );
    }

    pub(crate) fn environment(&self, systems: &Systems) {
        self.mesh_document(&systems.environment());
    }

    /// Writes `datamesh.yaml` with one environment, `test`.
    pub(crate) fn mesh_document(&self, environment: &Value) {
        let spec = json!({"environments": {"test": environment}});
        let mesh = json!({"apiVersion": "datamesh.example.com/v1", "kind": "Mesh",
                          "metadata": {"name": "acme"}, "spec": spec});
        // JSON is YAML.
        self.file("datamesh.yaml", &format!("{mesh:#}\n"));
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("writable");
    }

    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.path().join(path)).expect("there was one");
    }

    /// The product `sales/NAME`; `spec` is its `spec`, in YAML.
    pub(crate) fn product(&self, name: &str, spec: &str) {
        let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
        let head = "apiVersion: datamesh.example.com/v1\nkind: DataProduct\n";
        let meta = format!("metadata: {{ name: {name}, domain: sales, owner: sales@example.com }}\n");
        self.file(&format!("domains/sales/{name}.yaml"), &format!("{head}{meta}spec:\n{spec}"));
    }

    /// A variable of the program's environment.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.env.push((name, value.to_owned()));
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_datamesh"));
        command
            .args(args)
            .current_dir(self.path())
            .env_remove("DATAMESH_ENV")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().expect("the program starts"))
    }

    /// Applies all there is to do.
    #[track_caller]
    pub(crate) fn apply(&self) -> Ran {
        self.run(&["apply", "--auto-approve"]).exits(0)
    }

    /// Applies, and requires that nothing is left to do after it.
    #[track_caller]
    pub(crate) fn apply_settles(&self) -> Ran {
        let ran = self.apply();
        self.is_settled();
        ran
    }

    #[track_caller]
    pub(crate) fn is_settled(&self) {
        let plan = self.run(&["plan", "--detailed-exitcode"]).exits(0);
        assert!(plan.last_line().starts_with("No changes."), "{plan}");
    }

    #[track_caller]
    pub(crate) fn destroy(&self) -> Ran {
        self.run(&["destroy", "--all", "--auto-approve"]).exits(0)
    }

    /// How pyiceberg opens the catalog of [`Mesh::with`].
    pub(crate) fn sql_catalog(&self) -> Catalog {
        let root = self.path().display();
        let (uri, warehouse) =
            (format!("sqlite:///{root}/.datamesh/iceberg.db"), format!("file://{root}/.datamesh/warehouse"));
        let properties = json!({"type": "sql", "uri": uri, "warehouse": warehouse}).to_string();
        Catalog { name: "datamesh".to_owned(), properties }
    }
}

/// An Iceberg catalog in SQLite, below the mesh's own folder.
pub(crate) fn sql_settings() -> Value {
    json!({"catalog": "sql", "name": "datamesh", "uri": "sqlite:.datamesh/iceberg.db",
           "warehouse": "file:.datamesh/warehouse"})
}

/// A name that no other test and no other test process uses.
pub(crate) fn unique(test: &str) -> String {
    format!("{test}-{}.", std::process::id())
}
