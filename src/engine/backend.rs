//! Where the state is kept: what the Mesh document says of it, and the store that means.

use super::codes;
use super::encryption;
use super::session::SessionOptions;
use datamesh_core::graph::environment::ResolvedEnvironment;
use datamesh_core::manifest::model::{Opt, StateBackend, StateSettings};
use datamesh_provider::{Diagnostic, Diagnostics, Spanned, is_loopback_host};
use datamesh_state::{HeartbeatThread, LeaseLocks, LeaseTiming, S3Settings, S3Store, StateStore};
use serde_json::Value;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use url::Url;

/// Certificates are small.
const CA_BYTES: u64 = 1 << 20;

/// Everything wrong with the settings of a state.
pub(super) fn judge(settings: &StateSettings) -> Diagnostics {
    let mut found = Diagnostics::default();
    match settings.backend.value {
        StateBackend::Local => only_of_s3(settings, &mut found),
        StateBackend::S3 => s3(settings, &mut found),
    }
    encryption::judge(settings, &mut found);
    found
}

pub(super) fn wrong(detail: impl Into<String>) -> Diagnostic {
    Diagnostic::error(codes::BACKEND, detail)
}

fn only_of_s3(settings: &StateSettings, found: &mut Diagnostics) {
    let StateSettings { bucket, prefix, region, endpoint, path_style, tls, .. } = settings;
    let mut refuse = |name: &str, span| {
        let detail = format!("`{name}` belongs to the backend `s3`; this one is `local`.");
        found.push(wrong(detail).at(span, "without effect").help("Remove it, or write `backend: s3`."));
    };
    for (name, text) in [("bucket", bucket), ("prefix", prefix), ("region", region), ("endpoint", endpoint)] {
        text.iter().for_each(|text| refuse(name, text.span));
    }
    path_style.iter().for_each(|value| refuse("path_style", value.span));
    tls.iter().for_each(|value| refuse("tls", value.span));
}

fn s3(settings: &StateSettings, found: &mut Diagnostics) {
    if let Some(path) = &settings.path {
        let detail = "`path` belongs to the backend `local`; this one is `s3`.";
        found.push(wrong(detail).on(path, "without effect").help("Write it as `prefix`, or remove it."));
    }
    match &settings.bucket {
        None => found.push(
            wrong("A state on S3 needs a bucket.")
                .on(&settings.backend, "in which bucket?")
                .help("Add `bucket: NAME`. The bucket has to be there."),
        ),
        Some(bucket) if !is_bucket(bucket) => {
            let help = "A bucket's name has 3 to 63 lower-case letters, digits, `-` and `.`.";
            found.push(
                wrong(format!("`{}` cannot name a bucket.", bucket.value)).on(bucket, "here").help(help),
            );
        }
        Some(_) => {}
    }
    if let Some(prefix) = settings.prefix.as_ref().filter(|prefix| !is_prefix(prefix)) {
        let help = "Write segments of letters, digits, `-`, `_` and `.` with `/` between them.";
        found.push(wrong(format!("`{}` cannot be a prefix.", prefix.value)).on(prefix, "here").help(help));
    }
    let tls = tls(settings, found);
    if let Some(endpoint) = &settings.endpoint
        && let Err(why) = is_endpoint(endpoint, tls.insecure)
    {
        found.push(wrong(format!("The endpoint cannot be used: {why}.")).on(endpoint, "this endpoint").help(
            "Write its address alone, such as `https://s3.example.com`; `tls: { insecure: true }` allows plain `http`.",
        ));
    }
}

fn is_bucket(name: &str) -> bool {
    let clean = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    (3..=63).contains(&name.len()) && name.bytes().all(clean)
}

fn is_prefix(text: &str) -> bool {
    let clean = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let segment = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(clean);
    text.len() <= 200 && text.trim_end_matches('/').split('/').all(segment)
}

