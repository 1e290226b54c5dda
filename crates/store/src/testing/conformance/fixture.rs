//! The collections that the cases share, and shorthand for batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use runstate_core::id::{CommandId, Revision};
use runstate_core::schema::Direction::{Ascending, Descending};
use runstate_core::schema::{Catalog, Collection, Field, Index, Key, Literal, Predicate, Query, Ttl};
use runstate_value::time::Millis;
use runstate_value::{Document, Json};

use super::{CaseFailure, Subject};
pub(super) use crate::testing::batch::{BatchExt, change_op, into_document};
use crate::{Batch, Freshness, Receipt, Store, StoreError, StoredDocument};

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
        Index::ordered(&[("name", Ascending), ("n", Descending)]),
        Index::ordered(&[("any", Ascending)]),
        Index::ordered(&[("cost", Ascending)]),
        Index::ordered(&[("at", Ascending)]).partial(Predicate::Exists("at")),
        Index::each(&[("tags", Ascending)]),
    ]);

/// Unique places; unique owners among live documents.
pub(super) const SLOTS: Collection = Collection::new("conform.slots", 1)
    .fields(&[
        Field::text("place").optional(),
        Field::text("owner").optional(),
        Field::bool("live").default(Literal::Bool(false)),
    ])
    .indexes(&[
        Index::ordered(&[("place", Ascending)]).unique(),
        Index::ordered(&[("owner", Ascending)]).unique().partial(Predicate::Eq("live", Literal::Bool(true))),
    ]);

/// Rows that never change, with one required field.
pub(super) const ROWS: Collection = Collection::new("conform.rows", 1).fields(&[Field::text("line")]).insert_only();

/// Documents that expire one second after `at`, unless pinned.
pub(super) const LEASES: Collection = Collection::new("conform.leases", 1)
    .fields(&[Field::timestamp("at").optional(), Field::bool("pinned").optional()])
    .ttl(Ttl { field: "at", after: Millis(1_000), partial: Some(Predicate::Missing("pinned")) });

/// A catalog of all these collections.
pub(super) fn catalog() -> Result<Catalog, CaseFailure> {
    catalog_of(&[&ITEMS, &SLOTS, &ROWS, &LEASES])
}

/// A catalog of `collections`.
pub(super) fn catalog_of(collections: &[&'static Collection]) -> Result<Catalog, CaseFailure> {
    Catalog::new(collections).map_err(|error| CaseFailure::new(error.to_string()))
}

/// A store with the collections, ready for a case.
pub(super) struct ConformanceFixture {
    pub(super) store: Arc<dyn Store>,
    commands: AtomicU32,
}

impl ConformanceFixture {
    pub(super) async fn new(subject: &Subject) -> Result<Self, CaseFailure> {
        Self::on_store(subject.store(), 0).await
    }

    /// A fixture on a store that others use too. Its command ids begin at `first`.
    pub(super) async fn on_store(store: Arc<dyn Store>, first: u32) -> Result<Self, CaseFailure> {
        store.migrate(&catalog()?).await?;
        Ok(Self { store, commands: AtomicU32::new(first) })
    }

    /// An empty batch of a new command.
    pub(super) fn batch(&self) -> Result<Batch, CaseFailure> {
        batch(&format!("command-{}", self.commands.fetch_add(1, Ordering::SeqCst)))
    }

    pub(super) async fn commit(&self, batch: Batch) -> Result<Receipt, StoreError> {
        self.store.commit(batch).await
    }

    /// Writes one document unconditionally; returns its revision.
    pub(super) async fn put(&self, collection: &Collection, id: &str, document: Json) -> Result<Revision, CaseFailure> {
        self.commit(self.batch()?.put(collection, id, document)).await?;
        self.revision(collection, id).await
    }

    pub(super) async fn delete(&self, collection: &Collection, id: &str) -> Result<(), CaseFailure> {
        self.commit(self.batch()?.delete(collection, id)).await?;
        Ok(())
    }

    pub(super) async fn find(&self, collection: &Collection, id: &str) -> Result<Option<StoredDocument>, CaseFailure> {
        let found = self.store.get(&[Key::new(collection, id)], Freshness::Linearizable).await?;
        found.into_iter().next().ok_or_else(|| CaseFailure::new("get returned no result for a key"))
    }

    /// The document, which must exist.
    pub(super) async fn expect_document(
        &self,
        collection: &Collection,
        id: &str,
    ) -> Result<StoredDocument, CaseFailure> {
        self.find(collection, id).await?.ok_or_else(|| CaseFailure::new(format!("{id} does not exist")))
    }

    /// Changes the existing document to `after`, field by field.
    pub(super) async fn change(&self, collection: &Collection, id: &str, after: Json) -> Result<Receipt, CaseFailure> {
        let read = self.expect_document(collection, id).await?;
        Ok(self.commit(self.batch()?.change(collection, id, &read, after)).await?)
    }

    /// The document as JSON; null if it is absent.
    pub(super) async fn document(&self, collection: &Collection, id: &str) -> Result<Json, CaseFailure> {
        let found = self.find(collection, id).await?;
        Ok(found.map_or(Json::Null, |stored| Json::Object(Document::clone(&stored.document))))
    }

    pub(super) async fn revision(&self, collection: &Collection, id: &str) -> Result<Revision, CaseFailure> {
        Ok(self.expect_document(collection, id).await?.revision)
    }

    /// The ids of a query's rows, in order.
    pub(super) async fn ids(&self, query: &Query) -> Result<Vec<String>, CaseFailure> {
        let page = self.store.query(query, Freshness::Linearizable).await?;
        Ok(page.items.iter().map(|row| row.id.to_string()).collect())
    }
}

/// An empty batch of that command. Its fingerprint and result contain the command.
pub(super) fn batch(command: &str) -> Result<Batch, CaseFailure> {
    Ok(crate::testing::batch(command_id(command)?))
}

pub(super) fn command_id(text: &str) -> Result<CommandId, CaseFailure> {
    CommandId::new(text).map_err(|why| CaseFailure::new(why.to_string()))
}

/// The code of an error, or `ok`.
pub(super) fn code<T>(result: &Result<T, StoreError>) -> &'static str {
    result.as_ref().map_or_else(|error| error.code().as_str(), |_| "ok")
}
