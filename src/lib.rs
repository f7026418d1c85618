//! The `datamesh` program.
