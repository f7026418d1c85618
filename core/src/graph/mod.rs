//! The desired graph: every resource the manifests ask for, with what it depends on.

use crate::manifest::model::OnRemove;
use datamesh_provider::{Address, Object, Span};
use std::collections::{BTreeMap, BTreeSet};

mod access;
pub mod audit;
mod catalog;
mod claims;
pub mod codes;
mod decisions;
mod domains;
mod dormant;
mod draft;
pub mod endpoints;
pub mod environment;
mod held;
mod lineage;
mod namespaces;
mod partial;
mod ports;
mod products;
pub mod recorded;
mod references;
pub mod resolve;
mod retention;
mod secrets;
pub mod selector;
mod serializer;
mod slo;
mod source;
mod subject;
mod systems;
mod table;
mod template;
mod topic;

pub use environment::{Defaults, Prefixes, ResolvedEnvironment, environment};
pub use recorded::{Recorded, RecordedObject};
pub use resolve::{Validate, judge, resolve};
pub use selector::{AddressGlob, SelectorError};

/// One resource that manifests declare.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredResource {
    pub object: Object,
    /// Resources that must exist before this one: a table its namespace, a catalog entry what it describes.
    pub depends_on: BTreeSet<Address>,
    pub lifecycle: Lifecycle,
    /// The manifest, relative to the mesh root.
    pub source_path: String,
    /// The main place: the port, the schema, or the document.
    pub span: Option<Span>,
    /// What its users have to know, told when it is made or taken over.
    pub notes: Vec<String>,
}

/// What its manifest says about losing a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifecycle {
    pub prevent_destroy: bool,
    /// `None` unless the manifest spells it.
    pub on_remove: Option<OnRemove>,
    pub purge: bool,
    pub allow_data_loss: bool,
    pub ignore_changes: Vec<String>,
}

/// A resource that is to keep its live object under a new address.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    pub from: Address,
    pub to: Address,
    pub span: Option<Span>,
}

/// A decision about what vanished: `Removed`.
#[derive(Clone, Debug, PartialEq)]
pub struct Removal {
    /// An address glob.
    pub pattern: String,
    pub destroy: bool,
    pub span: Option<Span>,
}

/// A live object that a declared resource shall take over: `Import`.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportRequest {
    pub address: Address,
    pub id: String,
    pub span: Option<Span>,
}

/// What resolve makes of all manifests, for one environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DesiredGraph {
    pub resources: BTreeMap<Address, DesiredResource>,
    pub moves: Vec<Move>,
    pub removals: Vec<Removal>,
    pub imports: Vec<ImportRequest>,
    /// Owners (`domain/product@version`, or `domain`) that are planned nothing for because of an error in them or
    /// in what they depend on, with the reason in words. Their removal is never inferred.
    pub held_back: BTreeMap<String, String>,
    /// Whether every manifest was read: only then may absence be read as removal.
    pub complete: bool,
    /// Files that exist but were not read as manifests: ignored, linked, skipped or broken. What is recorded as
    /// coming from one of them has not vanished.
    pub unread_paths: BTreeSet<String>,
    /// Files that git tracks and that are not in the working tree.
    pub missing_paths: BTreeSet<String>,
    /// Every owner that is declared, so that a vanished version beside an appearing one is noticed; and where its version
    /// is written.
    pub owners: BTreeMap<String, Option<Span>>,
}

#[cfg(test)]
mod tests;
