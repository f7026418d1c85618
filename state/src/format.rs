//! The document of one shard, format 1: canonical JSON on one line, with its own checksum in front.
//!
//! Every struct denies unknown fields: what this version does not know it must not drop. A new field is a new
//! format. `tests/samples/` holds one document of each format, read and written byte for byte.

use crate::StateError;
use crate::shared::SharedRecord;
use datamesh_provider::{
    Address, ObjectId, OpAction, OperationId, Packed, SystemName, TypeName, append_canonical, digest,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The format this version reads and writes.
pub const FORMAT: u64 = 1;

/// No document is larger than this, in bytes: far above ten thousand resources, far below what would exhaust memory.
pub const MAX_BYTES: usize = 64 << 20;

/// What the tool owns in one domain of one environment, and what it is doing there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Always [`FORMAT`] once decoded.
    pub format: u64,
    pub environment: String,
    pub domain: String,
    /// Made once, with the shard: tells this shard from a later one of the same name.
    pub lineage: String,
    /// One more with each write.
    pub serial: u64,
    /// One more with each lock: who holds an older one is fenced.
    pub epoch: u64,
    /// Names one write: how a writer whose answer was lost finds out whether it was its own.
    pub write_id: String,
    /// Whose it is: the root commit of the repository, or the name of the mesh.
    pub repository: String,
    /// The identity of each system anything here is in, by name (`kafka.default`).
    pub systems: BTreeMap<String, String>,
    pub resources: BTreeMap<Address, SharedRecord>,
    /// Operations whose outcome is not stored yet.
    pub pending: BTreeMap<OperationId, Intent>,
    /// Addresses that were moved away.
    pub tombstones: Vec<Tombstone>,
    /// Addresses on their way here from another shard, which still owns them.
    pub incoming: Vec<Incoming>,
}

/// One resource that is ours. Its address is its key in the shard.
// In the order of their names, as they are written: thousands of them are, and nothing has to be put in order then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// What we last applied; for an adopted one, what was declared.
    pub attributes: Packed,
    /// What the system assigned.
    pub computed: Packed,
    /// What it depends on directly.
    pub dependencies: BTreeSet<Address>,
    /// One more with each write of this record.
    #[serde(rename = "gen")]
    pub generation: u64,
    /// Topic id, table uuid; `None` where the system has no such thing.
    pub incarnation: Option<String>,
    /// The operation that wrote it last; `None` after an adoption that changed nothing.
    pub last_op: Option<OperationId>,
    /// Its name in the system.
    pub object: ObjectId,
    /// What happens when no manifest declares it any more; `None`: whatever the type's rule is.
    pub on_remove: Option<OnRemove>,
    pub origin: Origin,
    pub prevent_destroy: bool,
    /// `domain/product@version`; `None` for the domain's own.
    pub product: Option<String>,
    /// The version of the type's schema the attributes have.
    pub schema_version: u32,
    /// The file that declared it, below the mesh root; `None` when no file did (an import by hand).
    pub source: Option<String>,
    pub system: SystemName,
    #[serde(rename = "type")]
    pub ty: TypeName,
    /// The steps of its creation that are still to come, where it was cut off between two: it does not yet have all
    /// that a creation gives, the environment's defaults among it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<String>,
}

/// How a resource became ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Created,
    /// Found, and taken over: forgotten on removal, not deleted.
    Adopted,
}

/// What a removed manifest means for the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnRemove {
    /// Keep the object and the record.
    Hold,
    /// Drop the record, keep the object.
    Forget,
    /// Delete the object and drop the record.
    Destroy,
}

/// One operation that was about to be carried out when this was written. Its id is its key in the shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// The run that does it.
    pub run: String,
    /// The plan it is of.
    pub plan: String,
    pub address: Address,
    #[serde(rename = "type")]
    pub ty: TypeName,
    pub system: SystemName,
    pub object: ObjectId,
    pub action: OpAction,
    pub step: String,
    /// What was last applied; `None` for a creation.
    pub before: Option<Packed>,
    /// What it shall be when the whole change is done; `None` for a deletion.
    pub planned: Option<Packed>,
    pub incarnation: Option<String>,
    /// The record's `gen` when this began; `None` where there was no record.
    pub before_gen: Option<u64>,
    /// The epoch of the lock it began under.
    pub epoch: u64,
    pub started_at: jiff::Timestamp,
    /// The steps of the same change that come after this one.
    pub remaining: Vec<String>,
    /// What the record says of the resource beside what the system holds; `None` for a deletion.
    pub becomes: Option<Becomes>,
}

