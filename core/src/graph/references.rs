//! References: schemas of other products that a contract in a file uses by name.

use crate::contract::did_you_mean;
use crate::graph::draft::{Draft, World};
use crate::graph::products::{Product, parse_owner};
use crate::graph::{codes, ports, source, subject};
use crate::manifest::model::{ProductSchema, SchemaReference};
use datamesh_provider::{Address, Diagnostic, Diagnostics, Span, Spanned, SystemName};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What one subject refers to.
#[derive(Debug, Default)]
pub(crate) struct References {
    /// As the registry is told: a list of names and subjects, in the order of the names.
    pub(crate) list: Vec<Value>,
    pub(crate) spans: Vec<(String, Option<Span>)>,
    pub(crate) subjects: BTreeSet<Address>,
}

/// The references of a contract, for a subject in this system. What is wrong with one is said once.
pub(crate) fn of(draft: &mut Draft<'_>, schema: &ProductSchema, system: &SystemName) -> References {
    let mut found: BTreeMap<&str, (Target, Option<Span>)> = BTreeMap::new();
    for reference in &schema.references {
        let target = if found.contains_key(reference.name.value.as_str()) {
            let detail = format!("Two references have the name `{}`.", reference.name.value);
            Err(Box::new(wrong(detail).on(&reference.name, "again").help("Remove one of them.")))
        } else {
            target(draft, reference, system)
        };
        match target {
            Ok(None) => {}
            Ok(Some(target)) => {
                found.insert(&reference.name.value, (target, reference.name.span));
            }
            Err(problem) if draft.found.iter().any(|known| *known == *problem) => {}
            Err(problem) => draft.found.push(*problem),
        }
    }
    let mut references = References::default();
    for (name, (target, span)) in found {
        references.list.push(json!({"name": name, "subject": target.id}));
        references.spans.push((name.to_owned(), span));
        references.subjects.insert(target.address);
        draft.refers.insert(target.owner);
    }
    references
}

/// A subject that can be referred to.
struct Target {
    owner: String,
    address: Address,
    id: String,
}

fn wrong(detail: impl Into<String>) -> Diagnostic {
    Diagnostic::error(codes::BAD_SCHEMA_REFERENCE, detail)
}

/// Nothing where something is wrong with the other product itself: it is held back, and with it who refers to it.
fn target(
    draft: &mut Draft<'_>,
    reference: &SchemaReference,
    system: &SystemName,
) -> Result<Option<Target>, Box<Diagnostic>> {
    let (world, spelled) = (draft.world, &reference.product);
    let Some(product) = product(draft, spelled)? else { return Ok(None) };
    let Some(mut all) = subjects(world, product) else {
        draft.refers.insert(product.owner.clone());
        return Ok(None);
    };
    let language = |product: &Product<'_>| product.doc.spec.schema.as_deref().map(source::language);
    let none = all.is_empty();
    all.retain(|place| place.system == *system);
    let owner = &product.owner;
    let problem = |detail: String, help: &str| Box::new(wrong(detail).on(spelled, "this product").help(help));
    if let (Some(own), Some(other)) = (language(draft.product), language(product))
        && own.format != other.format
        && !none
    {
        let detail = format!("`{owner}` is written in {}, and this schema in {}.", other.format, own.format);
        return Err(problem(detail, "Refer to schemas of the same language."));
    }
    match all.len() {
        1 => Ok(all.pop().map(|place| Target { owner: owner.clone(), address: place.address, id: place.id })),
        0 if none => Err(problem(
            format!("`{owner}` registers no schema."),
            "Give it a `registry`, or a Kafka port, beside its contract.",
        )),
        0 => Err(problem(
            format!(
                "`{owner}` registers its schema in another registry than {system}, and a reference stays within one."
            ),
            "Register both in the same registry.",
        )),
        _ => Err(problem(
            format!("`{owner}` registers its schema under several subjects, one for each Kafka port."),
            "Give it one subject: `schema: { registry: <URL>/subjects/<name> }`.",
        )),
    }
}

