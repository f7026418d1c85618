//! Scoped errors: who is held back because of which finding.

use super::PlanInput;
use super::codes;
use super::types::Mode;
use crate::graph::DesiredResource;
use datamesh_provider::{Address, Diagnostic, SystemName};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One finding for everything that could not be read for the same reason, and one scope for each owner.
///
/// What belongs to a domain itself, such as a namespace, holds back the products that use that very thing, not
/// every product of the domain.
pub(crate) fn unreadable(
    input: &PlanInput<'_>,
    system: &SystemName,
    why: &str,
    addresses: &[&Address],
) -> Vec<Diagnostic> {
    let of_domains: BTreeSet<&Address> =
        addresses.iter().copied().filter(|address| address.product().is_none()).collect();
    let used = |resource: &&DesiredResource| resource.depends_on.iter().any(|at| of_domains.contains(at));
    let users = input.desired.resources.values().filter(used).map(|resource| resource.object.address.owner());
    let mut owners: BTreeSet<String> = addresses
        .iter()
        .filter(|a| a.product().is_some())
        .map(|address| address.owner())
        .chain(users)
        .collect();
    if owners.is_empty() || input.options.mode == Mode::Destroy {
        owners.extend(of_domains.iter().map(|address| address.owner()));
    }
    let few = few(addresses);
    let detail = format!(
        "What is live of {few} is not known ({system}): {why}. Nothing is planned for what cannot be seen."
    );
    // The text is the same for each owner, so that it is shown once; the scopes are what differs.
    owners
        .into_iter()
        .map(|owner| Diagnostic::error(codes::UNREADABLE, detail.clone()).scoped(owner))
        .collect()
}

/// Some of many addresses, and how many more there are.
pub(crate) fn few(addresses: &[&Address]) -> String {
    let shown: Vec<String> = addresses.iter().take(3).map(ToString::to_string).collect();
    match addresses.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Owners held back: by resolve, by an error of their own, or by depending on one of those.
pub(crate) fn held_back<'a>(
    input: &PlanInput<'_>,
    diagnostics: impl IntoIterator<Item = &'a Diagnostic>,
) -> BTreeMap<String, String> {
    let mut held = input.desired.held_back.clone();
    for diagnostic in diagnostics {
        if let (true, Some(scope)) = (diagnostic.is_error(), &diagnostic.scope) {
            let why = format!("{} [{}]", diagnostic.code.summary, diagnostic.code.id);
            held.entry(scope.clone()).or_insert(why);
        }
    }
    // What uses a thing that stays may well go: only what is made needs what it depends on.
    if input.options.mode == Mode::Destroy {
        return held;
    }
    let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for resource in input.desired.resources.values() {
        let user = resource.object.address.owner();
        for target in &resource.depends_on {
            let owner = target.owner();
            if owner != user {
                users.entry(owner).or_default().insert(user.clone());
            }
        }
    }
    let mut queue: VecDeque<String> = held.keys().cloned().collect();
    while let Some(owner) = queue.pop_front() {
        for user in users.get(&owner).into_iter().flatten() {
            if !held.contains_key(user) {
                held.insert(user.clone(), format!("depends on {owner}, which is held back"));
                queue.push_back(user.clone());
            }
        }
    }
    held
}
