//! The `datamesh` program.

pub mod cli;
pub mod sandbox;
pub mod source;
