//! Processes that outlive the command that started them.
//!
//! A process is known by its number *and* the moment it started, since numbers are used again: what is stopped is
//! always what was started.

use super::error::SandboxError;
use super::files;
use super::wait::{Stopwatch, pause};
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const POLL: Duration = Duration::from_millis(50);
const AFTER_KILL: Duration = Duration::from_secs(5);

/// A process this sandbox started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// When it started, in terms only this machine understands, and only until it boots again.
    started: String,
}

impl Process {
    /// Starts `command` in a process group of its own, deaf to the terminal, with its output in `log`, and notes it
    /// in `pid_file` before anything else can happen.
    pub(crate) fn spawn(command: &mut Command, log: &Path, pid_file: &Path) -> Result<Self, SandboxError> {
        use std::os::unix::process::CommandExt as _;
        let program = command.get_program().to_owned();
        let out = files::create_log(log)?;
        let err = out.try_clone().map_err(SandboxError::io("write", log))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .map_err(SandboxError::io("start", Path::new(&program)))?;
        let pid = child.id();
        // One that is gone already gets a start that matches nothing.
        let process = Self { pid, started: start_of(pid).unwrap_or_default() };
        files::write_json(pid_file, &process)?;
        reap(child);
        Ok(process)
    }

    /// The process noted in `pid_file`, if it still runs.
    pub(crate) fn running(pid_file: &Path) -> Result<Option<Self>, SandboxError> {
        let noted: Option<Self> = files::read_json(pid_file)?;
        Ok(noted.filter(Self::is_alive))
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.started.is_empty() && start_of(self.pid).as_deref() == Some(self.started.as_str())
    }

    /// Asks it to end, and makes it end after `grace`. True when it is gone.
    pub(crate) async fn stop(&self, grace: Duration) -> bool {
        self.signal(Signal::TERM);
        if self.gone_within(grace).await {
            return true;
        }
        self.signal(Signal::KILL);
        self.gone_within(AFTER_KILL).await
    }

    async fn gone_within(&self, limit: Duration) -> bool {
        let watch = Stopwatch::start();
        while self.is_alive() {
            if watch.elapsed() > limit {
                return false;
            }
            pause(POLL).await;
        }
        true
    }

    /// On Linux through a handle taken before the identity is checked, so that no stranger can be hit.
    #[cfg(target_os = "linux")]
    fn signal(&self, signal: Signal) {
        use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
        let Some(pid) = self.pid() else { return };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) if self.is_alive() => {
                let _ = pidfd_send_signal(handle, signal);
            }
            Err(rustix::io::Errno::NOSYS) if self.is_alive() => {
                let _ = rustix::process::kill_process(pid, signal);
            }
            Ok(_) | Err(_) => {}
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid().filter(|_| self.is_alive()) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw)
    }
}

/// Waits for the child in the background, lest it stay as a zombie while a long-lived parent runs.
fn reap(mut child: std::process::Child) {
    std::thread::spawn(move || {
        let _ = child.wait();
    });
}

/// When a living process started; nothing for one that has ended, also if nobody has collected it yet.
#[cfg(target_os = "linux")]
fn start_of(pid: u32) -> Option<String> {
    // proc(5): the name in parentheses may hold anything; the state is field 3, the start time field 22.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    // The first thread may be done while others still hold files and ports.
    if matches!(state, "Z" | "X") && threads_of(pid) <= 1 {
        return None;
    }
    let ticks = fields.nth(18)?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(format!("{}:{ticks}", boot.trim()))
}

#[cfg(target_os = "linux")]
fn threads_of(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

#[cfg(not(target_os = "linux"))]
fn start_of(pid: u32) -> Option<String> {
    let out = Command::new("ps")
        .args(["-o", "stat=,lstart=", "-p", &pid.to_string()])
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    let (state, started) = text.trim().split_once(' ')?;
    (!state.starts_with('Z')).then(|| started.trim().to_owned())
}

/// The last lines of a log, for an error.
pub(crate) fn last_lines(path: &Path, count: usize) -> String {
    const MOST: u64 = 64 * 1024;
    use std::io::{Read as _, Seek as _, SeekFrom};
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(MOST)))?;
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    tail(&String::from_utf8_lossy(&read().unwrap_or_default()), count)
}

/// The last `count` lines of a text.
pub(crate) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(dir: &Path, script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::spawn(&mut command, &dir.join("log"), &dir.join("pid")).unwrap()
    }

    #[tokio::test]
    async fn a_process_is_found_again_and_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let process = sleeper(dir.path(), "sleep 60");
        assert_eq!(Process::running(&dir.path().join("pid")).unwrap(), Some(process.clone()));
        assert!(process.stop(Duration::from_secs(5)).await);
        assert_eq!(Process::running(&dir.path().join("pid")).unwrap(), None);
    }

    #[tokio::test]
    async fn one_that_ignores_the_request_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let process = sleeper(dir.path(), "trap '' TERM; echo armed; while :; do sleep 1; done");
        while last_lines(&dir.path().join("log"), 1) != "armed" {
            pause(POLL).await;
        }
        assert!(process.stop(Duration::from_millis(300)).await);
        assert!(!process.is_alive());
    }

    #[tokio::test]
    async fn a_number_that_was_used_again_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let process = sleeper(dir.path(), "sleep 60");
        let stranger = Process { started: "another boot:1".to_owned(), ..process.clone() };
        assert!(stranger.stop(Duration::from_secs(1)).await, "nothing of ours is there");
        assert!(process.is_alive());
        assert!(process.stop(Duration::from_secs(5)).await);
    }

    #[test]
    fn a_tail_skips_empty_lines() {
        assert_eq!(tail("a\n\nb\nc\n\n", 2), "b\nc");
        assert_eq!(tail("", 2), "");
    }
}
