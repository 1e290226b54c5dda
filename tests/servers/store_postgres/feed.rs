//! The feed of changes: its order under concurrent commits, its retention, and notifications.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runstate::schema::{Catalog, Collection, Field};
use runstate::store::postgres::{Postgres, PostgresOptions};
use runstate::store::{Store, StoreAdmin, StoreError};
use runstate::time::Millis;
use serde_json::json;

use crate::support::batches::{batch, insert};
use crate::support::postgres::{connect, fresh_url, run_on_server};

const ITEMS: Collection = Collection::new("t.items", 1).fields(&[Field::int("n")]);

async fn open(url: &str) -> Arc<Postgres> {
    let store = Postgres::open(url, PostgresOptions::default()).await.unwrap();
    store.migrate(&Catalog::new(&[&ITEMS]).unwrap()).await.unwrap();
    Arc::new(store)
}

#[test]
fn readers_miss_no_change_of_concurrent_commits() {
    const WRITERS: usize = 8;
    const COMMITS: usize = 60;
    run_on_server(async {
        let url = fresh_url().await;
        let (store, reader) = (open(&url).await, open(&url).await);
        let mut from = store.changes(None, 1, Millis(0)).await.unwrap().next;
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = store.clone();
                tokio::spawn(async move {
                    for n in 0..COMMITS {
                        let id = format!("{writer}-{n}");
                        store.commit(batch(&id, vec![insert(&ITEMS, &id, json!({"n": n}))])).await.unwrap();
                    }
                })
            })
            .collect();
        let mut found: BTreeMap<String, u32> = BTreeMap::new();
        while found.len() < WRITERS * COMMITS {
            let changes = reader.changes(Some(from), 7, Millis(10_000)).await.unwrap();
            assert!(!changes.events.is_empty(), "no change arrived after {}", found.len());
            for event in &changes.events {
                *found.entry(event.key.id.to_string()).or_default() += 1;
            }
            from = changes.next;
        }
        for writer in writers {
            writer.await.unwrap();
        }
        assert!(found.values().all(|count| *count == 1), "{found:?}");
    });
}

#[test]
fn open_transaction_of_another_program_delays_no_reader() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url).await;
        let other = connect(&url).await;
        other.batch_execute("CREATE TABLE other (n int); BEGIN; INSERT INTO other VALUES (1)").await.unwrap();
        let from = store.changes(None, 1, Millis(0)).await.unwrap().next;
        store.commit(batch("a", vec![insert(&ITEMS, "a", json!({"n": 1}))])).await.unwrap();
        let changes = store.changes(Some(from), 10, Millis(0)).await.unwrap();
        assert_eq!(changes.events.len(), 1);
        other.batch_execute("ROLLBACK").await.unwrap();
    });
}

#[test]
fn waiting_reader_of_another_process_sees_the_change() {
    run_on_server(async {
        let url = fresh_url().await;
        let (writer, reader) = (open(&url).await, open(&url).await);
        let from = reader.changes(None, 1, Millis(0)).await.unwrap().next;
        let waiting = tokio::spawn(async move {
            let begun = Instant::now();
            (reader.changes(Some(from), 10, Millis(60_000)).await.unwrap().events.len(), begun.elapsed())
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        writer.commit(batch("a", vec![insert(&ITEMS, "a", json!({"n": 1}))])).await.unwrap();
        let (events, waited) = waiting.await.unwrap();
        assert!(events == 1 && waited < Duration::from_secs(30), "{events} after {waited:?}");
    });
}

#[test]
fn position_before_the_retained_changes_has_expired() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url).await;
        let start = store.changes(None, 1, Millis(0)).await.unwrap().next;
        store.commit(batch("a", vec![insert(&ITEMS, "a", json!({"n": 1}))])).await.unwrap();
        let later = store.changes(None, 1, Millis(0)).await.unwrap().next;
        connect(&url).await.batch_execute("UPDATE runstate.changes SET at = now() - interval '8 days'").await.unwrap();
        let ledger = runstate::store::COMMANDS.name;
        store.sweep(ledger, runstate::time::Timestamp::from_millis(0), 1).await.unwrap();
        assert_eq!(store.changes(Some(start), 10, Millis(0)).await, Err(StoreError::PositionExpired));
        store.commit(batch("b", vec![insert(&ITEMS, "b", json!({"n": 1}))])).await.unwrap();
        assert_eq!(store.changes(Some(later), 10, Millis(0)).await.unwrap().events.len(), 1);
        // A position of another store.
        let other = open(&fresh_url().await).await;
        let foreign = other.changes(None, 1, Millis(0)).await.unwrap().next;
        assert_eq!(store.changes(Some(foreign), 10, Millis(0)).await, Err(StoreError::PositionExpired));
    });
}

#[test]
fn position_after_a_lost_part_of_the_history_has_expired() {
    run_on_server(async {
        let url = fresh_url().await;
        let store = open(&url).await;
        store.commit(batch("a", vec![insert(&ITEMS, "a", json!({"n": 1}))])).await.unwrap();
        let start = store.changes(None, 1, Millis(0)).await.unwrap().next;
        store.commit(batch("b", vec![insert(&ITEMS, "b", json!({"n": 1}))])).await.unwrap();
        let read = store.changes(Some(start.clone()), 10, Millis(0)).await.unwrap();
        let [event] = &*read.events else { panic!("{read:?}") };
        assert_eq!(store.changes(Some(read.next.clone()), 10, Millis(0)).await.unwrap().events.len(), 0);
        // As after a restore to the time before that commit, whose id another transaction then has.
        let other_history = "UPDATE runstate.changes SET at = at + interval '1 hour' WHERE command = 'b'";
        connect(&url).await.batch_execute(other_history).await.unwrap();
        for lost in [read.next.clone(), event.position.clone()] {
            assert_eq!(store.changes(Some(lost), 10, Millis(0)).await, Err(StoreError::PositionExpired));
        }
        assert_eq!(store.changes(Some(start), 10, Millis(0)).await.unwrap().events.len(), 1);
        connect(&url).await.batch_execute("DELETE FROM runstate.changes WHERE command = 'b'").await.unwrap();
        assert_eq!(store.changes(Some(read.next), 10, Millis(0)).await, Err(StoreError::PositionExpired));
    });
}
