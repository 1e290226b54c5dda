//! Positions in the feed that lead nowhere any more, and what is told of documents that take entries of each other.

use std::sync::Arc;

use mongodb::Client;
use mongodb::bson::{Document, Timestamp, doc};
use runstate::code::Code;
use runstate::schema::{Catalog, Collection, Direction, Field, Index, Key};
use runstate::store::mongodb::{Mongo, Options};
use runstate::store::{ChangeEvent, Expect, Op, Position, Store, Stored, Write};
use runstate::time::Millis;
use runstate::value::difference;

use super::load::{self, batch, count, document};
use super::server::{Servers, database, program, until};

async fn now(store: &Mongo) -> Position {
    store.changes(None, 1, Millis(0)).await.unwrap().next
}

async fn is_expired(store: &Mongo, from: &Position) {
    let told = store.changes(Some(from.clone()), 10, Millis(0)).await;
    assert_eq!(told.map_err(|error| error.code()), Err(Code::PositionExpired), "{from:?}");
}

#[tokio::test]
async fn changes_that_the_log_has_lost_are_told_to_be_gone() {
    let Some(program) = program("store_mongodb_faults::feed::changes_that_the_log_has_lost") else { return };
    let servers = Servers::forgetful(program).await;
    let url = servers.direct(0, &database("log"));
    let store = load::open(&url).await;
    let receipt = {
        let batch = load::decided(&store, 1, 0, "all").await.unwrap();
        store.commit(batch).await.unwrap().position
    };
    let from = now(&store).await;
    count(&store, 1, 1, "all").await;
    let told = store.changes(Some(from.clone()), 10, Millis(0)).await.unwrap();
    assert_eq!(told.events.len(), 2);
    let lost = last(&servers.client(0)).await;
    until("the log has lost it", async || fill(&servers.client(0), lost).await).await;
    // Behind it stands a stream that is still open; one is opened anew; and another process has none.
    is_expired(&store, &told.next).await;
    for from in [&receipt, &from, &told.next] {
        is_expired(&store, from).await;
        is_expired(&load::open(&url).await, from).await;
    }
    let from = now(&store).await;
    count(&store, 1, 2, "all").await;
    assert_eq!(store.changes(Some(from), 10, Millis(0)).await.unwrap().events.len(), 2);
}

/// The end of the server's log.
async fn last(client: &Client) -> Timestamp {
    let log = client.database("local").collection::<Document>("oplog.rs");
    log.find_one(doc! {}).sort(doc! {"$natural": -1}).await.unwrap().unwrap().get_timestamp("ts").unwrap()
}

/// Writes what has nothing to do with the store until the log begins behind that time.
async fn fill(client: &Client, lost: Timestamp) -> Option<()> {
    let of_others = client.database("others").collection::<Document>("filler");
    let large = "x".repeat(100_000);
    of_others.insert_many((0..20).map(|_| doc! {"large": &large})).await.unwrap();
    let log = client.database("local").collection::<Document>("oplog.rs");
    let first = log.find_one(doc! {}).sort(doc! {"$natural": 1}).await.unwrap()?;
    let begin = first.get_timestamp("ts").unwrap();
    ((begin.time, begin.increment) > (lost.time, lost.increment)).then_some(())
}

#[tokio::test]
async fn positions_of_other_stores_and_of_times_to_come_are_refused() {
    let Some(program) = program("store_mongodb_faults::feed::positions_of_other_stores") else { return };
    let servers = Servers::set(program, 1).await;
    let url = servers.direct(0, &database("mine"));
    let mine = load::open(&url).await;
    let others = load::open(&servers.direct(0, &database("theirs"))).await;
    count(&mine, 1, 0, "all").await;
    let batch = load::decided(&others, 1, 0, "all").await.unwrap();
    let receipt = others.commit(batch).await.unwrap().position;
    is_expired(&mine, &receipt).await;
    is_expired(&mine, &now(&others).await).await;
    assert_eq!(others.changes(Some(receipt.clone()), 10, Millis(0)).await.unwrap().events.len(), 2);

    // As after a restore: what stood at the position is not there, and what will come is other than what was.
    let (of_store, time) = receipt.0.split_once(".t").unwrap();
    let (time, _) = time.split_once('.').unwrap();
    let later = time.parse::<u32>().unwrap() + 3_600;
    is_expired(&others, &Position(format!("{of_store}.t{later}.1"))).await;
    is_expired(&others, &Position(format!("{of_store}.r82{later:08X}000000012B0229296E04"))).await;

    // A database that is dropped takes its store along.
    let from = now(&mine).await;
    servers.client(0).database(mine_of(&url)).drop().await.unwrap();
    is_expired(&mine, &from).await;
    is_expired(&load::open(&url).await, &from).await;
}

