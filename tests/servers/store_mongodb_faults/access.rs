//! Refusals and their reasons: passwords, privileges, servers that cannot be reached or are not in a replica set,
//! stores of newer programs, documents that were changed by hand.
//!
//! Each role that `runstate roles` creates suffices for its purpose, on a server with access control. Errors name the
//! missing privilege.

use std::sync::Arc;

use mongodb::bson::{Document, doc};
use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{ListLogs, Load, Start, Status};
use runstate::engine::{ChangeFilter, Engine, Error, Host as _, RunLimit, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::open;
use runstate::operation::Registry;
use runstate::schema::{Catalog, Collection, Direction, Field, Index, Key, Query};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Freshness, Store, StoreAdmin, StoreError};
use runstate::time::Millis;
use runstate::transfer::LineWriter;
use runstate::value::Json;
use serde_json::json;

use super::load;
use super::load::{COUNTERS, ROWS, check, count};
use super::server::Servers;
use crate::support::domain_layout::tested_layouts;
use crate::support::wait::fresh_database;

async fn open_error(url: &str) -> StoreError {
    Mongo::open(url, MongoOptions::default()).await.err().unwrap()
}

#[tokio::test]
async fn standalone_server_is_rejected_with_advice() {
    let Some(servers) = Servers::standalone().await else { return };
    crate::support::wait::wait_until("it answers", async || {
        servers.command(0, "admin", doc! { "hello": 1 }).await.ok()
    })
    .await;
    let error = open_error(&servers.direct_url(0, "x")).await;
    assert_eq!(error.code(), ErrorCode::NOT_A_REPLICA_SET, "{error}");
    assert!(error.to_string().contains("--replSet"), "{error}");
}

/// A role on a database.
fn role_on(database: &str, role: &str) -> Document {
    doc! { "roles": [{ "role": role, "db": database }] }
}

