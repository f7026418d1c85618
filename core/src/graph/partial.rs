//! Documents that could be read in part: what can be said of that part is said in the same run.
//!
//! They are held back whatever is found. What their errors may have caused is left out: a contract without `fields`
//! is no error where an entry of `fields` could not be read.

use crate::graph::codes;
use crate::graph::draft::Draft;
use crate::graph::products::Product;
use crate::manifest::Partial;
use datamesh_provider::{Code, Diagnostic, Diagnostics};
use std::collections::BTreeSet;

/// A product that is checked, but not planned: part of it could not be read, or it cannot be told which product it
/// is.
#[derive(Debug)]
pub(crate) struct Unplanned<'a> {
    pub(crate) product: Product<'a>,
    /// The owner that is held back.
    pub(crate) scope: String,
    /// Where its document is broken.
    pub(crate) partial: Option<&'a Partial>,
    /// Whether it is known which objects it claims.
    pub(crate) named: bool,
}

/// Where a contract's fields stand, and what they are named by.
const FIELDS: &[&str] = &["schema", "fields", "name"];

/// Findings that say that something is absent, or that follow from a default, and the keys whose loss causes them.
const CAUSES: &[(Code, &[&str])] = &[
    (codes::TYPE_INCOMPLETE, &["fields", "items", "keys", "values"]),
    (codes::BAD_ENUM_VALUES, &["values"]),
    (codes::STRAY_TYPE_KEY, &["type"]),
    (codes::BAD_PRIMARY_KEY, FIELDS),
    (codes::BAD_PARTITION, FIELDS),
    (codes::BAD_SORT, FIELDS),
    (codes::NO_FIELDS, &["schema", "fields", "source"]),
    (codes::NOT_SUPPORTED, &["schema", "format"]),
    (codes::UNKNOWN_SYSTEM, &["cluster", "only_environments", "registry", "schema"]),
    (codes::OUTSIDE_SYSTEM, &["cluster", "only_environments"]),
    (codes::UNMAPPED_ADDRESS, &["only_environments"]),
    (codes::BAD_REFERENCE, &["schema", "fields", "name", "output_ports"]),
    (codes::DUPLICATE_PORT, &["name"]),
    (codes::BAD_PORT_VALUE, &["format", "schema"]),
    (codes::COMPACT_WITHOUT_KEY, &["key"]),
];

/// Without one of these it is not known which objects a product claims.
const NAMING: &[&str] = &[
    "cluster",
    "environments",
    "location",
    "name",
    "only_environments",
    "output_ports",
    "registry",
    "schema",
    "table",
    "technology",
    "topic",
    "version",
];

fn meets(keys: &[&str], lost: &BTreeSet<String>) -> bool {
    keys.iter().any(|key| lost.contains(*key))
}

impl Partial {
    /// Whether the product's version is as its document says.
    pub(crate) fn is_identified(&self) -> bool {
        !meets(&["schema", "version"], &self.lost)
    }

    /// Whether every object that the product claims is known.
    pub(crate) fn is_named(&self) -> bool {
        !meets(NAMING, &self.lost)
    }

    /// A finding under the owner that is held back, unless what is left out may have caused it.
    pub(crate) fn certain(&self, mut finding: Diagnostic) -> Option<Diagnostic> {
        let caused = CAUSES.iter().any(|(code, keys)| *code == finding.code && meets(keys, &self.lost));
        finding.scope.clone_from(&self.owner);
        (!caused).then_some(finding)
    }
}

/// What resolving the unplanned has found.
pub(crate) fn findings(drafts: Vec<Draft<'_>>, products: &[Unplanned<'_>]) -> Diagnostics {
    let mut found = Diagnostics::default();
    for (draft, known) in drafts.into_iter().zip(products) {
        match known.partial {
            Some(partial) => found.extend(draft.found.into_iter().filter_map(|f| partial.certain(f))),
            None => found.extend(draft.found.scoped(&known.scope)),
        }
    }
    found
}
