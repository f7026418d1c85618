//! What a run knows and the state refused: kept, and merged later.

use super::apply::ApplyReport;
use super::edit::EditError;
use super::recover::managed;
use super::session::Session;
use datamesh_provider::{LiveObject, Packed};
use datamesh_state::{Codec, JOURNAL_FORMAT, Journal, JournalEntry, MAX_BYTES, StateError};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

/// What became of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Outcomes that are stored now.
    pub merged: usize,
    /// Operations that had been settled by somebody else.
    pub settled: usize,
}

/// What a journal in the mesh's own folder is sealed as.
fn journal_name(environment: &str, run: &str) -> String {
    format!("_recovery-file/{environment}/{run}")
}

impl Session {
    /// Keeps the outcomes that no shard took: beside the state, or where that takes nothing, in the mesh's own folder.
    pub(crate) async fn keep_journal(&self, run: &str, mut report: ApplyReport) -> ApplyReport {
        if report.unstored.is_empty() {
            return report;
        }
        let entries = report.unstored.clone();
        let environment = self.environment.name.clone();
        let journal = Journal { format: JOURNAL_FORMAT, environment, run: run.to_owned(), entries };
        let Err(error) = self.store.keep_journal(&journal).await else { return report };
        let path = self.journal_path(run);
        let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let sealed =
            match self.store.codec().seal(&journal_name(&self.environment.name, run), &journal.encode()) {
                Ok(sealed) => sealed,
                Err(more) => {
                    report.state_errors.extend([error, more]);
                    return report;
                }
            };
        if let Err(source) = folder.and_then(|()| std::fs::write(&path, sealed)) {
            report.state_errors.push(error);
            report.state_errors.push(StateError::Io { place: path.display().to_string(), source });
        }
        report
    }

    fn journal_path(&self, run: &str) -> PathBuf {
        self.options.root.join(".datamesh/recovery").join(format!("{}-{run}.json", self.environment.name))
    }

    /// The journal of a run, from beside the state or from the mesh's own folder.
    pub async fn journal(&self, run: &str) -> Result<Option<Journal>, StateError> {
        if let Some(journal) = self.store.journal(&self.environment.name, run).await? {
            return Ok(Some(journal));
        }
        let path = self.journal_path(run);
        let place = path.display().to_string();
        match std::fs::read(&path) {
            Ok(bytes) => {
                let name = journal_name(&self.environment.name, run);
                let text = self.store.codec().open(&name, &place, bytes, MAX_BYTES)?;
                Journal::decode(&place, &text).map(Some)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StateError::Io { place, source }),
        }
    }

    /// The journals in the mesh's own folder that are not encrypted with the key that writes now, as they would be.
    pub(super) fn journals_to_reseal(&self) -> Result<Vec<(PathBuf, Vec<u8>)>, StateError> {
        let environment = &self.environment.name;
        let folder = self.options.root.join(".datamesh/recovery");
        let prefix = format!("{environment}-");
        let mut renewed = Vec::new();
        if !self.store.codec().encrypts() {
            return Ok(renewed);
        }
        for path in
            std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
        {
            let run =
                path.file_name().and_then(|name| name.to_str()?.strip_prefix(&prefix)?.strip_suffix(".json"));
            let Some(run) = run else { continue };
            let place = path.display().to_string();
            let bytes =
                std::fs::read(&path).map_err(|source| StateError::Io { place: place.clone(), source })?;
            let name = journal_name(environment, run);
            // An environment may have a name that begins like this one's.
            let other = match Codec::name_of(&bytes) {
                Some(sealed) => sealed != name,
                None => Journal::decode(&place, &bytes)?.environment != *environment,
            };
            if other {
                continue;
            }
            let ours = |text: &[u8]| Journal::decode(&place, text).map(drop);
            if let Some(bytes) = self.store.codec().renewed(&name, &place, bytes, MAX_BYTES, ours)? {
                renewed.push((path, bytes));
            }
        }
        Ok(renewed)
    }

    /// Merges a journal into the operations that still wait for their outcome.
    pub async fn merge_journal(&self, journal: &Journal, wait: Duration) -> Result<Merged, EditError> {
        let domains: BTreeSet<String> =
            journal.entries.iter().map(|entry| entry.address.domain().to_owned()).collect();
        let domains: Vec<String> = domains.into_iter().collect();
        let run = self.run_id();
        let mut locked = self.lock(&domains, "recover", &run, wait).await?;
        let mut merged = 0;
        let managed = |entry: &JournalEntry, live: &LiveObject, like: &Packed| {
            managed(&self.types, entry.address.ty(), live, like)
        };
        let mut done = Ok(());
        for domain in &domains {
            let Some(mut draft) = locked.shard(domain).cloned() else { continue };
            done = match journal.merge(&mut draft, &managed) {
                Err(error) => Err(EditError::Refused(error)),
                Ok(0) => Ok(()),
                Ok(count) => {
                    merged += count;
                    locked.write(draft).await.map_err(EditError::from)
                }
            };
            if done.is_err() {
                break;
            }
        }
        let what = format!("stored {merged} outcomes that run {} could not store", journal.run);
        let recorded = match merged {
            0 => Ok(()),
            _ => self.record_edit("recover", &run, vec![what]).await,
        };
        let released = locked.release().await;
        done?;
        recorded?;
        released?;
        Ok(Merged { merged, settled: journal.entries.len() - merged })
    }
}
