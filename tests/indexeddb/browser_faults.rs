//! Faults of the browser: denied access, closed connections, aborted transactions, and records that were edited by
//! hand. Without space, its quota is exhausted, its disk is full, or its estimate predicts it.

use runstate::open;
use runstate::open::MissingStore;
use runstate::schema::{Accumulator, Aggregate, Filter, Query};
use runstate::store::indexeddb::{IndexedDb, IndexedDbOptions};
use runstate::store::{Outcome, Store, StoreAdmin};
use runstate::time::Millis;
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

use super::fixture::{
    BrowserPatch, ITEMS, NOTES, RESTORE_TRANSACTION, batch, code, commit, edit_record, find, ids, insert, next_catalog,
    open_with_note, patch_next_write, put, run_script,
};
use super::{fresh_name, open_store};

#[wasm_bindgen_test]
async fn host_without_indexeddb_is_a_clear_error() {
    const RESTORE_INDEXEDDB: &str = "
        if (globalThis.property) Object.defineProperty(globalThis, 'indexedDB', globalThis.property);
        else delete globalThis.indexedDB;";
    run_script("globalThis.property = Object.getOwnPropertyDescriptor(globalThis, 'indexedDB')", "").await;
    let remove_indexeddb = "Object.defineProperty(globalThis, 'indexedDB', { value: undefined, configurable: true })";
    let patch = BrowserPatch::apply(remove_indexeddb, RESTORE_INDEXEDDB).await;
    assert_eq!(code(&open_store("any").await), "unsupported");
    drop(patch);
    let deny_access = "Object.defineProperty(globalThis, 'indexedDB', {
        get() { throw new DOMException('denied', 'SecurityError') }, configurable: true })";
    let patch = BrowserPatch::apply(deny_access, RESTORE_INDEXEDDB).await;
    let error = open_store("any").await.err().unwrap();
    drop(patch);
    assert_eq!(error.code().as_str(), "unavailable");
    assert!(error.to_string().contains("denies storage"), "{error}");
    open_with_note(&fresh_name()).await.close().await.unwrap();
}

#[wasm_bindgen_test]
async fn opening_only_existing_creates_no_database() {
    let name = fresh_name();
    let error = open::open_with(&format!("indexeddb:{name}"), MissingStore::Refuse).await.err().unwrap();
    assert_eq!(error.code.as_str(), "unavailable");
    let exists = "return (await indexedDB.databases()).some((database) => database.name === name)";
    assert_eq!(run_script(exists, &name).await, false);
    let created = open::open_with_id(&format!("indexeddb:{name}"), MissingStore::Create).await.ok().unwrap();
    let found = open::open_with_id(&format!("indexeddb:{name}"), MissingStore::Refuse).await.ok().unwrap();
    assert!(created.id.is_some() && created.id == found.id);
}

