//! Who may use a topic: the access control bindings of a Kafka port.
//!
//! A consumer reads and describes the topic, and reads the groups that begin with its group's name. A producer writes
//! and describes it, and the transactional ids that begin with its own; IDEMPOTENT_WRITE is not needed since Kafka 2.8.

use crate::contract::did_you_mean;
use crate::graph::codes;
use crate::graph::draft::{Draft, Part, Topic};
use crate::graph::ports::Port;
use crate::manifest::model::{Consumer, Producer};
use datamesh_provider::{Address, Attributes, Diagnostic, Span, SpanMap, Spanned, SystemName};
use std::collections::BTreeSet;

/// The type of the bindings. Several resources may own one of them.
pub(crate) const TYPE: &str = "kafka_acl";

/// Where the bindings of a port go.
struct Access<'t> {
    topic: &'t Topic,
    system: SystemName,
    made: BTreeSet<Address>,
}

/// What a binding is about, and whether its name is the beginning of names.
struct About<'n> {
    resource: &'static str,
    name: &'n str,
    prefixed: bool,
}

pub(crate) fn bindings(draft: &mut Draft<'_>, port: Port<'_>, topic: &Topic) {
    let over = port.over;
    let consumers =
        over.and_then(|over| over.consumers.as_ref()).map_or(&port.spec.consumers, |list| &list.value);
    let producers =
        over.and_then(|over| over.producers.as_ref()).map_or(&port.spec.producers, |list| &list.value);
    let system = SystemName::new("kafka", topic.cluster.as_str());
    let mut access = Access { topic, system, made: BTreeSet::new() };
    for consumer in consumers {
        access.consumer(draft, consumer);
    }
    for producer in producers {
        access.producer(draft, producer);
    }
}

impl Access<'_> {
    fn consumer(&mut self, draft: &mut Draft<'_>, consumer: &Spanned<Consumer>) {
        let Some(principal) = principal(draft, &consumer.principal) else { return };
        let host = consumer.host.as_ref().map_or("*", |host| host.value.as_str()).to_owned();
        let own = principal.split_once(':').map_or(principal.as_str(), |(_, name)| name).to_owned();
        let group = match &consumer.group {
            Some(group) if group.is_empty() => {
                let wrong =
                    Diagnostic::error(codes::BAD_NAME, "A group without a name would be every group.");
                draft.found.push(wrong.on(group, "empty").help("Name the group, or remove `group`."));
                return;
            }
            Some(group) => Some(group.value.clone()),
            // Everybody has no group of its own: a prefix `*` is none, and an empty one is every group.
            None if own == "*" => None,
            None => Some(own),
        };
        let span = consumer.principal.span;
        for operation in ["read", "describe"] {
            let about = About { resource: "topic", name: &self.topic.id, prefixed: false };
            self.binding(draft, operation, &about, &principal, &host, span);
        }
        if let Some(group) = group {
            let group = format!("{}{group}", draft.world.environment.prefixes.group);
            let about = About { resource: "group", name: &group, prefixed: true };
            self.binding(draft, "read", &about, &principal, &host, span);
        }
    }

    fn producer(&mut self, draft: &mut Draft<'_>, producer: &Spanned<Producer>) {
        let Some(principal) = principal(draft, &producer.principal) else { return };
        let span = producer.principal.span;
        for operation in ["write", "describe"] {
            let about = About { resource: "topic", name: &self.topic.id, prefixed: false };
            self.binding(draft, operation, &about, &principal, "*", span);
        }
        let Some(id) = &producer.transactional_id else { return };
        if id.is_empty() {
            let wrong = Diagnostic::error(
                codes::BAD_NAME,
                "An empty transactional id would be every transactional id.",
            );
            return draft.found.push(wrong.on(id, "empty").help("Name it, or remove `transactional_id`."));
        }
        for operation in ["write", "describe"] {
            let about = About { resource: "transactional_id", name: id, prefixed: true };
            self.binding(draft, operation, &about, &principal, "*", span);
        }
    }

    fn binding(
        &mut self,
        draft: &mut Draft<'_>,
        operation: &str,
        about: &About<'_>,
        principal: &str,
        host: &str,
        span: Option<Span>,
    ) {
        let pattern = if about.prefixed { "prefixed" } else { "literal" };
        let parts = [
            ("resource", about.resource),
            ("name", about.name),
            ("pattern", pattern),
            ("principal", principal),
            ("host", host),
            ("operation", operation),
            ("permission", "allow"),
        ];
        let id = canonical(operation, about, principal, host);
        let Some(address) = draft.address(TYPE, &id, span) else { return };
        // A principal that both reads and writes describes the topic once.
        if !self.made.insert(address.clone()) {
            return;
        }
        let attributes: Attributes =
            parts.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let depends_on = BTreeSet::from([self.topic.address.clone()]);
        let spans = SpanMap::of_object(span);
        let system = self.system.clone();
        let (on_create, notes) = (Attributes::new(), Vec::new());
        draft.add_access(Part { address, system, id, attributes, on_create, depends_on, spans, span, notes });
    }
}

/// The one name of a binding; its provider finds it by that, and refuses any other.
fn canonical(operation: &str, about: &About<'_>, principal: &str, host: &str) -> String {
    let kind = about.resource.replace('_', "-");
    let prefix = if about.prefixed { "-prefix" } else { "" };
    let host = if host == "*" { String::new() } else { format!("@{}", encoded(host)) };
    format!("{operation}@{kind}{prefix}={}@{}{host}", encoded(about.name), encoded(principal))
}

/// Separators, and what an address may not hold, as `%` and two digits.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':' | b'=' | b',' | b'/') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A principal as brokers know it: by its alias in this environment, or spelled in full.
fn principal(draft: &mut Draft<'_>, spelled: &Spanned<String>) -> Option<String> {
    let environment = draft.world.environment;
    if let Some(known) = environment.principals.get(spelled.value.as_str()) {
        return Some(known.clone());
    }
    if spelled.split_once(':').is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty()) {
        return Some(spelled.value.clone());
    }
    if draft.world.is_unknown() {
        return None;
    }
    let known = environment.principals.keys().map(String::as_str);
    let detail = format!(
        "The environment `{}` has no principal `{}`, and it is none by itself: brokers know principals as `User:<name>`.",
        environment.name, spelled.value
    );
    let help = did_you_mean(spelled, known, || {
        format!(
            "Add it under `environments.{}.principals`: `{}: \"User:<name>\"`.",
            environment.name, spelled.value
        )
    });
    draft
        .found
        .push(Diagnostic::error(codes::BAD_REFERENCE, detail).on(spelled, "no such principal").help(help));
    None
}
