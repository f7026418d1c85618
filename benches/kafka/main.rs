//! What managing topics costs beside the broker's own time: `cargo bench --bench kafka`.
//!
//! Starts a broker of its own. Each figure stands beside a bare librdkafka program that makes the same calls for the
//! same keys (`floor.rs`), measured in the same run by turns. The program runs as its users have it: whole processes.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::expect_used,
    unsafe_code,
    reason = "a benchmark measures time, prints it, and stops where something is wrong; its floor calls C"
)]

mod floor;
#[path = "../shared/process.rs"]
mod process;

use datamesh::sandbox::{self, DownOptions, Silent, UpOptions};
use floor::Floor;
use process::run;
use serde_json::json;
use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const TOPICS: usize = 5_000;
const CREATED: usize = 1_000;
const RUNS: usize = 5;
/// The config that is managed of each topic.
const KEY: &std::ffi::CStr = c"retention.ms";

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let dir = folder.path().join("sandbox");
    let port_base = sandbox::free_port_base(30_000);
    let options = UpOptions { dir: dir.clone(), port_base, ..UpOptions::default() };
    let status = runtime.block_on(sandbox::up(&options, &Silent)).expect("a broker");
    let broker = status.server("kafka").expect("Kafka").endpoint.clone();
    let floor = Floor::open(&broker);
    creating(&floor, folder.path(), &broker);
    reading(&floor, folder.path(), &broker);
    runtime.block_on(sandbox::down(&DownOptions { dir, wipe: true }, &Silent)).expect("it stops");
}

/// A mesh with so many products, each with one topic.
fn mesh(root: PathBuf, broker: &str, count: usize) -> PathBuf {
    fs::create_dir_all(root.join("domains/d")).expect("a folder");
    let environment = json!({
        "state": {"backend": "local", "path": ".datamesh/state"},
        "kafka": {"default": {"bootstrap_servers": broker}},
    });
    let head = "apiVersion: datamesh.example.com/v1\nkind:";
    let spec = json!({"environments": {"bench": environment}});
    fs::write(root.join("datamesh.yaml"), format!("{head} Mesh\nmetadata: {{name: bench}}\nspec: {spec}\n"))
        .expect("written");
    for at in 0..count {
        let text = format!(
            "{head} DataProduct\nmetadata: {{name: p{at}, domain: d}}\nspec:\n  output_ports:\n  - {{technology: kafka, \
             partitions: 1, retention: 7d}}\n"
        );
        fs::write(root.join(format!("domains/d/p{at}.yaml")), text).expect("written");
    }
    root
}

fn names(prefix: &str, count: usize) -> Vec<CString> {
    (0..count).map(|at| CString::new(format!("{prefix}{at}")).expect("a name")).collect()
}

fn creating(floor: &Floor, folder: &Path, broker: &str) {
    let root = mesh(folder.join("create"), broker, CREATED);
    let names = names("floor.", CREATED);
    let (mut bare, mut ours) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..RUNS {
        bare = bare.min(timed(|| floor.create(&names, KEY, c"604800000")));
        floor.delete(&names);
        quiet();
        ours = ours.min(run(&root, &["apply", "--auto-approve"]).seconds);
        run(&root, &["destroy", "--all", "--auto-approve"]);
        quiet();
    }
    println!(
        "{CREATED} topics created, 250 at a time until the broker shows them, best of {RUNS} runs by turns"
    );
    println!("  bare librdkafka                                {bare:.3} s");
    println!("  `apply`, the whole process                     {ours:.3} s: {:.2} times", ours / bare);
}

fn reading(floor: &Floor, folder: &Path, broker: &str) {
    let root = mesh(folder.join("read"), broker, TOPICS);
    run(&root, &["apply", "--auto-approve"]);
    let names: Vec<CString> =
        (0..TOPICS).map(|at| CString::new(format!("d.p{at}.v1")).expect("a name")).collect();
    let (mut bare, mut refresh, mut validate) = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
    let (mut plan, mut memory) = (f64::INFINITY, 0.0_f64);
    for _ in 0..RUNS {
        bare = bare.min(timed(|| assert_eq!(floor.read(&names, KEY), TOPICS)));
        validate = validate.min(run(&root, &["validate"]).seconds);
        let planned = run(&root, &["plan", "--detailed-exitcode", "--json"]);
        refresh = refresh.min(planned.refresh("kafka.default"));
        plan = plan.min(planned.seconds);
        memory = memory.max(planned.memory);
    }
    let bound = bare + validate + 0.3;
    println!("{TOPICS} topics with a managed config, no changes, best of {RUNS} runs by turns");
    println!("  their list and configs, bare librdkafka        {bare:.3} s");
    println!("  refresh phase of `plan`                        {refresh:.3} s: {:.2} times", refresh / bare);
    println!("  `validate`, the whole process                  {validate:.3} s");
    println!(
        "  `plan`, the whole process                      {plan:.3} s (bound {bound:.3} s: bare + validate + 0.3 s)"
    );
    println!("  peak memory of `plan`                          {memory:.0} MB");
}

/// What a broker has acknowledged goes on for a while in its log folders.
fn quiet() {
    std::thread::sleep(Duration::from_secs(3));
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}
