//! Asking the store on MongoDB, on the replica set that `RUNSTATE_TEST_MONGODB` names: as memory answers, and by the indexes that were
//! declared.
#![cfg(all(feature = "testing", feature = "mongodb"))]
// Helpers of tests are tests.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "store_mongodb/differential.rs"]
mod differential;
#[path = "store_mongodb/explain.rs"]
mod explain;
#[path = "store_mongodb/feed.rs"]
mod feed;
#[path = "store_mongodb/filled.rs"]
mod filled;
#[path = "store_mongodb/other_seeds.rs"]
mod other_seeds;
#[path = "store_mongodb/random.rs"]
mod random;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use runstate::id::CommandId;
use runstate::schema::{Catalog, Collection, Key};
use runstate::store::mongodb::{Mongo, Options};
use runstate::store::{Batch, Expect, Op, Store, Write};
use runstate::time::Timestamp;
use runstate::value::Json;

/// A store in a database of its own, and the two on the server: its URL and its name.
struct Ground {
    store: Mongo,
    server: String,
    database: String,
}

/// A store in one database. `None`: there is no server, which is said.
async fn ground(test: &str, catalog: &Catalog) -> Option<Ground> {
    opened(test, catalog, |base, name, query| format!("{base}/{name}?{query}")).await
}

/// A store that is spread over databases as systems before it were, whose names begin with the ground's.
async fn spread(test: &str, catalog: &Catalog) -> Option<Ground> {
    opened(test, catalog, |base, name, query| format!("{base}/?{query}&layout=seed&databasePrefix={name}_")).await
}

async fn opened(test: &str, catalog: &Catalog, url: fn(&str, &str, &str) -> String) -> Option<Ground> {
    static USED: AtomicU32 = AtomicU32::new(0);
    let Ok(server) = std::env::var("RUNSTATE_TEST_MONGODB") else {
        println!("skipped: {test}: RUNSTATE_TEST_MONGODB names no server; `cargo xtask test` does");
        return None;
    };
    let (base, query) = server.split_once('?').unwrap_or((&server, "appName=tests"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let database = format!("a{}_{now:x}_{}", std::process::id(), USED.fetch_add(1, Ordering::Relaxed));
    let url = url(base.trim_end_matches('/'), &database, query);
    let store = Mongo::open(&url, Options::default()).await.unwrap();
    store.migrate(catalog).await.unwrap();
    Some(Ground { store, server, database })
}

/// What the driver needs to be asked.
fn on_tokio<T>(future: impl Future<Output = T>) -> T {
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
    Write { key: Key::new(collection, id), expect: Expect::Any, op: Op::Put { version: 1, document } }
}

fn insert(collection: &Collection, id: &str, document: Json) -> Write {
    Write { expect: Expect::Absent, ..put(collection, id, document) }
}
