//! What goes into a plan and what comes out. The output types are also the format of plan files.

use crate::manifest::model::OnRemove;
use datamesh_provider::{
    Address, AttributeChange, Class, Facts, LiveObject, ObjectId, OpAction, OperationId, Packed,
    ResourceType, SystemName, TypeName,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Every resource type of every provider, by name.
#[derive(Clone, Debug, Default)]
pub struct Types {
    by_name: BTreeMap<&'static str, &'static dyn ResourceType>,
}

impl Types {
    pub fn new(types: impl IntoIterator<Item = &'static dyn ResourceType>) -> Self {
        Self { by_name: types.into_iter().map(|ty| (ty.name(), ty)).collect() }
    }

    pub fn get(&self, name: &TypeName) -> Option<&'static dyn ResourceType> {
        self.by_name.get(name.as_str()).copied()
    }

    /// The first step of a deletion that waits until what it depends on is gone.
    pub(crate) fn late_from(&self, ty: &TypeName, steps: &[String]) -> Option<usize> {
        let late = self.get(ty)?.schema().late;
        steps.iter().position(|step| late.contains(&step.as_str()))
    }

    pub fn iter(&self) -> impl Iterator<Item = &'static dyn ResourceType> + '_ {
        self.by_name.values().copied()
    }
}

/// How a resource came under management.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    Created,
    Adopted,
}

/// What the state records of one resource, as far as planning needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct PriorResource {
    pub address: Address,
    pub ty: TypeName,
    pub system: SystemName,
    pub id: ObjectId,
    pub source_path: String,
    pub incarnation: Option<String>,
    /// Managed attributes as last applied, in the shape of the current schema version.
    pub attributes: Packed,
    pub computed: Packed,
    pub depends_on: BTreeSet<Address>,
    pub generation: u64,
    pub origin: Origin,
    pub prevent_destroy: bool,
    pub on_remove: Option<OnRemove>,
    /// Its creation was cut off between two steps: it does not yet have all that a creation gives.
    pub unfinished: bool,
}

/// Lineage and serial of one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShardVersion {
    pub lineage: String,
    pub serial: u64,
}

/// An operation whose outcome is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub address: Address,
    /// Who is at it, where a lock is held: then it is being changed right now.
    pub holder: Option<String>,
}

/// Every shard of the environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prior {
    pub resources: BTreeMap<Address, PriorResource>,
    pub pending: Vec<Pending>,
    /// By domain.
    pub shards: BTreeMap<String, ShardVersion>,
    /// The identity each system had when the state was written.
    pub systems: BTreeMap<SystemName, String>,
}

impl Prior {
    /// What an apply is at work on right now, and whose that is.
    pub fn under_way(&self) -> BTreeMap<&Address, &String> {
        self.pending.iter().filter_map(|pending| Some((&pending.address, pending.holder.as_ref()?))).collect()
    }
}

/// What one object looked like when it was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    Absent,
    Present(LiveObject),
    /// It could not be read; the error in words.
    Unreadable(String),
}

/// One object that was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotEntry {
    pub system: SystemName,
    #[serde(rename = "type")]
    pub ty: TypeName,
    pub id: ObjectId,
    pub reading: Reading,
}

/// Facts of one system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemFacts {
    pub system: SystemName,
    pub facts: Facts,
}

/// Everything that was read live: the same format in plan files, `--snapshot` files and golden tests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    pub systems: Vec<SystemFacts>,
    pub objects: Vec<SnapshotEntry>,
}

impl Snapshot {
    /// Puts everything into the one canonical order.
    pub fn sort(&mut self) {
        self.systems.sort_by(|a, b| a.system.cmp(&b.system));
        self.objects.sort_by(|a, b| (&a.system, &a.ty, &a.id).cmp(&(&b.system, &b.ty, &b.id)));
    }
}

/// What a plan does with one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Create,
    Update,
    Replace,
    Delete,
    Adopt,
    Forget,
    Hold,
    NoOp,
}

impl Action {
    /// Whether it counts as a change: held and unchanged resources do not.
    pub fn is_change(self) -> bool {
        !matches!(self, Self::Hold | Self::NoOp)
    }
}

/// What the state shall record of a resource once its change is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordSpec {
    pub source_path: String,
    pub depends_on: BTreeSet<Address>,
    pub prevent_destroy: bool,
    pub on_remove: Option<OnRemove>,
    pub origin: Origin,
}

/// The plan for one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceChange {
    pub address: Address,
    #[serde(rename = "type")]
    pub ty: TypeName,
    pub system: SystemName,
    pub id: ObjectId,
    pub action: Action,
    pub class: Class,
    /// Why, in words.
    pub reason: String,
    pub attributes: Vec<AttributeChange>,
    /// How many managed attributes stay as they are.
    pub unchanged: usize,
    pub notes: Vec<String>,
    /// What the system will assign: shown as `(known after apply)`.
    pub computed: Vec<String>,
    /// What we last applied. `None`, as `live` and `planned` are, where there is nothing to do: all is as declared.
    pub prior: Option<Packed>,
    /// What is live, as far as it is managed: what is declared, and what was last applied.
    pub live: Option<Packed>,
    /// What shall be: normalised; creation defaults filled in for a create. `None` where nothing stays.
    pub planned: Option<Packed>,
    /// What the manifest declares, and so what the state records as managed.
    pub declared: Option<Packed>,
    pub incarnation: Option<String>,
    pub generation: u64,
    /// The address it had in the state so far.
    pub moved_from: Option<Address>,
    pub record: Option<RecordSpec>,
    /// Whether the state must be written although nothing live changes.
    pub bookkeeping: bool,
    /// The steps of an update or an adoption; other actions have fixed ones.
    pub steps: Vec<String>,
}

