//! The `datamesh` program.

pub mod breaking;
pub mod cli;
pub mod engine;
pub mod identity;
pub mod providers;
pub mod sandbox;
pub mod source;
