//! Answers, pauses, cancellations, deletions, retries, starts: what two commands make of one execution.

use runstate::code::Code;
use runstate::domain::cvm::Status;
use runstate::engine::Cvm;
use runstate::marker::BoxFuture;
use runstate::testing::block_on;

use super::*;
use crate::schedule::explore;
use crate::world::{program, start};

#[test]
fn an_answer_and_a_cancellation_agree_on_what_was_first() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    let told_of = explore("answer, cancel", ROUNDS, |choices| {
        let race = Race::started(&load);
        let both = [act(answer(&race.one, "a")), act(async { told(race.other.cancel("run", None).await) })];
        let told_of = race.run(choices, both);
        match told_of {
            [Ok(()), Ok(())] => drop(race.expect(Status::Cancelled, &["a"])),
            [Err(Code::IllegalTransition), Ok(())] => drop(race.expect(Status::Cancelled, &[])),
            other => panic!("{other:?}"),
        }
        told_of.map(word)
    });
    assert_eq!(occurred(told_of), [["done", "done"], ["illegal_transition", "done"]]);
}

#[test]
fn an_answer_meets_a_pause_and_is_kept() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    let first = explore("answer, pause and unpause", ROUNDS, |choices| {
        let race = Race::started(&load);
        let call = race.call();
        let back = choices.choose(2) == 0;
        let rest = async {
            told(race.other.pause("run", None).await)?;
            if back { told(race.other.unpause("run", None).await) } else { Ok(()) }
        };
        assert_eq!(race.run(choices, [act(answer_call(&race.one, &call, "a")), act(rest)]), [Ok(()), Ok(())]);
        race.world.check();
        if !back {
            block_on(race.one.unpause("run", None)).unwrap();
        }
        race.expect(Status::WaitingCc, &["a"]);
        (back, choices.first_to_end())
    });
    assert_eq!(occurred(first), [(false, 0), (false, 1), (true, 0), (true, 1)]);
}

#[test]
fn two_who_let_it_go_on_let_it_go_on_once() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    let told_of = explore("unpause, unpause", ROUNDS, |choices| {
        let race = Race::started(&load);
        block_on(race.one.pause("run", None)).unwrap();
        block_on(answer(&race.one, "a")).unwrap();
        let unpause = |cvm: &Cvm| -> BoxFuture<'_, Told> {
            let cvm = cvm.clone();
            Box::pin(async move { told(cvm.unpause("run", None).await) })
        };
        let told_of = race.run(choices, [unpause(&race.one), unpause(&race.other)]);
        race.expect(Status::WaitingCc, &["a"]);
        told_of.map(word)
    });
    assert_eq!(occurred(told_of), [["done", "illegal_transition"], ["illegal_transition", "done"]]);
}

#[test]
fn an_early_answer_leaves_no_row_of_what_is_deleted() {
    let load = program("program", KEYED);
    let answers = explore("early answer, delete", ROUNDS, |choices| {
        let race = Race::started(&load);
        let again = choices.choose(2) == 0;
        let away = async {
            told(race.other.cancel("run", None).await)?;
            told(race.other.delete("run", None).await)?;
            if again { told(start(&race.other, "program", "run").await) } else { Ok(()) }
        };
        let [answered, gone] = race.run(choices, [act(answer_key(&race.one, "early")), act(away)]);
        assert_eq!(gone, Ok(()));
        assert!(matches!(answered, Ok(()) | Err(Code::IllegalTransition | Code::NotFound)), "{answered:?}");
        let documents = race.world.check();
        assert_eq!(documents.head("run").is_some(), again);
        assert_eq!(documents.rows_of("run") > 0, again);
        if again {
            block_on(answer(&race.other, "go")).unwrap();
            // It is the answer of this one or it is none.
            let waits = race.world.check().head("run").unwrap().text("state.status") == "waiting_cc";
            assert!(waits || answered == Ok(()));
        }
        word(answered)
    });
    assert_eq!(occurred(answers), ["done", "illegal_transition", "not_found"]);
}

#[test]
fn a_deletion_and_a_retry_agree() {
    let load = program("program", r#"throw new Error(CC("why?"));"#);
    let retries = explore("delete, retry", ROUNDS, |choices| {
        let race = Race::started(&load);
        block_on(answer(&race.one, "so")).unwrap();
        let both = [
            act(async { told(race.one.delete("run", None).await) }),
            act(async { told(race.other.retry("run", None).await) }),
        ];
        let [deleted, retried] = race.run(choices, both);
        assert_eq!(deleted, Ok(()), "it has failed before and after");
        assert_eq!(race.world.check().rows_of("run"), 0);
        word(retried)
    });
    assert_eq!(occurred(retries), ["done", "not_found"]);
}

#[test]
fn two_who_delete_do_so_once_and_both_may_think_so() {
    let load = program("program", r#"console.log("here");"#);
    let outcomes = explore("delete, delete and start again", ROUNDS, |choices| {
        let race = Race::started(&load);
        let both = [
            act(async { told(race.one.delete("run", None).await) }),
            act(async {
                told(race.other.delete("run", None).await)?;
                told(start(&race.other, "program", "run").await)
            }),
        ];
        let told_of = race.run(choices, both);
        let documents = race.world.check();
        let is_there = documents.head("run").is_some();
        match &told_of[1] {
            // Of the first one there is nothing in it; unless the other one has deleted this one too, since it came late.
            Ok(()) if documents.head("run").is_some() => drop(race.expect(Status::Complete, &["here"])),
            _ => assert_eq!(documents.rows_of("run"), 0),
        }
        (told_of.map(word), is_there)
    });
    let expected = [
        (["done", "done"], false),
        (["done", "done"], true),
        (["done", "not_found"], false),
        (["not_found", "done"], true),
    ];
    assert_eq!(occurred(outcomes), expected);
}

#[test]
fn of_two_who_start_one_id_one_does() {
    let load = program("program", r#"console.log(CC("q?"));"#);
    let told_of = explore("start, start", ROUNDS, |choices| {
        let race = Race::loaded(&load);
        let both = [
            act(async { told(start(&race.one, "program", "run").await) }),
            act(async { told(start(&race.other, "program", "run").await) }),
        ];
        let told_of = race.run(choices, both);
        race.expect(Status::WaitingCc, &[]);
        told_of.map(word)
    });
    assert_eq!(occurred(told_of), [["already_exists", "done"], ["done", "already_exists"]]);
}

#[test]
fn a_program_that_is_removed_and_started_is_one_of_both() {
    let load = program("program", r#"console.log(CC("q?"));"#);
    let told_of = explore("remove program, start", ROUNDS, |choices| {
        let race = Race::loaded(&load);
        let both = [
            act(async { told(race.one.remove_program("program", None).await) }),
            act(async { told(start(&race.other, "program", "run").await) }),
        ];
        let told_of = race.run(choices, both);
        match told_of {
            [Ok(()), Err(Code::NotFound)] => {
                let documents = race.world.check();
                assert_eq!(documents.rows_of("run"), 0);
                assert!(documents.each(&runstate::domain::cvm::PROGRAM_VERSIONS).is_empty());
            }
            [Err(Code::InUse), Ok(())] => {
                race.expect(Status::WaitingCc, &[]);
                // It can be started still.
                block_on(start(&race.one, "program", "run 2")).unwrap();
            }
            other => panic!("{other:?}"),
        }
        told_of.map(word)
    });
    assert_eq!(occurred(told_of), [["done", "not_found"], ["in_use", "done"]]);
}
