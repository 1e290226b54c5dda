//! Transactions of commits are strictly durable, so that an acknowledged commit is on disk. Commits of several tabs
//! lose no update.

use runstate::schema::Query;
use runstate::store::indexeddb::IndexedDb;
use runstate::store::{Expectation, Store, StoreAdmin, Write};
use runstate::time::{Millis, Timestamp};
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

use super::fixture::{
    BrowserPatch, ITEMS, NOTES, batch, code, commit, find, ids, insert, next_catalog, open_migrated, put, run_script,
};
use super::fresh_name;

/// Records every transaction.
const RECORD_TRANSACTIONS: &str = "
    globalThis.transactions = [];
    globalThis.begin = IDBDatabase.prototype.transaction;
    IDBDatabase.prototype.transaction = function (...given) {
        const tx = globalThis.begin.apply(this, given);
        globalThis.transactions.push(tx);
        return tx;
    };";
const STOP_RECORDING: &str = "IDBDatabase.prototype.transaction = globalThis.begin;";

/// Returns the durability of the transactions with writes since the last call.
const TAKE_WRITES: &str = "
    const writing = globalThis.transactions.filter((tx) => tx.mode === 'readwrite');
    globalThis.transactions = [];
    return writing.map((tx) => tx.durability).join('; ');";

async fn take_writes() -> String {
    run_script(TAKE_WRITES, "").await.as_string().unwrap()
}

#[wasm_bindgen_test]
async fn every_transaction_that_writes_is_strictly_durable() {
    let name = fresh_name();
    let _patch = BrowserPatch::apply(RECORD_TRANSACTIONS, STOP_RECORDING).await;
    let (one, two) = (open_migrated(&name).await, open_migrated(&name).await);
    take_writes().await;

    commit(&one, "first", vec![insert(&NOTES, "a", json!({}))]).await.unwrap();
    assert_eq!(take_writes().await, "strict");
    commit(&one, "known", vec![insert(&NOTES, "b", json!({}))]).await.unwrap();
    assert_eq!(take_writes().await, "strict");
    commit(&one, "over", vec![put(&NOTES, "a", json!({"line": "1"}))]).await.unwrap();
    assert_eq!(take_writes().await, "strict");

    let inserts = ["c", "d", "e"].map(|id| one.commit(batch(id, vec![insert(&NOTES, id, json!({}))])));
    for receipt in runstate::testing::join_all(inserts.into_iter().collect()).await {
        receipt.unwrap();
    }
    // One transaction commits all three.
    assert_eq!(take_writes().await, "strict");

    // Another connection commits first. One transaction detects that the document has not changed.
    commit(&two, "other", vec![insert(&NOTES, "f", json!({}))]).await.unwrap();
    take_writes().await;
    let revision = find(&one, &NOTES, "b").await.unwrap().unwrap().revision;
    let write = Write { expect: Expectation::Revision(revision), ..put(&NOTES, "b", json!({"line": "2"})) };
    commit(&one, "overtaken", vec![write]).await.unwrap();
    assert_eq!(take_writes().await, "strict");

    commit(&one, "expires", vec![insert(&ITEMS, "x", json!({"at": 0}))]).await.unwrap();
    take_writes().await;
    assert_eq!(one.sweep(ITEMS.name, Timestamp::from_millis(5_000), 10).await.unwrap(), 1);
    assert_eq!(take_writes().await, "strict");

    // The connection is opened again after the upgrade to another catalog.
    one.migrate(&next_catalog()).await.unwrap();
    commit(&one, "raised", vec![insert(&NOTES, "g", json!({}))]).await.unwrap();
    assert_eq!(take_writes().await, "strict");
    assert_eq!(code(&commit(&two, "older", vec![insert(&NOTES, "h", json!({}))]).await), "read_only");
    assert_eq!(ids(&one, Query::of(&NOTES)).await.unwrap(), ["a", "b", "c", "d", "e", "f", "g"]);
}

/// Returns a write of `n` over the current revision of the note.
async fn overwrite(store: &IndexedDb, id: &str, n: u64) -> Write {
    let revision = find(store, &NOTES, id).await.unwrap().unwrap().revision;
    Write { expect: Expectation::Revision(revision), ..put(&NOTES, id, json!({"n": n})) }
}

