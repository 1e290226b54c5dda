//! Workers, who claim and may be too late.

use runstate::code::Code;
use runstate::domain::cvm::{Fail, Status};
use runstate::engine::Cvm;
use runstate::testing::block_on;
use runstate::time::Millis;

use super::*;
use crate::schedule::explore;
use crate::world::{program, start};

const LEASE: Millis = Millis::seconds(10);

fn kinds() -> Vec<String> {
    vec!["cc".to_owned()]
}

#[test]
fn two_who_claim_get_what_nobody_else_has() {
    let one = program("program", r#"console.log(CC("q?"));"#);
    let two = program("program", r#"console.log(CC.all([{ prompt: "a" }, { prompt: "b" }]).join());"#);
    for (load, calls) in [(one, 1), (two, 2)] {
        let first = explore("claim, claim", ROUNDS / 2, |choices| {
            let race = Race::started(&load);
            let claims = std::sync::Mutex::new(Vec::new());
            let claim = |cvm: Cvm, owner: &'static str| {
                let claims = &claims;
                act(async move {
                    let work = cvm.claim(&kinds(), owner, LEASE).await.map_err(|error| error.code)?;
                    claims.lock().unwrap().extend(work.map(|work| work.claimed.call));
                    Ok(())
                })
            };
            let both = [claim(race.one.clone(), "one"), claim(race.other.clone(), "other")];
            assert_eq!(race.run(choices, both), [Ok(()), Ok(())]);
            let claimed = claims.into_inner().unwrap();
            let distinct: std::collections::BTreeSet<&String> = claimed.iter().collect();
            assert_eq!((claimed.len(), distinct.len()), (calls, calls), "{claimed:?}");
            race.world.check();
            choices.first_to_end()
        });
        assert_eq!(occurred(first), [0, 1]);
    }
}

#[test]
fn of_a_late_worker_and_the_one_who_took_over_one_counts() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    let outcomes = explore("complete, take over and complete", ROUNDS, |choices| {
        let race = Race::started(&load);
        let late = block_on(race.one.claim(&kinds(), "late", LEASE)).unwrap().unwrap().claimed;
        let call = late.call.clone();
        race.world.pass(LEASE);
        let end = choices.choose(3);
        let late = async {
            match end {
                0 => told(race.one.complete(&late, "late".into(), None, None).await),
                1 => told(race.one.fail(&fail(&late, None), None).await),
                _ => told(race.one.release(&late).await),
            }
        };
        let taken = std::sync::Mutex::new(false);
        let over = async {
            let Some(work) = race.other.claim_call(&call, "new", LEASE).await.map_err(|error| error.code)? else {
                return Ok(());
            };
            *taken.lock().unwrap() = true;
            told(race.other.complete(&work.claimed, "new".into(), None, None).await)
        };
        let told_of = race.run(choices, [act(late), act(over)]);
        let output = race.world.check().output("run");
        let taken = taken.into_inner().unwrap();
        match (told_of, end) {
            ([Err(Code::StaleClaim), Ok(())], _) => assert_eq!((output, taken), (own(&["new"]), true)),
            ([Ok(()), Ok(())], 0) => assert_eq!((output, taken), (own(&["late"]), false)),
            // It was thrown in the program.
            ([Ok(()), Ok(())], 1) => assert_eq!((output, taken), (Vec::new(), false)),
            ([Ok(()), Ok(())], _) => assert_eq!((output, taken), (own(&["new"]), true), "given back and taken"),
            other => panic!("{other:?} {output:?}"),
        }
        (end, told_of.map(word))
    });
    let (late, new) = (["done", "done"], ["stale_claim", "done"]);
    assert_eq!(occurred(outcomes), [(0, late), (0, new), (1, late), (1, new), (2, late), (2, new)]);
}

fn fail(claimed: &runstate::domain::cvm::Claimed, retry: Option<runstate::domain::cvm::Backoff>) -> Fail {
    let (execution, call) = (claimed.execution.clone(), claimed.call.clone());
    Fail { execution, call, token: claimed.token, message: "no".to_owned(), name: None, retry, by: None }
}

#[test]
fn an_answer_from_elsewhere_and_a_worker_never_both_count() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    let outcomes = explore("complete, answer", ROUNDS, |choices| {
        let race = Race::started(&load);
        let claimed = block_on(race.one.claim(&kinds(), "worker", LEASE)).unwrap().unwrap().claimed;
        let beat = choices.choose(2) == 0;
        let worker = async {
            if beat {
                told(race.one.heartbeat(&claimed, LEASE).await)?;
            }
            told(race.one.complete(&claimed, "worker".into(), None, None).await)
        };
        let told_of = race.run(choices, [act(worker), act(answer_call(&race.other, &claimed.call, "person"))]);
        match told_of {
            [Ok(()), Err(Code::AlreadyAnswered)] => drop(race.expect(Status::WaitingCc, &["worker"])),
            [Err(Code::AlreadyAnswered | Code::StaleClaim), Ok(())] => {
                drop(race.expect(Status::WaitingCc, &["person"]));
            }
            other => panic!("{other:?}"),
        }
        told_of.map(word)
    });
    let expected = [["already_answered", "done"], ["done", "already_answered"], ["stale_claim", "done"]];
    assert_eq!(occurred(outcomes), expected);
}

#[test]
fn what_a_process_remembers_of_a_call_is_not_taken_for_what_became_of_it() {
    let race = Race::started(&program("program", r#"console.log(CC("q?"));"#));
    block_on(race.other.pause("run", None)).unwrap();
    let claimed = block_on(race.one.claim(&kinds(), "worker", LEASE)).unwrap().unwrap().claimed;
    block_on(race.other.complete(&claimed, "a".into(), None, None)).unwrap();
    block_on(race.one.unpause("run", None)).unwrap();
    race.expect(Status::Complete, &["a"]);
}

#[test]
fn who_claimed_a_call_of_what_is_deleted_holds_nothing_of_what_comes_after_it() {
    let race = Race::started(&program("program", r#"console.log(CC("q?", { key: "k" }));"#));
    let late = block_on(race.one.claim(&kinds(), "late", LEASE)).unwrap().unwrap().claimed;
    block_on(race.other.cancel("run", None)).unwrap();
    block_on(race.other.delete("run", None)).unwrap();
    race.world.pass(Millis(1));
    block_on(start(&race.other, "program", "run")).unwrap();
    let next = block_on(race.other.claim(&kinds(), "next", LEASE)).unwrap().unwrap().claimed;
    assert_eq!(next.call, late.call, "the same key");
    assert_eq!(told(block_on(race.one.complete(&late, "late".into(), None, None))), Err(Code::StaleClaim));
    assert_eq!(told(block_on(race.other.complete(&next, "next".into(), None, None))), Ok(()));
    race.expect(Status::Complete, &["next"]);
}
