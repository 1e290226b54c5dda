//! A source that went on since it was imported, on any store. Also used by the tests of the servers.

use std::io::{BufReader, Cursor};
use std::sync::Arc;

use runstate::client::{Answer, Cvm};
use runstate::domain;
use runstate::domain::cvm::{Load, Start};
use runstate::engine::{Engine, Error, SystemHost};
use runstate::store::{Freshness, Memory, Store};
use runstate::time::Millis;
use runstate::transfer::{ExportSummary, ImportOptions, ImportReport, LineReader, LineWriter, check, import_with};
use runstate::value::Json;
use serde_json::json;

/// Asks a person, then a worker.
pub const SOURCE: &str = "const list = []; for (let i = 0; i < 100; i++) list.push({ i, f: () => i });
    console.log(CC('first?'), list[7].f()); console.log(call('t')); list.length";

const PROJECT: &str = "01900000-0000-7000-8000-000000000003";

pub async fn engine_over(store: Arc<dyn Store>) -> Engine {
    Engine::new(store, Arc::new(SystemHost), domain::ALL).await.unwrap()
}

pub async fn call(engine: &Engine, name: &str, parameters: Json) -> Json {
    let called = engine.call(name, parameters.as_object().unwrap().clone()).await;
    called.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A source with the executions `x` and `y`, which wait for a person.
pub async fn waiting_source() -> Engine {
    let engine = engine_over(Arc::new(Memory::new())).await;
    let bytecode = runstate::lang::compile("p.ts", SOURCE).unwrap().bytecode;
    Cvm::new(&engine).load(&Load::new("asks", SOURCE, bytecode)).await.unwrap();
    start(&engine, "x").await;
    start(&engine, "y").await;
    engine
}

pub async fn start(engine: &Engine, id: &str) {
    Cvm::new(engine).start(&Start::new("asks").id(id)).await.unwrap();
}

/// Answers the person's call of an execution, and then that of the worker.
pub async fn complete(engine: &Engine, id: &str) {
    let cvm = Cvm::new(engine);
    cvm.answer(id, Answer::from("a person")).await.unwrap();
    while let Some(work) = cvm.claim(&["t".into()], "w", Millis::minutes(5)).await.unwrap() {
        cvm.complete(&work.claimed, "a worker").await.unwrap();
    }
}

pub async fn export(engine: &Engine) -> (Vec<u8>, ExportSummary) {
    let mut bytes = Vec::new();
    let summary = runstate::transfer::export(engine, &mut LineWriter::new(&mut bytes, "memory"), |_| {}).await.unwrap();
    (bytes, summary)
}

pub async fn import(engine: &Engine, bytes: &[u8], options: ImportOptions) -> Result<ImportReport, Error> {
    let catalog = runstate::engine::catalog(&domain::catalog().unwrap()).unwrap();
    let mut source = LineReader::new(BufReader::new(Cursor::new(bytes)), "memory", catalog.clone());
    let checked = check(&mut source, &catalog, |_| {})?;
    import_with(engine, &mut source, &checked, &options, |_| {}).await
}

/// Rows of each domain: calls, steps and checkpoints in queues, tasks that their session counts, the user's documents.
async fn add_work(engine: &Engine) {
    let steps = json!({"steps": [{"id": 1, "name": "s"}, {"id": 2, "name": "t", "depends_on": [1]}]});
    let version = json!({"appId": 1, "appName": "suite", "version": "1.0.0", "configuration": steps, "activate": true});
    call(engine, "apps.configuration.save", version).await;
    call(engine, "apps.execution.start", json!({"appId": 1, "userId": "u", "id": "e", "input": {}})).await;
    call(engine, "orchestration.machine.register", json!({"id": "m", "hostname": "host", "slots": [1, 2]})).await;
    call(engine, "orchestration.session.create", json!({"id": "s", "project": "p", "machine": "m"})).await;
    for id in ["a", "b"] {
        call(engine, "orchestration.task.add", json!({"sessionId": "s", "id": id, "name": "work"})).await;
    }
    call(engine, "fleet.project.create", json!({"name": "p", "greediness": "0.5", "id": PROJECT})).await;
    call(engine, "fleet.checkpoint.create", json!({"projectUuid": PROJECT, "type": "genesis"})).await;
    call(engine, "documents.declare", json!({"collection": "notes"})).await;
    put_note(engine, 1).await;
}

async fn put_note(engine: &Engine, n: u64) {
    call(engine, "documents.commit", json!({"writes": [{"collection": "notes", "id": "a", "put": {"n": n}}]})).await;
}

async fn go_on(engine: &Engine) {
    let work = call(engine, "apps.step.claim", json!({"names": ["s"], "owner": "w"})).await["claimed"].clone();
    call(engine, "apps.step.complete", json!({"id": work["id"], "token": work["token"], "output": {"n": 1}})).await;
    call(engine, "orchestration.task.start", json!({"id": "a"})).await;
    call(engine, "orchestration.task.complete", json!({"id": "a"})).await;
    let work = call(engine, "fleet.verification.claim", json!({"owner": "w"})).await;
    call(engine, "fleet.verification.complete", json!({"id": work["id"], "token": work["token"]})).await;
    put_note(engine, 2).await;
    complete(engine, "x").await;
    Cvm::new(engine).answer("y", Answer::from("a person")).await.unwrap();
    start(engine, "z").await;
}

/// Imports a source into `target` before and after it went on: then the target equals it.
pub async fn a_source_that_went_on_is_imported_again(target: Arc<dyn Store>) {
    let (source, target) = (waiting_source().await, engine_over(target).await);
    add_work(&source).await;
    let (before, _) = export(&source).await;
    import(&target, &before, ImportOptions::default()).await.unwrap();
    go_on(&source).await;
    let (after, summary) = export(&source).await;
    let report = import(&target, &after, ImportOptions::default()).await.unwrap();
    assert!(report.updated > 5 && report.removed > 0 && report.written > report.updated, "{report:?}");
    assert_eq!((report.kept, report.conflicts), (0, 0));
    assert_eq!(report.written + report.already_present, summary.total());
    assert_eq!(export(&target).await.1, summary);
    assert_eq!(target.verify(|_| {}).await.unwrap().findings, []);
    let due = async |engine: &Engine| engine.next_due(Freshness::Linearizable).await.unwrap();
    assert_eq!(due(&target).await, due(&source).await);
    for id in ["x", "y", "z"] {
        let (here, there) = (Cvm::new(&target).show(id).await.unwrap(), Cvm::new(&source).show(id).await.unwrap());
        assert_eq!(here, there);
    }
    // Again, it changes nothing; and the target continues.
    let again = import(&target, &after, ImportOptions::default()).await.unwrap();
    assert_eq!((again.written, again.updated, again.removed, again.kept), (0, 0, 0, 0));
    complete(&target, "z").await;
    assert_eq!(Cvm::new(&target).output("y").await.unwrap(), ["a person 7", "a worker"]);
    assert_eq!(target.verify(|_| {}).await.unwrap().findings, []);
}
