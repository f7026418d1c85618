//! Manifests: from bytes to typed documents, with every error of every file and its place.
//!
//! [`load`] is the way in. A file's text becomes trees (`tree`), each tree is recognised as ours or another
//! tool's (`recognise`), compared with the shape of its kind (`check`), and decoded into the types of [`model`].

mod check;
pub mod codes;
mod de;
mod decode;
mod file;
mod kind;
mod language;
mod limits;
mod load;
pub mod model;
mod named;
mod recognise;
mod scalar;
mod schema;
mod shape;
mod tree;
pub mod values;

pub use kind::{DATAMESH_GROUP, GOVERNANCE_GROUP, Kind, Manifest, VERSION};
pub use language::Language;
pub use limits::Limits;
pub use load::{
    Broken, EntryKind, FileEntry, FileSet, Load, LoadOptions, Loaded, MESH_FILE, Partial, ReadError,
    SkipReason, Skipped, load, may_hold_mesh,
};
pub use named::{NamedFile, NamedFileError, NamedFiles, beside};
pub use schema::{combined_schema, json_schemas};

#[cfg(test)]
mod tests;
