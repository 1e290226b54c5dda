//! Pure decisions: a [`Command`] declares its read set, and decides from those documents alone which changes to make.
//! A decision has no clock, no entropy and no store. All its inputs are its [`View`], with the documents and query
//! results that it asked for, and its [`Ctx`].
//!
//! A [`Lifecycle`] has transitions: each consumes a state and returns the next state, or none if the event is illegal.

mod command;
mod cost;
mod entity;
mod foreign;
mod lifecycle;
pub mod program;
mod query;
mod rejection;
mod schema;
mod sequence;
mod settings;

use std::any::Any;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use runstate_value::time::Timestamp;
use runstate_value::{Document, SortedMap};

use crate::id::{CommandId, Revision, derive_id, sha256};
use crate::schema::{Aggregate, Catalog, DamageCode, Entity, Freshness, Key, Page, Query, sealed};
pub use command::{AnyCommand, Command, OperationName, TypedCommand};
pub use cost::{BudgetDecision, BudgetPort, Cost, ReservationTerm, Shortfall, Shortfalls};
pub use entity::LoadedEntity;
pub use lifecycle::{Event, Lifecycle, LifecycleEvent, LifecycleState, transition_table};
pub use program::ProgramPort;
pub use query::{DomainQuery, TypedQuery};
pub use rejection::Rejection;
pub use runstate_derive::OperationName;
pub use schema::{SchemaMismatch, SchemaPort};
pub use settings::{DomainSettings, EngineSettings};

/// The decoded form of a document, which the engine caches beside it. It equals the result of decoding the document,
/// and it never changes.
#[derive(Clone)]
pub struct CachedValue {
    value: Arc<dyn Any + Send + Sync>,
    entity: Option<Arc<dyn Any + Send + Sync>>,
    /// Its approximate size in bytes.
    pub bytes: u64,
}

impl CachedValue {
    /// Wraps a value of about `bytes` bytes.
    pub fn new<T: Any + Send + Sync>(value: T, bytes: u64) -> Self {
        Self { value: Arc::new(value), entity: None, bytes }
    }

    /// Adds the entity of the document, so that it is not decoded again ([`View::find_entity`]).
    #[must_use]
    pub fn with_entity<E: Entity + Send + Sync>(self, entity: E) -> Self {
        Self { entity: Some(Arc::new(entity)), ..self }
    }

    /// Returns the value if it has this type.
    #[must_use]
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.value.downcast_ref()
    }
}

/// The result of a command, and the writes that it needs.
pub struct Decision<O> {
    /// The result for the caller: ids and statuses. The ledger keeps it, so it has at most 4 KiB.
    pub output: O,
    /// The changes. Empty: the command has no effect.
    pub changes: Vec<Change>,
    /// Documents that the decision relies on and does not write. Each must still have this revision at the commit.
    pub checks: Vec<(Key, Revision)>,
    /// Notifications for listeners after the commit. They are only hints and may be lost.
    pub hints: Vec<Hint>,
    /// The decoded forms of documents as they are after this decision.
    pub cached: Vec<(Key, CachedValue)>,
    /// Documents that cannot be read, and that the decision has passed over, with the reasons. The engine reports each
    /// once.
    pub damaged: Vec<(Key, DamageCode, String)>,
    /// The item of work that the command is about, for audit logs: its document, or its row in a queue.
    pub item: Option<Key>,
    /// Whether it continues the work of an earlier commit, which has the row in the audit log.
    pub continues: bool,
    /// Whether it depends on documents that its commit does not check, so that it is made on the newest ones.
    pub needs_newest: bool,
}

/// One change to a document.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new document. Its key must be free.
    Insert {
        /// The document.
        key: Key,
        /// Its fields.
        document: Document,
    },
    /// New fields for a document that was read. The difference is derived.
    Update {
        /// The document.
        key: Key,
        /// The document as it was read.
        before: LoadedDocument,
        /// Its new fields.
        after: Document,
    },
    /// A new document of an insert-only collection.
    Append {
        /// The document.
        key: Key,
        /// Its fields.
        document: Document,
    },
    /// A new row of an insert-only collection. It is invisible until another change of this decision references it, so
    /// an earlier commit may write it. No other command may create a row with its key.
    Stage {
        /// The row.
        key: Key,
        /// Its fields.
        document: Document,
    },
    /// The removal of a row that was staged for an earlier decision. Nothing references it after this decision, so a
    /// later commit may remove it. Its key must never be used again.
    Retire {
        /// The row.
        key: Key,
    },
    /// The deletion of a document. `None` deletes whatever exists under the key, if anything: for rows that only a
    /// checked head makes meaningful.
    Delete {
        /// The document.
        key: Key,
        /// The revision at which it was read.
        revision: Option<Revision>,
    },
}

