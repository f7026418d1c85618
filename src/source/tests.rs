//! The working tree on real files, with real git repositories.

use super::{Repository, SourceError, WorkingTree, find_root, load};
use datamesh_core::manifest::{FileSet, Load, LoadOptions, NamedFileError, SkipReason, beside};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const MESH: &str =
    "apiVersion: datamesh.example.com/v1\nkind: Mesh\nmetadata: {name: acme}\nspec: {environments: {}}\n";

fn product(name: &str) -> String {
    format!(
        "apiVersion: datamesh.example.com/v1\nkind: DataProduct\nmetadata: {{name: {name}, domain: orders}}\nspec: {{}}\n"
    )
}

/// A folder that is gone after the test.
struct Folder(tempfile::TempDir);

impl Folder {
    /// A mesh with one product, no git.
    fn mesh() -> Self {
        let folder = Self::empty();
        folder.write("datamesh.yaml", MESH);
        folder.write("orders/facts.yaml", &product("facts"));
        folder
    }

    fn empty() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().canonicalize().expect("a folder")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(&path, text).expect("a file");
        path
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.path())
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .expect("git");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn init(&self) {
        self.git(&["init", "-q", "-b", "main"]);
    }

    fn load(&self) -> Load {
        load(&self.path()).load
    }

    fn manifests(&self) -> Vec<String> {
        let load = self.load();
        assert!(!load.diagnostics.has_errors(), "{:#?}", load.diagnostics);
        load.manifests.iter().map(|loaded| loaded.path.to_string()).collect()
    }
}

fn codes(load: &Load) -> Vec<&'static str> {
    load.diagnostics.iter().map(|diagnostic| diagnostic.code.id).collect()
}

fn skipped(load: &Load) -> Vec<(&str, SkipReason)> {
    load.skipped.iter().map(|skipped| (skipped.path.as_str(), skipped.reason)).collect()
}

#[test]
fn every_yaml_file_below_the_root_is_read() {
    let folder = Folder::mesh();
    folder.write("a b/c.yml", &product("c"));
    folder.write(".hidden/d.yaml", &product("d"));
    folder.write("chart/templates/x.yaml", "{{ if }}: [");
    folder.write("notes.txt", &product("not-a-manifest"));
    folder.write(".datamesh/cache.yaml", &product("own"));
    assert_eq!(folder.manifests(), [".hidden/d.yaml", "a b/c.yml", "datamesh.yaml", "orders/facts.yaml"]);
    assert_eq!(skipped(&folder.load()), [("chart/templates/x.yaml", SkipReason::Foreign)]);
}

#[test]
fn the_digest_of_the_inputs_follows_content_and_paths_only() {
    let folder = Folder::mesh();
    let before = folder.load().inputs_digest();
    folder.write("other.yaml", "a: 1\n");
    assert_eq!(folder.load().inputs_digest(), before);
    folder.write("orders/facts.yaml", &format!("{}# x\n", product("facts")));
    assert_ne!(folder.load().inputs_digest(), before);
    folder.write("orders/facts.yaml", &product("facts"));
    assert_eq!(folder.load().inputs_digest(), before);
    fs::rename(folder.path().join("orders"), folder.path().join("moved")).expect("a move");
    assert_ne!(folder.load().inputs_digest(), before);
}

#[test]
fn ignore_files_hide_and_say_so_by_folder() {
    let folder = Folder::mesh();
    folder.write(".datameshignore", "# other meshes\n/examples/\n*.tmp.yaml\n!keep.tmp.yaml\n");
    folder.write("examples/datamesh.yaml", MESH);
    folder.write("orders/a.tmp.yaml", &product("a"));
    folder.write("orders/keep.tmp.yaml", &product("keep"));
    folder.write("sub/.datameshignore", "b.yaml\n");
    folder.write("sub/b.yaml", &product("b"));
    folder.write("sub/c.yaml", &product("c"));
    assert_eq!(
        folder.manifests(),
        ["datamesh.yaml", "orders/facts.yaml", "orders/keep.tmp.yaml", "sub/c.yaml"]
    );
}

