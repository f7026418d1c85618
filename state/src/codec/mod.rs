//! How documents are written: as they are, compressed, encrypted, or both. Bytes in, bytes out.
//!
//! A document that is neither is kept as it is, so that people can read it. Anything else is a frame: a line that says
//! how to read it, and the bytes. Encrypted with AES-256-GCM, under a random nonce for each writing; the whole line is
//! authenticated with it, and the line names the key of the store the document is kept under, so that no document can
//! be put in the place of another. What tells one version from another (lineage, serial, write id) is in the encrypted
//! text, and so authenticated as well. A whole document can be replaced by an older version of itself: that is not
//! noticed here.
//!
//! What is read may be compressed or not, whatever is written. What is not encrypted is refused where keys are given.

mod frame;
mod keys;

pub use keys::{KeyError, KeyRing, StateKey, is_key_id};

use crate::StateError;
use datamesh_provider::Entropy;
use frame::{Compression, FRAME_FORMAT, Frame, FrameError, Header, MAGIC, NONCE, Seal};
use ring::aead::{Aad, Nonce};
use std::fmt;
use std::sync::Arc;
use zlib_rs::{DeflateConfig, Inflate, InflateFlush, ReturnCode, Status, compress_bound, compress_slice};

/// A frame has at most so many bytes more than its text.
pub(crate) const FRAME_BYTES: usize = 4096;

/// How what is kept is written and read. The default writes it as it is.
#[derive(Clone, Default)]
pub struct Codec {
    compress: bool,
    encrypt: Option<Encrypt>,
    plaintext_too: bool,
}

#[derive(Clone)]
struct Encrypt {
    keys: KeyRing,
    /// For nonces and salts.
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec")
            .field("compress", &self.compress)
            .field("keys", &self.keys())
            .field("plaintext_too", &self.plaintext_too)
            .finish()
    }
}

impl Codec {
    /// The same, compressing what is written.
    #[must_use]
    pub fn compressing(self, compress: bool) -> Self {
        Self { compress, ..self }
    }

    /// The same, encrypting what is written, and refusing to read what is not encrypted.
    #[must_use]
    pub fn encrypting(self, keys: KeyRing, entropy: Arc<dyn Entropy>) -> Self {
        Self { encrypt: Some(Encrypt { keys, entropy }), ..self }
    }

    fn keys(&self) -> Option<&KeyRing> {
        self.encrypt.as_ref().map(|encrypt| &encrypt.keys)
    }

    /// The same, reading what was written before there were keys as well: for encrypting it, and for nothing else.
    #[must_use]
    fn reading_plaintext(&self) -> Self {
        Self { plaintext_too: true, ..self.clone() }
    }

    /// Whether what is written is encrypted.
    pub fn encrypts(&self) -> bool {
        self.encrypt.is_some()
    }

    fn writing(&self) -> Option<(&StateKey, &dyn Entropy)> {
        let Encrypt { keys, entropy } = self.encrypt.as_ref()?;
        Some((keys.first()?, entropy.as_ref()))
    }

    /// The bytes to be kept under a name.
    pub fn seal(&self, name: &str, text: &[u8]) -> Result<Vec<u8>, StateError> {
        let compressed = self.compress.then(|| deflate(text)).flatten();
        // What begins like a frame would be taken for one.
        if compressed.is_none() && self.encrypt.is_none() && !text.starts_with(MAGIC.as_bytes()) {
            return Ok(text.to_vec());
        }
        let compression = if compressed.is_some() { Compression::Zlib } else { Compression::None };
        let mut body = compressed.unwrap_or_else(|| text.to_vec());
        let mut header = Header { name: name.to_owned(), size: text.len(), compression, seal: None };
        if let Some((first, entropy)) = self.writing() {
            let failed = || unusable(name, first.id());
            let (salt, key) = first.to_seal(entropy).ok_or_else(failed)?;
            let mut nonce = [0; NONCE];
            entropy.fill(&mut nonce);
            header.seal = Some(Seal { key: first.id().to_owned(), salt, nonce });
            let line = header.to_string();
            let nonce = Nonce::assume_unique_for_key(nonce);
            key.seal_in_place_append_tag(nonce, Aad::from(line.as_bytes()), &mut body)
                .map_err(|_| failed())?;
        }
        let mut frame = header.to_string().into_bytes();
        frame.append(&mut body);
        Ok(frame)
    }

