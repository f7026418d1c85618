//! Plans that are published beside the state, so that what was reviewed can be told from what is planned later.

use super::plan_file::{PlanFile, PlanFileError};
use super::planning::Planned;
use super::session::Session;
use datamesh_state::StateError;

/// A published plan, as it was read back. Untrusted: it is compared with, and never carried out.
#[derive(Clone, Debug)]
pub struct PublishedPlan {
    pub name: String,
    pub version: u32,
    pub file: PlanFile,
}

/// A published plan that cannot be used, or a state that cannot.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    #[error("what was published as `{name}` is of the environment {environment}")]
    Elsewhere { name: String, environment: String },
    #[error(transparent)]
    File(#[from] PlanFileError),
    #[error(transparent)]
    State(#[from] StateError),
}

impl Session {
    /// Keeps a plan beside the state under a name; which version of it this is.
    pub async fn publish(&self, planned: &Planned, name: &str) -> Result<u32, PublishedError> {
        let place = format!("the plan to be published as `{name}`");
        let malformed =
            |why: serde_json::Error| PlanFileError::Malformed { path: place, why: why.to_string() };
        let text = planned.file().encode().map_err(malformed)?;
        Ok(self.store.publish_plan(&self.environment.name, name, &text).await?)
    }

    /// The newest plan that was published under a name; `None`: there is none.
    pub async fn published(&self, name: &str) -> Result<Option<PublishedPlan>, PublishedError> {
        let environment = &self.environment.name;
        let Some(found) = self.store.published_plan(environment, name).await? else { return Ok(None) };
        let place = format!("the plan published as `{name}`, version {}", found.version);
        let file = PlanFile::decode(&place, &found.bytes)?;
        if file.asked.destroy {
            let why = "it is of a destroy, which is not published".to_owned();
            return Err(PlanFileError::Malformed { path: place, why }.into());
        }
        if file.plan.environment != *environment {
            let environment = file.plan.environment;
            return Err(PublishedError::Elsewhere { name: name.to_owned(), environment });
        }
        Ok(Some(PublishedPlan { name: name.to_owned(), version: found.version, file }))
    }
}

impl Planned {
    /// Says that these are the changes of a published plan: the record of the run will.
    pub fn as_reviewed(mut self, published: &PublishedPlan) -> Self {
        self.reviewed = Some(published.name.clone());
        self
    }
}