impl Change {
    /// The document that it changes.
    pub fn key(&self) -> &Key {
        match self {
            Self::Insert { key, .. }
            | Self::Update { key, .. }
            | Self::Append { key, .. }
            | Self::Stage { key, .. }
            | Self::Retire { key }
            | Self::Delete { key, .. } => key,
        }
    }

    /// The document whose revision or absence the commit checks; `None`: the change is made at any revision.
    pub fn checked_key(&self) -> Option<&Key> {
        match self {
            Self::Retire { .. } | Self::Delete { revision: None, .. } => None,
            change => Some(change.key()),
        }
    }

    /// The document that it updates, as it was read.
    pub fn before(&self) -> Option<&LoadedDocument> {
        match self {
            Self::Update { before, .. } => Some(before),
            _ => None,
        }
    }

    /// The document as it is after the change; `None`: it is removed.
    pub fn document(&self) -> Option<&Document> {
        match self {
            Self::Insert { document, .. }
            | Self::Update { after: document, .. }
            | Self::Append { document, .. }
            | Self::Stage { document, .. } => Some(document),
            Self::Retire { .. } | Self::Delete { .. } => None,
        }
    }
}

/// A notification that other parts of a process may want at once. An event that must not be lost is a row with a due
/// time instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The due time of some work has changed.
    Due,
    /// What operators should know, as a sentence. The engine logs it as a warning.
    Warning(String),
    /// A notification of one domain.
    Domain {
        /// Its name, `domain.event`.
        name: &'static str,
        /// Its subject.
        subject: String,
    },
}

impl<O> Decision<O> {
    /// Creates a decision without changes.
    pub fn new(output: O) -> Self {
        Self {
            output,
            changes: Vec::new(),
            checks: Vec::new(),
            hints: Vec::new(),
            cached: Vec::new(),
            damaged: Vec::new(),
            item: None,
            continues: false,
            needs_newest: false,
        }
    }

    /// Replaces the output.
    pub fn map<P>(self, output: impl FnOnce(O) -> P) -> Decision<P> {
        let Self { output: value, changes, checks, hints, cached, damaged, item, continues, needs_newest } = self;
        Decision { output: output(value), changes, checks, hints, cached, damaged, item, continues, needs_newest }
    }

    /// Adds a change.
    pub fn change(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }

    /// Names the item of work that the command is about.
    pub fn with_item(mut self, item: Key) -> Self {
        self.item = Some(item);
        self
    }

    /// Adds a check that `key` still is as it was read.
    pub fn check(mut self, key: Key, read: &LoadedDocument) -> Self {
        self.checks.push((key, read.revision.clone()));
        self
    }
}

/// A clock that returns microseconds since an arbitrary moment. Only differences are meaningful.
pub type Stopwatch = fn() -> u64;

/// The context of one decision. The engine creates it anew for every attempt, so that a repeated decision creates the
/// same ids.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// The time when the command arrived. It is the same in every attempt.
    pub now: Timestamp,
    /// The settings of the engine.
    pub settings: EngineSettings,
    /// Largest number of writes and checks in one commit. Commands that do as much as fits and are then repeated use
    /// it.
    pub max_writes: usize,
    /// Measures how long programs run. No decision may depend on it.
    pub stopwatch: Option<Stopwatch>,
    /// Damaged documents that a rejected decision has passed over: see [`Decision::damaged`].
    pub damaged: Vec<(Key, DamageCode, String)>,
    command: CommandId,
    ids: u64,
}

impl Ctx {
    /// Creates the context of `command` at `now`.
    pub fn new(command: CommandId, now: Timestamp, settings: EngineSettings) -> Self {
        Self { now, settings, max_writes: usize::MAX, stopwatch: None, damaged: Vec::new(), command, ids: 0 }
    }

