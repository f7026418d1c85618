//! The folder of one sandbox: where things lie, and what is remembered from one command to the next.

use super::error::SandboxError;
use super::files::{self, FileLock, Hold};
use super::ports::Ports;
use datamesh_provider::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::path::{Path, PathBuf};

/// What a sandbox remembers. Written for its owner alone: it holds credentials.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    format: u32,
    pub(crate) port_base: u16,
    /// The processes that `up` starts, by name.
    pub(crate) servers: Vec<String>,
    /// Kafka's cluster id: 16 random bytes in unpadded URL-safe Base64, as Kafka writes its UUIDs.
    pub(crate) cluster_id: String,
    #[serde(serialize_with = "reveal", deserialize_with = "hide")]
    pub(crate) kafka_password: Secret,
    pub(crate) s3_access_key: String,
    #[serde(serialize_with = "reveal", deserialize_with = "hide")]
    pub(crate) s3_secret_key: Secret,
}

const FORMAT: u32 = 1;

/// Writes a secret in plain: for the sandbox's own record and for `status`, whose purpose is to tell it.
pub(crate) fn reveal<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

fn hide<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

impl Record {
    pub(crate) fn new(port_base: u16) -> Result<Self, SandboxError> {
        Ok(Self {
            format: FORMAT,
            port_base,
            servers: Vec::new(),
            cluster_id: cluster_id()?,
            kafka_password: Secret::new(super::hex(&random::<16>()?)),
            s3_access_key: super::hex(&random::<10>()?),
            s3_secret_key: Secret::new(super::hex(&random::<20>()?)),
        })
    }

    pub(crate) fn ports(&self) -> Ports {
        Ports { base: self.port_base }
    }
}

fn random<const N: usize>() -> Result<[u8; N], SandboxError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| {
        SandboxError::io("read", Path::new("the random source of the system"))(std::io::Error::other(e))
    })?;
    Ok(bytes)
}

fn cluster_id() -> Result<String, SandboxError> {
    loop {
        let id = base64url(&random::<16>()?);
        // Kafka's own tools avoid a leading dash too: on a command line it would look like an option.
        if !id.starts_with('-') {
            return Ok(id);
        }
    }
}

/// RFC 4648, section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            let index = (group >> (18 - 6 * i) & 63) as usize;
            text.push(char::from(LETTERS[index]));
        }
    }
    text
}

/// The folder of one sandbox.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(crate) fn new(root: &Path) -> Result<Self, SandboxError> {
        Ok(Self { root: std::path::absolute(root).map_err(SandboxError::io("use", root))? })
    }

    pub(crate) fn exists(&self) -> bool {
        self.record_file().is_file()
    }

    /// Makes the folder and everything in it that processes write to.
    pub(crate) fn create(&self) -> Result<(), SandboxError> {
        for dir in [&self.root, &self.root.join("logs"), &self.root.join("run")] {
            files::private_dir(dir)?;
        }
        Ok(())
    }

    /// Keeps other commands away from this sandbox.
    pub(crate) async fn lock(&self, busy: impl FnOnce()) -> Result<FileLock, SandboxError> {
        files::private_dir(&self.root)?;
        FileLock::acquire(&self.root.join("lock"), Hold::Alone, busy).await
    }

    /// The lock whose sharers use this sandbox together.
    pub(crate) fn users_file(&self) -> PathBuf {
        self.root.join("users")
    }

    fn record_file(&self) -> PathBuf {
        self.root.join("sandbox.json")
    }

    pub(crate) fn read(&self) -> Result<Option<Record>, SandboxError> {
        let record: Option<Record> = files::read_json(&self.record_file())?;
        match record {
            Some(record) if record.format != FORMAT => Err(SandboxError::Record {
                path: self.record_file(),
                why: format!("its format is {}, and this version knows {FORMAT}", record.format),
            }),
            record => Ok(record),
        }
    }

    pub(crate) fn write(&self, record: &Record) -> Result<(), SandboxError> {
        files::write_json(&self.record_file(), record)
    }

    pub(crate) fn log(&self, server: &str) -> PathBuf {
        self.root.join("logs").join(format!("{server}.log"))
    }

    pub(crate) fn pid_file(&self, server: &str) -> PathBuf {
        self.root.join("run").join(format!("{server}.pid"))
    }

    /// Where a server keeps its settings and data.
    pub(crate) fn home(&self, server: &str) -> PathBuf {
        self.root.join(server)
    }

    /// Removes what a sandbox made, and the folder itself unless somebody keeps something else in it.
    pub(crate) fn wipe(&self, servers: &[&str]) -> Result<(), SandboxError> {
        for name in servers.iter().chain(&["logs", "run"]) {
            files::remove_dir(&self.root.join(name))?;
        }
        for name in ["sandbox.json", "sandbox.new", "users", "lock"] {
            files::remove_file(&self.root.join(name))?;
        }
        let _ = std::fs::remove_dir(&self.root);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_follows_the_rfc() {
        for (plain, coded) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE")]
        {
            assert_eq!(base64url(plain.as_bytes()), coded);
        }
        assert_eq!(base64url(&[0xfb, 0xff, 0xfe]), "-__-");
    }

    #[test]
    fn every_sandbox_has_its_own_secrets_and_shows_none() {
        let (one, two) = (Record::new(19090).unwrap(), Record::new(19090).unwrap());
        assert_eq!(one.cluster_id.len(), 22);
        assert_ne!(one.cluster_id, two.cluster_id);
        assert_ne!(one.kafka_password, two.kafka_password);
        assert_ne!(one.s3_secret_key, two.s3_secret_key);
        let shown = format!("{one:?}");
        assert!(!shown.contains(one.kafka_password.expose()) && !shown.contains(one.s3_secret_key.expose()));
    }

    #[test]
    fn a_wipe_keeps_what_is_not_the_sandbox_s() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(&dir.path().join("sandbox")).unwrap();
        folder.create().unwrap();
        folder.write(&Record::new(19090).unwrap()).unwrap();
        std::fs::create_dir_all(folder.home("kafka")).unwrap();
        std::fs::write(folder.root.join("notes.txt"), "mine").unwrap();
        folder.wipe(&["kafka"]).unwrap();
        assert!(!folder.exists() && !folder.home("kafka").exists());
        assert!(folder.root.join("notes.txt").exists());
    }
}
