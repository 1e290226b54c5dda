//! Deadlines against answers, and hosts against each other.

use runstate::domain::cvm::Status;
use runstate::error_code::ErrorCode;
use runstate::testing::block_on;
use runstate::time::Millis;

use super::*;
use crate::cluster::{program, start};
use crate::interleaving::{YieldingStore, explore};

#[test]
fn answer_and_deadline_never_both_apply() {
    let second = r#"CC("more?");"#;
    for (option, over) in [("default: \"over\"", "over"), ("", "TimeoutError")] {
        let source = format!(
            "try {{ console.log(CC(\"q?\", {{ timeoutMs: 1000, {option} }})); }} catch (e) {{ console.log(e.name); }} {second}"
        );
        let load = program("program", &source);
        let results = explore("answer, deadline", ROUNDS / 2, |choices| {
            let race = Race::start(&load);
            let call = race.open_call();
            let both = [
                boxed(answer_call(&race.one, &call, "a")),
                boxed(pass_time_and_tick(&race, &race.other, Millis(1_000))),
            ];
            let results = race.run(choices, both);
            match results {
                [Ok(()), Ok(())] => drop(race.expect(Status::WaitingCc, &["a"])),
                [Err(ErrorCode::AlreadyAnswered | ErrorCode::DeadlinePassed), Ok(())] => {
                    drop(race.expect(Status::WaitingCc, &[over]));
                }
                other => panic!("{other:?}"),
            }
            results.map(outcome_name)
        });
        assert_eq!(
            observed_outcomes(results),
            [["already_answered", "done"], ["deadline_passed", "done"], ["done", "done"]]
        );
    }
}

#[test]
fn due_work_on_two_hosts_is_done_once() {
    let load = program(
        "program",
        r#"for (let i = 0; i < 2; i++) { sleep(1000); console.log("woke", i); } console.log(CC("q?", { timeoutMs: 1000, default: "over" }));"#,
    );
    let first = explore("two hosts", ROUNDS, |choices| {
        let race = Race::start(&load);
        race.world.advance(Millis(1_000));
        assert_eq!(race.run(choices, [boxed(tick(&race.one)), boxed(tick(&race.other))]), [Ok(()), Ok(())]);
        race.expect(Status::WaitingCc, &["woke 0"]);
        choices.first_finished()
    });
    assert_eq!(observed_outcomes(first), [0, 1]);
}

#[test]
fn slow_process_and_its_successor_print_each_line_once() {
    let load = program("program", "for (let i = 0; i < 40; i++) { console.log(i); for (let j = 0; j < 20; j++); }");
    let expected: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let first = explore("slow runner, take-over", ROUNDS / 4, |choices| {
        let mut race = Race::load(&load);
        race.world.settings.slice_instructions = 700;
        let process = || race.world.process_over(YieldingStore::wrap_migrated(race.world.disk.clone()));
        let (one, other) = (process(), process());
        let both = [
            boxed(async { to_race_result(start(&one, "program", "run").await) }),
            boxed(async {
                for _ in 0..4 {
                    pass_time_and_tick(&race, &other, Millis::minutes(1)).await?;
                }
                Ok(())
            }),
        ];
        assert_eq!(race.run(choices, both), [Ok(()), Ok(())]);
        let documents = race.world.check();
        assert_eq!(documents.output("run"), expected);
        assert_eq!(documents.head("run").unwrap().text("state.status"), "complete");
        choices.first_finished()
    });
    assert_eq!(observed_outcomes(first), [0, 1]);
}

#[test]
fn expired_execution_is_deleted_once_by_two_hosts() {
    let load = program("program", r#"console.log(CC("q?"));"#);
    let first = explore("retire, retire", ROUNDS / 2, |choices| {
        let mut race = Race::start(&load);
        race.world.settings.retention = Some(Millis::days(1));
        let process = || race.world.process_over(YieldingStore::wrap_migrated(race.world.disk.clone()));
        let (one, other) = (process(), process());
        block_on(answer(&one, "a")).unwrap();
        race.world.advance(Millis::days(1));
        assert_eq!(race.run(choices, [boxed(tick(&one)), boxed(tick(&other))]), [Ok(()), Ok(())]);
        assert_eq!(race.world.check().row_count("run"), 0);
        assert_eq!(block_on(one.next_due()).unwrap(), None);
        choices.first_finished()
    });
    assert_eq!(observed_outcomes(first), [0, 1]);
}
