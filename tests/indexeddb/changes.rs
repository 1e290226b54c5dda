//! The feed of changes between handles, as tabs have them, and how far it reaches back.

use js_sys::Date;
use runstate::store::{Position, Store};
use runstate::testing::join_all;
use runstate::time::{Millis, Timestamp};
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

use super::browser::Bent;
use super::scene::{ITEMS, NOTES, catalog, code, commit, put};
use super::{name, opened};

async fn waited(from: &super::IndexedDb, writer: &super::IndexedDb) -> (usize, f64) {
    let start = from.changes(None, 1, Millis(0)).await.unwrap().next;
    let begun = Date::now();
    let waiting = Box::pin(async { from.changes(Some(start), 9, Millis::minutes(1)).await.unwrap().events.len() });
    let writing = Box::pin(async {
        // The other one looks first, and finds nothing.
        writer.changes(None, 1, Millis(50)).await.unwrap();
        commit(writer, "c", vec![put(&NOTES, "a", json!({}))]).await.unwrap();
        0
    });
    let found = join_all(vec![waiting as runstate::marker::BoxFuture<'_, usize>, writing]).await[0];
    (found, Date::now() - begun)
}

#[wasm_bindgen_test]
async fn another_tab_is_heard_at_once() {
    let name = name();
    let (one, two) = (opened(&name).await.unwrap(), opened(&name).await.unwrap());
    one.migrate(&catalog()).await.unwrap();
    two.migrate(&catalog()).await.unwrap();
    let (found, took) = waited(&one, &two).await;
    assert_eq!(found, 1);
    // Without the hint it would have looked again after a second.
    assert!(took < 900.0, "{took} ms");
}

#[wasm_bindgen_test]
async fn without_channels_it_is_looked_again() {
    let name = name();
    let none = "Object.defineProperty(globalThis, 'BroadcastChannel', { value: undefined, configurable: true })";
    // As the property was: writable and not to be listed.
    let back = "Object.defineProperty(globalThis, 'BroadcastChannel', { value: globalThis.channels, configurable: true, writable: true })";
    let bent = Bent::by(&format!("globalThis.channels = BroadcastChannel; {none}"), back).await;
    let (one, two) = (opened(&name).await.unwrap(), opened(&name).await.unwrap());
    one.migrate(&catalog()).await.unwrap();
    two.migrate(&catalog()).await.unwrap();
    let (found, _) = waited(&one, &two).await;
    drop(bent);
    assert_eq!(found, 1);
}

#[wasm_bindgen_test]
async fn what_is_too_long_ago_is_not_kept() {
    let store = opened(&name()).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    let start = store.changes(None, 1, Millis(0)).await.unwrap().next;
    let first = commit(&store, "1", vec![put(&NOTES, "a", json!({}))]).await.unwrap().position;
    let at = |from: &Position| store.changes(Some(from.clone()), 5, Millis(0));
    assert_eq!(at(&start).await.unwrap().events.len(), 1);
    let many = (0..10_300).map(|i| put(&NOTES, &format!("n{i}"), json!({})));
    commit(&store, "2", many.collect()).await.unwrap();
    for lost in [&start, &first] {
        assert_eq!(code(&at(lost).await), "position_expired");
    }
    // Half of a large commit is told page by page.
    let Position(text) = store.changes(None, 1, Millis(0)).await.unwrap().next;
    let (sign, last) = text.split_once('.').unwrap();
    assert_eq!(last, "10301");
    let page = at(&Position(format!("{sign}.10297"))).await.unwrap();
    assert_eq!((page.events.len(), page.next), (4, Position(text.clone())));
    for foreign in [format!("{sign}.10302"), "0.1".to_owned()] {
        assert_eq!(code(&at(&Position(foreign)).await), "position_expired");
    }
}

#[wasm_bindgen_test]
async fn a_sweep_looks_at_what_is_due() {
    let store = opened(&name()).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    let items = (0..300i64).map(|i| put(&ITEMS, &format!("i{i}"), json!({"at": i})));
    commit(&store, "items", items.collect()).await.unwrap();
    let start = store.changes(None, 1, Millis(0)).await.unwrap().next;
    assert_eq!(store.sweep(ITEMS.name, Timestamp::from_millis(1_249), 1_000).await.unwrap(), 250);
    assert_eq!(store.sweep(ITEMS.name, Timestamp::from_millis(1_249), 1_000).await.unwrap(), 0);
    let told = store.changes(Some(start), 1_000, Millis(0)).await.unwrap().events;
    assert!(told.len() == 250 && told.iter().all(|event| event.revision.is_none()));
}
