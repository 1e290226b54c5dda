//! The state of a store handle: the documents, the head of the hash chain, dirty folders, damage, and the last changes
//! for the change feed. Each change is one step without waiting, so a caller that stops waiting leaves no partial
//! change.

use std::sync::Arc;

use runstate_core::id::CommandId;
use runstate_core::schema::{Catalog, Collection, Key};
use runstate_store::tables::{LoggedCommit, LoggedOp, PendingCommits, PlannedCommit, Tables};
use runstate_store::{Position, StoreError};
use runstate_value::{Document, Json};

use super::commit_file::{self, CommitEntry};
use super::feed::{CommitPosition, FileFeed};
use super::format::file_hash;
use super::load::{Continuity, FileEnd, LoadedStore, LogHead, LogSize, plan_replay};
use super::protocol::DirtyFolders;

/// The internal collection that records the schema version of each collection. No catalog declares it.
pub const VERSIONS: &str = "runstate.collections";

/// Returns the key of the document with the version of a collection.
pub fn version_key(collection: &str) -> Key {
    Key { collection: VERSIONS.into(), id: Arc::from(collection) }
}

/// The state of one handle.
pub struct CommitLog {
    pub tables: Tables,
    pub head: LogHead,
    pub dirty: DirtyFolders,
    /// Damage after the head, which makes the store read-only.
    pub damage: Option<StoreError>,
    /// The files have a newer format, so the store is read-only for this program.
    newer_format: Option<StoreError>,
    /// A newer program declared a collection, so the store is read-only for this program.
    pub newer_collection: Option<StoreError>,
    pub feed: FileFeed,
    /// Size of the base snapshot and of the commits since.
    pub size: LogSize,
    /// Files exist that the snapshot replaces.
    pub needs_cleanup: bool,
    /// The state was once reloaded from files that may not continue it, as after the folder was replaced by a copy. A
    /// document that was read before may then have other contents at the same revision.
    pub may_be_replaced: bool,
    /// A commit of this handle has used the reserve, so a snapshot is due that frees the space of older commits.
    pub reserve_released: bool,
    /// The error of the last automatic snapshot, if it failed.
    pub snapshot_error: Option<StoreError>,
    catalog: Option<Catalog>,
}

/// Outcome of applying commits of other processes.
pub enum ApplyOutcome {
    /// All were applied.
    All,
    /// A commit is damaged or belongs to another history, as after restoring the store from a copy. The store must be
    /// reloaded.
    Broken,
}

impl CommitLog {
    /// Creates the state from a loaded store.
    pub fn new(loaded: LoadedStore, newer_format: Option<StoreError>) -> Self {
        let LoadedStore { tables, head, damage, feed, size, needs_cleanup, continuity: _ } = loaded;
        let dirty = DirtyFolders::All;
        Self {
            tables,
            head,
            dirty,
            damage,
            newer_format,
            newer_collection: None,
            feed,
            size,
            needs_cleanup,
            may_be_replaced: false,
            reserve_released: false,
            snapshot_error: None,
            catalog: None,
        }
    }

    /// Replaces the state by a reloaded store.
    pub fn reset_to(&mut self, loaded: LoadedStore) -> Result<(), StoreError> {
        let LoadedStore { mut tables, head, damage, feed, size, needs_cleanup, continuity } = loaded;
        if let Some(catalog) = &self.catalog {
            tables.declare(catalog)?;
        }
        match continuity {
            Continuity::Continued => self.feed.append(feed),
            // Changes before the snapshot are not known.
            Continuity::Overtaken => self.feed = feed,
            // Positions of another history have no meaning in this one.
            Continuity::Other => self.feed = FileFeed::starting_after(head.seq),
        }
        (self.tables, self.head, self.damage, self.dirty) = (tables, head, damage, DirtyFolders::All);
        (self.size, self.needs_cleanup) = (size, needs_cleanup);
        self.may_be_replaced |= continuity != Continuity::Continued;
        self.compare_versions();
        Ok(())
    }

    /// Declares the collections of a catalog.
    pub fn declare(&mut self, catalog: &Catalog) -> Result<(), StoreError> {
        self.tables.declare(catalog)?;
        self.catalog = Some(catalog.clone());
        self.compare_versions();
        Ok(())
    }

    /// Returns the stored version of a collection, or 0 if there is none.
    pub fn stored_version(&self, collection: &str) -> Result<u64, StoreError> {
        let stored = self.tables.get(&version_key(collection))?;
        Ok(stored.and_then(|s| s.document.get("version")?.as_u64()).unwrap_or(0))
    }

