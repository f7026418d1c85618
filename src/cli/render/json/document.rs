//! The plan as one document. It keeps Terraform's names, so that rules written for those carry over.

use datamesh_core::plan::{Action, Drift, Plan, PlannedOperation, ResourceChange, Summary};
use datamesh_provider::{Address, AttributeChange, Attributes, Class, ObjectId, OpAction, Packed, Planned};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// Version of the plan document. The first number changes when a reader of the old form would break.
pub const PLAN_FORMAT: &str = "1.0";

/// A whole plan as one document.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PlanDocument<'a> {
    /// Version of this document. The first number changes when a reader of the old form would break.
    pub format_version: &'static str,
    pub datamesh_version: &'static str,
    pub environment: &'a str,
    pub plan_id: &'a str,
    pub inputs_digest: &'a str,
    pub resource_changes: Vec<ChangeView<'a>>,
    /// What differs live from what was last applied.
    pub resource_drift: Vec<DriftView<'a>>,
    /// Empty in this version.
    pub checks: Vec<Value>,
    /// The operations, in groups that are carried out one after the other.
    pub groups: Vec<Vec<OperationView<'a>>>,
    /// Empty in this version.
    pub policy_results: Vec<Value>,
    /// Empty in this version.
    pub compatibility: Vec<Value>,
    /// Products nothing is planned for, and why.
    pub held_back: &'a BTreeMap<String, String>,
    pub summary: Summary,
}

impl<'a> PlanDocument<'a> {
    pub fn of(plan: &'a Plan) -> Self {
        let operation = |at: &usize| plan.graph.operations.get(*at).map(OperationView::of);
        let groups = plan.graph.groups.iter().map(|group| group.iter().filter_map(operation).collect());
        Self {
            format_version: PLAN_FORMAT,
            datamesh_version: env!("CARGO_PKG_VERSION"),
            environment: &plan.environment,
            plan_id: &plan.id,
            inputs_digest: &plan.inputs_digest,
            resource_changes: plan.changes.iter().map(ChangeView::of).collect(),
            resource_drift: plan.drift.iter().map(DriftView::of).collect(),
            checks: Vec::new(),
            groups: groups.collect(),
            policy_results: Vec::new(),
            compatibility: Vec::new(),
            held_back: &plan.held_back,
            summary: plan.summary(),
        }
    }
}

/// What happens to an object, in Terraform's words: replacing is `delete` and `create`; taking over, holding and
/// leaving alone are `no-op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActionWord {
    Create,
    Update,
    Delete,
    Forget,
    NoOp,
}

impl fmt::Display for ActionWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Forget => "forget",
            Self::NoOp => "no-op",
        })
    }
}

pub(super) fn actions(action: Action) -> Vec<ActionWord> {
    match action {
        Action::Create => vec![ActionWord::Create],
        Action::Update => vec![ActionWord::Update],
        Action::Replace => vec![ActionWord::Delete, ActionWord::Create],
        Action::Delete => vec![ActionWord::Delete],
        Action::Forget => vec![ActionWord::Forget],
        Action::Adopt | Action::Hold | Action::NoOp => vec![ActionWord::NoOp],
    }
}

pub fn action_word(action: OpAction) -> ActionWord {
    match action {
        OpAction::Create => ActionWord::Create,
        OpAction::Update => ActionWord::Update,
        OpAction::Delete => ActionWord::Delete,
    }
}

/// What a resource is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ResourceView<'a> {
    pub address: &'a Address,
    #[serde(rename = "type")]
    pub ty: &'a str,
    pub name: &'a str,
    pub domain: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<&'a str>,
    /// The major version of the product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Its name in its system.
    pub id: &'a str,
}

impl<'a> ResourceView<'a> {
    fn of(address: &'a Address, id: &'a str) -> Self {
        let product = address.product();
        Self {
            address,
            ty: address.ty().as_str(),
            name: address.name(),
            domain: address.domain(),
            product: product.map(|(product, _)| product),
            version: product.map(|(_, version)| version),
            id,
        }
    }
}

/// What is planned for one resource.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChangeView<'a> {
    #[serde(flatten)]
    pub resource: ResourceView<'a>,
    /// The system it is in: a kind and a name.
    pub system: String,
    /// The address it had in the state so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_address: Option<&'a Address>,
    pub change: ChangeBody<'a>,
    pub class: Class,
    /// `held` where nothing happens until somebody decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_reason: Option<&'static str>,
    /// Why, in words.
    pub reason: &'a str,
    /// The attributes that differ.
    pub attributes: Vec<AttributeView<'a>>,
    pub notes: &'a [String],
}

