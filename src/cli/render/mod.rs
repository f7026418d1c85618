//! Everything the program says: pure functions from values to text.
//!
//! Text of others passes through [`escape`] on its way out. Human output carries colours; the stream it is printed
//! to takes them away where they are not wanted.

pub mod applied;
mod attributes;
pub mod breaking;
pub mod drift;
pub mod escape;
pub mod explain;
pub mod graph;
pub mod human;
pub mod json;
pub mod locks;
pub mod manifest;
pub mod plan_human;
pub mod progress;
pub mod records;
pub mod reviewed;
pub mod runs;
pub(crate) mod style;
mod value;

#[cfg(test)]
mod samples;
