//! `datamesh quickstart`: a guided first run on real servers of this machine.
//!
//! Every step is a command anybody can type; it is shown before it runs. A run that was cut off goes on where it
//! stopped: servers that run are left alone, files that are there stay, what is applied is no change.

use crate::cli::codes;
use crate::cli::example;
use crate::cli::exit::Exit;
use crate::cli::invocation::{Invocation, shown};
use crate::engine::SystemClock;
use crate::sandbox::cli::TerminalProgress;
use crate::sandbox::{DEFAULT_DIR, Status, UpOptions, free_port_base, up};
use clap::Args;
use datamesh_provider::{Clock as _, Diagnostic};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

mod tamper;

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh quickstart
  datamesh quickstart --dir /tmp/mesh

Starts Kafka and a schema registry, copies an example mesh, plans and applies it, changes a topic behind its back,
shows the drift and repairs it. Can be run again at any time; it goes on where it was.")]
pub struct QuickstartArgs {
    /// Where the mesh goes
    #[arg(long, value_name = "DIR", default_value = "acme-mesh")]
    pub dir: PathBuf,
    /// First of the ports of its servers [default: free ones]
    #[arg(long, value_name = "N")]
    pub port_base: Option<u16>,
}

const STEPS: usize = 8;

pub fn run(args: &QuickstartArgs, run: &Invocation) -> Exit {
    let folder = run.cwd.join(&args.dir);
    let mut guide = Guide { run, folder: &folder, dir: &args.dir, clock: SystemClock::new(), step: 0 };
    match guide.walk(args) {
        Ok(()) => {
            guide.farewell();
            Exit::Ok
        }
        Err(exit) => {
            let again = format!("datamesh quickstart --dir {}", shown(&args.dir));
            run.ui.err(&format!(
                "\nThe quick start stopped in step {}. Mend that, and go on with: {again}\n",
                guide.step
            ));
            exit
        }
    }
}

struct Guide<'a> {
    run: &'a Invocation,
    folder: &'a Path,
    dir: &'a Path,
    clock: SystemClock,
    step: usize,
}

