//! Tests on real servers.

// Helpers of tests are tests too: what may be unwrapped in one may be unwrapped in the other.
#![cfg(test)]

mod access;
mod avro;
mod brokers;
mod clusters;
mod failures;
mod formats;
mod iceberg;
mod in_use;
mod kafka;
mod kills;
mod languages;
mod mesh;
mod mesh_folder;
mod modes;
mod purge;
mod references;
mod registry;
mod registry_guarded;
mod registry_tls;
mod sandbox;
mod seed;
mod state_s3;
mod support;
mod under_way;
mod witness;
