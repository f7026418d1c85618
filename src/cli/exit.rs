//! Exit codes: a published interface for scripts.

use std::process::ExitCode;

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exit {
    /// Everything worked; under `--detailed-exitcode`, there are no changes.
    #[default]
    Ok,
    /// Something is wrong: in a manifest, with a system, or with the machine.
    Error,
    /// There are changes (`--detailed-exitcode`) or there is drift (`drift`).
    Changes,
    /// A policy denies the plan, or a promise of a contract is broken (`breaking`).
    PolicyDenied,
    /// Somebody else holds the lock.
    LockNotAcquired,
    /// The world is not what the plan saw.
    StalePlan,
    /// Some operations are done, others failed.
    PartialApply,
    /// Nobody knows yet whether an operation took effect.
    Indeterminate,
    /// The command line does not make sense.
    Usage,
    /// Stopped by a signal; the state is saved.
    Interrupted,
}

impl Exit {
    /// The number the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Error => 1,
            Self::Changes => 2,
            Self::PolicyDenied => 3,
            Self::LockNotAcquired => 4,
            Self::StalePlan => 5,
            Self::PartialApply => 6,
            Self::Indeterminate => 7,
            Self::Usage => 64,
            Self::Interrupted => 130,
        }
    }

    /// What matters more has the higher rank: 130 > 7 > 6 > 5 > 4 > 1 > 3 > 2 > 0. A wrong command line does
    /// nothing at all, so it never meets another one; it ranks above them.
    fn rank(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Changes => 1,
            Self::PolicyDenied => 2,
            Self::Error => 3,
            Self::LockNotAcquired => 4,
            Self::StalePlan => 5,
            Self::PartialApply => 6,
            Self::Indeterminate => 7,
            Self::Interrupted => 8,
            Self::Usage => 9,
        }
    }

    /// The one that is reported when both are true.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// For the end of `datamesh --help`.
pub(super) const HELP: &str = "\
Exit codes:
    0  done, or no changes
    1  error
    2  there are changes (plan --detailed-exitcode) or there is drift (drift)
    3  a policy denies the plan, or a contract is broken (breaking)
    4  the lock could not be acquired
    5  stale plan: the world is not what the plan saw
    6  partial apply: some operations are done, others failed
    7  indeterminate: nobody knows yet whether an operation took effect
   64  wrong usage
  130  interrupted; the state is saved
Where several are true: 130 > 7 > 6 > 5 > 4 > 1 > 3 > 2 > 0.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_one_wins_either_way_round() {
        let order = [130, 7, 6, 5, 4, 1, 3, 2, 0];
        let all = [
            Exit::Interrupted,
            Exit::Indeterminate,
            Exit::PartialApply,
            Exit::StalePlan,
            Exit::LockNotAcquired,
            Exit::Error,
            Exit::PolicyDenied,
            Exit::Changes,
            Exit::Ok,
        ];
        assert_eq!(all.map(Exit::code), order);
        for (at, worse) in all.iter().enumerate() {
            for better in &all[at..] {
                assert_eq!(worse.and(*better), *worse);
                assert_eq!(better.and(*worse), *worse);
            }
        }
        assert_eq!(all.into_iter().rev().fold(Exit::Ok, Exit::and), Exit::Interrupted);
    }

    #[test]
    fn every_code_is_explained() {
        for code in ["0", "1", "2", "3", "4", "5", "6", "7", "64", "130"] {
            assert!(HELP.lines().any(|line| line.trim_start().starts_with(&format!("{code}  "))), "{code}");
        }
    }
}
