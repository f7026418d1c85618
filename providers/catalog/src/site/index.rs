//! The first page: every domain with its products.

use super::html::Html;
use super::model::{Domain, Mesh, Product, anchor_of};
use super::parts::{classification, domain_title, list_property, pill, property, prose, version};
use std::collections::BTreeSet;

fn page_content(mesh: &Mesh) -> Html {
    let mut html = Html::default();
    html.raw("<h1>Data products</h1>\n");
    counts(&mut html, mesh);
    if mesh.domains.is_empty() {
        html.raw("<p class=\"empty\">Nothing is here yet. Products appear with the first apply.</p>\n");
    }
    if mesh.domains.len() > 1 {
        contents(&mut html, mesh);
    }
    for (id, domain) in &mesh.domains {
        section(&mut html, mesh, id, domain);
    }
    html
}

pub(super) fn page(mesh: &Mesh) -> String {
    super::parts::page("Data catalog", "", &page_content(mesh))
}

fn counts(html: &mut Html, mesh: &Mesh) {
    let ports: usize = mesh.products.values().map(|p| p.attrs.ports.as_ref().map_or(0, Vec::len)).sum();
    let personal: usize = mesh.products.values().map(Product::pii_fields).sum();
    let items = [
        (mesh.domains.len(), "domain", "domains"),
        (mesh.products.len(), "product", "products"),
        (ports, "output port", "output ports"),
        (personal, "personal field", "personal fields"),
    ];
    html.raw("<ul class=\"counts\">");
    for (count, one, many) in items {
        html.raw("<li><strong>").text(&count.to_string()).raw("</strong> ").raw(if count == 1 {
            one
        } else {
            many
        });
        html.raw("</li>");
    }
    html.raw("</ul>\n");
}

fn contents(html: &mut Html, mesh: &Mesh) {
    html.raw("<nav class=\"contents\" aria-label=\"Domains\"><ul>");
    for (id, domain) in &mesh.domains {
        let place = format!("#{}", anchor_of(id));
        html.raw("<li>").link(&place, domain_title(id, domain)).raw(" ");
        html.tag("span", "quiet", &domain.products.len().to_string()).raw("</li>");
    }
    html.raw("</ul></nav>\n");
}

fn section(html: &mut Html, mesh: &Mesh, id: &str, domain: &Domain) {
    html.raw("<section class=\"domain\" id=\"").text(&anchor_of(id)).raw("\">\n<h2>");
    html.text(domain_title(id, domain)).raw("</h2>\n");
    prose(html, "lead", domain.attrs.description.as_deref().unwrap_or_default());
    html.raw("<dl class=\"facts\">");
    property(html, "Owner", domain.attrs.owner.as_deref());
    list_property(html, "Contacts", domain.attrs.contacts.as_ref());
    list_property(html, "Code owners", domain.attrs.code_owners.as_ref());
    list_property(html, "Also known as", domain.attrs.aliases.as_ref());
    html.raw("</dl>\n");
    if domain.products.is_empty() {
        html.raw("<p class=\"empty\">No products yet.</p>\n");
    } else {
        html.raw("<ul class=\"cards\">\n");
        for (id, product) in domain.products.iter().filter_map(|id| Some((id, mesh.products.get(id)?))) {
            card(html, mesh, id, product);
        }
        html.raw("</ul>\n");
    }
    html.raw("</section>\n");
}

fn card(html: &mut Html, mesh: &Mesh, id: &str, product: &Product) {
    let attrs = &product.attrs;
    html.raw("<li class=\"card\"><h3>").link(&product.path, &mesh.title(id));
    version(html, product);
    html.raw("</h3>\n");
    let first =
        attrs.description.as_deref().unwrap_or_default().trim().split("\n\n").next().unwrap_or_default();
    prose(html, "", first);
    html.raw("<p class=\"pills\">");
    if attrs.deprecated.is_some() {
        pill(html, "pill warn", "deprecated");
    }
    classification(html, attrs.classification.as_deref());
    let ports = attrs.ports.iter().flatten().filter_map(|port| port.technology.as_deref());
    for technology in ports.collect::<BTreeSet<_>>() {
        pill(html, "pill plain", technology);
    }
    match product.pii_fields() {
        0 => {}
        1 => pill(html, "pill pii", "1 personal field"),
        many => pill(html, "pill pii", &format!("{many} personal fields")),
    }
    html.raw("</p>\n");
    if let Some(owner) = &attrs.owner {
        html.tag("p", "quiet owner", owner).raw("\n");
    }
    html.raw("</li>\n");
}
