//! Looking at the shards of others once the intents of a group are stored, and taking back what must not be begun.

use super::apply::{Ready, Run};
use datamesh_provider::{Address, OpAction, Operation};
use datamesh_state::{Locked, Others, Shard};
use std::collections::BTreeMap;

/// What speaks against operations and adoptions, in words.
type Opposed = BTreeMap<Address, String>;

impl Run<'_> {
    /// The operations of a group against which no other shard speaks. The intents of the others are withdrawn, and so
    /// is an adoption of what is somebody else's by now.
    pub(super) async fn unopposed(&mut self, group: Ready, locked: &Locked) -> Ready {
        let adopted = std::mem::take(&mut self.adopted);
        let asked: Vec<&Operation> = group
            .iter()
            .map(|(_, operation)| operation)
            .filter(|operation| self.concerns_others(operation))
            .collect();
        if asked.is_empty() && adopted.is_empty() {
            return group;
        }
        let opposed = match locked.others().await {
            Ok(others) => {
                // A shard of this run that takes no more writes says what it said before.
                let lost = |(domain, _): &(&str, &Shard)| !self.drafts.contains_key(*domain);
                let lost = locked.shards().filter(lost).map(|(_, shard)| shard);
                self.opposed(&asked, &adopted, &Others::new(others.iter().chain(lost)))
            }
            Err(error) => {
                let why = format!("the state of the other domains cannot be read: {error}");
                self.report.state_errors.push(error);
                asked.iter().map(|o| &o.address).chain(&adopted).map(|at| (at.clone(), why.clone())).collect()
            }
        };
        let (stopped, goes): (Vec<_>, Vec<_>) =
            group.into_iter().partition(|(_, operation)| opposed.contains_key(&operation.address));
        for (at, operation) in stopped {
            self.schedule.skip(at);
            self.withdraw(&operation);
        }
        // What was adopted and has an operation of its own: the record goes once the intent is gone.
        for address in adopted.iter().filter(|address| opposed.contains_key(address)) {
            self.change(address, |draft| drop(draft.forget(address)));
        }
        self.report.withdrawn.extend(opposed);
        goes
    }

    /// A change of what is ours alone concerns nobody.
    fn concerns_others(&self, operation: &Operation) -> bool {
        let intent =
            self.drafts.get(operation.address.domain()).and_then(|draft| draft.pending.get(&operation.id));
        let dependencies =
            intent.and_then(|intent| intent.becomes.as_ref()).map(|becomes| &becomes.dependencies);
        operation.action != OpAction::Update
            || dependencies.into_iter().flatten().any(|at| at.domain() != operation.address.domain())
    }

    fn opposed(&self, asked: &[&Operation], adopted: &[Address], others: &Others) -> Opposed {
        // What this run holds as well is in no other shard, and the plan has judged it.
        let relied_on =
            |at: &Address| self.input.records.contains_key(at) && !self.drafts.contains_key(at.domain());
        let draft = |address: &Address| self.drafts.get(address.domain());
        let operations = asked.iter().filter_map(|operation| {
            let shard = draft(&operation.address)?;
            let why = others.objection(shard, shard.pending.get(&operation.id)?, &relied_on)?;
            Some((operation.address.clone(), why.to_string()))
        });
        let adoptions = adopted.iter().filter_map(|address| {
            let shard = draft(address)?;
            let record = shard.resources.get(address)?;
            let owner = others.owner(shard, &record.system, &record.ty, &record.object)?;
            Some((address.clone(), format!("{} belongs to {owner} by now", record.object.0)))
        });
        operations.chain(adoptions).collect()
    }

    /// Takes the intent of an operation back that is not started.
    pub(super) fn withdraw(&mut self, operation: &Operation) {
        self.change(&operation.address, |draft| drop(draft.withdraw(&operation.id)));
    }

    fn change(&mut self, address: &Address, change: impl FnOnce(&mut Shard)) {
        if let Some(draft) = self.drafts.get_mut(address.domain()) {
            change(draft);
            self.dirty.insert(address.domain().to_owned());
        }
    }
}