/// The product that is meant.
fn product<'a>(
    draft: &mut Draft<'a>,
    spelled: &Spanned<String>,
) -> Result<Option<&'a Product<'a>>, Box<Diagnostic>> {
    let world = draft.world;
    let problem =
        |detail: String, help: String| Box::new(wrong(detail).on(spelled, "this product").help(help));
    let Some((domain, name, version)) = parse_owner(spelled) else {
        let detail = format!("`{}` does not name a product with its version.", spelled.value);
        return Err(problem(
            detail,
            "Write `domain/product@version`, such as `orders/common-types@1`.".to_owned(),
        ));
    };
    let Some(index) = world.domains.find(domain) else {
        let names = world.domains.all.iter().map(|domain| domain.name.as_str());
        let help = did_you_mean(domain, names, || "Declare the domain, or correct its name.".to_owned());
        return Err(problem(format!("There is no domain `{domain}`."), help));
    };
    if let Some(found) = world.products.find(index, name, version) {
        if found.owner != draft.product.owner {
            return Ok(Some(found));
        }
        let detail = "A schema cannot refer to itself.".to_owned();
        return Err(problem(detail, "Remove the reference: names of the same file need none.".to_owned()));
    }
    if world.products.is_broken(index, name, version) {
        draft.refers.insert(format!("{}/{name}@{version}", world.domains.all[index].name));
        return Ok(None);
    }
    let detail = match world.products.is_elsewhere(index, name, version) {
        true => format!(
            "`{}` is declared, but not for the environment `{}`.",
            spelled.value, world.environment.name
        ),
        false => format!("No manifest that can be read declares `{}`.", spelled.value),
    };
    let names = world.products.names_in(index).filter(|other| *other != name);
    Err(problem(
        detail,
        did_you_mean(name, names, || "Declare it, or correct its name and version.".to_owned()),
    ))
}

/// Where a product registers the schema of its values; nothing where that is in error.
fn subjects<'a>(world: &'a World<'a>, product: &'a Product<'a>) -> Option<Vec<subject::Place<'static>>> {
    let mut draft = Draft::new(world, product);
    let schema = product.doc.spec.schema.as_deref();
    let schema = schema.filter(|schema| !schema.fields.is_empty() || schema.source.is_some());
    let Some(schema) = schema else { return Some(Vec::new()) };
    ports::ports(&mut draft);
    let places = subject::places(&mut draft, schema);
    (!draft.found.has_errors()).then_some(places)
}

/// Products whose contracts refer to each other in a circle: none of them can be registered first.
pub(crate) fn circles(drafts: &[Draft<'_>]) -> Diagnostics {
    let mut left: HashMap<&str, (&Draft<'_>, BTreeSet<&str>)> = drafts
        .iter()
        .filter(|draft| !draft.refers.is_empty())
        .map(|draft| {
            let refers = draft.refers.iter().map(String::as_str).collect();
            (draft.product.owner.as_str(), (draft, refers))
        })
        .collect();
    // Whoever refers to nobody that is left, or is referred to by nobody that is left, is in no circle.
    loop {
        let referred: BTreeSet<&str> = left.values().flat_map(|(_, refers)| refers.iter().copied()).collect();
        let (before, there): (usize, BTreeSet<&str>) = (left.len(), left.keys().copied().collect());
        left.retain(|owner, (_, refers)| {
            refers.retain(|other| there.contains(other));
            !refers.is_empty() && referred.contains(owner)
        });
        if left.len() == before {
            break;
        }
    }
    let said = left.into_iter().map(|(owner, (draft, refers))| {
        let others: Vec<&str> = refers.into_iter().collect();
        let detail = format!(
            "`{owner}` refers to {}, and that refers back to it: none of them could be registered first.",
            others.join(", ")
        );
        let schema = draft.product.doc.spec.schema.as_ref();
        let span = schema.and_then(|schema| schema.references.first()).and_then(|first| first.span);
        wrong(detail)
            .at(span, "in a circle")
            .help("Move what both need into a product of its own, and refer to that.")
            .scoped(owner)
    });
    said.collect()
}
