//! What a store handle knows: the documents, the head of the chain, what is in doubt. Changed only in one piece and without
//! waiting, so that a caller who stops waiting leaves nothing half done.

use std::sync::Arc;

use super::commit_file::{self, Entry};
use super::feed::{Feed, Place};
use super::format::file_hash;
use super::load::{Head, Loaded, replay};
use super::steps::Dirty;
use crate::schema::{Catalog, Key};
use crate::store::tables::{Commit, Tables};
use crate::store::{Error, Position};

/// Documents that say which schema version each collection has: a collection no catalog declares.
pub const VERSIONS: &str = "runstate.collections";

/// The key under which the version of a collection is kept.
pub fn version_key(collection: &str) -> Key {
    Key { collection: VERSIONS.into(), id: Arc::from(collection) }
}

/// The state of one handle.
pub struct Log {
    pub tables: Tables,
    pub head: Head,
    pub dirty: Dirty,
    /// What is damaged after the head: the store is read-only then.
    pub damage: Option<Error>,
    /// The files have a newer format: the store is read-only to us.
    newer_format: Option<Error>,
    /// A newer program declared a collection: the store is read-only to us.
    pub newer: Option<Error>,
    pub feed: Feed,
    catalog: Option<Catalog>,
}

/// What came of applying commits that others made.
pub enum Followed {
    /// All were applied.
    All,
    /// One is damaged, or belongs to another past (a store put back from a copy): everything must be read again.
    Broken,
}

impl Log {
    /// Begins with what was read.
    pub fn new(loaded: Loaded, newer_format: Option<Error>) -> Self {
        let Loaded { tables, head, damage } = loaded;
        let feed = Feed::from(head.seq);
        Self { tables, head, dirty: Dirty::Folders, damage, newer_format, newer: None, feed, catalog: None }
    }

    /// Goes on with what was read anew. Changes in between are not known one by one.
    pub fn renew(&mut self, loaded: Loaded) -> Result<(), Error> {
        let Loaded { mut tables, head, damage } = loaded;
        if let Some(catalog) = &self.catalog {
            tables.declare(catalog)?;
        }
        if damage.is_some() || head.seq != self.head.seq || head.hash != self.head.hash {
            self.feed = Feed::from(head.seq);
        }
        (self.tables, self.head, self.damage, self.dirty) = (tables, head, damage, Dirty::Folders);
        self.compare_versions();
        Ok(())
    }

    /// Takes a catalog.
    pub fn declare(&mut self, catalog: &Catalog) -> Result<(), Error> {
        self.tables.declare(catalog)?;
        self.catalog = Some(catalog.clone());
        self.compare_versions();
        Ok(())
    }

    /// The stored version of a collection; 0: none.
    pub fn stored_version(&self, collection: &str) -> Result<u64, Error> {
        let stored = self.tables.get(&version_key(collection))?;
        Ok(stored.and_then(|s| s.document.get("version")?.as_u64()).unwrap_or(0))
    }

    fn compare_versions(&mut self) {
        let Some(catalog) = &self.catalog else { return };
        self.newer = catalog.iter().find_map(|collection| {
            let supported = u64::from(collection.version);
            let what = format!("collection {}", collection.name);
            match self.stored_version(collection.name) {
                Ok(found) => (found > supported).then_some(Error::NewerVersion { what, found, supported }),
                // Who cannot tell must not write.
                Err(unreadable) => Some(unreadable),
            }
        });
    }

    /// Why commits are not possible.
    pub fn illness(&self) -> Option<&Error> {
        self.damage.as_ref().or(self.newer_format.as_ref()).or(self.newer.as_ref())
    }

    /// Whether commits are possible.
    pub fn writable(&self) -> Result<(), Error> {
        match self.illness() {
            None => Ok(()),
            Some(newer @ Error::NewerVersion { .. }) => Err(Error::ReadOnly { why: newer.to_string() }),
            Some(damage) => Err(damage.clone()),
        }
    }

    /// Applies commits that others made (rules 6 and 7). They are in doubt until synced.
    pub fn follow(&mut self, files: &[Vec<u8>]) -> Followed {
        for bytes in files {
            let next = self.head.seq + 1;
            let Ok(file) = commit_file::read(bytes, next, &self.head.hash) else { return Followed::Broken };
            for (index, entry) in (0..).zip(&file.commits) {
                match replay(&mut self.tables, entry) {
                    Ok(Ok(done)) => self.took(next, (index, file.commits.len()), &done),
                    // Reading everything again finds out what is wrong.
                    Ok(Err(_)) | Err(_) => return Followed::Broken,
                }
            }
            self.advance(file_hash(bytes));
            self.dirty = self.dirty.max(Dirty::Commits);
        }
        Followed::All
    }

    /// Applies what we committed ourselves: it and all it rests on is safe.
    pub fn committed(&mut self, entry: &Entry, planned: Option<Commit>, hash: String) -> Result<Position, Error> {
        let seq = self.head.seq + 1;
        let done = match planned {
            Some(commit) => {
                self.took(seq, (0, 1), &commit);
                self.tables.apply(commit);
                None
            }
            None => Some(self.tables.apply_logged(&entry.logged)?),
        };
        self.advance(hash);
        self.dirty = Dirty::No;
        if let Some(done) = done {
            self.took(seq, (0, 1), &done);
        }
        Ok(Place::after_file(seq).position())
    }

    fn advance(&mut self, hash: String) {
        self.head.seq += 1;
        self.head.hash = hash;
    }

    fn took(&mut self, seq: u64, place: (u32, usize), done: &Commit) {
        self.feed.push(seq, place, done);
        if done.changes.iter().any(|change| change.key.collection == VERSIONS) {
            self.compare_versions();
        }
    }
}