fn mine_of(url: &str) -> &str {
    url.rsplit_once('/').unwrap().1.split_once('?').unwrap().0
}

const SEATS: Collection =
    Collection::new("test.seats", 1)
        .fields(&[Field::int("n")])
        .indexes(&[Index::by(&[("n", Direction::Ascending)]).unique()]);

async fn seated(url: &str) -> Mongo {
    let store = Mongo::open(url, Options::default()).await.unwrap();
    store.migrate(&Catalog::new(&[&SEATS]).unwrap()).await.unwrap();
    store
}

/// Everybody takes the seat of the next.
fn turned(many: u64, before: &[(Key, Stored)]) -> Vec<Write> {
    let turn = |(key, stored): &(Key, Stored)| {
        let after = document(&[("n", (stored.document["n"].as_u64().unwrap() + 1) % many)]);
        let op = Op::Change { difference: Arc::new(difference(&stored.document, &after)), after };
        Write { key: key.clone(), expect: Expect::Revision(stored.revision.clone()), op }
    };
    before.iter().map(turn).collect()
}

fn told(events: &[ChangeEvent]) -> Vec<(String, String, Option<u64>)> {
    let one = |event: &ChangeEvent| {
        let revision = event.revision.as_ref().map(|revision| revision.writes());
        (event.command.to_string(), event.key.id.to_string(), revision)
    };
    events.iter().map(one).collect()
}

#[tokio::test]
async fn documents_that_take_entries_of_each_other_are_told_as_changed_once() {
    let Some(program) = program("store_mongodb_faults::feed::documents_that_take_entries") else { return };
    let servers = Servers::set(program, 1).await;
    // Twice as many events as there are documents, and a thousand come at once: the two of one document are far from each other.
    for many in [3, 1_500] {
        let url = servers.direct(0, &database("seats"));
        let [store, other] = [seated(&url).await, seated(&url).await];
        let seats = 0..many;
        let keys: Vec<Key> = seats.clone().map(|n| Key::new(&SEATS, &format!("{n:04}"))).collect();
        let put = |n: u64| {
            let op = Op::Put { version: 1, document: document(&[("n", n)]) };
            Write { key: keys[n as usize].clone(), expect: Expect::Absent, op }
        };
        let command = |text: &str| runstate::id::CommandId::new(text).unwrap();
        store.commit(batch(command("sit"), seats.clone().map(put).collect())).await.unwrap();
        let mut from = now(&store).await;
        let stored = store.get(&keys).await.unwrap().into_iter().map(Option::unwrap);
        let before: Vec<_> = keys.iter().cloned().zip(stored).collect();
        store.commit(batch(command("turn"), turned(many, &before))).await.unwrap();
        // One more goes, and is told so.
        let last = store.get(&keys[..1]).await.unwrap().remove(0).unwrap();
        let gone = Write { key: keys[0].clone(), expect: Expect::Revision(last.revision), op: Op::Delete };
        store.commit(batch(command("go"), vec![gone])).await.unwrap();

        let expected = seats.map(|n| ("turn".to_owned(), format!("{n:04}"), Some(2)));
        let mut expected: Vec<_> = expected.chain([("go".to_owned(), "0000".to_owned(), None)]).collect();
        expected.sort();
        let all = store.changes(Some(from.clone()), 5_000, Millis(0)).await.unwrap();
        let mut at_once = told(&all.events);
        at_once.sort();
        assert_eq!(at_once, expected, "all at once");
        // In parts, each asked for by another process than the one before.
        let (mut parts, mut asked) = (Vec::new(), [&store, &other].into_iter().cycle());
        while parts.len() < expected.len() {
            let limit = if many > 3 { 400 } else { 1 };
            let part = asked.next().unwrap().changes(Some(from), limit, Millis(0)).await.unwrap();
            assert!(!part.events.is_empty());
            parts.extend(told(&part.events));
            from = part.next;
        }
        parts.sort();
        assert_eq!(parts, expected, "in parts");
    }
}
