//! An import of a source that went on, into a store that went on too.

use std::sync::Arc;

use runstate::client::{Answer, Cvm};
use runstate::domain::cvm::{Load, Start, Status};
use runstate::engine::Engine;
use runstate::error_code::ErrorCode;
use runstate::schema::Query;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::layer::Method;
use runstate::store::{BatchLimits, Freshness, Memory, Store, StoreError};
use runstate::testing::{Fault, FaultStore, LimitedStore};
use runstate::time::Millis;
use runstate::transfer::{ConflictPolicy, ImportOptions};

use super::id;
use super::repeated_cases::{self as cases, complete, engine_over, export, import, start, waiting_source};
use crate::settings::{is_full_run, seed};

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

/// A new store on files in `folder`.
async fn files(folder: &tempfile::TempDir) -> Arc<dyn Store> {
    let folder = tempfile::tempdir_in(folder.path()).unwrap().keep();
    Arc::new(FileStore::open(folder.join("store"), FileStoreOptions::default()).await.unwrap())
}

/// Tests a case in memory and on files.
macro_rules! on_stores {
    ($($case:ident($memory:ident, $files:ident);)+) => {$(
        #[tokio::test]
        async fn $memory() {
            cases::$case(Arc::new(Memory::new())).await;
        }

        #[tokio::test]
        async fn $files() {
            cases::$case(files(&tempfile::tempdir().unwrap()).await).await;
        }
    )+};
}

on_stores! {
    a_source_that_went_on_is_imported_again(
        source_that_went_on_is_imported_again_into_memory, source_that_went_on_is_imported_again_into_files
    );
    unique_values_that_have_moved_are_imported(
        unique_values_that_have_moved_are_imported_into_memory, unique_values_that_have_moved_are_imported_into_files
    );
    document_with_a_skipped_part_is_kept(
        document_with_a_skipped_part_is_kept_in_memory, document_with_a_skipped_part_is_kept_on_files
    );
    export_of_another_store_updates_nothing(
        export_of_another_store_updates_nothing_in_memory, export_of_another_store_updates_nothing_on_files
    );
}

/// A process dies at any commit of an import in which many documents pass their unique values on, two exchange them,
/// and a new one takes one.
async fn crash_while_unique_values_move(open: impl AsyncFn() -> Arc<dyn Store>) {
    let source = engine_over(Arc::new(Memory::new())).await;
    cases::declare_guests(&source).await;
    let names: Vec<String> = (0..300).map(|n| format!("g{n:03}")).collect();
    let guests = |by: i64| names.iter().zip(1..).map(move |(id, n)| (id.as_str(), n + by, n, true)).collect::<Vec<_>>();
    cases::put_guests(&source, &[("a", -1, -1, true), ("b", -2, -2, true)]).await;
    cases::put_guests(&source, &guests(0)).await;
    let (before, _) = export(&source).await;
    cases::put_guests(&source, &guests(1)).await;
    cases::put_guests(&source, &[("a", -2, -1, true), ("b", -1, -2, true), ("new", 1, 1000, true)]).await;
    let (after, summary) = export(&source).await;
    for nth in 1.. {
        let store = Arc::new(FaultStore::new(open().await));
        let target = engine_over(store.clone()).await;
        import(&target, &before, ImportOptions::default()).await.unwrap();
        store.plan(Method::Commit, nth, Fault::DieAfter);
        let imported = import(&target, &after, ImportOptions::default()).await;
        store.heal();
        import(&target, &after, ImportOptions::default()).await.unwrap();
        assert_eq!(export(&target).await.1, summary);
        if imported.is_ok() {
            assert!(nth > 3, "{nth}");
            break;
        }
    }
}

/// Two imports of successive exports die, each at one of several commits. The repeated one leaves nothing of the first
/// export. In the short form each death of the first import is followed by another one of the second, which the seed
/// shifts.
async fn interrupt_two_imports(open: impl AsyncFn() -> Arc<dyn Store>) {
    let source = waiting_source().await;
    cases::add_work(&source).await;
    let (before, _) = export(&source).await;
    cases::go_on(&source).await;
    let (after, summary) = export(&source).await;
    let (seconds, shift) = ([1, 3, 6, 12], seed() as usize);
    for first in 1..=12 {
        for (at, second) in seconds.into_iter().enumerate() {
            if !is_full_run() && (first as usize).wrapping_add(shift) % seconds.len() != at {
                continue;
            }
            let store = Arc::new(FaultStore::new(open().await));
            let target = engine_over(store.clone()).await;
            for (bytes, nth) in [(&before, first), (&after, second)] {
                store.plan(Method::Commit, nth, Fault::DieAfter);
                import(&target, bytes, ImportOptions::default()).await.unwrap_err();
                store.heal();
            }
            import(&target, &after, ImportOptions::default()).await.unwrap();
            assert_eq!(export(&target).await.1, summary, "{first} {second}");
            assert_eq!(target.verify(|_| {}).await.unwrap().findings, []);
        }
    }
}

#[tokio::test]
async fn moved_unique_values_survive_a_crash_in_memory() {
    crash_while_unique_values_move(async || Arc::new(Memory::new()) as Arc<dyn Store>).await;
}

#[tokio::test]
async fn moved_unique_values_survive_a_crash_on_files() {
    let folder = tempfile::tempdir().unwrap();
    crash_while_unique_values_move(async || files(&folder).await).await;
}

#[tokio::test]
async fn two_interrupted_imports_leave_no_part_in_memory() {
    interrupt_two_imports(async || Arc::new(Memory::new()) as Arc<dyn Store>).await;
}

#[tokio::test]
async fn two_interrupted_imports_leave_no_part_on_files() {
    let folder = tempfile::tempdir().unwrap();
    interrupt_two_imports(async || files(&folder).await).await;
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
