//! Domains: who is who, by name and by alias.

use crate::contract::did_you_mean;
use crate::graph::codes;
use crate::manifest::model;
use crate::manifest::{Kind, Load, Manifest};
use datamesh_provider::{Diagnostic, Diagnostics, Span, Spanned};
use std::collections::HashMap;
use std::sync::Arc;

/// One domain of the mesh.
#[derive(Debug)]
pub(crate) struct DomainEntry<'a> {
    pub(crate) name: String,
    /// `None` where no Domain manifests exist, and a product merely names it.
    pub(crate) doc: Option<&'a model::Domain>,
    pub(crate) path: Arc<str>,
    pub(crate) span: Option<Span>,
    /// Whether its document is broken, so that what it does not say says nothing.
    pub(crate) unsure: bool,
}

/// Every domain, found by name or alias.
#[derive(Debug, Default)]
pub(crate) struct Domains<'a> {
    pub(crate) all: Vec<DomainEntry<'a>>,
    /// By comparable name; whether it is the name itself rather than an alias.
    by_name: HashMap<String, (usize, bool, Option<Span>)>,
    /// Whether there are Domain manifests: then a product of another domain is an error.
    pub(crate) declared: bool,
    /// So many of all are declared, or named by a product that is; the others by broken products only.
    pub(crate) planned: usize,
}

/// Names compare with `-` = `_`.
pub(crate) fn comparable(name: &str) -> String {
    name.replace('-', "_")
}

/// Whether the text can stand in an address and in names made from it.
pub(crate) fn is_domain_name(text: &str) -> bool {
    let clean = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    !text.is_empty()
        && text.len() <= 128
        && text.bytes().all(clean)
        && text.bytes().any(|b| b.is_ascii_alphanumeric())
        // The state keeps other things under such names.
        && !text.starts_with('_')
}

/// The folder rule: `domains/<name>/…` is said to belong to that domain.
pub(crate) fn folder(path: &str) -> Option<&str> {
    let (name, _) = path.strip_prefix("domains/")?.split_once('/')?;
    Some(name)
}

impl<'a> Domains<'a> {
    pub(crate) fn collect(load: &'a Load, found: &mut Diagnostics) -> Self {
        let mut domains = Self::default();
        for loaded in &load.manifests {
            if let Manifest::Domain(doc) = &loaded.manifest {
                domains.declared = true;
                domains.add(doc, &loaded.path, loaded.span, found);
            }
        }
        for partial in &load.partial {
            if let Manifest::Domain(doc) = &partial.loaded.manifest {
                let known = domains.all.len();
                domains.add(doc, &partial.loaded.path, partial.loaded.span, found);
                domains.all[known..].iter_mut().for_each(|entry| entry.unsure = true);
            }
        }
        domains.broken(load);
        domains.aliases(found);
        domains
    }

    fn add(&mut self, doc: &'a model::Domain, path: &Arc<str>, span: Span, found: &mut Diagnostics) {
        let name = &doc.metadata.name;
        if !is_domain_name(name) {
            found.push(bad_name(name, "a domain").scoped(&name.value));
            return;
        }
        if let Some((first, _, _)) = self.by_name.get(&comparable(name)).copied() {
            let first = &self.all[first];
            let detail =
                format!("The domain `{}` is declared twice (`-` and `_` are the same here).", name.value);
            let other = first.doc.and_then(|d| d.metadata.name.span);
            found.push(
                Diagnostic::error(codes::DOMAIN_TAKEN, detail)
                    .on(name, "declared again")
                    .at(other, "declared first")
                    .help("Put both into one document, or rename one.")
                    .scoped(&first.name),
            );
            return;
        }
        if let Some(folder) = folder(path).filter(|folder| comparable(folder) != comparable(name)) {
            found.push(wrong_folder(folder, name, path).scoped(&name.value));
        }
        self.by_name.insert(comparable(name), (self.all.len(), true, name.span));
        let span = Some(name.span.unwrap_or(span));
        let (name, path) = (name.value.clone(), path.clone());
        self.all.push(DomainEntry { name, doc: Some(doc), path, span, unsure: false });
    }

