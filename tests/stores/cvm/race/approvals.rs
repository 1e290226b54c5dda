//! Two people decide on one call, and others act on it or on its execution at the same moment.

use runstate::domain::cvm::{Approve, Policy, Reject, codes};
use runstate::testing::block_on;

use super::*;
use crate::cvm::interleaving::explore;

/// An execution with a call that awaits an approval, and the id of the call.
fn start_awaiting() -> (Race, String) {
    let source = r#"try { console.log(call("pay", 1)) } catch (e) { console.log(e.name) }"#;
    let race = Race::load(&program("program", source));
    let policy = Some(Policy { approve: Some(vec!["pay".to_owned()]), ..Policy::default() });
    block_on(race.scene.process().start(&Start { policy, ..Start::new("program").id("run") })).unwrap();
    let call = race.open_call();
    (race, call)
}

async fn approve(cvm: &Cvm, call: &str, by: &str) -> RaceResult {
    let approve =
        Approve { execution: "run".to_owned(), call: call.to_owned(), by: by.to_owned(), ..Approve::default() };
    to_race_result(cvm.approve(&approve).await)
}

async fn reject(cvm: &Cvm, call: &str, by: &str) -> RaceResult {
    let reject = Reject { execution: "run".to_owned(), call: call.to_owned(), by: by.to_owned(), reason: None };
    to_race_result(cvm.reject(&reject).await)
}

async fn claim(cvm: &Cvm) -> Result<Option<String>, ErrorCode> {
    let work = cvm.claim(&["pay".to_owned()], "worker", Millis::seconds(10)).await.map_err(|error| error.code)?;
    Ok(work.map(|work| work.claimed.call))
}

#[test]
fn one_of_two_approvers_approves() {
    let outcomes = explore("approve, approve", ROUNDS, |choices| {
        let (race, call) = start_awaiting();
        let results =
            race.run(choices, [boxed(approve(&race.one, &call, "ann")), boxed(approve(&race.other, &call, "bob"))]);
        let documents = race.expect(Status::WaitingCc, &[]);
        let by = documents.calls("run")[0].1.text("approval.by").to_owned();
        match results {
            [Ok(()), Err(codes::ALREADY_APPROVED)] => assert_eq!(by, "ann"),
            [Err(codes::ALREADY_APPROVED), Ok(())] => assert_eq!(by, "bob"),
            other => panic!("{other:?}"),
        }
        results.map(outcome_name)
    });
    assert_eq!(observed_outcomes(outcomes), [["already_approved", "done"], ["done", "already_approved"]]);
}

#[test]
fn an_approval_and_a_rejection_never_both_apply() {
    let outcomes = explore("approve, reject", ROUNDS, |choices| {
        let (race, call) = start_awaiting();
        let results =
            race.run(choices, [boxed(approve(&race.one, &call, "ann")), boxed(reject(&race.other, &call, "bob"))]);
        match results {
            [Ok(()), Err(codes::ALREADY_APPROVED)] => drop(race.expect(Status::WaitingCc, &[])),
            [Err(codes::ALREADY_ANSWERED), Ok(())] => drop(race.expect(Status::Complete, &["RejectedError"])),
            other => panic!("{other:?}"),
        }
        results.map(outcome_name)
    });
    assert_eq!(observed_outcomes(outcomes), [["already_answered", "done"], ["done", "already_approved"]]);
}

#[test]
fn a_claim_gets_the_call_only_after_its_approval() {
    let outcomes = explore("approve, claim", ROUNDS, |choices| {
        let (race, call) = start_awaiting();
        let claimed = Mutex::new(None);
        let results = race.run(
            choices,
            [
                boxed(approve(&race.one, &call, "ann")),
                boxed(async {
                    *claimed.lock().unwrap() = claim(&race.other).await?;
                    Ok(())
                }),
            ],
        );
        assert_eq!(results, [Ok(()), Ok(())]);
        let documents = race.expect(Status::WaitingCc, &[]);
        let claimed = claimed.into_inner().unwrap();
        assert_eq!(claimed.is_some(), documents.calls("run")[0].1.has("claim"));
        // A claim that was too early leaves the call to the next one.
        assert_eq!(block_on(claim(&race.other)).unwrap().is_some(), claimed.is_none());
        claimed.is_some()
    });
    assert_eq!(observed_outcomes(outcomes), [false, true]);
}

#[test]
fn an_approval_races_with_the_end_and_the_pause_of_its_execution() {
    for pauses in [false, true] {
        let outcomes = explore("approve, cancel or pause", ROUNDS, |choices| {
            let (race, call) = start_awaiting();
            let end = async {
                match pauses {
                    true => to_race_result(race.other.pause("run").await),
                    false => to_race_result(race.other.cancel("run").await),
                }
            };
            let results = race.run(choices, [boxed(approve(&race.one, &call, "ann")), boxed(end)]);
            let documents = race.expect(if pauses { Status::Paused } else { Status::Cancelled }, &[]);
            assert_eq!(documents.calls("run")[0].1.has("approval"), results[0].is_ok());
            results.map(outcome_name)
        });
        assert_eq!(observed_outcomes(outcomes), [["done", "done"], ["illegal_transition", "done"]]);
    }
}
