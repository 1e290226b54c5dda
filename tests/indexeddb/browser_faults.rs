//! Faults of the browser: denied access, closed connections, aborted transactions, and records that were edited by hand.

use runstate::engine::open::{self, MissingStore};
use runstate::schema::{Accumulator, Aggregate, Filter, Query};
use runstate::store::indexeddb::{IndexedDb, IndexedDbOptions};
use runstate::store::{Outcome, Store};
use runstate::time::Millis;
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

use super::browser::{BrowserPatch, RESTORE_TRANSACTION, edit_record, patch_next_write, run_script};
use super::fixture::{ITEMS, NOTES, batch, code, commit, find, ids, insert, next_catalog, open_with_note, put};
use super::{fresh_name, open_store};

#[wasm_bindgen_test]
async fn host_without_indexeddb_is_a_clear_error() {
    const RESTORE_INDEXEDDB: &str = "
        if (globalThis.property) Object.defineProperty(globalThis, 'indexedDB', globalThis.property);
        else delete globalThis.indexedDB;";
    run_script("globalThis.property = Object.getOwnPropertyDescriptor(globalThis, 'indexedDB')", "").await;
    let none = "Object.defineProperty(globalThis, 'indexedDB', { value: undefined, configurable: true })";
    let bent = BrowserPatch::apply(none, RESTORE_INDEXEDDB).await;
    assert_eq!(code(&open_store("any").await), "unsupported");
    drop(bent);
    let refused = "Object.defineProperty(globalThis, 'indexedDB', {
        get() { throw new DOMException('denied', 'SecurityError') }, configurable: true })";
    let bent = BrowserPatch::apply(refused, RESTORE_INDEXEDDB).await;
    let error = open_store("any").await.err().unwrap();
    drop(bent);
    assert_eq!(error.code().as_str(), "unavailable");
    assert!(error.to_string().contains("denies storage"), "{error}");
    open_with_note(&fresh_name()).await.close().await.unwrap();
}

#[wasm_bindgen_test]
async fn opening_only_existing_creates_no_database() {
    let name = fresh_name();
    let refused = open::open_with(&format!("indexeddb:{name}"), MissingStore::Refuse).await.err().unwrap();
    assert_eq!(refused.code.as_str(), "unavailable");
    let there = "return (await indexedDB.databases()).some((database) => database.name === name)";
    assert_eq!(run_script(there, &name).await, false);
    let made = open::open_with_id(&format!("indexeddb:{name}"), MissingStore::Create).await.ok().unwrap();
    let found = open::open_with_id(&format!("indexeddb:{name}"), MissingStore::Refuse).await.ok().unwrap();
    assert!(made.id.is_some() && made.id == found.id);
}

#[wasm_bindgen_test]
async fn foreign_database_is_left_unchanged() {
    let name = fresh_name();
    let foreign = "
        const request = indexedDB.open(name, 3);
        request.onupgradeneeded = () => request.result.createObjectStore('theirs');
        (await settled(request)).close();";
    run_script(foreign, &name).await;
    let error = open_store(&name).await.err().unwrap();
    assert!(error.to_string().contains("not a runstate store"), "{error}");
    let empty = super::fresh_name();
    run_script("(await settled(indexedDB.open(name))).close()", &empty).await;
    open_with_note(&empty).await.close().await.unwrap();
}

#[wasm_bindgen_test]
async fn upgrade_blocked_by_an_open_page_fails_after_its_timeout() {
    // A busy browser may take longer to open a database, and to report the page that blocks it.
    for timeout in [200, 2_000, 20_000] {
        let name = fresh_name();
        open_with_note(&name).await.close().await.unwrap();
        // An older page that does not handle `versionchange`.
        run_script("globalThis.held = await settled(indexedDB.open(name))", &name).await;
        let options = IndexedDbOptions { open_timeout: Millis(timeout), ..IndexedDbOptions::default() };
        let results = match IndexedDb::open(&name, options).await {
            Ok(store) => (store.migrate(&next_catalog()).await, store.migrate(&next_catalog()).await),
            Err(error) => (Err(error.clone()), Err(error)),
        };
        run_script("globalThis.held.close()", &name).await;
        let (first, second) = (results.0.unwrap_err(), results.1.unwrap_err());
        assert_eq!([first.code().as_str(), second.code().as_str()], ["unavailable"; 2]);
        // The second upgrade waits behind the first one, which cannot begin.
        let of_others = first.to_string().contains("another tab or window has it open");
        if of_others && second.to_string().contains("does not respond") {
            let store = open_store(&name).await.unwrap();
            store.migrate(&next_catalog()).await.unwrap();
            return assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a"]);
        }
        assert!(timeout < 20_000, "{first}; {second}");
    }
}

