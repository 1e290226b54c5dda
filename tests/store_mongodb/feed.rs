//! The feed of changes, where it is more than what every store promises.

use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::{Document, doc};
use runstate::code::Code;
use runstate::marker::BoxFuture;
use runstate::schema::{Catalog, Collection, Direction::Ascending, Field, Index, Key, Query};
use runstate::store::{Batch, ChangeEvent, Changes, Check, Error, Position, Store};
use runstate::testing::join_all;
use runstate::time::Millis;
use serde_json::json;

use super::{Ground, batch, ground, insert, on_tokio, put, spread};

const ROWS: Collection =
    Collection::new("feed.rows", 1).fields(&[Field::int("n").optional()]).indexes(&[Index::by(&[("n", Ascending)])]);

async fn begun(test: &str) -> Option<(Ground, Position)> {
    let ground = ground(test, &Catalog::new(&[&ROWS]).unwrap()).await?;
    let now = ground.store.changes(None, 10, Millis(0)).await.unwrap().next;
    Some((ground, now))
}

fn rows(command: &str, ids: &[&str]) -> Batch {
    batch(command, ids.iter().map(|id| insert(&ROWS, id, json!({"n": 1}))).collect())
}

fn told(events: &[ChangeEvent]) -> Vec<String> {
    let one = |event: &ChangeEvent| {
        let revision = event.revision.as_ref().map_or(0, |revision| revision.writes());
        format!("{} {} {revision}", event.command, event.key.id)
    };
    events.iter().map(one).collect()
}

#[test]
fn a_position_within_a_commit_knows_whose_it_is() {
    on_tokio(async {
        let Some((ground, start)) = begun("a_position_within_a_commit_knows_whose_it_is").await else { return };
        ground.store.commit(rows("job/a:b", &["1", "2", "3"])).await.unwrap();
        ground.store.commit(rows("next", &["4"])).await.unwrap();
        let expected = ["job/a:b 1 1", "job/a:b 2 1", "job/a:b 3 1", "next 4 1"];
        let all = ground.store.changes(Some(start.clone()), 10, Millis(0)).await.unwrap();
        assert_eq!(told(&all.events), expected);
        // From behind each event, on a stream of its own.
        for (nth, event) in all.events.iter().enumerate() {
            let rest = ground.store.changes(Some(event.position.clone()), 10, Millis(0)).await.unwrap();
            assert_eq!(told(&rest.events), expected[nth + 1..]);
        }
        let mut from = start;
        for one in expected {
            let changes = ground.store.changes(Some(from), 1, Millis(0)).await.unwrap();
            assert_eq!(told(&changes.events), [one]);
            from = changes.next;
        }
        assert_eq!(ground.store.changes(Some(from), 1, Millis(0)).await.unwrap().events, []);
    });
}

/// A collection of another domain.
const OTHERS: Collection = Collection::new("other.rows", 1).fields(&[Field::int("n").optional()]);

#[test]
fn a_store_over_several_databases_has_one_feed() {
    on_tokio(async {
        let catalog = Catalog::new(&[&ROWS, &OTHERS]).unwrap();
        let Some(ground) = spread("a_store_over_several_databases_has_one_feed", &catalog).await else { return };
        // Another store on the same servers: its commits are nobody's business here.
        let Some(strange) = spread("a_store_over_several_databases_has_one_feed", &catalog).await else { return };
        let start = ground.store.changes(None, 10, Millis(0)).await.unwrap().next;
        let both = |command| batch(command, vec![insert(&ROWS, "1", json!({})), insert(&OTHERS, "2", json!({"n": 2}))]);
        strange.store.commit(both("strange")).await.unwrap();
        ground.store.commit(both("ours")).await.unwrap();
        let changes = ground.store.changes(Some(start), 10, Millis(0)).await.unwrap();
        let keys: Vec<String> = changes.events.iter().map(|event| event.key.to_string()).collect();
        assert_eq!(
            (keys, told(&changes.events)),
            (
                vec!["feed.rows/1".to_owned(), "other.rows/2".to_owned()],
                vec!["ours 1 1".to_owned(), "ours 2 1".to_owned()],
            )
        );
        let found = ground.store.query(&Query::of(&OTHERS).eq("n", 2)).await.unwrap();
        assert_eq!(found.rows.len(), 1);
        let client = Client::with_uri_str(&ground.server).await.unwrap();
        let other = client.database(&format!("{}_other", ground.database)).collection::<Document>("rows");
        assert_eq!(other.count_documents(doc! {"n": 2}).await.unwrap(), 1);
    });
}

