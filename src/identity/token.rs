//! ID tokens: JSON Web Tokens (RFC 7519) in the compact form of RFC 7515, checked as RFC 8725 recommends.

use super::keys::{Algorithm, Key};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use datamesh_core::graph::audit::Trusted;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Longer than any token a CI system hands out.
const LONGEST: usize = 16 * 1024;
/// How far the clocks of issuer and machine may be apart, in seconds.
const LEEWAY: f64 = 60.0;
/// OpenID Connect Core 1.0, section 2: a subject has at most 255 characters.
const LONGEST_NAME: usize = 255;

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood; none is.
    crit: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audiences,
    exp: f64,
    nbf: Option<f64>,
    /// Who started the job, in the words of GitHub and of GitLab.
    #[serde(alias = "user_login")]
    actor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Many(Vec<String>),
}

impl Audiences {
    fn has(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

/// A token as it was sent. What it says is worth nothing before [`Token::verify`].
pub(super) struct Token<'a> {
    /// What is signed: the first two parts.
    signed: &'a str,
    signature: Vec<u8>,
    header: Header,
    claims: Claims,
}

impl<'a> Token<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err("it is longer than any ID token".to_owned());
        }
        let shape = || "it is no JSON Web Token".to_owned();
        let (signed, signature) = text.rsplit_once('.').ok_or_else(shape)?;
        let (header, claims) = signed.split_once('.').ok_or_else(shape)?;
        Ok(Self {
            signed,
            signature: decoded(signature).ok_or_else(shape)?,
            header: read(header).ok_or_else(|| "its header cannot be read".to_owned())?,
            claims: read(claims)
                .ok_or_else(|| "it does not say by whom, of whom and for whom it is".to_owned())?,
        })
    }

    pub(super) fn issuer(&self) -> &str {
        &self.claims.iss
    }

    /// Everything but the signature: who is to be believed, and is this for us, and now?
    pub(super) fn check<'t>(&self, trusted: &'t [Trusted], now: Timestamp) -> Result<&'t Trusted, String> {
        let Claims { iss, sub, aud, exp, nbf, actor } = &self.claims;
        let Some(one) = trusted.iter().find(|one| one.issuer == *iss) else {
            let known: Vec<&str> = trusted.iter().map(|one| one.issuer.as_str()).collect();
            return Err(format!("it is issued by {}, and believed are {}", shown(iss), known.join(", ")));
        };
        if !aud.has(&one.audience) {
            return Err(format!("it is not for `{}`", one.audience));
        }
        let now = now.as_duration().as_secs_f64();
        if now >= exp + LEEWAY {
            return Err("it has expired".to_owned());
        }
        if nbf.is_some_and(|nbf| nbf > now + LEEWAY) {
            return Err("it is not valid yet".to_owned());
        }
        let names = std::iter::once(sub).chain(actor);
        if sub.is_empty() || names.into_iter().any(|name| !is_name(name)) {
            return Err("the name in it is empty, too long, or not of plain characters".to_owned());
        }
        Ok(one)
    }

    /// Whether one of the issuer's keys signed it.
    pub(super) fn verify(&self, keys: &[Key]) -> Result<(), String> {
        if self.header.crit.is_some() {
            return Err("it has extensions that are not understood".to_owned());
        }
        let Some(algorithm) = Algorithm::named(&self.header.alg) else {
            return Err(format!("it is signed by {}, and not by RS256 or ES256", shown(&self.header.alg)));
        };
        let mut fitting = keys.iter().filter(|key| key.is(algorithm, self.header.kid.as_deref())).peekable();
        if fitting.peek().is_none() {
            return Err("its issuer has no such key".to_owned());
        }
        match fitting.any(|key| key.signed(self.signed.as_bytes(), &self.signature)) {
            true => Ok(()),
            false => Err("its signature is not its issuer's".to_owned()),
        }
    }

    /// A name for locks and records.
    pub(super) fn who(&self, issuer: &str) -> String {
        let host = issuer.split_once("://").map_or(issuer, |(_, rest)| rest.trim_end_matches('/'));
        match &self.claims.actor {
            Some(actor) => format!("{actor} as {} ({host})", self.claims.sub),
            None => format!("{} ({host})", self.claims.sub),
        }
    }
}

fn decoded(part: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(part).ok()
}

fn read<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&decoded(part)?).ok()
}

fn is_name(name: &str) -> bool {
    name.chars().count() <= LONGEST_NAME && !name.chars().any(char::is_control)
}

/// A word of a token that nobody signed, so far.
fn shown(word: &str) -> String {
    let short: String = word.chars().filter(|c| c.is_ascii_graphic()).take(100).collect();
    format!("`{short}`")
}
