//! `datamesh state push|rebind|adopt-shard|upgrade`: whole shards by hand.

use super::open::{self, Opened};
use super::state_edit::{self, Editing};
use crate::cli::codes;
use crate::cli::exit::Exit;
use crate::cli::files;
use crate::cli::invocation::Invocation;
use crate::cli::render::escape;
use crate::cli::render::human::plural;
use crate::cli::render::json::object_line;
use crate::engine::EditError;
use datamesh_provider::{Diagnostic, SystemName};
use datamesh_state::{FORMAT, MAX_BYTES, Shard, StateError};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

type Failed = Box<Diagnostic>;

/// Puts a document that was pulled and edited in the place of the version it was pulled from.
pub(super) async fn push(run: &Invocation, opened: &Opened, file: &Path, editing: &Editing) -> Exit {
    let edited = match pulled(run, file) {
        Ok(edited) => edited,
        Err(diagnostic) => return run.ui.fail(*diagnostic),
    };
    let environment = &opened.session.environment().name;
    if edited.environment != *environment {
        let detail =
            format!("This is the state of the environment `{}`, not of `{environment}`.", edited.environment);
        return run.ui.fail(Diagnostic::error(codes::NOT_EDITED, detail).help("Choose it with `--env`."));
    }
    let domain = edited.domain.clone();
    let what = format!("put {} in the place of the records of the domain {domain}", file.display());
    match opened.session.store().peek(environment, &domain).await {
        Ok(Some(now)) if now.shard.serial == edited.serial && now.shard.write_id != edited.write_id => {
            let detail =
                "This is another version of the same number: the storage was put back to an earlier time.";
            let help = format!("Pull it again with `datamesh state pull {domain}`.");
            return run.ui.fail(Diagnostic::error(codes::NOT_EDITED, detail).help(help));
        }
        // Under its lock it is asked again; but taking the lock makes a version, and who pulled this one has to again.
        Ok(Some(now)) if now.shard.serial != edited.serial => {
            let moved = EditError::Moved { parent: edited.serial, found: now.shard.serial };
            return state_edit::told(run, opened, &what, Err(moved));
        }
        Ok(_) => {}
        Err(error) => return open::fail_state(run, &error),
    }
    let mut one = editing.of(&domain, "state push", what);
    one.parent = Some(edited.serial);
    state_edit::edit(run, opened, editing, one, |shard| shard.push(&edited)).await
}

fn pulled(run: &Invocation, file: &Path) -> Result<Shard, Failed> {
    let mut bytes = Vec::new();
    let limit = MAX_BYTES as u64;
    let read = match file == Path::new("-") {
        true => std::io::stdin().take(limit).read_to_end(&mut bytes),
        false => {
            let path = run.cwd.join(file);
            std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
        }
    };
    read.map_err(|error| files::error(file, "read", &error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let detail = format!("{} is not the state of a domain: {error}.", file.display());
        let help = "Begin with what `datamesh state pull DOMAIN` prints, and change its `resources`.";
        Box::new(Diagnostic::error(codes::NOT_EDITED, detail).help(help))
    })
}

/// Says that the system that answers now is the one the records are about.
pub(super) async fn rebind(run: &Invocation, opened: &Opened, system: &str, editing: &Editing) -> Exit {
    let Some((kind, name)) = system.split_once('.') else {
        let detail = format!("`{system}` is not the name of a system.");
        return run
            .ui
            .fail(Diagnostic::error(codes::NOT_EDITED, detail).help("A system is `kafka.default`."));
    };
    let system = SystemName::new(kind, name);
    let identity = match opened.session.identity(&system).await {
        Ok(identity) => identity,
        Err(error) => {
            opened.progress.finish();
            let detail = format!("{system} cannot be asked who it is: {error}.");
            return run.ui.fail(Diagnostic::error(codes::NOT_EDITED, detail).help("Nothing was done."));
        }
    };
    let bound = match bound(opened, &system, &identity).await {
        Ok(bound) => bound,
        Err(error) => return open::fail_state(run, &error),
    };
    if bound.is_empty() {
        opened.progress.finish();
        run.ui.out(&format!(
            "Nothing to do: every record of {system} is about `{}`.\n",
            escape::line(&identity)
        ));
        return Exit::Ok;
    }
    let mut exit = Exit::Ok;
    for (domain, old) in bound {
        let what =
            format!("take `{identity}` for what {system} was in the domain {domain}, instead of `{old}`");
        let one = editing.of(&domain, "state rebind", what);
        exit = exit
            .and(state_edit::edit(run, opened, editing, one, |shard| shard.rebind(&system, &identity)).await);
    }
    exit
}

