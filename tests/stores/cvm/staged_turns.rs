//! Turns larger than one batch of the store: they have the same result as small ones, wherever a process dies, and
//! leave no rows behind.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{ExecutionStatus, HEAP_PAGES, Load, Start, Status};
use runstate::engine::{COLLECTIONS, Error, STAGED, STAGED_ROWS};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::store::file::fault::Disk;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::layer::Method;
use runstate::store::{self, Memory, Store};
use runstate::testing::{Fault, LimitedStore};
use runstate::testing::{SimHost, block_on, join_all};
use runstate::time::Millis;
use runstate::value::Json;

use super::small_batches::{
    PROGRAM, SmallBatchProcess, clean, expect_tidy, large_batch_cvm, limits, load_program, output_line, program_input,
    row_count, staged_input, start_in_memory, start_program,
};
use crate::cvm::scene::{Scene, error_code};

/// Number of commits in one large turn.
fn commits_per_turn() -> u64 {
    let (disk, host) = start_in_memory();
    let process = SmallBatchProcess::new(&disk, &host);
    let before = process.store.calls(Method::Commit);
    block_on(process.answer("a")).unwrap();
    expect_tidy(&disk);
    process.store.calls(Method::Commit) - before
}

fn unknown_outcome() -> store::StoreError {
    store::StoreError::UnknownOutcome { command: CommandId::new("a").unwrap(), why: "the line is cut".into() }
}

#[test]
fn staged_turn_has_the_same_result_as_a_single_batch() {
    let run = |store: Arc<dyn Store>| {
        let mut scene = Scene::with_store(store, Settings::default());
        scene.load(PROGRAM);
        scene.start(program_input(3_000, 700)).unwrap();
        let mut hashes = Vec::new();
        for answer in ["one", "two"] {
            scene.answer(answer).expect(Status::WaitingCc);
            hashes.push(scene.show().state_hash);
        }
        let scene = scene.cold();
        hashes.push(scene.show().state_hash);
        // The revision of a staged row depends on the command that staged it.
        let documents: BTreeMap<String, Json> = scene.dump().into_iter().map(|(key, (_, row))| (key, row)).collect();
        (hashes, documents)
    };
    let disk: Arc<dyn Store> = Arc::new(Memory::new());
    let staged = run(Arc::new(LimitedStore::new(disk.clone(), limits(64))));
    let bytes: usize = staged.1.values().map(|row| row.to_string().len()).sum();
    assert!(bytes > 2 * 1024 * 1024, "{bytes}");
    expect_tidy(&disk);
    let unstaged = run(Arc::new(Memory::new()));
    assert_eq!(staged.0, unstaged.0);
    assert!(staged.1 == unstaged.1, "the documents differ");
}

#[test]
fn death_at_any_commit_of_a_staged_turn_applies_it_once() {
    let commits = commits_per_turn();
    assert!(commits > 4, "{commits}: the turn was not staged");
    for repeated in [true, false] {
        for nth in 1..=commits {
            for fault in [Fault::DieBefore, Fault::DieAfter] {
                die_and_resume(start_in_memory(), nth, fault, repeated);
            }
        }
    }
}

#[test]
fn death_at_a_commit_of_a_staged_turn_on_files_loses_nothing() {
    for (nth, fault) in [(1, Fault::DieAfter), (3, Fault::DieAfter), (commits_per_turn() - 1, Fault::DieAfter)] {
        let disk = Disk::new();
        let open = || -> Arc<dyn Store> {
            Arc::new(block_on(FileStore::open_on(disk.process(), FileStoreOptions::default())).unwrap())
        };
        let (_, host) = start_program(open());
        die_and_resume((open(), host), nth, fault, true);
    }
}

/// A process dies at its `nth` commit. The next one repeats its command or not, and continues.
fn die_and_resume((disk, host): (Arc<dyn Store>, SimHost), nth: u64, fault: Fault, repeated: bool) {
    let case = format!("{nth} {fault:?} {repeated}");
    let dying = SmallBatchProcess::new(&disk, &host);
    dying.store.plan(Method::Commit, nth, fault);
    let acknowledged = block_on(dying.answer("a")).is_ok();
    let next = SmallBatchProcess::new(&disk, &host);
    let is_committed = next.output() == [output_line(0, "a")];
    assert!(is_committed || !acknowledged, "{case}");
    let mut expected = Vec::new();
    if repeated {
        block_on(next.answer("a")).unwrap();
    }
    if repeated || is_committed {
        expected.push(output_line(0, "a"));
    }
    block_on(next.answer("b")).unwrap();
    expected.push(output_line(expected.len(), "b"));
    assert_eq!(next.output(), expected, "{case}");
    clean(&disk, &host);
    block_on(SmallBatchProcess::new(&disk, &host).answer("c")).unwrap();
    expected.push(output_line(expected.len(), "c"));
    assert_eq!(SmallBatchProcess::new(&disk, &host).output(), expected, "{case}");
    expect_tidy(&disk);
}

