//! Collections for the tests, and short helpers for their documents.

use std::sync::Arc;

use runstate::id::CommandId;
use runstate::schema::Direction::{Ascending, Descending};
use runstate::schema::{Catalog, Collection, Field, Index, Key, Predicate, Query, Ttl};
use runstate::store::indexeddb::IndexedDb;
use runstate::store::{Batch, Expectation, Receipt, Store, StoreError, StoredDocument, Write, WriteOp};
use runstate::time::{Millis, Timestamp};
use runstate::value::{Document, Json};
use serde_json::json;

use super::open_store;

const FIELDS: &[Field] = &[
    Field::text("name").optional(),
    Field::int("n").optional(),
    Field::list("tags").optional(),
    Field::timestamp("at").optional(),
];

pub const ITEMS: Collection = Collection::new("try.items", 1)
    .fields(FIELDS)
    .indexes(&[
        Index::ordered(&[("n", Ascending), ("name", Descending)]),
        Index::each(&[("tags", Ascending)]),
        Index::ordered(&[("name", Ascending)]).unique().partial(Predicate::Exists("name")),
    ])
    .ttl(Ttl { field: "at", after: Millis(1_000), partial: None });

/// The next version of the collection: one index is dropped, one is changed, one is new.
pub const NEXT_ITEMS: Collection = Collection::new("try.items", 2).fields(FIELDS).indexes(&[
    Index::ordered(&[("n", Descending)]),
    Index::each(&[("tags", Ascending)]),
    Index::ordered(&[("at", Descending)]).partial(Predicate::Exists("at")),
]);

pub const NOTES: Collection = Collection::new("try.notes", 1).fields(&[Field::text("line").optional()]);

pub fn catalog() -> Catalog {
    Catalog::new(&[&ITEMS, &NOTES]).unwrap()
}

pub fn next_catalog() -> Catalog {
    Catalog::new(&[&NEXT_ITEMS, &NOTES]).unwrap()
}

pub fn document(value: Json) -> Arc<Document> {
    Arc::new(value.as_object().unwrap().clone())
}

pub fn put(collection: &Collection, id: &str, value: Json) -> Write {
    let op = WriteOp::Put { version: collection.version, document: document(value) };
    Write { key: Key::new(collection, id), expect: Expectation::Any, op }
}

pub fn insert(collection: &Collection, id: &str, value: Json) -> Write {
    Write { expect: Expectation::Absent, ..put(collection, id, value) }
}

pub fn batch(command: &str, writes: Vec<Write>) -> Batch {
    Batch {
        command: CommandId::new(command).unwrap(),
        fingerprint: format!("fingerprint of {command}"),
        at: Timestamp::from_millis(0),
        result: format!("result of {command}").into(),
        writes,
        checks: vec![],
    }
}

pub async fn commit(store: &dyn Store, command: &str, writes: Vec<Write>) -> Result<Receipt, StoreError> {
    store.commit(batch(command, writes)).await
}

pub async fn find(store: &dyn Store, collection: &Collection, id: &str) -> Result<Option<StoredDocument>, StoreError> {
    Ok(store.get(&[Key::new(collection, id)]).await?.remove(0))
}

pub async fn ids(store: &dyn Store, query: Query) -> Result<Vec<String>, StoreError> {
    Ok(store.query(&query).await?.items.into_iter().map(|row| row.id.to_string()).collect())
}

pub fn code<T>(answer: &Result<T, StoreError>) -> &'static str {
    answer.as_ref().map_or_else(|error| error.code().as_str(), |_| "ok")
}

/// Opens a store and writes the note `a`.
pub async fn open_with_note(name: &str) -> IndexedDb {
    let store = open_store(name).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    commit(&store, "begin", vec![put(&NOTES, "a", json!({"line": "1"}))]).await.unwrap();
    store
}