/// Records every opened connection, so that it can be closed as the browser closes it.
const REMEMBER_CONNECTIONS: &str = "
    globalThis.open = IDBFactory.prototype.open;
    globalThis.connections = [];
    IDBFactory.prototype.open = function (...given) {
        const request = globalThis.open.apply(this, given);
        request.addEventListener('success', () => globalThis.connections.push(request.result));
        return request;
    };";
const FORGET_CONNECTIONS: &str = "IDBFactory.prototype.open = globalThis.open";

#[wasm_bindgen_test]
async fn a_connection_that_is_closed_is_opened_again() {
    let name = fresh_name();
    let _bent = BrowserPatch::apply(REMEMBER_CONNECTIONS, FORGET_CONNECTIONS).await;
    let store = open_with_note(&name).await;
    const CLOSE: &str = "globalThis.connections.forEach((connection) => connection.close())";
    run_script(CLOSE, "").await;
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a"]);
    run_script(CLOSE, "").await;
    commit(&store, "b", vec![insert(&NOTES, "b", json!({}))]).await.unwrap();
    run_script(CLOSE, "").await;
    assert_eq!(store.changes(None, 10, Millis(0)).await.unwrap().events, []);
    // The browser sends an event if it closes the connection itself.
    run_script("globalThis.connections.forEach((c) => c.dispatchEvent(new Event('close')))", "").await;
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a", "b"]);
}

#[wasm_bindgen_test]
async fn interrupted_commit_is_applied_once() {
    let store = open_with_note(&fresh_name()).await;
    // The transaction is aborted before anything is stored.
    let bent = BrowserPatch::apply(&patch_next_write("queueMicrotask(() => tx.abort())"), RESTORE_TRANSACTION).await;
    let receipt = commit(&store, "b", vec![insert(&NOTES, "b", json!({}))]).await.unwrap();
    drop(bent);
    assert!(!receipt.replayed);
    // The commit is stored, but its completion is not reported.
    let cut = patch_next_write("tx.addEventListener('complete', () => tx.dispatchEvent(new Event('abort')))");
    let bent = BrowserPatch::apply(&cut, RESTORE_TRANSACTION).await;
    let receipt = commit(&store, "c", vec![insert(&NOTES, "c", json!({}))]).await.unwrap();
    drop(bent);
    assert_eq!(receipt.result, "result of c");
    for id in ["b", "c"] {
        assert_eq!(find(&store, &NOTES, id).await.unwrap().unwrap().revision.writes(), 1);
    }
}

#[wasm_bindgen_test]
async fn commit_whose_outcome_cannot_be_read_is_unknown() {
    let store = open_with_note(&fresh_name()).await;
    let cut = patch_next_write(
        "tx.addEventListener('complete', () => {
             IDBDatabase.prototype.transaction = () => { throw new DOMException('it is gone', 'InvalidStateError') };
             tx.dispatchEvent(new Event('abort'));
         })",
    );
    let bent = BrowserPatch::apply(&cut, RESTORE_TRANSACTION).await;
    let answer = commit(&store, "b", vec![insert(&NOTES, "b", json!({}))]).await;
    drop(bent);
    assert_eq!(code(&answer), "unknown_outcome");
    assert_ne!(store.outcome(&batch("b", vec![]).command).await.unwrap(), Outcome::Absent);
}

#[wasm_bindgen_test]
async fn each_of_several_unresolved_commits_is_unknown() {
    let store = open_with_note(&fresh_name()).await;
    let cut = patch_next_write(
        "tx.addEventListener('complete', () => {
             IDBDatabase.prototype.transaction = () => { throw new DOMException('it is gone', 'InvalidStateError') };
             tx.dispatchEvent(new Event('abort'));
         })",
    );
    let bent = BrowserPatch::apply(&cut, RESTORE_TRANSACTION).await;
    let commits = ["b", "c"].map(|id| store.commit(batch(id, vec![insert(&NOTES, id, json!({}))])));
    let answers = runstate::testing::join_all(commits.into_iter().collect()).await;
    drop(bent);
    // Both commits are stored. A caller that took them for failed would repeat them.
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a", "b", "c"]);
    assert_eq!(answers.iter().map(code).collect::<Vec<_>>(), ["unknown_outcome", "unknown_outcome"]);
}

