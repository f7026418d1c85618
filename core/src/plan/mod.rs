//! The plan: desired, prior and live compared, without any IO.
//!
//! [`read_set`] says what must be read, [`plan`] decides. Equal inputs give equal plans, byte for byte.

pub mod codes;
mod decide;
mod held;
mod index;
mod order;
mod pins;
mod read_set;
mod removal;
mod resume;
#[cfg(test)]
mod resume_tests;
mod reviewed;
#[cfg(test)]
mod tests;
pub mod types;
mod verdict;

pub use index::{PhysicalKey, physical};
pub use order::{GROUP_LIMIT, plan_id};
pub use pins::pins_of;
pub use read_set::{ReadSet, read_set, recorded_set};
pub use resume::{continues, is_the_same};
pub use reviewed::{Unreviewed, no_longer_planned, unreviewed};
pub use types::*;
pub use verdict::{DriftEntry, DriftReport, Verdict, drift_report};

use crate::graph::DesiredGraph;
use crate::parallel;
use datamesh_provider::{Address, Diagnostic, Diagnostics, SystemName, digest_json};
use decide::Decision;
use index::{Index, LiveSide, PriorSide, Sides};
use removal::Survivors;
use std::collections::{BTreeMap, BTreeSet};

/// Everything a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    pub types: &'a Types,
    pub desired: &'a DesiredGraph,
    pub prior: &'a Prior,
    pub live: &'a Snapshot,
    pub options: &'a PlanOptions,
    pub environment: &'a str,
    pub inputs_digest: &'a str,
    /// The plan that is planned again.
    pub again: Option<Again<'a>>,
}

/// What a plan made again takes over from the saved one.
#[derive(Clone, Copy, Debug)]
pub enum Again<'a> {
    /// It shall be the same plan: made from the same basis.
    Repeat { basis: &'a str },
    /// It does what is left of it, under the same id.
    Resume { id: &'a str, basis: &'a str },
}

/// Fewer resources than this are not worth a thread.
const RESOURCES_PER_THREAD: usize = 500;

type PriorMap<'a> = BTreeMap<&'a Address, (&'a PriorResource, Option<&'a Address>)>;

/// Decides about every resource, and orders what is to be done.
///
/// Errors are scoped: what has one, and what depends on it, is held back and listed; the rest is planned.
pub fn plan(input: &PlanInput<'_>) -> (Plan, Diagnostics) {
    let index = Index::new(input.types, input.desired, input.prior, input.live);
    let mut diagnostics = Diagnostics::default();
    let priors = index::prior_of(&index, &mut diagnostics);
    let mut run = Run {
        input,
        index: &index,
        priors: &priors,
        under_way: input.prior.under_way(),
        decisions: BTreeMap::new(),
        being_changed: BTreeMap::new(),
        diagnostics,
    };
    run.check_systems();
    run.check_imports();
    run.decide_declared();
    run.decide_undeclared();
    run.note_what_begins();
    run.check_vanished_versions();
    run.finish()
}

/// One planning run, gathering decisions.
struct Run<'a> {
    input: &'a PlanInput<'a>,
    index: &'a Index<'a>,
    priors: &'a PriorMap<'a>,
    under_way: BTreeMap<&'a Address, &'a String>,
    decisions: BTreeMap<&'a Address, Decision>,
    being_changed: BTreeMap<Address, String>,
    diagnostics: Diagnostics,
}

impl<'a> Run<'a> {
    /// The state belongs to the systems it was written for.
    fn check_systems(&mut self) {
        for (system, recorded) in &self.input.prior.systems {
            let Some(facts) = self.index.facts(system) else { continue };
            if facts.identity == *recorded || self.input.prior.resources.values().all(|r| r.system != *system)
            {
                continue;
            }
            let detail = format!(
                "The state was written for {system} with the identity `{recorded}`, but what answers now is \
                 `{}`. Planning against another system would make everything anew there.",
                facts.identity
            );
            let help = format!(
                "Point the environment back at the old system; if this is its rightful successor, moved or restored, say \
                 so with `datamesh state rebind {system}`."
            );
            for owner in self.owners_on(system) {
                let diagnostic =
                    Diagnostic::error(codes::OTHER_SYSTEM, detail.clone()).help(help.clone()).scoped(owner);
                self.diagnostics.push(diagnostic);
            }
        }
    }

    fn owners_on(&self, system: &SystemName) -> BTreeSet<String> {
        let declared = self.input.desired.resources.values();
        let declared = declared.filter(|r| r.object.system == *system).map(|r| r.object.address.owner());
        let recorded =
            self.input.prior.resources.values().filter(|r| r.system == *system).map(|r| r.address.owner());
        declared.chain(recorded).collect()
    }

