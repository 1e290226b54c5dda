//! Very many executions: what is due, and what workers take, costs what it finds and not what there is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use runstate::domain::cvm::{CC_HISTORY, EXECUTIONS};
use runstate::engine::{Cvm, Pace};
use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::Key;
use runstate::store::layer::{Method, Trace};
use runstate::store::{Batch, Expect, Memory, Op, Store, Write};
use runstate::testing::block_on;
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use crate::documents::Documents;
use crate::schedule::{Choices, Yielding};
use crate::world::{World, full, program, seed, start};

type Watched = Arc<Trace<Arc<Memory>>>;

/// A store on which so many executions wait, each for a day longer than the one before, and a watched process.
struct Crowd {
    world: World,
    memory: Arc<Memory>,
    watched: Watched,
    cvm: Cvm,
}

/// What something has cost.
#[derive(Debug, PartialEq)]
struct Cost {
    looked_at: u64,
    /// Calls and rows, by method.
    calls: BTreeMap<Method, (u64, u64)>,
}

impl Crowd {
    fn of(many: usize) -> Self {
        let memory = Arc::new(Memory::new());
        let programs = [
            program("asks", r#"CC("q?", { timeoutMs: 86400000, default: "over" }); CC("more?")"#),
            program("naps", r#"sleep(1000); console.log("woke"); CC("more?")"#),
        ];
        let world = World::on(memory.clone(), &programs, runstate::limits::Settings::default());
        block_on(start(&world.process(), "asks", "first")).unwrap();
        copies(&world, "first", many);
        let watched = Arc::new(Trace::new(memory.clone()));
        let cvm = world.process_over(watched.clone());
        Self { world, memory, watched, cvm }
    }

    fn cost<T>(&self, act: impl Future<Output = T>) -> (T, Cost) {
        let before = self.memory.looked_at();
        self.watched.reset();
        let came = block_on(act);
        let calls = self.watched.reset().into_iter().map(|(method, calls)| (method, (calls.calls, calls.rows)));
        (came, Cost { looked_at: self.memory.looked_at() - before, calls: calls.collect() })
    }
}

/// Puts copies of an execution that waits beside it.
fn copies(world: &World, execution: &str, many: usize) {
    let documents = Documents::of(&world.disk);
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
            [put(Key::new(&EXECUTIONS, &id), head), put(Key::new(&CC_HISTORY, &call_id), call)]
        });
        let command = CommandId::new(&format!("copies-{}", chunk[0])).unwrap();
        let (at, writes) = (world.host.clock.now(), writes.collect());
        let batch = Batch { command, fingerprint: String::new(), at, result: Json::Null, writes, checks: Vec::new() };
        block_on(world.disk.commit(batch)).unwrap();
    }
}

fn put(key: Key, document: Json) -> Write {
    let Json::Object(document) = document else { panic!("{document}") };
    Write { key, expect: Expect::Absent, op: Op::Put { version: 1, document: Arc::new(document) } }
}

fn kinds() -> Vec<String> {
    vec!["cc".to_owned()]
}

#[test]
fn what_is_due_costs_the_same_among_few_and_among_very_many() {
    let cost = |many: usize| {
        let crowd = Crowd::of(many);
        for n in 0..3 {
            block_on(start(&crowd.world.process(), "naps", &format!("nap-{n}"))).unwrap();
        }
        crowd.world.pass(Millis(1_000));
        let (next, asked) = crowd.cost(crowd.cvm.next_due());
        assert_eq!(next.unwrap(), Some(crowd.world.host.clock.now()));
        assert!(asked.looked_at <= 2 && asked.calls[&Method::Query] == (1, 1), "{asked:?}");
        let (due, done) = crowd.cost(crowd.cvm.run_due(100, Pace::Stop));
        assert_eq!(due.unwrap().woken, 3);
        let (nothing, idle) = crowd.cost(crowd.cvm.run_due(100, Pace::Stop));
        assert!(nothing.unwrap().is_nothing() && idle.looked_at <= 1, "{idle:?}");
        (asked, done, idle)
    };
    let few = cost(20);
    println!("{few:#?}");
    assert!(few.1.looked_at <= 6, "{few:?}");
    assert_eq!(few, cost(if full() { 100_000 } else { 10_000 }));
}

#[test]
fn a_claim_costs_the_same_among_few_open_calls_and_among_very_many() {
    let cost = |many: usize| {
        let crowd = Crowd::of(many);
        let (work, claimed) = crowd.cost(crowd.cvm.claim(&kinds(), "worker", Millis::minutes(1)));
        assert!(work.unwrap().is_some());
        let (next, looked) = crowd.cost(crowd.cvm.next_available(&kinds()));
        assert!(next.unwrap().is_some());
        (claimed, looked)
    };
    let few = cost(100);
    println!("{few:#?}");
    assert!(few.0.looked_at <= 17 && few.1.looked_at <= 2, "{few:?}");
    assert_eq!(few, cost(5_000));
}

#[test]
fn calls_that_nobody_may_answer_any_more_stand_in_nobodys_way() {
    let world = World::of(&[program("brief", r#"CC("q?", { timeoutMs: 1000 });"#), program("patient", r#"CC("q?");"#)]);
    let cvm = world.process();
    // Resting executions let no deadline pass, and there may be many of them.
    for n in 0..40 {
        block_on(start(&cvm, "brief", &format!("resting-{n}"))).unwrap();
        block_on(cvm.pause(&format!("resting-{n}"), None)).unwrap();
    }
    world.pass(Millis(1_000));
    block_on(start(&cvm, "patient", "run")).unwrap();
    let work = block_on(cvm.claim(&kinds(), "worker", Millis::minutes(1))).unwrap();
    assert_eq!(work.map(|work| work.claimed.execution).as_deref(), Some("run"));
    assert_eq!(block_on(cvm.claim(&kinds(), "worker", Millis::minutes(1))).unwrap(), None);
}

#[test]
fn many_workers_at_once_do_each_call_once() {
    let many = if full() { 5_000 } else { 500 };
    let load = program("program", r#"console.log(CC("q?"));"#);
    let world = World::of(&[load]);
    let cvm = world.process();
    (0..many).for_each(|n| drop(block_on(start(&cvm, "program", &format!("run-{n}"))).unwrap()));
    let done: Mutex<BTreeMap<String, String>> = Mutex::default();
    let disk: Arc<dyn Store> = Arc::new(Yielding(world.disk.clone()));
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
    let completed = Choices::random("workers", seed()).run((0..64).map(worker).collect());
    println!("calls by worker: {completed:?}");
    let documents = world.check();
    let done = done.into_inner().unwrap();
    assert_eq!((done.len(), completed.iter().sum::<u32>()), (many, many as u32));
    for (execution, answer) in done {
        assert_eq!(documents.output(&execution), [answer]);
    }
}
