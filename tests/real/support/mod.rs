//! What the tests on real servers share.

pub(crate) mod python;
pub(crate) mod servers;
