//! Moving between stores of different kinds, through the library.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "transfer/unfaithful.rs"]
mod unfaithful;
#[path = "transfer/verification.rs"]
mod verification;

use std::future::Future;
use std::io::{BufReader, Cursor};
use std::sync::Arc;

use runstate::code::Code;
use runstate::domain;
use runstate::domain::cvm::{Delete, EXECUTIONS, Load, Start, Status};
use runstate::engine::transfer::{Header, Imported, LineReader, LineWriter, Record, Selection, Sink, Summary, check};
use runstate::engine::{self, Cvm, Engine, SystemHost};
use runstate::id::CommandId;
use runstate::limits::Settings;
use runstate::schema::{Key, Query};
use runstate::store::file::{FileStore, Options};
use runstate::store::layer::{Fault, FaultStore, Method, Small};
use runstate::store::{COMMANDS, Error, Limits, Memory, Store};
use runstate::time::Millis;

const ASKS: &str = "const kept = []; for (let i = 0; i < 100; i++) kept.push({ i, f: () => i });
    console.log('one'); const a = CC('first?'); console.log(a, kept[7].f()); const b = CC('second?'); a + b + kept.length";

async fn over(store: Arc<dyn Store>) -> Engine {
    Engine::new(store, Arc::new(SystemHost), domain::catalog().unwrap(), Settings::default()).await.unwrap()
}

async fn memory() -> Engine {
    over(Arc::new(Memory::new())).await
}

async fn file(folder: &tempfile::TempDir) -> Engine {
    over(Arc::new(FileStore::open(folder.path().join("store"), Options::default()).await.unwrap())).await
}

async fn loaded(engine: &Engine, name: &str, source: &str) -> Cvm {
    let bytecode = runstate::lang::compile("p.ts", source).unwrap().bytecode;
    let runs = engine.cvm();
    runs.load(&Load::new(name, source, bytecode), None).await.unwrap();
    runs
}

async fn export(engine: &Engine) -> (Vec<u8>, Summary) {
    let mut bytes = Vec::new();
    let summary = engine.export(&mut LineWriter::new(&mut bytes, "memory"), |_| {}).await.unwrap();
    (bytes, summary)
}

async fn import(engine: &Engine, bytes: &[u8]) -> Result<Imported, runstate::engine::Error> {
    let catalog = runstate::engine::catalog(&domain::catalog().unwrap()).unwrap();
    let mut source = LineReader::new(BufReader::new(Cursor::new(bytes)), "memory", catalog.clone());
    let checked = check(&mut source, &catalog, |_| {})?;
    engine.import(&mut source, &checked, |_| {}).await
}

fn id(text: &str) -> CommandId {
    CommandId::new(text).unwrap()
}

#[tokio::test]
async fn what_goes_round_through_every_store_is_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let first = memory().await;
    let runs = loaded(&first, "asks", ASKS).await;
    for name in ["a", "b"] {
        runs.start(&Start { id: Some(name.into()), ..Start::of("asks") }, Some(&id(name))).await.unwrap();
        runs.answer(name, None, "x".into(), Some("ann".into()), Some(&id(&format!("{name}-1")))).await.unwrap();
    }
    runs.pause("b", None).await.unwrap();
    let (bytes, exported) = export(&first).await;
    let second = file(&folder).await;
    assert_eq!(import(&second, &bytes).await.unwrap().summary, exported);
    let (bytes, on_files) = export(&second).await;
    assert_eq!(on_files, exported);
    let third = memory().await;
    import(&third, &bytes).await.unwrap();
    assert_eq!(export(&third).await.1, exported);
    for name in ["a", "b"] {
        assert_eq!(third.cvm().show(name).await.unwrap(), runs.show(name).await.unwrap());
    }
    // The paused one keeps its answer, there as here.
    for runs in [&runs, &third.cvm()] {
        runs.answer("b", None, "y".into(), None, Some(&id("late"))).await.unwrap();
        assert_eq!(runs.unpause("b", Some(&id("on"))).await.unwrap().status, Status::Complete);
    }
    let (here, there) = (runs.show("b").await.unwrap(), third.cvm().show("b").await.unwrap());
    assert_eq!((here.result, here.output, here.state_hash), (there.result, there.output, there.state_hash));
}