fn is_endpoint(text: &str, insecure: bool) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let Some(loopback) = url.host_str().map(is_loopback_host) else {
        return Err("it names no host".to_owned());
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback || insecure => {}
        "http" => {
            return Err("plain `http` to another machine could be read and changed on its way".to_owned());
        }
        other => return Err(format!("`{other}` is neither `https` nor `http`")),
    }
    let more = url.query().is_some() || url.fragment().is_some() || !url.username().is_empty();
    if more || url.password().is_some() || url.path() != "/" {
        return Err("it holds more than scheme, host and port".to_owned());
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Tls {
    ca_file: Option<String>,
    insecure: bool,
}

fn tls(settings: &StateSettings, found: &mut Diagnostics) -> Tls {
    let mut tls = Tls::default();
    let Some(node) = &settings.tls else { return tls };
    let located = &node.value.0;
    let Some(map) = located.value.as_object() else {
        found
            .push(wrong("`tls` must be a map.").on(node, "here").help("Such as `tls: { ca_file: ca.pem }`."));
        return tls;
    };
    for (key, value) in map {
        match (key.as_str(), value) {
            ("ca_file", Value::String(file)) => tls.ca_file = Some(file.clone()),
            ("insecure", Value::Bool(insecure)) => tls.insecure = *insecure,
            _ => {
                let detail = format!("`tls.{key}` is not known, or its value has the wrong type.");
                let help = "`ca_file` is a path, `insecure` is `true` or `false`.";
                found.push(wrong(detail).at(located.spans.at(&[key]), "here").help(help));
            }
        }
    }
    tls
}

/// The store of an environment's state. Contacts nobody.
pub(super) fn open(
    environment: &ResolvedEnvironment,
    options: &SessionOptions,
) -> Result<StateStore, Box<Diagnostic>> {
    let settings = &environment.state;
    let codec = encryption::codec(settings, &options.context)?;
    match settings.backend.value {
        StateBackend::Local => {
            let folder = settings.path.as_ref().map_or(".datamesh/state", |path| path.value.as_str());
            // Not compressed: what is not encrypted either can be read by people there.
            Ok(options.providers.state_in(options.root.join(folder)).coded(codec))
        }
        StateBackend::S3 => Ok(on_s3(settings, options)?.coded(codec.compressing(true))),
    }
}

fn on_s3(settings: &StateSettings, options: &SessionOptions) -> Result<StateStore, Box<Diagnostic>> {
    let text = |spelled: &Opt<String>| spelled.as_ref().map(|text| text.value.clone());
    let context = &options.context;
    let timing = LeaseTiming::for_calls(context.budget.call_timeout);
    let ca = match (tls(settings, &mut Diagnostics::default()).ca_file, &settings.tls) {
        (Some(file), Some(node)) => Some(certificate(&options.root, &file, node)?),
        _ => None,
    };
    let s3 = S3Settings {
        bucket: text(&settings.bucket).unwrap_or_default(),
        prefix: text(&settings.prefix),
        region: text(&settings.region),
        endpoint: text(&settings.endpoint),
        path_style: settings.path_style.as_ref().is_some_and(|style| style.value),
        ca,
        attempt: timing.attempt(),
        keys: None,
    };
    let (clock, entropy) = (Arc::clone(&context.clock), Arc::clone(&context.entropy));
    let store = Arc::new(S3Store::new(s3, Arc::clone(&clock)));
    let beside = Arc::clone(&store);
    let thread = HeartbeatThread::new(move || Arc::new(beside.another()));
    let locks = LeaseLocks::new(Arc::<S3Store>::clone(&store), clock, entropy, Arc::new(thread), timing);
    Ok(StateStore::new(store, Arc::new(locks)))
}

fn certificate<T>(root: &Path, file: &str, at: &Spanned<T>) -> Result<Vec<u8>, Box<Diagnostic>> {
    let path = root.join(file);
    let mut pem = Vec::new();
    let read = std::fs::File::open(&path).and_then(|file| file.take(CA_BYTES).read_to_end(&mut pem));
    match read {
        Ok(_) => Ok(pem),
        Err(error) => {
            let detail = format!("The certificate `{file}` cannot be read: {error}.");
            Err(Box::new(
                wrong(detail).on(at, "named here").help("Give its path, relative to the mesh's root."),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_addresses_and_encrypted_unless_somebody_says_otherwise() {
        for good in
            ["https://s3.acme.com", "https://s3.acme.com:9000/", "http://127.0.0.1:9", "http://[::1]:9"]
        {
            assert_eq!(is_endpoint(good, false), Ok(()), "{good}");
        }
        assert_eq!(is_endpoint("http://s3.acme.com", true), Ok(()));
        for bad in [
            "http://s3.acme.com",
            "s3.acme.com",
            "ftp://s3.acme.com",
            "https://u:p@s3.acme.com",
            "https://s3.acme.com/?x",
            "https://s3.acme.com/#x",
            "https://s3.acme.com/bucket",
        ] {
            assert!(is_endpoint(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_buckets_and_prefixes() {
        assert!(
            is_bucket("acme-mesh.state") && !is_bucket("Acme") && !is_bucket("ab") && !is_bucket("a/b/c")
        );
        assert!(is_prefix("mesh/prod") && is_prefix("mesh/") && is_prefix("v1.2"));
        assert!(!is_prefix("") && !is_prefix("/mesh") && !is_prefix("a//b") && !is_prefix("../x"));
    }
}
