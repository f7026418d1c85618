//! Words of a server, without the secrets it was sent: it may repeat them, as a gateway does that shows a request it
//! refused.

use crate::secret::Secret;
use std::fmt::{self, Write as _};

/// What stands in the place of a secret.
const HIDDEN: &str = "(sensitive)";
/// What is shorter stands in too many words that are no secret.
const SHORTEST: usize = 6;

/// Takes secrets out of texts, in the spellings they are sent in.
#[derive(Clone, Default)]
pub struct Redactor {
    /// The longest first: one may hold another.
    needles: Vec<String>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(…)")
    }
}

impl Redactor {
    /// Hides a secret as it is, in a form, and in JSON.
    pub fn hide(&mut self, secret: &Secret) {
        let text = secret.expose();
        let encoded = percent(text);
        let quoted = serde_json::Value::from(text).to_string();
        let in_form = encoded.replace("%20", "+");
        for needle in [text, quoted.trim_matches('"'), &in_form, &encoded] {
            if needle.len() >= SHORTEST && !self.needles.iter().any(|known| known == needle) {
                self.needles.push(needle.to_owned());
            }
        }
        self.needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
    }

    /// Hides a password, and both as basic authentication sends them.
    pub fn hide_login(&mut self, user: &str, password: &Secret) {
        self.hide(password);
        let both = base64(format!("{user}:{}", password.expose()).as_bytes());
        self.hide(&Secret::new(both.trim_end_matches('=')));
    }

    /// The text without them.
    pub fn clean(&self, text: impl Into<String>) -> String {
        let hide = |text: String, needle: &String| match text.contains(needle) {
            true => text.replace(needle, HIDDEN),
            false => text,
        };
        self.needles.iter().fold(text.into(), hide)
    }
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => out.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
        out
    })
}

/// RFC 4648, section 4. The one use of it here is not worth a dependency.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let index = (bits >> (18 - 6 * at)) & 63;
            let letter = ALPHABET.get(index as usize).copied().unwrap_or(b'=');
            out.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_the_rfc() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (text, coded) in cases {
            assert_eq!(base64(text.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn secrets_are_taken_out_in_every_spelling() {
        let mut redactor = Redactor::default();
        redactor.hide_login("mesh", &Secret::new("p w\"ö&10"));
        redactor.hide(&Secret::new("short"));
        redactor.hide(&Secret::new("token-1"));
        redactor.hide(&Secret::new("token-1-longer"));
        for (words, wanted) in [
            ("no p w\"ö&10!", "no (sensitive)!"),
            (r#"{"a": "p w\"ö&10"}"#, r#"{"a": "(sensitive)"}"#),
            ("a=p+w%22%C3%B6%2610&b=c", "a=(sensitive)&b=c"),
            ("a=p%20w%22%C3%B6%2610", "a=(sensitive)"),
            ("authorization: Basic bWVzaDpwIHciw7YmMTA=", "authorization: Basic (sensitive)="),
            ("a short word", "a short word"),
            ("token-1, token-1-longer", "(sensitive), (sensitive)"),
        ] {
            assert_eq!(redactor.clean(words), wanted);
        }
        assert_eq!(format!("{redactor:?}"), "Redactor(…)");
    }
}
