//! An import of a source that went on, into a store that went on too.

use std::sync::Arc;

use runstate::client::{Answer, Cvm};
use runstate::domain::apps::{AppConfiguration, AppExecution, Step};
use runstate::domain::cvm::{Load, Start, Status};
use runstate::engine::Engine;
use runstate::error_code::ErrorCode;
use runstate::schema::{Entity as _, Query};
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::layer::Method;
use runstate::store::{BatchLimits, Freshness, Memory, Store, StoreError};
use runstate::testing::{Fault, FaultStore, LimitedStore};
use runstate::time::Millis;
use runstate::transfer::foreign::ForeignDocuments;
use runstate::transfer::{ConflictPolicy, ImportOptions, check, import_with};

use serde_json::json;

use super::id;
use super::repeated_cases::{self as cases, complete, engine_over, export, import, start, waiting_source};

const KEEP: ImportOptions = ImportOptions { conflicts: ConflictPolicy::Keep, restore_deleted: false, exact: false };
const RESTORE: ImportOptions = ImportOptions { conflicts: ConflictPolicy::Refuse, restore_deleted: true, exact: false };

/// A source, and a store that has imported it.
async fn imported() -> (Engine, Engine) {
    let (source, target) = (waiting_source().await, engine_over(Arc::new(Memory::new())).await);
    let (bytes, _) = export(&source).await;
    import(&target, &bytes, ImportOptions::default()).await.unwrap();
    (source, target)
}

async fn status(engine: &Engine, execution: &str) -> Status {
    Cvm::new(engine).show(execution).await.unwrap().status
}

#[tokio::test]
async fn source_that_went_on_is_imported_again_into_memory() {
    cases::a_source_that_went_on_is_imported_again(Arc::new(Memory::new())).await;
}

#[tokio::test]
async fn source_that_went_on_is_imported_again_into_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path().join("store"), FileStoreOptions::default()).await.unwrap();
    cases::a_source_that_went_on_is_imported_again(Arc::new(store)).await;
}

#[tokio::test]
async fn source_that_went_on_is_imported_again_in_small_batches() {
    let limits = BatchLimits { document_bytes: 64 * 1024, batch_bytes: 64 * 1024, batch_writes: 6 };
    let unlimited: Arc<dyn Store> = Arc::new(Memory::new());
    let (source, target) = (waiting_source().await, engine_over(unlimited.clone()).await);
    import(&target, &export(&source).await.0, ImportOptions::default()).await.unwrap();
    complete(&source, "x").await;
    let (bytes, summary) = export(&source).await;
    let limited = engine_over(Arc::new(LimitedStore::new(unlimited, limits))).await;
    import(&limited, &bytes, ImportOptions::default()).await.unwrap();
    assert_eq!(export(&target).await.1, summary);
}

#[tokio::test]
async fn changes_and_deletions_of_this_store_alone_are_kept() {
    let (source, target) = imported().await;
    let (bytes, _) = export(&source).await;
    complete(&target, "x").await;
    Cvm::new(&target).cancel("y").await.unwrap();
    Cvm::new(&target).delete("y").await.unwrap();
    let before = export(&target).await;
    let report = import(&target, &bytes, ImportOptions::default()).await.unwrap();
    assert_eq!((report.written, report.conflicts), (0, 0));
    assert!(report.kept > 2, "{report:?}");
    assert_eq!(export(&target).await.1, before.1);
    assert_eq!(target.verify(|_| {}).await.unwrap().findings, []);
    // What was deleted is imported again on request.
    let report = import(&target, &bytes, RESTORE).await.unwrap();
    assert!(report.written > 2, "{report:?}");
    assert_eq!((status(&target, "x").await, status(&target, "y").await), (Status::Complete, Status::WaitingCc));
    assert_eq!(Cvm::new(&target).show("y").await.unwrap(), Cvm::new(&source).show("y").await.unwrap());
    assert_eq!(target.verify(|_| {}).await.unwrap().findings, []);
    // And it follows its source again.
    complete(&source, "y").await;
    import(&target, &export(&source).await.0, ImportOptions::default()).await.unwrap();
    assert_eq!(status(&target, "y").await, Status::Complete);
}

