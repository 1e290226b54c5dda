//! The roles of docs/mongodb.md, made from its very text, on a server that lets in only whom it knows: each is enough for what it is for, and what
//! it lacks is told.

use std::sync::Arc;

use mongodb::bson::{Bson, Document, doc};
use runstate::code::Code;
use runstate::domain::cvm::{Load, Start, Status};
use runstate::engine::transfer::LineWriter;
use runstate::engine::{ChangesOf, Engine, Error, Host as _, Pace, SystemHost};
use runstate::limits::Settings;
use runstate::store::Store;
use runstate::store::mongodb::{Mongo, Options};
use runstate::time::Millis;

use super::server::{Servers, database, program};

const GUIDE: &str = include_str!("../../docs/mongodb.md");

const SOURCE: &str = r#"console.log("got", CC("what?"), call("search", { of: 1 })); sleep(1); CC("more?");"#;

/// The commands in the guide that make roles, for the database of that name.
fn documented(name: &str) -> Vec<Document> {
    let blocks = GUIDE.split("```json").skip(1).filter_map(|rest| rest.split("```").next());
    let commands = blocks.filter(|block| block.contains("createRole")).map(|block| {
        let json: serde_json::Value = serde_json::from_str(&block.replace("DATABASE", name)).unwrap();
        let command = mongodb::bson::serialize_to_document(&json).unwrap();
        // The name of a command is its first field, and JSON texts are read in any order.
        let mut ordered = doc! { "createRole": command.get_str("createRole").unwrap() };
        ordered.extend(command);
        ordered
    });
    commands.collect()
}