/// The domains where a name stands for another system, and which.
async fn bound(
    opened: &Opened,
    system: &SystemName,
    identity: &str,
) -> Result<BTreeMap<String, String>, StateError> {
    let found = opened.session.store().load(&opened.session.environment().name).await?;
    let old = |shard: &Shard| shard.systems.get(&system.to_string()).filter(|old| *old != identity).cloned();
    Ok(found.shards.into_iter().filter_map(|(domain, found)| Some((domain, old(&found.shard)?))).collect())
}

/// Makes the shard of another repository this one's.
pub(super) async fn adopt(run: &Invocation, opened: &Opened, domain: &str, editing: &Editing) -> Exit {
    let environment = &opened.session.environment().name;
    let ours = opened.session.repository().to_owned();
    let owner = match opened.session.store().peek(environment, domain).await {
        Ok(found) => found.map(|found| found.shard.repository),
        Err(error) => return open::fail_state(run, &error),
    };
    opened.progress.finish();
    let Some(owner) = owner else {
        let detail = format!("Nothing is recorded of the domain `{domain}`.");
        return run.ui.fail(Diagnostic::error(codes::NOT_IN_STATE, detail));
    };
    if owner == ours {
        run.ui
            .out(&format!("Nothing to do: the domain {} belongs to {ours} already.\n", escape::line(domain)));
        return Exit::Ok;
    }
    let what = format!("make the domain {domain} belong to {ours}, and no more to {owner}");
    if let Err(diagnostic) = state_edit::agreed(run, opened, editing, &what) {
        return run.ui.fail(*diagnostic);
    }
    let one = editing.of(domain, "state adopt-shard", what.clone());
    let done = opened.session.adopt_shard(&owner, one).await;
    state_edit::told(run, opened, &what, done)
}

/// Raises the format of every shard to the newest one, of which there is one so far; and encrypts what is not yet
/// encrypted with the key that writes now.
pub(super) async fn upgrade(run: &Invocation, opened: &Opened, editing: &Editing) -> Exit {
    let (store, environment) = (opened.session.store(), &opened.session.environment().name);
    let counted = match store.domains(environment).await {
        Ok(domains) => opened.session.to_reseal().await.map(|stale| (domains.len(), stale)),
        Err(error) => Err(error),
    };
    let (domains, stale) = match counted {
        Ok(counted) => counted,
        Err(error) => return open::fail_state(run, &error),
    };
    let mut encrypted = 0;
    if stale > 0 {
        let what = format!(
            "encrypt {} that {} not",
            plural(stale, "document"),
            if stale == 1 { "is" } else { "are" }
        );
        if let Err(diagnostic) = state_edit::agreed(run, opened, editing, &what) {
            return run.ui.fail(*diagnostic);
        }
        encrypted = match opened.session.reseal(&what, editing.lock_timeout).await {
            Ok(encrypted) => encrypted,
            Err(error) => return state_edit::told(run, opened, &what, Err(error)),
        };
    } else if let Err(error) = store.load(environment).await {
        return open::fail_state(run, &error);
    }
    opened.progress.finish();
    let of = format!("{} of format {FORMAT}", plural(domains, "domain"));
    if run.ui.json {
        let done = json!({"format": FORMAT, "shards": domains, "upgraded": 0, "encrypted": encrypted});
        run.ui.out(&object_line(&done));
    } else if encrypted > 0 {
        let what = plural(encrypted, "document");
        run.ui.out(&format!("Encrypted {what} with the first key; {of}, the newest one.\n"));
    } else {
        run.ui.out(&format!("Nothing to do: {of}, the newest one.\n"));
    }
    Exit::Ok
}
