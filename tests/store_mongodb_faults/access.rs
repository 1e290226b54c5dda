//! Refusals and their reasons: passwords, privileges, servers that cannot be reached or are not in a replica set, stores of newer programs,
//! documents that were changed by hand.
//!
//! Each role of docs/mongodb.md, created from its text on a server with access control, suffices for its purpose.
//! Errors name the missing privilege.

use std::sync::Arc;

use mongodb::bson::{Bson, Document, doc};
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{Load, LogListing, Start, Status};
use runstate::engine::transfer::LineWriter;
use runstate::engine::{ChangeFilter, Engine, Error, Host as _, RunLimit, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::schema::{Catalog, Collection, Direction, Field, Index, Key, Query};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Freshness, Store, StoreError};
use runstate::time::Millis;

use super::load;
use super::load::{COUNTERS, ROWS, check, count};
use super::server::{Servers, fresh_database};

async fn open_error(url: &str) -> StoreError {
    Mongo::open(url, MongoOptions::default()).await.err().unwrap()
}

#[tokio::test]
async fn standalone_server_is_rejected_with_advice() {
    let Some(servers) = Servers::standalone().await else { return };
    super::server::wait_until("it answers", async || servers.command(0, "admin", doc! { "hello": 1 }).await.ok()).await;
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

const GUIDE: &str = include_str!("../../docs/mongodb.md");

const SOURCE: &str = r#"console.log("got", CC("what?"), call("search", { of: 1 })); sleep(1); CC("more?");"#;

/// The commands in the guide that create roles, for the database of that name.
fn documented_roles(name: &str) -> Vec<Document> {
    let blocks = GUIDE.split("```json").skip(1).filter_map(|rest| rest.split("```").next());
    let commands = blocks.filter(|block| block.contains("createRole")).map(|block| {
        let json: serde_json::Value = serde_json::from_str(&block.replace("DATABASE", name)).unwrap();
        let command = mongodb::bson::serialize_to_document(&json).unwrap();
        // The name of a command must be its first field, and parsed JSON does not keep the order of fields.
        let mut ordered = doc! { "createRole": command.get_str("createRole").unwrap() };
        ordered.extend(command);
        ordered
    });
    commands.collect()
}

/// The same for `layout=seed`, as the guide describes it.
fn for_seed_layout(mut command: Document, prefix: &str) -> Document {
    let documented = command.get_array("privileges").unwrap().clone();
    let privilege_on = |database: &str, collection: &str, privilege: &Document| {
        let actions = privilege.get_array("actions").unwrap().clone();
        Bson::from(doc! { "resource": { "db": database, "collection": collection }, "actions": actions })
    };
    let mut privileges = Vec::new();
    for privilege in documented.iter().filter_map(Bson::as_document) {
        let runstate = format!("{prefix}runstate");
        if privilege.get_document("resource").unwrap().get_str("collection").is_ok_and(|name| name == "runstate.meta") {
            privileges.push(privilege_on(&runstate, "meta", privilege));
        } else {
            privileges.push(privilege_on(&runstate, "", privilege));
            let domains = runstate::domain::ALL.iter();
            privileges.extend(domains.map(|domain| privilege_on(&format!("{prefix}{}", domain.name), "", privilege)));
        }
        if privilege.get_array("actions").unwrap().contains(&"changeStream".into()) {
            privileges.push(Bson::from(
                doc! { "resource": { "db": "", "collection": "" }, "actions": ["changeStream", "find"] },
            ));
        }
    }
    command.insert("privileges", privileges);
    command
}

/// Creates a user for each role. The role NAME has the user `NAME` with the password `NAME-geheim`.
async fn create_users(servers: &Servers, commands: &[Document], prefix: &str) {
    for command in commands {
        let role = command.get_str("createRole").unwrap();
        let (mut command, name) = (command.clone(), format!("{role}{prefix}"));
        command.insert("createRole", &name);
        servers.command(0, "admin", command).await.unwrap();
        servers.create_user(&name, &format!("{name}-geheim"), doc! { "roles": [&name] }).await;
    }
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
    let cvm = engine.cvm();
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
    let cvm = engine.cvm();
    assert_eq!(cvm.list(&Default::default()).await.unwrap().items.len(), 1);
    assert_eq!(cvm.show("run").await.unwrap().output, ["got this found"]);
    assert!(!cvm.calls(&Default::default()).await.unwrap().items.is_empty());
    assert!(!cvm.logs(&LogListing::of_execution("run")).await.unwrap().items.is_empty());
    assert_eq!(cvm.programs(&Default::default()).await.unwrap().items.len(), 1);
    let info = engine.info().await.unwrap();
    assert!(!format!("{:?}", info.properties).contains("geheim"));
    assert!(info.collections.iter().all(|collection| collection.documents.is_some()));
    let mut bytes = Vec::new();
    engine.export(&mut LineWriter::new(&mut bytes, "memory"), |_| {}).await.unwrap();
    assert!(bytes.len() > 1_000);
}

/// Tests every role. `url` returns the URL of a role's user.
async fn exercise_roles(url: impl Fn(&str) -> String) {
    let start = Start::new("asks").id("new");
    // Only the preparing role can use an empty database.
    expect_refused("reading an unprepared database", open_or_create(&url("runstateReads")).await.map(drop));
    expect_refused("running on an unprepared database", open_or_create(&url("runstateRuns")).await.map(drop));

    let preparing = open_or_create(&url("runstatePrepares")).await.unwrap();
    let bytecode = runstate::lang::compile("asks.ts", SOURCE).unwrap().bytecode;
    expect_refused("loading with the preparing role", preparing.cvm().load(&Load::new("asks", SOURCE, bytecode)).await);
    expect_refused(
        "following with the preparing role",
        preparing.changes(None, &ChangeFilter::default(), Millis(0)).await,
    );

    let running = open_existing(&url("runstateRuns")).await.unwrap();
    exercise_running(&running).await;
    exercise_reading(&running).await;

    let reading = open_existing(&url("runstateReads")).await.unwrap();
    exercise_reading(&reading).await;
    expect_refused("starting with the reading role", reading.cvm().start(&start).await);
    expect_refused("answering with the reading role", reading.cvm().answer("run", "x").await);
    expect_refused("sweeping with the reading role", reading.sweep(SystemHost.now() + Millis::days(60), 100).await);
    assert_eq!(running.cvm().list(&Default::default()).await.unwrap().items.len(), 1);
}

/// Opens a store, or creates it.
async fn open_or_create(url: &str) -> Result<Engine, Error> {
    engine_over(Arc::new(Mongo::open(url, MongoOptions::default()).await?)).await
}

#[tokio::test]
async fn documented_roles_suffice_and_missing_rights_are_named() {
    let Some(servers) = Servers::with_access_control().await else { return };
    let name = fresh_database("roles");
    let commands = documented_roles(&name);
    assert_eq!(commands.len(), 3, "{commands:?}");
    create_users(&servers, &commands, "").await;
    exercise_roles(|role| servers.direct_url_via(servers.port(0), &format!("{role}:{role}-geheim@"), &name)).await;

    // The same with each domain in a database of its own.
    let commands: Vec<Document> = commands.into_iter().map(|command| for_seed_layout(command, "env_")).collect();
    create_users(&servers, &commands, "_env").await;
    exercise_roles(|role| {
        let user = format!("{role}_env:{role}_env-geheim@");
        servers.direct_url_via(servers.port(0), &user, "") + "&layout=seed&databasePrefix=env_"
    })
    .await;
}
