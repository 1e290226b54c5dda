//! The commits behind a damaged one. Orphans are the intact ones among them. Their revisions show which documents they depend on. Those
//! that touch nothing that was lost are applied; the others are reported as lost, with their documents.

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::Key;
use crate::store::file::commit_file::{self, CommitEntry, CommitFile, OpOutcome};
use crate::store::file::commit_log::VERSIONS;
use crate::store::file::format::file_hash;
use crate::store::file::load::replay;
use crate::store::tables::{LoggedOp, Tables};
use crate::store::{COMMANDS, StoreError, StoredDocument};

/// Largest number of lost documents that one finding names.
const LISTED_DOCUMENTS: usize = 100;

/// The commit files from the first damaged one on.
#[derive(Default)]
pub struct DamagedTail {
    files: BTreeMap<u64, (Vec<u8>, Result<CommitFile, String>)>,
}

impl DamagedTail {
    pub fn has_begun(&self) -> bool {
        !self.files.is_empty()
    }

    pub fn push(&mut self, seq: u64, bytes: Vec<u8>) {
        let file = commit_file::read_unchained(&bytes, seq);
        self.files.insert(seq, (bytes, file));
    }

    /// Returns the files that are not valid commits by themselves, and why.
    pub fn damaged(&self) -> impl Iterator<Item = (u64, &String)> {
        self.files.iter().filter_map(|(seq, (_, file))| Some((*seq, file.as_ref().err()?)))
    }

    /// Returns what is lost of these files if only the commits in `applied` are applied, which `tables` contain.
    pub fn losses(&self, applied: &AppliedCommits, store: &str, tables: &Tables) -> Result<Losses, StoreError> {
        let mut losses = Losses::default();
        for (seq, (bytes, file)) in &self.files {
            let file = match file {
                Ok(file) => file,
                Err(_) => {
                    let (commands, keys) = commit_file::scan(bytes);
                    losses.commands.extend(commands);
                    losses.documents.extend(keys.into_iter().map(|key| (key, None)));
                    continue;
                }
            };
            let is_foreign = file.store.as_deref().is_some_and(|tag| tag != commit_file::store_tag(store));
            for (at, entry) in file.commits.iter().enumerate() {
                let is_applied = applied.contains(&(*seq, at));
                // Sweeps and migrations are done again when they are due.
                if !is_applied && entry.logged.entry.is_none() {
                    continue;
                }
                if !is_applied {
                    losses.commands.push(entry.logged.command.to_string());
                }
                for ((key, _), outcome) in entry.logged.ops.iter().zip(&entry.outcomes) {
                    if is_applied {
                        losses.documents.remove(key);
                    } else if !is_foreign {
                        losses.documents.insert(key.clone(), Some(outcome.clone()));
                    }
                }
            }
        }
        losses.drop_kept(tables)?;
        Ok(losses)
    }

    /// Returns the hash chains of intact files.
    fn chains(&self) -> Vec<Vec<&CommitFile>> {
        let mut chains: Vec<Vec<&CommitFile>> = Vec::new();
        let mut last: Option<(u64, String)> = None;
        for (seq, (bytes, file)) in &self.files {
            let Ok(file) = file else {
                last = None;
                continue;
            };
            let follows = last.as_ref().is_some_and(|(before, hash)| before + 1 == *seq && *hash == file.prev);
            match chains.last_mut() {
                Some(chain) if follows => chain.push(file),
                _ => chains.push(vec![file]),
            }
            last = Some((*seq, file_hash(bytes)));
        }
        chains
    }
}

/// Commits of a damaged tail: the number of the file, and the position in it.
pub type AppliedCommits = BTreeSet<(u64, usize)>;

/// The commands and documents that a repair loses.
#[derive(Default)]
pub struct Losses {
    /// The ids of the commands.
    commands: Vec<String>,
    /// The documents, with the outcome of their last lost operation; `None` if it cannot be read.
    documents: BTreeMap<Key, Option<OpOutcome>>,
}

impl Losses {
    /// Creates the losses of a damaged snapshot.
    pub fn of_snapshot(documents: Vec<Key>, tables: &Tables) -> Result<Self, StoreError> {
        let documents = documents.into_iter().map(|key| (key, None)).collect();
        let mut losses = Self { commands: Vec::new(), documents };
        losses.drop_kept(tables)?;
        Ok(losses)
    }

