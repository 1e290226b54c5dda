//! The clock against whoever answers, and hosts against each other.

use runstate::code::Code;
use runstate::domain::cvm::Status;
use runstate::testing::block_on;
use runstate::time::Millis;

use super::*;
use crate::schedule::{Yielding, explore};
use crate::world::{program, start};

#[test]
fn an_answer_and_a_deadline_never_both_count() {
    let second = r#"CC("more?");"#;
    for (option, over) in [("default: \"over\"", "over"), ("", "TimeoutError")] {
        let source = format!(
            "try {{ console.log(CC(\"q?\", {{ timeoutMs: 1000, {option} }})); }} catch (e) {{ console.log(e.name); }} {second}"
        );
        let load = program("program", &source);
        let told_of = explore("answer, deadline", ROUNDS / 2, |choices| {
            let race = Race::started(&load);
            let call = race.call();
            let both = [act(answer_call(&race.one, &call, "a")), act(passes(&race, &race.other, Millis(1_000)))];
            let told_of = race.run(choices, both);
            match told_of {
                [Ok(()), Ok(())] => drop(race.expect(Status::WaitingCc, &["a"])),
                [Err(Code::AlreadyAnswered | Code::DeadlinePassed), Ok(())] => {
                    drop(race.expect(Status::WaitingCc, &[over]));
                }
                other => panic!("{other:?}"),
            }
            told_of.map(word)
        });
        assert_eq!(occurred(told_of), [["already_answered", "done"], ["deadline_passed", "done"], ["done", "done"]]);
    }
}

#[test]
fn two_hosts_that_do_what_is_due_do_it_once() {
    let load = program(
        "program",
        r#"for (let i = 0; i < 2; i++) { sleep(1000); console.log("woke", i); } console.log(CC("q?", { timeoutMs: 1000, default: "over" }));"#,
    );
    let first = explore("two hosts", ROUNDS, |choices| {
        let race = Race::started(&load);
        race.world.pass(Millis(1_000));
        assert_eq!(race.run(choices, [act(tick(&race.one)), act(tick(&race.other))]), [Ok(()), Ok(())]);
        race.expect(Status::WaitingCc, &["woke 0"]);
        choices.first_to_end()
    });
    assert_eq!(occurred(first), [0, 1]);
}

#[test]
fn one_that_runs_slowly_and_one_who_takes_it_for_left_print_everything_once() {
    let load = program("program", "for (let i = 0; i < 40; i++) { console.log(i); for (let j = 0; j < 20; j++); }");
    let expected: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let first = explore("slow runner, take-over", ROUNDS / 4, |choices| {
        let mut race = Race::loaded(&load);
        race.world.settings.slice_instructions = 700;
        let process = || race.world.process_over(Yielding::over_ready(race.world.disk.clone()));
        let (one, other) = (process(), process());
        let both = [
            act(async { told(start(&one, "program", "run").await) }),
            act(async {
                for _ in 0..4 {
                    passes(&race, &other, Millis::minutes(1)).await?;
                }
                Ok(())
            }),
        ];
        assert_eq!(race.run(choices, both), [Ok(()), Ok(())]);
        let documents = race.world.check();
        assert_eq!(documents.output("run"), expected);
        assert_eq!(documents.head("run").unwrap().text("state.status"), "complete");
        choices.first_to_end()
    });
    assert_eq!(occurred(first), [0, 1]);
}

#[test]
fn what_is_kept_no_longer_is_deleted_by_whoever_comes_first() {
    let load = program("program", r#"console.log(CC("q?"));"#);
    let first = explore("retire, retire", ROUNDS / 2, |choices| {
        let mut race = Race::started(&load);
        race.world.settings.retention = Some(Millis::days(1));
        let process = || race.world.process_over(Yielding::over_ready(race.world.disk.clone()));
        let (one, other) = (process(), process());
        block_on(answer(&one, "a")).unwrap();
        race.world.pass(Millis::days(1));
        assert_eq!(race.run(choices, [act(tick(&one)), act(tick(&other))]), [Ok(()), Ok(())]);
        assert_eq!(race.world.check().rows_of("run"), 0);
        assert_eq!(block_on(one.next_due()).unwrap(), None);
        choices.first_to_end()
    });
    assert_eq!(occurred(first), [0, 1]);
}