#[test]
fn only_what_was_committed_to_a_document_is_told() {
    on_tokio(async {
        let Some((ground, start)) = begun("only_what_was_committed_to_a_document_is_told").await else { return };
        let store = &ground.store;
        store.commit(rows("first", &["a", "b"])).await.unwrap();
        let read = store.get(&[Key::new(&ROWS, "a")]).await.unwrap().pop().unwrap().unwrap();
        let check = Check { key: Key::new(&ROWS, "a"), revision: read.revision };
        store.commit(Batch { checks: vec![check], ..batch("touches", vec![]) }).await.unwrap();
        let client = Client::with_uri_str(&ground.server).await.unwrap();
        let database = client.database(&ground.database);
        // By hand: another collection, a document that is none of ours, one that goes.
        database
            .collection::<Document>("feed.other")
            .insert_one(doc! {"_id": "x", "_rev": "1-000000000000"})
            .await
            .unwrap();
        let rows = database.collection::<Document>("feed.rows");
        rows.insert_one(doc! {"_id": "foreign"}).await.unwrap();
        rows.delete_one(doc! {"_id": "b"}).await.unwrap();
        store.commit(batch("last", vec![put(&ROWS, "a", json!({}))])).await.unwrap();
        let changes = store.changes(Some(start), 10, Millis(0)).await.unwrap();
        assert_eq!(told(&changes.events), ["first a 1", "first b 1", "runstate.sweep b 0", "last a 2"]);
    });
}

/// Comes back when the server holds a request for the next changes of the database open.
async fn reading_is_open(ground: &Ground) {
    let client = Client::with_uri_str(&ground.server).await.unwrap();
    let of_database = doc! {"$regex": format!("^{}\\.", ground.database)};
    let asked = doc! {"currentOp": 1, "op": "getmore", "ns": of_database};
    let latest = Instant::now() + Duration::from_secs(120);
    loop {
        let told = client.database("admin").run_command(asked.clone()).await.unwrap();
        if !told.get_array("inprog").unwrap().is_empty() {
            return;
        }
        assert!(Instant::now() < latest, "nobody waits for changes");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_commit_is_told_from_its_own_receipt_and_to_who_waits() {
    on_tokio(async {
        let Some((ground, start)) = begun("a_commit_is_told_from_its_own_receipt_and_to_who_waits").await else {
            return;
        };
        let waiting = ground.store.changes(Some(start.clone()), 10, Millis::minutes(1));
        let writing = async {
            reading_is_open(&ground).await;
            ground.store.commit(rows("c", &["1"])).await.unwrap()
        };
        let (waited, receipt) = tokio::join!(waiting, writing);
        assert_eq!(told(&waited.unwrap().events), ["c 1 1"]);
        let again = ground.store.changes(Some(receipt.position), 10, Millis(0)).await.unwrap();
        assert_eq!(told(&again.events), ["c 1 1"]);
        // Many at once, each from where it likes.
        let asked = (0..20).map(|_| -> BoxFuture<'_, Result<Changes, Error>> {
            ground.store.changes(Some(start.clone()), 10, Millis(0))
        });
        for changes in join_all(asked.collect()).await {
            assert_eq!(told(&changes.unwrap().events), ["c 1 1"]);
        }
    });
}

#[test]
fn a_place_that_the_server_does_not_know_is_expired() {
    on_tokio(async {
        let Some((ground, Position(start))) = begun("a_place_that_the_server_does_not_know_is_expired").await else {
            return;
        };
        ground.store.commit(rows("c", &["1"])).await.unwrap();
        let (of_store, _) = start.split_once('.').unwrap();
        for place in ["", "5", "t", "rABCDEF", "r8263000000000000000000", "r82:1.1:c", "💥"] {
            let changes = ground.store.changes(Some(Position(format!("{of_store}.{place}"))), 10, Millis(0)).await;
            let code = if place.starts_with('r') { Code::PositionExpired } else { Code::Invalid };
            assert_eq!(changes.map_err(|error| error.code()), Err(code), "{place}");
        }
    });
}
