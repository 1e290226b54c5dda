//! Legacy import from a MongoDB server: documents as the older CVM writes them, with ObjectIds and dates.

#[allow(dead_code, reason = "tests of directories need more of it")]
#[path = "../stores/legacy_import/fixtures.rs"]
mod fixtures;
#[path = "../stores/legacy_import/scene.rs"]
mod scene;

use std::sync::Arc;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Binary, Bson, DateTime, Document as BsonDocument, doc};
use mongodb::{Client, Database};
use runstate::client::Cvm;
use runstate::domain::cvm::{ListLogs, Settings, Status};
use runstate::engine::{Engine, SystemHost};
use runstate::legacy::{self, LegacyImportReport, LegacyMongoDb};
use runstate::open::open;
use runstate::store::{Memory, Store};
use serde_json::{Value as Json, json};

use fixtures::{COMPLETED, FAILED, LegacyFixture, OPEN_CALL, PAIR, RUNNING, WAITING, WITH_OPERANDS, date};
use scene::{compile, engine, head, skipped};

/// Converts a value as a shell does: every number becomes a double.
fn to_bson(value: &Json) -> Bson {
    match value {
        Json::Null => Bson::Null,
        Json::Bool(flag) => Bson::Boolean(*flag),
        Json::Number(number) => Bson::Double(number.as_f64().unwrap()),
        Json::String(text) => Bson::String(text.clone()),
        Json::Array(items) => items.iter().map(to_bson).collect::<Vec<_>>().into(),
        Json::Object(map) => match (map.get("$oid"), map.get("$date")) {
            (Some(hex), _) => ObjectId::parse_str(hex.as_str().unwrap()).unwrap().into(),
            (_, Some(date)) => DateTime::parse_rfc3339_str(date.as_str().unwrap()).unwrap().into(),
            _ => Bson::Document(to_document(value)),
        },
    }
}

fn to_document(value: &Json) -> BsonDocument {
    value.as_object().unwrap().iter().map(|(name, value)| (name.clone(), to_bson(value))).collect()
}