    /// The command that is being decided.
    pub fn command(&self) -> &CommandId {
        &self.command
    }

    /// Returns a new id: a UUIDv7 from `now` and the command's id. It differs at every call and is the same in every
    /// attempt.
    pub fn new_id(&mut self) -> String {
        self.new_id_at(self.now)
    }

    /// Returns a new id that begins with `at` instead of `now`: for rows of a time series
    /// ([`TimeSeries`](crate::schema::TimeSeries)).
    pub fn new_id_at(&mut self, at: Timestamp) -> String {
        self.ids += 1;
        derive_id(at, &self.command, self.ids)
    }

    /// Returns a random seed for `purpose`, the same in every attempt.
    pub fn seed(&self, purpose: &str) -> [u8; 32] {
        sha256(&[b"seed", purpose.as_bytes(), self.command.as_str().as_bytes()])
    }
}

/// The documents and queries that a command asks to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadSet {
    /// Documents.
    pub keys: Vec<Key>,
    /// Bounded queries, each with the name under which the view returns its result.
    pub queries: Vec<(&'static str, Query)>,
    /// Aggregates, each with the name under which the view returns its result. Only queries may use them: a commit
    /// cannot check that an aggregate has not changed.
    pub aggregates: Vec<(&'static str, Aggregate)>,
    /// The required freshness of the first read. `None`: the documents of a command may be as old as a session read
    /// allows, because its commit checks their revisions and a decision without changes is made again on fresh ones.
    /// All else is linearizable.
    pub freshness: Option<Freshness>,
    /// Whether each row that its queries find is only a candidate: the decision takes some, and its commit checks them.
    /// So rows may be as old as documents. A decision without changes is made again on fresh ones.
    pub candidates: bool,
}

impl ReadSet {
    /// Reads nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads one document.
    pub fn key(key: Key) -> Self {
        Self { keys: vec![key], ..Self::default() }
    }

    /// Adds a document.
    pub fn with_key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// Adds all that another one requests.
    pub fn with(mut self, other: Self) -> Self {
        let may_be_old = |reads: &Self| reads.candidates || reads.queries.is_empty();
        self.candidates = (self.candidates || other.candidates) && may_be_old(&self) && may_be_old(&other);
        self.keys.extend(other.keys);
        self.queries.extend(other.queries);
        self.aggregates.extend(other.aggregates);
        self
    }

    /// Adds a query.
    pub fn query(mut self, name: &'static str, query: Query) -> Self {
        self.queries.push((name, query));
        self
    }

    /// Adds an aggregate.
    pub fn aggregate(mut self, name: &'static str, aggregate: Aggregate) -> Self {
        self.aggregates.push((name, aggregate));
        self
    }

    /// Requires this freshness of the first read.
    pub fn with_freshness(mut self, freshness: Freshness) -> Self {
        self.freshness = Some(freshness);
        self
    }

    /// Declares that the rows of its queries are only candidates ([`ReadSet::candidates`]).
    pub fn with_candidates(mut self) -> Self {
        self.candidates = true;
        self
    }

    /// Whether it requests nothing.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.queries.is_empty() && self.aggregates.is_empty()
    }
}

/// A document as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedDocument {
    /// Its revision.
    pub revision: Revision,
    /// Its fields.
    pub document: Arc<Document>,
}

/// What the domains of an engine do for each other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ports {
    /// The budgets, of the domain that keeps them.
    pub budgets: Option<&'static BudgetPort>,
    /// The programs, of the domain that runs them.
    pub programs: Option<&'static ProgramPort>,
    /// The schemas of values, of the domain that has them.
    pub schemas: Option<&'static SchemaPort>,
}

/// Items that cannot be claimed without a key that was not given, with the reasons.
pub type PassedOver = HashMap<Key, String>;

/// The page of documents that a query found.
pub type QueryRows = Page<(Key, LoadedDocument)>;

/// The documents and query results that were read for a decision.
#[derive(Clone, Default)]
pub struct View {
    now: Timestamp,
    spread: u32,
    can_aggregate: bool,
    encrypts: bool,
    settings: EngineSettings,
    ports: Ports,
    documents: HashMap<Key, Option<LoadedDocument>>,
    query_results: SortedMap<&'static str, (Query, QueryRows)>,
    aggregates: SortedMap<&'static str, (Aggregate, Vec<Document>)>,
    cached: HashMap<Key, CachedValue>,
    passed_over: Arc<PassedOver>,
}

