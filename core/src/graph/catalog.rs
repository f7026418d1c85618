//! Catalog entries: the domain, the product with its contract and ports, and its lineage.

use crate::contract::{ContractField, ContractType, pii_word, protection_word};
use crate::graph::domains::DomainEntry;
use crate::graph::draft::{Draft, Part, World};
use crate::graph::topic::draft_format;
use crate::graph::{DesiredResource, Lifecycle, lineage, slo, subject};
use crate::manifest::model::{Classification, Map as Spelled};
use crate::manifest::values::Scalar;
use datamesh_provider::{
    Address, Attributes, Object, ObjectId, Packed, Span, SpanMap, Spanned, SystemName, TypeName,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

fn system() -> SystemName {
    SystemName::new("catalog", "default")
}

pub(crate) fn domain_address(name: &str) -> Option<Address> {
    Address::of_domain(name, TypeName::new("catalog_domain"), "self").ok()
}

/// The entries of all domains.
pub(crate) fn domains(world: &World<'_>) -> Vec<DesiredResource> {
    if !world.has_catalog() {
        return Vec::new();
    }
    world.domains.all.iter().take(world.domains.planned).filter_map(domain).collect()
}

fn domain(entry: &DomainEntry<'_>) -> Option<DesiredResource> {
    let mut attributes = Attributes::new();
    let mut spans = SpanMap::of_object(entry.span);
    attributes.insert("name".into(), entry.name.as_str().into());
    if let Some(doc) = entry.doc {
        let spec = &doc.spec;
        for (key, text) in [("description", &spec.description), ("owner", &spec.owner)] {
            if let Some(text) = text {
                attributes.insert(key.to_owned(), text.trim_end().into());
                spans.insert(&[key], text.span);
            }
        }
        let lists =
            [("aliases", &spec.aliases), ("contacts", &spec.contacts), ("code_owners", &spec.code_owners)];
        for (key, list) in lists {
            if let Some(first) = list.first() {
                attributes.insert(key.to_owned(), list.iter().map(|item| item.value.as_str()).collect());
                spans.insert(&[key], first.span);
            }
        }
    }
    Some(DesiredResource {
        object: Object {
            address: domain_address(&entry.name)?,
            system: system(),
            id: ObjectId::new(entry.name.as_str()),
            attributes: attributes.into(),
            on_create: Packed::default(),
            spans,
        },
        depends_on: BTreeSet::new(),
        lifecycle: Lifecycle::default(),
        source_path: entry.path.to_string(),
        span: entry.span,
        notes: Vec::new(),
    })
}

/// The entries of a product, after its ports and subjects. What is said is checked without a catalog as well.
pub(crate) fn product(draft: &mut Draft<'_>) {
    let mut found = std::mem::take(&mut draft.found);
    let over = draft.product.overrides(draft.world.environment).and_then(|over| over.slo.as_ref());
    let levels = slo::slo(draft.product.doc.spec.slo.as_deref(), over.map(|slo| &slo.value), &mut found);
    let world = draft.world;
    let deprecated = slo::deprecated(draft.product, &world.domains, &world.products, &mut found);
    draft.found = found;
    let sources = lineage::sources(draft);
    if !draft.world.has_catalog() {
        return;
    }
    let span = draft.product.span;
    let Some(address) = draft.address("catalog_product", "self", span) else { return };
    if draft.world.judging {
        // All that an entry says was judged where it comes from, and what it must have it is given below.
        return;
    }
    let (attributes, spans) = attributes(draft, levels, deprecated);
    let mut depends_on: BTreeSet<Address> =
        draft.resources.iter().map(|resource| resource.object.address.clone()).collect();
    depends_on.extend(domain_address(&draft.product.domain_name));
    let id = draft.world.names.id(&address).unwrap_or(&draft.product.owner).to_owned();
    let on_create = Attributes::new();
    let entry = address.clone();
    let (system, notes) = (system(), Vec::new());
    draft.add(Part { address, system, id, attributes, on_create, depends_on, spans, span, notes });
    lineage(draft, &entry, &sources);
}

type Parts = (Attributes, SpanMap);

fn attributes(draft: &Draft<'_>, levels: Option<Value>, deprecated: Option<Value>) -> Parts {
    let product = draft.product;
    let (metadata, spec) = (&product.doc.metadata, &product.doc.spec);
    let mut spans = SpanMap::of_object(product.span);
    let mut out = Attributes::new();
    out.insert("domain".into(), product.domain_name.as_str().into());
    out.insert("name".into(), product.name.into());
    out.insert("version".into(), product.version.into());
    for (key, text) in [("owner", &metadata.owner), ("description", &spec.description)] {
        if let Some(text) = text {
            out.insert(key.to_owned(), text.trim_end().into());
            spans.insert(&[key], text.span);
        }
    }
    let classification = spec.classification.as_ref();
    out.insert("classification".into(), classification_word(classification.map(|c| c.value)).into());
    spans.insert(&["classification"], classification.and_then(|c| c.span));
    for (key, texts) in [("labels", &metadata.labels), ("annotations", &metadata.annotations)] {
        if let Some(first) = texts.keys().next() {
            out.insert(key.to_owned(), Value::Object(plain(texts)));
            spans.insert(&[key], first.span);
        }
    }
    if let Some(contract) = contract(draft) {
        out.insert("contract".into(), contract);
        spans.insert(&["contract"], spec.schema.as_ref().and_then(|schema| schema.span));
    }
    for (key, value, span) in [
        ("deprecated", deprecated, spec.deprecated.as_ref().and_then(|d| d.span)),
        ("slo", levels, spec.slo.as_ref().and_then(|slo| slo.span)),
    ] {
        if let Some(value) = value {
            out.insert(key.to_owned(), value);
            spans.insert(&[key], span);
        }
    }
    if !draft.ports.is_empty() {
        out.insert("ports".into(), Value::Array(draft.ports.clone()));
        spans.insert(&["ports"], spec.output_ports.first().and_then(|port| port.span));
    }
    if draft.contract.as_ref().is_some_and(|contract| has_pii(&contract.fields)) {
        out.insert("tags".into(), json!(["pii"]));
    }
    (out, spans)
}

fn classification_word(classification: Option<Classification>) -> &'static str {
    match classification.unwrap_or(Classification::Internal) {
        Classification::Public => "public",
        Classification::Internal => "internal",
        Classification::Confidential => "confidential",
        Classification::Restricted => "restricted",
    }
}

