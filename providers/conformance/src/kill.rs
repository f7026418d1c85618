//! Ends the process at a chosen call, as a power cut would: for tests of the whole program.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// `<n>:before-call` or `<n>:after-call`: abort at the n-th call of this process that changes a fake system,
/// counted from 1, one call an operation.
pub const KILL_VARIABLE: &str = "DATAMESH_FAKE_KILL";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Before,
    After,
}

fn parse(text: &str) -> Option<(u64, Stage)> {
    let (number, stage) = text.split_once(':')?;
    let stage = match stage {
        "before-call" => Stage::Before,
        "after-call" => Stage::After,
        _ => return None,
    };
    Some((number.parse().ok()?, stage))
}

fn ends_at(number: u64, stage: Stage) {
    static WANTED: OnceLock<Option<(u64, Stage)>> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| parse(&std::env::var(KILL_VARIABLE).ok()?));
    if *wanted == Some((number, stage)) {
        std::process::abort();
    }
}

/// The number of the call that starts now.
pub(crate) fn before_call() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let number = CALLS.fetch_add(1, Ordering::SeqCst) + 1;
    ends_at(number, Stage::Before);
    number
}

/// The effect is there; the caller has not heard of it yet.
pub(crate) fn after_call(number: u64) {
    ends_at(number, Stage::After);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_stages_are_understood() {
        assert_eq!(parse("3:before-call"), Some((3, Stage::Before)));
        assert_eq!(parse("12:after-call"), Some((12, Stage::After)));
        for text in ["", "3", "x:after-call", "3:later", "-1:after-call"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