/// Smallest and largest [`View::spread`].
pub const SPREADS: std::ops::RangeInclusive<u32> = 16..=256;

impl View {
    /// An empty view at `now`. `spread` is clamped to [`SPREADS`]. `can_aggregate`: the store computes aggregates.
    pub fn new(now: Timestamp, spread: u32, can_aggregate: bool) -> Self {
        Self { now, spread, can_aggregate, ..Self::default() }
    }

    /// Sets the settings of the engine; without it every domain has its defaults.
    pub fn with_settings(self, settings: EngineSettings) -> Self {
        Self { settings, ..self }
    }

    /// Sets whether the store has keys, so that it encrypts secrets; without it, it has none.
    pub fn with_encryption(self, encrypts: bool) -> Self {
        Self { encrypts, ..self }
    }

    /// Sets the ports of the engine; without it there are none.
    pub fn with_ports(self, ports: Ports) -> Self {
        Self { ports, ..self }
    }

    /// Sets the items that the command passes over; without it there are none.
    pub fn with_passed_over(self, passed_over: Arc<PassedOver>) -> Self {
        Self { passed_over, ..self }
    }

    /// The settings of the engine: [`Ctx::settings`].
    pub fn settings(&self) -> &EngineSettings {
        &self.settings
    }

    /// Whether the store computes aggregates. A query that requests them from one that does not fails with
    /// `unsupported`.
    pub fn can_aggregate(&self) -> bool {
        self.can_aggregate
    }

    /// Whether the store encrypts secrets.
    pub fn encrypts(&self) -> bool {
        self.encrypts
    }

    /// The time when the command arrived: [`Ctx::now`].
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The number of candidates among which a command that takes any one of many documents should pick at random. It
    /// grows while commands of its name conflict, so that concurrent ones seldom pick the same document.
    pub fn spread(&self) -> u32 {
        self.spread.clamp(*SPREADS.start(), *SPREADS.end())
    }

    /// The document under `key`; `None` if it does not exist or was not read.
    pub fn get(&self, key: &Key) -> Option<&LoadedDocument> {
        self.documents.get(key)?.as_ref()
    }

    /// Whether `key` was read, whether or not a document exists.
    pub fn has_read(&self, key: &Key) -> bool {
        self.documents.contains_key(key)
    }

    /// Requests documents that were not read yet. The engine reads them all at once, and decides again.
    pub fn require(&self, keys: impl IntoIterator<Item = Key>) -> Result<(), Rejection> {
        let unread: Vec<Key> = keys.into_iter().filter(|key| !self.has_read(key)).collect();
        if unread.is_empty() { Ok(()) } else { Err(Rejection::Unread(unread)) }
    }

    /// The result of the query `name`; `None` before it was run.
    pub fn rows(&self, name: &str) -> Option<&[(Key, LoadedDocument)]> {
        self.query_results.get(name).map(|(_, page)| page.items.as_slice())
    }

    /// The rows that these queries returned, each once.
    pub fn all_rows(&self, names: &[&str]) -> impl Iterator<Item = &(Key, LoadedDocument)> {
        let mut seen = BTreeSet::new();
        let rows = names.iter().flat_map(|name| self.rows(name).unwrap_or_default());
        rows.filter(move |(key, _)| seen.insert(key))
    }

    /// Why the command passes over an item; `None`: it does not.
    pub fn passed_over(&self, key: &Key) -> Option<&str> {
        self.passed_over.get(key).map(String::as_str)
    }

    /// The query `name` of the last page that was read; `None` before it was run.
    pub fn query(&self, name: &str) -> Option<&Query> {
        self.query_results.get(name).map(|(query, _)| query)
    }

    /// The cursor of the page that follows the result of the query `name`; `None` if no row follows.
    pub fn next_cursor(&self, name: &str) -> Option<&str> {
        self.query_results.get(name)?.1.next.as_deref()
    }

