//! A browser without space: its quota is exhausted, its disk is full, or its estimate predicts it.

use runstate::schema::Query;
use runstate::store::{Outcome, Store};
use runstate::time::Millis;
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

use super::browser::{BrowserPatch, RESTORE_TRANSACTION, patch_next_write};
use super::fixture::{NOTES, batch, code, commit, ids, insert, open_with_note, put};
use super::fresh_name;

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
    // Without `over` all documents are cached, so nothing is read. `over` has the expectation `Any`, so it is read.
    let over = || put(&NOTES, "a", json!({"line": "2"}));
    for reads in [false, true] {
        let writes = || inserts().into_iter().chain(reads.then(over)).collect::<Vec<_>>();
        // The feed end, the documents, the ledger row and the feed record.
        for left in 0..writes().len() + 3 {
            commit(&store, &format!("before {reads} {left}"), vec![put(&NOTES, "a", json!({}))]).await.unwrap();
            let start = store.changes(None, 1, Millis(0)).await.unwrap().next;
            let bent = BrowserPatch::apply(&fail_writes_where(&format!("written >= {left}")), RESTORE_SPACE).await;
            let answer = commit(&store, "c", writes()).await;
            drop(bent);
            assert_eq!(code(&answer), "full", "after {left}");
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
    let faults = [
        ("DataError", "Failed to write blobs (FILE_ERROR_NO_SPACE)"),
        ("UnknownError", "Failed to write blobs (FILE_ERROR_FAILED)"),
        (
            "UnknownError",
            "Connection is closing because of: IO error: .../000003.log: FILE_ERROR_NO_SPACE (WritableFileAppend)",
        ),
        ("UnknownError", "Encountered full disk while opening backing store for indexedDB.open."),
        ("AbortError", "database or disk is full"),
    ];
    for (name, message) in faults {
        let fails = format!(
            "Object.defineProperty(tx, 'error', {{ value: new DOMException('{message}', '{name}') }});
             tx.commit = () => tx.abort();"
        );
        let bent = BrowserPatch::apply(&patch_next_write(&fails), RESTORE_TRANSACTION).await;
        let answer = commit(&store, "b", vec![insert(&NOTES, "b", json!({}))]).await;
        drop(bent);
        assert_eq!(code(&answer), "full", "{name}: {message}");
        assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a"]);
    }
    commit(&store, "b", vec![insert(&NOTES, "b", json!({}))]).await.unwrap();
}

/// As Chromium on a full disk: it closes the database with the commit that finds no space, and opens it only once there is space.
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
    let bent = BrowserPatch::apply(&patch_next_write(closes), RESTORE_CONNECTIONS).await;
    let insert_b = || vec![insert(&NOTES, "b", json!({}))];
    let answers = [commit(&store, "b", insert_b()).await, commit(&store, "b", insert_b()).await];
    let read = ids(&store, Query::of(&NOTES)).await;
    drop(bent);
    assert_eq!(answers.each_ref().map(code), ["full", "full"]);
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
    let bent = BrowserPatch::apply(&estimated("{ quota: 3_000_000, usage: 2_000_000 }"), RESTORE_ESTIMATE).await;
    let (refused, small) = (
        commit(&store, "large", large()).await.unwrap_err(),
        commit(&store, "small", vec![put(&NOTES, "b", json!({}))]).await,
    );
    drop(bent);
    assert_eq!((refused.code().as_str(), code(&small)), ("full", "ok"));
    assert!(refused.to_string().contains("1000000 bytes left"), "{refused}");
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a", "b"]);
    for no_estimate in ["{}", "{ quota: 9_000_000, usage: 0 }"] {
        let bent = BrowserPatch::apply(&estimated(no_estimate), RESTORE_ESTIMATE).await;
        let written = commit(&store, &format!("large {no_estimate}"), large()).await;
        drop(bent);
        assert_eq!(code(&written), "ok", "{no_estimate}");
    }
}

#[wasm_bindgen_test]
async fn oversized_commit_does_not_fail_concurrent_commits() {
    let store = open_with_note(&fresh_name()).await;
    let bent = BrowserPatch::apply(&fail_writes_where("key === 'large'"), RESTORE_SPACE).await;
    let commits = ["x", "large", "y"].map(|id| store.commit(batch(id, vec![insert(&NOTES, id, json!({}))])));
    let answers = runstate::testing::join_all(commits.into_iter().collect()).await;
    drop(bent);
    assert_eq!(answers.iter().map(code).collect::<Vec<_>>(), ["ok", "full", "ok"]);
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a", "x", "y"]);
}
