//! `datamesh sandbox`: arguments, and what is printed.

use super::status::{Access, ServerStatus};
use super::wait::pause;
use super::{
    DEFAULT_DIR, DownOptions, Named, Progress, SandboxError, Status, Step, UpOptions, down, down_when_unused,
    logs, status, up,
};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Real servers on this machine, for trying things out
#[derive(Debug, clap::Args)]
pub struct SandboxArgs {
    #[command(subcommand)]
    pub command: SandboxCommand,
}

#[derive(Debug, clap::Subcommand)]
pub enum SandboxCommand {
    /// Start Kafka and a schema registry, and wait until they are ready
    Up {
        /// Also start these: s3, iceberg-rest (both in one SeaweedFS), iceberg-java (Iceberg's own REST adapter; a JDK),
        /// registry2 (a later Apicurio; Java 21)
        #[arg(long, value_name = "SERVER", value_delimiter = ',')]
        with: Vec<String>,
        /// First of the 20 ports it takes (and the one 10,010 above) [default: 19090, or as before]
        #[arg(long, value_name = "N")]
        port_base: Option<u16>,
        #[command(flatten)]
        place: Place,
    },
    /// Stop them; their data stays
    Down {
        /// Also remove their data
        #[arg(long)]
        wipe: bool,
        /// Wait until no process shares the sandbox any more
        #[arg(long, hide = true)]
        when_unused: bool,
        #[command(flatten)]
        place: Place,
    },
    /// What runs, where, and with which credentials
    Status {
        #[command(flatten)]
        place: Place,
    },
    /// The servers' logs
    Logs {
        /// One server; all unless given
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// How many of the last lines of each
        #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
        lines: usize,
        /// Go on with what is written from now on
        #[arg(long, short)]
        follow: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// Which sandbox.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Place {
    /// The sandbox's folder [default: .datamesh/sandbox below the mesh]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

impl Place {
    fn below(&self, root: &Path) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| root.join(DEFAULT_DIR))
    }
}

/// What the command works on besides its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The root of the mesh, or the current folder outside of one.
    pub root: &'a Path,
    /// Whether to print JSON.
    pub json: bool,
}

/// Runs `datamesh sandbox …`; results go to `out`, progress to the terminal's error stream.
///
/// # Errors
/// As the operation itself; writing to `out` fails as [`SandboxError::Io`].
pub async fn run(
    args: &SandboxArgs,
    around: Surroundings<'_>,
    out: &mut (dyn Write + Send),
) -> Result<(), SandboxError> {
    let written = |r: io::Result<()>| r.map_err(SandboxError::io("write to", Path::new("the output")));
    match &args.command {
        SandboxCommand::Up { with, port_base, place } => {
            let dir = place.below(around.root);
            let options = UpOptions { dir, with: with.clone(), port_base: *port_base, cache: None };
            let status = up(&options, &TerminalProgress::new()).await?;
            written(write_status(&status, around.json, out))
        }
        SandboxCommand::Down { wipe, when_unused, place } => {
            let options = DownOptions { dir: place.below(around.root), wipe: *wipe };
            if *when_unused {
                return down_when_unused(&options).await;
            }
            if !down(&options, &TerminalProgress::new()).await? {
                written(writeln!(out, "There is no sandbox in {}.", options.dir.display()))?;
            }
            Ok(())
        }
        SandboxCommand::Status { place } => {
            let status = status(&place.below(around.root)).await?;
            written(write_status(&status, around.json, out))
        }
        SandboxCommand::Logs { name, lines, follow, place } => {
            let files = logs(&place.below(around.root), name.as_deref())?;
            written(write_logs(&files, *lines, *follow, out).await)
        }
    }
}

fn write_status(status: &Status, json: bool, out: &mut dyn Write) -> io::Result<()> {
    if json {
        serde_json::to_writer_pretty(&mut *out, status)?;
        return writeln!(out);
    }
    write!(out, "{}", describe(status))
}

