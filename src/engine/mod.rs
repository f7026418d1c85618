//! The IO shell around the core: loading, connecting, refreshing, checking, applying, recovering.
//!
//! A [`Session`] is one run in one environment. [`Session::plan`] reads and decides; [`Session::apply`] carries a
//! plan out under the locks of its domains. What to do is decided in `datamesh_core::plan` alone.

mod ahead;
mod apply;
mod applying;
mod audit;
mod backend;
mod batch;
mod check;
pub mod codes;
mod done;
mod edit;
mod encryption;
mod formats;
mod importing;
mod journal;
mod moving;
mod plan_file;
mod planning;
mod preparing;
mod prior;
mod published;
mod recover;
mod refresh;
mod runtime;
mod saved;
mod session;
mod signals;
mod systems;
mod unmanaged;
mod withdraw;

pub use apply::{ApplyReport, Failure};
pub use applying::{Applied, ApplyError, Recovered};
pub use audit::{RunOrigin, Who};
pub use edit::{Edit, EditError};
pub use formats::format_schemas;
pub use importing::Imported;
pub use journal::Merged;
pub use plan_file::{Asked, PLAN_FORMAT, PlanBytes, PlanFile, PlanFileError};
pub use planning::{PlanRequest, Planned};
pub use published::{PublishedError, PublishedPlan};
pub use recover::Settled;
pub use runtime::{OsEntropy, Secrets, SystemClock};
pub use session::{OpenError, Session, SessionOptions, judge_settings};
pub use signals::watch_signals;
pub use unmanaged::{Unmanaged, UnmanagedReport};
