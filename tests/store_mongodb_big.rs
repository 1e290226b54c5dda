//! Executions far larger than one document of MongoDB may be, on a real server: they run, stop, go on in another process and are deleted,
//! and no document comes near the server's bound. The server is the one that `RUNSTATE_TEST_MONGODB` names.
#![cfg(all(feature = "compiler", feature = "mongodb", feature = "testing"))]
// Helpers of tests are tests.
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "shared with the suite, which uses more of it")]
#[path = "store_mongodb/server.rs"]
mod server;

use std::io::{BufReader, Cursor};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use mongodb::bson::{Document, doc};
use runstate::code::Code;
use runstate::domain::cvm::{CC_HISTORY, Load, Reached, Start, Status};
use runstate::engine::transfer::{Header, LineReader, LineWriter, Record, Sink, Summary, check};
use runstate::engine::{Cvm, Engine, Error};
use runstate::id::CommandId;
use runstate::limits::Settings;
use runstate::schema::Key;
use runstate::store::mongodb::{Mongo, Options};
use runstate::store::{Batch, Expect, Memory, Op, Store, Write};
use runstate::testing::SimHost;
use runstate::time::Timestamp;
use serde_json::json;

use self::server::{fresh_url, on_server, raw};

/// What no document may be larger than.
const LARGEST: i64 = 8 * 1024 * 1024;

/// Prints and keeps as much as its input says, asks, changes some of it, and asks again.
const SOURCE: &str = r#"
function main(input) {
    for (let i = 0; i < input.lines; i++) console.log("line", i);
    const kept = [];
    const filler = "é".repeat(input.chars / 2);
    for (let i = 0; i < input.texts; i++) kept.push({ i, text: i + filler });
    const first = CC("first?");
    for (let i = 0; i < input.texts; i += 5) kept[i].text = i + first + filler;
    const second = CC("second?");
    let same = 0;
    for (const one of kept) if (one.text === one.i + (one.i % 5 === 0 ? first : "") + filler) same += 1;
    console.log(first, second, same);
    return same;
}
"#;

/// How much of everything.
struct Size {
    lines: u64,
    texts: u64,
    /// Bytes of each text, near enough.
    chars: u64,
}

impl Size {
    /// The long form has a million lines and 300 MB of heap at one time, and a fifth of it once more.
    fn of_this_run() -> Self {
        match std::env::var_os("RUNSTATE_FULL") {
            Some(_) => Self { lines: 1_000_000, texts: 75_000, chars: 4_000 },
            None => Self { lines: 20_000, texts: 4_300, chars: 4_000 },
        }
    }
}

/// A process on a store.
async fn process(store: Arc<dyn Store>, host: &SimHost) -> Engine {
    let catalog = runstate::domain::catalog().unwrap();
    Engine::new(store, Arc::new(host.clone()), catalog, Settings::default()).await.unwrap()
}

async fn on(url: &str) -> Arc<dyn Store> {
    Arc::new(Mongo::open(url, Options::default()).await.unwrap())
}

async fn started(cvm: &Cvm, size: &Size) -> Reached {
    let bytecode = runstate::lang::compile("large.ts", SOURCE).unwrap().bytecode;
    cvm.load(&Load::new("large", SOURCE, bytecode), Some(&id("load"))).await.unwrap();
    let input = json!({"lines": size.lines, "texts": size.texts, "chars": size.chars});
    cvm.start(&Start::of("large").id("run").input(input), Some(&id("start"))).await.unwrap()
}

async fn answered(cvm: &Cvm, answer: &str) -> Reached {
    cvm.answer("run", None, answer.into(), None, Some(&id(answer))).await.unwrap()
}

fn id(text: &str) -> CommandId {
    CommandId::new(text).unwrap()
}

