//! Positions in the feed that are no longer valid, and the changes of documents that take unique entries of each other.

use std::sync::Arc;

use mongodb::Client;
use mongodb::bson::{Document, Timestamp, doc};
use runstate::error_code::ErrorCode;
use runstate::schema::{Catalog, Collection, Direction, Field, Index, Key};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{
    ChangeEvent, Expectation, Freshness, Position, Store, StoreAdmin, StoredDocument, Write, WriteOp,
};
use runstate::time::Millis;
use runstate::value::difference;

use super::load::{self, batch, count, document};
use super::server::Servers;
use crate::support::wait::{fresh_database, wait_until};

async fn current_position(store: &Mongo) -> Position {
    store.changes(None, 1, Millis(0)).await.unwrap().next
}

async fn expect_expired(store: &Mongo, from: &Position) {
    let changes = store.changes(Some(from.clone()), 10, Millis(0)).await;
    assert_eq!(changes.map_err(|error| error.code()), Err(ErrorCode::POSITION_EXPIRED), "{from:?}");
}

#[tokio::test]
async fn positions_lost_from_the_oplog_are_expired() {
    let Some(servers) = Servers::with_short_oplog().await else { return };
    let url = servers.direct_url(0, &fresh_database("log"));
    let store = load::open(&url).await;
    let receipt = {
        let batch = load::decide_count(&store, 1, 0, "all").await.unwrap();
        store.commit(batch).await.unwrap().position
    };
    let from = current_position(&store).await;
    count(&store, 1, 1, "all").await;
    let changes = store.changes(Some(from.clone()), 10, Millis(0)).await.unwrap();
    assert_eq!(changes.events.len(), 2);
    let lost = oplog_end(&servers.client(0)).await;
    wait_until("the oplog has lost it", async || fill_oplog(&servers.client(0), lost).await).await;
    // A stream at the position is still open, another one is opened, and another process has none.
    expect_expired(&store, &changes.next).await;
    for from in [&receipt, &from, &changes.next] {
        expect_expired(&store, from).await;
        expect_expired(&load::open(&url).await, from).await;
    }
    let from = current_position(&store).await;
    count(&store, 1, 2, "all").await;
    assert_eq!(store.changes(Some(from), 10, Millis(0)).await.unwrap().events.len(), 2);
}

/// The end of the server's oplog.
async fn oplog_end(client: &Client) -> Timestamp {
    let log = client.database("local").collection::<Document>("oplog.rs");
    log.find_one(doc! {}).sort(doc! {"$natural": -1}).await.unwrap().unwrap().get_timestamp("ts").unwrap()
}

/// Writes documents of another database until the oplog begins after that time.
async fn fill_oplog(client: &Client, lost: Timestamp) -> Option<()> {
    let filler = client.database("others").collection::<Document>("filler");
    let large = "x".repeat(100_000);
    filler.insert_many((0..20).map(|_| doc! {"large": &large})).await.unwrap();
    let log = client.database("local").collection::<Document>("oplog.rs");
    let first = log.find_one(doc! {}).sort(doc! {"$natural": 1}).await.unwrap()?;
    let begin = first.get_timestamp("ts").unwrap();
    ((begin.time, begin.increment) > (lost.time, lost.increment)).then_some(())
}

#[tokio::test]
async fn positions_of_other_stores_and_future_times_are_rejected() {
    let Some(servers) = Servers::replica_set(1).await else { return };
    let url = servers.direct_url(0, &fresh_database("mine"));
    let mine = load::open(&url).await;
    let others = load::open(&servers.direct_url(0, &fresh_database("theirs"))).await;
    count(&mine, 1, 0, "all").await;
    let batch = load::decide_count(&others, 1, 0, "all").await.unwrap();
    let receipt = others.commit(batch).await.unwrap().position;
    expect_expired(&mine, &receipt).await;
    expect_expired(&mine, &current_position(&others).await).await;
    assert_eq!(others.changes(Some(receipt.clone()), 10, Millis(0)).await.unwrap().events.len(), 2);

    // As after a restore: the commits at the position are gone, and later commits are different ones.
    let (prefix, time) = receipt.0.split_once(".t").unwrap();
    let (time, _) = time.split_once('.').unwrap();
    let later = time.parse::<u32>().unwrap() + 3_600;
    expect_expired(&others, &Position(format!("{prefix}.t{later}.1"))).await;
    expect_expired(&others, &Position(format!("{prefix}.r82{later:08X}000000012B0229296E04"))).await;

    // Dropping a database drops its store.
    let from = current_position(&mine).await;
    servers.client(0).database(database_name(&url)).drop().await.unwrap();
    expect_expired(&mine, &from).await;
    expect_expired(&load::open(&url).await, &from).await;
}

