//! What the cases share: the collections they write to, and short words for batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Failure, Subject};
use crate::id::{CommandId, Revision};
use crate::schema::Direction::{Ascending, Descending};
use crate::schema::{Catalog, Collection, Constant, Field, Index, Key, Predicate, Query, Ttl};
use crate::store::{Batch, Check, Error, Expect, Op, Receipt, Store, Stored, Write};
use crate::time::{Millis, Timestamp};
use crate::value::{Difference, Document, Json, difference};

/// Documents of every shape.
pub(super) const ITEMS: Collection = Collection::new("conform.items", 1)
    .fields(&[
        Field::text("name").max(100).optional(),
        Field::text("status").one_of(&["on", "off"]).optional(),
        Field::int("n").optional(),
        Field::float("x").optional(),
        Field::json("any").optional(),
        Field::decimal("cost").optional(),
        Field::timestamp("at").optional(),
        Field::list("tags").optional(),
        Field::object("meta").optional(),
    ])
    .indexes(&[
        Index::by(&[("name", Ascending), ("n", Descending)]),
        Index::by(&[("any", Ascending)]),
        Index::by(&[("cost", Ascending)]),
        Index::by(&[("at", Ascending)]).partial(Predicate::Exists("at")),
        Index::each(&[("tags", Ascending)]),
    ]);

/// Every place once; every owner once among those that are live.
pub(super) const SLOTS: Collection = Collection::new("conform.slots", 1)
    .fields(&[
        Field::text("place").optional(),
        Field::text("owner").optional(),
        Field::bool("live").default(Constant::Bool(false)),
    ])
    .indexes(&[
        Index::by(&[("place", Ascending)]).unique(),
        Index::by(&[("owner", Ascending)]).unique().partial(Predicate::Eq("live", Constant::Bool(true))),
    ]);

/// Rows that never change, with one required field.
pub(super) const ROWS: Collection = Collection::new("conform.rows", 1).fields(&[Field::text("line")]).insert_only();

/// Expire a second after `at`, unless pinned.
pub(super) const LEASES: Collection = Collection::new("conform.leases", 1)
    .fields(&[Field::timestamp("at").optional(), Field::bool("pinned").optional()])
    .ttl(Ttl { field: "at", after: Millis(1_000), partial: Some(Predicate::Missing("pinned")) });

/// All of them.
pub(super) fn catalog() -> Result<Catalog, Failure> {
    catalog_of(&[&ITEMS, &SLOTS, &ROWS, &LEASES])
}