impl ResourceChange {
    /// Whether an apply does something about it, the state alone included.
    pub fn is_work(&self) -> bool {
        self.action.is_change() || self.bookkeeping
    }
}

/// A resource that differs live from what was last applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    pub address: Address,
    #[serde(rename = "type")]
    pub ty: TypeName,
    pub id: ObjectId,
    /// Gone altogether.
    pub deleted: bool,
    /// From what was applied to what is live.
    pub attributes: Vec<AttributeChange>,
}

/// One step of the execution graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedOperation {
    pub id: OperationId,
    pub address: Address,
    pub action: OpAction,
    pub step: String,
    /// Indexes of operations that must be done before.
    pub after: Vec<usize>,
    /// Whether this is the last step of its change.
    pub last: bool,
}

/// The execution graph: operations, and groups of them in the order they run. A group is of one dependency level.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutionGraph {
    pub operations: Vec<PlannedOperation>,
    pub groups: Vec<Vec<usize>>,
}

/// What a plan saw live of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    Absent,
    /// A digest of its managed attributes and its mark: what others write into it changes nothing here.
    Present(String),
    /// Not read, or not readable.
    Unread,
}

/// What a plan relies on of one resource: of each that it changes, and of what those depend on directly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// `gen` of its record; `None` where there was none.
    #[serde(rename = "gen")]
    pub generation: Option<u64>,
    /// The incarnation that was live.
    pub incarnation: Option<String>,
    pub seen: Seen,
}

/// The whole plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub environment: String,
    /// Digest of what it does, of what it relies on and of the inputs: equal plans have equal ids.
    pub id: String,
    pub changes: Vec<ResourceChange>,
    pub drift: Vec<Drift>,
    pub graph: ExecutionGraph,
    /// Owners nothing is planned for, with the reason.
    pub held_back: BTreeMap<String, String>,
    /// What another run is changing right now, and who: left out.
    pub being_changed: BTreeMap<Address, String>,
    /// What it relies on.
    pub pins: BTreeMap<Address, Pin>,
    /// The lineage of each shard, by domain.
    pub shards: BTreeMap<String, String>,
    /// A digest of the state it was made from, down to the serials. Nothing is compared with it: it makes the same
    /// change at another time another plan.
    pub basis: String,
    pub inputs_digest: String,
}

/// The numbers of the last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    pub create: usize,
    pub update: usize,
    pub replace: usize,
    pub delete: usize,
    pub adopt: usize,
    pub forget: usize,
    pub held: usize,
    pub unchanged: usize,
    pub loses_data: usize,
}

impl Plan {
    pub fn summary(&self) -> Summary {
        let mut sum = Summary::default();
        for change in &self.changes {
            let slot = match change.action {
                Action::Create => &mut sum.create,
                Action::Update => &mut sum.update,
                Action::Replace => &mut sum.replace,
                Action::Delete => &mut sum.delete,
                Action::Adopt => &mut sum.adopt,
                Action::Forget => &mut sum.forget,
                Action::Hold => &mut sum.held,
                Action::NoOp => &mut sum.unchanged,
            };
            *slot += 1;
            sum.loses_data += usize::from(change.class == Class::DataLoss && change.action.is_change());
        }
        sum
    }

    /// Whether an apply would change anything live or forget anything.
    pub fn has_changes(&self) -> bool {
        self.changes.iter().any(|change| change.action.is_change())
    }

    /// Whether an apply has anything to write, the state alone included.
    pub fn has_work(&self) -> bool {
        self.work().next().is_some()
    }

    /// What an apply does something about, the state alone included.
    pub fn work(&self) -> impl Iterator<Item = &ResourceChange> {
        self.changes.iter().filter(|change| change.is_work())
    }

    pub fn change(&self, address: &Address) -> Option<&ResourceChange> {
        self.changes.binary_search_by(|c| c.address.cmp(address)).ok().map(|at| &self.changes[at])
    }
}

/// Which resources a run is about. Narrowing never narrows what is loaded.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// `None`: everything.
    pub only: Option<BTreeSet<Address>>,
}

impl Scope {
    pub fn is_whole(&self) -> bool {
        self.only.is_none()
    }

    pub fn contains(&self, address: &Address) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(address))
    }
}

/// What a plan is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Bring live to what manifests declare.
    #[default]
    Converge,
    /// Remove everything in scope: `destroy`.
    Destroy,
}

/// What the user asked of this plan.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    pub mode: Mode,
    pub scope: Scope,
    /// Decide about these alone, with everything else in view; `None`: about all. Unlike a narrower scope it takes
    /// nothing away from what may be concluded.
    pub consider: Option<BTreeSet<Address>>,
    /// Addresses that may be adopted although that changes them.
    pub adopt: BTreeSet<Address>,
    /// Addresses that may be destroyed although something still uses them, or the environment is protected.
    pub allow_destroy: BTreeSet<Address>,
    /// The environment's default for what vanished.
    pub on_remove: Option<OnRemove>,
    pub protected: bool,
    /// Operations of one group at most; `None`: [`super::GROUP_LIMIT`].
    pub group: Option<usize>,
}
