//! Files this program writes for people: never over what is there.

use super::codes;
use datamesh_provider::Diagnostic;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A file that could not be read or written.
pub(super) fn error(path: &Path, doing: &str, error: &io::Error) -> Box<Diagnostic> {
    let detail = format!("Could not {doing} `{}`: {error}.", path.display());
    Box::new(Diagnostic::error(codes::FILE, detail))
}

/// Writes a file that must not be there yet, with the folders above it.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), Box<Diagnostic>> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|e| error(parent, "make the folder", &e))?;
    }
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let detail = format!("`{}` is there already, and is left as it is.", path.display());
            return Err(Box::new(Diagnostic::error(codes::EXISTS, detail).help("Choose another name.")));
        }
        Err(e) => return Err(error(path, "write", &e)),
    };
    file.write_all(text.as_bytes()).map_err(|e| error(path, "write", &e))
}

/// Writes a file in the place of what is there, readable by its owner only: it shows what is live.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), Box<Diagnostic>> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|e| error(path, "write", &e))
}

/// Adds a line to a file of lines unless it has it. The file may be missing. Whether something was added.
pub(super) fn ensure_line(path: &Path, line: &str) -> Result<bool, Box<Diagnostic>> {
    let old = match fs::read_to_string(path) {
        Ok(old) => old,
        Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(error(path, "read", &e)),
    };
    let same = |other: &str| other.trim().trim_matches('/') == line.trim_matches('/');
    if old.lines().any(same) {
        return Ok(false);
    }
    let gap = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    let mut file =
        OpenOptions::new().append(true).create(true).open(path).map_err(|e| error(path, "write", &e))?;
    file.write_all(format!("{gap}{line}\n").as_bytes()).map_err(|e| error(path, "write", &e))?;
    Ok(true)
}

/// A path below a root, as people type it.
pub(super) fn below(path: &Path, root: &Path) -> PathBuf {
    path.strip_prefix(root).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a/b.yaml");
        write_new(&path, "one").expect("new");
        let refused = write_new(&path, "two").expect_err("there already");
        assert_eq!(refused.code, codes::EXISTS);
        assert_eq!(fs::read_to_string(&path).expect("readable"), "one");
    }

    #[test]
    fn what_is_live_is_for_its_reader_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("live.json");
        write_private(&path, "{ }").expect("written");
        write_private(&path, "{}").expect("written again");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "{}");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_line_is_added_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(".gitignore");
        fs::write(&path, "target").expect("written");
        assert!(ensure_line(&path, ".datamesh/").expect("works"));
        assert!(!ensure_line(&path, ".datamesh/").expect("works"));
        assert_eq!(fs::read_to_string(&path).expect("readable"), "target\n.datamesh/\n");
        fs::write(&path, "/.datamesh\n").expect("written");
        assert!(!ensure_line(&path, ".datamesh/").expect("works"));
    }
}
