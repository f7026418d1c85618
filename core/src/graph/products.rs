//! Products: who they are, and which of them exist in the chosen environment.

use crate::contract::did_you_mean;
use crate::graph::codes;
use crate::graph::domains::{self, Domains, comparable};
use crate::graph::environment::ResolvedEnvironment;
use crate::graph::partial::Unplanned;
use crate::manifest::model::{DataProduct, EnvironmentOverride};
use crate::manifest::{Load, Loaded, Manifest};
use datamesh_provider::{Diagnostic, Diagnostics, Span, Spanned};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// One version of a product, its identity checked.
#[derive(Debug)]
pub(crate) struct Product<'a> {
    pub(crate) doc: &'a DataProduct,
    pub(crate) path: &'a Arc<str>,
    pub(crate) domain: usize,
    /// The domain's own name.
    pub(crate) domain_name: String,
    pub(crate) name: &'a str,
    pub(crate) version: u32,
    /// `domain/product@version`
    pub(crate) owner: String,
    pub(crate) span: Option<Span>,
}

impl<'a> Product<'a> {
    /// Where its version is written; its name, where no version is.
    pub(crate) fn version_span(&self) -> Option<Span> {
        let version = self.doc.spec.schema.as_ref().and_then(|schema| schema.version.as_ref());
        version.and_then(|version| version.span).or(self.span)
    }

    /// What the chosen environment does differently.
    pub(crate) fn overrides(&self, environment: &ResolvedEnvironment) -> Option<&'a EnvironmentOverride> {
        self.doc.spec.environments.get(environment.name.as_str()).map(|over| &over.value)
    }
}

