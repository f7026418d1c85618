//! The chosen environment: its systems, its defaults, and how careful to be with them.

use crate::contract::did_you_mean;
use crate::graph::audit::Audit;
use crate::graph::codes;
use crate::graph::endpoints::{Endpoints, Place};
use crate::graph::secrets;
use crate::manifest::model::{Environment, Mesh, NamePrefixes, OnRemove, Opt, StateBackend, StateSettings};
use crate::manifest::values::Node;
use datamesh_provider::{Diagnostic, Diagnostics, Located, Span, Spanned, SystemName};
use serde_json::Value;
use std::collections::BTreeMap;

/// One environment of the Mesh document, checked.
#[derive(Clone, Debug)]
pub struct ResolvedEnvironment {
    pub name: String,
    /// The names of every environment of the mesh.
    pub all: Vec<String>,
    /// The settings of each system, as written; its provider reads them.
    pub systems: BTreeMap<SystemName, Located>,
    pub state: StateSettings,
    pub defaults: Defaults,
    pub prefixes: Prefixes,
    /// Principals of Kafka by the names that manifests use.
    pub principals: BTreeMap<String, String>,
    pub endpoints: Endpoints,
    pub on_remove: OnRemove,
    pub parallelism: u16,
    pub protected: bool,
    pub audit: Audit,
    /// The absolute path of the mesh's root, with `/`.
    pub root: String,
    /// The place of the environment's name.
    pub span: Option<Span>,
}

/// What fills a create where the manifest is silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    pub partitions: Option<u32>,
    pub replication_factor: Option<u16>,
}

/// What is put before physical names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefixes {
    pub topic: String,
    pub subject: String,
    pub namespace: String,
    pub group: String,
}

impl Prefixes {
    fn of(names: Option<&NamePrefixes>) -> Self {
        let text = |prefix: &Opt<String>| prefix.as_ref().map(|p| p.value.clone()).unwrap_or_default();
        let Some(names) = names else { return Self::default() };
        Self {
            topic: text(&names.topic_prefix),
            subject: text(&names.subject_prefix),
            namespace: text(&names.namespace_prefix),
            group: text(&names.group_prefix),
        }
    }

    /// The prefix that keeps environments apart on a system of this kind. Catalog entries have none.
    fn on(&self, kind: &str) -> &str {
        match kind {
            "kafka" => &self.topic,
            "registry" => &self.subject,
            "iceberg" => &self.namespace,
            _ => "",
        }
    }
}

impl ResolvedEnvironment {
    /// What is known of environments where the Mesh document is broken: nothing.
    pub(crate) fn unknown() -> Self {
        Self {
            name: String::new(),
            all: Vec::new(),
            systems: BTreeMap::new(),
            state: StateSettings {
                backend: Spanned::implied(StateBackend::Local),
                path: None,
                bucket: None,
                prefix: None,
                region: None,
                endpoint: None,
                path_style: None,
                tls: None,
                encryption: None,
            },
            defaults: Defaults::default(),
            prefixes: Prefixes::default(),
            principals: BTreeMap::new(),
            endpoints: Endpoints::default(),
            on_remove: OnRemove::Hold,
            parallelism: 1,
            protected: false,
            audit: Audit::default(),
            root: String::new(),
            span: None,
        }
    }
}

/// Chooses an environment: the named one, or the only one. `root` is the absolute path of the mesh's root.
///
/// `None`, with the error, where there is no such environment. Any error here stops everything.
pub fn environment(
    mesh: &Mesh,
    name: Option<&str>,
    root: &str,
) -> (Option<ResolvedEnvironment>, Diagnostics) {
    let mut found = Diagnostics::default();
    let environments = &mesh.spec.environments;
    shared_systems(mesh, root, &mut found);
    environments.keys().filter(|name| !is_environment_name(name)).for_each(|name| found.push(bad_name(name)));
    let chosen = match name {
        Some(name) => environments.get_key_value(name),
        None if environments.len() == 1 => environments.first(),
        None => None,
    };
    let Some((key, environment)) = chosen else {
        found.push(not_found(mesh, name));
        return (None, found);
    };
    dormant_settings(environment, &mut found);
    for (name, node, _) in systems(environment) {
        secrets::check(&name, &node.0, &mut found);
    }
    secrets::check_state(&environment.state, &mut found);
    let resolved = ResolvedEnvironment {
        name: key.value.clone(),
        all: environments.keys().map(|key| key.value.clone()).collect(),
        systems: systems(environment).map(|(name, node, _)| (name, node.0.clone())).collect(),
        state: environment.state.value.clone(),
        defaults: defaults(environment, &mut found),
        prefixes: Prefixes::of(environment.names.as_deref()),
        principals: principals(environment, &mut found),
        endpoints: Endpoints::parse(&environment.endpoints, root, &mut found),
        on_remove: environment.on_remove.as_ref().map_or(OnRemove::Hold, |r| r.value),
        parallelism: parallelism(environment, &mut found),
        protected: environment.protected.as_ref().is_some_and(|p| p.value),
        audit: Audit::of(environment.audit.as_deref(), &mut found),
        root: root.to_owned(),
        span: key.span,
    };
    (Some(resolved), found)
}