#[test]
fn an_ignore_file_that_cannot_be_understood_is_an_error() {
    let folder = Folder::mesh();
    folder.write("sub/.datameshignore", "ok\n{a,b\n");
    let load = folder.load();
    assert_eq!(codes(&load), ["DM0001"]);
    assert!(load.diagnostics.iter().next().expect("one").detail.contains("sub/.datameshignore"));
    let folder = Folder::mesh();
    symlink("/etc/hostname", folder.path().join(".datameshignore")).expect("a link");
    assert_eq!(codes(&folder.load()), ["DM0001"]);
}

#[test]
fn gitignore_hides_only_what_git_does_not_track() {
    let folder = Folder::mesh();
    folder.init();
    folder.write("gen/tracked.yaml", &product("tracked"));
    folder.write("gen/deep/tracked.yaml", &product("deep"));
    folder.git(&["add", "-A"]);
    folder.write(".gitignore", "gen/\nlocal.yaml\n");
    folder.write("gen/new.yaml", &product("new"));
    folder.write("gen/other/new.yaml", &product("other"));
    folder.write("local.yaml", &product("local"));
    folder.write("seen.yaml", &product("seen"));
    let expected =
        ["datamesh.yaml", "gen/deep/tracked.yaml", "gen/tracked.yaml", "orders/facts.yaml", "seen.yaml"];
    assert_eq!(folder.manifests(), expected);
    // A commit changes nothing.
    folder.git(&["commit", "-q", "-m", "x"]);
    assert_eq!(folder.manifests(), expected);
    // Without git, the patterns hide all they match.
    fs::remove_dir_all(folder.path().join(".git")).expect("gone");
    assert_eq!(folder.manifests(), ["datamesh.yaml", "orders/facts.yaml", "seen.yaml"]);
}

#[test]
fn datameshignore_hides_tracked_files_too() {
    let folder = Folder::mesh();
    folder.init();
    folder.write("old/a.yaml", &product("a"));
    folder.write(".datameshignore", "old/\n");
    folder.git(&["add", "-A"]);
    assert_eq!(folder.manifests(), ["datamesh.yaml", "orders/facts.yaml"]);
    assert!(folder.load().complete());
}

#[test]
fn patterns_above_the_root_count_within_the_repository() {
    let folder = Folder::empty();
    folder.init();
    folder.write("mesh/datamesh.yaml", MESH);
    folder.write("mesh/gen/a.yaml", &product("a"));
    folder.write("mesh/b.yaml", &product("b"));
    folder.write(".gitignore", "gen/\nb.yaml\n");
    let paths = || -> Vec<String> {
        let load = load(&folder.path().join("mesh")).load;
        load.manifests.iter().map(|loaded| loaded.path.to_string()).collect()
    };
    assert_eq!(paths(), ["datamesh.yaml"]);
    folder.git(&["add", "-f", "mesh/gen/a.yaml"]);
    assert_eq!(paths(), ["datamesh.yaml", "gen/a.yaml"]);
}

#[test]
fn links_are_never_followed() {
    let outside = Folder::empty();
    outside.write("secret.yaml", &product("secret"));
    let folder = Folder::mesh();
    symlink(outside.path(), folder.path().join("folder")).expect("a link");
    symlink(outside.path().join("secret.yaml"), folder.path().join("linked.yaml")).expect("a link");
    symlink("..", folder.path().join("orders/loop")).expect("a link");
    symlink("round", folder.path().join("round")).expect("a link");
    symlink("self.yaml", folder.path().join("self.yaml")).expect("a link");
    symlink("/nowhere", folder.path().join("dangling.yml")).expect("a link");
    symlink("/nowhere", folder.path().join("dangling.txt")).expect("a link");
    symlink("datamesh.yaml", folder.path().join("notes.txt")).expect("a link");
    assert_eq!(folder.manifests(), ["datamesh.yaml", "orders/facts.yaml"]);
    let load = folder.load();
    let links = [
        ("dangling.yml", SkipReason::Symlink),
        ("folder", SkipReason::Symlink),
        ("linked.yaml", SkipReason::Symlink),
        ("orders/loop", SkipReason::Symlink),
        ("round", SkipReason::Symlink),
        ("self.yaml", SkipReason::Symlink),
    ];
    assert_eq!(skipped(&load), links);
    symlink("orders/facts.yaml", folder.path().join("x.datamesh.yaml")).expect("a link");
    assert_eq!(codes(&folder.load()), ["DM0005"]);
}

