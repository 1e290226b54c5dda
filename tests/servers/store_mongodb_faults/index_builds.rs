//! Indexes that take the server long to build. A process that declares them gets an error in time, and the server
//! continues the build. No process takes an unfinished index for a finished one.

use mongodb::bson::{Document, doc};
use runstate::error_code::ErrorCode;
use runstate::schema::{Catalog, Collection, Direction, Field, Index};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{StoreAdmin, StoreError};

use super::load::{COUNTERS, ROWS, count, open};
use super::server::Servers;
use crate::support::wait::{fresh_database, wait_until};

/// `test.counters` as a later version declares it: with an index on documents that exist already.
const LATER: Collection = Collection::new("test.counters", 1)
    .fields(&[Field::int("n")])
    .indexes(&[Index::ordered(&[("n", Direction::Ascending)]).unique()]);

/// Opens the store as another process, and migrates it to this declaration of `test.counters`.
async fn open_and_declare(url: &str, counters: &'static Collection) -> Result<Mongo, StoreError> {
    let store = Mongo::open(url, MongoOptions::default()).await?;
    store.migrate(&Catalog::new(&[&ROWS, counters]).unwrap()).await?;
    Ok(store)
}

/// Expects the error for indexes that are being built. On a busy machine the time limit may pass before they are
/// requested. Then a longer limit is tried.
async fn expect_build_reported(url: &str, counters: &'static Collection) {
    let mut last_error = None;
    for millis in [700, 7_000, 70_000] {
        let error = open_and_declare(&format!("{url}&timeoutMS={millis}"), counters).await.map(drop).unwrap_err();
        let in_time = error.code() != ErrorCode::TIMEOUT;
        last_error = Some(error);
        if in_time {
            break;
        }
    }
    let error = last_error.unwrap();
    assert_eq!((error.code(), error.is_retryable()), (ErrorCode::UNAVAILABLE, true), "{error}");
    let message = error.to_string();
    for words in ["test.counters", "still building", "n_1", "continues by itself", "timeoutMS"] {
        assert!(message.contains(words), "`{words}` is missing in: {message}");
    }
}

async fn index_names(servers: &Servers, database: &str) -> Vec<String> {
    let listed = servers.command(0, database, doc! { "listIndexes": "test.counters", "includeBuildUUIDs": true });
    let listed = listed.await.unwrap();
    let batch = listed.get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone();
    // An index that is being built has its name in a nested document.
    batch.iter().filter_map(|index| index.as_document()?.get_str("name").ok().map(str::to_owned)).collect()
}

async fn set_build_failpoint(servers: &Servers, mode: &str) -> Document {
    let point = doc! { "configureFailPoint": "hangAfterStartingIndexBuild", "mode": mode };
    servers.command(0, "admin", point).await.unwrap()
}

#[tokio::test]
async fn long_index_build_is_reported_and_awaited_by_the_next_open() {
    let Some(servers) = Servers::with_failpoints().await else { return };
    let name = fresh_database("building");
    let url = servers.direct_url(0, &name);
    let store = open(&url).await;
    for n in 0..5 {
        count(&store, 1, n, &format!("counter-{n}")).await;
    }
    for n in 5..9 {
        count(&store, 1, n, "counter-1").await;
    }
    set_build_failpoint(&servers, "alwaysOn").await;
    // The second attempt finds the unfinished index in the list, and does not treat it as finished.
    for _ in 0..2 {
        expect_build_reported(&url, &LATER).await;
    }
    assert_eq!(index_names(&servers, &name).await, ["_id_"]);
    let properties = store.properties().await.unwrap();
    assert!(format!("{properties:?}").contains("test.counters.n_1"), "{properties:?}");
    // Commits continue during the build.
    count(&store, 2, 0, "counter-2").await;

    set_build_failpoint(&servers, "off").await;
    // Four of the counters say 1, so the server finds that the index cannot be unique. The next process that declares
    // it gets that error.
    let declared = wait_until("the building has ended", async || {
        Some(open_and_declare(&url, &LATER).await.map(drop))
            .filter(|declared| declared.as_ref().err().is_none_or(|error| error.code() != ErrorCode::UNAVAILABLE))
    });
    assert_eq!(declared.await.unwrap_err().code(), ErrorCode::UNIQUE_VIOLATION);
    assert_eq!(index_names(&servers, &name).await, ["_id_"]);
    for n in [0, 3, 4] {
        let raw = servers.client(0).database(&name).collection::<Document>("test.counters");
        raw.delete_one(doc! { "_id": format!("counter-{n}") }).await.unwrap();
    }

    // Once more, without a process that waits for it. The next process finds the index, and knows that it is the
    // store's own.
    set_build_failpoint(&servers, "alwaysOn").await;
    expect_build_reported(&url, &LATER).await;
    set_build_failpoint(&servers, "off").await;
    wait_until("it is built", async || Some(index_names(&servers, &name).await).filter(|names| names.len() == 2)).await;
    open_and_declare(&url, &LATER).await.unwrap();
    open_and_declare(&url, &COUNTERS).await.unwrap();
    assert_eq!(index_names(&servers, &name).await, ["_id_"], "an index that is no longer declared is dropped");
}
