//! Opening an engine session from what was typed.

use crate::cli::args::Planning;
use crate::cli::codes;
use crate::cli::exit::Exit;
use crate::cli::invocation::Invocation;
use crate::cli::render::progress::Progress;
use crate::cli::timing::Timing;
use crate::engine::{Asked, OpenError, OsEntropy, RunOrigin, Secrets, Session, SessionOptions, SystemClock};
use crate::identity::{IdTokens, TokenRequest};
use datamesh_core::graph::selector::AddressGlob;
use datamesh_provider::{CallBudget, Cancel, Context, Diagnostic, EventSink, OpenGate, Secret, Sources};
use datamesh_state::{StateError, StateErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the session is for.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) parallelism: Option<u16>,
    /// Too quick to be worth showing.
    pub(super) quiet: bool,
}

impl From<&Planning> for Wanted {
    fn from(planning: &Planning) -> Self {
        Self { parallelism: planning.parallelism, quiet: false }
    }
}

/// A session, and what shows its progress.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) session: Session,
    pub(super) context: Context,
    pub(super) progress: Arc<Progress>,
    pub(super) timing: Arc<Timing>,
}

/// Loads the manifests and chooses the environment. What is wrong has been printed when this fails.
pub(super) fn open(run: &Invocation, wanted: &Wanted) -> Result<Opened, Exit> {
    let root = run.root().map_err(|diagnostic| run.ui.fail(*diagnostic))?;
    open_at(run, wanted, root)
}

/// A session nobody is told of, for a look at the state; `None` where there is no such environment.
pub(super) fn unseen(run: &Invocation, root: PathBuf, environment: Option<String>) -> Option<Session> {
    let events = Arc::new(run.ui.progress(Sources::default(), true));
    let context = context(&root, events);
    Session::open(options(run, root, environment, context, None)).ok()
}

fn context(root: &Path, events: Arc<dyn EventSink>) -> Context {
    Context {
        clock: Arc::new(SystemClock::new()),
        entropy: Arc::new(OsEntropy),
        cancel: Cancel::default(),
        lease: Arc::new(OpenGate),
        secrets: Arc::new(Secrets::new(root)),
        events,
        budget: CallBudget::default(),
        lineages: Arc::default(),
    }
}

fn options(
    run: &Invocation,
    root: PathBuf,
    environment: Option<String>,
    context: Context,
    parallelism: Option<u16>,
) -> SessionOptions {
    SessionOptions {
        root,
        environment,
        providers: run.providers,
        context,
        parallelism,
        who: who(),
        host: host(),
        origin: origin(),
        id_tokens: id_tokens(),
    }
}

/// As [`open`], in a given mesh.
pub(super) fn open_at(run: &Invocation, wanted: &Wanted, root: PathBuf) -> Result<Opened, Exit> {
    let opening = Opening::new(run, wanted, root);
    let session = Session::open(opening.options.clone());
    opening.end(run, session)
}

/// As [`open`], for a plan. Where that is of the `whole`, what is recorded is read while the manifests are being loaded.
pub(super) async fn open_to_plan(run: &Invocation, wanted: &Wanted, whole: bool) -> Result<Opened, Exit> {
    if !whole {
        return open(run, wanted);
    }
    let root = run.root().map_err(|diagnostic| run.ui.fail(*diagnostic))?;
    let opening = Opening::new(run, wanted, root);
    let session = Session::open_ahead(opening.options.clone()).await;
    opening.end(run, session)
}

/// A session that is about to be opened.
struct Opening {
    options: SessionOptions,
    progress: Arc<Progress>,
    timing: Arc<Timing>,
}

impl Opening {
    fn new(run: &Invocation, wanted: &Wanted, root: PathBuf) -> Self {
        let progress = Arc::new(run.ui.progress(Sources::default(), wanted.quiet));
        let timing = Arc::new(Timing::new(Arc::clone(&progress) as Arc<dyn EventSink>));
        let context = context(&root, Arc::clone(&timing) as Arc<dyn EventSink>);
        let options = options(run, root, run.global.environment.clone(), context, wanted.parallelism);
        Self { options, progress, timing }
    }

