//! What planning tables costs beside loading them: `cargo bench --bench iceberg`.
//!
//! Starts catalogs of its own. The floor is a bare HTTP client that loads the same tables with as many requests under
//! way, and does not look at the answers; measured in the same run by turns. The program runs as its users have it: whole
//! processes.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark measures time, prints it, and stops where something is wrong"
)]

#[path = "../shared/process.rs"]
mod process;

use datamesh::sandbox::{self, Access, DownOptions, Silent, Status, UpOptions};
use futures::StreamExt as _;
use process::run;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

const TABLES: usize = 2_000;
const COLUMNS: usize = 20;
/// Requests under way, as an environment has it that does not say.
const PARALLEL: usize = 10;
const RUNS: usize = 10;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let dir = folder.path().join("sandbox");
    let port_base = sandbox::free_port_base(30_000);
    let with = ["iceberg-rest", "iceberg-java"].map(str::to_owned).to_vec();
    let options = UpOptions { dir: dir.clone(), port_base, with, ..UpOptions::default() };
    let status = runtime.block_on(sandbox::up(&options, &Silent)).expect("catalogs");
    println!("{TABLES} tables with {COLUMNS} columns, no changes, best of {RUNS} runs by turns");
    let sql = json!({"catalog": "sql", "name": "bench", "uri": "sqlite:iceberg.db", "warehouse": "file:w"});
    let root = mesh(folder.path().join("sql"), &sql);
    measure("SQL catalog on SQLite", &root, || None);
    for (title, rest) in
        [("SeaweedFS, REST over its S3", seaweedfs(&status)), ("Iceberg's REST adapter", java(&status))]
    {
        let root = mesh(folder.path().join(title), &rest.settings);
        fs::write(root.join("secret"), &rest.secret).expect("written");
        measure(title, &root, || Some(runtime.block_on(rest.load())));
    }
    runtime.block_on(sandbox::down(&DownOptions { dir, wipe: true }, &Silent)).expect("it stops");
}

/// Applies the mesh once, and measures plans of it beside the floor, where there is one.
fn measure(title: &str, root: &Path, floor: impl Fn() -> Option<f64>) {
    run(root, &["apply", "--auto-approve"]);
    let (mut bare, mut refresh, mut validate) = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
    let (mut plan, mut memory) = (f64::INFINITY, 0.0_f64);
    for _ in 0..RUNS {
        bare = bare.min(floor().unwrap_or(f64::INFINITY));
        validate = validate.min(run(root, &["validate"]).seconds);
        let planned = run(root, &["plan", "--detailed-exitcode", "--json"]);
        refresh = refresh.min(planned.refresh("iceberg.default"));
        plan = plan.min(planned.seconds);
        memory = memory.max(planned.memory);
    }
    println!("{title}");
    let beside = |seconds: f64| match bare.is_finite() {
        true => format!("{seconds:.3} s: {:.2} times", seconds / bare),
        false => format!("{seconds:.3} s"),
    };
    if bare.is_finite() {
        println!("  their metadata, bare HTTP                      {bare:.3} s");
    }
    println!("  refresh phase of `plan`                        {}", beside(refresh));
    println!("  `validate`, the whole process                  {validate:.3} s");
    println!("  `plan`, the whole process                      {}", beside(plan));
    println!("  peak memory of `plan`                          {memory:.0} MB");
}

/// A REST catalog: how the mesh opens it, and how a bare client does.
struct Rest {
    settings: Value,
    /// Where tables are: `http://host:port/v1/prefix/namespaces/d/tables`.
    tables: String,
    /// What the mesh finds in its file `secret`.
    secret: String,
    token: Option<String>,
}

impl Rest {
    /// Seconds that loading every table takes.
    async fn load(&self) -> f64 {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let start = Instant::now();
        let loads = futures::stream::iter(0..TABLES).map(|at| {
            let request = client.get(format!("{}/p{at}", self.tables)).query(&[("snapshots", "refs")]);
            let request = match &self.token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            async move {
                let answer = request.send().await.expect("an answer").error_for_status().expect("a table");
                answer.bytes().await.expect("its metadata").len()
            }
        });
        let sizes: Vec<usize> = loads.buffer_unordered(PARALLEL).collect().await;
        assert!(sizes.len() == TABLES && sizes.iter().all(|size| *size > 1_000));
        start.elapsed().as_secs_f64()
    }
}

fn java(status: &Status) -> Rest {
    let server = status.server("iceberg-java").expect("it runs");
    let Access::Warehouse { warehouse } = &server.access else { panic!("{server:?}") };
    let settings = json!({"catalog": "rest", "uri": server.endpoint, "warehouse": warehouse});
    Rest {
        settings,
        tables: format!("{}/v1/namespaces/d/tables", server.endpoint),
        secret: String::new(),
        token: None,
    }
}

fn seaweedfs(status: &Status) -> Rest {
    let server = status.server("iceberg-rest").expect("it runs");
    let Access::OAuth2 { warehouse, client_id, client_secret } = &server.access else { panic!("{server:?}") };
    let settings = json!({
        "catalog": "rest", "uri": server.endpoint, "warehouse": format!("s3://{warehouse}"),
        "auth": {"oauth2": {"client_id": client_id, "client_secret": "${file:secret}"}},
    });
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", client_secret.expose()),
        ("scope", "catalog"),
    ];
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let token = runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let login = client.post(format!("{}/v1/oauth/tokens", server.endpoint)).form(&form).send().await;
        login.expect("an answer").json::<Value>().await.expect("a token")
    });
    Rest {
        settings,
        tables: format!("{}/v1/{warehouse}/namespaces/d/tables", server.endpoint),
        secret: client_secret.expose().to_owned(),
        token: token["access_token"].as_str().map(str::to_owned),
    }
}

/// A mesh with so many products, each with one table.
fn mesh(root: PathBuf, iceberg: &Value) -> PathBuf {
    fs::create_dir_all(root.join("domains/d")).expect("a folder");
    let environment = json!({
        "state": {"backend": "local", "path": ".datamesh/state"},
        "iceberg": {"default": iceberg},
    });
    let head = "apiVersion: datamesh.example.com/v1\nkind:";
    let spec = json!({"environments": {"bench": environment}});
    fs::write(root.join("datamesh.yaml"), format!("{head} Mesh\nmetadata: {{name: bench}}\nspec: {spec}\n"))
        .expect("written");
    let columns: Vec<Value> = (0..COLUMNS)
        .map(|at| json!({"name": format!("c{at}"), "type": "string", "description": format!("Column {at}")}))
        .collect();
    let spec = json!({"schema": {"fields": columns}, "output_ports": [{"technology": "iceberg", "partition_by": ["bucket(8, c0)"]}]});
    for at in 0..TABLES {
        let text = format!("{head} DataProduct\nmetadata: {{name: p{at}, domain: d}}\nspec: {spec}\n");
        fs::write(root.join(format!("domains/d/p{at}.yaml")), text).expect("written");
    }
    root
}