#[wasm_bindgen_test]
async fn foreign_database_is_left_unchanged() {
    let name = fresh_name();
    let create_foreign = "
        const request = indexedDB.open(name, 3);
        request.onupgradeneeded = () => request.result.createObjectStore('theirs');
        (await settled(request)).close();";
    run_script(create_foreign, &name).await;
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
        let is_blocked = first.to_string().contains("another tab or window has it open");
        if is_blocked && second.to_string().contains("does not respond") {
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
async fn closed_connection_is_reopened() {
    let name = fresh_name();
    let _patch = BrowserPatch::apply(REMEMBER_CONNECTIONS, FORGET_CONNECTIONS).await;
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
    let patch = BrowserPatch::apply(&patch_next_write("queueMicrotask(() => tx.abort())"), RESTORE_TRANSACTION).await;
    let receipt = commit(&store, "b", vec![insert(&NOTES, "b", json!({}))]).await.unwrap();
    drop(patch);
    assert!(!receipt.replayed);
    // The commit is stored, but its completion is not reported.
    let cut = patch_next_write("tx.addEventListener('complete', () => tx.dispatchEvent(new Event('abort')))");
    let patch = BrowserPatch::apply(&cut, RESTORE_TRANSACTION).await;
    let receipt = commit(&store, "c", vec![insert(&NOTES, "c", json!({}))]).await.unwrap();
    drop(patch);
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
    let patch = BrowserPatch::apply(&cut, RESTORE_TRANSACTION).await;
    let result = commit(&store, "b", vec![insert(&NOTES, "b", json!({}))]).await;
    drop(patch);
    assert_eq!(code(&result), "unknown_outcome");
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
    let patch = BrowserPatch::apply(&cut, RESTORE_TRANSACTION).await;
    let commits = ["b", "c"].map(|id| store.commit(batch(id, vec![insert(&NOTES, id, json!({}))])));
    let results = runstate::testing::join_all(commits.into_iter().collect()).await;
    drop(patch);
    // Both commits are stored. A caller that took them for failed would repeat them.
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a", "b", "c"]);
    assert_eq!(results.iter().map(code).collect::<Vec<_>>(), ["unknown_outcome", "unknown_outcome"]);
}

#[wasm_bindgen_test]
async fn connection_closed_during_a_commit_is_reopened() {
    let store = open_with_note(&fresh_name()).await;
    let closing =
        "Object.defineProperty(tx, 'error', { value: new DOMException('Connection is closing.', 'UnknownError') });";
    let drop_completion = "tx.addEventListener('complete', () => tx.dispatchEvent(new Event('abort')))";
    let patch =
        BrowserPatch::apply(&patch_next_write(&format!("{closing} {drop_completion}")), RESTORE_TRANSACTION).await;
    let receipt = commit(&store, "b", vec![insert(&NOTES, "b", json!({}))]).await;
    drop(patch);
    assert_eq!(receipt.unwrap().result, "result of b");
    assert_eq!(find(&store, &NOTES, "b").await.unwrap().unwrap().revision.writes(), 1);
}

#[wasm_bindgen_test]
async fn closing_during_a_reopen_leaves_no_connection() {
    let name = fresh_name();
    let _patch = BrowserPatch::apply(REMEMBER_CONNECTIONS, FORGET_CONNECTIONS).await;
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
        let results = [
            find(&store, &ITEMS, "i1").await.map(drop),
            ids(&store, Query::of(&ITEMS)).await.map(drop),
            store.aggregate(&all).await.map(drop),
            commit(&store, "over it", vec![put(&ITEMS, "i1", json!({}))]).await.map(drop),
        ];
        for result in results {
            assert_eq!(code(&result), "corrupt", "{body}");
            let error = result.unwrap_err().to_string();
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
    let result = ids(&store, Query::of(&ITEMS).eq("n", 2)).await;
    assert!(result.as_ref().unwrap_err().to_string().starts_with("try.items/i1 is damaged"), "{result:?}");
}

#[wasm_bindgen_test]
async fn deleted_database_is_not_recreated_by_open_handles() {
    let name = fresh_name();
    let store = open_with_note(&name).await;
    run_script("await settled(indexedDB.deleteDatabase(name))", &name).await;
    let error = find(&store, &NOTES, "a").await.unwrap_err();
    assert!(error.to_string().contains("it was deleted"), "{error}");
    let recreated = open_with_note(&name).await;
    assert_ne!(recreated.id(), store.id());
    assert_eq!(code(&commit(&store, "b", vec![put(&NOTES, "b", json!({}))]).await), "unavailable");
}

/// Returns a patch: writes fail for lack of space if `full` returns true for the key and the number of earlier writes.
fn fail_writes_where(full: &str) -> String {
    format!(
        "let written = 0;
         globalThis.written = ['put', 'add'].map((name) => [name, IDBObjectStore.prototype[name]]);
         for (const [name, write] of globalThis.written) {{
             IDBObjectStore.prototype[name] = function (value, key) {{
                 if (((key, written) => {full})(key, written++)) throw new DOMException('no space', 'QuotaExceededError');
                 return write.call(this, value, key);
             }};
         }}"
    )
}
const RESTORE_SPACE: &str =
    "for (const [name, write] of globalThis.written) IDBObjectStore.prototype[name] = write; return undefined;";

/// The exception is simulated, at each write in turn. Other tests exhaust the quota of a browser.
#[wasm_bindgen_test]
async fn commit_without_space_writes_nothing() {
    let store = open_with_note(&fresh_name()).await;
    let inserts = || (0..3).map(|i| insert(&NOTES, &format!("n{i}"), json!({}))).collect::<Vec<_>>();
    let overwrite = || put(&NOTES, "a", json!({"line": "2"}));
    for overwrites in [false, true] {
        let writes = || inserts().into_iter().chain(overwrites.then(overwrite)).collect::<Vec<_>>();
        // The documents, the ledger row and the feed record.
        for allowed in 0..writes().len() + 2 {
            commit(&store, &format!("before {overwrites} {allowed}"), vec![put(&NOTES, "a", json!({}))]).await.unwrap();
            let start = store.changes(None, 1, Millis(0)).await.unwrap().next;
            let patch = BrowserPatch::apply(&fail_writes_where(&format!("written >= {allowed}")), RESTORE_SPACE).await;
            let result = commit(&store, "c", writes()).await;
            drop(patch);
            assert_eq!(code(&result), "full", "after {allowed}");
            assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a"]);
            assert_eq!(store.outcome(&batch("c", vec![]).command).await.unwrap(), Outcome::Absent);
            assert_eq!(store.changes(Some(start), 9, Millis(0)).await.unwrap().events, []);
        }
    }
    commit(&store, "c", inserts()).await.unwrap();
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a", "n0", "n1", "n2"]);
}

/// Chromium aborts a transaction like this if it cannot write values to files. The name of the exception varies.
#[wasm_bindgen_test]
async fn full_disk_known_only_by_message_is_reported_as_full() {
    let store = open_with_note(&fresh_name()).await;
    let exceptions = [
        ("DataError", "Failed to write blobs (FILE_ERROR_NO_SPACE)"),
        ("UnknownError", "Failed to write blobs (FILE_ERROR_FAILED)"),
        (
            "UnknownError",
            "Connection is closing because of: IO error: .../000003.log: FILE_ERROR_NO_SPACE (WritableFileAppend)",
        ),
        ("UnknownError", "Encountered full disk while opening backing store for indexedDB.open."),
        ("AbortError", "database or disk is full"),
    ];
    for (name, message) in exceptions {
        let fails = format!(
            "Object.defineProperty(tx, 'error', {{ value: new DOMException('{message}', '{name}') }});
             tx.commit = () => tx.abort();"
        );
        let patch = BrowserPatch::apply(&patch_next_write(&fails), RESTORE_TRANSACTION).await;
        let result = commit(&store, "b", vec![insert(&NOTES, "b", json!({}))]).await;
        drop(patch);
        assert_eq!(code(&result), "full", "{name}: {message}");
        assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a"]);
    }
    commit(&store, "b", vec![insert(&NOTES, "b", json!({}))]).await.unwrap();
}

/// Chromium on a full disk closes the database with the commit that fails, and opens it only after space is available.
#[wasm_bindgen_test]
async fn database_that_a_full_disk_closed_is_full_until_it_opens() {
    let store = open_with_note(&fresh_name()).await;
    let closes = "
        Object.defineProperty(tx, 'error', { value: new DOMException('IO error: FILE_ERROR_NO_SPACE', 'UnknownError') });
        globalThis.reopen = IDBFactory.prototype.open;
        IDBFactory.prototype.open = function () {
            const request = { error: new DOMException('Internal error opening backing store for indexedDB.open.', 'UnknownError') };
            setTimeout(() => request.onerror({ type: 'error', target: request, preventDefault() {} }));
            return request;
        };
        tx.commit = () => { tx.abort(); tx.db.dispatchEvent(new Event('close')); };";
    const RESTORE_CONNECTIONS: &str =
        "IDBDatabase.prototype.transaction = globalThis.begin; IDBFactory.prototype.open = globalThis.reopen;";
    let patch = BrowserPatch::apply(&patch_next_write(closes), RESTORE_CONNECTIONS).await;
    let insert_b = || vec![insert(&NOTES, "b", json!({}))];
    let results = [commit(&store, "b", insert_b()).await, commit(&store, "b", insert_b()).await];
    let read = ids(&store, Query::of(&NOTES)).await;
    drop(patch);
    assert_eq!(results.each_ref().map(code), ["full", "full"]);
    assert_eq!(code(&read), "full");
    commit(&store, "b", insert_b()).await.unwrap();
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a", "b"]);
}

#[wasm_bindgen_test]
async fn large_commit_beyond_the_estimate_is_refused_before_it_is_written() {
    let store = open_with_note(&fresh_name()).await;
    let estimated = |estimate: &str| {
        format!(
            "globalThis.estimate = StorageManager.prototype.estimate;
             StorageManager.prototype.estimate = async () => ({estimate});"
        )
    };
    const RESTORE_ESTIMATE: &str = "StorageManager.prototype.estimate = globalThis.estimate";
    let text = "x".repeat(2 * 1024 * 1024);
    let large = || vec![put(&NOTES, "large", json!({"line": text}))];
    let patch = BrowserPatch::apply(&estimated("{ quota: 3_000_000, usage: 2_000_000 }"), RESTORE_ESTIMATE).await;
    let (error, small) = (
        commit(&store, "large", large()).await.unwrap_err(),
        commit(&store, "small", vec![put(&NOTES, "b", json!({}))]).await,
    );
    drop(patch);
    assert_eq!((error.code().as_str(), code(&small)), ("full", "ok"));
    assert!(error.to_string().contains("1000000 bytes left"), "{error}");
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a", "b"]);
    for no_estimate in ["{}", "{ quota: 9_000_000, usage: 0 }"] {
        let patch = BrowserPatch::apply(&estimated(no_estimate), RESTORE_ESTIMATE).await;
        let written = commit(&store, &format!("large {no_estimate}"), large()).await;
        drop(patch);
        assert_eq!(code(&written), "ok", "{no_estimate}");
    }
    // A repeated command needs no space.
    let patch = BrowserPatch::apply(&estimated("{ quota: 3_000_000, usage: 3_000_000 }"), RESTORE_ESTIMATE).await;
    let repeated = commit(&store, "large {}", large()).await;
    drop(patch);
    assert!(repeated.unwrap().replayed);
}

#[wasm_bindgen_test]
async fn oversized_commit_does_not_fail_concurrent_commits() {
    let store = open_with_note(&fresh_name()).await;
    let patch = BrowserPatch::apply(&fail_writes_where("key === 'large'"), RESTORE_SPACE).await;
    let commits = ["x", "large", "y"].map(|id| store.commit(batch(id, vec![insert(&NOTES, id, json!({}))])));
    let results = runstate::testing::join_all(commits.into_iter().collect()).await;
    drop(patch);
    assert_eq!(results.iter().map(code).collect::<Vec<_>>(), ["ok", "full", "ok"]);
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a", "x", "y"]);
}
