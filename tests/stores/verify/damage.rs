//! A store with all kinds of documents, and the kinds of damage that a writer can cause by ignoring the declarations.

use std::sync::Arc;

use runstate::client::Answer;
use runstate::client::Cvm;
use runstate::domain::cvm::{CC_HISTORY, EXECUTIONS, HEAP_PAGES, Load, OUTPUTS, PROGRAM_VERSIONS, PROGRAMS, Start};
use runstate::domain::cvm::{DOMAIN, LogLevel, Settings};
use runstate::engine::{Engine, SystemHost};
use runstate::id::CommandId;
use runstate::operation::Domain;
use runstate::schema::{Catalog, Collection, Field, Key, Kind, Presence, Query};
use runstate::store::{Freshness, Severity, Store, VerifyReport};
use runstate::testing::{BatchExt as _, batch};
use runstate::value::Json;
use serde_json::json;

const ASKS: &str = "const kept = []; for (let i = 0; i < 300; i++) kept.push({ i, f: () => i });
    console.log('one'); const a = CC('first?'); console.log(a, kept[7].f()); const b = CC('second?', { key: 'k' });
    console.log(b); const c = CC.all(['x?', 'y?']); [a, b, c].length";

const ENDS: &str = "console.log('done'); 1";

const FAILS: &str = "console.log('before'); throw new Error('no')";

/// The domain of every document in the store. A server creates the collections and indexes of each further one for each
/// damage.
pub static DOMAINS: &[&Domain] = &[&DOMAIN];

/// An engine for programs over `store`.
pub async fn engine(store: Arc<dyn Store>) -> Engine {
    Engine::with_settings(store, Arc::new(SystemHost), DOMAINS, Settings::default()).await.unwrap()
}

/// The report on `store` of an engine with all domains.
pub async fn verify_all_domains(store: Arc<dyn Store>) -> VerifyReport {
    let host = Arc::new(SystemHost);
    let engine = Engine::with_settings(store, host, runstate::domain::ALL, Settings::default()).await.unwrap();
    engine.verify(|_| {}).await.unwrap()
}

/// Fills `store`: an execution of each status, with heap, output, calls and logs.
pub async fn fill_store(store: Arc<dyn Store>) {
    let cvm = Cvm::new(&engine(store).await);
    for (name, source) in [("asks", ASKS), ("ends", ENDS), ("fails", FAILS)] {
        let bytecode = runstate::lang::compile("p.ts", source).unwrap().bytecode;
        let load = Load { tags: Some(vec![name.to_owned(), "all".to_owned()]), ..Load::new(name, source, bytecode) };
        cvm.load(&load).await.unwrap();
    }
    for (id, program) in [
        ("first", "asks"),
        ("second", "asks"),
        ("third", "asks"),
        ("paused", "asks"),
        ("off", "asks"),
        ("done", "ends"),
        ("failed", "fails"),
    ] {
        let start = Start { log_level: Some(LogLevel::Calls), ..Start::new(program).id(id) };
        let command = CommandId::new(&format!("start-{id}")).unwrap();
        cvm.with_id(&command).start(&start).await.unwrap();
    }
    cvm.start(&Start { parent: Some("first".into()), ..Start::new("ends").id("child") }).await.unwrap();
    cvm.answer("first", Answer::to_key("k").value("early")).await.unwrap();
    for (id, answers) in [("second", 1), ("third", 2)] {
        for _ in 0..answers {
            cvm.answer(id, "x").await.unwrap();
        }
    }
    cvm.pause("paused").await.unwrap();
    cvm.cancel("off").await.unwrap();
}

/// Writes without the declaration of `collection`, except for the storage type of its timestamps.
async fn write_undeclared(store: &dyn Store, collection: &'static Collection, id: &str, document: Option<Json>) {
    let timestamps = collection.fields.iter().filter(|field| field.kind == Kind::Timestamp);
    let timestamps: Vec<Field> = timestamps.map(|field| Field { presence: Presence::Optional, ..*field }).collect();
    let undeclared = Collection::new(collection.name, collection.version).fields(timestamps.leak());
    let undeclared: &'static Collection = Box::leak(Box::new(undeclared));
    store.migrate(&Catalog::new(&[undeclared]).unwrap()).await.unwrap();
    let damage = batch(CommandId::new(&format!("damage-{}-{id}", collection.name)).unwrap());
    let damage = match document {
        Some(document) => damage.put(collection, id, document),
        None => damage.delete(collection, id),
    };
    store.commit(damage).await.unwrap();
}

/// The documents of a collection that belong to an execution.
async fn rows(store: &dyn Store, collection: &'static Collection, execution: &str) -> Vec<(String, Json)> {
    store.migrate(&Catalog::new(&[&EXECUTIONS, &PROGRAMS, collection]).unwrap()).await.unwrap();
    let query = Query::of(collection).eq("executionId", execution);
    let found = store.query(&query, Freshness::Linearizable).await.unwrap().items;
    let row = |row: runstate::store::Row| (row.id.to_string(), Json::Object((*row.stored.document).clone()));
    found.into_iter().map(row).collect()
}