impl Guide<'_> {
    fn walk(&mut self, args: &QuickstartArgs) -> Result<(), Exit> {
        let status = self.step("Start Kafka and a schema registry on this machine", |g| g.start(args))?;
        self.step("Copy the example mesh", |g| g.copy(&status))?;
        self.step("Plan: what would an apply do?", |g| g.command(&["plan"], &[Exit::Ok]))?;
        self.step("Apply it", |g| g.command(&["apply", "--auto-approve"], &[Exit::Ok]))?;
        self.step("Plan again: nothing is left to do", |g| {
            g.command(&["plan", "--detailed-exitcode"], &[Exit::Ok])
        })?;
        self.step("Somebody changes a topic behind the mesh's back", Self::tamper)?;
        self.step("See the drift", |g| g.command(&["drift"], &[Exit::Changes]))?;
        self.step("Repair it", |g| g.command(&["apply", "--auto-approve"], &[Exit::Ok]))
    }

    fn step<T>(&mut self, what: &str, act: impl FnOnce(&Self) -> Result<T, Exit>) -> Result<T, Exit> {
        self.step += 1;
        self.run.ui.out(&format!("\n━━ {}/{STEPS}  {what}\n", self.step));
        let start = self.clock.monotonic();
        let done = act(self)?;
        let took = self.clock.monotonic().saturating_sub(start).as_secs_f64();
        self.run.ui.out(&format!("   ({took:.1} s)\n"));
        Ok(done)
    }

    fn start(&self, args: &QuickstartArgs) -> Result<Status, Exit> {
        let dir = self.folder.join(DEFAULT_DIR);
        let first = !dir.exists();
        let port_base = args
            .port_base
            .or_else(|| first.then(|| free_port_base(crate::sandbox::DEFAULT_PORT_BASE)).flatten());
        let options = UpOptions { dir, port_base, ..UpOptions::default() };
        self.typed(&["sandbox", "up"]);
        let progress = TerminalProgress::new();
        let status = self.block_on(up(&options, &progress))?;
        drop(progress);
        status.map_err(|error| self.run.ui.fail(error.diagnostic()))
    }

    fn copy(&self, status: &Status) -> Result<(), Exit> {
        let endpoint =
            |name: &str| status.server(name).map(|server| server.endpoint.clone()).unwrap_or_default();
        let written = example::write(self.folder, &endpoint("kafka"), &endpoint("registry"));
        let written = written.map_err(|error| {
            let detail = format!("The example cannot be written to {}: {error}.", shown(self.folder));
            self.run.ui.fail(Diagnostic::error(codes::FILE, detail).help("Choose another folder with --dir."))
        })?;
        let kept = example::FILES.len() - written;
        let kept = if kept > 0 { format!(", {kept} were there and stay as they are") } else { String::new() };
        self.run.ui.out(&format!("   {written} files written to {}{kept}\n", shown(self.dir)));
        Ok(())
    }

    fn tamper(&self) -> Result<(), Exit> {
        let done = self.block_on(tamper::shorten_retention(self.run, self.folder))?;
        let topic = done.map_err(|diagnostic| self.run.ui.fail(*diagnostic))?;
        self.run
            .ui
            .out(&format!("   The retention of the topic {topic} is now one hour, past all review.\n"));
        Ok(())
    }

    fn typed(&self, command: &[&str]) {
        self.run.ui.out(&format!("   $ datamesh -C {} {}\n", shown(self.dir), command.join(" ")));
    }

    /// Runs a command line of this program.
    fn command(&self, command: &[&str], fine: &[Exit]) -> Result<(), Exit> {
        self.typed(command);
        let mut args: Vec<OsString> = vec!["datamesh".into(), "-C".into(), self.folder.into()];
        args.extend(command.iter().map(OsString::from));
        if self.run.global.no_color {
            args.push("--no-color".into());
        }
        let exit = crate::cli::run(args, self.run.providers);
        if fine.contains(&exit) { Ok(()) } else { Err(exit.and(Exit::Error)) }
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> Result<T, Exit> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
            self.run
                .ui
                .fail(Diagnostic::error(codes::ENGINE, format!("The runtime does not start: {error}.")))
        })?;
        Ok(runtime.block_on(future))
    }

    fn farewell(&self) {
        let dir = shown(self.dir);
        let catalog = shown(&self.folder.join(".datamesh/catalog/index.html"));
        self.run.ui.out(&format!(
            "\nYour mesh is live.\n\n\
             \x20 manifests     {dir}/domains\n\
             \x20 the catalog   {catalog}  (open it in a browser)\n\
             \x20 state         {dir}/.datamesh/state\n\
             \x20 still running Kafka and the registry, until: datamesh -C {dir} sandbox down\n\
             {}\n\
             Try next, in {dir}:\n\
             \x20 datamesh graph --format mermaid      what depends on what\n\
             \x20 datamesh new product orders/returns  a product of your own, then: datamesh plan\n\
             \x20 datamesh new version orders/order-events    a breaking change, the safe way\n\
             \x20 datamesh destroy --all               remove everything it made\n",
            not_on_the_path()
        ));
    }
}

/// How `datamesh` alone becomes this program in a shell; empty where it is already.
fn not_on_the_path() -> String {
    let Ok(program) = std::env::current_exe() else { return String::new() };
    let same = |folder: PathBuf| folder.join("datamesh").canonicalize().is_ok_and(|found| found == program);
    let path = std::env::var_os("PATH").unwrap_or_default();
    match program.parent() {
        Some(folder) if !std::env::split_paths(&path).any(same) => {
            format!(
                "  the program   {}\n                once in this shell: export PATH=\"{}:$PATH\"\n",
                shown(&program),
                shown(folder)
            )
        }
        _ => String::new(),
    }
}
