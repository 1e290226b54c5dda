//! What large turns that died have left: it is never in force when it is removed, and in nobody's way.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use runstate::code::Code;
use runstate::domain::cvm::{HEAP_PAGES, Reached, Start, Status};
use runstate::engine::{ABANDONED_AFTER, COLLECTIONS, Cvm, Engine, Error};
use runstate::id::CommandId;
use runstate::limits::Settings;
use runstate::schema::{Catalog, Key};
use runstate::store::layer::{Fault, FaultStore, Method, Small, Trace};
use runstate::store::{Batch, Expect, Limits, Memory, Op, Store, Write};
use runstate::testing::{SimHost, block_on};
use runstate::time::Millis;
use runstate::value::Json;

use crate::process::{PROGRAM, Process, Watched, clean, engine, expect_tidy, limits, line, memory, rows, some};
use crate::scene::{Scene, code};

fn catalog() -> Catalog {
    runstate::domain::catalog().unwrap()
}

/// A turn of command `a` that dies with `staged` batches written.
fn dies(disk: &Arc<dyn Store>, host: &SimHost, staged: u64) {
    let dying = Process::on(disk, host);
    dying.store.plan(Method::Commit, staged + 1, Fault::DieBefore);
    block_on(dying.answer("a")).unwrap_err();
    assert_eq!((rows(disk, COLLECTIONS[0]), rows(disk, COLLECTIONS[1])), (1, staged as usize));
}

/// Command `a` again, by somebody for whom it is one batch.
async fn again(large: &Cvm) -> Result<Reached, Error> {
    large.answer("run", None, "a".into(), None, Some(&CommandId::new("a").unwrap())).await
}

/// A cleaner that removes row by row.
fn slow_cleaner(disk: &Arc<dyn Store>, host: &SimHost) -> (Watched, Engine) {
    let few = Limits { batch_writes: 2, ..limits(12) };
    let store = Arc::new(FaultStore::new(Small::new(disk.clone(), few)));
    let engine = Engine::new(store.clone(), Arc::new(host.clone()), catalog(), Settings::default());
    (store, block_on(engine).unwrap())
}

/// The answer of `a` is in force, and what comes after it stands on it.
fn expect_goes_on(disk: &Arc<dyn Store>, host: &SimHost, case: &str) {
    block_on(Process::on(disk, host).answer("b")).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(Process::on(disk, host).output(), [line(0, "a"), line(1, "b")], "{case}");
    clean(disk, host);
}

#[test]
fn rows_that_come_again_after_their_execution_was_deleted_are_named_by_no_marker() {
    let (disk, host) = memory();
    dies(&disk, &host, 2);
    let next = Process::on(&disk, &host);
    block_on(next.cvm().cancel("run", None)).unwrap();
    block_on(next.cvm().delete("run", None)).unwrap();
    let large = engine(&disk, &host);
    block_on(large.start(&Start::of("program").id("run").input(some()), None)).unwrap();
    block_on(again(&large)).unwrap();
    expect_tidy(&disk);
    clean(&disk, &host);
    expect_goes_on(&disk, &host, "");
}

#[test]
fn rows_that_come_again_after_a_cleaner_died_midway_are_named_by_no_marker() {
    for nth in 1..60 {
        let (disk, host) = memory();
        dies(&disk, &host, 2);
        let (store, cleaner) = slow_cleaner(&disk, &host);
        store.plan(Method::Commit, nth, Fault::DieAfter);
        let cleaned = block_on(cleaner.remove_abandoned(host.clock.now() + Millis::days(1), 9));
        block_on(again(&engine(&disk, &host))).unwrap();
        expect_tidy(&disk);
        expect_goes_on(&disk, &host, &nth.to_string());
        if cleaned.is_ok() {
            assert!(nth > 4, "{nth}: it was removed at once");
            return;
        }
    }
    panic!("the cleaner did not come to an end");
}

