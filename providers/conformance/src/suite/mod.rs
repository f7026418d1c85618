//! The promises of `Provider`, checked one by one against a connected system.

mod calls;
mod laws;

use datamesh_provider::{Context, ObjectId, Packed, Provider, ResourceType, SystemName};
use std::sync::Arc;

/// What one object of the type looks like, before and after a change in place.
#[derive(Clone, Debug)]
pub struct Sample {
    pub id: ObjectId,
    /// Desired at first: everything a creation needs, creation defaults included.
    pub create: Packed,
    /// Desired afterwards: reachable in place, and different. The same, where all of an object is its name.
    pub update: Packed,
}

impl Sample {
    pub(crate) fn can_change(&self) -> bool {
        self.create != self.update
    }
}

/// One run of the suite: a connection, a type, and samples of it.
pub struct Suite<'a> {
    pub provider: Arc<dyn Provider>,
    /// The same kind of system at an endpoint where nobody listens.
    pub unreachable: Option<Arc<dyn Provider>>,
    pub system: SystemName,
    pub ty: &'a dyn ResourceType,
    /// The sample of this name; the names the suite asks for are `a`, `b0`, `b1`, … Ids must be unlike any other
    /// object's in the system. What the samples need around them (a namespace) is there already.
    pub sample: &'a (dyn Fn(&str) -> Sample + Send + Sync),
    /// Whether objects carry an incarnation.
    pub incarnations: bool,
    /// How many objects the batch has; 20 where nothing speaks against it.
    pub batch: usize,
    /// Open gate, running, a clock on which the provider can wait.
    pub context: Context,
}

impl std::fmt::Debug for Suite<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suite")
            .field("provider", &self.provider)
            .field("ty", &self.ty)
            .finish_non_exhaustive()
    }
}

/// Runs every law, and returns the ones that are broken, each with its name and what was seen; none: it conforms.
///
/// What the suite creates it deletes again, as far as the provider lets it.
pub async fn run(suite: Suite<'_>) -> Vec<String> {
    let mut report = Report::default();
    laws::system(&suite, &mut report).await;
    laws::absence(&suite, &mut report).await;
    laws::no_effect(&suite, &mut report).await;
    if laws::creation(&suite, &mut report).await {
        laws::reading_alike(&suite, &mut report).await;
        laws::second_creation(&suite, &mut report).await;
        laws::check_changes_nothing(&suite, &mut report).await;
        laws::update(&suite, &mut report).await;
        laws::wrong_incarnation(&suite, &mut report).await;
        laws::deletion(&suite, &mut report).await;
        laws::recreation(&suite, &mut report).await;
    }
    laws::batch(&suite, &mut report).await;
    laws::unreachable(&suite, &mut report).await;
    report.broken
}

/// The laws that were found broken.
#[derive(Debug, Default)]
pub(crate) struct Report {
    broken: Vec<String>,
}

impl Report {
    pub(crate) fn law(&mut self, holds: bool, law: &str, seen: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(format!("{law}: {}", seen()));
        }
    }
}
