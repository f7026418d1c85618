//! The page of one product.

use super::html::Html;
use super::model::{Mesh, Product, anchor_of};
use super::parts::{
    classification, domain_title, list_property, page as frame, pill, product_link, property, prose, shown,
    version,
};
use crate::entity::product::{ContractAttrs, ContractField, Deprecation, Port, SloAttrs};
use serde_json::Value;

/// From a product's page to the folder of the site.
const UP: &str = "../../";

pub(super) fn page(mesh: &Mesh, id: &str, product: &Product) -> String {
    let mut html = Html::default();
    head(&mut html, mesh, id, product);
    if let Some(deprecated) = &product.attrs.deprecated {
        deprecation(&mut html, mesh, deprecated);
    }
    prose(&mut html, "lead", product.attrs.description.as_deref().unwrap_or_default());
    facts(&mut html, mesh, id, product);
    if let Some(ports) = product.attrs.ports.as_ref().filter(|ports| !ports.is_empty()) {
        port_table(&mut html, ports);
    }
    if let Some(contract) = &product.attrs.contract {
        contract_section(&mut html, contract);
    }
    if let Some(slo) = &product.attrs.slo {
        slo_section(&mut html, slo);
    }
    lineage(&mut html, mesh, id, product);
    let title = product.attrs.version.map_or_else(|| mesh.title(id), |v| format!("{} v{v}", mesh.title(id)));
    frame(&format!("{title} – Data catalog"), UP, &html)
}

fn head(html: &mut Html, mesh: &Mesh, id: &str, product: &Product) {
    let domain = product.attrs.domain.as_deref().unwrap_or("without a domain");
    let name = mesh.domains.get(domain).map_or(domain, |found| domain_title(domain, found));
    html.raw("<nav class=\"crumbs\" aria-label=\"Where this is\"><a href=\"../../index.html\">Catalog</a> <span aria-hidden=\"true\">/</span> ");
    html.link(&format!("{UP}index.html#{}", anchor_of(domain)), name)
        .raw("</nav>\n<h1>")
        .text(&mesh.title(id));
    version(html, product);
    html.raw("</h1>\n<p class=\"pills\">");
    classification(html, product.attrs.classification.as_deref());
    if product.attrs.deprecated.is_some() {
        pill(html, "pill warn", "deprecated");
    }
    for tag in product.attrs.tags.iter().flatten() {
        pill(html, "pill plain", tag);
    }
    html.raw("</p>\n");
}

fn deprecation(html: &mut Html, mesh: &Mesh, deprecated: &Deprecation) {
    html.raw("<div class=\"banner\" role=\"note\"><strong>Deprecated</strong>");
    if let Some(since) = &deprecated.since {
        html.raw(" since ").text(since);
    }
    if let Some(sunset) = &deprecated.sunset {
        html.raw(", goes away on ").text(sunset);
    }
    html.raw(".");
    if let Some(instead) = &deprecated.replaced_by {
        html.raw(" Use ");
        product_link(html, mesh, UP, instead);
        html.raw(" instead.");
    }
    html.raw("</div>\n");
}

fn facts(html: &mut Html, mesh: &Mesh, id: &str, product: &Product) {
    let attrs = &product.attrs;
    html.raw("<dl class=\"facts\">\n");
    property(html, "Owner", attrs.owner.as_deref());
    property(html, "Domain", attrs.domain.as_deref());
    property(html, "Id", Some(id));
    let pairs = |map: &std::collections::BTreeMap<String, Value>| {
        map.iter().map(|(key, value)| format!("{key}: {}", shown(value))).collect::<Vec<_>>()
    };
    list_property(html, "Labels", attrs.labels.as_ref().map(pairs).as_ref());
    list_property(html, "Annotations", attrs.annotations.as_ref().map(pairs).as_ref());
    let mut others = mesh.versions(id).peekable();
    if others.peek().is_some() {
        html.raw("<div><dt>Other versions</dt><dd>");
        for other in others {
            product_link(html, mesh, UP, other);
            html.raw(" ");
        }
        html.raw("</dd></div>\n");
    }
    html.raw("</dl>\n");
}

fn cell(html: &mut Html, label: &'static str, text: Option<&str>) {
    html.raw("<td data-label=\"").raw(label).raw("\">").text(text.unwrap_or_default()).raw("</td>");
}

fn port_table(html: &mut Html, ports: &[Port]) {
    html.raw("<section><h2>Output ports</h2>\n<table>\n<thead><tr><th scope=\"col\">Port</th><th scope=\"col\">Kind</th>");
    html.raw("<th scope=\"col\">Where</th><th scope=\"col\">Format</th><th scope=\"col\">System</th></tr></thead>\n<tbody>\n");
    for port in ports {
        html.raw("<tr><th scope=\"row\">").text(port.name.as_deref().unwrap_or("unnamed")).raw("</th>");
        let kind: Vec<&str> =
            [&port.ty, &port.technology].into_iter().flatten().map(String::as_str).collect();
        cell(html, "Kind", Some(&kind.join(" · ")));
        html.raw("<td data-label=\"Where\">");
        for place in [&port.topic, &port.table, &port.location, &port.endpoint].into_iter().flatten() {
            html.raw("<code>").text(place).raw("</code> ");
        }
        html.raw("</td>");
        cell(html, "Format", port.format.as_deref());
        let system: Vec<String> =
            [port.system.clone(), port.auth.as_ref().map(|auth| format!("auth: {auth}"))]
                .into_iter()
                .flatten()
                .collect();
        cell(html, "System", Some(&system.join(", ")));
        html.raw("</tr>\n");
    }
    html.raw("</tbody></table></section>\n");
}

