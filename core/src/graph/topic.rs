//! Kafka ports: topics.

use crate::contract::did_you_mean;
use crate::graph::access;
use crate::graph::codes;
use crate::graph::draft::{Draft, Part, Topic};
use crate::graph::ports::{self, Port};
use crate::graph::slo;
use crate::graph::source;
use crate::manifest::model::{Map as Spelled, Opt, OutputPort};
use crate::manifest::values::Scalar;
use datamesh_provider::{Attributes, Diagnostic, Diagnostics, Span, SpanMap, Spanned};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The built-in default name of a topic.
pub(crate) const TEMPLATE: &str = "{domain}.{product-name}.v{version}";

/// Kafka's own limit (`org.apache.kafka.common.internals.Topic`).
const LONGEST_NAME: usize = 249;

/// A value of a topic config and the place of its key.
type Config = BTreeMap<String, (String, Option<Span>)>;

pub(crate) fn topic(draft: &mut Draft<'_>, port: Port<'_>) {
    let environment = draft.world.environment;
    check_format(draft, port);
    let key = key(draft, port);
    let spec = port.spec;
    let (attributes, spans) = settings(draft, port);
    let Some(address) = draft.address("kafka_topic", port.name, port.span) else { return };
    let system = match ports::system(environment, "kafka", spec.cluster.as_ref(), port.span) {
        Ok(system) => system,
        Err(wrong) => return draft.found.push(*wrong),
    };
    let (id, span) = match &spec.topic {
        Some(topic) => (format!("{}{}", environment.prefixes.topic, topic.value), topic.span),
        None => {
            let fixed = draft.world.names.id(&address).map(str::to_owned);
            let derived = || format!("{}{}", environment.prefixes.topic, derived_name(draft));
            (fixed.unwrap_or_else(derived), port.span)
        }
    };
    check_name(&id, span, &mut draft.found);
    let mut entry = ports::entry(port);
    entry.insert("format".into(), draft_format(draft).into());
    entry.insert("topic".into(), id.as_str().into());
    entry.insert("system".into(), system.to_string().into());
    draft.ports.push(Value::Object(entry));
    let topic = Topic {
        port: port.name.to_owned(),
        address: address.clone(),
        id: id.clone(),
        spelled: spec.topic.is_some(),
        cluster: system.name.clone(),
        span,
        key,
    };
    access::bindings(draft, port, &topic);
    draft.topics.push(topic);
    let on_create = creation_defaults(draft, &attributes);
    let depends_on = std::collections::BTreeSet::new();
    let notes = Vec::new();
    draft.add(Part { address, system, id, attributes, on_create, depends_on, spans, span, notes });
}

