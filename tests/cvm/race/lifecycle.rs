//! Answers, pauses, cancellations, deletions, retries, starts: two commands on one execution.

use runstate::domain::cvm::Status;
use runstate::engine::Cvm;
use runstate::error_code::ErrorCode;
use runstate::marker::BoxFuture;
use runstate::testing::block_on;

use super::*;
use crate::cluster::{program, start};
use crate::interleaving::explore;

#[test]
fn answer_and_cancellation_agree_on_their_order() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    let results = explore("answer, cancel", ROUNDS, |choices| {
        let race = Race::start(&load);
        let both =
            [boxed(answer(&race.one, "a")), boxed(async { to_race_result(race.other.cancel("run", None).await) })];
        let results = race.run(choices, both);
        match results {
            [Ok(()), Ok(())] => drop(race.expect(Status::Cancelled, &["a"])),
            [Err(ErrorCode::IllegalTransition), Ok(())] => drop(race.expect(Status::Cancelled, &[])),
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
        let back = choices.choose(2) == 0;
        let rest = async {
            to_race_result(race.other.pause("run", None).await)?;
            if back { to_race_result(race.other.unpause("run", None).await) } else { Ok(()) }
        };
        assert_eq!(race.run(choices, [boxed(answer_call(&race.one, &call, "a")), boxed(rest)]), [Ok(()), Ok(())]);
        race.world.check();
        if !back {
            block_on(race.one.unpause("run", None)).unwrap();
        }
        race.expect(Status::WaitingCc, &["a"]);
        (back, choices.first_finished())
    });
    assert_eq!(observed_outcomes(first), [(false, 0), (false, 1), (true, 0), (true, 1)]);
}

#[test]
fn two_concurrent_unpauses_resume_once() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    let results = explore("unpause, unpause", ROUNDS, |choices| {
        let race = Race::start(&load);
        block_on(race.one.pause("run", None)).unwrap();
        block_on(answer(&race.one, "a")).unwrap();
        let unpause = |cvm: &Cvm| -> BoxFuture<'_, RaceResult> {
            let cvm = cvm.clone();
            Box::pin(async move { to_race_result(cvm.unpause("run", None).await) })
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
        let again = choices.choose(2) == 0;
        let away = async {
            to_race_result(race.other.cancel("run", None).await)?;
            to_race_result(race.other.delete("run", None).await)?;
            if again { to_race_result(start(&race.other, "program", "run").await) } else { Ok(()) }
        };
        let [answered, gone] = race.run(choices, [boxed(answer_key(&race.one, "early")), boxed(away)]);
        assert_eq!(gone, Ok(()));
        assert!(matches!(answered, Ok(()) | Err(ErrorCode::IllegalTransition | ErrorCode::NotFound)), "{answered:?}");
        let documents = race.world.check();
        assert_eq!(documents.head("run").is_some(), again);
        assert_eq!(documents.row_count("run") > 0, again);
        if again {
            block_on(answer(&race.other, "go")).unwrap();
            // Either this execution takes the early answer, or it still waits.
            let waits = race.world.check().head("run").unwrap().text("state.status") == "waiting_cc";
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
            boxed(async { to_race_result(race.one.delete("run", None).await) }),
            boxed(async { to_race_result(race.other.retry("run", None).await) }),
        ];
        let [deleted, retried] = race.run(choices, both);
        assert_eq!(deleted, Ok(()), "it has failed before and after");
        assert_eq!(race.world.check().row_count("run"), 0);
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
            boxed(async { to_race_result(race.one.delete("run", None).await) }),
            boxed(async {
                to_race_result(race.other.delete("run", None).await)?;
                to_race_result(start(&race.other, "program", "run").await)
            }),
        ];
        let results = race.run(choices, both);
        let documents = race.world.check();
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

#[test]
fn concurrent_removal_and_start_of_a_program_exclude_each_other() {
    let load = program("program", r#"console.log(CC("q?"));"#);
    let results = explore("remove program, start", ROUNDS, |choices| {
        let race = Race::load(&load);
        let both = [
            boxed(async { to_race_result(race.one.remove_program("program", None).await) }),
            boxed(async { to_race_result(start(&race.other, "program", "run").await) }),
        ];
        let results = race.run(choices, both);
        match results {
            [Ok(()), Err(ErrorCode::NotFound)] => {
                let documents = race.world.check();
                assert_eq!(documents.row_count("run"), 0);
                assert!(documents.collection(&runstate::domain::cvm::PROGRAM_VERSIONS).is_empty());
            }
            [Err(ErrorCode::InUse), Ok(())] => {
                race.expect(Status::WaitingCc, &[]);
                // It can still be started.
                block_on(start(&race.one, "program", "run 2")).unwrap();
            }
            other => panic!("{other:?}"),
        }
        results.map(outcome_name)
    });
    assert_eq!(observed_outcomes(results), [["done", "not_found"], ["in_use", "done"]]);
}
