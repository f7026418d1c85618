//! Manifests: from bytes to typed documents, with every error of every file and its place.

pub mod model;
pub mod values;
