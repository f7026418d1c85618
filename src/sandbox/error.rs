//! Errors of the sandbox.

use super::codes;
use super::ports::{Owner, Port};
use super::tools::MissingTool;
use datamesh_provider::{Code, Diagnostic};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// Why a sandbox could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A name that is in no table.
    #[error("there is no server `{name}`; known are {known}")]
    UnknownServer { name: String, known: String, suggestion: Option<&'static str> },

    /// The base leaves no room below 65536, or lies among the ports of the system.
    #[error("the port base {base} is outside of {min} to {max}")]
    PortBase { base: u16, min: u16, max: u16 },

    /// Servers that run hold the ports of another base.
    #[error("this sandbox runs on port base {current}, not {asked}")]
    PortBaseInUse { current: u16, asked: u16 },

    /// Somebody listens where one of our servers should.
    #[error("port {} ({}) on 127.0.0.1 is taken{}", port.number, port.role, taken_by(owner.as_ref()))]
    PortTaken { port: Port, owner: Option<Owner>, free_base: Option<u16> },

    /// Every tool that is missing, or too old, at once.
    #[error("{}", missing(.0))]
    MissingTools(Vec<MissingTool>),

    /// A server that has no build for this machine.
    #[error("{title} is not available on {platform}: its pinned build runs on {builds_for} only")]
    Unsupported { title: String, platform: String, builds_for: &'static str },

    /// A tool that fetches or unpacks said no.
    #[error("{title} could not be fetched: `{tool}` {how}{}", tail_of(output))]
    Fetch { title: String, tool: &'static str, how: String, output: String },

    /// A file is not what the lock file says; it is never used.
    #[error("{}: expected {expected}, found {actual}", path.display())]
    Tampered { path: PathBuf, expected: String, actual: String },

    /// Somebody else could write where executables or credentials are kept.
    #[error("{} {why}", path.display())]
    NotPrivate { path: PathBuf, why: String },

    /// A server ended by itself before it was ready.
    #[error("{title} {how}{}", tail_of(output))]
    Failed { title: String, how: String, log: PathBuf, output: String },

    /// A server that even SIGKILL did not end.
    #[error("{title} (process {pid}) is still there after SIGKILL")]
    NotStopped { title: String, pid: u32 },

    /// The record of a sandbox cannot be understood.
    #[error("{} is not the record of a sandbox: {why}", path.display())]
    Record { path: PathBuf, why: String },

    /// A file or folder that cannot be read or written.
    #[error("cannot {what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
}

impl SandboxError {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }

    /// The stable code of this error.
    pub fn code(&self) -> Code {
        match self {
            Self::UnknownServer { .. } => codes::UNKNOWN_SERVER,
            Self::PortBase { .. } | Self::PortBaseInUse { .. } => codes::PORTS,
            Self::PortTaken { .. } => codes::PORT_TAKEN,
            Self::MissingTools(_) => codes::TOOL_MISSING,
            Self::Unsupported { .. } => codes::UNSUPPORTED,
            Self::Fetch { .. } => codes::FETCH,
            Self::Tampered { .. } => codes::TAMPERED,
            Self::NotPrivate { .. } => codes::NOT_PRIVATE,
            Self::Failed { .. } => codes::SERVER_FAILED,
            Self::NotStopped { .. } => codes::NOT_STOPPED,
            Self::Record { .. } | Self::Io { .. } => codes::FILES,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::UnknownServer { suggestion, .. } => format!("did you mean `{}`?", (*suggestion)?),
            Self::PortBase { min, max, .. } => format!("choose `--port-base` from {min} to {max}"),
            Self::PortBaseInUse { .. } => {
                "stop it first (`datamesh sandbox down`), or start a second sandbox with `--dir`".to_owned()
            }
            Self::PortTaken { free_base, .. } => match free_base {
                Some(base) => format!("stop that program, or choose other ports: `--port-base {base}` is free"),
                None => "stop that program, or choose other ports with `--port-base`".to_owned(),
            },
            Self::MissingTools(tools) => install_lines(tools),
            Self::Unsupported { .. } => {
                "leave `s3` and `iceberg-rest` out: Kafka and the registry run wherever Java does".to_owned()
            }
            Self::Fetch { .. } => {
                "the sandbox needs its package sources once; check network, proxy and mirror settings of the tool, \
                 then run the command again"
                    .to_owned()
            }
            Self::Tampered { path, .. } => {
                let folder = path.parent().unwrap_or(path);
                format!("if nobody you know changed it, look into it; removing {} fetches it anew", folder.display())
            }
            Self::NotPrivate { path, .. } => format!("make it yours alone: chmod 700 {}", path.display()),
            Self::Failed { log, .. } => format!("the whole log is {}", log.display()),
            Self::Record { path, .. } => format!(
                "stop its servers, then remove the folder {}",
                path.parent().unwrap_or(path).display()
            ),
            Self::NotStopped { .. } | Self::Io { .. } => return None,
        })
    }

    /// The error as a finding, for the program's renderer.
    pub fn diagnostic(&self) -> Diagnostic {
        let diagnostic = Diagnostic::error(self.code(), self.to_string());
        match self.help() {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }
}

fn taken_by(owner: Option<&Owner>) -> String {
    owner.map(|o| format!(" by process {} ({})", o.pid, o.name)).unwrap_or_default()
}

fn missing(tools: &[MissingTool]) -> String {
    let mut text = String::new();
    for tool in tools {
        let join = if text.is_empty() { "" } else { "; " };
        let _ = write!(text, "{join}{} {}", tool.name, tool.why);
    }
    text
}

fn install_lines(tools: &[MissingTool]) -> String {
    let line = |pick: fn(&MissingTool) -> &'static str| {
        let mut packages: Vec<_> = tools.iter().map(pick).collect();
        packages.dedup();
        packages.join(" ")
    };
    format!(
        "Debian, Ubuntu: sudo apt install {}\nFedora: sudo dnf install {}\nmacOS: brew install {}",
        line(|t| t.debian),
        line(|t| t.fedora),
        line(|t| t.macos)
    )
}

fn tail_of(output: &str) -> String {
    let output = output.trim_end();
    if output.is_empty() { String::new() } else { format!("\n{output}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::tools;

    #[test]
    fn all_missing_tools_are_named_with_one_line_a_platform() {
        let error = SandboxError::MissingTools(vec![
            tools::JAVA.missing("is not installed".to_owned()),
            tools::MAVEN.missing("is not installed".to_owned()),
        ]);
        assert!(error.to_string().contains("java 17 or newer is not installed; mvn (Maven)"), "{error}");
        let help = error.help().unwrap();
        assert!(help.contains("sudo apt install openjdk-17-jre-headless maven\n"), "{help}");
        assert_eq!(help.lines().count(), 3, "{help}");
    }

    #[test]
    fn a_taken_port_names_the_port_its_owner_and_the_way_out() {
        let error = SandboxError::PortTaken {
            port: Port { number: 19092, role: "Kafka" },
            owner: Some(Owner { pid: 7, name: "java".to_owned() }),
            free_base: Some(19110),
        };
        assert_eq!(error.to_string(), "port 19092 (Kafka) on 127.0.0.1 is taken by process 7 (java)");
        assert!(error.help().unwrap().contains("`--port-base 19110` is free"));
    }
}
