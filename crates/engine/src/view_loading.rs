//! Loads the documents that a command reads, in rounds, until the command requests nothing new.

use std::sync::Arc;

use runstate_core::decision::{AnyCommand, LoadedDocument, PassedOver, ReadSet, View};
use runstate_core::error_code::ErrorCode;
use runstate_core::schema::Key;
use runstate_store::{Freshness, StoredDocument};
use runstate_value::time::{Millis, Timestamp};

use super::{Engine, Error, encrypts};

/// Maximum number of rounds, after which a command counts as one that never has all it needs.
const MAX_ROUNDS: usize = 32;

/// Maximum number of rounds that find a document changed since it was read; they do not count towards [`MAX_ROUNDS`].
/// Writers that need no read, because their documents are cached, can repeatedly be faster than a reader.
const MAX_OVERTAKEN_ROUNDS: usize = 4_096;

/// For how long a cached row of an insert-only collection counts after it was seen in the store. It never changes, but
/// it may be deleted, and a domain may insert another under its key an hour later.
const MAX_IMMUTABLE_AGE: Millis = Millis::minutes(30);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadSource {
    /// The cache, for documents that it has, and session reads of the others. They may be stale.
    Cache,
    /// The store only, and linearizable reads.
    Store,
}

/// Loads the view for the decision of a command.
///
/// Each round reads all documents from the store again, so that the final view is of one snapshot. Cached documents are
/// used only if the cache has all that are requested. Beside documents read now, cached ones could be of another
/// moment, and the decision would depend on both.
pub(super) struct ViewLoader<'a> {
    engine: &'a Engine,
    source: ReadSource,
    from: ReadSource,
    /// The documents that each round reads.
    fetched: Vec<Key>,
    /// Whether a read was linearizable, so that later ones are no older.
    is_fresh: bool,
    /// Whether all rows are only candidates ([`ReadSet::candidates`]).
    has_candidates: bool,
    /// What was read.
    pub view: View,
}

impl<'a> ViewLoader<'a> {
    /// Begins with an empty view, without the items that the command passes over.
    pub fn new(
        engine: &'a Engine,
        command: &dyn AnyCommand,
        source: ReadSource,
        passed_over: &Arc<PassedOver>,
        now: Timestamp,
    ) -> Self {
        let (spread, can_aggregate) =
            (engine.shared.contention.spread(command.name()), engine.shared.store.capabilities().aggregate);
        let view = View::new(now, spread, can_aggregate).with_settings(engine.settings().clone());
        let view = view.with_encryption(encrypts(engine.store()));
        let view = view.with_ports(engine.registry().ports()).with_passed_over(passed_over.clone());
        Self { engine, source, from: source, fetched: Vec::new(), is_fresh: false, has_candidates: false, view }
    }

    /// Whether further documents may be read beside the rows that were found. Rows that are candidates may be older
    /// than documents. Other rows must be as new: a command that reads an entity and then its rows misses none.
    pub fn may_continue(&self) -> bool {
        self.has_candidates
    }

