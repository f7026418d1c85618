//! Who runs this, where somebody vouches for it: an ID token of the CI system (OpenID Connect Core 1.0, section 2),
//! signed by an issuer the environment believes.
//!
//! The token comes with the job; its issuer is asked for nothing but its public keys. Neither the token nor what it was
//! got with is ever stored, printed or sent on.

mod fetch;
mod keys;
mod token;

use datamesh_core::graph::audit::{Audit, Trusted};
use datamesh_provider::{Context, Secret};
use fetch::Web;
use std::path::Path;
use token::Token;

/// Where a run's ID token comes from.
#[derive(Clone, Debug, Default)]
pub struct IdTokens {
    /// The token itself: `DATAMESH_ID_TOKEN`.
    pub token: Option<Secret>,
    /// Where one can be had.
    pub request: Option<TokenRequest>,
}

impl IdTokens {
    /// Whether there is anything to prove who this is.
    pub fn any(&self) -> bool {
        self.token.is_some() || self.request.is_some()
    }
}

/// A job of GitHub Actions with `id-token: write` is given these: `ACTIONS_ID_TOKEN_REQUEST_URL` and `…_TOKEN`.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    pub url: String,
    pub bearer: Secret,
}

/// Why nobody vouches for this run. The words never hold a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("this run has no ID token, and `audit.required` asks for one")]
    Missing,
    #[error("the ID token is not one that is believed: {0}")]
    Refused(String),
    #[error("the keys of {issuer} cannot be had: {why}")]
    NoKeys { issuer: String, why: String },
    #[error("the job's ID token cannot be had: {0}")]
    NoToken(String),
}

/// Who this is, as the issuer of its token says; `None`: nothing was said, and nothing has to be.
pub async fn prove(
    tokens: &IdTokens,
    audit: &Audit,
    root: &Path,
    cx: &Context,
) -> Result<Option<String>, IdentityError> {
    let Some(first) = audit.trusted.first() else { return Ok(None) };
    let text = match (&tokens.token, &tokens.request) {
        (Some(token), _) => token.clone(),
        (None, Some(request)) => requested(request, first, audit, cx).await?,
        (None, None) if audit.required => return Err(IdentityError::Missing),
        (None, None) => return Ok(None),
    };
    let token = Token::parse(text.expose()).map_err(IdentityError::Refused)?;
    let trusted = token.check(&audit.trusted, cx.clock.now()).map_err(IdentityError::Refused)?;
    let failed = |why| IdentityError::NoKeys { issuer: trusted.issuer.clone(), why };
    let web =
        Web::to(&trusted.issuer, trusted.ca_file.as_deref().map(|ca| root.join(ca)), cx).map_err(failed)?;
    let keys = web.keys(&trusted.issuer).await.map_err(failed)?;
    token.verify(&keys).map_err(IdentityError::Refused)?;
    Ok(Some(token.who(&trusted.issuer)))
}

/// A job's token, for the audience of whoever issued it.
async fn requested(
    request: &TokenRequest,
    first: &Trusted,
    audit: &Audit,
    cx: &Context,
) -> Result<Secret, IdentityError> {
    let web = Web::to(&request.url, None, cx).map_err(IdentityError::NoToken)?;
    let token = web.token(request, &first.audience).await.map_err(IdentityError::NoToken)?;
    let issuer = Token::parse(token.expose()).map(|token| token.issuer().to_owned());
    // Which issuer a job has is known from its token alone.
    match audit.trusted.iter().find(|one| issuer.as_ref().is_ok_and(|issuer| one.issuer == *issuer)) {
        Some(other) if other.audience != first.audience => {
            web.token(request, &other.audience).await.map_err(IdentityError::NoToken)
        }
        _ => Ok(token),
    }
}
