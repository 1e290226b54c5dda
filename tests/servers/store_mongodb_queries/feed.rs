//! The change feed, beyond what every store guarantees.

use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::{Document, doc};
use runstate::error_code::ErrorCode;
use runstate::marker::BoxFuture;
use runstate::schema::{Catalog, Collection, Direction::Ascending, Field, Index, Key, Query};
use runstate::store::{Batch, ChangeEvent, Changes, Check, Expectation, Freshness, Position, Store, StoreError};
use runstate::testing::join_all;
use runstate::time::Millis;
use serde_json::json;

use super::{MongoTestStore, open_in_one_database, open_over_databases};
use crate::support::batches::{batch, insert, put};
use crate::support::mongodb::run_on_server;

const ROWS: Collection = Collection::new("feed.rows", 1)
    .fields(&[Field::int("n").optional()])
    .indexes(&[Index::ordered(&[("n", Ascending)])]);

async fn open_feed() -> (MongoTestStore, Position) {
    let fixture = open_in_one_database(&Catalog::new(&[&ROWS]).unwrap()).await;
    let now = fixture.store.changes(None, 10, Millis(0)).await.unwrap().next;
    (fixture, now)
}

fn row_batch(command: &str, ids: &[&str]) -> Batch {
    batch(command, ids.iter().map(|id| insert(&ROWS, id, json!({"n": 1}))).collect())
}

fn event_lines(events: &[ChangeEvent]) -> Vec<String> {
    let line = |event: &ChangeEvent| {
        let revision = event.revision.as_ref().map_or(0, |revision| revision.writes());
        format!("{} {} {revision}", event.command, event.key.id)
    };
    events.iter().map(line).collect()
}

#[test]
fn position_within_a_commit_continues_that_commit() {
    run_on_server(async {
        let (fixture, start) = open_feed().await;
        fixture.store.commit(row_batch("job/a:b", &["1", "2", "3"])).await.unwrap();
        fixture.store.commit(row_batch("next", &["4"])).await.unwrap();
        let expected = ["job/a:b 1 1", "job/a:b 2 1", "job/a:b 3 1", "next 4 1"];
        let all = fixture.store.changes(Some(start.clone()), 10, Millis(0)).await.unwrap();
        assert_eq!(event_lines(&all.events), expected);
        // From the position of each event, on a new stream.
        for (nth, event) in all.events.iter().enumerate() {
            let rest = fixture.store.changes(Some(event.position.clone()), 10, Millis(0)).await.unwrap();
            assert_eq!(event_lines(&rest.events), expected[nth + 1..]);
        }
        let mut from = start;
        for one in expected {
            let changes = fixture.store.changes(Some(from), 1, Millis(0)).await.unwrap();
            assert_eq!(event_lines(&changes.events), [one]);
            from = changes.next;
        }
        assert_eq!(fixture.store.changes(Some(from), 1, Millis(0)).await.unwrap().events, []);
    });
}

/// A collection of another domain.
const OTHERS: Collection = Collection::new("other.rows", 1).fields(&[Field::int("n").optional()]);

#[test]
fn a_store_over_several_databases_has_one_feed() {
    run_on_server(async {
        let catalog = Catalog::new(&[&ROWS, &OTHERS]).unwrap();
        let fixture = open_over_databases(&catalog).await;
        // Another store on the same servers, whose commits do not belong in this feed.
        let other_store = open_over_databases(&catalog).await;
        let start = fixture.store.changes(None, 10, Millis(0)).await.unwrap().next;
        let both = |command| batch(command, vec![insert(&ROWS, "1", json!({})), insert(&OTHERS, "2", json!({"n": 2}))]);
        other_store.store.commit(both("foreign")).await.unwrap();
        fixture.store.commit(both("own")).await.unwrap();
        let changes = fixture.store.changes(Some(start), 10, Millis(0)).await.unwrap();
        let keys: Vec<String> = changes.events.iter().map(|event| event.key.to_string()).collect();
        assert_eq!(
            (keys, event_lines(&changes.events)),
            (
                vec!["feed.rows/1".to_owned(), "other.rows/2".to_owned()],
                vec!["own 1 1".to_owned(), "own 2 1".to_owned()],
            )
        );
        let found = fixture.store.query(&Query::of(&OTHERS).eq("n", 2), Freshness::Linearizable).await.unwrap();
        assert_eq!(found.items.len(), 1);
        let client = Client::with_uri_str(&fixture.server).await.unwrap();
        let other = client.database(&format!("{}_other", fixture.database)).collection::<Document>("rows");
        assert_eq!(other.count_documents(doc! {"n": 2}).await.unwrap(), 1);
    });
}

