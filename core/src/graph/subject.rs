//! Subjects: where the contract is registered, and its text.

use crate::contract::RecordName;
use crate::graph::codes;
use crate::graph::draft::{Draft, Part, Topic};
use crate::graph::environment::ResolvedEnvironment;
use crate::graph::references::{self, References};
use crate::graph::serializer::{self, Half};
use crate::graph::{ports, source, systems};
use crate::manifest::model::{Compatibility, ProductSchema, SchemaFormat};
use datamesh_provider::{Address, Attributes, Diagnostic, Span, SpanMap, Spanned, SystemName};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) fn compatibility_word(level: Compatibility) -> &'static str {
    match level {
        Compatibility::Backward => "BACKWARD",
        Compatibility::BackwardTransitive => "BACKWARD_TRANSITIVE",
        Compatibility::Forward => "FORWARD",
        Compatibility::ForwardTransitive => "FORWARD_TRANSITIVE",
        Compatibility::Full => "FULL",
        Compatibility::FullTransitive => "FULL_TRANSITIVE",
        Compatibility::None => "NONE",
    }
}

/// What later versions will do, said where it is written.
pub(crate) fn unsupported(draft: &mut Draft<'_>, schema: &ProductSchema) {
    if let Some(reference) = schema.references.first().filter(|_| schema.source.is_none()) {
        let help = "Declare the fields of the other type here, as a `struct`; or put the contract into a file, and name it \
                    with `source`.";
        draft.not_supported("`references` beside `fields`", reference.span, help);
    }
}

/// Every subject of the product: the spelled one, or one for each topic.
pub(crate) fn subjects(draft: &mut Draft<'_>) {
    let Some(schema) = draft.product.doc.spec.schema.as_ref() else { return };
    if schema.registry.is_none() && draft.topics.is_empty() {
        return;
    }
    let format = schema.format.as_ref().filter(|format| format.value != SchemaFormat::Avro);
    if let (Some(format), None) = (format, &schema.source) {
        let help = "Put the schema into a file and name it with `source`, write `format: avro`, or leave the contract \
                    unregistered by removing the Kafka port.";
        return draft.not_supported("A schema in JSON or Protobuf out of `fields`", format.span, help);
    }
    if draft.contract.is_none() && draft.source.is_none() {
        if let (Some(registry), None) = (&schema.registry, &schema.source) {
            let detail = "A subject is named, and there are no fields to make a schema of.";
            draft.found.push(
                Diagnostic::error(codes::NO_FIELDS, detail)
                    .on(registry, "this subject")
                    .help("Add `fields`."),
            );
        }
        return;
    }
    for place in places(draft, schema) {
        subject_of(draft, schema, place);
    }
    let topics = draft.topics.clone();
    for topic in &topics {
        if let Some((fields, span)) = &topic.key {
            key(draft, schema, topic, fields, *span);
        }
    }
}

/// The subject of a topic's record keys, where clients look for it: in the registry of the values.
fn key(draft: &mut Draft<'_>, schema: &ProductSchema, topic: &Topic, fields: &[String], span: Option<Span>) {
    let environment = draft.world.environment;
    let system = match &schema.registry {
        // What is wrong with the address was said of the values.
        Some(url) => systems::registry(environment, url).ok().map(|(system, _)| system),
        None => registry_for(environment, topic).ok(),
    };
    let Some(system) = system else { return };
    // No port has a dot in its name.
    let Some(address) = draft.address("schema_subject", &format!("{}.key", topic.port), span) else { return };
    let fixed = draft.world.names.id(&address).filter(|_| !topic.spelled).map(str::to_owned);
    let id = fixed.unwrap_or_else(|| beside(environment, topic, Half::Key));
    let topics = BTreeSet::from([topic.address.clone()]);
    subject_of(draft, schema, Place { address, system, id, span, topics, key: Some(fields) });
}

/// The name clients look for: the topic's, with what of its records it is about.
fn beside(environment: &ResolvedEnvironment, topic: &Topic, half: Half) -> String {
    let prefix = &environment.prefixes.subject;
    // A prefix the topic has already is not put twice.
    let prefix = if topic.id.starts_with(prefix.as_str()) { "" } else { prefix };
    format!("{prefix}{}-{}", topic.id, half.word())
}