/// The URLs of two fresh databases on the server of the tests, and the name of the first.
fn server(test: &str) -> Option<(String, String, String)> {
    let Ok(server) = std::env::var("RUNSTATE_TEST_MONGODB") else {
        println!("skipped: {test}: RUNSTATE_TEST_MONGODB names no server");
        return None;
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let name = format!("older{}_{now:x}", std::process::id());
    let (base, query) = server.split_once('?').unwrap_or((&server, ""));
    let at = |name: &str| format!("{}/{name}?{query}", base.trim_end_matches('/'));
    Some((at(&name), at(&format!("{name}_new")), name))
}

async fn write_to_server(url: &str, name: &str, data: &LegacyFixture) -> Database {
    let database = Client::with_uri_str(url).await.unwrap().database(name);
    for (collection, rows) in [
        ("programs", &data.programs),
        ("executions", &data.executions),
        ("cc_history", &data.cc_history),
        ("execution_logs", &data.execution_logs),
    ] {
        database.collection::<BsonDocument>(collection).insert_many(rows.iter().map(to_document)).await.unwrap();
    }
    database
}

async fn import_from_server(engine: &Engine, url: &str) -> LegacyImportReport {
    let database = LegacyMongoDb::open(url).await.unwrap();
    legacy::import_legacy(engine, &database, compile, |_| {}).await.unwrap()
}

async fn engine_over(store: Arc<dyn Store>) -> Engine {
    Engine::with_settings(store, Arc::new(SystemHost), runstate::domain::ALL, Settings::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn execution_on_mongodb_is_imported_to_memory_and_mongodb() {
    let Some((url, new, name)) = server("execution_on_mongodb_is_imported_to_memory_and_mongodb") else { return };
    let database = write_to_server(&url, &name, &fixtures::data()).await;
    let on_server = open(&new).await.unwrap();
    for store in [Arc::new(Memory::new()) as Arc<dyn Store>, on_server] {
        let engine = engine_over(store).await;
        let first = import_from_server(&engine, &url).await;
        assert_eq!(first.executions, [WAITING, WITH_OPERANDS, RUNNING, COMPLETED, FAILED], "{:?}", first.left);
        let expected = [("compilation", PAIR), ("log rows", WAITING), ("calls", "65abcdef00000000000000ff")];
        assert_eq!(skipped(&first), expected);
        let cvm = Cvm::new(&engine);
        assert_eq!(cvm.show(WAITING).await.unwrap().calls[0].id, OPEN_CALL);
        assert_eq!(cvm.answer(WAITING, json!("very")).await.unwrap().status, Status::Complete);
        assert_eq!(cvm.output(WAITING).await.unwrap(), ["Line 1", "test@example.com: very"]);
        assert_eq!(cvm.list(&Default::default()).await.unwrap().items.len(), 5);
        assert_eq!(
            cvm.logs(&ListLogs::of_execution(WAITING)).await.unwrap().items.len(),
            2,
            "its own, and that of its end"
        );
        assert_eq!(import_from_server(&engine, &url).await, first);
        engine.store().close().await.unwrap();
    }
    database.drop().await.unwrap();
    database.client().database(&format!("{name}_new")).drop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn values_without_json_form_are_skipped_with_their_field() {
    let Some((url, _, name)) = server("values_without_json_form_are_skipped_with_their_field") else { return };
    let database = write_to_server(&url, &name, &fixtures::data()).await;
    let executions = database.collection::<BsonDocument>("executions");
    let waiting = doc! {"_id": ObjectId::parse_str(WAITING).unwrap()};
    let bytes = Binary { subtype: mongodb::bson::spec::BinarySubtype::Generic, bytes: vec![1] };
    executions.update_one(waiting, doc! {"$set": {"state.scopes.0.variables.email": bytes}}).await.unwrap();
    let with_operands = doc! {"_id": ObjectId::parse_str(WITH_OPERANDS).unwrap()};
    executions.update_one(with_operands, doc! {"$set": {"metrics": {"ccCallsCount": f64::NAN}}}).await.unwrap();
    executions.insert_one(doc! {"_id": "n".repeat(1_000_000), "state": {}}).await.unwrap();
    executions.insert_one(doc! {"_id": 7, "state": {}}).await.unwrap();
    let report = import_from_server(&engine().await, &url).await;
    assert_eq!(report.executions, [RUNNING, COMPLETED, FAILED]);
    let why = |id: &str| &report.left.iter().find(|left| left.id == id).unwrap().why;
    assert!(why(WAITING).starts_with("`state."), "{}", why(WAITING));
    assert!(why(WITH_OPERANDS).starts_with("`metrics.ccCallsCount` holds NaN"), "{}", why(WITH_OPERANDS));
    assert!(report.left.iter().all(|left| left.id.len() < 1_000));
    database.drop().await.unwrap();
}

/// The form of the last versions: ids of their own, output in a collection, the status as text.
#[tokio::test(flavor = "multi_thread")]
async fn database_of_the_last_version_is_imported() {
    let Some((url, _, name)) = server("database_of_the_last_version_is_imported") else { return };
    let at = date("2024-01-20T10:00:00Z");
    let code = json!([
        {"op": "PUSH", "arg": "Name?"}, {"op": "CC"}, {"op": "STORE", "arg": "name"}, {"op": "LOAD", "arg": "name"},
        {"op": "PRINT"}, {"op": "HALT"}
    ]);
    let program =
        json!({"id": "greet", "name": "greet", "source": "console.log(CC('Name?'))", "bytecode": code, "created": at});
    let execution = |id: &str, state: &str, pc: u32| {
        let variables = json!({"name": "Ada"});
        json!({"id": id, "programId": "greet", "state": state, "pc": pc, "stack": [], "variables": variables, "created": at})
    };
    let (ended, mut asks) = (execution("ended", "COMPLETED", 5), execution("asks", "AWAITING_COGNITIVE_RESULT", 1));
    asks["ccPrompt"] = json!("Name?");
    let data = LegacyFixture { programs: vec![program], executions: vec![ended, asks], ..LegacyFixture::default() };
    let database = Client::with_uri_str(&url).await.unwrap().database(&name);
    for (collection, rows) in [
        ("programs", data.programs),
        ("executions", data.executions),
        ("outputs", vec![json!({"executionId": "ended", "lines": ["Ada", ""]})]),
        (
            "history",
            vec![
                json!({"executionId": "ended", "step": -1, "pc": 1, "instruction": "CC_RESULT", "stack": ["Ada"], "timestamp": at}),
            ],
        ),
    ] {
        database.collection::<BsonDocument>(collection).insert_many(rows.iter().map(to_document)).await.unwrap();
    }
    let engine = engine().await;
    let report = import_from_server(&engine, &url).await;
    assert_eq!((&report.executions[..], skipped(&report)), (&["ended", "asks"].map(String::from)[..], vec![]));
    let cvm = Cvm::new(&engine);
    assert_eq!(cvm.output("ended").await.unwrap(), ["Ada", ""]);
    assert_eq!(head(&engine, "ended").await["state"]["scopes"][0]["variables"]["name"], "Ada");
    assert_eq!(cvm.latency(Some("greet")).await.unwrap().answered, 1);
    assert_eq!(cvm.logs(&ListLogs::of_execution("ended")).await.unwrap().items[0].details["instruction"], "CC_RESULT");
    cvm.answer("asks", json!("Bob")).await.unwrap();
    assert_eq!(cvm.output("asks").await.unwrap(), ["Bob"]);
    database.drop().await.unwrap();
}
