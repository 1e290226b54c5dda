//! The commits behind a damaged one. Orphans are the intact ones among them that name this store. Their revisions show
//! which documents they depend on. Those that touch nothing that was lost are applied; the others are reported as lost,
//! with their documents.

use std::collections::{BTreeMap, BTreeSet};

use runstate_core::schema::Key;
use runstate_store::tables::Tables;
use runstate_store::{COMMANDS, StoreError, StoredDocument};

use crate::commit_file::{self, CommitEntry, CommitFile, OpOutcome};
use crate::commit_log::VERSIONS;
use crate::load::plan_replay;

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

/// Applies the commits of the tail that belong to the store and fit, and returns them.
pub fn apply_orphans(tail: &DamagedTail, store: &str, tables: &mut Tables) -> Result<AppliedCommits, StoreError> {
    let mut applied = AppliedCommits::new();
    let intact = tail.files.iter().filter_map(|(seq, (_, file))| Some((*seq, file.as_ref().ok()?)));
    // Files of older programs do not name their store.
    for (seq, file) in intact.filter(|(_, file)| file.store.as_deref() == Some(commit_file::store_tag(store))) {
        for (at, entry) in file.commits.iter().enumerate() {
            if holds_checks(tables, entry)?
                && let Ok(commits) = plan_replay(tables, std::slice::from_ref(entry))?
            {
                commits.into_iter().for_each(|commit| tables.apply(commit));
                applied.insert((seq, at));
            }
        }
    }
    Ok(applied)
}

/// Whether the documents that a commit only read have the revisions that it read.
fn holds_checks(tables: &Tables, entry: &CommitEntry) -> Result<bool, StoreError> {
    for check in &entry.checks {
        if check.verify(tables.get(&check.key)?.as_ref()).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}
