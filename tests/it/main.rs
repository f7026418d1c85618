//! Tests of the program as a whole that need no server.

mod load;
mod manifests;