/// Of each collection how many documents there are, how many bytes they have, and how many the largest has.
async fn sizes(url: &str) -> Vec<(String, i64, i64, i64)> {
    let listed = raw(url, doc! {"listCollections": 1, "nameOnly": true}).await;
    let listed = listed.get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone();
    let mut sizes = Vec::new();
    for listed in listed {
        let name = listed.as_document().unwrap().get_str("name").unwrap().to_owned();
        let size = doc! {"$bsonSize": "$$ROOT"};
        let group = doc! {"_id": null, "n": {"$sum": 1}, "bytes": {"$sum": size.clone()}, "largest": {"$max": size}};
        let asked = raw(url, doc! {"aggregate": &name, "pipeline": [{"$group": group}], "cursor": {}}).await;
        let found = asked.get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone();
        let Some(found) = found.first().and_then(|found| found.as_document()) else { continue };
        let number = |field: &str| whole(found, field);
        sizes.push((name, number("n"), number("bytes"), number("largest")));
    }
    sizes
}

fn whole(found: &Document, field: &str) -> i64 {
    found.get_i64(field).or_else(|_| found.get_i32(field).map(i64::from)).unwrap()
}

/// All bytes there are, after none of the documents was found too large.
async fn expect_small(url: &str) -> i64 {
    let sizes = sizes(url).await;
    for (name, documents, bytes, largest) in &sizes {
        println!("{name}: {documents} documents, {bytes} bytes, the largest {largest}");
        assert!(*largest < LARGEST, "a document of {name} has {largest} bytes");
    }
    sizes.iter().map(|(.., bytes, _)| bytes).sum()
}

#[test]
fn an_execution_larger_than_a_document_may_be_runs_goes_on_elsewhere_and_is_deleted() {
    on_server(async {
        let (size, url, host, begun) = (Size::of_this_run(), fresh_url(), SimHost::default(), Instant::now());
        let told = |what: &str| println!("{what}: {:?}, {}", begun.elapsed(), memory());
        let cvm = process(on(&url).await, &host).await.cvm();
        assert_eq!(started(&cvm, &size).await.status, Status::WaitingCc);
        told("started");
        let bytes = expect_small(&url).await;
        assert!(bytes > 16 * 1024 * 1024, "{bytes}");
        assert_eq!(answered(&cvm, "one").await.status, Status::WaitingCc);
        told("answered warm");
        expect_small(&url).await;
        drop(cvm);

        // What is left stands in the documents alone.
        let cvm = process(on(&url).await, &host).await.cvm();
        assert_eq!(answered(&cvm, "two").await.status, Status::Complete);
        told("answered cold");
        let output = cvm.output("run").await.unwrap();
        let last = format!("one two {}", size.texts);
        assert_eq!((output.len() as u64, output.last()), (size.lines + 1, Some(&last)));
        assert!((0..size.lines).zip(&output).all(|(i, line)| *line == format!("line {i}")));
        assert_eq!(cvm.show_unhashed("run").await.unwrap().result, json!(size.texts));
        expect_small(&url).await;
        drop(output);

        cvm.delete("run", Some(&id("delete"))).await.unwrap();
        told("deleted");
        for (name, documents, ..) in sizes(&url).await {
            let of_executions =
                ["executions", "heap_pages", "outputs", "cc_history", "execution_logs", "history", "staged"];
            assert!(!of_executions.iter().any(|of| name.contains(of)), "{documents} documents of {name} are left");
        }
        raw(&url, doc! {"dropDatabase": 1}).await;
    });
}

/// A call of `run` whose answer is a list of so many small numbers: six times as long on the server as in an export.
fn call_with(numbers: usize) -> Batch {
    let document = json!({
        "id": "call", "executionId": "run", "programName": "large", "step": 1, "kind": "cognitive", "outcome": "answered",
        "request": {"prompt": "?", "instructionId": 1, "timestamp": 1}, "response": {"result": vec![1; numbers], "latencyMs": 1},
    });
    let op = Op::Put { version: CC_HISTORY.version, document: Arc::new(document.as_object().unwrap().clone()) };
    let writes = vec![Write { key: Key::new(&CC_HISTORY, "call"), expect: Expect::Absent, op }];
    let (command, fingerprint, at) = (id("call"), "call".to_owned(), Timestamp::from_millis(0));
    Batch { command, fingerprint, at, result: json!(null), writes, checks: Vec::new() }
}

