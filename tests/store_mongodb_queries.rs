//! Queries of the store on MongoDB, on the replica set that `RUNSTATE_TEST_MONGODB` names, with documents for every
//! collection of the domain. Results are those of memory, and declared indexes serve them.

#![cfg(all(feature = "testing", feature = "mongodb"))]
// Test helpers may panic.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "store_mongodb/differential.rs"]
mod differential;
#[path = "store_mongodb/domain_layout.rs"]
#[expect(dead_code, reason = "the target `store_mongodb` uses all of it")]
mod domain_layout;
#[path = "store_mongodb/explain.rs"]
mod explain;
#[path = "store_mongodb/feed.rs"]
mod feed;
#[path = "store_mongodb/other_seeds.rs"]
mod other_seeds;
#[path = "store_mongodb/query_generator.rs"]
mod query_generator;
#[path = "store_mongodb/scene.rs"]
mod scene;
#[path = "store_mongodb/search.rs"]
mod search;
#[path = "apps/search_documents.rs"]
mod search_documents;
#[path = "store_mongodb/server.rs"]
#[expect(dead_code, reason = "the target `store_mongodb` uses all of it")]
mod server;

use runstate::domain::cvm::{CC_HISTORY, EXECUTION_LOGS, EXECUTIONS, HEAP_PAGES, OUTPUTS, PROGRAM_VERSIONS, PROGRAMS};
use runstate::schema::Catalog;
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Store, Write};
use runstate::value::Json;
use serde_json::json;

use self::domain_layout::seed_layout;
use self::scene::insert;
use self::server::{database_name, fresh_url};

/// A store in a database of its own, with the URL of the server and the name of the database.
struct MongoTestStore {
    store: Mongo,
    server: String,
    database: String,
}

/// Opens a store in one database.
async fn open_in_one_database(catalog: &Catalog) -> MongoTestStore {
    open_at(catalog, |url| url.to_owned()).await
}

/// Opens a store in several databases (`layout=seed`), whose names begin with the name of the test's database.
async fn open_over_databases(catalog: &Catalog) -> MongoTestStore {
    open_at(catalog, seed_layout).await
}

async fn open_at(catalog: &Catalog, with_layout: fn(&str) -> String) -> MongoTestStore {
    let (server, url) = (std::env::var("RUNSTATE_TEST_MONGODB").unwrap(), fresh_url());
    let database = database_name(&url).unwrap();
    let store = Mongo::open(&with_layout(&url), MongoOptions::default()).await.unwrap();
    store.migrate(catalog).await.unwrap();
    MongoTestStore { store, server, database }
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
