//! One run in one environment: from manifests to a plan, and from a plan to a changed world.

use super::ahead::{self, Ahead};
use super::audit::{RunOrigin, Who};
use super::backend;
use crate::identity::IdTokens;
use crate::providers::Providers;
use crate::source;
use datamesh_core::graph::environment::{ResolvedEnvironment, environment};
use datamesh_core::manifest::Load;
use datamesh_core::plan::Types;
use datamesh_provider::{Context, Diagnostics, Event, Facts, ProviderError, Sources, SystemName};
use datamesh_state::{Shard, StateError, StateStore};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::sync::OnceCell;

/// How a session is opened.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    pub root: PathBuf,
    pub environment: Option<String>,
    pub providers: Providers,
    pub context: Context,
    /// Calls under way per system; unless given, what the environment says.
    pub parallelism: Option<u16>,
    /// Who runs this, for locks and records.
    pub who: String,
    pub host: String,
    pub origin: RunOrigin,
    /// What proves who this is, where the environment asks for that.
    pub id_tokens: IdTokens,
}

/// Why there is no session. Everything that was found is in the diagnostics.
#[derive(Debug)]
pub struct OpenError {
    pub diagnostics: Diagnostics,
    pub sources: Sources,
}

/// Manifests loaded, environment chosen, state at hand.
#[derive(Debug)]
pub struct Session {
    pub(crate) options: SessionOptions,
    pub(crate) types: Types,
    pub(crate) load: Arc<Load>,
    pub(crate) environment: ResolvedEnvironment,
    pub(crate) store: StateStore,
    /// Whose state it is: the name of the mesh. Not the root commit, which a shallow clone in CI cannot tell.
    pub(crate) repository: String,
    /// Digest of every manifest that was read.
    pub(crate) inputs_digest: String,
    /// What loading and choosing found.
    pub(crate) diagnostics: Diagnostics,
    /// Found out before anything is locked.
    pub(super) who: OnceCell<Who>,
    /// What is read before the manifests are known; for the first plan alone.
    pub(super) ahead: Mutex<Option<Result<Ahead, StateError>>>,
}

impl Session {
    /// Loads the manifests and chooses the environment.
    pub fn open(options: SessionOptions) -> Result<Self, Box<OpenError>> {
        options.context.events.event(Event::Phase { name: "load" });
        let source::Loaded { load, .. } = source::load(&options.root);
        Self::over(options, Arc::new(load))
    }

    /// The same for a plan of everything: what is recorded is read while the manifests are being loaded.
    pub async fn open_ahead(options: SessionOptions) -> Result<Self, Box<OpenError>> {
        options.context.events.event(Event::Phase { name: "load" });
        let (load, early) = ahead::load(&options).await;
        let (store, ahead) = early.map(|early| (early.store, early.ahead)).unzip();
        let session = Self::with_store(options, Arc::new(load), store)?;
        Ok(Self { ahead: ahead.unwrap_or_default(), ..session })
    }

    /// The same over manifests that were loaded before: many sessions may share them.
    pub fn over(options: SessionOptions, load: Arc<Load>) -> Result<Self, Box<OpenError>> {
        Self::with_store(options, load, None)
    }

    /// `opened`: the state, where the same settings have opened it already.
    fn with_store(
        mut options: SessionOptions,
        load: Arc<Load>,
        opened: Option<StateStore>,
    ) -> Result<Self, Box<OpenError>> {
        let mut diagnostics = load.diagnostics.clone();
        let fail = |diagnostics: Diagnostics, load: Arc<Load>| {
            Err(Box::new(OpenError { diagnostics, sources: load.sources.clone() }))
        };
        let Some(mesh) = load.mesh().filter(|_| !load.stopped) else { return fail(diagnostics, load) };
        let root = options.root.to_string_lossy().replace('\\', "/");
        let (environment, found) = environment(mesh, options.environment.as_deref(), &root);
        let mut broken = found.has_errors();
        diagnostics.extend(found);
        let Some(environment) = environment else { return fail(diagnostics, load) };
        let parallelism = options.parallelism.unwrap_or(environment.parallelism);
        options.context.budget.parallelism = usize::from(parallelism.max(1));
        let found = judge_settings(&environment, options.providers);
        broken |= found.has_errors();
        diagnostics.extend(found);
        let store = match opened.map_or_else(|| backend::open(&environment, &options), Ok) {
            Ok(store) if !broken => store,
            Ok(_) => return fail(diagnostics, load),
            Err(diagnostic) => {
                diagnostics.push(*diagnostic);
                return fail(diagnostics, load);
            }
        };
        let repository = mesh.metadata.name.value.clone();
        let types = options.providers.types();
        let inputs_digest = load.inputs_digest();
        let (who, ahead) = (OnceCell::new(), Mutex::default());
        Ok(Self {
            types,
            environment,
            store,
            repository,
            inputs_digest,
            diagnostics,
            options,
            load,
            who,
            ahead,
        })
    }

    pub fn sources(&self) -> &Sources {
        &self.load.sources
    }

    pub fn load(&self) -> &Load {
        &self.load
    }

    pub fn environment(&self) -> &ResolvedEnvironment {
        &self.environment
    }

    pub fn root(&self) -> &Path {
        &self.options.root
    }

    pub fn types(&self) -> &Types {
        &self.types
    }

    pub fn store(&self) -> &StateStore {
        &self.store
    }

    pub fn has_id_token(&self) -> bool {
        self.options.id_tokens.any()
    }

    pub fn diagnostics(&self) -> &Diagnostics {
        &self.diagnostics
    }

    /// Asks every system of the environment who it is: the proof that it answers, with the credentials given.
    pub async fn probe(&self) -> Vec<(SystemName, Result<Facts, ProviderError>)> {
        let needed: BTreeSet<SystemName> = self.environment.systems.keys().cloned().collect();
        let systems = self.connect(&needed).await;
        let ask = needed.into_iter().map(|system| {
            let client = systems.get(&system).cloned();
            async move {
                let facts = match client {
                    Ok(client) => client.facts(self.cx()).await,
                    Err(error) => Err(error),
                };
                (system, facts)
            }
        });
        futures::future::join_all(ask).await
    }

    /// Asks the storage of the state whether it keeps its word on conditional writes.
    pub async fn probe_state(&self) -> Result<(), StateError> {
        self.store.probe(self.cx().entropy.as_ref()).await
    }

    /// Whether a shard is of this mesh, and not of another one that shares the storage.
    pub(super) fn owns(&self, shard: &Shard) -> bool {
        shard.repository == self.repository
    }

    pub(crate) fn cx(&self) -> &Context {
        &self.options.context
    }
}

/// What is wrong with the settings of an environment's systems, as their providers know, and of its state.
pub fn judge_settings(environment: &ResolvedEnvironment, providers: Providers) -> Diagnostics {
    let mut found = Diagnostics::default();
    for (system, settings) in &environment.systems {
        if let Some(def) = providers.get(&system.kind) {
            found.extend((def.validate_config)(settings));
        }
    }
    found.extend(backend::judge(&environment.state));
    found
}
