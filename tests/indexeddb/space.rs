//! A browser without space.

use runstate::schema::Query;
use runstate::store::{Outcome, Store};
use runstate::time::Millis;
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

use super::browser::Bent;
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
