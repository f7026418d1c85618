//! Scoped errors: a product with an error holds back itself and what depends on it, and nothing else.

use crate::graph::draft::{Draft, World};
use crate::manifest::Load;
use datamesh_provider::{Diagnostic, Diagnostics};
use std::collections::{BTreeMap, HashMap};

/// Owners that nothing is planned for, each with the reason in words.
#[derive(Debug, Default)]
pub(crate) struct Held {
    reasons: BTreeMap<String, String>,
}

impl Held {
    /// Documents that could not even be decoded.
    pub(crate) fn of_load(load: &Load, world: &World<'_>) -> Self {
        let mut held = Self::default();
        // A document whose version is not known stands for every version that is declared or recorded.
        let mut versionless: BTreeMap<&str, String> = BTreeMap::new();
        for broken in &load.broken {
            let Some(owner) = &broken.owner else { continue };
            let reason = format!("{} has errors", broken.path);
            if owner.contains('/') && !owner.contains('@') {
                versionless.insert(owner, reason.clone());
            }
            held.reasons.insert(owner.clone(), reason);
        }
        if !versionless.is_empty() {
            let declared = world.products.all.iter().map(|product| product.owner.clone());
            let recorded = world.names.recorded().map(|(address, _)| address.owner());
            for owner in declared.chain(recorded) {
                let product = owner.split('@').next().unwrap_or_default();
                if let Some(reason) = versionless.get(product) {
                    held.reasons.insert(owner, reason.clone());
                }
            }
        }
        held.hold_scopes(&load.diagnostics);
        held
    }

    fn hold(&mut self, owner: &str, why: &Diagnostic) {
        if !self.reasons.contains_key(owner) {
            self.reasons.insert(owner.to_owned(), format!("{} [{}]", why.code.summary, why.code.id));
        }
    }

    pub(crate) fn hold_all(&mut self, owners: &[String], why: &Diagnostic) {
        for owner in owners {
            self.hold(owner, why);
        }
    }

    /// The owners that errors are scoped to.
    pub(crate) fn hold_scopes(&mut self, found: &Diagnostics) {
        for error in found.errors() {
            if let Some(scope) = &error.scope {
                self.hold(scope, error);
            }
        }
    }

    /// Holds back what depends on what is held back: the products of a domain, the consumers of a product.
    pub(crate) fn spread(&mut self, drafts: &[Draft<'_>]) {
        if self.reasons.is_empty() {
            return;
        }
        let mut users: HashMap<&str, Vec<&str>> = HashMap::new();
        // One that is held back in every version it may have.
        let versionless = self.reasons.keys().any(|owner| owner.contains('/') && !owner.contains('@'));
        for draft in drafts {
            let user = draft.product.owner.as_str();
            users.entry(&draft.product.domain_name).or_default().push(user);
            for source in draft.sources.iter().chain(&draft.refers) {
                users.entry(source).or_default().push(user);
                if let Some((product, _)) = source.rsplit_once('@').filter(|_| versionless) {
                    users.entry(product).or_default().push(user);
                }
            }
        }
        let mut queue: Vec<String> = self.reasons.keys().cloned().collect();
        while let Some(owner) = queue.pop() {
            for user in users.get(owner.as_str()).into_iter().flatten() {
                if !self.reasons.contains_key(*user) {
                    self.reasons
                        .insert((*user).to_owned(), format!("depends on {owner}, which is held back"));
                    queue.push((*user).to_owned());
                }
            }
        }
    }

    pub(crate) fn is_held(&self, owner: &str) -> bool {
        self.reasons.contains_key(owner)
    }

    pub(crate) fn owners(&self) -> impl Iterator<Item = &str> {
        self.reasons.keys().map(String::as_str)
    }

    pub(crate) fn into_reasons(self) -> BTreeMap<String, String> {
        self.reasons
    }
}