    fn check_imports(&mut self) {
        for import in &self.input.desired.imports {
            let wanted = self.input.desired.resources.get(&import.address);
            let diagnostic = match wanted {
                None => Diagnostic::warning(
                    codes::BAD_IMPORT,
                    format!("{} is not declared, so nothing can be imported for it.", import.address),
                )
                .help("Declare the resource, or delete this document."),
                Some(wanted) if wanted.object.id.as_str() != import.id => Diagnostic::error(
                    codes::BAD_IMPORT,
                    format!(
                        "{} is declared as `{}`, but this document imports `{}`.",
                        import.address,
                        wanted.object.id.as_str(),
                        import.id
                    ),
                )
                .help("Spell the live name in the manifest (its `topic`, `table` or `registry`).")
                .scoped(import.address.owner()),
                Some(_) => continue,
            };
            self.diagnostics.push(diagnostic.at(import.span, "this import"));
        }
    }

    /// Whether nothing may be said about a resource now: outside the scope, held back, or in somebody's hands.
    fn is_left_out(&mut self, address: &'a Address) -> bool {
        let options = self.input.options;
        let considered = options.consider.as_ref().is_none_or(|among| among.contains(address));
        if !considered
            || !options.scope.contains(address)
            || self.input.desired.held_back.contains_key(&address.owner())
        {
            return true;
        }
        let held = self.under_way.get(address).copied();
        if let Some(holder) = held {
            let detail = format!("{address} is being changed by {holder}; it is left out of this plan.");
            self.diagnostics.push(Diagnostic::warning(codes::BEING_CHANGED, detail));
            self.being_changed.insert(address.clone(), holder.clone());
        }
        held.is_some()
    }

    fn decide_declared(&mut self) {
        if self.input.options.mode == Mode::Destroy {
            return;
        }
        let declared = self.input.desired.resources.iter();
        let declared: Vec<_> = declared.filter(|(address, _)| !self.is_left_out(address)).collect();
        let decisions = parallel::map(&declared, RESOURCES_PER_THREAD, |(address, wanted)| {
            match self.index.sides(address, self.priors.get(address).copied()) {
                Ok(sides) => decide::declared(self.index, &sides, wanted, self.input.options),
                Err(diagnostic) => Decision { diagnostics: (*diagnostic).into(), ..Decision::default() },
            }
        });
        let addresses = declared.into_iter().map(|(address, _)| address);
        self.decisions.extend(addresses.zip(decisions));
    }

    /// Recorded resources nobody declares, dependents before what they depend on.
    fn decide_undeclared(&mut self) {
        let destroy = self.input.options.mode == Mode::Destroy;
        let candidates: BTreeMap<&Address, &PriorResource> = self
            .priors
            .iter()
            .filter(|(address, _)| destroy || !self.input.desired.resources.contains_key(**address))
            .map(|(address, (record, _))| (*address, *record))
            .collect();
        let dependents = self.dependents(&candidates);
        let mut going: BTreeSet<&Address> = BTreeSet::new();
        for address in order::dependents_first(&candidates) {
            if self.is_left_out(address) {
                continue;
            }
            let users = dependents.get(address).into_iter().flatten().copied();
            let survivors = Survivors {
                dependents: users.filter(|user| !going.contains(*user)).collect(),
                claimed_by: self.claimed_elsewhere(address, candidates[address], &going),
                kept_with: self.kept_with(candidates[address], &candidates),
            };
            let decision = match self.index.sides(address, self.priors.get(address).copied()) {
                Ok(Sides { prior: None, .. }) => continue,
                Ok(sides) => self.decide_one_undeclared(&sides, &survivors),
                Err(diagnostic) => Decision { diagnostics: (*diagnostic).into(), ..Decision::default() },
            };
            let goes = |c: &ResourceChange| matches!(c.action, Action::Delete | Action::Forget);
            if decision.change.as_ref().is_some_and(goes) {
                going.insert(address);
            }
            self.decisions.insert(address, decision);
        }
    }

    /// What somebody is making this moment is not recorded yet, and nothing may be said about it either.
    fn note_what_begins(&mut self) {
        let all: Vec<&'a Address> = self.under_way.keys().copied().collect();
        for address in all {
            if !self.being_changed.contains_key(address) && !self.priors.contains_key(address) {
                self.is_left_out(address);
            }
        }
    }

    fn decide_one_undeclared(&self, sides: &Sides<'_>, survivors: &Survivors<'_>) -> Decision {
        let prior: Option<&PriorSide<'_>> = sides.prior.as_ref();
        prior.map_or_else(Decision::default, |prior| {
            removal::undeclared(self.index, sides, prior, survivors, self.input.options)
        })
    }

