//! Lineage: which sources are products of the mesh, and which are datasets outside of it.

use crate::contract::did_you_mean;
use crate::graph::codes;
use crate::graph::draft::{Draft, World};
use datamesh_provider::{Address, Diagnostic, Spanned};
use std::collections::HashSet;

/// One source of a product.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// As it is written.
    pub(crate) name: String,
    /// The owner (`domain/product@version`), where it is a product of this environment.
    pub(crate) product: Option<String>,
    /// The catalog entry of a product that no manifest declares any more, but that is still there: as long as
    /// somebody names it as a source, it is consumed.
    pub(crate) vanished: Option<Address>,
}

/// `<domain-or-alias>.<product>.v<n>`
fn parse(text: &str) -> Option<(&str, &str, u32)> {
    let (rest, version) = text.rsplit_once(".v")?;
    let (domain, product) = rest.split_once('.')?;
    let digits = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
    let version = version.parse().ok().filter(|_| digits && !version.starts_with('0'))?;
    (!product.contains('.')).then_some((domain, product, version))
}

pub(crate) fn sources(draft: &mut Draft<'_>) -> Vec<Source> {
    let Some(lineage) = &draft.product.doc.spec.lineage else { return Vec::new() };
    let world = draft.world;
    let mut sources: Vec<Source> = Vec::with_capacity(lineage.sources.len());
    let mut seen = HashSet::new();
    for text in lineage.sources.iter().filter(|text| seen.insert(text.value.as_str())) {
        let (product, finding) = resolve(world, text);
        draft.found.extend(finding);
        draft.sources.extend(product.clone());
        let vanished = if product.is_none() { vanished(world, text) } else { None };
        sources.push(Source { name: text.value.clone(), product, vanished });
    }
    sources
}

fn vanished(world: &World<'_>, text: &str) -> Option<Address> {
    let (domain, product, version) = parse(text)?;
    let domain = &world.domains.all[world.domains.find(domain)?].name;
    let entry = format!("{domain}/{product}@{version}:catalog_product.self").parse().ok()?;
    world.names.stays(&entry).then_some(entry)
}

fn resolve(world: &World<'_>, text: &Spanned<String>) -> (Option<String>, Option<Diagnostic>) {
    let Some((domain, product, version)) = parse(text) else { return (None, None) };
    // A domain nobody declares: an outside dataset whose name only looks like one of ours.
    let Some(index) = world.domains.find(domain) else { return (None, None) };
    if let Some(found) = world.products.find(index, product, version) {
        return (Some(found.owner.clone()), None);
    }
    let entry = &world.domains.all[index];
    let owner = format!("{}/{product}@{version}", entry.name);
    if world.products.is_broken(index, product, version) {
        return (Some(owner), None);
    }
    if world.products.is_elsewhere(index, product, version) {
        let detail = format!(
            "`{owner}` is declared, but not for the environment `{}`; here the source is a name only.",
            world.environment.name
        );
        let found = Diagnostic::warning(codes::UNKNOWN_SOURCE, detail);
        return (None, Some(found.on(text, "not in this environment")));
    }
    let names = [product, &format!("{product}.v{version}"), &text.value, &owner].map(str::to_owned);
    let external = entry.doc.is_some_and(|doc| doc.spec.external.iter().any(|e| names.contains(&e.value)));
    if external || entry.unsure {
        return (None, None);
    }
    let complete = entry.doc.and_then(|doc| doc.spec.complete.as_ref()).filter(|complete| complete.value);
    let detail = format!("The domain `{}` is declared here, but no manifest declares `{owner}`.", entry.name);
    let found = match complete {
        Some(_) => Diagnostic::error(codes::UNKNOWN_SOURCE, detail),
        None => Diagnostic::warning(codes::UNKNOWN_SOURCE, detail),
    };
    let candidates: Vec<String> = world.products.names_in(index).map(str::to_owned).collect();
    let help =
        did_you_mean(product, candidates.iter().map(String::as_str).filter(|name| *name != product), || {
            format!("Correct the name, or list `{product}` under `external` of the domain `{}`.", entry.name)
        });
    let found = found.on(text, "not declared").help(help);
    let place = complete.and_then(|complete| complete.span);
    (None, Some(found.at(place, "the domain says that all of its products are declared")))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_three_parts_with_a_version_name_a_product() {
        assert_eq!(
            parse("payments-domain.payment-events.v2"),
            Some(("payments-domain", "payment-events", 2))
        );
        for text in
            ["orders-db.public.orders", "a.b.c.v1", "a.b.v", "a.b.v0", "a.b.v01", "a.b.vx", "a.v1", "a.b.v+1"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
