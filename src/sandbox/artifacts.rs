//! The servers' files: fetched once, pinned by a committed lock file, compared with it before each start.
//!
//! Each artifact has a folder of its own in the cache. It appears there in one rename, after every file in it was
//! found to be the pinned one, so a fetch that is cut off leaves nothing behind that could be used.
//!
//! The lock file is renewed with `relock.py` beside it.

use super::error::SandboxError;
use super::files::{self, FileLock, Hold};
use super::progress::Step;
use super::tools::{self, MissingTool};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use tokio::process::Command;

/// Pinned, so that two machines fetch in the same way.
const COPY_DEPENDENCIES: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
/// The last line of versions that copies one artifact without reading its project and that project's parents, which
/// not every mirror has.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:2.10:copy";

/// What the lock file says about one artifact.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Artifact {
    pub(crate) title: String,
    fetch: Source,
    /// What is downloaded, where that is not what is used.
    archive: Option<Pinned>,
    /// What is used: the whole of it.
    pub(crate) files: Vec<Pinned>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    /// `group:artifact:version[:classifier]` of each root, with everything it needs at run time.
    MavenDependencies(Vec<String>),
    /// `group:artifact:version:type:classifier` of a gzipped tar archive.
    MavenArchive(String),
    /// `name==version` of a wheel.
    PythonWheel(String),
}

/// One file, with the path below its folder.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pinned {
    pub(crate) path: String,
    size: u64,
    sha256: String,
}

static LOCK: LazyLock<Result<BTreeMap<String, Artifact>, String>> =
    LazyLock::new(|| serde_json::from_str(include_str!("lock.json")).map_err(|e| e.to_string()));

impl Artifact {
    /// The pinned artifact `id`.
    pub(crate) fn pinned(id: &str) -> Result<&'static Self, SandboxError> {
        let broken = |why: String| SandboxError::Record { path: PathBuf::from("src/sandbox/lock.json"), why };
        let all = LOCK.as_ref().map_err(|e| broken(e.clone()))?;
        all.get(id).ok_or_else(|| broken(format!("it does not hold `{id}`")))
    }

    /// The tools that fetching takes and this machine does not have.
    async fn missing_tools(&self) -> Vec<MissingTool> {
        let found = match &self.fetch {
            Source::MavenDependencies(_) => vec![tools::maven()],
            Source::MavenArchive(_) => vec![tools::maven(), tools::tar()],
            Source::PythonWheel(_) => vec![tools::python().await],
        };
        found.into_iter().filter_map(Result::err).collect()
    }

    fn download(&self) -> (u64, usize) {
        match &self.archive {
            Some(archive) => (archive.size, 1),
            None => (self.bytes(), self.files.len()),
        }
    }

    fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.size).sum()
    }
}

/// The private folder that holds the artifacts of all sandboxes of this user.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// Where the servers' files are kept: by the environment (`DATAMESH_CACHE`, `XDG_CACHE_HOME`, `HOME`), in a folder
/// `sandbox` of this program's.
pub fn cache_dir() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let users = || {
        let cache = variable("XDG_CACHE_HOME").filter(|p| p.is_absolute());
        Some(cache.or_else(|| Some(variable("HOME")?.join(".cache")))?.join("datamesh"))
    };
    variable("DATAMESH_CACHE").or_else(users).unwrap_or_else(|| ".cache/datamesh".into()).join("sandbox")
}

impl Cache {
    /// The folder `root`, or [`cache_dir`].
    pub(crate) fn open(root: Option<&Path>) -> Result<Self, SandboxError> {
        let root = root.map_or_else(cache_dir, Path::to_owned);
        let root = std::path::absolute(&root).map_err(SandboxError::io("use", &root))?;
        files::private_dir(&root)?;
        Ok(Self { root })
    }

    pub(crate) fn folder(&self, id: &str) -> PathBuf {
        self.root.join(id)
    }

    /// What would have to be installed before `ids` can be used.
    pub(crate) async fn missing_tools(&self, ids: &[&str]) -> Result<Vec<MissingTool>, SandboxError> {
        let mut missing = Vec::new();
        for id in ids {
            let artifact = Artifact::pinned(id)?;
            if !self.is_complete(id, artifact) {
                missing.extend(artifact.missing_tools().await);
            }
        }
        missing.dedup();
        Ok(missing)
    }

    fn is_complete(&self, id: &str, artifact: &Artifact) -> bool {
        let folder = self.folder(id);
        artifact.files.iter().all(|f| folder.join(&f.path).is_file())
    }