    fn end(self, run: &Invocation, session: Result<Session, Box<OpenError>>) -> Result<Opened, Exit> {
        let Self { options: SessionOptions { context, .. }, progress, timing } = self;
        match session {
            Ok(session) => Ok(Opened { session, context, progress, timing }),
            Err(error) => {
                progress.finish();
                run.ui.diagnostics(&error.diagnostics, &error.sources);
                Err(Exit::Error)
            }
        }
    }
}

/// Who runs this: for locks and records.
fn who() -> String {
    ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .filter(|name| !name.is_empty())
        // A container that names nobody.
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// Where this run comes from, as CI jobs say it.
fn origin() -> RunOrigin {
    let first = |names: &[&str]| {
        names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    };
    let pull = first(&["GITHUB_REF"]).filter(|reference| reference.starts_with("refs/pull/"));
    let github = || {
        let part = |name| first(&[name]);
        Some(format!(
            "{}/{}/actions/runs/{}",
            part("GITHUB_SERVER_URL")?,
            part("GITHUB_REPOSITORY")?,
            part("GITHUB_RUN_ID")?
        ))
    };
    RunOrigin {
        commit: first(&["GITHUB_SHA", "CI_COMMIT_SHA"]),
        change_request: pull.or_else(|| first(&["CI_MERGE_REQUEST_IID"]).map(|id| format!("!{id}"))),
        job: github().or_else(|| first(&["CI_JOB_URL", "BUILD_URL"])),
    }
}

/// What a CI job is given to prove who it is.
fn id_tokens() -> IdTokens {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let request = || {
        let bearer = Secret::new(variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?);
        Some(TokenRequest { url: variable("ACTIONS_ID_TOKEN_REQUEST_URL")?, bearer })
    };
    IdTokens { token: variable("DATAMESH_ID_TOKEN").map(Secret::new), request: request() }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// What the planning flags ask the engine for.
pub(super) fn asked(run: &Invocation, root: &Path, planning: &Planning, paths: &[PathBuf]) -> Asked {
    Asked {
        paths: paths.iter().map(|path| below_root(run, root, path)).collect(),
        targets: planning.targets.clone(),
        adopt: planning.adopt.clone(),
        allow_destroy: planning.allow_destroy.clone(),
        destroy: false,
    }
}

/// A path as manifests are named: relative to the root, with `/`.
pub(super) fn below_root(run: &Invocation, root: &Path, path: &Path) -> String {
    let absolute = run.cwd.join(path);
    let absolute = absolute.canonicalize().unwrap_or(absolute);
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let relative = absolute.strip_prefix(&root).unwrap_or(path).to_string_lossy().replace('\\', "/");
    relative.trim_start_matches("./").trim_end_matches('/').to_owned()
}

pub(super) fn selector(text: &str) -> Result<AddressGlob, Box<Diagnostic>> {
    AddressGlob::parse(text).map_err(|error| {
        Box::new(
            Diagnostic::error(codes::BAD_SELECTOR, format!("{error}.")).help(
                "A selector is an address glob such as `orders/**`, or `type:T`, `domain:D`, `product:P`.",
            ),
        )
    })
}

/// A state that cannot be used, as a finding.
pub(super) fn state_error(error: &StateError) -> Box<Diagnostic> {
    let detail = error.to_string();
    let diagnostic = Diagnostic::error(error.code(), format!("{}.", detail.trim_end_matches('.')));
    let mut hint = error.hint().chars();
    let hint: String = hint.next().into_iter().flat_map(char::to_uppercase).chain(hint).collect();
    Box::new(diagnostic.help(format!("{hint}.")))
}

/// How a run ends with such an error.
pub(super) fn state_exit(error: &StateError) -> Exit {
    match error.kind() {
        StateErrorKind::Locked => Exit::LockNotAcquired,
        StateErrorKind::Unknown => Exit::Indeterminate,
        StateErrorKind::Cancelled => Exit::Interrupted,
        _ => Exit::Error,
    }
}

/// Prints a state error; how the run ends.
pub(super) fn fail_state(run: &Invocation, error: &StateError) -> Exit {
    run.ui.fail(*state_error(error));
    state_exit(error)
}
