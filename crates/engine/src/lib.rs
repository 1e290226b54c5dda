//! The asynchronous driver above the stores. It loads the documents that a command reads, lets the command decide,
//! commits its changes, and only then returns the result. It contains no domain rule and no code for a particular
//! store.

// The derive macros name the library by its path.
extern crate runstate_core as runstate;

mod cache;
mod call;
mod command;
mod contention;
mod damage;
mod documents;
mod due;
mod encryption;
mod host;
mod ledger;
pub mod log;
mod offers;
mod passed_over;
mod progress;
mod staging;
mod store_operations;
#[cfg(feature = "testing")]
pub mod testing;
mod turns;
mod url;
#[cfg(feature = "verify")]
mod verify;
mod view_loading;
pub mod work;

use std::sync::{Arc, Mutex, PoisonError};

pub use runstate_core::Error;
use runstate_core::decision::{
    AnyCommand, Command, Ctx, DomainQuery, EngineSettings, Hint, LoadedDocument, Rejection, TypedCommand, TypedQuery,
    View,
};
use runstate_core::error_code::ErrorCode;
use runstate_core::id::CommandId;
use runstate_core::limits::DECIDE_ATTEMPTS;
use runstate_core::marker::{BoxFuture, MaybeSync};
use runstate_core::operation::{Domain, Registry};
use runstate_core::schema::{Catalog, Key};
use runstate_store::{self as store, Freshness, Outcome, Store};
use runstate_value::Json;
use runstate_value::time::{Millis, Timestamp};

use cache::DocumentCache;
pub use call::{ENGINE_OPERATIONS, EngineOperation};
use command::{CommandAttempt, fingerprint, is_conflict};
use contention::CommandContention;
use documents::Collections;
pub use documents::FINGERPRINT as DECLARATION_FINGERPRINT;
pub use documents::{
    CollectionDeclaration, DECLARATIONS, DocumentExpectation, DocumentWrite, Documents, FieldDeclaration,
    IndexDeclaration, StoredValue, TtlDeclaration,
};
pub use documents::{PREFIX as DOCUMENTS_PREFIX, VersionChoice};
pub use due::{DueFailure, DueReport, RunLimit};
pub use encryption::encrypts;
#[doc(hidden)]
pub use encryption::has_sealed;
pub use host::*;
pub use ledger::{LedgerSettings, SETTINGS};
use offers::Claimed;
pub use progress::{Phase, Progress};
pub use staging::{ABANDONED_AFTER, COLLECTIONS, STAGED, STAGED_ROWS, catalog};
pub use store_operations::exported_collections;
pub use store_operations::{ChangeFilter, CollectionInfo, EngineChange, EngineChanges, ExpiredRows, Info};
pub use store_operations::{IMPORTED, MIRROR};
use turns::{CommandQueues, Turns};
pub use url::{invalid_url_message, is_scheme, name_invalid_url, redact_rest, redact_url};
use view_loading::{ReadSource, ViewLoader};

/// Drives commands against one store.
///
/// Cheap to clone; clones share the cache.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<EngineInner>,
}

/// Receives hints; every `Fn(&Hint)` does. This is a trait of its own because a JavaScript function of a page is not
/// `Send`.
trait HintListener: MaybeSync {
    fn on_hint(&self, hint: &Hint);
}

impl<F: Fn(&Hint) + MaybeSync> HintListener for F {
    fn on_hint(&self, hint: &Hint) {
        self(hint);
    }
}

struct EngineInner {
    store: Arc<dyn Store>,
    host: Arc<dyn Host>,
    registry: Registry,
    collections: Arc<Collections>,
    settings: EngineSettings,
    cache: DocumentCache,
    /// The commands of each subject.
    queues: CommandQueues,
    /// The commands that wait for a document after a conflict.
    contended: CommandQueues,
    hint_listeners: Mutex<Vec<Arc<dyn HintListener>>>,
    contention: CommandContention,
    due_reads: due::DueReads,
    reported_damage: damage::ReportedDamage,
    passed_over: passed_over::UnreadableItems,
    offers: offers::Offers,
}

/// The result of a command.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandResult<O> {
    /// The output of the decision.
    pub output: O,
    /// The id of the command, as the ledger records it.
    pub command: CommandId,
    /// Whether the command had been committed before. If so, `output` is its first result.
    pub replayed: bool,
}

