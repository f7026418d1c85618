//! `datamesh doctor`: whether everything a run needs is there, and does what is relied on.

use super::{open, validate};
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::escape;
use crate::cli::render::human::plural;
use crate::cli::render::json::object_line;
use crate::engine::Session;
use clap::Args;
use datamesh_provider::{Facts, ProviderError, SystemName};
use datamesh_state::StateError;
use serde_json::json;
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  datamesh doctor
  datamesh doctor --env prod --json | jq 'select(.ok == false)'

Checks the manifests, asks every system of the environment who it is, reads the state, and has its storage keep the \
conditional writes that all safety stands on: one after another, and sixteen at once. It leaves one small object below \
`_probe/` there. Nothing else is written. Where the environment believes ID tokens, it says whether this run has one that \
proves who it is.")]
pub struct DoctorArgs {}

/// One thing that was looked at.
struct Check {
    name: String,
    /// What is right, or what is wrong and what to try.
    verdict: Result<String, (String, String)>,
}

pub async fn run(_: &DoctorArgs, run: &Invocation) -> Exit {
    let root = match run.root() {
        Ok(root) => root,
        Err(diagnostic) => return run.ui.fail(*diagnostic),
    };
    let manifests = if run.ui.json { Exit::Ok } else { validate::tree(&root, &[], run, false) };
    manifests.and(backends(run, root).await)
}

/// The systems of the environment and its state.
pub(super) async fn backends(run: &Invocation, root: PathBuf) -> Exit {
    let opened = match open::open_at(run, &open::Wanted { quiet: true, ..open::Wanted::default() }, root) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let mut checks = systems(&opened.session).await;
    checks.extend(state(&opened.session).await);
    checks.extend(identity(&opened.session).await);
    opened.progress.finish();
    let name = &opened.session.environment().name;
    let text = if run.ui.json { checks.iter().map(line).collect() } else { text(name, &checks) };
    run.ui.out(&text);
    if checks.iter().all(|check| check.verdict.is_ok()) { Exit::Ok } else { Exit::Error }
}

async fn systems(session: &Session) -> Vec<Check> {
    let answers = session.probe().await;
    let told = |error: ProviderError| {
        let hint = error.hint.as_deref().unwrap_or("look at its settings in the Mesh document").to_owned();
        (error.to_string(), hint)
    };
    let check = |(system, answer): (SystemName, Result<Facts, ProviderError>)| Check {
        name: system.to_string(),
        verdict: answer.map(|facts| format!("answers as {}", facts.identity)).map_err(told),
    };
    answers.into_iter().map(check).collect()
}

async fn state(session: &Session) -> Vec<Check> {
    let environment = &session.environment().name;
    let told = |error: &StateError| (error.to_string(), error.hint().to_owned());
    let fit = session.probe_state().await;
    let fit = fit.map(|()| "its storage keeps conditional writes".to_owned()).map_err(|error| told(&error));
    let mut checks = vec![Check { name: "state".into(), verdict: fit }];
    let read = session.store().load(environment).await;
    let held = session.store().locks(environment).await;
    let verdict = match (&read, &held) {
        (Err(error), _) | (_, Err(error)) => Err(told(error)),
        (Ok(found), Ok(held)) => {
            let shards = || found.shards.values().map(|found| &found.shard);
            let records: usize = shards().map(|shard| shard.resources.len()).sum();
            let pending: usize = shards().map(|shard| shard.pending.len()).sum();
            let mut words =
                vec![format!("{} in {}", plural(records, "resource"), plural(found.shards.len(), "domain"))];
            words.extend(
                session.store().codec().writes_with().map(|key| format!("encrypted, key `{key}` writes")),
            );
            if pending > 0 {
                words.push(format!(
                    "{} without an outcome: the next apply settles them",
                    plural(pending, "operation")
                ));
            }
            words.extend(held.iter().map(|(domain, by)| format!("{domain} is locked by {by}")));
            Ok(words.join("; "))
        }
    };
    checks.push(Check { name: "state".into(), verdict });
    checks
}

/// Whether somebody vouches for who this is, where an environment asks for that.
async fn identity(session: &Session) -> Option<Check> {
    let audit = &session.environment().audit;
    if audit.trusted.is_empty() {
        return None;
    }
    let verdict = match (session.has_id_token(), audit.required) {
        (true, _) => match session.who().await {
            Ok(who) => Ok(format!("{}, proven by an ID token", who.name)),
            Err(error) => Err((error.to_string(), error.hint().to_owned())),
        },
        (false, true) => Ok("no ID token here: from here nothing can be written".to_owned()),
        (false, false) => {
            Ok("no ID token here: records of what is done from here say that nobody vouches".to_owned())
        }
    };
    Some(Check { name: "identity".into(), verdict })
}

fn line(check: &Check) -> String {
    object_line(&match &check.verdict {
        Ok(words) => json!({"check": check.name, "ok": true, "message": words}),
        Err((why, hint)) => json!({"check": check.name, "ok": false, "message": why, "help": hint}),
    })
}

fn text(environment: &str, checks: &[Check]) -> String {
    let mut text = format!("\nSystems of the environment `{}`:\n", escape::line(environment));
    for Check { name, verdict } in checks {
        let name = escape::line(name);
        text.push_str(&match verdict {
            Ok(words) => format!("  {name}: {}\n", escape::line(words)),
            Err((why, hint)) => format!("  {name}: {}\n    {}\n", escape::line(why), escape::line(hint)),
        });
    }
    text
}
