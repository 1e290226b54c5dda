//! Answers of different callers, by id, by key or without a name: each counts once.

use runstate::client::Answer;
use runstate::client::Cvm;
use runstate::domain::cvm::Status;
use runstate::domain::cvm::codes;
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::testing::block_on;
use runstate::time::Millis;

use super::*;
use crate::cvm::interleaving::{YieldingStore, explore};
use crate::cvm::scene::{program, start};

#[test]
fn early_answer_racing_with_its_call_is_always_taken() {
    let load = program("program", KEYED);
    let first = explore("asker, early answerer", 2_000, |choices| {
        let mut race = if choices.choose(2) == 0 { Race::start(&load) } else { Race::start_cached(&load) };
        if choices.choose(2) == 1 {
            // Both are in one process, which queues them.
            race.other = race.one.clone();
        }
        let both = race.run(choices, [boxed(answer(&race.one, "go")), boxed(answer_key(&race.other, "early"))]);
        assert_eq!(both, [Ok(()), Ok(())]);
        race.expect(Status::Complete, &["go early"]);
        choices.first_finished()
    });
    assert_eq!(observed_outcomes(first), [0, 1]);
}

#[test]
fn early_answer_racing_with_the_start_is_taken_or_not_found() {
    let load =
        program("program", r#"console.log(CC("q?", { key: "k" }), CC.all([{ prompt: "a", key: "k" }]).join());"#);
    let answered = explore("starter, early answerer", ROUNDS, |choices| {
        let race = Race::load(&load);
        let both = [
            boxed(async { to_race_result(start(&race.one, "program", "run").await) }),
            boxed(async {
                // Both answers, the second before the first.
                let mut results = Vec::new();
                for (n, text) in [(2, "second"), (1, "first")] {
                    results.push(to_race_result(
                        race.other.answer("run", Answer::to_key("k").occurrence(n).value(text)).await,
                    ));
                }
                results.into_iter().collect::<Result<Vec<()>, ErrorCode>>().map(drop)
            }),
        ];
        let [started, answered] = race.run(choices, both);
        assert_eq!(started, Ok(()));
        // An answer before the start finds no execution.
        if answered.is_err() {
            assert_eq!(answered, Err(ErrorCode::NOT_FOUND));
            for (n, text) in [(1, "first"), (2, "second")] {
                let again = block_on(race.other.answer("run", Answer::to_key("k").occurrence(n).value(text)));
                assert!(again.is_ok() || again.unwrap_err().code == codes::ALREADY_ANSWERED);
            }
        }
        race.expect(Status::Complete, &["first second"]);
        outcome_name(answered)
    });
    assert_eq!(observed_outcomes(answered), ["done", "not_found"]);
}

#[test]
fn two_answers_to_one_call_accept_one_and_reject_the_other() {
    let load = program("program", r#"console.log(CC("q?", { key: "k" }));"#);
    let results = explore("two answerers", ROUNDS, |choices| {
        let race = Race::start(&load);
        let call = race.open_call();
        let way = choices.choose(3);
        let second = match way {
            0 => boxed(answer_call(&race.other, &call, "b")),
            1 => boxed(answer_key(&race.other, "b")),
            _ => boxed(answer(&race.other, "b")),
        };
        let results = race.run(choices, [boxed(answer_call(&race.one, &call, "a")), second]);
        match results {
            [Ok(()), Err(codes::ALREADY_ANSWERED)] => drop(race.expect(Status::Complete, &["a"])),
            // No call is open any more when it looks.
            [Ok(()), Err(ErrorCode::ILLEGAL_TRANSITION)] if way == 2 => drop(race.expect(Status::Complete, &["a"])),
            [Err(codes::ALREADY_ANSWERED), Ok(())] => drop(race.expect(Status::Complete, &["b"])),
            other => panic!("{other:?}"),
        }
        (way, results.map(outcome_name))
    });
    let (first, second) = (["done", "already_answered"], ["already_answered", "done"]);
    let expected = [
        (0, second),
        (0, first),
        (1, second),
        (1, first),
        (2, second),
        (2, first),
        (2, ["done", "illegal_transition"]),
    ];
    assert_eq!(observed_outcomes(results), expected);
}

#[test]
fn first_commit_wins_between_two_simultaneous_answers() {
    let load = program("program", r#"console.log(CC("q?", { key: "k" }));"#);
    for (ranks, results, output) in
        [([0, 1], ["done", "already_answered"], "a"), ([1, 0], ["already_answered", "done"], "b")]
    {
        for way in 0..3 {
            let race = Race::start_gated(&load, ranks);
            let call = race.open_call();
            let second = match way {
                0 => boxed(answer_call(&race.other, &call, "b")),
                1 => boxed(answer_key(&race.other, "b")),
                _ => boxed(answer(&race.other, "b")),
            };
            let both = race.run_gated([boxed(answer_call(&race.one, &call, "a")), second]);
            assert_eq!(both, results, "way {way}");
            race.expect(Status::Complete, &[output]);
        }
    }
}

#[test]
fn two_answers_without_call_id_never_answer_the_same_call() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    let outcomes = explore("two answerers of what is open", ROUNDS, |choices| {
        let race = Race::start(&load);
        let results = race.run(choices, [boxed(answer(&race.one, "a")), boxed(answer(&race.other, "b"))]);
        let output = race.scene.check().output("run");
        (results.map(outcome_name), output.join(" "))
    });
    let expected = [
        (["already_answered", "done"], "b".to_owned()),
        (["done", "already_answered"], "a".to_owned()),
        (["done", "done"], "a b".to_owned()),
        (["done", "done"], "b a".to_owned()),
    ];
    assert_eq!(observed_outcomes(outcomes), expected);
}

#[test]
fn second_early_answer_to_one_call_is_rejected() {
    let load = program("program", KEYED);
    let results = explore("asker, two early answerers", ROUNDS, |choices| {
        let race = Race::start(&load);
        let third = race.scene.process_over(YieldingStore::wrap_migrated(race.scene.store.clone()));
        let three =
            [boxed(answer_key(&race.one, "a")), boxed(answer_key(&race.other, "b")), boxed(answer(&third, "go"))];
        let results = race.run(choices, three);
        match results {
            [Ok(()), Err(codes::ALREADY_ANSWERED), Ok(())] => drop(race.expect(Status::Complete, &["go a"])),
            [Err(codes::ALREADY_ANSWERED), Ok(()), Ok(())] => drop(race.expect(Status::Complete, &["go b"])),
            other => panic!("{other:?}"),
        }
        results.map(outcome_name)
    });
    assert_eq!(
        observed_outcomes(results),
        [["already_answered", "done", "done"], ["done", "already_answered", "done"]]
    );
}

#[test]
fn one_command_sent_concurrently_is_applied_once_for_both() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?")); CC("three?")"#);
    let first = explore("one command twice", ROUNDS, |choices| {
        let race = Race::start(&load);
        let id = CommandId::new("once").unwrap();
        let sent = async |cvm: &Cvm| cvm.with_id(&id).answer("run", "a").await;
        let expected = Ok(Status::WaitingCc);
        let send = |cvm| {
            boxed(async move {
                match sent(cvm).await.map(|reached| reached.status).map_err(|error| error.code) {
                    status if status == expected => Ok(()),
                    other => panic!("{other:?}"),
                }
            })
        };
        assert_eq!(race.run(choices, [send(&race.one), send(&race.other)]), [Ok(()), Ok(())]);
        race.expect(Status::WaitingCc, &["a"]);
        choices.first_finished()
    });
    assert_eq!(observed_outcomes(first), [0, 1]);
}

#[test]
fn one_command_decided_concurrently_is_committed_once() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?")); CC("three?")"#);
    for ranks in [[0, 1], [1, 0]] {
        let race = Race::start_gated(&load, ranks);
        let id = CommandId::new("once").unwrap();
        let send = |cvm: &Cvm| {
            let (cvm, id) = (cvm.clone(), id.clone());
            boxed(async move { to_race_result(cvm.with_id(&id).answer("run", "a").await) })
        };
        assert_eq!(race.run_gated([send(&race.one), send(&race.other)]), ["done", "done"]);
        race.expect(Status::WaitingCc, &["a"]);
    }
}