#[tokio::test]
async fn calls_go_on_where_they_were_moved_with_their_answers_claims_and_deadlines() {
    const SOURCE: &str = r#"
        const [a, b, c] = CC.all(["a?", { tool: "t" }, { prompt: "c?", timeoutMs: 600000, default: "none" }]);
        console.log(a, b, c, CC("d?", { key: "d" }), CC("e?", { key: "e" }));
    "#;
    let first = memory().await;
    let runs = loaded(&first, "together", SOURCE).await;
    runs.start(&Start { id: Some("run".into()), ..Start::of("together") }, None).await.unwrap();
    for key in ["d", "e"] {
        runs.answer_key("run", key, 1, key.into(), None, None).await.unwrap();
    }
    let calls = runs.show("run").await.unwrap().calls;
    runs.answer("run", Some(&calls[0].call_id), "a".into(), None, None).await.unwrap();
    let work = runs.claim(&["t".into()], "worker", Millis::minutes(5)).await.unwrap().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let second = file(&folder).await;
    import(&second, &export(&first).await.0).await.unwrap();
    let there = second.cvm();
    assert_eq!(there.show("run").await.unwrap(), runs.show("run").await.unwrap());
    assert_eq!(there.next_due().await.unwrap(), runs.next_due().await.unwrap());
    // Whoever worked on it may go on, and nobody else may yet.
    assert_eq!(there.claim(&["t".into()], "another", Millis::minutes(5)).await.unwrap(), None);
    there.complete(&work.claimed, "b".into(), None, None).await.unwrap();
    there.answer("run", None, "c".into(), None, None).await.unwrap();
    assert_eq!(there.output("run").await.unwrap(), ["a b c d e"]);
}

