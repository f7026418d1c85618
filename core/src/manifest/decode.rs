//! From a document's tree to a typed manifest, with every error at once.

use crate::manifest::check::check;
use crate::manifest::codes;
use crate::manifest::de::{DecodeError, NodeReader};
use crate::manifest::kind::{Kind, Manifest};
use crate::manifest::limits::Limits;
use crate::manifest::scalar::Resolved;
use crate::manifest::schema::shapes;
use crate::manifest::tree::{NodeId, Tree};
use datamesh_provider::{Diagnostic, Diagnostics, FileId};
use serde::Deserialize;

/// The typed document, if nothing is wrong with it; and what is wrong with it, `problems` of its YAML included.
pub(crate) fn decode(
    kind: Kind,
    tree: &Tree<'_>,
    file: FileId,
    limits: &Limits,
    problems: Vec<Diagnostic>,
) -> (Option<Manifest>, Diagnostics) {
    let mut found = check(shapes(kind), tree, file);
    found.extend(problems);
    if found.has_errors() {
        return (None, found);
    }
    match read(kind, NodeReader { tree, id: tree.root, file }) {
        Ok(manifest) => {
            if let Manifest::DataProduct(product) = &manifest {
                found.extend(limits.check_product(product));
            }
            // What is over a limit must not reach resolve, let alone a live system.
            let kept = (!found.has_errors()).then_some(manifest);
            (kept, found)
        }
        Err(error) => {
            let span = error.span.unwrap_or_else(|| tree.span(tree.root, file));
            let detail = format!("This {} cannot be understood: {}.", kind.name(), error.message);
            found.push(Diagnostic::error(codes::DOES_NOT_FIT, detail).at(span, "here"));
            (None, found)
        }
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
pub(crate) fn owner(kind: Kind, tree: &Tree<'_>) -> Option<String> {
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