async fn get_document(store: &dyn Store, collection: &'static Collection, id: &str) -> Json {
    let found = store.get(&[Key::new(collection, id)], Freshness::Linearizable).await.unwrap();
    Json::Object((*found[0].as_ref().unwrap().document).clone())
}

/// The expected finding: its document, a part of its message, and its severity.
type ExpectedFinding = (String, &'static str, Severity);

async fn schema_violation(store: &dyn Store) -> ExpectedFinding {
    let mut document = get_document(store, &EXECUTIONS, "done").await;
    document["programVersion"] = "one".into();
    write_undeclared(store, &EXECUTIONS, "done", Some(document)).await;
    ("cvm.executions/done".to_owned(), "programVersion", Severity::Damage)
}

async fn missing_heap_page(store: &dyn Store) -> ExpectedFinding {
    let pages = rows(store, &HEAP_PAGES, "second").await;
    write_undeclared(store, &HEAP_PAGES, &pages[0].0, None).await;
    ("cvm.executions/second".to_owned(), "is missing", Severity::Damage)
}

async fn unused_page(store: &dyn Store) -> ExpectedFinding {
    let page = json!({"id": "extra", "executionId": "second", "page": 1, "version": 7, "text": "[]"});
    write_undeclared(store, &HEAP_PAGES, "extra", Some(page)).await;
    ("cvm.heap_pages/extra".to_owned(), "does not use it", Severity::Harmless)
}

async fn orphan(store: &dyn Store) -> ExpectedFinding {
    let row = json!({"id": "orphan", "executionId": "gone", "seq": 0, "lines": ["x"]});
    write_undeclared(store, &OUTPUTS, "orphan", Some(row)).await;
    ("cvm.outputs/orphan".to_owned(), "names cvm.executions/gone", Severity::Damage)
}

async fn missing_parent(store: &dyn Store) -> ExpectedFinding {
    let mut document = get_document(store, &EXECUTIONS, "child").await;
    document["parentId"] = "gone".into();
    write_undeclared(store, &EXECUTIONS, "child", Some(document)).await;
    ("cvm.executions/child".to_owned(), "`parentId` names cvm.executions/gone", Severity::Harmless)
}

async fn output_gap(store: &dyn Store) -> ExpectedFinding {
    let outputs = rows(store, &OUTPUTS, "third").await;
    let first = outputs.iter().find(|(_, row)| row["seq"] == 0).unwrap();
    write_undeclared(store, &OUTPUTS, &first.0, None).await;
    ("cvm.executions/third".to_owned(), "row 1 where row 0 is expected", Severity::Damage)
}

async fn edited_output(store: &dyn Store) -> ExpectedFinding {
    let (id, mut row) = rows(store, &OUTPUTS, "third").await.remove(0);
    row["lines"] = json!(["edited"]);
    write_undeclared(store, &OUTPUTS, &id, Some(row)).await;
    ("cvm.executions/third".to_owned(), "digest", Severity::Damage)
}

async fn missing_call(store: &dyn Store) -> ExpectedFinding {
    let calls = rows(store, &CC_HISTORY, "third").await;
    let open = calls.iter().find(|(_, call)| call.get("outcome").is_none()).unwrap();
    write_undeclared(store, &CC_HISTORY, &open.0, None).await;
    ("cvm.executions/third".to_owned(), "1 of its calls are open, 2 are expected", Severity::Damage)
}

async fn open_call(store: &dyn Store) -> ExpectedFinding {
    let (id, mut call) = rows(store, &CC_HISTORY, "off").await.remove(0);
    call.as_object_mut().unwrap().shift_remove("outcome").unwrap();
    write_undeclared(store, &CC_HISTORY, &id, Some(call)).await;
    ("cvm.executions/off".to_owned(), "1 of its calls are open, 0 are expected", Severity::Damage)
}

async fn missing_program(store: &dyn Store) -> ExpectedFinding {
    store.migrate(&Catalog::new(&[&PROGRAMS, &PROGRAM_VERSIONS]).unwrap()).await.unwrap();
    let versions = store.query(&Query::of(&PROGRAM_VERSIONS), Freshness::Linearizable).await.unwrap().items;
    let of_ends = versions.iter().find(|row| row.stored.document["source"] == ENDS).unwrap();
    write_undeclared(store, &PROGRAM_VERSIONS, &of_ends.id, None).await;
    ("cvm.executions/done".to_owned(), "is missing", Severity::Damage)
}

/// Causes each kind of damage in a new store, and looks for the finding.
pub async fn expect_each_damage_found(make: impl AsyncFn() -> Arc<dyn Store>) {
    macro_rules! damages {
        ($($damage:ident)+) => {$({
            let store = make().await;
            fill_store(store.clone()).await;
            let (at, why, severity) = $damage(&*store).await;
            let report = engine(store.clone()).await.verify(|_| {}).await.unwrap();
            let found = report.findings.iter().any(|f| f.at == at && f.why.contains(why) && f.severity == severity);
            assert!(found, "{}: {:#?}", stringify!($damage), report.findings);
            assert_eq!(report.is_intact(), severity == Severity::Harmless, "{}", stringify!($damage));
            store.close().await.unwrap();
        })+};
    }
    damages! {
        schema_violation missing_heap_page unused_page orphan missing_parent output_gap edited_output missing_call open_call missing_program
    }
}
