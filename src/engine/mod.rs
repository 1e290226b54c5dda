//! The one async driver above the stores: load what a command reads, let it decide, commit, and only then tell. It holds no rule
//! of any domain and no knowledge of any store.

mod any;
mod cache;
mod changes;
mod commit;
mod crowd;
mod cvm;
mod error;
mod host;
mod info;
mod load;
pub(crate) mod log;
pub mod open;
mod staging;
mod sweep;
pub mod transfer;
mod verify;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::code::Code;
use crate::decision::{Command, Ctx, Hint, Loaded, Rejection, View};
use crate::id::CommandId;
use crate::limits::{self, DECIDE_ATTEMPTS, Settings};
use crate::marker::MaybeSync;
use crate::schema::{Catalog, Key};
use crate::store::{self, Freshness, Outcome, Store};
use crate::time::{Millis, Timestamp};

use any::{AnyCommand, Asked, fingerprint};
use cache::Cache;
use commit::Deciding;
use crowd::Crowd;
use load::From;

pub use cvm::{
    CallClaim, CallFault, CallListing, CallRow, ChangesOf, Cvm, CvmChange, CvmChanges, Due, Latency, Listing,
    LogListing, LogPage, LogRow, Pace, Paged, Paging, Place, ProgramSummary, ProgramView, Spread, Stats, StillDue,
    Summary, Thing, VersionSummary, VersionView, Work,
};
pub use error::Error;
pub use host::*;
pub use info::{CollectionInfo, Info};
pub use staging::{ABANDONED_AFTER, COLLECTIONS, STAGED, STAGED_ROWS, catalog};

/// Drives commands against one store.
///
/// Cheap to clone; clones share the cache.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// Who hears hints: any function of one. A bound of its own, since a function of a page's JavaScript is not `Send`.
trait Listener: MaybeSync {
    fn hear(&self, hint: &Hint);
}

impl<F: Fn(&Hint) + MaybeSync> Listener for F {
    fn hear(&self, hint: &Hint) {
        self(hint);
    }
}

struct Shared {
    store: Arc<dyn Store>,
    host: Arc<dyn Host>,
    catalog: Catalog,
    settings: Settings,
    cache: Cache,
    queues: Mutex<HashMap<Key, Weak<async_lock::Mutex<()>>>>,
    hints: Mutex<Vec<Arc<dyn Listener>>>,
    crowd: Crowd,
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Executed<O> {
    /// What the caller is told.
    pub output: O,
    /// The id under which the ledger knows it.
    pub command: CommandId,
    /// It had been committed before; this is what it came to then.
    pub replayed: bool,
}

/// Whether a command had been committed before, and the hints to be told when its queue is free again.
struct Came {
    replayed: bool,
    hints: Vec<Hint>,
}

impl Came {
    /// By now: nobody has to be told.
    fn quietly(replayed: bool) -> Self {
        Self { replayed, hints: Vec::new() }
    }
}

/// Whose a command's id is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The caller named it, and may repeat it: its result stands in the ledger even where there is nothing to do.
    Named,
    /// It follows from one that the caller named, and comes again when that one is repeated.
    PartOfNamed,
    /// It was made here, or follows from one that was: nobody else knows it.
    Own,
}

impl Origin {
    /// That of what follows from a command which the caller named so, if at all.
    fn of_parts(named: Option<&CommandId>) -> Self {
        if named.is_some() { Origin::PartOfNamed } else { Origin::Own }
    }
}

/// The collections of an engine, where its settings are valid.
fn checked(settings: &Settings, catalog: &Catalog) -> Result<Catalog, Error> {
    limits::check_heap_bytes(settings.heap_bytes)
        .map_err(|reason| Rejection::Invalid { field: "heapBytes".to_owned(), reason })?;
    staging::catalog(catalog)
}

impl Engine {
    /// An engine over `store`, which is made ready for `catalog` and the engine's own [`COLLECTIONS`]. A store that a newer program has written can be looked at
    /// ([`Engine::ask`]); whatever would write is refused by it.
    pub async fn new(
        store: Arc<dyn Store>,
        host: Arc<dyn Host>,
        catalog: Catalog,
        settings: Settings,
    ) -> Result<Self, Error> {
        let catalog = checked(&settings, &catalog)?;
        let migrated = store.migrate(&catalog).await;
        Self::over(store, host, catalog, settings, migrated)
    }

