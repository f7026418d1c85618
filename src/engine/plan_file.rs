//! Plan files: a plan with the snapshot and the records it was made from. Untrusted input when read back.
//!
//! The checksum in front finds damage and careless edits. Whoever recomputes it gains nothing: what is carried out is
//! decided anew (`saved`), and a file can only narrow that.

use datamesh_core::plan::{Plan, Snapshot};
use datamesh_provider::{Address, canonical_text, digest};
use datamesh_state::{Codec, SharedRecord, StateError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The version of the format this program writes and reads.
pub const PLAN_FORMAT: u32 = 2;

/// No plan file may be larger, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// What a plan file holds. No endpoints, no credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    pub format: u32,
    pub tool_version: String,
    /// What was asked: the same options are used when the plan is computed again.
    pub asked: Asked,
    pub plan: Plan,
    /// The records of what the plan relies on.
    pub records: BTreeMap<Address, SharedRecord>,
    pub snapshot: Snapshot,
}

/// The options a plan depends on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    pub paths: Vec<String>,
    pub targets: Vec<String>,
    pub adopt: Vec<String>,
    pub allow_destroy: Vec<String>,
    pub destroy: bool,
}

impl Asked {
    /// Whether nothing narrows what is planned.
    pub fn is_whole(&self) -> bool {
        self.paths.is_empty() && self.targets.is_empty()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("{path} is no plan file of this tool: {why}")]
    Malformed { path: String, why: String },
    #[error("{path} has plan format {found}; this version knows format {PLAN_FORMAT}: plan again")]
    Format { path: String, found: u64 },
    /// It is encrypted, or should be.
    #[error(transparent)]
    Sealed(#[from] StateError),
}

/// What plan files are sealed as; their environment follows.
const SEALED_AS: &str = "_plan-file/";

/// A line in front of an encrypted file has no more bytes, and what is behind its text neither.
const FRAME_BYTES: u64 = 4096;

/// A plan file as it was read.
#[derive(Clone, Debug)]
pub struct PlanBytes {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl PlanBytes {
    pub fn read(path: &Path) -> Result<Self, PlanFileError> {
        let fails = |source| PlanFileError::Io { path: path.display().to_string(), source };
        let mut bytes = Vec::new();
        let file = fs::File::open(path).map_err(fails)?;
        file.take(MAX_BYTES + FRAME_BYTES).read_to_end(&mut bytes).map_err(fails)?;
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// The environment whose keys open it, as far as it says so; `None`: it is not encrypted.
    pub fn sealed_for(&self) -> Option<String> {
        Codec::name_of(&self.bytes)?.strip_prefix(SEALED_AS).map(str::to_owned)
    }

    /// The plan in it. What is not encrypted is refused where this encrypts.
    pub fn open(self, codec: &Codec) -> Result<PlanFile, PlanFileError> {
        let place = self.path.display().to_string();
        let environment = self.sealed_for();
        let name = format!("{SEALED_AS}{}", environment.as_deref().unwrap_or_default());
        let limit = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX);
        let text = codec.open(&name, &place, self.bytes, limit)?;
        let file = PlanFile::decode(&place, &text)?;
        match environment {
            Some(named) if named != file.plan.environment => {
                let why = format!("it is of the environment {}, and says {named}", file.plan.environment);
                Err(PlanFileError::Malformed { path: place, why })
            }
            _ => Ok(file),
        }
    }
}

/// Canonical keys are sorted, and none of ours stands before this one.
const HEAD: &str = "{\"_checksum\":\"";

impl PlanFile {
    /// The text of the file. The checksum is the digest of the same document without it.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let body = canonical_text(self)?;
        Ok(format!("{HEAD}{}\",{}\n", digest(body.as_bytes()), &body[1..]).into_bytes())
    }

    /// Reads such a text. `place` is where it was found, for the errors.
    pub fn decode(place: &str, bytes: &[u8]) -> Result<Self, PlanFileError> {
        let malformed = |why: String| PlanFileError::Malformed { path: place.to_owned(), why };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(malformed(format!("it has more than {MAX_BYTES} bytes, more than any plan")));
        }
        let text =
            std::str::from_utf8(bytes).map_err(|error| malformed(format!("it is not UTF-8: {error}")))?;
        let mut value: Value = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        // Before anything else: a newer format may look like anything.
        match value.get("format").and_then(Value::as_u64) {
            Some(found) if found == u64::from(PLAN_FORMAT) => {}
            Some(found) => return Err(PlanFileError::Format { path: place.to_owned(), found }),
            None => return Err(malformed("it does not say which format it has".to_owned())),
        }
        let tail = text.strip_prefix(HEAD).and_then(|rest| rest.strip_suffix('\n'));
        let (said, rest) = tail
            .and_then(|tail| tail.split_once("\","))
            .ok_or_else(|| malformed("its checksum is missing".to_owned()))?;
        if said != digest(format!("{{{rest}").as_bytes()) {
            return Err(malformed(
                "its checksum is not that of its content: it was changed or damaged".into(),
            ));
        }
        if let Some(map) = value.as_object_mut() {
            map.remove("_checksum");
        }
        serde_json::from_value(value).map_err(|error| malformed(error.to_string()))
    }

    /// Writes the file, readable by its owner only: a plan shows what is live. It is encrypted where the state is.
    pub fn write(&self, path: &Path, codec: &Codec) -> Result<(), PlanFileError> {
        let fails = |source| PlanFileError::Io { path: path.display().to_string(), source };
        let malformed = |why: serde_json::Error| PlanFileError::Malformed {
            path: path.display().to_string(),
            why: why.to_string(),
        };
        let text = self.encode().map_err(malformed)?;
        // What is not encrypted stays a text.
        let codec = codec.clone().compressing(codec.encrypts());
        let text = codec.seal(&format!("{SEALED_AS}{}", self.plan.environment), &text)?;
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .map_err(fails)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(fails)
    }

    /// Reads a file that is not encrypted.
    pub fn read(path: &Path) -> Result<Self, PlanFileError> {
        PlanBytes::read(path)?.open(&Codec::default())
    }
}
