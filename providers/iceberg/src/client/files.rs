//! Metadata files in a local warehouse.

use crate::location;
use crate::metadata::Metadata;
use datamesh_provider::{Context, ErrorKind};
use std::io::{self, Write as _};
use std::path::Path;

/// A metadata file may not be larger.
const LIMIT: u64 = 64 * 1024 * 1024;

/// Why a metadata file could not be read.
#[derive(Debug)]
pub(crate) struct ReadError {
    pub(crate) kind: ErrorKind,
    pub(crate) why: String,
}

pub(crate) async fn read(token: &str) -> Result<Metadata, ReadError> {
    let protocol = |why: String| ReadError { kind: ErrorKind::Protocol, why };
    let path = location::local_path(token).ok_or_else(|| {
        protocol(format!(
            "its metadata is at `{token}`; a SQL catalog is read with local files only in this version"
        ))
    })?;
    if token.contains(".gz.") || token.ends_with(".gz") {
        return Err(protocol(format!(
            "its metadata, `{token}`, is compressed, which this version does not read"
        )));
    }
    let unreadable = |error: io::Error| ReadError {
        kind: ErrorKind::Unreachable,
        why: format!("{}: {error}", path.display()),
    };
    let size = tokio::fs::metadata(&path).await.map_err(unreadable)?;
    if !size.is_file() || size.len() > LIMIT {
        return Err(protocol(format!("its metadata, `{token}`, is no file of at most 64 MiB")));
    }
    let bytes = tokio::fs::read(&path).await.map_err(unreadable)?;
    // The content may be anything, so nothing of it is quoted.
    let value = serde_json::from_slice(&bytes)
        .map_err(|_| protocol(format!("its metadata, `{token}`, is no JSON document")))?;
    Metadata::parse(value).map_err(|error| protocol(error.to_string()))
}

/// The folder for a table's metadata: beside its data, unless the table says otherwise.
pub(crate) fn metadata_folder(metadata: &Metadata) -> String {
    match metadata.properties().get("write.metadata.path") {
        Some(path) => path.trim_end_matches('/').to_owned(),
        None => format!("{}/metadata", metadata.location().trim_end_matches('/')),
    }
}

/// A random identifier.
pub(crate) fn uuid(cx: &Context) -> String {
    let mut bytes = [0; 16];
    cx.entropy.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// The version a metadata file's name begins with: `00003-….metadata.json`.
pub(crate) fn version(token: &str) -> u32 {
    let name = token.rsplit('/').next().unwrap_or_default();
    let digits = name.trim_start_matches('v').split(['-', '.']).next().unwrap_or_default();
    digits.parse().unwrap_or_default()
}

/// Writes a file of a name nobody has yet, durably, and returns the name.
pub(crate) async fn write_new(
    cx: &Context,
    folder: &Path,
    version: u32,
    body: Vec<u8>,
) -> io::Result<String> {
    let names: Vec<String> = (0..4).map(|_| format!("{version:05}-{}.metadata.json", uuid(cx))).collect();
    let folder = folder.to_owned();
    let written = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        for name in names {
            match std::fs::OpenOptions::new().write(true).create_new(true).open(folder.join(&name)) {
                Ok(mut file) => {
                    file.write_all(&body)?;
                    file.sync_all()?;
                    // The name is durable only once its folder is.
                    std::fs::File::open(&folder)?.sync_all()?;
                    return Ok(name);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    });
    written.await.map_err(io::Error::other)?
}

/// Removes a file that no catalog row names. That it stays behind where this fails harms nobody.
pub(crate) async fn forget(token: &str) {
    if let Some(path) = location::local_path(token) {
        let _ = tokio::fs::remove_file(path).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_names() {
        for (token, expected) in [
            ("file:///w/t/metadata/00003-x.metadata.json", 3),
            ("/w/t/metadata/v7.metadata.json", 7),
            ("file:///w/t/metadata/odd.json", 0),
            ("", 0),
        ] {
            assert_eq!(version(token), expected, "{token}");
        }
    }
}
