//! The mesh as the pages show it: entities decoded, grouped, and linked.

use super::Entities;
use crate::entity::domain::DomainAttrs;
use crate::entity::lineage::LineageAttrs;
use crate::entity::product::ProductAttrs;
use datamesh_provider::{Attributes, digest};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(super) struct Mesh {
    pub(super) domains: BTreeMap<String, Domain>,
    pub(super) products: BTreeMap<String, Product>,
    /// Ids of the products of one domain and name.
    versions: BTreeMap<Line, Vec<String>>,
}

#[derive(Debug, Default)]
pub(super) struct Domain {
    pub(super) attrs: DomainAttrs,
    /// Ids of its products, newest version first.
    pub(super) products: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Product {
    pub(super) attrs: ProductAttrs,
    pub(super) lineage: LineageAttrs,
    /// Ids of the products that are made from this one.
    pub(super) downstream: BTreeSet<String>,
    /// Where its page is, below the folder of the site.
    pub(super) path: String,
}

impl Mesh {
    pub(super) fn new(entities: &Entities) -> Self {
        let mut products: BTreeMap<String, Product> = BTreeMap::new();
        for (id, attrs) in &entities.products {
            let attrs: ProductAttrs = decode(attrs);
            let product = Product {
                attrs,
                lineage: LineageAttrs::default(),
                downstream: BTreeSet::new(),
                path: page_of(id),
            };
            products.insert(id.clone(), product);
        }
        for attrs in entities.lineage.values() {
            let lineage: LineageAttrs = decode(attrs);
            let Some(id) = lineage.product.clone() else { continue };
            for source in lineage.sources.iter().flatten().filter_map(|source| source.product.as_ref()) {
                if let Some(upstream) = products.get_mut(source).filter(|_| *source != id) {
                    upstream.downstream.insert(id.clone());
                }
            }
            if let Some(product) = products.get_mut(&id) {
                product.lineage = lineage;
            }
        }
        let mut versions: BTreeMap<Line, Vec<String>> = BTreeMap::new();
        for (id, product) in &products {
            versions.entry(line(product)).or_default().push(id.clone());
        }
        Self { domains: domains(entities, &products), products, versions }
    }

    /// What people call a product: its name, and the version where several stand side by side.
    pub(super) fn title(&self, id: &str) -> String {
        let attrs = self.products.get(id).map(|product| &product.attrs);
        attrs.and_then(|attrs| attrs.name.clone()).unwrap_or_else(|| id.to_owned())
    }

    /// The other versions of a product.
    pub(super) fn versions<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a String> {
        let me = self.products.get(id).map(line);
        let all = me.and_then(|me| self.versions.get(&me)).into_iter().flatten();
        all.filter(move |other| *other != id)
    }
}

/// What the versions of one product have in common: domain and name.
type Line = (Option<String>, Option<String>);

fn line(product: &Product) -> Line {
    (product.attrs.domain.clone(), product.attrs.name.clone())
}

fn domains(entities: &Entities, products: &BTreeMap<String, Product>) -> BTreeMap<String, Domain> {
    let declared = entities
        .domains
        .iter()
        .map(|(id, attrs)| (id.clone(), Domain { attrs: decode(attrs), products: Vec::new() }));
    let mut domains: BTreeMap<String, Domain> = declared.collect();
    for (id, product) in products {
        let name = product.attrs.domain.clone().unwrap_or_else(|| "without a domain".to_owned());
        domains.entry(name).or_default().products.push(id.clone());
    }
    for domain in domains.values_mut() {
        domain.products.sort_by(|a, b| {
            let key = |id: &String| {
                products.get(id).map(|p| (p.attrs.name.clone(), std::cmp::Reverse(p.attrs.version)))
            };
            (key(a), a).cmp(&(key(b), b))
        });
    }
    domains
}

impl Product {
    pub(super) fn pii_fields(&self) -> usize {
        let fields = self.attrs.contract.as_ref().and_then(|contract| contract.fields.as_ref());
        fields.into_iter().flatten().filter(|field| field.pii == Some(true)).count()
    }
}

/// Attributes come decoded piece by piece; what does not fit is left out there.
fn decode<A: DeserializeOwned + Default>(attrs: &Attributes) -> A {
    serde_json::from_value(Value::Object(attrs.clone())).unwrap_or_default()
}

/// The page of a product: readable where its id is plain, else by digest, so that no id can name another file.
pub(super) fn page_of(id: &str) -> String {
    let parts = id.split_once('/').and_then(|(domain, rest)| Some((domain, rest.rsplit_once('@')?)));
    match parts {
        Some((domain, (name, version)))
            if [domain, name, version].into_iter().all(is_plain) && domain != "by-id" =>
        {
            format!("products/{domain}/{name}-v{version}.html")
        }
        _ => format!("products/by-id/{}.html", print(id)),
    }
}

/// The place of a domain on the first page.
pub(super) fn anchor_of(domain: &str) -> String {
    if is_plain(domain) { format!("domain-{domain}") } else { format!("domain--{}", print(domain)) }
}

fn is_plain(part: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    part.len() <= 100
        && part.bytes().next().is_some_and(letter)
        && part.bytes().all(|b| letter(b) || matches!(b, b'-' | b'_'))
}

fn print(id: &str) -> String {
    digest(id.as_bytes()).trim_start_matches("sha256:").chars().take(32).collect()
}