/// A catalog of these.
pub(super) fn catalog_of(collections: &[&'static Collection]) -> Result<Catalog, Failure> {
    Catalog::new(collections).map_err(|wrong| Failure::new(wrong.to_string()))
}

/// A store with the collections in it, ready for a case.
pub(super) struct Scene {
    pub(super) store: Arc<dyn Store>,
    commands: AtomicU32,
}

impl Scene {
    pub(super) async fn of(subject: &Subject) -> Result<Self, Failure> {
        Self::on(subject.store(), 0).await
    }

    /// On a store that other scenes use too: command ids begin at `first`.
    pub(super) async fn on(store: Arc<dyn Store>, first: u32) -> Result<Self, Failure> {
        store.migrate(&catalog()?).await?;
        Ok(Self { store, commands: AtomicU32::new(first) })
    }

    /// An empty batch of a new command.
    pub(super) fn batch(&self) -> Result<Batch, Failure> {
        batch(&format!("command-{}", self.commands.fetch_add(1, Ordering::SeqCst)))
    }

    pub(super) async fn commit(&self, batch: Batch) -> Result<Receipt, Error> {
        self.store.commit(batch).await
    }

    /// Writes one document, whatever is there; its revision.
    pub(super) async fn put(&self, collection: &Collection, id: &str, document: Json) -> Result<Revision, Failure> {
        self.commit(self.batch()?.put(collection, id, document)).await?;
        self.revision(collection, id).await
    }

    pub(super) async fn delete(&self, collection: &Collection, id: &str) -> Result<(), Failure> {
        self.commit(self.batch()?.delete(collection, id)).await?;
        Ok(())
    }

    pub(super) async fn find(&self, collection: &Collection, id: &str) -> Result<Option<Stored>, Failure> {
        let found = self.store.get(&[Key::new(collection, id)]).await?;
        found.into_iter().next().ok_or_else(|| Failure::new("get answered nothing for a key"))
    }

    /// The document that must be there.
    pub(super) async fn there(&self, collection: &Collection, id: &str) -> Result<Stored, Failure> {
        self.find(collection, id).await?.ok_or_else(|| Failure::new(format!("{id} is not there")))
    }

    /// Turns the document that stands there into `after`, field by field.
    pub(super) async fn change(&self, collection: &Collection, id: &str, after: Json) -> Result<Receipt, Failure> {
        let read = self.there(collection, id).await?;
        Ok(self.commit(self.batch()?.change(collection, id, &read, after)).await?)
    }

    /// The document as JSON; null where nothing stands.
    pub(super) async fn document(&self, collection: &Collection, id: &str) -> Result<Json, Failure> {
        let found = self.find(collection, id).await?;
        Ok(found.map_or(Json::Null, |stored| Json::Object(Document::clone(&stored.document))))
    }

    pub(super) async fn revision(&self, collection: &Collection, id: &str) -> Result<Revision, Failure> {
        Ok(self.there(collection, id).await?.revision)
    }

    /// The ids that a query finds, in order.
    pub(super) async fn ids(&self, query: &Query) -> Result<Vec<String>, Failure> {
        let page = self.store.query(query).await?;
        Ok(page.rows.iter().map(|row| row.id.to_string()).collect())
    }
}

/// An empty batch of that command; its fingerprint and result name it.
pub(super) fn batch(command: &str) -> Result<Batch, Failure> {
    Ok(Batch {
        command: command_id(command)?,
        fingerprint: format!("fingerprint of {command}"),
        at: Timestamp::from_millis(1_000_000),
        result: format!("result of {command}").into(),
        writes: Vec::new(),
        checks: Vec::new(),
    })
}

pub(super) fn command_id(text: &str) -> Result<CommandId, Failure> {
    CommandId::new(text).map_err(|why| Failure::new(why.to_string()))
}

/// Short words for what a batch does.
pub(super) trait Writing: Sized {
    fn write(self, collection: &Collection, id: &str, expect: Expect, op: Op) -> Self;
    fn check(self, collection: &Collection, id: &str, revision: &Revision) -> Self;

    fn put(self, collection: &Collection, id: &str, document: Json) -> Self {
        self.write(collection, id, Expect::Any, whole(document))
    }

    fn insert(self, collection: &Collection, id: &str, document: Json) -> Self {
        self.write(collection, id, Expect::Absent, whole(document))
    }

    fn replace(self, collection: &Collection, id: &str, revision: &Revision, document: Json) -> Self {
        self.write(collection, id, Expect::Revision(revision.clone()), whole(document))
    }

    /// Turns the document that was read into `after`, field by field.
    fn change(self, collection: &Collection, id: &str, read: &Stored, after: Json) -> Self {
        let after = object(after);
        let op = changing(difference(&read.document, &after), after);
        self.write(collection, id, Expect::Revision(read.revision.clone()), op)
    }

    fn delete(self, collection: &Collection, id: &str) -> Self {
        self.write(collection, id, Expect::Any, Op::Delete)
    }
}

impl Writing for Batch {
    fn write(mut self, collection: &Collection, id: &str, expect: Expect, op: Op) -> Self {
        self.writes.push(Write { key: Key::new(collection, id), expect, op });
        self
    }

    fn check(mut self, collection: &Collection, id: &str, revision: &Revision) -> Self {
        self.checks.push(Check { key: Key::new(collection, id), revision: revision.clone() });
        self
    }
}

pub(super) fn whole(document: Json) -> Op {
    Op::Put { version: 1, document: Arc::new(object(document)) }
}

pub(super) fn changing(difference: Difference, after: Document) -> Op {
    Op::Change { difference: Arc::new(difference), after: Arc::new(after) }
}

/// The fields of a JSON object; of anything else none.
pub(super) fn object(value: Json) -> Document {
    match value {
        Json::Object(document) => document,
        _ => Document::new(),
    }
}

/// The code of an error, or `ok`.
pub(super) fn code<T>(answer: &Result<T, Error>) -> &'static str {
    answer.as_ref().map_or_else(|error| error.code().as_str(), |_| "ok")
}
