//! Very many executions: the cost of due work and of claims depends on the rows found, not on the rows that exist.
//! File reads are counted in a turn before it commits, and in a query. Growing data (output, strings, stacks, heaps)
//! is all kept, and a turn writes only changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::codes;
use runstate::domain::cvm::{CC_HISTORY, Call, EXECUTIONS, PollExecution, Status};
use runstate::engine::{Engine, RunLimit};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::lease::NextAvailable;
use runstate::marker::BoxFuture;
use runstate::store::file::fault::Disk;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::layer::Method;
use runstate::store::{Batch, Freshness, Memory, Store, layer};
use runstate::testing::CountingStore;
use runstate::testing::{BatchExt as _, batch, block_on};
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use crate::cvm::documents::StoreDump;
use crate::cvm::interleaving::{ScheduleChoices, YieldingStore};
use crate::cvm::scene::{Scene, is_full_run, program, seed, start};

type TracedMemory = Arc<CountingStore<Arc<Memory>>>;

/// A store on which many executions wait, each for a day longer than the one before, and a process whose costs are
/// counted.
struct ManyExecutions {
    scene: Scene,
    memory: Arc<Memory>,
    traced: TracedMemory,
    cvm: Cvm,
}

/// The cost of an operation.
#[derive(Debug, PartialEq)]
struct TurnCost {
    rows_examined: u64,
    /// Calls and rows, by method.
    calls: BTreeMap<Method, (u64, u64)>,
}

