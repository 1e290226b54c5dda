//! Rows left by large turns whose process died: they are never removed while in use, and never block other work.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use runstate::client::Answer;
use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{ExecutionStatus, HEAP_PAGES, Start, Status};
use runstate::engine::{ABANDONED_AFTER, Engine, Error, STAGED, STAGED_ROWS};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::store::layer::Method;
use runstate::store::{BatchLimits, Memory, Store};
use runstate::testing::{BatchExt as _, SimHost, batch, block_on};
use runstate::testing::{CountingStore, Fault, FaultStore, LimitedStore};
use runstate::time::Millis;

use super::small_batches::{
    PROGRAM, SmallBatchProcess, SmallBatchStore, clean, expect_tidy, large_batch_cvm, limits, output_line, row_count,
    staged_input, start_in_memory,
};
use crate::cvm::scene::{Scene, engine_over, error_code};

/// A turn of command `a` whose process dies after `staged` batches.
fn die_while_staging(disk: &Arc<dyn Store>, host: &SimHost, staged: u64) {
    let dying = SmallBatchProcess::new(disk, host);
    dying.store.plan(Method::Commit, staged + 1, Fault::DieBefore);
    block_on(dying.answer("a")).unwrap_err();
    assert_eq!((row_count(disk, &STAGED), row_count(disk, &STAGED_ROWS)), (1, staged as usize));
}

/// Command `a` again, from a process for which it is one batch.
async fn answer_in_one_batch(large: &Cvm) -> Result<ExecutionStatus, Error> {
    large.with_id(&CommandId::new("a").unwrap()).answer("run", "a").await
}

/// A cleaner whose batches have two writes.
fn slow_cleaner(disk: &Arc<dyn Store>, host: &SimHost) -> (SmallBatchStore, Engine) {
    let few = BatchLimits { batch_writes: 2, ..limits(12) };
    let store = Arc::new(FaultStore::new(LimitedStore::new(disk.clone(), few)));
    (store.clone(), engine_over(store, host))
}

/// The answer of `a` is in force, and the next answer builds on it.
fn expect_resumable(disk: &Arc<dyn Store>, host: &SimHost, case: &str) {
    block_on(SmallBatchProcess::new(disk, host).answer("b")).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(SmallBatchProcess::new(disk, host).output(), [output_line(0, "a"), output_line(1, "b")], "{case}");
    clean(disk, host);
}

#[test]
fn rows_rewritten_after_a_deletion_are_in_no_marker() {
    let (disk, host) = start_in_memory();
    die_while_staging(&disk, &host, 2);
    let next = SmallBatchProcess::new(&disk, &host);
    block_on(next.cvm().cancel("run")).unwrap();
    block_on(next.cvm().delete("run")).unwrap();
    let large = large_batch_cvm(&disk, &host);
    block_on(large.start(&Start::new("program").id("run").input(staged_input()))).unwrap();
    block_on(answer_in_one_batch(&large)).unwrap();
    expect_tidy(&disk);
    clean(&disk, &host);
    expect_resumable(&disk, &host, "");
}

#[test]
fn rows_rewritten_after_a_cleaner_died_are_in_no_marker() {
    for nth in 1..60 {
        let (disk, host) = start_in_memory();
        die_while_staging(&disk, &host, 2);
        let (store, cleaner) = slow_cleaner(&disk, &host);
        store.plan(Method::Commit, nth, Fault::DieAfter);
        let cleaned = block_on(cleaner.remove_abandoned(host.clock.now() + Millis::days(1), 9));
        block_on(answer_in_one_batch(&large_batch_cvm(&disk, &host))).unwrap();
        expect_tidy(&disk);
        expect_resumable(&disk, &host, &nth.to_string());
        if cleaned.is_ok() {
            assert!(nth > 4, "{nth}: it was removed at once");
            return;
        }
    }
    panic!("the cleaner did not come to an end");
}

