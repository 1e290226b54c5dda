//! Whose store a folder is, by the vote of its files.

use super::survey::{Look, Stop, TRIES};
use crate::store::Error;
use crate::store::file::commit_file;
use crate::store::file::format::{FORMAT, IDENTITY, Identity, commit_path, read_identity, snapshot_path};
use crate::store::file::fs::{Fs, optional};
use crate::store::file::snapshot::{self, Fault};

impl<F: Fs> Look<'_, F> {
    /// Whose store it is: runstate.json says so, each snapshot, and each commit. One stray file does not outvote the others.
    pub(super) async fn identity(&mut self, commits: &[u64], snapshots: &[u64]) -> Result<(), Stop> {
        let at = format!("{}/{IDENTITY}", self.fs.root());
        let read = match optional(self.fs.read(IDENTITY, None).await)? {
            None => Err("it is missing".to_owned()),
            Some(bytes) => match read_identity(&bytes, &at) {
                Ok(newer) if newer.format > FORMAT => {
                    return Err(Error::NewerVersion { what: at, found: newer.format, supported: FORMAT }.into());
                }
                Ok(identity) => Ok(identity),
                Err(Error::Corrupt { why, .. }) => Err(why),
                Err(error) => return Err(error.into()),
            },
        };
        let stores = self.stores_of_snapshots(snapshots).await?;
        let tag = self.tag_of_commits(commits).await?;
        let tagged = |store: &String| tag.as_deref() == Some(commit_file::tag(store));
        let voted = stores.iter().find(|store| tagged(store)).or(stores.first());
        let read = match (read, voted) {
            (Ok(identity), Some(other)) if !stores.contains(&identity.store) && !tagged(&identity.store) => {
                drop(identity);
                Err(format!("it is of another store than what stands beside it ({other})"))
            }
            (read, _) => read,
        };
        match read {
            Ok(identity) => self.found.identity = Some(identity),
            Err(why) => {
                self.found.identity = voted.map(|store| Identity::of(store));
                self.damage(IDENTITY, why, Vec::new());
            }
        }
        self.found.report.store = self.found.identity.as_ref().map(|identity| identity.store.clone());
        Ok(())
    }

    /// Which stores the snapshots that can be read say they are of, the newest first.
    async fn stores_of_snapshots(&self, snapshots: &[u64]) -> Result<Vec<String>, Stop> {
        let mut stores = Vec::new();
        for seq in snapshots.iter().rev() {
            let path = snapshot_path(*seq);
            for attempt in 1..=TRIES {
                let Some(source) = optional(self.fs.source(&path).await)? else { break };
                match snapshot::header(&*source) {
                    Ok(header) => {
                        stores.push(header.store);
                        break;
                    }
                    Err(Fault::Disk(_)) if attempt < TRIES => {}
                    // To take a store for one without a name because its disk stumbled would be to lose it.
                    Err(Fault::Disk(e)) if self.fs.list(&path).await.is_err() => return Err(e.into()),
                    Err(_) => break,
                }
            }
        }
        Ok(stores)
    }

    /// How the newest commit that can be read names its store.
    async fn tag_of_commits(&self, commits: &[u64]) -> Result<Option<String>, Stop> {
        for seq in commits.iter().rev() {
            if let Ok(Some(bytes)) = self.commit(&commit_path(*seq)).await
                && let Ok(file) = commit_file::read_alone(&bytes, *seq)
            {
                return Ok(file.store);
            }
        }
        Ok(None)
    }
}
