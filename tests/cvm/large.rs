//! Turns larger than one batch of the store: they come to the same as small ones, whoever dies when, and leave nothing behind.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use runstate::code::Code;
use runstate::domain::cvm::{HEAP_PAGES, Load, Reached, Start, Status};
use runstate::engine::{COLLECTIONS, Error};
use runstate::id::CommandId;
use runstate::limits::Settings;
use runstate::marker::BoxFuture;
use runstate::store::file::fault::Disk;
use runstate::store::file::{FileStore, Options};
use runstate::store::layer::{Fault, Method, Small};
use runstate::store::{self, Memory, Store};
use runstate::testing::{SimHost, block_on, join_all};
use runstate::time::Millis;
use runstate::value::Json;

use crate::process::{
    PROGRAM, Process, clean, engine, expect_tidy, limits, line, loaded, memory, objects, rows, some, started,
};
use crate::scene::{Scene, code};

/// How many commits one large turn takes.
fn commits() -> u64 {
    let (disk, host) = memory();
    let process = Process::on(&disk, &host);
    let before = process.store.calls(Method::Commit);
    block_on(process.answer("a")).unwrap();
    expect_tidy(&disk);
    process.store.calls(Method::Commit) - before
}

fn unknown() -> store::Error {
    store::Error::Unknown { command: CommandId::new("a").unwrap(), why: "the line is cut".into() }
}

#[test]
fn a_large_turn_comes_to_the_same_as_a_small_one() {
    let run = |store: Arc<dyn Store>| {
        let mut scene = Scene::on(store, Settings::default());
        scene.load(PROGRAM);
        scene.start(objects(3_000, 700)).unwrap();
        let mut hashes = Vec::new();
        for answer in ["one", "two"] {
            scene.answer(answer).expect(Status::WaitingCc);
            hashes.push(scene.show().state_hash);
        }
        let scene = scene.cold();
        hashes.push(scene.show().state_hash);
        // The revision of a staged row tells by whom it was staged.
        let documents: BTreeMap<String, Json> = scene.dump().into_iter().map(|(key, (_, row))| (key, row)).collect();
        (hashes, documents)
    };
    let disk: Arc<dyn Store> = Arc::new(Memory::new());
    let staged = run(Arc::new(Small::new(disk.clone(), limits(64))));
    let bytes: usize = staged.1.values().map(|row| row.to_string().len()).sum();
    assert!(bytes > 2 * 1024 * 1024, "{bytes}");
    expect_tidy(&disk);
    let whole = run(Arc::new(Memory::new()));
    assert_eq!(staged.0, whole.0);
    assert!(staged.1 == whole.1, "the documents differ");
}

#[test]
fn a_death_at_any_commit_loses_nothing_and_doubles_nothing() {
    let commits = commits();
    assert!(commits > 4, "{commits}: the turn was not staged");
    for repeated in [true, false] {
        for nth in 1..=commits {
            for fault in [Fault::DieBefore, Fault::DieAfter] {
                die_and_go_on(memory(), nth, fault, repeated);
            }
        }
    }
}

#[test]
fn a_death_at_a_commit_on_files_loses_nothing() {
    for (nth, fault) in [(1, Fault::DieAfter), (3, Fault::DieAfter), (commits() - 1, Fault::DieAfter)] {
        let disk = Disk::new();
        let open = || -> Arc<dyn Store> {
            Arc::new(block_on(FileStore::open_on(disk.process(), Options::default())).unwrap())
        };
        let (_, host) = started(open());
        die_and_go_on((open(), host), nth, fault, true);
    }
}

/// A process dies at its `nth` commit; the next one repeats its command or not, and goes on.
fn die_and_go_on((disk, host): (Arc<dyn Store>, SimHost), nth: u64, fault: Fault, repeated: bool) {
    let case = format!("{nth} {fault:?} {repeated}");
    let dying = Process::on(&disk, &host);
    dying.store.plan(Method::Commit, nth, fault);
    let acknowledged = block_on(dying.answer("a")).is_ok();
    let next = Process::on(&disk, &host);
    let done = next.output() == [line(0, "a")];
    assert!(done || !acknowledged, "{case}");
    let mut expected = Vec::new();
    if repeated {
        block_on(next.answer("a")).unwrap();
    }
    if repeated || done {
        expected.push(line(0, "a"));
    }
    block_on(next.answer("b")).unwrap();
    expected.push(line(expected.len(), "b"));
    assert_eq!(next.output(), expected, "{case}");
    clean(&disk, &host);
    block_on(Process::on(&disk, &host).answer("c")).unwrap();
    expected.push(line(expected.len(), "c"));
    assert_eq!(Process::on(&disk, &host).output(), expected, "{case}");
    expect_tidy(&disk);
}