#[tokio::test]
async fn changes_on_both_sides_are_refused_or_kept() {
    let (source, target) = imported().await;
    Cvm::new(&target).answer("x", Answer::from("here")).await.unwrap();
    Cvm::new(&target).cancel("y").await.unwrap();
    Cvm::new(&target).delete("y").await.unwrap();
    complete(&source, "x").await;
    complete(&source, "y").await;
    start(&source, "z").await;
    let (bytes, _) = export(&source).await;
    let before = export(&target).await.1;
    let error = import(&target, &bytes, ImportOptions::default()).await.unwrap_err();
    assert_eq!((error.code, error.key.as_deref()), (ErrorCode::ALREADY_EXISTS, Some("x")), "{error}");
    assert!(error.message.starts_with("2 of ") && error.message.contains("cvm.executions/y"), "{error}");
    assert_eq!(export(&target).await.1, before, "nothing was written");
    // The others are imported, and both executions stay whole.
    let report = import(&target, &bytes, KEEP).await.unwrap();
    assert_eq!((report.conflicts, report.conflicting), (2, vec!["cvm.executions/x".into(), "cvm.executions/y".into()]));
    assert_eq!(status(&target, "z").await, Status::WaitingCc);
    assert_eq!(Cvm::new(&target).output("x").await.unwrap(), ["here 7"]);
    assert!(Cvm::new(&target).show("y").await.is_err());
    assert_eq!(target.verify(|_| {}).await.unwrap().findings, []);
    complete(&target, "z").await;
    assert_eq!(status(&target, "x").await, Status::Complete, "its call was still open");
}

#[tokio::test]
async fn claim_of_a_call_here_is_a_change_of_its_execution() {
    let source = waiting_source().await;
    Cvm::new(&source).answer("x", Answer::from("a person")).await.unwrap();
    let target = engine_over(Arc::new(Memory::new())).await;
    import(&target, &export(&source).await.0, ImportOptions::default()).await.unwrap();
    let work = Cvm::new(&target).claim(&["t".into()], "here", Millis::minutes(5)).await.unwrap().unwrap();
    let there = Cvm::new(&source).claim(&["t".into()], "there", Millis::minutes(5)).await.unwrap().unwrap();
    Cvm::new(&source).complete(&there.claimed, "there").await.unwrap();
    let (bytes, _) = export(&source).await;
    let error = import(&target, &bytes, ImportOptions::default()).await.unwrap_err();
    assert_eq!((error.code, error.key.as_deref()), (ErrorCode::ALREADY_EXISTS, Some("x")), "{error}");
    import(&target, &bytes, KEEP).await.unwrap();
    Cvm::new(&target).complete(&work.claimed, "here").await.unwrap();
    assert_eq!(Cvm::new(&target).output("x").await.unwrap(), ["a person 7", "here"]);
}

#[tokio::test]
async fn document_that_no_import_wrote_is_not_updated() {
    let (source, target) = (waiting_source().await, engine_over(Arc::new(Memory::new())).await);
    let bytecode = runstate::lang::compile("p.ts", cases::SOURCE).unwrap().bytecode;
    Cvm::new(&target).load(&Load::new("other", cases::SOURCE, bytecode)).await.unwrap();
    Cvm::new(&target).start(&Start::new("other").id("x")).await.unwrap();
    let (bytes, _) = export(&source).await;
    let error = import(&target, &bytes, ImportOptions::default()).await.unwrap_err();
    assert_eq!((error.code, error.key.as_deref()), (ErrorCode::ALREADY_EXISTS, Some("x")), "{error}");
    let report = import(&target, &bytes, KEEP).await.unwrap();
    assert_eq!(report.conflicting, ["cvm.executions/x"]);
    assert_eq!(target.verify(|_| {}).await.unwrap().findings, []);
    assert_eq!(status(&target, "y").await, Status::WaitingCc);
}

#[tokio::test]
async fn deletion_in_the_source_and_an_older_export_change_nothing_here() {
    let (source, target) = imported().await;
    let (older, _) = export(&source).await;
    let exported = source.now();
    while source.now() <= exported {
        tokio::task::yield_now().await;
    }
    complete(&source, "x").await;
    Cvm::new(&source).cancel("y").await.unwrap();
    Cvm::new(&source).delete("y").await.unwrap();
    let report = import(&target, &export(&source).await.0, ImportOptions::default()).await.unwrap();
    assert!(report.updated > 0, "{report:?}");
    assert_eq!((status(&target, "x").await, status(&target, "y").await), (Status::Complete, Status::WaitingCc));
    let error = import(&target, &older, ImportOptions::default()).await.unwrap_err();
    assert_eq!((error.code, error.key.as_deref()), (ErrorCode::ALREADY_EXISTS, Some("x")), "{error}");
    assert_eq!(status(&target, "x").await, Status::Complete);
}

