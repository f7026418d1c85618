//! Which properties of the client library a Mesh document may set.
//!
//! An allow-list, since some properties load code, run commands or write files. The names are those of librdkafka's
//! own CONFIGURATION.md.

/// What may be set, by name.
const ALLOWED: &[&str] = &[
    "client.id",
    "enable.ssl.certificate.verification",
    "https.ca.location",
    "https.ca.pem",
    "request.timeout.ms",
    "sasl.kerberos.keytab",
    "sasl.kerberos.min.time.before.relogin",
    "sasl.kerberos.principal",
    "sasl.kerberos.service.name",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.oauthbearer.assertion.algorithm",
    "sasl.oauthbearer.assertion.claim.aud",
    "sasl.oauthbearer.assertion.claim.exp.seconds",
    "sasl.oauthbearer.assertion.claim.iss",
    "sasl.oauthbearer.assertion.claim.jti.include",
    "sasl.oauthbearer.assertion.claim.nbf.seconds",
    "sasl.oauthbearer.assertion.claim.sub",
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.jwt.template.file",
    "sasl.oauthbearer.assertion.private.key.file",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.client.credentials.client.id",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.extensions",
    "sasl.oauthbearer.grant.type",
    "sasl.oauthbearer.metadata.authentication.type",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.ca.certificate.stores",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.sigalgs.list",
];

/// Properties whose value is a path: relative ones are relative to the root of the mesh.
#[cfg(feature = "client")]
const PATHS: &[&str] = &[
    "https.ca.location",
    "sasl.kerberos.keytab",
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.jwt.template.file",
    "sasl.oauthbearer.assertion.private.key.file",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.crl.location",
    "ssl.key.location",
    "ssl.keystore.location",
];

/// What a name is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Allowed,
    /// Never to be set, and why.
    Refused(&'static str),
    /// Neither allowed nor refused by name.
    Unknown,
}

pub(super) fn standing(name: &str) -> Standing {
    if ALLOWED.binary_search(&name).is_ok() {
        return Standing::Allowed;
    }
    match name {
        "plugin.library.paths" | "ssl.providers" => Standing::Refused("it loads code into the tool"),
        "sasl.kerberos.kinit.cmd" => Standing::Refused("it runs a command"),
        "debug" => Standing::Refused("it writes credentials and requests to the log"),
        "bootstrap.servers" | "metadata.broker.list" => {
            Standing::Refused("the cluster has the key `bootstrap_servers` for it")
        }
        _ if name.starts_with("ssl.engine") || name.starts_with("ssl_engine") => {
            Standing::Refused("it loads code into the tool")
        }
        _ => Standing::Unknown,
    }
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALLOWED.iter().copied()
}

#[cfg(feature = "client")]
pub(super) fn is_path(name: &str, value: &str) -> bool {
    // "probe" asks the library to look for the system's certificates.
    PATHS.contains(&name) && value != "probe"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_inside_the_allowed_families() {
        assert!(ALLOWED.is_sorted_by(|a, b| a < b));
        let families = ["sasl.", "ssl.", "socket.", "request.", "https.ca."];
        let alone = ["client.id", "security.protocol", "enable.ssl.certificate.verification"];
        for name in ALLOWED {
            assert!(alone.contains(name) || families.iter().any(|f| name.starts_with(f)), "{name}");
        }
    }

    #[test]
    fn what_loads_code_or_runs_commands_is_refused() {
        for name in [
            "plugin.library.paths",
            "ssl.engine.location",
            "ssl.engine.id",
            "ssl_engine_callback_data",
            "ssl.providers",
            "sasl.kerberos.kinit.cmd",
            "debug",
            "bootstrap.servers",
        ] {
            assert!(matches!(standing(name), Standing::Refused(_)), "{name}");
        }
        assert_eq!(standing("statistics.interval.ms"), Standing::Unknown);
    }
}
