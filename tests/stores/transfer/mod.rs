//! Export and import between stores of different kinds, through the library.

mod repeated;
mod repeated_cases;
mod verification;

use std::io::{BufReader, Cursor};
use std::sync::Arc;

use runstate::client::Answer;
use runstate::client::Cvm;
use runstate::domain;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{Cancel, Delete, EXECUTIONS, Load, Start, Status};
use runstate::engine::{self, Engine, RunLimit, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::operation::Domain;
use runstate::schema::{Collection, Key, Query};
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::layer::Method;
use runstate::store::{BatchLimits, COMMANDS, Freshness, Memory, Store, StoreError};
use runstate::testing::{BatchExt as _, batch};
use runstate::testing::{Fault, FaultStore, LimitedStore};
use runstate::time::Millis;
use runstate::transfer::{
    ExportHeader, ExportRecord, ExportSink, ExportSummary, ImportOptions, ImportReport, LineReader, LineWriter,
    Selection, check,
};
use serde_json::json;

const ASKS: &str = "const list = []; for (let i = 0; i < 100; i++) list.push({ i, f: () => i });
    console.log('one'); const a = CC('first?'); console.log(a, list[7].f()); const b = CC('second?'); a + b + list.length";

async fn engine_over(store: Arc<dyn Store>) -> Engine {
    Engine::with_settings(store, Arc::new(SystemHost), runstate::domain::ALL, Settings::default()).await.unwrap()
}

async fn memory_engine() -> Engine {
    engine_over(Arc::new(Memory::new())).await
}

async fn file_engine(folder: &tempfile::TempDir) -> Engine {
    engine_over(Arc::new(FileStore::open(folder.path().join("store"), FileStoreOptions::default()).await.unwrap()))
        .await
}

async fn load_program(engine: &Engine, name: &str, source: &str) -> Cvm {
    let bytecode = runstate::lang::compile("p.ts", source).unwrap().bytecode;
    let cvm = Cvm::new(engine);
    cvm.load(&Load::new(name, source, bytecode)).await.unwrap();
    cvm
}

async fn export(engine: &Engine) -> (Vec<u8>, ExportSummary) {
    let mut bytes = Vec::new();
    let summary = runstate::transfer::export(engine, &mut LineWriter::new(&mut bytes, "memory"), |_| {}).await.unwrap();
    (bytes, summary)
}

async fn import(engine: &Engine, bytes: &[u8]) -> Result<ImportReport, runstate::engine::Error> {
    import_as(engine, bytes, ImportOptions::default()).await
}

async fn import_as(
    engine: &Engine,
    bytes: &[u8],
    options: ImportOptions,
) -> Result<ImportReport, runstate::engine::Error> {
    let catalog = runstate::engine::catalog(&domain::catalog().unwrap()).unwrap();
    let mut source = LineReader::new(BufReader::new(Cursor::new(bytes)), "memory", catalog.clone());
    let checked = check(&mut source, &catalog, |_| {})?;
    runstate::transfer::import_with(engine, &mut source, &checked, &options, |_| {}).await
}

fn id(text: &str) -> CommandId {
    CommandId::new(text).unwrap()
}

#[tokio::test]
async fn round_trip_through_every_store_is_lossless() {
    let folder = tempfile::tempdir().unwrap();
    let first = memory_engine().await;
    let cvm = load_program(&first, "asks", ASKS).await;
    for name in ["a", "b"] {
        cvm.with_id(&id(name)).start(&Start { id: Some(name.into()), ..Start::new("asks") }).await.unwrap();
        cvm.with_id(&id(&format!("{name}-1"))).answer(name, Answer::from("x").by("ann")).await.unwrap();
    }
    cvm.pause("b").await.unwrap();
    let (bytes, exported) = export(&first).await;
    let second = file_engine(&folder).await;
    assert_eq!(import(&second, &bytes).await.unwrap().summary, exported);
    let (bytes, on_files) = export(&second).await;
    assert_eq!(on_files, exported);
    let third = memory_engine().await;
    import(&third, &bytes).await.unwrap();
    assert_eq!(export(&third).await.1, exported);
    for name in ["a", "b"] {
        assert_eq!(Cvm::new(&third).show(name).await.unwrap(), cvm.show(name).await.unwrap());
    }
    // The paused execution keeps its answer in both stores.
    for cvm in [&cvm, &Cvm::new(&third)] {
        cvm.with_id(&id("late")).answer("b", "y").await.unwrap();
        assert_eq!(cvm.with_id(&id("on")).unpause("b").await.unwrap().status, Status::Complete);
    }
    let (here, there) = (cvm.show("b").await.unwrap(), Cvm::new(&third).show("b").await.unwrap());
    assert_eq!((here.result, here.output, here.state_hash), (there.result, there.output, there.state_hash));
}

#[tokio::test]
async fn moved_calls_keep_their_answers_claims_and_deadlines() {
    const SOURCE: &str = r#"
        const [a, b, c] = CC.all(["a?", { tool: "t" }, { prompt: "c?", timeoutMs: 600000, default: "none" }]);
        console.log(a, b, c, CC("d?", { key: "d" }), CC("e?", { key: "e" }));
    "#;
    let first = memory_engine().await;
    let cvm = load_program(&first, "together", SOURCE).await;
    cvm.start(&Start { id: Some("run".into()), ..Start::new("together") }).await.unwrap();
    for key in ["d", "e"] {
        cvm.answer("run", Answer::to_key(key).value(key)).await.unwrap();
    }
    let calls = cvm.show("run").await.unwrap().calls;
    cvm.answer("run", Answer::to_call(&calls[0].id).value("a")).await.unwrap();
    let work = cvm.claim(&["t".into()], "worker", Millis::minutes(5)).await.unwrap().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let second = file_engine(&folder).await;
    import(&second, &export(&first).await.0).await.unwrap();
    let there = Cvm::new(&second);
    assert_eq!(there.show("run").await.unwrap(), cvm.show("run").await.unwrap());
    assert_eq!(
        there.engine().next_due(runstate::store::Freshness::Linearizable).await.unwrap(),
        cvm.engine().next_due(runstate::store::Freshness::Linearizable).await.unwrap()
    );
    // The worker that had claimed the call may continue, and no other worker may claim it yet.
    assert_eq!(there.claim(&["t".into()], "another", Millis::minutes(5)).await.unwrap(), None);
    there.complete(&work.claimed, "b").await.unwrap();
    there.answer("run", "c").await.unwrap();
    assert_eq!(there.output("run").await.unwrap(), ["a b c d e"]);
}

#[tokio::test]
async fn moved_execution_keeps_the_deadline_of_its_cancel() {
    const SOURCE: &str = r#"try { CC("work?") } finally { console.log(CC("undo?")) }"#;
    let first = memory_engine().await;
    let cvm = load_program(&first, "undoes", SOURCE).await;
    for name in ["a", "b"] {
        cvm.start(&Start { id: Some(name.into()), ..Start::new("undoes") }).await.unwrap();
        cvm.cancel_with(&Cancel::graceful(name).deadline(Millis(if name == "a" { 1 } else { 86_400_000 })))
            .await
            .unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let second = file_engine(&folder).await;
    import(&second, &export(&first).await.0).await.unwrap();
    let there = Cvm::new(&second);
    let next_due = |cvm: Cvm| async move { cvm.engine().next_due(Freshness::Linearizable).await.unwrap() };
    assert_eq!(next_due(there.clone()).await, next_due(cvm).await);
    second.run_due(10, RunLimit::Stop).await.unwrap();
    assert_eq!(there.show("a").await.unwrap().status, Status::Cancelled);
    assert_eq!(there.answer("b", "undone").await.unwrap().status, Status::Cancelled);
    assert_eq!(there.output("b").await.unwrap(), ["undone"]);
}

#[tokio::test]
async fn command_repeated_after_a_move_returns_its_first_result() {
    let first = memory_engine().await;
    let cvm = load_program(&first, "asks", ASKS).await;
    let started = cvm.with_id(&id("start")).start(&Start::new("asks")).await.unwrap();
    cvm.with_id(&id("answer")).answer(&started.id, "x").await.unwrap();
    let second = memory_engine().await;
    import(&second, &export(&first).await.0).await.unwrap();
    let repeated = Cvm::new(&second).with_id(&id("start")).start(&Start::new("asks")).await.unwrap();
    assert_eq!(repeated.id, started.id);
    Cvm::new(&second).with_id(&id("answer")).answer(&started.id, "x").await.unwrap();
    let other = Cvm::new(&second).with_id(&id("answer")).answer(&started.id, "z").await.unwrap_err();
    assert_eq!(other.code, ErrorCode::COMMAND_ID_REUSED);
    assert_eq!(Cvm::new(&second).list(&Default::default()).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn imported_execution_can_be_deleted_and_imported_again() {
    let first = memory_engine().await;
    let cvm = load_program(&first, "asks", ASKS).await;
    for name in ["a", "b"] {
        cvm.start(&Start { id: Some(name.into()), ..Start::new("asks") }).await.unwrap();
        cvm.cancel(name).await.unwrap();
    }
    // The deletion of `b` has begun. It continues in the other store.
    first.execute_part(&Delete::new("b"), Some(&id("delete"))).await.unwrap();
    let (bytes, _) = export(&first).await;
    let second = memory_engine().await;
    import(&second, &bytes).await.unwrap();
    Cvm::new(&second).with_id(&id("delete")).delete("b").await.unwrap();
    Cvm::new(&second).delete("a").await.unwrap();
    let counts = |engine: Engine| async move {
        let info = engine.info().await.unwrap();
        info.collections.iter().map(|c| (c.name, c.documents.unwrap())).collect::<Vec<_>>()
    };
    for (name, count) in counts(second.clone()).await {
        let may_remain =
            matches!(name, "cvm.programs" | "cvm.program_versions" | "runstate.commands" | "runstate.imported");
        assert!(may_remain || count == 0, "{count} of {name} are left");
    }
    assert_eq!(import(&second, &bytes).await.unwrap().written, 0);
    // The same file brings the execution back: batches of the first import do not count as replayed.
    let restore = ImportOptions { restore_deleted: true, ..ImportOptions::default() };
    let imported = repeated_cases::import(&second, &bytes, restore).await.unwrap();
    assert!(imported.written > 0 && imported.already_present > 0);
    assert_eq!(Cvm::new(&second).show("a").await.unwrap(), cvm.show("a").await.unwrap());
}

static CHORES: Collection = Collection::new("house.chores", 1);
static HOUSE: Domain = Domain::new("house").collections(&[&CHORES]);

#[tokio::test]
async fn documents_of_an_unknown_domain_are_named_and_not_left_out() {
    let store = Arc::new(Memory::new());
    let domains: Vec<&'static Domain> = domain::ALL.iter().copied().chain([&HOUSE]).collect();
    let host = Arc::new(SystemHost);
    let open = || Engine::with_settings(store.clone(), host.clone(), &domains, Settings::default());
    let full = open().await.unwrap();
    let cvm = load_program(&full, "asks", ASKS).await;
    cvm.start(&Start { id: Some("a".into()), ..Start::new("asks") }).await.unwrap();
    // A store in which the domain has no documents is complete.
    export(&engine_over(store.clone()).await).await;
    let chore = batch(id("chore")).insert(&CHORES, "a", json!({}));
    open().await.unwrap().store().commit(chore).await.unwrap();
    let lesser = engine_over(store.clone()).await;
    let error =
        runstate::transfer::export(&lesser, &mut LineWriter::new(&mut Vec::new(), "memory"), |_| {}).await.unwrap_err();
    assert_eq!((error.code, error.collection.as_deref()), (ErrorCode::UNSUPPORTED, Some("house.chores")), "{error}");
    let findings = lesser.verify(|_| {}).await.unwrap().findings;
    assert_eq!(findings.iter().map(|finding| finding.at.as_str()).collect::<Vec<_>>(), ["house.chores"]);
    assert_eq!(lesser.info().await.unwrap().undeclared, ["house.chores"]);
    // One execution has nothing of that domain. The program with the domain exports everything.
    let one = Selection::One(Key::new(&EXECUTIONS, "a"));
    runstate::transfer::export_selection(&lesser, &one, &mut LineWriter::new(&mut Vec::new(), "memory"), |_| {})
        .await
        .unwrap();
    let full = open().await.unwrap();
    let (bytes, _) = export(&full).await;
    assert!(String::from_utf8(bytes).unwrap().contains("house.chores"));
    assert_eq!(full.info().await.unwrap().undeclared, <[&str; 0]>::default());
}

#[tokio::test]
async fn export_has_collections_that_another_process_declared_meanwhile() {
    let store = Arc::new(Memory::new());
    let (first, second) = (engine_over(store.clone()).await, engine_over(store).await);
    let parameters = serde_json::json!({"collection": "notes"});
    second.call("documents.declare", parameters.as_object().unwrap().clone()).await.unwrap();
    let parameters = serde_json::json!({"writes": [{"collection": "notes", "id": "a", "put": {"n": 1}}]});
    second.call("documents.commit", parameters.as_object().unwrap().clone()).await.unwrap();
    let (_, exported) = export(&first).await;
    assert_eq!(exported, export(&second).await.1);
    assert_eq!(exported.counts["documents.notes"], 1);
}

#[tokio::test]
async fn unreadable_declarations_hide_no_documents() {
    let store = Arc::new(FaultStore::new(Memory::new()));
    let (first, second) = (engine_over(store.clone()).await, engine_over(store.clone()).await);
    let parameters = serde_json::json!({"collection": "notes"});
    second.call("documents.declare", parameters.as_object().unwrap().clone()).await.unwrap();
    let parameters = serde_json::json!({"writes": [{"collection": "notes", "id": "a", "put": {"n": 1}}]});
    second.call("documents.commit", parameters.as_object().unwrap().clone()).await.unwrap();
    // The first query of each reads the declarations.
    let damage = || {
        let error = StoreError::Corrupt { at: "runstate.declarations/notes".into(), why: "a planned fault".into() };
        store.plan(Method::Query, 1, Fault::FailBefore(error));
    };
    damage();
    assert_eq!(first.info().await.unwrap().undeclared, ["documents.notes"]);
    damage();
    let error =
        runstate::transfer::export(&first, &mut LineWriter::new(&mut Vec::new(), "memory"), |_| {}).await.unwrap_err();
    assert_eq!((error.code, error.collection.as_deref()), (ErrorCode::UNSUPPORTED, Some("documents.notes")), "{error}");
}

#[tokio::test]
async fn moved_running_execution_resumes() {
    let settings = Settings { slice_instructions: 100, ..Settings::default() };
    let store = Arc::new(Memory::new());
    let first = Engine::with_settings(store, Arc::new(SystemHost), runstate::domain::ALL, settings).await.unwrap();
    let source = "let n = 0; for (let i = 0; i < 1000; i++) { n += i } console.log(n)";
    load_program(&first, "sums", source).await;
    // Only the first slice, as if the process had died then.
    let start = Start { id: Some("r".into()), ..Start::new("sums") };
    assert_eq!(first.execute_part(&start, None).await.unwrap().output.status, Status::Running);
    let second = memory_engine().await;
    import(&second, &export(&first).await.0).await.unwrap();
    assert_eq!(Cvm::new(&second).resume("r").await.unwrap().status, Status::Complete);
    assert_eq!(Cvm::new(&second).show("r").await.unwrap().output, ["499500"]);
}

/// A sink that writes to the store, for `times` times, while documents are exported.
struct StartingSink<S> {
    inner: S,
    cvm: Cvm,
    times: u32,
}

impl<S: ExportSink> ExportSink for StartingSink<S> {
    fn begin(&mut self, header: &ExportHeader) -> Result<(), engine::Error> {
        if self.times > 0 {
            self.times -= 1;
            let (cvm, start) = (self.cvm.clone(), Start::new("asks"));
            let mut write = std::pin::pin!(cvm.start(&start));
            // A store in memory completes at once.
            let written = write.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
            assert!(matches!(written, std::task::Poll::Ready(Ok(_))));
        }
        self.inner.begin(header)
    }

    fn put(&mut self, record: &ExportRecord, line: &str) -> Result<(), engine::Error> {
        self.inner.put(record, line)
    }

    fn end(&mut self, summary: &ExportSummary) -> Result<(), engine::Error> {
        self.inner.end(summary)
    }
}

#[tokio::test]
async fn export_of_a_changing_store_restarts_or_fails() {
    let engine = memory_engine().await;
    let cvm = load_program(&engine, "asks", ASKS).await;
    let mut bytes = Vec::new();
    let restart: fn(&mut &mut Vec<u8>) -> std::io::Result<()> = |bytes| {
        bytes.clear();
        Ok(())
    };
    let inner = LineWriter::new(&mut bytes, "a file").with_restart(restart);
    let mut sink = StartingSink { inner, cvm: cvm.clone(), times: 3 };
    runstate::transfer::export(&engine, &mut sink, |_| {}).await.unwrap();
    assert_eq!(import(&memory_engine().await, &bytes).await.unwrap().summary.counts["cvm.executions"], 3);

    let inner = LineWriter::new(&mut bytes, "a file").with_restart(restart);
    let error = runstate::transfer::export(&engine, &mut StartingSink { inner, cvm: cvm.clone(), times: 99 }, |_| {})
        .await
        .unwrap_err();
    assert_eq!((error.code, error.retryable), (ErrorCode::CONFLICT, true), "{error}");

    let mut bytes = Vec::new();
    let inner = LineWriter::new(&mut bytes, "a pipe");
    let error =
        runstate::transfer::export(&engine, &mut StartingSink { inner, cvm, times: 1 }, |_| {}).await.unwrap_err();
    assert!(error.message.contains("a pipe") && error.message.contains("cannot be taken back"), "{error}");
    assert_eq!(import(&memory_engine().await, &bytes).await.unwrap_err().code, ErrorCode::CORRUPT);
}

#[tokio::test]
async fn import_that_dies_resumes_and_never_shows_half_an_execution() {
    let first = memory_engine().await;
    let cvm = load_program(&first, "asks", ASKS).await;
    cvm.with_id(&id("a")).start(&Start { id: Some("a".into()), ..Start::new("asks") }).await.unwrap();
    let (bytes, exported) = export(&first).await;
    let mut succeeded = Vec::new();
    for nth in 1.. {
        let unknown = StoreError::UnknownOutcome { command: id("lost"), why: "the line was cut".into() };
        for fault in [Fault::DieBefore, Fault::DieAfter, Fault::FailAfter(unknown)] {
            let store = Arc::new(FaultStore::new(Memory::new()));
            let second = engine_over(store.clone()).await;
            store.plan(Method::Commit, nth, fault.clone());
            let imported = import(&second, &bytes).await;
            store.heal();
            for found in Cvm::new(&second).list(&Default::default()).await.unwrap().items {
                assert_eq!(Cvm::new(&second).show(&found.id).await.unwrap(), cvm.show(&found.id).await.unwrap());
            }
            succeeded.push(imported.is_ok());
            assert_eq!(import(&second, &bytes).await.unwrap().summary, exported);
            assert_eq!(export(&second).await.1, exported);
        }
        // After the last commit no fault occurs.
        if succeeded.ends_with(&[true, true, true]) {
            break;
        }
    }
    assert!(succeeded.iter().filter(|ok| !**ok).count() > 8, "{succeeded:?}");
}

/// Checks that an export of the store would be empty.
async fn expect_empty(engine: &Engine) {
    let (_, there) = export(engine).await;
    assert_eq!(there.total(), 0, "{:?}", there.counts);
}

/// Three waiting executions.
async fn three_waiting() -> (Engine, Vec<u8>, ExportSummary) {
    let first = memory_engine().await;
    let cvm = load_program(&first, "asks", ASKS).await;
    for name in ["a", "b", "c"] {
        cvm.with_id(&id(name)).start(&Start::new("asks").id(name)).await.unwrap();
    }
    let (bytes, exported) = export(&first).await;
    (first, bytes, exported)
}

#[tokio::test]
async fn import_of_a_too_large_document_fails_before_any_write() {
    let (first, ..) = three_waiting().await;
    let source = format!("console.log('{}')", "x".repeat(40_000));
    load_program(&first, "large", &source).await;
    let (bytes, _) = export(&first).await;
    let limits = BatchLimits { document_bytes: 32 * 1024, batch_bytes: 64 * 1024, batch_writes: 100 };
    let inner: Arc<dyn Store> = Arc::new(Memory::new());
    let second = engine_over(Arc::new(LimitedStore::new(inner.clone(), limits))).await;
    let error = import(&second, &bytes).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::TOO_LARGE, "{error}");
    assert!(error.message.contains("cvm.program"), "{error}");
    expect_empty(&second).await;
    // No staging was begun either.
    assert_eq!(inner.query(&Query::of(&COMMANDS), Freshness::Linearizable).await.unwrap().items.len(), 0);
}

#[tokio::test]
async fn import_rejected_halfway_leaves_nothing_and_can_be_repeated() {
    let (_, bytes, exported) = three_waiting().await;
    let rejections = [
        StoreError::TooLarge { what: "cvm.executions/b".into(), size: "17 MB".into(), limit: 16 },
        StoreError::UniqueViolation { key: Key::new(&EXECUTIONS, "b"), index: "name".into() },
    ];
    for rejection in rejections {
        let mut rolled_back = 0;
        for nth in 1..=6 {
            let store = Arc::new(FaultStore::new(Memory::new()));
            let second = engine_over(store.clone()).await;
            store.plan(Method::Commit, nth, Fault::FailBefore(rejection.clone()));
            let error = import(&second, &bytes).await.unwrap_err();
            assert!(matches!(error.code, ErrorCode::TOO_LARGE | ErrorCode::ALREADY_EXISTS), "{nth}: {error}");
            rolled_back += usize::from(store.calls(Method::Commit) > nth);
            expect_empty(&second).await;
            store.heal();
            assert_eq!(import(&second, &bytes).await.unwrap().summary, exported, "{nth}");
        }
        assert_eq!(rolled_back, 5, "5 of 6 imports had rows to roll back");
    }
}

#[tokio::test]
async fn documents_that_existed_before_a_rejected_import_stay() {
    let (_, bytes, exported) = three_waiting().await;
    let store = Arc::new(FaultStore::new(Memory::new()));
    let second = engine_over(store.clone()).await;
    store.plan(Method::Commit, 3, Fault::DieAfter);
    import(&second, &bytes).await.unwrap_err();
    store.heal();
    let (_, before) = export(&second).await;
    assert!(before.total() > 0);
    let rejection = StoreError::TooLarge { what: "cvm.executions/b".into(), size: "17 MB".into(), limit: 16 };
    store.plan(Method::Commit, 2, Fault::FailBefore(rejection));
    import(&second, &bytes).await.unwrap_err();
    assert_eq!(export(&second).await.1, before);
    assert_eq!(import(&second, &bytes).await.unwrap().summary, exported);
}

/// The calls of a conversation share the text of their requests, and another store gets it too.
#[tokio::test]
async fn conversation_moves_with_its_requests_and_continues() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (memory_engine().await, file_engine(&folder).await);
    let source = r#"
    let history = "";
    while (true) {
        history += "more words ".repeat(200);
        history += CC(history);
    }"#;
    let cvm = load_program(&first, "talks", source).await;
    cvm.start(&Start::new("talks").id("a")).await.unwrap();
    for turn in 0..10 {
        cvm.answer("a", format!("{turn} words ").repeat(100)).await.unwrap();
    }
    let (bytes, exported) = export_one(&first, "a").await.unwrap();
    assert_eq!(import(&second, &bytes).await.unwrap().summary, exported);
    let there = Cvm::new(&second);
    let shown = there.show("a").await.unwrap();
    assert_eq!(shown, cvm.show("a").await.unwrap());
    assert_eq!(shown.calls[0].prompt.len(), 11 * 11 * 200 + 10 * 800);
    // The header names the store, and the last line has the digest of all.
    let documents = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        text.lines().filter(|line| line.starts_with("{\"collection\"")).map(str::to_owned).collect::<Vec<_>>()
    };
    let (here, there_too) = (documents(&bytes), documents(&export_one(&second, "a").await.unwrap().0));
    assert!(here.len() > 20 && here == there_too);
    there.answer("a", "and on").await.unwrap();
}

async fn export_one(engine: &Engine, execution: &str) -> Result<(Vec<u8>, ExportSummary), runstate::engine::Error> {
    let mut bytes = Vec::new();
    let selection = Selection::One(Key::new(&EXECUTIONS, execution));
    let summary =
        runstate::transfer::export_selection(engine, &selection, &mut LineWriter::new(&mut bytes, "memory"), |_| {})
            .await?;
    Ok((bytes, summary))
}

#[tokio::test]
async fn single_execution_moves_alone_and_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let first = memory_engine().await;
    let cvm = load_program(&first, "asks", ASKS).await;
    for name in ["a", "b"] {
        cvm.with_id(&id(name)).start(&Start { id: Some(name.into()), ..Start::new("asks") }).await.unwrap();
        cvm.answer(name, "x").await.unwrap();
    }
    // The execution continues with its own version, also after a newer one was loaded.
    load_program(&first, "asks", "CC('another?')").await;
    let (bytes, exported) = export_one(&first, "a").await.unwrap();
    let counts: Vec<(&str, u64)> = exported.counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    let pages = exported.counts["cvm.heap_pages"];
    assert!(pages > 0);
    assert_eq!(
        counts,
        [
            ("cvm.cc_history", 2),
            ("cvm.execution_logs", 2),
            ("cvm.executions", 1),
            ("cvm.heap_pages", pages),
            ("cvm.outputs", 2),
            ("cvm.program_versions", 1)
        ]
    );
    // In the second store another program has the same name, and executions of its own.
    let second = file_engine(&folder).await;
    let there = load_program(&second, "asks", "CC('what?')").await;
    there.start(&Start::new("asks")).await.unwrap();
    assert_eq!(import(&second, &bytes).await.unwrap().summary, exported);
    assert_eq!(there.show("a").await.unwrap(), cvm.show("a").await.unwrap());
    assert_eq!(export_one(&second, "a").await.unwrap().1, exported);
    let here = cvm.with_id(&id("on")).answer("a", "y").await.unwrap();
    assert_eq!(there.with_id(&id("on")).answer("a", "y").await.unwrap(), here);
    let (here, there) = (cvm.show("a").await.unwrap(), there.show("a").await.unwrap());
    assert_eq!((here.result, here.output, here.state_hash), (there.result, there.output, there.state_hash));
    // The stored execution has advanced, and the export has not.
    let again = import(&second, &bytes).await.unwrap();
    assert!(again.written == 0 && again.kept > 0, "{again:?}");
    let exact = ImportOptions { exact: true, ..ImportOptions::default() };
    assert_eq!(import_as(&second, &bytes, exact).await.unwrap_err().code, ErrorCode::ALREADY_EXISTS);
    Cvm::new(&second).delete("a").await.unwrap();
    assert_eq!(import(&second, &bytes).await.unwrap().written, 0);
    let restore = ImportOptions { restore_deleted: true, ..ImportOptions::default() };
    assert!(import_as(&second, &bytes, restore).await.unwrap().written > 0);
}