#[tokio::test]
async fn a_command_is_repeated_after_the_move_from_its_first_result() {
    let first = memory().await;
    let runs = loaded(&first, "asks", ASKS).await;
    let started = runs.start(&Start::of("asks"), Some(&id("start"))).await.unwrap();
    runs.answer(&started.id, None, "x".into(), None, Some(&id("answer"))).await.unwrap();
    let second = memory().await;
    import(&second, &export(&first).await.0).await.unwrap();
    let again = second.cvm().start(&Start::of("asks"), Some(&id("start"))).await.unwrap();
    assert_eq!(again.id, started.id);
    second.cvm().answer(&started.id, None, "x".into(), None, Some(&id("answer"))).await.unwrap();
    let other = second.cvm().answer(&started.id, None, "z".into(), None, Some(&id("answer"))).await.unwrap_err();
    assert_eq!(other.code, Code::CommandIdReused);
    assert_eq!(second.cvm().list(&Default::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_moved_can_be_deleted_and_imported_again() {
    let first = memory().await;
    let runs = loaded(&first, "asks", ASKS).await;
    for name in ["a", "b"] {
        runs.start(&Start { id: Some(name.into()), ..Start::of("asks") }, None).await.unwrap();
        runs.cancel(name, None).await.unwrap();
    }
    // Of one the deletion has begun; it goes on in the other store.
    first.execute_as(&Delete::of("b"), &id("delete")).await.unwrap();
    let (bytes, _) = export(&first).await;
    let second = memory().await;
    import(&second, &bytes).await.unwrap();
    second.cvm().delete("b", Some(&id("delete"))).await.unwrap();
    second.cvm().delete("a", None).await.unwrap();
    let counts = |engine: Engine| async move {
        let info = engine.info().await.unwrap();
        info.collections.iter().map(|c| (c.name, c.documents.unwrap())).collect::<Vec<_>>()
    };
    for (name, count) in counts(second.clone()).await {
        let kept = matches!(name, "cvm.programs" | "cvm.program_versions" | "runstate.commands");
        assert!(kept || count == 0, "{count} of {name} are left");
    }
    // The same file again brings it back: a batch that was written once is not taken for done.
    let imported = import(&second, &bytes).await.unwrap();
    assert!(imported.written > 0 && imported.there > 0);
    assert_eq!(second.cvm().show("a").await.unwrap(), runs.show("a").await.unwrap());
}

#[tokio::test]
async fn a_running_execution_runs_on_where_it_was_moved() {
    let settings = Settings { slice_instructions: 100, ..Settings::default() };
    let store = Arc::new(Memory::new());
    let first = Engine::new(store, Arc::new(SystemHost), domain::catalog().unwrap(), settings).await.unwrap();
    let source = "let n = 0; for (let i = 0; i < 1000; i++) { n += i } console.log(n)";
    loaded(&first, "sums", source).await;
    // Only the first slice, as if its process had died then.
    let start = Start { id: Some("r".into()), ..Start::of("sums") };
    assert_eq!(first.execute(&start).await.unwrap().status, Status::Running);
    let second = memory().await;
    import(&second, &export(&first).await.0).await.unwrap();
    assert_eq!(second.cvm().next("r", None).await.unwrap().status, Status::Complete);
    assert_eq!(second.cvm().show("r").await.unwrap().output, ["499500"]);
}

/// A sink while whose documents come somebody writes to the store, so many times.
struct Busy<S> {
    inner: S,
    runs: Cvm,
    times: u32,
}

impl<S: Sink> Sink for Busy<S> {
    fn begin(&mut self, header: &Header) -> Result<(), engine::Error> {
        if self.times > 0 {
            self.times -= 1;
            let (runs, start) = (self.runs.clone(), Start::of("asks"));
            let mut write = std::pin::pin!(runs.start(&start, None));
            // In memory nothing has to be waited for.
            let written = write.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
            assert!(matches!(written, std::task::Poll::Ready(Ok(_))));
        }
        self.inner.begin(header)
    }

    fn put(&mut self, record: &Record, line: &str) -> Result<(), engine::Error> {
        self.inner.put(record, line)
    }

    fn end(&mut self, summary: &Summary) -> Result<(), engine::Error> {
        self.inner.end(summary)
    }
}

#[tokio::test]
async fn an_export_of_a_store_that_is_written_to_begins_again_or_says_so() {
    let engine = memory().await;
    let runs = loaded(&engine, "asks", ASKS).await;
    let mut bytes = Vec::new();
    let again: fn(&mut &mut Vec<u8>) -> std::io::Result<()> = |bytes| {
        bytes.clear();
        Ok(())
    };
    let inner = LineWriter::new(&mut bytes, "a file").restarting(again);
    let mut sink = Busy { inner, runs: runs.clone(), times: 3 };
    engine.export(&mut sink, |_| {}).await.unwrap();
    assert_eq!(import(&memory().await, &bytes).await.unwrap().summary.counts["cvm.executions"], 3);

    let inner = LineWriter::new(&mut bytes, "a file").restarting(again);
    let error = engine.export(&mut Busy { inner, runs: runs.clone(), times: 99 }, |_| {}).await.unwrap_err();
    assert_eq!((error.code, error.retryable), (Code::Conflict, true), "{error}");

    let mut bytes = Vec::new();
    let inner = LineWriter::new(&mut bytes, "a pipe");
    let error = engine.export(&mut Busy { inner, runs, times: 1 }, |_| {}).await.unwrap_err();
    assert!(error.message.contains("a pipe") && error.message.contains("cannot be taken back"), "{error}");
    assert_eq!(import(&memory().await, &bytes).await.unwrap_err().code, Code::Corrupt);
}

#[tokio::test]
async fn an_import_that_dies_at_any_commit_goes_on_and_never_shows_half_an_execution() {
    let first = memory().await;
    let runs = loaded(&first, "asks", ASKS).await;
    runs.start(&Start { id: Some("a".into()), ..Start::of("asks") }, Some(&id("a"))).await.unwrap();
    let (bytes, exported) = export(&first).await;
    let mut seen = Vec::new();
    for nth in 1.. {
        let unknown = Error::Unknown { command: id("lost"), why: "the line was cut".into() };
        for fault in [Fault::DieBefore, Fault::DieAfter, Fault::After(unknown)] {
            let store = Arc::new(FaultStore::new(Memory::new()));
            let second = over(store.clone()).await;
            store.plan(Method::Commit, nth, fault.clone());
            let died = import(&second, &bytes).await;
            store.heal();
            for found in second.cvm().list(&Default::default()).await.unwrap() {
                assert_eq!(second.cvm().show(&found.id).await.unwrap(), runs.show(&found.id).await.unwrap());
            }
            seen.push(died.is_ok());
            assert_eq!(import(&second, &bytes).await.unwrap().summary, exported);
            assert_eq!(export(&second).await.1, exported);
        }
        // Beyond the last commit nothing fails.
        if seen.ends_with(&[true, true, true]) {
            break;
        }
    }
    assert!(seen.iter().filter(|fine| !**fine).count() > 8, "{seen:?}");
}

/// That nothing at all stands there which an export would tell.
async fn expect_empty(engine: &Engine) {
    let (_, there) = export(engine).await;
    assert_eq!(there.total(), 0, "{:?}", there.counts);
}

/// Three executions that wait.
async fn three() -> (Engine, Vec<u8>, Summary) {
    let first = memory().await;
    let runs = loaded(&first, "asks", ASKS).await;
    for name in ["a", "b", "c"] {
        runs.start(&Start::of("asks").id(name), Some(&id(name))).await.unwrap();
    }
    let (bytes, exported) = export(&first).await;
    (first, bytes, exported)
}

#[tokio::test]
async fn what_a_store_finds_too_large_is_told_before_anything_is_written() {
    let (first, ..) = three().await;
    let source = format!("console.log('{}')", "x".repeat(40_000));
    loaded(&first, "large", &source).await;
    let (bytes, _) = export(&first).await;
    let few = Limits { document_bytes: 32 * 1024, batch_bytes: 64 * 1024, batch_writes: 100 };
    let disk: Arc<dyn Store> = Arc::new(Memory::new());
    let second = over(Arc::new(Small::new(disk.clone(), few))).await;
    let error = import(&second, &bytes).await.unwrap_err();
    assert_eq!(error.code, Code::TooLarge, "{error}");
    assert!(error.message.contains("cvm.program"), "{error}");
    expect_empty(&second).await;
    // Nothing was begun either.
    assert_eq!(disk.query(&Query::of(&COMMANDS)).await.unwrap().rows.len(), 0);
}

#[tokio::test]
async fn an_import_that_is_refused_halfway_leaves_nothing_and_can_be_made_again() {
    let (_, bytes, exported) = three().await;
    let refusals = [
        Error::TooLarge { what: "cvm.executions/b".into(), size: "17 MB".into(), limit: 16 },
        Error::UniqueViolation { key: Key::new(&EXECUTIONS, "b"), index: "name".into() },
    ];
    for refusal in refusals {
        let mut left = 0;
        for nth in 1..=6 {
            let store = Arc::new(FaultStore::new(Memory::new()));
            let second = over(store.clone()).await;
            store.plan(Method::Commit, nth, Fault::Before(refusal.clone()));
            let error = import(&second, &bytes).await.unwrap_err();
            assert!(matches!(error.code, Code::TooLarge | Code::AlreadyExists), "{nth}: {error}");
            left += usize::from(store.calls(Method::Commit) > nth);
            expect_empty(&second).await;
            store.heal();
            assert_eq!(import(&second, &bytes).await.unwrap().summary, exported, "{nth}");
        }
        assert_eq!(left, 5, "there was something to be taken back");
    }
}

#[tokio::test]
async fn what_was_there_before_a_refused_import_stays() {
    let (_, bytes, exported) = three().await;
    let store = Arc::new(FaultStore::new(Memory::new()));
    let second = over(store.clone()).await;
    store.plan(Method::Commit, 3, Fault::DieAfter);
    import(&second, &bytes).await.unwrap_err();
    store.heal();
    let (_, before) = export(&second).await;
    assert!(before.total() > 0);
    let refusal = Error::TooLarge { what: "cvm.executions/b".into(), size: "17 MB".into(), limit: 16 };
    store.plan(Method::Commit, 2, Fault::Before(refusal));
    import(&second, &bytes).await.unwrap_err();
    assert_eq!(export(&second).await.1, before);
    assert_eq!(import(&second, &bytes).await.unwrap().summary, exported);
}

async fn export_one(engine: &Engine, execution: &str) -> Result<(Vec<u8>, Summary), runstate::engine::Error> {
    let mut bytes = Vec::new();
    let selection = Selection::One(Key::new(&EXECUTIONS, execution));
    let summary = engine.export_of(&selection, &mut LineWriter::new(&mut bytes, "memory"), |_| {}).await?;
    Ok((bytes, summary))
}

#[tokio::test]
async fn one_execution_moves_alone_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let first = memory().await;
    let runs = loaded(&first, "asks", ASKS).await;
    for name in ["a", "b"] {
        runs.start(&Start { id: Some(name.into()), ..Start::of("asks") }, Some(&id(name))).await.unwrap();
        runs.answer(name, None, "x".into(), None, None).await.unwrap();
    }
    // It goes on with the version it runs, whichever is the newest.
    loaded(&first, "asks", "CC('another?')").await;
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
    // There another program has the name already, and executions of its own.
    let second = file(&folder).await;
    let there = loaded(&second, "asks", "CC('what?')").await;
    there.start(&Start::of("asks"), None).await.unwrap();
    assert_eq!(import(&second, &bytes).await.unwrap().summary, exported);
    assert_eq!(there.show("a").await.unwrap(), runs.show("a").await.unwrap());
    assert_eq!(export_one(&second, "a").await.unwrap().1, exported);
    let here = runs.answer("a", None, "y".into(), None, Some(&id("on"))).await.unwrap();
    assert_eq!(there.answer("a", None, "y".into(), None, Some(&id("on"))).await.unwrap(), here);
    let (here, there) = (runs.show("a").await.unwrap(), there.show("a").await.unwrap());
    assert_eq!((here.result, here.output, here.state_hash), (there.result, there.output, there.state_hash));
    // What has gone on is not what comes.
    assert_eq!(import(&second, &bytes).await.unwrap_err().code, Code::AlreadyExists);
    second.cvm().delete("a", None).await.unwrap();
    assert!(import(&second, &bytes).await.unwrap().written > 0);
}

#[tokio::test]
async fn one_execution_is_exported_while_others_are_written_and_not_while_it_is() {
    let engine = memory().await;
    let runs = loaded(&engine, "asks", ASKS).await;
    runs.start(&Start::of("asks").id("a"), None).await.unwrap();
    let selection = Selection::One(Key::new(&EXECUTIONS, "a"));
    let mut sink = Busy { inner: LineWriter::new(Vec::new(), "a pipe"), runs: runs.clone(), times: 99 };
    engine.export_of(&selection, &mut sink, |_| {}).await.unwrap();
    assert!(sink.times < 99);

    let missing = export_one(&engine, "nobody").await.unwrap_err();
    assert_eq!((missing.code, missing.key.as_deref()), (Code::NotFound, Some("nobody")), "{missing}");
    runs.cancel("a", None).await.unwrap();
    runs.delete("a", None).await.unwrap();
    assert_eq!(export_one(&engine, "a").await.unwrap_err().code, Code::NotFound);
}

/// Futures of moves can be spawned.
#[allow(dead_code)]
fn moves_are_send(engine: &'static Engine, source: &'static mut LineReader<BufReader<Cursor<Vec<u8>>>>) {
    fn send<T: Send>(_: T) {}
    let catalog = runstate::engine::catalog(&domain::catalog().unwrap()).unwrap();
    let checked = check(source, &catalog, |_| {}).unwrap();
    let mut sink = LineWriter::new(Vec::new(), "x");
    send(engine.export(&mut sink, |_| {}));
    send(engine.import(source, &checked, |_| {}));
}
