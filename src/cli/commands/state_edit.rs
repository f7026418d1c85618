//! `datamesh state mv|rm|pull|history|restore`: the state by hand, for when manifests cannot say it.

use super::approval::{Approval, approved};
use super::open::{self, Opened};
use crate::cli::args::duration;
use crate::cli::codes;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::escape;
use crate::cli::render::json::{document_text, object_line};
use crate::engine::{Edit, EditError};
use clap::Args;
use datamesh_provider::{Address, Diagnostic};
use datamesh_state::{Shard, ShardError};
use serde_json::json;
use std::time::Duration;

/// What every edit is given.
#[derive(Clone, Debug, Args)]
pub struct Editing {
    #[command(flatten)]
    pub approval: Approval,
    /// How long to wait for somebody else's lock, such as 5m
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub lock_timeout: Duration,
}

pub(super) type Failed = Box<Diagnostic>;

fn address(text: &str) -> Result<Address, Failed> {
    text.parse().map_err(|error| {
        let diagnostic = Diagnostic::error(codes::NOT_IN_STATE, format!("`{text}`: {error}."));
        Box::new(diagnostic.help("List what is there with `datamesh state list`."))
    })
}

impl Editing {
    pub(super) fn of(&self, domain: &str, operation: &'static str, what: String) -> Edit {
        Edit { domain: domain.to_owned(), operation, what, wait: self.lock_timeout, parent: None }
    }
}

/// Whether somebody approves of an edit.
pub(super) fn agreed(run: &Invocation, opened: &Opened, editing: &Editing, what: &str) -> Result<(), Failed> {
    let question = format!("This will {}. Only the state changes, nothing live. Do it?", escape::line(what));
    let agreed = approved(&editing.approval, run, opened, "Editing the state", &question);
    opened.progress.finish();
    agreed
}

/// One edit of one domain: asked for, done, told.
pub(super) async fn edit(
    run: &Invocation,
    opened: &Opened,
    editing: &Editing,
    edit: Edit,
    change: impl FnOnce(&mut Shard) -> Result<(), ShardError> + Send,
) -> Exit {
    if let Err(diagnostic) = agreed(run, opened, editing, &edit.what) {
        return run.ui.fail(*diagnostic);
    }
    let what = edit.what.clone();
    let done = opened.session.edit(edit, change).await;
    told(run, opened, &what, done)
}

/// How an edit ended.
pub(super) fn told(run: &Invocation, opened: &Opened, what: &str, done: Result<(), EditError>) -> Exit {
    opened.progress.finish();
    match done {
        Ok(()) if run.ui.json => run.ui.out(&object_line(&json!({"done": what}))),
        Ok(()) => run.ui.out(&format!("Done: {}.\n", escape::line(what))),
        Err(EditError::State(error)) => return open::fail_state(run, &error),
        Err(error @ EditError::Moved { .. }) => {
            let diagnostic = Diagnostic::error(codes::NOT_EDITED, format!("{error}. Nothing was done."));
            run.ui.fail(diagnostic.help("Pull it again, and make the same changes there."));
            return Exit::StalePlan;
        }
        Err(error @ (EditError::Refused(_) | EditError::NoDomain(_))) => {
            let diagnostic = Diagnostic::error(codes::NOT_EDITED, format!("{error}. Nothing was done."));
            return run.ui.fail(diagnostic.help(
                "Look at the state with `datamesh state list`; what is under way is settled by `datamesh apply`.",
            ));
        }
    }
    Exit::Ok
}

pub(super) async fn mv(run: &Invocation, opened: &Opened, from: &str, to: &str, editing: &Editing) -> Exit {
    let (from, to) = match address(from).and_then(|from| Ok((from, address(to)?))) {
        Ok(both) => both,
        Err(diagnostic) => return run.ui.fail(*diagnostic),
    };
    let what = format!("move {from} to {to}");
    if from.domain() != to.domain() {
        if let Err(diagnostic) = agreed(run, opened, editing, &what) {
            return run.ui.fail(*diagnostic);
        }
        let done = opened.session.hand_over(&from, &to, what.clone(), editing.lock_timeout).await;
        return told(run, opened, &what, done);
    }
    let one = editing.of(from.domain(), "state mv", what);
    edit(run, opened, editing, one, |shard| {
        // A move that was made before is no move now.
        match shard.resources.contains_key(&from) {
            true => shard.rename(&from, &to),
            false => shard.remove(&from),
        }
    })
    .await
}

pub(super) async fn rm(run: &Invocation, opened: &Opened, addresses: &[String], editing: &Editing) -> Exit {
    let mut exit = Exit::Ok;
    for text in addresses {
        let address = match address(text) {
            Ok(address) => address,
            Err(diagnostic) => return run.ui.fail(*diagnostic),
        };
        let what = format!("forget {address}; its live object stays as it is");
        let one = editing.of(address.domain(), "state rm", what);
        exit = exit.and(edit(run, opened, editing, one, |shard| shard.remove(&address)).await);
    }
    exit
}

pub(super) async fn restore(
    run: &Invocation,
    opened: &Opened,
    domain: &str,
    serial: u64,
    editing: &Editing,
) -> Exit {
    let environment = &opened.session.environment().name;
    let older = match opened.session.store().version(environment, domain, serial).await {
        Ok(Some(older)) => older,
        Ok(None) => {
            let detail = format!("Version {serial} of the domain `{domain}` is not kept.");
            let help = format!("See which are with `datamesh state history {domain}`.");
            return run.ui.fail(Diagnostic::error(codes::NOT_IN_STATE, detail).help(help));
        }
        Err(error) => return open::fail_state(run, &error),
    };
    let what = format!("put version {serial} of the domain {domain} in the place of today's records");
    let one = editing.of(domain, "state restore", what);
    edit(run, opened, editing, one, |shard| shard.restore(&older)).await
}

pub(super) async fn history(run: &Invocation, opened: &Opened, domain: &str) -> Exit {
    let environment = &opened.session.environment().name;
    let serials = match opened.session.store().versions(environment, domain).await {
        Ok(serials) => serials,
        Err(error) => return open::fail_state(run, &error),
    };
    if run.ui.json {
        run.ui.out(&object_line(&json!({"domain": domain, "serials": serials})));
    } else if serials.is_empty() {
        run.ui.out(&format!("Nothing is recorded of the domain {}.\n", escape::line(domain)));
    } else {
        let list: Vec<String> = serials.iter().map(u64::to_string).collect();
        run.ui.out(&format!("Versions that are kept, newest first: {}.\n", list.join(", ")));
    }
    Exit::Ok
}

pub(super) async fn pull(run: &Invocation, opened: &Opened, domain: &str, serial: Option<u64>) -> Exit {
    let environment = &opened.session.environment().name;
    let store = opened.session.store();
    let found = match serial {
        Some(serial) => store.version(environment, domain, serial).await,
        None => store.peek(environment, domain).await.map(|found| found.map(|found| found.shard)),
    };
    match found {
        Ok(Some(shard)) => {
            run.ui.out(&document_text(&shard));
            Exit::Ok
        }
        Ok(None) => {
            let detail = format!("Nothing like that is kept of the domain `{domain}`.");
            let help = format!("See which versions are with `datamesh state history {domain}`.");
            run.ui.fail(Diagnostic::error(codes::NOT_IN_STATE, detail).help(help))
        }
        Err(error) => open::fail_state(run, &error),
    }
}
