//! A mirror of a store in another one, of any kind, which is kept equal to it: for a switch to the other store.
//!
//! Everything is copied once; then the mirror follows the change feed of the primary. A change event says which document has changed, and
//! the mirror copies the document as it is now. The position in the feed is a document of the secondary (`mirror.positions`). It is
//! written in the same batch as the documents, so a mirror that dies at any point continues there. Revisions of the secondary are its own.
//!
//! # Invariants
//!
//! - **The secondary never becomes older.** Its document is read first, then that of the primary, and the write expects the revision that was
//!   read. So a mirror that is slow, or the second of two, loses the conflict and reads again.
//! - **Each batch expects the position that it continues.** So one of two mirrors applies a change, and the other one continues after it.
//! - **Rows of the ledger follow their documents.** The position names the commands of its batch until their rows are written. Commands
//!   without changes are not in the feed: [`Mirror::finish`] copies their rows. Each store removes rows that have expired by itself.
//! - **An expired position leads to a comparison of everything**, as the first copy is one. It copies what differs, and reads the rest.
//! - **Rows of time series are not in the feed** and are committed alone. The first copy has them, and [`Mirror::finish`] copies those since.
//! - **A store with other documents is not overwritten**, unless [`MirrorOptions::replace`] is set.
//!
//! | file | contents |
//! |---|---|
//! | `comparison.rs` | the documents that differ |
//! | `layer.rs` | a store whose commits are in both stores |

mod comparison;
mod layer;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use comparison::{CollectionComparison, DocumentDifference, FoundIn, MirrorComparison, compare};
pub use layer::{MirroredStore, MirroringOptions};

use self::comparison::DocumentPairs;
use super::apply::{CONCURRENT_COMMITS, children_first, join_all, ledger_batch};
use super::plan::is_same_document;
use super::{ExportHeader, ExportRecord, IMPORT_FINGERPRINT};
use crate::engine::{DECLARATIONS, Engine, Error, Host, Phase, Progress, exported_collections};
use crate::error_code::ErrorCode;
use crate::id::Revision;
use crate::operation::Domain;
use crate::schema::{Collection, Entity, Key, Query};
use crate::store::{
    Batch, COMMANDS, ChangeEvent, Expectation, Freshness, Position, Row, Store, StoreError, StoredDocument, Write,
    WriteOp,
};
use crate::time::Millis;
use crate::value::{self, Json};

/// Number of changes that are read at once, and of documents that are compared at once.
const WINDOW: usize = 256;

/// Number of documents that a batch may have so that it ends where no document of it has a later change.
const LARGEST_WINDOW: usize = 4 * WINDOW;

/// Number of attempts while other processes write to the secondary, and of comparisons of everything.
const ATTEMPTS: u32 = 16;

/// The domain of the position. The secondary has it besides those of the primary.
static DOMAIN: Domain = Domain::new("mirror").collections(&[&MirrorPosition::COLLECTION]);

/// The position of a mirror.
#[derive(Entity, Clone, Debug, PartialEq)]
#[entity(collection = "mirror.positions", version = 1)]
struct MirrorPosition {
    /// Always [`POSITION_ID`].
    #[entity(id)]
    id: String,
    /// The primary.
    source: String,
    /// All changes up to it are in the secondary, once everything is copied.
    position: String,
    /// Whether everything was copied.
    copied: bool,
    /// The commands whose rows in the ledger may be missing.
    #[entity(omit_default)]
    pending: Vec<String>,
}

const POSITION_ID: &str = "position";

/// Options of a [`Mirror`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorOptions {
    /// The name of the primary, such as the id of its store. A secondary is the mirror of one primary.
    pub source: String,
    /// Make the secondary equal to the primary even if it has documents already. Those that the primary lacks are deleted.
    pub replace: bool,
}

/// A store and the one that is kept equal to it.
pub struct Mirror {
    primary: Engine,
    secondary: Engine,
    options: MirrorOptions,
    /// The position that this mirror wrote last. Only the task that has the lock writes to the secondary.
    position: async_lock::Mutex<Option<StoredPosition>>,
}

/// A position with its revision.
#[derive(Clone)]
struct StoredPosition {
    entity: MirrorPosition,
    revision: Revision,
}

/// The changes that a batch applies.
struct ChangeWindow {
    keys: Vec<Key>,
    commands: Vec<String>,
    next: Position,
    events: u64,
}

