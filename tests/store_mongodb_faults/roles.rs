//! The roles of docs/mongodb.md, created from its very text, on a server with access control. Each is enough for its purpose, and an error
//! names what it lacks.

use std::sync::Arc;

use mongodb::bson::{Bson, Document, doc};
use runstate::domain::cvm::{Load, Start, Status};
use runstate::engine::transfer::LineWriter;
use runstate::engine::{ChangeFilter, Engine, Error, Host as _, RunLimit, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::limits::Settings;
use runstate::store::Store;
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::time::Millis;

use super::server::{Servers, fresh_database, program};

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
    let one = command.get_array("privileges").unwrap().clone();
    let placed = |database: &str, collection: &str, of: &Document| {
        let actions = of.get_array("actions").unwrap().clone();
        Bson::from(doc! { "resource": { "db": database, "collection": collection }, "actions": actions })
    };
    let mut privileges = Vec::new();
    for of in one.iter().filter_map(Bson::as_document) {
        let runstate = format!("{prefix}runstate");
        if of.get_document("resource").unwrap().get_str("collection").is_ok_and(|name| name == "runstate.meta") {
            privileges.push(placed(&runstate, "meta", of));
        } else {
            privileges.extend([placed(&runstate, "", of), placed(&format!("{prefix}cvm"), "", of)]);
        }
        if of.get_array("actions").unwrap().contains(&"changeStream".into()) {
            privileges.push(Bson::from(
                doc! { "resource": { "db": "", "collection": "" }, "actions": ["changeStream", "find"] },
            ));
        }
    }
    command.insert("privileges", privileges);
    command
}

/// Creates users with these roles: `NAME`, with the password `NAME-geheim`.
async fn create_users(servers: &Servers, commands: &[Document], prefix: &str) {
    for command in commands {
        let role = command.get_str("createRole").unwrap();
        let (mut command, named) = (command.clone(), format!("{role}{prefix}"));
        command.insert("createRole", &named);
        servers.command(0, "admin", command).await.unwrap();
        servers.create_user(&named, &format!("{named}-geheim"), doc! { "roles": [&named] }).await;
    }
}

async fn open_existing(url: &str) -> Result<Engine, Error> {
    let store = Mongo::open(url, MongoOptions { must_exist: true, ..MongoOptions::default() }).await?;
    engine_over(Arc::new(store)).await
}

async fn engine_over(store: Arc<dyn Store>) -> Result<Engine, Error> {
    Engine::new(store, Arc::new(SystemHost), runstate::domain::catalog().unwrap(), Settings::default()).await
}

/// Expects an error that says what was tried and what to do, without a password.
#[track_caller]
fn expect_refused<T>(what: &str, result: Result<T, Error>) {
    let error = result.err().unwrap_or_else(|| panic!("{what} was allowed"));
    assert_eq!(error.code, ErrorCode::NotAuthorized, "{what}: {error}");
    // The server's own message repeats the whole command, with the documents to be written.
    assert!(error.message.len() < 600 && !error.message.contains("clusterTime"), "{what}: {error}");
    assert!(error.message.contains("docs/mongodb.md") && error.message.contains("not allowed"), "{what}: {error}");
    assert!(!error.message.contains("geheim"), "{what}: {error}");
}

/// Everything that a process which runs executions does.
async fn exercise_running(engine: &Engine) {
    let cvm = engine.cvm();
    let from = cvm.changes(None, &ChangeFilter::default(), Millis(0)).await.unwrap().next;
    let bytecode = runstate::lang::compile("asks.ts", SOURCE).unwrap().bytecode;
    cvm.load(&Load::new("asks", SOURCE, bytecode), None).await.unwrap();
    cvm.start(&Start::new("asks").id("run"), None).await.unwrap();
    cvm.start(&Start::new("asks").id("other"), None).await.unwrap();
    cvm.answer("run", None, "this".into(), None, None).await.unwrap();
    let work = cvm.claim(&["search".into()], "worker", Millis::minutes(1)).await.unwrap().unwrap();
    cvm.heartbeat(&work.claimed, Millis::minutes(2)).await.unwrap();
    cvm.complete(&work.claimed, "found".into(), None, None).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    cvm.run_due(100, RunLimit::Stop).await.unwrap();
    assert_eq!(cvm.output("run").await.unwrap(), ["got this found"]);
    assert_eq!(cvm.show("run").await.unwrap().status, Status::WaitingCc);
    cvm.pause("other", None).await.unwrap();
    cvm.cancel("other", None).await.unwrap();
    cvm.delete("other", None).await.unwrap();
    engine.sweep(SystemHost.now(), 100).await.unwrap();
    assert!(!cvm.changes(Some(from), &ChangeFilter::default(), Millis(1_000)).await.unwrap().events.is_empty());
}

/// Everything that a reader does.
async fn exercise_reading(engine: &Engine) {
    let cvm = engine.cvm();
    assert_eq!(cvm.list(&Default::default()).await.unwrap().len(), 1);
    assert_eq!(cvm.show("run").await.unwrap().output, ["got this found"]);
    assert!(!cvm.calls(&Default::default()).await.unwrap().rows.is_empty());
    assert!(!cvm.logs("run", None, None).await.unwrap().rows.is_empty());
    assert_eq!(cvm.programs(&Default::default()).await.unwrap().rows.len(), 1);
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
    // An empty database is open only to the role that prepares.
    expect_refused("reading what is not prepared", open_or_create(&url("runstateReads")).await.map(drop));
    expect_refused("running what is not prepared", open_or_create(&url("runstateRuns")).await.map(drop));

    let prepares = open_or_create(&url("runstatePrepares")).await.unwrap();
    let bytecode = runstate::lang::compile("asks.ts", SOURCE).unwrap().bytecode;
    expect_refused("loading, as who prepares", prepares.cvm().load(&Load::new("asks", SOURCE, bytecode), None).await);
    expect_refused(
        "following, as who prepares",
        prepares.cvm().changes(None, &ChangeFilter::default(), Millis(0)).await,
    );

    let runs = open_existing(&url("runstateRuns")).await.unwrap();
    exercise_running(&runs).await;
    exercise_reading(&runs).await;

    let reads = open_existing(&url("runstateReads")).await.unwrap();
    exercise_reading(&reads).await;
    expect_refused("starting, as who reads", reads.cvm().start(&start, None).await);
    expect_refused("answering, as who reads", reads.cvm().answer("run", None, "x".into(), None, None).await);
    expect_refused("sweeping, as who reads", reads.sweep(SystemHost.now() + Millis::days(60), 100).await);
    assert_eq!(runs.cvm().list(&Default::default()).await.unwrap().len(), 1);
}

/// Opens a store, or creates it.
async fn open_or_create(url: &str) -> Result<Engine, Error> {
    engine_over(Arc::new(Mongo::open(url, MongoOptions::default()).await?)).await
}

#[tokio::test]
async fn documented_roles_suffice_and_missing_rights_are_named() {
    let Some(program) = program("store_mongodb_faults::roles::the_documented_roles") else { return };
    let servers = Servers::with_access_control(program).await;
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
