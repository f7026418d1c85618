//! Independent clients, written in Python by others: what they see is what everybody sees.

use std::io::Write as _;

/// The Python that has the packages of `witnesses.txt`: `DATAMESH_TEST_PYTHON`, which `.ci/run` sets. Without it the
/// test is skipped, which is said aloud, and fails where `CI` is `true`.
pub(crate) fn python() -> Option<String> {
    match std::env::var("DATAMESH_TEST_PYTHON") {
        Ok(python) if !python.is_empty() => Some(python),
        _ if std::env::var("CI").as_deref() == Ok("true") => panic!("DATAMESH_TEST_PYTHON is not set"),
        _ => {
            // Straight to the stream: the harness would hide it.
            let _ = writeln!(
                std::io::stderr(),
                "\nSKIPPED, no witness here: set DATAMESH_TEST_PYTHON to a Python with tests/real/witnesses.txt"
            );
            None
        }
    }
}
