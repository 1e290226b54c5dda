//! Operations of the engine on a whole store: information, health, the change feed, removal of expired and abandoned
//! rows.

use std::collections::HashMap;

use runstate_core::error_code::ErrorCode;
use runstate_core::operation::DueRule;
use runstate_core::schema::{
    Accumulator, Aggregate, Catalog, Collection, Direction, Field, Filter, Key, Query, ShardKey, Ttl,
};
use runstate_store::{
    COMMANDS, Capabilities, ChangeEvent, Freshness, KEY_CHECKS, Position, Row, StoreProperty, StoredDocument,
};
use runstate_value::time::{Millis, Timestamp};
use runstate_value::{self as value, Json, json_bytes};
use schemars::JsonSchema;
use serde::Serialize;

use super::documents::PREFIX;
use super::{DECLARATIONS, Engine, Error};
use crate::staging::cleanup;

/// Information about a store.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Info {
    /// The capabilities of the store.
    pub capabilities: Capabilities,
    /// The reason why the store cannot be written, if it cannot.
    pub health: Option<Error>,
    /// The declared collections by name, then the command ledger.
    pub collections: Vec<CollectionInfo>,
    /// The names of further collections that have documents. Domains wrote them that this program does not have.
    pub undeclared: Vec<String>,
    /// Further properties that the store reports.
    pub properties: Vec<StoreProperty>,
}

/// A collection in a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CollectionInfo {
    /// Its name.
    pub name: &'static str,
    /// The schema version that this program declares.
    pub version: u32,
    /// The number of its documents; `None`: the store does not count.
    pub documents: Option<u64>,
}

impl Engine {
    /// The reason why the store cannot be used now: it is closed, unreachable (`unavailable`, `timeout`), read-only
    /// (`corrupt`, `newer_version`, `read_only`) or full (`full`). `None`: it answers, and can be written. Reads one
    /// row, whatever the store holds; a file store writes a file and removes it.
    pub async fn health(&self) -> Option<Error> {
        if let Some(reason) = self.store().read_only_reason() {
            return Some(reason.into());
        }
        // Every store can look up a command id in its ledger.
        let answer = self.store().outcome(&self.new_command_id()).await.map(drop);
        let usable = match answer {
            Ok(()) => self.store().probe_write().await,
            unreachable => unreachable,
        };
        usable.err().map(Error::from)
    }

