//! The keys of a state: what the Mesh document says of them, and what they stand for.

use super::backend::wrong;
use datamesh_core::manifest::model::{StateEncryption, StateKeySettings, StateSettings};
use datamesh_provider::{Context, Diagnostic, Diagnostics, Spanned};
use datamesh_state::{Codec, KeyError, KeyRing, StateKey, is_key_id};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Everything wrong with the keys, as far as it can be told without knowing them.
pub(super) fn judge(settings: &StateSettings, found: &mut Diagnostics) {
    let Some(encryption) = &settings.encryption else { return };
    if encryption.keys.is_empty() {
        let detail = "A state without a key cannot be encrypted.";
        found.push(wrong(detail).on(encryption, "no keys").help(EXAMPLE));
    }
    let mut seen = BTreeSet::new();
    for key in &encryption.keys {
        if !is_key_id(&key.id) {
            let detail = format!("`{}` cannot be the id of a key.", key.id.value);
            let help = "Use 1 to 64 letters, digits, `-` and `_`: it stands beside what the key encrypted.";
            found.push(wrong(detail).on(&key.id, "this id").help(help));
        }
        if !seen.insert(key.id.value.as_str()) {
            let detail = format!("Two keys of the state have the id `{}`.", key.id.value);
            found.push(wrong(detail).on(&key.id, "used again").help("Give the newer one another id."));
        }
        let how = match (&key.reference, &key.passphrase) {
            (Some(_), None) | (None, Some(_)) => continue,
            (None, None) => "neither",
            (Some(_), Some(_)) => "both",
        };
        let detail =
            format!("The state's key `{}` has {how} of `ref` and `passphrase`; it needs one.", key.id.value);
        found.push(wrong(detail).on(key, how).help(EXAMPLE));
    }
}

const EXAMPLE: &str = "Such as `keys: [{id: k1, ref: \"${env:DATAMESH_STATE_KEY}\"}]`, with what `openssl rand -base64 32` \
                       prints.";

/// How a state with these settings is written, its references resolved.
pub(super) fn codec(settings: &StateSettings, context: &Context) -> Result<Codec, Box<Diagnostic>> {
    let Some(encryption) = &settings.encryption else { return Ok(Codec::default()) };
    let keys = ring(encryption, context)?;
    Ok(Codec::default().encrypting(keys, Arc::clone(&context.entropy)))
}

fn ring(encryption: &Spanned<StateEncryption>, context: &Context) -> Result<KeyRing, Box<Diagnostic>> {
    let keys = encryption.keys.iter().map(|key| one(key, context)).collect::<Result<_, _>>()?;
    KeyRing::new(keys).map_err(|error| {
        Box::new(wrong(format!("The keys of the state cannot be used: {error}.")).on(encryption, "here"))
    })
}

fn one(key: &Spanned<StateKeySettings>, context: &Context) -> Result<StateKey, Box<Diagnostic>> {
    let id = &key.id.value;
    let unusable = |why: String, help: &str| {
        let detail = format!("The state's key `{id}` cannot be used: {why}.");
        Box::new(wrong(detail).on(key, "this key").help(help))
    };
    let text = key.reference.as_ref().or(key.passphrase.as_ref());
    let text = text.ok_or_else(|| unusable(KeyError::None.to_string(), EXAMPLE))?;
    let secret = text.value.resolve(context.secrets.as_ref()).map_err(|error| {
        unusable(
            error.to_string(),
            "Everything in this environment's state is encrypted: nothing can be read without it.",
        )
    })?;
    let made = match &key.passphrase {
        Some(_) => StateKey::from_passphrase(id, secret),
        None => StateKey::new(id, &secret),
    };
    made.map_err(|error| unusable(error.to_string(), "`openssl rand -base64 32` prints a key."))
}
