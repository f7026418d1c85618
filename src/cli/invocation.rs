//! What every command works with: where the mesh is, and where output goes.

use super::args::Global;
use super::render::escape;
use super::ui::Ui;
use crate::providers::Providers;
use crate::source;
use datamesh_core::manifest::MESH_FILE;
use datamesh_provider::Diagnostic;
use std::path::{Path, PathBuf};

/// One run of the program.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub global: Global,
    pub cwd: PathBuf,
    pub ui: Ui,
    pub providers: Providers,
}

impl Invocation {
    /// The root of the mesh.
    ///
    /// # Errors
    /// Where there is no mesh; the finding names `init`.
    pub fn root(&self) -> Result<PathBuf, Box<Diagnostic>> {
        source::find_root(&self.folder()).map_err(|error| Box::new(error.diagnostic()))
    }

    /// The mesh that a new one would collide with: the folder's own, or one the current folder lies in.
    pub fn mesh_around(&self) -> Option<PathBuf> {
        let folder = self.folder();
        match self.global.root {
            Some(_) => folder.join(MESH_FILE).is_file().then_some(folder),
            None => source::find_root(&folder).ok(),
        }
    }

    /// The folder a new mesh goes into, or where one may be.
    pub fn folder(&self) -> PathBuf {
        self.global.root.as_ref().map_or_else(|| self.cwd.clone(), |dir| self.cwd.join(dir))
    }
}

/// A path for people.
pub(super) fn shown(path: &Path) -> String {
    escape::line(&path.display().to_string()).into_owned()
}
