//! Workers that claim calls and may be late.

use runstate::client::Cvm;
use runstate::domain::cvm::codes;
use runstate::domain::cvm::{Fail, Status};
use runstate::error_code::ErrorCode;
use runstate::testing::block_on;
use runstate::time::Millis;

use super::*;
use crate::cvm::interleaving::explore;
use crate::cvm::scene::{program, start};

const LEASE: Millis = Millis::seconds(10);

fn kinds() -> Vec<String> {
    vec!["cc".to_owned()]
}

#[test]
fn two_concurrent_claims_never_share_a_call() {
    let one = program("program", r#"console.log(CC("q?"));"#);
    let two = program("program", r#"console.log(CC.all([{ prompt: "a" }, { prompt: "b" }]).join());"#);
    for (load, calls) in [(one, 1), (two, 2)] {
        let first = explore("claim, claim", ROUNDS / 2, |choices| {
            let race = Race::start(&load);
            let claims = std::sync::Mutex::new(Vec::new());
            let claim = |cvm: Cvm, owner: &'static str| {
                let claims = &claims;
                boxed(async move {
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
            race.scene.check();
            choices.first_finished()
        });
        assert_eq!(observed_outcomes(first), [0, 1]);
    }
}

#[test]
fn late_worker_and_its_successor_never_both_complete() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    let outcomes = explore("complete, take over and complete", ROUNDS, |choices| {
        let race = Race::start(&load);
        let late = block_on(race.one.claim(&kinds(), "late", LEASE)).unwrap().unwrap().claimed;
        let call = late.call.clone();
        race.scene.host.clock.advance(LEASE);
        let end = choices.choose(3);
        let late = async {
            match end {
                0 => to_race_result(race.one.complete(&late, "late").await),
                1 => to_race_result(race.one.fail(&fail(&late, None)).await),
                _ => to_race_result(race.one.release(&late).await),
            }
        };
        let taken = std::sync::Mutex::new(false);
        let over = async {
            let Some(work) = race.other.claim_call(&call, "new", LEASE).await.map_err(|error| error.code)? else {
                return Ok(());
            };
            *taken.lock().unwrap() = true;
            to_race_result(race.other.complete(&work.claimed, "new").await)
        };
        let results = race.run(choices, [boxed(late), boxed(over)]);
        let output = race.scene.check().output("run");
        let taken = taken.into_inner().unwrap();
        match (results, end) {
            ([Err(ErrorCode::STALE_CLAIM), Ok(())], _) => assert_eq!((output, taken), (to_strings(&["new"]), true)),
            ([Ok(()), Ok(())], 0) => assert_eq!((output, taken), (to_strings(&["late"]), false)),
            // The failure was thrown in the program.
            ([Ok(()), Ok(())], 1) => assert_eq!((output, taken), (Vec::new(), false)),
            ([Ok(()), Ok(())], _) => assert_eq!((output, taken), (to_strings(&["new"]), true), "released and claimed"),
            other => panic!("{other:?} {output:?}"),
        }
        (end, results.map(outcome_name))
    });
    let (late, new) = (["done", "done"], ["stale_claim", "done"]);
    assert_eq!(observed_outcomes(outcomes), [(0, late), (0, new), (1, late), (1, new), (2, late), (2, new)]);
}

fn fail(claimed: &runstate::domain::cvm::ClaimedCall, retry: Option<runstate::work::Backoff>) -> Fail {
    let (execution, call) = (claimed.execution.clone(), claimed.call.clone());
    Fail { execution, call, token: claimed.token, message: "no".to_owned(), retry, ..Fail::default() }
}

#[test]
fn answer_and_worker_completion_never_both_apply() {
    let load = program("program", r#"console.log(CC("one?")); console.log(CC("two?"));"#);
    let outcomes = explore("complete, answer", ROUNDS, |choices| {
        let race = Race::start(&load);
        let claimed = block_on(race.one.claim(&kinds(), "worker", LEASE)).unwrap().unwrap().claimed;
        let beat = choices.choose(2) == 0;
        let worker = async {
            if beat {
                to_race_result(race.one.heartbeat(&claimed, LEASE).await)?;
            }
            to_race_result(race.one.complete(&claimed, "worker").await)
        };
        let results = race.run(choices, [boxed(worker), boxed(answer_call(&race.other, &claimed.call, "person"))]);
        match results {
            [Ok(()), Err(codes::ALREADY_ANSWERED)] => drop(race.expect(Status::WaitingCc, &["worker"])),
            [Err(codes::ALREADY_ANSWERED | ErrorCode::STALE_CLAIM), Ok(())] => {
                drop(race.expect(Status::WaitingCc, &["person"]));
            }
            other => panic!("{other:?}"),
        }
        results.map(outcome_name)
    });
    let expected = [["already_answered", "done"], ["done", "already_answered"], ["stale_claim", "done"]];
    assert_eq!(observed_outcomes(outcomes), expected);
}

#[test]
fn cached_call_does_not_hide_its_completion_elsewhere() {
    let race = Race::start(&program("program", r#"console.log(CC("q?"));"#));
    block_on(race.other.pause("run")).unwrap();
    let claimed = block_on(race.one.claim(&kinds(), "worker", LEASE)).unwrap().unwrap().claimed;
    block_on(race.other.complete(&claimed, "a")).unwrap();
    block_on(race.one.unpause("run")).unwrap();
    race.expect(Status::Complete, &["a"]);
}

#[test]
fn claim_of_a_deleted_execution_is_stale_for_its_successor() {
    let race = Race::start(&program("program", r#"console.log(CC("q?", { key: "k" }));"#));
    let late = block_on(race.one.claim(&kinds(), "late", LEASE)).unwrap().unwrap().claimed;
    block_on(race.other.cancel("run")).unwrap();
    block_on(race.other.delete("run")).unwrap();
    race.scene.host.clock.advance(Millis(1));
    block_on(start(&race.other, "program", "run")).unwrap();
    let next = block_on(race.other.claim(&kinds(), "next", LEASE)).unwrap().unwrap().claimed;
    assert_eq!(next.call, late.call, "the same key");
    assert_eq!(to_race_result(block_on(race.one.complete(&late, "late"))), Err(ErrorCode::STALE_CLAIM));
    assert_eq!(to_race_result(block_on(race.other.complete(&next, "next"))), Ok(()));
    race.expect(Status::Complete, &["next"]);
}