impl Mirror {
    /// Opens both stores with the same domains. Nothing is copied yet. A store with encrypted secrets needs its keys, and so does the secondary:
    /// without keys it would get them as plain text.
    ///
    /// Errors: `unsupported` if the primary has no change feed.
    pub async fn open(
        primary: Arc<dyn Store>,
        secondary: Arc<dyn Store>,
        host: Arc<dyn Host>,
        domains: &[&'static Domain],
        options: MirrorOptions,
    ) -> Result<Self, Error> {
        if !primary.capabilities().change_feed {
            let message = format!("a store of kind {} has no change feed to follow", primary.capabilities().name);
            return Err(Error::new(ErrorCode::UNSUPPORTED, message));
        }
        let with_position = [domains, &[&DOMAIN]].concat();
        Ok(Self {
            primary: Engine::new(primary, host.clone(), domains).await?,
            secondary: Engine::new(secondary, host, &with_position).await?,
            options,
            position: async_lock::Mutex::new(None),
        })
    }

    /// Copies what the secondary lacks. When it returns, the secondary has every change that was committed before the call. Returns the number
    /// of changes that were applied.
    ///
    /// It waits up to `wait` for a change if there is none. If it is dropped or fails, a repeat continues.
    ///
    /// Errors: `already_exists` if the secondary has other documents, or is the mirror of another store; `conflict` if others keep writing to
    /// the secondary; errors of both stores.
    pub async fn catch_up(&self, wait: Millis, mut progress: impl FnMut(Progress)) -> Result<u64, Error> {
        let mut position = self.position.lock().await;
        let mut conflict = None;
        for _ in 0..ATTEMPTS {
            match self.attempt(&mut position, wait, &mut progress).await {
                Ok(Some(applied)) => return Ok(applied),
                Ok(None) => {}
                // Another mirror of the same stores has continued, or another process writes to the secondary.
                Err(error) if matches!(error.code, ErrorCode::CONFLICT | ErrorCode::UNKNOWN_OUTCOME) => {
                    conflict = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(conflict.unwrap_or_else(|| {
            let message = "the primary is written to so often that the change feed expires before everything is copied. Try again when it \
                           is written to less often";
            Error { retryable: true, ..Error::new(ErrorCode::CONFLICT, message) }
        }))
    }

    /// Catches up, copies the rest of the ledger, and ends the mirror: it continues no more, and the secondary is a store like any other. Call it
    /// when nothing writes to the primary any more. Returns a comparison; the mirror ends only if the stores are equal.
    pub async fn finish(&self, listed: usize, mut progress: impl FnMut(Progress)) -> Result<MirrorComparison, Error> {
        self.catch_up(Millis(0), &mut progress).await?;
        let mut position = self.position.lock().await;
        if let Some(mut stored) = position.take() {
            let catalog = self.primary.catalog();
            let series = catalog.iter().filter(|collection| collection.detached.is_some());
            for collection in series.chain([&COMMANDS as &'static Collection]) {
                self.copy_collection(&mut stored, collection, &mut progress).await?;
            }
            let comparison = self.compare(listed, &mut progress).await?;
            if comparison.is_equal() {
                let key = Key::new(&MirrorPosition::COLLECTION, POSITION_ID);
                let write = Write { key, expect: Expectation::Revision(stored.revision), op: WriteOp::Delete };
                self.secondary.store().commit(self.batch(vec![write])).await?;
            }
            return Ok(comparison);
        }
        Err(Error::internal("a mirror that has caught up has a position"))
    }

    /// The documents of the two stores that differ, with counts and hashes of each collection. At most `listed` differences are listed. Nothing
    /// is changed. While the primary is written to, changes that are not mirrored yet are differences too.
    pub async fn compare(&self, listed: usize, progress: impl FnMut(Progress)) -> Result<MirrorComparison, Error> {
        compare(&self.primary, &self.secondary, listed, progress).await
    }

    /// Continues from the position once; `None`: it had expired, and everything is to be compared.
    async fn attempt(
        &self,
        position: &mut Option<StoredPosition>,
        wait: Millis,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Option<u64>, Error> {
        // It is set again only after success.
        let mut stored = match position.take() {
            Some(stored) => stored,
            None => self.load_position().await?,
        };
        match self.advance(&mut stored, wait, progress).await {
            Ok(applied) => {
                *position = Some(stored);
                Ok(Some(applied))
            }
            Err(error) if error.code == ErrorCode::POSITION_EXPIRED => self.restart(stored).await.map(|()| None),
            Err(error) => Err(error),
        }
    }

    /// Copies everything if that was not done, then applies the changes since.
    async fn advance(
        &self,
        stored: &mut StoredPosition,
        wait: Millis,
        progress: &mut impl FnMut(Progress),
    ) -> Result<u64, Error> {
        self.copy_ledger_rows(&stored.entity.pending).await?;
        if !stored.entity.copied {
            self.copy(stored, progress).await?;
        }
        self.follow(stored, wait, progress).await
    }

    /// Reads the position, or begins with the current one.
    async fn load_position(&self) -> Result<StoredPosition, Error> {
        let key = Key::new(&MirrorPosition::COLLECTION, POSITION_ID);
        let found = self.secondary.store().get(std::slice::from_ref(&key), Freshness::Linearizable).await?.remove(0);
        if let Some(StoredDocument { revision, document, .. }) = found {
            let entity = MirrorPosition::from_document(&document)
                .map_err(|why| Error::new(ErrorCode::CORRUPT, format!("{key}: {why}")))?;
            if entity.source != self.options.source && !self.options.replace {
                let message = format!("the target is the mirror of another store (`{}`)", entity.source);
                return Err(Error::new(ErrorCode::ALREADY_EXISTS, message));
            }
            let stored = StoredPosition { entity, revision };
            if stored.entity.source != self.options.source {
                self.restart(stored).await?;
                return Box::pin(self.load_position()).await;
            }
            return Ok(stored);
        }
        if !self.options.replace {
            self.check_empty().await?;
        }
        let entity = MirrorPosition {
            id: POSITION_ID.to_owned(),
            source: self.options.source.clone(),
            position: self.current_position().await?,
            copied: false,
            pending: Vec::new(),
        };
        let batch = self.batch(vec![position_write(&entity, Expectation::Absent)?]);
        let revision = Revision::first(&batch.command, &key.collection, &key.id);
        self.secondary.store().commit(batch).await?;
        Ok(StoredPosition { entity, revision })
    }

    /// Begins a comparison of everything, from the current position.
    async fn restart(&self, mut stored: StoredPosition) -> Result<(), Error> {
        let position = self.current_position().await?;
        let source = self.options.source.clone();
        stored.entity = MirrorPosition { source, position, copied: false, ..stored.entity };
        let batch = self.batch_with_position(&stored, Vec::new())?;
        match self.commit(&mut stored, batch).await {
            // Another mirror has begun it.
            Err(error) if error.code == ErrorCode::CONFLICT => Ok(()),
            result => result,
        }
    }

    async fn current_position(&self) -> Result<String, Error> {
        Ok(self.primary.store().changes(None, 0, Millis(0)).await?.next.0)
    }

    async fn check_empty(&self) -> Result<(), Error> {
        for collection in exported_collections(&self.secondary.catalog()) {
            let found = match collection.name == COMMANDS.name {
                true => None,
                false => {
                    let query = Query::of(collection).limit(1);
                    self.secondary.store().query(&query, Freshness::Linearizable).await?.items.pop()
                }
            };
            if let Some(row) = found {
                let message = format!(
                    "the target is not empty: it has {}/{}, and it is not a mirror of this store. Name an empty store, or replace its contents with --replace",
                    collection.name, row.id
                );
                return Err(Error::new(ErrorCode::ALREADY_EXISTS, message));
            }
        }
        Ok(())
    }

    /// Compares everything, and copies what differs. Changes are applied meanwhile, so that the position does not expire.
    async fn copy(&self, stored: &mut StoredPosition, progress: &mut impl FnMut(Progress)) -> Result<(), Error> {
        self.declare_collections().await?;
        let catalog = self.primary.catalog();
        for collection in children_first(&catalog).into_iter().chain([&COMMANDS as &'static Collection]) {
            self.copy_collection(stored, collection, progress).await?;
        }
        stored.entity.copied = true;
        let batch = self.batch_with_position(stored, Vec::new())?;
        self.commit(stored, batch).await
    }

    async fn copy_collection(
        &self,
        stored: &mut StoredPosition,
        collection: &'static Collection,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), Error> {
        let mut pairs = DocumentPairs::new(&self.primary, &self.secondary, collection);
        let (mut done, mut differing) = (0, Vec::new());
        loop {
            let pair = pairs.next().await?;
            let is_end = pair.is_none();
            if let Some(pair) = pair {
                done += 1;
                differing.extend((!pair.is_same()).then_some(Key::new(collection, &pair.id)));
            }
            if differing.len() >= WINDOW || (is_end && !differing.is_empty()) {
                let keys = std::mem::take(&mut differing);
                match collection.name == COMMANDS.name {
                    true => {
                        self.copy_ledger_rows(&keys.iter().map(|key| key.id.to_string()).collect::<Vec<_>>()).await?
                    }
                    false if collection.detached.is_some() => self.copy_rows(&keys).await?,
                    false => self.apply(stored, keys, None).await?,
                }
                self.follow(stored, Millis(0), &mut |_| {}).await?;
            }
            if done % WINDOW as u64 == 0 || is_end {
                progress(Progress { phase: Phase::Write, done, of: None });
                self.secondary.yield_now().await;
            }
            if is_end {
                return Ok(());
            }
        }
    }

    /// Applies changes until there is none. If there is none at first, it waits for one.
    async fn follow(
        &self,
        stored: &mut StoredPosition,
        mut wait: Millis,
        progress: &mut impl FnMut(Progress),
    ) -> Result<u64, Error> {
        let mut applied = 0;
        loop {
            let window = self.read_window(&stored.entity.position, wait).await?;
            wait = Millis(0);
            if window.events == 0 {
                // It is stored with the next change. Until then nothing is lost if it is not known.
                stored.entity.position = window.next.0;
                return Ok(applied);
            }
            let mut entity = stored.entity.clone();
            (entity.position, entity.pending) = (window.next.0, window.commands);
            let pending = entity.pending.clone();
            self.apply(stored, window.keys, Some(entity)).await?;
            self.copy_ledger_rows(&pending).await?;
            // The next batch stores this. A mirror that dies before copies them again.
            stored.entity.pending.clear();
            applied += window.events;
            progress(Progress { phase: Phase::Write, done: applied, of: None });
            self.secondary.yield_now().await;
        }
    }

    /// Reads changes up to a point at which none of their documents has a later change, if there is one nearby: there the primary was in this
    /// state.
    async fn read_window(&self, from: &str, wait: Millis) -> Result<ChangeWindow, Error> {
        let mut changes = self.primary.store().changes(Some(Position(from.to_owned())), WINDOW, wait).await?;
        self.declare_changed_collections(&changes.events).await?;
        loop {
            let catalog = self.primary.catalog();
            let is_copied = |event: &&ChangeEvent| {
                let collection = catalog.get(&event.key.collection);
                event.key.collection != DECLARATIONS.name && collection.is_some_and(|one| one.detached.is_none())
            };
            let mut latest = std::collections::BTreeMap::new();
            for event in changes.events.iter().filter(is_copied) {
                latest.insert(event.key.clone(), event.revision.clone());
            }
            let keys: Vec<Key> = latest.keys().cloned().collect();
            let found = self.primary.store().get(&keys, Freshness::Linearizable).await?;
            let is_later = |(found, latest): (&Option<StoredDocument>, &Option<Revision>)| {
                found.as_ref().map(|found| &found.revision) != latest.as_ref()
            };
            let mut is_complete = !found.iter().zip(latest.values()).any(is_later) || keys.len() >= LARGEST_WINDOW;
            if !is_complete {
                let more = self.primary.store().changes(Some(changes.next.clone()), WINDOW, Millis(0)).await?;
                is_complete = more.events.is_empty();
                self.declare_changed_collections(&more.events).await?;
                changes.events.extend(more.events);
                changes.next = more.next;
            }
            if is_complete {
                let commands: BTreeSet<String> =
                    changes.events.iter().map(|event| event.command.as_str().to_owned()).collect();
                return Ok(ChangeWindow {
                    keys,
                    commands: commands.into_iter().collect(),
                    next: changes.next,
                    events: changes.events.len() as u64,
                });
            }
        }
    }

    /// Declares the collections of the primary that were declared at run time, if one of these changes is of such a collection.
    async fn declare_changed_collections(&self, events: &[ChangeEvent]) -> Result<(), Error> {
        let catalog = self.secondary.catalog();
        let is_new = |event: &ChangeEvent| {
            event.key.collection == DECLARATIONS.name || catalog.get(&event.key.collection).is_none()
        };
        if events.iter().any(is_new) { self.declare_collections().await } else { Ok(()) }
    }

    async fn declare_collections(&self) -> Result<(), Error> {
        let undeclared = self.primary.undeclared_collections().await?;
        self.primary.reload_collections().await?;
        if let Some(collection) = undeclared.into_iter().find(|name| *name != MirrorPosition::COLLECTION.name) {
            let message = format!(
                "the store has documents of collection `{collection}`, which this program does not know, and its mirror would be without them. \
                 Use a program that has their domain"
            );
            return Err(Error { collection: Some(collection), ..Error::new(ErrorCode::UNSUPPORTED, message) });
        }
        let declarations = ExportHeader::new(&self.primary).await?.declarations("the primary")?;
        self.secondary.declare_imported(&declarations).await
    }

    /// Makes documents of the secondary equal to those of the primary; the last batch stores `next`.
    async fn apply(
        &self,
        stored: &mut StoredPosition,
        keys: Vec<Key>,
        mut next: Option<MirrorPosition>,
    ) -> Result<(), Error> {
        let mut chunks = vec![keys];
        for _ in 0..ATTEMPTS * WINDOW as u32 {
            let Some(mut keys) = chunks.pop() else { return Ok(()) };
            let CopyWrites { writes, deletions } = self.copy_writes(&keys).await?;
            if !deletions.is_empty() {
                // A document of an insert-only collection is replaced by deleting it first.
                let batch = self.batch_with_position(stored, deletions)?;
                self.commit(stored, batch).await?;
                chunks.push(keys);
                continue;
            }
            let before = stored.entity.clone();
            if chunks.is_empty()
                && let Some(next) = &next
            {
                stored.entity = next.clone();
            } else if writes.is_empty() {
                continue;
            }
            let batch = self.batch_with_position(stored, writes)?;
            if keys.len() > 1 && self.is_too_large(&batch) {
                stored.entity = before;
                let right = keys.split_off(keys.len() / 2);
                chunks.extend([right, keys]);
                continue;
            }
            match self.commit(stored, batch).await {
                Ok(()) if chunks.is_empty() => next = None,
                Ok(()) => {}
                Err(error) if error.code == ErrorCode::UNIQUE_VIOLATION => {
                    stored.entity = before;
                    // The other document has changed in the primary too: both are copied in one batch.
                    let others = self.find_rivals(&error, &keys).await?;
                    if others.is_empty() {
                        return Err(error);
                    }
                    keys.extend(others);
                    chunks.push(keys);
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error { retryable: true, ..Error::new(ErrorCode::CONFLICT, "others keep writing to the mirror") })
    }

    /// Copies rows of time series that the secondary lacks, as a command without anything else. Another mirror may copy them at the same time.
    async fn copy_rows(&self, keys: &[Key]) -> Result<(), Error> {
        let CopyWrites { writes, .. } = self.copy_writes(keys).await?;
        let inserts: Vec<Write> = writes.into_iter().filter(|write| write.op.document_after().is_some()).collect();
        if !inserts.is_empty() {
            self.secondary.store().commit(self.batch(inserts)).await?;
        }
        Ok(())
    }

    /// The writes that make documents of the secondary equal to those of the primary.
    async fn copy_writes(&self, keys: &[Key]) -> Result<CopyWrites, Error> {
        // In this order: what is written is at least as new as what it replaces.
        let theirs = self.secondary.store().get(keys, Freshness::Linearizable).await?;
        let ours = self.primary.store().get(keys, Freshness::Linearizable).await?;
        let (mut copied, catalog) = (CopyWrites::default(), self.primary.catalog());
        for ((key, ours), theirs) in keys.iter().zip(ours).zip(theirs) {
            let Some(collection) = catalog.get(&key.collection) else { continue };
            let expect =
                theirs.as_ref().map_or(Expectation::Absent, |theirs| Expectation::Revision(theirs.revision.clone()));
            let write = |op| Write { key: key.clone(), expect: expect.clone(), op };
            match (ours, theirs) {
                (None, None) => {}
                (None, Some(_)) => copied.writes.push(write(WriteOp::Delete)),
                (Some(ours), Some(theirs)) if is_equal(collection, &key.id, &ours, &theirs) => {}
                (Some(_), Some(_)) if collection.insert_only => copied.deletions.push(write(WriteOp::Delete)),
                (Some(StoredDocument { version, document, .. }), _) => {
                    copied.writes.push(write(WriteOp::Put { version, document }));
                }
            }
        }
        Ok(copied)
    }

    /// The keys of the documents in the secondary that have the entry in a unique index that a write would have.
    async fn find_rivals(&self, error: &Error, keys: &[Key]) -> Result<Vec<Key>, Error> {
        let mut others = Vec::new();
        let catalog = self.primary.catalog();
        let refused = |key: &&Key| error.collection.as_deref().is_none_or(|collection| collection == key.collection);
        for key in keys.iter().filter(refused) {
            let Some(collection) = catalog.get(&key.collection) else { continue };
            let found = self.primary.store().get(std::slice::from_ref(key), Freshness::Linearizable).await?.remove(0);
            let Some(found) = found else { continue };
            for index in collection.indexes.iter().filter(|index| index.unique) {
                let entry = |path| value::get(&found.document, path).cloned().unwrap_or(Json::Null);
                let query = Query::of(collection).limit(2);
                let query = index.fields.iter().fold(query, |query, (path, _)| query.eq(path, entry(path)));
                let rows = self.secondary.store().query(&query, Freshness::Linearizable).await?.items;
                others.extend(rows.iter().map(|row| Key::new(collection, &row.id)));
            }
        }
        others.sort_unstable();
        others.dedup();
        others.retain(|other| !keys.contains(other));
        Ok(others)
    }

    /// Writes rows of the ledger that the secondary lacks.
    async fn copy_ledger_rows(&self, commands: &[String]) -> Result<(), Error> {
        let keys: Vec<Key> = commands.iter().map(|command| Key::new(&COMMANDS, command)).collect();
        let found = self.primary.store().get(&keys, Freshness::Linearizable).await?;
        // A sweep has no row, and a row may have expired. Rows of imports are of one store.
        let rows = keys.iter().zip(found).filter_map(|(key, stored)| Some(Row { id: key.id.clone(), stored: stored? }));
        let rows = rows.map(|row| ExportRecord::from_row(&COMMANDS, row)).filter(|row| !row.is_local());
        self.put_ledger_rows(rows.map(|row| ledger_batch(&row)).collect::<Result<_, _>>()?).await
    }

    /// Writes rows of commands. A row that is there already stays as it is.
    async fn put_ledger_rows(&self, mut rows: Vec<Batch>) -> Result<(), Error> {
        while !rows.is_empty() {
            let commits =
                rows.drain(..rows.len().min(CONCURRENT_COMMITS)).map(|row| self.secondary.store().commit(row));
            for committed in join_all(commits.collect()).await {
                match committed {
                    Ok(_) | Err(StoreError::CommandIdReused { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// A batch of writes and of the position.
    fn batch_with_position(&self, stored: &StoredPosition, mut writes: Vec<Write>) -> Result<Batch, Error> {
        writes.push(position_write(&stored.entity, Expectation::Revision(stored.revision.clone()))?);
        Ok(self.batch(writes))
    }

    /// Commits a batch of [`Mirror::batch_with_position`].
    async fn commit(&self, stored: &mut StoredPosition, batch: Batch) -> Result<(), Error> {
        self.secondary.store().commit(batch).await?;
        stored.revision = stored.revision.next();
        Ok(())
    }

    fn is_too_large(&self, batch: &Batch) -> bool {
        let limits = self.secondary.store().capabilities().limits();
        batch.writes.len() > limits.batch_writes || batch.bytes() > limits.batch_bytes
    }

    fn batch(&self, writes: Vec<Write>) -> Batch {
        Batch {
            command: self.secondary.new_command_id(),
            fingerprint: format!("{IMPORT_FINGERPRINT}mirror"),
            at: self.secondary.now(),
            result: Json::Null,
            writes,
            checks: Vec::new(),
        }
    }
}

/// The writes of [`Mirror::copy_writes`].
#[derive(Default)]
struct CopyWrites {
    writes: Vec<Write>,
    /// Documents that are deleted before they are written again.
    deletions: Vec<Write>,
}

fn position_write(entity: &MirrorPosition, expect: Expectation) -> Result<Write, Error> {
    let document = entity.to_document().map_err(|why| Error::internal(why.to_string()))?;
    let op = WriteOp::Put { version: MirrorPosition::COLLECTION.version, document: Arc::new(document) };
    Ok(Write { key: Key::new(&MirrorPosition::COLLECTION, POSITION_ID), expect, op })
}

/// Whether two stores have the same document, apart from the revision.
fn is_equal(collection: &'static Collection, id: &Arc<str>, ours: &StoredDocument, theirs: &StoredDocument) -> bool {
    let record = ExportRecord::from_row(collection, Row { id: id.clone(), stored: ours.clone() });
    is_same_document(&record, theirs)
}