#[test]
fn feed_contains_only_committed_documents_of_the_store() {
    run_on_server(async {
        let (fixture, start) = open_feed().await;
        let store = &fixture.store;
        store.commit(row_batch("first", &["a", "b"])).await.unwrap();
        let read = store.get(&[Key::new(&ROWS, "a")], Freshness::Linearizable).await.unwrap().pop().unwrap().unwrap();
        let check = Check { key: Key::new(&ROWS, "a"), revision: read.revision };
        store.commit(Batch { checks: vec![check], ..batch("touches", vec![]) }).await.unwrap();
        let client = Client::with_uri_str(&fixture.server).await.unwrap();
        let database = client.database(&fixture.database);
        // By hand: a document of another collection, one that no store wrote, and a deletion.
        database
            .collection::<Document>("feed.other")
            .insert_one(doc! {"_id": "x", "_rev": "1-000000000000"})
            .await
            .unwrap();
        let rows = database.collection::<Document>("feed.rows");
        rows.insert_one(doc! {"_id": "foreign"}).await.unwrap();
        rows.delete_one(doc! {"_id": "b"}).await.unwrap();
        store.commit(batch("last", vec![put(&ROWS, "a", Expectation::Any, json!({}))])).await.unwrap();
        let changes = store.changes(Some(start), 10, Millis(0)).await.unwrap();
        assert_eq!(event_lines(&changes.events), ["first a 1", "first b 1", "runstate.sweep b 0", "last a 2"]);
    });
}

/// Returns once the server holds a request for the next changes of the database open.
async fn wait_until_polling(fixture: &MongoTestStore) {
    let client = Client::with_uri_str(&fixture.server).await.unwrap();
    let of_database = doc! {"$regex": format!("^{}\\.", fixture.database)};
    let current_op = doc! {"currentOp": 1, "op": "getmore", "ns": of_database};
    let latest = Instant::now() + Duration::from_secs(120);
    loop {
        let operations = client.database("admin").run_command(current_op.clone()).await.unwrap();
        if !operations.get_array("inprog").unwrap().is_empty() {
            return;
        }
        assert!(Instant::now() < latest, "no request for changes arrived");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn commit_is_in_the_feed_from_its_receipt_and_ends_waits() {
    run_on_server(async {
        let (fixture, start) = open_feed().await;
        let waiting = fixture.store.changes(Some(start.clone()), 10, Millis::minutes(1));
        let writing = async {
            wait_until_polling(&fixture).await;
            fixture.store.commit(row_batch("c", &["1"])).await.unwrap()
        };
        let (waited, receipt) = tokio::join!(waiting, writing);
        assert_eq!(event_lines(&waited.unwrap().events), ["c 1 1"]);
        let again = fixture.store.changes(Some(receipt.position), 10, Millis(0)).await.unwrap();
        assert_eq!(event_lines(&again.events), ["c 1 1"]);
        // Many requests at once from the same position.
        let requests = (0..20).map(|_| -> BoxFuture<'_, Result<Changes, StoreError>> {
            fixture.store.changes(Some(start.clone()), 10, Millis(0))
        });
        for changes in join_all(requests.collect()).await {
            assert_eq!(event_lines(&changes.unwrap().events), ["c 1 1"]);
        }
    });
}

#[test]
fn position_unknown_to_the_server_is_expired_or_invalid() {
    run_on_server(async {
        let (fixture, Position(start)) = open_feed().await;
        fixture.store.commit(row_batch("c", &["1"])).await.unwrap();
        let (prefix, _) = start.split_once('.').unwrap();
        for point in ["", "5", "t", "rABCDEF", "r8263000000000000000000", "r82:1.1:c", "💥"] {
            let changes = fixture.store.changes(Some(Position(format!("{prefix}.{point}"))), 10, Millis(0)).await;
            let code = if point.starts_with('r') { ErrorCode::POSITION_EXPIRED } else { ErrorCode::INVALID };
            assert_eq!(changes.map_err(|error| error.code()), Err(code), "{point}");
        }
    });
}