/// The part of a [`Record`] that comes from manifests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Becomes {
    pub schema_version: u32,
    pub source: Option<String>,
    pub product: Option<String>,
    pub dependencies: BTreeSet<Address>,
    pub prevent_destroy: bool,
    pub on_remove: Option<OnRemove>,
    /// What the manifest declares, normalised: what the record will hold, without the defaults a creation is given.
    pub declared: Packed,
}

/// An address that was moved away from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tombstone {
    /// Names the move, the same in both shards.
    #[serde(rename = "move")]
    pub move_id: String,
    pub from: Address,
    pub to: Address,
    pub at: jiff::Timestamp,
}

/// An address on its way here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Incoming {
    #[serde(rename = "move")]
    pub move_id: String,
    pub from: Address,
    pub to: Address,
    pub started_at: jiff::Timestamp,
    /// What is recorded where it comes from, word for word.
    pub record: SharedRecord,
}

/// Canonical keys are sorted, so that this one stands first.
const HEAD: &str = "{\"checksum\":\"";
/// `sha256:` and 64 digits.
const DIGEST_LENGTH: usize = 71;
/// About what a record takes, so that the text of a large shard has its place from the beginning.
const RECORD_GUESS: usize = 1 << 10;

/// The document of a shard. The checksum is the digest of the same document without it.
pub fn encode(shard: &Shard) -> Result<Vec<u8>, StateError> {
    let place = || format!("{}/{}", shard.environment, shard.domain);
    // The body's own bracket comes where the comma behind the checksum will be.
    let digest_at = HEAD.len();
    let body_at = digest_at + DIGEST_LENGTH + 1;
    let mut text = Vec::with_capacity(body_at + shard.resources.len() * RECORD_GUESS);
    text.extend_from_slice(HEAD.as_bytes());
    text.resize(body_at, b'"');
    let mut text = append_canonical(text, shard)
        .map_err(|error| StateError::Corrupt { place: place(), why: error.to_string() })?;
    let digest = digest(&text[body_at..]);
    text[digest_at..body_at - 1].copy_from_slice(digest.as_bytes());
    text[body_at] = b',';
    text.push(b'\n');
    if text.len() > MAX_BYTES {
        return Err(StateError::Corrupt { place: place(), why: too_large(text.len()) });
    }
    Ok(text)
}

fn too_large(bytes: usize) -> String {
    format!("it has {bytes} bytes, and no shard may have more than {MAX_BYTES}: split the domain")
}

/// Reads a document. `place` is where it was found, for the errors.
pub fn decode(place: &str, bytes: &[u8]) -> Result<Shard, StateError> {
    let corrupt = |why: String| StateError::Corrupt { place: place.to_owned(), why };
    if bytes.len() > MAX_BYTES {
        return Err(corrupt(too_large(bytes.len())));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| corrupt(format!("it is not UTF-8: {error}")))?;
    // Before anything else: a newer format may look like anything.
    let format = match serde_json::from_str::<FormatOf>(text) {
        Err(error) if !error.is_data() => return Err(corrupt(unreadable(text, &error))),
        found => found.ok().and_then(|found| found.format.as_u64()),
    };
    match format {
        Some(FORMAT) => {}
        Some(found) => {
            return Err(StateError::Unsupported { place: place.to_owned(), found, known: FORMAT });
        }
        None => return Err(corrupt("it does not say which format it has".into())),
    }
    let tail = text.strip_prefix(HEAD).and_then(|rest| rest.strip_suffix('\n'));
    let (said, rest) = tail
        .and_then(|tail| tail.split_once("\","))
        .ok_or_else(|| corrupt("its checksum is missing".into()))?;
    let body = format!("{{{rest}");
    let found = digest(body.as_bytes());
    if said != found {
        return Err(corrupt(format!("its checksum is {said}, and its content has {found}")));
    }
    serde_json::from_str(&body).map_err(|error| corrupt(error.to_string()))
}

/// What every document says of itself.
#[derive(Deserialize)]
struct FormatOf {
    #[serde(default)]
    format: Value,
}

fn unreadable(text: &str, error: &serde_json::Error) -> String {
    match error.is_eof() {
        _ if text.is_empty() => "it is empty".into(),
        true => format!("it ends in the middle, after {} bytes", text.len()),
        false => format!("it is not JSON: {error}"),
    }
}