#[test]
fn staged_start_that_dies_can_be_repeated_or_started_anew() {
    for nth in 1..=commits_per_turn() {
        for command in ["s", "another"] {
            let (disk, host) = load_program(Arc::new(Memory::new()));
            let dying = SmallBatchProcess::new(&disk, &host);
            dying.store.plan(Method::Commit, nth, Fault::DieAfter);
            block_on(dying.start("s")).ok();
            let next = SmallBatchProcess::new(&disk, &host);
            let started = block_on(next.start(command));
            // If the first start was complete, another start finds the id in use.
            assert!(started.is_ok() || command == "another", "{nth}");
            block_on(next.answer("a")).unwrap();
            assert_eq!(next.output(), [output_line(0, "a")], "{nth} {command}");
            clean(&disk, &host);
        }
    }
}

#[test]
fn dropped_staged_turn_can_be_repeated_by_the_same_engine() {
    for nth in 1..=commits_per_turn() {
        let (disk, host) = start_in_memory();
        let process = SmallBatchProcess::new(&disk, &host);
        process.store.plan(Method::Commit, nth, Fault::Delay(1));
        {
            let answer = pin!(process.answer("a"));
            assert!(answer.poll(&mut Context::from_waker(Waker::noop())) == Poll::Pending);
        }
        block_on(process.answer("a")).unwrap();
        block_on(process.answer("b")).unwrap();
        assert_eq!(process.output(), [output_line(0, "a"), output_line(1, "b")], "{nth}");
        clean(&disk, &host);
    }
}

#[test]
fn unknown_outcome_of_any_staging_commit_is_resolved() {
    for nth in 1..=commits_per_turn() {
        for fault in [Fault::FailBefore(unknown_outcome()), Fault::FailAfter(unknown_outcome())] {
            let (disk, host) = start_in_memory();
            let process = SmallBatchProcess::new(&disk, &host);
            process.store.plan(Method::Commit, nth, fault.clone());
            block_on(process.answer("a")).unwrap();
            assert_eq!(process.output(), [output_line(0, "a")], "{nth} {fault:?}");
            clean(&disk, &host);
        }
    }
}

#[test]
fn one_staged_command_on_two_engines_is_applied_once() {
    for nth in 1..=commits_per_turn() {
        for (other, delays) in [(1, (9, 4)), (1, (2, 9)), (2, (2, 9)), (4, (9, 4)), (4, (3, 3))] {
            let (disk, host) = start_in_memory();
            let (one, two) = (SmallBatchProcess::new(&disk, &host), SmallBatchProcess::new(&disk, &host));
            one.store.plan(Method::Commit, nth, Fault::Delay(delays.0));
            two.store.plan(Method::Commit, other, Fault::Delay(delays.1));
            let results = block_on(join_all(vec![Box::pin(one.answer("a")), Box::pin(two.answer("a"))]));
            let results: Vec<ExecutionStatus> = results.into_iter().map(Result::unwrap).collect();
            assert_eq!(results[0], results[1]);
            assert_eq!(one.output(), [output_line(0, "a")], "{nth} {other} {delays:?}");
            clean(&disk, &host);
        }
    }
}

