//! Executions far larger than one document of MongoDB may be, on the real server that `RUNSTATE_TEST_MONGODB` names.
//! They run, stop, resume in another process and are deleted, and no document comes near the server's limit.

use std::io::{BufReader, Cursor};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use mongodb::bson::{Document, doc};
use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{CC_HISTORY, DOMAIN, ExecutionStatus, Load, Start, Status};
use runstate::engine::{Engine, Error};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::schema::Key;
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Batch, Expectation, Memory, Store, Write, WriteOp};
use runstate::testing::SimHost;
use runstate::time::Timestamp;
use runstate::transfer::{ExportHeader, ExportRecord, ExportSink, ExportSummary, LineReader, LineWriter, check};
use serde_json::json;

use crate::settings::is_full_run;
use crate::support::mongodb::{fresh_url, run_command, run_on_server};

/// Every document of the tests is smaller than this.
const LARGEST: i64 = 8 * 1024 * 1024;

/// A program that prints and keeps as much as its input says, asks, changes some of it, and asks again.
const SOURCE: &str = r#"
function main(input) {
    for (let i = 0; i < input.lines; i++) console.log("line", i);
    const kept = [];
    for (let i = 0; i < input.texts; i++) kept.push({ i, text: i + filler(i, input.chars) });
    const first = CC("first?");
    for (let i = 0; i < input.texts; i += 5) kept[i].text = i + first + filler(i, input.chars);
    const second = CC("second?");
    let same = 0;
    for (const one of kept) if (one.text === one.i + (one.i % 5 === 0 ? first : "") + filler(one.i, input.chars)) same += 1;
    console.log(first, second, same);
    return same;
}

// A text is stored once, so each part is another one.
function filler(i, chars) {
    let text = "";
    for (let n = 0; n * 400 < chars; n++) text += i * 1000 + n + "é".repeat(195);
    return text;
}
"#;

/// The size of a workload.
struct WorkloadSize {
    lines: u64,
    texts: u64,
    /// The approximate bytes of each text.
    chars: u64,
}

impl WorkloadSize {
    /// The long form has a million lines and 300 MB of heap at one time, and a fifth of it once more.
    fn for_this_run() -> Self {
        match is_full_run() {
            true => Self { lines: 1_000_000, texts: 75_000, chars: 4_000 },
            false => Self { lines: 6_000, texts: 4_700, chars: 4_000 },
        }
    }
}

/// An engine for programs on a store, as in a process of its own. They may have a gigabyte of heap.
async fn open_engine(store: Arc<dyn Store>, host: &SimHost) -> Engine {
    let settings = Settings { heap_bytes: 1 << 30, ..Settings::default() };
    Engine::with_settings(store, Arc::new(host.clone()), &[&DOMAIN], settings).await.unwrap()
}

/// A store whose calls may take minutes: the program of this test decodes 300 MB in one, without optimization.
async fn open_store(url: &str) -> Arc<dyn Store> {
    Arc::new(Mongo::open(&format!("{url}&timeoutMS=300000"), MongoOptions::default()).await.unwrap())
}

async fn load_and_start(cvm: &Cvm, size: &WorkloadSize) -> ExecutionStatus {
    let bytecode = runstate::lang::compile("large.ts", SOURCE).unwrap().bytecode;
    cvm.with_id(&id("load")).load(&Load::new("large", SOURCE, bytecode)).await.unwrap();
    let input = json!({"lines": size.lines, "texts": size.texts, "chars": size.chars});
    cvm.with_id(&id("start")).start(&Start::new("large").id("run").input(input)).await.unwrap().into()
}

async fn answer(cvm: &Cvm, answer: &str) -> ExecutionStatus {
    cvm.with_id(&id(answer)).answer("run", answer).await.unwrap()
}

fn id(text: &str) -> CommandId {
    CommandId::new(text).unwrap()
}

/// For each collection: how many documents there are, how many bytes they have, and how many the largest has.
async fn sizes(url: &str) -> Vec<(String, i64, i64, i64)> {
    let listed = run_command(url, doc! {"listCollections": 1, "nameOnly": true}).await;
    let listed = listed.get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone();
    let mut sizes = Vec::new();
    for listed in listed {
        let name = listed.as_document().unwrap().get_str("name").unwrap().to_owned();
        let size = doc! {"$bsonSize": "$$ROOT"};
        let group = doc! {"_id": null, "n": {"$sum": 1}, "bytes": {"$sum": size.clone()}, "largest": {"$max": size}};
        let asked = run_command(url, doc! {"aggregate": &name, "pipeline": [{"$group": group}], "cursor": {}}).await;
        let found = asked.get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone();
        let Some(found) = found.first().and_then(|found| found.as_document()) else { continue };
        let number = |field: &str| to_i64(found, field);
        sizes.push((name, number("n"), number("bytes"), number("largest")));
    }
    sizes
}

