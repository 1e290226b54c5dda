//! Queries of the store on MongoDB, on the replica set that `RUNSTATE_TEST_MONGODB` names: results are those of memory, and declared indexes
//! serve them.
#![cfg(all(feature = "testing", feature = "mongodb"))]
// Test helpers may panic.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "store_mongodb/differential.rs"]
mod differential;
#[path = "store_mongodb/domain_data.rs"]
mod domain_data;
#[path = "store_mongodb/explain.rs"]
mod explain;
#[path = "store_mongodb/feed.rs"]
mod feed;
#[path = "store_mongodb/other_seeds.rs"]
mod other_seeds;
#[path = "store_mongodb/query_generator.rs"]
mod query_generator;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use runstate::id::CommandId;
use runstate::schema::{Catalog, Collection, Key};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Batch, Expectation, Store, Write, WriteOp};
use runstate::time::Timestamp;
use runstate::value::Json;

/// A store in a database of its own, with the URL of the server and the name of the database.
struct MongoTestStore {
    store: Mongo,
    server: String,
    database: String,
}

/// Opens a store in one database. `None`, after a printed note, if there is no server.
async fn open_in_one_database(test: &str, catalog: &Catalog) -> Option<MongoTestStore> {
    open_at(test, catalog, |base, name, query| format!("{base}/{name}?{query}")).await
}

/// Opens a store in several databases (`layout=seed`), whose names begin with the name of the test's database.
async fn open_over_databases(test: &str, catalog: &Catalog) -> Option<MongoTestStore> {
    open_at(test, catalog, |base, name, query| format!("{base}/?{query}&layout=seed&databasePrefix={name}_")).await
}

async fn open_at(test: &str, catalog: &Catalog, url: fn(&str, &str, &str) -> String) -> Option<MongoTestStore> {
    static USED: AtomicU32 = AtomicU32::new(0);
    let Ok(server) = std::env::var("RUNSTATE_TEST_MONGODB") else {
        println!("skipped: {test}: RUNSTATE_TEST_MONGODB names no server; `cargo xtask test` does");
        return None;
    };
    let (base, query) = server.split_once('?').unwrap_or((&server, "appName=tests"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let database = format!("a{}_{now:x}_{}", std::process::id(), USED.fetch_add(1, Ordering::Relaxed));
    let url = url(base.trim_end_matches('/'), &database, query);
    let store = Mongo::open(&url, MongoOptions::default()).await.unwrap();
    store.migrate(catalog).await.unwrap();
    Some(MongoTestStore { store, server, database })
}

/// Runs a future on a tokio runtime, which the driver needs.
fn block_on_tokio<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

fn batch(command: &str, writes: Vec<Write>) -> Batch {
    Batch {
        command: CommandId::new(command).unwrap(),
        fingerprint: "f".to_owned(),
        at: Timestamp::from_millis(1_000_000),
        result: Json::Null,
        writes,
        checks: vec![],
    }
}

fn put(collection: &Collection, id: &str, document: Json) -> Write {
    let document = Arc::new(document.as_object().unwrap().clone());
    Write { key: Key::new(collection, id), expect: Expectation::Any, op: WriteOp::Put { version: 1, document } }
}

fn insert(collection: &Collection, id: &str, document: Json) -> Write {
    Write { expect: Expectation::Absent, ..put(collection, id, document) }
}
