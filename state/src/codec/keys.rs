//! The keys a state is encrypted with: of 32 bytes, or made from a passphrase.

use argon2::{Algorithm, Argon2, Params, Version};
use base64ct::{Base64, Encoding as _};
use datamesh_provider::{Entropy, Secret};
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a key.
const KEY: usize = 32;
/// Bytes of a salt.
const SALT: usize = 16;
/// So long is a passphrase at least, in characters.
const PASSPHRASE: usize = 16;
/// Argon2id, with what RFC 9106 recommends where memory is scarce, on one lane: 64 MiB, three passes. They belong to
/// the format: whoever reads does not let a file say how much memory it takes.
const COST: (u32, u32, u32) = (64 << 10, 3, 1);

pub(super) type Salt = [u8; SALT];

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the id of a key has 1 to 64 letters, digits, `-` and `_`")]
    Id,
    #[error("a key is 32 bytes, written as 44 characters of base64 or as 64 hexadecimal digits")]
    Bytes,
    #[error("a passphrase has at least {PASSPHRASE} characters")]
    Short,
    #[error("two keys have the same id")]
    Twice,
    #[error("there is no key")]
    None,
}

/// One key. Never shown.
pub struct StateKey {
    id: String,
    material: Material,
}

enum Material {
    Key(Box<LessSafeKey>),
    Passphrase { text: Secret, made: Mutex<Vec<(Salt, LessSafeKey)>> },
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateKey({}, …)", self.id)
    }
}

impl StateKey {
    /// A key of 32 bytes, as base64 or hexadecimal digits.
    pub fn new(id: &str, text: &Secret) -> Result<Self, KeyError> {
        let bytes = bytes_of(text.expose().trim()).ok_or(KeyError::Bytes)?;
        let key = cipher(&bytes).ok_or(KeyError::Bytes)?;
        Self::of(id, Material::Key(Box::new(key)))
    }

    /// A key that is made from a passphrase, with a salt that stands beside what is encrypted with it.
    pub fn from_passphrase(id: &str, text: Secret) -> Result<Self, KeyError> {
        if text.expose().chars().count() < PASSPHRASE {
            return Err(KeyError::Short);
        }
        Self::of(id, Material::Passphrase { text, made: Mutex::default() })
    }

    fn of(id: &str, material: Material) -> Result<Self, KeyError> {
        match is_key_id(id) {
            true => Ok(Self { id: id.to_owned(), material }),
            false => Err(KeyError::Id),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// For writing: with the salt that is in use already, as far as this process saw, since each other one costs
    /// every reader another stretching of the passphrase.
    pub(super) fn to_seal(&self, entropy: &dyn Entropy) -> Option<(Option<Salt>, LessSafeKey)> {
        let made = match &self.material {
            Material::Key(key) => return Some((None, LessSafeKey::clone(key))),
            Material::Passphrase { made, .. } => made,
        };
        let known = made.lock().unwrap_or_else(PoisonError::into_inner).first().cloned();
        let (salt, key) = match known {
            Some(known) => known,
            None => {
                let mut salt = Salt::default();
                entropy.fill(&mut salt);
                (salt, self.to_open(Some(salt))?)
            }
        };
        Some((Some(salt), key))
    }

    /// For reading; `None`: no key of this kind.
    pub(super) fn to_open(&self, salt: Option<Salt>) -> Option<LessSafeKey> {
        match (&self.material, salt) {
            (Material::Key(key), None) => Some(LessSafeKey::clone(key)),
            (Material::Passphrase { text, made }, Some(salt)) => {
                let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((_, key)) = made.iter().find(|(known, _)| *known == salt) {
                    return Some(key.clone());
                }
                let key = stretched(text, &salt)?;
                made.push((salt, key.clone()));
                Some(key)
            }
            _ => None,
        }
    }
}

fn cipher(bytes: &[u8; KEY]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, bytes).ok().map(LessSafeKey::new)
}

fn stretched(text: &Secret, salt: &Salt) -> Option<LessSafeKey> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, Some(KEY)).ok()?;
    let mut bytes = [0; KEY];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(text.expose().as_bytes(), salt, &mut bytes).ok()?;
    cipher(&bytes)
}

fn bytes_of(text: &str) -> Option<[u8; KEY]> {
    let mut bytes = [0; KEY];
    if text.len() == 2 * KEY {
        return unhex(text);
    }
    // Of 32 bytes, one `=` stands at the end; 33 would have none.
    let decoded = Base64::decode(text, &mut bytes).ok()?;
    (decoded.len() == KEY).then_some(bytes)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Exactly so many bytes from their digits.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Whether a key may be called so: it becomes a word of a line of words.
pub fn is_key_id(id: &str) -> bool {
    let clean = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (1..=64).contains(&id.len()) && id != "-" && id.bytes().all(clean)
}

/// The keys of an environment: the first writes, all read. Clones share what was made from passphrases.
#[derive(Clone, Debug)]
pub struct KeyRing(Arc<Vec<StateKey>>);

impl KeyRing {
    pub fn new(keys: Vec<StateKey>) -> Result<Self, KeyError> {
        let mut ids: Vec<&str> = keys.iter().map(StateKey::id).collect();
        ids.sort_unstable();
        match ids.as_slice() {
            [] => Err(KeyError::None),
            ids if ids.windows(2).any(|pair| pair[0] == pair[1]) => Err(KeyError::Twice),
            _ => Ok(Self(Arc::new(keys))),
        }
    }

    pub(super) fn first(&self) -> Option<&StateKey> {
        self.0.first()
    }

    pub(super) fn get(&self, id: &str) -> Option<&StateKey> {
        self.0.iter().find(|key| key.id == id)
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.0.iter().map(|key| key.id.clone()).collect()
    }
}
