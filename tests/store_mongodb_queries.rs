//! Queries of the store on MongoDB, on the replica set that `RUNSTATE_TEST_MONGODB` names, with documents for every
//! collection of the domain. Results are those of memory, and declared indexes serve them.

#![cfg(all(feature = "testing", feature = "mongodb"))]
// Test helpers may panic.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "store_mongodb/differential.rs"]
mod differential;
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

use runstate::domain::cvm::{CC_HISTORY, EXECUTION_LOGS, EXECUTIONS, HEAP_PAGES, OUTPUTS, PROGRAM_VERSIONS, PROGRAMS};
use runstate::id::CommandId;
use runstate::schema::{Catalog, Collection, Key};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Batch, Expectation, Store, Write, WriteOp};
use runstate::time::Timestamp;
use runstate::value::Json;
use serde_json::json;

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

/// The number of executions. Each has a few calls, output rows and log rows.
const EXECUTION_COUNT: i64 = 600;

fn execution(n: i64) -> Json {
    let ended = n % 20 != 0;
    let state = json!({
        "pc": 1, "stack": [], "scopes": [], "output": [], "outputCount": 0,
        "status": if ended { "complete" } else { "waiting_cc" },
    });
    let mut execution = json!({
        "id": format!("e{n}"), "programId": format!("p{}", n % 10), "programName": format!("program {}", n % 10),
        "programVersion": 1, "state": state, "started": n * 10, "lastModified": n * 10 + 5, "metrics": {"instructionsExecuted": n},
        "random": null, "heap": {}, "outputDigest": "",
    });
    let (field, at) = if ended { ("completed", n * 10 + 5) } else { ("wakeAt", n * 10 + 7) };
    execution[field] = at.into();
    execution
}

/// The fourth call of a waiting execution is open.
fn call(n: i64, step: i64) -> Json {
    let open = n % 20 == 0 && step == 3;
    let kind = if step % 2 == 1 { "cognitive" } else { "mail" };
    let mut call = json!({
        "id": format!("c{n}-{step}"), "executionId": format!("e{n}"), "programName": format!("program {}", n % 10), "step": step,
        "kind": kind, "request": {"prompt": "?", "instructionId": 1, "timestamp": n * 10 + step},
    });
    if open {
        call["availableAt"] = (n * 10 + step).into();
        call["request"]["deadline"] = (1_000_000 + n).into();
    } else {
        call["outcome"] = "answered".into();
        call["response"] = json!({"result": 1, "latencyMs": n % 97});
    }
    call
}

fn domain_writes() -> Vec<Write> {
    let mut writes = Vec::new();
    let program = |id: &str, version: i64| {
        json!({"id": format!("{id}-{version}"), "programId": id, "programVersion": version, "source": "", "bytecode": [],
            "metadata": {"version": 1, "compiled": 0, "compiler": ""}, "created": version})
    };
    for n in 0..60 {
        let (id, name) = (format!("p{n}"), format!("program {n}"));
        let mut row = program(&id, 1);
        row["id"] = id.as_str().into();
        row["name"] = name.into();
        row["modified"] = n.into();
        writes.push(insert(&PROGRAMS, &id, row));
        for version in 1..6 {
            writes.push(insert(&PROGRAM_VERSIONS, &format!("{id}-{version}"), program(&id, version)));
        }
    }
    for n in 0..EXECUTION_COUNT {
        writes.push(insert(&EXECUTIONS, &format!("e{n}"), execution(n)));
        for step in 0..4 {
            let of = |id: &str| json!({"id": id, "executionId": format!("e{n}")});
            writes.push(insert(&CC_HISTORY, &format!("c{n}-{step}"), call(n, step)));
            let id = format!("o{n}-{step}");
            let mut output = of(&id);
            output["seq"] = step.into();
            output["lines"] = json!(["x"]);
            writes.push(insert(&OUTPUTS, &id, output));
            let id = format!("h{n}-{step}");
            let mut page = of(&id);
            page["page"] = step.into();
            page["version"] = 1.into();
            writes.push(insert(&HEAP_PAGES, &id, page));
            let id = format!("l{n}-{step}");
            let mut line = of(&id);
            line["timestamp"] = (n * 10 + step).into();
            line["event"] = "cc_call".into();
            line["details"] = json!({});
            writes.push(insert(&EXECUTION_LOGS, &id, line));
        }
    }
    writes
}
