//! A browser that refuses, closes and aborts; and people who edit records by hand.

use runstate::engine::open::{self, Missing};
use runstate::schema::{Accumulator, Aggregate, Filter, Query};
use runstate::store::indexeddb::{IndexedDb, Options};
use runstate::store::{Outcome, Store};
use runstate::time::Millis;
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

use super::browser::{Bent, MEDDLE_NO_MORE, edit, meddle, run};
use super::scene::{ITEMS, NOTES, batch, begun, code, commit, find, ids, insert, next_catalog, put};
use super::{name, opened};

#[wasm_bindgen_test]
async fn a_host_without_indexeddb_is_told_so() {
    const BACK: &str = "
        if (globalThis.property) Object.defineProperty(globalThis, 'indexedDB', globalThis.property);
        else delete globalThis.indexedDB;";
    run("globalThis.property = Object.getOwnPropertyDescriptor(globalThis, 'indexedDB')", "").await;
    let none = "Object.defineProperty(globalThis, 'indexedDB', { value: undefined, configurable: true })";
    let bent = Bent::by(none, BACK).await;
    assert_eq!(code(&opened("any").await), "unsupported");
    drop(bent);
    let refused = "Object.defineProperty(globalThis, 'indexedDB', {
        get() { throw new DOMException('denied', 'SecurityError') }, configurable: true })";
    let bent = Bent::by(refused, BACK).await;
    let error = opened("any").await.err().unwrap();
    drop(bent);
    assert_eq!(error.code().as_str(), "unavailable");
    assert!(error.to_string().contains("refuses storage"), "{error}");
    begun(&name()).await.close().await.unwrap();
}

#[wasm_bindgen_test]
async fn what_is_only_looked_for_is_not_made() {
    let name = name();
    let refused = open::open_or(&format!("indexeddb:{name}"), Missing::Refuse).await.err().unwrap();
    assert_eq!(refused.code.as_str(), "unavailable");
    let there = "return (await indexedDB.databases()).some((database) => database.name === name)";
    assert_eq!(run(there, &name).await, false);
    let made = open::open_known(&format!("indexeddb:{name}"), Missing::Create).await.ok().unwrap();
    let found = open::open_known(&format!("indexeddb:{name}"), Missing::Refuse).await.ok().unwrap();
    assert!(made.id.is_some() && made.id == found.id);
}

#[wasm_bindgen_test]
async fn a_database_of_something_else_is_left_alone() {
    let name = name();
    let foreign = "
        const request = indexedDB.open(name, 3);
        request.onupgradeneeded = () => request.result.createObjectStore('theirs');
        (await settled(request)).close();";
    run(foreign, &name).await;
    let error = opened(&name).await.err().unwrap();
    assert!(error.to_string().contains("something else"), "{error}");
    let empty = super::name();
    run("(await settled(indexedDB.open(name))).close()", &empty).await;
    begun(&empty).await.close().await.unwrap();
}

#[wasm_bindgen_test]
async fn who_does_not_let_go_is_waited_for_so_long() {
    // A busy browser may take longer to open anything, and to say who holds the database up.
    for patience in [200, 2_000, 20_000] {
        let name = name();
        begun(&name).await.close().await.unwrap();
        // An older page that does not hear that the database is to be changed.
        run("globalThis.held = await settled(indexedDB.open(name))", &name).await;
        let options = Options { patience: Millis(patience), ..Options::default() };
        let came = match IndexedDb::open(&name, options).await {
            Ok(store) => (store.migrate(&next_catalog()).await, store.migrate(&next_catalog()).await),
            Err(error) => (Err(error.clone()), Err(error)),
        };
        run("globalThis.held.close()", &name).await;
        let (first, second) = (came.0.unwrap_err(), came.1.unwrap_err());
        assert_eq!([first.code().as_str(), second.code().as_str()], ["unavailable"; 2]);
        // Who comes second stands behind the change that cannot begin.
        let of_others = first.to_string().contains("another tab or window has it open");
        if of_others && second.to_string().contains("does not answer") {
            let store = opened(&name).await.unwrap();
            store.migrate(&next_catalog()).await.unwrap();
            return assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a"]);
        }
        assert!(patience < 20_000, "{first}; {second}");
    }
}

/// Remembers every connection that is opened, so that it can be closed as the browser closes it.
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
    let name = name();
    let _bent = Bent::by(REMEMBER_CONNECTIONS, FORGET_CONNECTIONS).await;
    let store = begun(&name).await;
    const CLOSE: &str = "globalThis.connections.forEach((connection) => connection.close())";
    run(CLOSE, "").await;
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a"]);
    run(CLOSE, "").await;
    commit(&store, "b", vec![insert(&NOTES, "b", json!({}))]).await.unwrap();
    run(CLOSE, "").await;
    assert_eq!(store.changes(None, 10, Millis(0)).await.unwrap().events, []);
    // The browser tells so where it is the one who closes.
    run("globalThis.connections.forEach((c) => c.dispatchEvent(new Event('close')))", "").await;
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a", "b"]);
}

#[wasm_bindgen_test]
async fn a_commit_that_was_cut_off_is_made_once() {
    let store = begun(&name()).await;
    // Cut off before anything of it was kept.
    let bent = Bent::by(&meddle("queueMicrotask(() => tx.abort())"), MEDDLE_NO_MORE).await;
    let receipt = commit(&store, "b", vec![insert(&NOTES, "b", json!({}))]).await.unwrap();
    drop(bent);
    assert!(!receipt.replayed);
    // Kept, and cut off before it was told.
    let cut = meddle("tx.addEventListener('complete', () => tx.dispatchEvent(new Event('abort')))");
    let bent = Bent::by(&cut, MEDDLE_NO_MORE).await;
    let receipt = commit(&store, "c", vec![insert(&NOTES, "c", json!({}))]).await.unwrap();
    drop(bent);
    assert_eq!(receipt.result, "result of c");
    for id in ["b", "c"] {
        assert_eq!(find(&store, &NOTES, id).await.unwrap().unwrap().revision.writes(), 1);
    }
}

