//! The commands, one file each. Each says what its arguments mean, does it, and answers how the run ends.

pub mod apply;
mod approval;
pub mod breaking;
pub mod demo;
pub mod destroy;
pub mod doctor;
pub mod drift;
pub mod graph;
pub mod history;
pub mod import;
pub mod init;
pub mod lock;
pub mod new;
mod open;
pub mod plan;
mod published;
pub mod quickstart;
pub mod recover;
pub mod sandbox;
pub mod schema;
pub mod show;
pub mod state;
mod state_edit;
mod state_whole;
pub mod validate;
mod version;
