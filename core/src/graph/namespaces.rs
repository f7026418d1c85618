//! Namespaces: one resource each, kept by the domain, however many tables stand in it.

use crate::contract::snake_case;
use crate::graph::domains::DomainEntry;
use crate::graph::draft::{Draft, World};
use crate::graph::{DesiredResource, Lifecycle};
use datamesh_provider::{Address, Attributes, Object, ObjectId, Packed, Span, SpanMap, SystemName, TypeName};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

const TYPE: &str = "iceberg_namespace";

/// The domains that use a namespace, each with the place of its first use.
type Users<'a> = BTreeMap<(&'a SystemName, &'a str), BTreeMap<usize, Option<Span>>>;

/// Makes the namespaces, and lets every table depend on its own.
pub(crate) fn attach(world: &World<'_>, drafts: &mut [Draft<'_>]) -> Vec<DesiredResource> {
    let mut users = Users::new();
    for draft in drafts.iter() {
        for used in &draft.namespaces {
            let domains = users.entry((&used.system, &used.id)).or_default();
            domains.entry(draft.product.domain).or_insert(used.span);
        }
    }
    let mut addresses: BTreeMap<SystemName, BTreeMap<String, Address>> = BTreeMap::new();
    let mut resources = Vec::new();
    for ((system, id), domains) in users {
        let Some((owner, span)) = owner(world, system, id, &domains) else { continue };
        let Some(resource) = namespace(world, owner, system, id, span) else { continue };
        let of_system = addresses.entry(system.clone()).or_default();
        of_system.insert(id.to_owned(), resource.object.address.clone());
        resources.push(resource);
    }
    for draft in drafts {
        for used in &draft.namespaces {
            let Some(address) = addresses.get(&used.system).and_then(|all| all.get(&used.id)) else {
                continue;
            };
            let table = draft.resources.iter_mut().find(|resource| resource.object.address == used.table);
            table.into_iter().for_each(|table| {
                table.depends_on.insert(address.clone());
            });
        }
    }
    resources
}

/// The domain that keeps a namespace: the one named like it, else the one that has it already, else the first.
fn owner(
    world: &World<'_>,
    system: &SystemName,
    id: &str,
    users: &BTreeMap<usize, Option<Span>>,
) -> Option<(usize, Option<Span>)> {
    let prefix = &world.environment.prefixes.namespace;
    let domain = |index: &usize| &world.domains.all[*index];
    let named = |index: &usize| format!("{prefix}{}", snake_case(&domain(index).name)) == id;
    let recorded = |index: &usize| {
        address(domain(index), system, id).is_some_and(|address| world.names.id(&address).is_some())
    };
    let by_name = |index: &&usize| (!named(index), !recorded(index), domain(index).name.clone());
    let owner = users.keys().min_by_key(by_name)?;
    Some((*owner, users[owner]))
}

fn address(domain: &DomainEntry<'_>, system: &SystemName, id: &str) -> Option<Address> {
    let name = if system.name == "default" { id.to_owned() } else { format!("{id}@{}", system.name) };
    Address::of_domain(&domain.name, TypeName::new(TYPE), &name).ok()
}

fn namespace(
    world: &World<'_>,
    owner: usize,
    system: &SystemName,
    id: &str,
    used_at: Option<Span>,
) -> Option<DesiredResource> {
    let domain = &world.domains.all[owner];
    let mut spans = SpanMap::of_object(domain.span.or(used_at));
    let mut attributes = Attributes::new();
    attributes.insert("properties".into(), Value::Object(properties(domain, &mut spans)));
    Some(DesiredResource {
        object: Object {
            address: address(domain, system, id)?,
            system: system.clone(),
            id: ObjectId::new(id),
            attributes: attributes.into(),
            on_create: Packed::default(),
            spans,
        },
        depends_on: BTreeSet::new(),
        lifecycle: Lifecycle::default(),
        source_path: domain.path.to_string(),
        span: domain.span.or(used_at),
        notes: Vec::new(),
    })
}

fn properties(domain: &DomainEntry<'_>, spans: &mut SpanMap) -> Map<String, Value> {
    let mut properties = Map::from_iter([("domain".to_owned(), Value::from(domain.name.as_str()))]);
    let Some(doc) = domain.doc else { return properties };
    for (key, text) in [("owner", &doc.spec.owner), ("description", &doc.spec.description)] {
        if let Some(text) = text {
            properties.insert(key.to_owned(), text.trim_end().into());
            spans.insert(&["properties", key], text.span);
        }
    }
    for (key, value) in &doc.spec.namespace_properties {
        properties.insert(key.value.clone(), value.value.as_str().into());
        spans.insert(&["properties", &key.value], key.span);
    }
    properties
}

/// Recorded namespaces of domains in which a product is held back: which of them that product uses may not be
/// known, so they stay as they are.
pub(crate) fn keep(
    world: &World<'_>,
    domains: &BTreeSet<usize>,
    known: impl Fn(&Address) -> bool,
) -> Vec<DesiredResource> {
    let recorded = world.names.recorded();
    let mut kept = Vec::new();
    for (address, object) in recorded.filter(|(address, _)| address.ty().as_str() == TYPE && !known(address))
    {
        let Some(domain) = world.domains.find(address.domain()).filter(|index| domains.contains(index))
        else {
            continue;
        };
        let cluster = address.name().rsplit_once('@').map_or("default", |(_, cluster)| cluster);
        let system = SystemName::new("iceberg", cluster);
        if world.environment.systems.contains_key(&system) {
            kept.extend(namespace(world, domain, &system, object.id.as_str(), None));
        }
    }
    kept.retain(|resource| !known(&resource.object.address));
    kept
}