#[wasm_bindgen_test]
async fn commits_of_another_tab_cause_conflicts_not_lost_updates() {
    let name = fresh_name();
    let (one, two) = (open_migrated(&name).await, open_migrated(&name).await);
    commit(&one, "1", vec![insert(&NOTES, "a", json!({}))]).await.unwrap();
    let stale = overwrite(&one, "a", 3).await;
    let write = overwrite(&two, "a", 2).await;
    commit(&two, "2", vec![write, insert(&NOTES, "b", json!({}))]).await.unwrap();
    // The first tab has not seen this commit.
    assert_eq!(code(&commit(&one, "3", vec![stale]).await), "conflict");
    let write = overwrite(&two, "a", 4).await;
    commit(&two, "4", vec![write]).await.unwrap();
    assert_eq!(code(&commit(&one, "5", vec![insert(&NOTES, "b", json!({}))]).await), "conflict");
    // The first tab repeats the command of the second tab.
    assert!(commit(&one, "4", vec![]).await.unwrap().replayed);
    let other = batch("4", vec![]);
    let other = runstate::store::Batch { fingerprint: "another".to_owned(), ..other };
    assert_eq!(code(&one.commit(other).await), "command_id_reused");
    // Commits that do not conflict are applied, in the same order for both tabs.
    commit(&one, "6", vec![insert(&NOTES, "c", json!({}))]).await.unwrap();
    let last = commit(&two, "7", vec![insert(&NOTES, "d", json!({}))]).await.unwrap();
    assert_eq!(one.changes(Some(last.position), 9, Millis(0)).await.unwrap().events, []);
    assert_eq!(ids(&one, Query::of(&NOTES)).await.unwrap(), ["a", "b", "c", "d"]);
}

#[wasm_bindgen_test]
async fn two_tabs_counting_at_once_lose_no_update() {
    const EACH: u64 = 40;
    let name = fresh_name();
    let (one, two) = (open_migrated(&name).await, open_migrated(&name).await);
    commit(&one, "begin", vec![insert(&NOTES, "n", json!({"n": 0}))]).await.unwrap();
    let start = one.changes(None, 1, Millis(0)).await.unwrap().next;
    let count = async |store: &IndexedDb, tab: &str| {
        let mut conflicts = 0;
        for step in 0..EACH {
            loop {
                let found = find(store, &NOTES, "n").await.unwrap().unwrap();
                let next = found.document["n"].as_u64().unwrap() + 1;
                let write =
                    Write { expect: Expectation::Revision(found.revision), ..put(&NOTES, "n", json!({"n": next})) };
                let row = insert(&ITEMS, &format!("{tab}-{step}"), json!({"n": next}));
                match commit(store, &format!("{tab} {step} {conflicts}"), vec![write, row]).await {
                    Ok(_) => break,
                    result => assert_eq!(code(&result), "conflict"),
                }
                conflicts += 1;
            }
        }
    };
    let both: Vec<runstate::marker::BoxFuture<'_, ()>> =
        vec![Box::pin(count(&one, "one")), Box::pin(count(&two, "two"))];
    runstate::testing::join_all(both).await;
    assert_eq!(find(&two, &NOTES, "n").await.unwrap().unwrap().document["n"], 2 * EACH);
    // Each commit has its position in the feed, and no number occurs twice.
    let events = two.changes(Some(start), 1_000, Millis(0)).await.unwrap().events;
    assert_eq!(events.len() as u64, 4 * EACH);
    let mut numbers: Vec<u64> = Vec::new();
    for id in ids(&two, Query::of(&ITEMS)).await.unwrap() {
        numbers.push(find(&two, &ITEMS, &id).await.unwrap().unwrap().document["n"].as_u64().unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=2 * EACH).collect::<Vec<_>>());
}

#[wasm_bindgen_test]
async fn commits_respect_sweeps_and_unique_entries() {
    let store = open_migrated(&fresh_name()).await;
    commit(&store, "1", vec![insert(&ITEMS, "a", json!({"name": "x", "at": 0}))]).await.unwrap();
    let result = commit(&store, "2", vec![insert(&ITEMS, "b", json!({"name": "x"}))]).await;
    assert_eq!(code(&result), "unique_violation");
    let a = find(&store, &ITEMS, "a").await.unwrap().unwrap();
    assert_eq!(store.sweep(ITEMS.name, runstate::time::Timestamp::from_millis(5_000), 10).await.unwrap(), 1);
    let write = Write { expect: Expectation::Revision(a.revision), ..put(&ITEMS, "a", json!({})) };
    assert_eq!(code(&commit(&store, "3", vec![write]).await), "conflict");
    let receipt = commit(&store, "4", vec![insert(&ITEMS, "b", json!({"name": "x"}))]).await.unwrap();
    assert_eq!(receipt.result, "result of 4");
    // The receipt's position is the current end of the feed.
    assert_eq!(store.changes(Some(receipt.position), 9, Millis(0)).await.unwrap().events, []);
}