    /// Removes documents that another finding names.
    pub fn remove<'a>(&mut self, documents: impl Iterator<Item = &'a Key>) {
        documents.for_each(|key| drop(self.documents.remove(key)));
    }

    /// Removes the documents that are in the state in which the lost commits left them, and internal ones.
    fn drop_kept(&mut self, tables: &Tables) -> Result<(), StoreError> {
        for (key, outcome) in std::mem::take(&mut self.documents) {
            let is_internal = [VERSIONS, COMMANDS.name].contains(&&*key.collection);
            if !is_internal && !is_same(outcome.as_ref(), tables.get(&key)?) {
                self.documents.insert(key, outcome);
            }
        }
        Ok(())
    }

    /// Names the commands, and the first documents.
    pub fn describe(&self, tables: &Tables) -> Result<Vec<String>, StoreError> {
        let mut lines: Vec<String> = self.commands.iter().map(|command| format!("command {command}")).collect();
        for key in self.documents.keys().take(LISTED_DOCUMENTS) {
            lines.push(match tables.get(key)? {
                Some(current) => format!("changes of document {key} after revision {}", current.revision),
                None => format!("document {key}"),
            });
        }
        match self.documents.len().saturating_sub(LISTED_DOCUMENTS) {
            0 => {}
            more => lines.push(format!("{more} more documents")),
        }
        Ok(lines)
    }
}

fn is_same(outcome: Option<&OpOutcome>, current: Option<StoredDocument>) -> bool {
    let outcome = outcome.map(|outcome| outcome.as_ref().map(|(revision, _)| revision));
    outcome == Some(current.as_ref().map(|current| &current.revision))
}

/// Applies the commits of the tail that fit, and returns them.
pub fn apply_orphans(tail: &DamagedTail, store: &str, tables: &mut Tables) -> Result<AppliedCommits, StoreError> {
    let mut applied = AppliedCommits::new();
    for chain in tail.chains() {
        if !belongs_to_store(&chain, store, tables)? {
            continue;
        }
        let entries =
            chain.iter().flat_map(|file| file.commits.iter().enumerate().map(|(at, entry)| ((file.seq, at), entry)));
        for (place, entry) in entries {
            if first_conflict(tables, entry)?.is_none() && replay(tables, entry)?.is_ok() {
                applied.insert(place);
            }
        }
    }
    Ok(applied)
}

/// Whether the commits belong to this store. Commits of older programs lack the store tag. One of them must then change
/// a document of this store, with an incarnation that no other store has.
fn belongs_to_store(chain: &[&CommitFile], store: &str, tables: &Tables) -> Result<bool, StoreError> {
    if chain.iter().all(|file| file.store.is_some()) {
        return Ok(chain.iter().all(|file| file.store.as_deref() == Some(commit_file::store_tag(store))));
    }
    for entry in chain.iter().flat_map(|file| &file.commits) {
        for ((key, op), outcome) in entry.logged.ops.iter().zip(&entry.outcomes) {
            let (LoggedOp::Change(_), Some((revision, _))) = (op, outcome) else { continue };
            if tables.get(key)?.is_some_and(|current| current.revision.incarnation() == revision.incarnation()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Returns the first document that a commit does not fit, or `None` if the whole commit can be applied.
pub fn first_conflict(tables: &Tables, entry: &CommitEntry) -> Result<Option<Key>, StoreError> {
    for check in &entry.checks {
        if check.verify(tables.get(&check.key)?.as_ref()).is_err() {
            return Ok(Some(check.key.clone()));
        }
    }
    for ((key, op), outcome) in entry.logged.ops.iter().zip(&entry.outcomes) {
        let before = tables.get(key)?;
        // A commit only deletes documents that exist.
        let deletes_nothing = before.is_none() && matches!(op, LoggedOp::Delete);
        let after = op.apply_to(key, before.as_ref(), &entry.logged.command);
        let result = after.map(|after| after.map(|stored| (stored.revision, stored.version)));
        if deletes_nothing || result.as_ref() != Some(outcome) {
            return Ok(Some(key.clone()));
        }
    }
    Ok(None)
}
