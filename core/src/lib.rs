//! The pure heart of `datamesh`: manifests, contracts, the resource graph, the plan and the schedule.
//!
//! Nothing here does IO: bytes and live objects come in as values, and diagnostics go out as values.

pub mod contract;
pub mod graph;
pub mod manifest;
mod parallel;
pub mod plan;
pub mod schedule;
