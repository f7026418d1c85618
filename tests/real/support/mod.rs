//! What the tests on real servers share.

pub(crate) mod broker;
pub(crate) mod certificates;
pub(crate) mod guard;
pub(crate) mod http;
pub(crate) mod python;
pub(crate) mod servers;
