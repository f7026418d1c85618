//! The real world behind the plain traits: clocks, entropy, secrets.

use datamesh_provider::{BoxFuture, Clock, Entropy, SecretError, SecretResolver};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Duration,
}

impl SystemClock {
    pub fn new() -> Self {
        Self { start: since_boot() }
    }
}

/// Goes on while the machine is suspended: whoever waits for our lock does not sleep with us.
#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

/// On macOS this clock goes on in suspend as well.
#[cfg(not(target_os = "linux"))]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where Context.clock comes from")]
impl Clock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        since_boot().saturating_sub(self.start)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// The operating system's random numbers.
#[derive(Clone, Copy, Debug)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    #[expect(
        clippy::panic,
        reason = "without randomness there are no safe write ids and lock nonces: nothing can go on"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            panic!("the operating system gives no random numbers: {error}");
        }
    }
}

/// Resolves `${env:…}` and `${file:…}` of the Mesh document.
#[derive(Clone, Debug)]
pub struct Secrets {
    root: PathBuf,
}

impl Secrets {
    /// Relative paths are relative to the mesh root.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
}

impl SecretResolver for Secrets {
    fn env(&self, name: &str) -> Result<String, SecretError> {
        std::env::var(name).map_err(|_| SecretError::NoVariable { name: name.to_owned() })
    }

    fn file(&self, path: &str) -> Result<String, SecretError> {
        let asked = Path::new(path);
        let fails = |why: String| SecretError::NoFile { path: path.to_owned(), why };
        if asked.is_relative() && asked.components().any(|part| part == Component::ParentDir) {
            return Err(fails("a relative path may not have `..`".to_owned()));
        }
        let mut text =
            std::fs::read_to_string(self.root.join(asked)).map_err(|error| fails(error.to_string()))?;
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        Ok(text)
    }
}