/// Between the look for a marker and the commit of the one batch, another process stages the same turn and dies, and so does its cleaner.
#[test]
fn rows_that_come_again_beside_a_marker_are_left_alone_by_whoever_removes_it() {
    let mut beside = 0;
    for nth in 1..60 {
        let (disk, host) = memory();
        let store = Arc::new(FaultStore::new(disk.clone()));
        let large = block_on(Engine::new(store.clone(), Arc::new(host.clone()), catalog(), Settings::default()));
        let large = large.unwrap().cvm();
        store.plan(Method::Commit, 1, Fault::Delay(1));
        let mut answer = pin!(again(&large));
        assert!(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Pending);
        dies(&disk, &host, 2);
        let (cleaning, cleaner) = slow_cleaner(&disk, &host);
        cleaning.plan(Method::Commit, nth, Fault::DieAfter);
        let cleaned = block_on(cleaner.remove_abandoned(host.clock.now() + Millis::days(1), 9));
        block_on(answer).unwrap();
        beside += rows(&disk, COLLECTIONS[0]);
        clean(&disk, &host);
        expect_goes_on(&disk, &host, &nth.to_string());
        if cleaned.is_ok() {
            break;
        }
    }
    assert!(beside > 0, "there was never a marker beside it");
}

#[test]
fn only_a_command_that_may_come_again_looks_for_a_marker() {
    let store = Arc::new(Trace::new(Memory::new()));
    let mut scene = Scene::on(store.clone(), Settings::default());
    scene.load(PROGRAM);
    scene.start(some()).unwrap();
    for (id, gets) in [(None, 0), (Some(scene.command()), 1), (None, 0)] {
        let call = scene.call_id();
        let cvm = scene.cvm();
        store.reset();
        block_on(cvm.answer("run", Some(&call), "x".into(), None, id.as_ref())).unwrap();
        assert_eq!((store.calls(Method::Get).calls, store.calls(Method::Commit).calls), (gets, 1));
        assert_eq!(store.calls(Method::Outcome).calls + store.calls(Method::Query).calls, 0);
    }
    scene.expect(Status::WaitingCc);
}

/// Puts a marker that nobody can read, older than all others.
fn damage(disk: &Arc<dyn Store>, nth: u32) {
    let key = Key::new(COLLECTIONS[0], &format!("damaged-{nth}"));
    let document = serde_json::json!({"id": &*key.id, "at": nth, "attempt": "x", "batches": -1, "state": "staging"});
    let Json::Object(document) = document else { panic!() };
    let op = Op::Put { version: 1, document: Arc::new(document) };
    let batch = Batch {
        command: CommandId::new(&format!("damage-{nth}")).unwrap(),
        fingerprint: String::new(),
        at: runstate::time::Timestamp::from_millis(0),
        result: Json::Null,
        writes: vec![Write { key, expect: Expect::Absent, op }],
        checks: Vec::new(),
    };
    block_on(disk.commit(batch)).unwrap();
}

#[test]
fn damaged_markers_are_told_of_and_in_the_way_of_no_other() {
    let (disk, host) = memory();
    dies(&disk, &host, 2);
    (0..40).for_each(|nth| damage(&disk, nth));
    let process = Process::on(&disk, &host);
    let now = host.clock.now() + ABANDONED_AFTER + Millis::days(1);
    assert_eq!(code(block_on(process.engine.remove_abandoned(now, 1))), Code::Corrupt);
    assert_eq!((rows(&disk, COLLECTIONS[0]), rows(&disk, COLLECTIONS[1])), (40, 0));
    block_on(process.answer("a")).unwrap();
    assert_eq!(process.output(), [line(0, "a")]);
}

#[test]
fn an_execution_is_deleted_in_such_batches_as_the_store_takes() {
    for batch_writes in [2, 3, 100] {
        let (disk, host) = memory();
        block_on(again(&engine(&disk, &host))).unwrap();
        block_on(engine(&disk, &host).cancel("run", None)).unwrap();
        let small = Arc::new(Small::new(disk.clone(), Limits { batch_writes, ..Limits::default() }));
        let cvm = block_on(Engine::new(small, Arc::new(host.clone()), catalog(), Settings::default())).unwrap().cvm();
        block_on(cvm.delete("run", None)).unwrap();
        assert_eq!(rows(&disk, &HEAP_PAGES), 0, "{batch_writes}");
        assert_eq!(code(block_on(cvm.show("run"))), Code::NotFound);
    }
}
