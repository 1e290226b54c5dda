//! A source that went on since it was imported, on any store. Also used by the tests of the servers.

use std::io::{BufReader, Cursor};
use std::sync::Arc;

use runstate::client::{Answer, Cvm};
use runstate::domain;
use runstate::domain::apps::{AppConfiguration, AppExecution, Step};
use runstate::domain::cvm::{Load, Start};
use runstate::engine::{Engine, Error, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::limits::UNEXPECTED_WRITES;
use runstate::schema::{Entity as _, Key, Query};
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::{Freshness, Memory, Store};
use runstate::time::Millis;
use runstate::transfer::foreign::ForeignDocuments;
use runstate::transfer::{
    ConflictPolicy, ExportSummary, ImportOptions, ImportReport, LineReader, LineWriter, check, import_with,
};
use runstate::value::{Document, Json};
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
pub async fn add_work(engine: &Engine) {
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

pub async fn go_on(engine: &Engine) {
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

/// Declares documents of which no two have the same `seat`, and no two valid ones the same `badge`.
pub async fn declare_guests(engine: &Engine) {
    let field = |name: &str, kind: &str| json!({"name": name, "kind": kind});
    let fields = [field("seat", "int"), field("badge", "int"), field("valid", "bool")];
    let badge = json!({"fields": ["badge"], "unique": true, "where": {"eq": ["valid", true]}});
    let indexes = json!([{"fields": ["seat"], "unique": true}, badge]);
    call(engine, "documents.declare", json!({"collection": "guests", "fields": fields, "indexes": indexes})).await;
}

pub async fn put_guests(engine: &Engine, guests: &[(&str, i64, i64, bool)]) {
    let put = |(id, seat, badge, valid): &(&str, i64, i64, bool)| {
        let document = json!({"seat": seat, "badge": badge, "valid": valid});
        json!({"collection": "guests", "id": id, "put": document})
    };
    // The last ones first: each of the others may take the seat of the next one.
    let writes: Vec<Json> = guests.iter().map(put).collect();
    for writes in writes.rchunks(UNEXPECTED_WRITES) {
        call(engine, "documents.commit", json!({"writes": writes})).await;
    }
}

async fn delete_guest(engine: &Engine, id: &str) {
    let writes = json!([{"collection": "guests", "id": id, "delete": true}]);
    call(engine, "documents.commit", json!({"writes": writes})).await;
}

async fn assert_imports_equal(target: &Engine, source: &Engine) {
    let (bytes, summary) = export(source).await;
    import(target, &bytes, ImportOptions::default()).await.unwrap();
    assert_eq!(export(target).await.1, summary);
    assert_eq!(target.verify(|_| {}).await.unwrap().findings, []);
}

/// Unique values that documents have exchanged and passed on are imported. One that stays with a document of the store
/// is a conflict.
pub async fn unique_values_that_have_moved_are_imported(target: Arc<dyn Store>) {
    let (source, target) = (waiting_source().await, engine_over(target).await);
    declare_guests(&source).await;
    put_guests(&source, &[("a", 1, 1, true), ("b", 2, 2, true), ("c", 3, 3, true), ("d", 4, 4, true)]).await;
    put_guests(&source, &[("e", 5, 5, true), ("f", 6, 5, false), ("g", 7, 7, true), ("h", 8, 8, true)]).await;
    complete(&source, "x").await;
    assert_imports_equal(&target, &source).await;
    // Two exchange seats; two pass theirs on to the next one, and the first to a new one; a badge is passed on.
    put_guests(&source, &[("a", 2, 1, true), ("b", 1, 2, true), ("e", 5, 5, false), ("f", 6, 5, true)]).await;
    put_guests(&source, &[("c", 4, 3, true), ("d", 9, 4, true), ("a0", 3, 10, true)]).await;
    // An execution that began again has rows with the numbers of the earlier ones.
    Cvm::new(&source).delete("x").await.unwrap();
    start(&source, "x").await;
    complete(&source, "x").await;
    assert_imports_equal(&target, &source).await;
    // The giver was deleted there, and stays here: then it keeps its value.
    delete_guest(&source, "a").await;
    put_guests(&source, &[("h", 2, 8, true), ("new", 11, 11, true)]).await;
    let (bytes, _) = export(&source).await;
    let before = export(&target).await.1;
    let error = import(&target, &bytes, ImportOptions::default()).await.unwrap_err();
    assert_eq!((error.code, error.key.as_deref()), (ErrorCode::ALREADY_EXISTS, Some("h")), "{error}");
    assert!(error.message.contains("documents.guests/a has the same seat"), "{error}");
    assert_eq!(export(&target).await.1, before);
    delete_guest(&target, "a").await;
    let report = import(&target, &bytes, ImportOptions::default()).await.unwrap();
    assert_eq!((report.updated, report.kept, report.conflicts), (1, 0, 0));
    // A giver that is kept keeps its value, and so do those that follow it.
    put_guests(&target, &[("h", 2, 88, true)]).await;
    put_guests(&source, &[("h", 12, 8, true), ("g", 2, 7, true), ("b", 7, 2, true), ("new", 1, 11, true)]).await;
    let (bytes, _) = export(&source).await;
    let keep = ImportOptions { conflicts: ConflictPolicy::Keep, ..ImportOptions::default() };
    let report = import(&target, &bytes, keep).await.unwrap();
    assert_eq!(report.conflicting, ["b", "g", "h", "new"].map(|id| format!("documents.guests/{id}")));
    assert_eq!(target.verify(|_| {}).await.unwrap().findings, []);
}

/// The documents of the domain of apps in `source`, as another program has them, after `change`, which returns whether
/// one is there.
async fn import_apps(
    target: &Engine,
    source: &Engine,
    change: impl Fn(&str, &str, &mut Document) -> bool,
) -> (u64, ImportReport) {
    let collections = [&AppConfiguration::COLLECTION, &AppExecution::COLLECTION, &Step::COLLECTION];
    let mut documents = ForeignDocuments::new("theirs", &collections, source.now()).unwrap();
    for collection in collections {
        let page = source.store().query(&Query::of(collection), Freshness::Linearizable).await.unwrap();
        for row in page.items {
            let mut document = row.stored.document.as_ref().clone();
            if change(collection.name, &row.id, &mut document) {
                documents.add(collection, &row.id, Ok(document)).unwrap();
            }
        }
    }
    let mut theirs = documents.finish(|_| {}).unwrap();
    let catalog = runstate::engine::catalog(&domain::catalog().unwrap()).unwrap();
    let checked = check(&mut theirs.source, &catalog, |_| {}).unwrap();
    let options = ImportOptions::default();
    (theirs.invalid, import_with(target, &mut theirs.source, &checked, &options, |_| {}).await.unwrap())
}

/// Completes the next step with this name of each execution.
async fn complete_steps(engine: &Engine, name: &str) {
    loop {
        let work = call(engine, "apps.step.claim", json!({"names": [name], "owner": "w"})).await["claimed"].clone();
        if work.is_null() {
            return;
        }
        call(engine, "apps.step.complete", json!({"id": work["id"], "token": work["token"]})).await;
    }
}

/// An execution of which a step was left out is kept and named. The others follow their source, also in what it has
/// removed.
pub async fn document_with_a_skipped_part_is_kept(target: Arc<dyn Store>) {
    let (source, target) = (engine_over(Arc::new(Memory::new())).await, engine_over(target).await);
    let steps = json!({"steps": [{"id": 1, "name": "s"}, {"id": 2, "name": "t", "depends_on": [1]}]});
    let version = json!({"appId": 1, "appName": "suite", "version": "1", "configuration": steps, "activate": true});
    call(&source, "apps.configuration.save", version).await;
    for id in ["e", "f"] {
        call(&source, "apps.execution.start", json!({"appId": 1, "userId": "u", "id": id})).await;
    }
    let apps = async |engine: &Engine, execution: &str| {
        let keys = [
            Key::new(&AppExecution::COLLECTION, execution),
            Key::new(&Step::COLLECTION, &format!("{execution}:1")),
            Key::new(&Step::COLLECTION, &format!("{execution}:2")),
        ];
        let found = engine.store().get(&keys, Freshness::Linearizable).await.unwrap();
        found.into_iter().map(|found| found.map(|found| found.document)).collect::<Vec<_>>()
    };
    let everything = |_: &str, _: &str, _: &mut Document| true;
    assert_eq!(import_apps(&target, &source, everything).await.0, 0);
    let imported = apps(&target, "e").await;
    complete_steps(&source, "s").await;
    // A step, one whose execution is not known, the execution itself: each is not valid once. Another step is removed.
    let is_removed = |id: &str| id == "f:2";
    let (invalid, report) = import_apps(&target, &source, |_, id, document| {
        if id == "e:2" {
            document.insert("status".to_owned(), "strange".into());
        }
        !is_removed(id)
    })
    .await;
    assert_eq!((invalid, report.conflicts, report.conflicting), (1, 1, vec!["apps.executions/e".to_owned()]));
    assert_eq!((report.updated, report.removed), (2, 1));
    assert_eq!(apps(&target, "e").await, imported);
    assert_eq!(apps(&target, "f").await[2], None);
    let (invalid, report) = import_apps(&target, &source, |_, id, document| {
        if id == "e:2" {
            document.insert("execution_id".to_owned(), 7.into());
        }
        !is_removed(id)
    })
    .await;
    assert_eq!((invalid, report.written, report.conflicting), (1, 0, vec!["apps.executions/e".to_owned()]));
    let (invalid, report) = import_apps(&target, &source, |name, id, document| {
        if name == AppExecution::COLLECTION.name && id == "e" {
            document.insert("status".to_owned(), "strange".into());
        }
        !is_removed(id)
    })
    .await;
    assert_eq!((invalid, report.written, report.conflicting), (1, 0, vec!["apps.executions/e".to_owned()]));
    assert_eq!(apps(&target, "e").await, imported);
    // Complete again, it follows.
    let (invalid, report) = import_apps(&target, &source, everything).await;
    assert_eq!((invalid, report.conflicts), (0, 0));
    for id in ["e", "f"] {
        assert_eq!(apps(&target, id).await, apps(&source, id).await);
    }
}

/// The later export of another store updates nothing, although its documents have the same ids.
pub async fn export_of_another_store_updates_nothing(target: Arc<dyn Store>) {
    let folders = tempfile::tempdir().unwrap();
    let open = async |name: &str| {
        let store = FileStore::open(folders.path().join(name), FileStoreOptions::default()).await.unwrap();
        engine_over(Arc::new(store)).await
    };
    let (source, other, target) = (open("source").await, open("other").await, engine_over(target).await);
    for (engine, n) in [(&source, 1), (&other, 2)] {
        call(engine, "documents.declare", json!({"collection": "notes"})).await;
        put_note(engine, n).await;
    }
    import(&target, &export(&source).await.0, ImportOptions::default()).await.unwrap();
    let before = export(&target).await.1;
    let (bytes, _) = export(&other).await;
    let error = import(&target, &bytes, ImportOptions::default()).await.unwrap_err();
    assert_eq!((error.code, error.key.as_deref()), (ErrorCode::ALREADY_EXISTS, Some("a")), "{error}");
    assert_eq!(export(&target).await.1, before);
    // The imported one still does.
    put_note(&source, 3).await;
    let (bytes, summary) = export(&source).await;
    assert_eq!(import(&target, &bytes, ImportOptions::default()).await.unwrap().updated, 1);
    assert_eq!(export(&target).await.1.counts, summary.counts);
}