/// What can be a folder of the state and a part of a key. With `_` in front the state keeps other things.
fn is_environment_name(name: &str) -> bool {
    let clean = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    !name.is_empty() && name.len() <= 128 && name.bytes().all(clean) && !name.starts_with('_')
}

fn bad_name(name: &Spanned<String>) -> Diagnostic {
    let detail =
        format!("`{}` cannot be the name of an environment: its state is kept under it.", name.value);
    Diagnostic::error(codes::BAD_NAME, detail)
        .on(name, "this name")
        .help("Use letters, digits, `-` and `_`, at most 128, and no `_` in front.")
}

fn not_found(mesh: &Mesh, name: Option<&str>) -> Diagnostic {
    let names: Vec<&str> = mesh.spec.environments.keys().map(|key| key.value.as_str()).collect();
    let listed = names.join("`, `");
    let span = mesh.metadata.name.span;
    match name {
        _ if names.is_empty() => {
            Diagnostic::error(codes::UNKNOWN_ENVIRONMENT, "The Mesh document has no environments.")
                .at(span, "in this mesh")
                .help("Add one under `spec.environments`.")
        }
        Some(name) => {
            let help = did_you_mean(name, names, || format!("The environments are `{listed}`."));
            Diagnostic::error(codes::UNKNOWN_ENVIRONMENT, format!("There is no environment `{name}`."))
                .at(span, "in this mesh")
                .help(help)
        }
        None => Diagnostic::error(
            codes::UNKNOWN_ENVIRONMENT,
            "The mesh has several environments, and none was chosen.",
        )
        .at(span, "in this mesh")
        .help(format!("Choose one with `--env`: `{listed}`.")),
    }
}

fn systems(environment: &Environment) -> impl Iterator<Item = (SystemName, &Node, Option<Span>)> {
    let kinds = [
        ("kafka", &environment.kafka),
        ("registry", &environment.registry),
        ("iceberg", &environment.iceberg),
    ];
    let named = kinds.into_iter().flat_map(|(kind, map)| {
        map.iter().map(move |(key, node)| {
            (SystemName::new(kind, key.value.as_str()), &node.value, key.span.or(node.span))
        })
    });
    let catalog = environment
        .catalog
        .iter()
        .map(|node| (SystemName::new("catalog", "default"), &node.value, node.span));
    named.chain(catalog)
}

fn defaults(environment: &Environment, found: &mut Diagnostics) -> Defaults {
    let Some(kafka) = environment.defaults.as_ref().and_then(|d| d.kafka.as_ref()) else {
        return Defaults::default();
    };
    let mut positive = |span: Option<Span>, zero: bool, key: &str| {
        if zero {
            found.push(
                Diagnostic::error(codes::BAD_SETTING, format!("`{key}` is 0; a topic has at least 1."))
                    .at(span, "zero")
                    .help("Write a number from 1, or leave it to the broker by removing the key."),
            );
        }
        !zero
    };
    let partitions = kafka.partitions.as_ref().filter(|p| positive(p.span, p.value == 0, "partitions"));
    let factor = kafka.replication_factor.as_ref();
    let factor = factor.filter(|r| positive(r.span, r.value == 0, "replication_factor"));
    Defaults { partitions: partitions.map(|p| p.value), replication_factor: factor.map(|r| r.value) }
}

fn principals(environment: &Environment, found: &mut Diagnostics) -> BTreeMap<String, String> {
    for (alias, principal) in &environment.principals {
        if principal.value.split_once(':').is_none_or(|(kind, name)| kind.is_empty() || name.is_empty()) {
            let detail =
                format!("`{}` is no principal: brokers know them by a type and a name.", principal.value);
            let help = format!("Write `{}: \"User:<name>\"`.", alias.value);
            found
                .push(Diagnostic::error(codes::BAD_SETTING, detail).on(principal, "no principal").help(help));
        }
    }
    let plain = environment.principals.iter();
    plain.map(|(alias, principal)| (alias.value.clone(), principal.value.clone())).collect()
}

