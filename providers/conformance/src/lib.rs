//! The suite every provider must pass, a fake provider, and a wrapper that injects faults.
//!
//! - [`run`] checks the promises of `Provider` one by one, on a fake as on a real server.
//! - [`FakeSystem`] is a provider over a small JSON world, in memory or in a file that several processes share and
//!   that stays true when one of them is killed. [`on_fakes`] gives the program's providers on it, their own types included.
//! - [`Faulty`] wraps any provider and loses answers, refuses calls, is slow, hides objects: the same way again
//!   for the same seed.

mod defs;
mod fake;
mod faulty;
mod kill;
mod suite;
pub mod testing;

pub use defs::{CATALOG, ICEBERG, KAFKA, REGISTRY, connected_by, defs, on_fakes};
pub use fake::thing::{FakeConfig, FakeThing, FakeThingAttrs, THING};
pub use fake::world::{Effect, Faults, Store, System, Thing, World, WorldError};
pub use fake::{FakeSystem, has_incarnations};
pub use faulty::{FaultPlan, Faulty};
pub use kill::KILL_VARIABLE;
pub use suite::{Sample, Suite, run};