fn to_i64(found: &Document, field: &str) -> i64 {
    found.get_i64(field).or_else(|_| found.get_i32(field).map(i64::from)).unwrap()
}

/// Expects that no document is too large. Returns the bytes of all documents.
async fn expect_bounded_documents(url: &str) -> i64 {
    let sizes = sizes(url).await;
    for (name, documents, bytes, largest) in &sizes {
        println!("{name}: {documents} documents, {bytes} bytes, the largest {largest}");
        assert!(*largest < LARGEST, "a document of {name} has {largest} bytes");
    }
    sizes.iter().map(|(.., bytes, _)| bytes).sum()
}

#[test]
fn execution_larger_than_a_document_runs_resumes_and_is_deleted() {
    run_on_server(async {
        let (size, url, host, begun) = (WorkloadSize::for_this_run(), fresh_url(), SimHost::default(), Instant::now());
        let report = |what: &str| println!("{what}: {:?}, {}", begun.elapsed(), peak_memory());
        let cvm = Cvm::new(&open_engine(open_store(&url).await, &host).await);
        assert_eq!(load_and_start(&cvm, &size).await.status, Status::WaitingCc);
        report("started");
        let bytes = expect_bounded_documents(&url).await;
        assert!(bytes > 16 * 1024 * 1024, "{bytes}");
        assert_eq!(answer(&cvm, "one").await.status, Status::WaitingCc);
        report("answered warm");
        expect_bounded_documents(&url).await;
        drop(cvm);

        // From here on the execution is only in its documents.
        let cvm = Cvm::new(&open_engine(open_store(&url).await, &host).await);
        assert_eq!(answer(&cvm, "two").await.status, Status::Complete);
        report("answered cold");
        let output = cvm.output("run").await.unwrap();
        let last = format!("one two {}", size.texts);
        assert_eq!((output.len() as u64, output.last()), (size.lines + 1, Some(&last)));
        assert!((0..size.lines).zip(&output).all(|(i, line)| *line == format!("line {i}")));
        assert_eq!(cvm.show_head("run").await.unwrap().result, json!(size.texts));
        expect_bounded_documents(&url).await;
        drop(output);

        cvm.with_id(&id("delete")).delete("run").await.unwrap();
        report("deleted");
        for (name, documents, ..) in sizes(&url).await {
            let of_executions =
                ["executions", "heap_pages", "outputs", "cc_history", "execution_logs", "history", "staged"];
            assert!(!of_executions.iter().any(|of| name.contains(of)), "{documents} documents of {name} are left");
        }
        run_command(&url, doc! {"dropDatabase": 1}).await;
    });
}

/// A call of `run` whose answer is a list of that many small numbers. It takes six times as many bytes on the server as
/// in an export.
fn call_with(numbers: usize) -> Batch {
    let document = json!({
        "id": "call", "executionId": "run", "programName": "large", "step": 1, "kind": "cognitive", "outcome": "answered",
        "request": {"prompt": "?", "instructionId": 1, "timestamp": 1}, "response": {"result": vec![1; numbers], "latencyMs": 1},
    });
    let op = WriteOp::Put { version: CC_HISTORY.version, document: Arc::new(document.as_object().unwrap().clone()) };
    let writes = vec![Write { key: Key::new(&CC_HISTORY, "call"), expect: Expectation::Absent, op }];
    let (command, fingerprint, at) = (id("call"), "call".to_owned(), Timestamp::from_millis(0));
    Batch { command, fingerprint, at, result: json!(null), writes, checks: Vec::new(), frees_space: false }
}