impl ManyExecutions {
    fn with_count(many: usize) -> Self {
        let memory = Arc::new(Memory::new());
        let programs = [
            program("asks", r#"CC("q?", { timeoutMs: 86400000, default: "over" }); CC("more?")"#),
            program("naps", r#"sleep(1000); console.log("woke"); CC("more?")"#),
        ];
        let scene = Scene::with_programs(memory.clone(), &programs, runstate::domain::cvm::Settings::default());
        block_on(start(&scene.process(), "asks", "first")).unwrap();
        insert_copies(&scene, "first", many);
        let counting = Arc::new(CountingStore::new(memory.clone()));
        let cvm = scene.process_over(counting.clone());
        Self { scene, memory, traced: counting, cvm }
    }

    fn measure<T>(&self, act: impl Future<Output = T>) -> (T, TurnCost) {
        let before = self.memory.documents_examined();
        self.traced.reset();
        let result = block_on(act);
        let calls = self.traced.reset().into_iter().map(|(method, calls)| (method, (calls.calls, calls.rows)));
        (result, TurnCost { rows_examined: self.memory.documents_examined() - before, calls: calls.collect() })
    }
}

/// Inserts copies of a waiting execution.
fn insert_copies(scene: &Scene, execution: &str, many: usize) {
    let documents = StoreDump::load(&scene.store);
    let head = documents.head(execution).unwrap().document.clone();
    let (_, call) = documents.calls(execution)[0];
    for chunk in (0..many).collect::<Vec<_>>().chunks(500) {
        let command = CommandId::new(&format!("copies-{}", chunk[0])).unwrap();
        let empty = Batch { at: scene.host.clock.now(), ..batch(command) };
        let batch = chunk.iter().fold(empty, |batch, n| {
            let later = |at: &Json| json!(at.as_i64().unwrap() + (*n as i64 + 1) * 86_400_000);
            let (id, call_id) = (format!("copy-{n}"), format!("call-{n}"));
            let (mut head, mut call) = (Json::Object((*head).clone()), Json::Object((*call.document).clone()));
            head["id"] = json!(id);
            head["ccWaiting"]["callId"] = json!(call_id);
            head["wakeAt"] = later(&head["wakeAt"]);
            call["id"] = json!(call_id);
            call["executionId"] = json!(id);
            call["request"]["deadline"] = later(&call["request"]["deadline"]);
            batch.insert(&EXECUTIONS, &id, head).insert(&CC_HISTORY, &call_id, call)
        });
        block_on(scene.store.commit(batch)).unwrap();
    }
}

fn kinds() -> Vec<String> {
    vec!["cc".to_owned()]
}

#[test]
fn cost_of_due_work_is_independent_of_execution_count() {
    let cost = |many: usize| {
        let executions = ManyExecutions::with_count(many);
        for n in 0..3 {
            block_on(start(&executions.scene.process(), "naps", &format!("nap-{n}"))).unwrap();
        }
        executions.scene.host.clock.advance(Millis(1_000));
        let engine = executions.cvm.engine();
        let (next, first_cost) = executions.measure(engine.next_due(Freshness::Linearizable));
        assert_eq!(next.unwrap(), Some(executions.scene.host.clock.now()));
        let rules = engine.registry().due_rules().filter(|rule| (rule.delay)(engine.settings()).is_some()).count();
        let has_one_query_each = first_cost.calls[&Method::Query] == (rules as u64, 1);
        assert!(first_cost.rows_examined <= 2 && has_one_query_each, "{first_cost:?}");
        // A process that polls reads a rule rarely whose entities are due minutes after a commit at the earliest.
        block_on(engine.poll_due()).unwrap();
        let (_, query_cost) = executions.measure(engine.poll_due());
        assert!(query_cost.rows_examined <= 2 && query_cost.calls[&Method::Query] == (1, 1), "{query_cost:?}");
        let (due, done) = executions.measure(executions.cvm.engine().run_due(100, RunLimit::Stop));
        assert_eq!(due.unwrap().resumed, 3);
        let (second, idle) = executions.measure(executions.cvm.engine().run_due(100, RunLimit::Stop));
        assert!(second.unwrap().is_empty() && idle.rows_examined <= 1, "{idle:?}");
        (query_cost, done, idle)
    };
    let few = cost(20);
    println!("{few:#?}");
    assert!(few.1.rows_examined <= 6, "{few:?}");
    assert_eq!(few, cost(if is_full_run() { 100_000 } else { 10_000 }));
}

#[test]
fn cost_of_a_claim_is_independent_of_open_call_count() {
    let cost = |many: usize| {
        let executions = ManyExecutions::with_count(many);
        let (work, claimed) = executions.measure(executions.cvm.claim(&kinds(), "worker", Millis::minutes(1)));
        assert!(work.unwrap().is_some());
        let (next, lookup) = executions.measure(executions.cvm.engine().query(&NextAvailable::<Call>::new(&kinds())));
        assert!(next.unwrap().is_some());
        (claimed, lookup)
    };
    let few = cost(100);
    println!("{few:#?}");
    assert!(few.0.rows_examined <= 17 && few.1.rows_examined <= 2, "{few:?}");
    assert_eq!(few, cost(5_000));
}

#[test]
fn expired_calls_of_paused_executions_do_not_delay_claims() {
    let programs = [program("brief", r#"CC("q?", { timeoutMs: 1000 });"#), program("patient", r#"CC("q?");"#)];
    let scene = Scene::with_programs(Arc::new(Memory::new()), &programs, Settings::default());
    let cvm = scene.process();
    // Paused executions do not close calls at their deadline, and there may be many of them.
    for n in 0..40 {
        block_on(start(&cvm, "brief", &format!("resting-{n}"))).unwrap();
        block_on(cvm.pause(&format!("resting-{n}"))).unwrap();
    }
    scene.host.clock.advance(Millis(1_000));
    block_on(start(&cvm, "patient", "run")).unwrap();
    let work = block_on(cvm.claim(&kinds(), "worker", Millis::minutes(1))).unwrap();
    assert_eq!(work.map(|work| work.claimed.execution).as_deref(), Some("run"));
    assert_eq!(block_on(cvm.claim(&kinds(), "worker", Millis::minutes(1))).unwrap(), None);
}

#[test]
fn many_workers_at_once_do_each_call_once() {
    let many = if is_full_run() { 5_000 } else { 500 };
    let load = program("program", r#"console.log(CC("q?"));"#);
    let scene = Scene::with_programs(Arc::new(Memory::new()), &[load], Settings::default());
    let cvm = scene.process();
    (0..many).for_each(|n| drop(block_on(start(&cvm, "program", &format!("run-{n}"))).unwrap()));
    let done: Mutex<BTreeMap<String, String>> = Mutex::default();
    let disk: Arc<dyn Store> = YieldingStore::wrap_migrated(scene.store.clone());
    let processes: Vec<Cvm> = (0..8).map(|_| scene.process_over(disk.clone())).collect();
    let worker = |n: usize| -> BoxFuture<'_, u32> {
        let (cvm, done) = (processes[n % processes.len()].clone(), &done);
        Box::pin(async move {
            let mut completed = 0;
            let owner = format!("worker {n}");
            while let Some(work) = cvm.claim(&kinds(), &owner, Millis::days(1)).await.unwrap() {
                let answer = format!("by {n}");
                cvm.complete(&work.claimed, answer.clone()).await.unwrap();
                let before = done.lock().unwrap().insert(work.claimed.execution, answer);
                assert_eq!(before, None, "twice");
                completed += 1;
            }
            completed
        })
    };
    let completed = ScheduleChoices::random("workers", seed()).run((0..64).map(worker).collect());
    println!("calls by worker: {completed:?}");
    let documents = scene.check();
    let done = done.into_inner().unwrap();
    assert_eq!((done.len(), completed.iter().sum::<u32>()), (many, many as u32));
    for (execution, answer) in done {
        assert_eq!(documents.output(&execution), [answer]);
    }
}

/// The calls to the file system that `act` makes.
fn file_calls(disk: &Disk, act: impl FnOnce()) -> Vec<String> {
    let before = disk.trace().len();
    act();
    disk.trace().split_off(before)
}

fn scene(disk: &Disk) -> Scene {
    let store = block_on(FileStore::open_on(disk.process(), FileStoreOptions::default())).unwrap();
    let mut scene = Scene::with_store(Arc::new(store), Settings::default());
    scene.load("while (true) console.log(CC('next?'));");
    scene.start(serde_json::Value::Null).unwrap();
    scene
}

fn answer(engine: Engine, with: &str) -> Result<(), ErrorCode> {
    block_on(Cvm::new(&engine).answer("run", with)).map(drop).map_err(|error| error.code)
}

fn poll(engine: Engine) -> runstate::domain::cvm::ExecutionProgress {
    block_on(engine.query(&PollExecution { id: "run".to_owned(), from: 0 })).unwrap()
}

#[test]
fn cached_answer_reads_no_commit_first_and_poll_reads_once() {
    let disk = Disk::new();
    let scene = scene(&disk);
    answer(scene.engine(), "first").unwrap();
    let answered = file_calls(&disk, || answer(scene.engine(), "second").unwrap());
    assert!(answered[0].starts_with("create commits/.tmp-"), "{answered:#?}");
    // The predecessor is read once, after the new commit is written and before it gets its name.
    assert_eq!(answered.iter().filter(|call| call.starts_with("read commits/")).count(), 1, "{answered:#?}");
    let glanced = file_calls(&disk, || drop(poll(scene.engine())));
    // The next commit, which does not exist, and the last one, which still exists.
    assert_eq!(glanced, ["read commits/0000000000000006.json", "read commits/0000000000000005.json"]);
}

#[test]
fn decision_of_a_cold_process_reads_no_commit_first() {
    let disk = Disk::new();
    drop(scene(&disk));
    let store = block_on(FileStore::open_on(disk.process(), FileStoreOptions::default())).unwrap();
    let cold = Scene::with_store(Arc::new(store), Settings::default());
    let paused = file_calls(&disk, || drop(block_on(Cvm::new(&cold.engine()).pause("run")).unwrap()));
    assert!(paused[0].starts_with("create commits/.tmp-"), "{paused:#?}");
}

#[test]
fn answer_without_call_id_targets_the_call_last_read_here() {
    let disk = Disk::new();
    let here = scene(&disk);
    let store = block_on(FileStore::open_on(disk.process(), FileStoreOptions::default())).unwrap();
    let there = Scene::with_store(Arc::new(store), Settings::default());
    answer(here.engine(), "from here").unwrap();
    answer(there.engine(), "from there").unwrap();
    // The call that this process has read is answered; it has not read the next one.
    assert_eq!(answer(here.engine(), "late"), Err(codes::ALREADY_ANSWERED));
    assert_eq!(poll(here.engine()).lines, ["from here", "from there"]);
    answer(here.engine(), "after a look").unwrap();
    assert_eq!(poll(there.engine()).lines, ["from here", "from there", "after a look"]);
}

#[test]
fn every_line_of_output_is_kept_and_the_head_shows_the_newest() {
    let mut scene = Scene::program(
        r#"for (let i = 0; i < 500; i++) console.log("line", i); console.log(""); console.log("a\nb"); CC("?"); console.log("end");"#,
    );
    scene.answer("").expect(Status::Complete);
    let output = scene.show().output;
    assert_eq!((output.len(), output[499].as_str()), (503, "line 499"));
    assert_eq!(output[500..], ["", "a\nb", "end"]);
    let (_, head) = &scene.dump()["cvm.executions/run"];
    let tail = head["state"]["output"].as_array().unwrap();
    assert!(tail.len() <= 100, "{}", tail.len());
    assert_eq!((tail.last(), &head["state"]["outputCount"]), (Some(&"end".into()), &503.into()));
    assert_eq!(block_on(scene.cvm().output("run")).unwrap(), output);
}

#[test]
fn a_deep_stack_is_kept_in_rows_of_its_own() {
    let source = r#"
    function deep(n, label) { if (n === 0) return CC("bottom?"); const mine = label + n; return deep(n - 1, label) + (mine.length > 0 ? 1 : 0); }
    console.log(deep(4000, "a label of some length, kept in every frame, "));
    "#;
    let mut scene = Scene::program(source).cold();
    let (_, head) = &scene.dump()["cvm.executions/run"];
    assert!(head.to_string().len() < 64 * 1024, "{}", head.to_string().len());
    assert!(scene.row_count("heap_pages") > 1);
    scene.answer("0").expect(Status::Complete);
    assert_eq!(scene.show().output[0].len(), 4001);
}

#[test]
fn a_text_larger_than_a_row_survives() {
    let source = r#"
    const big = { text: "é".repeat(3000000), more: "x" };
    const local = "y".repeat(2000000);
    console.log(CC("?"), big.text.length, local.length, big.more);
    "#;
    let mut scene = Scene::program(source).cold();
    let largest = scene.dump().values().map(|(_, row)| row.to_string().len()).max().unwrap();
    assert!(largest < 4 * 1024 * 1024, "{largest}");
    scene.answer("a").expect(Status::Complete).expect_output(["a 3000000 2000000 x"]);
}

#[test]
fn a_turn_writes_what_changed_and_not_the_state() {
    let source = r#"
    const items = [];
    for (let i = 0; i < input; i++) items.push({ i, name: `item ${i}` });
    let turn = 0;
    while (true) { const a = CC("?"); turn += 1; if (items.length > 0) items[turn * 7].answer = a; }
    "#;
    let bytes = |objects: u64| {
        let traced = std::sync::Arc::new(runstate::testing::CountingStore::new(runstate::store::Memory::new()));
        let store: std::sync::Arc<dyn Store> = traced.clone();
        let mut scene = Scene::with_store(store, runstate::domain::cvm::Settings::default());
        scene.load(source);
        scene.start(Json::from(objects)).unwrap();
        scene.answer("first").answer("second");
        traced.reset();
        for _ in 0..10 {
            scene.answer("x");
        }
        traced.calls(layer::Method::Commit).bytes / 10
    };
    let (few, many) = (bytes(100), bytes(20_000));
    assert!(many < few + 16 * 1024, "{few} bytes a turn with 100 objects, {many} with 20,000");
}

#[test]
fn closing_one_of_many_calls_of_a_group_costs_what_closing_one_of_few_does() {
    let cost = |source: &str, count: u64| {
        let traced = Arc::new(CountingStore::new(Memory::new()));
        let mut scene = Scene::with_store(traced.clone(), Settings::default());
        scene.load(source);
        scene.start(Json::from(count)).unwrap();
        let calls: Vec<String> = scene.show().calls.into_iter().map(|call| call.id).collect();
        // Not the first and not the last of them.
        let call = &calls[calls.len() / 2];
        traced.reset();
        let answer = runstate::client::Answer::to_call(call).value(json!("x"));
        block_on(scene.cvm().answer("run", answer)).unwrap();
        let calls = traced.reset().into_iter().map(|(method, calls)| (method, (calls.calls, calls.rows, calls.bytes)));
        calls.collect::<BTreeMap<_, _>>()
    };
    for source in [
        r#"CC.all(Array.from({ length: input }, (_, i) => "question " + i));"#,
        r#"await CC.all(Array.from({ length: input }, (_, i) => "question " + i));"#,
    ] {
        let (few, many) = (cost(source, 4), cost(source, 1_000));
        let count = |cost: &BTreeMap<Method, (u64, u64, u64)>| {
            cost.iter().map(|(method, (calls, rows, _))| (*method, *calls, *rows)).collect::<Vec<_>>()
        };
        assert_eq!(count(&few), count(&many), "{source}");
        let bytes = |cost: &BTreeMap<Method, (u64, u64, u64)>| cost[&Method::Commit].2;
        assert!(bytes(&many) < bytes(&few) + 2_048, "{source}: {} bytes, {} of many", bytes(&few), bytes(&many));
    }
}

#[test]
fn oversized_result_error_or_prompt_fails_the_execution() {
    let cases = [
        ("function main() { return \"x\".repeat(9000000); }", "the result has 9000002 bytes"),
        ("throw new Error(\"x\".repeat(9000000));", "xxx"),
        ("throw \"x\".repeat(9000000);", "xxx"),
        ("CC(\"\\u0001\".repeat(900000));", "the request has 5400006 bytes"),
    ];
    for (source, expected) in cases {
        let mut scene = Scene::program(source);
        scene.expect(Status::Error);
        let error = scene.show().error.unwrap();
        assert_eq!(error.line, 1, "{source}: {error:?}");
        assert!(error.message.contains(expected), "{source}: {}", &error.message[..200.min(error.message.len())]);
        let (_, head) = &scene.dump()["cvm.executions/run"];
        assert!(head.to_string().len() < 64 * 1024);
    }
}