#[test]
fn a_pipe_blocks_nothing() {
    let folder = Folder::mesh();
    let made = Command::new("mkfifo").arg(folder.path().join("pipe.yaml")).status().expect("mkfifo");
    assert!(made.success());
    let load = folder.load();
    assert!(load.complete());
    assert_eq!(skipped(&load), [("pipe.yaml", SkipReason::Special)]);
}

#[test]
fn names_that_are_not_utf8_are_errors_only_where_they_are_ours() {
    let folder = Folder::mesh();
    let path = |name: &[u8]| folder.path().join(std::ffi::OsStr::from_bytes(name));
    fs::write(path(b"caf\xe9.yaml"), "a: 1\n").expect("a file");
    let load = folder.load();
    assert!(load.complete());
    assert_eq!(skipped(&load), [("caf\u{fffd}.yaml", SkipReason::BadName)]);
    fs::write(path(b"caf\xe9.yaml"), product("a")).expect("a file");
    assert_eq!(codes(&folder.load()), ["DM0007"]);
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let folder = Folder::mesh();
    let (file, sub) = (folder.write("a.yaml", "x: 1\n"), folder.path().join("locked"));
    fs::create_dir(&sub).expect("a folder");
    let mode =
        |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    mode(&file, 0o000);
    mode(&sub, 0o000);
    // Root may read everything; the test then shows that nothing else goes wrong.
    let readable = fs::read(&file).is_ok();
    let load = folder.load();
    mode(&sub, 0o755);
    if readable {
        assert!(load.complete());
    } else {
        assert_eq!(codes(&load), ["DM0001", "DM0001"]);
        assert!(!load.complete());
    }
}

#[test]
fn a_tracked_manifest_that_is_not_on_disk_makes_the_load_incomplete() {
    let folder = Folder::mesh();
    folder.init();
    folder.git(&["add", "-A"]);
    fs::remove_file(folder.path().join("orders/facts.yaml")).expect("gone");
    let load = folder.load();
    assert_eq!(load.missing, ["orders/facts.yaml"]);
    assert!(!load.complete() && !load.diagnostics.has_errors());
    folder.git(&["add", "-A"]);
    assert!(folder.load().complete());
}

#[test]
fn a_recorded_source_that_is_ignored_now_is_not_gone() {
    let folder = Folder::mesh();
    folder.write(".gitignore", "orders/\n");
    let recorded = ["orders/facts.yaml", "orders/gone.yaml"].map(str::to_owned).into();
    let options = LoadOptions { recorded, ..LoadOptions::default() };
    let load = WorkingTree::open(&folder.path()).expect("a tree").load(&options);
    assert!(load.seen_paths.contains("orders/facts.yaml"));
    assert!(!load.seen_paths.contains("orders/gone.yaml"));
}

#[test]
fn other_repositories_below_the_root_are_not_entered() {
    let folder = Folder::mesh();
    folder.init();
    folder.write("vendor/lib/a.yaml", &product("a"));
    let made = Command::new("git").args(["init", "-q"]).arg(folder.path().join("vendor/lib")).status();
    assert!(made.expect("git").success());
    assert_eq!(folder.manifests(), ["datamesh.yaml", "orders/facts.yaml"]);
    assert_eq!(skipped(&folder.load()), [("vendor/lib/", SkipReason::OtherRepository)]);
}

