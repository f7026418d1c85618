//! Settings with their references filled in: what the client library is given.

use super::properties::is_path;
use super::validate::is_address;
use super::{Settings, TLS_KEYS};
use datamesh_provider::{Redactor, Secret, SecretError, SecretResolver};
use std::path::Path;

/// What we set where the Mesh document does not: a name for the brokers' logs, and short waits before a broker that
/// was away is tried again, since somebody is watching.
const OURS: &[(&str, &str)] = &[("client.id", "datamesh"), ("reconnect.backoff.max.ms", "1000")];

/// Ready for the client library.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// Where the cluster is sought, for messages.
    pub(crate) endpoint: String,
    pub(crate) properties: Vec<(String, Secret)>,
    /// Whether the client logs in with tokens, which it has to renew.
    pub(crate) oauth: bool,
    /// Hides what references stand for.
    pub(crate) hidden: Redactor,
}

/// Why settings do not become a client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error("`{key}`: {error}")]
    Secret { key: String, error: SecretError },
    #[error("`bootstrap_servers` does not stand for addresses of the form HOST:PORT")]
    Address,
}

pub(crate) fn resolve(
    settings: &Settings,
    root: &Path,
    secrets: &dyn SecretResolver,
) -> Result<Resolved, ResolveError> {
    let text = |key: &str, text: &datamesh_provider::SecretText| {
        text.resolve(secrets).map_err(|error| ResolveError::Secret { key: key.to_owned(), error })
    };
    let servers = settings.bootstrap_servers.as_ref().ok_or(ResolveError::Address)?;
    let servers = text("bootstrap_servers", servers)?;
    // Checked before it is shown anywhere: a reference may stand for something that is no address.
    if !servers.expose().split(',').all(|address| is_address(address.trim())) {
        return Err(ResolveError::Address);
    }
    let endpoint: String = servers.expose().split_whitespace().collect();

    let ours = OURS.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value)));
    let mut properties: Vec<_> = ours.collect();
    properties.push(("bootstrap.servers".to_owned(), Secret::new(endpoint.clone())));
    let mut hidden = Redactor::default();
    for (name, value) in &settings.properties {
        let reference = value.has_reference();
        let value = text(name, value)?;
        if reference && !is_path(name, value.expose()) {
            hidden.hide(&value);
        }
        let value = if is_path(name, value.expose()) { below(root, &value) } else { value };
        properties.push((name.clone(), value));
    }
    if let Some(tls) = &settings.tls {
        for (key, property) in TLS_KEYS {
            if let Some(path) = tls.get(key) {
                properties.push(((*property).to_owned(), below(root, &text(key, path)?)));
            }
        }
        if !settings.properties.contains_key("security.protocol") {
            let protocol = if settings.mechanism().is_some() { "sasl_ssl" } else { "ssl" };
            properties.push(("security.protocol".to_owned(), Secret::new(protocol)));
        }
    }
    let is_oauth = |(name, value): &(String, Secret)| {
        name.starts_with("sasl.mechanism") && value.expose().trim().eq_ignore_ascii_case("OAUTHBEARER")
    };
    let oauth = properties.iter().any(is_oauth);
    // Left alone, the library looks where its own build of OpenSSL was installed, and nothing is there.
    for (family, needed) in [("ssl.ca.", true), ("https.ca.", oauth)] {
        if needed && !properties.iter().any(|(name, _)| name.starts_with(family)) {
            properties.push((format!("{family}location"), Secret::new("probe")));
        }
    }
    hide_logins(&properties, &mut hidden);
    Ok(Resolved { endpoint, properties, oauth, hidden })
}

/// User and password as they are sent together.
fn hide_logins(properties: &[(String, Secret)], hidden: &mut Redactor) {
    let of = |wanted: &str| properties.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    for prefix in ["sasl.oauthbearer.client.", "sasl.oauthbearer.client.credentials.client."] {
        if let (Some(id), Some(secret)) = (of(&format!("{prefix}id")), of(&format!("{prefix}secret"))) {
            hidden.hide_login(id.expose(), secret);
        }
    }
}

fn below(root: &Path, path: &Secret) -> Secret {
    Secret::new(root.join(path.expose()).to_string_lossy().into_owned())
}