#[wasm_bindgen_test]
async fn connection_closed_during_a_commit_is_reopened() {
    let store = open_with_note(&fresh_name()).await;
    let closing =
        "Object.defineProperty(tx, 'error', { value: new DOMException('Connection is closing.', 'UnknownError') });";
    let kept = "tx.addEventListener('complete', () => tx.dispatchEvent(new Event('abort')))";
    let bent = BrowserPatch::apply(&patch_next_write(&format!("{closing} {kept}")), RESTORE_TRANSACTION).await;
    let receipt = commit(&store, "b", vec![insert(&NOTES, "b", json!({}))]).await;
    drop(bent);
    assert_eq!(receipt.unwrap().result, "result of b");
    assert_eq!(find(&store, &NOTES, "b").await.unwrap().unwrap().revision.writes(), 1);
}

#[wasm_bindgen_test]
async fn closing_during_a_reopen_leaves_no_connection() {
    let name = fresh_name();
    let _bent = BrowserPatch::apply(REMEMBER_CONNECTIONS, FORGET_CONNECTIONS).await;
    let store = open_with_note(&name).await;
    run_script("globalThis.connections.forEach((c) => c.dispatchEvent(new Event('close')))", "").await;
    let reading = Box::pin(async { code(&find(&store, &NOTES, "a").await) });
    let closing = Box::pin(async { code(&store.close().await) });
    let both = vec![reading as runstate::marker::BoxFuture<'_, &str>, closing];
    assert_eq!(runstate::testing::join_all(both).await, ["closed", "ok"]);
}

#[wasm_bindgen_test]
async fn record_edited_by_hand_is_reported_as_named_damage() {
    let name = fresh_name();
    let store = open_with_note(&name).await;
    let items = (0..3).map(|i| put(&ITEMS, &format!("i{i}"), json!({"n": i, "tags": ["t"]})));
    commit(&store, "items", items.collect()).await.unwrap();
    let all = Aggregate {
        collection: ITEMS.name.to_owned(),
        filter: Filter::All,
        group_by: vec![],
        accumulators: vec![("n".to_owned(), Accumulator::Count)],
    };
    // Each edit is followed by a restore.
    let edits = [
        "record.doc = record.doc.replace('1', '2')",
        "record.rev = '7' + record.rev.slice(1)",
        "record.v = 9",
        "record.id = 'i2'",
        "delete record.crc",
        "record.doc = 10n",
        "record.doc = undefined",
        "return null",
        "return 'text'",
    ];
    run_script("globalThis.before = undefined", "").await;
    for body in edits {
        edit_record(&name, ITEMS.name, "i1", &format!("globalThis.before ??= structuredClone(record); {body}")).await;
        let answers = [
            find(&store, &ITEMS, "i1").await.map(drop),
            ids(&store, Query::of(&ITEMS)).await.map(drop),
            store.aggregate(&all).await.map(drop),
            commit(&store, "over it", vec![put(&ITEMS, "i1", json!({}))]).await.map(drop),
        ];
        for answer in answers {
            assert_eq!(code(&answer), "corrupt", "{body}");
            let error = answer.unwrap_err().to_string();
            assert!(error.starts_with("try.items/i1 is damaged"), "{body}: {error}");
        }
        assert_eq!(find(&store, &ITEMS, "i2").await.unwrap().unwrap().document["n"], 2);
        assert_eq!(ids(&store, Query::of(&ITEMS).eq("n", 2)).await.unwrap(), ["i2"]);
        edit_record(&name, ITEMS.name, "i1", "return structuredClone(globalThis.before)").await;
    }
    assert_eq!(ids(&store, Query::of(&ITEMS).eq("n", 1)).await.unwrap(), ["i1"]);
    // An entry that its document does not have: the entry of another document.
    edit_record(&name, ITEMS.name, "i2", "globalThis.entries = record.i").await;
    edit_record(&name, ITEMS.name, "i1", "record.i = globalThis.entries").await;
    let led = ids(&store, Query::of(&ITEMS).eq("n", 2)).await;
    assert!(led.as_ref().unwrap_err().to_string().starts_with("try.items/i1 is damaged"), "{led:?}");
}

#[wasm_bindgen_test]
async fn deleted_database_is_not_recreated_by_open_handles() {
    let name = fresh_name();
    let store = open_with_note(&name).await;
    run_script("await settled(indexedDB.deleteDatabase(name))", &name).await;
    let error = find(&store, &NOTES, "a").await.unwrap_err();
    assert!(error.to_string().contains("it was deleted"), "{error}");
    let begun_anew = open_with_note(&name).await;
    assert_ne!(begun_anew.id(), store.id());
    assert_eq!(code(&commit(&store, "b", vec![put(&NOTES, "b", json!({}))]).await), "unavailable");
}