#[test]
fn a_committed_bare_repository_fools_nobody() {
    let folder = Folder::mesh();
    folder.init();
    folder.git(&["add", "-A"]);
    folder.git(&["commit", "-q", "-m", "first"]);
    let head = folder.git(&["rev-parse", "HEAD"]);
    // A mesh inside of what looks like a bare repository: git would take it for one.
    let bare = folder.path().join("trap");
    let made = Command::new("git").args(["init", "-q", "--bare"]).arg(&bare).status();
    assert!(made.expect("git").success());
    fs::write(bare.join("config"), "[core]\n\tbare = true\n\tfsmonitor = touch /tmp/never\n")
        .expect("a file");
    fs::write(bare.join("datamesh.yaml"), MESH).expect("a file");
    let loaded = load(&bare);
    assert_eq!(loaded.head, Some(head.clone()));
    assert_eq!(loaded.repository, Some(head));
    let repository = Repository::owning(&bare).expect("readable").expect("a repository");
    assert_eq!(repository.folder(), folder.path());
}

#[test]
fn the_repository_is_known_by_its_first_commit() {
    let folder = Folder::mesh();
    folder.init();
    assert_eq!((load(&folder.path()).repository, load(&folder.path()).head), (None, None));
    folder.git(&["add", "-A"]);
    folder.git(&["commit", "-q", "-m", "first"]);
    let first = folder.git(&["rev-parse", "HEAD"]);
    folder.git(&["commit", "-q", "--allow-empty", "-m", "second"]);
    let second = folder.git(&["rev-parse", "HEAD"]);
    let loaded = load(&folder.path().join("orders"));
    assert_eq!(codes(&loaded.load), ["DM0134"]);
    let loaded = load(&folder.path());
    assert_eq!((loaded.repository, loaded.head), (Some(first.clone()), Some(second.clone())));

    let clones = Folder::empty();
    let url = format!("file://{}", folder.path().display());
    clones.git(&["clone", "-q", &url, "full"]);
    clones.git(&["clone", "-q", "--depth", "1", &url, "shallow"]);
    assert_eq!(load(&clones.path().join("full")).repository, Some(first.clone()));
    let shallow = load(&clones.path().join("shallow"));
    assert_eq!((shallow.repository, shallow.head), (None, Some(second)));
    // A linked work tree has a `.git` file.
    folder.git(&["worktree", "add", "-q", "-b", "side", &clones.path().join("side").to_string_lossy()]);
    assert_eq!(load(&clones.path().join("side")).repository, Some(first));
}

#[test]
fn a_broken_repository_is_an_error() {
    let folder = Folder::mesh();
    folder.init();
    folder.write(".git/index", "nonsense");
    assert!(matches!(WorkingTree::open(&folder.path()), Err(SourceError::Git { .. })));
    let load = folder.load();
    assert!(load.stopped);
    assert_eq!(codes(&load), ["DM0009"]);
}

#[test]
fn the_root_is_the_nearest_folder_with_a_mesh_document() {
    let folder = Folder::mesh();
    // Another tool's file of this name is not ours; a broken one is, so that its error is seen.
    folder.write("orders/datamesh.yaml", "apiVersion: other.example.org/v1\nkind: Mesh\n");
    assert_eq!(find_root(&folder.path().join("orders")).expect("a root"), folder.path());
    folder.write("orders/datamesh.yaml", "a: [");
    assert_eq!(find_root(&folder.path().join("orders")).expect("a root"), folder.path().join("orders"));
    let empty = Folder::empty();
    assert!(matches!(find_root(&empty.path()), Err(SourceError::NoMesh { .. })));
    assert!(matches!(find_root(&empty.path().join("no")), Err(SourceError::NoFolder { .. })));
    assert_eq!(codes(&load(&empty.path().join("no")).load), ["DM0001"]);
}

