//! Very many executions: the cost of due work and of claims depends on the rows found, not on the rows that exist.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use runstate::domain::cvm::{CC_HISTORY, EXECUTIONS};
use runstate::engine::{Cvm, RunLimit};
use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::Key;
use runstate::store::layer::{CountingStore, Method};
use runstate::store::{Batch, Expectation, Memory, Store, Write, WriteOp};
use runstate::testing::block_on;
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use crate::cluster::{SimCluster, is_full_run, program, seed, start};
use crate::documents::StoreDump;
use crate::interleaving::{ScheduleChoices, YieldingStore};

type TracedMemory = Arc<CountingStore<Arc<Memory>>>;

/// A store on which many executions wait, each for a day longer than the one before, and a process whose costs are counted.
struct ManyExecutions {
    world: SimCluster,
    memory: Arc<Memory>,
    traced: TracedMemory,
    cvm: Cvm,
}

/// The cost of an operation.
#[derive(Debug, PartialEq)]
struct Cost {
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
        let world = SimCluster::with_store(memory.clone(), &programs, runstate::limits::Settings::default());
        block_on(start(&world.process(), "asks", "first")).unwrap();
        insert_copies(&world, "first", many);
        let watched = Arc::new(CountingStore::new(memory.clone()));
        let cvm = world.process_over(watched.clone());
        Self { world, memory, traced: watched, cvm }
    }

    fn measure<T>(&self, act: impl Future<Output = T>) -> (T, Cost) {
        let before = self.memory.documents_examined();
        self.traced.reset();
        let result = block_on(act);
        let calls = self.traced.reset().into_iter().map(|(method, calls)| (method, (calls.calls, calls.rows)));
        (result, Cost { rows_examined: self.memory.documents_examined() - before, calls: calls.collect() })
    }
}

/// Inserts copies of a waiting execution.
fn insert_copies(world: &SimCluster, execution: &str, many: usize) {
    let documents = StoreDump::load(&world.disk);
    let head = documents.head(execution).unwrap().document.clone();
    let (_, call) = documents.calls(execution)[0];
    for chunk in (0..many).collect::<Vec<_>>().chunks(500) {
        let writes = chunk.iter().flat_map(|n| {
            let later = |at: &Json| json!(at.as_i64().unwrap() + (*n as i64 + 1) * 86_400_000);
            let (id, call_id) = (format!("copy-{n}"), format!("call-{n}"));
            let (mut head, mut call) = (Json::Object((*head).clone()), Json::Object((*call.document).clone()));
            head["id"] = json!(id);
            head["ccWaiting"]["callId"] = json!(call_id);
            head["wakeAt"] = later(&head["wakeAt"]);
            call["id"] = json!(call_id);
            call["executionId"] = json!(id);
            call["request"]["deadline"] = later(&call["request"]["deadline"]);
            [put_write(Key::new(&EXECUTIONS, &id), head), put_write(Key::new(&CC_HISTORY, &call_id), call)]
        });
        let command = CommandId::new(&format!("copies-{}", chunk[0])).unwrap();
        let (at, writes) = (world.host.clock.now(), writes.collect());
        let batch = Batch { command, fingerprint: String::new(), at, result: Json::Null, writes, checks: Vec::new() };
        block_on(world.disk.commit(batch)).unwrap();
    }
}

fn put_write(key: Key, document: Json) -> Write {
    let Json::Object(document) = document else { panic!("{document}") };
    Write { key, expect: Expectation::Absent, op: WriteOp::Put { version: 1, document: Arc::new(document) } }
}

fn kinds() -> Vec<String> {
    vec!["cc".to_owned()]
}

#[test]
fn cost_of_due_work_is_independent_of_execution_count() {
    let cost = |many: usize| {
        let executions = ManyExecutions::with_count(many);
        for n in 0..3 {
            block_on(start(&executions.world.process(), "naps", &format!("nap-{n}"))).unwrap();
        }
        executions.world.advance(Millis(1_000));
        let (next, asked) = executions.measure(executions.cvm.next_due());
        assert_eq!(next.unwrap(), Some(executions.world.host.clock.now()));
        assert!(asked.rows_examined <= 2 && asked.calls[&Method::Query] == (1, 1), "{asked:?}");
        let (due, done) = executions.measure(executions.cvm.run_due(100, RunLimit::Stop));
        assert_eq!(due.unwrap().woken, 3);
        let (nothing, idle) = executions.measure(executions.cvm.run_due(100, RunLimit::Stop));
        assert!(nothing.unwrap().is_empty() && idle.rows_examined <= 1, "{idle:?}");
        (asked, done, idle)
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
        let (next, looked) = executions.measure(executions.cvm.next_available(&kinds()));
        assert!(next.unwrap().is_some());
        (claimed, looked)
    };
    let few = cost(100);
    println!("{few:#?}");
    assert!(few.0.rows_examined <= 17 && few.1.rows_examined <= 2, "{few:?}");
    assert_eq!(few, cost(5_000));
}

#[test]
fn expired_calls_of_paused_executions_do_not_delay_claims() {
    let world = SimCluster::with_programs(&[
        program("brief", r#"CC("q?", { timeoutMs: 1000 });"#),
        program("patient", r#"CC("q?");"#),
    ]);
    let cvm = world.process();
    // Paused executions do not close calls at their deadline, and there may be many of them.
    for n in 0..40 {
        block_on(start(&cvm, "brief", &format!("resting-{n}"))).unwrap();
        block_on(cvm.pause(&format!("resting-{n}"), None)).unwrap();
    }
    world.advance(Millis(1_000));
    block_on(start(&cvm, "patient", "run")).unwrap();
    let work = block_on(cvm.claim(&kinds(), "worker", Millis::minutes(1))).unwrap();
    assert_eq!(work.map(|work| work.claimed.execution).as_deref(), Some("run"));
    assert_eq!(block_on(cvm.claim(&kinds(), "worker", Millis::minutes(1))).unwrap(), None);
}

#[test]
fn many_workers_at_once_do_each_call_once() {
    let many = if is_full_run() { 5_000 } else { 500 };
    let load = program("program", r#"console.log(CC("q?"));"#);
    let world = SimCluster::with_programs(&[load]);
    let cvm = world.process();
    (0..many).for_each(|n| drop(block_on(start(&cvm, "program", &format!("run-{n}"))).unwrap()));
    let done: Mutex<BTreeMap<String, String>> = Mutex::default();
    let disk: Arc<dyn Store> = YieldingStore::wrap_migrated(world.disk.clone());
    let processes: Vec<Cvm> = (0..8).map(|_| world.process_over(disk.clone())).collect();
    let worker = |n: usize| -> BoxFuture<'_, u32> {
        let (cvm, done) = (processes[n % processes.len()].clone(), &done);
        Box::pin(async move {
            let mut completed = 0;
            let owner = format!("worker {n}");
            while let Some(work) = cvm.claim(&kinds(), &owner, Millis::days(1)).await.unwrap() {
                let answer = format!("by {n}");
                cvm.complete(&work.claimed, answer.clone().into(), None, None).await.unwrap();
                let before = done.lock().unwrap().insert(work.claimed.execution, answer);
                assert_eq!(before, None, "twice");
                completed += 1;
            }
            completed
        })
    };
    let completed = ScheduleChoices::random("workers", seed()).run((0..64).map(worker).collect());
    println!("calls by worker: {completed:?}");
    let documents = world.check();
    let done = done.into_inner().unwrap();
    assert_eq!((done.len(), completed.iter().sum::<u32>()), (many, many as u32));
    for (execution, answer) in done {
        assert_eq!(documents.output(&execution), [answer]);
    }
}
