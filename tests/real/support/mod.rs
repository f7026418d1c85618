//! What the tests on real servers share.

pub(crate) mod servers;