fn database_name(url: &str) -> &str {
    url.rsplit_once('/').unwrap().1.split_once('?').unwrap().0
}

const SEATS: Collection = Collection::new("test.seats", 1).fields(&[Field::int("n")]).indexes(&[Index::ordered(&[(
    "n",
    Direction::Ascending,
)])
.unique()]);

async fn open_seats(url: &str) -> Mongo {
    let store = Mongo::open(url, MongoOptions::default()).await.unwrap();
    store.migrate(&Catalog::new(&[&SEATS]).unwrap()).await.unwrap();
    store
}

/// Each document takes the seat of the next one.
fn rotate_seats(many: u64, before: &[(Key, StoredDocument)]) -> Vec<Write> {
    let rotate = |(key, stored): &(Key, StoredDocument)| {
        let after = document(&[("n", (stored.document["n"].as_u64().unwrap() + 1) % many)]);
        let op = WriteOp::Change { difference: Arc::new(difference(&stored.document, &after)), after };
        Write { key: key.clone(), expect: Expectation::Revision(stored.revision.clone()), op }
    };
    before.iter().map(rotate).collect()
}

fn event_tuples(events: &[ChangeEvent]) -> Vec<(String, String, Option<u64>)> {
    let one = |event: &ChangeEvent| {
        let revision = event.revision.as_ref().map(|revision| revision.writes());
        (event.command.to_string(), event.key.id.to_string(), revision)
    };
    events.iter().map(one).collect()
}

#[tokio::test]
async fn documents_that_swap_unique_entries_change_once_in_the_feed() {
    let Some(servers) = Servers::replica_set(1).await else { return };
    // There are twice as many events as documents, in batches of a thousand: the two events of one document are far
    // apart.
    for many in [3, 1_500] {
        let url = servers.direct_url(0, &fresh_database("seats"));
        let [store, other] = [open_seats(&url).await, open_seats(&url).await];
        let seats = 0..many;
        let keys: Vec<Key> = seats.clone().map(|n| Key::new(&SEATS, &format!("{n:04}"))).collect();
        let put = |n: u64| {
            let op = WriteOp::Put { version: 1, document: document(&[("n", n)]) };
            Write { key: keys[n as usize].clone(), expect: Expectation::Absent, op }
        };
        let command = |text: &str| runstate::id::CommandId::new(text).unwrap();
        store.commit(batch(command("sit"), seats.clone().map(put).collect())).await.unwrap();
        let mut from = current_position(&store).await;
        let stored = store.get(&keys, Freshness::Linearizable).await.unwrap().into_iter().map(Option::unwrap);
        let before: Vec<_> = keys.iter().cloned().zip(stored).collect();
        store.commit(batch(command("turn"), rotate_seats(many, &before))).await.unwrap();
        // One more document is deleted, and the feed contains the deletion.
        let last = store.get(&keys[..1], Freshness::Linearizable).await.unwrap().remove(0).unwrap();
        let deletion =
            Write { key: keys[0].clone(), expect: Expectation::Revision(last.revision), op: WriteOp::Delete };
        store.commit(batch(command("go"), vec![deletion])).await.unwrap();

        let expected = seats.map(|n| ("turn".to_owned(), format!("{n:04}"), Some(2)));
        let mut expected: Vec<_> = expected.chain([("go".to_owned(), "0000".to_owned(), None)]).collect();
        expected.sort();
        let all = store.changes(Some(from.clone()), 5_000, Millis(0)).await.unwrap();
        let mut at_once = event_tuples(&all.events);
        at_once.sort();
        assert_eq!(at_once, expected, "all at once");
        // In parts, each requested by another process than the part before.
        let (mut parts, mut stores) = (Vec::new(), [&store, &other].into_iter().cycle());
        while parts.len() < expected.len() {
            let limit = if many > 3 { 400 } else { 1 };
            let part = stores.next().unwrap().changes(Some(from), limit, Millis(0)).await.unwrap();
            assert!(!part.events.is_empty());
            parts.extend(event_tuples(&part.events));
            from = part.next;
        }
        parts.sort();
        assert_eq!(parts, expected, "in parts");
    }
}