fn contract_section(html: &mut Html, contract: &ContractAttrs) {
    html.raw("<section><h2>Contract</h2>\n<dl class=\"facts\">\n");
    property(html, "Format", contract.format.as_deref());
    property(html, "Compatibility", contract.compatibility.as_deref());
    list_property(html, "Primary key", contract.primary_key.as_ref());
    list_property(html, "Subjects", contract.subjects.as_ref());
    property(html, "Registry", contract.registry.as_deref());
    html.raw("</dl>\n");
    if let Some(fields) = contract.fields.as_ref().filter(|fields| !fields.is_empty()) {
        html.raw("<table>\n<thead><tr><th scope=\"col\">Field</th><th scope=\"col\">Type</th>");
        html.raw(
            "<th scope=\"col\">Description</th><th scope=\"col\">Protection</th></tr></thead>\n<tbody>\n",
        );
        let key = contract.primary_key.as_deref().unwrap_or_default();
        for field in fields {
            field_row(html, field, key);
        }
        html.raw("</tbody></table>\n");
    }
    html.raw("</section>\n");
}

fn field_row(html: &mut Html, field: &ContractField, key: &[String]) {
    let name = field.name.as_deref().unwrap_or("unnamed");
    html.raw("<tr><th scope=\"row\"><code>").text(name).raw("</code>");
    if key.iter().any(|key| key == name) {
        html.raw(" ");
        pill(html, "pill key", "key");
    }
    html.raw("</th><td data-label=\"Type\"><code>");
    html.text(&field.ty.as_ref().map(shown).unwrap_or_default()).raw("</code>");
    if field.required == Some(true) {
        html.raw(" <span class=\"quiet\">required</span>");
    }
    html.raw("</td><td data-label=\"Description\">").text(field.description.as_deref().unwrap_or_default());
    if let Some(values) = field.values.as_ref().filter(|values| !values.is_empty()) {
        html.raw("<div class=\"values\">");
        for value in values {
            html.tag("code", "", value).raw(" ");
        }
        html.raw("</div>");
    }
    html.raw("</td><td data-label=\"Protection\">");
    if field.pii == Some(true) {
        let kind = field.pii_type.as_deref().map_or_else(|| "PII".to_owned(), |kind| format!("PII: {kind}"));
        pill(html, "pill pii", &kind);
    }
    if let Some(governance) = &field.governance {
        html.raw(" ");
        pill(html, "pill plain", governance);
    }
    html.raw("</td></tr>\n");
}

fn slo_section(html: &mut Html, slo: &SloAttrs) {
    html.raw("<section><h2>Service levels</h2>\n<dl class=\"levels\">\n");
    let items = [
        ("Freshness", &slo.freshness),
        ("Availability", &slo.availability),
        ("Quality score", &slo.quality_score),
        ("Completeness", &slo.completeness),
    ];
    for (name, value) in items {
        property(html, name, value.as_ref().map(shown).as_deref());
    }
    html.raw("</dl>\n");
    if let Some(checks) = slo.quality_checks.as_ref().filter(|checks| !checks.is_empty()) {
        html.raw("<h3>Quality checks</h3>\n<ul class=\"checks\">");
        for check in checks {
            html.raw("<li><code>").text(check).raw("</code></li>");
        }
        html.raw("</ul>\n");
    }
    html.raw("</section>\n");
}

fn lineage(html: &mut Html, mesh: &Mesh, id: &str, product: &Product) {
    let sources: Vec<_> = product.lineage.sources.iter().flatten().collect();
    if sources.is_empty() && product.downstream.is_empty() && product.lineage.transformation.is_none() {
        return;
    }
    html.raw("<section><h2>Lineage</h2>\n<div class=\"lineage\">\n<div><h3>Made from</h3><ul>");
    for source in &sources {
        html.raw("<li>");
        match (&source.product, &source.name) {
            (Some(id), _) if mesh.products.contains_key(id) => product_link(html, mesh, UP, id),
            (_, Some(name)) => {
                html.text(name);
            }
            (id, None) => {
                html.text(id.as_deref().unwrap_or("unnamed"));
            }
        }
        html.raw("</li>");
    }
    if sources.is_empty() {
        html.raw("<li class=\"quiet\">nothing declared</li>");
    }
    html.raw("</ul></div>\n<div class=\"here\"><h3>This product</h3><p>").text(&mesh.title(id));
    version(html, product);
    html.raw("</p>");
    if let Some(transformation) = &product.lineage.transformation {
        html.raw("<p class=\"quiet\">by <code>").text(transformation).raw("</code></p>");
    }
    html.raw("</div>\n<div><h3>Used by</h3><ul>");
    for user in &product.downstream {
        html.raw("<li>");
        product_link(html, mesh, UP, user);
        html.raw("</li>");
    }
    if product.downstream.is_empty() {
        html.raw("<li class=\"quiet\">no product of this mesh</li>");
    }
    html.raw("</ul></div>\n</div></section>\n");
}
