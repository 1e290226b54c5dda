//! Answers: by whom and by which name they come, each counts once.

use runstate::code::Code;
use runstate::domain::cvm::Status;
use runstate::engine::Cvm;
use runstate::id::CommandId;
use runstate::testing::block_on;
use runstate::time::Millis;

use super::*;
use crate::schedule::{Yielding, explore};
use crate::world::{program, start};

#[test]
fn who_asks_and_who_answers_by_key_never_miss_each_other() {
    let load = program("program", KEYED);
    let first = explore("asker, early answerer", 2_000, |choices| {
        let mut race = if choices.choose(2) == 0 { Race::started(&load) } else { Race::warm(&load) };
        if choices.choose(2) == 1 {
            // Both in one process, which lets them queue.
            race.other = race.one.clone();
        }
        let both = race.run(choices, [act(answer(&race.one, "go")), act(answer_key(&race.other, "early"))]);
        assert_eq!(both, [Ok(()), Ok(())]);
        race.expect(Status::Complete, &["go early"]);
        choices.first_to_end()
    });
    assert_eq!(occurred(first), [0, 1]);
}

#[test]
fn who_starts_and_who_answers_by_key_never_miss_each_other() {
    let load =
        program("program", r#"console.log(CC("q?", { key: "k" }), CC.all([{ prompt: "a", key: "k" }]).join());"#);
    let answered = explore("starter, early answerer", ROUNDS, |choices| {
        let race = Race::loaded(&load);
        let both = [
            act(async { told(start(&race.one, "program", "run").await) }),
            act(async {
                // Both of them, the second before the first.
                let mut told_of = Vec::new();
                for (n, text) in [(2, "second"), (1, "first")] {
                    told_of.push(told(race.other.answer_key("run", "k", n, text.into(), None, None).await));
                }
                told_of.into_iter().collect::<Result<Vec<()>, Code>>().map(drop)
            }),
        ];
        let [started, answered] = race.run(choices, both);
        assert_eq!(started, Ok(()));
        // Whoever comes before the start has nobody to answer.
        if answered.is_err() {
            assert_eq!(answered, Err(Code::NotFound));
            for (n, text) in [(1, "first"), (2, "second")] {
                let again = block_on(race.other.answer_key("run", "k", n, text.into(), None, None));
                assert!(again.is_ok() || again.unwrap_err().code == Code::AlreadyAnswered);
            }
        }
        race.expect(Status::Complete, &["first second"]);
        word(answered)
    });
    assert_eq!(occurred(answered), ["done", "not_found"]);
}

#[test]
fn of_two_who_answer_one_question_one_is_told_so() {
    let load = program("program", r#"console.log(CC("q?", { key: "k" }));"#);
    let told_of = explore("two answerers", ROUNDS, |choices| {
        let race = Race::started(&load);
        let call = race.call();
        let way = choices.choose(3);
        let second = match way {
            0 => act(answer_call(&race.other, &call, "b")),
            1 => act(answer_key(&race.other, "b")),
            _ => act(answer(&race.other, "b")),
        };
        let told_of = race.run(choices, [act(answer_call(&race.one, &call, "a")), second]);
        match told_of {
            [Ok(()), Err(Code::AlreadyAnswered)] => drop(race.expect(Status::Complete, &["a"])),
            // There is no open one any more when it looks.
            [Ok(()), Err(Code::IllegalTransition)] if way == 2 => drop(race.expect(Status::Complete, &["a"])),
            [Err(Code::AlreadyAnswered), Ok(())] => drop(race.expect(Status::Complete, &["b"])),
            other => panic!("{other:?}"),
        }
        (way, told_of.map(word))
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
    assert_eq!(occurred(told_of), expected);
}

#[test]
fn of_two_answers_decided_at_once_the_first_commit_counts() {
    let load = program("program", r#"console.log(CC("q?", { key: "k" }));"#);
    for (places, told_of, output) in
        [([0, 1], ["done", "already_answered"], "a"), ([1, 0], ["already_answered", "done"], "b")]
    {
        for way in 0..3 {
            let race = Race::gated(&load, places);
            let call = race.call();
            let second = match way {
                0 => act(answer_call(&race.other, &call, "b")),
                1 => act(answer_key(&race.other, "b")),
                _ => act(answer(&race.other, "b")),
            };
            let both = race.run_gated([act(answer_call(&race.one, &call, "a")), second]);
            assert_eq!(both, told_of, "way {way}");
            race.expect(Status::Complete, &[output]);
        }
    }
}

#[test]
fn two_who_answer_what_is_open_answer_one_question_each_or_one_is_told() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    let outcomes = explore("two answerers of what is open", ROUNDS, |choices| {
        let race = Race::started(&load);
        let told_of = race.run(choices, [act(answer(&race.one, "a")), act(answer(&race.other, "b"))]);
        let output = race.world.check().output("run");
        (told_of.map(word), output.join(" "))
    });
    let expected = [
        (["already_answered", "done"], "b".to_owned()),
        (["done", "already_answered"], "a".to_owned()),
        (["done", "done"], "a b".to_owned()),
        (["done", "done"], "b a".to_owned()),
    ];
    assert_eq!(occurred(outcomes), expected);
}

#[test]
fn two_early_answers_to_one_question_are_one() {
    let load = program("program", KEYED);
    let told_of = explore("asker, two early answerers", ROUNDS, |choices| {
        let race = Race::started(&load);
        let third = race.world.process_over(Yielding::over_ready(race.world.disk.clone()));
        let three = [act(answer_key(&race.one, "a")), act(answer_key(&race.other, "b")), act(answer(&third, "go"))];
        let told_of = race.run(choices, three);
        match told_of {
            [Ok(()), Err(Code::AlreadyAnswered), Ok(())] => drop(race.expect(Status::Complete, &["go a"])),
            [Err(Code::AlreadyAnswered), Ok(()), Ok(())] => drop(race.expect(Status::Complete, &["go b"])),
            other => panic!("{other:?}"),
        }
        told_of.map(word)
    });
    assert_eq!(occurred(told_of), [["already_answered", "done", "done"], ["done", "already_answered", "done"]]);
}

#[test]
fn one_command_that_is_sent_twice_is_done_once_and_both_are_told() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?")); CC("three?")"#);
    let first = explore("one command twice", ROUNDS, |choices| {
        let race = Race::started(&load);
        let id = CommandId::new("once").unwrap();
        let sent = async |cvm: &Cvm| cvm.answer("run", None, "a".into(), None, Some(&id)).await;
        let expected = Ok(Status::WaitingCc);
        let send = |cvm| {
            act(async move {
                match sent(cvm).await.map(|reached| reached.status).map_err(|error| error.code) {
                    told if told == expected => Ok(()),
                    other => panic!("{other:?}"),
                }
            })
        };
        assert_eq!(race.run(choices, [send(&race.one), send(&race.other)]), [Ok(()), Ok(())]);
        race.expect(Status::WaitingCc, &["a"]);
        choices.first_to_end()
    });
    assert_eq!(occurred(first), [0, 1]);
}

#[test]
fn one_command_decided_twice_at_once_is_committed_once() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?")); CC("three?")"#);
    for places in [[0, 1], [1, 0]] {
        let race = Race::gated(&load, places);
        let id = CommandId::new("once").unwrap();
        let send = |cvm: &Cvm| {
            let (cvm, id) = (cvm.clone(), id.clone());
            act(async move { told(cvm.answer("run", None, "a".into(), None, Some(&id)).await) })
        };
        assert_eq!(race.run_gated([send(&race.one), send(&race.other)]), ["done", "done"]);
        race.expect(Status::WaitingCc, &["a"]);
    }
}

#[test]
fn the_last_two_answers_of_several_calls_let_it_go_on_once() {
    let load = program(
        "program",
        r#"console.log(CC.all([{ prompt: "a" }, { prompt: "b", timeoutMs: 1000, default: "over" }, { prompt: "c" }]).join()); CC("more?")"#,
    );
    let first = explore("the last two", ROUNDS, |choices| {
        let race = Race::started(&load);
        let documents = race.world.check();
        let calls: Vec<String> = documents.calls("run").into_iter().map(|(id, _)| id.to_owned()).collect();
        let timed = choices.choose(2) == 0;
        let others = if timed { 0 } else { 1 };
        if !timed {
            block_on(answer_call(&race.one, &calls[0], "a")).unwrap();
        }
        let last = async { answer_call(&race.other, &calls[2], "c").await };
        let expected = if timed {
            let third = race.world.process_over(Yielding::over_ready(race.world.disk.clone()));
            let three = [
                act(answer_call(&race.one, &calls[others], "a")),
                act(last),
                act(passes(&race, &third, Millis(1_000))),
            ];
            assert_eq!(race.run(choices, three), [Ok(()), Ok(()), Ok(())]);
            "a,over,c"
        } else {
            let both = [act(answer_call(&race.one, &calls[others], "b")), act(last)];
            assert_eq!(race.run(choices, both), [Ok(()), Ok(())]);
            "a,b,c"
        };
        race.expect(Status::WaitingCc, &[expected]);
        (timed, choices.first_to_end())
    });
    assert_eq!(occurred(first), [(false, 0), (false, 1), (true, 0), (true, 1), (true, 2)]);
}
