//! The kinds of documents, and the groups they belong to.

use crate::manifest::model;

pub const DATAMESH_GROUP: &str = "datamesh.example.com";
pub const GOVERNANCE_GROUP: &str = "governance.datamesh.example.com";
/// The only version of the format.
pub const VERSION: &str = "v1";

/// A kind of manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    DataProduct,
    Domain,
    Mesh,
    Moved,
    Removed,
    Import,
    AccessGrant,
    GovernancePolicy,
    PolicyWaiver,
}

impl Kind {
    pub const ALL: &'static [Self] = &[
        Self::DataProduct,
        Self::Domain,
        Self::Mesh,
        Self::Moved,
        Self::Removed,
        Self::Import,
        Self::AccessGrant,
        Self::GovernancePolicy,
        Self::PolicyWaiver,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::DataProduct => "DataProduct",
            Self::Domain => "Domain",
            Self::Mesh => "Mesh",
            Self::Moved => "Moved",
            Self::Removed => "Removed",
            Self::Import => "Import",
            Self::AccessGrant => "AccessGrant",
            Self::GovernancePolicy => "GovernancePolicy",
            Self::PolicyWaiver => "PolicyWaiver",
        }
    }

    /// One sentence for editors.
    pub fn summary(self) -> &'static str {
        match self {
            Self::DataProduct => {
                "A data product: its contract, its service levels, and the ports it is offered on."
            }
            Self::Domain => "A domain: who owns its products, and by which names it is known.",
            Self::Mesh => "The mesh: its environments and where their systems are.",
            Self::Moved => "A resource that keeps its live object under a new address.",
            Self::Removed => "A decision about resources whose manifests are gone.",
            Self::Import => "A live object that a declared resource takes over.",
            Self::AccessGrant => "Access of a consumer to a port of a product.",
            Self::GovernancePolicy => "Rules that every product is judged by.",
            Self::PolicyWaiver => "A dated exception from a rule for one product.",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Whether the kind lives in the governance group.
    pub fn is_governance(self) -> bool {
        matches!(self, Self::GovernancePolicy | Self::PolicyWaiver)
    }

    /// Whether the name is ours alone: other tools are not expected to have such a kind, so one in a foreign group
    /// is a mistake.
    pub fn is_distinctive(self) -> bool {
        matches!(self, Self::DataProduct | Self::GovernancePolicy | Self::PolicyWaiver | Self::AccessGrant)
    }
}

/// One decoded document.
#[derive(Clone, Debug, PartialEq)]
pub enum Manifest {
    DataProduct(Box<model::DataProduct>),
    Domain(Box<model::Domain>),
    Mesh(Box<model::Mesh>),
    Moved(Box<model::Moved>),
    Removed(Box<model::Removed>),
    Import(Box<model::Import>),
    AccessGrant(Box<model::AccessGrant>),
    GovernancePolicy(Box<model::GovernancePolicy>),
    PolicyWaiver(Box<model::PolicyWaiver>),
}

impl Manifest {
    pub fn kind(&self) -> Kind {
        match self {
            Self::DataProduct(_) => Kind::DataProduct,
            Self::Domain(_) => Kind::Domain,
            Self::Mesh(_) => Kind::Mesh,
            Self::Moved(_) => Kind::Moved,
            Self::Removed(_) => Kind::Removed,
            Self::Import(_) => Kind::Import,
            Self::AccessGrant(_) => Kind::AccessGrant,
            Self::GovernancePolicy(_) => Kind::GovernancePolicy,
            Self::PolicyWaiver(_) => Kind::PolicyWaiver,
        }
    }
}