/// Every product of the environment.
#[derive(Debug, Default)]
pub(crate) struct Products<'a> {
    pub(crate) all: Vec<Product<'a>>,
    by_identity: HashMap<(usize, &'a str, u32), usize>,
    /// Declared, but not in this environment.
    elsewhere: HashSet<(usize, &'a str, u32)>,
    names: BTreeMap<usize, BTreeSet<&'a str>>,
    /// For further checks only.
    pub(crate) unplanned: Vec<Unplanned<'a>>,
    /// Declared by documents that are broken; `None` where the version cannot be told.
    broken: HashSet<(usize, &'a str, Option<u32>)>,
    /// Whether it could not be told of some document which product it declares.
    pub(crate) unidentified: bool,
}

impl<'a> Products<'a> {
    pub(crate) fn collect(
        load: &'a Load,
        domains: &mut Domains<'a>,
        environment: &ResolvedEnvironment,
        found: &mut Diagnostics,
    ) -> Self {
        let mut products = Self::default();
        let mut first: HashMap<(usize, &'a str, u32), Option<Span>> = HashMap::new();
        for loaded in &load.manifests {
            let Manifest::DataProduct(doc) = &loaded.manifest else { continue };
            let product = match identify(doc, loaded, domains, found) {
                Ok(product) => product,
                Err(unplanned) => {
                    products.unidentified = true;
                    products.unplanned.push(*unplanned);
                    continue;
                }
            };
            let identity = (product.domain, product.name, product.version);
            products.names.entry(product.domain).or_default().insert(product.name);
            if let Some(span) = first.get(&identity) {
                found.push(duplicate(&product, *span));
                let scope = product.owner.clone();
                products.unplanned.push(Unplanned { product, scope, partial: None, named: false });
                continue;
            }
            first.insert(identity, doc.metadata.name.span);
            if !exists_in(&product, environment, found) {
                products.elsewhere.insert(identity);
                continue;
            }
            products.by_identity.insert(identity, products.all.len());
            products.all.push(product);
        }
        domains.planned = domains.all.len();
        products.partial(load, domains, environment, &mut first, found);
        products.broken(load, domains);
        products
    }

    /// Products with errors of form: the rest of them is checked, and nothing is planned.
    fn partial(
        &mut self,
        load: &'a Load,
        domains: &mut Domains<'a>,
        environment: &ResolvedEnvironment,
        first: &mut HashMap<(usize, &'a str, u32), Option<Span>>,
        found: &mut Diagnostics,
    ) {
        for partial in &load.partial {
            let Manifest::DataProduct(doc) = &partial.loaded.manifest else { continue };
            let mut own = Diagnostics::default();
            let mut unplanned = match identify(doc, &partial.loaded, domains, &mut own) {
                Ok(product) => {
                    let identity = (product.domain, product.name, product.version);
                    let mut named = partial.is_named();
                    if partial.is_identified() {
                        let span = *first.entry(identity).or_insert(doc.metadata.name.span);
                        if span != doc.metadata.name.span {
                            own.push(duplicate(&product, span));
                            named = false;
                        }
                    }
                    let scope = product.owner.clone();
                    Unplanned { product, scope, partial: None, named }
                }
                Err(unplanned) => *unplanned,
            };
            unplanned.partial = Some(partial);
            let here = exists_in(&unplanned.product, environment, &mut own);
            self.unplanned.extend(Some(unplanned).filter(|_| here));
            found.extend(own.into_iter().filter_map(|finding| partial.certain(finding)));
        }
    }

    fn broken(&mut self, load: &'a Load, domains: &Domains<'a>) {
        for owner in load.broken.iter().filter_map(|broken| broken.owner.as_deref()) {
            let Some((domain, product)) = owner.split_once('/') else { continue };
            let Some(index) = domains.find(domain) else { continue };
            self.broken.insert(match product.rsplit_once('@') {
                Some((name, version)) => (index, name, version.parse().ok()),
                None => (index, product, None),
            });
        }
    }

    /// The product in this environment.
    pub(crate) fn find(&self, domain: usize, name: &str, version: u32) -> Option<&Product<'a>> {
        self.by_identity.get(&(domain, name, version)).map(|index| &self.all[*index])
    }

    /// Whether it is declared for other environments only.
    pub(crate) fn is_elsewhere(&self, domain: usize, name: &str, version: u32) -> bool {
        self.elsewhere.contains(&(domain, name, version))
    }

    /// Whether a document declares it that is broken: then it is there, and held back.
    pub(crate) fn is_broken(&self, domain: usize, name: &str, version: u32) -> bool {
        [Some(version), None].into_iter().any(|version| self.broken.contains(&(domain, name, version)))
    }

    /// The names of the products of a domain.
    pub(crate) fn names_in(&self, domain: usize) -> impl Iterator<Item = &'a str> {
        self.names.get(&domain).into_iter().flatten().copied()
    }
}

/// Reads an owner as manifests write it: `domain/product@version`.
pub(crate) fn parse_owner(text: &str) -> Option<(&str, &str, u32)> {
    let (domain, rest) = text.split_once('/')?;
    let (product, version) = rest.rsplit_once('@')?;
    let digits = version.bytes().all(|b| b.is_ascii_digit()) && !version.starts_with('0');
    let version = version.parse().ok().filter(|_| digits)?;
    (domains::is_domain_name(domain) && is_kebab(product)).then_some((domain, product, version))
}

pub(crate) fn is_kebab(text: &str) -> bool {
    let word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= 128 && text.split('-').all(word)
}

fn identify<'a>(
    doc: &'a DataProduct,
    loaded: &'a Loaded,
    domains: &mut Domains<'a>,
    found: &mut Diagnostics,
) -> Result<Product<'a>, Box<Unplanned<'a>>> {
    let (name, domain) = (&doc.metadata.name, &doc.metadata.domain);
    let spelled = doc.spec.schema.as_ref().and_then(|schema| schema.version.as_ref());
    let version = spelled.map_or(1, |v| v.value);
    let written = format!("{}/{}@{version}", domain.value, name.value);
    let mut findings = Vec::new();
    if !is_kebab(name) {
        findings.push(domains::bad_name(name, "a product"));
    }
    if version == 0 {
        let detail = "A contract has a major version from 1.";
        findings.push(Diagnostic::error(codes::BAD_VERSION, detail).at(spelled.and_then(|v| v.span), "zero"));
    }
    let index = match domains.of_product(domain, &loaded.path) {
        Ok(index) => Some(index),
        Err(wrong) => {
            findings.push(*wrong);
            None
        }
    };
    let usable = findings.is_empty();
    let domain_name = index.map_or_else(|| domain.value.clone(), |index| domains.all[index].name.clone());
    let owner = format!("{domain_name}/{}@{version}", name.value);
    if let Some(folder) = domains::folder(&loaded.path)
        && index.is_some()
        && comparable(folder) != comparable(&domain_name)
        && domains.find(folder) != index
    {
        findings.push(domains::wrong_folder(folder, domain, &loaded.path));
    }
    let scope = if usable { owner.clone() } else { written };
    found.extend(findings.into_iter().map(|finding| finding.scoped(&scope)));
    let span = name.span.or(Some(loaded.span));
    let path = &loaded.path;
    if let Some(domain) = index.filter(|_| usable) {
        return Ok(Product { doc, path, domain, domain_name, name: &name.value, version, owner, span });
    }
    // Names that can be, so that what is made of them is not wrong as well.
    let domain_name = if index.is_some() { domain_name } else { "unknown".to_owned() };
    let (name, version) = (if is_kebab(name) { &name.value } else { "unnamed" }, version.max(1));
    let owner = scope.clone();
    let domain = index.unwrap_or(usize::MAX);
    let product = Product { doc, path, domain, domain_name, name, version, owner, span };
    Err(Box::new(Unplanned { product, scope, partial: None, named: false }))
}

fn duplicate(product: &Product<'_>, first: Option<Span>) -> Diagnostic {
    let version = product.doc.spec.schema.as_ref().and_then(|schema| schema.version.as_ref());
    let detail = format!(
        "`{}` is declared twice. A product is one document for each major version of its contract.",
        product.owner
    );
    Diagnostic::error(codes::DUPLICATE_PRODUCT, detail)
        .on(&product.doc.metadata.name, "declared again")
        .at(first, "declared first")
        .at(version.and_then(|v| v.span), "the version it says")
        .help("Remove one of them, or give one another `schema.version`.")
        .scoped(&product.owner)
}

/// Whether the product is in the chosen environment. Names of environments are checked in any case.
fn exists_in(product: &Product<'_>, environment: &ResolvedEnvironment, found: &mut Diagnostics) -> bool {
    let spec = &product.doc.spec;
    let only = spec.only_environments.as_ref();
    let named = only.iter().flat_map(|only| only.iter()).chain(spec.environments.keys());
    for name in named.filter(|name| !environment.all.contains(&name.value)) {
        found.push(unknown_environment(name, environment).scoped(&product.owner));
    }
    only.is_none_or(|only| only.iter().any(|name| name.value == environment.name))
}

fn unknown_environment(name: &Spanned<String>, environment: &ResolvedEnvironment) -> Diagnostic {
    let help = did_you_mean(name, environment.all.iter().map(String::as_str), || {
        format!("The environments of this mesh are `{}`.", environment.all.join("`, `"))
    });
    Diagnostic::error(codes::UNKNOWN_ENVIRONMENT, format!("There is no environment `{}`.", name.value))
        .on(name, "not an environment of this mesh")
        .help(help)
}