    /// As [`Engine::new`], for reading: nothing of the store is changed, not even an index that is missing.
    pub async fn for_reading(
        store: Arc<dyn Store>,
        host: Arc<dyn Host>,
        catalog: Catalog,
        settings: Settings,
    ) -> Result<Self, Error> {
        let catalog = checked(&settings, &catalog)?;
        let declared = store.declare(&catalog).await;
        Self::over(store, host, catalog, settings, declared)
    }

    /// `ready`: whether the store took the catalog.
    fn over(
        store: Arc<dyn Store>,
        host: Arc<dyn Host>,
        catalog: Catalog,
        settings: Settings,
        ready: Result<(), store::Error>,
    ) -> Result<Self, Error> {
        match ready {
            Ok(()) => {}
            // It cannot be written, and says so by itself to whoever tries; it can be looked at, and on a full disk deleted from.
            Err(
                store::Error::NewerVersion { .. }
                | store::Error::Corrupt { .. }
                | store::Error::ReadOnly { .. }
                | store::Error::Full { .. },
            ) => {}
            Err(error) => return Err(error.into()),
        }
        log::opened(&*store);
        let (cache, queues, hints, crowd) = Default::default();
        #[allow(clippy::arc_with_non_send_sync, reason = "stores in a page live on its one thread")]
        Ok(Self { shared: Arc::new(Shared { store, host, catalog, settings, cache, queues, hints, crowd }) })
    }

    /// The store.
    pub fn store(&self) -> &dyn Store {
        &*self.shared.store
    }

    /// How many contend for work.
    fn crowd(&self) -> &Crowd {
        &self.shared.crowd
    }

    /// What the owner chose.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// The host's time.
    pub fn now(&self) -> Timestamp {
        self.shared.host.now()
    }