#[test]
fn staged_turn_is_decided_again_when_its_head_changed() {
    for nth in 1..=commits_per_turn() {
        let (disk, host) = start_in_memory();
        let (slow, quick) = (SmallBatchProcess::new(&disk, &host), SmallBatchProcess::new(&disk, &host));
        slow.store.plan(Method::Commit, nth, Fault::Delay(1));
        let meanwhile = async {
            let cvm = quick.cvm();
            cvm.pause("run").await.unwrap();
            cvm.unpause("run").await
        };
        let (answered, _) = block_on(async {
            let results = join_all(vec![Box::pin(slow.answer("a")) as BoxFuture<'_, _>, Box::pin(meanwhile)]).await;
            let mut results = results.into_iter();
            (results.next().unwrap(), results.next().unwrap())
        });
        answered.unwrap();
        assert_eq!(quick.output(), [output_line(0, "a")], "{nth}");
        clean(&disk, &host);
    }
}

#[test]
fn document_too_large_for_any_batch_is_rejected_before_writes() {
    let (disk, host) = start_in_memory();
    let source = r#"
    const items = [];
    for (let i = 0; i < 300; i++) items.push({ i });
    const answer = CC("?");
    for (const item of items) item.answer = answer;
    CC(items.map(({ i }) => [answer, i ** 7, i ** 6, i ** 5, i ** 4, i ** 8].join('')).join(' '));
    "#;
    let bytecode = runstate::lang::compile("big.ts", source).unwrap().bytecode;
    let cvm = large_batch_cvm(&disk, &host);
    block_on(cvm.load(&Load::new("big", source, bytecode))).unwrap();
    block_on(cvm.start(&Start::new("big").id("big"))).unwrap();
    let process = SmallBatchProcess::new(&disk, &host);
    let before = process.store.calls(Method::Commit);
    let answered = block_on(process.cvm().answer("big", "x"));
    assert_eq!(error_code(answered), ErrorCode::TOO_LARGE);
    assert_eq!(process.store.calls(Method::Commit), before);
    expect_nothing_staged(&disk);
}

fn expect_nothing_staged(disk: &Arc<dyn Store>) {
    assert!(COLLECTIONS.iter().all(|collection| row_count(disk, collection) == 0));
}

#[test]
fn slow_staging_process_and_cleaner_do_not_disturb_each_other() {
    for nth in 2..=commits_per_turn() {
        let (disk, host) = start_in_memory();
        let (slow, cleaner) = (SmallBatchProcess::new(&disk, &host), SmallBatchProcess::new(&disk, &host));
        slow.store.plan(Method::Commit, nth, Fault::Delay(1));
        let now = host.clock.now();
        // Recent markers are left alone.
        assert_eq!(block_on(cleaner.engine.remove_abandoned(now + Millis::minutes(59), 9)).unwrap(), 0);
        let results = block_on(join_all(vec![
            Box::pin(async { slow.answer("a").await.map(drop) }) as BoxFuture<'_, Result<(), Error>>,
            Box::pin(async { cleaner.engine.remove_abandoned(now + Millis::days(1), 9).await.map(drop) }),
        ]));
        results.into_iter().for_each(Result::unwrap);
        assert_eq!(slow.output(), [output_line(0, "a")], "{nth}");
        clean(&disk, &host);
    }
}

#[test]
fn deleting_an_execution_removes_its_staged_rows() {
    let (disk, host) = start_in_memory();
    let dying = SmallBatchProcess::new(&disk, &host);
    dying.store.plan(Method::Commit, 3, Fault::DieBefore);
    block_on(dying.answer("a")).unwrap_err();
    assert!(row_count(&disk, &STAGED) == 1 && row_count(&disk, &STAGED_ROWS) == 2);
    let next = SmallBatchProcess::new(&disk, &host);
    block_on(next.cvm().cancel("run")).unwrap();
    block_on(next.cvm().delete("run")).unwrap();
    assert_eq!(row_count(&disk, &HEAP_PAGES), 0);
    // The rows that the marker names are gone already; a new execution of that id loses nothing to it.
    block_on(large_batch_cvm(&disk, &host).start(&Start::new("program").id("run").input(staged_input()))).unwrap();
    clean(&disk, &host);
    block_on(SmallBatchProcess::new(&disk, &host).answer("again")).unwrap();
    assert_eq!(SmallBatchProcess::new(&disk, &host).output(), [output_line(0, "again")]);
}

/// An action of a process, and the commit at which it dies, if at all.
#[derive(Clone, Debug)]
enum StagingAct {
    Answer(u64),
    Repeat(u64),
    PauseAndUnpause,
    Clean(u64),
}

fn act_strategy() -> impl Strategy<Value = StagingAct> {
    prop_oneof![
        3 => (0..12u64).prop_map(StagingAct::Answer),
        2 => (0..12u64).prop_map(StagingAct::Repeat),
        1 => Just(StagingAct::PauseAndUnpause),
        1 => (0..4u64).prop_map(StagingAct::Clean),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn after_cleaning_every_row_is_referenced_by_a_head(acts in prop::collection::vec(act_strategy(), 1..6)) {
        let (disk, host) = start_in_memory();
        let mut commands = 0;
        for act in &acts {
            let process = SmallBatchProcess::new(&disk, &host);
            let nth = match act { StagingAct::Answer(nth) | StagingAct::Repeat(nth) | StagingAct::Clean(nth) => *nth, StagingAct::PauseAndUnpause => 0 };
            if nth > 0 {
                process.store.plan(Method::Commit, nth, Fault::DieAfter);
            }
            match act {
                StagingAct::Answer(_) => {
                    commands += 1;
                    block_on(process.answer(&format!("c{commands}"))).ok();
                }
                StagingAct::Repeat(_) => drop(block_on(process.answer(&format!("c{commands}")))),
                StagingAct::PauseAndUnpause => {
                    block_on(process.cvm().pause("run")).unwrap();
                    block_on(process.cvm().unpause("run")).unwrap();
                }
                StagingAct::Clean(_) => drop(block_on(process.engine.remove_abandoned(host.clock.now() + Millis::days(1), 9))),
            }
        }
        clean(&disk, &host);
        // Every answer was applied once or not at all, in the order of turns.
        let output = SmallBatchProcess::new(&disk, &host).output();
        let answers: Vec<&str> = output.iter().filter_map(|line| line.split(' ').nth(1)).collect();
        let mut once = answers.clone();
        once.dedup();
        prop_assert_eq!(&answers, &once);
        for (turn, (shown, answer)) in output.iter().zip(&answers).enumerate() {
            prop_assert_eq!(shown, &output_line(turn, answer));
        }
    }
}
