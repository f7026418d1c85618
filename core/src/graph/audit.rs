//! Who may vouch for the names in audit records.

use super::codes;
use crate::manifest::model::{AuditSettings, TrustedIssuer};
use datamesh_provider::{Diagnostic, Diagnostics, Spanned, is_loopback_host};

/// Whose ID tokens are believed, and whether a run may be without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    pub trusted: Vec<Trusted>,
    pub required: bool,
}

/// An issuer of ID tokens (OpenID Connect Core 1.0, section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    pub issuer: String,
    pub audience: String,
    /// A file, as written: relative to the mesh's root.
    pub ca_file: Option<String>,
}

impl Audit {
    pub(crate) fn of(settings: Option<&AuditSettings>, found: &mut Diagnostics) -> Self {
        let Some(settings) = settings else { return Self::default() };
        let required = settings.required.as_ref().filter(|required| required.value);
        if let Some(required) = required.filter(|_| settings.identity.is_empty()) {
            let detail = "An ID token is required, and nobody's is believed: no run could write anything.";
            found.push(
                Diagnostic::error(codes::BAD_SETTING, detail)
                    .on(required, "required")
                    .help("Name an issuer and an audience under `audit.identity`."),
            );
        }
        settings.identity.iter().for_each(|issuer| check(issuer, found));
        let trusted = settings.identity.iter().map(|one| Trusted {
            issuer: one.issuer.value.clone(),
            audience: one.audience.value.clone(),
            ca_file: one.ca_file.as_ref().map(|ca| ca.value.clone()),
        });
        Self { trusted: trusted.collect(), required: required.is_some() }
    }
}

fn check(one: &Spanned<TrustedIssuer>, found: &mut Diagnostics) {
    if let Err(why) = address(&one.issuer.value) {
        found.push(
            Diagnostic::error(
                codes::BAD_SETTING,
                format!("`{}` cannot be an issuer: {why}.", one.issuer.value),
            )
            .on(&one.issuer, "here")
            .help("Write it as its tokens name it, such as `https://token.actions.githubusercontent.com`."),
        );
    }
    if one.audience.trim().is_empty() {
        let detail = "An ID token without an audience is for anybody.";
        let wrong = Diagnostic::error(codes::BAD_SETTING, detail).on(&one.audience, "empty");
        found.push(wrong.help("Write what the job asks its tokens for, such as `datamesh`."));
    }
}

/// Where its keys are asked for must be an address nobody can listen in on.
fn address(issuer: &str) -> Result<(), &'static str> {
    let (scheme, rest) = issuer.split_once("://").ok_or("it is not an address")?;
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    if host.is_empty()
        || issuer.contains(|c: char| c.is_whitespace() || c.is_control() || "@?#\\".contains(c))
    {
        return Err("it is not an address of a server and a path alone");
    }
    match scheme {
        "https" => Ok(()),
        "http" if is_loopback_host(host) => Ok(()),
        _ => Err("its keys would be fetched without TLS"),
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn issuers_are_https_or_on_this_machine() {
        for good in [
            "https://token.actions.githubusercontent.com",
            "https://gitlab.example.com/",
            "https://login.example.com/realms/ci",
            "http://127.0.0.1:8080",
            "http://[::1]:8080/x",
            "http://localhost",
        ] {
            assert_eq!(address(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "gitlab.example.com",
            "https://",
            "http://gitlab.example.com",
            "http://127.0.0.1.example.com",
            "ftp://x",
            "https://user@host",
            "https://host?x",
            "https://host#x",
            "https://a b",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