/// The format of the contract, in the words of manifests.
pub(crate) fn draft_format(draft: &Draft<'_>) -> &'static str {
    draft.product.doc.spec.schema.as_deref().map_or("avro", |schema| source::language(schema).format)
}

fn check_format(draft: &mut Draft<'_>, port: Port<'_>) {
    let Some(format) = &port.spec.format else { return };
    let own = draft_format(draft);
    if !format.eq_ignore_ascii_case(own) {
        let detail =
            format!("The port says `{}`, the contract `{own}`; records follow the contract.", format.value);
        draft.found.push(
            Diagnostic::error(codes::BAD_PORT_VALUE, detail)
                .on(format, "another format")
                .help(format!("Write `format: {own}`, or remove it.")),
        );
    }
}

/// How keys can be written without a schema: one value, by a serializer of its own.
const PLAIN_KEYS: [&str; 6] = ["string", "bytes", "int", "long", "double", "uuid"];

/// The record key names fields of the contract. With a schema it has a subject of its own.
fn key(draft: &mut Draft<'_>, port: Port<'_>) -> Option<(Vec<String>, Option<Span>)> {
    let key = port.spec.key.as_ref()?;
    let Some(contract) = draft.contract.as_ref() else {
        let source = draft.product.doc.spec.schema.as_ref().and_then(|schema| schema.source.as_ref());
        let registered = key.format.as_ref().is_none_or(|format| format.value == "avro");
        if let Some(source) = source.filter(|_| registered) {
            let detail =
                "The schema of a record key is made of `fields`, and this contract stands in a file.";
            let wrong = Diagnostic::error(codes::BAD_SOURCE, detail).on(&key.fields, "no such field");
            let help = format!("Write how keys are written without a schema: `{}`.", PLAIN_KEYS.join("`, `"));
            draft.found.push(wrong.at(source.span, "the file").help(help));
        }
        return None;
    };
    let mut wrong = Diagnostics::default();
    let mut known: Vec<String> = Vec::new();
    for name in &key.fields.value {
        if contract.field(name).is_none() {
            let help = did_you_mean(name, contract.fields.iter().map(|f| f.name.as_str()), || {
                "Name top-level fields of this product.".to_owned()
            });
            let detail = format!("The record key names `{}`, and there is no such field.", name.value);
            wrong.push(Diagnostic::error(codes::BAD_REFERENCE, detail).on(name, "no such field").help(help));
        } else if known.contains(&name.value) {
            let detail = format!("The record key names `{}` twice.", name.value);
            wrong.push(Diagnostic::error(codes::BAD_REFERENCE, detail).on(name, "again"));
        }
        known.push(name.value.clone());
    }
    if known.is_empty() {
        let detail = "A record key without fields is none.";
        let empty = Diagnostic::error(codes::BAD_REFERENCE, detail).on(&key.fields, "no field");
        wrong.push(empty.help("Name the fields, or remove `key`."));
    }
    let format = key.format.as_ref().map_or("avro", |format| format.value.as_str());
    let registered = format == "avro";
    if let Some(spelled) = key.format.as_ref().filter(|_| !registered) {
        wrong.extend(plain_key(spelled, known.len()));
    }
    let is_right = wrong.is_empty();
    draft.found.extend(wrong);
    (is_right && registered).then_some((known, key.fields.span))
}

fn plain_key(format: &Spanned<String>, fields: usize) -> Option<Diagnostic> {
    if !PLAIN_KEYS.contains(&format.value.as_str()) {
        let detail = format!("Keys cannot be written as `{}` with this version.", format.value);
        let help = did_you_mean(format, ["avro"].into_iter().chain(PLAIN_KEYS), || {
            format!("Write `avro`, for a schema of their own, or one of `{}`.", PLAIN_KEYS.join("`, `"))
        });
        return Some(Diagnostic::error(codes::BAD_PORT_VALUE, detail).on(format, "not known").help(help));
    }
    if fields > 1 {
        let detail = format!("A key of {fields} fields is no single `{}`.", format.value);
        let help = "Write `format: avro`, or name one field.";
        return Some(Diagnostic::error(codes::BAD_PORT_VALUE, detail).on(format, "one value").help(help));
    }
    None
}

fn derived_name(draft: &Draft<'_>) -> String {
    let product = draft.product;
    let version = product.version.to_string();
    let template = draft.world.template.replace("{domain}", &product.domain_name);
    let template = template.replace("{product-name}", product.name).replace("{name}", product.name);
    template.replace("{version}", &version)
}

fn check_name(name: &str, span: Option<Span>, found: &mut Diagnostics) {
    let clean = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let why = if name.is_empty() || matches!(name, "." | "..") {
        "it is empty or only dots"
    } else if name.len() > LONGEST_NAME {
        "it is longer than 249 characters"
    } else if !name.bytes().all(clean) {
        "letters, digits, `.`, `_` and `-` only"
    } else if name.starts_with("__") || name == "_schemas" {
        "Kafka and schema registries keep their own data under such names"
    } else {
        return;
    };
    let detail = format!("`{name}` cannot be the name of a topic: {why}.");
    found.push(Diagnostic::error(codes::BAD_NAME, detail).at(span, "this topic"));
}

/// The declared attributes: the port's, changed by the environment's overrides.
fn settings(draft: &mut Draft<'_>, port: Port<'_>) -> (Attributes, SpanMap) {
    let (spec, over) = (port.spec, port.over);
    let mut spans = SpanMap::of_object(port.span);
    let mut attributes = Attributes::new();
    let partitions = over.and_then(|o| o.partitions.as_ref()).or(spec.partitions.as_ref());
    let factor = over.and_then(|o| o.replication_factor.as_ref()).or(spec.replication_factor.as_ref());
    let most = draft.world.limits.partitions;
    if let Some(count) = partitions {
        check_count("partitions", u64::from(count.value), most, count.span, &mut draft.found);
        attributes.insert("partitions".into(), count.value.into());
        spans.insert(&["partitions"], count.span);
    }
    if let Some(count) = factor {
        let most = u64::from(u16::MAX >> 1);
        check_count("replication_factor", u64::from(count.value), most, count.span, &mut draft.found);
        attributes.insert("replication_factor".into(), count.value.into());
        spans.insert(&["replication_factor"], count.span);
    }
    let mut config = config(&spec.config, &spec.retention, spec.cleanup.as_ref(), &mut draft.found);
    if let Some(over) = over {
        config.append(&mut self::config(&over.config, &over.retention, None, &mut draft.found));
    }
    compact_needs_key(spec, &config, port.span, &mut draft.found);
    if !config.is_empty() {
        let mut values = Map::new();
        for (key, (value, span)) in config {
            spans.insert(&["config", &key], span);
            values.insert(key, value.into());
        }
        attributes.insert("config".into(), Value::Object(values));
    }
    (attributes, spans)
}

fn check_count(key: &str, count: u64, most: u64, span: Option<Span>, found: &mut Diagnostics) {
    if (1..=most).contains(&count) {
        return;
    }
    let detail = format!("`{key}: {count}` is not possible: it is between 1 and {most}.");
    let wrong = Diagnostic::error(codes::BAD_PORT_VALUE, detail).at(span, "out of range");
    found.push(if key == "partitions" && count > most {
        wrong.help("Take fewer, or raise `spec.limits.partitions` in the Mesh document.")
    } else {
        wrong
    });
}

/// Topic configs: those spelled in full, and the two that have a short key of their own.
fn config(
    spelled: &Spelled<Scalar>,
    retention: &Opt<String>,
    cleanup: Option<&Spanned<String>>,
    found: &mut Diagnostics,
) -> Config {
    let mut config: Config =
        spelled.iter().map(|(key, value)| (key.value.clone(), (value.value.0.clone(), key.span))).collect();
    if let Some(retention) = retention {
        let ms = slo::duration(retention, "retention", found);
        let value = ms.map(|ms| ms.map_or_else(|| "-1".to_owned(), |ms| ms.to_string()));
        short_key("retention", "retention.ms", value, retention.span, &mut config, found);
    }
    if let Some(cleanup) = cleanup {
        let value = cleanup_policy(cleanup, found);
        short_key("cleanup", "cleanup.policy", value, cleanup.span, &mut config, found);
    }
    config
}

/// A short key and its twin in `config` at once: which one counts would be a guess.
fn short_key(
    short: &str,
    full: &str,
    value: Option<String>,
    span: Option<Span>,
    config: &mut Config,
    found: &mut Diagnostics,
) {
    if let Some((_, twin)) = config.get(full) {
        let detail = format!("`{short}` and `config.{full}` set the same thing.");
        found.push(
            Diagnostic::error(codes::TWIN_KEYS, detail)
                .at(span, "once here")
                .at(*twin, "and once here")
                .help(format!("Keep `{short}`, and remove `{full}` from `config`.")),
        );
    }
    if let Some(value) = value {
        config.insert(full.to_owned(), (value, span));
    }
}

fn cleanup_policy(cleanup: &Spanned<String>, found: &mut Diagnostics) -> Option<String> {
    let mut parts: Vec<&str> = cleanup.split(',').map(str::trim).collect();
    parts.sort_unstable();
    match parts.as_slice() {
        ["delete"] | ["compact"] => Some(parts.concat()),
        ["compact", "delete"] => Some("compact,delete".to_owned()),
        _ => {
            let detail = format!("`{}` is no cleanup policy.", cleanup.value);
            let wrong = Diagnostic::error(codes::BAD_PORT_VALUE, detail).on(cleanup, "not a cleanup policy");
            found.push(wrong.help("Write `delete`, `compact`, or `compact,delete`."));
            None
        }
    }
}

fn compact_needs_key(spec: &OutputPort, config: &Config, span: Option<Span>, found: &mut Diagnostics) {
    let Some((policy, place)) = config.get("cleanup.policy") else { return };
    let has_key = spec.key.as_ref().is_some_and(|key| !key.fields.value.is_empty());
    if has_key || !policy.split(',').any(|part| part.trim() == "compact") {
        return;
    }
    let detail = "Compaction keeps the latest record of each key, and a broker refuses records without one; this \
                  port does not say what its key is.";
    found.push(
        Diagnostic::error(codes::COMPACT_WITHOUT_KEY, detail)
            .at(place.or(span), "compacted")
            .help("Say which fields make the key: `key: {fields: [order_id]}`."),
    );
}

fn creation_defaults(draft: &Draft<'_>, declared: &Attributes) -> Attributes {
    let defaults = &draft.world.environment.defaults;
    let mut on_create = Attributes::new();
    let partitions = defaults.partitions.map(Value::from);
    let factor = defaults.replication_factor.map(Value::from);
    for (key, value) in [("partitions", partitions), ("replication_factor", factor)] {
        if let Some(value) = value.filter(|_| !declared.contains_key(key)) {
            on_create.insert(key.to_owned(), value);
        }
    }
    on_create
}