    /// Makes sure that the files of `id` are there and are the pinned ones.
    pub(crate) async fn ensure(
        &self,
        id: &str,
        tell: &(dyn Fn(Step) + Sync),
    ) -> Result<PathBuf, SandboxError> {
        let artifact = Artifact::pinned(id)?;
        let folder = self.folder(id);
        let lock = self.root.join(format!("{id}.lock"));
        let _lock = FileLock::acquire(&lock, Hold::Alone, || tell(Step::WaitingForOther)).await?;
        if !self.is_complete(id, artifact) {
            self.fetch(id, artifact, tell).await?;
        }
        tell(Step::Verifying { bytes: artifact.bytes(), files: artifact.files.len() });
        verify(&folder, &artifact.files).await?;
        Ok(folder)
    }

    async fn fetch(
        &self,
        id: &str,
        artifact: &'static Artifact,
        tell: &(dyn Fn(Step) + Sync),
    ) -> Result<(), SandboxError> {
        let missing = artifact.missing_tools().await;
        if !missing.is_empty() {
            return Err(SandboxError::MissingTools(missing));
        }
        let staging = self.root.join(format!("{id}.part"));
        files::remove_dir(&staging)?;
        files::private_dir(&staging)?;
        let (bytes, files) = artifact.download();
        tell(Step::Fetching { bytes, files });
        let ready = fetch_into(&staging, artifact, tell).await?;
        verify(&ready, &artifact.files).await?;
        let folder = self.folder(id);
        files::remove_dir(&folder)?;
        fs::rename(&ready, &folder).map_err(SandboxError::io("move", &ready))?;
        files::remove_dir(&staging)
    }
}

/// Fetches and unpacks below `staging`; the folder it gives is what is to be used.
async fn fetch_into(
    staging: &Path,
    artifact: &'static Artifact,
    tell: &(dyn Fn(Step) + Sync),
) -> Result<PathBuf, SandboxError> {
    let (down, out) = (staging.join("download"), staging.join("files"));
    for dir in [&down, &out] {
        files::private_dir(dir)?;
    }
    match &artifact.fetch {
        Source::MavenDependencies(roots) => {
            let pom = staging.join("pom.xml");
            files::write_private(&pom, &pom_of(roots))?;
            let mut command = maven(staging, COPY_DEPENDENCIES)?;
            command.arg("-f").arg(&pom).arg("-DincludeScope=runtime").arg(output_directory(&out));
            tools::run(command, "mvn", &artifact.title).await?;
        }
        Source::MavenArchive(coordinate) => {
            let mut command = maven(staging, COPY)?;
            command.arg(format!("-Dartifact={coordinate}")).arg(output_directory(&down));
            tools::run(command, "mvn", &artifact.title).await?;
            let archive = verified_archive(&down, artifact).await?;
            tell(Step::Unpacking);
            let mut command = Command::new(tool(tools::tar())?);
            command.arg("-xzf").arg(archive).arg("-C").arg(&out).arg("--no-same-owner");
            tools::run(command, "tar", &artifact.title).await?;
        }
        Source::PythonWheel(requirement) => {
            let python = tool(tools::python().await)?;
            let mut command = Command::new(&python);
            command.env("PIP_REQUIRE_VIRTUALENV", "false");
            command.current_dir(staging).args([
                "-m",
                "pip",
                "download",
                "--quiet",
                "--disable-pip-version-check",
            ]);
            command.args(["--no-deps", "--only-binary", ":all:", "--dest"]).arg(&down).arg(requirement);
            tools::run(command, "pip", &artifact.title).await?;
            let archive = verified_archive(&down, artifact).await?;
            tell(Step::Unpacking);
            // A wheel is a zip archive: unpacked, nothing in it runs.
            let mut command = Command::new(&python);
            command.current_dir(staging).args(["-m", "zipfile", "-e"]).arg(archive).arg(&out);
            tools::run(command, "python3", &artifact.title).await?;
            for file in &artifact.files {
                let path = out.join(&file.path);
                fs::set_permissions(&path, Permissions::from_mode(0o700))
                    .map_err(SandboxError::io("protect", &path))?;
            }
        }
    }
    Ok(out)
}

fn tool(found: Result<PathBuf, MissingTool>) -> Result<PathBuf, SandboxError> {
    found.map_err(|t| SandboxError::MissingTools(vec![t]))
}

fn maven(dir: &Path, goal: &str) -> Result<Command, SandboxError> {
    let mut command = Command::new(tool(tools::maven())?);
    command.current_dir(dir).args(["-B", "-q", "-ntp", "-Dstyle.color=never", goal]);
    Ok(command)
}

fn output_directory(dir: &Path) -> std::ffi::OsString {
    let mut arg = std::ffi::OsString::from("-DoutputDirectory=");
    arg.push(dir);
    arg
}

