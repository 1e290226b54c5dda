//! Two commands on one execution: answers, pauses, cancellations, deletions, retries, starts. Also deadlines against
//! answers, and hosts against each other.

use runstate::client::Cvm;
use runstate::domain::cvm::Status;
use runstate::domain::cvm::codes;
use runstate::error_code::ErrorCode;
use runstate::marker::BoxFuture;
use runstate::testing::block_on;
use runstate::time::Millis;

use super::*;
use crate::cvm::interleaving::{YieldingStore, explore};
use crate::cvm::scene::{program, start};

#[test]
fn answer_and_cancellation_agree_on_their_order() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    let results = explore("answer, cancel", ROUNDS, |choices| {
        let race = Race::start(&load);
        let both = [boxed(answer(&race.one, "a")), boxed(async { to_race_result(race.other.cancel("run").await) })];
        let results = race.run(choices, both);
        match results {
            [Ok(()), Ok(())] => drop(race.expect(Status::Cancelled, &["a"])),
            [Err(ErrorCode::ILLEGAL_TRANSITION), Ok(())] => drop(race.expect(Status::Cancelled, &[])),
            other => panic!("{other:?}"),
        }
        results.map(outcome_name)
    });
    assert_eq!(observed_outcomes(results), [["done", "done"], ["illegal_transition", "done"]]);
}

#[test]
fn answer_racing_with_a_pause_is_kept() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    let first = explore("answer, pause and unpause", ROUNDS, |choices| {
        let race = Race::start(&load);
        let call = race.open_call();
        let unpauses = choices.choose(2) == 0;
        let pause = async {
            to_race_result(race.other.pause("run").await)?;
            if unpauses { to_race_result(race.other.unpause("run").await) } else { Ok(()) }
        };
        assert_eq!(race.run(choices, [boxed(answer_call(&race.one, &call, "a")), boxed(pause)]), [Ok(()), Ok(())]);
        race.scene.check();
        if !unpauses {
            block_on(race.one.unpause("run")).unwrap();
        }
        race.expect(Status::WaitingCc, &["a"]);
        (unpauses, choices.first_finished())
    });
    assert_eq!(observed_outcomes(first), [(false, 0), (false, 1), (true, 0), (true, 1)]);
}

#[test]
fn two_concurrent_unpauses_resume_once() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    let results = explore("unpause, unpause", ROUNDS, |choices| {
        let race = Race::start(&load);
        block_on(race.one.pause("run")).unwrap();
        block_on(answer(&race.one, "a")).unwrap();
        let unpause = |cvm: &Cvm| -> BoxFuture<'_, RaceResult> {
            let cvm = cvm.clone();
            Box::pin(async move { to_race_result(cvm.unpause("run").await) })
        };
        let results = race.run(choices, [unpause(&race.one), unpause(&race.other)]);
        race.expect(Status::WaitingCc, &["a"]);
        results.map(outcome_name)
    });
    assert_eq!(observed_outcomes(results), [["done", "illegal_transition"], ["illegal_transition", "done"]]);
}

#[test]
fn early_answer_racing_with_a_deletion_leaves_no_row() {
    let load = program("program", KEYED);
    let answers = explore("early answer, delete", ROUNDS, |choices| {
        let race = Race::start(&load);
        let restarts = choices.choose(2) == 0;
        let delete = async {
            to_race_result(race.other.cancel("run").await)?;
            to_race_result(race.other.delete("run").await)?;
            if restarts { to_race_result(start(&race.other, "program", "run").await) } else { Ok(()) }
        };
        let [answered, deletion] = race.run(choices, [boxed(answer_key(&race.one, "early")), boxed(delete)]);
        assert_eq!(deletion, Ok(()));
        assert!(matches!(answered, Ok(()) | Err(ErrorCode::ILLEGAL_TRANSITION | ErrorCode::NOT_FOUND)), "{answered:?}");
        let documents = race.scene.check();
        assert_eq!(documents.head("run").is_some(), restarts);
        assert_eq!(documents.row_count("run") > 0, restarts);
        if restarts {
            block_on(answer(&race.other, "go")).unwrap();
            // Either this execution takes the early answer, or it still waits.
            let waits = race.scene.check().head("run").unwrap().text("state.status") == "waiting_cc";
            assert!(waits || answered == Ok(()));
        }
        outcome_name(answered)
    });
    assert_eq!(observed_outcomes(answers), ["done", "illegal_transition", "not_found"]);
}

