//! The change feed between two handles, as in two tabs, and its retention.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use runstate::store::{Position, Store, StoreAdmin};
use runstate::testing::join_all;
use runstate::time::{Millis, Timestamp};
use serde_json::json;
use wasm_bindgen_test::wasm_bindgen_test;

use super::fixture::{BrowserPatch, ITEMS, NOTES, catalog, code, commit, put, run_script};
use super::{fresh_name, open_store};

/// Returns the number of events that a waiting reader receives of another handle's commit.
async fn count_received(from: &super::IndexedDb, writer: &super::IndexedDb) -> usize {
    let start = from.changes(None, 1, Millis(0)).await.unwrap().next;
    let waiting = Box::pin(async { from.changes(Some(start), 9, Millis::minutes(1)).await.unwrap().events.len() });
    let writing = Box::pin(async {
        // The other handle reads first, and finds nothing.
        writer.changes(None, 1, Millis(50)).await.unwrap();
        commit(writer, "c", vec![put(&NOTES, "a", json!({}))]).await.unwrap();
        0
    });
    let mut reader_and_writer = pin!(join_all(vec![waiting as runstate::marker::BoxFuture<'_, usize>, writing]));
    let mut timeout = pin!(run_script("await new Promise((end) => setTimeout(end, 120_000))", ""));
    poll_fn(|cx| match reader_and_writer.as_mut().poll(cx) {
        Poll::Ready(found) => Poll::Ready(found[0]),
        Poll::Pending => timeout.as_mut().poll(cx).map(|_| panic!("no change arrives within two minutes")),
    })
    .await
}

/// Timers of some seconds never fire, so no reader polls.
const HOLD_TIMERS: &str = "
    globalThis.timers = globalThis.setTimeout;
    const held = (ms) => ms >= 500 && ms < 10_000;
    globalThis.setTimeout = (act, ms, ...given) => globalThis.timers(act, held(ms) ? 2 ** 31 - 1 : ms, ...given);";
const RESTORE_TIMERS: &str = "globalThis.setTimeout = globalThis.timers";

/// Timers of some seconds fire early, so readers poll soon.
const SHORTEN_TIMERS: &str = "
    globalThis.timers = globalThis.setTimeout;
    const long = (ms) => ms >= 500 && ms < 10_000;
    globalThis.setTimeout = (act, ms, ...given) => globalThis.timers(act, long(ms) ? ms / 20 : ms, ...given);";

#[wasm_bindgen_test]
async fn changes_of_another_tab_arrive_at_once() {
    let name = fresh_name();
    let (one, two) = (open_store(&name).await.unwrap(), open_store(&name).await.unwrap());
    one.migrate(&catalog()).await.unwrap();
    two.migrate(&catalog()).await.unwrap();
    let _patch = BrowserPatch::apply(HOLD_TIMERS, RESTORE_TIMERS).await;
    assert_eq!(count_received(&one, &two).await, 1);
}

#[wasm_bindgen_test]
async fn without_broadcast_channels_changes_are_polled() {
    let name = fresh_name();
    let remove_channels =
        "Object.defineProperty(globalThis, 'BroadcastChannel', { value: undefined, configurable: true })";
    // As the original property: writable and not enumerable.
    let restore = "Object.defineProperty(globalThis, 'BroadcastChannel', { value: globalThis.channels, configurable: true, writable: true })";
    let patch =
        BrowserPatch::apply(&format!("globalThis.channels = BroadcastChannel; {remove_channels}"), restore).await;
    let (one, two) = (open_store(&name).await.unwrap(), open_store(&name).await.unwrap());
    one.migrate(&catalog()).await.unwrap();
    two.migrate(&catalog()).await.unwrap();
    let _timer_patch = BrowserPatch::apply(SHORTEN_TIMERS, RESTORE_TIMERS).await;
    let found = count_received(&one, &two).await;
    drop(patch);
    assert_eq!(found, 1);
}

#[wasm_bindgen_test]
async fn positions_before_the_retained_changes_are_expired() {
    let store = open_store(&fresh_name()).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    let start = store.changes(None, 1, Millis(0)).await.unwrap().next;
    let first = commit(&store, "1", vec![put(&NOTES, "a", json!({}))]).await.unwrap().position;
    let read_from = |from: &Position| store.changes(Some(from.clone()), 5, Millis(0));
    assert_eq!(read_from(&start).await.unwrap().events.len(), 1);
    let many = (0..10_300).map(|i| put(&NOTES, &format!("n{i}"), json!({})));
    commit(&store, "2", many.collect()).await.unwrap();
    for expired in [&start, &first] {
        assert_eq!(code(&read_from(expired).await), "position_expired");
    }
    // Several pages report the rest of a large commit.
    let Position(text) = store.changes(None, 1, Millis(0)).await.unwrap().next;
    let (prefix, last) = text.split_once('.').unwrap();
    assert_eq!(last, "10301");
    let page = read_from(&Position(format!("{prefix}.10297"))).await.unwrap();
    assert_eq!((page.events.len(), page.next), (4, Position(text.clone())));
    for foreign in [format!("{prefix}.10302"), "0.1".to_owned()] {
        assert_eq!(code(&read_from(&Position(foreign)).await), "position_expired");
    }
}

#[wasm_bindgen_test]
async fn sweep_deletes_exactly_the_expired_documents() {
    let store = open_store(&fresh_name()).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    let items = (0..300i64).map(|i| put(&ITEMS, &format!("i{i}"), json!({"at": i})));
    commit(&store, "items", items.collect()).await.unwrap();
    let start = store.changes(None, 1, Millis(0)).await.unwrap().next;
    assert_eq!(store.sweep(ITEMS.name, Timestamp::from_millis(1_249), 1_000).await.unwrap(), 250);
    assert_eq!(store.sweep(ITEMS.name, Timestamp::from_millis(1_249), 1_000).await.unwrap(), 0);
    let events = store.changes(Some(start), 1_000, Millis(0)).await.unwrap().events;
    assert!(events.len() == 250 && events.iter().all(|event| event.revision.is_none()));
}