/// A project whose only content is what it depends on.
fn pom_of(roots: &[String]) -> String {
    let mut dependencies = String::new();
    for root in roots {
        let mut parts = root.split(':');
        let mut next = || parts.next().unwrap_or_default();
        let (group, artifact, version, classifier) = (next(), next(), next(), next());
        let classifier = match classifier {
            "" => String::new(),
            classifier => format!("<classifier>{classifier}</classifier>"),
        };
        dependencies.push_str(&format!(
            "    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version>{classifier}</dependency>\n"
        ));
    }
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  <modelVersion>4.0.0</modelVersion>\n  \
         <groupId>datamesh</groupId><artifactId>sandbox</artifactId><version>1</version>\
         <packaging>pom</packaging>\n  <dependencies>\n{dependencies}  </dependencies>\n</project>\n"
    )
}

/// The downloaded archive, compared with the lock file before anything opens it.
async fn verified_archive(down: &Path, artifact: &'static Artifact) -> Result<PathBuf, SandboxError> {
    let Some(archive) = &artifact.archive else {
        return Err(SandboxError::Record {
            path: PathBuf::from("src/sandbox/lock.json"),
            why: format!("{} has no archive", artifact.title),
        });
    };
    verify(down, std::slice::from_ref(archive)).await?;
    Ok(down.join(&archive.path))
}

/// Compares files with what is pinned, on all processors; the first difference in the order of the list is told.
async fn verify(folder: &Path, pinned: &'static [Pinned]) -> Result<(), SandboxError> {
    let folder = folder.to_owned();
    let work = move || compare_all(&folder, pinned);
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| {
        Err(SandboxError::Io {
            what: "compare",
            path: PathBuf::from("the cache"),
            source: std::io::Error::other(e),
        })
    })
}

fn compare_all(folder: &Path, pinned: &[Pinned]) -> Result<(), SandboxError> {
    // Big ones first, so that no thread is left alone with one at the end.
    let mut order: Vec<usize> = (0..pinned.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(pinned[*i].size));
    let next = AtomicUsize::new(0);
    let worst: Mutex<Option<(usize, SandboxError)>> = Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(order.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&i) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Err(error) = pinned[i].compare(folder) else { continue };
                    let mut worst = worst.lock().unwrap_or_else(PoisonError::into_inner);
                    if worst.as_ref().is_none_or(|(at, _)| i < *at) {
                        *worst = Some((i, error));
                    }
                }
            });
        }
    });
    worst.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), |(_, error)| Err(error))
}

impl Pinned {
    fn compare(&self, folder: &Path) -> Result<(), SandboxError> {
        let path = folder.join(&self.path);
        let differs = |expected: String, actual: String| {
            Err(SandboxError::Tampered { path: path.clone(), expected, actual })
        };
        let size = match fs::metadata(&path) {
            Ok(meta) => meta.len(),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return differs("the file".to_owned(), "nothing".to_owned());
            }
            Err(e) => return Err(SandboxError::io("read", &path)(e)),
        };
        if size != self.size {
            return differs(format!("{} bytes", self.size), format!("{size} bytes"));
        }
        let actual = sha256_of(&path).map_err(SandboxError::io("read", &path))?;
        if actual != self.sha256 {
            return differs(format!("SHA-256 {}", self.sha256), format!("SHA-256 {actual}"));
        }
        Ok(())
    }
}

fn sha256_of(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(super::hex(&hash.finalize()));
        }
        hash.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_pins_every_file_within_its_folder() {
        let all = LOCK.as_ref().unwrap();
        for (id, artifact) in all {
            assert!(!artifact.files.is_empty(), "{id}");
            for file in artifact.files.iter().chain(&artifact.archive) {
                assert_eq!(file.sha256.len(), 64, "{id} {}", file.path);
                assert!(file.size > 0 || file.path.starts_with("meta/"), "{id} {}", file.path);
                let plain =
                    Path::new(&file.path).components().all(|c| matches!(c, std::path::Component::Normal(_)));
                assert!(plain, "{id} {}", file.path);
            }
        }
        assert_eq!(all["kafka-4.4.0"].files.len(), 45);
    }

    #[test]
    fn the_first_difference_is_told_with_both_sides() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "abc").unwrap();
        let pin = |path: &str, size, sha256: &str| Pinned { path: path.into(), size, sha256: sha256.into() };
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(compare_all(dir.path(), &[pin("a", 3, abc)]).is_ok());
        let text = |pins: &[Pinned]| compare_all(dir.path(), pins).unwrap_err().to_string();
        assert!(text(&[pin("a", 4, abc)]).ends_with("expected 4 bytes, found 3 bytes"));
        assert!(text(&[pin("a", 3, "00")]).ends_with(&format!("expected SHA-256 00, found SHA-256 {abc}")));
        assert!(
            text(&[pin("b", 3, abc), pin("a", 3, "00")]).ends_with("b: expected the file, found nothing")
        );
    }

    #[test]
    fn the_project_names_its_roots() {
        let pom = pom_of(&["g:a:1".to_owned()]);
        assert!(pom.contains("<groupId>g</groupId><artifactId>a</artifactId><version>1</version>"), "{pom}");
    }
}