#[test]
fn what_only_looks_like_a_mesh_document_is_named() {
    let folder = Folder::empty();
    folder.write("elsewhere.yaml", MESH);
    let why = || match find_root(&folder.path()) {
        Err(SourceError::Unusable { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    symlink("elsewhere.yaml", folder.path().join("datamesh.yaml")).expect("a link");
    assert!(why().contains("symbolic link"));
    fs::remove_file(folder.path().join("datamesh.yaml")).expect("there was one");
    folder.write("datamesh.yaml", "# nothing yet\n");
    assert!(why().contains("no Mesh document"));
}

#[test]
fn files_that_manifests_name_are_read_within_the_rules() {
    let folder = Folder::mesh();
    folder.write("orders/schema/facts.avsc", "{}");
    folder.write("orders/.datamesh/secret", "x");
    folder.write("hidden/a.avsc", "{}");
    folder.write(".datameshignore", "hidden/\n");
    folder.write("top.avsc", "{}");
    symlink("/etc", folder.path().join("orders/etc")).expect("a link");
    let tree = WorkingTree::open(&folder.path()).expect("a tree");
    let read =
        |manifest: &str, name: &str| beside(manifest, name).and_then(|path| tree.read_named(&path, name, 10));
    assert_eq!(read("orders/facts.yaml", "schema/facts.avsc").expect("bytes"), b"{}");
    assert_eq!(read("orders/facts.yaml", "./schema/facts.avsc").expect("bytes"), b"{}");
    assert_eq!(read("datamesh.yaml", "top.avsc").expect("bytes"), b"{}");
    for name in
        ["", "/etc/passwd", "../top.avsc", "schema/../../top.avsc", "schema//facts.avsc", "schema/", "a\0b"]
    {
        assert!(matches!(read("orders/facts.yaml", name), Err(NamedFileError::NotBeside(_))), "{name:?}");
    }
    assert!(matches!(read("orders/facts.yaml", ".datamesh/secret"), Err(NamedFileError::Forbidden(_))));
    assert!(matches!(read("orders/facts.yaml", ".GIT/config"), Err(NamedFileError::Forbidden(_))));
    assert!(matches!(read("orders/facts.yaml", "etc/hostname"), Err(NamedFileError::Link(_))));
    assert!(matches!(read("hidden/b.yaml", "a.avsc"), Err(NamedFileError::Ignored(_))));
    assert!(matches!(read("orders/facts.yaml", "schema"), Err(NamedFileError::NotAFile(_))));
    assert!(matches!(read("orders/facts.yaml", "none.avsc"), Err(NamedFileError::Unreadable { .. })));
    folder.write("top.avsc", "{          }");
    assert!(matches!(read("datamesh.yaml", "top.avsc"), Err(NamedFileError::Unreadable { .. })));
}

#[test]
fn a_large_file_is_looked_through_piece_by_piece() {
    let folder = Folder::mesh();
    // The name of the group lies across the border of two pieces.
    let filler = "#".repeat((1 << 18) * 5 - 10);
    folder.write("large.yaml", &format!("{filler}\n{}", product("large")));
    assert_eq!(codes(&folder.load()), ["DM0003"]);
    folder.write("large.yaml", &filler);
    assert_eq!(skipped(&folder.load()), [("large.yaml", SkipReason::TooLarge)]);
}

#[test]
fn the_list_of_files_is_sorted() {
    let folder = Folder::mesh();
    for name in ["a/b.yaml", "a.yaml", "a-b.yaml", "a/b/c.yaml", "A.yaml"] {
        folder.write(name, "x: 1\n");
    }
    let tree = WorkingTree::open(&folder.path()).expect("a tree");
    let paths: Vec<_> = tree.files().iter().map(|entry| entry.path.as_str()).collect();
    assert!(paths.is_sorted());
    assert_eq!(paths.len(), 7);
}
