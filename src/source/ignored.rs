//! What `.gitignore` and `.datameshignore` hide.

use crate::source::read;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::io;
use std::path::Path;
use std::rc::Rc;

pub(crate) const MESH_IGNORE: &str = ".datameshignore";
const GIT_IGNORE: &str = ".gitignore";
/// Far more than any such file has; patterns cost more than their bytes.
const MAX_BYTES: u64 = 256 << 10;

/// The patterns of one folder, on top of those of the folders above it.
#[derive(Debug)]
pub(crate) struct Layer {
    above: Option<Rc<Self>>,
    git: Gitignore,
    mesh: Gitignore,
}

/// What hides a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hidden {
    No,
    /// By `.gitignore`: counts only for what git does not track.
    ByGit,
    ByMesh,
}

impl Layer {
    /// Patterns of `.gitignore` alone: for folders between the repository's and the mesh root.
    pub(crate) fn above_root(folder: &Path, above: Option<Rc<Self>>) -> Rc<Self> {
        let (git, mesh) = (git_patterns(folder), Gitignore::empty());
        Rc::new(Self { above, git, mesh })
    }

    /// Patterns of a folder of the mesh. A `.datameshignore` that cannot be understood is an error, because reading
    /// too much is as wrong as reading too little.
    pub(crate) fn of(folder: &Path, above: Option<Rc<Self>>) -> (Rc<Self>, Result<(), String>) {
        let git = git_patterns(folder);
        let (mesh, outcome) = match patterns(folder, MESH_IGNORE) {
            Ok((mesh, None)) => (mesh, Ok(())),
            Ok((mesh, Some(wrong))) => (mesh, Err(wrong)),
            Err(error) => (Gitignore::empty(), Err(error.to_string())),
        };
        if git.is_empty() && mesh.is_empty() {
            if let Some(above) = above {
                return (above, outcome);
            }
            return (Rc::new(Self { above: None, git, mesh }), outcome);
        }
        (Rc::new(Self { above, git, mesh }), outcome)
    }

    /// Whether the entry itself is hidden; its folder is known not to be.
    pub(crate) fn hides(&self, path: &Path, is_dir: bool) -> Hidden {
        if self.decide(path, is_dir, |layer| &layer.mesh) {
            Hidden::ByMesh
        } else if self.decide(path, is_dir, |layer| &layer.git) {
            Hidden::ByGit
        } else {
            Hidden::No
        }
    }

    /// The deepest folder that says something decides.
    fn decide(&self, path: &Path, is_dir: bool, which: fn(&Self) -> &Gitignore) -> bool {
        let mut layer = Some(self);
        while let Some(current) = layer {
            match which(current).matched(path, is_dir) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => layer = current.above.as_deref(),
            }
        }
        false
    }
}

/// As git reads it: what cannot be read or understood hides nothing.
fn git_patterns(folder: &Path) -> Gitignore {
    patterns(folder, GIT_IGNORE).map_or_else(|_| Gitignore::empty(), |(patterns, _)| patterns)
}

fn patterns(folder: &Path, name: &str) -> io::Result<(Gitignore, Option<String>)> {
    let bytes = match read::bounded(&folder.join(name), MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Gitignore::empty(), None)),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut builder = GitignoreBuilder::new(folder);
    let mut wrong = None;
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if let Err(error) = builder.add_line(None, line) {
            wrong.get_or_insert_with(|| format!("line {}: {error}", number + 1));
        }
    }
    let built = builder.build().map_err(io::Error::other)?;
    Ok((built, wrong))
}