    /// The text of what is kept under a name. `place` is where it was found, for the errors.
    pub fn open(&self, name: &str, place: &str, bytes: Vec<u8>, limit: usize) -> Result<Vec<u8>, StateError> {
        let plaintext = || match self.encrypt.is_some() && !self.plaintext_too {
            true => Err(StateError::Plaintext { place: place.to_owned() }),
            false => Ok(()),
        };
        let corrupt = |why: String| StateError::Corrupt { place: place.to_owned(), why };
        let Some(Frame { header, line, body }) = split(place, &bytes)? else {
            return plaintext().map(|()| bytes);
        };
        if header.name != name {
            return Err(corrupt(format!("it is {}, in the place of {name}", header.name)));
        }
        if header.size > limit {
            let why = format!("it has {} bytes, and nothing like it may have more than {limit}", header.size);
            return Err(corrupt(why));
        }
        let body = match &header.seal {
            None => plaintext().map(|()| body.to_vec())?,
            Some(seal) => self.decrypt(place, seal, line, body)?,
        };
        let text = match header.compression {
            Compression::None => Some(body),
            Compression::Zlib => inflate(&body, header.size),
        };
        text.filter(|text| text.len() == header.size)
            .ok_or_else(|| corrupt("it is not what its first line says".into()))
    }

    fn decrypt(&self, place: &str, seal: &Seal, line: &[u8], body: &[u8]) -> Result<Vec<u8>, StateError> {
        let Some(key) = self.keys().and_then(|keys| keys.get(&seal.key)) else {
            let known = self.keys().map(KeyRing::ids).unwrap_or_default();
            return Err(StateError::NoKey { place: place.to_owned(), key: seal.key.clone(), known });
        };
        let sealed = || StateError::Sealed { place: place.to_owned(), key: seal.key.clone() };
        let key = key.to_open(seal.salt).ok_or_else(sealed)?;
        let mut text = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(seal.nonce);
        let length = key.open_in_place(nonce, Aad::from(line), &mut text).map_err(|_| sealed())?.len();
        text.truncate(length);
        Ok(text)
    }

    /// The id of the key that writes; `None`: nothing is encrypted.
    pub fn writes_with(&self) -> Option<&str> {
        self.writing().map(|(key, _)| key.id())
    }

    /// What is encrypted with the key that writes now, from what is not; `None`: it is already. It may be anything
    /// that was written before there were keys: whoever asks checks that it is what it should be.
    pub fn renewed(
        &self,
        name: &str,
        place: &str,
        bytes: Vec<u8>,
        limit: usize,
        check: impl FnOnce(&[u8]) -> Result<(), StateError>,
    ) -> Result<Option<Vec<u8>>, StateError> {
        if self.is_current(&bytes) {
            return Ok(None);
        }
        let text = self.reading_plaintext().open(name, place, bytes, limit)?;
        check(&text)?;
        self.seal(name, &text).map(Some)
    }

    /// Whether bytes are encrypted as they would be now; always where nothing is.
    pub(crate) fn is_current(&self, bytes: &[u8]) -> bool {
        let Some((first, _)) = self.writing() else { return true };
        match Header::split(bytes) {
            Ok(Some(Frame { header: Header { seal: Some(seal), .. }, .. })) => seal.key == first.id(),
            _ => false,
        }
    }

    /// The name of what these bytes hold, as far as they say.
    pub fn name_of(bytes: &[u8]) -> Option<String> {
        Header::split(bytes).ok().flatten().map(|frame| frame.header.name)
    }
}

fn split<'a>(place: &str, bytes: &'a [u8]) -> Result<Option<Frame<'a>>, StateError> {
    Header::split(bytes).map_err(|error| match error {
        FrameError::Format(found) => {
            StateError::Unsupported { place: place.to_owned(), found, known: FRAME_FORMAT }
        }
        FrameError::Damaged => {
            StateError::Corrupt { place: place.to_owned(), why: "its first line cannot be read".into() }
        }
    })
}

fn unusable(name: &str, key: &str) -> StateError {
    let source = std::io::Error::other(format!("key `{key}` cannot be used"));
    StateError::Io { place: name.to_owned(), source }
}

/// `None` where that would save nothing.
fn deflate(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; compress_bound(text.len())];
    let (done, code) = compress_slice(&mut out, text, DeflateConfig::default());
    let length = done.len();
    out.truncate(length);
    (code == ReturnCode::Ok && length < text.len()).then_some(out)
}

/// `None` where it is anything but so many bytes.
fn inflate(bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out = vec![0; size];
    let mut stream = Inflate::new(true, 15);
    let status = stream.decompress(bytes, &mut out, InflateFlush::Finish).ok()?;
    let whole = stream.total_in() == bytes.len() as u64 && stream.total_out() == size as u64;
    (status == Status::StreamEnd && whole).then_some(out)
}
