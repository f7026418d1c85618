//! From a document's tree to a typed manifest, with every error at once.
//!
//! Of a document that does not fit, what does is decoded as well, so that its meaning is judged in the same run.

use crate::manifest::check::{Checked, Rest, check};
use crate::manifest::codes;
use crate::manifest::de::{DecodeError, NodeReader};
use crate::manifest::kind::{Kind, Manifest};
use crate::manifest::limits::Limits;
use crate::manifest::scalar::Resolved;
use crate::manifest::schema::shapes;
use crate::manifest::tree::{NodeId, Tree};
use datamesh_provider::{Diagnostic, Diagnostics, FileId};
use serde::Deserialize;
use std::collections::BTreeSet;

/// What became of one document.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) outcome: Outcome,
    /// What is wrong with it.
    pub(crate) found: Diagnostics,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    /// Nothing is wrong with it.
    Whole(Manifest),
    /// Something is; whom it speaks for, and what is left of it, if anything.
    Broken { owner: Option<String>, rest: Option<(Manifest, BTreeSet<String>)> },
}

/// The typed document, and what is wrong with it, `problems` of its YAML included.
pub(crate) fn decode(
    kind: Kind,
    tree: &mut Tree<'_>,
    file: FileId,
    limits: &Limits,
    problems: Vec<Diagnostic>,
) -> Decoded {
    let Checked { mut found, rest } = check(shapes(kind), tree, file);
    found.extend(problems);
    if found.has_errors() {
        let owner = owner(kind, tree);
        let rest = rest.and_then(|Rest { dropped, lost }| {
            tree.remove(&dropped);
            // What else is wrong with it is said of the whole document, once that fits.
            read(kind, NodeReader { tree, id: tree.root, file }).ok().map(|rest| (rest, lost))
        });
        let rest = rest.filter(|(manifest, _)| !over_limit(manifest, limits).has_errors());
        return Decoded { outcome: Outcome::Broken { owner, rest }, found };
    }
    match read(kind, NodeReader { tree, id: tree.root, file }) {
        Ok(manifest) => {
            found.extend(over_limit(&manifest, limits));
            if !found.has_errors() {
                return Decoded { outcome: Outcome::Whole(manifest), found };
            }
        }
        Err(error) => {
            let span = error.span.unwrap_or_else(|| tree.span(tree.root, file));
            let detail = format!("This {} cannot be understood: {}.", kind.name(), error.message);
            found.push(Diagnostic::error(codes::DOES_NOT_FIT, detail).at(span, "here"));
        }
    }
    // What is over a limit must not reach resolve, let alone a live system.
    Decoded { outcome: Outcome::Broken { owner: owner(kind, tree), rest: None }, found }
}

fn over_limit(manifest: &Manifest, limits: &Limits) -> Diagnostics {
    match manifest {
        Manifest::DataProduct(product) => limits.check_product(product),
        _ => Diagnostics::default(),
    }
}

fn read(kind: Kind, reader: NodeReader<'_, '_>) -> Result<Manifest, DecodeError> {
    fn boxed<'de, T: Deserialize<'de>>(reader: NodeReader<'_, '_>) -> Result<Box<T>, DecodeError> {
        T::deserialize(reader).map(Box::new)
    }
    Ok(match kind {
        Kind::DataProduct => Manifest::DataProduct(boxed(reader)?),
        Kind::Domain => Manifest::Domain(boxed(reader)?),
        Kind::Mesh => Manifest::Mesh(boxed(reader)?),
        Kind::Moved => Manifest::Moved(boxed(reader)?),
        Kind::Removed => Manifest::Removed(boxed(reader)?),
        Kind::Import => Manifest::Import(boxed(reader)?),
        Kind::AccessGrant => Manifest::AccessGrant(boxed(reader)?),
        Kind::GovernancePolicy => Manifest::GovernancePolicy(boxed(reader)?),
        Kind::PolicyWaiver => Manifest::PolicyWaiver(boxed(reader)?),
    })
}

/// Whom an unreadable document speaks for, as far as it can be told: what must be held back.
///
/// `domain/product@version` for a product, `domain/product` when its version cannot be read, `domain` for a Domain.
fn owner(kind: Kind, tree: &Tree<'_>) -> Option<String> {
    let metadata = tree.get(tree.root, "metadata")?;
    let text = |id: NodeId| match tree.resolved(id) {
        Some(Resolved::Text(text)) if !text.is_empty() => Some(text.to_owned()),
        _ => None,
    };
    let name = text(tree.get(metadata, "name")?)?;
    match kind {
        Kind::Domain => Some(name),
        Kind::DataProduct => {
            let domain = text(tree.get(metadata, "domain")?)?;
            let schema = tree.get(tree.root, "spec").and_then(|spec| tree.get(spec, "schema"));
            let version = schema.and_then(|schema| tree.get(schema, "version"));
            match version.map(|id| tree.resolved(id)) {
                None => Some(format!("{domain}/{name}@1")),
                Some(Some(Resolved::Integer(version))) => Some(format!("{domain}/{name}@{version}")),
                Some(_) => Some(format!("{domain}/{name}")),
            }
        }
        _ => None,
    }
}
