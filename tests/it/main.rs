//! Tests of the program as a whole that need no server.

// Helpers of tests are tests too: what may be unwrapped in one may be unwrapped in the other.
#![cfg(test)]

mod across;
mod ahead;
mod audit;
mod breaking;
mod canaries;
mod cli;
mod cost;
mod encryption;
mod flow;
mod formats;
mod golden;
mod hostile;
mod identity;
mod invariants;
mod journal;
mod kill;
mod load;
mod manifests;
mod moves;
mod races;
mod reviewed;
mod safety;
mod saved;
mod sim;
mod state_edit;
mod tidy;
mod world;
