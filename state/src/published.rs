//! Plans that are kept beside the state for those who review them: under a name, each time as a new version. A
//! version is written once, so what was reviewed stays what it was.

use crate::StateError;
use crate::blob::check_name;
use crate::document::{Created, DocumentKey, DocumentKind};
use crate::store::{ATTEMPTS, StateStore};
use std::collections::BTreeSet;

/// No name of a published plan is longer, in bytes.
const LONGEST_NAME: usize = 100;

/// A plan as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// From 1 on, of its name.
    pub version: u32,
    pub bytes: Vec<u8>,
}

/// Whether plans can be published under a name.
pub fn is_plan_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME && check_name("a published plan", name).is_ok()
}

/// The last hyphen stands before the version, whatever the name has.
fn document_name(name: &str, version: u32) -> String {
    format!("{name}-{version:06}")
}

fn version_of(document: &str) -> Option<(&str, u32)> {
    let (name, version) = document.rsplit_once('-')?;
    Some((name, version.parse().ok()?))
}

impl StateStore {
    /// Keeps a plan under a name, as its newest version; that is the number that comes back. What is the newest
    /// already is not kept twice.
    pub async fn publish_plan(&self, environment: &str, name: &str, bytes: &[u8]) -> Result<u32, StateError> {
        check(name)?;
        for _ in 0..ATTEMPTS {
            let newest = self.published_plan(environment, name).await?;
            let version = match newest {
                Some(newest) if newest.bytes == bytes => return Ok(newest.version),
                newest => newest.map_or(0, |newest| newest.version) + 1,
            };
            let key = DocumentKey::new(DocumentKind::Plan, environment, document_name(name, version));
            if self.create_document(&key, bytes).await? == Created::Yes {
                return Ok(version);
            }
        }
        let place = self.blobs.place(&format!("{}/{name}", DocumentKind::Plan.key(environment)?));
        Err(StateError::Unknown { place, why: "others publish under this name all the time".into() })
    }

    /// The newest version under a name; `None`: nothing was published so.
    pub async fn published_plan(
        &self,
        environment: &str,
        name: &str,
    ) -> Result<Option<Published>, StateError> {
        check(name)?;
        let documents = self.documents(DocumentKind::Plan, environment).await?;
        let versions = documents.iter().filter_map(|document| version_of(document));
        let newest = versions.filter(|(of, _)| *of == name).map(|(_, version)| version).max();
        let Some(version) = newest else { return Ok(None) };
        let key = DocumentKey::new(DocumentKind::Plan, environment, document_name(name, version));
        Ok(self.document(&key).await?.map(|bytes| Published { version, bytes }))
    }

    /// The names under which plans were published.
    pub async fn published_names(&self, environment: &str) -> Result<BTreeSet<String>, StateError> {
        let documents = self.documents(DocumentKind::Plan, environment).await?;
        Ok(documents.iter().filter_map(|document| Some(version_of(document)?.0.to_owned())).collect())
    }
}

fn check(name: &str) -> Result<(), StateError> {
    match is_plan_name(name) {
        true => Ok(()),
        false => Err(StateError::Name { what: "a published plan", name: name.to_owned() }),
    }
}
