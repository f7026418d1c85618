//! What one seed is about: how often what fails, who runs, what becomes of them, and which locks they have.

use super::actors::Doom;
use super::executor::Rng;
use super::meshes::ANY;
use super::park::Rates;
use std::time::Duration;

/// What one seed is about.
pub(crate) struct Scenario {
    pub(crate) rates: Rates,
    /// Runs of each lane.
    pub(crate) runs: [usize; 2],
    pub(crate) drifts: usize,
    /// In a thousand runs.
    pub(crate) doomed: u64,
    pub(crate) last: usize,
}

pub(crate) fn scenario(rng: &mut Rng) -> Scenario {
    let mut often = |most: u64| rng.next() % most;
    let store = Rates {
        put_lost: often(40),
        put_unanswered: often(40),
        put_late: often(30),
        put_twice: often(40),
        put_refused: often(30),
        put_failed: often(20),
        get_failed: often(20),
        ..Rates::default()
    };
    let systems = Rates {
        call_lost: often(40),
        call_unanswered: often(60),
        call_late: often(40),
        call_refused: often(40),
        read_failed: often(30),
        ..Rates::default()
    };
    let rates = match rng.below(5) {
        0 => Rates::default(),
        1 => store,
        2 => systems,
        _ => Rates {
            call_lost: systems.call_lost,
            call_unanswered: systems.call_unanswered,
            call_late: systems.call_late,
            call_refused: systems.call_refused,
            read_failed: systems.read_failed,
            ..store
        },
    };
    Scenario {
        rates,
        runs: [1 + rng.below(4), rng.below(4)],
        drifts: if rng.hits(500) { 0 } else { 1 + rng.below(6) },
        doomed: if rng.hits(300) { 0 } else { 500 },
        last: rng.below(ANY),
    }
}

pub(crate) fn doom(rng: &mut Rng, doomed: u64, locks: LockKind) -> Option<(u64, Doom)> {
    if !rng.hits(doomed) {
        return None;
    }
    // Whoever has a lease is asleep while others wait for it.
    let killed = if locks == LockKind::OfTheMachine { 0..=3 } else { 0..=1 };
    let doom = match rng.below(8) {
        killing if killed.contains(&killing) => Doom::Killed,
        0..=5 => Doom::Suspended(rng.millis(5_000, if killed == (0..=3) { 1_800_000 } else { 400_000 })),
        6 => Doom::Interrupted,
        _ => Doom::Clock(i64::try_from(rng.below(200_000)).unwrap_or(0) - 100_000),
    };
    Some((1 + rng.next() % 120, doom))
}

/// Which locks a simulation has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockKind {
    /// They die with their process.
    OfTheMachine,
    /// Leases on the store, and so many of them somebody takes away.
    Leases(usize),
}

impl LockKind {
    /// How long runs wait for a lock. Most of those who wait for a lease outwait one that nobody renews.
    pub(crate) fn waits(self) -> [Duration; 3] {
        match self {
            Self::OfTheMachine => [0, 5, 300],
            Self::Leases(_) => [5, 300, 300],
        }
        .map(Duration::from_secs)
    }
}

/// Who is in a simulation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cast {
    pub(crate) locks: LockKind,
    /// Its lanes are at odds.
    pub(crate) at_odds: bool,
    /// Operations of one group at most: with few, one group is made ready while another runs.
    pub(crate) group: Option<usize>,
}

impl Cast {
    /// The first there was.
    pub(crate) const PLAIN: Self = Self { locks: LockKind::OfTheMachine, at_odds: false, group: None };

    /// By streams of their own, so that a seed that found something without one of them stays what it was.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x10cc);
        let locks = match rng.below(5) {
            0 | 1 => LockKind::OfTheMachine,
            _ => LockKind::Leases(rng.below(4)),
        };
        let small = Rng::new(seed ^ 0x6209).below(3) == 0;
        Self { locks, at_odds: Rng::new(seed ^ 0x0dd5).below(4) == 0, group: small.then_some(2) }
    }
}