/// A command that was executed with its parts.
struct Execution {
    command: CommandId,
    replayed: bool,
    /// The result that its commit wrote to the ledger; `None`: there was no commit, or a later part has changed the
    /// output.
    result: Option<Json>,
}

/// Whether a command was replayed, the hints to send to listeners and the items to pass to workers once its queue is
/// free, and the result that this commit wrote to the ledger.
#[derive(Default)]
struct CommandOutcome {
    replayed: bool,
    hints: Vec<Hint>,
    claimed: Vec<Box<dyn Claimed>>,
    result: Option<Json>,
}

impl CommandOutcome {
    /// The outcome of a command that was replayed, or changed nothing.
    fn without_commit(replayed: bool) -> Self {
        Self { replayed, ..Self::default() }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The caller chose the id and may repeat it. Its result is recorded in the ledger even if it changes nothing.
    Caller,
    /// Derived from an id that the caller chose. It recurs when the caller repeats that command.
    DerivedFromCaller,
    /// Generated by the engine, or derived from a generated id. No other process knows it.
    Engine,
}

impl EngineInner {
    /// Checks domains and settings. An engine that `only_reads` creates nothing in the store.
    fn new(
        store: Arc<dyn Store>,
        host: Arc<dyn Host>,
        domains: &[&'static Domain],
        settings: EngineSettings,
        only_reads: bool,
    ) -> Result<Self, Error> {
        settings.check()?;
        let registry = Registry::new(domains).map_err(|error| Error::new(ErrorCode::INVALID, error.to_string()))?;
        let collections = Arc::new(Collections::new(staging::catalog(registry.catalog())?, only_reads));
        Ok(Self::with_empty_state(store, host, registry, collections, settings))
    }

    /// The state of an engine that has done nothing yet.
    fn with_empty_state(
        store: Arc<dyn Store>,
        host: Arc<dyn Host>,
        registry: Registry,
        collections: Arc<Collections>,
        settings: EngineSettings,
    ) -> Self {
        let (cache, queues, contended, hint_listeners, contention, due_reads) = Default::default();
        let (reported_damage, passed_over, offers) = Default::default();
        Self {
            store,
            host,
            registry,
            collections,
            settings,
            cache,
            queues,
            contended,
            hint_listeners,
            contention,
            due_reads,
            reported_damage,
            passed_over,
            offers,
        }
    }
}

impl Engine {
    /// An engine over `store` with the default settings. The store is migrated to the collections of `domains` and the
    /// engine's own
    /// [`COLLECTIONS`].
    ///
    /// A store that a newer version of runstate has written can be read ([`Engine::query`]); it refuses every write.
    pub async fn new(store: Arc<dyn Store>, host: Arc<dyn Host>, domains: &[&'static Domain]) -> Result<Self, Error> {
        Self::with_settings(store, host, domains, EngineSettings::default()).await
    }

    /// As [`Engine::new`], with settings.
    pub async fn with_settings(
        store: Arc<dyn Store>,
        host: Arc<dyn Host>,
        domains: &[&'static Domain],
        settings: impl Into<EngineSettings>,
    ) -> Result<Self, Error> {
        Self::open(EngineInner::new(store, host, domains, settings.into(), false)?).await
    }

    /// As [`Engine::with_settings`], for reading: it changes nothing in the store and creates no missing index.
    pub async fn for_reading(
        store: Arc<dyn Store>,
        host: Arc<dyn Host>,
        domains: &[&'static Domain],
        settings: impl Into<EngineSettings>,
    ) -> Result<Self, Error> {
        Self::open(EngineInner::new(store, host, domains, settings.into(), true)?).await
    }

    /// Builds an engine, and prepares its store.
    async fn open(shared: EngineInner) -> Result<Self, Error> {
        #[allow(clippy::arc_with_non_send_sync, reason = "stores in a page live on its one thread")]
        let engine = Self { shared: Arc::new(shared) };
        engine.prepare_collections().await?;
        engine.check_keys().await?;
        engine.set_ledger_time().await?;
        log::store_opened(engine.store());
        Ok(engine)
    }

    /// An engine over another form of the same store, without cached documents.
    pub fn with_store(&self, store: Arc<dyn Store>) -> Self {
        let EngineInner { host, registry, collections, settings, .. } = &*self.shared;
        let (host, settings) = (host.clone(), settings.clone());
        let (registry, collections) = (registry.clone(), collections.clone());
        #[allow(clippy::arc_with_non_send_sync, reason = "stores in a page live on its one thread")]
        let shared = Arc::new(EngineInner::with_empty_state(store, host, registry, collections, settings));
        Self { shared }
    }

    /// The domains of this engine.
    pub fn registry(&self) -> &Registry {
        &self.shared.registry
    }

    /// The collections of all domains, the engine's own, and those that are declared at run time, as far as this engine
    /// knows.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.shared.collections.catalog()
    }

    /// The store that this engine drives.
    pub fn store(&self) -> &dyn Store {
        &*self.shared.store
    }

    /// The settings that the owner chose.
    pub fn settings(&self) -> &EngineSettings {
        &self.shared.settings
    }

    /// The current time of the host.
    pub fn now(&self) -> Timestamp {
        self.shared.host.now()
    }

    /// Calls `listener` with every hint, after the commit that produced it. Hints may be lost, so correctness must not
    /// depend on them. In a page the listener need not be `Send`.
    pub fn on_hint(&self, listener: impl Fn(&Hint) + MaybeSync + 'static) {
        #[allow(clippy::arc_with_non_send_sync, reason = "listeners in a page live on its one thread")]
        let listener: Arc<dyn HintListener> = Arc::new(listener);
        self.shared.hint_listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// The host: clock, entropy and timers.
    pub fn host(&self) -> &dyn Host {
        &*self.shared.host
    }

    /// Generates a command id.
    pub fn new_command_id(&self) -> CommandId {
        CommandId::generate(self.shared.host.now(), self.shared.host.entropy())
    }

    /// Executes `command` with all its parts ([`Command::next`]), under a generated id.
    ///
    /// The future may be dropped at any time without loss: every part is a commit of its own.
    pub async fn execute<C: Command>(&self, command: &C) -> Result<C::Output, Error> {
        Ok(self.execute_as(command, None).await?.output)
    }

    /// Executes `command` with all its parts ([`Command::next`]) under `id`; `None`: under a generated id. A repeat of
    /// the id returns the first result, whatever has changed since, even if the command changed nothing; and it
    /// continues the work that the first one began.
    ///
    /// On `Ok` all changes of the command are committed. A rejected command changed nothing, and may be repeated; it is
    /// decided anew. The code `unknown_outcome` means that the store did not report whether the commit happened: repeat
    /// the command under the same id.
    ///
    /// If a later part fails, for example because the store became unavailable, the parts before it stay committed. A
    /// repeat under the same id continues with that part. Without one, the rest is due work.
    ///
    /// An id that is a UUIDv7 has the time of the command. If that is longer ago than the ledger keeps results
    /// ([`LedgerSettings`]), and the ledger does not have it, the command is refused as `stale`.
    pub async fn execute_as<C: Command>(
        &self,
        command: &C,
        id: Option<&CommandId>,
    ) -> Result<CommandResult<C::Output>, Error> {
        let mut typed = TypedCommand::<C, &C>::new(command);
        let Execution { command, replayed, .. } = self.execute_any(&mut typed, id, None).await?;
        Ok(CommandResult { output: output(typed)?, command, replayed })
    }

    /// Executes the first part of `command` alone, under `id` or under a generated one. The rest of the work is due
    /// later.
    pub async fn execute_part<C: Command>(
        &self,
        command: &C,
        id: Option<&CommandId>,
    ) -> Result<CommandResult<C::Output>, Error> {
        let mut typed = TypedCommand::<C, &C>::new(command);
        let Execution { command, replayed, .. } = self.execute_any(&mut typed, id, Some(0)).await?;
        Ok(CommandResult { output: output(typed)?, command, replayed })
    }

    /// Executes a command and its further parts, at most `max_parts` of these.
    ///
    /// Here as elsewhere, the future is boxed because every crate that polls an `async fn` compiles all of it again.
    fn execute_any<'a>(
        &'a self,
        command: &'a mut dyn AnyCommand,
        id: Option<&'a CommandId>,
        max_parts: Option<u32>,
    ) -> BoxFuture<'a, Result<Execution, Error>> {
        Box::pin(async move {
            command.check()?;
            let (id, origin, origin_of_parts) = match id {
                Some(id) => (id.clone(), Origin::Caller, Origin::DerivedFromCaller),
                None => (self.new_command_id(), Origin::Engine, Origin::Engine),
            };
            if origin == Origin::Caller {
                self.refuse_expired(&id).await?;
            }
            let CommandOutcome { replayed, mut result, .. } = self.drive(command, &id, origin).await?;
            let ports = self.registry().ports();
            let mut next = command.next(&ports);
            for number in 1.. {
                if max_parts.is_some_and(|max| number > max) {
                    break;
                }
                let Some(mut part) = next else { break };
                self.drive(&mut *part, &id.part(number), origin_of_parts).await?;
                next = part.next(&ports);
                if let Some(output) = part.take_output() {
                    command.absorb(output);
                    result = None;
                }
            }
            Ok(Execution { command: id, replayed, result })
        })
    }

    /// Executes a command, and sends its hints.
    async fn drive(
        &self,
        command: &mut dyn AnyCommand,
        id: &CommandId,
        origin: Origin,
    ) -> Result<CommandOutcome, Error> {
        let mut outcome = {
            let queue = command.subject().map(|key| self.shared.queues.queue(key));
            let _turn = match &queue {
                Some(queue) => Some(queue.lock().await),
                None => None,
            };
            self.decide(command, id, origin).await?
        };
        // Outside of the queue: a listener may command the same execution.
        self.notify_listeners(&outcome.hints);
        for mut release in std::mem::take(&mut outcome.claimed).into_iter().filter_map(Claimed::deliver) {
            // If it fails, the claim lasts as long as its lease.
            if let Err(error) = self.execute_any(&mut *release, None, None).await {
                log::release_failed(command.name(), &error);
            }
        }
        // Yield only now, so that commands start in the order in which they were submitted.
        self.yield_now().await;
        Ok(outcome)
    }

    /// Lets other tasks run, if the host has only one thread.
    pub async fn yield_now(&self) {
        if let Some(turn) = self.shared.host.yield_now() {
            turn.await;
        }
    }

    async fn decide(
        &self,
        command: &mut dyn AnyCommand,
        id: &CommandId,
        origin: Origin,
    ) -> Result<CommandOutcome, Error> {
        let fingerprint = self.ledger_fingerprint(fingerprint(command)?);
        let now = self.shared.host.now();
        let mut from = ReadSource::Cache;
        let mut attempt = 0;
        let mut unread: Vec<Key> = Vec::new();
        let mut passed_over = self.shared.passed_over.of(command.name(), now);
        let mut turns = Turns::new(&self.shared.contended);
        let mut known = self.catalog();
        let mut continued: Option<ViewLoader<'_>> = None;
        let mut fills_offers = true;
        loop {
            let mut loader = continued.take().unwrap_or_else(|| {
                known = self.catalog();
                ViewLoader::new(self, command, from, &passed_over, now)
            });
            loader.load(command, &unread).await?;
            if turns.wait_for_view(&loader.view).await {
                continue;
            }
            let view = &loader.view;
            let mut ctx = Ctx::new(id.clone(), now, self.shared.settings.clone());
            ctx.stopwatch = self.shared.host.stopwatch();
            ctx.max_writes = self.shared.store.capabilities().batch_writes;
            let decision = command.decide(view, &mut ctx);
            let decision = decision.and_then(|decision| command::charge(command, decision, view, &mut ctx));
            let mut claimed = Vec::new();
            let decision = decision.and_then(|mut decision| {
                if fills_offers {
                    self.shared.offers.claim(&mut decision, view, &mut ctx, &mut claimed)?;
                }
                Ok(decision)
            });
            let decision = decision.and_then(|decision| self.run_triggers(command, decision, view, &ctx));
            let decision = decision.and_then(|decision| self.check_decrypted(decision, view));
            let mut decision = match decision {
                // Each round asks for at least one new key, so this ends; `load` bounds the rounds.
                Err(Rejection::Unread(keys)) if keys.iter().any(|key| !view.has_read(key)) => {
                    unread.extend(keys);
                    continued = loader.may_continue().then_some(loader);
                    continue;
                }
                // As above. What these items need is not read again.
                Err(Rejection::PassedOver(items)) if items.iter().any(|(key, _)| !passed_over.contains_key(key)) => {
                    Arc::make_mut(&mut passed_over).extend(items);
                    self.shared.passed_over.keep(command.name(), passed_over.clone(), now);
                    unread.clear();
                    continue;
                }
                // The claims of others must not make it fail.
                Err(_) if !claimed.is_empty() => {
                    fills_offers = false;
                    continue;
                }
                decision => decision,
            };
            let damaged = decision.as_mut().map_or(&mut ctx.damaged, |decision| &mut decision.damaged);
            self.report_damage(command.name(), std::mem::take(damaged));
            // Documents may be stale at first.
            let may_be_stale = from == ReadSource::Cache;
            from = ReadSource::Store;
            if may_be_stale && !decision.as_ref().is_ok_and(|decision| command::is_checked_by_commit(decision, view)) {
                continue;
            }
            let mut changed = Vec::new();
            let error = match decision {
                Err(torn @ Rejection::Torn(_)) => torn.into(),
                // A decision without changes writes only its ledger row.
                Ok(decision) if !decision.changes.is_empty() || origin == Origin::Caller => {
                    let this_attempt = CommandAttempt { id, fingerprint: &fingerprint, now, attempt, origin };
                    claimed.iter_mut().for_each(|item| item.set_sent(true));
                    let committed = self.commit(command, decision, view, &this_attempt).await;
                    let may_have_claimed = match &committed {
                        Ok(outcome) => !outcome.replayed,
                        Err(error) => matches!(error, store::StoreError::UnknownOutcome { .. }),
                    };
                    claimed.iter_mut().for_each(|item| item.set_sent(may_have_claimed));
                    match committed {
                        Ok(outcome) => {
                            self.shared.contention.record(command.name(), attempt);
                            let claimed = if outcome.replayed { Vec::new() } else { claimed };
                            return Ok(CommandOutcome { claimed, ..outcome });
                        }
                        Err(error) if is_conflict(&error) || self.has_met_newer_collections(&error, &known).await => {
                            if let store::StoreError::Conflict { key } = &error {
                                changed.push(key.clone());
                            }
                            error.into()
                        }
                        Err(error @ store::StoreError::UnknownOutcome { .. }) => {
                            log::outcome_unknown(&error);
                            match self.replay_from_ledger(command, id, &fingerprint).await {
                                Ok(true) => return Ok(CommandOutcome::without_commit(true)),
                                // Absent is not final: the commit may still happen. A new decision under the same id
                                // either finds it or makes it.
                                Ok(false) => error.into(),
                                Err(_) => return Err(error.into()),
                            }
                        }
                        // The fresh document may be smaller, or valid; so may that of the command alone.
                        Err(store::StoreError::TooLarge { .. } | store::StoreError::Invalid { .. })
                            if may_be_stale || !claimed.is_empty() =>
                        {
                            fills_offers &= claimed.is_empty();
                            continue;
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                reply => {
                    // The ledger is read before any reply without a commit: the command may repeat a committed one.
                    let replayed = self.replay_from_ledger(command, id, &fingerprint).await?;
                    return if replayed {
                        Ok(CommandOutcome::without_commit(true))
                    } else {
                        Ok(reply.map(|_| CommandOutcome::without_commit(false))?)
                    };
                }
            };
            drop(claimed);
            // Contention on what only the claims of others change must not delay it again.
            fills_offers = false;
            self.shared.cache.forget(view.keys().cloned());
            attempt += 1;
            log::command_retried(command.name(), id, attempt, &error);
            if attempt >= DECIDE_ATTEMPTS {
                return Err(error);
            }
            self.back_off(attempt).await;
            turns.wait_for(changed).await;
        }
    }

    /// Evaluates a query on the current state of the store.
    pub async fn query<Q: DomainQuery>(&self, query: &Q) -> Result<Q::Output, Error> {
        let mut typed = TypedQuery::<Q, &Q>::new(query);
        self.query_any(&mut typed).await?;
        typed.into_output().ok_or_else(|| Error::internal(format!("{} has no result", Q::NAME)))
    }

    fn query_any<'a>(&'a self, command: &'a mut dyn AnyCommand) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            command.check()?;
            let now = self.shared.host.now();
            let mut attempt = 0;
            let mut unread: Vec<Key> = Vec::new();
            loop {
                let mut loader = ViewLoader::new(self, command, ReadSource::Store, &Arc::default(), now);
                loader.load(command, &unread).await?;
                let view = &loader.view;
                if view.has_query_results() && !self.incarnations_unchanged(view).await? {
                    attempt += 1;
                    if attempt >= DECIDE_ATTEMPTS {
                        let message = format!(
                            "{}: the documents it reads are deleted and re-created repeatedly. Try again later",
                            command.name()
                        );
                        return Err(Error::new(ErrorCode::CONFLICT, message));
                    }
                    self.back_off(attempt).await;
                    continue;
                }
                let mut ctx = Ctx::new(self.new_command_id(), now, self.shared.settings.clone());
                match command.decide(view, &mut ctx) {
                    Err(Rejection::Unread(keys)) if keys.iter().any(|key| !view.has_read(key)) => {
                        unread.extend(keys);
                        continue;
                    }
                    Err(Rejection::Torn(_)) if attempt < DECIDE_ATTEMPTS => attempt += 1,
                    Ok(decision) if !decision.changes.is_empty() => {
                        return Err(Error::internal(format!(
                            "{} is not a query: it changes documents. Execute it as a command",
                            command.name()
                        )));
                    }
                    decision => {
                        self.yield_now().await;
                        return Ok(decision.map(|_| ())?);
                    }
                }
                self.back_off(attempt).await;
            }
        })
    }

    /// Whether every document read by key still has the same incarnation; updates do not matter. Only then do rows
    /// found by a query belong to it: a document that was deleted and re-created is a different one.
    async fn incarnations_unchanged(&self, view: &View) -> Result<bool, Error> {
        let documents: Vec<(&Key, &LoadedDocument)> =
            view.keys().filter_map(|key| Some((key, view.get(key)?))).collect();
        if documents.is_empty() {
            return Ok(true);
        }
        let keys: Vec<Key> = documents.iter().map(|(key, _)| (*key).clone()).collect();
        let found = self.get_readable(&keys, Freshness::Session).await?;
        let same = |read: &LoadedDocument, now: &Option<store::StoredDocument>| {
            now.as_ref().is_some_and(|now| now.revision.incarnation() == read.revision.incarnation())
        };
        Ok(documents.iter().zip(&found).all(|((_, read), now)| same(read, now)))
    }

    /// Whether the ledger has `id`. If so, the first result becomes the output of `command`.
    async fn replay_from_ledger(
        &self,
        command: &mut dyn AnyCommand,
        id: &CommandId,
        fingerprint: &str,
    ) -> Result<bool, Error> {
        let Some(result) = self.committed_result(id, fingerprint).await? else { return Ok(false) };
        let unreadable =
            |why| Error::internal(format!("cannot read the result of command `{id}` in the command ledger: {why}"));
        command.replay_result(result).map_err(unreadable)?;
        Ok(true)
    }

    /// The result that the ledger has for a command; `None`: it has no row of it.
    async fn committed_result(&self, id: &CommandId, fingerprint: &str) -> Result<Option<Json>, store::StoreError> {
        match self.shared.store.outcome(id).await? {
            Outcome::Absent => Ok(None),
            Outcome::Committed { fingerprint: first, result } if first == fingerprint => Ok(Some(result)),
            Outcome::Committed { .. } => Err(store::StoreError::CommandIdReused { command: id.clone() }),
        }
    }

    fn notify_listeners(&self, hints: &[Hint]) {
        if hints.is_empty() {
            return;
        }
        for hint in hints {
            if let Hint::Warning(warning) = hint {
                log::command_warned(warning);
            }
        }
        let listeners = self.shared.hint_listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
        hints.iter().for_each(|hint| listeners.iter().for_each(|listener| listener.on_hint(hint)));
    }

    /// Waits for a random time whose mean grows with `attempt`, so that attempts that lost to the same commit spread
    /// out. The first retry does not wait.
    async fn back_off(&self, attempt: u32) {
        let [a, b, ..] = self.shared.host.entropy();
        let max = 1i64 << attempt.min(6);
        let span = i64::from(u16::from_be_bytes([a, b])) * max / i64::from(u16::MAX);
        if attempt > 1 {
            self.shared.host.sleep(Millis(span)).await;
        }
    }
}

fn output<C: Command>(command: TypedCommand<C, &C>) -> Result<C::Output, Error> {
    command.into_output().ok_or_else(|| Error::internal(format!("{} was not decided", C::NAME)))
}
