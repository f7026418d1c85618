//! Output ports: their names, and which keys belong to which technology.

use crate::contract::did_you_mean;
use crate::graph::codes;
use crate::graph::draft::Draft;
use crate::graph::environment::ResolvedEnvironment;
use crate::manifest::model::{OutputPort, PortOverride, PortType, RestAuth, Technology};
use datamesh_provider::{Diagnostic, Diagnostics, Span, Spanned, SystemName};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// One port with its name and what the environment overrides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port<'a> {
    pub(crate) name: &'a str,
    pub(crate) spec: &'a OutputPort,
    pub(crate) over: Option<&'a PortOverride>,
    /// The technology: a better mark than the whole port.
    pub(crate) span: Option<Span>,
}

pub(crate) fn technology_word(technology: Technology) -> &'static str {
    match technology {
        Technology::Kafka => "kafka",
        Technology::Iceberg => "iceberg",
        Technology::Rest => "rest",
    }
}

/// Resolves every port of the product.
pub(crate) fn ports(draft: &mut Draft<'_>) {
    let product = draft.product;
    let overrides = product.overrides(draft.world.environment);
    let mut names: HashMap<&str, Option<Span>> = HashMap::new();
    for spec in &product.doc.spec.output_ports {
        let name = spec.name.as_ref().map_or(technology_word(spec.technology.value), |name| &name.value);
        let place = spec.name.as_ref().map_or(spec.technology.span, |name| name.span);
        if let Some(first) = names.insert(name, place) {
            draft.found.push(same_name(name, spec, place, first));
            continue;
        }
        let clean = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if name.is_empty() || !name.bytes().all(clean) {
            let detail = format!("`{name}` cannot be the name of a port: letters, digits, `-` and `_` only.");
            draft.found.push(Diagnostic::error(codes::BAD_NAME, detail).at(place, "this name"));
            continue;
        }
        let over = overrides.and_then(|over| over.ports.get(name)).map(|over| &over.value);
        stray_keys(spec, &mut draft.found);
        let port = Port { name, spec, over, span: spec.technology.span.or(spec.span) };
        match spec.technology.value {
            Technology::Kafka => super::topic::topic(draft, port),
            Technology::Iceberg => super::table::table(draft, port),
            Technology::Rest => rest(draft, port),
        }
    }
    unknown_overrides(draft, &names);
}

fn same_name(name: &str, spec: &OutputPort, place: Option<Span>, first: Option<Span>) -> Diagnostic {
    let detail = if spec.name.is_none() {
        format!("Two ports would be named `{name}`: a port without `name` is named after its technology.")
    } else {
        format!("Two ports are named `{name}`.")
    };
    Diagnostic::error(codes::DUPLICATE_PORT, detail)
        .at(place, "again")
        .at(first, "first")
        .help("Give one of them another `name`.")
}

/// Overrides of ports that do not exist, in any environment.
fn unknown_overrides(draft: &mut Draft<'_>, names: &HashMap<&str, Option<Span>>) {
    let ports = &draft.product.doc.spec.output_ports;
    for over in draft.product.doc.spec.environments.values() {
        for (name, changes) in &over.ports {
            if !names.contains_key(name.value.as_str()) {
                let help = did_you_mean(name, names.keys().copied(), || {
                    "Name a port of this product; a port without `name` is named after its technology."
                        .to_owned()
                });
                let detail = format!("There is no port `{}` to override.", name.value);
                let wrong = Diagnostic::error(codes::BAD_REFERENCE, detail);
                draft.found.push(wrong.on(name, "not a port of this product").help(help));
                continue;
            }
            let technology = ports.iter().find_map(|spec| {
                let own = spec.name.as_ref().map_or(technology_word(spec.technology.value), |n| &n.value);
                (own == name.value).then_some(spec.technology.value)
            });
            let kafka = &[Technology::Kafka][..];
            let keys = [
                ("partitions", changes.partitions.as_ref().map(|v| v.span), kafka),
                ("replication_factor", changes.replication_factor.as_ref().map(|v| v.span), kafka),
                ("retention", changes.retention.as_ref().map(|v| v.span), kafka),
                ("config", changes.config.keys().next().map(|k| k.span), kafka),
                ("consumers", changes.consumers.as_ref().map(|v| v.span), kafka),
                ("producers", changes.producers.as_ref().map(|v| v.span), kafka),
                ("properties", changes.properties.keys().next().map(|k| k.span), &[Technology::Iceberg]),
            ];
            stray(technology.unwrap_or(Technology::Rest), &keys, &mut draft.found);
        }
    }
}

type KeyPlace<'k> = (&'k str, Option<Option<Span>>, &'k [Technology]);

