//! Orphans: intact commits behind a damaged one. Their revisions show which documents they depend on. Those that touch
//! nothing that was lost can still be applied; the others are reported as lost.

use std::collections::BTreeMap;

use crate::schema::Key;
use crate::store::StoreError;
use crate::store::file::commit_file::{self, CommitEntry, CommitFile};
use crate::store::file::format::file_hash;
use crate::store::file::load::replay;
use crate::store::tables::{LoggedOp, Tables};

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

    /// Returns the command ids in all files, as far as they can be read.
    pub fn commands(&self) -> impl Iterator<Item = String> {
        self.files.values().flat_map(|(bytes, file)| match file {
            Ok(file) => file.commits.iter().map(|entry| entry.logged.command.to_string()).collect(),
            Err(_) => commands_in(&String::from_utf8_lossy(bytes)),
        })
    }

    /// Returns the hash chains of intact files.
    fn chains(&self) -> Vec<Vec<&CommitFile>> {
        let mut rows: Vec<Vec<&CommitFile>> = Vec::new();
        let mut last: Option<(u64, String)> = None;
        for (seq, (bytes, file)) in &self.files {
            let Ok(file) = file else {
                last = None;
                continue;
            };
            let follows = last.as_ref().is_some_and(|(before, hash)| before + 1 == *seq && *hash == file.prev);
            match rows.last_mut() {
                Some(row) if follows => row.push(file),
                _ => rows.push(vec![file]),
            }
            last = Some((*seq, file_hash(bytes)));
        }
        rows
    }
}

fn commands_in(text: &str) -> Vec<String> {
    let names = text.split("{\"cmd\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    names.map(str::to_owned).collect()
}

/// Applies the commits of the tail that fit, and returns their command ids.
pub fn apply_orphans(tail: &DamagedTail, store: &str, tables: &mut Tables) -> Result<Vec<String>, StoreError> {
    let mut kept = Vec::new();
    for row in tail.chains() {
        if !belongs_to_store(&row, store, tables)? {
            continue;
        }
        for entry in row.iter().flat_map(|file| &file.commits) {
            if first_conflict(tables, entry)?.is_none() && replay(tables, entry)?.is_ok() {
                kept.push(entry.logged.command.to_string());
            }
        }
    }
    Ok(kept)
}

/// Whether the commits belong to this store. Commits of older programs lack the store tag. One of them must then change
/// a document of this store, with an incarnation that no other store has.
fn belongs_to_store(row: &[&CommitFile], store: &str, tables: &Tables) -> Result<bool, StoreError> {
    if row.iter().all(|file| file.store.is_some()) {
        return Ok(row.iter().all(|file| file.store.as_deref() == Some(commit_file::store_tag(store))));
    }
    for entry in row.iter().flat_map(|file| &file.commits) {
        for ((key, op), outcome) in entry.logged.ops.iter().zip(&entry.outcomes) {
            let (LoggedOp::Change(_), Some((revision, _))) = (op, outcome) else { continue };
            if tables.get(key)?.is_some_and(|known| known.revision.incarnation() == revision.incarnation()) {
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
        let nothing = before.is_none() && matches!(op, LoggedOp::Delete);
        let after = op.apply_to(key, before.as_ref(), &entry.logged.command);
        let result = after.map(|after| after.map(|stored| (stored.revision, stored.version)));
        if nothing || result.as_ref() != Some(outcome) {
            return Ok(Some(key.clone()));
        }
    }
    Ok(None)
}
