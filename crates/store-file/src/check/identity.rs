//! Determines the identity of a store by a vote of its files.

use runstate_store::StoreError;

use super::survey::{READ_ATTEMPTS, SurveyError, Surveyor};
use crate::commit_file;
use crate::format::{FORMAT, IDENTITY, StoreIdentity, commit_path, read_identity, snapshot_path};
use crate::fs::{Fs, optional};
use crate::snapshot::{self, SnapshotError};

impl<F: Fs> Surveyor<'_, F> {
    /// Determines the store's id from runstate.json, the snapshots and the commits. One stray file does not outvote the
    /// others.
    pub(super) async fn check_identity(&mut self, commits: &[u64], snapshots: &[u64]) -> Result<(), SurveyError> {
        let at = format!("{}/{IDENTITY}", self.fs.root());
        let read = match optional(self.fs.read(IDENTITY, None).await)? {
            None => Err("it is missing".to_owned()),
            Some(bytes) => match read_identity(&bytes, &at) {
                Ok(newer) if newer.format > FORMAT => {
                    return Err(StoreError::NewerVersion { what: at, found: newer.format, supported: FORMAT }.into());
                }
                Ok(identity) => Ok(identity),
                Err(StoreError::Corrupt { why, .. }) => Err(why),
                Err(error) => return Err(error.into()),
            },
        };
        let stores = self.stores_of_snapshots(snapshots).await?;
        let tag = self.tag_of_commits(commits).await?;
        let tagged = |store: &String| tag.as_deref() == Some(commit_file::store_tag(store));
        let vote_winner = stores.iter().find(|store| tagged(store)).or(stores.first());
        let read = match (read, vote_winner) {
            (Ok(identity), Some(other)) if !stores.contains(&identity.store) && !tagged(&identity.store) => {
                drop(identity);
                Err(format!("it does not belong to the store of the other files ({other})"))
            }
            (read, _) => read,
        };
        match read {
            Ok(identity) => self.result.identity = Some(identity),
            Err(why) => {
                self.result.identity = vote_winner.map(|store| StoreIdentity::from_store_id(store));
                self.result.identity_damaged = true;
                self.add_damage(IDENTITY, why, Vec::new());
            }
        }
        self.result.report.store = self.result.identity.as_ref().map(|identity| identity.store.clone());
        Ok(())
    }

    /// Returns the store ids in the readable snapshots, the newest first.
    async fn stores_of_snapshots(&self, snapshots: &[u64]) -> Result<Vec<String>, SurveyError> {
        let mut stores = Vec::new();
        for seq in snapshots.iter().rev() {
            let path = snapshot_path(*seq);
            for attempt in 1..=READ_ATTEMPTS {
                let Some(source) = optional(self.fs.open_file(&path).await)? else { break };
                match snapshot::read_header(&*source) {
                    Ok(header) => {
                        stores.push(header.store);
                        break;
                    }
                    Err(SnapshotError::Disk(_)) if attempt < READ_ATTEMPTS => {}
                    // A store whose disk failed once must not count as one without an identity, because a repair would
                    // lose it.
                    Err(SnapshotError::Disk(e)) if self.fs.list(&path).await.is_err() => return Err(e.into()),
                    Err(_) => break,
                }
            }
        }
        Ok(stores)
    }

    /// Returns the store tag of the newest readable commit.
    async fn tag_of_commits(&self, commits: &[u64]) -> Result<Option<String>, SurveyError> {
        for seq in commits.iter().rev() {
            if let Ok(Some(bytes)) = self.read_commit(&commit_path(*seq)).await
                && let Ok(file) = commit_file::read_unchained(&bytes, *seq)
            {
                return Ok(file.store);
            }
        }
        Ok(None)
    }
}
