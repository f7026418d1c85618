//! Plan files: a plan with the snapshot it was made from. Untrusted input when read back.

use datamesh_core::plan::{Plan, Snapshot};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The version of the format this program writes and reads.
pub const PLAN_FORMAT: u32 = 1;

/// No plan file may be larger, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// What a plan file holds. No endpoints, no credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    pub format: u32,
    pub tool_version: String,
    /// What was asked: the same options are used when the plan is computed again.
    pub asked: Asked,
    pub plan: Plan,
    pub snapshot: Snapshot,
}

/// The options a plan depends on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    pub paths: Vec<String>,
    pub targets: Vec<String>,
    pub adopt: Vec<String>,
    pub allow_destroy: Vec<String>,
    pub destroy: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("{path} is no plan file of this tool: {why}")]
    Malformed { path: String, why: String },
    #[error("{path} has plan format {found}; this version knows format {PLAN_FORMAT}: plan again")]
    Format { path: String, found: u64 },
}

impl PlanFile {
    /// Writes the file, readable by its owner only: a plan shows what is live.
    pub fn write(&self, path: &Path) -> Result<(), PlanFileError> {
        let fails = |source| PlanFileError::Io { path: path.display().to_string(), source };
        let malformed = |why: serde_json::Error| PlanFileError::Malformed {
            path: path.display().to_string(),
            why: why.to_string(),
        };
        let text = serde_json::to_vec(self).map_err(malformed)?;
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .map_err(fails)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(fails)
    }

    pub fn read(path: &Path) -> Result<Self, PlanFileError> {
        let shown = || path.display().to_string();
        let fails = |source| PlanFileError::Io { path: shown(), source };
        let malformed = |why: String| PlanFileError::Malformed { path: shown(), why };
        let size = fs::metadata(path).map_err(fails)?.len();
        if size > MAX_BYTES {
            return Err(malformed(format!("it has {size} bytes, more than any plan")));
        }
        let text = fs::read(path).map_err(fails)?;
        let head: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        match head.get("format").and_then(serde_json::Value::as_u64) {
            Some(found) if found == u64::from(PLAN_FORMAT) => {}
            Some(found) => return Err(PlanFileError::Format { path: shown(), found }),
            None => return Err(malformed("it does not say which format it has".to_owned())),
        }
        serde_json::from_value(head).map_err(|error| malformed(error.to_string()))
    }
}
