//! Pieces that several pages use.

use super::MARK;
use super::html::Html;
use super::model::{Domain, Mesh, Product};
use serde_json::Value;

/// A whole page around its content. `up` leads to the folder of the site.
pub(super) fn page(title: &str, up: &'static str, content: &Html) -> String {
    let mut html = Html::default();
    html.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"generator\" content=\"")
        .raw(MARK)
        .raw("\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .raw("<meta name=\"color-scheme\" content=\"light dark\">\n<title>")
        .text(title)
        .raw("</title>\n<link rel=\"stylesheet\" href=\"")
        .raw(up)
        .raw("style.css\">\n</head>\n<body>\n<a class=\"skip\" href=\"#content\">Skip to content</a>\n")
        .raw("<header class=\"top\"><div class=\"wrap\"><a class=\"brand\" href=\"")
        .raw(up)
        .raw("index.html\"><span class=\"logo\" aria-hidden=\"true\"></span>Data catalog</a></div></header>\n")
        .raw("<main id=\"content\" class=\"wrap\">\n")
        .add(content)
        .raw("</main>\n<footer class=\"wrap\">Written by datamesh from the entities beside this page. ")
        .raw("Changes belong into the manifests.</footer>\n</body>\n</html>\n");
    html.done()
}

/// A word on a coloured ground.
pub(super) fn pill(html: &mut Html, class: &'static str, text: &str) {
    html.tag("span", class, text);
}

/// The classification, coloured where it is one of the known four.
pub(super) fn classification(html: &mut Html, name: Option<&str>) {
    let class = match name {
        Some("public") => "pill public",
        Some("internal") => "pill internal",
        Some("confidential") => "pill confidential",
        Some("restricted") => "pill restricted",
        Some(_) => "pill",
        None => return,
    };
    pill(html, class, name.unwrap_or_default());
}

/// A text as its author wrote it: blank lines part paragraphs.
pub(super) fn prose(html: &mut Html, class: &'static str, text: &str) {
    let text = text.replace("\r\n", "\n");
    for paragraph in text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()) {
        html.open("p", class);
        if is_list(paragraph) {
            html.tag("span", "lines", paragraph);
        } else {
            html.text(paragraph);
        }
        html.raw("</p>\n");
    }
}

/// Whether the line breaks mean something, as in a list, rather than where the editor was narrow.
fn is_list(paragraph: &str) -> bool {
    paragraph.lines().any(|line| line.starts_with([' ', '\t', '-', '*', '•']))
}

/// One row of a list of properties; nothing where there is no value.
pub(super) fn property(html: &mut Html, name: &'static str, value: Option<&str>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        html.raw("<div><dt>").raw(name).raw("</dt><dd>").text(value).raw("</dd></div>\n");
    }
}

pub(super) fn list_property(html: &mut Html, name: &'static str, values: Option<&Vec<String>>) {
    property(html, name, values.map(|values| values.join(", ")).as_deref());
}

/// A value in words: text as it is, anything else as JSON.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => datamesh_provider::canonical_json(other),
    }
}

/// A product by its name and version, linked where it has a page. `up` leads to the folder of the site.
pub(super) fn product_link(html: &mut Html, mesh: &Mesh, up: &'static str, id: &str) {
    match mesh.products.get(id) {
        Some(product) => {
            let path = format!("{up}{}", product.path);
            html.link(&path, &mesh.title(id));
            version(html, product);
        }
        None => {
            html.text(id);
        }
    }
}

pub(super) fn version(html: &mut Html, product: &Product) {
    if let Some(version) = product.attrs.version {
        html.raw(" ").tag("span", "version", &format!("v{version}"));
    }
}

pub(super) fn domain_title<'a>(id: &'a str, domain: &'a Domain) -> &'a str {
    domain.attrs.name.as_deref().unwrap_or(id)
}