    fn compare_versions(&mut self) {
        let Some(catalog) = &self.catalog else { return };
        self.newer_collection = catalog.iter().find_map(|collection| {
            let Collection { name, version, .. } = *collection;
            match self.stored_version(name) {
                Ok(found) => (found > version.into()).then(|| StoreError::newer_version_of(name, found, version)),
                // A store with an unreadable version must not be written.
                Err(unreadable) => Some(unreadable),
            }
        });
    }

    /// Returns the reason why the store is read-only, if it is.
    pub fn read_only_reason(&self) -> Option<&StoreError> {
        self.damage.as_ref().or(self.newer_format.as_ref()).or(self.newer_collection.as_ref())
    }

    /// Returns an error if the store is read-only.
    pub fn check_writable(&self) -> Result<(), StoreError> {
        match self.read_only_reason() {
            None => Ok(()),
            Some(newer @ StoreError::NewerVersion { .. }) => Err(StoreError::ReadOnly { why: newer.to_string() }),
            Some(damage) => Err(damage.clone()),
        }
    }

    /// Applies commits of other processes (rules 6 and 7). They count as not durable until the folder is synced.
    pub fn apply_files(&mut self, files: &[Vec<u8>]) -> ApplyOutcome {
        for bytes in files {
            let file = commit_file::read(bytes, self.head.seq + 1, &self.head.hash);
            // A reload will find the cause.
            let Ok(Ok(Ok(commits))) = file.map(|file| plan_replay(&self.tables, &file.commits)) else {
                return ApplyOutcome::Broken;
            };
            self.apply_file(commits, file_hash(bytes), FileEnd::from_bytes(bytes));
            self.dirty = self.dirty.max(DirtyFolders::Commits);
        }
        ApplyOutcome::All
    }

    /// Applies a file that this process has committed; the file and all commits before it are durable. Returns the
    /// position of each commit.
    pub fn apply_committed(&mut self, commits: Vec<PlannedCommit>, hash: String, end: FileEnd) -> Vec<Position> {
        let count = commits.len();
        self.apply_file(commits, hash, end);
        self.dirty = DirtyFolders::None;
        (0..).take(count).map(|index| CommitPosition::after_commit(self.head.seq, index, count).encode()).collect()
    }

    fn apply_file(&mut self, commits: Vec<PlannedCommit>, hash: String, end: FileEnd) {
        self.head.seq += 1;
        let count = commits.len();
        for (index, commit) in (0..).zip(commits) {
            let changes_versions = commit.changes.iter().any(|change| change.key.collection == VERSIONS);
            self.feed.push(self.head.seq, (index, count), &commit);
            self.tables.apply(commit);
            if changes_versions {
                self.compare_versions();
            }
        }
        self.size.commit_files += 1;
        self.size.commit_bytes += end.size;
        self.head.hash = hash;
        self.head.end = Some(end);
    }

    /// Records the result of an automatic snapshot. A failed one is tried again when there is much more to gain.
    pub fn record_snapshot_result(&mut self, result: Result<(), StoreError>) {
        self.snapshot_error = result.err();
        if self.snapshot_error.is_some() {
            self.size.snapshot_bytes = self.size.snapshot_bytes.max(self.size.weight()).saturating_mul(2);
            self.needs_cleanup = false;
        }
    }
}

/// Returns the commit that records the versions of the catalog's collections, or `None` if they are recorded already.
pub fn plan_versions(log: &CommitLog, catalog: &Catalog) -> Result<Option<(CommitEntry, PlannedCommit)>, StoreError> {
    let command = CommandId::new("runstate.migrate")
        .map_err(|e| StoreError::Unavailable { what: "migrating the store".to_owned(), why: e.to_string() })?;
    let mut ops = Vec::new();
    for collection in catalog.iter() {
        if log.stored_version(collection.name)? >= u64::from(collection.version) {
            continue;
        }
        let document = Document::from_iter([("version".to_owned(), Json::from(collection.version))]);
        ops.push((version_key(collection.name), LoggedOp::Put { version: 1, document: Arc::new(document) }));
    }
    if ops.is_empty() {
        return Ok(None);
    }
    let logged = LoggedCommit { command, entry: None, ops };
    let commit = log.tables.plan_logged(&mut PendingCommits::default(), &logged)?;
    Ok(Some((CommitEntry::from_planned(logged, &commit), commit)))
}
