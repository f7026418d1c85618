//! The program as its users have it: whole processes, with the time and the memory they took.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A process that ended well.
pub(crate) struct Ran {
    pub(crate) seconds: f64,
    /// Megabytes at its peak, as far as they could be seen.
    pub(crate) memory: f64,
    out: String,
}

impl Ran {
    /// Seconds the reading of a system took.
    pub(crate) fn refresh(&self, system: &str) -> f64 {
        let events = self.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut complete =
            events.filter(|event| event["type"] == "refresh_complete" && event["system"] == system);
        complete.find_map(|event| event["elapsed_seconds"].as_f64()).expect("it was read")
    }
}

pub(crate) fn run(root: &Path, arguments: &[&str]) -> Ran {
    let out = root.join("out");
    let mut command = Command::new(env!("CARGO_BIN_EXE_datamesh"));
    command.args(arguments).current_dir(root).stdin(Stdio::null()).stderr(Stdio::null());
    command.stdout(fs::File::create(&out).expect("a file"));
    let start = Instant::now();
    let mut child = command.spawn().expect("it starts");
    let (id, ended) = (child.id(), AtomicBool::new(false));
    let (status, seconds, memory) = std::thread::scope(|scope| {
        // Seldom, so that looking takes nothing from what is measured.
        let watch = scope.spawn(|| {
            let mut memory = 0.0_f64;
            while !ended.load(Ordering::Relaxed) {
                memory = memory.max(peak_memory(id));
                std::thread::sleep(Duration::from_millis(10));
            }
            memory
        });
        let status = child.wait().expect("it ends");
        let seconds = start.elapsed().as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        (status, seconds, watch.join().expect("it was watched"))
    });
    let out = fs::read_to_string(&out).expect("its output");
    assert!(status.success(), "{arguments:?}: {status}\n{out}");
    Ran { seconds, memory, out }
}

/// As Linux counts it, until now.
fn peak_memory(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or_default() / 1e3
}