#[wasm_bindgen_test]
async fn a_commit_that_cannot_be_asked_for_is_unknown() {
    let store = begun(&name()).await;
    let cut = meddle(
        "tx.addEventListener('complete', () => {
             IDBDatabase.prototype.transaction = () => { throw new DOMException('it is gone', 'InvalidStateError') };
             tx.dispatchEvent(new Event('abort'));
         })",
    );
    let bent = Bent::by(&cut, MEDDLE_NO_MORE).await;
    let answer = commit(&store, "b", vec![insert(&NOTES, "b", json!({}))]).await;
    drop(bent);
    assert_eq!(code(&answer), "unknown_outcome");
    assert_ne!(store.outcome(&batch("b", vec![]).command).await.unwrap(), Outcome::Absent);
}

#[wasm_bindgen_test]
async fn of_several_that_cannot_be_asked_for_each_is_unknown() {
    let store = begun(&name()).await;
    let cut = meddle(
        "tx.addEventListener('complete', () => {
             IDBDatabase.prototype.transaction = () => { throw new DOMException('it is gone', 'InvalidStateError') };
             tx.dispatchEvent(new Event('abort'));
         })",
    );
    let bent = Bent::by(&cut, MEDDLE_NO_MORE).await;
    let commits = ["b", "c"].map(|id| store.commit(batch(id, vec![insert(&NOTES, id, json!({}))])));
    let answers = runstate::testing::join_all(commits.into_iter().collect()).await;
    drop(bent);
    // They were kept: who is told that they were not commands them again.
    assert_eq!(ids(&store, Query::of(&NOTES)).await.unwrap(), ["a", "b", "c"]);
    assert_eq!(answers.iter().map(code).collect::<Vec<_>>(), ["unknown_outcome", "unknown_outcome"]);
}

#[wasm_bindgen_test]
async fn a_connection_that_the_browser_closes_in_mid_commit_is_opened_again() {
    let store = begun(&name()).await;
    let closing =
        "Object.defineProperty(tx, 'error', { value: new DOMException('Connection is closing.', 'UnknownError') });";
    let kept = "tx.addEventListener('complete', () => tx.dispatchEvent(new Event('abort')))";
    let bent = Bent::by(&meddle(&format!("{closing} {kept}")), MEDDLE_NO_MORE).await;
    let receipt = commit(&store, "b", vec![insert(&NOTES, "b", json!({}))]).await;
    drop(bent);
    assert_eq!(receipt.unwrap().result, "result of b");
    assert_eq!(find(&store, &NOTES, "b").await.unwrap().unwrap().revision.writes(), 1);
}

#[wasm_bindgen_test]
async fn who_closes_while_it_is_opened_again_leaves_no_connection() {
    let name = name();
    let _bent = Bent::by(REMEMBER_CONNECTIONS, FORGET_CONNECTIONS).await;
    let store = begun(&name).await;
    run("globalThis.connections.forEach((c) => c.dispatchEvent(new Event('close')))", "").await;
    let reading = Box::pin(async { code(&find(&store, &NOTES, "a").await) });
    let closing = Box::pin(async { code(&store.close().await) });
    let both = vec![reading as runstate::marker::BoxFuture<'_, &str>, closing];
    assert_eq!(runstate::testing::join_all(both).await, ["closed", "ok"]);
}

#[wasm_bindgen_test]
async fn what_was_edited_by_hand_is_damage_that_has_a_name() {
    let name = name();
    let store = begun(&name).await;
    let items = (0..3).map(|i| put(&ITEMS, &format!("i{i}"), json!({"n": i, "tags": ["t"]})));
    commit(&store, "items", items.collect()).await.unwrap();
    let all = Aggregate {
        collection: ITEMS.name.to_owned(),
        filter: Filter::All,
        group_by: vec![],
        accumulators: vec![("n".to_owned(), Accumulator::Count)],
    };
    // Each edit, and back to what it was.
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
    run("globalThis.before = undefined", "").await;
    for body in edits {
        edit(&name, ITEMS.name, "i1", &format!("globalThis.before ??= structuredClone(record); {body}")).await;
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
        edit(&name, ITEMS.name, "i1", "return structuredClone(globalThis.before)").await;
    }
    assert_eq!(ids(&store, Query::of(&ITEMS).eq("n", 1)).await.unwrap(), ["i1"]);
    // An entry that its document does not have: another one's.
    edit(&name, ITEMS.name, "i2", "globalThis.entries = record.i").await;
    edit(&name, ITEMS.name, "i1", "record.i = globalThis.entries").await;
    let led = ids(&store, Query::of(&ITEMS).eq("n", 2)).await;
    assert!(led.as_ref().unwrap_err().to_string().starts_with("try.items/i1 is damaged"), "{led:?}");
}

#[wasm_bindgen_test]
async fn a_database_that_was_deleted_is_not_begun_anew_behind_ones_back() {
    let name = name();
    let store = begun(&name).await;
    run("await settled(indexedDB.deleteDatabase(name))", &name).await;
    let error = find(&store, &NOTES, "a").await.unwrap_err();
    assert!(error.to_string().contains("it was deleted"), "{error}");
    let begun_anew = begun(&name).await;
    assert_ne!(begun_anew.id(), store.id());
    assert_eq!(code(&commit(&store, "b", vec![put(&NOTES, "b", json!({}))]).await), "unavailable");
}