    /// Reads the information. The numbers are read one after another, not in one snapshot.
    pub async fn info(&self) -> Result<Info, Error> {
        let undeclared = self.undeclared_collections().await?;
        let mut collections = Vec::new();
        for collection in self.catalog().iter().chain([&COMMANDS as &'static Collection]) {
            let documents = self.count(collection).await?;
            collections.push(CollectionInfo { name: collection.name, version: collection.version, documents });
        }
        Ok(Info {
            capabilities: self.store().capabilities(),
            health: self.health().await,
            collections,
            undeclared,
            properties: self.store().properties().await?,
        })
    }

    /// The collections that have documents and that this program does not know, in ascending order: the domains of
    /// another program wrote them, or their declaration cannot be read.
    pub async fn undeclared_collections(&self) -> Result<Vec<String>, Error> {
        let mut found = self.store().collections().await?;
        let is_unknown = |name: &String| {
            ![COMMANDS.name, MIRROR, KEY_CHECKS].contains(&name.as_str()) && self.catalog().get(name).is_none()
        };
        if found.iter().any(|name| name.starts_with(PREFIX) && is_unknown(name)) {
            // Another process has declared it. If its declaration cannot be read, it stays unknown.
            self.reload_collections().await.or_else(|error| match error.code {
                ErrorCode::CORRUPT => Ok(()),
                _ => Err(error),
            })?;
        }
        found.retain(is_unknown);
        Ok(found)
    }

    /// Removes the rows of up to `limit` abandoned large commits. Returns the number of these commits. A process that
    /// crashed before the deciding batch leaves staged rows, which readers do not see; one that crashed after it leaves
    /// replaced rows.
    ///
    /// A commit counts as abandoned when its marker ([`STAGED`](crate::staging::STAGED)) is
    /// [`ABANDONED_AFTER`](crate::staging::ABANDONED_AFTER) old at `now`; the oldest come first. A commit that is only
    /// slow loses nothing: its command is decided again. Each batch is bounded, and the removal may stop at any time.
    ///
    /// A commit whose rows cannot be removed does not block others, and does not count. Its error is returned when all
    /// others have been tried ([`ErrorCode::CORRUPT`]: a marker or a record cannot be read).
    pub async fn remove_abandoned(&self, now: Timestamp, limit: u32) -> Result<u32, Error> {
        cleanup::remove_abandoned(self, now, limit).await
    }

    /// Committed changes after `from` (`None`: from now on), in commit order, each at least once. If none is selected
    /// it waits for one, at most for `wait`; other changes do not end the wait.
    ///
    /// An empty result does not mean that no change follows: a call examines 10,000 changes, then it returns the
    /// position at which to continue.
    ///
    /// Errors: `position_expired` if the store no longer keeps the changes after `from`, or if `from` is of another
    /// store. Read the documents then, and continue from `None`. `invalid` if `from` is not a position.
    pub async fn changes(
        &self,
        from: Option<Position>,
        filter: &ChangeFilter,
        wait: Millis,
    ) -> Result<EngineChanges, Error> {
        let started = self.now();
        let limit = (filter.limit.unwrap_or(DEFAULT_LIMIT) as usize).min(MAX_SCANNED);
        let (mut from, mut scanned) = (from, 0);
        loop {
            // A clock that is set back must not extend the wait.
            let remaining = (wait.0.saturating_sub(self.now().since(started).0)).clamp(0, wait.0.max(0));
            let changes = self.store().changes(from, limit, Millis(remaining)).await?;
            let found = changes.events.len();
            scanned += found;
            let events = self.select_changes(changes.events, filter).await?;
            if !events.is_empty() || found == 0 || scanned >= MAX_SCANNED {
                return Ok(EngineChanges { events, next: changes.next });
            }
            from = Some(changes.next);
        }
    }

    /// The changes that `filter` selects, with the documents that their documents are parts of.
    async fn select_changes(
        &self,
        events: Vec<ChangeEvent>,
        filter: &ChangeFilter,
    ) -> Result<Vec<EngineChange>, Error> {
        let in_collections = |event: &ChangeEvent| {
            let is_named = |name: &String| match name.strip_suffix('*') {
                Some(prefix) => event.key.collection.starts_with(prefix),
                None => event.key.collection == **name,
            };
            filter.collections.as_ref().is_none_or(|names| names.iter().any(is_named))
        };
        // Not every store has a feed of time series.
        let is_reported = |event: &ChangeEvent| in_collections(event) && !self.is_detached(&event.key.collection);
        let events: Vec<ChangeEvent> = events.into_iter().filter(is_reported).collect();
        let catalog = self.catalog();
        let part_of = |event: &ChangeEvent| {
            let collection = catalog.get(&event.key.collection)?;
            collection.references().find(|reference| reference.part).map(|reference| reference.field)
        };
        let parts = events.iter().filter(|event| event.revision.is_some() && part_of(event).is_some());
        let keys: Vec<Key> = parts.map(|event| event.key.clone()).collect();
        let found = if keys.is_empty() { Vec::new() } else { self.store().get(&keys, Freshness::Linearizable).await? };
        let documents: HashMap<&Key, &StoredDocument> =
            keys.iter().zip(&found).filter_map(|(key, found)| Some((key, found.as_ref()?))).collect();
        let with_document = |event: ChangeEvent| {
            let field = part_of(&event);
            let document = field
                .and_then(|field| value::get(&documents.get(&event.key)?.document, field)?.as_str().map(str::to_owned));
            EngineChange { event, document }
        };
        let is_selected = |change: &EngineChange| {
            let EngineChange { event, document } = change;
            let names = |id: &str| filter.subjects.as_ref().is_none_or(|ids| ids.iter().any(|subject| subject == id));
            names(&event.key.id) || document.as_deref().is_some_and(names)
        };
        Ok(events.iter().cloned().map(with_document).filter(is_selected).collect())
    }

    /// Removes up to `limit` expired rows of each collection. Returns the number of removed rows.
    pub async fn sweep(&self, now: Timestamp, limit: usize) -> Result<u64, Error> {
        let mut swept = 0;
        let known = self.catalog();
        let kept = self.ledger_term().await?.swept_after(now);
        let sweep = |collection: &'static Collection| match collection.name == COMMANDS.name {
            true => self.store().sweep_ledger(now, kept, limit),
            false => self.store().sweep(collection.name, now, limit),
        };
        let expiring = self.expiring_collections().into_iter().map(|(collection, _)| collection);
        for collection in expiring.chain([&COMMANDS as &'static Collection]) {
            let removed = match sweep(collection).await {
                Err(error) if self.has_met_newer_collections(&error, &known).await => sweep(collection).await,
                removed => removed,
            };
            swept += removed? as u64;
        }
        Ok(swept)
    }

    /// The rows that [`Engine::sweep`] would remove at `now` without a limit, with their bytes. It reads these rows, a
    /// page at a time. It passes over rows that cannot be read, as a sweep does.
    pub async fn measure_expired(&self, now: Timestamp) -> Result<Vec<ExpiredRows>, Error> {
        let mut expired = Vec::new();
        let kept = self.ledger_term().await?.swept_after(now);
        let ledger = COMMANDS.ttl.as_ref().map(|ttl| Ttl { field: ttl.field, after: kept, partial: None });
        let ledger = ledger.as_ref().map(|ttl| (&COMMANDS as &'static Collection, ttl));
        for (collection, ttl) in self.expiring_collections().into_iter().chain(ledger) {
            let latest = (now - ttl.after).as_millis();
            let query = Query::of(collection).filter(Filter::Lte(ttl.field.to_owned(), latest.into()));
            let query = query.sort(ttl.field, Direction::Ascending).limit(MEASURED_ROWS).with_unreadable();
            let (mut cursor, mut found) = (None, ExpiredRows { collection: collection.name, rows: 0, bytes: 0 });
            loop {
                let page = self.store().query(&query.clone().after(cursor), Freshness::Session).await?;
                for Row { stored, .. } in page.items {
                    if ttl.expires_at(&stored.document).is_some_and(|at| at <= now) {
                        let owner = self.shared.registry.domains().iter().find(|domain| domain.owns(collection.name));
                        let external =
                            owner.map_or(0, |owner| (owner.external_bytes)(collection.name, &stored.document));
                        found.rows += 1;
                        found.bytes += json_bytes(&*stored.document) as u64 + external;
                    }
                }
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            if found.rows > 0 {
                expired.push(found);
            }
        }
        Ok(expired)
    }

    /// The number of entities for which a rule has work if `until` is the last timestamp that is due.
    pub async fn count_due(&self, rule: &DueRule, until: Timestamp) -> Result<u64, Error> {
        self.count_where(rule.collection.name, rule.query(Some(until)).filter).await
    }

    /// Collections whose rows expire, besides the command ledger: its settings say when.
    fn expiring_collections(&self) -> Vec<(&'static Collection, &'static Ttl)> {
        let catalog = self.catalog();
        let collections = catalog.iter().filter(|collection| collection.name != COMMANDS.name);
        collections.filter_map(|collection| Some((collection, collection.ttl.as_ref()?))).collect()
    }

    /// Number of documents of a collection; `None`: the store does not count.
    pub async fn count(&self, collection: &'static Collection) -> Result<Option<u64>, Error> {
        match self.store().capabilities().aggregate {
            true => self.count_where(collection.name, Filter::All).await.map(Some),
            false => Ok(None),
        }
    }

    /// Number of documents of all exported collections, if the store counts.
    pub async fn count_exported(&self) -> Result<Option<u64>, Error> {
        let mut total = Some(0);
        for collection in exported_collections(&self.catalog()) {
            total = total.zip(self.count(collection).await?).map(|(total, count)| total + count);
        }
        Ok(total)
    }

    /// Number of documents that match.
    pub(super) async fn count_where(&self, collection: &str, filter: Filter) -> Result<u64, Error> {
        let count = Aggregate {
            collection: collection.to_owned(),
            filter,
            group_by: Vec::new(),
            accumulators: vec![("count".to_owned(), Accumulator::Count)],
        };
        let rows = self.shared.store.aggregate(&count).await?;
        Ok(rows.first().and_then(|row| row.get("count")).and_then(Json::as_u64).unwrap_or_default())
    }
}

/// The collection with the position of a mirror. It is of one store, and exports do not have it.
pub const MIRROR: &str = "mirror.positions";

/// `runstate.imported`: a row for each document that an import wrote, under an id derived from the `key` of the document
/// (`collection/id`): its `revision` then, a `digest` of it in the source, the time of the export, and the id of the
/// exported store, if it has one. A document at
/// another revision has changed in this store since. The row remains when the document is deleted, so that a later
/// import does not bring it back. It is of one store, and exports do not have it.
pub const IMPORTED: Collection = Collection::new("runstate.imported", 1)
    .fields(&[
        Field::text("key"),
        Field::text("revision"),
        Field::text("digest"),
        Field::timestamp("at"),
        Field::text("store").optional(),
    ])
    .shard(ShardKey::HashedId);

/// All exported collections in the order of exports: by name, then the ledger. The header of an export carries the
/// declarations.
pub fn exported_collections(catalog: &Catalog) -> Vec<&'static Collection> {
    let is_of_one_store = |name: &str| [COMMANDS.name, DECLARATIONS.name, IMPORTED.name, MIRROR].contains(&name);
    let documents = catalog.iter().filter(|collection| !is_of_one_store(collection.name));
    documents.chain([&COMMANDS as &'static Collection]).collect()
}

/// Number of rows of a page whose bytes are added up.
const MEASURED_ROWS: u32 = 256;

/// Expired rows of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiredRows {
    /// The collection.
    pub collection: &'static str,
    /// Their number.
    pub rows: u64,
    /// The bytes of their documents as JSON, and the bytes that are stored elsewhere for them, as those of artifacts
    /// are.
    pub bytes: u64,
}

/// Selects changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// Only changes of these collections; `None`: of all. A name that ends with `*` selects all whose names begin with
    /// the rest of it.
    pub collections: Option<Vec<String>>,
    /// Only changes of documents with these ids, and of documents that are parts of them; `None`: of all. A part that
    /// has been deleted since is not selected, because the document that it was a part of is unknown.
    pub subjects: Option<Vec<String>>,
    /// Maximum number per call; `None`: 256. Never more than 10,000.
    pub limit: Option<u32>,
}

/// Changes, and the position at which to continue.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineChanges {
    /// In commit order.
    pub events: Vec<EngineChange>,
    /// The position at which to continue.
    pub next: Position,
}

/// A change.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineChange {
    /// The change.
    pub event: ChangeEvent,
    /// The id of the document that this one is a part of. `None`: it is a part of none, or it was deleted since.
    pub document: Option<String>,
}

/// Maximum number of changes per call, if the caller names none.
const DEFAULT_LIMIT: u32 = 256;

/// Maximum number of changes that one call examines, whether it returns them or not. It bounds a call while other
/// processes keep writing.
const MAX_SCANNED: usize = 10_000;
