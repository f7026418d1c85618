//! The mark of a saved plan that was carried out: written after its last operation, so that it is not done twice.

use super::apply::ApplyReport;
use super::planning::Planned;
use super::session::Session;
use datamesh_provider::canonical_text;
use datamesh_state::{DocumentKey, DocumentKind, StateError};
use serde::{Deserialize, Serialize};

/// Who carried out a plan, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Done {
    pub(crate) format: u32,
    pub(crate) plan: String,
    pub(crate) run: String,
    pub(crate) at: jiff::Timestamp,
    pub(crate) who: String,
}

const DONE_FORMAT: u32 = 1;

impl Session {
    fn done_key(&self, plan: &str) -> DocumentKey {
        let name = plan.strip_prefix("sha256:").unwrap_or(plan).to_owned();
        DocumentKey { kind: DocumentKind::Done, environment: self.environment.name.clone(), name }
    }

    /// The mark of a plan; `None` where it was not carried out to its end.
    pub(crate) async fn done(&self, plan: &str) -> Result<Option<Done>, StateError> {
        let key = self.done_key(plan);
        let Some(bytes) = self.store.document(&key).await? else { return Ok(None) };
        let read = serde_json::from_slice::<Done>(&bytes);
        read.map(Some).map_err(|error| StateError::Corrupt {
            place: format!("the mark of the plan {plan}"),
            why: error.to_string(),
        })
    }

    /// Leaves the mark where this was what was left of a saved plan, and all of it is done.
    pub(crate) async fn marked(&self, planned: &Planned, run: &str, mut report: ApplyReport) -> ApplyReport {
        let Some(plan) = planned.of_saved() else { return report };
        if !report.is_complete() || report.interrupted || !report.mismatches.is_empty() {
            return report;
        }
        let who = match self.who().await {
            Ok(who) => who.name.clone(),
            Err(error) => {
                report.state_errors.push(error);
                return report;
            }
        };
        let done = Done {
            format: DONE_FORMAT,
            plan: plan.to_owned(),
            run: run.to_owned(),
            at: self.cx().clock.now(),
            who,
        };
        let text = canonical_text(&done).unwrap_or_default() + "\n";
        // Somebody else's mark of the same plan says the same.
        if let Err(error) = self.store.create_document(&self.done_key(plan), text.as_bytes()).await {
            report.state_errors.push(error);
        }
        report
    }
}
