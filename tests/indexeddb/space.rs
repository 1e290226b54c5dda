//! A browser without space: its quota is used up, its disk is full, or its estimate says so before.

use runstate::schema::Query;
use runstate::store::{Outcome, Store};
use runstate::time::Millis;
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

use super::browser::{Bent, MEDDLE_NO_MORE, meddle};
use super::name;
use super::scene::{NOTES, batch, begun, code, commit, ids, insert, put};

/// The browser has no space for what is written where `full`, of its key and of how many writes came before, says so.
fn full_where(full: &str) -> String {
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
const SPACE_AGAIN: &str =
    "for (const [name, write] of globalThis.written) IDBObjectStore.prototype[name] = write; return undefined;";

/// The exception is a made one, at every write in turn; a browser whose quota is really used up is tried elsewhere.
#[wasm_bindgen_test]
async fn without_space_nothing_is_half_written() {
    let store = begun(&name()).await;
    let inserts = || (0..3).map(|i| insert(&NOTES, &format!("n{i}"), json!({}))).collect::<Vec<_>>();
    // What is expected is known, so nothing is read; or something is written over whatever it is, which is read.
    let over = || put(&NOTES, "a", json!({"line": "2"}));
    for reads in [false, true] {
        let writes = || inserts().into_iter().chain(reads.then(over)).collect::<Vec<_>>();
        // The fence, the documents, the row of the ledger, the feed.
        for left in 0..writes().len() + 3 {
            commit(&store, &format!("before {reads} {left}"), vec![put(&NOTES, "a", json!({}))]).await.unwrap();
            let start = store.changes(None, 1, Millis(0)).await.unwrap().next;
            let bent = Bent::by(&full_where(&format!("written >= {left}")), SPACE_AGAIN).await;
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

/// Chromium ends a transaction so whose values it cannot write to files of their own, whatever the name of the exception.
#[wasm_bindgen_test]
async fn full_disk_that_only_the_message_names_is_full() {
    let store = begun(&name()).await;
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
        let bent = Bent::by(&meddle(&fails), MEDDLE_NO_MORE).await;
        let answer = commit(&store, "b", vec![insert(&NOTES, "b", json!({}))]).await;
        drop(bent);
        assert_eq!(code(&answer), "full", "{name}: {message}");
        assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a"]);
    }
    commit(&store, "b", vec![insert(&NOTES, "b", json!({}))]).await.unwrap();
}

/// As Chromium does on a full disk: it closes the database with the commit that finds no space, and opens it only when there is some.
#[wasm_bindgen_test]
async fn database_that_a_full_disk_closed_is_full_until_it_opens() {
    let store = begun(&name()).await;
    let closes = "
        Object.defineProperty(tx, 'error', { value: new DOMException('IO error: FILE_ERROR_NO_SPACE', 'UnknownError') });
        globalThis.reopen = IDBFactory.prototype.open;
        IDBFactory.prototype.open = function () {
            const request = { error: new DOMException('Internal error opening backing store for indexedDB.open.', 'UnknownError') };
            setTimeout(() => request.onerror({ type: 'error', target: request, preventDefault() {} }));
            return request;
        };
        tx.commit = () => { tx.abort(); tx.db.dispatchEvent(new Event('close')); };";
    const BACK: &str =
        "IDBDatabase.prototype.transaction = globalThis.begin; IDBFactory.prototype.open = globalThis.reopen;";
    let bent = Bent::by(&meddle(closes), BACK).await;
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
    let store = begun(&name()).await;
    let estimated = |estimate: &str| {
        format!(
            "globalThis.estimate = StorageManager.prototype.estimate;
             StorageManager.prototype.estimate = async () => ({estimate});"
        )
    };
    const AS_BEFORE: &str = "StorageManager.prototype.estimate = globalThis.estimate";
    let text = "x".repeat(2 * 1024 * 1024);
    let large = || vec![put(&NOTES, "large", json!({"line": text}))];
    let bent = Bent::by(&estimated("{ quota: 3_000_000, usage: 2_000_000 }"), AS_BEFORE).await;
    let (refused, small) = (
        commit(&store, "large", large()).await.unwrap_err(),
        commit(&store, "small", vec![put(&NOTES, "b", json!({}))]).await,
    );
    drop(bent);
    assert_eq!((refused.code().as_str(), code(&small)), ("full", "ok"));
    assert!(refused.to_string().contains("1000000 bytes left"), "{refused}");
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a", "b"]);
    for no_estimate in ["{}", "{ quota: 9_000_000, usage: 0 }"] {
        let bent = Bent::by(&estimated(no_estimate), AS_BEFORE).await;
        let written = commit(&store, &format!("large {no_estimate}"), large()).await;
        drop(bent);
        assert_eq!(code(&written), "ok", "{no_estimate}");
    }
}

#[wasm_bindgen_test]
async fn one_who_is_too_much_costs_the_others_nothing() {
    let store = begun(&name()).await;
    let bent = Bent::by(&full_where("key === 'large'"), SPACE_AGAIN).await;
    let commits = ["x", "large", "y"].map(|id| store.commit(batch(id, vec![insert(&NOTES, id, json!({}))])));
    let answers = runstate::testing::join_all(commits.into_iter().collect()).await;
    drop(bent);
    assert_eq!(answers.iter().map(code).collect::<Vec<_>>(), ["ok", "full", "ok"]);
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a", "x", "y"]);
}