    /// A page with these items, and with all else that the page of the query `name` has.
    pub fn page_of<T>(&self, name: &str, items: Vec<T>) -> Page<T> {
        let Some((_, page)) = self.query_results.get(name) else { return Page::new(items, None) };
        Page { items, damaged: page.damaged.clone(), more_damaged: page.more_damaged, next: page.next.clone() }
    }

    /// The result of the aggregate `name`: one row for each group; `None` before it was run.
    pub fn groups(&self, name: &str) -> Option<&[Document]> {
        self.aggregates.get(name).map(|(_, rows)| rows.as_slice())
    }

    /// Whether any query was run.
    pub fn has_query_results(&self) -> bool {
        !self.query_results.is_empty()
    }

    /// The decoded form of the document under `key`, if one is cached for the revision that was read.
    pub fn cached<T: 'static>(&self, key: &Key) -> Option<&T> {
        self.cached.get(key)?.get()
    }

    fn cached_entity<E: 'static>(&self, key: &Key) -> Option<&E> {
        self.cached.get(key)?.entity.as_ref()?.downcast_ref()
    }

    /// Adds the document read under `key`. A decoded form of an earlier revision is dropped.
    pub fn put(&mut self, key: Key, found: Option<LoadedDocument>, cached: Option<CachedValue>) {
        match (cached, &found) {
            (Some(value), Some(_)) => self.cached.insert(key.clone(), value),
            _ => self.cached.remove(&key),
        };
        self.documents.insert(key, found);
    }

    /// Adds the page that the query `name` found. One that continues the page before is added to it.
    pub fn put_page(&mut self, name: &'static str, query: Query, page: QueryRows) {
        let mut all = match self.query_results.get_mut(name) {
            Some((_, before)) if query.cursor.is_some() && query.cursor == before.next => std::mem::take(before),
            _ => QueryRows::default(),
        };
        all.items.extend(page.items);
        page.damaged.into_iter().for_each(|one| all.add_damaged(one));
        all.more_damaged |= page.more_damaged;
        all.next = page.next;
        self.query_results.insert(name, (query, all));
    }

    /// Adds the result of the aggregate `name`.
    pub fn put_groups(&mut self, name: &'static str, aggregate: Aggregate, rows: Vec<Document>) {
        self.aggregates.insert(name, (aggregate, rows));
    }

    /// Drops the results of queries and aggregates: a document that was read before them has changed since.
    pub fn forget_results(&mut self) {
        self.query_results = SortedMap::default();
        self.aggregates = SortedMap::default();
    }

    /// The part of `reads` that was not read yet.
    pub fn missing(&self, reads: ReadSet) -> ReadSet {
        let new_query = |name: &str, query: &Query| self.query_results.get(name).is_none_or(|(read, _)| read != query);
        let new_aggregate = |name: &str, one: &Aggregate| self.aggregates.get(name).is_none_or(|(read, _)| read != one);
        ReadSet {
            keys: reads.keys.into_iter().filter(|key| !self.has_read(key)).collect(),
            queries: reads.queries.into_iter().filter(|(name, query)| new_query(name, query)).collect(),
            aggregates: reads.aggregates.into_iter().filter(|(name, one)| new_aggregate(name, one)).collect(),
            freshness: reads.freshness,
            candidates: reads.candidates,
        }
    }

    /// Rejects changes to a document that was read with a secret still encrypted: nothing overwrites or deletes it.
    pub fn check_decrypted(&self, changes: &[Change], catalog: &Catalog) -> Result<(), Rejection> {
        let rows = self.query_results.iter().flat_map(|(_, (_, page))| &page.items);
        let documents = self.documents.iter().filter_map(|(key, found)| Some((key, found.as_ref()?)));
        documents.chain(rows.map(|(key, row)| (key, row))).try_for_each(|(key, read)| {
            let collection = catalog.get(&key.collection);
            match collection.and_then(|collection| sealed::violation(collection.fields, &read.document)) {
                Some(why) if changes.iter().any(|change| change.key() == key) => Err(Rejection::unreadable(key, &why)),
                _ => Ok(()),
            }
        })
    }

    /// The keys under which no document was found.
    pub fn absent_keys(&self) -> impl Iterator<Item = &Key> {
        self.documents.iter().filter(|(_, found)| found.is_none()).map(|(key, _)| key)
    }

    /// The keys that were read.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.documents.keys()
    }
}