#[test]
fn last_two_concurrent_answers_resume_the_execution_once() {
    let load = program(
        "program",
        r#"console.log(CC.all([{ prompt: "a" }, { prompt: "b", timeoutMs: 1000, default: "over" }, { prompt: "c" }]).join()); CC("more?")"#,
    );
    let first = explore("the last two", ROUNDS, |choices| {
        let race = Race::start(&load);
        let documents = race.scene.check();
        let calls: Vec<String> = documents.calls("run").into_iter().map(|(id, _)| id.to_owned()).collect();
        let timed = choices.choose(2) == 0;
        let others = if timed { 0 } else { 1 };
        if !timed {
            block_on(answer_call(&race.one, &calls[0], "a")).unwrap();
        }
        let last = async { answer_call(&race.other, &calls[2], "c").await };
        let expected = if timed {
            let third = race.scene.process_over(YieldingStore::wrap_migrated(race.scene.store.clone()));
            let three = [
                boxed(answer_call(&race.one, &calls[others], "a")),
                boxed(last),
                boxed(pass_time_and_tick(&race, &third, Millis(1_000))),
            ];
            assert_eq!(race.run(choices, three), [Ok(()), Ok(()), Ok(())]);
            "a,over,c"
        } else {
            let both = [boxed(answer_call(&race.one, &calls[others], "b")), boxed(last)];
            assert_eq!(race.run(choices, both), [Ok(()), Ok(())]);
            "a,b,c"
        };
        race.expect(Status::WaitingCc, &[expected]);
        (timed, choices.first_finished())
    });
    assert_eq!(observed_outcomes(first), [(false, 0), (false, 1), (true, 0), (true, 1), (true, 2)]);
}