/// Where the values of the product are registered, once its topics are known.
pub(crate) fn places(draft: &mut Draft<'_>, schema: &ProductSchema) -> Vec<Place<'static>> {
    let topics = draft.topics.clone();
    match &schema.registry {
        Some(url) => spelled(draft, url).into_iter().collect(),
        None => topics.iter().filter_map(|topic| derived(draft, topic)).collect(),
    }
}

fn spelled(draft: &mut Draft<'_>, url: &Spanned<String>) -> Option<Place<'static>> {
    let environment = draft.world.environment;
    let (system, subject) = match systems::registry(environment, url) {
        Ok(found) => found,
        Err(wrong) => {
            draft.found.push(*wrong);
            return None;
        }
    };
    let id = format!("{}{subject}", environment.prefixes.subject);
    let topics = draft.topics.iter().map(|topic| topic.address.clone()).collect();
    let address = draft.address("schema_subject", "contract", url.span)?;
    Some(Place { address, system, id, span: url.span, topics, key: None })
}

fn derived(draft: &mut Draft<'_>, topic: &Topic) -> Option<Place<'static>> {
    let environment = draft.world.environment;
    let address = draft.address("schema_subject", &topic.port, topic.span)?;
    let system = match registry_for(environment, topic) {
        Ok(system) => system,
        Err(wrong) => {
            draft.found.push(*wrong);
            return None;
        }
    };
    let fixed = draft.world.names.id(&address).filter(|_| !topic.spelled).map(str::to_owned);
    let id = fixed.unwrap_or_else(|| beside(environment, topic, Half::Value));
    let topics = BTreeSet::from([topic.address.clone()]);
    Some(Place { address, system, id, span: topic.span, topics, key: None })
}

/// The registry beside a Kafka cluster: of the same name, else the default one, else the only one.
fn registry_for(environment: &ResolvedEnvironment, topic: &Topic) -> Result<SystemName, Box<Diagnostic>> {
    let same = SystemName::new("registry", topic.cluster.as_str());
    if environment.systems.contains_key(&same) {
        return Ok(same);
    }
    let mut all = environment.systems.keys().filter(|system| system.kind == "registry");
    match (all.next(), all.next()) {
        (Some(only), None) => Ok(only.clone()),
        _ => ports::system(environment, "registry", None, topic.span),
    }
}

/// A subject before its text.
#[derive(Debug)]
pub(crate) struct Place<'k> {
    pub(crate) address: Address,
    pub(crate) system: SystemName,
    pub(crate) id: String,
    span: Option<Span>,
    topics: BTreeSet<Address>,
    /// Only these fields: the record key.
    key: Option<&'k [String]>,
}

fn subject_of(draft: &mut Draft<'_>, schema: &ProductSchema, place: Place<'_>) {
    let Place { address, system, id, span, topics, key } = place;
    if id.chars().any(char::is_control) || id.len() > 255 {
        let detail = format!("`{id}` cannot be a subject: it has control characters or more than 255 bytes.");
        draft.found.push(Diagnostic::error(codes::BAD_NAME, detail).at(span, "this subject"));
    }
    let Some((text, places)) = text(draft, schema, &address, key) else { return };
    let half = if key.is_some() { Half::Key } else { Half::Value };
    let notes = settings(draft, &topics, &id, half, &text);
    let mut attributes = Attributes::new();
    attributes.insert("schema".into(), text.into());
    attributes.insert("schema_type".into(), source::language(schema).schema_type.into());
    let mut on_create = Attributes::new();
    let mut spans = SpanMap::of_object(span);
    spans.share("schema", places);
    let mut depends_on = topics;
    if key.is_none() && schema.source.is_some() && !schema.references.is_empty() {
        let References { list, spans: named, subjects } = references::of(draft, schema, &system);
        attributes.insert("references".into(), Value::Array(list));
        spans.insert(&["references"], schema.references.first().and_then(|first| first.span));
        for (name, span) in &named {
            spans.insert(&["references", name], *span);
        }
        depends_on.extend(subjects);
    }
    match &schema.compatibility {
        Some(level) => {
            attributes.insert("compatibility".into(), compatibility_word(level.value).into());
            spans.insert(&["compatibility"], level.span);
        }
        None => {
            on_create.insert("compatibility".into(), compatibility_word(Compatibility::Backward).into());
        }
    }
    if let Some(mode) = &schema.mode {
        attributes.insert("mode".into(), mode.value.clone().into());
        spans.insert(&["mode"], mode.span);
    }
    if draft.purges() {
        attributes.insert("purge".into(), true.into());
    }
    draft.subjects.push(id.clone());
    draft.add(Part { address, system, id, attributes, on_create, depends_on, spans, span, notes });
}

/// What clients of its topics need to find a subject.
fn settings(draft: &Draft<'_>, topics: &BTreeSet<Address>, id: &str, half: Half, text: &str) -> Vec<String> {
    let its = draft.topics.iter().filter(|topic| topics.contains(&topic.address));
    its.filter_map(|topic| serializer::setting(&topic.id, id, half, text)).collect()
}

/// What is registered, and the places of its parts.
fn text(
    draft: &mut Draft<'_>,
    schema: &ProductSchema,
    address: &Address,
    key: Option<&[String]>,
) -> Option<(String, Arc<SpanMap>)> {
    if let Some(file) = draft.source.filter(|_| key.is_none()) {
        let place = schema.source.as_ref().and_then(|source| source.span);
        return Some((file.text.clone(), Arc::new(SpanMap::of_object(place))));
    }
    let record = record_name(draft, schema, address, key.is_some())?;
    let places = draft.field_places();
    let contract = draft.contract.as_ref()?;
    let doc = draft.product.doc.spec.description.as_ref().map(|d| d.value.as_str());
    let text = match key {
        None => contract.avro(&record, doc),
        Some(fields) => contract.only(fields).avro(&record, None),
    };
    Some((text, places))
}

/// Spelled, else as it was first registered, else derived from domain and product; a key's with `Key` behind it.
fn record_name(
    draft: &mut Draft<'_>,
    schema: &ProductSchema,
    subject: &Address,
    of_key: bool,
) -> Option<RecordName> {
    let with_suffix = |name: RecordName| match of_key {
        true => RecordName { name: format!("{}Key", name.name), ..name },
        false => name,
    };
    if let Some(spelled) = &schema.record {
        return match RecordName::parse(spelled) {
            Ok(name) => Some(with_suffix(name)),
            // Said of the values.
            Err(_) if of_key => None,
            Err(why) => {
                let detail = format!("`{}` cannot name the record: {why}.", spelled.value);
                let default = RecordName::of_product(&draft.product.domain_name, draft.product.name);
                draft.found.push(
                    Diagnostic::error(codes::BAD_RECORD_NAME, detail)
                        .on(spelled, "this name")
                        .help(format!("Write a name such as `{default}`, which is also the default.")),
                );
                None
            }
        };
    }
    let recorded = draft.world.names.record(subject).and_then(|name| RecordName::parse(name).ok());
    let derived = || with_suffix(RecordName::of_product(&draft.product.domain_name, draft.product.name));
    Some(recorded.unwrap_or_else(derived))
}
