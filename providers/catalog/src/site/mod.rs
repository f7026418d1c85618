//! A static site made from the entities: plain values in, files out. Equal entities give equal bytes.
//!
//! The pages need no script, no font and nothing from elsewhere. Everything that comes from a manifest goes
//! through the one escaper of `html`, and never into an address: links lead to pages of this site only.

mod html;
mod index;
mod model;
mod parts;
mod product;

use datamesh_provider::Attributes;
use model::Mesh;
use std::collections::BTreeMap;

/// What every file of the site says in its first kilobyte: so we know our own.
pub(crate) const MARK: &str = "datamesh catalog";

const STYLE: &str = include_str!("style.css");

/// The attributes of all entities, by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entities {
    pub domains: BTreeMap<String, Attributes>,
    pub products: BTreeMap<String, Attributes>,
    pub lineage: BTreeMap<String, Attributes>,
}

/// The files of the site, by their path: `index.html`, `style.css`, and a page for each product below
/// `products/`.
pub fn site(entities: &Entities) -> BTreeMap<String, String> {
    let mesh = Mesh::new(entities);
    let mut files = BTreeMap::from([
        ("index.html".to_owned(), index::page(&mesh)),
        ("style.css".to_owned(), STYLE.to_owned()),
    ]);
    files.extend(
        mesh.products.iter().map(|(id, product)| (product.path.clone(), product::page(&mesh, id, product))),
    );
    files
}

#[cfg(test)]
#[path = "site_tests.rs"]
mod tests;