/// The same for `layout=seed`, as the guide says it in words.
fn in_domains(mut command: Document, prefix: &str) -> Document {
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

/// A server with users of these roles: `NAME`, whose password is `NAME-geheim`.
async fn allow(servers: &Servers, commands: &[Document], prefix: &str) {
    for command in commands {
        let role = command.get_str("createRole").unwrap();
        let (mut command, named) = (command.clone(), format!("{role}{prefix}"));
        command.insert("createRole", &named);
        servers.command(0, "admin", command).await.unwrap();
        servers.allow(&named, &format!("{named}-geheim"), doc! { "roles": [&named] }).await;
    }
}

async fn opened(url: &str) -> Result<Engine, Error> {
    let store = Mongo::open(url, Options { existing: true, ..Options::default() }).await?;
    over(Arc::new(store)).await
}

async fn over(store: Arc<dyn Store>) -> Result<Engine, Error> {
    Engine::new(store, Arc::new(SystemHost), runstate::domain::catalog().unwrap(), Settings::default()).await
}

/// It is told as what it is, with what was tried and what to do, and without a password.
#[track_caller]
fn expect_refused<T>(what: &str, result: Result<T, Error>) {
    let error = result.err().unwrap_or_else(|| panic!("{what} was allowed"));
    assert_eq!(error.code, Code::NotAuthorized, "{what}: {error}");
    // The server would repeat the whole command, with what it was about to write.
    assert!(error.message.len() < 600 && !error.message.contains("clusterTime"), "{what}: {error}");
    assert!(error.message.contains("docs/mongodb.md") && error.message.contains("not allowed"), "{what}: {error}");
    assert!(!error.message.contains("geheim"), "{what}: {error}");
}

/// All that somebody does who runs executions.
async fn run(engine: &Engine) {
    let cvm = engine.cvm();
    let from = cvm.changes(None, &ChangesOf::default(), Millis(0)).await.unwrap().next;
    let bytecode = runstate::lang::compile("asks.ts", SOURCE).unwrap().bytecode;
    cvm.load(&Load::new("asks", SOURCE, bytecode), None).await.unwrap();
    cvm.start(&Start::of("asks").id("run"), None).await.unwrap();
    cvm.start(&Start::of("asks").id("other"), None).await.unwrap();
    cvm.answer("run", None, "this".into(), None, None).await.unwrap();
    let work = cvm.claim(&["search".into()], "worker", Millis::minutes(1)).await.unwrap().unwrap();
    cvm.heartbeat(&work.claimed, Millis::minutes(2)).await.unwrap();
    cvm.complete(&work.claimed, "found".into(), None, None).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    cvm.run_due(100, Pace::Stop).await.unwrap();
    assert_eq!(cvm.output("run").await.unwrap(), ["got this found"]);
    assert_eq!(cvm.show("run").await.unwrap().status, Status::WaitingCc);
    cvm.pause("other", None).await.unwrap();
    cvm.cancel("other", None).await.unwrap();
    cvm.delete("other", None).await.unwrap();
    engine.sweep(SystemHost.now(), 100).await.unwrap();
    assert!(!cvm.changes(Some(from), &ChangesOf::default(), Millis(1_000)).await.unwrap().events.is_empty());
}

/// All that somebody does who looks.
async fn read(engine: &Engine) {
    let cvm = engine.cvm();
    assert_eq!(cvm.list(&Default::default()).await.unwrap().len(), 1);
    assert_eq!(cvm.show("run").await.unwrap().output, ["got this found"]);
    assert!(!cvm.calls(&Default::default()).await.unwrap().rows.is_empty());
    assert!(!cvm.logs("run", None, None).await.unwrap().rows.is_empty());
    assert_eq!(cvm.programs(&Default::default()).await.unwrap().rows.len(), 1);
    let info = engine.info().await.unwrap();
    assert!(!format!("{:?}", info.facts).contains("geheim"));
    assert!(info.collections.iter().all(|collection| collection.documents.is_some()));
    let mut bytes = Vec::new();
    engine.export(&mut LineWriter::new(&mut bytes, "memory"), |_| {}).await.unwrap();
    assert!(bytes.len() > 1_000);
}

/// Goes through all roles, of which `url` says the URL of a user.
async fn lived(url: impl Fn(&str) -> String) {
    let start = Start::of("asks").id("new");
    // On a database where nothing is nobody but who prepares comes in.
    expect_refused("reading what is not prepared", opened_anew(&url("runstateReads")).await.map(drop));
    expect_refused("running what is not prepared", opened_anew(&url("runstateRuns")).await.map(drop));

    let prepares = opened_anew(&url("runstatePrepares")).await.unwrap();
    let bytecode = runstate::lang::compile("asks.ts", SOURCE).unwrap().bytecode;
    expect_refused("loading, as who prepares", prepares.cvm().load(&Load::new("asks", SOURCE, bytecode), None).await);
    expect_refused("following, as who prepares", prepares.cvm().changes(None, &ChangesOf::default(), Millis(0)).await);

    let runs = opened(&url("runstateRuns")).await.unwrap();
    run(&runs).await;
    read(&runs).await;

    let reads = opened(&url("runstateReads")).await.unwrap();
    read(&reads).await;
    expect_refused("starting, as who reads", reads.cvm().start(&start, None).await);
    expect_refused("answering, as who reads", reads.cvm().answer("run", None, "x".into(), None, None).await);
    expect_refused("sweeping, as who reads", reads.sweep(SystemHost.now() + Millis::days(60), 100).await);
    assert_eq!(runs.cvm().list(&Default::default()).await.unwrap().len(), 1);
}

/// Also where there is no store yet.
async fn opened_anew(url: &str) -> Result<Engine, Error> {
    over(Arc::new(Mongo::open(url, Options::default()).await?)).await
}

#[tokio::test]
async fn the_documented_roles_are_enough_and_what_they_lack_is_told() {
    let Some(program) = program("store_mongodb_faults::roles::the_documented_roles") else { return };
    let servers = Servers::guarded(program).await;
    let name = database("roles");
    let commands = documented(&name);
    assert_eq!(commands.len(), 3, "{commands:?}");
    allow(&servers, &commands, "").await;
    lived(|role| servers.direct_by(servers.port(0), &format!("{role}:{role}-geheim@"), &name)).await;

    // And with each domain in a database of its own.
    let commands: Vec<Document> = commands.into_iter().map(|command| in_domains(command, "env_")).collect();
    allow(&servers, &commands, "_env").await;
    lived(|role| {
        let user = format!("{role}_env:{role}_env-geheim@");
        servers.direct_by(servers.port(0), &user, "") + "&layout=seed&databasePrefix=env_"
    })
    .await;
}
