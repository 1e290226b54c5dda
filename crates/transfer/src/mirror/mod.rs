//! A mirror of a store in another one, of any kind, which is kept equal to it: for a switch to the other store.
//!
//! Everything is copied once; then the mirror follows the change feed of the primary. A change event says which
//! document has changed, and the mirror copies the document as it is now. The position in the feed is a document of the
//! secondary (`mirror.positions`). It is written in the same batch as the documents, so a mirror that dies at any point
//! continues there. Revisions of the secondary are its own.
//!
//! # Invariants
//!
//! - **The secondary never becomes older.** Its document is read first, then that of the primary, and the write expects
//!   the revision that was read. So a mirror that is slow, or the second of two, loses the conflict and reads again.
//! - **Each batch expects the position that it continues.** So one of two mirrors applies a change, and the other one
//!   continues after it.
//! - **Rows of the ledger follow their documents.** The position names the commands of its batch until their rows are
//!   written. Commands without changes are not in the feed: [`Mirror::finish`] copies their rows. Each store removes
//!   rows that have expired by itself.
//! - **An expired position leads to a comparison of everything**, as the first copy is one. It copies what differs, and
//!   reads the rest.
//! - **Rows of time series are not in the feed** and are committed alone. The first copy has them, and
//!   [`Mirror::finish`] copies those since.
//! - **A store with other documents is not overwritten**, unless [`MirrorOptions::replace`] is set.
//!
//! | file | contents |
//! |---|---|
//! | `comparison.rs` | the documents that differ |
//! | `copying.rs` | copies of documents and of rows of the ledger |
//! | `layer.rs` | a store whose commits are in both stores |

mod comparison;
mod copying;
mod layer;

use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_core::id::Revision;
use runstate_core::operation::Domain;
use runstate_core::schema::{Collection, Entity, Key, Query};
use runstate_engine::{DECLARATIONS, Engine, Error, Host, Phase, Progress, encrypts, exported_collections};
use runstate_store::{Batch, COMMANDS, Expectation, Freshness, Store, StoredDocument, Write, WriteOp};
use runstate_value::Json;
use runstate_value::time::Millis;

use self::comparison::DocumentPairs;
use super::apply::children_first;
use super::window::{WINDOW, read_window, reload_declarations};
use super::{ExportHeader, IMPORT_FINGERPRINT};
pub use comparison::{CollectionComparison, DocumentDifference, FoundIn, MirrorComparison, compare};
pub use layer::{MirroredStore, MirroringOptions};

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
    /// Make the secondary equal to the primary even if it has documents already. Those that the primary lacks are
    /// deleted.
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

#[derive(Clone)]
struct StoredPosition {
    entity: MirrorPosition,
    revision: Revision,
}

impl Mirror {
    /// Opens both stores with the same domains. Nothing is copied yet. If the primary has keys of secrets, the
    /// secondary needs keys too; they may be others.
    ///
    /// Errors: `unsupported` if the primary has no change feed; `key_missing` if the secondary would get secrets as
    /// plain text.
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
        if encrypts(&*primary) && !encrypts(&*secondary) {
            let message = "the store has keys of secrets and its mirror has none, so the mirror would have them as plain text. Open it with keys";
            return Err(Error::new(ErrorCode::KEY_MISSING, message));
        }
        let with_position = [domains, &[&DOMAIN]].concat();
        Ok(Self {
            primary: Engine::new(primary, host.clone(), domains).await?,
            secondary: Engine::new(secondary, host, &with_position).await?,
            options,
            position: async_lock::Mutex::new(None),
        })
    }

    /// Copies what the secondary lacks. When it returns, the secondary has every change that was committed before the
    /// call. Returns the number of changes that were applied.
    ///
    /// It waits up to `wait` for a change if there is none. If it is dropped or fails, a repeat continues.
    ///
    /// Errors: `already_exists` if the secondary has other documents, or is the mirror of another store; `conflict` if
    /// others keep writing to the secondary; errors of both stores.
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

    /// Catches up, copies the rest of the ledger, and ends the mirror: it continues no more, and the secondary is a
    /// store like any other. Call it when nothing writes to the primary any more. Returns a comparison; the mirror ends
    /// only if the stores are equal.
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

    /// The documents of the two stores that differ, with counts and hashes of each collection. At most `listed`
    /// differences are listed. Nothing is changed. While the primary is written to, changes that are not mirrored yet
    /// are differences too.
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

    /// Compares everything, and copies what differs. Changes are applied meanwhile, so that the position does not
    /// expire.
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
            let window = read_window(&self.primary, &stored.entity.position, wait).await?;
            wait = Millis(0);
            let catalog = self.secondary.catalog();
            if window.collections.iter().any(|name| *name == DECLARATIONS.name || catalog.get(name).is_none()) {
                self.declare_collections().await?;
            }
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

    async fn declare_collections(&self) -> Result<(), Error> {
        reload_declarations(&self.primary).await?;
        let declarations = ExportHeader::new(&self.primary).await?.declarations("the primary")?;
        self.secondary.declare_imported(&declarations).await
    }

    fn batch_with_position(&self, stored: &StoredPosition, mut writes: Vec<Write>) -> Result<Batch, Error> {
        writes.push(position_write(&stored.entity, Expectation::Revision(stored.revision.clone()))?);
        Ok(self.batch(writes))
    }

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
            frees_space: false,
        }
    }
}

fn position_write(entity: &MirrorPosition, expect: Expectation) -> Result<Write, Error> {
    let document = entity.to_document().map_err(|why| Error::internal(why.to_string()))?;
    let op = WriteOp::Put { version: MirrorPosition::COLLECTION.version, document: Arc::new(document) };
    Ok(Write { key: Key::new(&MirrorPosition::COLLECTION, POSITION_ID), expect, op })
}