    /// Reads what the command requests, with the keys that it requested while it decided (`unread`).
    pub async fn load(&mut self, command: &dyn AnyCommand, unread: &[Key]) -> Result<(), Error> {
        let engine = self.engine;
        let (mut rounds, mut overtaken) = (0, 0);
        while rounds < MAX_ROUNDS && overtaken < MAX_OVERTAKEN_ROUNDS {
            let mut reads = unread.iter().cloned().fold(command.reads(&self.view), ReadSet::with_key);
            if let (Some(cost), Some(budgets)) = (command.cost(&self.view), engine.registry().ports().budgets) {
                reads = reads.with((budgets.reads)(&self.view, &cost));
            }
            let missing = self.view.missing(reads);
            self.has_candidates = missing.candidates;
            if missing.is_empty() {
                return Ok(());
            }
            let ReadSet { keys, queries, aggregates, freshness, candidates } = missing;
            // No commit checks which rows a query has missed, so it may not be old. Reads after a linearizable one are
            // no older than that.
            let may_be_old =
                self.source == ReadSource::Cache && (candidates || queries.is_empty()) && aggregates.is_empty();
            let default = if may_be_old { Freshness::Session } else { Freshness::Linearizable };
            let freshness = freshness.unwrap_or(default);
            if self.read_documents(keys, queries.is_empty() && aggregates.is_empty(), freshness).await? {
                // The commit checks the documents of now. Rows that were added before them would be missed.
                self.view.forget_results();
                (rounds, overtaken) = (0, overtaken + 1);
                // Of these queries, some may have continued a page that is forgotten now.
                continue;
            }
            rounds += 1;
            for (name, query) in queries {
                let freshness = self.freshness(freshness);
                let page = engine.shared.store.query(&query, freshness).await?;
                self.is_fresh |= freshness == Freshness::Linearizable;
                let row = |row: runstate_store::Row| {
                    (Key { collection: query.collection.clone().into(), id: row.id }, to_loaded_document(row.stored))
                };
                let page = page.map_items(|rows| rows.into_iter().map(row).collect());
                self.view.put_page(name, query.clone(), page);
            }
            for (name, aggregate) in aggregates {
                let groups = engine.shared.store.aggregate(&aggregate).await?;
                self.view.put_groups(name, aggregate, groups);
            }
        }
        if overtaken == MAX_OVERTAKEN_ROUNDS {
            let message = format!("the documents that {} reads are updated too often. Try again later", command.name());
            return Err(Error { retryable: true, ..Error::new(ErrorCode::CONFLICT, message) });
        }
        Err(Error::internal(format!("{} still requests more documents after {MAX_ROUNDS} rounds", command.name())))
    }

    /// The freshness of the next read, where one is required of the first.
    fn freshness(&self, required: Freshness) -> Freshness {
        if self.is_fresh { Freshness::Session } else { required }
    }

    /// Adds documents to the view. `alone`: nothing else is requested with them. Returns whether one that had been read
    /// before has changed since.
    async fn read_documents(&mut self, keys: Vec<Key>, alone: bool, freshness: Freshness) -> Result<bool, Error> {
        let (engine, now) = (self.engine, self.view.now());
        let cached = |key: &Key| {
            let immutable = is_immutable(engine, key).then(|| now - MAX_IMMUTABLE_AGE);
            engine.shared.cache.get_seen_since(key, immutable.unwrap_or(Timestamp::from_millis(i64::MIN)))
        };
        let is_cached = |key: &Key| cached(key).is_some();
        let fetched_before = self.fetched.len();
        if self.from == ReadSource::Cache && !(alone && keys.iter().all(is_cached)) {
            self.fetched.extend(self.view.keys().filter(|key| !is_immutable(engine, key)).cloned());
            self.from = ReadSource::Store;
        }
        for key in keys {
            let may_be_cached =
                self.from == ReadSource::Cache || (self.source == ReadSource::Cache && is_immutable(engine, &key));
            match cached(&key).filter(|_| may_be_cached) {
                Some((loaded, cached)) => self.view.put(key, Some(loaded), cached),
                None => self.fetched.push(key),
            }
        }
        if self.fetched.len() == fetched_before {
            return Ok(false);
        }
        let freshness = self.freshness(freshness);
        let changed = fetch(engine, &self.fetched, freshness, &mut self.view).await?;
        self.is_fresh |= freshness == Freshness::Linearizable;
        Ok(changed)
    }
}

/// Whether a document never changes, so that its cached form cannot be stale.
fn is_immutable(engine: &Engine, key: &Key) -> bool {
    engine.catalog().get(&key.collection).is_some_and(|collection| collection.insert_only)
}

/// Reads all keys in one snapshot. Returns whether a document that had been read before has changed since.
async fn fetch(engine: &Engine, keys: &[Key], freshness: Freshness, view: &mut View) -> Result<bool, Error> {
    let found = engine.get_readable(keys, freshness).await?;
    let mut changed = false;
    for (key, stored) in keys.iter().zip(found) {
        let found = stored.map(to_loaded_document);
        let revision = |document: Option<&LoadedDocument>| document.map(|loaded| loaded.revision.clone());
        changed |= view.has_read(key) && revision(view.get(key)) != revision(found.as_ref());
        engine.shared.cache.refresh(key, found.as_ref(), engine.now());
        let cached = found.as_ref().and_then(|found| engine.shared.cache.value_at_revision(key, &found.revision));
        view.put(key.clone(), found, cached);
    }
    Ok(changed)
}

fn to_loaded_document(stored: StoredDocument) -> LoadedDocument {
    LoadedDocument { revision: stored.revision, document: stored.document }
}
