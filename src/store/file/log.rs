//! What a store handle knows: the documents, the head of the chain, what is in doubt. Changed only in one piece and without
//! waiting, so that a caller who stops waiting leaves nothing half done.

use std::sync::Arc;

use super::commit_file::{self, Entry};
use super::feed::{Feed, Place};
use super::format::file_hash;
use super::load::{FileEnd, Head, Loaded, Past, Weight, replay};
use super::steps::Dirty;
use crate::id::CommandId;
use crate::schema::{Catalog, Key};
use crate::store::tables::{Commit, Logged, LoggedOp, Tables};
use crate::store::{Error, Position};
use crate::value::{Document, Json};

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
    /// How much the state was read from, and what was committed since.
    pub weight: Weight,
    /// There are files that the snapshot makes superfluous.
    pub litter: bool,
    /// Why the last snapshot that was due could not be taken.
    pub untaken: Option<Error>,
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
        let Loaded { tables, head, damage, feed, weight, litter, past: _ } = loaded;
        let dirty = Dirty::Folders;
        Self {
            tables,
            head,
            dirty,
            damage,
            newer_format,
            newer: None,
            feed,
            weight,
            litter,
            untaken: None,
            catalog: None,
        }
    }

    /// Goes on with what was read anew.
    pub fn renew(&mut self, loaded: Loaded) -> Result<(), Error> {
        let Loaded { mut tables, head, damage, feed, weight, litter, past } = loaded;
        if let Some(catalog) = &self.catalog {
            tables.declare(catalog)?;
        }
        match past {
            Past::Continued => self.feed.go_on_with(feed),
            // What lies between is known from the snapshot on.
            Past::Overtaken => self.feed = feed,
            // Positions of another history mean nothing in this one.
            Past::Other => self.feed = Feed::from(head.seq),
        }
        (self.tables, self.head, self.damage, self.dirty) = (tables, head, damage, Dirty::Folders);
        (self.weight, self.litter) = (weight, litter);
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
                    // Reading everything again finds out what is wrong. Until then nobody may be told what stands here: it is half of a file.
                    Ok(Err(_)) | Err(_) => {
                        self.dirty = Dirty::Folders;
                        return Followed::Broken;
                    }
                }
            }
            self.advance(file_hash(bytes), FileEnd::of(bytes));
            self.dirty = self.dirty.max(Dirty::Commits);
        }
        Followed::All
    }

    /// Applies a file that we committed ourselves: it and all it rests on is safe. The position of each of its commits.
    pub fn committed(
        &mut self,
        entries: &[Entry],
        planned: Option<Vec<Commit>>,
        hash: String,
        end: FileEnd,
    ) -> Result<Vec<Position>, Error> {
        let seq = self.head.seq + 1;
        let count = entries.len();
        match planned {
            Some(commits) => {
                for (index, commit) in (0..).zip(commits) {
                    let versions = tells_versions(&commit);
                    self.feed.push(seq, (index, count), &commit);
                    self.tables.apply(commit);
                    if versions {
                        self.compare_versions();
                    }
                }
            }
            None => {
                for (index, entry) in (0..).zip(entries) {
                    let commit = self.tables.apply_logged(&entry.logged)?;
                    self.took(seq, (index, count), &commit);
                }
            }
        }
        self.advance(hash, end);
        self.dirty = Dirty::No;
        Ok((0..).zip(entries).map(|(index, _)| Place::after_commit(seq, index, count).position()).collect())
    }

    fn advance(&mut self, hash: String, end: FileEnd) {
        self.weight.files += 1;
        self.weight.bytes += end.size;
        self.head.seq += 1;
        self.head.hash = hash;
        self.head.end = Some(end);
    }

    /// What became of a snapshot that was due. One that failed is tried again when there is much more to gain by it.
    pub fn tried(&mut self, tried: Result<(), Error>) {
        self.untaken = tried.err();
        if self.untaken.is_some() {
            self.weight.snapshot = self.weight.snapshot.max(self.weight.bytes).saturating_mul(2);
            self.litter = false;
        }
    }

    fn took(&mut self, seq: u64, place: (u32, usize), done: &Commit) {
        self.feed.push(seq, place, done);
        if tells_versions(done) {
            self.compare_versions();
        }
    }
}

fn tells_versions(commit: &Commit) -> bool {
    commit.changes.iter().any(|change| change.key.collection == VERSIONS)
}

/// What must be written so that the store knows the versions of `catalog`'s collections; `None`: it knows them.
pub fn versions(log: &Log, catalog: &Catalog) -> Result<Option<Entry>, Error> {
    let command = CommandId::new("runstate.migrate")
        .map_err(|e| Error::Unavailable { what: "migrating the store".to_owned(), why: e.to_string() })?;
    let (mut ops, mut outcomes) = (Vec::new(), Vec::new());
    for collection in catalog.iter() {
        if log.stored_version(collection.name)? >= u64::from(collection.version) {
            continue;
        }
        let document = Document::from_iter([("version".to_owned(), Json::from(collection.version))]);
        let (key, op) = (version_key(collection.name), LoggedOp::Put { version: 1, document: Arc::new(document) });
        let after = op.over(&key, log.tables.get(&key)?.as_ref(), &command).flatten();
        outcomes.push(after.map(|stored| (stored.revision, stored.version)));
        ops.push((key, op));
    }
    let entry = Entry { logged: Logged { command, entry: None, ops }, outcomes, checks: Vec::new() };
    Ok((!entry.outcomes.is_empty()).then_some(entry))
}