fn parallelism(environment: &Environment, found: &mut Diagnostics) -> u16 {
    let Some(parallelism) = &environment.parallelism else { return 10 };
    if parallelism.value == 0 {
        found.push(
            Diagnostic::error(codes::BAD_SETTING, "With a parallelism of 0 nothing could ever be done.")
                .on(parallelism, "zero")
                .help("Write a number from 1; the default is 10."),
        );
    }
    parallelism.value.max(1)
}

/// Settings that are read and have no effect yet.
fn dormant_settings(environment: &Environment, found: &mut Diagnostics) {
    let credentials = environment.plan_credentials.as_ref();
    let credentials = credentials.filter(|node| node.0.value.as_object().is_none_or(|map| !map.is_empty()));
    let drift = environment.drift.as_ref().filter(|drift| !drift.ignore.is_empty());
    let all =
        [credentials.map(|node| ("plan_credentials", node.span)), drift.map(|drift| ("drift", drift.span))];
    for (key, span) in all.into_iter().flatten() {
        found.push(not_enforced(key, span));
    }
}

pub(crate) fn not_enforced(key: &str, span: Option<Span>) -> Diagnostic {
    let detail = format!("`{key}` is read and checked, but has no effect in this version.");
    Diagnostic::warning(codes::NOT_ENFORCED, detail).at(span, "declared, not enforced by this version")
}

/// The name of an environment, and where it names a system.
type FirstUse<'a> = (&'a Spanned<String>, Option<Span>);

/// Two environments on one system, with the same prefix there: each would take the other's objects for its own.
fn shared_systems(mesh: &Mesh, root: &str, found: &mut Diagnostics) {
    // By system and prefix: the environment that was first, and where it names the system.
    let mut seen: BTreeMap<(String, String), FirstUse<'_>> = BTreeMap::new();
    for (name, environment) in &mesh.spec.environments {
        let prefixes = Prefixes::of(environment.names.as_deref());
        // Within one environment two names for one system are no finding of this check.
        let mut own: BTreeMap<(String, String), Option<Span>> = BTreeMap::new();
        for (system, node, span) in systems(environment) {
            if let Some(identity) = identity(&system.kind, &node.0.value, root) {
                let key = (format!("{} {identity}", system.kind), prefixes.on(&system.kind).to_owned());
                own.entry(key).or_insert(span);
            }
        }
        for (key, span) in own {
            let Some((other, first)) = seen.get(&key) else {
                seen.insert(key, (name, span));
                continue;
            };
            let kind = key.0.split(' ').next().unwrap_or_default();
            let help = match kind {
                "kafka" => "Give one of them a `names.topic_prefix`, or a cluster of its own.",
                "registry" => "Give one of them a `names.subject_prefix`, or a registry of its own.",
                "iceberg" => "Give one of them a `names.namespace_prefix`, or a catalog of its own.",
                _ => "Give each environment a catalog of its own, such as another `path`.",
            };
            let detail = format!(
                "The environments `{}` and `{}` share a {kind} system and have the same name prefix there, so both \
                 would claim the same objects.",
                other.value, name.value
            );
            found.push(
                Diagnostic::error(codes::SHARED_SYSTEM, detail)
                    .at(span, "here")
                    .at(*first, "and here")
                    .help(help),
            );
        }
    }
}

/// What tells one system from another, as far as settings can.
fn identity(kind: &str, settings: &Value, root: &str) -> Option<String> {
    let text = |key: &str| settings.get(key).and_then(Value::as_str);
    let place = |key: &str| {
        text(key).map(|t| Place::parse(t).map_or_else(|_| t.to_owned(), |p| p.absolute(root).to_string()))
    };
    match kind {
        "kafka" => {
            let mut servers: Vec<&str> = text("bootstrap_servers")?.split(',').map(str::trim).collect();
            servers.sort_unstable();
            Some(servers.join(","))
        }
        "registry" => place("url"),
        "iceberg" if text("catalog") == Some("sql") => {
            Some(format!("{} {}", text("uri")?, text("name").unwrap_or_default()))
        }
        "iceberg" => Some(format!("{} {}", place("uri")?, place("warehouse").unwrap_or_default())),
        _ => {
            let keys = ["backend", "url", "path", "bucket", "prefix"];
            let parts: Vec<&str> = keys.iter().filter_map(|key| text(key)).collect();
            Some(parts.join(" "))
        }
    }
}
