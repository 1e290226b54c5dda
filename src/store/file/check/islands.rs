//! Commits behind a damaged one. What they write on is known by its revisions, so those that touch nothing that was lost can still be
//! applied; the others are named as gone.

use std::collections::BTreeMap;

use crate::schema::Key;
use crate::store::Error;
use crate::store::file::commit_file::{self, CommitFile, Entry};
use crate::store::file::format::file_hash;
use crate::store::file::load::replay;
use crate::store::tables::{LoggedOp, Tables};

/// The files from the first damaged one on.
#[derive(Default)]
pub struct Tail {
    files: BTreeMap<u64, (Vec<u8>, Result<CommitFile, String>)>,
}

impl Tail {
    pub fn has_begun(&self) -> bool {
        !self.files.is_empty()
    }

    pub fn push(&mut self, seq: u64, bytes: Vec<u8>) {
        let file = commit_file::read_alone(&bytes, seq);
        self.files.insert(seq, (bytes, file));
    }

    /// Files that are no whole commits by themselves, and why.
    pub fn damaged(&self) -> impl Iterator<Item = (u64, &String)> {
        self.files.iter().filter_map(|(seq, (_, file))| Some((*seq, file.as_ref().err()?)))
    }

    /// The commands in all files, as far as their names can be read.
    pub fn commands(&self) -> impl Iterator<Item = String> {
        self.files.values().flat_map(|(bytes, file)| match file {
            Ok(file) => file.commits.iter().map(|entry| entry.logged.command.to_string()).collect(),
            Err(_) => commands_in(&String::from_utf8_lossy(bytes)),
        })
    }

    /// Rows of whole files that follow each other.
    fn rows(&self) -> Vec<Vec<&CommitFile>> {
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

/// Applies the commits of the tail that fit; their commands.
pub fn apply(tail: &Tail, store: &str, tables: &mut Tables) -> Result<Vec<String>, Error> {
    let mut kept = Vec::new();
    for row in tail.rows() {
        if !is_ours(&row, store, tables)? {
            continue;
        }
        for entry in row.iter().flat_map(|file| &file.commits) {
            if misfit(tables, entry)?.is_none() && replay(tables, entry)?.is_ok() {
                kept.push(entry.logged.command.to_string());
            }
        }
    }
    Ok(kept)
}

/// Whether they are this store's: they say so, or, written before commits said it, one of them changes a document of this store, whose
/// incarnation is known to nobody else.
fn is_ours(row: &[&CommitFile], store: &str, tables: &Tables) -> Result<bool, Error> {
    if row.iter().all(|file| file.store.is_some()) {
        return Ok(row.iter().all(|file| file.store.as_deref() == Some(commit_file::tag(store))));
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

/// The document that a commit does not fit; none: it fits, and can be applied whole.
pub fn misfit(tables: &Tables, entry: &Entry) -> Result<Option<Key>, Error> {
    for check in &entry.checks {
        if check.holds(tables.get(&check.key)?.as_ref()).is_err() {
            return Ok(Some(check.key.clone()));
        }
    }
    for ((key, op), outcome) in entry.logged.ops.iter().zip(&entry.outcomes) {
        let before = tables.get(key)?;
        // Commits delete only what is there.
        let nothing = before.is_none() && matches!(op, LoggedOp::Delete);
        let after = op.over(key, before.as_ref(), &entry.logged.command);
        let came = after.map(|after| after.map(|stored| (stored.revision, stored.version)));
        if nothing || came.as_ref() != Some(outcome) {
            return Ok(Some(key.clone()));
        }
    }
    Ok(None)
}
