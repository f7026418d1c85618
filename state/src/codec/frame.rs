//! The line in front of what is compressed or encrypted: what it is, and how it is read.
//!
//! `datamesh-frame 1 prod/orders 2412 zlib aes-256-gcm k1 - 4f1c…` and a line break: format, name, bytes of the text,
//! compression; and where it is encrypted the cipher, the id of the key, the salt of a passphrase or `-`, and the
//! nonce. It can be read by people, and has exactly one spelling.

use super::keys::{Salt, hex, is_key_id, unhex};
use std::fmt;

/// The format this version reads and writes.
pub(super) const FRAME_FORMAT: u64 = 1;
/// Nothing else of ours begins like it: documents are JSON.
pub(super) const MAGIC: &str = "datamesh-frame ";
/// No line is longer.
const LINE: usize = 2048;
const CIPHER: &str = "aes-256-gcm";
/// Bytes of a nonce.
pub(super) const NONCE: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Zlib,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The key it is kept under.
    pub(super) name: String,
    /// Bytes of the text.
    pub(super) size: usize,
    pub(super) compression: Compression,
    pub(super) seal: Option<Seal>,
}

/// How it is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    pub(super) key: String,
    /// Of a passphrase.
    pub(super) salt: Option<Salt>,
    pub(super) nonce: [u8; NONCE],
}

/// A header, its line as it stands there, and what follows.
pub(super) struct Frame<'a> {
    pub(super) header: Header,
    pub(super) line: &'a [u8],
    pub(super) body: &'a [u8],
}

/// Why a line is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameError {
    /// A newer version wrote it.
    Format(u64),
    Damaged,
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let compression = match self.compression {
            Compression::None => "plain",
            Compression::Zlib => "zlib",
        };
        write!(f, "{MAGIC}{FRAME_FORMAT} {} {} {compression}", self.name, self.size)?;
        if let Some(Seal { key, salt, nonce }) = &self.seal {
            let salt = salt.as_ref().map_or_else(|| "-".to_owned(), |salt| hex(salt));
            write!(f, " {CIPHER} {key} {salt} {}", hex(nonce))?;
        }
        f.write_str("\n")
    }
}

impl Header {
    /// The parts of a frame; `None`: it is none.
    pub(super) fn split(bytes: &[u8]) -> Result<Option<Frame<'_>>, FrameError> {
        if !bytes.starts_with(MAGIC.as_bytes()) {
            return Ok(None);
        }
        let end = bytes.iter().take(LINE).position(|byte| *byte == b'\n').ok_or(FrameError::Damaged)?;
        let (line, body) = bytes.split_at(end + 1);
        let text = std::str::from_utf8(line).map_err(|_| FrameError::Damaged)?;
        let mut words = text.trim_end_matches('\n').split(' ').skip(1);
        // Before anything else: a newer format may look like anything.
        match words.next().and_then(|word| word.parse().ok()) {
            Some(FRAME_FORMAT) => {}
            Some(found) => return Err(FrameError::Format(found)),
            None => return Err(FrameError::Damaged),
        }
        let header = Self::of(&words.collect::<Vec<_>>()).ok_or(FrameError::Damaged)?;
        // One spelling: what is read in two ways could be signed in one and used in the other.
        match header.to_string() == text {
            true => Ok(Some(Frame { header, line, body })),
            false => Err(FrameError::Damaged),
        }
    }

    fn of(words: &[&str]) -> Option<Self> {
        let [name, size, compression, seal @ ..] = words else { return None };
        let seal = match seal {
            [] => None,
            [CIPHER, key, salt, nonce] if is_key_id(key) => {
                let salt = match *salt {
                    "-" => None,
                    digits => Some(unhex(digits)?),
                };
                Some(Seal { key: (*key).to_owned(), salt, nonce: unhex(nonce)? })
            }
            _ => return None,
        };
        let compression = match *compression {
            "plain" => Compression::None,
            "zlib" => Compression::Zlib,
            _ => return None,
        };
        Some(Self { name: (*name).to_owned(), size: size.parse().ok()?, compression, seal })
    }
}