#[test]
fn concurrent_deletion_and_retry_leave_no_rows() {
    let load = program("program", r#"throw new Error(CC("why?"));"#);
    let retries = explore("delete, retry", ROUNDS, |choices| {
        let race = Race::start(&load);
        block_on(answer(&race.one, "so")).unwrap();
        let both = [
            boxed(async { to_race_result(race.one.delete("run").await) }),
            boxed(async { to_race_result(race.other.retry("run").await) }),
        ];
        let [deleted, retried] = race.run(choices, both);
        assert_eq!(deleted, Ok(()), "it has failed before and after");
        assert_eq!(race.scene.check().row_count("run"), 0);
        outcome_name(retried)
    });
    assert_eq!(observed_outcomes(retries), ["done", "not_found"]);
}

#[test]
fn two_concurrent_deletions_both_succeed_or_one_is_not_found() {
    let load = program("program", r#"console.log("here");"#);
    let outcomes = explore("delete, delete and start again", ROUNDS, |choices| {
        let race = Race::start(&load);
        let both = [
            boxed(async { to_race_result(race.one.delete("run").await) }),
            boxed(async {
                to_race_result(race.other.delete("run").await)?;
                to_race_result(start(&race.other, "program", "run").await)
            }),
        ];
        let results = race.run(choices, both);
        let documents = race.scene.check();
        let is_there = documents.head("run").is_some();
        match &results[1] {
            // It holds nothing of the first execution. If the other deletion was late, it has deleted this one too.
            Ok(()) if documents.head("run").is_some() => drop(race.expect(Status::Complete, &["here"])),
            _ => assert_eq!(documents.row_count("run"), 0),
        }
        (results.map(outcome_name), is_there)
    });
    let expected = [
        (["done", "done"], false),
        (["done", "done"], true),
        (["done", "not_found"], false),
        (["not_found", "done"], true),
    ];
    assert_eq!(observed_outcomes(outcomes), expected);
}

#[test]
fn two_concurrent_starts_of_one_id_start_one() {
    let load = program("program", r#"console.log(CC("q?"));"#);
    let results = explore("start, start", ROUNDS, |choices| {
        let race = Race::load(&load);
        let both = [
            boxed(async { to_race_result(start(&race.one, "program", "run").await) }),
            boxed(async { to_race_result(start(&race.other, "program", "run").await) }),
        ];
        let results = race.run(choices, both);
        race.expect(Status::WaitingCc, &[]);
        results.map(outcome_name)
    });
    assert_eq!(observed_outcomes(results), [["already_exists", "done"], ["done", "already_exists"]]);
}

/// No start is lost: an execution that has started keeps its version, although the removal did not see it.
#[test]
fn concurrent_removal_and_start_of_a_program() {
    let load = program("program", r#"console.log(CC("q?"));"#);
    let results = explore("remove program, start", ROUNDS, |choices| {
        let race = Race::load(&load);
        let both = [
            boxed(async { to_race_result(race.one.remove_program("program").await) }),
            boxed(async { to_race_result(start(&race.other, "program", "run").await) }),
        ];
        let results = race.run(choices, both);
        match results {
            [Ok(()), Err(ErrorCode::NOT_FOUND)] => assert_eq!(race.scene.check().row_count("run"), 0),
            [removed @ (Ok(()) | Err(ErrorCode::IN_USE)), Ok(())] => {
                race.expect(Status::WaitingCc, &[]);
                let next = block_on(start(&race.one, "program", "run 2")).map_err(|error| error.code);
                assert_eq!(next.is_ok(), removed.is_err(), "{next:?}");
            }
            other => panic!("{other:?}"),
        }
        results.map(outcome_name)
    });
    assert_eq!(observed_outcomes(results), [["done", "done"], ["done", "not_found"], ["in_use", "done"]]);
}

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
                [Err(codes::ALREADY_ANSWERED | codes::DEADLINE_PASSED), Ok(())] => {
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
        race.scene.host.clock.advance(Millis(1_000));
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
        race.scene.settings.slice_instructions = 700;
        let process = || race.scene.process_over(YieldingStore::wrap_migrated(race.scene.store.clone()));
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
        let documents = race.scene.check();
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
        race.scene.settings.retention = Some(Millis::days(1));
        let process = || race.scene.process_over(YieldingStore::wrap_migrated(race.scene.store.clone()));
        let (one, other) = (process(), process());
        block_on(answer(&one, "a")).unwrap();
        race.scene.host.clock.advance(Millis::days(1));
        assert_eq!(race.run(choices, [boxed(tick(&one)), boxed(tick(&other))]), [Ok(()), Ok(())]);
        assert_eq!(race.scene.check().row_count("run"), 0);
        assert_eq!(block_on(one.engine().next_due(runstate::store::Freshness::Linearizable)).unwrap(), None);
        choices.first_finished()
    });
    assert_eq!(observed_outcomes(first), [0, 1]);
}
