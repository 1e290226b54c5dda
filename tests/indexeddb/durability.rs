//! The durability that commits ask the browser for: strict, so that an acknowledged commit is on the disk.

use runstate::schema::Query;
use runstate::store::indexeddb::IndexedDb;
use runstate::store::{Expect, Store, Write};
use runstate::time::Timestamp;
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

use super::browser::{Bent, run};
use super::scene::{ITEMS, NOTES, batch, catalog, code, commit, find, ids, insert, next_catalog, put};
use super::{name, opened};

/// Records mode and durability of every transaction that is begun, and the requests that writing ones read by.
const RECORD: &str = "
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
const RECORD_NO_MORE: &str = "
    IDBDatabase.prototype.transaction = globalThis.begin;
    for (const [name, read] of globalThis.readers) IDBObjectStore.prototype[name] = read;";

/// The writing transactions since the last call, in their order: `strict, blind`.
const WRITING: &str = "
    const writing = globalThis.transactions.filter((tx) => tx.mode === 'readwrite');
    globalThis.transactions = [];
    return writing.map((tx) => `${tx.durability}, ${tx.reads ? 'reading' : 'blind'}`).join('; ');";

async fn writing() -> String {
    run(WRITING, "").await.as_string().unwrap()
}

async fn begun(name: &str) -> IndexedDb {
    let store = opened(name).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    store
}

#[wasm_bindgen_test]
async fn every_transaction_that_writes_is_strictly_durable() {
    let name = name();
    let _bent = Bent::by(RECORD, RECORD_NO_MORE).await;
    let (one, two) = (begun(&name).await, begun(&name).await);
    writing().await;

    commit(&one, "first", vec![insert(&NOTES, "a", json!({}))]).await.unwrap();
    assert_eq!(writing().await, "strict, reading");
    commit(&one, "known", vec![insert(&NOTES, "b", json!({}))]).await.unwrap();
    assert_eq!(writing().await, "strict, blind");
    commit(&one, "over", vec![put(&NOTES, "a", json!({"line": "1"}))]).await.unwrap();
    assert_eq!(writing().await, "strict, reading");

    let inserts = ["c", "d", "e"].map(|id| one.commit(batch(id, vec![insert(&NOTES, id, json!({}))])));
    for receipt in runstate::testing::join_all(inserts.into_iter().collect()).await {
        receipt.unwrap();
    }
    // One transaction for all three.
    assert_eq!(writing().await, "strict, reading");

    // Another connection commits first, so the blind transaction is aborted and followed by a reading one.
    commit(&two, "other", vec![insert(&NOTES, "f", json!({}))]).await.unwrap();
    writing().await;
    let revision = find(&one, &NOTES, "b").await.unwrap().unwrap().revision;
    let write = Write { expect: Expect::Revision(revision), ..put(&NOTES, "b", json!({"line": "2"})) };
    commit(&one, "overtaken", vec![write]).await.unwrap();
    let overtaken = writing().await;
    assert!(overtaken.split("; ").all(|tx| tx.starts_with("strict, ")), "{overtaken}");
    assert!(overtaken.ends_with("strict, reading"), "{overtaken}");

    commit(&one, "expires", vec![insert(&ITEMS, "x", json!({"at": 0}))]).await.unwrap();
    writing().await;
    assert_eq!(one.sweep(ITEMS.name, Timestamp::from_millis(5_000), 10).await.unwrap(), 1);
    assert_eq!(writing().await, "strict, reading");

    // On a connection that was opened again, and after the database was raised to another catalog.
    one.migrate(&next_catalog()).await.unwrap();
    commit(&one, "raised", vec![insert(&NOTES, "g", json!({}))]).await.unwrap();
    assert_eq!(writing().await, "strict, reading");
    assert_eq!(code(&commit(&two, "older", vec![insert(&NOTES, "h", json!({}))]).await), "read_only");
    assert_eq!(ids(&one, Query::of(&NOTES)).await.unwrap(), ["a", "b", "c", "d", "e", "f", "g"]);
}