fn plain(texts: &Spelled<Scalar>) -> Map<String, Value> {
    texts.iter().map(|(key, value)| (key.value.clone(), value.value.as_str().into())).collect()
}

fn has_pii(fields: &[ContractField]) -> bool {
    fields.iter().any(|field| field.pii == Some(true) || nested(&field.ty).is_some_and(has_pii))
}

/// The fields of a struct, also within lists and maps.
fn nested(ty: &ContractType) -> Option<&[ContractField]> {
    match ty {
        ContractType::Struct(fields) => Some(fields),
        ContractType::Array(element) => nested(&element.ty),
        ContractType::Map(entry) => nested(&entry.1.ty),
        _ => None,
    }
}

fn contract(draft: &Draft<'_>) -> Option<Value> {
    let schema = draft.product.doc.spec.schema.as_ref()?;
    let mut out = Map::new();
    out.insert("format".into(), draft_format(draft).into());
    if let Some(registry) = &schema.registry {
        out.insert("registry".into(), registry.value.as_str().into());
    }
    if !draft.subjects.is_empty() {
        out.insert("subjects".into(), json!(draft.subjects));
    }
    if let Some(level) = &schema.compatibility {
        out.insert("compatibility".into(), subject::compatibility_word(level.value).into());
    }
    if let Some(contract) = &draft.contract {
        if !contract.primary_key.is_empty() {
            out.insert("primary_key".into(), json!(contract.primary_key));
        }
        out.insert("fields".into(), contract.fields.iter().map(field).collect());
    }
    Some(Value::Object(out))
}

fn field(field: &ContractField) -> Value {
    let mut out = Map::new();
    out.insert("name".into(), field.name.as_str().into());
    out.insert("type".into(), field.ty.to_string().into());
    if let Some(description) = &field.description {
        out.insert("description".into(), description.as_str().into());
    }
    out.insert("required".into(), field.required.into());
    if let Some(pii) = field.pii {
        out.insert("pii".into(), pii.into());
    }
    if let Some(ty) = field.pii_type {
        out.insert("pii_type".into(), pii_word(ty).into());
    }
    if let Some(governance) = field.governance {
        out.insert("governance".into(), protection_word(governance).into());
    }
    if let ContractType::Enum(values) | ContractType::OneOf(values) = &field.ty {
        out.insert("values".into(), json!(values));
    }
    Value::Object(out)
}

/// One entry for all sources of a product.
fn lineage(draft: &mut Draft<'_>, entry: &Address, sources: &[lineage::Source]) {
    let Some(spelled) = &draft.product.doc.spec.lineage else { return };
    if sources.is_empty() && spelled.transformation.is_none() {
        return;
    }
    let span = spelled.span;
    let Some(address) = draft.address("catalog_lineage", "self", span) else { return };
    let mut depends_on = BTreeSet::from([entry.clone()]);
    let mut list = Vec::with_capacity(sources.len());
    for source in sources {
        depends_on.extend(source.vanished.clone());
        let product = source.product.as_deref().and_then(|owner| {
            let upstream: Address = format!("{owner}:catalog_product.self").parse().ok()?;
            let id = draft.world.names.id(&upstream).unwrap_or(owner).to_owned();
            depends_on.insert(upstream);
            Some(id)
        });
        list.push(match product {
            Some(product) => json!({"name": source.name, "product": product}),
            None => json!({"name": source.name}),
        });
    }
    let own = draft.world.names.id(entry).unwrap_or(&draft.product.owner).to_owned();
    let mut attributes = Attributes::new();
    attributes.insert("product".into(), own.as_str().into());
    attributes.insert("sources".into(), Value::Array(list));
    let mut spans = SpanMap::of_object(span);
    if let Some(text) = &spelled.transformation {
        attributes.insert("transformation".into(), text.value.as_str().into());
        spans.insert(&["transformation"], text.span);
    }
    spans.insert(&["sources"], first_place(&spelled.sources));
    let id = draft.world.names.id(&address).map_or_else(|| format!("{own}#lineage"), str::to_owned);
    let on_create = Attributes::new();
    let (system, notes) = (system(), Vec::new());
    draft.add(Part { address, system, id, attributes, on_create, depends_on, spans, span, notes });
}

fn first_place(list: &[Spanned<String>]) -> Option<Span> {
    list.first().and_then(|item| item.span)
}