#[tokio::test]
async fn single_export_tolerates_only_writes_to_other_executions() {
    let engine = memory_engine().await;
    let cvm = load_program(&engine, "asks", ASKS).await;
    cvm.start(&Start::new("asks").id("a")).await.unwrap();
    let selection = Selection::One(Key::new(&EXECUTIONS, "a"));
    let mut sink = StartingSink { inner: LineWriter::new(Vec::new(), "a pipe"), cvm: cvm.clone(), times: 99 };
    runstate::transfer::export_selection(&engine, &selection, &mut sink, |_| {}).await.unwrap();
    assert!(sink.times < 99);

    let missing = export_one(&engine, "nobody").await.unwrap_err();
    assert_eq!((missing.code, missing.key.as_deref()), (ErrorCode::NOT_FOUND, Some("nobody")), "{missing}");
    cvm.cancel("a").await.unwrap();
    cvm.delete("a").await.unwrap();
    assert_eq!(export_one(&engine, "a").await.unwrap_err().code, ErrorCode::NOT_FOUND);
}

/// Futures of exports and imports can be spawned.
#[allow(dead_code)]
fn transfers_are_send(engine: &'static Engine, source: &'static mut LineReader<BufReader<Cursor<Vec<u8>>>>) {
    fn send<T: Send>(_: T) {}
    let catalog = runstate::engine::catalog(&domain::catalog().unwrap()).unwrap();
    let checked = check(source, &catalog, |_| {}).unwrap();
    let mut sink = LineWriter::new(Vec::new(), "x");
    send(runstate::transfer::export(engine, &mut sink, |_| {}));
    send(runstate::transfer::import(engine, source, &checked, |_| {}));
}