fn stray_keys(spec: &OutputPort, found: &mut Diagnostics) {
    const KAFKA: &[Technology] = &[Technology::Kafka];
    const ICEBERG: &[Technology] = &[Technology::Iceberg];
    const REST: &[Technology] = &[Technology::Rest];
    const DATA: &[Technology] = &[Technology::Kafka, Technology::Iceberg];
    let keys: [KeyPlace<'_>; 19] = [
        ("cluster", spec.cluster.as_ref().map(|v| v.span), DATA),
        ("format", spec.format.as_ref().map(|v| v.span), DATA),
        ("topic", spec.topic.as_ref().map(|v| v.span), KAFKA),
        ("key", spec.key.as_ref().map(|v| v.span), KAFKA),
        ("partitions", spec.partitions.as_ref().map(|v| v.span), KAFKA),
        ("replication_factor", spec.replication_factor.as_ref().map(|v| v.span), KAFKA),
        ("retention", spec.retention.as_ref().map(|v| v.span), KAFKA),
        ("cleanup", spec.cleanup.as_ref().map(|v| v.span), KAFKA),
        ("config", spec.config.keys().next().map(|k| k.span), KAFKA),
        ("consumers", spec.consumers.first().map(|v| v.span), KAFKA),
        ("producers", spec.producers.first().map(|v| v.span), KAFKA),
        ("location", spec.location.as_ref().map(|v| v.span), ICEBERG),
        ("table", spec.table.as_ref().map(|v| v.span), ICEBERG),
        ("format_version", spec.format_version.as_ref().map(|v| v.span), ICEBERG),
        ("partition_by", spec.partition_by.first().map(|v| v.span), ICEBERG),
        ("sort_by", spec.sort_by.first().map(|v| v.span), ICEBERG),
        ("properties", spec.properties.keys().next().map(|k| k.span), ICEBERG),
        ("endpoint", spec.endpoint.as_ref().map(|v| v.span), REST),
        ("openapi", spec.openapi.as_ref().map(|v| v.span), REST),
    ];
    stray(spec.technology.value, &keys, found);
    let auth = [("auth", spec.auth.as_ref().map(|v| v.span), REST)];
    stray(spec.technology.value, &auth, found);
}

fn stray(technology: Technology, keys: &[KeyPlace<'_>], found: &mut Diagnostics) {
    for (key, place, owners) in keys {
        let Some(place) = place.filter(|_| !owners.contains(&technology)) else { continue };
        let owners: Vec<&str> = owners.iter().map(|owner| technology_word(*owner)).collect();
        let detail = format!(
            "`{key}` belongs to a port of {}; this one is {}.",
            owners.join(" or "),
            technology_word(technology)
        );
        found.push(
            Diagnostic::error(codes::STRAY_PORT_KEY, detail)
                .at(place, "has no meaning here")
                .help(format!("Remove `{key}`, or correct the technology.")),
        );
    }
}

/// The system a port uses: the one named by `cluster`, or `default`.
pub(crate) fn system(
    environment: &ResolvedEnvironment,
    kind: &str,
    cluster: Option<&Spanned<String>>,
    span: Option<Span>,
) -> Result<SystemName, Box<Diagnostic>> {
    let name = cluster.map_or("default", |cluster| cluster.value.as_str());
    let system = SystemName::new(kind, name);
    if environment.systems.contains_key(&system) {
        return Ok(system);
    }
    let known: Vec<&str> =
        environment.systems.keys().filter(|s| s.kind == kind).map(|s| s.name.as_str()).collect();
    let detail = format!("The environment `{}` has no `{kind}` system `{name}`.", environment.name);
    let help = if known.is_empty() {
        format!("Add it to the Mesh document, under `environments.{}.{kind}.{name}`.", environment.name)
    } else {
        did_you_mean(name, known.iter().copied(), || {
            format!("Name one of its systems with `cluster`: `{}`.", known.join("`, `"))
        })
    };
    let place = cluster.map_or(span, |cluster| cluster.span);
    Err(Box::new(
        Diagnostic::error(codes::UNKNOWN_SYSTEM, detail)
            .at(place, "needs it")
            .at(environment.span, "this environment")
            .help(help),
    ))
}

/// What the catalog shows of a port, but for what depends on its technology.
pub(crate) fn entry(port: Port<'_>) -> Map<String, Value> {
    let technology = port.spec.technology.value;
    let ty = match (port.spec.ty.as_ref().map(|ty| ty.value), technology) {
        (Some(PortType::Streaming), _) | (None, Technology::Kafka) => "streaming",
        (Some(PortType::Batch), _) | (None, Technology::Iceberg) => "batch",
        (Some(PortType::Api), _) | (None, Technology::Rest) => "api",
    };
    let mut entry = Map::new();
    entry.insert("name".into(), port.name.into());
    entry.insert("type".into(), ty.into());
    entry.insert("technology".into(), technology_word(technology).into());
    entry
}

/// A REST port is text for the catalog: never mapped, never contacted.
fn rest(draft: &mut Draft<'_>, port: Port<'_>) {
    let mut entry = entry(port);
    let auth = port.spec.auth.as_ref().map(|auth| match auth.value {
        RestAuth::Oauth2 => "oauth2",
        RestAuth::Mtls => "mtls",
        RestAuth::None => "none",
    });
    let texts = [
        ("endpoint", port.spec.endpoint.as_ref().map(|text| text.value.as_str())),
        ("auth", auth),
        ("openapi", port.spec.openapi.as_ref().map(|text| text.value.as_str())),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            entry.insert(key.into(), value.into());
        }
    }
    draft.ports.push(Value::Object(entry));
}