#[tokio::test]
async fn read_write_role_is_enough_and_missing_rights_are_named() {
    let Some(servers) = Servers::with_access_control().await else { return };
    let name = fresh_database("rights");
    let url = |user: &str| servers.direct_url_via(servers.port(0), user, &name);
    let expect_error = |error: StoreError, code: ErrorCode| {
        assert_eq!(error.code(), code, "{error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    };
    expect_error(open_error(&url("")).await, ErrorCode::NOT_AUTHORIZED);
    expect_error(open_error(&url("root:wrong-geheim@")).await, ErrorCode::NOT_AUTHORIZED);

    // `readWrite` on the one database is enough for everything.
    servers.create_user("service", "pa%ss@", role_on(&name, "readWrite")).await;
    let service = load::open(&url("service:pa%25ss%40@")).await;
    count(&service, 1, 0, "all").await;
    let from = service.changes(None, 1, Millis(0)).await.unwrap().next;
    count(&service, 1, 1, "all").await;
    assert_eq!(service.changes(Some(from), 10, Millis(1_000)).await.unwrap().events.len(), 2);
    check(&service, &[(1, 2)].into(), 0).await;
    expect_error(open_error(&url("service:wrong-geheim@")).await, ErrorCode::NOT_AUTHORIZED);

    // A user who may not create indexes can work if they exist, and is refused if they are missing.
    let privileges = doc! { "createRole": "works", "roles": [], "privileges": [{
        "resource": { "db": &name, "collection": "" },
        "actions": ["find", "insert", "update", "remove", "changeStream", "listIndexes", "listCollections"],
    }] };
    servers.command(0, "admin", privileges).await.unwrap();
    servers.create_user("narrow", "geheim", doc! { "roles": ["works"] }).await;
    let narrow = load::open(&url("narrow:geheim@")).await;
    count(&narrow, 2, 0, "all").await;
    check(&narrow, &[(1, 2), (2, 1)].into(), 0).await;
    const MORE: Collection = Collection::new("test.more", 1)
        .fields(&[Field::int("n")])
        .indexes(&[Index::ordered(&[("n", Direction::Ascending)])]);
    expect_error(
        narrow.migrate(&Catalog::new(&[&ROWS, &COUNTERS, &MORE]).unwrap()).await.unwrap_err(),
        ErrorCode::NOT_AUTHORIZED,
    );

    // A user who may only read can read.
    servers.create_user("reader", "geheim", role_on(&name, "read")).await;
    let reader = Mongo::open(&url("reader:geheim@"), MongoOptions::default()).await.unwrap();
    reader.migrate(&load::catalog()).await.unwrap();
    check(&reader, &[(1, 2), (2, 1)].into(), 0).await;
    let batch = load::decide_count(&reader, 3, 0, "all").await.unwrap();
    expect_error(reader.commit(batch).await.unwrap_err(), ErrorCode::NOT_AUTHORIZED);
}

#[tokio::test]
async fn documents_corrupted_by_hand_are_named_and_others_are_read() {
    let Some(servers) = Servers::replica_set(1).await else { return };
    let name = fresh_database("nonsense");
    let store = load::open(&servers.direct_url(0, &name)).await;
    for n in 0..6 {
        count(&store, 1, n, &format!("counter-{n}")).await;
    }
    let raw = servers.client(0).database(&name).collection::<Document>("test.counters");
    let nonsense = [
        doc! { "$unset": { "_rev": 1 } },
        doc! { "$set": { "_rev": 7 } },
        doc! { "$set": { "_rev": "not a revision" } },
        doc! { "$set": { "n": mongodb::bson::Regex { pattern: "x".try_into().unwrap(), options: "".try_into().unwrap() } } },
        doc! { "$set": { "n": f64::NAN } },
    ];
    for (n, change) in nonsense.into_iter().enumerate() {
        raw.update_one(doc! { "_id": format!("counter-{n}") }, change).await.unwrap();
        let key = Key::new(&COUNTERS, &format!("counter-{n}"));
        let error = store.get(std::slice::from_ref(&key), Freshness::Linearizable).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::CORRUPT, "{error}");
        assert!(error.to_string().contains(&format!("test.counters/counter-{n}")), "{error}");
        assert_eq!(
            store.query(&Query::of(&COUNTERS), Freshness::Linearizable).await.unwrap_err().code(),
            ErrorCode::CORRUPT
        );
    }
    count(&store, 1, 6, "counter-5").await;
    assert_eq!(store.query(&Query::of(&ROWS), Freshness::Linearizable).await.unwrap().items.len(), 7);
}

#[tokio::test]
async fn store_of_a_newer_program_is_read_and_not_written() {
    let Some(servers) = Servers::replica_set(1).await else { return };
    const NEWER: Collection = Collection::new("test.counters", 2).fields(&[Field::int("n")]);
    let name = fresh_database("newer");
    let url = servers.direct_url(0, &name);
    let store = load::open(&url).await;
    count(&store, 1, 0, "all").await;
    store.migrate(&Catalog::new(&[&ROWS, &NEWER]).unwrap()).await.unwrap();
    let older = Mongo::open(&url, MongoOptions::default()).await.unwrap();
    assert_eq!(older.migrate(&load::catalog()).await.unwrap_err().code(), ErrorCode::NEWER_VERSION);
    check(&older, &[(1, 1)].into(), 0).await;
    let batch = load::decide_count(&older, 1, 1, "all").await.unwrap();
    assert_eq!(older.commit(batch).await.unwrap_err().code(), ErrorCode::READ_ONLY);

    let raw = servers.client(0).database(&name).collection::<Document>("runstate.meta");
    raw.update_one(doc! { "_id": "store" }, doc! { "$set": { "format": 99 } }).await.unwrap();
    let error = open_error(&url).await;
    assert_eq!(error.code(), ErrorCode::NEWER_VERSION, "{error}");
}

const SOURCE: &str = r#"console.log("got", CC("what?"), call("search", { of: 1 })); sleep(1); CC("more?");"#;

/// Creates the roles of the store at `url`, and for each one a user of its name with the password `geheim`. Returns the
/// roles from the one with the fewest privileges.
async fn create_roles(servers: &Servers, url: &str) -> [String; 4] {
    let commands = open::roles(url, &Registry::new(runstate::domain::ALL).unwrap()).await.unwrap();
    let mut roles = Vec::new();
    for command in commands {
        let command: Document = serde_json::from_str(&command.to_string()).unwrap();
        let role = command.get_str("createRole").unwrap().to_owned();
        servers.command(0, "admin", command).await.unwrap();
        servers.create_user(&role, "geheim", doc! { "roles": [&role] }).await;
        roles.push(role);
    }
    roles.try_into().unwrap()
}

async fn open_existing(url: &str) -> Result<Engine, Error> {
    let store = Mongo::open(url, MongoOptions { must_exist: true, ..MongoOptions::default() }).await?;
    engine_over(Arc::new(store)).await
}

async fn engine_over(store: Arc<dyn Store>) -> Result<Engine, Error> {
    Engine::with_settings(store, Arc::new(SystemHost), runstate::domain::ALL, Settings::default()).await
}

/// Expects an error that names the operation and the remedy, without a password.
#[track_caller]
fn expect_refused<T>(operation: &str, result: Result<T, Error>) {
    let error = result.err().unwrap_or_else(|| panic!("{operation} was allowed"));
    assert_eq!(error.code, ErrorCode::NOT_AUTHORIZED, "{operation}: {error}");
    // The server's own message repeats the whole command, with the documents to be written.
    assert!(error.message.len() < 600 && !error.message.contains("clusterTime"), "{operation}: {error}");
    assert!(error.message.contains("docs/mongodb.md") && error.message.contains("not allowed"), "{operation}: {error}");
    assert!(!error.message.contains("geheim"), "{operation}: {error}");
}

/// Runs every operation of a process that runs executions.
async fn exercise_running(engine: &Engine) {
    let cvm = Cvm::new(engine);
    let from = engine.changes(None, &ChangeFilter::default(), Millis(0)).await.unwrap().next;
    let bytecode = runstate::lang::compile("asks.ts", SOURCE).unwrap().bytecode;
    cvm.load(&Load::new("asks", SOURCE, bytecode)).await.unwrap();
    cvm.start(&Start::new("asks").id("run")).await.unwrap();
    cvm.start(&Start::new("asks").id("other")).await.unwrap();
    cvm.answer("run", "this").await.unwrap();
    let work = cvm.claim(&["search".into()], "worker", Millis::minutes(1)).await.unwrap().unwrap();
    cvm.heartbeat(&work.claimed, Millis::minutes(2)).await.unwrap();
    cvm.complete(&work.claimed, "found").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    cvm.engine().run_due(100, RunLimit::Stop).await.unwrap();
    assert_eq!(cvm.output("run").await.unwrap(), ["got this found"]);
    assert_eq!(cvm.show("run").await.unwrap().status, Status::WaitingCc);
    cvm.pause("other").await.unwrap();
    cvm.cancel("other").await.unwrap();
    cvm.delete("other").await.unwrap();
    engine.sweep(SystemHost.now(), 100).await.unwrap();
    assert!(!engine.changes(Some(from), &ChangeFilter::default(), Millis(1_000)).await.unwrap().events.is_empty());
}

/// Runs every operation of a reader.
async fn exercise_reading(engine: &Engine) {
    let cvm = Cvm::new(engine);
    assert_eq!(cvm.list(&Default::default()).await.unwrap().items.len(), 1);
    assert_eq!(cvm.show("run").await.unwrap().output, ["got this found"]);
    assert!(!cvm.calls(&Default::default()).await.unwrap().items.is_empty());
    assert!(!cvm.logs(&ListLogs::of_execution("run")).await.unwrap().items.is_empty());
    assert_eq!(cvm.programs(&Default::default()).await.unwrap().items.len(), 1);
    let info = engine.info().await.unwrap();
    assert!(!format!("{:?}", info.properties).contains("geheim"));
    assert!(info.collections.iter().all(|collection| collection.documents.is_some()));
    let mut bytes = Vec::new();
    runstate::transfer::export(engine, &mut LineWriter::new(&mut bytes, "memory"), |_| {}).await.unwrap();
    assert!(bytes.len() > 1_000);
}

/// A step of an app, with the version of its configuration.
fn configuration(version: &str) -> Json {
    json!({"appId": 1, "appName": "Reports", "version": version, "configuration": {"steps": [{"id": 1, "name": "fetch"}]}})
}

async fn call(engine: &Engine, operation: &str, parameters: Json) -> Result<Json, Error> {
    let Json::Object(parameters) = parameters else { panic!("{parameters} is not an object") };
    engine.call(operation, parameters).await
}

/// Runs every operation of a worker, on executions that others have started.
async fn exercise_work(engine: &Engine) {
    let cvm = Cvm::new(engine);
    cvm.answer("work", "this").await.unwrap();
    let work = cvm.claim(&["search".into()], "worker", Millis::minutes(1)).await.unwrap().unwrap();
    cvm.heartbeat(&work.claimed, Millis::minutes(2)).await.unwrap();
    cvm.complete(&work.claimed, "found").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let report = engine.run_due(100, RunLimit::Stop).await.unwrap();
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    assert_eq!(cvm.show("work").await.unwrap().status, Status::WaitingCc);

    let step = call(engine, "apps.step.claim", json!({"names": ["fetch"], "owner": "worker"})).await.unwrap();
    let claimed = |more: Json| {
        let Json::Object(mut all) = json!({"id": step["claimed"]["id"], "token": step["claimed"]["token"]}) else {
            panic!("{step}")
        };
        all.extend(more.as_object().unwrap().clone());
        Json::Object(all)
    };
    call(engine, "apps.step.heartbeat", claimed(json!({}))).await.unwrap();
    call(engine, "apps.metrics.record", json!({"executionId": "app", "metrics": {"cpu_usage": 0.5}})).await.unwrap();
    let ended = call(engine, "apps.step.complete", claimed(json!({"output": {"pages": 1}}))).await.unwrap();
    assert_eq!(ended["status"], "completed");
}

/// The hash of everything in the store.
async fn contents(engine: &Engine) -> String {
    let mut bytes = Vec::new();
    runstate::transfer::export(engine, &mut LineWriter::new(&mut bytes, "memory"), |_| {}).await.unwrap().contents
}

/// Tests every role. `url` returns the URL for a user: empty, or `user:password@`.
async fn exercise_roles(servers: &Servers, url: impl Fn(&str) -> String) {
    let [reader, worker, operator, owner] = create_roles(servers, &url("")).await;
    let url = |role: &str| url(&format!("{role}:geheim@"));
    let start = Start::new("asks").id("new");
    let load = || Load::new("asks", SOURCE, runstate::lang::compile("asks.ts", SOURCE).unwrap().bytecode);
    let notes = json!({"collection": "notes", "fields": [{"name": "title", "kind": "text"}], "indexes": [{"fields": ["title"]}]});
    // Only the owner can use an empty database.
    for role in [&reader, &worker, &operator] {
        expect_refused("opening an unprepared database", open_or_create(&url(role)).await.map(drop));
    }
    let owning = open_or_create(&url(&owner)).await.unwrap();

    let operating = open_existing(&url(&operator)).await.unwrap();
    exercise_running(&operating).await;
    exercise_reading(&operating).await;
    Cvm::new(&operating).start(&Start::new("asks").id("work")).await.unwrap();
    call(&operating, "apps.configuration.save", configuration("1.0.0")).await.unwrap();
    call(&operating, "apps.configuration.activate", json!({"appId": 1, "version": "1.0.0"})).await.unwrap();
    call(&operating, "apps.execution.start", json!({"appId": 1, "userId": "ada", "id": "app"})).await.unwrap();

    let working = open_existing(&url(&worker)).await.unwrap();
    exercise_work(&working).await;
    Cvm::new(&operating).cancel("work").await.unwrap();
    Cvm::new(&operating).delete("work").await.unwrap();
    let reading = open_existing(&url(&reader)).await.unwrap();
    exercise_reading(&reading).await;
    Cvm::new(&operating).load(&Load { name: "spare".into(), ..load() }).await.unwrap();
    // A step that a reader cannot claim.
    call(&operating, "apps.execution.start", json!({"appId": 1, "userId": "ada", "id": "next"})).await.unwrap();

    let before = contents(&reading).await;
    expect_refused("declaring with the role of operators", call(&operating, "documents.declare", notes.clone()).await);
    expect_refused(
        "loading with the role of workers",
        Cvm::new(&working).load(&Load { name: "new".into(), ..load() }).await,
    );
    expect_refused(
        "removing with the role of workers",
        call(&working, "cvm.removeProgram", json!({"name": "spare"})).await,
    );
    expect_refused(
        "saving with the role of workers",
        call(&working, "apps.configuration.save", configuration("2.0.0")).await,
    );
    let other = json!({"appId": 2, "appName": "Other", "version": "1.0.0", "activate": true,
        "configuration": {"steps": [{"id": 1, "name": "fetch"}]}});
    expect_refused("activating with the role of workers", call(&working, "apps.configuration.save", other).await);
    expect_refused("declaring with the role of workers", call(&working, "documents.declare", notes.clone()).await);
    expect_refused("starting with the role of readers", Cvm::new(&reading).start(&start).await);
    expect_refused("answering with the role of readers", Cvm::new(&reading).answer("run", "x").await);
    expect_refused("sweeping with the role of readers", reading.sweep(SystemHost.now() + Millis::days(60), 100).await);
    let claim = json!({"names": ["fetch"], "owner": "reader"});
    expect_refused("claiming with the role of readers", call(&reading, "apps.step.claim", claim).await);
    assert_eq!(contents(&reading).await, before, "a refused command has changed something");
    assert_eq!(Cvm::new(&operating).list(&Default::default()).await.unwrap().items.len(), 1);

    // The owner can do all of that.
    call(&owning, "documents.declare", notes).await.unwrap();
    call(&owning, "apps.configuration.save", configuration("2.0.0")).await.unwrap();
    Cvm::new(&owning).start(&start).await.unwrap();
    owning.sweep(SystemHost.now(), 100).await.unwrap();
}

/// Opens a store, or creates it.
async fn open_or_create(url: &str) -> Result<Engine, Error> {
    engine_over(Arc::new(Mongo::open(url, MongoOptions::default()).await?)).await
}

#[tokio::test]
async fn each_role_suffices_and_missing_rights_are_named() {
    let Some(servers) = Servers::with_access_control().await else { return };
    let name = fresh_database("roles");
    let layout = "&layout=seed&databasePrefix=env_";
    for is_divided in tested_layouts() {
        let url = |user: &str| match is_divided {
            true => servers.direct_url_via(servers.port(0), user, "") + layout,
            false => servers.direct_url_via(servers.port(0), user, &name),
        };
        exercise_roles(&servers, url).await;
    }
}