    /// Calls `listener` with every hint, after the commit that gave it. Hints may be lost; nothing may rest on them.
    /// In a page the listener need not be `Send`.
    pub fn on_hint(&self, listener: impl Fn(&Hint) + MaybeSync + 'static) {
        #[allow(clippy::arc_with_non_send_sync, reason = "listeners in a page live on its one thread")]
        let listener: Arc<dyn Listener> = Arc::new(listener);
        self.shared.hints.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// What it runs on: the clock, entropy and timers.
    pub fn host(&self) -> &dyn Host {
        &*self.shared.host
    }

    /// A command id of our own making.
    pub fn new_command_id(&self) -> CommandId {
        CommandId::generate(self.shared.host.now(), self.shared.host.entropy())
    }

    /// Executes `command` once, under an id of our own.
    pub async fn execute<C: Command>(&self, command: &C) -> Result<C::Output, Error> {
        Ok(self.execute_part(command, &self.new_command_id(), Origin::Own).await?.output)
    }

    /// Executes `command` under `id`. The same id again is answered with the first result, whatever has happened since; also where
    /// there was nothing to do.
    ///
    /// Either everything the command decided is committed when this returns `Ok`, or nothing is on any error, with one exception: the code
    /// `unknown_outcome` says that the store could not be asked; repeat the command under the same id. A command that was refused may be
    /// repeated too, and is then decided anew.
    pub async fn execute_as<C: Command>(&self, command: &C, id: &CommandId) -> Result<Executed<C::Output>, Error> {
        self.drive(command, id, Origin::Named).await
    }

    /// Executes under an id that only the caller within this process knows: a part of a command, or one of our own.
    async fn execute_part<C: Command>(
        &self,
        command: &C,
        id: &CommandId,
        origin: Origin,
    ) -> Result<Executed<C::Output>, Error> {
        self.drive(command, id, origin).await
    }

    async fn drive<C: Command>(
        &self,
        command: &C,
        id: &CommandId,
        origin: Origin,
    ) -> Result<Executed<C::Output>, Error> {
        let mut asked = Asked::new(command);
        let replayed = self.drive_any(&mut asked, id, origin).await?;
        Ok(Executed { output: asked.told()?, command: id.clone(), replayed })
    }

    /// Executes a command; whether it had been committed before.
    async fn drive_any(&self, command: &mut dyn AnyCommand, id: &CommandId, origin: Origin) -> Result<bool, Error> {
        let Came { replayed, hints } = {
            let queue = command.subject().map(|key| self.queue(key));
            let _turn = match &queue {
                Some(queue) => Some(queue.lock().await),
                None => None,
            };
            self.decide(command, id, origin).await?
        };
        // Outside of the queue: a listener may well command the same execution.
        self.tell(&hints);
        // Not before: commands are taken up in the order in which they were given.
        self.give_way().await;
        Ok(replayed)
    }

    /// Lets others of this thread have their turn, where it is the only one.
    pub(crate) async fn give_way(&self) {
        if let Some(turn) = self.shared.host.give_way() {
            turn.await;
        }
    }

    async fn decide(&self, command: &mut dyn AnyCommand, id: &CommandId, origin: Origin) -> Result<Came, Error> {
        let fingerprint = fingerprint(command)?;
        let now = self.shared.host.now();
        let mut from = From::Cache;
        let mut attempt = 0;
        let mut more: Vec<Key> = Vec::new();
        loop {
            let view = self.load(command, from, &more).await?;
            let mut ctx = Ctx::new(id.clone(), now, self.shared.settings.clone());
            ctx.stopwatch = self.shared.host.stopwatch();
            ctx.attempt = attempt;
            ctx.most_writes = self.shared.store.capabilities().batch_writes;
            let decided = match command.decide(&view, &mut ctx) {
                // Each time it asks for something new, so this ends; `load` bounds it.
                Err(Rejection::Unread(keys)) if keys.iter().any(|key| !view.has_read(key)) => {
                    more.extend(keys);
                    continue;
                }
                decided => decided,
            };
            let writes = matches!(&decided, Ok(decision) if !decision.changes.is_empty());
            // A reply that commits nothing may not rest on what the cache remembers.
            if !writes && from == From::Cache {
                from = From::Store;
                continue;
            }
            from = From::Store;
            let failed = match decided {
                Err(Rejection::Torn(what)) => {
                    Error::new(Code::Corrupt, format!("what was read does not fit together: {what}"))
                }
                // Without changes only its row in the ledger is written.
                Ok(decision) if writes || origin == Origin::Named => {
                    let deciding = Deciding { id, fingerprint: &fingerprint, now, attempt, origin };
                    match self.commit(command, decision, &view, &deciding).await {
                        Ok(came) => return Ok(came),
                        Err(error) if decide_again(&error) => error.into(),
                        Err(error @ store::Error::Unknown { .. }) => {
                            log::outcome_unknown(&error);
                            match self.recorded(command, id, &fingerprint).await {
                                Ok(true) => return Ok(Came::quietly(true)),
                                // Absent is not final, but deciding again under the same id can only find it or do it.
                                Ok(false) => error.into(),
                                Err(_) => return Err(error.into()),
                            }
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                reply => {
                    // The ledger is read before any reply without a commit: this may be the repeat of what was done.
                    let replayed = self.recorded(command, id, &fingerprint).await?;
                    return if replayed { Ok(Came::quietly(true)) } else { Ok(reply.map(|_| Came::quietly(false))?) };
                }
            };
            self.shared.cache.forget(view.keys().cloned());
            attempt += 1;
            log::decides_again(command.name(), id, attempt, &failed);
            if attempt >= DECIDE_ATTEMPTS {
                return Err(failed);
            }
            self.back_off(attempt).await;
        }
    }

    /// Answers a command that only looks, from the store as it is now.
    pub async fn ask<C: Command>(&self, command: &C) -> Result<C::Output, Error> {
        let mut asked = Asked::new(command);
        self.ask_any(&mut asked, From::Store).await?;
        asked.told()
    }

    /// As [`Engine::ask`], but from the cache where it has all that the command reads: as of the last time this process read or wrote it.
    async fn ask_cached<C: Command>(&self, command: &C) -> Result<C::Output, Error> {
        let mut asked = Asked::new(command);
        self.ask_any(&mut asked, From::Cache).await?;
        asked.told()
    }

    async fn ask_any(&self, command: &mut dyn AnyCommand, from: From) -> Result<(), Error> {
        let mut attempt = 0;
        loop {
            let view = self.load(command, from, &[]).await?;
            if view.has_asked() && !self.still_stands(&view).await? {
                attempt += 1;
                if attempt >= DECIDE_ATTEMPTS {
                    let message = format!("{}: what it reads is deleted and made again all the time", command.name());
                    return Err(Error::new(Code::Conflict, message));
                }
                self.back_off(attempt).await;
                continue;
            }
            let mut ctx = Ctx::new(self.new_command_id(), self.shared.host.now(), self.shared.settings.clone());
            match command.decide(&view, &mut ctx) {
                Err(Rejection::Torn(_)) if attempt < DECIDE_ATTEMPTS => attempt += 1,
                Ok(decision) if !decision.changes.is_empty() => {
                    return Err(Error::internal(format!("{} changes something; execute it", command.name())));
                }
                decided => {
                    self.give_way().await;
                    return Ok(decided.map(|_| ())?);
                }
            }
            self.back_off(attempt).await;
        }
    }

    /// Whether what was read by key is still what stands there, written on or not: rows found by a query belong to it only then. A deleted
    /// and re-created document is another one.
    async fn still_stands(&self, view: &View) -> Result<bool, Error> {
        let read: Vec<(&Key, &Loaded)> = view.keys().filter_map(|key| Some((key, view.get(key)?))).collect();
        let keys: Vec<Key> = read.iter().map(|(key, _)| (*key).clone()).collect();
        let found = self.shared.store.get_with(&keys, Freshness::Validated).await?;
        let same = |read: &Loaded, now: &Option<store::Stored>| {
            now.as_ref().is_some_and(|now| now.revision.incarnation() == read.revision.incarnation())
        };
        Ok(read.iter().zip(&found).all(|((_, read), now)| same(read, now)))
    }

    /// Whether the ledger knows `id`; what was told then is told again.
    async fn recorded(&self, command: &mut dyn AnyCommand, id: &CommandId, fingerprint: &str) -> Result<bool, Error> {
        match self.shared.store.outcome(id).await? {
            Outcome::Absent => Ok(false),
            Outcome::Committed { fingerprint: first, result } if first == fingerprint => {
                let unread = |why| Error::internal(format!("the ledger's result cannot be read: {why}"));
                command.recall(result).map_err(unread)?;
                Ok(true)
            }
            Outcome::Committed { .. } => Err(store::Error::CommandIdReused { command: id.clone() }.into()),
        }
    }

    fn tell(&self, hints: &[Hint]) {
        if hints.is_empty() {
            return;
        }
        let listeners = self.shared.hints.lock().unwrap_or_else(PoisonError::into_inner).clone();
        hints.iter().for_each(|hint| listeners.iter().for_each(|listener| listener.hear(hint)));
    }

    /// The queue of commands that contend for `key`, so that one process does not conflict with itself.
    fn queue(&self, key: Key) -> Arc<async_lock::Mutex<()>> {
        let mut queues = self.shared.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if queues.len() >= 1_024 {
            queues.retain(|_, queue| queue.strong_count() > 0);
        }
        let queue = queues.get(&key).and_then(Weak::upgrade).unwrap_or_default();
        queues.insert(key, Arc::downgrade(&queue));
        queue
    }

    /// Waits a random moment, on average longer the more often it failed: others who lost to the same winner spread out.
    async fn back_off(&self, attempt: u32) {
        let [a, b, ..] = self.shared.host.entropy();
        let most = 1i64 << attempt.min(6);
        let span = i64::from(u16::from_be_bytes([a, b])) * most / i64::from(u16::MAX);
        if attempt > 1 {
            self.shared.host.sleep(Millis(span)).await;
        }
    }
}

/// The fact that was decided on has changed: the command decides again.
fn decide_again(error: &store::Error) -> bool {
    matches!(error, store::Error::Conflict { .. } | store::Error::UniqueViolation { .. })
}