/// A status for people.
pub fn describe(status: &Status) -> String {
    if status.servers.is_empty() {
        return "There is no sandbox here. Start one with `datamesh sandbox up`.\n".to_owned();
    }
    let width = status.servers.iter().map(|s| s.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for server in &status.servers {
        let ServerStatus { name, endpoint, pid, ready, access } = server;
        let state = match (pid, ready) {
            (None, _) => "stopped  ".to_owned(),
            (Some(pid), true) => format!("ready     process {pid}"),
            (Some(pid), false) => format!("not ready process {pid}"),
        };
        let _ = writeln!(text, "{name:width$}  {endpoint:45} {state}");
        let mut detail = |line: String| {
            let _ = writeln!(text, "{:width$}    {line}", "");
        };
        match access {
            Access::Open {} => {}
            Access::Sasl { sasl_endpoint, sasl_mechanism, username, password } => {
                detail(format!("{sasl_endpoint} with {sasl_mechanism}: {username} / {}", password.expose()));
            }
            Access::Keys { access_key, secret_key, bucket } => {
                detail(format!(
                    "bucket {bucket}, access key {access_key}, secret key {}",
                    secret_key.expose()
                ));
            }
            Access::Warehouse { warehouse } => detail(format!("warehouse {warehouse}")),
            Access::OAuth2 { warehouse, client_id, client_secret } => detail(format!(
                "warehouse {warehouse}, OAuth2 client {client_id}, secret {}",
                client_secret.expose()
            )),
        }
    }
    text
}

/// The last lines of each file; then, if asked to, whatever is added, until the future is dropped.
async fn write_logs(
    files: &[(&'static str, PathBuf)],
    lines: usize,
    follow: bool,
    out: &mut (dyn Write + Send),
) -> io::Result<()> {
    let mut read = Vec::new();
    for (name, path) in files {
        let text = String::from_utf8_lossy(&std::fs::read(path)?).into_owned();
        let all: Vec<_> = text.lines().collect();
        for line in &all[all.len().saturating_sub(lines)..] {
            write_line(out, files.len(), name, line)?;
        }
        read.push(text.len() as u64);
    }
    if !follow {
        return Ok(());
    }
    loop {
        pause(Duration::from_millis(300)).await;
        for ((name, path), at) in files.iter().zip(&mut read) {
            for line in added(path, at)? {
                write_line(out, files.len(), name, &line)?;
            }
        }
        out.flush()?;
    }
}

/// Complete lines written since `at`; a file that became shorter is a new one.
fn added(path: &Path, at: &mut u64) -> io::Result<Vec<String>> {
    let Ok(mut file) = std::fs::File::open(path) else { return Ok(Vec::new()) };
    if file.metadata()?.len() < *at {
        *at = 0;
    }
    file.seek(SeekFrom::Start(*at))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    *at += whole as u64;
    Ok(String::from_utf8_lossy(&bytes[..whole]).lines().map(str::to_owned).collect())
}

/// Servers write what clients sent them: control characters are shown, not obeyed.
fn write_line(out: &mut (dyn Write + Send), files: usize, name: &str, line: &str) -> io::Result<()> {
    let mut clean = String::with_capacity(line.len());
    for c in line.chars() {
        if c.is_control() && c != '\t' { clean.extend(c.escape_default()) } else { clean.push(c) }
    }
    if files > 1 { writeln!(out, "{name:9} | {clean}") } else { writeln!(out, "{clean}") }
}

/// A bar for each server on a terminal, plain lines without one; on the error stream.
#[derive(Debug)]
pub struct TerminalProgress {
    bars: MultiProgress,
    by_server: Mutex<BTreeMap<String, ProgressBar>>,
    plain: bool,
}

/// Fetched, verified, prepared, started, ready.
const STEPS: u64 = 5;

impl TerminalProgress {
    pub fn new() -> Self {
        Self {
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            by_server: Mutex::default(),
            plain: !io::stderr().is_terminal(),
        }
    }

    fn bar(&self, server: &Named<'_>) -> ProgressBar {
        let mut bars = self.by_server.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(server.name.to_owned()).or_insert_with(|| {
            let bar = self.bars.add(ProgressBar::new(STEPS));
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:24} {bar:10} {msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(server.title.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        bar.clone()
    }
}

impl Default for TerminalProgress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for TerminalProgress {
    fn step(&self, server: &Named<'_>, step: Step) {
        let (done, text) = describe_step(&step);
        if self.plain {
            // Seconds pass in a bar; a line for each would only fill a log.
            let passing = matches!(&step, Step::Starting { elapsed, .. } if elapsed.as_secs() > 0);
            if !passing {
                let _ = writeln!(io::stderr().lock(), "{}: {text}", server.title);
            }
            return;
        }
        let bar = self.bar(server);
        bar.set_position(done);
        match step {
            Step::Ready { .. } | Step::Stopped | Step::NotRunning | Step::Wiped | Step::Failed => {
                bar.finish_with_message(text);
            }
            _ => bar.set_message(text),
        }
    }
}

/// How far it is, and in words.
fn describe_step(step: &Step) -> (u64, String) {
    let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
    let count = |files: usize| if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
    match step {
        Step::WaitingForOther => (0, "waiting for another command to finish".to_owned()),
        Step::Fetching { bytes, files } => {
            (0, format!("fetching {} MB in {}, once", megabytes(*bytes), count(*files)))
        }
        Step::Unpacking => (0, "unpacking".to_owned()),
        Step::Verifying { bytes, files } => {
            (1, format!("verifying {} MB in {}", megabytes(*bytes), count(*files)))
        }
        Step::Preparing => (2, "preparing".to_owned()),
        Step::Starting { pid, elapsed } => (4, format!("starting, {} s (process {pid})", elapsed.as_secs())),
        Step::Ready { elapsed } => (STEPS, format!("ready after {:.1} s", elapsed.as_secs_f64())),
        Step::AlreadyRunning { pid } => (4, format!("already running (process {pid})")),
        Step::Stopping { pid } => (0, format!("stopping process {pid}")),
        Step::Stopped => (STEPS, "stopped".to_owned()),
        Step::NotRunning => (STEPS, "was not running".to_owned()),
        Step::Wiped => (STEPS, "data removed".to_owned()),
        Step::Failed => (0, "failed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;
    use datamesh_provider::Secret;

    #[derive(Debug, clap::Parser)]
    struct Program {
        #[command(flatten)]
        sandbox: SandboxArgs,
    }

    #[test]
    fn arguments_are_read() {
        let parsed =
            Program::try_parse_from(["x", "up", "--with", "s3,iceberg-rest", "--port-base", "21000"])
                .unwrap();
        let SandboxCommand::Up { with, port_base, .. } = parsed.sandbox.command else { panic!("not up") };
        assert_eq!(
            (with.as_slice(), port_base),
            (["s3".to_owned(), "iceberg-rest".to_owned()].as_slice(), Some(21000))
        );
        assert!(Program::try_parse_from(["x", "down", "--wipe", "--dir", "d"]).is_ok());
        assert!(Program::try_parse_from(["x", "logs", "kafka", "-n", "5", "-f"]).is_ok());
        assert!(Program::try_parse_from(["x", "up", "--port-base", "70000"]).is_err());
    }

    #[test]
    fn people_see_where_and_how() {
        let kafka = ServerStatus {
            name: "kafka",
            endpoint: "127.0.0.1:19092".to_owned(),
            pid: Some(42),
            ready: true,
            access: Access::Sasl {
                sasl_endpoint: "127.0.0.1:19094".to_owned(),
                sasl_mechanism: "SCRAM-SHA-256",
                username: "admin",
                password: Secret::new("pw"),
            },
        };
        let text = describe(&Status { servers: vec![kafka] });
        assert!(text.contains("127.0.0.1:19092") && text.contains("ready     process 42"), "{text}");
        assert!(text.contains("127.0.0.1:19094 with SCRAM-SHA-256: admin / pw"), "{text}");
        assert!(describe(&Status::default()).contains("datamesh sandbox up"));
    }

    #[tokio::test]
    async fn logs_end_with_their_last_lines_and_hide_no_control_characters() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kafka.log");
        std::fs::write(&path, "one\ntwo\nth\u{1b}[31mree\n").unwrap();
        let mut out = Vec::new();
        write_logs(&[("kafka", path.clone())], 2, false, &mut out).await.unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "two\nth\\u{1b}[31mree\n");
        let mut at = 4;
        assert_eq!(added(&path, &mut at).unwrap().len(), 2);
        std::fs::write(&path, "new\nhalf").unwrap();
        assert_eq!(added(&path, &mut at).unwrap(), ["new"], "a shorter file is a new one, half a line waits");
    }
}