/// Before and after.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChangeBody<'a> {
    pub actions: Vec<ActionWord>,
    /// `null` where there is nothing. A value that must not be shown is `null` as well.
    #[schemars(with = "Value")]
    pub before: Option<Packed>,
    #[schemars(with = "Value")]
    pub after: Option<Packed>,
    /// What the system will assign: `true` each.
    pub after_unknown: BTreeMap<&'a str, bool>,
    /// Where values are that must not be shown.
    pub sensitive_paths: Vec<&'a [String]>,
    /// What makes a replacement necessary.
    pub replace_paths: Vec<&'a [String]>,
    /// There where an object that exists is taken over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importing: Option<Importing<'a>>,
}

/// The object that is taken over.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Importing<'a> {
    pub id: &'a ObjectId,
}

impl<'a> ChangeView<'a> {
    pub fn of(change: &'a ResourceChange) -> Self {
        let paths = |changes: Vec<&'a AttributeChange>| changes.iter().map(|a| a.path.as_slice()).collect();
        let is_hidden = |attribute: &&AttributeChange| attribute.after == Planned::Sensitive;
        let hidden: Vec<&AttributeChange> = change.attributes.iter().filter(is_hidden).collect();
        let replaces = change.action == Action::Replace;
        let as_declared = change.declared.as_ref().filter(|_| change.action == Action::NoOp);
        let body = ChangeBody {
            actions: actions(change.action),
            before: masked(change.live.as_ref().or(change.prior.as_ref()).or(as_declared), &hidden),
            after: masked(change.planned.as_ref().or(as_declared), &hidden),
            after_unknown: change.computed.iter().map(|name| (name.as_str(), true)).collect(),
            sensitive_paths: paths(hidden),
            replace_paths: paths(change.attributes.iter().filter(|_| replaces).collect()),
            importing: (change.action == Action::Adopt).then_some(Importing { id: &change.id }),
        };
        Self {
            resource: ResourceView::of(&change.address, change.id.as_str()),
            system: change.system.to_string(),
            previous_address: change.moved_from.as_ref(),
            change: body,
            class: change.class,
            action_reason: (change.action == Action::Hold).then_some("held"),
            reason: &change.reason,
            attributes: attributes(&change.attributes),
            notes: &change.notes,
        }
    }
}

/// Attributes without the values that must not be shown.
fn masked(attributes: Option<&Packed>, hidden: &[&AttributeChange]) -> Option<Packed> {
    let attributes = attributes?;
    if hidden.is_empty() {
        return Some(attributes.clone());
    }
    let mut shown = Attributes::clone(attributes);
    for change in hidden {
        let (first, rest) = change.path.split_first()?;
        let mut at = shown.get_mut(first);
        for part in rest {
            at = at.and_then(|value| value.get_mut(part.as_str()));
        }
        if let Some(place) = at {
            *place = Value::Null;
        }
    }
    Some(shown.into())
}

/// One attribute that differs. Without `before` and `after` it must not be shown.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AttributeView<'a> {
    pub path: &'a [String],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
    /// `null`: not set so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// `null`: not set any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// The system will assign it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub after_unknown: bool,
    pub class: Class,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
}

/// Differences, one object each.
pub(super) fn attributes(changes: &[AttributeChange]) -> Vec<AttributeView<'_>> {
    changes.iter().map(attribute).collect()
}

fn attribute(change: &AttributeChange) -> AttributeView<'_> {
    let sensitive = change.after == Planned::Sensitive;
    AttributeView {
        path: &change.path,
        sensitive,
        before: (!sensitive).then(|| json!(change.before)),
        after: match &change.after {
            Planned::Value(value) => Some(value.clone()),
            Planned::Unset => Some(Value::Null),
            Planned::KnownAfterApply | Planned::Sensitive => None,
        },
        after_unknown: change.after == Planned::KnownAfterApply,
        class: change.class,
        reason: change.reason.as_deref(),
    }
}

/// A resource that differs live from what was last applied.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DriftView<'a> {
    #[serde(flatten)]
    pub resource: ResourceView<'a>,
    pub change: DriftBody,
    /// From what was applied to what is live.
    pub attributes: Vec<AttributeView<'a>>,
}

/// What somebody else did.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DriftBody {
    pub actions: [ActionWord; 1],
}

impl<'a> DriftView<'a> {
    pub fn of(drift: &'a Drift) -> Self {
        let word = if drift.deleted { ActionWord::Delete } else { ActionWord::Update };
        Self {
            resource: ResourceView::of(&drift.address, drift.id.as_str()),
            change: DriftBody { actions: [word] },
            attributes: attributes(&drift.attributes),
        }
    }
}

/// One step of the execution.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OperationView<'a> {
    pub address: &'a Address,
    pub action: ActionWord,
    pub step: &'a str,
}

impl<'a> OperationView<'a> {
    fn of(operation: &'a PlannedOperation) -> Self {
        Self { address: &operation.address, action: action_word(operation.action), step: &operation.step }
    }
}