#[test]
fn a_large_start_that_dies_can_be_repeated_or_made_anew() {
    for nth in 1..=commits() {
        for again in ["s", "another"] {
            let (disk, host) = loaded(Arc::new(Memory::new()));
            let dying = Process::on(&disk, &host);
            dying.store.plan(Method::Commit, nth, Fault::DieAfter);
            block_on(dying.start("s")).ok();
            let next = Process::on(&disk, &host);
            let started = block_on(next.start(again));
            // Where the first one had come to its end, another one finds the id taken.
            assert!(started.is_ok() || again == "another", "{nth}");
            block_on(next.answer("a")).unwrap();
            assert_eq!(next.output(), [line(0, "a")], "{nth} {again}");
            clean(&disk, &host);
        }
    }
}

#[test]
fn a_turn_that_is_dropped_at_any_commit_can_be_repeated_by_the_same_engine() {
    for nth in 1..=commits() {
        let (disk, host) = memory();
        let process = Process::on(&disk, &host);
        process.store.plan(Method::Commit, nth, Fault::Delay(1));
        {
            let answer = pin!(process.answer("a"));
            assert!(answer.poll(&mut Context::from_waker(Waker::noop())) == Poll::Pending);
        }
        block_on(process.answer("a")).unwrap();
        block_on(process.answer("b")).unwrap();
        assert_eq!(process.output(), [line(0, "a"), line(1, "b")], "{nth}");
        clean(&disk, &host);
    }
}

#[test]
fn a_lost_answer_of_any_commit_is_found_out() {
    for nth in 1..=commits() {
        for fault in [Fault::Before(unknown()), Fault::After(unknown())] {
            let (disk, host) = memory();
            let process = Process::on(&disk, &host);
            process.store.plan(Method::Commit, nth, fault.clone());
            block_on(process.answer("a")).unwrap();
            assert_eq!(process.output(), [line(0, "a")], "{nth} {fault:?}");
            clean(&disk, &host);
        }
    }
}

#[test]
fn two_engines_at_one_command_do_it_once() {
    for nth in 1..=commits() {
        for (other, delays) in [(1, (9, 4)), (1, (2, 9)), (2, (2, 9)), (4, (9, 4)), (4, (3, 3))] {
            let (disk, host) = memory();
            let (one, two) = (Process::on(&disk, &host), Process::on(&disk, &host));
            one.store.plan(Method::Commit, nth, Fault::Delay(delays.0));
            two.store.plan(Method::Commit, other, Fault::Delay(delays.1));
            let came = block_on(join_all(vec![Box::pin(one.answer("a")), Box::pin(two.answer("a"))]));
            let came: Vec<Reached> = came.into_iter().map(Result::unwrap).collect();
            assert_eq!(came[0], came[1]);
            assert_eq!(one.output(), [line(0, "a")], "{nth} {other} {delays:?}");
            clean(&disk, &host);
        }
    }
}

