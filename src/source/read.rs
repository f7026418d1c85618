//! Reading one file without surprises: regular files only, links refused, sizes bounded.

use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a regular file. A symbolic link is refused by the system itself, so that none can be put in place between
/// looking and opening; a pipe does not block.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}

/// The whole file, unless it has more than `at_most` bytes.
pub(crate) fn bounded(path: &Path, at_most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let expected = file.metadata()?.len().min(at_most);
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0).saturating_add(1));
    file.take(at_most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > at_most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {at_most} bytes")));
    }
    Ok(bytes)
}

/// Whether one of the byte strings occurs in the file, read piece by piece; at most `at_most` bytes are looked at,
/// and a file that has more is an error.
pub(crate) fn mentions(path: &Path, needles: &[Vec<u8>], at_most: u64) -> io::Result<bool> {
    const PIECE: usize = 1 << 18;
    let file = open(path)?;
    if file.metadata()?.len() > at_most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {at_most} bytes")));
    }
    let mut file = file.take(at_most);
    // A match may span two pieces: the end of one stays in front of the next.
    let overlap = needles.iter().map(Vec::len).max().unwrap_or(0);
    let mut window = Vec::with_capacity(PIECE + overlap);
    loop {
        let keep = window.len().saturating_sub(overlap);
        window.drain(..keep);
        let before = window.len();
        file.by_ref().take(PIECE as u64).read_to_end(&mut window)?;
        if needles.iter().any(|needle| occurs(&window, needle)) {
            return Ok(true);
        }
        if window.len() == before {
            return Ok(false);
        }
    }
}

fn occurs(haystack: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return true };
    let mut rest = haystack;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}
