//! Compatibility levels, and which of two promises more.

/// What a registry promises about the versions of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nothing is checked.
    None,
    /// New readers can read data of the version before.
    Backward,
    /// New readers can read data of every version before.
    BackwardTransitive,
    /// Readers of the version before can read new data.
    Forward,
    /// Readers of every version before can read new data.
    ForwardTransitive,
    /// Backward and forward.
    Full,
    /// Backward and forward over every version before.
    FullTransitive,
}

impl Level {
    /// Every level, in the order of the API's documentation.
    pub const ALL: [Self; 7] = [
        Self::Backward,
        Self::BackwardTransitive,
        Self::Forward,
        Self::ForwardTransitive,
        Self::Full,
        Self::FullTransitive,
        Self::None,
    ];

    /// The level of this name, exactly as the API writes it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    /// The name the API uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Backward => "BACKWARD",
            Self::BackwardTransitive => "BACKWARD_TRANSITIVE",
            Self::Forward => "FORWARD",
            Self::ForwardTransitive => "FORWARD_TRANSITIVE",
            Self::Full => "FULL",
            Self::FullTransitive => "FULL_TRANSITIVE",
        }
    }

    /// Whether new readers can read older data.
    pub fn backward(self) -> bool {
        matches!(self, Self::Backward | Self::BackwardTransitive | Self::Full | Self::FullTransitive)
    }

    /// Whether older readers can read new data.
    pub fn forward(self) -> bool {
        matches!(self, Self::Forward | Self::ForwardTransitive | Self::Full | Self::FullTransitive)
    }

    /// Whether every version before counts, not only the latest.
    pub fn transitive(self) -> bool {
        matches!(self, Self::BackwardTransitive | Self::ForwardTransitive | Self::FullTransitive)
    }

    /// The least level that promises all that either promises.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let directions = (self.backward() || other.backward(), self.forward() || other.forward());
        match (directions, self.transitive() || other.transitive()) {
            ((false, false), _) => Self::None,
            ((true, false), false) => Self::Backward,
            ((true, false), true) => Self::BackwardTransitive,
            ((false, true), false) => Self::Forward,
            ((false, true), true) => Self::ForwardTransitive,
            ((true, true), false) => Self::Full,
            ((true, true), true) => Self::FullTransitive,
        }
    }

    /// Whether this level promises all that `other` promises. Some levels promise different things: neither of
    /// `BACKWARD` and `FORWARD` implies the other.
    pub fn implies(self, other: Self) -> bool {
        let directions = self.backward() >= other.backward() && self.forward() >= other.forward();
        directions && (self.transitive() >= other.transitive())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_nothing_else_is_a_level() {
        for level in Level::ALL {
            assert_eq!(Level::from_name(level.name()), Some(level));
        }
        for name in ["backward", "", "BACKWARDS", "TRANSITIVE"] {
            assert_eq!(Level::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn implication_is_a_partial_order_with_full_transitive_on_top_and_none_below() {
        for a in Level::ALL {
            assert!(a.implies(a) && a.implies(Level::None) && Level::FullTransitive.implies(a), "{a:?}");
            for b in Level::ALL {
                assert!(a == b || !(a.implies(b) && b.implies(a)), "{a:?} {b:?}");
                assert!(a.and(b).implies(a) && a.and(b).implies(b) && a.and(b) == b.and(a), "{a:?} {b:?}");
                assert!(!a.implies(b) || a.and(b) == a, "{a:?} {b:?}");
                for c in Level::ALL {
                    assert!(!(a.implies(b) && b.implies(c)) || a.implies(c), "{a:?} {b:?} {c:?}");
                }
            }
        }
        assert!(!Level::Backward.implies(Level::Forward) && !Level::Forward.implies(Level::Backward));
        assert!(!Level::Full.implies(Level::BackwardTransitive));
        assert!(!Level::BackwardTransitive.implies(Level::Full));
    }
}
