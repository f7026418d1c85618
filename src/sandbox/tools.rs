//! Programs of this machine that fetch and run the servers.

use super::error::SandboxError;
use super::process::tail;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// A fetch that takes longer than this has hung.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
const TAIL: usize = 12;

/// A program the sandbox needs.
#[derive(Debug)]
pub(crate) struct Tool {
    program: &'static str,
    name: &'static str,
    debian: &'static str,
    fedora: &'static str,
    macos: &'static str,
}

pub(crate) const JAVA: Tool = Tool {
    program: "java",
    name: "java 17 or newer",
    debian: "openjdk-17-jre-headless",
    fedora: "java-21-openjdk-headless",
    macos: "openjdk",
};
pub(crate) const JAVA_21: Tool = Tool {
    program: "java",
    name: "java 21 or newer",
    debian: "openjdk-21-jre-headless",
    fedora: "java-21-openjdk-headless",
    macos: "openjdk",
};
const JDK: Tool = Tool {
    program: "javac",
    name: "javac (a JDK, 17 or newer)",
    debian: "openjdk-17-jdk-headless",
    fedora: "java-21-openjdk-devel",
    macos: "openjdk",
};
pub(crate) const MAVEN: Tool =
    Tool { program: "mvn", name: "mvn (Maven)", debian: "maven", fedora: "maven", macos: "maven" };
pub(crate) const PYTHON: Tool = Tool {
    program: "python3",
    name: "python3 with pip",
    debian: "python3-pip",
    fedora: "python3-pip",
    macos: "python",
};
pub(crate) const TAR: Tool =
    Tool { program: "tar", name: "tar", debian: "tar", fedora: "tar", macos: "gnu-tar" };

/// A tool that is missing or of no use, with what installs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingTool {
    pub name: &'static str,
    pub why: String,
    pub(crate) debian: &'static str,
    pub(crate) fedora: &'static str,
    pub(crate) macos: &'static str,
}

impl Tool {
    pub(crate) fn missing(&self, why: String) -> MissingTool {
        let Self { name, debian, fedora, macos, .. } = *self;
        MissingTool { name, why, debian, fedora, macos }
    }

    /// Where it is; `JAVA_HOME` counts for Java.
    fn find(&self) -> Option<PathBuf> {
        let home = (self.program == JAVA.program).then(|| std::env::var_os("JAVA_HOME")).flatten();
        let home = home.map(|h| Path::new(&h).join("bin"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut dirs = home.into_iter().chain(std::env::split_paths(&path));
        dirs.find_map(|dir| Some(dir.join(self.program)).filter(|p| is_executable(p)))
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// A Java of at least this major version: the usual one, or else any that the system's packages installed.
pub(crate) async fn java(least: u32) -> Result<PathBuf, MissingTool> {
    let tool = if least > 17 { JAVA_21 } else { JAVA };
    let usual = JAVA.find();
    let mut why = None;
    for path in usual.into_iter().chain(installed_javas()) {
        let text = ask(&path, &["-version"]).await.unwrap_or_default();
        let wrong = match java_major(&text) {
            Some(major) if major >= least => return Ok(path),
            Some(old) => format!("is needed, and {} is version {old}", path.display()),
            None => format!("is needed, and {} does not run", path.display()),
        };
        why.get_or_insert(wrong);
    }
    Err(tool.missing(why.unwrap_or_else(|| "is not installed".to_owned())))
}

/// Whether this Java can run a program from its source, which takes the compiler that comes with a JDK.
pub(crate) fn compiles(java: &Path) -> Result<(), MissingTool> {
    let real = java.canonicalize().unwrap_or_else(|_| java.to_owned());
    if is_executable(&real.with_file_name(JDK.program)) {
        return Ok(());
    }
    Err(JDK.missing(format!("is needed, and {} comes without", java.display())))
}

/// Where Linux distributions put every Java they have, newest name last.
fn installed_javas() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path().join("bin/java")).collect();
    found.retain(|path| is_executable(path));
    found.sort();
    found
}

pub(crate) fn maven() -> Result<PathBuf, MissingTool> {
    MAVEN.find().ok_or_else(|| MAVEN.missing("is not installed".to_owned()))
}

pub(crate) fn tar() -> Result<PathBuf, MissingTool> {
    TAR.find().ok_or_else(|| TAR.missing("is not installed".to_owned()))
}

pub(crate) async fn python() -> Result<PathBuf, MissingTool> {
    let path = PYTHON.find().ok_or_else(|| PYTHON.missing("is not installed".to_owned()))?;
    match ask(&path, &["-m", "pip", "--version"]).await {
        Some(text) if text.starts_with("pip ") => Ok(path),
        _ => Err(PYTHON.missing(format!("is needed, and {} has no pip", path.display()))),
    }
}

/// Both outputs of a short question to a tool.
async fn ask(program: &Path, args: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let out = tokio::time::timeout(Duration::from_secs(30), command.output()).await.ok()?.ok()?;
    let mut text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&out.stderr));
    Some(text)
}

/// The major version in `java -version`: `17` of `"17.0.15"`, `8` of `"1.8.0_402"`.
fn java_major(text: &str) -> Option<u32> {
    let version = text.split('"').nth(1)?;
    let mut numbers = version.split(['.', '-', '_', '+']).map_while(|n| n.parse::<u32>().ok());
    match numbers.next()? {
        1 => numbers.next(),
        major => Some(major),
    }
}

/// Runs a tool to its end; dropping the future ends the tool.
pub(crate) async fn run(mut command: Command, tool: &'static str, title: &str) -> Result<(), SandboxError> {
    let failed =
        |how: String, output: String| SandboxError::Fetch { title: title.to_owned(), tool, how, output };
    command.stdin(Stdio::null()).kill_on_drop(true);
    let out = match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(out)) => out,
        Ok(Err(e)) => return Err(failed(format!("did not start: {e}"), String::new())),
        Err(_) => {
            return Err(failed(format!("took more than {} minutes", PATIENCE.as_secs() / 60), String::new()));
        }
    };
    if out.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&out.stderr));
    Err(failed(format!("ended with {}", out.status), tail(&text, TAIL)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_versions_are_read_old_and_new() {
        for (text, major) in [
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime", Some(17)),
            ("openjdk version \"21\" 2023-09-19", Some(21)),
            ("openjdk version \"25-ea\" 2025-09-16", Some(25)),
            ("java version \"1.8.0_402\"", Some(8)),
            ("The operation couldn’t be completed. Unable to locate a Java Runtime.", None),
            ("", None),
        ] {
            assert_eq!(java_major(text), major, "{text}");
        }
    }
}
