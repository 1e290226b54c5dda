//! Commits that read nothing, since what they rest on is known: in one tab, and where another tab commits too.

use runstate::schema::Query;
use runstate::store::indexeddb::IndexedDb;
use runstate::store::{Expect, Store, Write};
use runstate::time::Millis;
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

use super::browser::{Bent, run};
use super::scene::{ITEMS, NOTES, batch, catalog, code, commit, find, ids, insert, put};
use super::{name, opened};

async fn begun(name: &str) -> IndexedDb {
    let store = opened(name).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    store
}

/// Writes `n` over the note as the store finds it now.
async fn over(store: &IndexedDb, id: &str, n: u64) -> Write {
    let revision = find(store, &NOTES, id).await.unwrap().unwrap().revision;
    Write { expect: Expect::Revision(revision), ..put(&NOTES, id, json!({"n": n})) }
}

/// Counts what transactions that write read.
const COUNT_READS: &str = "
    globalThis.reads = 0;
    globalThis.readers = ['get', 'getAll', 'getAllKeys', 'openKeyCursor'].map((name) => [name, IDBObjectStore.prototype[name]]);
    for (const [name, read] of globalThis.readers) {
        IDBObjectStore.prototype[name] = function (...given) {
            if (this.transaction.mode === 'readwrite') globalThis.reads++;
            return read.apply(this, given);
        };
    }";
const COUNT_NO_MORE: &str = "for (const [name, read] of globalThis.readers) IDBObjectStore.prototype[name] = read;";

#[wasm_bindgen_test]
async fn a_commit_on_what_is_known_reads_nothing() {
    let store = begun(&name()).await;
    commit(&store, "1", vec![insert(&NOTES, "a", json!({}))]).await.unwrap();
    let write = over(&store, "a", 2).await;
    let bent = Bent::by(COUNT_READS, COUNT_NO_MORE).await;
    let receipt = commit(&store, "2", vec![write, insert(&NOTES, "b", json!({}))]).await.unwrap();
    let reads = run("return globalThis.reads", "").await;
    drop(bent);
    assert_eq!(reads, 0.0);
    assert_eq!(receipt.result, "result of 2");
    assert_eq!(find(&store, &NOTES, "a").await.unwrap().unwrap().document["n"], 2);
    // The position is that of the feed.
    assert_eq!(store.changes(Some(receipt.position), 9, Millis(0)).await.unwrap().events, []);
}

#[wasm_bindgen_test]
async fn what_another_tab_did_meanwhile_is_found_out() {
    let name = name();
    let (one, two) = (begun(&name).await, begun(&name).await);
    commit(&one, "1", vec![insert(&NOTES, "a", json!({}))]).await.unwrap();
    let stale = over(&one, "a", 3).await;
    let write = over(&two, "a", 2).await;
    commit(&two, "2", vec![write, insert(&NOTES, "b", json!({}))]).await.unwrap();
    // One knows nothing of it.
    assert_eq!(code(&commit(&one, "3", vec![stale]).await), "conflict");
    let write = over(&two, "a", 4).await;
    commit(&two, "4", vec![write]).await.unwrap();
    assert_eq!(code(&commit(&one, "5", vec![insert(&NOTES, "b", json!({}))]).await), "conflict");
    // Their repeat, by the other one.
    assert!(commit(&one, "4", vec![]).await.unwrap().replayed);
    let other = batch("4", vec![]);
    let other = runstate::store::Batch { fingerprint: "another".to_owned(), ..other };
    assert_eq!(code(&one.commit(other).await), "command_id_reused");
    // What does not clash stands, in one order for both.
    commit(&one, "6", vec![insert(&NOTES, "c", json!({}))]).await.unwrap();
    let last = commit(&two, "7", vec![insert(&NOTES, "d", json!({}))]).await.unwrap();
    assert_eq!(one.changes(Some(last.position), 9, Millis(0)).await.unwrap().events, []);
    assert_eq!(ids(&one, Query::of(&NOTES)).await.unwrap(), ["a", "b", "c", "d"]);
}

#[wasm_bindgen_test]
async fn two_who_count_at_once_lose_nothing() {
    const EACH: u64 = 40;
    let name = name();
    let (one, two) = (begun(&name).await, begun(&name).await);
    commit(&one, "begin", vec![insert(&NOTES, "n", json!({"n": 0}))]).await.unwrap();
    let start = one.changes(None, 1, Millis(0)).await.unwrap().next;
    let count = async |store: &IndexedDb, who: &str| {
        let mut clashes = 0;
        for step in 0..EACH {
            loop {
                let found = find(store, &NOTES, "n").await.unwrap().unwrap();
                let next = found.document["n"].as_u64().unwrap() + 1;
                let write = Write { expect: Expect::Revision(found.revision), ..put(&NOTES, "n", json!({"n": next})) };
                let row = insert(&ITEMS, &format!("{who}-{step}"), json!({"n": next}));
                match commit(store, &format!("{who} {step} {clashes}"), vec![write, row]).await {
                    Ok(_) => break,
                    refused => assert_eq!(code(&refused), "conflict"),
                }
                clashes += 1;
            }
        }
    };
    let both: Vec<runstate::marker::BoxFuture<'_, ()>> =
        vec![Box::pin(count(&one, "one")), Box::pin(count(&two, "two"))];
    runstate::testing::join_all(both).await;
    assert_eq!(find(&two, &NOTES, "n").await.unwrap().unwrap().document["n"], 2 * EACH);
    // Each has its place in the order, and no number is there twice.
    let told = two.changes(Some(start), 1_000, Millis(0)).await.unwrap().events;
    assert_eq!(told.len() as u64, 4 * EACH);
    let mut seen: Vec<u64> = Vec::new();
    for id in ids(&two, Query::of(&ITEMS)).await.unwrap() {
        seen.push(find(&two, &ITEMS, &id).await.unwrap().unwrap().document["n"].as_u64().unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=2 * EACH).collect::<Vec<_>>());
}

#[wasm_bindgen_test]
async fn a_sweep_and_unique_entries_are_no_blind_spots() {
    let store = begun(&name()).await;
    commit(&store, "1", vec![insert(&ITEMS, "a", json!({"name": "x", "at": 0}))]).await.unwrap();
    let taken = commit(&store, "2", vec![insert(&ITEMS, "b", json!({"name": "x"}))]).await;
    assert_eq!(code(&taken), "unique_violation");
    let a = find(&store, &ITEMS, "a").await.unwrap().unwrap();
    assert_eq!(store.sweep(ITEMS.name, runstate::time::Timestamp::from_millis(5_000), 10).await.unwrap(), 1);
    let write = Write { expect: Expect::Revision(a.revision), ..put(&ITEMS, "a", json!({})) };
    assert_eq!(code(&commit(&store, "3", vec![write]).await), "conflict");
    commit(&store, "4", vec![insert(&ITEMS, "b", json!({"name": "x"}))]).await.unwrap();
}
