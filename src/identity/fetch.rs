//! What is asked of issuers: where their keys are (OpenID Connect Discovery 1.0, section 4), the keys, and a job's token.

use super::TokenRequest;
use super::keys::Key;
use datamesh_provider::{Context, Secret, is_loopback_host};
use reqwest::{Certificate, Client, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(10);
/// An answer is read up to here.
const LONGEST: usize = 1 << 20;
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(300);

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Issued {
    value: String,
}

/// What speaks against an answer, and whether the next one may be better.
struct Failed {
    why: String,
    passing: bool,
}

/// A client for one server and what it names.
pub(super) struct Web<'a> {
    client: Client,
    https: bool,
    cx: &'a Context,
}

impl<'a> Web<'a> {
    /// `ca`: certificates in PEM, beside the usual ones.
    pub(super) fn to(address: &str, ca: Option<PathBuf>, cx: &'a Context) -> Result<Self, String> {
        let url = Url::parse(address).map_err(|error| error.to_string())?;
        let loopback = url.host_str().is_some_and(is_loopback_host);
        let https = url.scheme() == "https" || !loopback;
        let mut builder = Client::builder()
            .user_agent(concat!("datamesh/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .timeout(TIMEOUT)
            .https_only(https);
        if loopback {
            // A proxy of the environment would ask its own machine instead of this one.
            builder = builder.no_proxy();
        }
        if let Some(path) = ca {
            let place = path.display();
            let pem = std::fs::read(&path).map_err(|error| format!("{place}: {error}"))?;
            let all =
                Certificate::from_pem_bundle(&pem).map_err(|_| format!("{place} has no certificates"))?;
            builder = all.into_iter().fold(builder, |builder, one| builder.add_root_certificate(one));
        }
        let client = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { client, https, cx })
    }

    /// The keys an issuer signs with.
    pub(super) async fn keys(&self, issuer: &str) -> Result<Vec<Key>, String> {
        let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let found: Discovery = self.get(&place, None).await?;
        if found.issuer != issuer {
            return Err("what is found there is another issuer's".to_owned());
        }
        let set: KeySet = self.get(&found.jwks_uri, None).await?;
        Ok(set.keys.into_iter().filter_map(Key::read).collect())
    }

    /// A job's token for an audience.
    pub(super) async fn token(&self, request: &TokenRequest, audience: &str) -> Result<Secret, String> {
        let mut url = Url::parse(&request.url).map_err(|error| error.to_string())?;
        url.query_pairs_mut().append_pair("audience", audience);
        let issued: Issued = self.get(url.as_str(), Some(&request.bearer)).await?;
        Ok(Secret::new(issued.value))
    }

    async fn get<T: DeserializeOwned>(&self, url: &str, bearer: Option<&Secret>) -> Result<T, String> {
        let url = Url::parse(url).map_err(|error| error.to_string())?;
        let host = url.host_str().unwrap_or_default().to_owned();
        if self.https && url.scheme() != "https" {
            return Err(format!("{host} would be asked without TLS"));
        }
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let failed = match self.once(url.clone(), bearer).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            if !failed.passing || attempt == ATTEMPTS || !self.cx.pause(pause).await {
                return Err(format!("{host}: {}", failed.why));
            }
            (attempt, pause) = (attempt + 1, pause * 3);
        }
    }

    /// The words of a server are not repeated: it was sent a secret.
    async fn once<T: DeserializeOwned>(&self, url: Url, bearer: Option<&Secret>) -> Result<T, Failed> {
        let lost = |error: reqwest::Error| Failed { why: chain(&error.without_url()), passing: true };
        let mut request = self.client.get(url);
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer.expose());
        }
        let mut answer = request.send().await.map_err(lost)?;
        let status = answer.status();
        if !status.is_success() {
            let passing = status.is_server_error() || status.as_u16() == 429;
            return Err(Failed { why: format!("it answers {status}"), passing });
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(lost)? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST {
                return Err(Failed { why: "its answer does not end".to_owned(), passing: false });
            }
        }
        let other = |_| Failed { why: "its answer is not what was asked for".to_owned(), passing: false };
        serde_json::from_slice(&body).map_err(other)
    }
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        words = format!("{words}: {inner}");
        source = inner.source();
    }
    words
}