#[test]
fn a_head_that_changed_under_a_staged_turn_is_decided_on_again() {
    for nth in 1..=commits() {
        let (disk, host) = memory();
        let (slow, quick) = (Process::on(&disk, &host), Process::on(&disk, &host));
        slow.store.plan(Method::Commit, nth, Fault::Delay(1));
        let meanwhile = async {
            let cvm = quick.cvm();
            cvm.pause("run", None).await.unwrap();
            cvm.unpause("run", None).await
        };
        let (came, _) = block_on(async {
            let came = join_all(vec![Box::pin(slow.answer("a")) as BoxFuture<'_, _>, Box::pin(meanwhile)]).await;
            let mut came = came.into_iter();
            (came.next().unwrap(), came.next().unwrap())
        });
        came.unwrap();
        assert_eq!(quick.output(), [line(0, "a")], "{nth}");
        clean(&disk, &host);
    }
}

#[test]
fn what_no_batch_takes_is_told_before_anything_is_written() {
    let (disk, host) = memory();
    let source = r#"
    const items = [];
    for (let i = 0; i < 300; i++) items.push({ i });
    const big = { text: CC("?").repeat(20000) };
    CC("?");
    "#;
    let bytecode = runstate::lang::compile("big.ts", source).unwrap().bytecode;
    let cvm = engine(&disk, &host);
    block_on(cvm.load(&Load::new("big", source, bytecode), None)).unwrap();
    block_on(cvm.start(&Start::of("big").id("big"), None)).unwrap();
    let process = Process::on(&disk, &host);
    let before = process.store.calls(Method::Commit);
    let answered = block_on(process.cvm().answer("big", None, "x".into(), None, None));
    assert_eq!(code(answered), Code::TooLarge);
    assert_eq!(process.store.calls(Method::Commit), before);
    expect_nothing_staged(&disk);
}

fn expect_nothing_staged(disk: &Arc<dyn Store>) {
    assert!(COLLECTIONS.iter().all(|own| rows(disk, own) == 0));
}

#[test]
fn who_is_only_slow_is_not_in_the_way_of_the_cleaner_nor_it_in_theirs() {
    for nth in 2..=commits() {
        let (disk, host) = memory();
        let (slow, cleaner) = (Process::on(&disk, &host), Process::on(&disk, &host));
        slow.store.plan(Method::Commit, nth, Fault::Delay(1));
        let now = host.clock.now();
        // Young markers are left alone.
        assert_eq!(block_on(cleaner.engine.remove_abandoned(now + Millis::minutes(59), 9)).unwrap(), 0);
        let came = block_on(join_all(vec![
            Box::pin(async { slow.answer("a").await.map(drop) }) as BoxFuture<'_, Result<(), Error>>,
            Box::pin(async { cleaner.engine.remove_abandoned(now + Millis::days(1), 9).await.map(drop) }),
        ]));
        came.into_iter().for_each(Result::unwrap);
        assert_eq!(slow.output(), [line(0, "a")], "{nth}");
        clean(&disk, &host);
    }
}

#[test]
fn deleting_an_execution_takes_what_was_staged_for_it_along() {
    let (disk, host) = memory();
    let dying = Process::on(&disk, &host);
    dying.store.plan(Method::Commit, 3, Fault::DieBefore);
    block_on(dying.answer("a")).unwrap_err();
    assert!(rows(&disk, COLLECTIONS[0]) == 1 && rows(&disk, COLLECTIONS[1]) == 2);
    let next = Process::on(&disk, &host);
    block_on(next.cvm().cancel("run", None)).unwrap();
    block_on(next.cvm().delete("run", None)).unwrap();
    assert_eq!(rows(&disk, &HEAP_PAGES), 0);
    // What the marker names is gone already; a new execution of that id loses nothing to it.
    block_on(engine(&disk, &host).start(&Start::of("program").id("run").input(some()), None)).unwrap();
    clean(&disk, &host);
    block_on(Process::on(&disk, &host).answer("again")).unwrap();
    assert_eq!(Process::on(&disk, &host).output(), [line(0, "again")]);
}

/// What a process does, and at which of its commits it dies, if at all.
#[derive(Clone, Debug)]
enum Act {
    Answer(u64),
    Repeat(u64),
    Rest,
    Clean(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..12u64).prop_map(Act::Answer),
        2 => (0..12u64).prop_map(Act::Repeat),
        1 => Just(Act::Rest),
        1 => (0..4u64).prop_map(Act::Clean),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn after_cleaning_there_is_no_row_that_no_head_points_to(acts in prop::collection::vec(act(), 1..6)) {
        let (disk, host) = memory();
        let mut commands = 0;
        for act in &acts {
            let process = Process::on(&disk, &host);
            let nth = match act { Act::Answer(nth) | Act::Repeat(nth) | Act::Clean(nth) => *nth, Act::Rest => 0 };
            if nth > 0 {
                process.store.plan(Method::Commit, nth, Fault::DieAfter);
            }
            match act {
                Act::Answer(_) => {
                    commands += 1;
                    block_on(process.answer(&format!("c{commands}"))).ok();
                }
                Act::Repeat(_) => drop(block_on(process.answer(&format!("c{commands}")))),
                Act::Rest => {
                    block_on(process.cvm().pause("run", None)).unwrap();
                    block_on(process.cvm().unpause("run", None)).unwrap();
                }
                Act::Clean(_) => drop(block_on(process.engine.remove_abandoned(host.clock.now() + Millis::days(1), 9))),
            }
        }
        clean(&disk, &host);
        // Every answer was taken once or not at all, in the order of turns.
        let output = Process::on(&disk, &host).output();
        let answers: Vec<&str> = output.iter().filter_map(|line| line.split(' ').nth(1)).collect();
        let mut once = answers.clone();
        once.dedup();
        prop_assert_eq!(&answers, &once);
        for (turn, (shown, answer)) in output.iter().zip(&answers).enumerate() {
            prop_assert_eq!(shown, &line(turn, answer));
        }
    }
}