#[test]
fn an_import_with_a_document_that_only_this_server_finds_too_large_leaves_nothing_there() {
    on_server(async {
        let memory: Arc<dyn Store> = Arc::new(Memory::new());
        let (first, url) = (process(memory.clone(), &SimHost::default()).await, fresh_url());
        let bytecode = runstate::lang::compile("asks.ts", "CC('?')").unwrap().bytecode;
        first.cvm().load(&Load::new("asks", "CC('?')", bytecode), None).await.unwrap();
        first.cvm().start(&Start::of("asks").id("small"), None).await.unwrap();
        // As JSON it is small enough for any store.
        memory.commit(call_with(1_600_000)).await.unwrap();
        let mut bytes = Vec::new();
        first.export(&mut LineWriter::new(&mut bytes, "memory"), |_| {}).await.unwrap();

        let catalog = runstate::engine::catalog(&runstate::domain::catalog().unwrap()).unwrap();
        let mut source = LineReader::new(BufReader::new(Cursor::new(&bytes)), "memory", catalog.clone());
        let checked = check(&mut source, &catalog, |_| {}).unwrap();
        let second = process(on(&url).await, &SimHost::default()).await;
        let error = second.import(&mut source, &checked, |_| {}).await.unwrap_err();
        assert_eq!(error.code, Code::TooLarge, "{error}");
        assert!(error.message.contains("cvm.cc_history/call"), "{error}");
        for (name, documents, ..) in sizes(&url).await {
            assert!(name.starts_with("runstate."), "{documents} documents of {name} are left");
        }
        raw(&url, doc! {"dropDatabase": 1}).await;
    });
}

/// A sink while whose first document comes somebody writes to the store.
struct Busy<S> {
    inner: S,
    runs: Option<Cvm>,
}

impl<S: Sink> Sink for Busy<S> {
    fn begin(&mut self, header: &Header) -> Result<(), Error> {
        self.inner.begin(header)
    }

    fn put(&mut self, record: &Record, line: &str) -> Result<(), Error> {
        if let Some(runs) = self.runs.take() {
            let (handle, pause) = (tokio::runtime::Handle::current(), runs.pause("run-1", None));
            tokio::task::block_in_place(|| handle.block_on(pause))?;
        }
        self.inner.put(record, line)
    }

    fn end(&mut self, summary: &Summary) -> Result<(), Error> {
        self.inner.end(summary)
    }
}

/// Writes to a database of somebody else, until it is told to stop.
async fn other_work(url: String, stop: Arc<AtomicBool>) -> u64 {
    let mut done = 0;
    while !stop.load(Ordering::Relaxed) {
        raw(&url, doc! {"insert": "others", "documents": [{"n": 1}]}).await;
        done += 1;
    }
    done
}

#[test]
fn an_export_is_not_in_the_way_of_what_others_do_on_the_server_nor_of_who_reads() {
    on_server(async {
        let (url, host) = (fresh_url(), SimHost::default());
        let engine = process(on(&url).await, &host).await;
        let bytecode = runstate::lang::compile("asks.ts", "CC('?')").unwrap().bytecode;
        engine.cvm().load(&Load::new("asks", "CC('?')", bytecode), None).await.unwrap();
        for n in 0..5 {
            engine.cvm().start(&Start::of("asks").id(&format!("run-{n}")), None).await.unwrap();
        }
        let stop = Arc::new(AtomicBool::new(false));
        let others = tokio::spawn(other_work(fresh_url(), stop.clone()));
        // Whoever reads by key writes a little too, to prove that the primary is one.
        let (reader, until) = (process(on(&url).await, &host).await, stop.clone());
        let reads = tokio::spawn(async move {
            while !until.load(Ordering::Relaxed) {
                reader.cvm().show_unhashed("run-1").await.unwrap();
            }
        });
        for _ in 0..5 {
            let mut bytes = Vec::new();
            // It cannot begin again.
            engine.export(&mut LineWriter::new(&mut bytes, "a pipe"), |_| {}).await.unwrap();
        }
        let inner = LineWriter::new(Vec::new(), "a pipe");
        let error = engine.export(&mut Busy { inner, runs: Some(engine.cvm()) }, |_| {}).await.unwrap_err();
        assert_eq!(error.code, Code::Conflict, "{error}");
        stop.store(true, Ordering::Relaxed);
        assert!(others.await.unwrap() > 0);
        reads.await.unwrap();
    });
}

/// The most memory that this process had at one time, where the system tells.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let most = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    most.split_whitespace().collect::<Vec<_>>().join(" ")
}
