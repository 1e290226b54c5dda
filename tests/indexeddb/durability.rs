//! The durability of transactions: strict, so that an acknowledged commit is on disk.

use runstate::schema::Query;
use runstate::store::indexeddb::IndexedDb;
use runstate::store::{Expectation, Store, Write};
use runstate::time::Timestamp;
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

use super::browser::{BrowserPatch, run_script};
use super::fixture::{ITEMS, NOTES, batch, catalog, code, commit, find, ids, insert, next_catalog, put};
use super::{fresh_name, open_store};

/// Records the mode and durability of every transaction, and whether transactions that write also read.
const RECORD_TRANSACTIONS: &str = "
    globalThis.transactions = [];
    globalThis.begin = IDBDatabase.prototype.transaction;
    IDBDatabase.prototype.transaction = function (...given) {
        const tx = globalThis.begin.apply(this, given);
        globalThis.transactions.push(tx);
        return tx;
    };
    globalThis.readers = ['get', 'getAll', 'getAllKeys', 'openKeyCursor'].map((name) => [name, IDBObjectStore.prototype[name]]);
    for (const [name, read] of globalThis.readers) {
        IDBObjectStore.prototype[name] = function (...given) {
            this.transaction.reads = true;
            return read.apply(this, given);
        };
    }";
const STOP_RECORDING: &str = "
    IDBDatabase.prototype.transaction = globalThis.begin;
    for (const [name, read] of globalThis.readers) IDBObjectStore.prototype[name] = read;";

/// Returns the transactions with writes since the last call, in order: `strict, blind`.
const TAKE_WRITES: &str = "
    const writing = globalThis.transactions.filter((tx) => tx.mode === 'readwrite');
    globalThis.transactions = [];
    return writing.map((tx) => `${tx.durability}, ${tx.reads ? 'reading' : 'blind'}`).join('; ');";

async fn take_writes() -> String {
    run_script(TAKE_WRITES, "").await.as_string().unwrap()
}

async fn open_migrated(name: &str) -> IndexedDb {
    let store = open_store(name).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    store
}

#[wasm_bindgen_test]
async fn every_transaction_that_writes_is_strictly_durable() {
    let name = fresh_name();
    let _bent = BrowserPatch::apply(RECORD_TRANSACTIONS, STOP_RECORDING).await;
    let (one, two) = (open_migrated(&name).await, open_migrated(&name).await);
    take_writes().await;

    commit(&one, "first", vec![insert(&NOTES, "a", json!({}))]).await.unwrap();
    assert_eq!(take_writes().await, "strict, reading");
    commit(&one, "known", vec![insert(&NOTES, "b", json!({}))]).await.unwrap();
    assert_eq!(take_writes().await, "strict, blind");
    commit(&one, "over", vec![put(&NOTES, "a", json!({"line": "1"}))]).await.unwrap();
    assert_eq!(take_writes().await, "strict, reading");

    let inserts = ["c", "d", "e"].map(|id| one.commit(batch(id, vec![insert(&NOTES, id, json!({}))])));
    for receipt in runstate::testing::join_all(inserts.into_iter().collect()).await {
        receipt.unwrap();
    }
    // One transaction commits all three.
    assert_eq!(take_writes().await, "strict, reading");

    // Another connection commits first, so the blind transaction is aborted and a reading one follows.
    commit(&two, "other", vec![insert(&NOTES, "f", json!({}))]).await.unwrap();
    take_writes().await;
    let revision = find(&one, &NOTES, "b").await.unwrap().unwrap().revision;
    let write = Write { expect: Expectation::Revision(revision), ..put(&NOTES, "b", json!({"line": "2"})) };
    commit(&one, "overtaken", vec![write]).await.unwrap();
    let overtaken = take_writes().await;
    assert!(overtaken.split("; ").all(|tx| tx.starts_with("strict, ")), "{overtaken}");
    assert!(overtaken.ends_with("strict, reading"), "{overtaken}");

    commit(&one, "expires", vec![insert(&ITEMS, "x", json!({"at": 0}))]).await.unwrap();
    take_writes().await;
    assert_eq!(one.sweep(ITEMS.name, Timestamp::from_millis(5_000), 10).await.unwrap(), 1);
    assert_eq!(take_writes().await, "strict, reading");

    // The connection is opened again after the upgrade to another catalog.
    one.migrate(&next_catalog()).await.unwrap();
    commit(&one, "raised", vec![insert(&NOTES, "g", json!({}))]).await.unwrap();
    assert_eq!(take_writes().await, "strict, reading");
    assert_eq!(code(&commit(&two, "older", vec![insert(&NOTES, "h", json!({}))]).await), "read_only");
    assert_eq!(ids(&one, Query::of(&NOTES)).await.unwrap(), ["a", "b", "c", "d", "e", "f", "g"]);
}