    /// A Domain document that could not be decoded still declares its domain: its products are held back, not
    /// homeless.
    fn broken(&mut self, load: &Load) {
        for broken in load.broken.iter().filter(|broken| broken.kind == Some(Kind::Domain)) {
            self.declared = true;
            let Some(name) = broken.owner.as_ref().filter(|name| is_domain_name(name)) else { continue };
            if self.find(name).is_none() {
                self.by_name.insert(comparable(name), (self.all.len(), true, None));
                let path = broken.path.clone();
                let name = name.clone();
                self.all.push(DomainEntry { name, doc: None, path, span: None, unsure: true });
            }
        }
    }

    fn aliases(&mut self, found: &mut Diagnostics) {
        for index in 0..self.all.len() {
            let Some(doc) = self.all[index].doc else { continue };
            for alias in &doc.spec.aliases {
                let key = comparable(alias);
                match self.by_name.get(&key) {
                    None => {
                        self.by_name.insert(key, (index, false, alias.span));
                    }
                    Some((other, ..)) if *other == index => {}
                    Some((other, is_name, place)) => {
                        let what = if *is_name { "the name" } else { "an alias" };
                        let other = &self.all[*other].name;
                        let detail = format!(
                            "`{}` is {what} of the domain `{other}` already (`-` and `_` are the same here), so \
                             nobody could tell which domain is meant.",
                            alias.value
                        );
                        found.push(
                            Diagnostic::error(codes::DOMAIN_TAKEN, detail)
                                .on(alias, "this alias")
                                .at(*place, format!("{what} of `{other}`"))
                                .help("Remove the alias from one of the two domains.")
                                .scoped(&self.all[index].name),
                        );
                    }
                }
            }
        }
    }

    /// The domain of this name or alias.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(&comparable(name)).map(|(index, ..)| *index)
    }

    /// The domain a product says it belongs to. Without Domain manifests a name is enough to make one.
    pub(crate) fn of_product(
        &mut self,
        name: &Spanned<String>,
        path: &Arc<str>,
    ) -> Result<usize, Box<Diagnostic>> {
        if !is_domain_name(name) {
            return Err(Box::new(bad_name(name, "a domain")));
        }
        match self.by_name.get(&comparable(name)) {
            Some((index, true, _)) => Ok(*index),
            Some((index, false, place)) => {
                let own = &self.all[*index].name;
                let detail = format!("`{}` is an alias of the domain `{own}`.", name.value);
                Err(Box::new(
                    Diagnostic::error(codes::UNKNOWN_DOMAIN, detail)
                        .on(name, "an alias")
                        .at(*place, "declared here")
                        .help(format!("Write `domain: {own}`; aliases are for topics and lineage only.")),
                ))
            }
            None if self.declared => {
                let names = self.all.iter().map(|domain| domain.name.as_str());
                let help = did_you_mean(name, names, || {
                    "Add a Domain document for it, in `domains/<name>/domain.yaml`, say.".to_owned()
                });
                let detail = format!("No Domain document declares `{}`.", name.value);
                let found = Diagnostic::error(codes::UNKNOWN_DOMAIN, detail);
                Err(Box::new(found.on(name, "not a domain of this mesh").help(help)))
            }
            None => {
                let index = self.all.len();
                self.by_name.insert(comparable(name), (index, true, name.span));
                let (path, span) = (path.clone(), name.span);
                let name = name.value.clone();
                self.all.push(DomainEntry { name, doc: None, path, span, unsure: false });
                Ok(index)
            }
        }
    }
}

pub(crate) fn bad_name(name: &Spanned<String>, what: &str) -> Diagnostic {
    let detail = format!(
        "`{}` cannot be the name of {what}: lower-case letters, digits and hyphens only, since topics, tables and \
         addresses are named after it.",
        name.value
    );
    let kebab: Vec<String> = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let help = if kebab.is_empty() {
        "Write a name such as `order-management`.".to_owned()
    } else {
        format!("Write `{}`.", kebab.join("-"))
    };
    Diagnostic::error(codes::BAD_NAME, detail).on(name, "this name").help(help)
}

pub(crate) fn wrong_folder(folder: &str, domain: &Spanned<String>, path: &str) -> Diagnostic {
    let detail = format!(
        "{path} lies in the folder of the domain `{folder}`, but says that it belongs to `{}`. Who may change a \
         manifest is often decided by its folder.",
        domain.value
    );
    Diagnostic::error(codes::WRONG_FOLDER, detail)
        .on(domain, "another domain than the folder's")
        .help(format!("Move the file below `domains/{}/`, or correct the domain.", domain.value))
}