#[tokio::test]
async fn repeated_import_that_dies_continues_and_shows_no_half_execution() {
    let source = waiting_source().await;
    let (before, _) = export(&source).await;
    let old = Cvm::new(&source).show("x").await.unwrap();
    complete(&source, "x").await;
    start(&source, "z").await;
    let (after, summary) = export(&source).await;
    let new = Cvm::new(&source).show("x").await.unwrap();
    let mut failed = 0;
    for nth in 1.. {
        let mut is_over = true;
        let unknown = StoreError::UnknownOutcome { command: id("lost"), why: "the line was cut".into() };
        for fault in [Fault::DieBefore, Fault::DieAfter, Fault::FailAfter(unknown)] {
            let store = Arc::new(FaultStore::new(Memory::new()));
            let target = engine_over(store.clone()).await;
            import(&target, &before, ImportOptions::default()).await.unwrap();
            let commits = store.calls(Method::Commit);
            store.plan(Method::Commit, nth, fault);
            let imported = import(&target, &after, ImportOptions::default()).await;
            is_over &= imported.is_ok() && store.calls(Method::Commit) < commits + nth;
            failed += u32::from(imported.is_err());
            store.heal();
            let found = Cvm::new(&target).show("x").await.unwrap();
            assert!(found == old || found == new, "{found:?}");
            import(&target, &after, ImportOptions::default()).await.unwrap();
            assert_eq!(export(&target).await.1, summary);
            assert_eq!(target.verify(|_| {}).await.unwrap().findings, []);
        }
        if is_over {
            break;
        }
    }
    assert!(failed > 8, "{failed}");
}

/// A step that is not valid there says nothing about the one that was imported before.
#[tokio::test]
async fn part_that_a_foreign_source_has_skipped_is_kept() {
    let source = engine_over(Arc::new(Memory::new())).await;
    let steps = json!({"steps": [{"id": 1, "name": "s"}, {"id": 2, "name": "t", "depends_on": [1]}]});
    let version = json!({"appId": 1, "appName": "suite", "version": "1", "configuration": steps, "activate": true});
    cases::call(&source, "apps.configuration.save", version).await;
    cases::call(&source, "apps.execution.start", json!({"appId": 1, "userId": "u", "id": "e"})).await;
    let target = engine_over(Arc::new(Memory::new())).await;
    let count = async |engine: &Engine| engine.count(&Step::COLLECTION).await.unwrap();
    let import_foreign = async |invalid: Option<&str>, removed: Option<&str>| {
        let collections = [&AppConfiguration::COLLECTION, &AppExecution::COLLECTION, &Step::COLLECTION];
        let mut documents = ForeignDocuments::new("theirs", &collections, source.now()).unwrap();
        for collection in collections {
            let page = source.store().query(&Query::of(collection), Freshness::Linearizable).await.unwrap();
            for row in page.items.iter().filter(|row| Some(&*row.id) != removed) {
                let mut document = row.stored.document.as_ref().clone();
                if Some(&*row.id) == invalid {
                    document.insert("status".to_owned(), "strange".into());
                }
                documents.add(collection, &row.id, Ok(document)).unwrap();
            }
        }
        let mut theirs = documents.finish(|_| {}).unwrap();
        let catalog = runstate::engine::catalog(&runstate::domain::catalog().unwrap()).unwrap();
        let checked = check(&mut theirs.source, &catalog, |_| {}).unwrap();
        let options = ImportOptions::default();
        (theirs.invalid, import_with(&target, &mut theirs.source, &checked, &options, |_| {}).await.unwrap())
    };
    assert_eq!(import_foreign(None, None).await.0, 0);
    let work = cases::call(&source, "apps.step.claim", json!({"names": ["s"], "owner": "w"})).await["claimed"].clone();
    cases::call(&source, "apps.step.complete", json!({"id": work["id"], "token": work["token"]})).await;
    let (invalid, report) = import_foreign(Some("e:2"), None).await;
    assert_eq!((invalid, report.removed, count(&target).await), (1, 0, Some(2)));
    assert!(report.updated > 1, "{report:?}");
    // One that is not there at all was removed.
    let work = cases::call(&source, "apps.step.claim", json!({"names": ["t"], "owner": "w"})).await["claimed"].clone();
    cases::call(&source, "apps.step.complete", json!({"id": work["id"], "token": work["token"]})).await;
    let (invalid, report) = import_foreign(None, Some("e:2")).await;
    assert_eq!((invalid, report.removed, count(&target).await), (0, 1, Some(1)));
}

#[tokio::test]
async fn rows_about_imported_documents_belong_to_one_store() {
    let (source, target) = imported().await;
    let rows = async |engine: &Engine| {
        let query = Query::of(&runstate::engine::IMPORTED);
        engine.store().query(&query, Freshness::Linearizable).await.unwrap().items.len()
    };
    let (bytes, summary) = export(&target).await;
    assert_eq!((rows(&source).await, summary), (0, export(&source).await.1));
    assert!(!String::from_utf8(bytes).unwrap().contains("runstate.imported"));
    // One for each document that may change, also after it has followed its source.
    let first = rows(&target).await;
    complete(&source, "x").await;
    import(&target, &export(&source).await.0, ImportOptions::default()).await.unwrap();
    let calls = 1;
    assert_eq!(rows(&target).await, first + calls);
}