    /// Who depends on each candidate: by the state, and by the manifests unless everything is to go.
    fn dependents(
        &self,
        candidates: &BTreeMap<&'a Address, &'a PriorResource>,
    ) -> BTreeMap<&'a Address, BTreeSet<&'a Address>> {
        let mut found: BTreeMap<&Address, BTreeSet<&Address>> = BTreeMap::new();
        let declared = self.input.desired.resources.values().map(|r| (&r.object.address, &r.depends_on));
        let declared = declared.filter(|_| self.input.options.mode != Mode::Destroy);
        let recorded = self.priors.iter().map(|(address, (record, _))| (*address, &record.depends_on));
        // A declared resource depends on what its manifest says now, not on what it said when it was applied.
        let recorded = recorded.filter(|(address, _)| candidates.contains_key(*address));
        for (user, targets) in declared.chain(recorded) {
            for target in targets {
                if let Some((target, _)) = candidates.get_key_value(target) {
                    found.entry(target).or_default().insert(user);
                }
            }
        }
        found
    }

    /// Who else has an object, now or by the manifests. Of those that share one and all go, the last one deletes it.
    fn claimed_elsewhere(
        &self,
        address: &Address,
        record: &'a PriorResource,
        going: &BTreeSet<&Address>,
    ) -> Option<&'a Address> {
        let sharers = self.index.sharers((&record.system, &record.ty, &record.id));
        let others = sharers.into_iter().map(|other| &other.address);
        let stays = others.filter(|other| *other != address).find(|other| !going.contains(other));
        if stays.is_some() || self.input.options.mode == Mode::Destroy {
            return stays;
        }
        self.index.claim((&record.system, &record.ty, &record.id)).filter(|claimant| *claimant != address)
    }

    /// The data that a binding gives access to, where that is held although nobody declares it any more.
    fn kept_with(
        &self,
        record: &'a PriorResource,
        candidates: &BTreeMap<&'a Address, &'a PriorResource>,
    ) -> Option<&'a Address> {
        let gives_access = self.input.types.get(&record.ty).is_some_and(|ty| ty.shared());
        let data = record.depends_on.iter().filter(|_| gives_access);
        let held = |address: &&Address| {
            let prior = self.priors.get(*address).copied();
            let sides = self.index.sides(address, prior).ok();
            sides.is_some_and(|sides| {
                let prior = sides.prior.as_ref();
                prior.is_some_and(|prior| removal::is_held(self.index, &sides, prior, self.input.options))
            })
        };
        data.filter(|address| candidates.contains_key(*address)).find(held)
    }

    fn check_vanished_versions(&mut self) {
        if self.input.options.mode == Mode::Destroy || !self.input.options.scope.is_whole() {
            return;
        }
        for (product, gone, new) in removal::vanished_versions(self.index) {
            let appeared = self.input.desired.owners.get(&format!("{product}@{new}"));
            let detail = format!(
                "{product}@{gone} is recorded but no longer declared, and {product}@{new} is new. Changing the \
                 version in place would leave version {gone} and its consumers behind."
            );
            let help = format!(
                "Keep both documents side by side (`datamesh new version {product}` writes the newer one), or say \
                 goodbye to the old one with a Removed document: `address: \"{product}@{gone}:**\"`."
            );
            for version in [gone, new] {
                let diagnostic = Diagnostic::error(codes::VERSION_VANISHED, detail.clone())
                    .at(appeared.copied().flatten(), format!("version {new} appeared here"))
                    .help(help.clone())
                    .scoped(format!("{product}@{version}"));
                self.diagnostics.push(diagnostic);
            }
        }
    }

    fn finish(mut self) -> (Plan, Diagnostics) {
        let mut unreadable: BTreeMap<(&SystemName, String), Vec<&Address>> = BTreeMap::new();
        let mut decisions = std::mem::take(&mut self.decisions);
        for (address, decision) in &mut decisions {
            self.diagnostics.extend(std::mem::take(&mut decision.diagnostics));
            if let Some(why) = decision.unreadable.take() {
                let system = self.system_of(address);
                unreadable.entry((system, why)).or_default().push(address);
            }
        }
        for ((system, why), addresses) in unreadable {
            self.diagnostics.extend(held::unreadable(self.input, system, &why, &addresses));
        }
        let held_back = held::held_back(self.input, &self.diagnostics);
        let mut changes: Vec<ResourceChange> = Vec::with_capacity(decisions.len());
        let mut drift = Vec::new();
        for (_, decision) in decisions {
            drift.extend(decision.drift);
            changes.extend(decision.change.filter(|change| !held_back.contains_key(&change.address.owner())));
        }
        self.keep_what_stays_used(&mut changes, &held_back);
        self.leave_out_what_comes_too_early(&mut changes);
        changes.sort_unstable_by(|a, b| a.address.cmp(&b.address));
        drift.sort_by(|a, b| a.address.cmp(&b.address));
        let lineage = |(domain, shard): (&String, &ShardVersion)| (domain.clone(), shard.lineage.clone());
        let mut plan = Plan {
            environment: self.input.environment.to_owned(),
            id: String::new(),
            pins: pins::pins(self.index, self.priors, &changes),
            changes,
            drift,
            graph: ExecutionGraph::default(),
            held_back,
            being_changed: self.being_changed,
            shards: self.input.prior.shards.iter().map(lineage).collect(),
            basis: match self.input.again {
                Some(Again::Repeat { basis } | Again::Resume { basis, .. }) => basis.to_owned(),
                None => digest_json(&self.input.prior.shards),
            },
            inputs_digest: self.input.inputs_digest.to_owned(),
        };
        plan.id = match self.input.again {
            Some(Again::Resume { id, .. }) => id.to_owned(),
            _ => plan_id(&plan),
        };
        match order::execution_graph(&plan, self.input) {
            Ok(graph) => plan.graph = graph,
            Err(diagnostic) => self.diagnostics.push(*diagnostic),
        }
        self.diagnostics.sort();
        (plan, self.diagnostics)
    }

    /// Steps of a deletion that wait until what it depends on is gone are left out where that stays.
    fn leave_out_what_comes_too_early(&self, changes: &mut [ResourceChange]) {
        let deletes = |change: &&mut ResourceChange| change.action == Action::Delete;
        let going: BTreeSet<Address> =
            changes.iter().filter(|c| c.action == Action::Delete).map(|c| c.address.clone()).collect();
        for change in changes.iter_mut().filter(deletes) {
            let Some(late) = self.input.types.late_from(&change.ty, &change.steps) else { continue };
            let depends_on =
                self.priors.get(&change.address).into_iter().flat_map(|(record, _)| &record.depends_on);
            let Some(stays) = depends_on.filter(|at| !going.contains(*at)).find(|at| self.is_there(at))
            else {
                continue;
            };
            removal::cut_short(change, late, stays);
        }
    }

    /// Whether something that is declared or recorded may be there.
    fn is_there(&self, address: &Address) -> bool {
        let sides = self.index.sides(address, self.priors.get(address).copied()).ok();
        sides.is_some_and(|sides| {
            (sides.prior.is_some() || sides.desired.is_some()) && !matches!(sides.live, LiveSide::Absent)
        })
    }

    /// Where something that was to go is held back after all, what it depends on stays as well.
    fn keep_what_stays_used(&self, changes: &mut [ResourceChange], held_back: &BTreeMap<String, String>) {
        let destroy = self.input.options.mode == Mode::Destroy;
        let recorded = self.priors.iter().filter(|(address, _)| {
            // What is declared stays in any case, and was asked about before. Where it is held back, its record goes
            // on saying what it said when it was applied.
            destroy
                || !self.input.desired.resources.contains_key(**address)
                || held_back.contains_key(&address.owner())
        });
        let recorded: Vec<_> =
            recorded.map(|(address, (record, _))| (*address, &record.depends_on)).collect();
        loop {
            let goes = |c: &&ResourceChange| matches!(c.action, Action::Delete | Action::Forget);
            let going: BTreeSet<Address> = changes.iter().filter(goes).map(|c| c.address.clone()).collect();
            let staying = recorded.iter().filter(|(address, _)| !going.contains(*address));
            let used: BTreeMap<&Address, &Address> =
                staying.flat_map(|(user, targets)| targets.iter().map(|target| (target, *user))).collect();
            let mut kept = false;
            for change in changes.iter_mut().filter(|change| change.action == Action::Delete) {
                let allowed = self.input.options.allow_destroy.contains(&change.address);
                let Some(user) = used.get(&change.address).filter(|_| !allowed) else { continue };
                removal::hold(change, format!("still used by {user}, which is held back"));
                kept = true;
            }
            if !kept {
                return;
            }
        }
    }

    fn system_of(&self, address: &Address) -> &'a SystemName {
        let prior = self.priors.get(address).map(|(record, _)| &record.system);
        let declared = self.input.desired.resources.get(address).map(|r| &r.object.system);
        static NONE: std::sync::OnceLock<SystemName> = std::sync::OnceLock::new();
        declared.or(prior).unwrap_or_else(|| NONE.get_or_init(|| SystemName::new("unknown", "unknown")))
    }
}