#[test]
fn import_with_a_document_too_large_for_mongodb_leaves_nothing() {
    run_on_server(async {
        let memory: Arc<dyn Store> = Arc::new(Memory::new());
        let (first, url) = (open_engine(memory.clone(), &SimHost::default()).await, fresh_url());
        let bytecode = runstate::lang::compile("asks.ts", "CC('?')").unwrap().bytecode;
        Cvm::new(&first).load(&Load::new("asks", "CC('?')", bytecode)).await.unwrap();
        Cvm::new(&first).start(&Start::new("asks").id("small")).await.unwrap();
        // As JSON it is small enough for any store.
        memory.commit(call_with(1_600_000)).await.unwrap();
        let mut bytes = Vec::new();
        runstate::transfer::export(&first, &mut LineWriter::new(&mut bytes, "memory"), |_| {}).await.unwrap();

        let second = open_engine(open_store(&url).await, &SimHost::default()).await;
        let catalog = second.catalog();
        let mut source = LineReader::new(BufReader::new(Cursor::new(&bytes)), "memory", (*catalog).clone());
        let checked = check(&mut source, &catalog, |_| {}).unwrap();
        let error = runstate::transfer::import(&second, &mut source, &checked, |_| {}).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::TOO_LARGE, "{error}");
        assert!(error.message.contains("cvm.cc_history/call"), "{error}");
        for (name, documents, ..) in sizes(&url).await {
            // The server has collections of its own beside a time series.
            assert!(
                name.starts_with("runstate.") || name.starts_with("system."),
                "{documents} documents of {name} are left"
            );
        }
        run_command(&url, doc! {"dropDatabase": 1}).await;
    });
}

/// A sink that writes to the store when its first document arrives.
struct PausingSink<S> {
    inner: S,
    runs: Option<Cvm>,
}

impl<S: ExportSink> ExportSink for PausingSink<S> {
    fn begin(&mut self, header: &ExportHeader) -> Result<(), Error> {
        self.inner.begin(header)
    }

    fn put(&mut self, record: &ExportRecord, line: &str) -> Result<(), Error> {
        if let Some(runs) = self.runs.take() {
            let (handle, pause) = (tokio::runtime::Handle::current(), runs.pause("run-1"));
            tokio::task::block_in_place(|| handle.block_on(pause))?;
        }
        self.inner.put(record, line)
    }

    fn end(&mut self, summary: &ExportSummary) -> Result<(), Error> {
        self.inner.end(summary)
    }
}

/// Writes to a database of another program until it is stopped.
async fn write_elsewhere(url: String, stop: Arc<AtomicBool>) -> u64 {
    let mut done = 0;
    while !stop.load(Ordering::Relaxed) {
        run_command(&url, doc! {"insert": "others", "documents": [{"n": 1}]}).await;
        done += 1;
    }
    done
}

#[test]
fn export_fails_only_for_writes_to_its_own_store() {
    run_on_server(async {
        let (url, host) = (fresh_url(), SimHost::default());
        let engine = open_engine(open_store(&url).await, &host).await;
        let bytecode = runstate::lang::compile("asks.ts", "CC('?')").unwrap().bytecode;
        Cvm::new(&engine).load(&Load::new("asks", "CC('?')", bytecode)).await.unwrap();
        for n in 0..5 {
            Cvm::new(&engine).start(&Start::new("asks").id(&format!("run-{n}"))).await.unwrap();
        }
        let stop = Arc::new(AtomicBool::new(false));
        let others = tokio::spawn(write_elsewhere(fresh_url(), stop.clone()));
        // A read by key writes too: the read fence.
        let (reader, until) = (open_engine(open_store(&url).await, &host).await, stop.clone());
        let reads = tokio::spawn(async move {
            while !until.load(Ordering::Relaxed) {
                Cvm::new(&reader).show_head("run-1").await.unwrap();
            }
        });
        for _ in 0..if is_full_run() { 5 } else { 2 } {
            let mut bytes = Vec::new();
            // A pipe cannot begin again.
            runstate::transfer::export(&engine, &mut LineWriter::new(&mut bytes, "a pipe"), |_| {}).await.unwrap();
        }
        let inner = LineWriter::new(Vec::new(), "a pipe");
        let error =
            runstate::transfer::export(&engine, &mut PausingSink { inner, runs: Some(Cvm::new(&engine)) }, |_| {})
                .await
                .unwrap_err();
        assert_eq!(error.code, ErrorCode::CONFLICT, "{error}");
        stop.store(true, Ordering::Relaxed);
        assert!(others.await.unwrap() > 0);
        reads.await.unwrap();
    });
}

/// The peak memory of this process, where the system reports it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let most = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    most.split_whitespace().collect::<Vec<_>>().join(" ")
}
