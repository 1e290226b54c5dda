//! Indexes that take the server long to build: whoever declares them is told in time, the server goes on, and nobody takes one that is not
//! finished for one that holds.

use mongodb::bson::{Document, doc};
use runstate::code::Code;
use runstate::schema::{Catalog, Collection, Direction, Field, Index};
use runstate::store::mongodb::{Mongo, Options};
use runstate::store::{Error, Store};

use super::load::{COUNTERS, ROWS, count, open};
use super::server::{Servers, database, program, until};

/// As `test.counters` is declared later: an index on documents that are there already.
const LATER: Collection = Collection::new("test.counters", 1).fields(&[Field::int("n")]).indexes(&[Index::by(&[(
    "n",
    Direction::Ascending,
)])
.unique()]);

/// Opens the store as a process of its own, and declares that.
async fn declared(url: &str, of: &'static Collection) -> Result<Mongo, Error> {
    let store = Mongo::open(url, Options::default()).await?;
    store.migrate(&Catalog::new(&[&ROWS, of]).unwrap()).await?;
    Ok(store)
}

/// What is told where indexes are being built, by a call that may take `millis`: a busy machine may take as long before it asks for them.
async fn expect_to_be_told(url: &str, of: &'static Collection) {
    let mut refused = None;
    for millis in [700, 7_000, 70_000] {
        let error = declared(&format!("{url}&timeoutMS={millis}"), of).await.map(drop).unwrap_err();
        let in_time = error.code() != Code::Timeout;
        refused = Some(error);
        if in_time {
            break;
        }
    }
    let error = refused.unwrap();
    assert_eq!((error.code(), error.retryable()), (Code::Unavailable, true), "{error}");
    let said = error.to_string();
    for words in ["test.counters", "still building", "n_1", "goes on by itself", "timeoutMS"] {
        assert!(said.contains(words), "`{words}` is missing in: {said}");
    }
}

async fn names(servers: &Servers, database: &str) -> Vec<String> {
    let listed = servers.command(0, database, doc! { "listIndexes": "test.counters", "includeBuildUUIDs": true });
    let listed = listed.await.unwrap();
    let batch = listed.get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone();
    // One that is being built has its name further below.
    batch.iter().filter_map(|index| index.as_document()?.get_str("name").ok().map(str::to_owned)).collect()
}

async fn hang(servers: &Servers, mode: &str) -> Document {
    let point = doc! { "configureFailPoint": "hangAfterStartingIndexBuild", "mode": mode };
    servers.command(0, "admin", point).await.unwrap()
}

#[tokio::test]
async fn an_index_that_is_built_for_long_is_told_and_waited_for_by_whoever_comes_next() {
    let Some(program) = program("store_mongodb_faults::building::an_index_that_is_built_for_long") else { return };
    let servers = Servers::obedient(program).await;
    let name = database("building");
    let url = servers.direct(0, &name);
    let store = open(&url).await;
    for n in 0..5 {
        count(&store, 1, n, &format!("counter-{n}")).await;
    }
    for n in 5..9 {
        count(&store, 1, n, "counter-1").await;
    }
    hang(&servers, "alwaysOn").await;
    // The second one finds it listed, and does not take it for ready.
    for _ in 0..2 {
        expect_to_be_told(&url, &LATER).await;
    }
    assert_eq!(names(&servers, &name).await, ["_id_"]);
    let facts = store.facts().await.unwrap();
    assert!(format!("{facts:?}").contains("test.counters.n_1"), "{facts:?}");
    // What runs meanwhile runs.
    count(&store, 2, 0, "counter-2").await;

    hang(&servers, "off").await;
    // Four of the counters say 1, so the server finds that it cannot be unique, and whoever declares it is told which.
    let refused = until("the building has ended", async || {
        Some(declared(&url, &LATER).await.map(drop))
            .filter(|declared| declared.as_ref().err().is_none_or(|error| error.code() != Code::Unavailable))
    });
    assert_eq!(refused.await.unwrap_err().code(), Code::UniqueViolation);
    assert_eq!(names(&servers, &name).await, ["_id_"]);
    for n in [0, 3, 4] {
        let raw = servers.client(0).database(&name).collection::<Document>("test.counters");
        raw.delete_one(doc! { "_id": format!("counter-{n}") }).await.unwrap();
    }

    // Once more, and nobody waits for it: it is there when somebody comes, who knows that it is the store's own.
    hang(&servers, "alwaysOn").await;
    expect_to_be_told(&url, &LATER).await;
    hang(&servers, "off").await;
    until("it is built", async || Some(names(&servers, &name).await).filter(|names| names.len() == 2)).await;
    declared(&url, &LATER).await.unwrap();
    declared(&url, &COUNTERS).await.unwrap();
    assert_eq!(names(&servers, &name).await, ["_id_"], "what nothing declares any more is dropped");
}
