//! Collections for the tests, short helpers for their documents, and changes that the tests make in the browser
//! without the store, as JavaScript.

use std::sync::Arc;

use js_sys::{Function, Promise};
use runstate::id::CommandId;
use runstate::schema::Direction::{Ascending, Descending};
use runstate::schema::{Catalog, Collection, Field, Index, Key, Predicate, Query, Ttl};
use runstate::store::indexeddb::IndexedDb;
use runstate::store::{
    Batch, Expectation, Freshness, Receipt, Store, StoreAdmin, StoreError, StoredDocument, Write, WriteOp,
};
use runstate::time::{Millis, Timestamp};
use runstate::value::{Document, Json};
use serde_json::json;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

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
        frees_space: false,
    }
}

pub async fn commit(store: &dyn Store, command: &str, writes: Vec<Write>) -> Result<Receipt, StoreError> {
    store.commit(batch(command, writes)).await
}

pub async fn find(store: &dyn Store, collection: &Collection, id: &str) -> Result<Option<StoredDocument>, StoreError> {
    Ok(store.get(&[Key::new(collection, id)], Freshness::Linearizable).await?.remove(0))
}

pub async fn ids(store: &dyn Store, query: Query) -> Result<Vec<String>, StoreError> {
    Ok(store.query(&query, Freshness::Linearizable).await?.items.into_iter().map(|row| row.id.to_string()).collect())
}

pub fn code<T>(result: &Result<T, StoreError>) -> &'static str {
    result.as_ref().map_or_else(|error| error.code().as_str(), |_| "ok")
}

/// Opens a store with the catalog of the tests.
pub async fn open_migrated(name: &str) -> IndexedDb {
    let store = open_store(name).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    store
}

/// Opens a store and writes the note `a`.
pub async fn open_with_note(name: &str) -> IndexedDb {
    let store = open_migrated(name).await;
    commit(&store, "begin", vec![put(&NOTES, "a", json!({"line": "1"}))]).await.unwrap();
    store
}

/// Helpers that open databases and await requests and transactions.
const SCRIPT_HELPERS: &str = "
    const settled = (request) => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
    const ended = (tx) => new Promise((resolve, reject) => {
        tx.oncomplete = resolve;
        tx.onabort = () => reject(tx.error);
    });
";

/// Runs a body of an async function with the parameter `name`, and returns its result.
pub async fn run_script(body: &str, name: &str) -> JsValue {
    let call = Function::new_with_args("name", &format!("{SCRIPT_HELPERS}\nreturn (async () => {{ {body} }})();"));
    let promise: Promise = call.call1(&JsValue::NULL, &name.into()).unwrap().into();
    JsFuture::from(promise).await.unwrap()
}

/// Edits a record of a collection by the body of a function of `record`.
pub async fn edit_record(name: &str, collection: &str, id: &str, body: &str) {
    let body = format!(
        "const db = await settled(indexedDB.open(name));
         const tx = db.transaction(['{collection}'], 'readwrite');
         const store = tx.objectStore('{collection}');
         const record = await settled(store.get('{id}'));
         const edited = ((record) => {{ {body} }})(record);
         store.put(edited === undefined ? record : edited, '{id}');
         await ended(tx);
         db.close();"
    );
    run_script(&body, name).await;
}

/// A patch of browser functions, which is undone on drop.
pub struct BrowserPatch(&'static str);

impl BrowserPatch {
    /// Runs `script`, and `restore` on drop.
    pub async fn apply(script: &str, restore: &'static str) -> Self {
        run_script(script, "").await;
        Self(restore)
    }
}

impl Drop for BrowserPatch {
    fn drop(&mut self) {
        Function::new_no_args(self.0).call0(&JsValue::NULL).unwrap();
    }
}

/// Returns a patch that runs the body of a function of `tx` on the next transaction that writes.
pub fn patch_next_write(body: &str) -> String {
    format!(
        "globalThis.begin = IDBDatabase.prototype.transaction;
         let left = 1;
         IDBDatabase.prototype.transaction = function (...given) {{
             const tx = globalThis.begin.apply(this, given);
             if (given[1] === 'readwrite' && left-- > 0) ((tx) => {{ {body} }})(tx);
             return tx;
         }};"
    )
}
/// Undoes [`patch_next_write`].
pub const RESTORE_TRANSACTION: &str = "IDBDatabase.prototype.transaction = globalThis.begin";