/// Between the lookup of a marker and the commit of the one batch, another process stages the same turn and dies. Its
/// cleaner dies too.
#[test]
fn rows_rewritten_beside_a_marker_survive_its_removal() {
    let mut beside = 0;
    for nth in 1..60 {
        let (disk, host) = start_in_memory();
        let store = Arc::new(FaultStore::new(disk.clone()));
        let large = Cvm::new(&engine_over(store.clone(), &host));
        store.plan(Method::Commit, 1, Fault::Delay(1));
        let mut answer = pin!(answer_in_one_batch(&large));
        assert!(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Pending);
        die_while_staging(&disk, &host, 2);
        let (cleaning, cleaner) = slow_cleaner(&disk, &host);
        cleaning.plan(Method::Commit, nth, Fault::DieAfter);
        let cleaned = block_on(cleaner.remove_abandoned(host.clock.now() + Millis::days(1), 9));
        block_on(answer).unwrap();
        beside += row_count(&disk, &STAGED);
        clean(&disk, &host);
        expect_resumable(&disk, &host, &nth.to_string());
        if cleaned.is_ok() {
            break;
        }
    }
    assert!(beside > 0, "there was never a marker beside it");
}

#[test]
fn only_a_command_with_an_id_reads_its_marker() {
    let store = Arc::new(CountingStore::new(Memory::new()));
    let mut scene = Scene::with_store(store.clone(), Settings::default());
    scene.load(PROGRAM);
    scene.start(staged_input()).unwrap();
    for (id, gets) in [(None, 0), (Some(scene.next_command_id()), 1), (None, 0)] {
        let call = scene.call_id();
        let cvm = scene.cvm();
        store.reset();
        block_on(cvm.with_id(id.as_ref()).answer("run", Answer::to_call(&call).value("x"))).unwrap();
        assert_eq!((store.calls(Method::Get).calls, store.calls(Method::Commit).calls), (gets, 1));
        assert_eq!(store.calls(Method::Outcome).calls + store.calls(Method::Query).calls, 0);
    }
    scene.expect(Status::WaitingCc);
}

/// Writes a marker that cannot be read, older than all others.
fn put_damaged_marker(disk: &Arc<dyn Store>, nth: u32) {
    let id = format!("damaged-{nth}");
    let document = serde_json::json!({"id": id, "at": nth, "attempt": "x", "batches": -1, "state": "staging"});
    let damage = batch(CommandId::new(&format!("damage-{nth}")).unwrap()).insert(&STAGED, &id, document);
    block_on(disk.commit(damage)).unwrap();
}

#[test]
fn damaged_markers_are_reported_and_do_not_block_cleaning() {
    let (disk, host) = start_in_memory();
    die_while_staging(&disk, &host, 2);
    (0..40).for_each(|nth| put_damaged_marker(&disk, nth));
    let process = SmallBatchProcess::new(&disk, &host);
    let now = host.clock.now() + ABANDONED_AFTER + Millis::days(1);
    assert_eq!(error_code(block_on(process.engine.remove_abandoned(now, 1))), ErrorCode::CORRUPT);
    assert_eq!((row_count(&disk, &STAGED), row_count(&disk, &STAGED_ROWS)), (40, 0));
    block_on(process.answer("a")).unwrap();
    assert_eq!(process.output(), [output_line(0, "a")]);
}

#[test]
fn deletion_uses_batches_within_the_store_limits() {
    for batch_writes in [2, 3, 100] {
        let (disk, host) = start_in_memory();
        block_on(answer_in_one_batch(&large_batch_cvm(&disk, &host))).unwrap();
        block_on(large_batch_cvm(&disk, &host).cancel("run")).unwrap();
        let small = Arc::new(LimitedStore::new(disk.clone(), BatchLimits { batch_writes, ..BatchLimits::default() }));
        let cvm = Cvm::new(&engine_over(small, &host));
        block_on(cvm.delete("run")).unwrap();
        assert_eq!(row_count(&disk, &HEAP_PAGES), 0, "{batch_writes}");
        assert_eq!(error_code(block_on(cvm.show("run"))), ErrorCode::NOT_FOUND);
    }
}
